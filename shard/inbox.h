/* shard/inbox.h: what other threads have for the sequencing thread: jobs that are done, sessions that were heard.
 *
 * Any thread puts in and raises the eventfd that the sequencing thread waits on; that thread alone takes out, and asks
 * `has_any` (no lock, no system call) once per turn. Limits: jobs are as many as were given out; a session that is there
 * already is not added again, and beyond ORDO_INBOX_SESSIONS_MAX the newest are dropped (they heartbeat again). */
#ifndef ORDO_SHARD_INBOX_H
#define ORDO_SHARD_INBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/core/job.h"

#define ORDO_INBOX_SESSIONS_MAX 1024

struct ordo_inbox_contents {
    struct ordo_job **jobs;
    size_t job_count, job_capacity;
    uint64_t *sessions;
    size_t session_count, session_capacity;
};

struct ordo_inbox {
    pthread_mutex_t mutex; /* guards `contents` */
    struct ordo_inbox_contents contents;
    atomic_bool has_any;
    int wake_fd;           /* an eventfd, not blocking; owned */
};

void ordo_inbox_init(struct ordo_inbox *inbox);
/* Destroys the jobs in it. */
void ordo_inbox_finish(struct ordo_inbox *inbox);

void ordo_inbox_put_job(struct ordo_inbox *inbox, struct ordo_job *job); /* takes it */
void ordo_inbox_put_session(struct ordo_inbox *inbox, uint64_t session);

static inline bool ordo_inbox_has_any(struct ordo_inbox *inbox) {
    return atomic_load_explicit(&inbox->has_any, memory_order_acquire);
}
/* Swaps: gives all that is in it and takes what `out` has as room for more. The caller uses up the jobs. */
void ordo_inbox_take(struct ordo_inbox *inbox, struct ordo_inbox_contents *out);
void ordo_inbox_contents_finish(struct ordo_inbox_contents *contents);

/* Raises the eventfd; may be called from a signal handler. */
void ordo_inbox_wake(const struct ordo_inbox *inbox);
/* Lowers it again. */
void ordo_inbox_calm(const struct ordo_inbox *inbox);

#endif
