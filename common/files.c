#define _GNU_SOURCE /* nftw */

#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

ordo_err ordo_file_error(void) {
    switch (errno) {
    case ENOENT: return ORDO_ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT: return ORDO_ERR_NO_SPACE;
    default: return ORDO_ERR_IO;
    }
}

/* Closes, and leaves `errno` as it is. */
static ordo_err close_with(int fd, ordo_err err) {
    int saved = errno;
    close(fd);
    errno = saved;
    return err;
}

ordo_err ordo_file_read(const char *path, struct ordo_buffer *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ordo_file_error();
    for (;;) {
        enum { CHUNK_SIZE = 256 * 1024 };
        ssize_t size = read(fd, ordo_buffer_reserve(out, CHUNK_SIZE), CHUNK_SIZE);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return close_with(fd, ordo_file_error());
        if (size == 0) return close_with(fd, ORDO_OK);
        out->size += (size_t)size;
    }
}

static ordo_err write_all(int fd, struct ordo_slice bytes) {
    while (bytes.size > 0) {
        ssize_t size = write(fd, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return ordo_file_error();
        bytes = ordo_slice(bytes.data + size, bytes.size - (size_t)size);
    }
    return ORDO_OK;
}

/* Takes `fd`, of the new file `temporary`. */
static ordo_err replace_by(int fd, const char *path, const char *temporary, struct ordo_slice bytes) {
    if (fd < 0) return ordo_file_error();
    ordo_err err = write_all(fd, bytes);
    if (!err && fsync(fd) != 0) err = ordo_file_error();
    err = close_with(fd, err);
    if (!err && rename(temporary, path) != 0) err = ordo_file_error();
    if (!err) err = ordo_folder_sync_parent(path);
    if (!err) err = ordo_folder_sync_parent(temporary);
    return err;
}

ordo_err ordo_file_replace(const char *path, const char *temporary, struct ordo_slice bytes) {
    return replace_by(open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), path, temporary, bytes);
}

ordo_err ordo_file_replace_secret(const char *path, const char *temporary, struct ordo_slice bytes) {
    if (unlink(temporary) != 0 && errno != ENOENT) return ordo_file_error(); /* one that was left may be open to others */
    return replace_by(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), path, temporary, bytes);
}

ordo_err ordo_folder_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ordo_file_error();
    return close_with(fd, fsync(fd) == 0 ? ORDO_OK : ordo_file_error());
}

ordo_err ordo_folder_sync_parent(const char *path) {
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return ordo_folder_sync(".");
    snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return ordo_folder_sync(parent);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)status, (void)kind, (void)position;
    return remove(path);
}

ordo_err ordo_folder_remove(const char *path) {
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? ORDO_OK : ordo_file_error();
}

uint64_t ordo_folder_free_size(const char *path) {
    struct statvfs status;
    if (statvfs(path, &status) != 0) return 0;
    return (uint64_t)status.f_bavail * status.f_frsize;
}
