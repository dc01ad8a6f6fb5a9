#include "shard/folder.h"

#include "common/files.h"
#include "shard/backup.h"
#include "shard/backup_files.h"
#include "shard/confine.h"
#include "shard/low_water.h"
#include "shard/manifest.h"
#include "shard/recovery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFINED_MAX = 8 }; /* bad tables that one start takes out */

/* Joins into `out`; names so long that they do not fit fail in the call that they are made for. */
static void join(char out[PATH_MAX], const char *path, const char *name) {
    int size = snprintf(out, PATH_MAX, "%s%s", path, name);
    if (size >= PATH_MAX) out[0] = '\0';
}

static void set_paths(struct ordo_folder *folder, const char *path) {
    snprintf(folder->path, sizeof folder->path, "%s", path);
    for (size_t size = strlen(folder->path); size > 1 && folder->path[size - 1] == '/'; size--) {
        folder->path[size - 1] = '\0';
    }
    join(folder->db_path, folder->path, "/db");
    join(folder->low_water_path, folder->path, "/low-water");
    join(folder->reserve_path, folder->path, "/reserve");
}

/* ---- the lock */

static ordo_err lock_busy(const char *path, struct ordo_problem *problem) {
    ordo_problem_set(problem, "The store %s is in use by another process; stop that one first, or use another folder.",
                     path);
    return ORDO_ERR_LOCKED;
}

/* Locks the file `lock` in `path`. NOT_FOUND: no such file (without `creates`). */
static ordo_err take_lock(struct ordo_folder *folder, const char *path, bool creates, int lock,
                          struct ordo_problem *problem) {
    char lock_path[PATH_MAX];
    join(lock_path, path, "/lock");
    int flags = creates ? O_RDWR | O_CREAT : O_RDONLY;
    folder->lock_fd = open(lock_path, flags | O_CLOEXEC, 0644);
    if (folder->lock_fd < 0) {
        ordo_err err = ordo_file_error();
        ordo_problem_set(problem, "The lock %s cannot be opened: %s.", lock_path, strerror(errno));
        return err;
    }
    if (flock(folder->lock_fd, lock | LOCK_NB) == 0) return ORDO_OK;
    if (errno == EWOULDBLOCK) return lock_busy(path, problem);
    ordo_problem_set(problem, "The lock %s cannot be taken: %s.", lock_path, strerror(errno));
    return ORDO_ERR_IO;
}

static void drop_lock(struct ordo_folder *folder) {
    if (folder->lock_fd >= 0) close(folder->lock_fd);
    folder->lock_fd = -1;
}

/* ---- a new store */

enum place { PLACE_FREE, PLACE_STORE, PLACE_OTHER, PLACE_FAILED };

/* What is at the path: nothing (or an empty folder), a store, or something else. */
static enum place look_at(const struct ordo_folder *folder) {
    char current[PATH_MAX];
    join(current, folder->db_path, "/CURRENT");
    if (access(current, F_OK) == 0) return PLACE_STORE;
    DIR *entries = opendir(folder->path);
    if (entries == NULL) return errno == ENOENT ? PLACE_FREE : errno == ENOTDIR ? PLACE_OTHER : PLACE_FAILED;
    enum place place = PLACE_FREE;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) place = PLACE_OTHER;
    }
    closedir(entries);
    return place;
}

/* Empties what an earlier try left; the lock file stays, we hold it. */
static ordo_err clear_leftovers(const char *path) {
    char name[PATH_MAX];
    static const char *const leftovers[] = {"/db", "/low-water", "/salvage"};
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++) {
        join(name, path, leftovers[i]);
        ordo_err err = ordo_folder_remove(name);
        if (err && err != ORDO_ERR_NOT_FOUND) return err;
    }
    return ORDO_OK;
}

/* `context`: the id of the cluster that it joins; NULL: it is the first of a new one. */
static ordo_err fill_empty(void *context, const char *path, uint64_t *turn, struct ordo_problem *problem) {
    char db_path[PATH_MAX];
    *turn = 0;
    join(db_path, path, "/db");
    struct ordo_store *store = NULL;
    ordo_err err = ordo_store_rocksdb_open(db_path, ORDO_ROCKSDB_CREATE, problem, &store);
    if (!err) err = ordo_identity_create(store, context, problem);
    if (store != NULL) store->ops->close(store);
    return err;
}

