#include "common/buffer.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

enum { BUFFER_CAPACITY_MIN = 64, VARINT_SIZE_MAX = 10 };

void ordo_buffer_finish(struct ordo_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct ordo_buffer){0};
}

uint8_t *ordo_buffer_reserve(struct ordo_buffer *buffer, size_t size) {
    ORDO_ASSERT(size <= SIZE_MAX / 2 - buffer->size);
    size_t needed = buffer->size + size;
    if (needed > buffer->capacity || buffer->data == NULL) { /* the caller gets a pointer even for no bytes */
        size_t capacity = buffer->capacity ? buffer->capacity * 2 : BUFFER_CAPACITY_MIN;
        if (capacity < needed) capacity = needed;
        buffer->data = ordo_realloc(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void ordo_buffer_append(struct ordo_buffer *buffer, const void *data, size_t size) {
    if (size == 0) return;
    memcpy(ordo_buffer_reserve(buffer, size), data, size);
    buffer->size += size;
}

void ordo_buffer_append_u8(struct ordo_buffer *buffer, uint8_t value) { ordo_buffer_append(buffer, &value, 1); }

static void append_be(struct ordo_buffer *buffer, uint64_t value, size_t size) {
    uint8_t *to = ordo_buffer_reserve(buffer, size);
    for (size_t i = 0; i < size; i++) to[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    buffer->size += size;
}

static void append_le(struct ordo_buffer *buffer, uint64_t value, size_t size) {
    uint8_t *to = ordo_buffer_reserve(buffer, size);
    for (size_t i = 0; i < size; i++) to[i] = (uint8_t)(value >> (8 * i));
    buffer->size += size;
}

void ordo_buffer_append_u16_be(struct ordo_buffer *buffer, uint16_t value) { append_be(buffer, value, 2); }
void ordo_buffer_append_u32_le(struct ordo_buffer *buffer, uint32_t value) { append_le(buffer, value, 4); }
void ordo_buffer_append_u64_le(struct ordo_buffer *buffer, uint64_t value) { append_le(buffer, value, 8); }
void ordo_buffer_append_u64_be(struct ordo_buffer *buffer, uint64_t value) { append_be(buffer, value, 8); }

void ordo_buffer_append_varint(struct ordo_buffer *buffer, uint64_t value) {
    uint8_t *to = ordo_buffer_reserve(buffer, VARINT_SIZE_MAX);
    size_t size = 0;
    while (value >= 0x80) {
        to[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    buffer->size += size;
}

void ordo_buffer_append_sized(struct ordo_buffer *buffer, struct ordo_slice slice) {
    ordo_buffer_append_varint(buffer, slice.size);
    ordo_buffer_append_slice(buffer, slice);
}

size_t ordo_varint_size(uint64_t value) {
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

bool ordo_take_bytes(struct ordo_reader *reader, size_t size, struct ordo_slice *out) {
    if (ordo_reader_left(reader) < size) return false;
    *out = ordo_slice(reader->next, size);
    if (size > 0) reader->next += size;
    return true;
}

static bool take_be(struct ordo_reader *reader, size_t size, uint64_t *out) {
    struct ordo_slice bytes;
    if (!ordo_take_bytes(reader, size, &bytes)) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | bytes.data[i];
    *out = value;
    return true;
}

static bool take_le(struct ordo_reader *reader, size_t size, uint64_t *out) {
    struct ordo_slice bytes;
    if (!ordo_take_bytes(reader, size, &bytes)) return false;
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) value = value << 8 | bytes.data[i - 1];
    *out = value;
    return true;
}

bool ordo_take_u8(struct ordo_reader *reader, uint8_t *out) {
    uint64_t value;
    if (!take_be(reader, 1, &value)) return false;
    *out = (uint8_t)value;
    return true;
}

bool ordo_take_u16_be(struct ordo_reader *reader, uint16_t *out) {
    uint64_t value;
    if (!take_be(reader, 2, &value)) return false;
    *out = (uint16_t)value;
    return true;
}

bool ordo_take_u32_le(struct ordo_reader *reader, uint32_t *out) {
    uint64_t value;
    if (!take_le(reader, 4, &value)) return false;
    *out = (uint32_t)value;
    return true;
}

bool ordo_take_u64_le(struct ordo_reader *reader, uint64_t *out) { return take_le(reader, 8, out); }
bool ordo_take_u64_be(struct ordo_reader *reader, uint64_t *out) { return take_be(reader, 8, out); }

bool ordo_take_varint_slow(struct ordo_reader *reader, uint64_t *out) {
    const uint8_t *at = reader->next;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (at == reader->end) return false;
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1) return false; /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->next = at;
            *out = value;
            return true;
        }
    }
    return false;
}

bool ordo_take_sized(struct ordo_reader *reader, struct ordo_slice *out) {
    struct ordo_reader start = *reader;
    uint64_t size;
    if (ordo_take_varint(reader, &size) && size <= ordo_reader_left(reader) && ordo_take_bytes(reader, size, out))
        return true;
    *reader = start;
    return false;
}
