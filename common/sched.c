#define _GNU_SOURCE /* gettid, syscall */

#include "common/sched.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

enum { SLICE_SHORT_NS = 100 * 1000, /* the shortest and the longest that Linux grants */
       SLICE_LONG_NS = 100 * 1000 * 1000,
       ASIDE_NICE = 5,
       STRETCH_NS = 300 * 1000,
       NAP_NS = 10 * 1000 }; /* and the 50 µs by which Linux lets timers be late */

/* As the kernel has it (sched_setattr(2)); glibc 2.36 does not declare it. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

static _Thread_local bool is_aside;
static _Thread_local uint64_t stretch_end_ns; /* when it gives way next */

static void wish(int more_nice, uint64_t slice_ns) {
    struct attributes wish = {.size = sizeof wish,
                              .policy = SCHED_OTHER,
                              .nice = getpriority(PRIO_PROCESS, (id_t)gettid()) + more_nice,
                              .runtime_ns = slice_ns};
    (void)syscall(SYS_sched_setattr, gettid(), &wish, 0);
}

void ordo_sched_take_short_slices(void) { wish(0, SLICE_SHORT_NS); }

void ordo_sched_step_aside(void) {
    wish(ASIDE_NICE, SLICE_LONG_NS);
    is_aside = true;
}

void ordo_sched_give_way(void) {
    if (!is_aside) return;
    uint64_t now_ns = ordo_clock_monotonic_ns();
    if (now_ns < stretch_end_ns) return;
    (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL); /* sched_yield would give up the rest of a long slice */
    stretch_end_ns = now_ns + STRETCH_NS;
}