/* Makes the store as DIR.new, under its lock, and gives it its name. */
static ordo_err make_store(struct ordo_folder *folder, ordo_folder_fill *fill, void *context,
                           struct ordo_problem *problem) {
    uint64_t turn = 0;
    char new_path[PATH_MAX], name[PATH_MAX];
    join(new_path, folder->path, ".new");
    if (mkdir(new_path, 0755) != 0 && errno != EEXIST) {
        ordo_problem_set(problem, "The folder %s cannot be made: %s.", new_path, strerror(errno));
        return ordo_file_error();
    }
    ordo_err err = take_lock(folder, new_path, true, LOCK_EX, problem);
    if (err) return err;
    err = clear_leftovers(new_path);
    if (err) {
        ordo_problem_set(problem, "What is left in %s cannot be removed: %s.", new_path, strerror(errno));
        return err;
    }
    err = fill(context, new_path, &turn, problem);
    if (err) return err;
    struct ordo_low_water mark = {.fd = -1};
    join(name, new_path, "/low-water");
    err = ordo_low_water_open(&mark, name, turn);
    ordo_low_water_close(&mark);
    if (!err) err = ordo_folder_sync(new_path);
    if (!err && rename(new_path, folder->path) != 0) err = ordo_file_error();
    if (!err) err = ordo_folder_sync_parent(folder->path);
    if (err) {
        ordo_problem_set(problem, "The new store cannot be put in place as %s: %s. (A mount point cannot be a store; "
                         "name a folder inside.)", folder->path, strerror(errno));
    }
    folder->is_new = err == ORDO_OK;
    return err;
}

/* ---- an existing store */

static ordo_err check_low_water(struct ordo_folder *folder, uint64_t turn, struct ordo_problem *problem) {
    uint64_t mark;
    ordo_err err = ordo_low_water_read(folder->low_water_path, &mark);
    if (err == ORDO_ERR_NOT_FOUND || err == ORDO_ERR_CORRUPT) {
        ordo_problem_set(&folder->note, "The low-water mark %s is %s, so a lost end of the log would not be seen.",
                         folder->low_water_path, err == ORDO_ERR_NOT_FOUND ? "missing" : "damaged");
        return ORDO_OK;
    }
    if (err) {
        ordo_problem_set(problem, "The low-water mark %s cannot be read: %s.", folder->low_water_path, strerror(errno));
        return err;
    }
    if (mark <= turn) return ORDO_OK;
    ordo_problem_set(problem,
                     "The store %s ends at turn %llu, but turn %llu was on disk: its newest log file is missing, has lost its "
                     "end, or is older than the rest. Acknowledged edits are in it: restore this folder from a backup, or see what `ordo repair` can save.",
                     folder->path, (unsigned long long)turn, (unsigned long long)mark);
    return ORDO_ERR_CORRUPT;
}

/* Files that the database does not need any more may have come back with a power cut, and look like damage. */
static ordo_err judge_log(struct ordo_log_check *check, const char *db_path, struct ordo_problem *problem) {
    uint64_t oldest;
    ordo_err err = ordo_log_check_run(check, db_path, 0, problem);
    if (err != ORDO_ERR_CORRUPT || ordo_store_rocksdb_oldest_log(db_path, &oldest) != ORDO_OK) return err;
    return ordo_log_check_run(check, db_path, oldest, problem);
}

/* RocksDB does not see it when the end of its list of tables is gone. */
static ordo_err check_manifest(const struct ordo_folder *folder, struct ordo_problem *problem) {
    struct ordo_manifest_mark mark;
    if (ordo_low_water_read_manifest(folder->low_water_path, &mark)) return ORDO_OK; /* check_low_water says so */
    return ordo_manifest_check(folder->db_path, &mark, problem);
}

