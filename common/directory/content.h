/* common/directory/content.h: what stands in a directory: a sorted map from key to value, and views of it.
 *
 * A content is changed by its one owner. A view is a copy of it at one moment that nobody changes any more, so any
 * number of threads may read one and hold on to it. Pure.
 *
 * Limits: keys are 1..ORDO_DIRECTORY_KEY_SIZE_MAX printable ASCII characters without blanks;
 * ORDO_DIRECTORY_VALUE_SIZE_MAX bytes per value; ORDO_DIRECTORY_SIZE_MAX bytes of keys and values in all. */
#ifndef ORDO_DIRECTORY_CONTENT_H
#define ORDO_DIRECTORY_CONTENT_H

#include "common/buffer.h"
#include "common/error.h"

#define ORDO_DIRECTORY_KEY_SIZE_MAX 192
#define ORDO_DIRECTORY_VALUE_SIZE_MAX (256u * 1024) /* the table takes some 14 kB, all else less than one */
#define ORDO_DIRECTORY_SIZE_MAX (8u * 1024 * 1024)  /* thousands of stores and gateways */

struct ordo_directory_item {
    const char *key;
    struct ordo_slice value;
    uint64_t lease; /* 0: stays until somebody deletes it; else it goes with the lease of that number */
};

/* ---- views */

struct ordo_directory_view {
    uint64_t generation;     /* counts the views of one handle, from 1; 0: the directory was never read by it */
    uint64_t revision;       /* the directory's own count of its changes; for people */
    uint64_t away_since_ms;  /* wall clock; 0: the directory is there. Else the items are what was last known */
    const char *away_reason; /* a sentence; "" while it is there */
    size_t count;
    const struct ordo_directory_item *items; /* sorted by key, bytewise */
};

/* NULL when the key is not there. */
const struct ordo_directory_item *ordo_directory_find(const struct ordo_directory_view *view, const char *key);
/* The items whose keys start with `prefix`: `count_out` of them from the one returned on. */
const struct ordo_directory_item *ordo_directory_range(const struct ordo_directory_view *view, const char *prefix,
                                                       size_t *count_out);

/* One more holder of the view / one less; the last one frees it. Any thread. NULL is fine. */
const struct ordo_directory_view *ordo_directory_view_hold(const struct ordo_directory_view *view);
void ordo_directory_view_release(const struct ordo_directory_view *view);

/* ---- contents: for the backends */

struct ordo_directory_content {
    struct ordo_directory_item *items; /* sorted; keys and values are owned */
    size_t count, capacity;
    size_t size; /* of keys and values, bytes */
    uint64_t revision;
};

void ordo_directory_content_finish(struct ordo_directory_content *content); /* leaves an empty one */
bool ordo_directory_key_is_valid(const char *key);
const struct ordo_directory_item *ordo_directory_content_find(const struct ordo_directory_content *content,
                                                              const char *key);
/* Copies. TOO_LARGE, INVALID (the key): nothing was done. */
ORDO_MUST_USE ordo_err ordo_directory_content_put(struct ordo_directory_content *content, const char *key,
                                                  struct ordo_slice value, uint64_t lease);
/* False: it was not there. */
bool ordo_directory_content_delete(struct ordo_directory_content *content, const char *key);
/* Deletes what goes with this lease; whether there was any. */
bool ordo_directory_content_end_lease(struct ordo_directory_content *content, uint64_t lease);

/* A view with one holder; `reason` NULL or "": the directory is there. */
const struct ordo_directory_view *ordo_directory_view_create(const struct ordo_directory_content *content,
                                                             uint64_t generation, uint64_t away_since_ms,
                                                             const char *reason);

#endif
