#include "shard/confine_merge.h"

#include "common/files.h"
#include "common/log.h"
#include "common/memory.h"
#include "shard/confine.h"
#include "shard/core/damage.h"
#include "shard/core/documents.h"
#include "shard/core/erase_again.h"
#include "shard/core/key.h"
#include "shard/core/row_age.h"
#include "shard/salvage.h"
#include "shard/sst_block.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH_SIZE_MAX ((size_t)1024 * 1024)
#define BLOCK_SIZE_MAX ((size_t)64 * 1024 * 1024) /* one row may be as large as a run of large ops */
enum { BLOCK_TAIL_SIZE = 5, KIND_PLAIN = 0, NEIGHBOUR_SIZE_MAX = 4 * 1024 * 1024, NAMES_LOGGED_MAX = 20 };

/* What did not read, by the rows before and behind it; `suspect`: the key that it seems to have had. */
struct loss {
    enum ordo_cf cf;
    struct ordo_buffer low, high, suspect;
};

struct merge {
    const char *table_path, *path;
    struct ordo_store *store;
    struct ordo_view *view;             /* of the database before anything was put back */
    struct ordo_batch batch;
    struct ordo_buffer value, last_key;
    struct ordo_buffer first, last;     /* keys of the table */
    enum ordo_cf cf;                    /* its family */
    const struct ordo_salvage_gap *gap; /* the one whose block is being walked */
    struct loss *losses;
    size_t loss_count;
    uint64_t read_count, put_count;
    ordo_err err;
    struct ordo_problem *problem;
};

static void keep(struct ordo_buffer *to, struct ordo_slice bytes) {
    ordo_buffer_clear(to);
    ordo_buffer_append_slice(to, bytes);
}

/* ---- rows that read */

static ordo_err write_batch(struct merge *merge, bool sync) {
    ordo_err err = merge->store->ops->write(merge->store, &merge->batch, sync);
    ordo_batch_clear(&merge->batch);
    if (!err) return ORDO_OK;
    const char *failure = ordo_store_rocksdb_failure(merge->store);
    ordo_problem_set(merge->problem, "The rows of a damaged table cannot be put back: %s.", failure);
    (void)ordo_confine_note(merge->path, failure);
    return err;
}

/* Puts the row unless the database holds a later one. What it deleted meanwhile comes back (confine.h). Versions of one row
 * come newest first. */
static ordo_err take_row(void *context, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, bool is_newest) {
    struct merge *merge = context;
    (void)is_newest;
    if (ordo_slice_equal(key, ordo_buffer_slice(&merge->last_key))) return ORDO_OK;
    keep(&merge->last_key, key);
    merge->read_count++;
    ordo_buffer_clear(&merge->value);
    ordo_err err = merge->view->ops->get(merge->view, cf, key, &merge->value);
    if (err && err != ORDO_ERR_NOT_FOUND) {
        ordo_problem_set(merge->problem, "The database cannot be read: %s.", ordo_err_text(err));
        return err;
    }
    if (!err && !ordo_row_is_later(cf, key, value, ordo_buffer_slice(&merge->value))) return ORDO_OK;
    merge->put_count++;
    ordo_batch_put(&merge->batch, cf, key, value);
    return merge->batch.records.size < BATCH_SIZE_MAX ? ORDO_OK : write_batch(merge, false);
}

/* ---- what does not */

static void add_loss(struct merge *merge, enum ordo_cf cf, struct ordo_slice low, struct ordo_slice high,
                     struct ordo_slice suspect) {
    merge->losses = ordo_realloc(merge->losses, (merge->loss_count + 1) * sizeof *merge->losses);
    struct loss *loss = &merge->losses[merge->loss_count++];
    *loss = (struct loss){.cf = cf};
    ordo_buffer_append_slice(&loss->low, low.size > 0 ? low : ordo_buffer_slice(&merge->first));
    ordo_buffer_append_slice(&loss->high, high.size > 0 ? high : ordo_buffer_slice(&merge->last));
    ordo_buffer_append_slice(&loss->suspect, suspect);
}

static void walk_row(void *context, struct ordo_slice key, struct ordo_slice value) {
    struct merge *merge = context;
    if (!merge->err) merge->err = take_row(merge, merge->gap->cf, key, value, false);
}

static void walk_lost(void *context, struct ordo_slice low, struct ordo_slice high, struct ordo_slice suspect) {
    struct merge *merge = context;
    add_loss(merge, merge->gap->cf, low.size > 0 ? low : merge->gap->low, high.size > 0 ? high : merge->gap->high, suspect);
}