/* The log files' part, before the database is opened: afterwards they are gone. */
static ordo_err check_log(struct ordo_folder *folder, bool cuts, bool *is_torn, struct ordo_problem *problem) {
    struct ordo_log_check check;
    ordo_err err = check_manifest(folder, problem);
    if (!err) err = judge_log(&check, folder->db_path, problem);
    *is_torn = false;
    if (!err && check.turn != 0) err = check_low_water(folder, check.turn, problem);
    if (!err) *is_torn = check.torn_size > 0;
    if (!err && *is_torn) {
        ordo_problem_set(&folder->note,
                         "The log ended in the middle of a record, as after a power cut; its last %llu bytes, which were "
                         "never acknowledged, %s.",
                         (unsigned long long)check.torn_size, cuts ? "were cut off" : "are passed over");
    }
    if (!err && *is_torn && cuts) {
        char temporary[PATH_MAX];
        join(temporary, folder->path, "/log.cut");
        err = ordo_log_cut_tail(&check, folder->db_path, temporary, problem);
    }
    return err;
}

/* Recovery writes what the log holds to new tables: on a full disk that needs the reserve. It is made again when there is
 * space (disk.h). */
static void make_room(const struct ordo_folder *folder) {
    struct stat reserve;
    if (stat(folder->reserve_path, &reserve) != 0) return;
    if (ordo_folder_free_size(folder->path) < (uint64_t)reserve.st_size) unlink(folder->reserve_path);
}

static ordo_err refuse_place(const struct ordo_folder *folder, enum place place, struct ordo_problem *problem) {
    if (place == PLACE_FAILED) {
        ordo_problem_set(problem, "The folder %s cannot be read: %s.", folder->path, strerror(errno));
        return ORDO_ERR_IO;
    }
    ordo_problem_set(problem, "%s %s.", folder->path,
                     place == PLACE_FREE ? "holds no store"
                                         : "is not empty and holds no store; name a store, or a folder that is new or "
                                           "empty");
    return ORDO_ERR_NOT_FOUND;
}

/* A backup that is served is none any more, and would take up the life of the store that it is a copy of. */
static ordo_err refuse_backup(const struct ordo_folder *folder, struct ordo_problem *problem) {
    char list[PATH_MAX];
    join(list, folder->path, "/" ORDO_BACKUP_LIST_NAME);
    if (access(list, F_OK) != 0) return ORDO_OK;
    ordo_problem_set(problem, "%s is a backup: make a store of it with `ordo restore`.", folder->path);
    return ORDO_ERR_INVALID;
}

static ordo_err clear_checkpoint(const struct ordo_folder *folder, struct ordo_problem *problem) {
    ordo_err err = ordo_backup_clear_leftovers(folder->path);
    if (err) {
        ordo_problem_set(problem, "What a backup left in %s cannot be removed: %s.", folder->path, strerror(errno));
    }
    return err;
}

/* Opens the database, raises the incarnation. What was noted as damaged is confined first. */
static ordo_err open_database(struct ordo_folder *folder, struct ordo_problem *problem) {
    ordo_err err = ordo_confine_run(folder->path, folder->db_path, problem);
    if (!err) err = ordo_store_rocksdb_open(folder->db_path, ORDO_ROCKSDB_OPEN, problem, &folder->store);
    if (!err) err = ordo_identity_read(folder->store, &folder->identity, problem);
    if (!err) err = check_low_water(folder, folder->identity.turn, problem);
    if (!err) err = ordo_identity_raise_incarnation(folder->store, &folder->identity, problem);
    return err;
}

/* RocksDB compacts as soon as it is open, and may meet a bad table right then. Which one is noted: so once more. */
static ordo_err open_confining(struct ordo_folder *folder, struct ordo_problem *problem) {
    ordo_err err = ORDO_OK;
    for (int attempt = 0; attempt < CONFINED_MAX; attempt++) {
        err = open_database(folder, problem);
        if (err != ORDO_ERR_CORRUPT || folder->store == NULL) return err;
        if (!ordo_confine_note(folder->path, ordo_store_rocksdb_failure(folder->store))) return err;
        folder->store->ops->close(folder->store);
        folder->store = NULL;
    }
    return err;
}

