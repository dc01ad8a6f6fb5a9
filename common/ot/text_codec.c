#include "common/ot/text_codec.h"

#include "common/limits.h"
#include "common/utf8.h"

/* Field numbers and wire types of TextOp, as protobuf tags: (number << 3) | wire type. */
enum {
    TAG_SPANS_PACKED = 1 << 3 | 2,
    TAG_SPANS_SINGLE = 1 << 3 | 0,
    TAG_TEXT = 2 << 3 | 2,
    FIELD_SPANS = 1,
    FIELD_TEXT = 2,
    VARINT_SIZE_MAX = 10,
};

/* --- fields ----------------------------------------------------------------------------------------------------- */

struct field {
    uint64_t tag;
    struct ordo_slice bytes; /* of a length-delimited field, and the varint itself of a varint field */
};

/* Fails on what no protobuf encoder makes: cut or endless varints, field number 0, groups (gone since proto3), and
 * our own fields with a wrong wire type, which a lenient parser would silently read as an empty op. */
static bool take_field(struct ordo_reader *reader, struct field *out) {
    uint64_t tag, ignored;
    if (!ordo_take_varint(reader, &tag) || tag > UINT32_MAX || tag >> 3 == 0) return false;
    out->tag = tag;
    const uint8_t *start = reader->next;
    switch (tag & 7) {
    case 0:
        if (!ordo_take_varint(reader, &ignored)) return false;
        out->bytes = ordo_slice(start, (size_t)(reader->next - start));
        return tag >> 3 != FIELD_TEXT;
    case 1: return tag >> 3 > FIELD_TEXT && ordo_take_bytes(reader, 8, &out->bytes);
    case 2: return ordo_take_sized(reader, &out->bytes);
    case 5: return tag >> 3 > FIELD_TEXT && ordo_take_bytes(reader, 4, &out->bytes);
    default: return false;
    }
}

/* Lengths up to here take one byte. */
enum { SHORT_MAX = 0x7f };

/* What our own encoder writes for an ordinary op is read without a look at every field. */
static bool open_short(struct ordo_slice op, struct text_op *out) {
    const uint8_t *data = op.data;
    if (op.size < 2 || data[0] != TAG_SPANS_PACKED || data[1] > SHORT_MAX) return false;
    size_t spans_end = 2u + data[1];
    if (spans_end < op.size) {
        if (op.size < spans_end + 2 || data[spans_end] != TAG_TEXT || data[spans_end + 1] > SHORT_MAX) return false;
        if (op.size != spans_end + 2 + data[spans_end + 1]) return false;
        out->text = ordo_slice(data + spans_end + 2, data[spans_end + 1]);
    } else if (spans_end == op.size) {
        out->text = ordo_slice(NULL, 0);
    } else {
        return false;
    }
    out->spans = (struct text_reader){.next = data + 2, .end = data + spans_end};
    return true;
}

bool text_op_open(struct ordo_slice op, struct text_op *out) {
    if (open_short(op, out)) return true;
    *out = (struct text_op){0};
    struct ordo_reader reader = ordo_reader(op);
    out->spans.field = reader.next;
    out->spans.fields_end = reader.end;
    while (ordo_reader_left(&reader) > 0) {
        struct field field;
        if (!take_field(&reader, &field)) return false;
        if (field.tag == TAG_TEXT) out->text = field.bytes;
    }
    return true;
}

struct text_op text_op_trusted(struct ordo_slice op) {
    struct text_op opened;
    if (!text_op_open(op, &opened)) return (struct text_op){0};
    return opened;
}

struct text_reader text_reader_packed(struct ordo_slice packed) {
    if (packed.size == 0) return (struct text_reader){0};
    return (struct text_reader){.next = packed.data, .end = packed.data + packed.size};
}

/* Moves to the next block of spans among the fields that are left. */
static bool reader_next_block(struct text_reader *reader) {
    struct ordo_reader fields = {.next = reader->field, .end = reader->fields_end};
    struct field field;
    while (ordo_reader_left(&fields) > 0) {
        if (!take_field(&fields, &field)) return false;
        if (field.tag >> 3 != FIELD_SPANS || field.bytes.size == 0) continue;
        reader->next = field.bytes.data;
        reader->end = field.bytes.data + field.bytes.size;
        reader->field = fields.next;
        return true;
    }
    reader->field = reader->fields_end;
    return false;
}

uint64_t text_read_slow(struct text_reader *reader) {
    if (reader->next == reader->end && (reader->field == reader->fields_end || !reader_next_block(reader))) return 0;
    struct ordo_reader block = {.next = reader->next, .end = reader->end};
    uint64_t span;
    if (!ordo_take_varint(&block, &span)) { /* broken: never read on behind it */
        *reader = (struct text_reader){0};
        return 0;
    }
    reader->next = block.next;
    return span;
}

/* --- validation ------------------------------------------------------------------------------------------------- */

struct text_measure text_op_measure(struct text_reader spans) {
    struct text_measure sum = {0};
    for (uint64_t span = text_read(&spans); span != 0; span = text_read(&spans)) {
        uint64_t n = text_span_n(span);
        enum text_kind kind = text_span_kind(span);
        sum.base += kind == TEXT_INSERT ? 0 : n;
        sum.retained += kind == TEXT_RETAIN ? n : 0;
        sum.inserted += kind == TEXT_INSERT ? n : 0;
        sum.count++;
    }
    return sum;
}

static bool text_has_nul(struct ordo_slice text) { return text.size > 0 && memchr(text.data, 0, text.size) != NULL; }

