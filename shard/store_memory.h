/* shard/store_memory.h: the store in memory, with a disk that can be cut off at any moment.
 *
 * For the simulator and the tests. Each column family is a persistent treap (path copying, priorities from the hash of
 * the key, so that equal contents have equal shapes): a view is a reference to a root, a write copies O(log n) nodes,
 * and every batch that no sync has covered yet is one more root to fall back to.
 *
 * Pure: no system calls, seeded randomness. Threads: one owner, views included. Ownership: `ops->close` frees the
 * store; views and iterators must be closed before it. */
#ifndef ORDO_SHARD_STORE_MEMORY_H
#define ORDO_SHARD_STORE_MEMORY_H

#include "shard/store.h"

/* Empty. `seed` decides what crashes keep and what failed writes leave behind. */
struct ordo_store *ordo_store_memory_create(uint64_t seed);

/* Makes durable what was written without `sync`. IO: a sync fault was due, see below. */
ORDO_MUST_USE ordo_err ordo_store_memory_sync(struct ordo_store *store);
/* Batches written and not yet durable. */
size_t ordo_store_memory_unsynced_count(const struct ordo_store *store);

/* A view of what a crash would leave, whatever it keeps. Close it like any other. */
struct ordo_view *ordo_store_memory_view_durable(struct ordo_store *store);

/* Power is cut: batches that were not synced are gone. With `keep_some`, a random number of the oldest of them (also
 * none, also all) survives, whole batches in order, as a log with a torn tail leaves them. What survives is durable
 * from now on, pending faults and failures are over: the store is as if opened anew. Views stay as they were. */
void ordo_store_memory_crash(struct ordo_store *store, bool keep_some);

/* The `nth` write from now (1 is the next; 0 takes the fault back) fails with `err`; a random choice applies the batch,
 * unsynced, or not. NO_SPACE applies nothing and only that write fails; after any other error every write and sync
 * fails until `crash`, because nobody knows what the disk holds. */
void ordo_store_memory_fail_write(struct ordo_store *store, uint64_t nth, ordo_err err);
/* The `nth` sync from now (a synced write counts as one) fails with IO: the batch is applied and not durable. */
void ordo_store_memory_fail_sync(struct ordo_store *store, uint64_t nth);
/* While full, writes answer NO_SPACE and change nothing. */
void ordo_store_memory_set_full(struct ordo_store *store, bool is_full);

/* Damage on the medium: it concerns every version of the value, synced or not, open views too. False: no such key,
 * or an empty value. `bit` counts from 0 and wraps around the value's size. */
bool ordo_store_memory_flip_bit(struct ordo_store *store, enum ordo_cf cf, struct ordo_slice key, uint64_t bit);
/* Reads that meet the key answer CORRUPT, as a bad block does. */
bool ordo_store_memory_make_unreadable(struct ordo_store *store, enum ordo_cf cf, struct ordo_slice key);

#endif
