#define _GNU_SOURCE /* pthread_cond_clockwait */

#include "common/directory/directory.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/directory/backend.h"
#include "common/wake.h"

/* ---- what a kind of directory is built on */

void ordo_directory_init(struct ordo_directory *directory, const struct ordo_directory_ops *ops,
                         const struct ordo_directory_options *options) {
    static const struct ordo_directory_content nothing;
    directory->ops = ops;
    directory->options = options ? *options : (struct ordo_directory_options){0};
    if (directory->options.lease_ttl_ms == 0) directory->options.lease_ttl_ms = ORDO_DIRECTORY_LEASE_TTL_MS;
    if (directory->options.timeout_ms == 0) directory->options.timeout_ms = ORDO_DIRECTORY_TIMEOUT_MS;
    pthread_mutex_init(&directory->mutex, NULL);
    pthread_cond_init(&directory->published, NULL);
    directory->view = ordo_directory_view_create(&nothing, 0, ordo_clock_wall_ms(), "The directory was not read yet.");
    directory->event_fd = ordo_wake_open();
}

void ordo_directory_finish(struct ordo_directory *directory) {
    close(directory->event_fd);
    ordo_directory_view_release(directory->view);
    pthread_cond_destroy(&directory->published);
    pthread_mutex_destroy(&directory->mutex);
}

static void publish(struct ordo_directory *directory, const struct ordo_directory_view *view) {
    pthread_mutex_lock(&directory->mutex);
    const struct ordo_directory_view *before = directory->view;
    directory->view = view;
    ordo_wake_raise(directory->event_fd); /* so that whoever sees the view finds it raised */
    pthread_cond_broadcast(&directory->published);
    pthread_mutex_unlock(&directory->mutex);
    ordo_directory_view_release(before);
}

static bool shows(const struct ordo_directory_view *view, const struct ordo_directory_content *content) {
    if (view->generation == 0 || view->away_since_ms != 0) return false;
    if (view->revision != content->revision || view->count != content->count) return false;
    for (size_t i = 0; i < view->count; i++) {
        const struct ordo_directory_item *old = &view->items[i], *new = &content->items[i];
        if (strcmp(old->key, new->key) != 0 || !ordo_slice_equal(old->value, new->value)) return false;
        if (old->lease != new->lease) return false;
    }
    return true;
}

/* Only the publisher replaces the view, so it may read the present one without the lock. */
void ordo_directory_publish(struct ordo_directory *directory, const struct ordo_directory_content *content) {
    if (shows(directory->view, content)) return;
    publish(directory, ordo_directory_view_create(content, directory->view->generation + 1, 0, NULL));
}

void ordo_directory_publish_away(struct ordo_directory *directory, const char *reason) {
    const struct ordo_directory_view *known = directory->view;
    if (known->away_since_ms != 0 && strcmp(known->away_reason, reason) == 0) return;
    struct ordo_directory_content content = {
        .items = (struct ordo_directory_item *)known->items, .count = known->count, .revision = known->revision};
    for (size_t i = 0; i < content.count; i++) {
        content.size += strlen(content.items[i].key) + content.items[i].value.size;
    }
    uint64_t since_ms = known->away_since_ms ? known->away_since_ms : ordo_clock_wall_ms();
    uint64_t generation = known->generation ? known->generation + 1 : 0; /* 0 says that nothing was read yet */
    publish(directory, ordo_directory_view_create(&content, generation, since_ms, reason));
}

bool ordo_directory_is_as_seen(const struct ordo_directory_view *view, const char *key,
                               const struct ordo_directory_item *now) {
    const struct ordo_directory_item *seen = ordo_directory_find(view, key);
    if (seen == NULL || now == NULL) return seen == NULL && now == NULL;
    return ordo_slice_equal(seen->value, now->value);
}

/* ---- the interface */

ordo_err ordo_directory_open(struct ordo_directory **out, const char *url, const struct ordo_directory_options *options,
                             struct ordo_problem *problem) {
    if (strncmp(url, "file:", 5) == 0) return ordo_directory_file_open(out, url + 5, options, problem);
    if (strncmp(url, "etcd:", 5) == 0) return ordo_directory_etcd_open(out, url + 5, options, problem);
    ordo_problem_set(problem, "The directory '%s' is neither file:PATH nor etcd:http://HOST:PORT/NAME.", url);
    return ORDO_ERR_INVALID;
}

