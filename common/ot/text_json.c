#include "common/ot/text_json.h"

#include "common/limits.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

/* ---- writing */

static const char *hint_of(uint64_t span) {
    switch (span & TEXT_BITS_MASK) {
    case 0: return "\"\"";
    case TEXT_FOLLOWS: return "\"follows\"";
    case TEXT_PRECEDES: return "\"precedes\"";
    default: return "\"both\"";
    }
}

static void put_comma(struct ordo_buffer *out, bool *is_first) {
    if (!*is_first) ordo_buffer_append_u8(out, ',');
    *is_first = false;
}

/* The next `n` code points of `rest`, which must have them. */
static bool put_insert(struct ordo_buffer *out, struct ordo_slice *rest, uint64_t n) {
    if (rest->size == 0) return false;
    size_t size = ordo_utf8_offset(*rest, n);
    bool is_good = json_put_string(out, ordo_slice(rest->data, size));
    *rest = ordo_slice(rest->data + size, rest->size - size);
    return is_good;
}

bool ordo_text_json_put(struct ordo_buffer *out, struct ordo_slice op) {
    struct text_op text;
    if (!text_op_open(op, &text) || !ordo_utf8_validate(text.text, NULL)) return false;
    bool is_first = true;
    uint64_t span;
    ordo_buffer_append_u8(out, '[');
    while ((span = text_read(&text.spans)) != 0) {
        put_comma(out, &is_first);
        switch (text_span_kind(span)) {
        case TEXT_RETAIN: json_put_number(out, text_span_n(span)); break;
        case TEXT_DELETE:
            json_put_text(out, "{\"d\":");
            json_put_number(out, text_span_n(span));
            ordo_buffer_append_u8(out, '}');
            break;
        case TEXT_INSERT:
            if (!put_insert(out, &text.text, text_span_n(span))) return false;
            break;
        default: return false;
        }
    }
    ordo_buffer_append_u8(out, ']');
    return text.text.size == 0;
}

void ordo_text_json_put_hints(struct ordo_buffer *out, struct ordo_slice op) {
    struct text_op text = text_op_trusted(op);
    size_t start = out->size;
    bool is_first = true, has_hints = false;
    uint64_t span;
    json_put_text(out, ",\"hints\":[");
    while ((span = text_read(&text.spans)) != 0) {
        if (!text_span_is_insert(span)) continue;
        put_comma(out, &is_first);
        json_put_text(out, hint_of(span));
        if ((span & TEXT_BITS_MASK) != 0) has_hints = true;
    }
    ordo_buffer_append_u8(out, ']');
    if (!has_hints) out->size = start;
}

/* ---- reading */

static bool is_length(uint64_t n) { return n >= 1 && n <= ORDO_SPAN_LENGTH_MAX; }

/* Behind '{': "d": n } */
static bool take_delete(struct json_reader *reader, struct ordo_buffer *scratch, uint64_t *span) {
    uint64_t n;
    ordo_buffer_clear(scratch);
    bool is_good = json_take_string(reader, scratch) && ordo_slice_equal(ordo_buffer_slice(scratch), ordo_slice_of("d")) &&
                   json_take(reader, ':') && json_take_number(reader, &n) && is_length(n) && json_take(reader, '}');
    if (is_good) *span = text_span(TEXT_DELETE, n);
    return is_good;
}

static bool take_component(struct json_reader *reader, struct ordo_buffer *text, struct ordo_buffer *scratch, uint64_t *span) {
    uint64_t n;
    size_t start = text->size;
    switch (json_peek(reader)) {
    case '{': return json_take(reader, '{') && take_delete(reader, scratch, span);
    case '"':
        if (!json_take_string(reader, text) || text->size == start) return false;
        *span = text_span(TEXT_INSERT, ordo_utf8_count(ordo_slice(text->data + start, text->size - start)));
        return true;
    default:
        if (!json_take_number(reader, &n) || !is_length(n)) return false;
        *span = text_span(TEXT_RETAIN, n);
        return true;
    }
}

bool ordo_text_json_take(struct json_reader *reader, struct ordo_buffer *op) {
    struct ordo_buffer text = {0}, scratch = {0};
    size_t start;
    struct text_writer writer = text_message_begin(op, &start);
    bool is_first = true, is_good = json_take(reader, '[');
    uint64_t span;
    while (is_good && json_take_next(reader, ']', &is_first)) {
        is_good = take_component(reader, &text, &scratch, &span);
        if (is_good) text_put(&writer, span);
    }
    is_good = is_good && !json_is_broken(reader);
    text_message_end(&writer, start, ordo_buffer_slice(&text));
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&scratch);
    return is_good;
}