/* "… offset 4096 size 4085": of the table's file. */
static bool parse_place(const char *failure, unsigned long long *offset, unsigned long long *size) {
    const char *at = NULL;
    for (const char *next = failure; (next = strstr(next, " offset ")) != NULL; next++) at = next;
    return at != NULL && sscanf(at, " offset %llu size %llu", offset, size) == 2 && *size <= BLOCK_SIZE_MAX;
}

static struct ordo_slice read_table(const struct merge *merge, unsigned long long offset, size_t size,
                                    struct ordo_buffer *out) {
    int fd = open(merge->table_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ordo_slice(NULL, 0);
    ssize_t got = pread(fd, ordo_buffer_reserve(out, size), size, (off_t)offset);
    close(fd);
    return ordo_slice(out->data, got > 0 ? (size_t)got : 0);
}

/* Whoever reads back to a bad block sees its neighbour's first row last, and must look at what is before it to know that
 * there is no later version: so that one is not handed out. */
static void take_neighbour(struct merge *merge, unsigned long long offset) {
    struct ordo_buffer bytes = {0}, key = {0};
    struct ordo_slice value;
    if (merge->gap->high.size == 0) return; /* there is none */
    if (ordo_sst_block_first(read_table(merge, offset, NEIGHBOUR_SIZE_MAX, &bytes), &key, &value)) {
        walk_row(merge, ordo_buffer_slice(&key), value);
    } else {
        add_loss(merge, merge->gap->cf, merge->gap->low, merge->gap->high, ordo_slice(NULL, 0));
    }
    ordo_buffer_finish(&bytes);
    ordo_buffer_finish(&key);
}

/* Reads the block row by row, if it is not compressed. */
static bool walk_block(struct merge *merge) {
    const struct ordo_sst_walk walk = {.context = merge, .row = walk_row, .lost = walk_lost};
    struct ordo_buffer bytes = {0};
    unsigned long long offset = 0, size = 0;
    bool is_walked = false;
    uint64_t read_count = merge->read_count;
    if (parse_place(merge->gap->failure, &offset, &size)) {
        struct ordo_slice block = read_table(merge, offset, (size_t)size + BLOCK_TAIL_SIZE, &bytes);
        bool is_plain = block.size == size + BLOCK_TAIL_SIZE && block.data[size] == KIND_PLAIN;
        is_walked = is_plain && ordo_sst_block_walk(&walk, ordo_slice(block.data, (size_t)size));
        is_walked &= merge->read_count > read_count; /* else it may be one of another kind: the index, say */
    }
    if (is_walked) take_neighbour(merge, offset + size + BLOCK_TAIL_SIZE);
    ordo_buffer_finish(&bytes);
    return is_walked;
}

static void take_gap(void *context, const struct ordo_salvage_gap *gap) {
    struct merge *merge = context;
    merge->gap = gap;
    if (!walk_block(merge)) add_loss(merge, gap->cf, gap->low, gap->high, ordo_slice(NULL, 0));
}

static void take_note(void *context, const char *sentence) { (void)context, (void)sentence; }

/* ---- which documents that concerns */

/* A key that is itself damaged names a document that nobody knows of. */
static bool is_known(struct ordo_view *view, struct ordo_slice suspect, struct ordo_slice *doc_key) {
    struct ordo_key key;
    struct ordo_buffer found = {0};
    bool is_found = false;
    if (!ordo_key_parse(suspect, &key)) return false;
    *doc_key = key.doc_key;
    ordo_err err = ordo_documents_next(view, key.doc_key, &found, &is_found);
    bool is_same = !err && is_found && ordo_slice_equal(ordo_buffer_slice(&found), key.doc_key);
    ordo_buffer_finish(&found);
    return is_same;
}

static struct ordo_damage damage_of(struct ordo_view *view, const struct loss *loss) {
    struct ordo_slice doc_key;
    if (is_known(view, ordo_buffer_slice(&loss->suspect), &doc_key)) return (struct ordo_damage){loss->cf, doc_key, doc_key};
    return (struct ordo_damage){loss->cf, ordo_key_document(ordo_buffer_slice(&loss->low)),
                                ordo_key_document(ordo_buffer_slice(&loss->high))};
}

/* The names of the documents concerned, as far as anything is left of them. */
static void log_names(struct ordo_view *view, const struct ordo_damage *damage, size_t *logged_count) {
    struct ordo_buffer from = {0}, doc_key = {0};
    bool is_found = true;
    keep(&from, damage->low);
    while (*logged_count < NAMES_LOGGED_MAX && !ordo_documents_next(view, ordo_buffer_slice(&from), &doc_key, &is_found) &&
           is_found && ordo_damage_holds(damage, ordo_buffer_slice(&doc_key))) {
        struct ordo_key key;
        if (ordo_key_parse(ordo_buffer_slice(&doc_key), &key)) {
            log_error("event=document_damaged doc=%s/%s family=%s action=\"it answers an error\" "
                      "remedy=\"ordo repair, or a backup\"", log_value(key.collection), log_value(key.id), ordo_cf_names[damage->cf]);
        }
        ordo_key_doc_end(&from, ordo_buffer_slice(&doc_key));
        if (++*logged_count == NAMES_LOGGED_MAX) log_error("event=documents_damaged more=\"ordo verify names all\"");
    }
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&doc_key);
}

