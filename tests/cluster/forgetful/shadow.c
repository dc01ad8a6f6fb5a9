#define _GNU_SOURCE /* statx */

#include "shadow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The library interposes open, write and the like; what happens here must reach the kernel unseen. */
static int raw_openat(int folder, const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, folder, path, flags | O_CLOEXEC, mode);
}
static ssize_t raw_pwrite(int fd, const void *data, size_t size, off_t offset) {
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

static _Noreturn void die(const char *what, const char *path) {
    fprintf(stderr, "forgetful: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

static void join(char out[PATH_MAX], const char *a, const char *b, const char *c) {
    if (snprintf(out, PATH_MAX, "%s/%s/%s", a, b, c) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        die("path", a);
    }
}

bool shadow_from_environment(struct shadow *shadow) {
    const char *root = getenv("ORDO_FORGET_ROOT"), *path = getenv("ORDO_FORGET_SHADOW");
    if (root == NULL || realpath(root, shadow->root) == NULL) return false;
    int size = path != NULL ? snprintf(shadow->path, PATH_MAX, "%s", path)
                            : snprintf(shadow->path, PATH_MAX, "%s.durable", shadow->root);
    return size < PATH_MAX;
}

bool shadow_covers(const struct shadow *shadow, const char *path) {
    size_t size = strlen(shadow->root);
    return strncmp(path, shadow->root, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

bool shadow_key(int fd, char key[SHADOW_KEY_SIZE], bool *is_folder, off_t *size) {
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) return false;
    if (!S_ISDIR(status.stx_mode) && !S_ISREG(status.stx_mode)) return false;
    snprintf(key, SHADOW_KEY_SIZE, "%llu.%lld.%u", (unsigned long long)status.stx_ino,
             (long long)status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
    *is_folder = S_ISDIR(status.stx_mode);
    *size = (off_t)status.stx_size;
    return true;
}

/* ---- files */

/* The range that was lost and not written again; empty if none. */
static struct shadow_range read_lost(const struct shadow *shadow, const char *key) {
    char path[PATH_MAX], text[64] = {0};
    struct shadow_range range = {0, 0};
    join(path, shadow->path, "lost", key);
    int fd = raw_openat(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0) return range;
    long long from, to;
    if (pread(fd, text, sizeof text - 1, 0) > 0 && sscanf(text, "%lld %lld", &from, &to) == 2) {
        range = (struct shadow_range){from, to};
    }
    close(fd);
    return range;
}

static void write_lost(const struct shadow *shadow, const char *key, struct shadow_range range) {
    char path[PATH_MAX], text[64];
    join(path, shadow->path, "lost", key);
    int fd = raw_openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) die("cannot write", path);
    int size = snprintf(text, sizeof text, "%20lld %20lld\n", (long long)range.from, (long long)range.to);
    if (raw_pwrite(fd, text, (size_t)size, 0) != size) die("cannot write", path);
    close(fd);
}

static void copy_range(int from, int to, struct shadow_range range, const char *path) {
    static _Thread_local char bytes[256 * 1024];
    while (range.from < range.to) {
        size_t want = (size_t)(range.to - range.from) < sizeof bytes ? (size_t)(range.to - range.from) : sizeof bytes;
        ssize_t got = pread(from, bytes, want, range.from);
        if (got < 0) die("cannot read", path);
        if (got == 0) return; /* it became shorter meanwhile */
        if (raw_pwrite(to, bytes, (size_t)got, range.from) != got) die("cannot write", path);
        range.from += got;
    }
}

void shadow_sync_file(const struct shadow *shadow, int fd, const char *key, off_t size, struct shadow_range dirty,
                      bool is_known) {
    char path[PATH_MAX], source[64];
    join(path, shadow->path, "files", key);
    int to = raw_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0644);
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd); /* the caller's may be for writing only */
    int from = raw_openat(AT_FDCWD, source, O_RDONLY, 0);
    if (to < 0 || from < 0) die("cannot open", path);
    struct stat status;
    if (fstat(to, &status) != 0 || ftruncate(to, size) != 0) die("cannot size", path);
    struct shadow_range lost = read_lost(shadow, key);
    if (!is_known) { /* by whom it was written, and when, does not matter: all pages go to the disk but the lost ones */
        copy_range(from, to, (struct shadow_range){0, lost.from < lost.to ? lost.from : size}, path);
        if (lost.from < lost.to) copy_range(from, to, (struct shadow_range){lost.to, size}, path);
    } else {
        if (size > status.st_size && dirty.from > status.st_size && !(lost.from < lost.to)) dirty.from = status.st_size;
        copy_range(from, to, dirty, path);
    }
    if (lost.from < lost.to && dirty.from <= lost.from && dirty.to >= lost.to) {
        write_lost(shadow, key, (struct shadow_range){0, 0});
    }
    close(from);
    close(to);
}

void shadow_lose(const struct shadow *shadow, const char *key, struct shadow_range dirty) {
    if (dirty.from >= dirty.to) return;
    struct shadow_range lost = read_lost(shadow, key);
    if (lost.from < lost.to) {
        if (lost.from < dirty.from) dirty.from = lost.from;
        if (lost.to > dirty.to) dirty.to = lost.to;
    }
    write_lost(shadow, key, dirty);
}

/* ---- folders */

/* One line per entry. Entries that vanish meanwhile are left out. */
static void list_entries(DIR *entries, FILE *out) {
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char key[SHADOW_KEY_SIZE];
        bool is_folder;
        off_t size;
        int fd = raw_openat(dirfd(entries), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        if (fd < 0) continue;
        if (shadow_key(fd, key, &is_folder, &size)) {
            fprintf(out, "%s%s %s\n", key, is_folder ? "/" : "", entry->d_name);
        }
        close(fd);
    }
}

void shadow_sync_folder(const struct shadow *shadow, int fd, const char *key) {
    char path[PATH_MAX], temporary[PATH_MAX], source[64];
    join(path, shadow->path, "folders", key);
    if (snprintf(temporary, sizeof temporary, "%s/new.%s", shadow->path, key) >= PATH_MAX) abort();
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    int folder = raw_openat(AT_FDCWD, source, O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (entries == NULL || out == NULL) die("cannot list", source);
    list_entries(entries, out);
    closedir(entries);
    fclose(out);
    int to = raw_openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (to < 0 || raw_pwrite(to, text, size, 0) != (ssize_t)size) die("cannot write", temporary);
    close(to);
    free(text);
    if (rename(temporary, path) != 0) die("cannot rename", temporary);
}

/* ---- the beginning */

static void take_all(const struct shadow *shadow, const char *path) {
    char key[SHADOW_KEY_SIZE];
    bool is_folder;
    off_t size;
    int fd = raw_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0) return;
    if (shadow_key(fd, key, &is_folder, &size)) {
        if (!is_folder) {
            shadow_sync_file(shadow, fd, key, size, (struct shadow_range){0, 0}, false);
        } else {
            shadow_sync_folder(shadow, fd, key);
            DIR *entries = opendir(path);
            for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
                char child[PATH_MAX];
                if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) < PATH_MAX) take_all(shadow, child);
            }
            if (entries != NULL) closedir(entries);
        }
    }
    close(fd);
}

void shadow_begin(const struct shadow *shadow) {
    static const char *const parts[] = {"files", "lost", "folders"};
    char path[PATH_MAX];
    if (access(shadow->path, F_OK) == 0) return;
    /* Under another name until it is whole: a kill in the middle must not leave half a shadow. */
    struct shadow fresh = *shadow;
    if (snprintf(fresh.path, PATH_MAX, "%s.%d", shadow->path, (int)getpid()) >= PATH_MAX) abort();
    if (mkdir(fresh.path, 0755) != 0) die("cannot make", fresh.path);
    for (int i = 0; i < 3; i++) {
        join(path, fresh.path, parts[i], "");
        if (mkdir(path, 0755) != 0) die("cannot make", path);
    }
    take_all(&fresh, shadow->root);
    if (rename(fresh.path, shadow->path) != 0) die("cannot rename", fresh.path);
}
