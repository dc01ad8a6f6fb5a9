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

/* The block that holds the next op. NOT_FOUND: history has none. */
static ordo_err open_block(struct ordo_op_log *log) {
    struct ordo_iterator *iterator =
        log->view->ops->iterate(log->view, ORDO_CF_HISTORY, log->doc_key, ordo_buffer_slice(&log->end_key));
    const struct ordo_iterator_ops *ops = iterator->ops;
    struct ordo_buffer key = {0};
    struct ordo_block_info info;
    ordo_key_ops(&key, log->doc_key, log->next_seq);
    bool found = ops->seek_back(iterator, ordo_buffer_slice(&key)) &&
                 ordo_slice_starts_with(ops->key(iterator), log->doc_key);
    ordo_err err = found ? ordo_block_look(ops->key(iterator), ops->value(iterator), &info) : ops->status(iterator);
    if (!err && (!found || log->next_seq - info.first_seq >= info.count)) err = ORDO_ERR_NOT_FOUND;
    if (!err) err = ordo_block_open(ops->key(iterator), ops->value(iterator), &log->block);
    if (!err) {
        log->bytes_read += ops->value(iterator).size;
        err = ordo_block_seek(log->block, log->next_seq);
    }
    ops->close(iterator);
    ordo_buffer_finish(&key);
    return err;
}

/* Finds what holds the next op: a run, else a block; or the last run there is, if there is no such op yet. */
static ordo_err find_start(struct ordo_op_log *log) {
    const struct ordo_iterator_ops *ops = log->iterator->ops;
    struct ordo_buffer key = {0};
    ordo_key_ops(&key, log->doc_key, log->next_seq);
    bool found = ops->seek_back(log->iterator, ordo_buffer_slice(&key));
    if (found && !ordo_slice_starts_with(ops->key(log->iterator), log->doc_key)) found = false;
    ordo_err err = found ? ORDO_OK : ops->status(log->iterator);
    if (!err && !found) {
        err = open_block(log);
        /* Nothing at or before: fine only if there is nothing behind it either. */
        if (err == ORDO_ERR_NOT_FOUND && ops->seek(log->iterator, ordo_buffer_slice(&key))) err = ORDO_ERR_CORRUPT;
    } else if (!err) {
        err = open_run(log);
    }
    ordo_buffer_finish(&key);
    return err;
}

/* Drops what the run holds before the first op that was asked for. */
static ordo_err skip_to_start(struct ordo_op_log *log) {
    struct ordo_run_op skipped;
    while (log->has_run && log->run.next_seq < log->next_seq) {
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
    *log = (struct ordo_op_log){.view = view, .doc_key = doc_key, .next_seq = from_seq};
    ordo_key_doc_end(&log->end_key, doc_key);
    log->iterator = view->ops->iterate(view, ORDO_CF_OPS, doc_key, ordo_buffer_slice(&log->end_key));
    log->start_err = find_start(log);
    if (!log->start_err) log->start_err = skip_to_start(log);
}

void ordo_op_log_close(struct ordo_op_log *log) {
    log->iterator->ops->close(log->iterator);
    ordo_block_close(log->block);
    ordo_buffer_finish(&log->end_key);
    ordo_buffer_finish(&log->committed);
}

/* The next op out of the block, or of several; NOT_FOUND: it has no more, and is closed. */
static ordo_err next_of_block(struct ordo_op_log *log, uint64_t merged_to_seq, struct ordo_run_op *out) {
    *out = (struct ordo_run_op){0};
    ordo_err err = merged_to_seq > 0 ? ordo_block_next_merged(log->block, merged_to_seq, &out->op)
                                     : ordo_block_next(log->block, &out->op);
    if (!err) {
        log->next_seq = out->op.server_seq + 1;
    } else if (err == ORDO_ERR_NOT_FOUND) {
        ordo_block_close(log->block);
        log->block = NULL;
    }
    return err;
}

static ordo_err next_op(struct ordo_op_log *log, uint64_t merged_to_seq, struct ordo_run_op *out) {
    if (log->start_err) return log->start_err;
    while (log->block != NULL) {
        ordo_err err = next_of_block(log, merged_to_seq, out);
        if (err != ORDO_ERR_NOT_FOUND) return err;
        log->start_err = find_start(log);
        if (!log->start_err) log->start_err = skip_to_start(log);
        if (log->start_err) return log->start_err;
    }
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

ordo_err ordo_op_log_next(struct ordo_op_log *log, struct ordo_run_op *out) {
    ordo_err err = next_op(log, 0, out);
    if (err || log->block == NULL) return err;
    ordo_buffer_clear(&log->committed);
    ordo_committed_encode(&out->op, &log->committed);
    out->committed = ordo_buffer_slice(&log->committed);
    return ORDO_OK;
}

ordo_err ordo_op_log_next_merged(struct ordo_op_log *log, uint64_t to_seq, struct ordo_run_op *out) {
    return next_op(log, to_seq, out);
}
