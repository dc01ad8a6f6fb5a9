#include "shard/store_rocksdb.h"

#include "common/assert.h"
#include "common/memory.h"

#include <limits.h>
#include <rocksdb/c.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* RocksDB insists on a family of this name; nothing of ours is in it. */
enum { FAMILY_COUNT = ORDO_CF_COUNT + 1, FAMILY_DEFAULT = ORDO_CF_COUNT };

#define MIB ((size_t)1024 * 1024)
#define BLOCK_CACHE_SIZE (8 * MIB)
/* Replaying the log runs at about 29 MB/s, and a start is to take less than a second: about 12 MB (a busy disk lets it pass
 * that for some writes). RocksDB begins to flush when the log exceeds this and writes on meanwhile; small buffers, two per
 * family, make a writer that outruns the flushes wait for them (seen: 9 MB at full speed; with buffers of 8 MiB, three each,
 * 14 MB). */
#define WAL_SIZE_MAX (6 * MIB)
#define WRITE_BUFFER_SIZE (3 * MIB)
#define DELETION_WINDOW 1024 /* keys in a row */

struct store_rocksdb {
    struct ordo_store base;
    rocksdb_t *db;
    rocksdb_options_t *options[FAMILY_COUNT];
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_sync, *write_nosync;
    bool is_readonly;
    atomic_bool is_broken; /* a write failed: nothing goes until the store is opened anew */
    char failure[ORDO_PROBLEM_SIZE];
};

struct view_rocksdb {
    struct ordo_view base;
    struct store_rocksdb *store;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *get_options;
};

struct iterator_rocksdb {
    struct ordo_iterator base;
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *options;
    bool was_moved;
};

void ordo_problem_set(struct ordo_problem *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
}

/* RocksDB's C interface says what went wrong only in words. */
static ordo_err classify(const char *message) {
    if (strstr(message, "No space left") != NULL) return ORDO_ERR_NO_SPACE;
    if (strncmp(message, "Corruption", 10) == 0) return ORDO_ERR_CORRUPT;
    if (strstr(message, "lock file") != NULL || strstr(message, "lock hold") != NULL) return ORDO_ERR_LOCKED;
    if (strstr(message, "does not exist") != NULL) return ORDO_ERR_NOT_FOUND;
    if (strstr(message, "error_if_exists") != NULL) return ORDO_ERR_EXISTS;
    return ORDO_ERR_IO;
}

/* Takes the message. */
static ordo_err fail(struct ordo_problem *problem, const char *what, char *message) {
    ordo_err err = classify(message);
    ordo_problem_set(problem, "%s: %s", what, message);
    rocksdb_free(message);
    return err;
}

/* ---- options */

static rocksdb_block_based_table_options_t *table_options(rocksdb_cache_t *cache, bool has_filter) {
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_format_version(table, 5);
    if (has_filter) rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    return table;
}

static bool is_salvage(enum ordo_rocksdb_mode mode) {
    return mode == ORDO_ROCKSDB_SALVAGE || mode == ORDO_ROCKSDB_REBUILT;
}

