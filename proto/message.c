#include "proto/message.h"

enum { WIRE_VARINT = 0, WIRE_SIZED = 2 };

static void *arena_allocate(void *arena, size_t size) { return ordo_arena_try(arena, size); }
static void arena_free(void *arena, void *memory) {
    (void)arena;
    (void)memory;
}

void *ordo_message_decode(const ProtobufCMessageDescriptor *descriptor, struct ordo_slice bytes,
                          struct ordo_arena *arena) {
    ProtobufCAllocator allocator = {.alloc = arena_allocate, .free = arena_free, .allocator_data = arena};
    static const uint8_t nothing;
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data ? bytes.data : &nothing);
}

void ordo_message_encode(const ProtobufCMessage *message, struct ordo_buffer *out) {
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, ordo_buffer_reserve(out, size));
    out->size += size;
}

void ordo_message_encode_field(uint32_t field, const ProtobufCMessage *message, struct ordo_buffer *out) {
    size_t size = protobuf_c_message_get_packed_size(message);
    ordo_buffer_append_varint(out, (uint64_t)field << 3 | WIRE_SIZED);
    ordo_buffer_append_varint(out, size);
    protobuf_c_message_pack(message, ordo_buffer_reserve(out, size));
    out->size += size;
}

void ordo_field_append_bytes(struct ordo_buffer *out, uint32_t field, struct ordo_slice bytes) {
    ordo_buffer_append_varint(out, (uint64_t)field << 3 | WIRE_SIZED);
    ordo_buffer_append_sized(out, bytes);
}

void ordo_field_append_varint(struct ordo_buffer *out, uint32_t field, uint64_t value) {
    if (value == 0) return;
    ordo_buffer_append_varint(out, (uint64_t)field << 3 | WIRE_VARINT);
    ordo_buffer_append_varint(out, value);
}
