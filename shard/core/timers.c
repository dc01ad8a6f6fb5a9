#include "shard/core/timers.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

void ordo_timers_finish(struct ordo_timers *timers) {
    free(timers->heap);
    *timers = (struct ordo_timers){0};
}

static void put(struct ordo_timers *timers, size_t index, struct ordo_timer *timer) {
    timers->heap[index] = timer;
    timer->index = index;
}

static void sift_up(struct ordo_timers *timers, struct ordo_timer *timer) {
    size_t index = timer->index;
    for (; index > 0 && timers->heap[(index - 1) / 2]->due_ms > timer->due_ms; index = (index - 1) / 2)
        put(timers, index, timers->heap[(index - 1) / 2]);
    put(timers, index, timer);
}

static void sift_down(struct ordo_timers *timers, struct ordo_timer *timer) {
    size_t index = timer->index;
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= timers->count) break;
        if (child + 1 < timers->count && timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms) child++;
        if (timers->heap[child]->due_ms >= timer->due_ms) break;
        put(timers, index, timers->heap[child]);
        index = child;
    }
    put(timers, index, timer);
}

void ordo_timers_set(struct ordo_timers *timers, struct ordo_timer *timer, uint64_t due_ms) {
    ORDO_ASSERT(due_ms > 0);
    bool was_set = timer->due_ms != 0;
    timer->due_ms = due_ms;
    if (!was_set) {
        if (timers->count == timers->capacity) {
            timers->capacity = timers->capacity ? 2 * timers->capacity : 16;
            timers->heap = ordo_realloc(timers->heap, timers->capacity * sizeof(struct ordo_timer *));
        }
        put(timers, timers->count++, timer);
    }
    sift_up(timers, timer);
    sift_down(timers, timer);
}

void ordo_timers_set_by(struct ordo_timers *timers, struct ordo_timer *timer, uint64_t due_ms) {
    if (timer->due_ms == 0 || timer->due_ms > due_ms) ordo_timers_set(timers, timer, due_ms);
}

void ordo_timers_unset(struct ordo_timers *timers, struct ordo_timer *timer) {
    if (timer->due_ms == 0) return;
    ORDO_ASSERT(timers->heap[timer->index] == timer);
    struct ordo_timer *last = timers->heap[--timers->count];
    timer->due_ms = 0;
    if (last == timer) return;
    put(timers, timer->index, last);
    sift_up(timers, last);
    sift_down(timers, last);
}

uint64_t ordo_timers_next_ms(const struct ordo_timers *timers) {
    return timers->count > 0 ? timers->heap[0]->due_ms : UINT64_MAX;
}

struct ordo_timer *ordo_timers_take(struct ordo_timers *timers, uint64_t now_ms) {
    if (timers->count == 0 || timers->heap[0]->due_ms > now_ms) return NULL;
    struct ordo_timer *timer = timers->heap[0];
    ordo_timers_unset(timers, timer);
    return timer;
}
