/* tools/ordo/backup_manifest.h: what a folder of backups holds.
 *
 *     DIR/000007/manifest.json   which cluster and stores, at which turn each, which slots
 *     DIR/000007/NAME/           the store DATA_DIR/NAME (shard/backup_files.h)
 *     DIR/000008.partial-RANDOM one that is being made, or was interrupted: never taken for a backup
 *     DIR/lock                   held by who makes one
 *
 * A backup is whole by its name: the folder is renamed once all is in it, checked and synced. */
#ifndef ORDO_TOOLS_BACKUP_MANIFEST_H
#define ORDO_TOOLS_BACKUP_MANIFEST_H

#include <limits.h>

#include "shard/identity.h"

enum { ORDO_BACKUP_STORES_MAX = 64, ORDO_BACKUP_NAME_SIZE_MAX = 64 };

struct ordo_backup_manifest_store {
    char name[ORDO_BACKUP_NAME_SIZE_MAX];
    struct ordo_identity identity; /* as read from the copy: ids, incarnation, turn, slots with their epochs */
    uint64_t time_ms;              /* of the clock, when it was asked for: all acknowledged before is in it */
    uint64_t size;                 /* bytes, linked ones included */
};

struct ordo_backup_manifest {
    uint64_t id;
    struct ordo_backup_manifest_store stores[ORDO_BACKUP_STORES_MAX];
    size_t store_count;
};

/* All stores are of one cluster and each slot is in exactly one of them; INVALID, with a sentence, if not. */
ORDO_MUST_USE ordo_err ordo_backup_manifest_check(const struct ordo_backup_manifest *manifest, struct ordo_problem *problem);
/* Writes FOLDER/manifest.json, synced. */
ORDO_MUST_USE ordo_err ordo_backup_manifest_write(const struct ordo_backup_manifest *manifest, const char *folder,
                                           struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_backup_manifest_read(struct ordo_backup_manifest *manifest, const char *folder,
                                          struct ordo_problem *problem);

/* The numbers of the backups in `dir`, ascending, to free; NULL and a count of 0 if there are none. */
uint64_t *ordo_backup_manifest_list(const char *dir, size_t *count_out);
/* DIR/000007 and what is appended to it. False: too long. */
bool ordo_backup_manifest_path(char out[PATH_MAX], const char *dir, uint64_t id, const char *end);

#endif
