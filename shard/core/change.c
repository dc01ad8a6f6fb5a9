#include "shard/core/change.h"

#include "common/assert.h"

void ordo_change_put(struct ordo_buffer *out, const struct ordo_change *change) {
    ordo_buffer_append_sized(out, change->doc_key);
    ordo_buffer_append_varint(out, change->lineage);
    ordo_buffer_append_varint(out, change->seq);
    ordo_buffer_append_varint(out, change->timestamp_ms);
    ordo_buffer_append_u8(out, change->is_deleted);
    ordo_buffer_append_sized(out, change->user);
}

bool ordo_change_take(struct ordo_reader *reader, struct ordo_change *change) {
    uint8_t is_deleted;
    if (ordo_reader_left(reader) == 0) return false;
    ORDO_ASSERT(ordo_take_sized(reader, &change->doc_key) && ordo_take_varint(reader, &change->lineage) &&
                ordo_take_varint(reader, &change->seq) && ordo_take_varint(reader, &change->timestamp_ms) &&
                ordo_take_u8(reader, &is_deleted) && ordo_take_sized(reader, &change->user));
    change->is_deleted = is_deleted != 0;
    return true;
}
