#define _GNU_SOURCE /* pthread_cond_clockwait */

/* A directory in etcd.
 *
 * The thread lives in sessions. A session begins with reading everything, and then follows a watch from that revision
 * on; every second it asks whether etcd still decides things, by renewing the lease if there is one. It ends with any
 * trouble, and then the next one begins at another endpoint, and once a minute anyhow. Reading everything anew costs
 * some kilobytes, and makes one thing of many: a watch that lost its place to compaction, a restart, another member, an
 * etcd that was wiped and counts from 1 again (a watch from an old revision would wait there for ever, without a
 * word). */
#include <stdatomic.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/directory/backend.h"
#include "common/directory/etcd_address.h"
#include "common/directory/etcd_http.h"
#include "common/directory/etcd_message.h"
#include "common/memory.h"
#include "common/wake.h"

enum {
    PING_MS = 1000,
    SESSION_MS = 60000,
    RETRY_MS = 200,           /* after a session that came to nothing */
    THREAD_TIMEOUT_MS = 2000, /* of what the thread asks; changes have the handle's */
    NEWS_MS = 1000,           /* how long the news of a change that was made are waited for */
    REVOKE_TIMEOUT_MS = 1000,
    TTL_MIN_S = 2,
};

struct directory_etcd {
    struct ordo_directory base; /* first: what others see of this */
    struct ordo_etcd_address address;
    atomic_size_t current; /* endpoint that answered last */
    pthread_t thread;

    pthread_mutex_t thread_mutex; /* guards what follows up to the next mutex: how `close` wakes the thread */
    pthread_cond_t stop_wanted;
    bool stops;
    struct ordo_etcd_stream *stream;

    pthread_mutex_t lease_mutex;
    uint64_t lease; /* 0: none */

    pthread_mutex_t change_mutex; /* guards `change_http` */
    struct ordo_etcd_http *change_http;

    struct ordo_etcd_http *thread_http; /* of the thread alone, as is what follows */
    struct ordo_directory_content content;
};

static struct directory_etcd *etcd_of(struct ordo_directory *directory) { return (struct directory_etcd *)directory; }

/* ---- one request, at whichever endpoint takes it */

struct question {
    struct ordo_etcd_http *http;
    const char *path;
    uint32_t timeout_ms;
    struct ordo_problem *problem;
    struct ordo_buffer body, answer;
    enum ordo_etcd_refusal refusal; /* why, where `ask` answers INVALID; else NONE */
};

/* POSTs at the current endpoint, then at the others as long as none has taken it. */
static ordo_err ask(struct directory_etcd *etcd, struct question *question) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + question->timeout_ms, now_ms;
    struct ordo_slice body = ordo_buffer_slice(&question->body);
    size_t first = atomic_load(&etcd->current);
    ordo_err err = ORDO_ERR_CLOSED;
    for (size_t i = 0; i < etcd->address.endpoint_count && err == ORDO_ERR_CLOSED; i++) {
        size_t index = (first + i) % etcd->address.endpoint_count;
        if ((now_ms = ordo_clock_monotonic_ms()) >= end_ms) break;
        err = ordo_etcd_post(question->http, etcd->address.endpoints[index], question->path, body,
                             (uint32_t)(end_ms - now_ms), &question->answer, question->problem);
        if (err == ORDO_OK || err == ORDO_ERR_INVALID) atomic_store(&etcd->current, index);
    }
    question->refusal = ORDO_ETCD_NONE;
    if (err == ORDO_ERR_INVALID) {
        question->refusal = ordo_etcd_refusal_decode(ordo_buffer_slice(&question->answer), question->problem);
    }
    return err == ORDO_ERR_CLOSED ? ORDO_ERR_UNAVAILABLE : err;
}

static void question_finish(struct question *question) {
    ordo_buffer_finish(&question->body);
    ordo_buffer_finish(&question->answer);
}

static ordo_err not_understood(ordo_err err, struct ordo_problem *problem) {
    if (err == ORDO_ERR_TOO_LARGE) {
        ordo_problem_set(problem, "etcd holds more under this name than a directory may: %u MiB.",
                         ORDO_DIRECTORY_SIZE_MAX >> 20);
    } else if (err) {
        ordo_problem_set(problem, "An answer of etcd is not understood.");
    }
    return err;
}

/* ---- the lease */

static uint32_t ttl_s_of(const struct directory_etcd *etcd) {
    uint32_t ttl_s = (etcd->base.options.lease_ttl_ms + 999) / 1000;
    return ttl_s < TTL_MIN_S ? TTL_MIN_S : ttl_s;
}

static uint64_t lease_of(struct directory_etcd *etcd) {
    pthread_mutex_lock(&etcd->lease_mutex);
    uint64_t lease = etcd->lease;
    pthread_mutex_unlock(&etcd->lease_mutex);
    return lease;
}

