/* Snapshots: when one is due, how it gets to the disk without holding anybody up, and when the older ones go.
 *
 *   QUEUED -> READING (a job materialises) -> WRITING (pieces and client rows, in the background, at a bounded rate)
 *          -> VALID (its record stands in a turn's synced batch) -> durable: the one before the last is retired (truncate.c)
 *
 * The store writes in one order, so a valid record on disk has all its pieces before it. */
#include "common/assert.h"
#include "common/format.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

enum { WRITE_AT_ONCE_MAX = 256 * 1024, IDLE_TAIL_SHARE = 8 };

static void push(struct ordo_snapshot_queue *queue, struct ordo_doc *doc) {
    if (queue->first == NULL) queue->last = &queue->first;
    doc->next_snapshot = NULL;
    *queue->last = doc;
    queue->last = &doc->next_snapshot;
}

static struct ordo_doc *pop(struct ordo_snapshot_queue *queue) {
    struct ordo_doc *doc = queue->first;
    queue->first = doc->next_snapshot;
    if (queue->first == NULL) queue->last = &queue->first;
    return doc;
}

static void take_out(struct ordo_snapshot_queue *queue, const struct ordo_doc *doc) {
    struct ordo_doc **link = &queue->first;
    while (*link != doc) link = &(*link)->next_snapshot;
    *link = doc->next_snapshot;
    if (*link == NULL) queue->last = link;
}

/* ---- when */

static bool is_due(const struct ordo_shard *shard, const struct ordo_doc *doc, bool is_idle) {
    if (doc->state.seq == doc->snapshots[0].seq) return false; /* it would take the place of the one there is */
    size_t limit = shard->config.snapshot_log_size_min;
    if (doc->snapshot_size / 2 > limit) limit = doc->snapshot_size / 2;
    if (doc->log_size > limit) return true;
    /* When it rests: if loading it would read much that a snapshot spares. */
    return is_idle && doc->log_size >= shard->config.snapshot_idle_size_min &&
           doc->log_size > doc->snapshot_size / IDLE_TAIL_SHARE;
}

void ordo_snapshots_consider(struct ordo_shard *shard, struct ordo_doc *doc, bool is_idle) {
    if (doc->snapshot_phase != ORDO_SNAPSHOT_NONE || ordo_doc_rests(shard, doc) || !is_due(shard, doc, is_idle)) return;
    doc->snapshot_phase = ORDO_SNAPSHOT_QUEUED;
    push(&shard->snapshot_queued, doc);
}

void ordo_snapshots_put_off(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_snapshot_queue *queue = &shard->snapshot_queued;
    if (doc->snapshot_phase != ORDO_SNAPSHOT_QUEUED) return;
    struct ordo_doc **link = &queue->first;
    while (*link != doc) link = &(*link)->next_snapshot;
    *link = doc->next_snapshot;
    if (*link == NULL) queue->last = link;
    doc->snapshot_phase = ORDO_SNAPSHOT_NONE;
}

/* ---- reading */

static void start(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_job *job = ordo_job_create(ORDO_JOB_SNAPSHOT, ordo_doc_key(doc));
    job->content.seq = doc->state.seq;
    doc->snapshot_log_size = doc->log_size;
    doc->snapshot_phase = ORDO_SNAPSHOT_READING;
    shard->snapshots_running++;
    ordo_shard_start_job(shard, doc, job);
}

void ordo_snapshots_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    ORDO_ASSERT(doc->snapshot_phase == ORDO_SNAPSHOT_READING);
    if (job->err) {
        ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=snapshot_failed %s reason=\"%s\"",
                        ordo_shard_doc_name(shard, doc), job->message);
        shard->stats.documents_damaged++;
        /* Not at once again: only when as much log has come in anew. */
        doc->log_size -= doc->snapshot_log_size;
        doc->snapshot_phase = ORDO_SNAPSHOT_NONE;
        shard->snapshots_running--;
        ordo_job_destroy(job);
        return;
    }
    doc->snapshot_job = job;
    doc->snapshot_piece = 0;
    doc->snapshot_phase = ORDO_SNAPSHOT_WRITING;
    push(&shard->snapshot_writing, doc);
}

/* ---- writing */

static uint32_t piece_count(const struct ordo_read_content *content) {
    return ordo_snapshot_piece_count(content->bytes.size);
}

