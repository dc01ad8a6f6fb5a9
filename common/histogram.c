#include "common/histogram.h"

/* A value keeps its ORDO_HISTOGRAM_BITS highest bits; `shift` is how many low bits that drops. From shift 1 on the
 * highest kept bit is always set, so each shift needs only the upper half of the 2^BITS numbers. */
static uint32_t bucket_of(uint64_t value) {
    if (value < 2 * ORDO_HISTOGRAM_HALF) return (uint32_t)value;
    uint32_t shift = (64 - ORDO_HISTOGRAM_BITS) - (uint32_t)__builtin_clzll(value);
    return shift * ORDO_HISTOGRAM_HALF + (uint32_t)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(uint32_t bucket) {
    if (bucket < 2 * ORDO_HISTOGRAM_HALF) return bucket;
    uint32_t shift = bucket / ORDO_HISTOGRAM_HALF - 1;
    uint64_t kept = bucket - shift * ORDO_HISTOGRAM_HALF;
    return (kept << shift) + ((UINT64_C(1) << shift) - 1);
}

void ordo_histogram_record(struct ordo_histogram *histogram, uint64_t value) {
    histogram->counts[bucket_of(value)]++;
    histogram->count++;
    histogram->sum += (double)value;
    if (value > histogram->max) histogram->max = value;
}

void ordo_histogram_merge(struct ordo_histogram *into, const struct ordo_histogram *from) {
    for (uint32_t i = 0; i < ORDO_HISTOGRAM_BUCKET_COUNT; i++) into->counts[i] += from->counts[i];
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max) into->max = from->max;
}

uint64_t ordo_histogram_percentile(const struct ordo_histogram *histogram, double percent) {
    if (histogram->count == 0) return 0;
    double exact = (double)histogram->count * percent / 100.0;
    uint64_t wanted = (uint64_t)exact;
    if ((double)wanted < exact) wanted++;
    if (wanted == 0) wanted = 1;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < ORDO_HISTOGRAM_BUCKET_COUNT; i++) {
        seen += histogram->counts[i];
        if (seen < wanted) continue;
        uint64_t end = bucket_end(i);
        return end < histogram->max ? end : histogram->max;
    }
    return histogram->max;
}

double ordo_histogram_mean(const struct ordo_histogram *histogram) {
    return histogram->count > 0 ? histogram->sum / (double)histogram->count : 0;
}