/* What belongs to the database as a whole; the same string and calls go to every family, RocksDB takes the first's. */
static rocksdb_options_t *database_options(enum ordo_rocksdb_mode mode, struct ordo_problem *problem) {
    /* The log files must be there, as long as they were when they were last synced; without this a missing one is
     * passed over silently. Only reachable as text. */
    rocksdb_options_t *plain = rocksdb_options_create();
    rocksdb_options_t *options = rocksdb_options_create();
    char *message = NULL;
    rocksdb_get_options_from_string(plain,
                                    is_salvage(mode) ? "strict_bytes_per_sync=true" /* the log files are not there */
                                                     : "track_and_verify_wals_in_manifest=true;strict_bytes_per_sync=true",
                                    options, &message);
    rocksdb_options_destroy(plain);
    if (message != NULL) {
        (void)fail(problem, "The database library does not know an option that we rely on", message);
        rocksdb_options_destroy(options);
        return NULL;
    }
    bool creates = mode == ORDO_ROCKSDB_CREATE, is_rebuilt = mode == ORDO_ROCKSDB_REBUILT;
    rocksdb_options_set_create_if_missing(options, creates);
    /* A rebuilt one has only the families of which there are tables. */
    rocksdb_options_set_create_missing_column_families(options, creates || is_rebuilt);
    rocksdb_options_set_error_if_exists(options, creates);
    rocksdb_options_set_paranoid_checks(options, !is_salvage(mode) && mode != ORDO_ROCKSDB_SALVAGE_LOG);
    if (is_rebuilt) rocksdb_options_set_disable_auto_compactions(options, 1);
    /* The default stops at the first bad record without a word. Folders are checked, and a torn tail is cut, before
     * they are opened for writing, so that this one refuses what it cannot read. */
    rocksdb_options_set_wal_recovery_mode(options, mode == ORDO_ROCKSDB_READONLY_TORN
                                                       ? rocksdb_skip_any_corrupted_records_recovery
                                                       : rocksdb_tolerate_corrupted_tail_records_recovery);
    rocksdb_options_set_recycle_log_file_num(options, 0); /* old records behind new ones would defeat the check */
    rocksdb_options_set_max_total_wal_size(options, WAL_SIZE_MAX);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); /* there is one writer */
    rocksdb_options_set_enable_write_thread_adaptive_yield(options, 0);
    rocksdb_options_set_bytes_per_sync(options, 1 * MIB); /* flushes must not pile up in front of a commit's sync */
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, 256);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_info_log_level(options, 2 /* warnings */);
    rocksdb_options_set_max_log_file_size(options, 1 * MIB);
    rocksdb_options_set_keep_log_file_num(options, 3);
    return options;
}

static void family_options(rocksdb_options_t *options, int family, rocksdb_cache_t *cache) {
    static const int compression[7] = {rocksdb_no_compression,  rocksdb_lz4_compression, rocksdb_lz4_compression,
                                       rocksdb_lz4_compression, rocksdb_lz4_compression, rocksdb_lz4_compression,
                                       rocksdb_lz4_compression};
    bool is_small = family == ORDO_CF_META || family == FAMILY_DEFAULT;
    bool is_looked_up = family == ORDO_CF_DOCS || family == ORDO_CF_CLIENTS;
    rocksdb_options_set_write_buffer_size(options, is_small ? MIB / 4 : WRITE_BUFFER_SIZE);
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_compression_per_level(options, compression, 7);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    /* Truncation deletes runs one by one. Until a compaction comes by they take space, and whoever looks for the beginning
     * of a log steps over each: so a table of which much is deletions asks for one. */
    if (family == ORDO_CF_OPS) {
        rocksdb_options_add_compact_on_deletion_collector_factory(options, DELETION_WINDOW, DELETION_WINDOW / 2);
    }
    rocksdb_options_set_target_file_size_base(options, 16 * MIB);
    rocksdb_options_set_max_bytes_for_level_base(options, 64 * MIB);
    rocksdb_block_based_table_options_t *table = table_options(cache, is_looked_up);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

/* ---- writing */

static void batch_add(struct store_rocksdb *store, rocksdb_writebatch_t *to, const struct ordo_batch *batch) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&batch->records));
    struct ordo_batch_item item;
    while (ordo_batch_next(&reader, &item)) {
        rocksdb_column_family_handle_t *family = store->families[item.cf];
        const char *key = (const char *)item.key.data, *value = (const char *)item.value.data;
        switch (item.kind) {
        case ORDO_BATCH_PUT:
            rocksdb_writebatch_put_cf(to, family, key, item.key.size, value, item.value.size);
            break;
        case ORDO_BATCH_DELETE: rocksdb_writebatch_delete_cf(to, family, key, item.key.size); break;
        case ORDO_BATCH_DELETE_RANGE:
            rocksdb_writebatch_delete_range_cf(to, family, key, item.key.size, value, item.value.size);
            break;
        }
    }
}

