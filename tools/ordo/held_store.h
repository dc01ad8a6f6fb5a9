/* tools/ordo/held_store.h: a store that is being served, held still for a command to read.
 *
 * The shard makes a checkpoint inside the store's folder and keeps it while it is asked (shard/backup.h). What is read from
 * it is what stands on the disk, not what the shard has in its caches, and costs the shard nothing but the space of tables that
 * could go meanwhile. Whoever reads it asks `is_held` again before he believes what he read. One thread. */
#ifndef ORDO_TOOLS_HELD_STORE_H
#define ORDO_TOOLS_HELD_STORE_H

#include "shard/store_rocksdb.h"

struct held_store;

/* `path`: of the store; the side link of its shard is looked for in the folder `run` beside it. LOCKED: nobody says where the
 * shard is. TIMEOUT, UNAVAILABLE: it does not answer, or cannot. With a sentence. */
ORDO_MUST_USE ordo_err held_store_open(struct held_store **out, const char *path, struct ordo_problem *problem);
void held_store_close(struct held_store *held); /* lets the shard remove it; NULL is fine */
/* Its database, to be opened for reading. */
const char *held_store_database(const struct held_store *held);
/* Says that it is still needed. False: it is gone, or may be, and `problem` says why. Asks at most once a second unless `now`. */
bool held_store_is_held(struct held_store *held, bool now, struct ordo_problem *problem);

#endif
