#include "shard/core/job_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

struct ordo_job *ordo_job_create(enum ordo_job_kind kind, struct ordo_slice doc_key) {
    struct ordo_job *job = ordo_alloc(sizeof *job);
    job->kind = kind;
    job->pin_seq = UINT64_MAX;
    job->is_urgent = kind == ORDO_JOB_LOAD || kind == ORDO_JOB_CLIENT;
    ordo_buffer_append_slice(&job->doc_key, doc_key);
    return job;
}

void ordo_job_run(struct ordo_job *job, struct ordo_view *view) {
    switch (job->kind) {
    case ORDO_JOB_LOAD: ordo_job_run_load(job, view); break;
    case ORDO_JOB_CLIENT: ordo_job_run_client(job, view); break;
    case ORDO_JOB_FIND: ordo_job_run_find(job, view); break;
    case ORDO_JOB_CONTENT: ordo_job_run_content(job, view); break;
    case ORDO_JOB_OPS: ordo_job_run_ops(job, view); break;
    case ORDO_JOB_REBASE: ordo_job_run_rebase(job, view); break;
    case ORDO_JOB_SNAPSHOT: ordo_job_run_content(job, view); break;
    case ORDO_JOB_HISTORY: ordo_job_run_history(job, view); break;
    case ORDO_JOB_TRUNCATE: ordo_job_run_truncate(job, view); break;
    case ORDO_JOB_COPY: ordo_job_run_copy(job, view); break;
    case ORDO_JOB_COUNT: ordo_job_run_count(job, view); break;
    }
}

void ordo_job_destroy(struct ordo_job *job) {
    if (job == NULL) return;
    switch (job->kind) {
    case ORDO_JOB_LOAD:
        ordo_recent_finish(&job->load.recent);
        ordo_authors_finish(&job->load.authors);
        free(job->load.stale);
        free(job->load.stale_runs.items);
        break;
    case ORDO_JOB_CLIENT:
        ordo_buffer_finish(&job->client.client_id);
        ordo_buffer_finish(&job->client.row_bytes);
        break;
    case ORDO_JOB_FIND: ordo_buffer_finish(&job->find.client_id); break;
    case ORDO_JOB_CONTENT:
    case ORDO_JOB_SNAPSHOT: ordo_buffer_finish(&job->content.bytes); break;
    case ORDO_JOB_OPS: ordo_buffer_finish(&job->ops.bytes); break;
    case ORDO_JOB_REBASE:
        ordo_buffer_finish(&job->rebase.client_id);
        ordo_buffer_finish(&job->rebase.op);
        if (job->rebase.live != NULL) job->rebase.type->live_destroy(job->rebase.live);
        break;
    case ORDO_JOB_HISTORY:
        ordo_buffer_finish(&job->history.ops.bytes);
        ordo_buffer_finish(&job->history.content.bytes);
        break;
    case ORDO_JOB_TRUNCATE:
        free(job->truncate.runs.items);
        free(job->truncate.blocks.items);
        free(job->truncate.packed_seqs.items);
        ordo_buffer_finish(&job->truncate.packed);
        ordo_buffer_finish(&job->truncate.forgotten);
        break;
    case ORDO_JOB_COPY:
        ordo_buffer_finish(&job->copy.next_key);
        ordo_buffer_finish(&job->copy.rows);
        break;
    case ORDO_JOB_COUNT: break;
    }
    ordo_buffer_finish(&job->doc_key);
    free(job);
}

const char *ordo_job_name(const struct ordo_job *job) {
    static const char *const names[] = {
        [ORDO_JOB_LOAD] = "load",       [ORDO_JOB_CLIENT] = "client", [ORDO_JOB_FIND] = "find",
        [ORDO_JOB_CONTENT] = "content", [ORDO_JOB_OPS] = "ops",       [ORDO_JOB_REBASE] = "rebase",
        [ORDO_JOB_SNAPSHOT] = "snapshot", [ORDO_JOB_HISTORY] = "history",
        [ORDO_JOB_TRUNCATE] = "truncate", [ORDO_JOB_COPY] = "copy", [ORDO_JOB_COUNT] = "count",
    };
    return names[job->kind];
}

bool ordo_job_is_urgent(const struct ordo_job *job) {
    return job->is_urgent;
}

void ordo_seqs_push(struct ordo_seqs *seqs, uint64_t seq) {
    if (seqs->count == seqs->capacity) {
        seqs->capacity = seqs->capacity ? 2 * seqs->capacity : 64;
        seqs->items = ordo_realloc(seqs->items, seqs->capacity * sizeof *seqs->items);
    }
    seqs->items[seqs->count++] = seq;
}

void ordo_job_fail(struct ordo_job *job, ordo_err err, const char *what, uint64_t seq) {
    job->err = err;
    const char *why = ordo_err_text(err);
    if (seq > 0) snprintf(job->message, sizeof job->message, "%s at server_seq %ju: %s", what, (uintmax_t)seq, why);
    else snprintf(job->message, sizeof job->message, "%s: %s", what, why);
}
