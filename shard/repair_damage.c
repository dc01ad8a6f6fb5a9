#include "common/assert.h"
#include "shard/core/damage.h"
#include "shard/core/documents.h"
#include "shard/core/key.h"
#include "shard/folder.h"
#include "shard/repair_document.h"

/* All of it is one batch: done, or nothing is. */
struct work {
    struct ordo_repair *repair;
    struct ordo_store *store;
    struct ordo_view *view;
    struct ordo_buffer row; /* `damage` */
    struct ordo_batch batch;
};

static struct ordo_reader ranges_of(const struct work *work) {
    struct ordo_reader ranges;
    ordo_err err = ordo_damage_open(ordo_buffer_slice(&work->row), &ranges);
    ORDO_ASSERT(!err); /* it was opened before */
    return ranges;
}

/* Whether one of the first `count` ranges holds the document, and what it may lack by all of them. */
static bool look_up(const struct work *work, struct ordo_slice doc_key, size_t count, struct ordo_mend_hints *hints) {
    struct ordo_reader ranges = ranges_of(work);
    struct ordo_damage damage;
    bool is_held = false;
    *hints = (struct ordo_mend_hints){0};
    for (size_t i = 0; ordo_damage_next(&ranges, &damage); i++) {
        if (!ordo_damage_holds(&damage, doc_key)) continue;
        is_held |= i < count;
        hints->may_lack_ops |= damage.cf == ORDO_CF_OPS;
        hints->may_lack_clients |= damage.cf == ORDO_CF_CLIENTS;
    }
    return is_held;
}

/* The documents of range number `index`, but for those of earlier ones. */
static ordo_err mend_range(struct work *work, const struct ordo_damage *damage, size_t index) {
    struct ordo_buffer from = {0}, found = {0};
    bool is_found = true;
    ordo_err err = ORDO_OK;
    if (damage->low.size > 0) ordo_buffer_append_slice(&from, damage->low);
    else ordo_buffer_append_u8(&from, 0);
    while (!err && !(err = ordo_documents_next(work->view, ordo_buffer_slice(&from), &found, &is_found)) && is_found &&
           ordo_damage_holds(damage, ordo_buffer_slice(&found))) {
        struct ordo_mend_hints hints;
        struct ordo_slice doc_key = ordo_buffer_slice(&found);
        if (!look_up(work, doc_key, index, &hints)) {
            err = ordo_repair_document(work->repair, work->view, doc_key, hints, &work->batch);
        }
        ordo_key_doc_end(&from, doc_key);
    }
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&found);
    return err;
}

static ordo_err mend_all(struct work *work) {
    struct ordo_reader ranges = ranges_of(work);
    struct ordo_damage damage;
    struct ordo_buffer quarantine = {0};
    ordo_err err = ordo_repair_read_quarantine(work->store, &quarantine);
    for (size_t i = 0; !err && ordo_damage_next(&ranges, &damage); i++) {
        err = mend_range(work, &damage, i);
        if (damage.cf == ORDO_CF_OPS) ordo_repair_quarantine(&quarantine, damage.low, damage.high);
    }
    ordo_repair_put_quarantine(work->repair, &quarantine, &work->batch);
    ordo_batch_delete(&work->batch, ORDO_CF_META, ordo_key_damage);
    ordo_buffer_finish(&quarantine);
    return err;
}

static ordo_err mend_store(struct work *work, struct ordo_problem *problem) {
    struct ordo_reader ranges;
    work->view = work->store->ops->view_open(work->store);
    ordo_err err = work->view->ops->get(work->view, ORDO_CF_META, ordo_key_damage, &work->row);
    bool has_damage = err != ORDO_ERR_NOT_FOUND;
    if (!has_damage) err = ORDO_OK;
    if (!err && has_damage) err = ordo_damage_open(ordo_buffer_slice(&work->row), &ranges);
    if (!err && has_damage) err = mend_all(work);
    work->store->ops->view_close(work->view);
    if (err) {
        ordo_problem_set(problem, "More of the store does not read than its tables that were taken out (%s); nothing was changed. "
                         "Repair it without --in-place.", ordo_err_text(err));
        return err;
    }
    err = has_damage ? work->store->ops->write(work->store, &work->batch, true) : ORDO_OK;
    if (err) ordo_problem_set(problem, "The store cannot be written: %s.", ordo_store_rocksdb_failure(work->store));
    return err;
}

ordo_err ordo_repair_damage(struct ordo_repair *repair, const char *path, struct ordo_problem *problem) {
    struct ordo_folder folder;
    struct work work = {.repair = repair};
    repair->counts = (struct ordo_repair_counts){0};
    ordo_err err = ordo_folder_open(&folder, path, problem);
    work.store = folder.store;
    if (!err) err = mend_store(&work, problem);
    ordo_batch_finish(&work.batch);
    ordo_buffer_finish(&work.row);
    ordo_folder_finish(&folder);
    return err;
}