static ordo_err rocksdb_write_batch(struct ordo_store *base, const struct ordo_batch *batch, bool sync) {
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    if (store->is_readonly || atomic_load(&store->is_broken)) return ORDO_ERR_IO;
    rocksdb_writebatch_t *native = rocksdb_writebatch_create();
    batch_add(store, native, batch);
    char *message = NULL;
    rocksdb_write(store->db, sync ? store->write_sync : store->write_nosync, native, &message);
    rocksdb_writebatch_destroy(native);
    if (message == NULL) return ORDO_OK;
    ordo_err err = classify(message);
    snprintf(store->failure, sizeof store->failure, "%s", message);
    rocksdb_free(message);
    atomic_store(&store->is_broken, true);
    return err;
}

/* ---- reading */

static ordo_err view_get(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice key,
                         struct ordo_buffer *value_out) {
    struct view_rocksdb *view = (struct view_rocksdb *)base;
    char *message = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(
        view->store->db, view->get_options, view->store->families[cf], (const char *)key.data, key.size, &message);
    if (message != NULL) {
        ordo_err err = classify(message);
        rocksdb_free(message);
        return err;
    }
    if (pinned == NULL) return ORDO_ERR_NOT_FOUND;
    size_t size;
    const char *value = rocksdb_pinnableslice_value(pinned, &size);
    ordo_buffer_append(value_out, value, size);
    rocksdb_pinnableslice_destroy(pinned);
    return ORDO_OK;
}

static bool iterator_stands(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    iterator->was_moved = true;
    return rocksdb_iter_valid(iterator->iterator);
}

static bool iterator_seek(struct ordo_iterator *base, struct ordo_slice key) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    rocksdb_iter_seek(iterator->iterator, (const char *)key.data, key.size);
    return iterator_stands(base);
}

static bool iterator_seek_back(struct ordo_iterator *base, struct ordo_slice key) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    rocksdb_iter_seek_for_prev(iterator->iterator, (const char *)key.data, key.size);
    return iterator_stands(base);
}

static bool iterator_next(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    if (iterator->was_moved) {
        ORDO_ASSERT(rocksdb_iter_valid(iterator->iterator));
        rocksdb_iter_next(iterator->iterator);
    } else {
        rocksdb_iter_seek_to_first(iterator->iterator);
    }
    return iterator_stands(base);
}

static bool iterator_previous(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    ORDO_ASSERT(rocksdb_iter_valid(iterator->iterator));
    rocksdb_iter_prev(iterator->iterator);
    return iterator_stands(base);
}

static struct ordo_slice iterator_key(const struct ordo_iterator *base) {
    size_t size;
    const char *key = rocksdb_iter_key(((const struct iterator_rocksdb *)base)->iterator, &size);
    return ordo_slice(key, size);
}

static struct ordo_slice iterator_value(const struct ordo_iterator *base) {
    size_t size;
    const char *value = rocksdb_iter_value(((const struct iterator_rocksdb *)base)->iterator, &size);
    return ordo_slice(value, size);
}

static ordo_err iterator_status(const struct ordo_iterator *base) {
    char *message = NULL;
    rocksdb_iter_get_error(((const struct iterator_rocksdb *)base)->iterator, &message);
    if (message == NULL) return ORDO_OK;
    ordo_err err = classify(message);
    rocksdb_free(message);
    return err;
}

static void iterator_close(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    rocksdb_iter_destroy(iterator->iterator);
    rocksdb_readoptions_destroy(iterator->options);
    free(iterator);
}

static const struct ordo_iterator_ops iterator_ops = {
    .seek = iterator_seek,
    .seek_back = iterator_seek_back,
    .next = iterator_next,
    .previous = iterator_previous,
    .key = iterator_key,
    .value = iterator_value,
    .status = iterator_status,
    .close = iterator_close,
};

static struct ordo_iterator *view_iterate(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice lower,
                                          struct ordo_slice upper) {
    struct view_rocksdb *view = (struct view_rocksdb *)base;
    struct iterator_rocksdb *iterator = ordo_alloc(sizeof *iterator);
    iterator->base.ops = &iterator_ops;
    iterator->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(iterator->options, view->snapshot);
    if (lower.size > 0) {
        rocksdb_readoptions_set_iterate_lower_bound(iterator->options, (const char *)lower.data, lower.size);
    }
    if (upper.size > 0) {
        rocksdb_readoptions_set_iterate_upper_bound(iterator->options, (const char *)upper.data, upper.size);
    }
    iterator->iterator =
        rocksdb_create_iterator_cf(view->store->db, iterator->options, view->store->families[cf]);
    return &iterator->base;
}

