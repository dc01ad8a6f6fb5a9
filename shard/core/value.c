#include "shard/core/value.h"

#include "common/hash.h"

enum { CHECKSUM_SIZE = 8 };

void ordo_value_begin(struct ordo_buffer *out, uint8_t version) {
    ordo_buffer_clear(out);
    ordo_buffer_append_u8(out, version);
}

static uint64_t checksum(struct ordo_slice key, struct ordo_slice bytes) {
    return ordo_hash_with(ordo_hash(key), bytes);
}

void ordo_value_seal(struct ordo_buffer *out, struct ordo_slice key) {
    ordo_buffer_append_u64_le(out, checksum(key, ordo_buffer_slice(out)));
}

bool ordo_value_is_whole(struct ordo_slice key, struct ordo_slice value) {
    if (value.size < 1 + CHECKSUM_SIZE) return false;
    struct ordo_slice covered = ordo_slice(value.data, value.size - CHECKSUM_SIZE);
    struct ordo_reader reader = ordo_reader(ordo_slice(value.data + covered.size, CHECKSUM_SIZE));
    uint64_t stored;
    return ordo_take_u64_le(&reader, &stored) && stored == checksum(key, covered);
}

ordo_err ordo_value_open(struct ordo_slice key, struct ordo_slice value, uint8_t version, struct ordo_reader *body) {
    if (!ordo_value_is_whole(key, value)) return ORDO_ERR_CORRUPT;
    if (value.data[0] != version) return ORDO_ERR_VERSION;
    *body = ordo_reader(ordo_slice(value.data + 1, value.size - 1 - CHECKSUM_SIZE));
    return ORDO_OK;
}
