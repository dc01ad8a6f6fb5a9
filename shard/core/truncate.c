/* Truncation: what leaves a document's log, and when.
 *
 *   QUEUED -> READING (a job lists the runs that may go, packs what history keeps of them)
 *          -> READY (the next turn's synced batch moves the horizon and holds the packed history)
 *          -> MARKED -> durable: DELETING (the runs go by key, in the background, once no job reads them any more)
 *
 * The horizon is durable before anything below it is deleted, so a crash in between leaves runs that nobody needs; the
 * next load finds and deletes them. And it never goes down: an op that was refused as STALE_BASE stays refused.
 *
 * History begins at `history_seq`. The snapshot there is the base from which contents are made; before the first base
 * history is whole and begins with nothing. Some snapshots between the base and the two newest are kept as
 * candidates: when the retention does not reach back to one any more, it becomes the base, and all before it goes. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

enum { DELETES_AT_ONCE_MAX = 256, RETRY_MS = 60000, LARGE_PIECE_COUNT = 16 };

static void push(struct ordo_snapshot_queue *queue, struct ordo_doc *doc) {
    if (queue->first == NULL) queue->last = &queue->first;
    doc->next_truncation = NULL;
    *queue->last = doc;
    queue->last = &doc->next_truncation;
}

/* ---- what may go */

const struct ordo_retention *ordo_retention_of(const struct ordo_shard *shard, struct ordo_slice doc_key) {
    struct ordo_key key;
    ORDO_ASSERT(ordo_key_parse(doc_key, &key));
    for (size_t i = 0; i < shard->config.retention_rule_count; i++)
        if (ordo_slice_equal(shard->config.retention_rules[i].collection, key.collection))
            return &shard->config.retention_rules[i].retention;
    return &shard->config.retention;
}

static bool keeps_all(const struct ordo_retention *retention) {
    return retention->ops == UINT64_MAX || retention->age_ms == UINT64_MAX;
}

static uint64_t before_ms(const struct ordo_shard *shard, uint64_t age_ms) {
    return shard->wall_ms > age_ms ? shard->wall_ms - age_ms : 0;
}

/* The last op that need not stay in the log; its age is another matter. */
static uint64_t limit_of(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    uint64_t head = doc->state.seq, limit = head > shard->config.log_ops ? head - shard->config.log_ops : 0;
    return limit < doc->snapshots[1].seq ? limit : doc->snapshots[1].seq;
}

static bool is_worth_it(const struct ordo_shard *shard, uint64_t horizon, uint64_t limit) {
    return limit >= horizon + shard->config.truncate_ops_min;
}

/* The newest candidate at which history may begin from now on; NULL: none. */
static const struct ordo_snapshot_keys *due_base(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    if (keeps_all(doc->retention) || doc->candidates == NULL) return NULL;
    for (size_t i = doc->candidates->count; i > 0; i--) {
        const struct ordo_snapshot_keys *candidate = &doc->candidates->items[i - 1];
        uint64_t kept = doc->state.seq - candidate->seq;
        if (candidate->seq <= doc->horizon && kept >= doc->retention->ops && kept >= shard->config.log_ops &&
            candidate->timestamp_ms < before_ms(shard, doc->retention->age_ms))
            return candidate;
    }
    return NULL;
}

static bool clients_are_due(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    return doc->has_client_rows && doc->horizon > 0 &&
           (doc->clients_checked_ms == 0 || shard->now_ms >= doc->clients_checked_ms + shard->config.clients_check_ms);
}

void ordo_truncations_consider(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->truncation_phase != ORDO_TRUNCATION_NONE || shard->now_ms < doc->truncation_at_ms) return;
    if (ordo_doc_rests(shard, doc)) return;
    if (!is_worth_it(shard, doc->horizon, limit_of(shard, doc)) && due_base(shard, doc) == NULL && !clients_are_due(shard, doc)) return;
    doc->truncation_phase = ORDO_TRUNCATION_QUEUED;
    push(&shard->truncation_queued, doc);
}

void ordo_truncations_put_off(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_snapshot_queue *queue = &shard->truncation_queued;
    if (doc->truncation_phase != ORDO_TRUNCATION_QUEUED) return;
    struct ordo_doc **link = &queue->first;
    while (*link != doc) link = &(*link)->next_truncation;
    *link = doc->next_truncation;
    if (*link == NULL) queue->last = link;
    doc->truncation_phase = ORDO_TRUNCATION_NONE;
}

