/* shard/core/put.h: protobuf fields written straight into memory that was reserved, for what is written per op.
 *
 * The caller reserves enough: a field takes at most ORDO_PUT_VARINT_MAX (twice that, plus its bytes, if it is
 * sized). */
#ifndef ORDO_SHARD_CORE_PUT_H
#define ORDO_SHARD_CORE_PUT_H

#include "common/slice.h"

#define ORDO_PUT_VARINT_MAX 10

static inline uint8_t *ordo_put_varint(uint8_t *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}
/* Nothing for 0, as proto3 does. `field` < 16. */
static inline uint8_t *ordo_put_varint_field(uint8_t *at, unsigned field, uint64_t value) {
    if (value == 0) return at;
    *at++ = (uint8_t)(field << 3);
    return ordo_put_varint(at, value);
}
static inline uint8_t *ordo_put_bytes_field(uint8_t *at, uint32_t field, struct ordo_slice bytes) {
    at = ordo_put_varint(at, (uint64_t)field << 3 | 2);
    at = ordo_put_varint(at, bytes.size);
    if (bytes.size > 0) memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

#endif
