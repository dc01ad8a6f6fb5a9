#include "shard/backup.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/files.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sched.h"
#include "common/wake.h"
#include "shard/backup_files.h"
#include "shard/low_water.h"
#include "shard/recovery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORGOTTEN_MS = 10000, HOLD_POLL_MS = 50 };
#define RATE_MIN (1024u * 1024) /* slower, and it would sleep for longer than a stopping process should wait */

struct ordo_backup {
    struct ordo_backup_config config;
    pthread_t thread;
    bool has_thread;                 /* of the asker's thread, as is `id` */
    uint64_t id;                     /* of the newest; 0: none yet */
    pthread_mutex_t mutex;           /* guards `status` */
    struct ordo_backup_status status;
    atomic_uint_fast64_t asked_ms;
    atomic_uint_fast64_t done_ms, failed_ms; /* wall clock; 0: none yet */
    atomic_bool is_stopping, is_released;
    /* Of the newest: written before its thread starts, then that thread's alone. */
    char path[PATH_MAX], previous[PATH_MAX];
    struct ordo_backup_pace pace;
    bool is_hold;
};

/* Joins two names. False, with a sentence: too long. */
static bool join(char out[PATH_MAX], const char *path, const char *name, struct ordo_problem *problem) {
    int size = snprintf(out, PATH_MAX, "%s/%s", path, name);
    if (size < PATH_MAX) return true;
    ordo_problem_set(problem, "The path %s is too long.", path);
    return false;
}

static ordo_err remove_if_there(const char *path) {
    ordo_err err = ordo_folder_remove(path);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

ordo_err ordo_backup_clear_leftovers(const char *folder) {
    static const char *const names[] = {"checkpoint", "checkpoint.tmp", "checkpoint.cut"}; /* whole, as RocksDB makes it, ours */
    struct ordo_problem problem;
    ordo_err err = ORDO_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && !err; i++) {
        char path[PATH_MAX];
        if (join(path, folder, names[i], &problem)) err = remove_if_there(path);
    }
    return err;
}

/* ---- the copy, on its thread */

struct copy {
    struct ordo_backup *backup;
    char checkpoint[PATH_MAX], target[PATH_MAX], previous[PATH_MAX]; /* the databases' folders */
    struct ordo_backup_list list, earlier;
    struct ordo_problem *problem;
};

static bool may_go_on(void *context, size_t size) {
    struct ordo_backup *backup = context;
    pthread_mutex_lock(&backup->mutex);
    backup->status.copied_size += size;
    pthread_mutex_unlock(&backup->mutex);
    return !atomic_load(&backup->is_stopping) &&
           ordo_clock_monotonic_ms() < atomic_load(&backup->asked_ms) + FORGOTTEN_MS;
}

static ordo_err make_folder(const char *path, struct ordo_problem *problem) {
    if (mkdir(path, 0755) == 0) return ORDO_OK;
    ordo_problem_set(problem, "The folder %s cannot be made: %s.", path, strerror(errno));
    return errno == EEXIST ? ORDO_ERR_EXISTS : ordo_file_error();
}

/* A checkpoint whose log ends with a whole record. */
static ordo_err make_checkpoint(struct copy *copy) {
    const struct ordo_backup_config *config = &copy->backup->config;
    char temporary[PATH_MAX];
    if (!join(temporary, config->folder, "checkpoint.cut", copy->problem)) return ORDO_ERR_IO;
    ordo_err err = ordo_backup_clear_leftovers(config->folder);
    if (err) {
        ordo_problem_set(copy->problem, "What is left of an earlier backup in %s cannot be removed: %s.", config->folder,
                         strerror(errno));
        return err;
    }
    err = ordo_store_rocksdb_checkpoint(config->store, copy->checkpoint, copy->problem);
    struct ordo_log_check check;
    if (!err) err = ordo_log_check_run(&check, copy->checkpoint, 0, copy->problem);
    if (!err && check.torn_size > 0) err = ordo_log_cut_tail(&check, copy->checkpoint, temporary, copy->problem);
    return err;
}

