#include "shard/repair.h"

#include "common/files.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/table.h"
#include "shard/core/damage.h"
#include "shard/core/documents.h"
#include "shard/core/key.h"
#include "shard/core/row_age.h"
#include "shard/core/rows.h"
#include "shard/core/value.h"
#include "shard/folder.h"
#include "shard/repair_document.h"
#include "shard/salvage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_SIZE_MAX ((size_t)1024 * 1024)

/* A document of which a row did not read. */
struct wounded {
    uint64_t seen_seq;
    bool has_bad_client;
    bool was_mended;
    size_t key_size;
    uint8_t key[];
};

struct gap {
    enum ordo_cf cf;
    struct ordo_buffer low, high;
};

struct work {
    struct ordo_repair *repair;
    struct ordo_folder *damaged;
    struct ordo_store *store; /* the new one */
    struct ordo_batch batch;
    struct ordo_table wounded;
    struct gap *gaps;
    size_t gap_count;
    bool lacks_turns;         /* anything may be missing, of any document */
    uint64_t turn;            /* the newest that anything knows of */
    uint64_t read_turn;       /* the newest of which the row was read */
    struct ordo_problem *problem;
};

static ordo_err write_batch(struct work *work, bool sync) {
    if (work->batch.count == 0 && !sync) return ORDO_OK;
    ordo_err err = work->store->ops->write(work->store, &work->batch, sync);
    ordo_batch_clear(&work->batch);
    if (err) ordo_problem_set(work->problem, "The new store cannot be written: %s.", ordo_store_rocksdb_failure(work->store));
    return err;
}

static ordo_err write_if_large(struct work *work) {
    return work->batch.records.size < BATCH_SIZE_MAX ? ORDO_OK : write_batch(work, false);
}

/* ---- taking rows over */

static bool is_wounded(const void *item, const void *key) {
    const struct wounded *wounded = item;
    return ordo_slice_equal(ordo_slice(wounded->key, wounded->key_size), *(const struct ordo_slice *)key);
}

static struct wounded *find_wounded(struct work *work, struct ordo_slice doc_key) {
    return ordo_table_find(&work->wounded, ordo_table_hash(&work->wounded, doc_key), is_wounded, &doc_key);
}

/* What does not read still has a key; a key that is not ours tells nothing. */
static void note_bad_row(struct work *work, enum ordo_cf cf, struct ordo_slice key) {
    struct ordo_key parsed;
    if (cf == ORDO_CF_META || !ordo_key_parse(key, &parsed)) return;
    struct wounded *wounded = find_wounded(work, parsed.doc_key);
    if (wounded == NULL) {
        wounded = ordo_alloc(sizeof *wounded + parsed.doc_key.size);
        wounded->key_size = parsed.doc_key.size;
        memcpy(wounded->key, parsed.doc_key.data, parsed.doc_key.size);
        ordo_table_insert(&work->wounded, ordo_table_hash(&work->wounded, parsed.doc_key), wounded);
    }
    uint64_t seq = 0;
    uint32_t piece;
    if (cf == ORDO_CF_OPS) (void)ordo_key_parse_seq(parsed.rest, &seq);
    if (cf == ORDO_CF_SNAPSHOTS && !ordo_key_parse_piece(parsed.rest, &seq, &piece)) seq = 0;
    if (cf == ORDO_CF_CLIENTS) wounded->has_bad_client = true;
    if (seq > wounded->seen_seq && seq <= ORDO_NUMBER_MAX) wounded->seen_seq = seq;
}