static ordo_err note_damage(struct merge *merge) {
    struct ordo_view *view = merge->store->ops->view_open(merge->store);
    struct ordo_buffer row = {0};
    size_t logged_count = 0;
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_damage, &row);
    if (err == ORDO_ERR_NOT_FOUND) err = ORDO_OK;
    if (err) ordo_problem_set(merge->problem, "The row that names damage cannot be read: %s.", ordo_err_text(err));
    for (size_t i = 0; !err && i < merge->loss_count; i++) {
        struct ordo_damage damage = damage_of(view, &merge->losses[i]);
        log_names(view, &damage, &logged_count);
        ordo_damage_add(&row, &damage);
    }
    if (!err && merge->loss_count > 0) ordo_batch_put(&merge->batch, ORDO_CF_META, ordo_key_damage, ordo_buffer_slice(&row));
    merge->store->ops->view_close(view);
    ordo_buffer_finish(&row);
    return err;
}

/* ---- what was forgotten */

/* Deletions that stood in the table are lost with it, and what is put back was perhaps deleted elsewhere. */
static void erase_again(struct merge *merge) {
    if (merge->cf == ORDO_CF_META) return;
    struct ordo_view *view = merge->store->ops->view_open(merge->store);
    ordo_err err = ordo_erase_again(view, ordo_key_document(ordo_buffer_slice(&merge->first)), ordo_buffer_slice(&merge->last),
                                    &merge->batch);
    if (err) log_warn("event=erased_document_unread error=\"%s\" remedy=\"ordo verify names what is left\"", ordo_err_text(err));
    merge->store->ops->view_close(view);
}

/* ---- all of it */

static void note_bounds(void *context, const struct ordo_rocksdb_table *table) {
    struct merge *merge = context;
    merge->cf = table->cf;
    keep(&merge->first, table->low);
    keep(&merge->last, table->high);
}

static void finish(struct merge *merge) {
    for (size_t i = 0; i < merge->loss_count; i++) {
        ordo_buffer_finish(&merge->losses[i].low);
        ordo_buffer_finish(&merge->losses[i].high);
        ordo_buffer_finish(&merge->losses[i].suspect);
    }
    free(merge->losses);
    ordo_batch_finish(&merge->batch);
    ordo_buffer_finish(&merge->value);
    ordo_buffer_finish(&merge->last_key);
    ordo_buffer_finish(&merge->first);
    ordo_buffer_finish(&merge->last);
    if (merge->store != NULL) merge->store->ops->close(merge->store);
}

static ordo_err merge_rows(struct merge *merge, struct ordo_store *copy) {
    struct ordo_salvage salvage = {.context = merge, .row = take_row, .gap = take_gap, .note = take_note};
    merge->view = merge->store->ops->view_open(merge->store);
    ordo_err err = ordo_salvage_scan(&salvage, copy);
    if (!err) err = merge->err;
    merge->store->ops->view_close(merge->view);
    if (!err) err = write_batch(merge, false); /* so that what was put back is known of below */
    if (!err) erase_again(merge);
    if (!err) err = note_damage(merge);
    return err ? err : write_batch(merge, true);
}

ordo_err ordo_confine_merge(const char *copy_path, const char *table_name, const char *db_path, const char *path,
                            struct ordo_problem *problem) {
    char table_path[PATH_MAX];
    struct merge merge = {.table_path = table_path, .path = path, .problem = problem};
    struct ordo_store *copy = NULL;
    if (snprintf(table_path, sizeof table_path, "%s/%s", copy_path, table_name) >= PATH_MAX) return ORDO_ERR_IO;
    ordo_err err = ordo_store_rocksdb_open(copy_path, ORDO_ROCKSDB_SALVAGE, problem, &copy);
    if (!err) ordo_store_rocksdb_tables(copy, note_bounds, &merge);
    if (!err) err = ordo_store_rocksdb_open(db_path, ORDO_ROCKSDB_OPEN, problem, &merge.store);
    if (!err) err = merge_rows(&merge, copy);
    if (!err) {
        log_warn("event=table_confined table=%s rows=%llu put_back=%llu places_lost=%zu", table_name,
                 (unsigned long long)merge.read_count, (unsigned long long)merge.put_count, merge.loss_count);
    }
    if (copy != NULL) copy->ops->close(copy);
    finish(&merge);
    return err;
}
