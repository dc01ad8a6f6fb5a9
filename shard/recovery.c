#include "shard/recovery.h"

#include "common/memory.h"
#include "shard/files.h"
#include "shard/wal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct log_file {
    uint64_t number; /* RocksDB's files are named by rising numbers */
    char name[NAME_MAX + 1];
};

static int by_number(const void *a, const void *b) {
    uint64_t x = ((const struct log_file *)a)->number, y = ((const struct log_file *)b)->number;
    return x < y ? -1 : x > y;
}

static bool parse_log_name(const char *name, struct log_file *out) {
    char *end;
    if (name[0] < '0' || name[0] > '9') return false;
    out->number = strtoull(name, &end, 10);
    if (strcmp(end, ".log") != 0) return false;
    snprintf(out->name, sizeof out->name, "%s", name);
    return true;
}

/* The log files of a database, oldest first; the caller frees them. */
static ordo_err list_log_files(const char *db_path, struct log_file **files_out, size_t *count_out) {
    DIR *folder = opendir(db_path);
    if (folder == NULL) return ordo_file_error();
    struct log_file *files = NULL, file;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!parse_log_name(entry->d_name, &file)) continue;
        files = ordo_realloc(files, (count + 1) * sizeof *files);
        files[count++] = file;
    }
    closedir(folder);
    if (count > 0) qsort(files, count, sizeof *files, by_number);
    *files_out = files;
    *count_out = count;
    return ORDO_OK;
}

/* What the files before this one told. */
struct log_state {
    const char *bad_file; /* borrowed; NULL: all read so far is whole */
    size_t bad_offset;
    bool has_records;
    uint64_t next_sequence;
};

static ordo_err damage(struct ordo_problem *problem, const char *file, size_t offset, const char *what) {
    ordo_problem_set(problem,
                     "The log file %s is damaged at byte %zu (%s); nothing was changed. Acknowledged edits are behind "
                     "it: restore this folder from a backup.",
                     file, offset, what);
    return ORDO_ERR_CORRUPT;
}

static ordo_err judge(struct log_state *state, const char *name, const struct ordo_wal_scan *scan,
                      struct ordo_problem *problem) {
    if (state->bad_file != NULL && scan->record_count > 0) {
        return damage(problem, state->bad_file, state->bad_offset, "a later log file has whole records");
    }
    if (scan->is_out_of_step) return damage(problem, name, scan->good_size, "records before it are missing");
    if (scan->has_records_behind) return damage(problem, name, scan->good_size, "whole records stand behind it");
    if (scan->record_count > 0 && state->has_records && scan->first_sequence != state->next_sequence) {
        return damage(problem, name, 0, "the log files before it are missing or cut");
    }
    if (scan->record_count > 0) {
        state->has_records = true;
        state->next_sequence = scan->next_sequence;
    }
    if (scan->good_size < scan->size) {
        state->bad_file = name;
        state->bad_offset = scan->good_size;
    }
    return ORDO_OK;
}

static ordo_err note_cut(struct ordo_log_check *check, const char *name, const struct ordo_wal_scan *scan,
                         struct ordo_problem *problem) {
    if (check->cut_count == ORDO_LOG_CUTS_MAX) return damage(problem, name, scan->good_size, "as are others");
    struct ordo_log_cut *cut = &check->cuts[check->cut_count++];
    snprintf(cut->file, sizeof cut->file, "%s", name);
    cut->good_size = scan->good_size;
    check->torn_size += scan->size - scan->good_size;
    return ORDO_OK;
}

static ordo_err check_file(struct ordo_log_check *check, struct log_state *state, const char *db_path,
                           const char *name, struct ordo_slice watched_key, struct ordo_problem *problem) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", db_path, name);
    struct ordo_buffer bytes = {0};
    ordo_err err = ordo_file_read(path, &bytes);
    if (err) {
        ordo_problem_set(problem, "The log file %s cannot be read: %s", path, strerror(errno));
        ordo_buffer_finish(&bytes);
        return err;
    }
    struct ordo_wal_scan scan;
    ordo_wal_scan(&scan, ordo_buffer_slice(&bytes), watched_key);
    err = judge(state, name, &scan, problem);
    check->size += scan.size;
    check->record_count += scan.record_count;
    if (!err && scan.good_size < scan.size) err = note_cut(check, name, &scan, problem);
    if (scan.watched.size > 0) {
        ordo_buffer_clear(&check->watched);
        ordo_buffer_append_slice(&check->watched, ordo_buffer_slice(&scan.watched));
    }
    ordo_wal_scan_finish(&scan);
    ordo_buffer_finish(&bytes);
    return err;
}

ordo_err ordo_log_check_run(struct ordo_log_check *check, const char *db_path, struct ordo_slice watched_key,
                            struct ordo_problem *problem) {
    *check = (struct ordo_log_check){0};
    struct log_file *files = NULL;
    ordo_err err = list_log_files(db_path, &files, &check->file_count);
    if (err) ordo_problem_set(problem, "The folder %s cannot be read: %s", db_path, strerror(errno));
    struct log_state state = {0};
    for (size_t i = 0; !err && i < check->file_count; i++) {
        err = check_file(check, &state, db_path, files[i].name, watched_key, problem);
    }
    free(files);
    return err;
}

void ordo_log_check_finish(struct ordo_log_check *check) { ordo_buffer_finish(&check->watched); }

static ordo_err cut_file(const struct ordo_log_cut *cut, const char *db_path, const char *temporary,
                         struct ordo_problem *problem) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", db_path, cut->file);
    struct ordo_buffer bytes = {0};
    ordo_err err = ordo_file_read(path, &bytes);
    if (!err && bytes.size < cut->good_size) err = ORDO_ERR_IO;
    if (!err) err = ordo_file_replace(path, temporary, ordo_slice(bytes.data, cut->good_size));
    if (err) ordo_problem_set(problem, "The torn tail of %s cannot be cut off: %s", path, strerror(errno));
    ordo_buffer_finish(&bytes);
    return err;
}

ordo_err ordo_log_cut_tail(const struct ordo_log_check *check, const char *db_path, const char *temporary,
                           struct ordo_problem *problem) {
    ordo_err err = ORDO_OK;
    /* The newest first: should the power go meanwhile, what stands behind a torn place is never more than before. */
    for (size_t i = check->cut_count; !err && i > 0; i--) {
        err = cut_file(&check->cuts[i - 1], db_path, temporary, problem);
    }
    return err;
}
