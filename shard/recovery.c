#include "shard/recovery.h"

#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "common/files.h"
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

/* The log files of a database from number `oldest` on, in their order; the caller frees them. */
static ordo_err list_log_files(const char *db_path, uint64_t oldest, struct log_file **files_out, size_t *count_out) {
    DIR *folder = opendir(db_path);
    if (folder == NULL) return ordo_file_error();
    struct log_file *files = NULL, file;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!parse_log_name(entry->d_name, &file) || file.number < oldest) continue;
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
    bool has_records;
    uint64_t next_sequence;
    uint64_t turn;         /* the last one; 0: none yet */
    bool is_broken;        /* something is missing at `bad_offset` of `bad_file`, and no turn behind it has been seen */
    bool has_records_behind;
    const char *bad_file;  /* borrowed */
    size_t bad_offset;
    const char *what;
};

static ordo_err damage(struct ordo_problem *problem, const char *file, size_t offset, const char *what) {
    ordo_problem_set(problem,
                     "The log file %s is damaged at byte %zu (%s); nothing was changed. Acknowledged edits may be lost "
                     "with it: restore this folder from a backup, or see what `ordo repair` can save.",
                     file, offset, what);
    return ORDO_ERR_CORRUPT;
}

static uint64_t turn_of(const struct ordo_buffer *value) {
    struct ordo_turn_row row;
    return value->size > 0 && ordo_turn_row_decode(ordo_buffer_slice(value), &row) == ORDO_OK ? row.turn : 0;
}

static void break_off(struct log_state *state, const char *file, size_t offset, const char *what) {
    if (state->is_broken) return;
    state->is_broken = true;
    state->has_records_behind = false;
    state->bad_file = file;
    state->bad_offset = offset;
    state->what = what;
}

/* Looks at a file that has records: does it go on where the ones before it ended? */
static ordo_err judge_records(struct log_state *state, const char *name, const struct ordo_wal_scan *scan,
                              struct ordo_problem *problem) {
    if (state->has_records && scan->first_sequence != state->next_sequence) {
        break_off(state, name, 0, "records before it are missing");
    }
    uint64_t first_turn = turn_of(&scan->watched_first);
    if (state->is_broken) {
        state->has_records_behind = true;
        if (first_turn != 0 && (state->turn == 0 || first_turn != state->turn + 1)) {
            return damage(problem, state->bad_file, state->bad_offset, state->what);
        }
        if (first_turn != 0) state->is_broken = false; /* no turn is missing */
    }
    state->has_records = true;
    state->next_sequence = scan->next_sequence;
    if (first_turn != 0) state->turn = turn_of(&scan->watched);
    return ORDO_OK;
}

static ordo_err judge(struct log_state *state, const char *name, const struct ordo_wal_scan *scan,
                      struct ordo_problem *problem) {
    if (scan->is_out_of_step) return damage(problem, name, scan->good_size, "records before it are missing");
    if (scan->has_records_behind) return damage(problem, name, scan->good_size, "whole records stand behind it");
    ordo_err err = scan->record_count > 0 ? judge_records(state, name, scan, problem) : ORDO_OK;
    if (!err && scan->good_size < scan->size) {
        break_off(state, name, scan->good_size, "a later log file has whole records");
    }
    return err;
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
                           const char *name, struct ordo_problem *problem) {
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
    ordo_wal_scan(&scan, ordo_buffer_slice(&bytes), ordo_key_turn);
    err = judge(state, name, &scan, problem);
    check->size += scan.size;
    check->record_count += scan.record_count;
    if (!err && scan.good_size < scan.size) err = note_cut(check, name, &scan, problem);
    ordo_wal_scan_finish(&scan);
    ordo_buffer_finish(&bytes);
    return err;
}

ordo_err ordo_log_check_run(struct ordo_log_check *check, const char *db_path, uint64_t oldest,
                            struct ordo_problem *problem) {
    *check = (struct ordo_log_check){0};
    struct log_file *files = NULL;
    ordo_err err = list_log_files(db_path, oldest, &files, &check->file_count);
    if (err) ordo_problem_set(problem, "The folder %s cannot be read: %s", db_path, strerror(errno));
    struct log_state state = {0};
    for (size_t i = 0; !err && i < check->file_count; i++) {
        err = check_file(check, &state, db_path, files[i].name, problem);
    }
    if (!err && state.is_broken && state.has_records_behind) {
        err = damage(problem, state.bad_file, state.bad_offset, state.what);
    }
    check->turn = state.turn;
    free(files);
    return err;
}

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
