/* common/ot/text_codec.h: text ops as bytes: protobuf message TextOp { repeated uint64 spans = 1; string text = 2; }.
 *
 * Reading accepts whatever encoding protobuf allows (unpacked or scattered spans, fields in any order, unknown
 * fields, the last `text` wins) and streams the spans out of the bytes, without a copy and without memory of its own.
 * Writing makes the one canonical form: packed spans, then the text, absent fields left out, shortest varints; so the
 * empty op is no bytes at all.
 *
 * But for `text_op_validate` all functions trust that the bytes were validated once; bytes that were not lead to a
 * wrong result, never outside of memory. */
#ifndef ORDO_COMMON_OT_TEXT_CODEC_H
#define ORDO_COMMON_OT_TEXT_CODEC_H

#include "common/buffer.h"
#include "common/ot/text_span.h"
#include "common/ot/type.h"
#include "common/slice.h"

/* Streams spans. Borrows the bytes. */
struct text_reader {
    const uint8_t *next, *end;         /* the packed block being read */
    const uint8_t *field, *fields_end; /* the message's fields after that block */
};

struct text_op {
    struct text_reader spans;
    struct ordo_slice text; /* of all inserts, in order */
};

/* False if the bytes are no protobuf message, or a field of ours has a wrong wire type. Looks at fields only, not yet
 * into the spans. */
bool text_op_open(struct ordo_slice op, struct text_op *out);
/* For ops that were validated. */
struct text_op text_op_trusted(struct ordo_slice op);
/* Reads the bytes of packed spans alone. */
struct text_reader text_reader_packed(struct ordo_slice packed);

/* The next span, 0 at the end (or where the bytes are broken). */
static inline uint64_t text_read(struct text_reader *reader);
uint64_t text_read_slow(struct text_reader *reader);

/* Sums over the spans of an op. */
struct text_measure {
    uint64_t base;     /* retained and deleted */
    uint64_t retained; /* so deleted = base - retained */
    uint64_t inserted;
    size_t count; /* spans */
};
struct text_measure text_op_measure(struct text_reader spans);

/* Every rule of the encoding, and the fit to a content of `length_before`. The second leaves the op opened. */
enum ordo_op_fault text_op_validate(struct ordo_slice op, uint64_t length_before, uint64_t *length_after);
enum ordo_op_fault text_op_open_strictly(struct ordo_slice bytes, uint64_t length_before, struct text_op *out,
                                         uint64_t *length_after);

/* Writes packed spans, merging neighbours of one kind and dropping a trailing retain. */
struct text_writer {
    struct ordo_buffer *out;
    uint64_t last; /* not yet written, the next may merge into it; 0: none */
    size_t count;  /* spans written */
};

static inline void text_put(struct text_writer *writer, uint64_t span);
void text_writer_flush(struct text_writer *writer, uint64_t span); /* writes one span as it is */
void text_writer_finish(struct text_writer *writer);

/* A message around a writer: `begin`, put spans, `end` with the text of the inserts. */
struct text_writer text_message_begin(struct ordo_buffer *out, size_t *start);
void text_message_end(struct text_writer *writer, size_t start, struct ordo_slice text);
/* A message of packed spans that are already canonical. */
void text_message_append(struct ordo_buffer *out, struct ordo_slice packed, struct ordo_slice text);
/* What stands before the text, for who appends the text in pieces. */
void text_message_append_text_header(struct ordo_buffer *out, size_t text_size);
size_t text_message_size(size_t packed_size, size_t text_size);

static inline uint64_t text_read(struct text_reader *reader) {
    const uint8_t *at = reader->next;
    size_t left = (size_t)(reader->end - at);
    if (left == 0 && reader->field == reader->fields_end) return 0;
    if (left >= 1 && at[0] < 0x80) {
        reader->next = at + 1;
        return at[0];
    }
    if (left >= 2 && at[1] < 0x80) {
        reader->next = at + 2;
        return (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
    }
    if (left >= 3 && at[2] < 0x80) {
        reader->next = at + 3;
        return (at[0] & 0x7fu) | (at[1] & 0x7fu) << 7 | (uint64_t)at[2] << 14;
    }
    return text_read_slow(reader);
}

static inline void text_put(struct text_writer *writer, uint64_t span) {
    uint64_t last = writer->last;
    if (((last ^ span) & TEXT_KIND_MASK) == 0) {
        writer->last = text_span_join(last, span);
        return;
    }
    if (last != 0) text_writer_flush(writer, last);
    writer->last = span;
}

#endif
