/* common/random.h: randomness. `ordo_random_bytes` asks the kernel and belongs to the edges; the generator below is
 * pure and seeded, for the cores (backoff jitter, lineages), the simulator and the tests. Not for secrets. */
#ifndef ORDO_COMMON_RANDOM_H
#define ORDO_COMMON_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void ordo_random_bytes(void *out, size_t size);
uint64_t ordo_random_u64(void);

/* xoshiro256** seeded through splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom number generators"). */
struct ordo_prng {
    uint64_t state[4];
};

void ordo_prng_init(struct ordo_prng *prng, uint64_t seed);
uint64_t ordo_prng_next(struct ordo_prng *prng);
/* Uniform in 0..bound-1; bound > 0. */
uint64_t ordo_prng_below(struct ordo_prng *prng, uint64_t bound);

#endif
