#include "gateway/core/submit.h"

#include "gateway/core/answer.h"
#include "gateway/core/doc.h"
#include "gateway/core/peer.h"
#include "gateway/core/resync.h"
#include "gateway/core/subscriber.h"

enum { RETRY_AFTER_MS = 200 }; /* and up to as much again, so that clients do not come back all at once */

static void refuse_submit(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                          uint32_t request, uint64_t client_seq, const char *text) {
    Ordo__V1__Nack nack = ORDO__V1__NACK__INIT;
    nack.client_seq = client_seq;
    nack.code = ORDO__V1__NACK_CODE__UNAVAILABLE;
    nack.retry_after_ms = RETRY_AFTER_MS + (uint32_t)ordo_prng_below(&gateway->prng, RETRY_AFTER_MS);
    gateway_answer_nack(gateway, subscriber->conn, request, subscriber->handle, nack, text);
    gateway->stats.submits_refused++;
}

/* The op as it stands in the frame: the field of ordo.v1.Submit.op, and that field's bytes. */
static void fill_op(const Ordo__V1__Submit *submit, struct ordo_buffer *scratch,
                    Ordo__Cluster__V1__Submit *out) {
    ordo_buffer_clear(scratch);
    switch (submit->op_case) {
    case ORDO__V1__SUBMIT__OP_TEXT: out->op = submit->text; break;
    case ORDO__V1__SUBMIT__OP_DELETE:
        ordo_message_encode(&submit->delete_->base, scratch);
        out->op = ordo_binary_of_slice(ordo_buffer_slice(scratch));
        break;
    case ORDO__V1__SUBMIT__OP_CREATE: out->op = submit->create; break;
    case ORDO__V1__SUBMIT__OP__NOT_SET: /* or of a type that we do not know: the shard answers INVALID_OP */
    default: return;
    }
    out->op_field = (uint32_t)submit->op_case;
}

void gateway_submit_op(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request,
                       const Ordo__V1__Submit *submit) {
    struct gateway_peer *peer = gateway_doc_peer(subscriber->doc);
    Ordo__Cluster__V1__Submit op = ORDO__CLUSTER__V1__SUBMIT__INIT;
    gateway->stats.submits++;
    op.subscriber = subscriber->by_id.key;
    op.client_seq = submit->client_seq;
    op.base_seq = submit->base_seq;
    fill_op(submit, &gateway->scratch, &op);
    if (!gateway_subscriber_is_attached(subscriber)) {
        gateway_resync_hurry(subscriber);
        refuse_submit(gateway, subscriber, request, submit->client_seq,
                      "the document's shard is away; send again");
        return;
    }
    if (!gateway_peer_has_credit(peer, op.op.len)) {
        refuse_submit(gateway, subscriber, request, submit->client_seq,
                      "the document's shard is busy; send again");
        return;
    }
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT;
    message.submit = &op;
    gateway_peer_gather(gateway, peer, &message);
    /* Of several in flight one is timed. */
    if (subscriber->timed_seq == 0 || subscriber->unanswered_seq == 0 || subscriber->timed_seq == submit->client_seq) {
        subscriber->timed_seq = submit->client_seq;
        subscriber->timed_us = gateway->now_us;
    }
    subscriber->unanswered_seq = submit->client_seq;
}

/* Otherwise than by a commit. */
static void answered(struct gateway_subscriber *subscriber, uint64_t client_seq) {
    if (client_seq == subscriber->unanswered_seq) subscriber->unanswered_seq = 0;
    if (client_seq == subscriber->timed_seq) subscriber->timed_seq = 0;
}

void gateway_submit_nacked(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                           const Ordo__Cluster__V1__Nack *from) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, from->subscriber);
    if (subscriber == NULL || subscriber->state == GATEWAY_SUBSCRIBER_OPENING) return;
    answered(subscriber, from->client_seq);
    Ordo__V1__Nack nack = ORDO__V1__NACK__INIT;
    nack.client_seq = from->client_seq;
    nack.code = (Ordo__V1__NackCode)from->code;
    nack.message = from->message;
    nack.retry_after_ms = from->retry_after_ms;
    nack.horizon = from->horizon;
    gateway_answer_nack(gateway, subscriber->conn, 0, subscriber->handle, nack, NULL);
}

void gateway_submit_duplicate(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                              const Ordo__Cluster__V1__DuplicateAck *from) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, from->subscriber);
    if (subscriber == NULL || subscriber->state == GATEWAY_SUBSCRIBER_OPENING) return;
    answered(subscriber, from->client_seq);
    Ordo__V1__Ack ack = ORDO__V1__ACK__INIT;
    ack.client_seq = from->client_seq;
    ack.server_seq = from->server_seq;
    ack.timestamp_ms = from->timestamp_ms;
    ack.duplicate = true;
    gateway_answer_duplicate(gateway, subscriber, &ack);
}
