#include "common/json.h"

#include <stdio.h>

#include "common/limits.h"
#include "common/utf8.h"

static const char digits[] = "0123456789abcdef";

/* --- writing ---------------------------------------------------------------------------------------------------- */

void json_put_text(struct ordo_buffer *out, const char *literal) { ordo_buffer_append_slice(out, ordo_slice_of(literal)); }

void json_put_number(struct ordo_buffer *out, uint64_t value) {
    char text[24];
    size_t at = sizeof text;
    do text[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    ordo_buffer_append(out, text + at, sizeof text - at);
}

static bool is_plain(uint8_t byte) { return byte >= 0x20 && byte != '"' && byte != '\\'; }

static void put_escape(struct ordo_buffer *out, uint8_t byte) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *place = byte != 0 ? strchr(from, byte) : NULL;
    char text[8];
    if (place != NULL) snprintf(text, sizeof text, "\\%c", to[place - from]);
    else snprintf(text, sizeof text, "\\u%04X", byte);
    json_put_text(out, text);
}

void json_put_characters(struct ordo_buffer *out, struct ordo_slice text) {
    for (size_t start = 0, at = 0; start < text.size; start = at) {
        while (at < text.size && is_plain(text.data[at])) at++;
        ordo_buffer_append(out, text.data + start, at - start);
        if (at < text.size) put_escape(out, text.data[at++]);
    }
}

bool json_put_string(struct ordo_buffer *out, struct ordo_slice text) {
    if (!ordo_utf8_validate(text, NULL)) return false;
    ordo_buffer_append_u8(out, '"');
    json_put_characters(out, text);
    ordo_buffer_append_u8(out, '"');
    return true;
}

void json_put_hex(struct ordo_buffer *out, struct ordo_slice bytes) {
    ordo_buffer_append_u8(out, '"');
    for (size_t i = 0; i < bytes.size; i++) {
        ordo_buffer_append_u8(out, (uint8_t)digits[bytes.data[i] >> 4]);
        ordo_buffer_append_u8(out, (uint8_t)digits[bytes.data[i] & 15]);
    }
    ordo_buffer_append_u8(out, '"');
}

void json_put_hex64(struct ordo_buffer *out, uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    json_put_hex(out, ordo_slice(bytes, sizeof bytes));
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

uint8_t json_peek(struct json_reader *reader) {
    while (reader->next < reader->end && is_blank(*reader->next)) reader->next++;
    return reader->next < reader->end ? *reader->next : 0;
}

bool json_take(struct json_reader *reader, char punctuation) {
    if (json_peek(reader) != (uint8_t)punctuation || reader->next == reader->end) return false;
    reader->next++;
    return true;
}

bool json_take_word(struct json_reader *reader, const char *word) {
    size_t size = strlen(word);
    json_peek(reader);
    if ((size_t)(reader->end - reader->next) < size || memcmp(reader->next, word, size) != 0) return false;
    reader->next += size;
    return true;
}

static bool is_digit(const struct json_reader *reader) {
    return reader->next < reader->end && *reader->next >= '0' && *reader->next <= '9';
}

/* A sign, a fraction or an exponent is left standing, for whoever comes next to fail at. */
bool json_take_number(struct json_reader *reader, uint64_t *out) {
    json_peek(reader);
    if (!is_digit(reader)) return false;
    bool begins_with_zero = *reader->next == '0';
    const uint8_t *start = reader->next;
    uint64_t value = 0;
    for (; is_digit(reader); reader->next++) {
        value = value * 10 + (uint64_t)(*reader->next - '0');
        if (value > ORDO_NUMBER_MAX) return false;
    }
    *out = value;
    return !begins_with_zero || reader->next == start + 1;
}

static bool take_hex4(struct json_reader *reader, uint32_t *out) {
    *out = 0;
    if (reader->end - reader->next < 4) return false;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = *reader->next++, lower = byte | 0x20;
        if (byte >= '0' && byte <= '9') *out = *out << 4 | (uint32_t)(byte - '0');
        else if (lower >= 'a' && lower <= 'f') *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        else return false;
    }
    return true;
}

static void append_code_point(struct ordo_buffer *out, uint32_t code) {
    if (code >= 0x10000) {
        ordo_buffer_append_u8(out, (uint8_t)(0xf0 | code >> 18));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
    } else if (code >= 0x800) {
        ordo_buffer_append_u8(out, (uint8_t)(0xe0 | code >> 12));
    } else if (code >= 0x80) {
        ordo_buffer_append_u8(out, (uint8_t)(0xc0 | code >> 6));
    }
    if (code >= 0x800) ordo_buffer_append_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    ordo_buffer_append_u8(out, (uint8_t)(code >= 0x80 ? 0x80 | (code & 0x3f) : code));
}

/* Behind `\u`. Halves of a surrogate pair must stand together, and U+0000 nowhere. */
static bool take_code_point(struct json_reader *reader, struct ordo_buffer *out) {
    uint32_t code, low;
    if (!take_hex4(reader, &code) || code == 0) return false;
    if (code >= 0xdc00 && code <= 0xdfff) return false;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (reader->end - reader->next < 2 || reader->next[0] != '\\' || reader->next[1] != 'u') return false;
        reader->next += 2;
        if (!take_hex4(reader, &low) || low < 0xdc00 || low > 0xdfff) return false;
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    append_code_point(out, code);
    return true;
}

static bool take_escape(struct json_reader *reader, struct ordo_buffer *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (reader->next == reader->end) return false;
    uint8_t byte = *reader->next++;
    if (byte == 'u') return take_code_point(reader, out);
    const char *place = byte != 0 ? strchr(from, byte) : NULL;
    if (place == NULL) return false;
    ordo_buffer_append_u8(out, (uint8_t)to[place - from]);
    return true;
}

bool json_take_string(struct json_reader *reader, struct ordo_buffer *out) {
    if (!json_take(reader, '"')) return false;
    for (;;) {
        const uint8_t *start = reader->next;
        while (reader->next < reader->end && is_plain(*reader->next)) reader->next++;
        ordo_buffer_append(out, start, (size_t)(reader->next - start));
        if (reader->next == reader->end) return false;
        uint8_t byte = *reader->next++;
        if (byte == '"') return true;
        if (byte != '\\' || !take_escape(reader, out)) return false;
    }
}

bool json_take_end(struct json_reader *reader) { return json_peek(reader) == 0 && reader->next == reader->end; }

bool json_take_next(struct json_reader *reader, char close, bool *is_first) {
    if (json_take(reader, close)) return false;
    if (!*is_first && !json_take(reader, ',')) {
        reader->next = NULL;
        return false;
    }
    *is_first = false;
    return true;
}

static int hex_value(uint8_t byte) {
    const char *place = byte != 0 ? strchr(digits, byte) : NULL;
    return place != NULL ? (int)(place - digits) : -1;
}

bool json_hex_decode(struct ordo_slice text, struct ordo_buffer *out) {
    if (text.size % 2 != 0) return false;
    for (size_t i = 0; i < text.size; i += 2) {
        int high = hex_value(text.data[i]), low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0) return false;
        ordo_buffer_append_u8(out, (uint8_t)(high << 4 | low));
    }
    return true;
}

bool json_hex64_decode(struct ordo_slice text, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = hex_value(text.data[i]);
        if (value < 0) return false;
        *out = *out << 4 | (uint64_t)value;
    }
    return text.size == 16;
}
