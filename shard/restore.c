#include "shard/restore.h"

#include "shard/backup_files.h"
#include "common/files.h"
#include "shard/folder.h"
#include "shard/lineages.h"
#include "shard/low_water.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static ordo_err make_folder(const char *path, struct ordo_problem *problem) {
    if (mkdir(path, 0755) == 0) return ORDO_OK;
    ordo_problem_set(problem, "The folder %s cannot be made: %s.", path, strerror(errno));
    return ordo_file_error();
}

static bool join(char out[PATH_MAX], const char *path, const char *name, struct ordo_problem *problem) {
    int size = snprintf(out, PATH_MAX, "%s/%s", path, name);
    if (size < PATH_MAX) return true;
    ordo_problem_set(problem, "The path %s is too long.", path);
    return false;
}

static ordo_err copy_file(const struct ordo_backup_file *file, const char *from, const char *path,
                          struct ordo_problem *problem) {
    char source[PATH_MAX], target[PATH_MAX];
    struct ordo_backup_pace pace = {0};
    uint64_t size, hash;
    if (!join(source, from, file->name, problem) || !join(target, path, file->name, problem)) return ORDO_ERR_IO;
    ordo_err err = ordo_backup_copy(source, target, &pace, &size, &hash, problem);
    if (err || (size == file->size && hash == file->hash)) return err;
    ordo_problem_set(problem, "The file %s of the backup is damaged; nothing was restored.", source);
    return ORDO_ERR_CORRUPT;
}

static ordo_err copy_files(const char *from, const char *path, struct ordo_problem *problem) {
    struct ordo_backup_list list = {0};
    char database[PATH_MAX];
    if (!join(database, path, "db", problem)) return ORDO_ERR_IO;
    ordo_err err = ordo_backup_list_read(&list, from, problem);
    if (!err) err = make_folder(path, problem);
    if (!err) err = make_folder(database, problem);
    for (size_t i = 0; i < list.count && !err; i++) err = copy_file(&list.items[i], from, path, problem);
    if (!err && ((err = ordo_folder_sync(database)) || (err = ordo_folder_sync(path)))) {
        ordo_problem_set(problem, "The folder %s cannot be synced: %s.", path, strerror(errno));
    }
    ordo_backup_list_finish(&list);
    return err;
}

static ordo_err write_mark(const char *path, uint64_t turn, struct ordo_problem *problem) {
    char name[PATH_MAX];
    struct ordo_low_water mark = {.fd = -1};
    if (!join(name, path, "low-water", problem)) return ORDO_ERR_IO;
    ordo_err err = ordo_low_water_open(&mark, name, turn);
    ordo_low_water_close(&mark);
    if (!err) err = ordo_folder_sync(path);
    if (err) ordo_problem_set(problem, "The file %s cannot be written: %s.", name, strerror(errno));
    return err;
}

ordo_err ordo_restore_store(const char *from, const char *path, struct ordo_restored *out,
                            struct ordo_problem *problem) {
    struct ordo_folder folder = {.lock_fd = -1};
    problem->text[0] = '\0';
    ordo_err err = copy_files(from, path, problem);
    if (!err) err = ordo_folder_open(&folder, path, problem); /* all its checks, and it raises the incarnation */
    if (!err) {
        out->was = out->is = folder.identity;
        out->was.incarnation--;
        err = ordo_lineages_renew(folder.store, ordo_slice(NULL, 0), ordo_slice(NULL, 0), &out->document_count, problem);
    }
    if (!err) err = ordo_identity_restore(folder.store, &out->is, problem);
    ordo_folder_finish(&folder);
    if (!err) err = write_mark(path, out->is.turn, problem);
    return err;
}
