#include "common/hash.h"

#include <xxhash.h>

#include "common/assert.h"
#include "common/limits.h"

uint64_t ordo_hash(struct ordo_slice slice) { return XXH3_64bits(slice.data, slice.size); }

uint64_t ordo_hash_with(uint64_t seed, struct ordo_slice slice) {
    return XXH3_64bits_withSeed(slice.data, slice.size, seed);
}

uint16_t ordo_slot_of(struct ordo_slice collection, struct ordo_slice id) {
    ORDO_ASSERT(collection.size <= ORDO_NAME_SIZE_MAX && id.size <= ORDO_NAME_SIZE_MAX);
    uint8_t name[2 * ORDO_NAME_SIZE_MAX + 1];
    memcpy(name, collection.data, collection.size);
    name[collection.size] = 0;
    memcpy(name + collection.size + 1, id.data, id.size);
    return (uint16_t)(XXH3_64bits(name, collection.size + 1 + id.size) >> 54);
}