static bool span_is_valid(uint64_t span, uint64_t previous) {
    uint64_t n = text_span_n(span), kind = span & TEXT_KIND_MASK;
    if (kind > TEXT_DELETE || n == 0 || n > ORDO_SPAN_LENGTH_MAX) return false;
    if (kind != TEXT_INSERT && (span & TEXT_BITS_MASK) != 0) return false;
    return previous == 0 || (previous & TEXT_KIND_MASK) != kind;
}

/* Unlike a loop until `text_read` gives 0, this tells the end from a span that is 0 and from a broken varint. */
static bool measure_strictly(struct text_reader reader, struct text_measure *out) {
    struct text_measure sum = {0};
    uint64_t previous = 0;
    while (reader.next != reader.end || reader_next_block(&reader)) {
        uint64_t span = text_read(&reader);
        if (!span_is_valid(span, previous)) return false;
        /* Sums cannot overflow: at least one byte per span, and n is below 2^31. */
        uint64_t n = text_span_n(span);
        switch (text_span_kind(span)) {
        case TEXT_RETAIN: sum.retained += n; sum.base += n; break;
        case TEXT_INSERT: sum.inserted += n; break;
        case TEXT_DELETE: sum.base += n; break;
        }
        sum.count++;
        previous = span;
    }
    *out = sum;
    return previous == 0 || text_span_kind(previous) != TEXT_RETAIN;
}

enum ordo_op_fault text_op_open_strictly(struct ordo_slice bytes, uint64_t length_before, struct text_op *out,
                                         uint64_t *length_after) {
    struct text_measure sum;
    uint64_t code_points;
    if (!text_op_open(bytes, out) || !measure_strictly(out->spans, &sum)) return ORDO_OP_MALFORMED;
    if (!ordo_utf8_validate(out->text, &code_points) || code_points != sum.inserted) return ORDO_OP_MALFORMED;
    if (text_has_nul(out->text)) return ORDO_OP_MALFORMED;
    if (sum.base > length_before) return ORDO_OP_PAST_END;
    uint64_t after = length_before - (sum.base - sum.retained) + sum.inserted;
    if (sum.inserted > 0 && after > ORDO_DOCUMENT_SIZE_MAX) return ORDO_OP_TOO_LARGE;
    *length_after = after;
    return ORDO_OP_VALID;
}

enum ordo_op_fault text_op_validate(struct ordo_slice bytes, uint64_t length_before, uint64_t *length_after) {
    struct text_op op;
    return text_op_open_strictly(bytes, length_before, &op, length_after);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static size_t put_varint(uint8_t *to, uint64_t value) {
    size_t size = 0;
    while (value >= 0x80) {
        to[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

void text_writer_flush(struct text_writer *writer, uint64_t span) {
    struct ordo_buffer *out = writer->out;
    if (out->capacity - out->size < VARINT_SIZE_MAX) ordo_buffer_reserve(out, VARINT_SIZE_MAX);
    out->size += put_varint(out->data + out->size, span);
    writer->count++;
}

void text_writer_finish(struct text_writer *writer) {
    if (writer->last != 0 && text_span_kind(writer->last) != TEXT_RETAIN) text_writer_flush(writer, writer->last);
    writer->last = 0;
}

struct text_writer text_message_begin(struct ordo_buffer *out, size_t *start) {
    *start = out->size;
    ordo_buffer_reserve(out, 2);
    out->size += 2; /* tag and a length of one byte, which is enough for most ops; `end` makes room for longer */
    return (struct text_writer){.out = out};
}

void text_message_end(struct text_writer *writer, size_t start, struct ordo_slice text) {
    text_writer_finish(writer);
    struct ordo_buffer *out = writer->out;
    size_t packed_size = out->size - start - 2;
    if (packed_size == 0) {
        out->size = start;
    } else {
        size_t extra = ordo_varint_size(packed_size) - 1;
        if (extra > 0) {
            ordo_buffer_reserve(out, extra);
            uint8_t *packed = out->data + start + 2;
            memmove(packed + extra, packed, packed_size);
            out->size += extra;
        }
        out->data[start] = TAG_SPANS_PACKED;
        put_varint(out->data + start + 1, packed_size);
    }
    if (text.size > 0) {
        uint8_t *to = ordo_buffer_reserve(out, 1 + VARINT_SIZE_MAX + text.size);
        *to = TAG_TEXT;
        size_t header = 1 + put_varint(to + 1, text.size);
        memcpy(to + header, text.data, text.size);
        out->size += header + text.size;
    }
}

void text_message_append(struct ordo_buffer *out, struct ordo_slice packed, struct ordo_slice text) {
    if (packed.size > 0) {
        ordo_buffer_append_u8(out, TAG_SPANS_PACKED);
        ordo_buffer_append_sized(out, packed);
    }
    if (text.size > 0) {
        text_message_append_text_header(out, text.size);
        ordo_buffer_append_slice(out, text);
    }
}

void text_message_append_text_header(struct ordo_buffer *out, size_t text_size) {
    ordo_buffer_append_u8(out, TAG_TEXT);
    ordo_buffer_append_varint(out, text_size);
}

size_t text_message_size(size_t packed_size, size_t text_size) {
    size_t size = 0;
    if (packed_size > 0) size += 1 + ordo_varint_size(packed_size) + packed_size;
    if (text_size > 0) size += 1 + ordo_varint_size(text_size) + text_size;
    return size;
}
