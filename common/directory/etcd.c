#define _GNU_SOURCE /* pthread_cond_clockwait */

/* A directory in etcd.
 *
 * The thread lives in sessions. A session begins with reading everything, and then follows a watch from that revision on; every
 * second it asks whether etcd still decides things, by renewing the lease if there is one. After any trouble, and once a minute
 * anyhow, the next session begins with another endpoint. Reading everything anew costs some kilobytes, and makes one thing of many:
 * a watch that lost its place to compaction, a restart, another member, an etcd that was wiped and counts from 1 again (a watch
 * from an old revision would wait there for ever, without an error). */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/directory/backend.h"
#include "common/directory/etcd_http.h"
#include "common/directory/etcd_message.h"
#include "common/memory.h"

enum {
    ENDPOINTS_MAX = 16,
    ENDPOINT_SIZE = 128,
    PREFIX_SIZE = 64,
    PING_MS = 1000,
    SESSION_MS = 60000,
    RETRY_MS = 200,       /* after a session that came to nothing */
    THREAD_POST_MS = 2000, /* what the thread asks for; changes have the handle's timeout */
    NEWS_MS = 1000,       /* how long the news of a change that was made are waited for */
    REVOKE_MS = 1000,
    TTL_MIN_S = 2,
};

struct directory_etcd {
    struct ordo_directory base; /* first: what others see of this */
    char endpoints[ENDPOINTS_MAX][ENDPOINT_SIZE];
    size_t endpoint_count;
    char prefix[PREFIX_SIZE]; /* ends in a slash */
    atomic_size_t current;    /* endpoint that answered last */
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

/* POSTs at the current endpoint, then at the others as long as none has taken it. `*refusal_out` says why where it is INVALID. */
static ordo_err post(struct directory_etcd *etcd, struct ordo_etcd_http *http, const char *path, struct ordo_slice body,
                     uint32_t timeout_ms, struct ordo_buffer *answer, enum ordo_etcd_refusal *refusal_out, struct ordo_problem *problem) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + timeout_ms, now_ms;
    size_t first = atomic_load(&etcd->current);
    ordo_err err = ORDO_ERR_CLOSED;
    for (size_t i = 0; i < etcd->endpoint_count && err == ORDO_ERR_CLOSED; i++) {
        size_t index = (first + i) % etcd->endpoint_count;
        if ((now_ms = ordo_clock_monotonic_ms()) >= end_ms) break;
        err = ordo_etcd_post(http, etcd->endpoints[index], path, body, (uint32_t)(end_ms - now_ms), answer, problem);
        if (err == ORDO_OK || err == ORDO_ERR_INVALID) atomic_store(&etcd->current, index);
    }
    *refusal_out = ORDO_ETCD_NONE;
    if (err == ORDO_ERR_INVALID) *refusal_out = ordo_etcd_refusal_decode(ordo_buffer_slice(answer), problem);
    return err == ORDO_ERR_CLOSED ? ORDO_ERR_UNAVAILABLE : err;
}

