/* Giving a slot away, one at a time (the phases are in moves.h, the protocol in docs/cluster.md).
 *
 * What is sent is durable here (move_rows.c). Up to the row that gives the slot away any trouble just ends the move: nothing
 * has changed here but that the slot rested for a while.
 *
 * What takes time is done while commits go on: copying, and then (PREPARING) the target's sync of what came, a count of the
 * slot on either side, which each keeps up from then on, and loading what is open. Only then is the slot frozen. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

enum {
    LONG_STEPS = 6,  /* maintenance of a large document, or counting a large slot, may take that many times as long as any other step */
    MOVES_BITS = 24, /* moves that one life of a store can begin, as a power of two */
};

static const uint32_t source_moves[] = {
    [ORDO_SOURCE_NONE] = 1u << ORDO_SOURCE_LINKING,
    [ORDO_SOURCE_LINKING] = 1u << ORDO_SOURCE_QUIETING | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_QUIETING] = 1u << ORDO_SOURCE_BEGINNING | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_BEGINNING] = 1u << ORDO_SOURCE_COPYING | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_COPYING] = 1u << ORDO_SOURCE_PREPARING | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_PREPARING] = 1u << ORDO_SOURCE_FREEZING | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_FREEZING] = 1u << ORDO_SOURCE_FROZEN | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_FROZEN] = 1u << ORDO_SOURCE_GIVING | 1u << ORDO_SOURCE_NONE,
    [ORDO_SOURCE_GIVING] = 1u << ORDO_SOURCE_NONE,
};

static void source_move(struct ordo_shard *shard, enum ordo_source_phase next) {
    struct ordo_source *source = &shard->source;
    ORDO_ASSERT(source_moves[source->phase] & 1u << next);
    source->phase = next;
    source->progress_ms = shard->now_ms;
}

bool ordo_source_is_busy(const struct ordo_shard *shard) { return shard->source.phase != ORDO_SOURCE_NONE; }

static struct ordo_slot *slot_of(struct ordo_shard *shard) { return &shard->slots[shard->source.order.slot]; }

/* ---- the end of a move, one way or another */

bool ordo_source_may_give(const struct ordo_shard *shard, uint16_t slot, uint64_t move) {
    const struct ordo_source *source = &shard->source;
    bool is_active = source->phase != ORDO_SOURCE_NONE && source->order.slot == slot && source->move == move;
    const struct ordo_slot_row *row = &shard->slots[slot].row;
    return is_active || (row->state == ORDO_SLOT_GIVEN && row->move == move);
}

/* The slot stays here. */
void ordo_source_drop(struct ordo_shard *shard, const char *reason) {
    struct ordo_source *source = &shard->source;
    ORDO_ASSERT(source->phase < ORDO_SOURCE_GIVING);
    uint16_t slot = source->order.slot;
    ordo_shard_note(shard, ORDO_NOTE_WARN, "event=move_ended slot=%u move=%" PRIx64 " reason=\"%s\"", slot,
                    source->move, reason);
    bool has_begun = source->phase >= ORDO_SOURCE_BEGINNING;
    if (has_begun && source->target->state == ORDO_TARGET_READY) ordo_move_say_drop(shard, source);
    source_move(shard, ORDO_SOURCE_NONE);
    ordo_source_rows_forget(source);
    ordo_slot_resume(shard, slot);
    ordo_move_end(shard, slot, false, reason);
}

void ordo_source_finish(struct ordo_shard *shard) { ordo_source_rows_finish(&shard->source); }

/* ---- the beginning */

void ordo_source_begin(struct ordo_shard *shard, const struct ordo_move_order *order) {
    struct ordo_source *source = &shard->source;
    source->order = *order;
    source->move = shard->config.incarnation << MOVES_BITS | ++shard->move_number;
    source->is_prepared = false;
    ordo_source_rows_begin(source);
    source_move(shard, ORDO_SOURCE_LINKING);
    source->target = ordo_target_get(shard, &order->target);
    if (source->target->state == ORDO_TARGET_READY) ordo_source_linked(shard, source->target);
}

void ordo_source_linked(struct ordo_shard *shard, struct ordo_target *target) {
    struct ordo_source *source = &shard->source;
    if (source->phase != ORDO_SOURCE_LINKING || source->target != target) return;
    slot_of(shard)->rests = true;
    source_move(shard, ORDO_SOURCE_QUIETING);
}

/* Whether no maintenance of the slot is under way; what only waits for its turn is put off. */
static bool is_quiet(struct ordo_shard *shard) {
    for (struct ordo_doc *doc = slot_of(shard)->docs; doc != NULL; doc = doc->next_in_slot) {
        bool is_at_work = doc->snapshot_phase > ORDO_SNAPSHOT_QUEUED || doc->truncation_phase > ORDO_TRUNCATION_QUEUED ||
                          doc->erase_count > 0;
        if (is_at_work) return false;
    }
    for (struct ordo_doc *doc = slot_of(shard)->docs; doc != NULL; doc = doc->next_in_slot) {
        ordo_snapshots_put_off(shard, doc);
        ordo_truncations_put_off(shard, doc);
    }
    return true;
}

