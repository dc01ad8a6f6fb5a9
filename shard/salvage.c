#include "shard/salvage.h"

#include "common/files.h"
#include "common/limits.h"
#include "shard/wal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct copy {
    struct ordo_salvage *salvage;
    const char *db_path, *work_path;
    struct ordo_problem *problem;
};

static void note(const struct copy *copy, const char *what, const struct ordo_problem *problem) {
    char sentence[ORDO_PROBLEM_SIZE * 2];
    snprintf(sentence, sizeof sentence, "%s: %s", what, problem->text);
    copy->salvage->note(copy->salvage->context, sentence);
}

/* ---- the copy */

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name), end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static bool is_manifest(const char *name) { return strncmp(name, "MANIFEST-", 9) == 0; }

static ordo_err join(char out[PATH_MAX], const char *folder, const char *name) {
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return ORDO_OK;
    errno = ENAMETOOLONG;
    return ORDO_ERR_IO;
}

static ordo_err link_file(const struct copy *copy, const char *name) {
    char from[PATH_MAX], resolved[PATH_MAX], to[PATH_MAX];
    ordo_err err = join(from, copy->db_path, name);
    if (!err) err = join(to, copy->work_path, name);
    if (!err && realpath(from, resolved) == NULL) err = ordo_file_error();
    if (!err && symlink(resolved, to) != 0) err = ordo_file_error();
    return err;
}

static ordo_err copy_file(const struct copy *copy, const char *name) {
    char from[PATH_MAX], to[PATH_MAX], temporary[PATH_MAX];
    struct ordo_buffer bytes = {0};
    ordo_err err = join(from, copy->db_path, name);
    if (!err) err = join(to, copy->work_path, name);
    if (!err) err = join(temporary, copy->work_path, "copying");
    if (!err) err = ordo_file_read(from, &bytes);
    if (!err) err = ordo_file_replace(to, temporary, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
    return err;
}

/* Calls `act` for each file of the folder until it fails. */
static ordo_err each_file(const struct copy *copy, const char *path,
                          ordo_err (*act)(const struct copy *copy, const char *name)) {
    DIR *folder = opendir(path);
    if (folder == NULL) return ordo_file_error();
    ordo_err err = ORDO_OK;
    for (struct dirent *entry; !err && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') err = act(copy, entry->d_name);
    }
    closedir(folder);
    return err;
}

static ordo_err copy_one(const struct copy *copy, const char *name) {
    if (ends_with(name, ".sst") || ends_with(name, ".log")) return link_file(copy, name);
    if (is_manifest(name) || strcmp(name, "CURRENT") == 0) return copy_file(copy, name);
    return ORDO_OK;
}

static ordo_err unlink_log(const struct copy *copy, const char *name) {
    char path[PATH_MAX];
    if (!ends_with(name, ".log")) return ORDO_OK;
    ordo_err err = join(path, copy->work_path, name);
    return err ? err : unlink(path) == 0 ? ORDO_OK : ordo_file_error();
}

static ordo_err make_copy(const struct copy *copy) {
    ordo_err err = mkdir(copy->work_path, 0755) == 0 ? ORDO_OK : ordo_file_error();
    if (!err) err = each_file(copy, copy->db_path, copy_one);
    if (err) ordo_problem_set(copy->problem, "What is in %s cannot be copied to %s: %s.", copy->db_path,
                              copy->work_path, strerror(errno));
    return err;
}

/* Whether CURRENT names a MANIFEST that is there. */
static bool current_reads(const struct copy *copy) {
    char path[PATH_MAX], name[NAME_MAX + 1] = "";
    struct ordo_buffer bytes = {0};
    bool reads = !join(path, copy->work_path, "CURRENT") && !ordo_file_read(path, &bytes) && bytes.size > 0 &&
                 bytes.size < sizeof name && bytes.data[bytes.size - 1] == '\n';
    if (reads) memcpy(name, bytes.data, bytes.size - 1);
    ordo_buffer_finish(&bytes);
    return reads && is_manifest(name) && !join(path, copy->work_path, name) && access(path, F_OK) == 0;
}

/* CURRENT names the newest MANIFEST; if it does not read, the newest there is must be meant. Were that an old one that
 * had been left behind, tables and log files that it knows of would be missing: that is looked for next. */
static bool restore_current(const struct copy *copy) {
    char newest[NAME_MAX + 2] = "", path[PATH_MAX], temporary[PATH_MAX];
    DIR *folder = opendir(copy->work_path);
    if (folder == NULL) return false;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!is_manifest(entry->d_name)) continue;
        bool is_newer = newest[0] == '\0' || strtoull(entry->d_name + 9, NULL, 10) > strtoull(newest + 9, NULL, 10);
        if (is_newer) snprintf(newest, sizeof newest, "%s", entry->d_name);
    }
    closedir(folder);
    if (newest[0] == '\0') return false;
    strcat(newest, "\n");
    return !join(path, copy->work_path, "CURRENT") && !join(temporary, copy->work_path, "CURRENT.new") &&
           ordo_file_replace(path, temporary, ordo_slice_of(newest)) == ORDO_OK;
}

