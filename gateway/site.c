#define _GNU_SOURCE /* O_NOFOLLOW, fdopendir */
#include "gateway/site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/memory.h"

enum { FILES_MAX = 1000, DEPTH_MAX = 4, PATH_SIZE_MAX = 200 };
#define SITE_SIZE_MAX (64u * 1024 * 1024) /* it stays in memory */

struct ordo_site {
    struct ordo_site_file *files;
    size_t count, size;
};

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(const char *name) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i].ending) == 0) return types[i].type;
    return NULL;
}

static ordo_err read_all(int fd, size_t size, struct ordo_buffer *out) {
    uint8_t *to = ordo_buffer_reserve(out, size + 1);
    while (out->size < size) {
        ssize_t got = read(fd, to + out->size, size - out->size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return ORDO_ERR_IO; /* also if it became shorter meanwhile */
        out->size += (size_t)got;
    }
    return ORDO_OK;
}

static ordo_err add_file(struct ordo_site *site, int fd, size_t size, const char *path, const char *type) {
    if (site->count == FILES_MAX || size > SITE_SIZE_MAX - site->size) return ORDO_ERR_FULL;
    struct ordo_site_file file = {.type = type};
    ordo_err err = read_all(fd, size, &file.bytes);
    if (err) {
        ordo_buffer_finish(&file.bytes);
        return err;
    }
    snprintf(file.etag, sizeof file.etag, "\"%016llx\"",
             (unsigned long long)ordo_hash(ordo_buffer_slice(&file.bytes)));
    size_t path_size = strlen(path);
    file.path = ordo_alloc(path_size + 1);
    memcpy(file.path, path, path_size);
    site->files = ordo_realloc(site->files, (site->count + 1) * sizeof *site->files);
    site->files[site->count++] = file;
    site->size += size;
    return ORDO_OK;
}

static ordo_err add_folder(struct ordo_site *site, int fd, const char *prefix, int depth);

static ordo_err add_entry(struct ordo_site *site, int folder, const char *name, const char *prefix, int depth) {
    char path[PATH_SIZE_MAX];
    if (name[0] == '.') return ORDO_OK;
    if (snprintf(path, sizeof path, "%s/%s", prefix, name) >= (int)sizeof path) return ORDO_ERR_TOO_LARGE;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno == ELOOP ? ORDO_OK : ORDO_ERR_IO; /* a link */
    struct stat stat;
    const char *type = type_of(name);
    ordo_err err = fstat(fd, &stat) == 0 ? ORDO_OK : ORDO_ERR_IO;
    if (!err && S_ISDIR(stat.st_mode)) return add_folder(site, fd, path, depth + 1); /* closes it */
    if (!err && S_ISREG(stat.st_mode) && type != NULL) err = add_file(site, fd, (size_t)stat.st_size, path, type);
    close(fd);
    return err;
}

/* Takes `fd`. */
static ordo_err add_folder(struct ordo_site *site, int fd, const char *prefix, int depth) {
    DIR *folder = depth <= DEPTH_MAX ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        close(fd);
        return depth <= DEPTH_MAX ? ORDO_ERR_IO : ORDO_ERR_TOO_LARGE;
    }
    ordo_err err = ORDO_OK;
    for (struct dirent *entry; !err && (entry = readdir(folder)) != NULL;)
        err = add_entry(site, dirfd(folder), entry->d_name, prefix, depth);
    closedir(folder);
    return err;
}

ordo_err ordo_site_load(struct ordo_site **out, const char *folder, char fault[ORDO_SITE_FAULT_SIZE]) {
    struct ordo_site *site = ordo_alloc(sizeof *site);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ordo_err err = fd < 0 ? ORDO_ERR_IO : add_folder(site, fd, "", 0);
    if (!err && ordo_site_find(site, ordo_slice_of("/")) == NULL) err = ORDO_ERR_NOT_FOUND;
    switch (err) {
    case ORDO_OK: *out = site; return ORDO_OK;
    case ORDO_ERR_NOT_FOUND:
        snprintf(fault, ORDO_SITE_FAULT_SIZE, "%.200s has no index.html", folder);
        break;
    case ORDO_ERR_FULL:
        snprintf(fault, ORDO_SITE_FAULT_SIZE, "%.200s holds more than %d files or %u MiB", folder, FILES_MAX,
                 SITE_SIZE_MAX >> 20);
        break;
    case ORDO_ERR_TOO_LARGE:
        snprintf(fault, ORDO_SITE_FAULT_SIZE, "%.200s has names that are too long, or folders too deep", folder);
        break;
    default: snprintf(fault, ORDO_SITE_FAULT_SIZE, "%.200s cannot be read: %s", folder, strerror(errno)); break;
    }
    ordo_site_destroy(site);
    return err;
}

void ordo_site_destroy(struct ordo_site *site) {
    if (site == NULL) return;
    for (size_t i = 0; i < site->count; i++) {
        free(site->files[i].path);
        ordo_buffer_finish(&site->files[i].bytes);
    }
    free(site->files);
    free(site);
}

const struct ordo_site_file *ordo_site_find(const struct ordo_site *site, struct ordo_slice path) {
    if (site == NULL) return NULL;
    if (ordo_slice_equal(path, ordo_slice_of("/"))) path = ordo_slice_of("/index.html");
    for (size_t i = 0; i < site->count; i++)
        if (ordo_slice_equal(path, ordo_slice_of(site->files[i].path))) return &site->files[i];
    return NULL;
}
