/* shard/backup.h: copies of a store that is being served, one at a time, on a thread of its own.
 *
 * The sequencing thread does not know of it. RocksDB makes a checkpoint inside the store's folder (links to tables, copies
 * of the few megabytes of log), and from that the thread copies to where it was told, at a bounded rate. The log is a
 * prefix of what the one writer wrote, so the copy is the store as it was after some turn; that turn is at least the one
 * that was durable when the copy began, and nothing acknowledged before is missing.
 *
 * Who asked asks again and again with the same id until it is over; when nobody has asked for some seconds it is given up.
 * A checkpoint may also be asked for by itself, held, and looked into by another process: files that tell what is on disk,
 * and not what this process has in its caches. It is given up when the disk gets short.
 *
 * Whatever fails leaves neither a half copy nor a checkpoint; a process that dies leaves a folder without PATH/files. */
#ifndef ORDO_SHARD_BACKUP_H
#define ORDO_SHARD_BACKUP_H

#include "common/slice.h"
#include "shard/disk.h"

struct ordo_backup_config {
    struct ordo_store *store;     /* a RocksDB one; borrowed until destroy, as is all here */
    const char *folder;           /* the store's */
    const struct ordo_disk *disk;
    uint64_t space_margin;        /* bytes to leave free where the copy shares the store's file system */
};

/* Borrowed during the call. */
struct ordo_backup_request {
    uint64_t id;                  /* drawn by the asker; never 0 */
    struct ordo_slice path;       /* absolute; its parent is there, it is not */
    struct ordo_slice previous;   /* an earlier backup of a store, to share tables with; empty: none */
    uint64_t rate;                /* bytes per second, 1 MiB at least; 0: no limit */
    bool is_hold;                 /* nothing is copied: the checkpoint is kept, for `ordo verify` to look into … */
    bool is_release;              /* … until this, or until nobody asks */
};

enum ordo_backup_state { ORDO_BACKUP_RUNNING, ORDO_BACKUP_DONE, ORDO_BACKUP_FAILED, ORDO_BACKUP_BUSY, ORDO_BACKUP_HELD };

struct ordo_backup_status {
    enum ordo_backup_state state;
    uint64_t turn;                /* all up to this one is in it */
    uint64_t copied_size, linked_size;
    struct ordo_problem problem;  /* FAILED, BUSY: a sentence */
};

struct ordo_backup;

struct ordo_backup *ordo_backup_create(const struct ordo_backup_config *config);
/* Gives up what is under way. NULL is fine. */
void ordo_backup_destroy(struct ordo_backup *backup);
/* Begins it, or says how it stands. From one thread. */
void ordo_backup_ask(struct ordo_backup *backup, const struct ordo_backup_request *request,
                     struct ordo_backup_status *status_out);

/* When the last copy was whole and when one last failed, by the wall clock; 0: none since the start. Any thread. */
struct ordo_backup_times {
    uint64_t done_ms, failed_ms;
};
struct ordo_backup_times ordo_backup_times(const struct ordo_backup *backup);

/* Removes what a process that died left in its store's folder. */
ORDO_MUST_USE ordo_err ordo_backup_clear_leftovers(const char *folder);

#endif
