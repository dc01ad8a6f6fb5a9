/* tests/unit/scratch.h: a folder of its own for a test that needs files. */
#ifndef ORDO_TESTS_SCRATCH_H
#define ORDO_TESTS_SCRATCH_H

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/files.h"

/* Makes a new folder and writes its path to `path`. */
static inline void scratch_make(char path[PATH_MAX]) {
    const char *parent = getenv("TMPDIR");
    snprintf(path, PATH_MAX, "%s/ordo-test-XXXXXX", parent != NULL ? parent : "/tmp");
    ORDO_ASSERT(mkdtemp(path) != NULL);
}

/* A process that is just ending may still make a file in there: then once more. */
static inline void scratch_remove(const char *path) {
    ordo_err err = ordo_folder_remove(path);
    for (int i = 0; i < 500 && err; i++) {
        usleep(10000);
        err = ordo_folder_remove(path);
    }
    ORDO_ASSERT(err == ORDO_OK);
}

static inline void scratch_join(char out[PATH_MAX], const char *path, const char *name) {
    ORDO_ASSERT(snprintf(out, PATH_MAX, "%s/%s", path, name) < PATH_MAX);
}

static inline void scratch_write(const char *path, struct ordo_slice bytes) {
    FILE *file = fopen(path, "wb");
    ORDO_ASSERT(file != NULL);
    if (bytes.size > 0) ORDO_ASSERT(fwrite(bytes.data, 1, bytes.size, file) == bytes.size);
    ORDO_ASSERT(fclose(file) == 0);
}

static inline void scratch_read(const char *path, struct ordo_buffer *out) {
    ordo_buffer_clear(out);
    ORDO_ASSERT(ordo_file_read(path, out) == ORDO_OK);
}

/* Calls `visit` for each entry. */
static inline void scratch_each(const char *path, void (*visit)(const char *path, const char *name, void *context),
                                void *context) {
    DIR *folder = opendir(path);
    ORDO_ASSERT(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char child[PATH_MAX];
        scratch_join(child, path, entry->d_name);
        visit(child, entry->d_name, context);
    }
    closedir(folder);
}

static inline bool scratch_is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* A sum over names, sizes and bytes of all files below: equal before and after means untouched. */
static inline void scratch_sum_one(const char *path, const char *name, void *context) {
    uint64_t *sum = context;
    uint64_t hash = ordo_hash(ordo_slice_of(name));
    if (scratch_is_folder(path)) {
        uint64_t inner = 0;
        scratch_each(path, scratch_sum_one, &inner);
        hash ^= inner * 31;
    } else {
        struct ordo_buffer bytes = {0};
        scratch_read(path, &bytes);
        hash = ordo_hash_with(hash, ordo_buffer_slice(&bytes));
        ordo_buffer_finish(&bytes);
    }
    *sum += hash;
}

static inline uint64_t scratch_sum(const char *path) {
    uint64_t sum = 0;
    scratch_each(path, scratch_sum_one, &sum);
    return sum;
}

static inline void scratch_copy_one(const char *path, const char *name, void *context);

/* Copies a folder with all that is in it, as a crash at this moment would leave it. */
static inline void scratch_copy(const char *from, const char *to) {
    ORDO_ASSERT(mkdir(to, 0755) == 0);
    scratch_each(from, scratch_copy_one, (void *)(uintptr_t)to);
}

static inline void scratch_copy_one(const char *path, const char *name, void *context) {
    char to[PATH_MAX];
    scratch_join(to, context, name);
    if (scratch_is_folder(path)) {
        scratch_copy(path, to);
        return;
    }
    struct ordo_buffer bytes = {0};
    scratch_read(path, &bytes);
    scratch_write(to, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

#endif
