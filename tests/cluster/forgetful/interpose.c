/* tests/cluster/forgetful/interpose.c: the preloaded library: sees what a process writes and syncs in ROOT.
 *
 * For each file it keeps the range written since the last sync; a sync copies that range to the shadow (shadow.h) and
 * only then returns. sync_file_range makes nothing durable: it writes no metadata and asks no disk to flush. What stdio
 * writes is not seen, and counts as not synced until a sync of its file copies it all. */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "shadow.h"

enum { FD_COUNT = 65536, BUCKET_COUNT = 4096 };

struct file {
    struct file *next; /* in its bucket */
    char key[SHADOW_KEY_SIZE];
    struct shadow_range dirty;
    bool is_known; /* every write since the last sync was seen */
    pthread_mutex_t syncing; /* held through a sync: a later one waits, and one that began earlier cannot undo it */
};

static struct shadow shadow;
static bool is_active;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct file *files_by_fd[FD_COUNT];
static struct file *buckets[BUCKET_COUNT];

#define REAL(name) real_##name
#define DECLARE_REAL(type, name, ...) static type (*REAL(name))(__VA_ARGS__)
DECLARE_REAL(int, open, const char *, int, ...);
DECLARE_REAL(int, openat, int, const char *, int, ...);
DECLARE_REAL(int, close, int);
DECLARE_REAL(ssize_t, write, int, const void *, size_t);
DECLARE_REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
DECLARE_REAL(ssize_t, writev, int, const struct iovec *, int);
DECLARE_REAL(int, fsync, int);
DECLARE_REAL(int, fdatasync, int);
DECLARE_REAL(int, ftruncate, int, off_t);
DECLARE_REAL(int, fallocate, int, int, off_t, off_t);
DECLARE_REAL(int, posix_fallocate, int, off_t, off_t);
DECLARE_REAL(int, statvfs, const char *, struct statvfs *);
DECLARE_REAL(int, fstatvfs, int, struct statvfs *);

static void *find(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) abort();
    return function;
}

static void begin(void) {
    REAL(open) = find("open");
    REAL(openat) = find("openat");
    REAL(close) = find("close");
    REAL(write) = find("write");
    REAL(pwrite) = find("pwrite");
    REAL(writev) = find("writev");
    REAL(fsync) = find("fsync");
    REAL(fdatasync) = find("fdatasync");
    REAL(ftruncate) = find("ftruncate");
    REAL(fallocate) = find("fallocate");
    REAL(posix_fallocate) = find("posix_fallocate");
    REAL(statvfs) = find("statvfs");
    REAL(fstatvfs) = find("fstatvfs");
    if (!shadow_from_environment(&shadow)) return;
    faults_begin();
    is_active = true;
}

static void ready(void) { pthread_once(&once, begin); }

/* Before main: what is in ROOT now was there before and counts as durable. */
__attribute__((constructor)) static void load(void) {
    ready();
    if (is_active) shadow_begin(&shadow);
}

/* ---- files */

static bool is_covered(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return false;
    path[size] = '\0';
    return shadow_covers(&shadow, path);
}

/* Under the mutex. */
static struct file *file_of_key(const char *key) {
    unsigned hash = 5381;
    for (const char *p = key; *p != '\0'; p++) hash = hash * 33 + (unsigned char)*p;
    struct file **bucket = &buckets[hash % BUCKET_COUNT];
    for (struct file *file = *bucket; file != NULL; file = file->next) {
        if (strcmp(file->key, key) == 0) return file;
    }
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL) abort();
    snprintf(file->key, sizeof file->key, "%s", key);
    pthread_mutex_init(&file->syncing, NULL);
    file->next = *bucket;
    *bucket = file;
    return file;
}

static void opened(int fd, int flags) {
    int saved = errno;
    char key[SHADOW_KEY_SIZE];
    bool is_folder;
    off_t size;
    if (is_active && fd < FD_COUNT && (flags & O_ACCMODE) != O_RDONLY && is_covered(fd) &&
        shadow_key(fd, key, &is_folder, &size) && !is_folder) {
        pthread_mutex_lock(&mutex);
        struct file *file = file_of_key(key);
        if (size == 0) file->is_known = true;
        files_by_fd[fd] = file;
        pthread_mutex_unlock(&mutex);
    }
    errno = saved;
}

static bool is_watched(int fd) { return is_active && fd >= 0 && fd < FD_COUNT && files_by_fd[fd] != NULL; }

static void written(int fd, off_t from, off_t to) {
    if (from >= to) return;
    pthread_mutex_lock(&mutex);
    struct file *file = files_by_fd[fd];
    if (file->dirty.from >= file->dirty.to) {
        file->dirty = (struct shadow_range){from, to};
    } else {
        if (from < file->dirty.from) file->dirty.from = from;
        if (to > file->dirty.to) file->dirty.to = to;
    }
    pthread_mutex_unlock(&mutex);
}

static bool has_space(size_t size) {
    if (faults_take_space(size)) return true;
    errno = ENOSPC;
    return false;
}

