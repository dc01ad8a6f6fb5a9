/* Helpers run every job once, urgent ones first, with a view of their own, and always have somebody free for those. The
 * jobs here are the test's own: only workers.c and inbox.c are linked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>

#include "common/memory.h"
#include "shard/workers.h"

/* ---- a store that counts its views */

static atomic_int views_open, views_opened;

static struct ordo_view *count_view_open(struct ordo_store *store) {
    (void)store;
    atomic_fetch_add(&views_open, 1);
    atomic_fetch_add(&views_opened, 1);
    return ordo_alloc(sizeof(struct ordo_view));
}
static void count_view_close(struct ordo_view *view) {
    atomic_fetch_sub(&views_open, 1);
    free(view);
}
static const struct ordo_store_ops store_ops = {.view_open = count_view_open, .view_close = count_view_close};
static struct ordo_store store = {.ops = &store_ops};

/* ---- jobs that wait for a gate */

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open;
};

struct ordo_job {
    bool is_urgent;
    struct gate *gate;    /* NULL: does not wait */
    atomic_int *started;  /* counts */
    int order;            /* of its end, set by run */
};

static atomic_int ended, destroyed;

void ordo_job_run(struct ordo_job *job, struct ordo_view *view) {
    assert_non_null(view);
    if (job->started != NULL) atomic_fetch_add(job->started, 1);
    if (job->gate != NULL) {
        pthread_mutex_lock(&job->gate->mutex);
        while (!job->gate->is_open) pthread_cond_wait(&job->gate->changed, &job->gate->mutex);
        pthread_mutex_unlock(&job->gate->mutex);
    }
    job->order = atomic_fetch_add(&ended, 1);
}
void ordo_job_destroy(struct ordo_job *job) {
    if (job != NULL) atomic_fetch_add(&destroyed, 1);
    free(job);
}
const char *ordo_job_name(const struct ordo_job *job) {
    (void)job;
    return "test";
}
bool ordo_job_is_urgent(const struct ordo_job *job) { return job->is_urgent; }

static struct ordo_job *job_create(bool is_urgent, struct gate *gate, atomic_int *started) {
    struct ordo_job *job = ordo_alloc(sizeof *job);
    *job = (struct ordo_job){.is_urgent = is_urgent, .gate = gate, .started = started, .order = -1};
    return job;
}

static void gate_open(struct gate *gate) {
    pthread_mutex_lock(&gate->mutex);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* ---- the stage */

struct fixture {
    struct ordo_inbox inbox;
    struct ordo_inbox_contents taken;
    struct gate gate;
    struct ordo_workers *workers;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    ordo_inbox_init(&fixture->inbox);
    pthread_mutex_init(&fixture->gate.mutex, NULL);
    pthread_cond_init(&fixture->gate.changed, NULL);
    atomic_store(&ended, 0);
    atomic_store(&destroyed, 0);
    atomic_store(&views_opened, 0);
    fixture->workers = ordo_workers_start(2, &store, &fixture->inbox);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    gate_open(&fixture->gate);
    ordo_workers_stop(fixture->workers);
    ordo_inbox_contents_finish(&fixture->taken);
    ordo_inbox_finish(&fixture->inbox);
    pthread_cond_destroy(&fixture->gate.changed);
    pthread_mutex_destroy(&fixture->gate.mutex);
    assert_int_equal(atomic_load(&views_open), 0);
    free(fixture);
    return 0;
}

/* Waits for `count` jobs to come back, as the sequencing thread does, and calls `visit` with each. */
static void take_jobs(struct fixture *fixture, size_t count, void (*visit)(struct ordo_job *job)) {
    while (count > 0) {
        struct pollfd wait = {.fd = fixture->inbox.wake_fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 20000), 1);
        ordo_inbox_calm(&fixture->inbox);
        if (!ordo_inbox_has_any(&fixture->inbox)) continue;
        ordo_inbox_take(&fixture->inbox, &fixture->taken);
        for (size_t i = 0; i < fixture->taken.job_count; i++, count--) {
            if (visit != NULL) visit(fixture->taken.jobs[i]);
            ordo_job_destroy(fixture->taken.jobs[i]);
        }
        fixture->taken.job_count = 0;
    }
}

static void await(atomic_int *number, int value) {
    while (atomic_load(number) < value) sched_yield();
}

