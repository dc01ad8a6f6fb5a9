#include "gateway/core/history.h"

#include "gateway/core/answer.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/parts.h"
#include "gateway/core/peer.h"
#include "gateway/core/subscriber.h"

enum { AT_RANGE = 0, AT_SEQ = 1, AT_TIME = 2 }; /* ReadHistory.at_kind */

void gateway_history_read(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                          uint32_t request, const Ordo__V1__ReadHistory *from) {
    if (!gateway_conn_may_ask(gateway, subscriber, request)) return;
    Ordo__Cluster__V1__ReadHistory read = ORDO__CLUSTER__V1__READ_HISTORY__INIT;
    read.subscriber = subscriber->by_id.key;
    read.request = request;
    read.from_seq = from->from_seq;
    read.to_seq = from->to_seq;
    switch (from->at_case) {
    case ORDO__V1__READ_HISTORY__AT_AT_SEQ:
        read.at_kind = AT_SEQ;
        read.at = from->at_seq;
        break;
    case ORDO__V1__READ_HISTORY__AT_AT_TIME_MS:
        read.at_kind = AT_TIME;
        read.at = from->at_time_ms;
        break;
    case ORDO__V1__READ_HISTORY__AT__NOT_SET:
    default: read.at_kind = AT_RANGE;
    }
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY;
    message.history = &read;
    gateway_peer_gather(gateway, gateway_doc_peer(subscriber->doc), &message);
    gateway_conn_add_wait(subscriber->conn, subscriber->handle, request);
}

void gateway_history_answered(struct ordo_gateway *gateway, struct gateway_peer *peer,
                              const Ordo__Cluster__V1__HistoryAnswer *answer) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, answer->subscriber);
    if (subscriber == NULL ||
        !gateway_conn_take_wait(subscriber->conn, subscriber->handle, answer->request)) {
        gateway_stream_release_bulks(peer, answer->content, answer->ops);
        return;
    }
    if (answer->error_code != 0) {
        gateway_answer_error(gateway, subscriber->conn, answer->request, subscriber->handle,
                             answer->error_code, ordo_slice_of_binary(answer->message));
        return;
    }
    gateway_stream_start_history(gateway, subscriber, answer);
}