void ordo_directory_close(struct ordo_directory *directory) {
    if (directory != NULL) directory->ops->close(directory);
}

const struct ordo_directory_view *ordo_directory_view(struct ordo_directory *directory) {
    pthread_mutex_lock(&directory->mutex);
    const struct ordo_directory_view *view = ordo_directory_view_hold(directory->view);
    pthread_mutex_unlock(&directory->mutex);
    return view;
}

static bool is_past(const struct ordo_directory_view *view, uint64_t generation, uint64_t revision) {
    return view->generation > generation && view->revision >= revision;
}

/* Waits until the view's generation is above, and its revision at least, what is given. */
static bool wait_for(struct ordo_directory *directory, uint64_t generation, uint64_t revision, uint32_t timeout_ms) {
    const struct timespec end = ordo_clock_deadline(timeout_ms);
    pthread_mutex_lock(&directory->mutex);
    bool is_there = is_past(directory->view, generation, revision);
    while (!is_there && pthread_cond_clockwait(&directory->published, &directory->mutex, CLOCK_MONOTONIC, &end) == 0) {
        is_there = is_past(directory->view, generation, revision);
    }
    pthread_mutex_unlock(&directory->mutex);
    return is_there;
}

bool ordo_directory_wait(struct ordo_directory *directory, uint64_t generation, uint32_t timeout_ms) {
    return wait_for(directory, generation, 0, timeout_ms);
}

bool ordo_directory_wait_revision(struct ordo_directory *directory, uint64_t revision, uint32_t timeout_ms) {
    return wait_for(directory, 0, revision, timeout_ms);
}

int ordo_directory_event_fd(const struct ordo_directory *directory) { return directory->event_fd; }

void ordo_directory_calm(struct ordo_directory *directory) {
    ordo_wake_calm(directory->event_fd);
}

ordo_err ordo_directory_change(struct ordo_directory *directory, const struct ordo_directory_view *view,
                               const struct ordo_directory_changes *changes, struct ordo_problem *problem) {
    for (size_t i = 0; i < changes->count; i++) {
        if (!ordo_directory_key_is_valid(changes->items[i].key)) {
            ordo_problem_set(problem, "'%s' cannot be a key of the directory.", changes->items[i].key);
            return ORDO_ERR_INVALID;
        }
        if (changes->items[i].value.size > ORDO_DIRECTORY_VALUE_SIZE_MAX) {
            ordo_problem_set(problem, "The value of %s is too large for the directory.", changes->items[i].key);
            return ORDO_ERR_TOO_LARGE;
        }
    }
    return changes->count == 0 ? ORDO_OK : directory->ops->change(directory, view, changes, problem);
}

/* ---- lists of changes */

static void add(struct ordo_directory_changes *changes, enum ordo_directory_verb verb, const char *key,
                struct ordo_slice value) {
    ORDO_ASSERT(changes->count < ORDO_DIRECTORY_CHANGES_MAX);
    for (size_t i = 0; i < changes->count; i++) ORDO_ASSERT(strcmp(changes->items[i].key, key) != 0);
    size_t index = changes->count++;
    changes->items[index].verb = verb;
    snprintf(changes->items[index].key, sizeof changes->items[index].key, "%s", key);
    ordo_buffer_append_slice(&changes->items[index].value, value);
}

void ordo_directory_check(struct ordo_directory_changes *changes, const char *key) {
    add(changes, ORDO_DIRECTORY_CHECK, key, ordo_slice(NULL, 0));
}
void ordo_directory_put(struct ordo_directory_changes *changes, const char *key, struct ordo_slice value) {
    add(changes, ORDO_DIRECTORY_PUT, key, value);
}
void ordo_directory_put_leased(struct ordo_directory_changes *changes, const char *key, struct ordo_slice value) {
    add(changes, ORDO_DIRECTORY_PUT_LEASED, key, value);
}
void ordo_directory_delete(struct ordo_directory_changes *changes, const char *key) {
    add(changes, ORDO_DIRECTORY_DELETE, key, ordo_slice(NULL, 0));
}
void ordo_directory_regardless(struct ordo_directory_changes *changes) {
    ORDO_ASSERT(changes->count > 0);
    changes->items[changes->count - 1].is_regardless = true;
}

void ordo_directory_changes_finish(struct ordo_directory_changes *changes) {
    for (size_t i = 0; i < changes->count; i++) ordo_buffer_finish(&changes->items[i].value);
    *changes = (struct ordo_directory_changes){0};
}