static ordo_err not_understood(ordo_err err, struct ordo_problem *problem) {
    if (err == ORDO_ERR_TOO_LARGE) {
        ordo_problem_set(problem, "etcd holds more under this name than a directory may: %u MiB.", ORDO_DIRECTORY_SIZE_MAX >> 20);
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
static ordo_err hold_lease(struct directory_etcd *etcd, uint32_t timeout_ms, uint64_t *lease_out, struct ordo_problem *problem) {
    if ((*lease_out = lease_of(etcd)) != 0) return ORDO_OK;
    struct ordo_buffer body = {0}, answer = {0};
    enum ordo_etcd_refusal refusal;
    ordo_etcd_grant_encode(&body, ttl_s_of(etcd));
    ordo_err err = post(etcd, etcd->change_http, "v3/lease/grant", ordo_buffer_slice(&body), timeout_ms, &answer, &refusal, problem);
    if (!err) err = not_understood(ordo_etcd_grant_decode(ordo_buffer_slice(&answer), lease_out), problem);
    if (!err) set_lease(etcd, *lease_out);
    ordo_buffer_finish(&body);
    ordo_buffer_finish(&answer);
    return err;
}

/* Renews the lease, or asks something else that etcd has to decide. */
static ordo_err ping(struct directory_etcd *etcd, struct ordo_problem *problem) {
    struct ordo_buffer body = {0}, answer = {0};
    uint64_t lease = lease_of(etcd);
    bool is_held = true;
    enum ordo_etcd_refusal refusal;
    if (lease != 0) {
        ordo_etcd_lease_encode(&body, lease);
    } else {
        ordo_etcd_ping_encode(&body, etcd->prefix);
    }
    const char *path = lease != 0 ? "v3/lease/keepalive" : "v3/kv/range";
    ordo_err err = post(etcd, etcd->thread_http, path, ordo_buffer_slice(&body), THREAD_POST_MS, &answer, &refusal, problem);
    if (!err && lease != 0) err = not_understood(ordo_etcd_keepalive_decode(ordo_buffer_slice(&answer), &is_held), problem);
    if (!is_held || refusal == ORDO_ETCD_NO_LEASE) lose_lease(etcd, lease);
    ordo_buffer_finish(&body);
    ordo_buffer_finish(&answer);
    return refusal == ORDO_ETCD_NO_LEASE ? ORDO_OK : err;
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

static ordo_err try_change(struct directory_etcd *etcd, const struct ordo_directory_view *view,
                           const struct ordo_directory_changes *changes, uint64_t *revision_out, enum ordo_etcd_refusal *refusal_out,
                           struct ordo_problem *problem) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + etcd->base.options.timeout_ms, lease = 0;
    struct ordo_buffer body = {0}, answer = {0};
    bool is_done = false;
    ordo_err err = ORDO_OK;
    *refusal_out = ORDO_ETCD_NONE;
    if (needs_lease(changes)) err = hold_lease(etcd, etcd->base.options.timeout_ms, &lease, problem);
    uint64_t now_ms = ordo_clock_monotonic_ms();
    if (!err) {
        ordo_etcd_txn_encode(&body, etcd->prefix, view, changes, lease);
        err = post(etcd, etcd->change_http, "v3/kv/txn", ordo_buffer_slice(&body), now_ms < end_ms ? (uint32_t)(end_ms - now_ms) : 1,
                   &answer, refusal_out, problem);
    }
    if (*refusal_out == ORDO_ETCD_NO_LEASE) lose_lease(etcd, lease);
    if (err == ORDO_ERR_INVALID) err = error_of(*refusal_out);
    /* What is not understood may have been done. */
    if (!err && ordo_etcd_txn_decode(ordo_buffer_slice(&answer), &is_done, revision_out) != ORDO_OK) {
        err = not_understood(ORDO_ERR_UNAVAILABLE, problem);
    }
    if (!err && !is_done) {
        ordo_problem_set(problem, "The directory was changed by somebody else meanwhile.");
        err = ORDO_ERR_CONFLICT;
    }
    ordo_buffer_finish(&body);
    ordo_buffer_finish(&answer);
    return err;
}

static ordo_err etcd_change(struct ordo_directory *directory, const struct ordo_directory_view *view,
                            const struct ordo_directory_changes *changes, struct ordo_problem *problem) {
    struct directory_etcd *etcd = etcd_of(directory);
    uint64_t revision = 0;
    enum ordo_etcd_refusal refusal;
    pthread_mutex_lock(&etcd->change_mutex);
    ordo_err err = try_change(etcd, view, changes, &revision, &refusal, problem);
    if (refusal == ORDO_ETCD_NO_LEASE) err = try_change(etcd, view, changes, &revision, &refusal, problem); /* with another one */
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
    struct ordo_buffer body = {0}, answer = {0};
    struct ordo_directory_content content = {0};
    enum ordo_etcd_refusal refusal;
    ordo_etcd_range_encode(&body, etcd->prefix);
    ordo_err err =
        post(etcd, etcd->thread_http, "v3/kv/range", ordo_buffer_slice(&body), THREAD_POST_MS, &answer, &refusal, problem);
    if (!err) err = not_understood(ordo_etcd_range_decode(ordo_buffer_slice(&answer), etcd->prefix, &content), problem);
    if (!err) {
        ordo_directory_content_finish(&etcd->content);
        etcd->content = content;
    }
    ordo_buffer_finish(&body);
    ordo_buffer_finish(&answer);
    return err;
}

/* The one at work counts as bad. */
static void try_next_endpoint(struct directory_etcd *etcd) {
    atomic_store(&etcd->current, (atomic_load(&etcd->current) + 1) % etcd->endpoint_count);
}

static ordo_err read_all_somewhere(struct directory_etcd *etcd, struct ordo_problem *problem) {
    ordo_err err = ORDO_ERR_UNAVAILABLE;
    ordo_problem_set(problem, "The handle is being closed.");
    for (size_t i = 0; err && i < etcd->endpoint_count && !is_stop_wanted(etcd); i++) {
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
        ordo_err err = ordo_etcd_watch_decode(line, etcd->prefix, &etcd->content);
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
    ordo_etcd_watch_encode(&body, etcd->prefix, etcd->content.revision + 1);
    struct ordo_etcd_stream *stream =
        ordo_etcd_stream_open(etcd->endpoints[atomic_load(&etcd->current)], "v3/watch", ordo_buffer_slice(&body));
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
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += RETRY_MS * 1000000L;
    if (end.tv_nsec >= 1000000000) end.tv_sec++, end.tv_nsec -= 1000000000;
    pthread_mutex_lock(&etcd->thread_mutex);
    if (!etcd->stops) pthread_cond_clockwait(&etcd->stop_wanted, &etcd->thread_mutex, CLOCK_MONOTONIC, &end);
    pthread_mutex_unlock(&etcd->thread_mutex);
}

static void *run(void *context) {
    struct directory_etcd *etcd = context;
    struct ordo_problem problem;
    while (!is_stop_wanted(etcd)) {
        uint64_t begin_ms = ordo_clock_monotonic_ms();
        ordo_err err = session(etcd, &problem);
        bool is_away = err && err != ORDO_ERR_CLOSED; /* a session that was cut off says nothing about the other endpoints */
        if (is_away && !is_stop_wanted(etcd)) ordo_directory_publish_away(&etcd->base, problem.text);
        if (err && ordo_clock_monotonic_ms() - begin_ms < 5 * RETRY_MS) rest(etcd);
    }
    return NULL;
}

/* ---- opening and closing */

static void revoke_lease(struct directory_etcd *etcd) {
    if (etcd->lease == 0) return;
    struct ordo_buffer body = {0}, answer = {0};
    struct ordo_problem problem;
    enum ordo_etcd_refusal refusal;
    ordo_etcd_lease_encode(&body, etcd->lease);
    ordo_err err = post(etcd, etcd->change_http, "v3/lease/revoke", ordo_buffer_slice(&body), REVOKE_MS, &answer, &refusal, &problem);
    (void)err; /* then it ends by itself */
    ordo_buffer_finish(&body);
    ordo_buffer_finish(&answer);
}

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

/* HOST:PORT of what may stand in a URL. */
static bool take_endpoint(struct directory_etcd *etcd, const char *text, size_t size) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    if (strncmp(text, "http://", 7) == 0 && size > 7) text += 7, size -= 7; /* before each, as etcd's own tools have it, or the first alone */
    if (size == 0 || size >= ENDPOINT_SIZE || etcd->endpoint_count == ENDPOINTS_MAX) return false;
    char *endpoint = etcd->endpoints[etcd->endpoint_count];
    snprintf(endpoint, ENDPOINT_SIZE, "%.*s", (int)size, text);
    if (strspn(endpoint, allowed) != size || strchr(endpoint, ':') == NULL) return false;
    etcd->endpoint_count++;
    return true;
}

/* http://HOST:PORT[,HOST:PORT…]/NAME */
static bool take_address(struct directory_etcd *etcd, const char *address) {
    if (strncmp(address, "http://", 7) != 0) return false;
    const char *last = strrchr(address, '/');
    if (last <= address + 6) return false;
    const char *text = address;
    for (const char *end; text < last; text = end + 1) {
        end = memchr(text, ',', (size_t)(last - text));
        if (end == NULL) end = last;
        if (!take_endpoint(etcd, text, (size_t)(end - text))) return false;
    }
    int size = snprintf(etcd->prefix, sizeof etcd->prefix, "%s/", last + 1);
    return size > 1 && (size_t)size < sizeof etcd->prefix && ordo_directory_key_is_valid(etcd->prefix);
}

ordo_err ordo_directory_etcd_open(struct ordo_directory **out, const char *address,
                                  const struct ordo_directory_options *options, struct ordo_problem *problem) {
    struct directory_etcd *etcd = ordo_alloc(sizeof *etcd);
    if (!take_address(etcd, address)) {
        free(etcd);
        ordo_problem_set(problem, "The directory 'etcd:%.150s' is not of the form etcd:http://HOST:PORT[,HOST:PORT…]/NAME.", address);
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