static const struct ordo_view_ops view_ops = {.get = view_get, .iterate = view_iterate};

static struct ordo_view *rocksdb_view_open(struct ordo_store *base) {
    struct view_rocksdb *view = ordo_alloc(sizeof *view);
    view->base.ops = &view_ops;
    view->store = (struct store_rocksdb *)base;
    view->snapshot = rocksdb_create_snapshot(view->store->db);
    view->get_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(view->get_options, view->snapshot);
    return &view->base;
}

static void rocksdb_view_close(struct ordo_view *base) {
    struct view_rocksdb *view = (struct view_rocksdb *)base;
    rocksdb_release_snapshot(view->store->db, view->snapshot);
    rocksdb_readoptions_destroy(view->get_options);
    free(view);
}

/* ---- life */

static void rocksdb_close_store(struct ordo_store *base) {
    if (base == NULL) return;
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (store->families[i] != NULL) rocksdb_column_family_handle_destroy(store->families[i]);
    }
    if (store->db != NULL) rocksdb_close(store->db);
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (store->options[i] != NULL) rocksdb_options_destroy(store->options[i]);
    }
    if (store->cache != NULL) rocksdb_cache_destroy(store->cache);
    if (store->write_sync != NULL) rocksdb_writeoptions_destroy(store->write_sync);
    if (store->write_nosync != NULL) rocksdb_writeoptions_destroy(store->write_nosync);
    free(store);
}

static const struct ordo_store_ops store_ops = {
    .write = rocksdb_write_batch,
    .view_open = rocksdb_view_open,
    .view_close = rocksdb_view_close,
    .close = rocksdb_close_store,
};

static ordo_err open_database(struct store_rocksdb *store, const char *path, enum ordo_rocksdb_mode mode,
                              struct ordo_problem *problem) {
    const char *names[FAMILY_COUNT];
    for (int i = 0; i < FAMILY_COUNT; i++) {
        names[i] = i == FAMILY_DEFAULT ? "default" : ordo_cf_names[i];
        store->options[i] = database_options(mode, problem);
        if (store->options[i] == NULL) return ORDO_ERR_VERSION;
        family_options(store->options[i], i, store->cache);
    }
    const rocksdb_options_t *options[FAMILY_COUNT];
    for (int i = 0; i < FAMILY_COUNT; i++) options[i] = store->options[i];
    char *message = NULL;
    if (store->is_readonly) {
        store->db = rocksdb_open_for_read_only_column_families(store->options[0], path, FAMILY_COUNT, names, options,
                                                               store->families, 0, &message);
    } else {
        store->db = rocksdb_open_column_families(store->options[0], path, FAMILY_COUNT, names, options,
                                                 store->families, &message);
    }
    if (message == NULL) return ORDO_OK;
    char what[ORDO_PROBLEM_SIZE / 2];
    snprintf(what, sizeof what, "The database %s cannot be opened", path);
    return fail(problem, what, message);
}

static bool database_exists(const char *path) {
    char current[PATH_MAX];
    return snprintf(current, sizeof current, "%s/CURRENT", path) < (int)sizeof current && access(current, F_OK) == 0;
}

ordo_err ordo_store_rocksdb_open(const char *path, enum ordo_rocksdb_mode mode, struct ordo_problem *problem,
                                 struct ordo_store **store_out) {
    if (mode != ORDO_ROCKSDB_CREATE && !database_exists(path)) { /* RocksDB would make the folder before it refuses */
        ordo_problem_set(problem, "There is no database in %s.", path);
        return ORDO_ERR_NOT_FOUND;
    }
    struct store_rocksdb *store = ordo_alloc(sizeof *store);
    store->base.ops = &store_ops;
    store->is_readonly = mode != ORDO_ROCKSDB_CREATE && mode != ORDO_ROCKSDB_OPEN && mode != ORDO_ROCKSDB_REBUILT;
    store->cache = rocksdb_cache_create_lru(BLOCK_CACHE_SIZE);
    store->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->write_sync, 1);
    store->write_nosync = rocksdb_writeoptions_create();
    rocksdb_set_perf_level(rocksdb_disable); /* of this thread, which is the one that writes: counters cost 1 µs per op */
    ordo_err err = open_database(store, path, mode, problem);
    if (err) {
        rocksdb_close_store(&store->base);
        return err;
    }
    *store_out = &store->base;
    return ORDO_OK;
}

