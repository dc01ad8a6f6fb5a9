#include "shard/manifest.h"

#include "common/clock.h"
#include "common/files.h"
#include "shard/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_START "MANIFEST-"

/* The file that CURRENT names. CORRUPT: it names none. */
static ordo_err find(const char *db_path, char path[PATH_MAX], uint64_t *number) {
    char current[PATH_MAX];
    struct ordo_buffer bytes = {0};
    int size = snprintf(current, sizeof current, "%s/CURRENT", db_path);
    ordo_err err = size < (int)sizeof current ? ordo_file_read(current, &bytes) : ORDO_ERR_IO;
    size_t start = sizeof NAME_START - 1;
    bool is_name = !err && bytes.size > start + 1 && bytes.size < 64 && memcmp(bytes.data, NAME_START, start) == 0 &&
                   bytes.data[bytes.size - 1] == '\n';
    if (is_name) {
        bytes.data[bytes.size - 1] = '\0';
        char *end;
        *number = strtoull((const char *)bytes.data + start, &end, 10);
        size = snprintf(path, PATH_MAX, "%s/%s", db_path, (const char *)bytes.data);
        if (*end != '\0' || size >= PATH_MAX) is_name = false;
    }
    ordo_buffer_finish(&bytes);
    return err ? err : is_name ? ORDO_OK : ORDO_ERR_CORRUPT;
}

static ordo_err sync_file(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return ordo_file_error();
    ordo_err err = fdatasync(fd) == 0 ? ORDO_OK : ordo_file_error();
    close(fd);
    return err;
}

/* How large it is, when that is the end of a record: RocksDB may be at writing one. What does not get whole within some time is
 * damaged, and taken as it is, so that the next start sees it. */
static ordo_err settled_size(const char *path, uint64_t known_size, uint64_t *size_out) {
    enum { TRIES = 200, PAUSE_MS = 5 };
    ordo_err err = ORDO_OK;
    bool is_whole = false;
    for (int tries = 0; !err && !is_whole && tries < TRIES; tries++) {
        if (tries > 0) ordo_clock_sleep_ms(PAUSE_MS);
        struct stat status;
        struct ordo_buffer bytes = {0};
        if (stat(path, &status) != 0) return ordo_file_error();
        *size_out = (uint64_t)status.st_size;
        if (*size_out == known_size) return ORDO_OK;
        err = ordo_file_read(path, &bytes);
        *size_out = bytes.size; /* by now perhaps more */
        is_whole = !err && ordo_wal_whole_size(ordo_buffer_slice(&bytes)) == bytes.size;
        ordo_buffer_finish(&bytes);
    }
    return err;
}

ordo_err ordo_manifest_mark(const char *db_path, struct ordo_manifest_mark *mark) {
    char path[PATH_MAX];
    struct ordo_manifest_mark now = {0};
    ordo_err err = find(db_path, path, &now.number);
    if (!err) err = settled_size(path, now.number == mark->number ? mark->size : 0, &now.size);
    if (err) return err;
    if (now.number == mark->number && now.size == mark->size) return ORDO_OK;
    err = sync_file(path);
    if (!err) *mark = now;
    return err;
}

/* Tags of RocksDB's version edits. */
enum { EDIT_DELETED_FILE = 6, EDIT_FAMILY = 200, EDIT_LOGS_DELETED = 8200 };

/* An edit speaks of one family. */
static void append_drop(struct ordo_buffer *manifest, int cf, const struct ordo_rocksdb_table *tables, size_t count) {
    struct ordo_buffer edit = {0};
    size_t dropped_count = 0;
    ordo_buffer_append_varint(&edit, EDIT_FAMILY);
    ordo_buffer_append_varint(&edit, cf == ORDO_CF_COUNT ? 0 : (uint64_t)(ORDO_ROCKSDB_FAMILY_FIRST + cf));
    for (size_t i = 0; i < count; i++) {
        if ((int)tables[i].cf != cf) continue;
        ordo_buffer_append_varint(&edit, EDIT_DELETED_FILE);
        ordo_buffer_append_varint(&edit, (uint64_t)tables[i].level);
        ordo_buffer_append_varint(&edit, tables[i].number);
        dropped_count++;
    }
    if (dropped_count > 0) ordo_wal_append(manifest, ordo_buffer_slice(&edit));
    ordo_buffer_finish(&edit);
}

