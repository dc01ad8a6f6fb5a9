/* common/bucket.h: a token bucket: so much per second, and some at once. Pure: the time comes in.
 *
 * A bucket holds what two seconds bring (ORDO_BUCKET_BURST_MS). More may be taken than is in it, where what was taken is
 * known only afterwards: then it is in debt, and gives nothing until that is paid. The debt is bounded, so nobody waits for
 * more than ORDO_BUCKET_DEBT_MS_MAX. Zeroed memory is a full bucket. `rate` is per second; 0: without a limit. Threads: one. */
#ifndef ORDO_COMMON_BUCKET_H
#define ORDO_COMMON_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define ORDO_BUCKET_BURST_MS 2000
#define ORDO_BUCKET_DEBT_MS_MAX 10000

struct ordo_bucket {
    uint64_t taken; /* in thousandths; it comes back with time */
    uint64_t at_ms; /* when `taken` was right */
};

/* One, at least. */
bool ordo_bucket_has(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms);
bool ordo_bucket_is_full(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms);
/* Whether it has any or not. */
void ordo_bucket_take(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms, uint64_t amount);
/* Until it has one again if `ahead` are taken before; 0: it has. */
uint32_t ordo_bucket_wait_ms(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms, uint32_t ahead);

#endif