static void set_lease(struct directory_etcd *etcd, uint64_t lease) {
    pthread_mutex_lock(&etcd->lease_mutex);
    etcd->lease = lease;
    pthread_mutex_unlock(&etcd->lease_mutex);
}

/* It is over, unless another was taken since. The views show it, and the next leased put takes another. */
static void lose_lease(struct directory_etcd *etcd, uint64_t lease) {
    pthread_mutex_lock(&etcd->lease_mutex);
    if (etcd->lease == lease) etcd->lease = 0;
    pthread_mutex_unlock(&etcd->lease_mutex);
}

/* Under the mutex of changes, so only one is taken. */
static ordo_err hold_lease(struct directory_etcd *etcd, uint64_t *lease_out, struct ordo_problem *problem) {
    if ((*lease_out = lease_of(etcd)) != 0) return ORDO_OK;
    struct question question = {etcd->change_http, "v3/lease/grant", etcd->base.options.timeout_ms, problem};
    ordo_etcd_grant_encode(&question.body, ttl_s_of(etcd));
    ordo_err err = ask(etcd, &question);
    if (!err) err = not_understood(ordo_etcd_grant_decode(ordo_buffer_slice(&question.answer), lease_out), problem);
    if (!err) set_lease(etcd, *lease_out);
    question_finish(&question);
    return err;
}

static ordo_err renew_lease(struct directory_etcd *etcd, uint64_t lease, struct ordo_problem *problem) {
    struct question question = {etcd->thread_http, "v3/lease/keepalive", THREAD_TIMEOUT_MS, problem};
    bool is_held = true;
    ordo_etcd_lease_encode(&question.body, lease);
    ordo_err err = ask(etcd, &question);
    if (!err) err = not_understood(ordo_etcd_keepalive_decode(ordo_buffer_slice(&question.answer), &is_held), problem);
    if (question.refusal == ORDO_ETCD_NO_LEASE) err = ORDO_OK, is_held = false;
    if (!is_held) lose_lease(etcd, lease);
    question_finish(&question);
    return err;
}

static void revoke_lease(struct directory_etcd *etcd) {
    struct ordo_problem problem;
    struct question question = {etcd->change_http, "v3/lease/revoke", REVOKE_TIMEOUT_MS, &problem};
    if (etcd->lease == 0) return;
    ordo_etcd_lease_encode(&question.body, etcd->lease);
    ordo_err err = ask(etcd, &question);
    (void)err; /* then it ends by itself */
    question_finish(&question);
}

/* Renews the lease, or asks something else that etcd has to decide. */
static ordo_err ping(struct directory_etcd *etcd, struct ordo_problem *problem) {
    uint64_t lease = lease_of(etcd);
    if (lease != 0) return renew_lease(etcd, lease, problem);
    struct question question = {etcd->thread_http, "v3/kv/range", THREAD_TIMEOUT_MS, problem};
    ordo_etcd_ping_encode(&question.body, etcd->address.prefix);
    ordo_err err = ask(etcd, &question);
    question_finish(&question);
    return err;
}

/* ---- changes */

static ordo_err error_of(enum ordo_etcd_refusal refusal) {
    switch (refusal) {
    case ORDO_ETCD_TOO_LARGE: return ORDO_ERR_TOO_LARGE;
    case ORDO_ETCD_NO_SPACE: return ORDO_ERR_NO_SPACE;
    case ORDO_ETCD_NONE:
    case ORDO_ETCD_NO_LEASE:
    case ORDO_ETCD_OTHER: return ORDO_ERR_UNAVAILABLE;
    }
    return ORDO_ERR_UNAVAILABLE;
}

static bool needs_lease(const struct ordo_directory_changes *changes) {
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->items[i].verb == ORDO_DIRECTORY_PUT_LEASED) return true;
    }
    return false;
}

/* `*is_lease_lost_out`: nothing was done, and the next try takes another lease. */
static ordo_err try_change(struct directory_etcd *etcd, const struct ordo_directory_view *view,
                           const struct ordo_directory_changes *changes, uint64_t *revision_out,
                           bool *is_lease_lost_out, struct ordo_problem *problem) {
    struct question question = {etcd->change_http, "v3/kv/txn", etcd->base.options.timeout_ms, problem};
    uint64_t lease = 0;
    bool is_done = false;
    ordo_err err = needs_lease(changes) ? hold_lease(etcd, &lease, problem) : ORDO_OK;
    if (!err) {
        ordo_etcd_txn_encode(&question.body, etcd->address.prefix, view, changes, lease);
        err = ask(etcd, &question);
    }
    *is_lease_lost_out = question.refusal == ORDO_ETCD_NO_LEASE;
    if (*is_lease_lost_out) lose_lease(etcd, lease);
    if (err == ORDO_ERR_INVALID) err = error_of(question.refusal);
    if (!err && ordo_etcd_txn_decode(ordo_buffer_slice(&question.answer), &is_done, revision_out) != ORDO_OK) {
        err = not_understood(ORDO_ERR_UNAVAILABLE, problem); /* it may have been done */
    }
    if (!err && !is_done) {
        ordo_problem_set(problem, "The directory was changed by somebody else meanwhile.");
        err = ORDO_ERR_CONFLICT;
    }
    question_finish(&question);
    return err;
}

