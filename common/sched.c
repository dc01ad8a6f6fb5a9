#define _GNU_SOURCE /* gettid, syscall */

#include "common/sched.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
static _Thread_local timer_t timer;
static _Thread_local bool has_timer;

static void wish(int more_nice, uint64_t slice_ns) {
    struct attributes wish = {.size = sizeof wish,
                              .policy = SCHED_OTHER,
                              .nice = getpriority(PRIO_PROCESS, (id_t)gettid()) + more_nice,
                              .runtime_ns = slice_ns};
    (void)syscall(SYS_sched_setattr, gettid(), &wish, 0);
}

void ordo_sched_take_short_slices(void) { wish(0, SLICE_SHORT_NS); }

/* In the middle of anything: pselect is one of the few sleeps that POSIX allows there. */
static void give_way(int signal) {
    (void)signal;
    int error = errno;
    (void)pselect(0, NULL, NULL, NULL, &(struct timespec){.tv_nsec = NAP_NS}, NULL);
    errno = error;
}

void ordo_sched_step_aside(void) {
    struct sigaction action = {.sa_handler = give_way, .sa_flags = SA_RESTART};
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    (void)sigaction(SIGURG, &action, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    wish(ASIDE_NICE, SLICE_LONG_NS);
    is_aside = true;
}

void ordo_sched_long_begin(void) {
    if (!is_aside) return;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
    event._sigev_un._tid = gettid(); /* sigev_notify_thread_id, for which glibc 2.36 has no name */
    has_timer = timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
    const struct itimerspec stretch = {.it_interval.tv_nsec = STRETCH_NS, .it_value.tv_nsec = STRETCH_NS};
    if (has_timer) (void)timer_settime(timer, 0, &stretch, NULL);
}

void ordo_sched_long_end(void) {
    if (has_timer) (void)timer_delete(timer);
    has_timer = false;
}
