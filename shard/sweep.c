#define _GNU_SOURCE /* pthread_cond_clockwait */

#include "shard/sweep.h"

#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sched.h"
#include "common/wake.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/store_rocksdb.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { TRIES_MAX = 10, PAUSE_S = 2 }; /* the pauses double: half an hour in all */

struct ordo_sweep {
    struct ordo_store *store;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    struct ordo_buffer given; /* sized keys */
    bool stops;
};

/* Documents that were forgotten by an earlier process, which may not have come to sweep. */
static void find_forgotten(struct ordo_sweep *sweep, struct ordo_buffer *keys) {
    struct ordo_view *view = sweep->store->ops->view_open(sweep->store);
    struct ordo_iterator *rows = view->ops->iterate(view, ORDO_CF_DOCS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = rows->ops->next(rows); has; has = rows->ops->next(rows)) {
        struct ordo_doc_row row;
        struct ordo_slice key = rows->ops->key(rows);
        if (!ordo_doc_row_decode(key, rows->ops->value(rows), &row) && row.erased_seq > 0) ordo_buffer_append_sized(keys, key);
    }
    rows->ops->close(rows);
    sweep->store->ops->view_close(view);
}

static void sweep_all(struct ordo_sweep *sweep, struct ordo_slice keys) {
    struct ordo_buffer end = {0};
    struct ordo_reader reader = ordo_reader(keys);
    struct ordo_slice key;
    uint64_t begun_ms = ordo_clock_monotonic_ms();
    size_t count = 0;
    struct ordo_problem problem = {{0}};
    ordo_err err = ordo_store_rocksdb_flush(sweep->store, &problem);
    while (!err && ordo_take_sized(&reader, &key)) {
        ordo_key_doc_end(&end, key);
        ordo_store_rocksdb_compact(sweep->store, key, ordo_buffer_slice(&end));
        count++;
    }
    if (err) log_warn("event=sweep_failed reason=\"%s\"", log_quoted(problem.text));
    else log_info("event=swept documents=%zu ms=%llu", count, (unsigned long long)(ordo_clock_monotonic_ms() - begun_ms));
    ordo_buffer_finish(&end);
}

/* Until more is given, or for a while. False: it is to stop. Under the mutex. */
static bool wait_for_more(struct ordo_sweep *sweep, unsigned pause_s) {
    const struct timespec until = ordo_clock_deadline(pause_s * UINT64_C(1000));
    int error = 0;
    while (!sweep->stops && sweep->given.size == 0 && error == 0) {
        error = pause_s > 0 ? pthread_cond_clockwait(&sweep->changed, &sweep->mutex, CLOCK_MONOTONIC, &until)
                            : pthread_cond_wait(&sweep->changed, &sweep->mutex);
    }
    return !sweep->stops;
}

static void *run(void *context) {
    ordo_thread_name("sweep");
    struct ordo_sweep *sweep = context;
    struct ordo_buffer keys = {0}; /* not known to be gone */
    unsigned tries = 0;
    ordo_sched_step_aside();
    ordo_sched_long_begin();
    if (ordo_store_rocksdb_has_range_deletions(sweep->store)) find_forgotten(sweep, &keys);
    ordo_sched_long_end();
    pthread_mutex_lock(&sweep->mutex);
    while (!sweep->stops) {
        if (keys.size == 0 && !wait_for_more(sweep, 0)) break;
        if (sweep->given.size > 0) tries = 0;
        ordo_buffer_append_slice(&keys, ordo_buffer_slice(&sweep->given));
        ordo_buffer_clear(&sweep->given);
        pthread_mutex_unlock(&sweep->mutex);
        sweep_all(sweep, ordo_buffer_slice(&keys));
        bool is_done = !ordo_store_rocksdb_has_range_deletions(sweep->store) || ++tries == TRIES_MAX;
        pthread_mutex_lock(&sweep->mutex);
        if (is_done) ordo_buffer_clear(&keys);
        else (void)wait_for_more(sweep, PAUSE_S << tries);
    }
    pthread_mutex_unlock(&sweep->mutex);
    ordo_buffer_finish(&keys);
    return NULL;
}

struct ordo_sweep *ordo_sweep_start(struct ordo_store *store) {
    struct ordo_sweep *sweep = ordo_alloc(sizeof *sweep);
    sweep->store = store;
    pthread_mutex_init(&sweep->mutex, NULL);
    pthread_cond_init(&sweep->changed, NULL);
    int error = pthread_create(&sweep->thread, NULL, run, sweep);
    ORDO_ASSERT(error == 0); /* at the start, with nothing served yet */
    return sweep;
}

void ordo_sweep_give(struct ordo_sweep *sweep, struct ordo_slice sized_keys) {
    pthread_mutex_lock(&sweep->mutex);
    ordo_buffer_append_slice(&sweep->given, sized_keys);
    pthread_cond_signal(&sweep->changed);
    pthread_mutex_unlock(&sweep->mutex);
}

void ordo_sweep_stop(struct ordo_sweep *sweep) {
    if (sweep == NULL) return;
    pthread_mutex_lock(&sweep->mutex);
    sweep->stops = true;
    pthread_cond_signal(&sweep->changed);
    pthread_mutex_unlock(&sweep->mutex);
    ordo_store_rocksdb_stop_compacting(sweep->store);
    pthread_join(sweep->thread, NULL);
    pthread_mutex_destroy(&sweep->mutex);
    pthread_cond_destroy(&sweep->changed);
    ordo_buffer_finish(&sweep->given);
    free(sweep);
}