static void every_job_comes_back_once(void **state) {
    struct fixture *fixture = *state;
    enum { JOBS = 2000 };
    for (int i = 0; i < JOBS; i++) ordo_workers_give(fixture->workers, job_create(i % 3 != 0, NULL, NULL));
    take_jobs(fixture, JOBS, NULL);
    assert_int_equal(atomic_load(&ended), JOBS);
    assert_int_equal(atomic_load(&destroyed), JOBS);
    assert_int_equal(atomic_load(&views_opened), JOBS);
}

static int urgent_order;
static void note_urgent(struct ordo_job *job) { /* the last of those that ran freely */
    if (job->is_urgent && job->order > urgent_order) urgent_order = job->order;
}

static void a_helper_is_always_free_for_urgent_jobs(void **state) {
    struct fixture *fixture = *state;
    atomic_int started = 0;
    for (int i = 0; i < 5; i++) {
        ordo_workers_give(fixture->workers, job_create(false, &fixture->gate, &started));
    }
    await(&started, 1); /* one of them holds a helper until the gate opens */
    urgent_order = -1;
    ordo_workers_give(fixture->workers, job_create(true, NULL, NULL));
    take_jobs(fixture, 1, note_urgent);
    assert_int_equal(urgent_order, 0);
    assert_int_equal(atomic_load(&started), 1);
    gate_open(&fixture->gate);
    take_jobs(fixture, 5, NULL);
}

static void urgent_jobs_go_before_those_that_wait_longer(void **state) {
    struct fixture *fixture = *state;
    struct gate first = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    atomic_int started = 0;
    ordo_workers_give(fixture->workers, job_create(false, &first, &started));
    await(&started, 1);
    ordo_workers_give(fixture->workers, job_create(true, &fixture->gate, &started));
    await(&started, 2); /* the helper for urgent jobs stays at its gate, so the other works off the queues alone */
    for (int i = 0; i < 3; i++) ordo_workers_give(fixture->workers, job_create(false, NULL, NULL));
    ordo_workers_give(fixture->workers, job_create(true, NULL, NULL));
    urgent_order = -1;
    gate_open(&first);
    take_jobs(fixture, 5, note_urgent);
    assert_int_equal(urgent_order, 1);
    gate_open(&fixture->gate);
    take_jobs(fixture, 1, NULL);
}

static void jobs_that_wait_at_a_stop_are_destroyed(void **state) {
    struct fixture *fixture = *state;
    atomic_int started = 0;
    for (int i = 0; i < 2; i++) ordo_workers_give(fixture->workers, job_create(true, &fixture->gate, &started));
    await(&started, 2);
    for (int i = 0; i < 40; i++) ordo_workers_give(fixture->workers, job_create(i % 2, NULL, NULL));
    gate_open(&fixture->gate);
    ordo_workers_stop(fixture->workers);
    fixture->workers = NULL;
    int ran = atomic_load(&ended);
    ordo_inbox_take(&fixture->inbox, &fixture->taken);
    assert_int_equal(fixture->taken.job_count, ran);
    assert_int_equal(atomic_load(&destroyed) + ran, 42);
}

static void a_session_is_noted_once_until_it_is_taken(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) ordo_inbox_put_session(&fixture->inbox, 7);
    for (uint64_t session = 1; session <= 2 * ORDO_INBOX_SESSIONS_MAX; session++) {
        ordo_inbox_put_session(&fixture->inbox, session);
    }
    assert_true(ordo_inbox_has_any(&fixture->inbox));
    ordo_inbox_take(&fixture->inbox, &fixture->taken);
    assert_false(ordo_inbox_has_any(&fixture->inbox));
    assert_int_equal(fixture->taken.session_count, ORDO_INBOX_SESSIONS_MAX);
    assert_int_equal(fixture->taken.sessions[0], 7);
    assert_int_equal(fixture->taken.sessions[1], 1);
    ordo_inbox_put_session(&fixture->inbox, 7);
    ordo_inbox_take(&fixture->inbox, &fixture->taken);
    assert_int_equal(fixture->taken.session_count, 1);
}

#define WITH_WORKERS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORKERS(every_job_comes_back_once),
        WITH_WORKERS(a_helper_is_always_free_for_urgent_jobs),
        WITH_WORKERS(urgent_jobs_go_before_those_that_wait_longer),
        WITH_WORKERS(jobs_that_wait_at_a_stop_are_destroyed),
        WITH_WORKERS(a_session_is_noted_once_until_it_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
