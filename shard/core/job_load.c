#include <stdlib.h>

#include "common/memory.h"
#include "shard/core/damage.h"
#include "shard/core/job_impl.h"
#include "shard/core/key.h"

/* Takes a valid snapshot that is needed: one of the two newest, the base of history, or a candidate between:
 * they come newest first. */
static bool is_kept(struct ordo_load *load, size_t *kept, struct ordo_snapshot_keys keys) {
    struct ordo_snapshot_keys *place = NULL;
    if (*kept < 2) place = &load->snapshots[(*kept)++];
    else if (keys.seq == load->history_seq) place = &load->base;
    else if (keys.seq > load->history_seq && load->candidates.count < ORDO_CANDIDATES_MAX) {
        memmove(load->candidates.items + 1, load->candidates.items, load->candidates.count * sizeof keys);
        load->candidates.count++;
        place = &load->candidates.items[0];
    }
    if (place == NULL) return false;
    *place = keys;
    return true;
}

/* Sorts all snapshots that have keys, the newest first: those that are not needed, or were never finished, are
 * stale. */
static ordo_err list_snapshots(struct ordo_job *job, struct ordo_view *view, struct ordo_slice end) {
    struct ordo_load *load = &job->load;
    struct ordo_slice doc_key = ordo_buffer_slice(&job->doc_key);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_SNAPSHOTS, doc_key, end);
    struct ordo_buffer key = {0};
    uint64_t seq = UINT64_MAX;
    size_t kept = 0;
    for (;;) {
        uint32_t piece;
        ordo_key_snapshot(&key, doc_key, seq, ORDO_PIECE_VALID);
        if (!iterator->ops->seek_back(iterator, ordo_buffer_slice(&key))) break;
        struct ordo_slice at = iterator->ops->key(iterator);
        struct ordo_slice rest = ordo_slice(at.data + doc_key.size, at.size - doc_key.size);
        if (!ordo_key_parse_piece(rest, &seq, &piece) || seq == 0) break;
        struct ordo_snapshot_row row;
        bool is_valid = piece == ORDO_PIECE_VALID &&
                        !ordo_snapshot_row_decode(at, iterator->ops->value(iterator), &row) && row.seq == seq;
        if (is_valid && kept == 0) {
            const struct ordo_type *type = ordo_type_of(row.type);
            load->newest = row;
            load->newest.type = type ? ordo_slice_of(type->name) : ordo_slice(NULL, 0); /* the row borrows */
        }
        struct ordo_snapshot_keys keys = {.seq = seq,
                                          .timestamp_ms = is_valid ? row.timestamp_ms : 0,
                                          .piece_count = is_valid ? row.piece_count : piece + 1};
        bool is_damaged = !is_valid && piece == ORDO_PIECE_VALID; /* left for `verify` to name */
        if (!is_damaged && !(is_valid && is_kept(load, &kept, keys))) {
            load->stale = ordo_realloc(load->stale, (load->stale_count + 1) * sizeof *load->stale);
            load->stale[load->stale_count++] = keys;
        }
        if (!is_valid && piece == ORDO_PIECE_VALID) job->damaged_seq = seq;
        seq--;
    }
    ordo_err err = ordo_iterator_end(iterator);
    ordo_buffer_finish(&key);
    return err;
}

/* Runs that truncation did not come to delete. Those behind must follow at once: what an op can be rebased over is all
 * there, or the document is damaged. */
static ordo_err list_stale_runs(struct ordo_job *job, struct ordo_view *view, struct ordo_slice end) {
    struct ordo_load *load = &job->load;
    struct ordo_slice doc_key = ordo_buffer_slice(&job->doc_key);
    if (load->horizon == 0) return ORDO_OK;
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_OPS, doc_key, end);
    ordo_err err = ORDO_OK;
    for (bool has = iterator->ops->seek(iterator, doc_key); has && !err; has = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        uint64_t first_seq;
        if (!ordo_key_parse_seq(ordo_slice(key.data + doc_key.size, key.size - doc_key.size), &first_seq))
            err = ORDO_ERR_CORRUPT;
        else if (first_seq > load->horizon) {
            if (first_seq != load->horizon + 1) err = ORDO_ERR_CORRUPT;
            break;
        } else ordo_seqs_push(&load->stale_runs, first_seq);
    }
    if (!err) err = iterator->ops->status(iterator);
    iterator->ops->close(iterator);
    return err;
}

static ordo_err look_for_client_rows(struct ordo_job *job, struct ordo_view *view, struct ordo_slice end) {
    struct ordo_slice doc_key = ordo_buffer_slice(&job->doc_key);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_CLIENTS, doc_key, end);
    job->load.has_client_rows = iterator->ops->seek(iterator, doc_key);
    return ordo_iterator_end(iterator);
}