static ordo_err is_newer(struct work *work, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, bool *out) {
    struct ordo_buffer there = {0};
    *out = false;
    ordo_err err = write_batch(work, false);
    if (err) return err;
    struct ordo_view *view = work->store->ops->view_open(work->store);
    err = view->ops->get(view, cf, key, &there);
    work->store->ops->view_close(view);
    *out = err == ORDO_ERR_NOT_FOUND || ordo_row_is_later(cf, key, value, ordo_buffer_slice(&there));
    ordo_buffer_finish(&there);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

static void add_gap(struct work *work, enum ordo_cf cf, struct ordo_slice low, struct ordo_slice high) {
    work->gaps = ordo_realloc(work->gaps, (work->gap_count + 1) * sizeof *work->gaps);
    struct gap *gap = &work->gaps[work->gap_count++];
    *gap = (struct gap){.cf = cf};
    ordo_buffer_append_slice(&gap->low, low);
    ordo_buffer_append_slice(&gap->high, high);
}

static void take_gap(void *context, const struct ordo_salvage_gap *gap) { add_gap(context, gap->cf, gap->low, gap->high); }

static void note_turn(struct work *work, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_turn_row turn;
    bool is_turn = ordo_slice_equal(key, ordo_key_turn) && ordo_turn_row_decode(value, &turn) == ORDO_OK;
    if (is_turn && turn.turn > work->read_turn) work->read_turn = turn.turn;
}

/* What the store lost to damaged tables before are gaps like those of now. */
static void take_damage(struct work *work, struct ordo_slice value) {
    struct ordo_reader ranges;
    struct ordo_damage damage;
    if (ordo_damage_open(value, &ranges)) work->lacks_turns = true;
    else while (ordo_damage_next(&ranges, &damage)) add_gap(work, damage.cf, damage.low, damage.high);
}

static ordo_err take_row(void *context, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, bool is_newest) {
    struct work *work = context;
    struct ordo_key parsed;
    if (cf == ORDO_CF_META && ordo_slice_equal(key, ordo_key_damage)) {
        take_damage(work, value);
        return ORDO_OK;
    }
    bool is_wanted = ordo_value_is_whole(key, value) && (cf == ORDO_CF_META || ordo_key_parse(key, &parsed));
    if (!is_wanted) {
        note_bad_row(work, cf, key);
        return ORDO_OK;
    }
    if (ordo_row_changes(cf, key) && !is_newest) {
        ordo_err err = is_newer(work, cf, key, value, &is_wanted);
        if (err) return err;
    }
    if (!is_wanted) return ORDO_OK;
    if (cf == ORDO_CF_META) note_turn(work, key, value);
    ordo_batch_put(&work->batch, cf, key, value);
    return write_if_large(work);
}

static void take_note(void *context, const char *sentence) {
    struct work *work = context;
    work->repair->note(work->repair->context, sentence);
}

static ordo_err gather(struct work *work, const char *new_path) {
    char work_path[PATH_MAX];
    struct ordo_salvage salvage = {.context = work, .row = take_row, .gap = take_gap, .note = take_note};
    if (ordo_low_water_read_manifest(work->damaged->low_water_path, &salvage.manifest)) {
        take_note(work, "The low-water mark is missing or damaged, so lost ends of the log and of the list of tables are not seen.");
    }
    if (snprintf(work_path, sizeof work_path, "%s/salvage", new_path) >= (int)sizeof work_path) return ORDO_ERR_INVALID;
    ordo_err err = ordo_salvage_run(&salvage, work->damaged->db_path, work_path, work->problem);
    if (!err) err = write_batch(work, false);
    if (!err) err = ordo_folder_remove(work_path);
    if (err && work->problem->text[0] == '\0') ordo_problem_set(work->problem, "%s: %s.", work_path, strerror(errno));
    if (salvage.misses_files) work->lacks_turns = true;
    return err;
}

/* The log files are judged as at a start, with the low-water mark as the witness of their end. */
static ordo_err judge_log(struct work *work) {
    struct ordo_problem problem = {0};
    bool is_torn;
    ordo_err err = ordo_folder_check_log(work->damaged, &is_torn, &work->turn, &problem);
    if (err && err != ORDO_ERR_CORRUPT) {
        *work->problem = problem;
        return err;
    }
    if (err) take_note(work, problem.text);
    if (err) work->lacks_turns = true;
    return ORDO_OK;
}

static void judge_turn(struct work *work) {
    if (work->read_turn < work->turn) {
        struct ordo_problem problem;
        ordo_problem_set(&problem, "The newest turn that can be read is %llu, but turn %llu was on disk.",
                         (unsigned long long)work->read_turn, (unsigned long long)work->turn);
        take_note(work, problem.text);
        work->lacks_turns = true;
    }
    if (work->read_turn > work->turn) work->turn = work->read_turn;
}

/* ---- documents */

static bool lies_in_gap(const struct work *work, enum ordo_cf cf, struct ordo_slice doc_key, struct ordo_slice end_key) {
    for (size_t i = 0; i < work->gap_count; i++) {
        const struct gap *gap = &work->gaps[i];
        if (gap->cf == cf && ordo_slice_compare(end_key, ordo_buffer_slice(&gap->low)) > 0 &&
            (gap->high.size == 0 || ordo_slice_compare(doc_key, ordo_buffer_slice(&gap->high)) <= 0)) {
            return true;
        }
    }
    return false;
}

static ordo_err mend_document(struct work *work, struct ordo_view *view, struct ordo_slice doc_key) {
    struct ordo_buffer end_key = {0};
    struct wounded *wounded = find_wounded(work, doc_key);
    if (wounded != NULL) wounded->was_mended = true;
    ordo_key_doc_end(&end_key, doc_key);
    struct ordo_slice end = ordo_buffer_slice(&end_key);
    struct ordo_mend_hints hints = {
        .may_lack_ops = work->lacks_turns || lies_in_gap(work, ORDO_CF_OPS, doc_key, end),
        .may_lack_clients = work->lacks_turns || lies_in_gap(work, ORDO_CF_CLIENTS, doc_key, end) ||
                            (wounded != NULL && wounded->has_bad_client),
        .seen_seq = wounded != NULL ? wounded->seen_seq : 0,
    };
    ordo_err err = ordo_repair_document(work->repair, view, doc_key, hints, &work->batch);
    ordo_buffer_finish(&end_key);
    if (err) ordo_problem_set(work->problem, "The new store cannot be read: %s.", ordo_err_text(err));
    return err ? err : write_if_large(work);
}

static ordo_err mend_documents(struct work *work) {
    struct ordo_view *view = work->store->ops->view_open(work->store); /* as gathered: batches go on meanwhile */
    struct ordo_buffer from = {0}, doc_key = {0};
    bool is_found = true;
    ordo_err err = ORDO_OK;
    ordo_buffer_append_u8(&from, 0);
    while (!err && !(err = ordo_documents_next(view, ordo_buffer_slice(&from), &doc_key, &is_found)) && is_found) {
        err = mend_document(work, view, ordo_buffer_slice(&doc_key));
        ordo_key_doc_end(&from, ordo_buffer_slice(&doc_key));
    }
    uint32_t cursor = 0;
    struct wounded *wounded;
    while (!err && (wounded = ordo_table_next(&work->wounded, &cursor)) != NULL) {
        if (!wounded->was_mended) err = mend_document(work, view, ordo_slice(wounded->key, wounded->key_size));
    }
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&doc_key);
    work->store->ops->view_close(view);
    return err;
}

