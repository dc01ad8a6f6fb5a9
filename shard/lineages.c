#include "shard/lineages.h"

#include "common/limits.h"
#include "common/log.h"
#include "common/random.h"
#include "shard/core/key.h"
#include "shard/core/relineage.h"
#include "shard/store_rocksdb.h"

enum { BATCH_SIZE_MAX = 1024 * 1024 };

uint64_t ordo_lineage_draw(void) {
    uint64_t lineage;
    do lineage = ordo_random_u64() & ORDO_NUMBER_MAX;
    while (lineage == 0);
    return lineage;
}

static ordo_err write_batch(struct ordo_store *store, struct ordo_batch *batch, struct ordo_problem *problem) {
    ordo_err err = store->ops->write(store, batch, true);
    if (err) ordo_problem_set(problem, "The lineages of documents cannot be written: %s.", ordo_store_rocksdb_failure(store));
    ordo_batch_clear(batch);
    return err;
}

static ordo_err renew(struct ordo_view *view, struct ordo_slice doc_key, struct ordo_batch *batch, uint64_t *count) {
    struct ordo_key names;
    ordo_err err = ordo_relineage_document(view, doc_key, ordo_lineage_draw(), batch);
    bool is_damaged = err == ORDO_ERR_CORRUPT || err == ORDO_ERR_VERSION;
    if (is_damaged && ordo_key_parse(doc_key, &names))
        log_warn("event=lineage_kept collection=%s id=%s reason=\"%s\"", log_value(names.collection), log_value(names.id), ordo_err_text(err));
    if (!err) ++*count;
    return is_damaged ? ORDO_OK : err;
}

/* What is written meanwhile is not in the view, so each document comes once. */
ordo_err ordo_lineages_renew(struct ordo_store *store, struct ordo_slice from, struct ordo_slice upper, uint64_t *count_out,
                             struct ordo_problem *problem) {
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_batch batch = {0};
    struct ordo_buffer at = {0}, doc_key = {0};
    ordo_err err;
    *count_out = 0;
    ordo_buffer_append_slice(&at, from);
    if (from.size == 0) ordo_buffer_append_u8(&at, 0); /* at or before the first key: a slot begins it */
    while (!(err = ordo_relineage_next(view, ordo_buffer_slice(&at), &doc_key))) {
        bool is_behind = upper.size > 0 && ordo_slice_compare(ordo_buffer_slice(&doc_key), upper) >= 0;
        if (is_behind) break;
        err = renew(view, ordo_buffer_slice(&doc_key), &batch, count_out);
        if (!err && batch.records.size > BATCH_SIZE_MAX) err = write_batch(store, &batch, problem);
        if (err) break;
        ordo_key_doc_end(&at, ordo_buffer_slice(&doc_key));
    }
    if (err == ORDO_ERR_NOT_FOUND) err = ORDO_OK;
    if (!err) err = write_batch(store, &batch, problem);
    if (err && problem->text[0] == '\0') ordo_problem_set(problem, "The store's documents cannot be read: %s.", ordo_err_text(err));
    store->ops->view_close(view);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&at);
    ordo_buffer_finish(&doc_key);
    return err;
}
