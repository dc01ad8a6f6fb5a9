#include <inttypes.h>
#include <stdio.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/put.h"
#include "shard/core/state.h"

enum { ENVELOPE_TO_GATEWAY = 8, TO_GATEWAY_COMMIT = 5, COMMIT_OVERHEAD = 64, WIRE_SIZED = 2 };

static ProtobufCBinaryData text_of(const char *text) { return ordo_binary_of_slice(ordo_slice_of(text)); }

void ordo_answer(struct ordo_shard *shard, struct ordo_peer *peer, Ordo__Cluster__V1__ToGateway *message) {
    if (!peer->is_linked) return;
    ordo_message_encode_field(ENVELOPE_TO_GATEWAY, &message->base, ordo_outbox_begin(shard, peer));
    ordo_outbox_end(shard, peer);
}

static void note_nack(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__Nack *nack) {
    const struct ordo_subscriber *subscriber = ordo_peer_subscriber(peer, nack->subscriber);
    if (subscriber == NULL) return;
    char more[96];
    snprintf(more, sizeof more, "client_seq=%" PRIu64 " code=%s", nack->client_seq,
             ordo_nack_code_names[ordo_nack_code_index((uint32_t)nack->code)]);
    ordo_shard_note_op(shard, subscriber->audience->doc, subscriber, "op_refused", more);
}

void ordo_answer_nack(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint64_t client_seq,
                      Ordo__V1__NackCode code, const char *text, uint32_t retry_after_ms, uint64_t horizon) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    nack.subscriber = subscriber;
    nack.client_seq = client_seq;
    nack.code = code;
    nack.message = text_of(text);
    nack.retry_after_ms = retry_after_ms;
    nack.horizon = horizon;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK;
    message.nack = &nack;
    shard->stats.ops_refused++;
    shard->stats.nacks[ordo_nack_code_index((uint32_t)code)]++;
    if (shard->config.has_debug_notes) note_nack(shard, peer, &nack);
    ordo_answer(shard, peer, &message);
}

void ordo_answer_duplicate(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint64_t client_seq,
                           uint64_t server_seq, uint64_t timestamp_ms) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__DuplicateAck duplicate = ORDO__CLUSTER__V1__DUPLICATE_ACK__INIT;
    duplicate.subscriber = subscriber;
    duplicate.client_seq = client_seq;
    duplicate.server_seq = server_seq;
    duplicate.timestamp_ms = timestamp_ms;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DUPLICATE;
    message.duplicate = &duplicate;
    shard->stats.ops_duplicate++;
    ordo_answer(shard, peer, &message);
}

void ordo_answer_refused(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint32_t code,
                         const char *text, uint32_t retry_after_ms) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    refused.subscriber = subscriber;
    shard->stats.refusals[ordo_error_code_index(code)]++;
    refused.code = code;
    refused.message = text_of(text);
    refused.retry_after_ms = retry_after_ms;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_REFUSED;
    message.refused = &refused;
    ordo_answer(shard, peer, &message);
}

void ordo_answer_history_error(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber,
                               uint32_t request, uint32_t code, const char *text) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__HistoryAnswer history = ORDO__CLUSTER__V1__HISTORY_ANSWER__INIT;
    history.subscriber = subscriber;
    history.request = request;
    history.error_code = code;
    history.message = text_of(text);
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_HISTORY;
    message.history = &history;
    ordo_answer(shard, peer, &message);
}

/* The hottest message, written by hand: its size follows from its parts, so nothing is measured twice. */
static void append_commit(struct ordo_buffer *out, uint32_t doc, uint64_t author, const struct ordo_committed *op,
                          struct ordo_slice committed, uint64_t lineage) {
    size_t commit_size = 1 + ordo_varint_size(doc) + 1 + ordo_varint_size(op->server_seq) +
                         (author ? 1 + ordo_varint_size(author) : 0) +
                         (op->client_seq ? 1 + ordo_varint_size(op->client_seq) : 0) +
                         (op->timestamp_ms ? 1 + ordo_varint_size(op->timestamp_ms) : 0) +
                         (lineage ? 1 + ordo_varint_size(lineage) : 0) + 1 + ordo_varint_size(committed.size) +
                         committed.size;
    uint8_t *start = ordo_buffer_reserve(out, commit_size + 4 * ORDO_PUT_VARINT_MAX), *at = start;
    *at++ = ENVELOPE_TO_GATEWAY << 3 | WIRE_SIZED;
    at = ordo_put_varint(at, 1 + ordo_varint_size(commit_size) + commit_size);
    *at++ = TO_GATEWAY_COMMIT << 3 | WIRE_SIZED;
    at = ordo_put_varint(at, commit_size);
    const uint8_t *body = at;
    at = ordo_put_varint_field(at, 1, doc);
    at = ordo_put_varint_field(at, 2, op->server_seq);
    at = ordo_put_varint_field(at, 3, author);
    at = ordo_put_varint_field(at, 4, op->client_seq);
    at = ordo_put_varint_field(at, 5, op->timestamp_ms);
    at = ordo_put_bytes_field(at, 6, committed);
    at = ordo_put_varint_field(at, 7, lineage);
    ORDO_ASSERT((size_t)(at - body) == commit_size);
    out->size += (size_t)(at - start);
}