ordo_err ordo_folder_open(struct ordo_folder *folder, const char *path, struct ordo_problem *problem) {
    return ordo_folder_open_member(folder, path, NULL, problem);
}

ordo_err ordo_folder_open_member(struct ordo_folder *folder, const char *path, const uint8_t *cluster_id,
                                 struct ordo_problem *problem) {
    *folder = (struct ordo_folder){.lock_fd = -1};
    set_paths(folder, path);
    enum place place = look_at(folder);
    if (place == PLACE_OTHER || place == PLACE_FAILED) return refuse_place(folder, place, problem);
    ordo_err err = refuse_backup(folder, problem);
    if (err) return err;
    err = place == PLACE_FREE ? make_store(folder, fill_empty, (void *)(uintptr_t)cluster_id, problem)
                              : take_lock(folder, folder->path, true, LOCK_EX, problem);
    if (!err) err = clear_checkpoint(folder, problem);
    if (!err) make_room(folder);
    bool is_torn;
    if (!err) err = check_log(folder, true, &is_torn, problem);
    return err ? err : open_confining(folder, problem);
}

bool ordo_folder_is_free(const char *path) {
    struct ordo_folder folder = {.lock_fd = -1};
    set_paths(&folder, path);
    return look_at(&folder) == PLACE_FREE;
}

ordo_err ordo_folder_open_readonly(struct ordo_folder *folder, const char *path, struct ordo_problem *problem) {
    *folder = (struct ordo_folder){.lock_fd = -1};
    set_paths(folder, path);
    enum place place = look_at(folder);
    if (place != PLACE_STORE) return refuse_place(folder, place, problem);
    ordo_err err = take_lock(folder, folder->path, false, LOCK_SH, problem);
    bool is_torn = false;
    if (!err) err = check_log(folder, false, &is_torn, problem);
    enum ordo_rocksdb_mode mode = is_torn ? ORDO_ROCKSDB_READONLY_TORN : ORDO_ROCKSDB_READONLY;
    if (!err) err = ordo_store_rocksdb_open(folder->db_path, mode, problem, &folder->store);
    if (!err) err = ordo_identity_read(folder->store, &folder->identity, problem);
    if (!err) err = check_low_water(folder, folder->identity.turn, problem);
    return err;
}

ordo_err ordo_folder_make(struct ordo_folder *folder, const char *path, ordo_folder_fill *fill, void *context,
                          struct ordo_problem *problem) {
    *folder = (struct ordo_folder){.lock_fd = -1};
    set_paths(folder, path);
    enum place place = look_at(folder);
    if (place == PLACE_FREE) return make_store(folder, fill, context, problem);
    if (place == PLACE_FAILED) return refuse_place(folder, place, problem);
    ordo_problem_set(problem, "%s exists and is not empty: name a folder that is new.", folder->path);
    return ORDO_ERR_EXISTS;
}

ordo_err ordo_folder_lock_damaged(struct ordo_folder *folder, const char *path, struct ordo_problem *problem) {
    *folder = (struct ordo_folder){.lock_fd = -1};
    set_paths(folder, path);
    struct stat status;
    if (stat(folder->db_path, &status) != 0 || !S_ISDIR(status.st_mode)) return refuse_place(folder, PLACE_FREE, problem);
    ordo_err err = take_lock(folder, folder->path, false, LOCK_SH, problem);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err; /* it is not there to be held by anybody */
}

ordo_err ordo_folder_check_log(struct ordo_folder *folder, bool *is_torn, uint64_t *turn,
                               struct ordo_problem *problem) {
    struct ordo_log_check check;
    uint64_t mark;
    ordo_err err = judge_log(&check, folder->db_path, problem);
    *is_torn = check.torn_size > 0;
    *turn = check.turn;
    if (ordo_low_water_read(folder->low_water_path, &mark) == ORDO_OK && mark > *turn) *turn = mark;
    return err;
}

void ordo_folder_finish(struct ordo_folder *folder) {
    if (folder->store != NULL) folder->store->ops->close(folder->store);
    folder->store = NULL;
    drop_lock(folder);
}
