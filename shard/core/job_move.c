/* Reading a slot that moves, chunk by chunk, and counting what there is of it. */
#include "shard/core/damage.h"
#include "shard/core/job_impl.h"
#include "shard/core/key.h"

/* ---- reading */

/* A store that lost rows knows of some documents only that they may be lost. Elsewhere nobody would know, and they would
 * be served shorter than they were, or as new ones. */
static void look_for_losses(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_buffer value = {0}, lower = {0}, upper = {0};
    ordo_key_slot_range(&lower, &upper, job->copy.slot);
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_quarantine, &value);
    bool is_touched = !err && ordo_quarantine_touches(ordo_buffer_slice(&value), ordo_buffer_slice(&lower),
                                                      ordo_buffer_slice(&upper));
    if (err && err != ORDO_ERR_NOT_FOUND) ordo_job_fail(job, err, "the store's own rows cannot be read", 0);
    else if (is_touched)
        ordo_job_fail(job, ORDO_ERR_CORRUPT, "the store was repaired, and documents of the slot may be among those lost", 0);
    else if ((err = ordo_damage_check_range(view, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper))))
        ordo_job_fail(job, err, "a damaged table held documents of the slot: `ordo repair` comes first", 0);
    ordo_buffer_finish(&value);
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
}

/* Rows from `from` on, until the chunk is full (then next_key says where to go on) or the column family ends. */
static ordo_err copy_rows(struct ordo_job *job, struct ordo_view *view, struct ordo_slice from, struct ordo_slice upper) {
    struct ordo_copy *copy = &job->copy;
    struct ordo_iterator *iterator = view->ops->iterate(view, copy->cf, from, upper);
    ordo_buffer_clear(&copy->next_key);
    for (bool has = iterator->ops->seek(iterator, from); has; has = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        if (copy->rows.size >= copy->size_max) {
            ordo_buffer_append_slice(&copy->next_key, key);
            break;
        }
        ordo_buffer_append_u8(&copy->rows, (uint8_t)copy->cf);
        ordo_buffer_append_sized(&copy->rows, key);
        ordo_buffer_append_sized(&copy->rows, iterator->ops->value(iterator));
    }
    return ordo_iterator_end(iterator);
}

void ordo_job_run_copy(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_copy *copy = &job->copy;
    struct ordo_buffer lower = {0}, upper = {0};
    struct ordo_slice from = ordo_buffer_slice(&job->doc_key);
    bool is_first = copy->cf == ORDO_CF_META + 1 && from.size == 0;
    ordo_key_slot_range(&lower, &upper, copy->slot);
    if (is_first) look_for_losses(job, view);
    while (!job->err) {
        if (from.size == 0) from = ordo_buffer_slice(&lower);
        ordo_err err = copy_rows(job, view, from, ordo_buffer_slice(&upper));
        if (err) ordo_job_fail(job, err, "the slot cannot be read", 0);
        if (err || copy->next_key.size > 0) break;
        copy->is_end = copy->cf + 1 == ORDO_CF_COUNT;
        if (copy->is_end) break;
        copy->cf++;
        from = ordo_slice(NULL, 0);
    }
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
}

/* ---- counting */

struct counting {
    struct ordo_iterator *docs, *ops;
    struct ordo_buffer doc_key, end;
};

/* What is damaged counts as something that only the same damage equals. */
enum { DAMAGED_BIT = 63 };

static uint64_t head_of_log(struct counting *counting) {
    const struct ordo_iterator_ops *ops = counting->ops->ops;
    struct ordo_slice doc_key = ordo_buffer_slice(&counting->doc_key);
    struct ordo_run run;
    uint64_t seq = 0;
    bool found = ops->seek_back(counting->ops, ordo_buffer_slice(&counting->end)) &&
                 ordo_slice_starts_with(ops->key(counting->ops), doc_key);
    if (!found) return 0;
    struct ordo_slice key = ops->key(counting->ops);
    if (!ordo_run_open(key, ops->value(counting->ops), &run)) return run.first_seq + run.count - 1;
    (void)ordo_key_parse_seq(ordo_slice(key.data + doc_key.size, key.size - doc_key.size), &seq);
    return seq | UINT64_C(1) << DAMAGED_BIT;
}

