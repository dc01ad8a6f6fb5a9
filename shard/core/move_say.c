/* What the two shards of a move say to each other, in the order in which it is said (proto/cluster.proto, docs/cluster.md). */
#include "shard/core/state.h"

/* ---- by the shard that gives the slot */

static void say(struct ordo_shard *shard, struct ordo_target *target, Ordo__Cluster__V1__ToShard__BodyCase which, void *body) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = which;
    message.move_begin = body; /* all members of the union are pointers to messages */
    ordo_target_say(shard, target, &message);
}

void ordo_move_say_begin(struct ordo_shard *shard, const struct ordo_source *source) {
    Ordo__Cluster__V1__MoveBegin body = ORDO__CLUSTER__V1__MOVE_BEGIN__INIT;
    body.move = source->move;
    body.slot = source->order.slot;
    body.epoch = shard->slots[source->order.slot].row.epoch;
    body.cluster = ordo_binary_of_slice(ordo_slice(shard->config.cluster_id, sizeof shard->config.cluster_id));
    body.source = ordo_binary_of_slice(ordo_slice(shard->config.store_id, sizeof shard->config.store_id));
    body.source_incarnation = shard->config.incarnation;
    body.format = shard->format;
    say(shard, source->target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_BEGIN, &body);
}

void ordo_move_say_rows(struct ordo_shard *shard, const struct ordo_source *source, struct ordo_slice rows) {
    Ordo__Cluster__V1__MoveRows body = ORDO__CLUSTER__V1__MOVE_ROWS__INIT;
    body.move = source->move;
    body.rows = ordo_binary_of_slice(rows);
    say(shard, source->target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ROWS, &body);
}

/* The documents that have an audience, for the target to load ahead: borrowed. */
static size_t list_open(const struct ordo_slot *here, ProtobufCBinaryData open[ORDO_MOVE_OPEN_MAX]) {
    size_t count = 0;
    for (const struct ordo_doc *doc = here->docs; doc != NULL; doc = doc->next_in_slot)
        if (doc->audiences != NULL && count < ORDO_MOVE_OPEN_MAX) open[count++] = ordo_binary_of_slice(ordo_doc_key(doc));
    return count;
}

void ordo_move_say_prepare(struct ordo_shard *shard, const struct ordo_source *source) {
    ProtobufCBinaryData open[ORDO_MOVE_OPEN_MAX];
    Ordo__Cluster__V1__MovePrepare body = ORDO__CLUSTER__V1__MOVE_PREPARE__INIT;
    body.move = source->move;
    body.n_open = list_open(&shard->slots[source->order.slot], open);
    body.open = open;
    say(shard, source->target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_PREPARE, &body);
}

void ordo_move_say_freeze(struct ordo_shard *shard, const struct ordo_source *source) {
    ProtobufCBinaryData open[ORDO_MOVE_OPEN_MAX];
    Ordo__Cluster__V1__MoveFreeze body = ORDO__CLUSTER__V1__MOVE_FREEZE__INIT;
    body.move = source->move;
    body.n_open = list_open(&shard->slots[source->order.slot], open);
    body.open = open;
    say(shard, source->target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_FREEZE, &body);
}

void ordo_move_say_drop(struct ordo_shard *shard, const struct ordo_source *source) {
    Ordo__Cluster__V1__MoveDrop body = ORDO__CLUSTER__V1__MOVE_DROP__INIT;
    body.move = source->move;
    say(shard, source->target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_DROP, &body);
}

void ordo_move_say_given(struct ordo_shard *shard, struct ordo_target *target, uint16_t slot) {
    const struct ordo_slot_row *row = &shard->slots[slot].row;
    Ordo__Cluster__V1__MoveGiven body = ORDO__CLUSTER__V1__MOVE_GIVEN__INIT;
    body.move = row->move;
    body.slot = slot;
    body.epoch = row->epoch;
    say(shard, target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_GIVEN, &body);
}

/* ---- by the shard that takes it */

static void answer(struct ordo_shard *shard, struct ordo_peer *peer, Ordo__Cluster__V1__ToGateway__BodyCase which, void *body) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    message.body_case = which;
    message.move_ready = body; /* as above */
    ordo_answer(shard, peer, &message);
}

void ordo_move_answer_ready(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move) {
    Ordo__Cluster__V1__MoveReady body = ORDO__CLUSTER__V1__MOVE_READY__INIT;
    body.move = move;
    answer(shard, peer, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_READY, &body);
}

void ordo_move_answer_prepared(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move) {
    Ordo__Cluster__V1__MovePrepared body = ORDO__CLUSTER__V1__MOVE_PREPARED__INIT;
    body.move = move;
    answer(shard, peer, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_PREPARED, &body);
}

void ordo_move_answer_frozen(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move,
                             const struct ordo_slot_count *count) {
    Ordo__Cluster__V1__MoveFrozen body = ORDO__CLUSTER__V1__MOVE_FROZEN__INIT;
    body.move = move;
    body.documents = count->documents;
    body.heads = count->heads;
    answer(shard, peer, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_FROZEN, &body);
}

void ordo_move_answer_taken(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot) {
    Ordo__Cluster__V1__MoveTaken body = ORDO__CLUSTER__V1__MOVE_TAKEN__INIT;
    body.slot = slot;
    body.epoch = shard->slots[slot].row.epoch;
    answer(shard, peer, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_TAKEN, &body);
}

void ordo_move_answer_refused(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move, const char *reason) {
    Ordo__Cluster__V1__MoveRefused body = ORDO__CLUSTER__V1__MOVE_REFUSED__INIT;
    body.move = move;
    body.reason = ordo_binary_of_slice(ordo_slice_of(reason));
    answer(shard, peer, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_REFUSED, &body);
}

/* ---- when the one who takes it does not know whose it is */

void ordo_move_say_ask(struct ordo_shard *shard, struct ordo_target *target, uint16_t slot) {
    const struct ordo_slot_row *row = &shard->slots[slot].row;
    Ordo__Cluster__V1__MoveAsk body = ORDO__CLUSTER__V1__MOVE_ASK__INIT;
    body.move = row->move;
    body.slot = slot;
    body.epoch = row->epoch;
    say(shard, target, ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ASK, &body);
}

void ordo_move_answer_over(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot, uint64_t move) {
    Ordo__Cluster__V1__MoveOver body = ORDO__CLUSTER__V1__MOVE_OVER__INIT;
    body.slot = slot;
    body.move = move;
    answer(shard, peer, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_OVER, &body);
}
