/* shard/workers.h: the helper threads that run the core's jobs.
 *
 * Two queues: urgent jobs (short, and somebody waits for them) go first, and one helper takes no others, so that nobody
 * who opens a document waits for a snapshot. The rest step aside for whoever else wants the core. A job runs with a view
 * of its own, opened when it starts; by then the store holds all that it must see. Done jobs go to the inbox.
 *
 * Limits: the core gives out a bounded number of jobs per document. Threads: `give` from one thread. */
#ifndef ORDO_SHARD_WORKERS_H
#define ORDO_SHARD_WORKERS_H

#include "common/buckets.h"
#include "shard/inbox.h"
#include "shard/store.h"

struct ordo_workers;

/* `thread_count` >= 2. Borrows store and inbox until stop. */
struct ordo_workers *ordo_workers_start(size_t thread_count, struct ordo_store *store, struct ordo_inbox *inbox);
/* How they are kept busy. Any thread. */
struct ordo_workers_figures {
    uint64_t urgent_waiting, background_waiting;  /* jobs */
    struct ordo_buckets urgent_us, background_us; /* how long jobs ran */
};
void ordo_workers_read(struct ordo_workers *workers, struct ordo_workers_figures *out);

void ordo_workers_give(struct ordo_workers *workers, struct ordo_job *job); /* takes it */
/* Lets the running jobs end (into the inbox), destroys the waiting ones. NULL is fine. */
void ordo_workers_stop(struct ordo_workers *workers);

#endif
