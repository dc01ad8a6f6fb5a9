/* shard/core/timers.h: the documents that want to be looked at at some time, the earliest first.
 *
 * A binary heap with a timer embedded in each owner, so a tick costs nothing for documents that are not due. */
#ifndef ORDO_SHARD_CORE_TIMERS_H
#define ORDO_SHARD_CORE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ordo_timer {
    uint64_t due_ms; /* monotonic; 0: not set */
    size_t index;
};
struct ordo_timers {
    struct ordo_timer **heap;
    size_t count, capacity;
};

/* Zeroed memory is an empty set. */
void ordo_timers_finish(struct ordo_timers *timers);
void ordo_timers_set(struct ordo_timers *timers, struct ordo_timer *timer, uint64_t due_ms); /* due_ms > 0 */
/* Sets it unless it is due earlier already. */
void ordo_timers_set_by(struct ordo_timers *timers, struct ordo_timer *timer, uint64_t due_ms);
void ordo_timers_unset(struct ordo_timers *timers, struct ordo_timer *timer);
/* UINT64_MAX: none is set. */
uint64_t ordo_timers_next_ms(const struct ordo_timers *timers);
/* Unsets and returns one that is due; NULL: none. */
struct ordo_timer *ordo_timers_take(struct ordo_timers *timers, uint64_t now_ms);

#endif
