/* common/hash.h: XXH3, the one hash of the project: for slots, dedupe, checksums and hash tables. It resists nobody who looks for
 * collisions: a table whose keys others choose has a secret seed (table.h). */
#ifndef ORDO_COMMON_HASH_H
#define ORDO_COMMON_HASH_H

#include "common/slice.h"

uint64_t ordo_hash(struct ordo_slice slice);
/* Continues from an earlier hash, so that several parts make one. */
uint64_t ordo_hash_with(uint64_t seed, struct ordo_slice slice);

/* The slot (0..1023) of a document: XXH3_64(collection NUL id) >> 54. */
uint16_t ordo_slot_of(struct ordo_slice collection, struct ordo_slice id);

#endif
