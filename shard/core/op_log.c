#include "shard/core/op_log.h"

#include "shard/core/key.h"

static ordo_err end_of(const struct ordo_op_log *log) {
    ordo_err err = log->iterator->ops->status(log->iterator);
    return err ? err : ORDO_ERR_NOT_FOUND;
}

/* The run that the iterator stands on, whose key and value must say the same. */
static ordo_err open_run(struct ordo_op_log *log) {
    struct ordo_slice key = log->iterator->ops->key(log->iterator);
    struct ordo_slice value = log->iterator->ops->value(log->iterator);
    if (!ordo_slice_starts_with(key, log->doc_key)) return ORDO_ERR_CORRUPT;
    struct ordo_slice rest = ordo_slice(key.data + log->doc_key.size, key.size - log->doc_key.size);
    uint64_t first_seq;
    if (!ordo_key_parse_seq(rest, &first_seq)) return ORDO_ERR_CORRUPT;
    ordo_err err = ordo_run_open(key, value, &log->run);
    if (err) return err;
    if (log->run.first_seq != first_seq) return ORDO_ERR_CORRUPT;
    log->bytes_read += key.size + value.size;
    log->has_run = true;
    return ORDO_OK;
}

/* Finds the run that holds the first op, or the first run there is. */
static ordo_err find_start(struct ordo_op_log *log) {
    const struct ordo_iterator_ops *ops = log->iterator->ops;
    struct ordo_buffer key = {0};
    ordo_key_ops(&key, log->doc_key, log->next_seq);
    bool found = ops->seek_back(log->iterator, ordo_buffer_slice(&key));
    if (found && !ordo_slice_starts_with(ops->key(log->iterator), log->doc_key)) found = false;
    ordo_err err = found ? ORDO_OK : ops->status(log->iterator);
    if (!err && !found) {
        /* Nothing at or before: fine only if there is nothing behind it either. */
        found = ops->seek(log->iterator, ordo_buffer_slice(&key));
        err = found ? ORDO_ERR_CORRUPT : end_of(log);
    }
    ordo_buffer_finish(&key);
    return err ? err : open_run(log);
}

/* Drops what the run holds before the first op that was asked for. */
static ordo_err skip_to_start(struct ordo_op_log *log) {
    struct ordo_run_op skipped;
    while (log->run.next_seq < log->next_seq) {
        ordo_err err = ordo_run_next(&log->run, &skipped);
        if (err == ORDO_ERR_NOT_FOUND) {
            log->has_run = false;
            log->bytes_read = 0; /* none of it was asked for */
            return log->run.next_seq == log->next_seq ? ORDO_OK : ORDO_ERR_NOT_FOUND;
        }
        if (err) return err;
    }
    return ORDO_OK;
}

void ordo_op_log_open(struct ordo_op_log *log, struct ordo_view *view, struct ordo_slice doc_key, uint64_t from_seq) {
    *log = (struct ordo_op_log){.doc_key = doc_key, .next_seq = from_seq};
    ordo_key_doc_end(&log->end_key, doc_key);
    log->iterator = view->ops->iterate(view, ORDO_CF_OPS, doc_key, ordo_buffer_slice(&log->end_key));
    log->start_err = find_start(log);
    if (!log->start_err) log->start_err = skip_to_start(log);
}

void ordo_op_log_close(struct ordo_op_log *log) {
    log->iterator->ops->close(log->iterator);
    ordo_buffer_finish(&log->end_key);
}

ordo_err ordo_op_log_next(struct ordo_op_log *log, struct ordo_run_op *out) {
    if (log->start_err) return log->start_err;
    for (;;) {
        ordo_err err = log->has_run ? ordo_run_next(&log->run, out) : ORDO_ERR_NOT_FOUND;
        if (!err) {
            if (out->op.server_seq != log->next_seq) return ORDO_ERR_CORRUPT;
            log->next_seq++;
            return ORDO_OK;
        }
        if (err != ORDO_ERR_NOT_FOUND) return err;
        log->has_run = false;
        if (!log->iterator->ops->next(log->iterator)) return end_of(log);
        err = open_run(log);
        if (err) return err;
    }
}