/* ---- the steps, each taken when what it waits for is there */

static void begin(struct ordo_shard *shard) {
    source_move(shard, ORDO_SOURCE_BEGINNING);
    ordo_move_say_begin(shard, &shard->source);
}

static void prepare(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    source_move(shard, ORDO_SOURCE_PREPARING);
    ordo_move_say_prepare(shard, source);
    struct ordo_job *job = ordo_job_create(ORDO_JOB_COUNT, ordo_slice(NULL, 0));
    job->count.move = source->move;
    job->count.slot = source->order.slot;
    ordo_shard_start_slot_job(shard, job);
}

static void freeze(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    ordo_slot_freeze(shard, source->order.slot);
    source->frozen_ms = shard->now_ms;
    source->freeze_turn = shard->turn;
    for (const struct ordo_doc *doc = slot_of(shard)->docs; doc != NULL; doc = doc->next_in_slot)
        if (doc->turn_first_seq != 0) source->freeze_turn = UINT64_MAX; /* the open turn has commits of its own */
    source_move(shard, ORDO_SOURCE_FREEZING);
}

/* The last commits are durable, and with the target. */
static bool is_settled(const struct ordo_shard *shard) {
    return shard->source.first == NULL && shard->source.freeze_turn <= shard->durable_turn;
}

static void ask_whether_all_is_there(struct ordo_shard *shard) {
    ordo_move_say_freeze(shard, &shard->source);
    shard->source.asked_ms = shard->now_ms;
    source_move(shard, ORDO_SOURCE_FROZEN);
}

static void give(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    struct ordo_slot *here = slot_of(shard);
    const struct ordo_slot_row row = {.state = ORDO_SLOT_GIVEN, .epoch = here->row.epoch + 1,
                                      .other = source->order.target, .move = source->move};
    source_move(shard, ORDO_SOURCE_GIVING);
    here->is_taken = here->is_taker_lost = false;
    here->has_order = true;
    here->unserved_ms = source->frozen_ms;
    here->told_session = 0;
    ordo_slot_change(shard, source->order.slot, &row, false);
    ordo_slot_evict(shard, source->order.slot); /* said once the row is durable, like all that a turn says */
}

void ordo_source_given(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_source *source = &shard->source;
    if (source->phase != ORDO_SOURCE_GIVING || source->order.slot != slot) return;
    /* In that time: until our last commits were on disk, until the target had its on disk, until our row was. */
    ordo_shard_note(shard, ORDO_NOTE_INFO,
                    "event=slot_given slot=%u epoch=%" PRIu64 " move=%" PRIx64 " frozen_ms=%" PRIu64 " last_commits_ms=%" PRIu64
                    " target_ms=%" PRIu64 " giving_ms=%" PRIu64,
                    slot, shard->slots[slot].row.epoch, source->move, shard->now_ms - source->frozen_ms,
                    source->asked_ms - source->frozen_ms, source->progress_ms - source->asked_ms,
                    shard->now_ms - source->progress_ms);
    struct ordo_target *target = source->target;
    source_move(shard, ORDO_SOURCE_NONE);
    ordo_source_rows_forget(source);
    ordo_given_tell(shard, target);
}

/* While it does, rows are sent and what turns commit to the slot is added to them. */
static bool takes_tail(const struct ordo_source *source) {
    return source->phase >= ORDO_SOURCE_COPYING && source->phase <= ORDO_SOURCE_FREEZING;
}

void ordo_source_pump(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    if (!takes_tail(source)) return;
    ordo_source_send_rows(shard);
    if (source->phase == ORDO_SOURCE_COPYING) ordo_source_read_on(shard);
    bool is_level = ordo_source_is_level(shard);
    /* A row that was read may be of a turn that is sent as a commit too. From what the target counts on it takes each but once:
     * so all of those turns have to be with it. */
    if (source->phase == ORDO_SOURCE_COPYING && ordo_source_is_copied(shard) && is_level) prepare(shard);
    if (source->phase == ORDO_SOURCE_PREPARING && source->is_prepared && source->has_ours && is_level) freeze(shard);
    if (source->phase == ORDO_SOURCE_FREEZING && is_settled(shard)) ask_whether_all_is_there(shard);
}

/* ---- events */

