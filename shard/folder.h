/* shard/folder.h: a store's folder, from the outside in: name, lock, log files, database, identity.
 *
 *     DIR/lock        flock while a process has the store; the lock goes with the process
 *     DIR/db/         the database
 *     DIR/low-water   a turn that was durable (low_water.h)
 *     DIR/reserve     space kept for the day when there is none (disk.h)
 *     DIR/side        where the shard that has it is asked (side.h), one line; written by host.c
 *     DIR/checkpoint  links to tables, while a backup is made (backup.h)
 *     DIR/bad-tables  tables in which compaction met a bad block; DIR/confine while they are taken out, DIR/lost what
 *                     was (confine.h)
 *
 * A folder that is absent or empty becomes a new store: made as DIR.new, locked, filled, synced, renamed. Nothing else
 * ever becomes one: a folder with something in it and no store is refused, so a lost database or a volume that is not
 * mounted shows as an error and never as empty documents.
 *
 * An existing store is opened in this order: lock; give the reserve back if the disk is full; check the log files
 * (recovery.h), cut a torn tail; compare with the low-water mark; take out tables that are known to be bad; open the
 * database, which writes all that its log holds to new, synced tables; raise the incarnation.
 * Only then is anything served. */
#ifndef ORDO_SHARD_FOLDER_H
#define ORDO_SHARD_FOLDER_H

#include <limits.h>

#include "shard/identity.h"

struct ordo_folder {
    char path[PATH_MAX], db_path[PATH_MAX], low_water_path[PATH_MAX], reserve_path[PATH_MAX];
    int lock_fd;
    struct ordo_store *store;
    struct ordo_identity identity;
    bool is_new;                  /* made by this opening */
    struct ordo_problem note;     /* what was odd and is handled, a torn tail say; "" if nothing was */
};

/* Opens for serving; makes the store if there is none. LOCKED: another process has it. CORRUPT: damage. The caller
 * finishes the folder whatever comes back. */
ORDO_MUST_USE ordo_err ordo_folder_open(struct ordo_folder *folder, const char *path, struct ordo_problem *problem);
/* The same, but a store that it makes is one more of that cluster (NULL: the first of a new one) and owns no slot. */
ORDO_MUST_USE ordo_err ordo_folder_open_member(struct ordo_folder *folder, const char *path,
                                               const uint8_t *cluster_id, struct ordo_problem *problem);
/* Nothing is at the path, or an empty folder: opening it would make a store. */
bool ordo_folder_is_free(const char *path);
/* Opens a stopped store, or one in a backup, for reading: the same checks, and not a byte is changed. NOT_FOUND: no store there. */
ORDO_MUST_USE ordo_err ordo_folder_open_readonly(struct ordo_folder *folder, const char *path,
                                                 struct ordo_problem *problem);
/* Makes a store at `path`, where nothing is yet: as PATH.new, locked, filled by `fill` (which is handed that folder), synced,
 * renamed. `turn` is what `fill` says the database holds. The caller finishes the folder. */
typedef ordo_err ordo_folder_fill(void *context, const char *path, uint64_t *turn, struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_folder_make(struct ordo_folder *folder, const char *path, ordo_folder_fill *fill,
                                        void *context, struct ordo_problem *problem);
/* For `ordo repair`: what is at the path, named and locked (if it has a lock), and nothing of it opened or judged. */
ORDO_MUST_USE ordo_err ordo_folder_lock_damaged(struct ordo_folder *folder, const char *path,
                                                struct ordo_problem *problem);
/* Says what the log files and the low-water mark alone tell: CORRUPT with a sentence if something is missing or damaged.
 * `turn` is what the log and the mark together know of. */
ORDO_MUST_USE ordo_err ordo_folder_check_log(struct ordo_folder *folder, bool *is_torn, uint64_t *turn,
                                             struct ordo_problem *problem);
/* Closes the store and lets go of the lock. Safe on a half-opened folder. */
void ordo_folder_finish(struct ordo_folder *folder);

#endif
