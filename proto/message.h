/* proto/message.h: protobuf messages in and out of our buffers.
 *
 * Decoding is bounded: messages are unpacked into an arena whose limit caps what a hostile frame can make of itself
 * (protobuf-c turns a byte of input into up to 84 bytes of structs). No message of ours is recursive, so depth is
 * bounded too. Decoded messages live as long as the arena's contents; all `bytes` in them are copies there.
 *
 * `proto/ordo_wire.pb-c.h` is generated from ordo.proto with `string` and nested TextOps as `bytes` (same wire). */
#ifndef ORDO_PROTO_MESSAGE_H
#define ORDO_PROTO_MESSAGE_H

#include "common/arena.h"
#include "common/buffer.h"
#include "proto/cluster.pb-c.h"
#include "proto/ordo_wire.pb-c.h"

/* NULL: the bytes are no such message, or larger than the arena allows. */
void *ordo_message_decode(const ProtobufCMessageDescriptor *descriptor, struct ordo_slice bytes,
                          struct ordo_arena *arena);
/* Appends the encoded message. */
void ordo_message_encode(const ProtobufCMessage *message, struct ordo_buffer *out);
/* Appends it as the value of a field of the message that `out` holds: tag, size, bytes. */
void ordo_message_encode_field(uint32_t field, const ProtobufCMessage *message, struct ordo_buffer *out);

/* The pieces of an encoding, for messages whose parts are encoded already. */
void ordo_field_append_bytes(struct ordo_buffer *out, uint32_t field, struct ordo_slice bytes);
/* Appends nothing for 0, as proto3 does. */
void ordo_field_append_varint(struct ordo_buffer *out, uint32_t field, uint64_t value);

static inline struct ordo_slice ordo_slice_of_binary(ProtobufCBinaryData data) {
    return ordo_slice(data.data, data.len);
}
/* Borrows; protobuf-c does not write to what it packs. */
static inline ProtobufCBinaryData ordo_binary_of_slice(struct ordo_slice slice) {
    return (ProtobufCBinaryData){.len = slice.size, .data = (uint8_t *)(uintptr_t)slice.data};
}

#endif