/* ---- what may be lost with its name */

static ordo_err put_quarantine(struct work *work) {
    struct ordo_buffer row = {0};
    ordo_err err = ordo_repair_read_quarantine(work->store, &row); /* of an earlier repair: it holds on */
    for (size_t i = 0; i < work->gap_count; i++) {
        const struct gap *gap = &work->gaps[i];
        if (gap->cf != ORDO_CF_OPS) continue; /* whatever a document has, it has or had ops */
        ordo_repair_quarantine(&row, ordo_buffer_slice(&gap->low), ordo_buffer_slice(&gap->high));
    }
    if (work->lacks_turns) ordo_repair_quarantine(&row, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    ordo_repair_put_quarantine(work->repair, &row, &work->batch);
    ordo_buffer_finish(&row);
    return err;
}

/* ---- the new store */

static ordo_err fill(void *context, const char *path, uint64_t *turn, struct ordo_problem *problem) {
    struct work *work = context;
    char db_path[PATH_MAX];
    bool has_cluster;
    if (snprintf(db_path, sizeof db_path, "%s/db", path) >= (int)sizeof db_path) return ORDO_ERR_INVALID;
    ordo_err err = ordo_store_rocksdb_open(db_path, ORDO_ROCKSDB_CREATE, problem, &work->store);
    if (!err) err = judge_log(work);
    if (!err) err = gather(work, path);
    if (!err) judge_turn(work);
    if (!err) err = mend_documents(work);
    if (!err) err = put_quarantine(work);
    if (!err) err = write_batch(work, false);
    if (!err) err = ordo_identity_succeed(work->store, work->turn, &has_cluster, problem); /* its sync covers all before */
    if (!err && !has_cluster) take_note(work, "Which cluster the store belongs to does not read: a new cluster id was drawn.");
    if (work->store != NULL) work->store->ops->close(work->store);
    work->store = NULL;
    *turn = work->turn;
    return err;
}

static void finish(struct work *work) {
    uint32_t cursor = 0;
    struct wounded *wounded;
    while ((wounded = ordo_table_next(&work->wounded, &cursor)) != NULL) free(wounded);
    ordo_table_finish(&work->wounded);
    for (size_t i = 0; i < work->gap_count; i++) {
        ordo_buffer_finish(&work->gaps[i].low);
        ordo_buffer_finish(&work->gaps[i].high);
    }
    free(work->gaps);
    ordo_batch_finish(&work->batch);
}

ordo_err ordo_repair_store(struct ordo_repair *repair, const char *path, const char *new_path,
                         struct ordo_problem *problem) {
    struct ordo_folder damaged, made = {.lock_fd = -1};
    struct work work = {.repair = repair, .damaged = &damaged, .problem = problem};
    repair->counts = (struct ordo_repair_counts){0};
    ordo_err err = ordo_folder_lock_damaged(&damaged, path, problem);
    if (!err) err = ordo_folder_make(&made, new_path, fill, &work, problem);
    finish(&work);
    ordo_folder_finish(&made);
    ordo_folder_finish(&damaged);
    return err;
}
