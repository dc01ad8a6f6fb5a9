/* Who answers takes the core in short slices; who does not steps aside, and gives way in between. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/sched.h"

enum { BUSY_NS = 2 * 1000 * 1000 };

/* As sched_getattr(2) fills it, its first version. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* What a thread looked like after its wish. Nothing is asserted in it: cmocka wants that in the main thread. */
struct seen {
    bool is_aside;
    struct attributes before, after;
    long pauses; /* in BUSY_NS of work between ordo_sched_long_begin and _end */
};

static void read_attributes(struct attributes *out) { (void)syscall(SYS_sched_getattr, 0, out, sizeof *out, 0); }

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static long pauses(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static void *wish_and_work(void *context) {
    struct seen *seen = context;
    read_attributes(&seen->before);
    if (seen->is_aside)
        ordo_sched_step_aside();
    else
        ordo_sched_take_short_slices();
    read_attributes(&seen->after);
    long before = pauses();
    ordo_sched_long_begin();
    for (uint64_t begun_ns = cpu_ns(); cpu_ns() - begun_ns < BUSY_NS;) {}
    ordo_sched_long_end();
    seen->pauses = pauses() - before;
    return NULL;
}

static void run(struct seen *seen) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wish_and_work, seen), 0);
    pthread_join(thread, NULL);
}

static void who_steps_aside_is_nicer_and_gives_way(void **state) {
    (void)state;
    struct seen seen = {.is_aside = true};
    run(&seen);
    assert_int_equal(seen.after.nice, seen.before.nice + 5 > 19 ? 19 : seen.before.nice + 5);
    if (seen.before.runtime_ns > 0) assert_int_equal(seen.after.runtime_ns, 100 * 1000 * 1000); /* Linux 6.12 and later */
    assert_in_range(seen.pauses, 1, 20); /* every 0.3 ms, of which it sleeps a part */
}

static void who_answers_keeps_its_share_and_the_core(void **state) {
    (void)state;
    struct seen seen = {.is_aside = false};
    run(&seen);
    assert_int_equal(seen.after.nice, seen.before.nice);
    if (seen.before.runtime_ns > 0) assert_int_equal(seen.after.runtime_ns, 100 * 1000);
    assert_int_equal(seen.pauses, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_steps_aside_is_nicer_and_gives_way),
        cmocka_unit_test(who_answers_keeps_its_share_and_the_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
