/* common/buffer.h: bytes that grow at the end; the one way to build a message, a key or a stored value.
 *
 * Ownership: the buffer owns its bytes; slices into it are good until the next append. Zeroed memory is an empty
 * buffer. Threads: one owner. Limits: the caller's; growth never fails (memory.h). */
#ifndef ORDO_COMMON_BUFFER_H
#define ORDO_COMMON_BUFFER_H

#include "common/slice.h"

struct ordo_buffer {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
};

void ordo_buffer_finish(struct ordo_buffer *buffer); /* frees; leaves an empty buffer */

/* Makes room for `size` more bytes and returns where they go; `buffer->size` is unchanged. */
uint8_t *ordo_buffer_reserve(struct ordo_buffer *buffer, size_t size);
void ordo_buffer_append(struct ordo_buffer *buffer, const void *data, size_t size);

static inline void ordo_buffer_clear(struct ordo_buffer *buffer) { buffer->size = 0; }

static inline struct ordo_slice ordo_buffer_slice(const struct ordo_buffer *buffer) {
    return ordo_slice(buffer->data, buffer->size);
}

static inline void ordo_buffer_append_slice(struct ordo_buffer *buffer, struct ordo_slice slice) {
    ordo_buffer_append(buffer, slice.data, slice.size);
}

void ordo_buffer_append_u8(struct ordo_buffer *buffer, uint8_t value);
void ordo_buffer_append_u16_be(struct ordo_buffer *buffer, uint16_t value);
void ordo_buffer_append_u32_le(struct ordo_buffer *buffer, uint32_t value);
void ordo_buffer_append_u64_le(struct ordo_buffer *buffer, uint64_t value);
void ordo_buffer_append_u64_be(struct ordo_buffer *buffer, uint64_t value);
/* Base-128 varint, low group first, as in protobuf: 1–10 bytes. */
void ordo_buffer_append_varint(struct ordo_buffer *buffer, uint64_t value);
/* varint length, then the bytes. */
void ordo_buffer_append_sized(struct ordo_buffer *buffer, struct ordo_slice slice);
size_t ordo_varint_size(uint64_t value);

/* Reading the same forms back from bytes that may be hostile: every `take` fails without moving when too little is
 * left or a varint is longer than 10 bytes or overflows. The reader borrows the bytes. */
struct ordo_reader {
    const uint8_t *next;
    const uint8_t *end;
};

static inline struct ordo_reader ordo_reader(struct ordo_slice slice) {
    return (struct ordo_reader){.next = slice.data, .end = slice.size ? slice.data + slice.size : slice.data};
}
static inline size_t ordo_reader_left(const struct ordo_reader *reader) { return (size_t)(reader->end - reader->next); }

bool ordo_take_u8(struct ordo_reader *reader, uint8_t *out);
bool ordo_take_u16_be(struct ordo_reader *reader, uint16_t *out);
bool ordo_take_u32_le(struct ordo_reader *reader, uint32_t *out);
bool ordo_take_u64_le(struct ordo_reader *reader, uint64_t *out);
bool ordo_take_u64_be(struct ordo_reader *reader, uint64_t *out);
bool ordo_take_bytes(struct ordo_reader *reader, size_t size, struct ordo_slice *out);
bool ordo_take_sized(struct ordo_reader *reader, struct ordo_slice *out);
bool ordo_take_varint_slow(struct ordo_reader *reader, uint64_t *out);

static inline bool ordo_take_varint(struct ordo_reader *reader, uint64_t *out) {
    if (reader->next < reader->end && *reader->next < 0x80) {
        *out = *reader->next++;
        return true;
    }
    return ordo_take_varint_slow(reader, out);
}

#endif