/* ---- tables */

/* A scan of one family from gap to gap. */
struct pass {
    const struct copy *copy;
    struct ordo_view *view;
    enum ordo_cf cf;
    bool is_newest;
    struct ordo_buffer low, next; /* the last key handed out; the key from which reading goes on */
    struct ordo_buffer failure, other; /* of reading forwards, and back */
    size_t gap_count;
};

static struct ordo_iterator *iterate(const struct pass *pass) {
    return pass->view->ops->iterate(pass->view, pass->cf, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
}

static void keep(struct ordo_buffer *to, struct ordo_slice key) {
    ordo_buffer_clear(to);
    ordo_buffer_append_slice(to, key);
}

static ordo_err hand_out(const struct pass *pass, const struct ordo_iterator *iterator) {
    const struct ordo_salvage *salvage = pass->copy->salvage;
    return salvage->row(salvage->context, pass->cf, iterator->ops->key(iterator), iterator->ops->value(iterator),
                        pass->is_newest);
}

/* From `next` on to the end, or to the first row that cannot be read: then `is_cut`. */
static ordo_err scan_on(struct pass *pass, bool *is_cut) {
    struct ordo_iterator *iterator = iterate(pass);
    ordo_err err = ORDO_OK;
    bool more = pass->next.size > 0 ? iterator->ops->seek(iterator, ordo_buffer_slice(&pass->next))
                                    : iterator->ops->next(iterator);
    for (; more && !err; more = iterator->ops->next(iterator)) {
        keep(&pass->low, iterator->ops->key(iterator));
        err = hand_out(pass, iterator);
    }
    *is_cut = !err && iterator->ops->status(iterator) != ORDO_OK;
    ordo_store_rocksdb_iterator_failure(iterator, &pass->failure);
    iterator->ops->close(iterator);
    return err;
}

/* From `end`, excluded, back to the first row that cannot be read; `high` gets the last key handed out. */
static ordo_err scan_back(struct pass *pass, struct ordo_slice end, struct ordo_buffer *high) {
    struct ordo_iterator *iterator = iterate(pass);
    ordo_err err = ORDO_OK;
    for (bool more = iterator->ops->seek_back(iterator, end); more && !err; more = iterator->ops->previous(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        if (ordo_slice_compare(key, ordo_buffer_slice(&pass->low)) <= 0) break;
        if (ordo_slice_equal(key, end)) continue;
        keep(high, key);
        err = hand_out(pass, iterator);
    }
    ordo_store_rocksdb_iterator_failure(iterator, &pass->other);
    iterator->ops->close(iterator);
    return err;
}

/* Read from both sides it was the same place. */
static void tell_gap(const struct pass *pass, struct ordo_slice high) {
    const struct ordo_salvage *salvage = pass->copy->salvage;
    bool is_one = ordo_slice_equal(ordo_buffer_slice(&pass->failure), ordo_buffer_slice(&pass->other));
    salvage->gap(salvage->context, &(struct ordo_salvage_gap){.cf = pass->cf, .low = ordo_buffer_slice(&pass->low), .high = high,
                                                              .failure = is_one ? (const char *)pass->failure.data : ""});
}

/* What lies behind a bad block can be found again only by a key. Slots begin keys, and are known: the first one behind the
 * gap from which reading goes on. Its start goes to `end`, the key found there to `next`; false: there is none. */
static bool find_on(struct pass *pass, struct ordo_buffer *end) {
    bool has_moved = ordo_slice_compare(ordo_buffer_slice(&pass->low), ordo_buffer_slice(&pass->next)) > 0;
    const struct ordo_buffer *last = has_moved ? &pass->low : &pass->next;
    uint32_t slot = last->size < 2 ? 0 : ((uint32_t)last->data[0] << 8 | last->data[1]) + 1;
    struct ordo_iterator *iterator = iterate(pass);
    bool is_found = false;
    for (; slot < ORDO_SLOT_COUNT && !is_found; slot++) {
        ordo_buffer_clear(end);
        ordo_buffer_append_u16_be(end, (uint16_t)slot);
        if (!iterator->ops->seek(iterator, ordo_buffer_slice(end))) continue;
        keep(&pass->next, iterator->ops->key(iterator));
        is_found = true;
    }
    iterator->ops->close(iterator);
    if (is_found) return true;
    ordo_buffer_clear(end);
    for (int i = 0; i < 300; i++) ordo_buffer_append_u8(end, 0xff); /* behind all keys */
    return false;
}

static ordo_err scan_family(struct pass *pass) {
    struct ordo_buffer end = {0}, high = {0};
    ordo_err err = ORDO_OK;
    for (bool goes_on = true; goes_on && !err;) {
        bool is_cut;
        err = scan_on(pass, &is_cut);
        if (err || !is_cut) break;
        goes_on = find_on(pass, &end);
        keep(&high, goes_on ? ordo_buffer_slice(&pass->next) : ordo_slice(NULL, 0));
        err = scan_back(pass, ordo_buffer_slice(&end), &high);
        pass->gap_count++;
        if (pass->is_newest) tell_gap(pass, ordo_buffer_slice(&high));
    }
    ordo_buffer_finish(&end);
    ordo_buffer_finish(&high);
    return err;
}

/* All families; `families` tells which, and gets which of them have gaps. */
static ordo_err scan(const struct copy *copy, struct ordo_store *store, bool families[ORDO_CF_COUNT], bool is_first) {
    struct ordo_view *view = store->ops->view_open(store);
    ordo_err err = ORDO_OK;
    for (int cf = 0; cf < ORDO_CF_COUNT && !err; cf++) {
        struct pass pass = {.copy = copy, .view = view, .cf = (enum ordo_cf)cf, .is_newest = is_first};
        if (!families[cf]) continue;
        err = scan_family(&pass);
        if (is_first) families[cf] = pass.gap_count > 0;
        if (is_first && pass.gap_count > 0) {
            char sentence[128];
            snprintf(sentence, sizeof sentence, "Tables of the family \"%s\" are damaged or missing.", ordo_cf_names[cf]);
            copy->salvage->note(copy->salvage->context, sentence);
        }
        ordo_buffer_finish(&pass.low);
        ordo_buffer_finish(&pass.next);
        ordo_buffer_finish(&pass.failure);
        ordo_buffer_finish(&pass.other);
    }
    store->ops->view_close(view);
    return err;
}

static ordo_err open_known(const struct copy *copy, struct ordo_store **store) {
    struct ordo_problem problem = {0};
    ordo_err err = ordo_manifest_forget_logs(copy->work_path, &problem);
    if (!err) err = ordo_store_rocksdb_open(copy->work_path, ORDO_ROCKSDB_SALVAGE, &problem, store);
    if (!err) return ORDO_OK;
    note(copy, "The database's own records do not read", &problem);
    return err;
}

/* A table with any bad block is not among these. */
static ordo_err read_rebuilt(const struct copy *copy, bool families[ORDO_CF_COUNT]) {
    struct ordo_problem problem = {0};
    struct ordo_store *store = NULL;
    ordo_err err = ordo_store_rocksdb_rebuild(copy->work_path, &problem);
    if (!err) err = ordo_store_rocksdb_open(copy->work_path, ORDO_ROCKSDB_REBUILT, &problem, &store);
    if (err) {
        note(copy, "The tables cannot be put together", &problem);
        return ORDO_OK; /* the gaps have been told */
    }
    err = scan(copy, store, families, false);
    store->ops->close(store);
    return err;
}

static ordo_err read_tables(const struct copy *copy) {
    bool families[ORDO_CF_COUNT];
    for (int cf = 0; cf < ORDO_CF_COUNT; cf++) families[cf] = true;
    struct ordo_store *store = NULL;
    if (open_known(copy, &store)) {
        struct ordo_slice open_end = ordo_slice(NULL, 0);
        for (int cf = 0; cf < ORDO_CF_COUNT; cf++) {
            copy->salvage->gap(copy->salvage->context, &(struct ordo_salvage_gap){(enum ordo_cf)cf, open_end, open_end, ""});
        }
        return read_rebuilt(copy, families);
    }
    ordo_err err = scan(copy, store, families, true);
    store->ops->close(store);
    bool has_gap = false;
    for (int cf = 0; cf < ORDO_CF_COUNT; cf++) has_gap |= families[cf];
    if (!err && has_gap) err = read_rebuilt(copy, families);
    return err;
}

/* ---- log files */

static ordo_err read_log(const struct copy *copy, const char *name) {
    const struct ordo_salvage *salvage = copy->salvage;
    char path[PATH_MAX];
    struct ordo_buffer bytes = {0};
    if (!ends_with(name, ".log")) return ORDO_OK;
    ordo_err err = join(path, copy->db_path, name);
    if (!err) err = ordo_file_read(path, &bytes);
    if (err) {
        ordo_problem_set(copy->problem, "The log file %s cannot be read: %s.", path, strerror(errno));
        ordo_buffer_finish(&bytes);
        return err;
    }
    struct ordo_wal_reader reader = ordo_wal_reader(ordo_buffer_slice(&bytes));
    struct ordo_reader entries;
    while (!err && ordo_wal_next_record(&reader, &entries)) {
        struct ordo_wal_entry entry;
        while (!err && ordo_wal_take_entry(&entries, &entry)) {
            if (!entry.is_put || entry.family < ORDO_ROCKSDB_FAMILY_FIRST ||
                entry.family >= ORDO_ROCKSDB_FAMILY_FIRST + ORDO_CF_COUNT) {
                continue;
            }
            err = salvage->row(salvage->context, (enum ordo_cf)(entry.family - ORDO_ROCKSDB_FAMILY_FIRST), entry.key, entry.value,
                               false);
        }
    }
    ordo_wal_reader_finish(&reader);
    ordo_buffer_finish(&bytes);
    return err;
}

/* Asks the database whether it misses one of its log files, and us whether it knows of all its tables. */
static void look_for_files(const struct copy *copy) {
    struct ordo_problem problem = {0};
    struct ordo_store *store = NULL;
    ordo_err err = ordo_manifest_check(copy->work_path, &copy->salvage->manifest, &problem);
    if (err) {
        note(copy, "Tables may be missing", &problem);
        copy->salvage->misses_files = true;
    }
    err = ordo_store_rocksdb_open(copy->work_path, ORDO_ROCKSDB_SALVAGE_LOG, &problem, &store);
    if (!err) store->ops->close(store);
    if (err) note(copy, "The database does not open with its log files", &problem);
    if (err) copy->salvage->misses_files = true;
}

ordo_err ordo_salvage_run(struct ordo_salvage *salvage, const char *db_path, const char *work_path,
                          struct ordo_problem *problem) {
    struct copy copy = {.salvage = salvage, .db_path = db_path, .work_path = work_path, .problem = problem};
    ordo_err err = make_copy(&copy);
    if (!err && !current_reads(&copy) && restore_current(&copy)) {
        salvage->note(salvage->context, "The database's file CURRENT is missing or damaged; the newest MANIFEST is used.");
    }
    if (!err) look_for_files(&copy);
    if (!err) err = each_file(&copy, work_path, unlink_log);
    if (!err) err = read_tables(&copy);
    if (!err) err = each_file(&copy, db_path, read_log);
    return err;
}

ordo_err ordo_salvage_scan(struct ordo_salvage *salvage, struct ordo_store *store) {
    struct copy copy = {.salvage = salvage};
    bool families[ORDO_CF_COUNT];
    for (int cf = 0; cf < ORDO_CF_COUNT; cf++) families[cf] = true;
    return scan(&copy, store, families, true);
}
