/* shard/backup_files.h: the files of one store in a backup: copied, linked, listed, checked.
 *
 *     PATH/db/, low-water, lock   a store's folder (folder.h), which `ordo verify` reads as it is
 *     PATH/files                  name, size and checksum of each file; and the sign that this is no store to serve from
 *
 * A table that an earlier backup has already is linked to that and not copied: tables never change, and what says which
 * one it is (the session that wrote it and its number there) stands at its end, so equal sizes and equal ends are equal
 * tables, also where numbers were given anew. Errors come with a sentence. Threads: none shared. */
#ifndef ORDO_SHARD_BACKUP_FILES_H
#define ORDO_SHARD_BACKUP_FILES_H

#include <limits.h>

#include "shard/store_rocksdb.h"

#define ORDO_BACKUP_LIST_NAME "files"

struct ordo_backup_file {
    char name[NAME_MAX + 1]; /* below the store's folder: "db/000012.sst" */
    uint64_t size, hash;
};

/* Zeroed memory is an empty list. */
struct ordo_backup_list {
    struct ordo_backup_file *items;
    size_t count, capacity;
};
void ordo_backup_list_finish(struct ordo_backup_list *list);
void ordo_backup_list_add(struct ordo_backup_list *list, const char *name, uint64_t size, uint64_t hash);
const struct ordo_backup_file *ordo_backup_list_find(const struct ordo_backup_list *list, const char *name);
/* Writes PATH/files, synced. */
ORDO_MUST_USE ordo_err ordo_backup_list_write(const struct ordo_backup_list *list, const char *path,
                                              struct ordo_problem *problem);
/* NOT_FOUND, CORRUPT. */
ORDO_MUST_USE ordo_err ordo_backup_list_read(struct ordo_backup_list *list, const char *path,
                                             struct ordo_problem *problem);

/* How fast to copy, and whether to go on. */
struct ordo_backup_pace {
    uint64_t rate;                           /* bytes per second; 0: no limit */
    bool (*may_go_on)(void *context, size_t size); /* NULL: always. Told what was copied since it was asked last */
    void *context;
    uint64_t begun_ms, copied_size;          /* begin with 0 */
};

/* Copies to a new file; its bytes are on disk on return, its name is not. CLOSED: was told not to go on. */
ORDO_MUST_USE ordo_err ordo_backup_copy(const char *from, const char *to, struct ordo_backup_pace *pace,
                                        uint64_t *size_out, uint64_t *hash_out, struct ordo_problem *problem);
/* Whether these are the same table, as said above. */
bool ordo_backup_is_same_table(const char *a, const char *b);
/* Reads all files of the store in the backup at `path` and compares. CORRUPT, NOT_FOUND: and which one. */
ORDO_MUST_USE ordo_err ordo_backup_check(const char *path, const struct ordo_backup_list *list,
                                         struct ordo_problem *problem);

#endif
