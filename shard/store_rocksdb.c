#include "shard/rocksdb_impl.h"

#include "common/assert.h"
#include "common/memory.h"
#include "common/sched.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMPACTORS = 1 }; /* as many as follow from two background jobs, of which one flushes */

ordo_err rocksdb_classify(const char *message) {
    if (strstr(message, "No space left") != NULL) return ORDO_ERR_NO_SPACE;
    if (strncmp(message, "Corruption", 10) == 0) return ORDO_ERR_CORRUPT;
    if (strstr(message, "lock file") != NULL || strstr(message, "lock hold") != NULL) return ORDO_ERR_LOCKED;
    if (strstr(message, "does not exist") != NULL) return ORDO_ERR_NOT_FOUND;
    if (strstr(message, "error_if_exists") != NULL) return ORDO_ERR_EXISTS;
    return ORDO_ERR_IO;
}

ordo_err rocksdb_fail(struct ordo_problem *problem, const char *what, char *message) {
    ordo_err err = rocksdb_classify(message);
    ordo_problem_set(problem, "%s: %s", what, message);
    rocksdb_free(message);
    return err;
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
    ordo_err err = rocksdb_classify(message);
    snprintf(store->failure, sizeof store->failure, "%s", message);
    rocksdb_free(message);
    atomic_store(&store->is_broken, true);
    return err;
}

/* ---- life */

/* RocksDB's threads are as nice as whoever has them started, and once there they serve all databases of the process. */
static void *start_compactors(void *unused) {
    ordo_sched_step_aside();
    rocksdb_env_t *env = rocksdb_create_default_env(); /* the one that all share */
    rocksdb_env_set_background_threads(env, COMPACTORS);
    rocksdb_env_destroy(env);
    return unused;
}

/* Nobody waits for a compaction, unless it falls far behind: after a start it would take half of a single core from those
 * who want their documents back. */
static void start_compactors_aside(void) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, start_compactors, NULL);
    ORDO_ASSERT(error == 0); /* at the start, with nothing served yet: as good as no memory */
    pthread_join(thread, NULL);
}

static void rocksdb_close_store(struct ordo_store *base) {
    if (base == NULL) return;
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    for (int i = 0; i < ROCKSDB_FAMILY_COUNT; i++) {
        if (store->families[i] != NULL) rocksdb_column_family_handle_destroy(store->families[i]);
    }
    if (store->db != NULL) rocksdb_close(store->db);
    for (int i = 0; i < ROCKSDB_FAMILY_COUNT; i++) {
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
                              const struct ordo_rocksdb_tuning *tuning, struct ordo_problem *problem) {
    const char *names[ROCKSDB_FAMILY_COUNT];
    for (int i = 0; i < ROCKSDB_FAMILY_COUNT; i++) {
        names[i] = i == ROCKSDB_FAMILY_DEFAULT ? "default" : ordo_cf_names[i];
        store->options[i] = rocksdb_options_of(i, mode, tuning, store->cache, problem);
        if (store->options[i] == NULL) return ORDO_ERR_VERSION;
    }
    const rocksdb_options_t *options[ROCKSDB_FAMILY_COUNT];
    for (int i = 0; i < ROCKSDB_FAMILY_COUNT; i++) options[i] = store->options[i];
    char *message = NULL;
    static pthread_once_t compactors = PTHREAD_ONCE_INIT;
    pthread_once(&compactors, start_compactors_aside);
    if (store->is_readonly) {
        store->db = rocksdb_open_for_read_only_column_families(store->options[0], path, ROCKSDB_FAMILY_COUNT, names, options,
                                                               store->families, 0, &message);
    } else {
        store->db = rocksdb_open_column_families(store->options[0], path, ROCKSDB_FAMILY_COUNT, names, options,
                                                 store->families, &message);
    }
    if (message == NULL) return ORDO_OK;
    char what[ORDO_PROBLEM_SIZE / 2];
    snprintf(what, sizeof what, "The database %s cannot be opened", path);
    return rocksdb_fail(problem, what, message);
}

static bool database_exists(const char *path) {
    char current[PATH_MAX];
    return snprintf(current, sizeof current, "%s/CURRENT", path) < (int)sizeof current && access(current, F_OK) == 0;
}

ordo_err ordo_store_rocksdb_open(const char *path, enum ordo_rocksdb_mode mode, struct ordo_problem *problem,
                                 struct ordo_store **store_out) {
    return ordo_store_rocksdb_open_tuned(path, mode, &ordo_rocksdb_tuning, problem, store_out);
}

ordo_err ordo_store_rocksdb_open_tuned(const char *path, enum ordo_rocksdb_mode mode,
                                       const struct ordo_rocksdb_tuning *tuning, struct ordo_problem *problem,
                                       struct ordo_store **store_out) {
    if (mode != ORDO_ROCKSDB_CREATE && !database_exists(path)) { /* RocksDB would make the folder before it refuses */
        ordo_problem_set(problem, "There is no database in %s.", path);
        return ORDO_ERR_NOT_FOUND;
    }
    struct store_rocksdb *store = ordo_alloc(sizeof *store);
    store->base.ops = &store_ops;
    store->is_readonly = mode != ORDO_ROCKSDB_CREATE && mode != ORDO_ROCKSDB_OPEN && mode != ORDO_ROCKSDB_REBUILT;
    store->cache = rocksdb_cache_create_lru(tuning->cache_size);
    store->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->write_sync, 1);
    store->write_nosync = rocksdb_writeoptions_create();
    rocksdb_set_perf_level(rocksdb_disable); /* of this thread, which is the one that writes: counters cost 1 µs per op */
    ordo_err err = open_database(store, path, mode, tuning, problem);
    if (err) {
        rocksdb_close_store(&store->base);
        return err;
    }
    *store_out = &store->base;
    return ORDO_OK;
}

