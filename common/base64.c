#include "common/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ordo_base64_encode(struct ordo_buffer *out, struct ordo_slice bytes) {
    uint8_t *to = ordo_buffer_reserve(out, (bytes.size + 2) / 3 * 4);
    out->size += (bytes.size + 2) / 3 * 4;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1) group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2) group |= bytes.data[i + 2];
        *to++ = (uint8_t)digits[group >> 18];
        *to++ = (uint8_t)digits[group >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
    }
}

static int value_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool ordo_base64_decode(struct ordo_buffer *out, struct ordo_slice text) {
    size_t padding = 0, begin = out->size;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=') padding++;
    if (text.size % 4 != 0) return false;
    uint8_t *to = ordo_buffer_reserve(out, text.size / 4 * 3);
    uint32_t group = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = i < text.size - padding ? value_of(text.data[i]) : 0;
        if (value < 0) return false;
        group = group << 6 | (uint32_t)value;
        if (i % 4 != 3) continue;
        *to++ = (uint8_t)(group >> 16);
        *to++ = (uint8_t)(group >> 8);
        *to++ = (uint8_t)group;
        group = 0;
    }
    size_t size = text.size / 4 * 3;
    uint8_t *end = out->data + begin + size;
    for (size_t i = 1; i <= padding; i++) {
        if (end[-(ptrdiff_t)i] != 0) return false; /* bits that say nothing must be 0, so that each value has one text */
    }
    out->size += size - padding;
    return true;
}

/* ---- section 5 */

void ordo_base64url_encode(struct ordo_buffer *out, struct ordo_slice bytes) {
    size_t begin = out->size;
    ordo_base64_encode(out, bytes);
    while (out->size > begin && out->data[out->size - 1] == '=') out->size--;
    for (size_t i = begin; i < out->size; i++) {
        if (out->data[i] == '+') out->data[i] = '-';
        else if (out->data[i] == '/') out->data[i] = '_';
    }
}

static int url_value_of(uint8_t c) {
    if (c == '+' || c == '/') return -1;
    return value_of(c == '-' ? '+' : c == '_' ? '/' : c);
}

bool ordo_base64url_decode(struct ordo_buffer *out, struct ordo_slice text) {
    size_t begin = out->size, rest = text.size % 4;
    if (rest == 1) return false;
    uint32_t group = 0, bits = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = url_value_of(text.data[i]);
        if (value < 0) {
            out->size = begin;
            return false;
        }
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        ordo_buffer_append_u8(out, (uint8_t)(group >> bits));
        group &= (1u << bits) - 1;
    }
    if (group == 0) return true;
    out->size = begin; /* bits that say nothing must be 0, so that each value has one text */
    return false;
}
