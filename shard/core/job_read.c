#include "proto/message.h"
#include "shard/core/job_impl.h"
#include "shard/core/key.h"

void ordo_job_run_client(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_find_client *client = &job->client;
    struct ordo_buffer key = {0};
    ordo_key_client(&key, ordo_buffer_slice(&job->doc_key), ordo_buffer_slice(&client->client_id));
    ordo_err err = view->ops->get(view, ORDO_CF_CLIENTS, ordo_buffer_slice(&key), &client->row_bytes);
    if (!err)
        err = ordo_client_row_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&client->row_bytes), &client->row);
    client->found = !err;
    if (err && err != ORDO_ERR_NOT_FOUND) ordo_job_fail(job, err, "the client's row cannot be read", 0);
    ordo_buffer_finish(&key);
}

void ordo_job_run_find(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_find_op *find = &job->find;
    struct ordo_slice client_id = ordo_buffer_slice(&find->client_id);
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_err err = ORDO_OK;
    ordo_op_log_open(&log, view, ordo_buffer_slice(&job->doc_key), find->from_seq);
    while (!find->found && log.next_seq <= find->to_seq && !(err = ordo_op_log_next(&log, &op))) {
        if (op.op.client_seq != find->client_seq || !ordo_slice_equal(op.op.client_id, client_id)) continue;
        find->found = true;
        find->hash = op.hash;
        find->server_seq = op.op.server_seq;
        find->timestamp_ms = op.op.timestamp_ms;
    }
    if (err) ordo_job_fail(job, err, "the document's log cannot be read", log.next_seq);
    ordo_op_log_close(&log);
}

/* Appends the ops of a range as fields of the message that will hold them. */
static void read_ops(struct ordo_job *job, struct ordo_view *view, struct ordo_read_ops *ops) {
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_err err = ORDO_OK;
    ops->end_seq = ops->from_seq;
    if (ops->from_seq > ops->to_seq) return;
    ordo_op_log_open(&log, view, ordo_buffer_slice(&job->doc_key), ops->from_seq);
    while (ops->end_seq <= ops->to_seq && ops->bytes.size < ops->size_max && !(err = ordo_op_log_next(&log, &op))) {
        ordo_field_append_bytes(&ops->bytes, ops->field, op.committed);
        ops->end_seq++;
    }
    if (err) ordo_job_fail(job, err, "the document's log cannot be read", log.next_seq);
    ordo_op_log_close(&log);
}

void ordo_job_run_ops(struct ordo_job *job, struct ordo_view *view) { read_ops(job, view, &job->ops); }

static void read_content(struct ordo_job *job, struct ordo_view *view, struct ordo_read_content *content) {
    struct ordo_materialised materialised;
    uint64_t bad_seq;
    ordo_err err = ordo_materialise(view, ordo_buffer_slice(&job->doc_key), content->seq, &materialised, &bad_seq);
    if (!err && materialised.state.seq != content->seq) {
        err = ORDO_ERR_CORRUPT; /* we only ask for seqs that are durable */
        bad_seq = materialised.state.seq + 1;
        ordo_materialised_finish(&materialised);
    }
    if (err) {
        ordo_job_fail(job, err, "the document's content cannot be read", bad_seq);
        return;
    }
    content->state = materialised.state;
    job->damaged_seq = materialised.damaged_seq;
    if (materialised.content != NULL) {
        const struct ordo_type *type = materialised.state.type;
        ordo_buffer_reserve(&content->bytes, type->content_size(materialised.content));
        type->content_write(materialised.content, &content->bytes);
    }
    ordo_materialised_finish(&materialised);
}

void ordo_job_run_content(struct ordo_job *job, struct ordo_view *view) {
    read_content(job, view, &job->content);
    if (job->kind == ORDO_JOB_SNAPSHOT) job->content.hash = ordo_snapshot_content_hash(ordo_buffer_slice(&job->content.bytes));
}

/* The newest op at or before a time: timestamps never go backwards, so halving works on runs, then one is read
 * through. 0: the document did not exist yet. */
static ordo_err find_seq_at(struct ordo_job *job, struct ordo_view *view, uint64_t at_ms, uint64_t head,
                            uint64_t *seq_out) {
    /* The answer lies in low..high, and low is at or before the time. */
    uint64_t low = job->history.begin_seq, high = head;
    ordo_err err = ORDO_OK;
    while (low < high && !err) {
        uint64_t middle = low + (high - low + 1) / 2;
        struct ordo_op_log log;
        struct ordo_run_op op;
        ordo_op_log_open(&log, view, ordo_buffer_slice(&job->doc_key), middle);
        err = ordo_op_log_next(&log, &op);
        if (!err && op.op.timestamp_ms <= at_ms) low = middle;
        else high = middle - 1;
        ordo_op_log_close(&log);
    }
    *seq_out = low;
    return err;
}

void ordo_job_run_history(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_read_history *history = &job->history;
    uint64_t seq = history->at;
    switch (history->what) {
    case ORDO_HISTORY_OPS: read_ops(job, view, &history->ops); return;
    case ORDO_HISTORY_AT_SEQ: break;
    case ORDO_HISTORY_AT_TIME: {
        history->is_gone = history->at < history->begin_ms;
        if (history->is_gone) return;
        ordo_err err = find_seq_at(job, view, history->at, history->ops.to_seq, &seq);
        if (err) {
            ordo_job_fail(job, err, "the document's log cannot be read", seq);
            return;
        }
        break;
    }
    }
    history->content.seq = seq;
    if (seq > 0) read_content(job, view, &history->content);
}
