#include "shard/core/relineage.h"

#include "shard/core/key.h"
#include "shard/core/run.h"

/* The last op in the log; 0: there is none. */
static ordo_err find_log_end(struct ordo_view *view, struct ordo_slice doc_key, uint64_t *seq_out) {
    struct ordo_buffer end = {0};
    struct ordo_run run;
    *seq_out = 0;
    ordo_key_doc_end(&end, doc_key);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_OPS, doc_key, ordo_buffer_slice(&end));
    bool has_run = iterator->ops->seek_back(iterator, ordo_buffer_slice(&end));
    ordo_err err = iterator->ops->status(iterator);
    if (has_run) err = ordo_run_open(iterator->ops->key(iterator), iterator->ops->value(iterator), &run);
    if (has_run && !err) *seq_out = run.first_seq + run.count - 1;
    iterator->ops->close(iterator);
    ordo_buffer_finish(&end);
    return err;
}

ordo_err ordo_relineage_document(struct ordo_view *view, struct ordo_slice doc_key, uint64_t lineage,
                                 struct ordo_batch *batch) {
    struct ordo_doc_row row = {0};
    struct ordo_buffer stored = {0}, value = {0};
    uint64_t log_end = 0;
    ordo_err err = view->ops->get(view, ORDO_CF_DOCS, doc_key, &stored);
    if (!err) err = ordo_doc_row_decode(doc_key, ordo_buffer_slice(&stored), &row);
    if (err == ORDO_ERR_NOT_FOUND) err = ORDO_OK; /* too young for one */
    if (!err) err = find_log_end(view, doc_key, &log_end);
    if (!err) {
        if (row.head < log_end) row.head = log_end;
        row.lineage = lineage;
        row.relineage = (struct ordo_relineage){.seq = row.head, .lineage = lineage};
        ordo_doc_row_encode(&value, doc_key, &row);
        ordo_batch_put(batch, ORDO_CF_DOCS, doc_key, ordo_buffer_slice(&value));
    }
    ordo_buffer_finish(&stored);
    ordo_buffer_finish(&value);
    return err;
}

/* Lowers `doc_key` (empty: nothing yet) to the first document of this column family. */
static ordo_err look_in(struct ordo_view *view, enum ordo_cf cf, struct ordo_slice from, struct ordo_buffer *doc_key) {
    struct ordo_key key;
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, from, ordo_slice(NULL, 0));
    bool has_any = iterator->ops->seek(iterator, from);
    ordo_err err = iterator->ops->status(iterator);
    if (has_any && !ordo_key_parse(iterator->ops->key(iterator), &key)) err = ORDO_ERR_CORRUPT;
    if (has_any && !err &&
        (doc_key->size == 0 || ordo_slice_compare(key.doc_key, ordo_buffer_slice(doc_key)) < 0)) {
        ordo_buffer_clear(doc_key);
        ordo_buffer_append_slice(doc_key, key.doc_key);
    }
    iterator->ops->close(iterator);
    return err;
}

ordo_err ordo_relineage_next(struct ordo_view *view, struct ordo_slice from, struct ordo_buffer *doc_key) {
    ordo_buffer_clear(doc_key);
    ordo_err err = look_in(view, ORDO_CF_DOCS, from, doc_key);
    if (!err) err = look_in(view, ORDO_CF_OPS, from, doc_key);
    if (!err && doc_key->size == 0) err = ORDO_ERR_NOT_FOUND;
    return err;
}
