#include "client/c/core/wire.h"
#include "proto/message.h"

enum { /* field numbers */
    FRAME_MESSAGES = 1,
    MESSAGE_REQUEST = 1,
    MESSAGE_DOC = 2,
    BODY_HELLO = 3,
    BODY_OPEN = 4,
    BODY_LEAVE = 5,
    BODY_SUBMIT = 6,
    BODY_PRESENCE = 7,
    BODY_HISTORY = 8,
    BODY_AUTHENTICATE = 9,
    BODY_PING = 10,
    BODY_FORGET = 20,
};

static void append_tag(struct ordo_buffer *out, uint32_t field, uint32_t wire_type) {
    ordo_buffer_append_varint(out, (uint64_t)field << 3 | wire_type);
}
static void append_flag(struct ordo_buffer *out, uint32_t field, bool value) {
    ordo_field_append_varint(out, field, value ? 1 : 0);
}
/* Strings and bytes that are left out when empty, as proto3 does. */
static void append_optional(struct ordo_buffer *out, uint32_t field, struct ordo_slice bytes) {
    if (bytes.size > 0) ordo_field_append_bytes(out, field, bytes);
}
/* A member of a oneof stands there even if it is 0. */
static void append_number_always(struct ordo_buffer *out, uint32_t field, uint64_t value) {
    append_tag(out, field, 0);
    ordo_buffer_append_varint(out, value);
}

/* The sizes of a body and of its message stand before it but are known after it: so the body is written first, and
 * moved to make room. Bodies are small as a rule; the largest, a submit of 1 MiB, is moved once. The two headers live
 * in fixed memory that is larger than they get, because a buffer grows before it is quite full. */
static void wrap(struct ordo_buffer *frame, size_t start, uint32_t request, uint32_t doc, uint32_t body_field) {
    size_t body_size = frame->size - start;
    uint8_t header[48];
    struct ordo_buffer inner = {.data = header, .capacity = sizeof header};
    ordo_field_append_varint(&inner, MESSAGE_REQUEST, request);
    ordo_field_append_varint(&inner, MESSAGE_DOC, doc);
    append_tag(&inner, body_field, 2);
    ordo_buffer_append_varint(&inner, body_size);
    uint8_t outer_header[16];
    struct ordo_buffer outer = {.data = outer_header, .capacity = sizeof outer_header};
    append_tag(&outer, FRAME_MESSAGES, 2);
    ordo_buffer_append_varint(&outer, inner.size + body_size);
    size_t extra = outer.size + inner.size;
    ordo_buffer_reserve(frame, extra);
    uint8_t *message = frame->data + start;
    memmove(message + extra, message, body_size);
    memcpy(message, outer.data, outer.size);
    memcpy(message + outer.size, inner.data, inner.size);
    frame->size += extra;
}

void ordo_wire_write_hello(struct ordo_buffer *frame, const struct ordo_wire_hello *hello) {
    size_t start = frame->size;
    ordo_field_append_varint(frame, 1, hello->protocol);
    append_optional(frame, 2, hello->client_id);
    append_optional(frame, 3, hello->token);
    append_optional(frame, 4, hello->agent);
    append_optional(frame, 5, hello->type);
    wrap(frame, start, 0, 0, BODY_HELLO);
}

void ordo_wire_write_authenticate(struct ordo_buffer *frame, struct ordo_slice token) {
    size_t start = frame->size;
    append_optional(frame, 1, token);
    wrap(frame, start, 0, 0, BODY_AUTHENTICATE);
}

void ordo_wire_write_open(struct ordo_buffer *frame, uint32_t request, const struct ordo_wire_open *open) {
    size_t start = frame->size;
    append_optional(frame, 1, open->collection);
    append_optional(frame, 2, open->id);
    if (open->has_have) append_number_always(frame, 3, open->have_seq);
    append_optional(frame, 4, open->create_type);
    append_flag(frame, 5, open->presence);
    if (open->has_create_content) ordo_field_append_bytes(frame, 6, open->create_content);
    ordo_field_append_varint(frame, 7, open->have_lineage);
    append_flag(frame, 8, open->clean);
    wrap(frame, start, request, 0, BODY_OPEN);
}

void ordo_wire_write_leave(struct ordo_buffer *frame, uint32_t doc) { wrap(frame, frame->size, 0, doc, BODY_LEAVE); }

void ordo_wire_write_submit(struct ordo_buffer *frame, uint32_t doc, const struct ordo_wire_submit *submit) {
    size_t start = frame->size;
    ordo_field_append_varint(frame, 1, submit->client_seq);
    ordo_field_append_varint(frame, 2, submit->base_seq);
    ordo_field_append_bytes(frame, submit->op_field, submit->op);
    wrap(frame, start, 0, doc, BODY_SUBMIT);
}

void ordo_wire_write_presence(struct ordo_buffer *frame, uint32_t doc, struct ordo_slice data, uint64_t base_seq,
                              const struct ordo_wire_range *ranges, size_t range_count, bool clear) {
    size_t start = frame->size;
    append_optional(frame, 1, data);
    ordo_field_append_varint(frame, 2, base_seq);
    for (size_t i = 0; i < range_count; i++) {
        uint8_t bytes[32];
        struct ordo_buffer range = {.data = bytes, .capacity = sizeof bytes};
        ordo_field_append_varint(&range, 1, ranges[i].anchor);
        ordo_field_append_varint(&range, 2, ranges[i].head);
        ordo_field_append_bytes(frame, 3, ordo_buffer_slice(&range));
    }
    append_flag(frame, 4, clear);
    wrap(frame, start, ORDO_WIRE_REQUEST_PRESENCE, doc, BODY_PRESENCE);
}

void ordo_wire_write_read_history(struct ordo_buffer *frame, uint32_t request, uint32_t doc,
                                  const struct ordo_wire_read_history *read) {
    size_t start = frame->size;
    ordo_field_append_varint(frame, 1, read->from_seq);
    ordo_field_append_varint(frame, 2, read->to_seq);
    if (read->has_at_seq) append_number_always(frame, 3, read->at_seq);
    else if (read->has_at_time) append_number_always(frame, 4, read->at_time_ms);
    wrap(frame, start, request, doc, BODY_HISTORY);
}

void ordo_wire_write_forget(struct ordo_buffer *frame, uint32_t request, uint32_t doc, uint64_t lineage) {
    size_t start = frame->size;
    ordo_field_append_varint(frame, 1, lineage);
    wrap(frame, start, request, doc, BODY_FORGET);
}

void ordo_wire_write_ping(struct ordo_buffer *frame, uint64_t nonce) {
    size_t start = frame->size;
    ordo_field_append_varint(frame, 1, nonce);
    wrap(frame, start, 0, 0, BODY_PING);
}

void ordo_wire_append_create(struct ordo_buffer *out, struct ordo_slice type, struct ordo_slice text) {
    append_optional(out, 1, type);
    /* Spelled out even if empty: a create without an op is refused, since it might be of a type that nobody knows. */
    ordo_buffer_append_varint(out, 2 << 3 | 2);
    ordo_buffer_append_sized(out, text);
}
