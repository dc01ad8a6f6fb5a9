/* common/buckets.h: how often a value was how large, in a form that Prometheus takes, at the price of three instructions
 * and a counter. (histogram.h is finer, and a hundred times larger.)
 *
 * Two buckets per power of two: their upper bounds, inclusive, are 1, 2, 3, 4, 6, 8, 12, 16, … The last one takes all
 * that is larger. The unit is the caller's. Pure. Zeroed memory is empty. Threads: one owner; others read copies. */
#ifndef ORDO_COMMON_BUCKETS_H
#define ORDO_COMMON_BUCKETS_H

#include <stdint.h>

#define ORDO_BUCKET_COUNT 64

struct ordo_buckets {
    uint64_t counts[ORDO_BUCKET_COUNT];
    uint64_t sum;
};

static inline unsigned ordo_bucket_of(uint64_t value) {
    if (value <= 2) return value == 2;
    uint64_t below = value - 1; /* so that a bound falls into the bucket that it closes */
    unsigned power = 63 - (unsigned)__builtin_clzll(below);
    unsigned index = 2 * power + (unsigned)(below >> (power - 1) & 1);
    return index < ORDO_BUCKET_COUNT ? index : ORDO_BUCKET_COUNT - 1;
}

/* The largest value that belongs into the bucket; of the last one there is none. */
static inline uint64_t ordo_bucket_bound(unsigned index) {
    if (index < 2) return index + 1;
    return index % 2 ? UINT64_C(2) << index / 2 : UINT64_C(3) << (index / 2 - 1);
}

/* The same value, `times` times. */
static inline void ordo_buckets_add(struct ordo_buckets *buckets, uint64_t value, uint64_t times) {
    buckets->counts[ordo_bucket_of(value)] += times;
    buckets->sum += value * times;
}

#endif