static ordo_err read_doc_row(struct ordo_job *job, struct ordo_view *view, uint64_t *head) {
    struct ordo_slice doc_key = ordo_buffer_slice(&job->doc_key);
    struct ordo_buffer value = {0};
    struct ordo_doc_row row;
    *head = 0;
    ordo_err err = view->ops->get(view, ORDO_CF_DOCS, doc_key, &value);
    if (!err) err = ordo_doc_row_decode(doc_key, ordo_buffer_slice(&value), &row);
    if (!err) {
        job->load.horizon = row.horizon;
        job->load.forgotten_seq = row.forgotten_seq;
        job->load.history_seq = row.history_seq;
        job->load.erased_seq = row.erased_seq;
        job->load.relineage = row.relineage;
        *head = row.head;
    }
    ordo_buffer_finish(&value);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

static ordo_err read_tail(struct ordo_job *job, struct ordo_view *view, uint64_t *seq) {
    struct ordo_load *load = &job->load;
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_recent_init(&load->recent, load->state.seq + 1, load->state.length);
    ordo_op_log_open(&log, view, ordo_buffer_slice(&job->doc_key), load->state.seq + 1);
    ordo_err err;
    while (!(err = ordo_op_log_next(&log, &op)) && !(err = ordo_doc_state_step(&load->state, &op.op))) {
        ordo_authors_note_op(&load->authors, &op);
        ordo_recent_append(&load->recent, op.hash, op.flags, op.committed, &op.op, load->state.length);
        if (ordo_recent_size(&load->recent) > 2 * load->recent_size_max)
            ordo_recent_trim(&load->recent, load->recent_size_max, UINT64_MAX, false);
    }
    *seq = log.next_seq;
    load->log_size = log.bytes_read;
    ordo_op_log_close(&log);
    ordo_doc_state_relineage(&load->state, &load->relineage);
    ordo_recent_trim(&load->recent, load->recent_size_max, UINT64_MAX, true);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

/* The newest snapshot's record is enough to start from: sequencing needs no content. */
static ordo_err start_state(struct ordo_load *load) {
    if (load->snapshots[0].seq == 0) return ORDO_OK;
    load->snapshot_size = load->newest.size;
    return ordo_doc_state_of_snapshot(&load->newest, &load->state);
}

/* Of a document without any row: whether a repair has noted that one of its name may be lost. */
static ordo_err look_for_quarantine(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_buffer value = {0};
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_quarantine, &value);
    if (!err && ordo_quarantine_holds(ordo_buffer_slice(&value), ordo_buffer_slice(&job->doc_key))) {
        err = ORDO_ERR_CORRUPT;
    }
    ordo_buffer_finish(&value);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

void ordo_job_run_load(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_buffer end = {0};
    uint64_t seq = 0, head;
    ordo_key_doc_end(&end, ordo_buffer_slice(&job->doc_key));
    ordo_err err = ordo_damage_check(view, ordo_buffer_slice(&job->doc_key));
    if (err) ordo_job_fail(job, err, "a damaged table held some of it, or may have; `ordo repair` says what is left", 0);
    if (!err && (err = read_doc_row(job, view, &head))) ordo_job_fail(job, err, "the document's row cannot be read", 0);
    if (!err && (err = list_snapshots(job, view, ordo_buffer_slice(&end))))
        ordo_job_fail(job, err, "the document's snapshots cannot be listed", 0);
    if (!err && (err = list_stale_runs(job, view, ordo_buffer_slice(&end))))
        ordo_job_fail(job, err, "the beginning of the document's log is not where it should be", job->load.horizon + 1);
    if (!err && (err = look_for_client_rows(job, view, ordo_buffer_slice(&end))))
        ordo_job_fail(job, err, "the document's clients cannot be read", 0);
    if (!err && (err = start_state(&job->load)))
        ordo_job_fail(job, err, "the document's newest snapshot cannot be read", 0);
    if (!err && (err = read_tail(job, view, &seq))) ordo_job_fail(job, err, "the document's log cannot be read", seq);
    /* A log that ends before the head that its row knows of has lost its end: never serve a shorter history. */
    if (!err && job->load.state.seq < head)
        ordo_job_fail(job, ORDO_ERR_CORRUPT, "the document's log ends before its head", job->load.state.seq);
    if (!err && job->load.state.seq == 0 && (err = look_for_quarantine(job, view)))
        ordo_job_fail(job, err, "the store was repaired, and this document may be one of those that were lost", 0);
    ordo_buffer_finish(&end);
}