/* From now on this audience has a hole: nothing more for it until its subscribers attach again. */
static void starve(struct ordo_audience *audience) {
    audience->state = ORDO_AUDIENCE_STARVED;
    audience->next_starved = audience->peer->starved;
    audience->peer->starved = audience;
    for (struct ordo_subscriber *s = audience->first; s != NULL; s = s->next)
        if (s->state == ORDO_SUBSCRIBER_ATTACHED) s->state = ORDO_SUBSCRIBER_STALE;
    audience->attached_count = audience->presence_count = 0;
}

void ordo_audiences_starve(struct ordo_doc *doc) {
    for (struct ordo_audience *audience = doc->audiences; audience != NULL; audience = audience->next)
        if (audience->attached_count > 0) starve(audience);
}

void ordo_answer_commit(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_subscriber *author,
                        const struct ordo_committed *op, struct ordo_slice committed) {
    uint64_t lineage = op->op_field == ORDO_COMMITTED_CREATE ? doc->state.lineage : 0;
    for (struct ordo_audience *audience = doc->audiences; audience != NULL; audience = audience->next) {
        struct ordo_peer *peer = audience->peer;
        if (audience->attached_count == 0) continue;
        if (!ordo_link_has_credit(&peer->link, peer->unreleased_size + committed.size + COMMIT_OVERHEAD)) {
            starve(audience);
            shard->stats.commits_dropped++;
            continue;
        }
        uint64_t author_here = author != NULL && author->peer == peer ? author->id : 0;
        append_commit(ordo_outbox_begin(shard, peer), doc->number, author_here, op, committed, lineage);
        ordo_outbox_end(shard, peer);
    }
}

void ordo_audience_leave_starved(struct ordo_audience *audience) {
    for (struct ordo_audience **link = &audience->peer->starved; *link != NULL; link = &(*link)->next_starved) {
        if (*link != audience) continue;
        *link = audience->next_starved;
        audience->next_starved = NULL;
        return;
    }
}

static void tell_dropped(struct ordo_shard *shard, struct ordo_audience *audience) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Dropped dropped = ORDO__CLUSTER__V1__DROPPED__INIT;
    dropped.doc = audience->doc->number;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DROPPED;
    message.dropped = &dropped;
    ordo_audience_leave_starved(audience);
    audience->state = ORDO_AUDIENCE_TOLD;
    ordo_answer(shard, audience->peer, &message);
}

void ordo_audience_revive(struct ordo_shard *shard, struct ordo_audience *audience) {
    if (audience->state == ORDO_AUDIENCE_STARVED) tell_dropped(shard, audience);
    audience->state = ORDO_AUDIENCE_LIVE;
}

void ordo_answer_dropped(struct ordo_shard *shard, struct ordo_peer *peer) {
    /* Some room, so that the answers to the new Attaches do not run dry at once. */
    while (peer->starved != NULL && ordo_link_has_credit(&peer->link, peer->unreleased_size + ORDO_LINK_CREDIT / 4))
        tell_dropped(shard, peer->starved);
}

void ordo_answer_bulk(struct ordo_shard *shard, struct ordo_blob *blob, Ordo__Cluster__V1__Bulk *bulk) {
    bulk->size = blob->bytes.size;
    if (blob->bytes.size <= ORDO_INLINE_SIZE_MAX) {
        bulk->bytes = ordo_binary_of_slice(ordo_buffer_slice(&blob->bytes));
        return;
    }
    bulk->id = ++shard->bulk_id;
    struct ordo_shard_effects *effects = shard->effects;
    if (effects->publish_count == effects->publish_capacity) {
        effects->publish_capacity = effects->publish_capacity ? 2 * effects->publish_capacity : 8;
        effects->publish = ordo_realloc(effects->publish, effects->publish_capacity * sizeof *effects->publish);
    }
    effects->publish[effects->publish_count++] =
        (struct ordo_bulk_item){.id = bulk->id, .references = 1, .blob = ordo_blob_retain(blob)};
}