static ordo_err etcd_change(struct ordo_directory *directory, const struct ordo_directory_view *view,
                            const struct ordo_directory_changes *changes, struct ordo_problem *problem) {
    struct directory_etcd *etcd = etcd_of(directory);
    uint64_t revision = 0;
    bool is_lease_lost;
    pthread_mutex_lock(&etcd->change_mutex);
    ordo_err err = try_change(etcd, view, changes, &revision, &is_lease_lost, problem);
    if (is_lease_lost) err = try_change(etcd, view, changes, &revision, &is_lease_lost, problem);
    pthread_mutex_unlock(&etcd->change_mutex);
    if (!err) (void)ordo_directory_wait_revision(directory, revision, NEWS_MS);
    return err;
}

/* ---- sessions of the thread */

static bool is_stop_wanted(struct directory_etcd *etcd) {
    pthread_mutex_lock(&etcd->thread_mutex);
    bool stops = etcd->stops;
    pthread_mutex_unlock(&etcd->thread_mutex);
    return stops;
}

static ordo_err read_all(struct directory_etcd *etcd, struct ordo_problem *problem) {
    struct question question = {etcd->thread_http, "v3/kv/range", THREAD_TIMEOUT_MS, problem};
    struct ordo_directory_content content = {0};
    ordo_etcd_range_encode(&question.body, etcd->address.prefix);
    ordo_err err = ask(etcd, &question);
    if (!err) {
        struct ordo_slice answer = ordo_buffer_slice(&question.answer);
        err = not_understood(ordo_etcd_range_decode(answer, etcd->address.prefix, &content), problem);
    }
    if (!err) {
        ordo_directory_content_finish(&etcd->content);
        etcd->content = content;
    }
    question_finish(&question);
    return err;
}

/* The one at work counts as bad. */
static void try_next_endpoint(struct directory_etcd *etcd) {
    atomic_store(&etcd->current, (atomic_load(&etcd->current) + 1) % etcd->address.endpoint_count);
}

static ordo_err read_all_somewhere(struct directory_etcd *etcd, struct ordo_problem *problem) {
    ordo_err err = ORDO_ERR_UNAVAILABLE;
    ordo_problem_set(problem, "The handle is being closed.");
    for (size_t i = 0; err && i < etcd->address.endpoint_count && !is_stop_wanted(etcd); i++) {
        err = read_all(etcd, problem);
        if (err) try_next_endpoint(etcd);
    }
    return err;
}

/* So that `close` can wake whoever waits for the stream. */
static void set_stream(struct directory_etcd *etcd, struct ordo_etcd_stream *stream) {
    pthread_mutex_lock(&etcd->thread_mutex);
    etcd->stream = stream;
    pthread_mutex_unlock(&etcd->thread_mutex);
}

static ordo_err take_news(struct directory_etcd *etcd, struct ordo_etcd_stream *stream, struct ordo_problem *problem) {
    struct ordo_slice line;
    bool has_any = false;
    while (ordo_etcd_stream_line(stream, &line)) {
        ordo_err err = ordo_etcd_watch_decode(line, etcd->address.prefix, &etcd->content);
        if (err) return not_understood(err, problem);
        has_any = true;
    }
    if (has_any) ordo_directory_publish(&etcd->base, &etcd->content);
    return ORDO_OK;
}

/* Until there is trouble, or for long enough. */
static ordo_err follow(struct directory_etcd *etcd, struct ordo_etcd_stream *stream, struct ordo_problem *problem) {
    uint64_t begin_ms = ordo_clock_monotonic_ms(), now_ms = begin_ms, ping_ms = begin_ms;
    uint32_t quarter_ms = ttl_s_of(etcd) * 1000 / 4, every_ms = quarter_ms < PING_MS ? quarter_ms : PING_MS;
    ordo_err err = ORDO_OK;
    while (!err && now_ms - begin_ms < SESSION_MS && !is_stop_wanted(etcd)) {
        if (now_ms >= ping_ms) {
            err = ping(etcd, problem);
            ping_ms = ordo_clock_monotonic_ms() + every_ms;
        }
        now_ms = ordo_clock_monotonic_ms();
        if (!err) err = ordo_etcd_stream_wait(stream, now_ms < ping_ms ? (uint32_t)(ping_ms - now_ms) : 0, problem);
        if (!err) err = take_news(etcd, stream, problem);
        now_ms = ordo_clock_monotonic_ms();
    }
    return err;
}

