#include "shard/workers.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/sched.h"
#include "common/wake.h"

#include <stdlib.h>

struct queue {
    struct ordo_job **jobs; /* a ring */
    size_t first, count, capacity;
};

struct ordo_workers {
    struct ordo_store *store;
    struct ordo_inbox *inbox;
    pthread_mutex_t mutex; /* guards all below but `threads` */
    pthread_cond_t urgent_given; /* to the first, which `is_first_idle` until it is told */
    pthread_cond_t given;        /* to any of the others */
    bool is_first_idle;
    struct queue urgent, background;
    struct ordo_workers_figures figures;
    bool stops;
    size_t thread_count;
    pthread_t *threads; /* the first takes urgent jobs only */
};

static void queue_push(struct queue *queue, struct ordo_job *job) {
    if (queue->count == queue->capacity) {
        struct queue larger = {.capacity = queue->capacity ? 2 * queue->capacity : 16};
        larger.jobs = ordo_alloc_array(larger.capacity, sizeof *larger.jobs);
        while (larger.count < queue->count) {
            larger.jobs[larger.count] = queue->jobs[(queue->first + larger.count) % queue->capacity];
            larger.count++;
        }
        free(queue->jobs);
        *queue = larger;
    }
    queue->jobs[(queue->first + queue->count++) % queue->capacity] = job;
}

static struct ordo_job *queue_pop(struct queue *queue) {
    if (queue->count == 0) return NULL;
    struct ordo_job *job = queue->jobs[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return job;
}

static void queue_finish(struct queue *queue) {
    for (struct ordo_job *job; (job = queue_pop(queue)) != NULL;) ordo_job_destroy(job);
    free(queue->jobs);
}

/* Returns how long it took, in µs. */
static uint64_t run_job(struct ordo_workers *workers, struct ordo_job *job) {
    uint64_t begun_ns = ordo_clock_monotonic_ns();
    struct ordo_view *view = workers->store->ops->view_open(workers->store);
    ordo_sched_long_begin();
    ordo_job_run(job, view);
    ordo_sched_long_end();
    workers->store->ops->view_close(view);
    uint64_t ended_ns = ordo_clock_monotonic_ns();
    ordo_inbox_put_job(workers->inbox, job);
    return (ended_ns - begun_ns) / 1000;
}

static void serve(struct ordo_workers *workers, bool is_first) {
    pthread_mutex_lock(&workers->mutex);
    while (!workers->stops) {
        struct ordo_job *job = queue_pop(&workers->urgent);
        bool is_background = job == NULL && !is_first;
        if (is_background) job = queue_pop(&workers->background);
        if (job == NULL) {
            if (is_first) workers->is_first_idle = true;
            pthread_cond_wait(is_first ? &workers->urgent_given : &workers->given, &workers->mutex);
            if (is_first) workers->is_first_idle = false; /* however it came to wake */
            continue;
        }
        pthread_mutex_unlock(&workers->mutex);
        uint64_t duration_us = run_job(workers, job);
        pthread_mutex_lock(&workers->mutex);
        ordo_buckets_add(is_background ? &workers->figures.background_us : &workers->figures.urgent_us, duration_us, 1);
    }
    pthread_mutex_unlock(&workers->mutex);
}

/* What it does is short, and after a restart it is what all those wait for whose documents are not loaded yet, while those
 * whose documents are would take the core for themselves. */
static void *serve_urgent(void *context) {
    ordo_thread_name("urgent");
    serve(context, true);
    return NULL;
}

static void *serve_all(void *context) {
    ordo_thread_name("helper");
    ordo_sched_step_aside(); /* the sequencing thread must not wait for us when its sync has ended */
    serve(context, false);
    return NULL;
}

struct ordo_workers *ordo_workers_start(size_t thread_count, struct ordo_store *store, struct ordo_inbox *inbox) {
    ORDO_ASSERT(thread_count >= 2);
    struct ordo_workers *workers = ordo_alloc(sizeof *workers);
    workers->store = store;
    workers->inbox = inbox;
    workers->thread_count = thread_count;
    workers->threads = ordo_alloc_array(thread_count, sizeof *workers->threads);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->urgent_given, NULL);
    pthread_cond_init(&workers->given, NULL);
    for (size_t i = 0; i < thread_count; i++) {
        int error = pthread_create(&workers->threads[i], NULL, i == 0 ? serve_urgent : serve_all, workers);
        ORDO_ASSERT(error == 0); /* at the start, with nothing served yet: as good as no memory */
    }
    return workers;
}

void ordo_workers_give(struct ordo_workers *workers, struct ordo_job *job) {
    bool is_urgent = ordo_job_is_urgent(job);
    pthread_mutex_lock(&workers->mutex);
    queue_push(is_urgent ? &workers->urgent : &workers->background, job);
    bool is_for_first = is_urgent && workers->is_first_idle;
    if (is_for_first) workers->is_first_idle = false;
    pthread_cond_signal(is_for_first ? &workers->urgent_given : &workers->given);
    pthread_mutex_unlock(&workers->mutex);
}

void ordo_workers_read(struct ordo_workers *workers, struct ordo_workers_figures *out) {
    pthread_mutex_lock(&workers->mutex);
    *out = workers->figures;
    out->urgent_waiting = workers->urgent.count;
    out->background_waiting = workers->background.count;
    pthread_mutex_unlock(&workers->mutex);
}

void ordo_workers_stop(struct ordo_workers *workers) {
    if (workers == NULL) return;
    pthread_mutex_lock(&workers->mutex);
    workers->stops = true;
    pthread_cond_broadcast(&workers->urgent_given);
    pthread_cond_broadcast(&workers->given);
    pthread_mutex_unlock(&workers->mutex);
    for (size_t i = 0; i < workers->thread_count; i++) pthread_join(workers->threads[i], NULL);
    queue_finish(&workers->urgent);
    queue_finish(&workers->background);
    pthread_cond_destroy(&workers->urgent_given);
    pthread_cond_destroy(&workers->given);
    pthread_mutex_destroy(&workers->mutex);
    free(workers->threads);
    free(workers);
}
