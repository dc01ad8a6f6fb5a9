#include "shard/confine.h"

#include "common/files.h"
#include "common/log.h"
#include "common/memory.h"
#include "shard/confine_merge.h"
#include "shard/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    const char *path, *db_path;
    char copy_path[PATH_MAX], new_path[PATH_MAX]; /* DIR/confine, and while it is being made */
    char table_name[32];
    uint64_t number;
    struct ordo_problem *problem;
};

static ordo_err join(char out[PATH_MAX], const char *folder, const char *name) {
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return ORDO_OK;
    errno = ENAMETOOLONG;
    return ORDO_ERR_IO;
}

static bool exists(const char *folder, const char *name) {
    char path[PATH_MAX];
    return join(path, folder, name) == ORDO_OK && access(path, F_OK) == 0;
}

/* ---- the note: the numbers of tables, a line each */

/* "… in …/000123.sst offset …" */
static bool table_in(const char *failure, uint64_t *number) {
    const char *end = NULL;
    for (const char *at = failure; (at = strstr(at, ".sst")) != NULL; at++) end = at;
    if (strncmp(failure, "Corruption", 10) != 0 || end == NULL) return false;
    const char *begin = end;
    while (begin > failure && begin[-1] >= '0' && begin[-1] <= '9') begin--;
    *number = strtoull(begin, NULL, 10);
    return begin < end && *number > 0;
}