static ordo_err read_list(const char *db_path, char path[PATH_MAX], struct ordo_buffer *manifest) {
    uint64_t number;
    ordo_err err = find(db_path, path, &number);
    return err ? err : ordo_file_read(path, manifest);
}

static ordo_err replace_list(const char *db_path, const char *path, const struct ordo_buffer *manifest) {
    char temporary[PATH_MAX];
    int size = snprintf(temporary, sizeof temporary, "%s/manifest.new", db_path);
    return size < (int)sizeof temporary ? ordo_file_replace(path, temporary, ordo_buffer_slice(manifest)) : ORDO_ERR_IO;
}

static ordo_err end_change(const char *db_path, struct ordo_buffer *manifest, ordo_err err, struct ordo_problem *problem) {
    if (err) ordo_problem_set(problem, "The list of tables in %s cannot be changed: %s.", db_path, strerror(errno));
    ordo_buffer_finish(manifest);
    return err;
}

ordo_err ordo_manifest_drop(const char *db_path, const struct ordo_rocksdb_table *tables, size_t count,
                            struct ordo_problem *problem) {
    char path[PATH_MAX];
    struct ordo_buffer manifest = {0};
    ordo_err err = read_list(db_path, path, &manifest);
    if (!err) {
        manifest.size = ordo_wal_whole_size(ordo_buffer_slice(&manifest)); /* what was being written at a crash is none */
        for (int cf = 0; cf <= ORDO_CF_COUNT; cf++) append_drop(&manifest, cf, tables, count);
        err = replace_list(db_path, path, &manifest);
    }
    return end_change(db_path, &manifest, err, problem);
}

ordo_err ordo_manifest_forget_logs(const char *db_path, struct ordo_problem *problem) {
    char path[PATH_MAX];
    struct ordo_buffer manifest = {0}, edit = {0}, below = {0};
    ordo_err err = read_list(db_path, path, &manifest);
    if (!err && ordo_wal_ends_torn(ordo_buffer_slice(&manifest))) {
        manifest.size = ordo_wal_whole_size(ordo_buffer_slice(&manifest));
        ordo_buffer_append_varint(&below, UINT64_MAX); /* all with a smaller number */
        ordo_buffer_append_varint(&edit, EDIT_LOGS_DELETED);
        ordo_buffer_append_sized(&edit, ordo_buffer_slice(&below));
        ordo_wal_append(&manifest, ordo_buffer_slice(&edit));
        err = replace_list(db_path, path, &manifest);
    }
    ordo_buffer_finish(&edit);
    ordo_buffer_finish(&below);
    return end_change(db_path, &manifest, err, problem);
}

static ordo_err damage(struct ordo_problem *problem, const char *path, const char *what) {
    ordo_problem_set(problem,
                     "The list of tables %s %s. Acknowledged edits may be lost with it; nothing was changed: restore this "
                     "folder from a backup, or see what `ordo repair` can save.", path, what);
    return ORDO_ERR_CORRUPT;
}

ordo_err ordo_manifest_check(const char *db_path, const struct ordo_manifest_mark *mark, struct ordo_problem *problem) {
    char path[PATH_MAX];
    uint64_t number;
    struct ordo_buffer bytes = {0};
    if (mark->number == 0) return ORDO_OK; /* nothing is known */
    ordo_err err = find(db_path, path, &number);
    if (err == ORDO_ERR_IO) {
        ordo_problem_set(problem, "The file CURRENT in %s cannot be read: %s.", db_path, strerror(errno));
        return err;
    }
    if (err) return damage(problem, db_path, "cannot be found: the file CURRENT is missing or damaged");
    if (number < mark->number) return damage(problem, path, "is an older one");
    if (number > mark->number) return ORDO_OK; /* a start began a new one, whole from its beginning, and got no further */
    err = ordo_file_read(path, &bytes);
    bool is_whole = !err && ordo_wal_whole_size(ordo_buffer_slice(&bytes)) >= mark->size;
    ordo_buffer_finish(&bytes);
    if (err == ORDO_ERR_NOT_FOUND) return damage(problem, path, "is missing");
    if (err) {
        ordo_problem_set(problem, "The list of tables %s cannot be read: %s.", path, strerror(errno));
        return err;
    }
    return is_whole ? ORDO_OK : damage(problem, path, "is damaged, or shorter than it was");
}