void ordo_source_unlinked(struct ordo_shard *shard, const struct ordo_target *target, const char *reason) {
    const struct ordo_source *source = &shard->source;
    bool is_dropped = source->phase != ORDO_SOURCE_NONE && source->phase != ORDO_SOURCE_GIVING;
    if (!is_dropped || source->target != target) return;
    bool was_never_there = source->phase == ORDO_SOURCE_LINKING;
    ordo_source_drop(shard, reason);
    /* All that was ordered to it would wait for it in turn, each as long as this one. */
    if (was_never_there) ordo_orders_drop(shard, &target->store, reason);
}

static void refused(struct ordo_shard *shard, const Ordo__Cluster__V1__MoveRefused *refused) {
    char reason[160];
    if (refused->move != shard->source.move || shard->source.phase >= ORDO_SOURCE_GIVING) return;
    snprintf(reason, sizeof reason, "the target refuses: %.*s", (int)(refused->reason.len < 120 ? refused->reason.len : 120),
             (const char *)refused->reason.data);
    for (char *at = reason; *at != '\0'; at++)
        if (*at < ' ' || *at == '"') *at = '\''; /* it goes into a line of the log */
    ordo_source_drop(shard, reason);
}

static void frozen(struct ordo_shard *shard, const Ordo__Cluster__V1__MoveFrozen *frozen) {
    struct ordo_source *source = &shard->source;
    if (source->phase != ORDO_SOURCE_FROZEN || frozen->move != source->move) return;
    const struct ordo_slot_count theirs = {.documents = frozen->documents, .heads = frozen->heads};
    if (ordo_slot_count_equal(&source->ours, &theirs)) give(shard);
    else ordo_source_drop(shard, "the target does not have the same documents and heads");
}

void ordo_source_told(struct ordo_shard *shard, struct ordo_target *target,
                      const Ordo__Cluster__V1__ToGateway *message) {
    struct ordo_source *source = &shard->source;
    if (source->phase == ORDO_SOURCE_NONE || source->target != target) return;
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_READY:
        if (source->phase != ORDO_SOURCE_BEGINNING || message->move_ready->move != source->move) break;
        source->credit = shard->config.move_chunk_size;
        source->credit_ms = shard->now_ms;
        source_move(shard, ORDO_SOURCE_COPYING);
        break;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_PREPARED:
        if (source->phase != ORDO_SOURCE_PREPARING || message->move_prepared->move != source->move) break;
        source->is_prepared = true;
        ordo_source_pump(shard);
        break;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_FROZEN: frozen(shard, message->move_frozen); break;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_REFUSED: refused(shard, message->move_refused); break;
    default: break; /* not for us */
    }
}

void ordo_source_job_done(struct ordo_shard *shard, struct ordo_job *job) {
    struct ordo_source *source = &shard->source;
    bool is_copy = job->kind == ORDO_JOB_COPY;
    uint64_t move = is_copy ? job->copy.move : job->count.move;
    bool is_ours = source->phase != ORDO_SOURCE_NONE && source->phase != ORDO_SOURCE_GIVING && move == source->move;
    if (is_ours && job->err) ordo_source_drop(shard, job->message);
    else if (is_ours && is_copy) ordo_source_copy_done(shard, job);
    else if (is_ours) ordo_source_count_done(shard, &job->count);
    if (is_ours) ordo_source_pump(shard);
    ordo_job_destroy(job);
}

void ordo_source_turn_end(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    if (source->phase == ORDO_SOURCE_NONE) ordo_orders_begin_next(shard);
    if (source->phase == ORDO_SOURCE_QUIETING && is_quiet(shard)) begin(shard);
}

void ordo_source_turn_written(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    if (!takes_tail(source)) return;
    if (shard->effects->turn != 0) ordo_source_keep_tail(shard);
    if (source->freeze_turn == UINT64_MAX) source->freeze_turn = shard->turn;
    if (source->tail_size > shard->config.move_tail_size_max) ordo_source_drop(shard, "the target is too slow for what is being committed");
    else ordo_source_pump(shard);
}

void ordo_source_durable(struct ordo_shard *shard) { ordo_source_pump(shard); }

void ordo_source_tick(struct ordo_shard *shard) {
    const struct ordo_source *source = &shard->source;
    if (source->phase == ORDO_SOURCE_NONE || source->phase == ORDO_SOURCE_GIVING) return;
    uint64_t step_ms = shard->config.move_step_ms;
    if (source->phase == ORDO_SOURCE_QUIETING || source->phase == ORDO_SOURCE_PREPARING) step_ms *= LONG_STEPS;
    bool is_frozen = source->phase == ORDO_SOURCE_FREEZING || source->phase == ORDO_SOURCE_FROZEN;
    if (is_frozen && shard->now_ms >= source->frozen_ms + shard->config.move_freeze_ms)
        ordo_source_drop(shard, "the handover took longer than editors should wait");
    else if (shard->now_ms >= source->progress_ms + step_ms)
        ordo_source_drop(shard, "the target, or the maintenance of the slot, took too long");
    else ordo_source_pump(shard);
}