static uint64_t head_of_row(const struct counting *counting) {
    const struct ordo_iterator_ops *ops = counting->docs->ops;
    struct ordo_doc_row row;
    if (ordo_doc_row_decode(ordo_buffer_slice(&counting->doc_key), ops->value(counting->docs), &row))
        return UINT64_C(1) << DAMAGED_BIT;
    return row.head;
}

static bool take_doc_key(struct ordo_iterator *iterator, bool has, struct ordo_slice *doc_key) {
    struct ordo_key key;
    if (!has || !ordo_key_parse(iterator->ops->key(iterator), &key)) return false;
    *doc_key = key.doc_key;
    return true;
}

/* One document after the other, each with its log or its row or both. */
static ordo_err count_documents(struct counting *counting, struct ordo_slice lower, struct ordo_slot_count *count) {
    bool has_row = counting->docs->ops->seek(counting->docs, lower);
    bool has_run = counting->ops->ops->seek(counting->ops, lower);
    while (has_row || has_run) {
        struct ordo_slice row_key = {0}, run_key = {0};
        if (has_row && !take_doc_key(counting->docs, has_row, &row_key)) return ORDO_ERR_CORRUPT;
        if (has_run && !take_doc_key(counting->ops, has_run, &run_key)) return ORDO_ERR_CORRUPT;
        int order = !has_row ? 1 : !has_run ? -1 : ordo_slice_compare(row_key, run_key);
        ordo_buffer_clear(&counting->doc_key);
        ordo_buffer_append_slice(&counting->doc_key, order <= 0 ? row_key : run_key);
        ordo_key_doc_end(&counting->end, ordo_buffer_slice(&counting->doc_key));
        uint64_t head = order <= 0 ? head_of_row(counting) : 0, log_head = head_of_log(counting);
        ordo_slot_count_document(count, ordo_buffer_slice(&counting->doc_key), log_head > head ? log_head : head);
        if (has_row) has_row = counting->docs->ops->seek(counting->docs, ordo_buffer_slice(&counting->end));
        if (has_run) has_run = counting->ops->ops->seek(counting->ops, ordo_buffer_slice(&counting->end));
    }
    ordo_err err = counting->docs->ops->status(counting->docs);
    return err ? err : counting->ops->ops->status(counting->ops);
}

/* Each turn's batch has its number, so the view itself says what is in it. */
static ordo_err read_turn(struct ordo_view *view, uint64_t *turn) {
    struct ordo_buffer value = {0};
    struct ordo_turn_row row = {0};
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_turn, &value);
    if (!err) err = ordo_turn_row_decode(ordo_buffer_slice(&value), &row);
    *turn = row.turn;
    ordo_buffer_finish(&value);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

void ordo_job_run_count(struct ordo_job *job, struct ordo_view *view) {
    struct counting counting = {0};
    struct ordo_buffer lower = {0}, upper = {0};
    ordo_key_slot_range(&lower, &upper, job->count.slot);
    counting.docs = view->ops->iterate(view, ORDO_CF_DOCS, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper));
    counting.ops = view->ops->iterate(view, ORDO_CF_OPS, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper));
    ordo_err err = read_turn(view, &job->count.turn);
    if (!err) err = count_documents(&counting, ordo_buffer_slice(&lower), &job->count.count);
    if (err) ordo_job_fail(job, err, "the documents of the slot cannot be counted", 0);
    counting.docs->ops->close(counting.docs);
    counting.ops->ops->close(counting.ops);
    ordo_buffer_finish(&counting.doc_key);
    ordo_buffer_finish(&counting.end);
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
}
