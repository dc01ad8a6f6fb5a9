/* The moment of commit: the op gets its place, its bytes, its time, and is on its way to disk and audience. */
#include <inttypes.h>
#include <stdio.h>

#include "common/assert.h"
#include "shard/core/change.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

static void append_recent(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                          struct ordo_slice committed, const struct ordo_committed *op, uint64_t length_after) {
    size_t before = ordo_recent_size(&doc->recent);
    ordo_recent_append(&doc->recent, submit->hash, submit->is_exact ? ORDO_RUN_EXACT : 0, committed, op,
                       length_after);
    doc->log_size += ordo_recent_size(&doc->recent) - before;
    if (doc->turn_first_seq == 0) {
        doc->turn_first_seq = op->server_seq;
        doc->next_touched = shard->touched;
        shard->touched = doc;
        /* Once per document and turn is often enough to forget what is too old. */
        bool is_tight = shard->stats.recent_bytes > shard->config.recent_total_size_max;
        size_t size_max = is_tight ? shard->config.recent_idle_size_max : shard->config.recent_size_max / 2;
        if (before > 2 * size_max)
            ordo_recent_trim(&doc->recent, size_max, ordo_doc_pinned_seq(shard, doc), is_tight);
    }
    shard->stats.recent_bytes += ordo_recent_size(&doc->recent) - before;
}

static void note_commit(struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_submit *submit, uint64_t seq) {
    char more[96];
    snprintf(more, sizeof more, "client_seq=%" PRIu64 " server_seq=%" PRIu64, submit->client_seq, seq);
    ordo_shard_note_op(shard, doc, submit->subscriber, "op_sequenced", more);
}

uint64_t ordo_commit(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                              uint32_t committed_field, struct ordo_slice op, uint64_t length_after) {
    struct ordo_author *author = submit->subscriber->author;
    struct ordo_doc_state *state = &doc->state;
    ORDO_ASSERT(!ordo_doc_is_frozen(shard, doc) && !doc->is_abandoned);
    struct ordo_committed committed = {
        .server_seq = state->seq + 1,
        .client_seq = submit->client_seq,
        .base_seq = submit->base_seq,
        .timestamp_ms = shard->wall_ms > state->timestamp_ms ? shard->wall_ms : state->timestamp_ms,
        .client_id = ordo_author_client_id(author),
        .user = ordo_subscriber_user(submit->subscriber),
        .op_field = committed_field,
        .op = op,
    };
    ordo_buffer_clear(&shard->committed);
    ordo_committed_encode(&committed, &shard->committed);
    struct ordo_slice bytes = ordo_buffer_slice(&shard->committed);
    struct ordo_committed decoded;
    ORDO_ASSERT(ordo_committed_decode(bytes, &decoded) && decoded.server_seq == committed.server_seq);

    if (state->seq == 0) ordo_recent_init(&doc->recent, 1, 0);
    append_recent(shard, doc, submit, bytes, &decoded, length_after);
    state->seq = committed.server_seq;
    state->length = length_after;
    state->timestamp_ms = committed.timestamp_ms;
    if (committed_field == ORDO_COMMITTED_DELETE) state->deleted_seq = state->seq;
    if (committed_field == ORDO_COMMITTED_CREATE) state->created_seq = state->seq;
    if (submit->client_seq > 0)
        ordo_authors_note(&doc->authors, author,
                          &(struct ordo_client_row){.client_seq = submit->client_seq, .server_seq = state->seq,
                                                    .hash = submit->hash, .timestamp_ms = state->timestamp_ms,
                                                    .user = committed.user});
    doc->written_turn = shard->turn + 1; /* the open turn will be written, now that it has this */
    doc->active_ms = shard->now_ms;
    if (doc->timer.due_ms == 0) ordo_timers_set(&shard->timers, &doc->timer, shard->now_ms + shard->config.idle_ms);
    if (shard->config.tells_changes)
        ordo_change_put(&shard->changes, &(struct ordo_change){.doc_key = ordo_doc_key(doc), .lineage = state->lineage,
                                                               .seq = state->seq, .timestamp_ms = state->timestamp_ms,
                                                               .is_deleted = !ordo_doc_exists(state), .user = committed.user});
    shard->stats.ops_committed++;
    if (shard->config.has_debug_notes) note_commit(shard, doc, submit, state->seq);
    ordo_answer_commit(shard, doc, submit->client_seq > 0 ? submit->subscriber : NULL, &decoded, bytes);
    ordo_snapshots_consider(shard, doc, false);
    return state->seq;
}

void ordo_commit_create(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                          const struct ordo_type *type, struct ordo_slice op, uint64_t length) {
    struct ordo_create create = {.type = ordo_slice_of(type->name), .op = op, .lineage = ordo_shard_draw_lineage(shard)};
    doc->state.type = type;
    doc->state.lineage = create.lineage;
    ordo_buffer_clear(&shard->op);
    ordo_create_encode(&create, &shard->op);
    ordo_commit(shard, doc, submit, ORDO_COMMITTED_CREATE, ordo_buffer_slice(&shard->op), length);
}

void ordo_commit_create_of_open(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *opener,
                          const struct ordo_type *type, struct ordo_slice op) {
    struct ordo_submit submit = {.subscriber = opener, .base_seq = doc->state.seq};
    submit.hash = ordo_submit_hash(submit.base_seq, ORDO_SUBMIT_CREATE, op);
    uint64_t length = type->length_after(op, 0);
    ordo_commit_create(shard, doc, &submit, type, op, length);
}
