#include "shard/core/op_log.h"

#include "shard/core/key.h"

static ordo_err end_of(const struct ordo_op_log *log) {
    ordo_err err = log->iterator->ops->status(log->iterator);
    return err ? err : ORDO_ERR_NOT_FOUND;
}

/* Takes up the run that the iterator stands on, whose key and value must say the same. NOT_FOUND: the next op is not in it. */
static ordo_err take_run(struct ordo_op_log *log) {
    struct ordo_slice key = log->iterator->ops->key(log->iterator);
    struct ordo_slice value = log->iterator->ops->value(log->iterator);
    if (!ordo_slice_starts_with(key, log->doc_key)) return ORDO_ERR_CORRUPT;
    struct ordo_slice rest = ordo_slice(key.data + log->doc_key.size, key.size - log->doc_key.size);
    uint64_t first_seq;
    if (!ordo_key_parse_seq(rest, &first_seq)) return ORDO_ERR_CORRUPT;
    ordo_err err = ordo_run_open(key, value, &log->run);
    if (err) return err;
    if (log->run.first_seq != first_seq) return ORDO_ERR_CORRUPT;
    if (log->next_seq < first_seq || log->next_seq - first_seq >= log->run.count) return ORDO_ERR_NOT_FOUND;
    struct ordo_run_op skipped;
    while (log->run.next_seq < log->next_seq) {
        err = ordo_run_next(&log->run, &skipped);
        if (err) return err == ORDO_ERR_NOT_FOUND ? ORDO_ERR_CORRUPT : err;
    }
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

/* Stands on a run that does not hold the next op: whether it is the last, and would be followed by it. */
static bool is_end(const struct ordo_op_log *log) {
    return log->run.first_seq + log->run.count == log->next_seq && !log->iterator->ops->next(log->iterator);
}

/* Finds what holds the next op: a run, else a block. NOT_FOUND: nothing, and there is nothing behind it either. No block goes on
 * where the last run ends, so who reads on to the head needs no block, damaged as it may be. */
static ordo_err find_next(struct ordo_op_log *log) {
    const struct ordo_iterator_ops *ops = log->iterator->ops;
    struct ordo_buffer key = {0};
    ordo_key_ops(&key, log->doc_key, log->next_seq);
    bool found = ops->seek_back(log->iterator, ordo_buffer_slice(&key)) &&
                 ordo_slice_starts_with(ops->key(log->iterator), log->doc_key);
    ordo_err err = found ? take_run(log) : end_of(log);
    if (err == ORDO_ERR_NOT_FOUND && !(found && is_end(log))) {
        err = open_block(log);
        if (err == ORDO_ERR_NOT_FOUND && ops->seek(log->iterator, ordo_buffer_slice(&key))) err = ORDO_ERR_CORRUPT;
    }
    ordo_buffer_finish(&key);
    return err;
}

/* The same behind the end of a run, where the next one usually follows. */
static ordo_err follow_run(struct ordo_op_log *log) {
    log->has_run = false;
    if (!log->iterator->ops->next(log->iterator)) return end_of(log);
    ordo_err err = take_run(log);
    if (!err && log->run.first_seq != log->next_seq) err = ORDO_ERR_CORRUPT; /* they never overlap */
    return err == ORDO_ERR_NOT_FOUND ? find_next(log) : err;
}

void ordo_op_log_open(struct ordo_op_log *log, struct ordo_view *view, struct ordo_slice doc_key, uint64_t from_seq) {
    *log = (struct ordo_op_log){.view = view, .doc_key = doc_key, .next_seq = from_seq};
    ordo_key_doc_end(&log->end_key, doc_key);
    log->iterator = view->ops->iterate(view, ORDO_CF_OPS, doc_key, ordo_buffer_slice(&log->end_key));
    log->err = find_next(log);
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
    while (!log->err) {
        bool is_packed = log->block != NULL;
        ordo_err err = is_packed ? next_of_block(log, merged_to_seq, out) : ordo_run_next(&log->run, out);
        if (!err && !is_packed) log->next_seq++;
        if (err != ORDO_ERR_NOT_FOUND) return err;
        log->err = is_packed ? find_next(log) : follow_run(log);
    }
    return log->err;
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