/* CLOSED: it came to its end by trouble; any other error: nobody could be asked. */
static ordo_err session(struct directory_etcd *etcd, struct ordo_problem *problem) {
    struct ordo_buffer body = {0};
    ordo_err err = read_all_somewhere(etcd, problem);
    if (err) return err;
    ordo_directory_publish(&etcd->base, &etcd->content);
    ordo_etcd_watch_encode(&body, etcd->address.prefix, etcd->content.revision + 1);
    const char *endpoint = etcd->address.endpoints[atomic_load(&etcd->current)];
    struct ordo_etcd_stream *stream = ordo_etcd_stream_open(endpoint, "v3/watch", ordo_buffer_slice(&body));
    set_stream(etcd, stream);
    err = follow(etcd, stream, problem);
    set_stream(etcd, NULL);
    ordo_etcd_stream_close(stream);
    ordo_buffer_finish(&body);
    if (!err) return ORDO_OK;
    try_next_endpoint(etcd);
    return ORDO_ERR_CLOSED;
}

static void rest(struct directory_etcd *etcd) {
    const struct timespec end = ordo_clock_deadline(RETRY_MS);
    pthread_mutex_lock(&etcd->thread_mutex);
    if (!etcd->stops) pthread_cond_clockwait(&etcd->stop_wanted, &etcd->thread_mutex, CLOCK_MONOTONIC, &end);
    pthread_mutex_unlock(&etcd->thread_mutex);
}

static void *run(void *context) {
    ordo_thread_name("directory");
    struct directory_etcd *etcd = context;
    struct ordo_problem problem;
    while (!is_stop_wanted(etcd)) {
        uint64_t begin_ms = ordo_clock_monotonic_ms();
        ordo_err err = session(etcd, &problem);
        /* A session that was cut off says nothing about the other endpoints. */
        bool is_away = err && err != ORDO_ERR_CLOSED;
        if (is_away && !is_stop_wanted(etcd)) ordo_directory_publish_away(&etcd->base, problem.text);
        if (err && ordo_clock_monotonic_ms() - begin_ms < 5 * RETRY_MS) rest(etcd);
    }
    return NULL;
}

/* ---- opening and closing */

static void etcd_close(struct ordo_directory *directory) {
    struct directory_etcd *etcd = etcd_of(directory);
    pthread_mutex_lock(&etcd->thread_mutex);
    etcd->stops = true;
    pthread_cond_signal(&etcd->stop_wanted);
    if (etcd->stream != NULL) ordo_etcd_stream_wake(etcd->stream);
    pthread_mutex_unlock(&etcd->thread_mutex);
    pthread_join(etcd->thread, NULL);
    revoke_lease(etcd);
    ordo_etcd_http_destroy(etcd->change_http);
    ordo_etcd_http_destroy(etcd->thread_http);
    ordo_directory_content_finish(&etcd->content);
    pthread_mutex_destroy(&etcd->thread_mutex);
    pthread_cond_destroy(&etcd->stop_wanted);
    pthread_mutex_destroy(&etcd->lease_mutex);
    pthread_mutex_destroy(&etcd->change_mutex);
    ordo_directory_finish(directory);
    free(etcd);
}

static const struct ordo_directory_ops etcd_ops = {.change = etcd_change, .close = etcd_close};

ordo_err ordo_directory_etcd_open(struct ordo_directory **out, const char *address,
                                  const struct ordo_directory_options *options, struct ordo_problem *problem) {
    struct directory_etcd *etcd = ordo_alloc(sizeof *etcd);
    if (!ordo_etcd_address_parse(&etcd->address, address)) {
        free(etcd);
        ordo_problem_set(problem, "The directory 'etcd:%.150s' is not of the form etcd:" ORDO_ETCD_ADDRESS_FORM ".",
                         address);
        return ORDO_ERR_INVALID;
    }
    ordo_directory_init(&etcd->base, &etcd_ops, options);
    pthread_mutex_init(&etcd->thread_mutex, NULL);
    pthread_cond_init(&etcd->stop_wanted, NULL);
    pthread_mutex_init(&etcd->lease_mutex, NULL);
    pthread_mutex_init(&etcd->change_mutex, NULL);
    etcd->change_http = ordo_etcd_http_create();
    etcd->thread_http = ordo_etcd_http_create();
    int error = pthread_create(&etcd->thread, NULL, run, etcd);
    ORDO_ASSERT(error == 0); /* at the start, with nothing served yet: as good as no memory */
    *out = &etcd->base;
    return ORDO_OK;
}