/* Large contents are not worth as many copies. */
static size_t candidates_max(const struct ordo_snapshot_keys *snapshot) {
    return snapshot->piece_count > LARGE_PIECE_COUNT ? 2 : ORDO_CANDIDATES_MAX - 1;
}

/* The one that is missed least: the steps of history around it are small for how far back they are. So the candidates
 * come to lie the further apart the older they are, and whatever the pace of editing was, one is near every place. */
static size_t most_dispensable(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    const struct ordo_snapshot_keys *items = doc->candidates->items;
    size_t best = doc->candidates->count - 1; /* the newest, if there is no other choice */
    double best_share = -1;
    for (size_t i = 0; i + 1 < doc->candidates->count; i++) {
        if (doc->truncation != NULL && items[i].seq == doc->truncation->base_seq) continue; /* about to become the base */
        uint64_t before = i > 0 ? items[i - 1].seq : doc->history_seq, after = items[i + 1].seq;
        double share = (double)(after - before) / (double)(doc->state.seq - after + shard->config.log_ops + 1);
        if (best_share < 0 || share < best_share) {
            best = i;
            best_share = share;
        }
    }
    return best;
}

void ordo_truncations_retire(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_snapshot_keys snapshot) {
    if (snapshot.seq == doc->history_seq) { /* later ones were damaged */
        doc->base = snapshot;
        return;
    }
    if (keeps_all(doc->retention)) {
        ordo_snapshots_delete(shard, doc, &snapshot);
        return;
    }
    if (doc->candidates == NULL) doc->candidates = ordo_alloc(sizeof *doc->candidates);
    struct ordo_candidates *candidates = doc->candidates;
    while (candidates->count > 0 && candidates->count >= candidates_max(&snapshot)) {
        size_t index = most_dispensable(shard, doc);
        ordo_snapshots_delete(shard, doc, &candidates->items[index]);
        candidates->count--;
        memmove(candidates->items + index, candidates->items + index + 1,
                (candidates->count - index) * sizeof *candidates->items);
    }
    candidates->items[candidates->count++] = snapshot;
}

/* ---- reading */

static struct ordo_doc **free_place(struct ordo_shard *shard) {
    for (size_t i = 0; i < ORDO_TRUNCATIONS_AT_ONCE_MAX; i++)
        if (shard->truncating[i] == NULL) return &shard->truncating[i];
    return NULL;
}

static void start(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_job *job = ordo_job_create(ORDO_JOB_TRUNCATE, ordo_doc_key(doc));
    struct ordo_truncate *truncate = &job->truncate;
    truncate->from_seq = doc->horizon + 1;
    truncate->limit_seq = limit_of(shard, doc);
    truncate->before_ms = before_ms(shard, shard->config.log_age_ms);
    truncate->size_max = shard->config.truncate_size_max;
    truncate->block_ops_max = shard->config.history_block_ops;
    truncate->hash_seed = shard->docs.seed;
    const struct ordo_snapshot_keys *base = due_base(shard, doc);
    doc->truncation = ordo_alloc(sizeof *doc->truncation);
    truncate->base_seq = doc->truncation->base_seq = base != NULL ? base->seq : 0;
    if (clients_are_due(shard, doc)) {
        truncate->expire_before_ms = before_ms(shard, shard->config.client_age_ms);
        truncate->clients_max = shard->config.clients_max;
        doc->clients_checked_ms = shard->now_ms;
    }
    doc->truncation_phase = ORDO_TRUNCATION_READING;
    ordo_shard_start_job(shard, doc, job);
}

void ordo_truncations_start(struct ordo_shard *shard) {
    struct ordo_doc **place;
    while (shard->truncation_queued.first != NULL && !shard->disk_is_full && (place = free_place(shard)) != NULL) {
        struct ordo_doc *doc = *place = shard->truncation_queued.first;
        shard->truncation_queued.first = doc->next_truncation;
        start(shard, doc);
    }
}

void ordo_truncation_destroy(struct ordo_truncation *truncation) {
    if (truncation == NULL) return;
    ordo_job_destroy(truncation->job);
    free(truncation);
}

