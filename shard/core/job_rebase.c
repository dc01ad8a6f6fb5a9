#include "shard/core/job_impl.h"
#include "shard/core/key.h"
#include "shard/core/tie.h"

/* Moves a length over one op, if the op is of this type or begins a document of it. What comes before a create is of
 * no consequence, and may be of another type. */
static uint64_t length_over(const struct ordo_type *type, const struct ordo_committed *op, uint64_t length) {
    struct ordo_create create;
    const struct ordo_type *created;
    switch (ordo_committed_kind(op->op_field)) {
    case ORDO_OP_EDIT: return op->op_field == type->committed_field ? type->length_after(op->op, length) : 0;
    case ORDO_OP_DELETE: return 0;
    case ORDO_OP_CREATE: break;
    }
    if (ordo_create_decode(op->op, &create, &created) != ORDO_CREATE_VALID || created != type) return 0;
    return type->length_after(create.op, 0);
}

/* The length after the op `seq` (>= 1, below the head): from the length that the run of the next op begins with. The op
 * itself may be gone, if `seq` is the horizon. */
static ordo_err length_at(struct ordo_job *job, struct ordo_view *view, uint64_t seq, uint64_t *length_out) {
    const struct ordo_type *type = job->rebase.type;
    struct ordo_slice doc_key = ordo_buffer_slice(&job->doc_key);
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_op_log_open(&log, view, doc_key, seq + 1);
    ordo_err err = ordo_op_log_next(&log, &op);
    if (err) {
        ordo_op_log_close(&log);
        return err;
    }
    uint64_t first_seq = log.run.first_seq, length = log.run.length_before;
    ordo_op_log_close(&log);
    if (first_seq == seq + 1) {
        *length_out = length;
        return ORDO_OK;
    }
    ordo_op_log_open(&log, view, doc_key, first_seq);
    while (!err && log.next_seq <= seq)
        if (!(err = ordo_op_log_next(&log, &op))) length = length_over(type, &op.op, length);
    ordo_op_log_close(&log);
    *length_out = length;
    return err;
}

static bool begin(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_rebase *rebase = &job->rebase;
    if (!rebase->is_edit || rebase->live != NULL) return true;
    uint64_t length, length_after;
    if (!rebase->is_validated) {
        ordo_err err = length_at(job, view, rebase->base_seq, &length);
        if (err) {
            ordo_job_fail(job, err, "the document's log cannot be read", rebase->base_seq);
            return false;
        }
        rebase->fault = rebase->type->validate(ordo_buffer_slice(&rebase->op), length, &length_after);
        if (rebase->fault != ORDO_OP_VALID) return false;
    }
    struct ordo_tie_id memory;
    rebase->live = rebase->type->live_create();
    rebase->type->live_load(rebase->live, ordo_buffer_slice(&rebase->op),
                            ordo_tie(ordo_buffer_slice(&rebase->client_id), &memory));
    return true;
}

void ordo_job_run_rebase(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_rebase *rebase = &job->rebase;
    if (!begin(job, view)) return;
    struct ordo_op_log log;
    struct ordo_run_op op;
    struct ordo_tie_id memory;
    ordo_err err = ORDO_OK;
    ordo_op_log_open(&log, view, ordo_buffer_slice(&job->doc_key), rebase->from_seq);
    while (rebase->from_seq <= rebase->to_seq && !(err = ordo_op_log_next(&log, &op))) {
        rebase->from_seq++;
        if (rebase->is_exact && op.hash == rebase->hash && op.op.client_seq == rebase->client_seq &&
            ordo_slice_equal(op.op.client_id, ordo_buffer_slice(&rebase->client_id))) {
            rebase->is_duplicate = true;
            rebase->duplicate_seq = op.op.server_seq;
            rebase->duplicate_ms = op.op.timestamp_ms;
            break;
        }
        /* What is not an edit cannot stand here for an edit: a delete ends it before it comes to this. */
        if (rebase->is_edit && op.op.op_field == rebase->type->committed_field)
            rebase->type->live_rebase(rebase->live, op.op.op, ordo_tie(op.op.client_id, &memory), NULL);
    }
    if (err) ordo_job_fail(job, err, "the document's log cannot be read", log.next_seq);
    ordo_op_log_close(&log);
}
