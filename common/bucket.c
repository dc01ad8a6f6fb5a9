#include "common/bucket.h"

/* Thousandths: what comes in a millisecond is then a whole number, and no fraction is lost between two looks. */
static uint64_t capacity_of(uint32_t rate) { return (uint64_t)rate * ORDO_BUCKET_BURST_MS; }

static void refill(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms) {
    uint64_t passed_ms = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    uint64_t full_ms = bucket->taken / rate + 1;
    bucket->taken -= passed_ms >= full_ms ? bucket->taken : passed_ms * rate;
    bucket->at_ms = now_ms;
}

bool ordo_bucket_has(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms) {
    if (rate == 0) return true;
    refill(bucket, rate, now_ms);
    return bucket->taken + 1000 <= capacity_of(rate);
}

bool ordo_bucket_is_full(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms) {
    if (rate == 0) return true;
    refill(bucket, rate, now_ms);
    return bucket->taken == 0;
}

void ordo_bucket_take(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms, uint64_t amount) {
    if (rate == 0) return;
    refill(bucket, rate, now_ms);
    uint64_t most = (uint64_t)rate * (ORDO_BUCKET_BURST_MS + ORDO_BUCKET_DEBT_MS_MAX);
    uint64_t room = most > bucket->taken ? most - bucket->taken : 0;
    bucket->taken += amount < room / 1000 ? amount * 1000 : room;
}

uint32_t ordo_bucket_wait_ms(struct ordo_bucket *bucket, uint32_t rate, uint64_t now_ms, uint32_t ahead) {
    if (rate == 0) return 0;
    refill(bucket, rate, now_ms);
    uint64_t taken = bucket->taken + ((uint64_t)ahead + 1) * 1000, capacity = capacity_of(rate);
    if (taken <= capacity) return 0;
    uint64_t wait_ms = (taken - capacity + rate - 1) / rate;
    return wait_ms < ORDO_BUCKET_DEBT_MS_MAX ? (uint32_t)wait_ms : ORDO_BUCKET_DEBT_MS_MAX;
}