/* Ends it and gives its place to another. */
static void finish(struct ordo_shard *shard, struct ordo_doc *doc, uint32_t retry_ms) {
    for (size_t i = 0; i < ORDO_TRUNCATIONS_AT_ONCE_MAX; i++)
        if (shard->truncating[i] == doc) shard->truncating[i] = NULL;
    ordo_truncation_destroy(doc->truncation);
    doc->truncation = NULL;
    doc->truncation_phase = ORDO_TRUNCATION_NONE;
    doc->truncation_at_ms = shard->now_ms + retry_ms;
    ordo_doc_set_timer(shard, doc);
}

/* Whether one of the clients that may be forgotten is not here just now. */
static bool forgets_somebody(const struct ordo_doc *doc, const struct ordo_truncate *truncate) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&truncate->forgotten));
    struct ordo_slice client_id;
    while (ordo_take_sized(&reader, &client_id))
        if (ordo_authors_find(&doc->authors, client_id) == NULL) return true;
    return false;
}

void ordo_truncations_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    ORDO_ASSERT(doc->truncation_phase == ORDO_TRUNCATION_READING);
    const struct ordo_truncate *truncate = &job->truncate;
    doc->truncation->job = job;
    if (job->err) {
        ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=truncation_failed %s reason=\"%s\"",
                        ordo_shard_doc_name(shard, doc), job->message);
        shard->stats.documents_damaged++;
    }
    bool is_nothing = truncate->runs.count == 0 && truncate->base_seq == 0 && !forgets_somebody(doc, truncate);
    if (job->err || is_nothing) {
        bool were_too_young = is_worth_it(shard, truncate->from_seq - 1, truncate->limit_seq); /* else it was for clients alone */
        finish(shard, doc, job->err || were_too_young ? RETRY_MS : 0);
        return;
    }
    doc->truncation_phase = ORDO_TRUNCATION_READY;
}

/* ---- marking */

bool ordo_truncations_are_ready(const struct ordo_shard *shard) {
    for (size_t i = 0; i < ORDO_TRUNCATIONS_AT_ONCE_MAX; i++) {
        const struct ordo_doc *doc = shard->truncating[i];
        if (doc != NULL && doc->truncation_phase == ORDO_TRUNCATION_READY) return true;
    }
    return false;
}

static void forget_clients(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_truncate *truncate) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&truncate->forgotten));
    struct ordo_slice client_id;
    while (ordo_take_sized(&reader, &client_id)) {
        if (ordo_authors_find(&doc->authors, client_id) != NULL) continue; /* it is here again */
        ordo_key_client(&shard->key, ordo_doc_key(doc), client_id);
        ordo_batch_delete(&shard->effects->batch, ORDO_CF_CLIENTS, ordo_buffer_slice(&shard->key));
        shard->stats.clients_forgotten++;
    }
    if (truncate->forgotten_seq > doc->forgotten_seq) doc->forgotten_seq = truncate->forgotten_seq;
}

static void write_blocks(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_truncate *truncate) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&truncate->packed));
    struct ordo_slice value;
    for (size_t i = 0; i < truncate->packed_seqs.count && ordo_take_sized(&reader, &value); i++) {
        ordo_key_ops(&shard->key, ordo_doc_key(doc), truncate->packed_seqs.items[i]);
        ordo_batch_put(&shard->effects->batch, ORDO_CF_HISTORY, ordo_buffer_slice(&shard->key), value);
    }
}

/* History begins at that candidate; it and those before it are candidates no more. */
static void move_base(struct ordo_doc *doc, uint64_t seq) {
    struct ordo_candidates *candidates = doc->candidates, *old_bases = &doc->truncation->old_bases;
    doc->truncation->old_base = doc->base;
    while (candidates->count > 0 && candidates->items[0].seq < seq) {
        old_bases->items[old_bases->count++] = candidates->items[0];
        memmove(candidates->items, candidates->items + 1, --candidates->count * sizeof *candidates->items);
    }
    ORDO_ASSERT(candidates->count > 0 && candidates->items[0].seq == seq);
    doc->base = candidates->items[0];
    doc->history_seq = seq;
    memmove(candidates->items, candidates->items + 1, --candidates->count * sizeof *candidates->items);
}

