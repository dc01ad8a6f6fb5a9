#include "common/utf8.h"

static bool is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* Size of the valid sequence at `at`, 0 if there is none (Unicode 15, table 3-7). */
static size_t sequence_size(const uint8_t *at, const uint8_t *end) {
    uint8_t first = *at;
    size_t left = (size_t)(end - at);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    if (left < 2 || !is_continuation(at[1])) return 0;
    if (first < 0xe0) return 2;
    if (first == 0xe0 && at[1] < 0xa0) return 0;
    if (first == 0xed && at[1] > 0x9f) return 0;
    if (left < 3 || !is_continuation(at[2])) return 0;
    if (first < 0xf0) return 3;
    if (first == 0xf0 && at[1] < 0x90) return 0;
    if (first == 0xf4 && at[1] > 0x8f) return 0;
    if (left < 4 || !is_continuation(at[3])) return 0;
    return 4;
}

bool ordo_utf8_validate(struct ordo_slice text, uint64_t *count_out) {
    uint64_t count = 0;
    const uint8_t *at = text.data, *end = text.size ? text.data + text.size : text.data;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8 && (memcpy(&word, at, 8), (word & UINT64_C(0x8080808080808080)) == 0)) {
            at += 8;
            count += 8;
            continue;
        }
        size_t size = sequence_size(at, end);
        if (size == 0) return false;
        at += size;
        count++;
    }
    if (count_out != NULL) *count_out = count;
    return true;
}

uint64_t ordo_utf8_count(struct ordo_slice text) {
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += !is_continuation(text.data[i]);
    return count;
}

static size_t lead_size(uint8_t first) { return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4; }

size_t ordo_utf8_offset(struct ordo_slice text, uint64_t count) {
    size_t offset = 0;
    while (count >= 8 && text.size - offset >= 8) { /* eight bytes hold at most eight code points */
        uint64_t word;
        memcpy(&word, text.data + offset, sizeof word);
        /* A continuation byte has bit 7 set and bit 6 clear. */
        uint64_t continuations = word >> 7 & ~word >> 6 & UINT64_C(0x0101010101010101);
        offset += 8;
        count -= 8 - (uint64_t)__builtin_popcountll(continuations);
    }
    /* The last word may have ended inside a code point. */
    while (offset > 0 && offset < text.size && is_continuation(text.data[offset])) offset++;
    while (count > 0 && offset < text.size) {
        offset += lead_size(text.data[offset]);
        count--;
    }
    return offset < text.size ? offset : text.size;
}

size_t ordo_utf8_floor(struct ordo_slice text, size_t size) {
    if (size >= text.size) return text.size;
    while (size > 0 && is_continuation(text.data[size])) size--;
    return size;
}