static size_t write_piece(struct ordo_shard *shard, struct ordo_doc *doc) {
    const struct ordo_read_content *content = &doc->snapshot_job->content;
    struct ordo_slice piece = ordo_snapshot_piece(ordo_buffer_slice(&content->bytes), doc->snapshot_piece);
    ordo_key_snapshot(&shard->key, ordo_doc_key(doc), content->seq, doc->snapshot_piece++);
    struct ordo_slice key = ordo_buffer_slice(&shard->key);
    ordo_snapshot_piece_encode(&shard->value, key, piece);
    ordo_batch_put(&shard->effects->background, ORDO_CF_SNAPSHOTS, key, ordo_buffer_slice(&shard->value));
    return shard->value.size;
}

/* Entries whose newest op the snapshot covers will not be found in the log behind it: they go to disk. Those with a
 * newer op will. Returns the bytes written; `is_done` tells whether that was all. */
static size_t write_clients(struct ordo_shard *shard, struct ordo_doc *doc, size_t size_max, bool *is_done) {
    size_t size = 0;
    uint32_t cursor = 0;
    struct ordo_author *author;
    *is_done = true;
    if (doc->authors.dirty_count == 0) return 0;
    while ((author = ordo_table_next(&doc->authors.table, &cursor)) != NULL) {
        if (!author->is_dirty || author->server_seq > doc->snapshot_job->content.seq) continue;
        if (size >= size_max) {
            *is_done = false;
            break;
        }
        struct ordo_client_row row = ordo_author_row(author);
        ordo_key_client(&shard->key, ordo_doc_key(doc), ordo_author_client_id(author));
        struct ordo_slice key = ordo_buffer_slice(&shard->key);
        ordo_client_row_encode(&shard->value, key, &row);
        ordo_batch_put(&shard->effects->background, ORDO_CF_CLIENTS, key, ordo_buffer_slice(&shard->value));
        ordo_authors_clean(&doc->authors, author);
        doc->has_client_rows = true;
        size += shard->key.size + shard->value.size;
    }
    return size;
}

static size_t refill(struct ordo_shard *shard) {
    uint64_t elapsed_ms = shard->now_ms - shard->snapshot_credit_ms;
    shard->snapshot_credit_ms = shard->now_ms;
    shard->snapshot_credit += elapsed_ms * shard->config.snapshot_rate / 1000;
    if (shard->snapshot_credit > WRITE_AT_ONCE_MAX) shard->snapshot_credit = WRITE_AT_ONCE_MAX;
    return (size_t)shard->snapshot_credit;
}

void ordo_snapshots_write(struct ordo_shard *shard) {
    if (shard->snapshot_writing.first == NULL || shard->disk_is_full) return;
    size_t credit = refill(shard), used = 0;
    while (shard->snapshot_writing.first != NULL && used < credit) {
        struct ordo_doc *doc = shard->snapshot_writing.first;
        if (doc->snapshot_piece < piece_count(&doc->snapshot_job->content)) {
            used += write_piece(shard, doc);
            continue;
        }
        bool is_done;
        used += write_clients(shard, doc, credit - used, &is_done);
        if (!is_done) break;
        pop(&shard->snapshot_writing);
        doc->snapshot_phase = ORDO_SNAPSHOT_VALID;
        doc->snapshot_turn = 0;
        push(&shard->snapshot_valid, doc);
    }
    shard->snapshot_credit = used < shard->snapshot_credit ? shard->snapshot_credit - used : 0;
}

/* ---- valid */

static void write_validity(struct ordo_shard *shard, struct ordo_doc *doc) {
    const struct ordo_read_content *content = &doc->snapshot_job->content;
    const struct ordo_doc_state *state = &content->state;
    struct ordo_batch *batch = &shard->effects->batch;
    struct ordo_snapshot_row row = ordo_doc_state_snapshot(state);
    row.size = content->bytes.size;
    row.piece_count = piece_count(content);
    row.has_hash = shard->format >= ORDO_FORMAT_CONTENT_HASH;
    row.content_hash = content->hash;
    ordo_key_snapshot(&shard->key, ordo_doc_key(doc), content->seq, ORDO_PIECE_VALID);
    ordo_snapshot_row_encode(&shard->value, ordo_buffer_slice(&shard->key), &row);
    ordo_batch_put(batch, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&shard->key), ordo_buffer_slice(&shard->value));
    ordo_doc_write_row(shard, doc, state);
}

