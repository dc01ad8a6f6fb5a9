#include "shard/inbox.h"

#include "common/memory.h"
#include "common/wake.h"

#include <stdlib.h>
#include <unistd.h>

void ordo_inbox_init(struct ordo_inbox *inbox) {
    *inbox = (struct ordo_inbox){.wake_fd = ordo_wake_open()};
    pthread_mutex_init(&inbox->mutex, NULL);
}

void ordo_inbox_finish(struct ordo_inbox *inbox) {
    ordo_inbox_contents_finish(&inbox->contents);
    pthread_mutex_destroy(&inbox->mutex);
    close(inbox->wake_fd);
}

static void put_done(struct ordo_inbox *inbox) {
    atomic_store_explicit(&inbox->has_any, true, memory_order_release);
    pthread_mutex_unlock(&inbox->mutex);
    ordo_inbox_wake(inbox);
}

void ordo_inbox_put_job(struct ordo_inbox *inbox, struct ordo_job *job) {
    pthread_mutex_lock(&inbox->mutex);
    struct ordo_inbox_contents *contents = &inbox->contents;
    if (contents->job_count == contents->job_capacity) {
        contents->job_capacity = contents->job_capacity ? 2 * contents->job_capacity : 16;
        contents->jobs = ordo_realloc(contents->jobs, contents->job_capacity * sizeof *contents->jobs);
    }
    contents->jobs[contents->job_count++] = job;
    put_done(inbox);
}

static bool has_session(const struct ordo_inbox_contents *contents, uint64_t session) {
    for (size_t i = 0; i < contents->session_count; i++) {
        if (contents->sessions[i] == session) return true;
    }
    return false;
}

void ordo_inbox_put_session(struct ordo_inbox *inbox, uint64_t session) {
    pthread_mutex_lock(&inbox->mutex);
    struct ordo_inbox_contents *contents = &inbox->contents;
    if (!has_session(contents, session) && contents->session_count < ORDO_INBOX_SESSIONS_MAX) {
        if (contents->session_count == contents->session_capacity) {
            contents->session_capacity = contents->session_capacity ? 2 * contents->session_capacity : 16;
            contents->sessions =
                ordo_realloc(contents->sessions, contents->session_capacity * sizeof *contents->sessions);
        }
        contents->sessions[contents->session_count++] = session;
    }
    put_done(inbox);
}

void ordo_inbox_take(struct ordo_inbox *inbox, struct ordo_inbox_contents *out) {
    out->job_count = out->session_count = 0;
    pthread_mutex_lock(&inbox->mutex);
    struct ordo_inbox_contents taken = inbox->contents;
    inbox->contents = *out;
    atomic_store_explicit(&inbox->has_any, false, memory_order_relaxed);
    pthread_mutex_unlock(&inbox->mutex);
    *out = taken;
}

void ordo_inbox_contents_finish(struct ordo_inbox_contents *contents) {
    for (size_t i = 0; i < contents->job_count; i++) ordo_job_destroy(contents->jobs[i]);
    free(contents->jobs);
    free(contents->sessions);
    *contents = (struct ordo_inbox_contents){0};
}

void ordo_inbox_wake(const struct ordo_inbox *inbox) { ordo_wake_raise(inbox->wake_fd); }

void ordo_inbox_calm(const struct ordo_inbox *inbox) { ordo_wake_calm(inbox->wake_fd); }
