/* A directory in a folder of this machine:
 *
 *     PATH/lock      flock'ed by whoever changes something
 *     PATH/content   all keys and values (content_codec.h); replaced as a whole, so it is always an old or a new one
 *     PATH/leases/   a small file per holder (lease_file.h)
 *
 * The content alone says what there is. A leased key stands in it until somebody finds the lease over, ends it and
 * takes the key out, under the lock; so no two processes see it differently. Nobody has to be there for that: whoever
 * comes next does it.
 *
 * A process that is stopped while it has the lock holds up all changes (they are answered UNAVAILABLE), but no view and
 * no lease. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/directory/backend.h"
#include "common/directory/content_codec.h"
#include "common/directory/lease_file.h"
#include "common/files.h"
#include "common/memory.h"
#include "common/wake.h"

enum { LOOK_MS = 250, RETRY_MS = 20, LOCK_WAIT_MS = 2 };

struct directory_file {
    struct ordo_directory base; /* first: what others see of this */
    char path[PATH_MAX], lock_path[PATH_MAX], content_path[PATH_MAX], new_path[PATH_MAX], leases_path[PATH_MAX];
    struct ordo_thread thread;

    pthread_mutex_t mutex; /* guards what follows, and publishing; held through a whole change, with its syncs */
    struct ordo_directory_content known;
    struct stat known_file; /* zeroed: there was none */
    bool was_locked;        /* when leases were found to be over the last time */

    pthread_mutex_t lease_mutex; /* guards `lease`; never held while anything waits */
    struct ordo_lease_file lease;
};

static struct directory_file *file_of(struct ordo_directory *directory) { return (struct directory_file *)directory; }

/* ---- the lock */

/* The lock file may have been removed together with all else; then another one counts. */
static bool is_at(int fd, const char *path) {
    struct stat mine, there;
    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino &&
           mine.st_dev == there.st_dev;
}

/* A descriptor whose closing lets go of the lock; -1: not within `timeout_ms`, or `*err` says why not. */
static int lock_folder(const struct directory_file *file, uint32_t timeout_ms, ordo_err *err) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + timeout_ms;
    *err = ORDO_OK;
    for (;;) {
        if (mkdir(file->path, 0755) != 0 && errno != EEXIST) break;
        int fd = open(file->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) break;
        bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0, is_busy = !is_locked && errno == EWOULDBLOCK;
        if (is_locked && is_at(fd, file->lock_path)) return fd;
        int saved = errno;
        close(fd);
        errno = saved;
        if (!is_locked && !is_busy) break;
        if (ordo_clock_monotonic_ms() >= end_ms) return -1;
        if (is_busy) ordo_clock_sleep_ms(LOCK_WAIT_MS);
    }
    *err = ordo_file_error();
    return -1;
}

/* ---- reading */

/* What stands in the file; no file: nothing does. `status` tells this file from others. */
static ordo_err read_content(const struct directory_file *file, struct ordo_directory_content *out,
                             struct stat *status) {
    struct ordo_buffer bytes = {0};
    *status = (struct stat){0};
    ordo_err err = ordo_file_read(file->content_path, &bytes);
    if (err == ORDO_ERR_NOT_FOUND) {
        struct stat folder;
        if (stat(file->path, &folder) == 0)
            err = ORDO_OK; /* else its disk may be missing, and with it more than one file */
    } else if (err == ORDO_OK) {
        err = ordo_directory_content_decode(ordo_buffer_slice(&bytes), out);
        if (stat(file->content_path, status) != 0) *status = (struct stat){0};
    }
    ordo_buffer_finish(&bytes);
    return err;
}

static void describe(const struct directory_file *file, ordo_err err, struct ordo_problem *problem) {
    if (err == ORDO_ERR_CORRUPT) {
        ordo_problem_set(problem,
                         "The file %s is damaged. Remove it, and what it said is built anew from what the stores say.",
                         file->content_path);
    } else if (err == ORDO_ERR_VERSION) {
        ordo_problem_set(problem, "The file %s was written by another version.", file->content_path);
    } else {
        ordo_problem_set(problem, "The directory %s cannot be read or written: %s.", file->path, strerror(errno));
    }
}