/* The file of the earlier backup that is this one; NULL: there is none. */
static const struct ordo_backup_file *find_same(const struct copy *copy, const char *name, const char *path) {
    char listed[NAME_MAX + 1], earlier[PATH_MAX];
    const char *dot = strrchr(name, '.');
    if (dot == NULL || strcmp(dot, ".sst") != 0 || copy->earlier.count == 0) return NULL;
    if (snprintf(listed, sizeof listed, "db/%s", name) >= (int)sizeof listed) return NULL;
    const struct ordo_backup_file *file = ordo_backup_list_find(&copy->earlier, listed);
    if (file == NULL || !join(earlier, copy->previous, name, copy->problem)) return NULL;
    return ordo_backup_is_same_table(path, earlier) ? file : NULL;
}

static ordo_err take_file(struct copy *copy, const char *name, bool is_counting, uint64_t *needed_size) {
    char from[PATH_MAX], to[PATH_MAX], earlier[PATH_MAX], listed[NAME_MAX + 1];
    if (!join(from, copy->checkpoint, name, copy->problem) || !join(to, copy->target, name, copy->problem) ||
        !join(earlier, copy->previous, name, copy->problem)) {
        return ORDO_ERR_IO;
    }
    const struct ordo_backup_file *same = find_same(copy, name, from);
    if (is_counting) {
        struct stat status;
        if (same == NULL && stat(from, &status) == 0) *needed_size += (uint64_t)status.st_size;
        return ORDO_OK;
    }
    if (snprintf(listed, sizeof listed, "db/%s", name) >= (int)sizeof listed) return ORDO_ERR_IO;
    uint64_t size, hash;
    if (same != NULL && link(earlier, to) == 0) { /* else it is copied: not every file system has links */
        pthread_mutex_lock(&copy->backup->mutex);
        copy->backup->status.linked_size += same->size;
        pthread_mutex_unlock(&copy->backup->mutex);
        ordo_backup_list_add(&copy->list, listed, same->size, same->hash);
        return ORDO_OK;
    }
    ordo_err err = ordo_backup_copy(from, to, &copy->backup->pace, &size, &hash, copy->problem);
    if (!err) ordo_backup_list_add(&copy->list, listed, size, hash);
    return err;
}

static ordo_err each_file(struct copy *copy, bool is_counting, uint64_t *needed_size) {
    DIR *folder = opendir(copy->checkpoint);
    if (folder == NULL) {
        ordo_problem_set(copy->problem, "The folder %s cannot be read: %s.", copy->checkpoint, strerror(errno));
        return ORDO_ERR_IO;
    }
    ordo_err err = ORDO_OK;
    for (struct dirent *entry; !err && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') err = take_file(copy, entry->d_name, is_counting, needed_size);
    }
    closedir(folder);
    return err;
}

/* Better no backup than a shard that refuses edits because of it. */
static ordo_err check_space(struct copy *copy) {
    const struct ordo_backup *backup = copy->backup;
    struct stat here, there;
    uint64_t needed_size = 0;
    ordo_err err = each_file(copy, true, &needed_size);
    if (err) return err;
    bool is_shared = stat(backup->config.folder, &here) == 0 && stat(backup->path, &there) == 0 &&
                     here.st_dev == there.st_dev;
    uint64_t margin = is_shared ? backup->config.space_margin : 0;
    uint64_t free_size = ordo_folder_free_size(backup->path);
    if (free_size >= needed_size + margin) return ORDO_OK;
    ordo_problem_set(copy->problem, "There is no space left for it: %llu MiB are needed in %s, %llu MiB are free%s.",
                     (unsigned long long)((needed_size + margin) >> 20) + 1, backup->path,
                     (unsigned long long)(free_size >> 20),
                     is_shared ? " (it is the disk of the store, which needs some, too)" : "");
    return ORDO_ERR_NO_SPACE;
}

/* What makes a store of the copied database, and then a backup of the store. */
static ordo_err complete(struct copy *copy, uint64_t turn) {
    const char *path = copy->backup->path;
    char name[PATH_MAX];
    struct ordo_low_water mark = {.fd = -1};
    if (!join(name, path, "low-water", copy->problem)) return ORDO_ERR_IO;
    ordo_err err = ordo_low_water_open(&mark, name, turn);
    ordo_low_water_close(&mark);
    if (!err && !join(name, path, "lock", copy->problem)) return ORDO_ERR_IO;
    int lock = err ? -1 : open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (!err && lock < 0) err = ordo_file_error();
    if (lock >= 0) close(lock);
    if (!err) err = ordo_folder_sync(copy->target);
    if (err) {
        ordo_problem_set(copy->problem, "The backup in %s cannot be completed: %s.", path, strerror(errno));
        return err;
    }
    err = ordo_backup_list_write(&copy->list, path, copy->problem);
    if (!err && (err = ordo_folder_sync_parent(path))) {
        ordo_problem_set(copy->problem, "The folder of %s cannot be synced: %s.", path, strerror(errno));
    }
    return err;
}

