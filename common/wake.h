/* common/wake.h: has a thread that waits in poll look up, and threads that serve until they are told to stop.
 *
 * A wake is an eventfd: readable from a raise on until somebody calms it, however often it was raised. */
#ifndef ORDO_COMMON_WAKE_H
#define ORDO_COMMON_WAKE_H

#include <pthread.h>

/* Not blocking, closed on exec; the caller closes it. Without descriptors left the process stops: wakes are made at the start. */
int ordo_wake_open(void);
/* Any thread, and signal handlers too. -1: nobody waits, and nothing is done. */
void ordo_wake_raise(int fd);
void ordo_wake_calm(int fd);

/* Names the calling thread, as tools show it: 15 bytes at most. */
void ordo_thread_name(const char *name);

/* A thread whose `run` watches `stop_fd` in its poll, and returns once that is readable. */
struct ordo_thread {
    pthread_t id;
    int stop_fd;
};

/* All that the thread looks at has to be in place; starting it is the full fence that a ZeroMQ socket needs to move to it.
 * Like memory, threads are there or the process stops. */
void ordo_thread_start(struct ordo_thread *thread, void *(*run)(void *context), void *context);
/* Returns when `run` has. */
void ordo_thread_stop(struct ordo_thread *thread);

#endif
