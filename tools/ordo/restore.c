/* ordo restore: a new data folder out of a backup.
 *
 * It is made beside its place and gets its name when all of it is there, because `ordo up` makes a new cluster of a folder
 * that is half empty. What serves from it is another cluster's life to everybody: see shard/restore.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "shard/restore.h"
#include "tools/ordo/command.h"
#include "tools/ordo/backup_manifest.h"

struct restore {
    const char *dir, *into;
    char from[PATH_MAX], target[PATH_MAX], partial[PATH_MAX];
    struct ordo_backup_manifest manifest;
    uint64_t document_count;
};

static bool is_free(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL) return errno == ENOENT;
    bool is_empty = true;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) is_empty = false;
    }
    closedir(folder);
    return is_empty;
}

/* EXIT_SUCCESS: `from` and the manifest are those of the backup that is meant. */
static int choose(struct restore *restore, uint64_t id) {
    size_t count;
    uint64_t *ids = ordo_backup_manifest_list(restore->dir, &count);
    bool is_there = false;
    for (size_t i = 0; i < count; i++) is_there |= id == 0 || ids[i] == id;
    if (id == 0 && count > 0) id = ids[count - 1];
    free(ids);
    if (!is_there && id == 0) return ordo_command_fail("there is no backup in %s", restore->dir);
    if (!is_there) return ordo_command_fail("there is no backup %06" PRIu64 " in %s", id, restore->dir);
    struct ordo_problem problem = {{0}};
    if (!ordo_backup_manifest_path(restore->from, restore->dir, id, "")) return EXIT_FAILURE;
    ordo_err err = ordo_backup_manifest_read(&restore->manifest, restore->from, &problem);
    if (!err) err = ordo_backup_manifest_check(&restore->manifest, &problem);
    return err ? ordo_command_fail("%s", problem.text) : EXIT_SUCCESS;
}

/* The manifest has no checksum of its own; what it says must be what the stores say. */
static bool has_the_same_slots(const struct ordo_identity *store, const struct ordo_identity *described) {
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++)
        if (ordo_identity_epoch(store, slot) != ordo_identity_epoch(described, slot)) return false;
    return true;
}

static bool is_as_described(const struct ordo_identity *store, const struct ordo_identity *described) {
    return memcmp(store->cluster_id, described->cluster_id, sizeof store->cluster_id) == 0 &&
           memcmp(store->store_id, described->store_id, sizeof store->store_id) == 0 &&
           store->incarnation == described->incarnation && store->turn == described->turn &&
           store->term == described->term && has_the_same_slots(store, described);
}

static int restore_store(struct restore *restore, const struct ordo_backup_manifest_store *store) {
    char from[PATH_MAX], path[PATH_MAX];
    static struct ordo_restored restored;
    struct ordo_problem problem = {{0}};
    if (snprintf(from, sizeof from, "%s/%s", restore->from, store->name) >= (int)sizeof from ||
        snprintf(path, sizeof path, "%s/%s", restore->partial, store->name) >= (int)sizeof path) {
        return ordo_command_fail("the path of %s is too long", restore->dir);
    }
    ordo_err err = ordo_restore_store(from, path, &restored, &problem);
    if (err) return ordo_command_fail("%s", problem.text[0] ? problem.text : ordo_err_text(err));
    if (!is_as_described(&restored.was, &store->identity))
        return ordo_command_fail("%s is not the store that the manifest describes; nothing was restored", from);
    restore->document_count += restored.document_count;
    return EXIT_SUCCESS;
}

static int put_in_place(struct restore *restore) {
    if (ordo_folder_sync(restore->partial) == ORDO_OK && rename(restore->partial, restore->target) == 0 &&
        ordo_folder_sync_parent(restore->target) == ORDO_OK) {
        return EXIT_SUCCESS;
    }
    return ordo_command_fail("what was restored cannot be put in place as %s: %s (a mount point cannot be it: name a folder "
                             "inside)", restore->target, strerror(errno));
}

static int run(struct restore *restore) {
    ordo_err err = ordo_folder_remove(restore->partial);
    if (err && err != ORDO_ERR_NOT_FOUND)
        return ordo_command_fail("%s cannot be removed: %s", restore->partial, strerror(errno));
    if (mkdir(restore->partial, 0755) != 0)
        return ordo_command_fail("the folder %s cannot be made: %s", restore->partial, strerror(errno));
    int status = EXIT_SUCCESS;
    for (size_t i = 0; i < restore->manifest.store_count && status == EXIT_SUCCESS; i++)
        status = restore_store(restore, &restore->manifest.stores[i]);
    if (status == EXIT_SUCCESS) status = put_in_place(restore);
    if (status != EXIT_SUCCESS && (err = ordo_folder_remove(restore->partial)) && err != ORDO_ERR_NOT_FOUND)
        ordo_command_fail("%s is left, and cannot be removed: %s", restore->partial, strerror(errno));
    return status;
}

int ordo_restore_run(int argc, char **argv) {
    static struct restore restore;
    uint64_t id = 0;
    const struct ordo_option options[] = {
        {"--into", "DATA_DIR", "the new data folder; it must be empty, or not there", ORDO_OPTION_TEXT, &restore.into},
        {"--backup", "N", "this one (the newest)", ORDO_OPTION_COUNT, &id, 1, UINT32_MAX},
    };
    struct ordo_words words = {.items = &restore.dir, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo restore BACKUP_DIR --into DATA_DIR [--backup N]", options,
                            sizeof options / sizeof *options, argc, argv, &words, &status)) {
        return status;
    }
    if (restore.into == NULL || restore.into[0] == '\0') return ordo_command_misuse("restore", "--into DATA_DIR is missing");
    int size = snprintf(restore.target, sizeof restore.target, "%s", restore.into);
    while (size > 1 && size < (int)sizeof restore.target && restore.target[size - 1] == '/') restore.target[--size] = '\0';
    if (size >= (int)sizeof restore.target ||
        snprintf(restore.partial, sizeof restore.partial, "%s.restoring", restore.target) >= (int)sizeof restore.partial) {
        return ordo_command_fail("the path %s is too long", restore.into);
    }
    if (!is_free(restore.target)) return ordo_command_fail("%s is not empty; name a folder that is new or empty", restore.target);
    status = choose(&restore, id);
    if (status == EXIT_SUCCESS) status = run(&restore);
    if (status != EXIT_SUCCESS) return status;
    printf("%s: backup %06" PRIu64 ", %" PRIu64 " documents; start it with `ordo up --data %s`\n", restore.target,
           restore.manifest.id, restore.document_count, restore.target);
    return ordo_command_flush();
}
