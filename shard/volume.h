/* shard/volume.h: a folder of stores that several processes divide among themselves (`--volume DIR`).
 *
 *     DIR/shard, DIR/shard-2, …   a store each (folder.h); who has one holds its lock
 *     DIR/NAME/failed             it failed, how often, when and how: it is left alone for a while, so that one damaged
 *                                 store does not keep a whole volume from serving
 *
 *     DIR/NAME/refused            the cluster refused it, because it is older than what was seen of it. Each try raises the
 *                                 store's incarnation, so without this note a few tries would let it in
 *
 * What else lies in the folder (files, other folders, stores that are being made) is passed over. Nothing here waits.
 * Times of `failed` are of the wall clock, because they outlive processes; one in the future counts as long ago. */
#ifndef ORDO_SHARD_VOLUME_H
#define ORDO_SHARD_VOLUME_H

#include <limits.h>

#include "shard/store_rocksdb.h"

#define ORDO_VOLUME_STORES_MAX 1024

struct ordo_volume_store {
    char path[PATH_MAX];
    const char *name;       /* the last part of it */
    bool is_held;           /* by some process, perhaps this one */
    uint32_t failure_count; /* 0: none that is remembered */
    uint64_t failed_wall_ms, retry_wall_ms;
    char reason[200]; /* of the last failure */
};

/* The stores below `path`, those that never failed first, then by name; memory to free, NULL if there are none. A folder
 * that cannot be read has none, and `problem` says why. */
struct ordo_volume_store *ordo_volume_list(const char *path, size_t *count_out, struct ordo_problem *problem);
/* One store of it, as it stands. */
void ordo_volume_look(struct ordo_volume_store *store, const char *path);

/* A path where no store is yet: DIR/shard, DIR/shard-2, …, the first from number `*number` on; `*number` is moved on behind
 * it. False: the path is too long. */
bool ordo_volume_free_name(const char *path, uint32_t *number, char out[PATH_MAX]);

/* Notes at the store that it failed, and may be tried again: at once after the first time, then after 10 s, 20 s, … 10 min.
 */
void ordo_volume_note_failure(const char *store_path, uint64_t wall_ms, const char *reason);
/* It works (has worked for a while, to whoever calls this). */
void ordo_volume_forget_failure(const char *store_path);
/* `refused`: of any store, in a volume or not. */
void ordo_volume_refuse(const char *store_path, const char *reason);
bool ordo_volume_is_refused(const char *store_path);
void ordo_volume_let_in(const char *store_path);

#endif
