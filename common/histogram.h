/* common/histogram.h: a histogram of latencies with a bounded relative error and a fixed size.
 *
 * Log-linear buckets, as in Gil Tene's HdrHistogram: values below 2^ORDO_HISTOGRAM_BITS have a bucket each, and every
 * further power of two is cut into 2^(ORDO_HISTOGRAM_BITS - 1) equal buckets. What is read back is at most
 * 1 / 2^(ORDO_HISTOGRAM_BITS - 1) above what was recorded (0.8 %), and never above the true maximum. Any uint64_t can
 * be recorded; the unit is the caller's. Pure; recording is a handful of instructions. Zeroed memory is an empty
 * histogram (about 60 kB, so better not on a small stack). Threads: one owner; merge at the end. */
#ifndef ORDO_COMMON_HISTOGRAM_H
#define ORDO_COMMON_HISTOGRAM_H

#include <stdint.h>

#define ORDO_HISTOGRAM_BITS 8
#define ORDO_HISTOGRAM_HALF (1u << (ORDO_HISTOGRAM_BITS - 1))
#define ORDO_HISTOGRAM_BUCKET_COUNT ((64 - ORDO_HISTOGRAM_BITS + 2) * ORDO_HISTOGRAM_HALF)

struct ordo_histogram {
    uint64_t counts[ORDO_HISTOGRAM_BUCKET_COUNT];
    uint64_t count; /* values recorded */
    uint64_t max;   /* exact */
    double sum;     /* for the mean; exact up to 2^53 */
};

void ordo_histogram_record(struct ordo_histogram *histogram, uint64_t value);
void ordo_histogram_merge(struct ordo_histogram *into, const struct ordo_histogram *from);
/* The smallest bucket end that at least `percent` (0..100) of the values do not exceed; 0 if nothing was recorded. */
uint64_t ordo_histogram_percentile(const struct ordo_histogram *histogram, double percent);
double ordo_histogram_mean(const struct ordo_histogram *histogram); /* 0 if nothing was recorded */

#endif