static ordo_err read_note(const char *path, struct ordo_buffer *note) {
    char name[PATH_MAX];
    ordo_err err = join(name, path, "bad-tables");
    if (!err) err = ordo_file_read(name, note);
    ordo_buffer_append_u8(note, 0);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

static ordo_err write_note(const char *path, struct ordo_slice note) {
    char name[PATH_MAX], temporary[PATH_MAX];
    ordo_err err = join(name, path, "bad-tables");
    if (!err) err = join(temporary, path, "bad-tables.new");
    return err ? err : ordo_file_replace(name, temporary, note);
}

bool ordo_confine_note(const char *path, const char *failure) {
    uint64_t number;
    char line[32];
    struct ordo_buffer note = {0};
    bool is_new = table_in(failure, &number) && read_note(path, &note) == ORDO_OK;
    snprintf(line, sizeof line, "%" PRIu64 "\n", is_new ? number : 0);
    if (is_new) is_new = strstr((const char *)note.data, line) == NULL;
    if (is_new) {
        note.size--;
        ordo_buffer_append(&note, line, strlen(line));
        is_new = write_note(path, ordo_buffer_slice(&note)) == ORDO_OK;
    }
    if (is_new) log_error("event=table_damaged table=%06" PRIu64 ".sst action=\"the next start takes it out\"", number);
    ordo_buffer_finish(&note);
    return is_new;
}

/* ---- the copy: a database of one table */

/* What the database lists; `bad` gets the place of the table in question. */
struct listing {
    uint64_t number;
    struct ordo_rocksdb_table *others, bad; /* without their keys */
    size_t other_count;
    bool is_listed;
};

static void list_table(void *context, const struct ordo_rocksdb_table *table) {
    struct listing *listing = context;
    struct ordo_rocksdb_table one = {.number = table->number, .cf = table->cf, .level = table->level};
    if (table->number == listing->number) {
        listing->is_listed = true;
        listing->bad = one;
        return;
    }
    listing->others = ordo_realloc(listing->others, (listing->other_count + 1) * sizeof *listing->others);
    listing->others[listing->other_count++] = one;
}

static ordo_err list_tables(const struct place *place, struct listing *listing) {
    struct ordo_store *store = NULL;
    *listing = (struct listing){.number = place->number};
    ordo_err err = ordo_store_rocksdb_open(place->db_path, ORDO_ROCKSDB_SALVAGE_LOG, place->problem, &store);
    if (err) return err;
    ordo_store_rocksdb_tables(store, list_table, listing);
    store->ops->close(store);
    return ORDO_OK;
}

static ordo_err copy_file(const char *from_path, const char *to_path, const char *name) {
    char from[PATH_MAX], to[PATH_MAX], temporary[PATH_MAX];
    struct ordo_buffer bytes = {0};
    ordo_err err = join(from, from_path, name);
    if (!err) err = join(to, to_path, name);
    if (!err) err = join(temporary, to_path, "copying");
    if (!err) err = ordo_file_read(from, &bytes);
    if (!err) err = ordo_file_replace(to, temporary, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
    return err;
}

static ordo_err copy_records(const struct place *place) {
    DIR *folder = opendir(place->db_path);
    if (folder == NULL) return ordo_file_error();
    ordo_err err = ORDO_OK;
    for (struct dirent *entry; !err && (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        if (strncmp(name, "MANIFEST-", 9) != 0 && strcmp(name, "CURRENT") != 0) continue;
        err = copy_file(place->db_path, place->new_path, name);
    }
    closedir(folder);
    return err;
}

static ordo_err link_table(const struct place *place) {
    char from[PATH_MAX], to[PATH_MAX];
    ordo_err err = join(from, place->db_path, place->table_name);
    if (!err) err = join(to, place->new_path, place->table_name);
    return err ? err : link(from, to) == 0 ? ORDO_OK : ordo_file_error();
}

static ordo_err remove_if_there(const char *path) {
    ordo_err err = ordo_folder_remove(path);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

static ordo_err make_copy(const struct place *place, const struct listing *listing) {
    ordo_err err = remove_if_there(place->new_path);
    if (!err) err = remove_if_there(place->copy_path); /* of one that is done */
    if (!err && mkdir(place->new_path, 0755) != 0) err = ordo_file_error();
    if (!err) err = copy_records(place);
    if (!err) err = link_table(place);
    if (err) {
        ordo_problem_set(place->problem, "The damaged table %s cannot be set aside in %s: %s.", place->table_name,
                         place->new_path, strerror(errno));
        return err;
    }
    err = ordo_manifest_drop(place->new_path, listing->others, listing->other_count, place->problem);
    return err ? err : ordo_manifest_forget_logs(place->new_path, place->problem);
}

static ordo_err name_copy(const struct place *place) {
    ordo_err err = ordo_folder_sync(place->new_path);
    if (!err && rename(place->new_path, place->copy_path) != 0) err = ordo_file_error();
    if (!err) err = ordo_folder_sync_parent(place->copy_path);
    if (err) ordo_problem_set(place->problem, "%s cannot be put in place: %s.", place->copy_path, strerror(errno));
    return err;
}

/* Makes DIR/confine if it is not there yet. */
static ordo_err set_aside(const struct place *place, const struct listing *listing) {
    if (exists(place->copy_path, place->table_name)) return ORDO_OK;
    if (listing->bad.cf >= ORDO_CF_COUNT || listing->bad.cf == ORDO_CF_META) {
        ordo_problem_set(place->problem, "The table %s in %s is damaged and holds rows that the store cannot do without: restore "
                         "this folder from a backup, or see what `ordo repair` can save.", place->table_name, place->db_path);
        return ORDO_ERR_CORRUPT;
    }
    ordo_err err = make_copy(place, listing);
    return err ? err : name_copy(place);
}

/* ---- all of it */

static ordo_err keep_table(const struct place *place) {
    char lost[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    ordo_err err = join(lost, place->path, "lost");
    if (!err) err = join(from, place->copy_path, place->table_name);
    if (!err) err = join(to, lost, place->table_name);
    if (!err && mkdir(lost, 0755) != 0 && errno != EEXIST) err = ordo_file_error();
    if (!err && rename(from, to) != 0) err = ordo_file_error();
    if (!err) err = ordo_folder_sync(lost);
    if (!err) err = ordo_folder_remove(place->copy_path);
    if (!err) err = ordo_folder_sync(place->path);
    if (err) ordo_problem_set(place->problem, "The damaged table %s cannot be put aside: %s.", from, strerror(errno));
    return err;
}

static ordo_err confine(const struct place *place) {
    struct listing listing = {0};
    ordo_err err = list_tables(place, &listing);
    bool is_at_work = exists(place->copy_path, place->table_name);
    if (!err && !listing.is_listed && !is_at_work) {
        log_info("event=table_gone table=%s reason=\"the database does not use it any more\"", place->table_name);
        free(listing.others);
        return ORDO_OK;
    }
    if (!err) err = set_aside(place, &listing);
    if (!err && listing.is_listed) err = ordo_manifest_drop(place->db_path, &listing.bad, 1, place->problem);
    if (!err) err = ordo_confine_merge(place->copy_path, place->table_name, place->db_path, place->path, place->problem);
    if (!err) err = keep_table(place);
    free(listing.others);
    return err;
}

ordo_err ordo_confine_run(const char *path, const char *db_path, struct ordo_problem *problem) {
    struct ordo_buffer note = {0};
    struct place place = {.path = path, .db_path = db_path, .problem = problem};
    ordo_err err = read_note(path, &note);
    if (!err) err = join(place.copy_path, path, "confine");
    if (!err) err = join(place.new_path, path, "confine.new");
    if (err) ordo_problem_set(problem, "The note on damaged tables in %s cannot be read: %s.", path, strerror(errno));
    char *line = (char *)note.data;
    bool has_notes = line[0] != '\0';
    while (!err && (place.number = strtoull(line, &line, 10)) > 0) {
        snprintf(place.table_name, sizeof place.table_name, "%06" PRIu64 ".sst", place.number);
        err = confine(&place);
    }
    char name[PATH_MAX];
    if (!err && has_notes && !join(name, path, "bad-tables") && unlink(name) != 0) {
        err = ordo_file_error();
        ordo_problem_set(problem, "The note %s cannot be removed: %s.", name, strerror(errno));
    }
    ordo_buffer_finish(&note);
    return err;
}
