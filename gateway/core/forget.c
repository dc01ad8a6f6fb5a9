#include "gateway/core/forget.h"

#include "gateway/core/answer.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/peer.h"
#include "gateway/core/subscriber.h"

void gateway_forget_ask(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request,
                        const Ordo__V1__Forget *from) {
    if (!gateway_conn_may_ask(gateway, subscriber, request)) return;
    Ordo__Cluster__V1__Forget forget = ORDO__CLUSTER__V1__FORGET__INIT;
    forget.subscriber = subscriber->by_id.key;
    forget.request = request;
    forget.lineage = from->lineage;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET;
    message.forget = &forget;
    gateway_peer_gather(gateway, gateway_doc_peer(subscriber->doc), &message);
    gateway_conn_add_wait(subscriber->conn, subscriber->handle, request);
}

void gateway_forget_answered(struct ordo_gateway *gateway, struct gateway_peer *peer,
                             const Ordo__Cluster__V1__Forgotten *answer) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, answer->subscriber);
    if (subscriber == NULL) return;
    struct gateway_conn *conn = subscriber->conn;
    if (!gateway_conn_take_wait(conn, subscriber->handle, answer->request)) return;
    if (answer->error_code != 0)
        gateway_answer_error(gateway, conn, answer->request, subscriber->handle, answer->error_code,
                             ordo_slice_of_binary(answer->message));
    else
        gateway_answer_forgotten(gateway, subscriber, answer->request, answer->head);
}