static void wait_ms(unsigned ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* Under `syncing` of the file. */
static int sync_file(struct file *file, int fd, int (*real)(int)) {
    struct fault_of_sync fault = faults_next_sync();
    struct stat status;
    if (fstat(fd, &status) != 0) return -1;
    pthread_mutex_lock(&mutex);
    struct shadow_range dirty = file->dirty;
    bool is_known = file->is_known;
    file->dirty = (struct shadow_range){0, 0};
    file->is_known = true;
    pthread_mutex_unlock(&mutex);
    wait_ms(fault.delay_ms);
    if (fault.fails) {
        shadow_lose(&shadow, file->key, dirty);
        errno = EIO;
        return -1;
    }
    if (!fault.skips_real && real(fd) != 0) return -1;
    shadow_sync_file(&shadow, fd, file->key, status.st_size, dirty, is_known);
    return 0;
}

static int sync_watched(int fd, int (*real)(int), const char *key) {
    pthread_mutex_lock(&mutex);
    struct file *file = file_of_key(key);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_lock(&file->syncing);
    int rc = sync_file(file, fd, real), saved = errno;
    pthread_mutex_unlock(&file->syncing);
    errno = saved;
    return rc;
}

static int sync_any(int fd, int (*real)(int)) {
    char key[SHADOW_KEY_SIZE];
    bool is_folder;
    off_t size;
    if (!is_active || !is_covered(fd) || !shadow_key(fd, key, &is_folder, &size)) return real(fd);
    if (!is_folder) return sync_watched(fd, real, key);
    static pthread_mutex_t folder_mutex = PTHREAD_MUTEX_INITIALIZER; /* a listing must not replace a newer one */
    pthread_mutex_lock(&folder_mutex);
    shadow_sync_folder(&shadow, fd, key);
    pthread_mutex_unlock(&folder_mutex);
    return real(fd);
}

/* ---- what the process calls */

#define EXPORT __attribute__((visibility("default")))

EXPORT int open(const char *path, int flags, ...) {
    ready();
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int fd = REAL(open)(path, flags, mode);
    if (fd >= 0) opened(fd, flags);
    return fd;
}
EXPORT int open64(const char *path, int flags, ...) __attribute__((alias("open")));

EXPORT int openat(int folder, const char *path, int flags, ...) {
    ready();
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int fd = REAL(openat)(folder, path, flags, mode);
    if (fd >= 0) opened(fd, flags);
    return fd;
}
EXPORT int openat64(int folder, const char *path, int flags, ...) __attribute__((alias("openat")));

EXPORT int close(int fd) {
    ready();
    if (is_watched(fd)) {
        pthread_mutex_lock(&mutex);
        files_by_fd[fd] = NULL;
        pthread_mutex_unlock(&mutex);
    }
    return REAL(close)(fd);
}

EXPORT ssize_t write(int fd, const void *data, size_t size) {
    ready();
    if (!is_watched(fd)) return REAL(write)(fd, data, size);
    if (!has_space(size)) return -1;
    ssize_t done = REAL(write)(fd, data, size);
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (done > 0) written(fd, end - done, end);
    return done;
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    ready();
    if (!is_watched(fd)) return REAL(pwrite)(fd, data, size, offset);
    if (!has_space(size)) return -1;
    ssize_t done = REAL(pwrite)(fd, data, size, offset);
    if (done > 0) written(fd, offset, offset + done);
    return done;
}
EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) __attribute__((alias("pwrite")));

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
    ready();
    if (!is_watched(fd)) return REAL(writev)(fd, parts, count);
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    if (!has_space(size)) return -1;
    ssize_t done = REAL(writev)(fd, parts, count);
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (done > 0) written(fd, end - done, end);
    return done;
}

EXPORT int fsync(int fd) {
    ready();
    return sync_any(fd, REAL(fsync));
}

EXPORT int fdatasync(int fd) {
    ready();
    return sync_any(fd, REAL(fdatasync));
}

EXPORT int ftruncate(int fd, off_t size) {
    ready();
    return REAL(ftruncate)(fd, size); /* the size is looked at when the file is synced */
}
EXPORT int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));

/* Space given in advance is not counted: it is taken when it is written. But there must be some. */
EXPORT int fallocate(int fd, int mode, off_t offset, off_t size) {
    ready();
    if (is_watched(fd) && !(mode & FALLOC_FL_PUNCH_HOLE) && !has_space(0)) return -1;
    return REAL(fallocate)(fd, mode, offset, size);
}
EXPORT int fallocate64(int fd, int mode, off_t offset, off_t size) __attribute__((alias("fallocate")));

EXPORT int posix_fallocate(int fd, off_t offset, off_t size) {
    ready();
    uint64_t left;
    if (is_watched(fd) && faults_free_space(&left) && left < (uint64_t)size) return ENOSPC;
    if (is_watched(fd)) (void)faults_take_space((uint64_t)size);
    return REAL(posix_fallocate)(fd, offset, size);
}
EXPORT int posix_fallocate64(int fd, off_t offset, off_t size) __attribute__((alias("posix_fallocate")));

static void limit_space(struct statvfs *status) {
    uint64_t left;
    if (!faults_free_space(&left)) return;
    status->f_bavail = status->f_bfree = left / status->f_frsize;
}

EXPORT int statvfs(const char *path, struct statvfs *status) {
    ready();
    char real_path[PATH_MAX];
    int rc = REAL(statvfs)(path, status);
    if (rc == 0 && is_active && realpath(path, real_path) != NULL && shadow_covers(&shadow, real_path)) {
        limit_space(status);
    }
    return rc;
}
_Static_assert(sizeof(struct statvfs) == sizeof(struct statvfs64), "the same on 64-bit machines");
EXPORT int statvfs64(const char *path, struct statvfs64 *status) { return statvfs(path, (struct statvfs *)status); }

EXPORT int fstatvfs(int fd, struct statvfs *status) {
    ready();
    int rc = REAL(fstatvfs)(fd, status);
    if (rc == 0 && is_active && is_covered(fd)) limit_space(status);
    return rc;
}
EXPORT int fstatvfs64(int fd, struct statvfs64 *status) { return fstatvfs(fd, (struct statvfs *)status); }
