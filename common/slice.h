/* common/slice.h: borrowed bytes.
 *
 * A slice never owns what it points to; the function that hands one out says until when it is good. */
#ifndef ORDO_COMMON_SLICE_H
#define ORDO_COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ordo_slice {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;         /* bytes */
};

static inline struct ordo_slice ordo_slice(const void *data, size_t size) {
    return (struct ordo_slice){.data = data, .size = size};
}

static inline struct ordo_slice ordo_slice_of(const char *text) { return ordo_slice(text, strlen(text)); }

static inline bool ordo_slice_equal(struct ordo_slice a, struct ordo_slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Bytewise order, a prefix first; <0, 0, >0 as memcmp. */
static inline int ordo_slice_compare(struct ordo_slice a, struct ordo_slice b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.data, b.data, size) : 0;
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool ordo_slice_starts_with(struct ordo_slice s, struct ordo_slice prefix) {
    return s.size >= prefix.size && (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}

#endif
