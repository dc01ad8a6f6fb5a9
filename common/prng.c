#include "common/assert.h"
#include "common/random.h"

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void ordo_prng_init(struct ordo_prng *prng, uint64_t seed) {
    for (int i = 0; i < 4; i++) prng->state[i] = splitmix(&seed);
}

uint64_t ordo_prng_next(struct ordo_prng *prng) {
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t ordo_prng_below(struct ordo_prng *prng, uint64_t bound) {
    ORDO_ASSERT(bound > 0);
    return (uint64_t)(((unsigned __int128)ordo_prng_next(prng) * bound) >> 64);
}
