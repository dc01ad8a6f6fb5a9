/* shard/sweep.h: makes the files of a store give up what was erased.
 *
 * Deleting rows hides them; their bytes stand in log files and tables until RocksDB happens to rewrite those. So a thread of
 * low priority flushes the memtables, which lets the log files go, and compacts the ranges of the documents that were
 * forgotten. Bytes that somebody reads just then (a job, a backup, `ordo verify`) stay: it tries again some times, and so
 * does the next start, should the process end before. Nothing depends on it but where bytes lie.
 *
 * Threads: `give` from one. Ownership: keys are copied. */
#ifndef ORDO_SHARD_SWEEP_H
#define ORDO_SHARD_SWEEP_H

#include "shard/store.h"

struct ordo_sweep;

/* `store`: a RocksDB one, borrowed until stop. */
struct ordo_sweep *ordo_sweep_start(struct ordo_store *store);
/* Document keys of which nothing of before is wanted: sized, one behind the other. */
void ordo_sweep_give(struct ordo_sweep *sweep, struct ordo_slice sized_keys);
/* Ends what is under way. NULL is fine. */
void ordo_sweep_stop(struct ordo_sweep *sweep);

#endif