static void mark(struct ordo_shard *shard, struct ordo_doc *doc) {
    const struct ordo_truncate *truncate = &doc->truncation->job->truncate;
    ORDO_ASSERT(truncate->horizon >= doc->horizon);
    ORDO_ASSERT(truncate->horizon == doc->horizon || truncate->horizon <= doc->snapshots[1].seq);
    shard->stats.ops_truncated += truncate->horizon - doc->horizon;
    doc->horizon = truncate->horizon;
    if (truncate->base_seq != 0) move_base(doc, truncate->base_seq);
    forget_clients(shard, doc, truncate);
    write_blocks(shard, doc, truncate);
    ordo_doc_write_row(shard, doc, &doc->state);
}

void ordo_truncations_turn_end(struct ordo_shard *shard, uint64_t turn) {
    for (size_t i = 0; i < ORDO_TRUNCATIONS_AT_ONCE_MAX; i++) {
        struct ordo_doc *doc = shard->truncating[i];
        if (doc == NULL || doc->truncation_phase != ORDO_TRUNCATION_READY) continue;
        mark(shard, doc);
        doc->truncation->turn = turn;
        doc->truncation->job_number = shard->job_number;
        doc->truncation_phase = ORDO_TRUNCATION_MARKED;
    }
}

/* ---- deleting */

static bool is_read(const struct ordo_doc *doc) {
    for (const struct ordo_job *job = doc->jobs; job != NULL; job = job->next)
        if (job->number <= doc->truncation->job_number) return true;
    return false;
}

/* Up to `budget` keys; true: that was all. */
static bool delete_some(struct ordo_shard *shard, struct ordo_doc *doc, size_t *budget) {
    struct ordo_truncation *truncation = doc->truncation;
    const struct ordo_seqs *runs = &truncation->job->truncate.runs, *blocks = &truncation->job->truncate.blocks;
    for (; truncation->index < runs->count + blocks->count && *budget > 0; truncation->index++, --*budget) {
        bool is_run = truncation->index < runs->count;
        uint64_t seq = is_run ? runs->items[truncation->index] : blocks->items[truncation->index - runs->count];
        ordo_key_ops(&shard->key, ordo_doc_key(doc), seq);
        ordo_batch_delete(&shard->effects->background, is_run ? ORDO_CF_OPS : ORDO_CF_HISTORY, ordo_buffer_slice(&shard->key));
    }
    if (truncation->index < runs->count + blocks->count) return false;
    if (truncation->old_base.seq != 0) ordo_snapshots_delete(shard, doc, &truncation->old_base);
    for (size_t i = 0; i < truncation->old_bases.count; i++)
        ordo_snapshots_delete(shard, doc, &truncation->old_bases.items[i]);
    return true;
}

void ordo_truncations_write(struct ordo_shard *shard) {
    size_t budget = DELETES_AT_ONCE_MAX;
    for (size_t i = 0; i < ORDO_TRUNCATIONS_AT_ONCE_MAX && !shard->disk_is_full; i++) {
        struct ordo_doc *doc = shard->truncating[i];
        if (doc == NULL) continue;
        if (doc->truncation_phase == ORDO_TRUNCATION_MARKED && doc->truncation->turn <= shard->durable_turn)
            doc->truncation_phase = ORDO_TRUNCATION_DELETING;
        if (doc->truncation_phase != ORDO_TRUNCATION_DELETING || is_read(doc)) continue;
        if (!delete_some(shard, doc, &budget)) continue;
        shard->stats.truncations++;
        finish(shard, doc, 0);
        ordo_truncations_consider(shard, doc);
    }
}

bool ordo_truncations_have_work(const struct ordo_shard *shard) {
    if (shard->disk_is_full) return false;
    bool has_place = false;
    for (size_t i = 0; i < ORDO_TRUNCATIONS_AT_ONCE_MAX; i++) {
        const struct ordo_doc *doc = shard->truncating[i];
        if (doc == NULL) has_place = true;
        else if (doc->truncation_phase == ORDO_TRUNCATION_READY) return true;
        else if (doc->truncation_phase == ORDO_TRUNCATION_DELETING && !is_read(doc)) return true;
    }
    return has_place && shard->truncation_queued.first != NULL;
}

void ordo_truncations_cancel(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->truncation_phase == ORDO_TRUNCATION_NONE) return;
    if (doc->truncation_phase == ORDO_TRUNCATION_QUEUED) {
        struct ordo_doc **link = &shard->truncation_queued.first;
        while (*link != doc) link = &(*link)->next_truncation;
        *link = doc->next_truncation;
        if (*link == NULL) shard->truncation_queued.last = link;
    }
    finish(shard, doc, 0);
}