bool ordo_snapshots_are_ready(const struct ordo_shard *shard) {
    /* In order of turns, so the unwritten ones are at the end. */
    for (const struct ordo_doc *doc = shard->snapshot_valid.first; doc != NULL; doc = doc->next_snapshot)
        if (doc->snapshot_turn == 0) return true;
    return false;
}

void ordo_snapshots_turn_end(struct ordo_shard *shard, uint64_t turn) {
    for (struct ordo_doc *doc = shard->snapshot_valid.first; doc != NULL; doc = doc->next_snapshot) {
        if (doc->snapshot_turn != 0) continue;
        write_validity(shard, doc);
        doc->snapshot_turn = turn;
    }
}

void ordo_snapshots_start(struct ordo_shard *shard) {
    while (shard->snapshot_queued.first != NULL && !shard->disk_is_full &&
           shard->snapshots_running < shard->config.snapshots_at_once_max)
        start(shard, pop(&shard->snapshot_queued));
}

void ordo_snapshots_delete(struct ordo_shard *shard, struct ordo_doc *doc,
                           const struct ordo_snapshot_keys *snapshot) {
    /* One atomic batch, so that no half of a snapshot ever looks valid. */
    struct ordo_batch *batch = &shard->effects->background;
    ordo_key_snapshot(&shard->key, ordo_doc_key(doc), snapshot->seq, ORDO_PIECE_VALID);
    ordo_batch_delete(batch, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&shard->key));
    for (uint32_t piece = 0; piece < snapshot->piece_count; piece++) {
        ordo_key_snapshot(&shard->key, ordo_doc_key(doc), snapshot->seq, piece);
        ordo_batch_delete(batch, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&shard->key));
    }
}

static void finish(struct ordo_shard *shard, struct ordo_doc *doc) {
    const struct ordo_read_content *content = &doc->snapshot_job->content;
    if (doc->snapshots[1].seq != 0) ordo_truncations_retire(shard, doc, doc->snapshots[1]);
    doc->snapshots[1] = doc->snapshots[0];
    doc->snapshots[0] = (struct ordo_snapshot_keys){
        .seq = content->seq, .timestamp_ms = content->state.timestamp_ms, .piece_count = piece_count(content)};
    doc->snapshot_size = content->bytes.size;
    doc->log_size -= doc->snapshot_log_size;
    doc->snapshot_phase = ORDO_SNAPSHOT_NONE;
    ordo_job_destroy(doc->snapshot_job);
    doc->snapshot_job = NULL;
    shard->snapshots_running--;
    shard->stats.snapshots++;
    ordo_authors_sweep(&doc->authors);
    ordo_snapshots_consider(shard, doc, false);
    ordo_truncations_consider(shard, doc);
    ordo_doc_set_timer(shard, doc);
}

void ordo_snapshots_durable(struct ordo_shard *shard) {
    while (shard->snapshot_valid.first != NULL && shard->snapshot_valid.first->snapshot_turn != 0 &&
           shard->snapshot_valid.first->snapshot_turn <= shard->durable_turn)
        finish(shard, pop(&shard->snapshot_valid));
}

void ordo_snapshots_cancel(struct ordo_shard *shard, struct ordo_doc *doc) {
    switch (doc->snapshot_phase) {
    case ORDO_SNAPSHOT_NONE: return;
    case ORDO_SNAPSHOT_QUEUED: take_out(&shard->snapshot_queued, doc); break;
    case ORDO_SNAPSHOT_READING: break; /* its job comes back to nobody */
    case ORDO_SNAPSHOT_WRITING: take_out(&shard->snapshot_writing, doc); break;
    case ORDO_SNAPSHOT_VALID: take_out(&shard->snapshot_valid, doc); break;
    }
    if (doc->snapshot_phase != ORDO_SNAPSHOT_QUEUED) shard->snapshots_running--;
    doc->snapshot_phase = ORDO_SNAPSHOT_NONE;
    ordo_job_destroy(doc->snapshot_job);
    doc->snapshot_job = NULL;
}

bool ordo_snapshots_have_work(const struct ordo_shard *shard) {
    if (shard->disk_is_full) return false;
    return shard->snapshot_writing.first != NULL || ordo_snapshots_are_ready(shard) ||
           (shard->snapshot_queued.first != NULL && shard->snapshots_running < shard->config.snapshots_at_once_max);
}
