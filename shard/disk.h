/* shard/disk.h: what a shard knows of its disk beside the database: how full it is, how long a sync has been running,
 * and the low-water mark of turns.
 *
 * A thread of its own looks at the free space a few times a second and syncs a mark at the newest durable turn once a
 * second; between these every turn is noted (low_water.h).
 * "Full" is declared while there is still room: below `headroom_size` free bytes submits are refused, and RocksDB can
 * go on flushing and compacting. A reserve file holds back as much again: when the space ran out all the same and a
 * write failed, the process has stopped, and its next start gives the reserve back (folder.h) to have room to recover
 * in. "Full" ends by itself, once there is space for the reserve and half as much again as the headroom.
 *
 * Threads: the sequencing thread says what it does with `syncing`, `synced`; any thread may ask. */
#ifndef ORDO_SHARD_DISK_H
#define ORDO_SHARD_DISK_H

#include "common/error.h"
#include "shard/store_rocksdb.h"

struct ordo_disk_config {
    const char *folder;          /* the store's; borrowed until stop */
    const char *db_path;         /* of the database; likewise */
    const char *low_water_path;
    const char *reserve_path;
    uint64_t reserve_size;       /* bytes */
    uint64_t headroom_size;      /* bytes */
    uint64_t turn;               /* durable at the start */
    int wake_fd;                 /* an eventfd that is raised when an answer below changes */
};

struct ordo_disk;

/* Makes mark and reserve as far as there is space, looks once, then starts the thread. */
ORDO_MUST_USE ordo_err ordo_disk_start(const struct ordo_disk_config *config, struct ordo_problem *problem,
                                       struct ordo_disk **disk_out);
/* Marks the newest durable turn and ends the thread. NULL is fine. */
void ordo_disk_stop(struct ordo_disk *disk);

/* A synced write begins; it is done, and this turn and all before it are durable (0: it was none of a turn). */
void ordo_disk_syncing(struct ordo_disk *disk, uint64_t monotonic_ms);
void ordo_disk_synced(struct ordo_disk *disk, uint64_t turn);

/* The newest of which `synced` told. */
uint64_t ordo_disk_durable_turn(const struct ordo_disk *disk);
bool ordo_disk_is_full(const struct ordo_disk *disk);
/* Bytes that a file in the store's folder could still grow by, as of the last look. */
uint64_t ordo_disk_free_size(const struct ordo_disk *disk);
/* How long the present sync has been running; 0: none is. */
uint64_t ordo_disk_stalled_ms(const struct ordo_disk *disk, uint64_t monotonic_ms);
/* The mark could not be written: the disk does not do what it says, the process has to stop. */
bool ordo_disk_has_failed(const struct ordo_disk *disk);

#endif