ordo_err ordo_store_rocksdb_oldest_log(const char *path, uint64_t *number_out) {
    struct ordo_problem problem;
    struct ordo_store *base = NULL;
    ordo_err err = ordo_store_rocksdb_open(path, ORDO_ROCKSDB_READONLY_TORN, &problem, &base);
    if (err) return err;
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    if (rocksdb_property_int(store->db, "rocksdb.min-log-number-to-keep", number_out) != 0) err = ORDO_ERR_NOT_FOUND;
    base->ops->close(base);
    return err;
}

ordo_err ordo_store_rocksdb_checkpoint(struct ordo_store *base, const char *path, struct ordo_problem *problem) {
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    char *message = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->db, &message);
    /* However long the log: no flush, which would take turns with the writer's buffers. */
    if (message == NULL) rocksdb_checkpoint_create(checkpoint, path, UINT64_MAX, &message);
    if (checkpoint != NULL) rocksdb_checkpoint_object_destroy(checkpoint);
    return message == NULL ? ORDO_OK : fail(problem, "The database's files cannot be held on to", message);
}

ordo_err ordo_store_rocksdb_rebuild(const char *path, struct ordo_problem *problem) {
    rocksdb_options_t *options = database_options(ORDO_ROCKSDB_REBUILT, problem);
    if (options == NULL) return ORDO_ERR_VERSION;
    char *message = NULL;
    rocksdb_repair_db(options, path, &message);
    rocksdb_options_destroy(options);
    return message == NULL ? ORDO_OK : fail(problem, "The database's records cannot be made anew", message);
}

ordo_err ordo_store_rocksdb_flush(struct ordo_store *base, struct ordo_problem *problem) {
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create(); /* waits */
    char *message = NULL;
    for (int i = 0; i < FAMILY_COUNT && message == NULL; i++) rocksdb_flush_cf(store->db, options, store->families[i], &message);
    rocksdb_flushoptions_destroy(options);
    return message == NULL ? ORDO_OK : fail(problem, "The database's memory cannot be written to tables", message);
}

void ordo_store_rocksdb_compact(struct ordo_store *base, struct ordo_slice lower, struct ordo_slice upper) {
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0); /* others go on */
    for (int i = 0; i < ORDO_CF_COUNT; i++) {
        rocksdb_compact_range_cf_opt(store->db, store->families[i], options, (const char *)lower.data, lower.size,
                                     (const char *)upper.data, upper.size);
    }
    rocksdb_compactoptions_destroy(options);
}

void ordo_store_rocksdb_stop_compacting(struct ordo_store *base) {
    rocksdb_disable_manual_compaction(((struct store_rocksdb *)base)->db);
}

bool ordo_store_rocksdb_has_range_deletions(struct ordo_store *base) {
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    static const char what[] = "# range deletions=";
    bool has_any = false;
    for (int i = 0; i < ORDO_CF_COUNT && !has_any; i++) {
        char *text = rocksdb_property_value_cf(store->db, store->families[i], "rocksdb.aggregated-table-properties");
        const char *at = text != NULL ? strstr(text, what) : NULL;
        has_any = at != NULL && at[sizeof what - 1] != '0';
        rocksdb_free(text);
    }
    return has_any;
}

const char *ordo_store_rocksdb_failure(const struct ordo_store *base) {
    return ((const struct store_rocksdb *)base)->failure;
}

bool ordo_store_rocksdb_has_background_error(const struct ordo_store *base) {
    uint64_t count = 0;
    return rocksdb_property_int(((const struct store_rocksdb *)base)->db, "rocksdb.background-errors", &count) == 0 &&
           count > 0;
}
