#define _GNU_SOURCE /* gettid, syscall */

#include "common/sched.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLICE_NS = 100 * 1000, /* the shortest that Linux grants */
       ASIDE_NICE = 5 };

/* As the kernel has it (sched_setattr(2)); glibc 2.36 does not declare it. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

void ordo_sched_take_short_slices(void) {
    struct attributes wish = {.size = sizeof wish,
                              .policy = SCHED_OTHER,
                              .nice = getpriority(PRIO_PROCESS, (id_t)gettid()),
                              .runtime_ns = SLICE_NS};
    (void)syscall(SYS_sched_setattr, gettid(), &wish, 0);
}

void ordo_sched_step_aside(void) {
    id_t self = (id_t)gettid(); /* on Linux: of this thread alone */
    (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + ASIDE_NICE);
}