static uint64_t property(const struct store_rocksdb *store, const char *name) {
    uint64_t value = 0;
    return rocksdb_property_int(store->db, name, &value) == 0 ? value : 0;
}

static uint64_t property_of_all(const struct store_rocksdb *store, const char *name) {
    uint64_t sum = 0, value;
    for (int i = 0; i < ROCKSDB_FAMILY_COUNT; i++)
        if (rocksdb_property_int_cf(store->db, store->families[i], name, &value) == 0) sum += value;
    return sum;
}

/* Log files come and go meanwhile; one that has just gone counts as nothing. */
static uint64_t size_of_logs(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL) return 0;
    uint64_t size = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        struct stat status;
        bool is_log = length > 4 && strcmp(entry->d_name + length - 4, ".log") == 0;
        if (is_log && fstatat(dirfd(folder), entry->d_name, &status, 0) == 0) size += (uint64_t)status.st_size;
    }
    closedir(folder);
    return size;
}

void ordo_store_rocksdb_figures(const struct ordo_store *base, const char *path, struct ordo_rocksdb_figures *out) {
    const struct store_rocksdb *store = (const struct store_rocksdb *)base;
    *out = (struct ordo_rocksdb_figures){
        .tables_size = property_of_all(store, "rocksdb.total-sst-files-size"),
        .log_size = size_of_logs(path),
        .memory_size = property_of_all(store, "rocksdb.cur-size-all-mem-tables"),
        .compaction_pending_size = property_of_all(store, "rocksdb.estimate-pending-compaction-bytes"),
        .compactions_running = property(store, "rocksdb.num-running-compactions"),
        .flushes_running = property(store, "rocksdb.num-running-flushes"),
        .is_write_stopped = property(store, "rocksdb.is-write-stopped"),
        .delayed_write_rate = property(store, "rocksdb.actual-delayed-write-rate"),
        .background_errors = property(store, "rocksdb.background-errors"),
    };
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
    return message == NULL ? ORDO_OK : rocksdb_fail(problem, "The database's files cannot be held on to", message);
}

ordo_err ordo_store_rocksdb_rebuild(const char *path, struct ordo_problem *problem) {
    rocksdb_options_t *options = rocksdb_options_of(0, ORDO_ROCKSDB_REBUILT, &ordo_rocksdb_tuning, NULL, problem);
    if (options == NULL) return ORDO_ERR_VERSION;
    char *message = NULL;
    rocksdb_repair_db(options, path, &message);
    rocksdb_options_destroy(options);
    return message == NULL ? ORDO_OK : rocksdb_fail(problem, "The database's records cannot be made anew", message);
}

ordo_err ordo_store_rocksdb_flush(struct ordo_store *base, struct ordo_problem *problem) {
    struct store_rocksdb *store = (struct store_rocksdb *)base;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create(); /* waits */
    char *message = NULL;
    for (int i = 0; i < ROCKSDB_FAMILY_COUNT && message == NULL; i++) rocksdb_flush_cf(store->db, options, store->families[i], &message);
    rocksdb_flushoptions_destroy(options);
    return message == NULL ? ORDO_OK : rocksdb_fail(problem, "The database's memory cannot be written to tables", message);
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

/* RocksDB tells names with a slash in front. */
static uint64_t number_of(const char *name) { return strtoull(name[0] == '/' ? name + 1 : name, NULL, 10); }

static enum ordo_cf family_of(const char *name) {
    int cf = 0;
    while (cf < ORDO_CF_COUNT && strcmp(name, ordo_cf_names[cf]) != 0) cf++;
    return (enum ordo_cf)cf;
}

void ordo_store_rocksdb_tables(const struct ordo_store *base,
                               void (*visit)(void *context, const struct ordo_rocksdb_table *table), void *context) {
    const rocksdb_livefiles_t *files = rocksdb_livefiles(((const struct store_rocksdb *)base)->db);
    for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
        struct ordo_rocksdb_table table = {.number = number_of(rocksdb_livefiles_name(files, i)),
                                           .cf = family_of(rocksdb_livefiles_column_family_name(files, i)),
                                           .level = rocksdb_livefiles_level(files, i)};
        size_t size;
        const char *key = rocksdb_livefiles_smallestkey(files, i, &size);
        table.low = ordo_slice(key, size);
        key = rocksdb_livefiles_largestkey(files, i, &size);
        table.high = ordo_slice(key, size);
        visit(context, &table);
    }
    rocksdb_livefiles_destroy(files);
}