static void know(struct directory_file *file, struct ordo_directory_content *content, const struct stat *status) {
    ordo_directory_content_finish(&file->known);
    file->known = *content;
    *content = (struct ordo_directory_content){0};
    file->known_file = *status;
    ordo_directory_publish(&file->base, &file->known);
}

/* ---- changing: all of it under the lock */

static ordo_err write_content(struct directory_file *file, struct ordo_directory_content *content) {
    struct ordo_buffer bytes = {0};
    content->revision++;
    ordo_directory_content_encode(&bytes, content);
    ordo_err err = ordo_file_replace(file->content_path, file->new_path, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
    return err;
}

/* 0: all that something goes with are good. */
static uint64_t find_lease_over(const struct directory_file *file, const struct ordo_directory_content *content) {
    for (size_t i = 0; i < content->count; i++) {
        uint64_t lease = content->items[i].lease;
        if (lease != 0 && ordo_lease_is_over(file->leases_path, lease)) return lease;
    }
    return 0;
}

/* Takes out what goes with leases that are over; whether there was any. Each is ended before its keys go: its holder
 * must not find it good again. */
static bool end_leases(const struct directory_file *file, struct ordo_directory_content *content) {
    bool has_ended = false;
    for (uint64_t lease; (lease = find_lease_over(file, content)) != 0; has_ended = true) {
        ordo_lease_end(file->leases_path, lease);
        ordo_directory_content_end_lease(content, lease);
    }
    return has_ended;
}

static ordo_err hold_lease(struct directory_file *file, uint64_t *number_out) {
    ordo_err err = ORDO_OK;
    pthread_mutex_lock(&file->lease_mutex);
    if (!ordo_lease_is_held(&file->lease)) {
        if (file->lease.fd >= 0) close(file->lease.fd);
        ordo_lease_end_lapsed(file->leases_path);
        err = ordo_lease_take(&file->lease, file->leases_path, file->base.options.lease_ttl_ms);
    }
    *number_out = file->lease.number;
    pthread_mutex_unlock(&file->lease_mutex);
    return err;
}

static ordo_err apply(struct directory_file *file, const struct ordo_directory_changes *changes,
                      struct ordo_directory_content *content) {
    for (size_t i = 0; i < changes->count; i++) {
        const char *key = changes->items[i].key;
        uint64_t lease = 0;
        ordo_err err = ORDO_OK;
        switch (changes->items[i].verb) {
        case ORDO_DIRECTORY_CHECK: break;
        case ORDO_DIRECTORY_DELETE: ordo_directory_content_delete(content, key); break;
        case ORDO_DIRECTORY_PUT_LEASED: err = hold_lease(file, &lease); /* fall through */
        case ORDO_DIRECTORY_PUT:
            if (!err)
                err = ordo_directory_content_put(content, key, ordo_buffer_slice(&changes->items[i].value), lease);
            break;
        }
        if (err) return err;
    }
    return ORDO_OK;
}

static bool are_as_seen(const struct ordo_directory_view *view, const struct ordo_directory_changes *changes,
                        const struct ordo_directory_content *content) {
    for (size_t i = 0; i < changes->count; i++) {
        const char *key = changes->items[i].key;
        if (changes->items[i].is_regardless) continue;
        if (!ordo_directory_is_as_seen(view, key, ordo_directory_content_find(content, key))) return false;
    }
    return true;
}

static ordo_err change_locked(struct directory_file *file, const struct ordo_directory_view *view,
                              const struct ordo_directory_changes *changes, struct ordo_problem *problem) {
    struct ordo_directory_content content = {0};
    struct stat status;
    ordo_err err = read_content(file, &content, &status);
    if (!err) {
        end_leases(file, &content);
        err = are_as_seen(view, changes, &content) ? apply(file, changes, &content) : ORDO_ERR_CONFLICT;
    }
    if (!err) err = write_content(file, &content);
    if (err == ORDO_ERR_CONFLICT) {
        ordo_problem_set(problem, "The directory was changed by somebody else meanwhile.");
    } else if (err == ORDO_ERR_TOO_LARGE) {
        ordo_problem_set(problem, "The directory %s is full: it holds %u MiB at most.", file->path,
                         ORDO_DIRECTORY_SIZE_MAX >> 20);
    } else if (err) {
        describe(file, err, problem);
    } else {
        if (stat(file->content_path, &status) != 0) status = (struct stat){0};
        know(file, &content, &status);
    }
    ordo_directory_content_finish(&content);
    return err;
}

static ordo_err file_change(struct ordo_directory *directory, const struct ordo_directory_view *view,
                            const struct ordo_directory_changes *changes, struct ordo_problem *problem) {
    struct directory_file *file = file_of(directory);
    ordo_err err;
    pthread_mutex_lock(&file->mutex);
    int lock = lock_folder(file, directory->options.timeout_ms, &err);
    if (lock >= 0) {
        err = change_locked(file, view, changes, problem);
        close(lock);
    } else if (err) {
        describe(file, err, problem);
        if (err == ORDO_ERR_NOT_FOUND)
            err = ORDO_ERR_UNAVAILABLE; /* the folder's folder: a disk that is not there yet */
    } else {
        ordo_problem_set(problem, "The lock of the directory %s is held by a process that does not go on.", file->path);
        err = ORDO_ERR_UNAVAILABLE;
    }
    pthread_mutex_unlock(&file->mutex);
    return err;
}

/* ---- the thread: looks what others changed, renews the lease, ends those of others */

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Takes what is over out of the content that was just read. False: not while somebody else changes something; he does it
 * himself, and there is a next time. Under the mutex. */
static bool sweep(struct directory_file *file, struct ordo_directory_content *content, struct stat *status) {
    struct ordo_directory_content swept = {0};
    struct stat swept_status;
    ordo_err err;
    int lock = lock_folder(file, 0, &err);
    if (lock < 0) return false;
    err = read_content(file, &swept, &swept_status);
    if (!err && end_leases(file, &swept)) err = write_content(file, &swept);
    if (!err && stat(file->content_path, &swept_status) == 0) {
        ordo_directory_content_finish(content);
        *content = swept;
        *status = swept_status;
        swept = (struct ordo_directory_content){0};
    }
    close(lock);
    ordo_directory_content_finish(&swept);
    return true;
}

/* Where the lock is held by a process that does not go on, what is over stands in the file still; here it is over all the
 * same. Whoever changes something next ends it for good. */
static void leave_out_what_is_over(const struct directory_file *file, struct ordo_directory_content *content) {
    for (uint64_t lease; (lease = find_lease_over(file, content)) != 0;) ordo_directory_content_end_lease(content, lease);
}

/* Reads it if it may be another than what is known, or if it has to become another. Under the mutex. */
static void look(struct directory_file *file, bool is_changed) {
    struct ordo_directory_content content = {0};
    struct ordo_problem problem;
    struct stat status = {0};
    if (mkdir(file->path, 0755) != 0 && errno != EEXIST) { /* so that there is something to watch */
        describe(file, ordo_file_error(), &problem);
        ordo_directory_publish_away(&file->base, problem.text);
        return;
    }
    if (stat(file->content_path, &status) != 0) status = (struct stat){0};
    bool is_known = file->base.view->away_since_ms == 0 && !is_changed && is_same_file(&status, &file->known_file);
    if (is_known && find_lease_over(file, &file->known) == 0) return;
    ordo_err err = read_content(file, &content, &status);
    if (!err && find_lease_over(file, &content) != 0) {
        bool is_locked = !sweep(file, &content, &status);
        /* Whoever has the lock for a moment may still find the lease good again: only when he does not go on. */
        if (!is_locked || file->was_locked) leave_out_what_is_over(file, &content);
        file->was_locked = is_locked;
    } else if (!err) {
        file->was_locked = false;
    }
    if (err) {
        describe(file, err, &problem);
        ordo_directory_publish_away(&file->base, problem.text);
    } else {
        know(file, &content, &status);
    }
    ordo_directory_content_finish(&content);
}

/* The folder may have been made anew since it was watched; adding what is watched already changes nothing. */
static void watch(const struct directory_file *file, int watch_fd) {
    if (watch_fd >= 0) (void)inotify_add_watch(watch_fd, file->path, IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
}

/* Whether there was any news. */
static bool drain(int watch_fd) {
    char news[4096];
    bool has_any = false;
    while (watch_fd >= 0 && read(watch_fd, news, sizeof news) > 0) has_any = true;
    return has_any;
}

static void renew(struct directory_file *file, uint64_t now_ms, uint64_t *next_ms) {
    if (now_ms < *next_ms) return;
    *next_ms = now_ms + file->base.options.lease_ttl_ms / 4;
    pthread_mutex_lock(&file->lease_mutex);
    (void)ordo_lease_renew(&file->lease); /* lost: the view shows it, and the next leased put makes a new one */
    pthread_mutex_unlock(&file->lease_mutex);
}

static bool is_stop_wanted(const struct directory_file *file) {
    struct pollfd stop = {.fd = file->thread.stop_fd, .events = POLLIN};
    return poll(&stop, 1, 0) == 1;
}

static void *run(void *context) {
    ordo_thread_name("directory");
    struct directory_file *file = context;
    int watch_fd =
        inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* -1: then looking has to do, as it also has if news get lost */
    uint64_t renew_ms = 0;
    bool is_changed = true;
    while (!is_stop_wanted(file)) {
        renew(file, ordo_clock_monotonic_ms(), &renew_ms);
        bool is_free =
            pthread_mutex_trylock(&file->mutex) == 0; /* else a change is under way, and the lease must not wait */
        if (is_free) {
            watch(file, watch_fd);
            is_changed |= drain(watch_fd) || watch_fd < 0;
            look(file, is_changed);
            is_changed = false;
            pthread_mutex_unlock(&file->mutex);
        }
        uint64_t now_ms = ordo_clock_monotonic_ms(), wait_ms = renew_ms > now_ms ? renew_ms - now_ms : 0;
        uint64_t most_ms = is_free ? LOOK_MS : RETRY_MS;
        struct pollfd waits[] = {{.fd = file->thread.stop_fd, .events = POLLIN},
                                 {.fd = is_free ? watch_fd : -1, .events = POLLIN}};
        poll(waits, 2, (int)(wait_ms < most_ms ? wait_ms : most_ms));
    }
    if (watch_fd >= 0) close(watch_fd);
    return NULL;
}

/* ---- opening and closing */

/* So that all others see it at once, and not only when they look for it. */
static void give_lease_up(struct directory_file *file) {
    static const struct ordo_directory_view nothing;
    static const struct ordo_directory_changes none;
    struct ordo_problem problem;
    bool is_held = ordo_lease_is_held(&file->lease);
    ordo_lease_give_up(&file->lease);
    if (is_held) (void)file_change(&file->base, &nothing, &none, &problem); /* any change takes out what is over */
}

static void file_close(struct ordo_directory *directory) {
    struct directory_file *file = file_of(directory);
    ordo_thread_stop(&file->thread);
    give_lease_up(file);
    ordo_directory_content_finish(&file->known);
    pthread_mutex_destroy(&file->mutex);
    pthread_mutex_destroy(&file->lease_mutex);
    ordo_directory_finish(directory);
    free(file);
}

static const struct ordo_directory_ops file_ops = {.change = file_change, .close = file_close};

static bool join(char out[PATH_MAX], const char *path, const char *name) {
    return snprintf(out, PATH_MAX, "%s%s", path, name) < PATH_MAX;
}

ordo_err ordo_directory_file_open(struct ordo_directory **out, const char *address,
                                  const struct ordo_directory_options *options, struct ordo_problem *problem) {
    struct directory_file *file = ordo_alloc(sizeof *file);
    if (address[0] == '\0' || strlen(address) + 32 > PATH_MAX || !join(file->path, address, "") ||
        !join(file->lock_path, address, "/lock") || !join(file->content_path, address, "/content") ||
        !join(file->new_path, address, "/content.new") || !join(file->leases_path, address, "/leases")) {
        free(file);
        ordo_problem_set(problem, "The directory 'file:%.100s' names no folder.", address);
        return ORDO_ERR_INVALID;
    }
    ordo_directory_init(&file->base, &file_ops, options);
    file->lease.fd = -1;
    pthread_mutex_init(&file->mutex, NULL);
    pthread_mutex_init(&file->lease_mutex, NULL);
    ordo_thread_start(&file->thread, run, file);
    *out = &file->base;
    return ORDO_OK;
}