static void remove_checkpoint(const struct ordo_backup *backup) {
    if (ordo_backup_clear_leftovers(backup->config.folder)) { /* the next backup or start does it, too */
        log_warn("event=checkpoint_left folder=%s reason=\"%s\"", backup->config.folder, strerror(errno));
    }
}

/* Keeps a checkpoint for as long as somebody wants it. */
static ordo_err run_hold(struct copy *copy) {
    struct ordo_backup *backup = copy->backup;
    if (!join(copy->checkpoint, backup->config.folder, "checkpoint", copy->problem)) return ORDO_ERR_IO;
    ordo_err err = make_checkpoint(copy);
    pthread_mutex_lock(&backup->mutex);
    if (!err) backup->status.state = ORDO_BACKUP_HELD;
    pthread_mutex_unlock(&backup->mutex);
    while (!err && !atomic_load(&backup->is_released)) {
        ordo_clock_sleep_ms(HOLD_POLL_MS);
        if (!may_go_on(backup, 0)) err = ORDO_ERR_CLOSED;
        if (ordo_disk_is_full(backup->config.disk)) err = ORDO_ERR_NO_SPACE; /* it holds on to tables that could go */
    }
    remove_checkpoint(backup);
    return err;
}

static ordo_err run_copy(struct copy *copy, uint64_t turn) {
    struct ordo_backup *backup = copy->backup;
    if (!join(copy->checkpoint, backup->config.folder, "checkpoint", copy->problem) ||
        !join(copy->target, backup->path, "db", copy->problem) ||
        !join(copy->previous, backup->previous, "db", copy->problem)) {
        return ORDO_ERR_IO;
    }
    struct ordo_problem unread; /* an earlier backup that does not read is none to share with */
    if (backup->previous[0] == '\0' || ordo_backup_list_read(&copy->earlier, backup->previous, &unread)) {
        ordo_backup_list_finish(&copy->earlier);
    }
    ordo_err err = make_folder(backup->path, copy->problem);
    if (err) return err; /* whatever is there is not ours to remove */
    err = make_folder(copy->target, copy->problem);
    if (!err) err = make_checkpoint(copy);
    if (!err) err = check_space(copy);
    uint64_t unused;
    if (!err) err = each_file(copy, false, &unused);
    if (!err) err = complete(copy, turn);
    if (err && remove_if_there(backup->path)) log_warn("event=backup_left path=\"%s\"", log_quoted(backup->path));
    remove_checkpoint(backup);
    return err;
}

static void *run(void *context) {
    ordo_thread_name("backup");
    struct ordo_backup *backup = context;
    struct ordo_problem problem = {{0}};
    struct copy copy = {.backup = backup, .problem = &problem};
    ordo_sched_step_aside();
    uint64_t turn = backup->status.turn, begun_ms = ordo_clock_monotonic_ms();
    const char *what = backup->is_hold ? "hold" : "backup";
    log_info("event=%s_begun path=\"%s\" turn=%llu", what, log_quoted(backup->path), (unsigned long long)turn);
    ordo_err err = backup->is_hold ? run_hold(&copy) : run_copy(&copy, turn);
    if (err && problem.text[0] == '\0') ordo_problem_set(&problem, "The %s was given up: %s.", what, ordo_err_text(err));
    ordo_backup_list_finish(&copy.list);
    ordo_backup_list_finish(&copy.earlier);
    pthread_mutex_lock(&backup->mutex);
    backup->status.problem = problem;
    backup->status.state = err ? ORDO_BACKUP_FAILED : ORDO_BACKUP_DONE;
    struct ordo_backup_status status = backup->status;
    pthread_mutex_unlock(&backup->mutex);
    if (!backup->is_hold) atomic_store(err ? &backup->failed_ms : &backup->done_ms, ordo_clock_wall_ms());
    if (err) log_warn("event=%s_failed path=\"%s\" reason=\"%s\"", what, log_quoted(backup->path), log_quoted(problem.text));
    else log_info("event=%s_done path=\"%s\" copied=%llu linked=%llu ms=%llu", what, log_quoted(backup->path),
                  (unsigned long long)status.copied_size, (unsigned long long)status.linked_size,
                  (unsigned long long)(ordo_clock_monotonic_ms() - begun_ms));
    return NULL;
}

