#include "shard/restore.h"

#include "common/random.h"
#include "shard/backup_files.h"
#include "shard/core/key.h"
#include "shard/core/relineage.h"
#include "common/files.h"
#include "shard/folder.h"
#include "shard/low_water.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define BATCH_SIZE_MAX (1u << 20)

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

static uint64_t draw_lineage(void) {
    uint64_t lineage;
    do lineage = ordo_random_u64() & ORDO_NUMBER_MAX;
    while (lineage == 0);
    return lineage;
}

static ordo_err write_batch(struct ordo_store *store, struct ordo_batch *batch, struct ordo_problem *problem) {
    ordo_err err = store->ops->write(store, batch, true);
    if (err) ordo_problem_set(problem, "The new store cannot be written: %s.", ordo_store_rocksdb_failure(store));
    ordo_batch_clear(batch);
    return err;
}

/* What is written meanwhile is not in the view, so each document comes once. */
ordo_err ordo_restore_relineage(struct ordo_store *store, uint64_t *count_out, struct ordo_problem *problem) {
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_batch batch = {0};
    struct ordo_buffer from = {0}, doc_key = {0};
    ordo_buffer_append_u8(&from, 0);
    ordo_err err;
    *count_out = 0;
    while (!(err = ordo_relineage_next(view, ordo_buffer_slice(&from), &doc_key))) {
        err = ordo_relineage_document(view, ordo_buffer_slice(&doc_key), draw_lineage(), &batch);
        if (!err && batch.records.size > BATCH_SIZE_MAX) err = write_batch(store, &batch, problem);
        if (err) break;
        ++*count_out;
        ordo_key_doc_end(&from, ordo_buffer_slice(&doc_key));
    }
    if (err == ORDO_ERR_NOT_FOUND) err = write_batch(store, &batch, problem);
    else if (problem->text[0] == '\0')
        ordo_problem_set(problem, "The end of a document's log cannot be read: %s.", ordo_err_text(err));
    store->ops->view_close(view);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&doc_key);
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
        err = ordo_restore_relineage(folder.store, &out->document_count, problem);
    }
    if (!err) err = ordo_identity_restore(folder.store, &out->is, problem);
    ordo_folder_finish(&folder);
    if (!err) err = write_mark(path, out->is.turn, problem);
    return err;
}
