#include "shard/troubles.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

void ordo_troubles_init(struct ordo_troubles *troubles) {
    *troubles = (struct ordo_troubles){0};
    pthread_mutex_init(&troubles->mutex, NULL);
}

void ordo_troubles_finish(struct ordo_troubles *troubles) { pthread_mutex_destroy(&troubles->mutex); }

static struct ordo_trouble *find(struct ordo_troubles *troubles, const char *key) {
    for (size_t i = 0; i < troubles->count; i++) {
        if (strncmp(troubles->items[i].key, key, sizeof troubles->items[i].key - 1) == 0) return &troubles->items[i];
    }
    return NULL;
}

void ordo_troubles_set(struct ordo_troubles *troubles, const char *key, const char *text) {
    pthread_mutex_lock(&troubles->mutex);
    struct ordo_trouble *trouble = find(troubles, key);
    bool is_news = trouble == NULL || strncmp(trouble->text, text, sizeof trouble->text - 1) != 0;
    if (trouble == NULL && troubles->count < ORDO_TROUBLES_MAX) {
        trouble = &troubles->items[troubles->count++];
        snprintf(trouble->key, sizeof trouble->key, "%s", key);
        trouble->since_ms = ordo_clock_monotonic_ms();
    }
    if (trouble != NULL) snprintf(trouble->text, sizeof trouble->text, "%s", text);
    pthread_mutex_unlock(&troubles->mutex);
    if (!is_news) return;
    log_warn("event=trouble about=\"%s\" text=\"%s\"", log_quoted(key), log_quoted(text));
}

void ordo_troubles_clear(struct ordo_troubles *troubles, const char *key) {
    pthread_mutex_lock(&troubles->mutex);
    struct ordo_trouble *trouble = find(troubles, key);
    if (trouble != NULL) *trouble = troubles->items[--troubles->count];
    pthread_mutex_unlock(&troubles->mutex);
    if (trouble != NULL) log_info("event=trouble_over about=\"%s\"", log_quoted(key));
}

size_t ordo_troubles_read(struct ordo_troubles *troubles, uint64_t monotonic_ms,
                          struct ordo_trouble out[ORDO_TROUBLES_MAX]) {
    pthread_mutex_lock(&troubles->mutex);
    size_t count = troubles->count;
    for (size_t i = 0; i < count; i++) {
        out[i] = troubles->items[i];
        out[i].since_ms = monotonic_ms > out[i].since_ms ? monotonic_ms - out[i].since_ms : 0;
    }
    pthread_mutex_unlock(&troubles->mutex);
    return count;
}