/* ---- asking */

struct ordo_backup *ordo_backup_create(const struct ordo_backup_config *config) {
    struct ordo_backup *backup = ordo_alloc(sizeof *backup);
    backup->config = *config;
    pthread_mutex_init(&backup->mutex, NULL);
    return backup;
}

static void join_thread(struct ordo_backup *backup) {
    if (backup->has_thread) pthread_join(backup->thread, NULL);
    backup->has_thread = false;
}

void ordo_backup_destroy(struct ordo_backup *backup) {
    if (backup == NULL) return;
    atomic_store(&backup->is_stopping, true);
    join_thread(backup);
    pthread_mutex_destroy(&backup->mutex);
    free(backup);
}

/* An absolute path that leads out of the store's own folder. */
static bool take_path(char out[PATH_MAX], struct ordo_slice path, const char *folder) {
    if (path.size == 0 || path.size >= PATH_MAX || path.data[0] != '/' || memchr(path.data, '\0', path.size) != NULL) {
        return false;
    }
    memcpy(out, path.data, path.size);
    out[path.size] = '\0';
    char real[PATH_MAX], parent[PATH_MAX];
    memcpy(parent, out, path.size + 1);
    *strrchr(parent, '/') = '\0';
    size_t folder_size;
    char real_folder[PATH_MAX];
    if (realpath(parent, real) == NULL || realpath(folder, real_folder) == NULL) return true; /* making it will say why */
    folder_size = strlen(real_folder);
    return strncmp(real, real_folder, folder_size) != 0 || (real[folder_size] != '/' && real[folder_size] != '\0');
}

static void begin(struct ordo_backup *backup, const struct ordo_backup_request *request) {
    join_thread(backup);
    backup->id = request->id;
    uint64_t rate = request->rate > 0 && request->rate < RATE_MIN ? RATE_MIN : request->rate;
    backup->pace = (struct ordo_backup_pace){.rate = rate, .may_go_on = may_go_on, .context = backup};
    backup->status = (struct ordo_backup_status){.state = ORDO_BACKUP_RUNNING,
                                                 .turn = ordo_disk_durable_turn(backup->config.disk)};
    backup->path[0] = backup->previous[0] = '\0';
    backup->is_hold = request->is_hold;
    atomic_store(&backup->is_released, false);
    bool is_fine = take_path(backup->path, request->path, backup->config.folder) &&
                   (request->previous.size == 0 ||
                    take_path(backup->previous, request->previous, backup->config.folder));
    if (!is_fine && !backup->is_hold) {
        backup->status.state = ORDO_BACKUP_FAILED;
        ordo_problem_set(&backup->status.problem,
                         "The path of a backup must be absolute, and not inside of the store's own folder.");
        return;
    }
    int error = pthread_create(&backup->thread, NULL, run, backup);
    ORDO_ASSERT(error == 0);
    backup->has_thread = true;
}

void ordo_backup_ask(struct ordo_backup *backup, const struct ordo_backup_request *request,
                     struct ordo_backup_status *status_out) {
    ORDO_ASSERT(request->id != 0);
    pthread_mutex_lock(&backup->mutex);
    bool is_running = backup->id != 0 && (backup->status.state == ORDO_BACKUP_RUNNING ||
                                          backup->status.state == ORDO_BACKUP_HELD);
    pthread_mutex_unlock(&backup->mutex);
    bool is_new = backup->id != request->id;
    if (is_new && is_running) {
        *status_out = (struct ordo_backup_status){.state = ORDO_BACKUP_BUSY};
        ordo_problem_set(&status_out->problem, "Another backup or check of this store is under way.");
        return;
    }
    atomic_store(&backup->asked_ms, ordo_clock_monotonic_ms());
    if (is_new) begin(backup, request);
    if (request->is_release) atomic_store(&backup->is_released, true);
    pthread_mutex_lock(&backup->mutex);
    *status_out = backup->status;
    pthread_mutex_unlock(&backup->mutex);
}

struct ordo_backup_times ordo_backup_times(const struct ordo_backup *backup) {
    return (struct ordo_backup_times){.done_ms = atomic_load(&backup->done_ms), .failed_ms = atomic_load(&backup->failed_ms)};
}
