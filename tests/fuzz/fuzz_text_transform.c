/* The laws of transform and compose on ops made from the fuzzer's bytes: both orders give one text, composing changes
 * nothing, and the indexed form agrees with the flat one. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LENGTH = 40 };

/* One byte per component: kind, hints, and how long it is. 3 as the kind ends the op. */
static uint64_t take_op(struct ordo_reader *reader, uint64_t length, struct ordo_buffer *out) {
    static const char *const letters[] = {"x", "é", "漢", "😅", "\xcc\x81"};
    struct ordo_buffer text = {0};
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    uint64_t left = length;
    uint8_t byte;
    while (ordo_take_u8(reader, &byte) && (byte & 3) != 3) {
        uint64_t n = 1 + (byte >> 4);
        if ((byte & 3) == TEXT_INSERT) {
            for (uint64_t i = 0; i < n; i++) ordo_buffer_append_slice(&text, ordo_slice_of(letters[(byte + i) % 5]));
            text_put(&writer, text_span(TEXT_INSERT, n) | (byte & TEXT_BITS_MASK));
            length += n;
            continue;
        }
        if (n > left) n = left;
        if (n == 0) continue;
        left -= n;
        if ((byte & 3) == TEXT_DELETE) length -= n;
        text_put(&writer, text_span((enum text_kind)(byte & 3), n));
    }
    text_message_end(&writer, start, ordo_buffer_slice(&text));
    ordo_buffer_finish(&text);
    return length;
}

static struct ordo_buffer text_after(const struct ordo_buffer *first, const struct ordo_buffer *second) {
    struct ordo_buffer text = {0};
    struct ordo_content *content = ordo_text_content_create();
    ORDO_ASSERT(ordo_text_content_append(content, ordo_slice_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN")) == 0);
    ORDO_ASSERT(ordo_text_content_apply(content, ordo_buffer_slice(first)) == ORDO_OK);
    if (second != NULL) ORDO_ASSERT(ordo_text_content_apply(content, ordo_buffer_slice(second)) == ORDO_OK);
    ordo_text_content_write(content, &text);
    ordo_text_content_destroy(content);
    return text;
}

/* Takes both. */
static void assert_equal(struct ordo_buffer a, struct ordo_buffer b) {
    ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&a), ordo_buffer_slice(&b)));
    ordo_buffer_finish(&a);
    ordo_buffer_finish(&b);
}

static struct ordo_buffer encoded(const struct ordo_live_op *live) {
    struct ordo_buffer out = {0};
    ordo_text_live_encode(live, &out);
    return out;
}

static struct ordo_buffer copy_of(const struct ordo_buffer *buffer) {
    struct ordo_buffer out = {0};
    ordo_buffer_append_slice(&out, ordo_buffer_slice(buffer));
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ordo_reader reader = ordo_reader(ordo_slice(data, size));
    uint8_t choice;
    if (!ordo_take_u8(&reader, &choice)) return 0;
    struct ordo_slice alice = ordo_slice_of("alice"), bob = ordo_slice_of(choice & 1 ? "bob" : "");
    if (choice & 2) {
        struct ordo_slice swapped = alice;
        alice = bob;
        bob = swapped;
    }
    struct ordo_buffer a = {0}, b = {0}, c = {0}, a_after = {0}, b_after = {0}, composed = {0};
    uint64_t after_a = take_op(&reader, LENGTH, &a);
    take_op(&reader, after_a, &c); /* after a, beside nothing */
    uint64_t after_b = take_op(&reader, LENGTH, &b), length;

    /* a is later than b, as a client's op is later than a committed one. */
    ordo_text_transform(ordo_buffer_slice(&a), alice, ordo_buffer_slice(&b), bob, true, &a_after);
    ordo_text_transform(ordo_buffer_slice(&b), bob, ordo_buffer_slice(&a), alice, false, &b_after);
    ORDO_ASSERT(ordo_type_text.validate(ordo_buffer_slice(&a_after), after_b, &length) == ORDO_OP_VALID);
    ORDO_ASSERT(ordo_type_text.validate(ordo_buffer_slice(&b_after), after_a, &length) == ORDO_OP_VALID);
    assert_equal(text_after(&a, &b_after), text_after(&b, &a_after));

    ordo_text_compose(ordo_buffer_slice(&a), ordo_buffer_slice(&c), &composed);
    ORDO_ASSERT(ordo_type_text.validate(ordo_buffer_slice(&composed), LENGTH, &length) == ORDO_OP_VALID);
    assert_equal(text_after(&a, &c), text_after(&composed, NULL));

    for (int is_flat = 0; is_flat < 2; is_flat++) {
        struct ordo_live_op *live = ordo_text_live_create();
        struct ordo_buffer other = {0};
        ordo_text_live_set_flat_max(live, is_flat ? SIZE_MAX : 0);
        ordo_text_live_load(live, ordo_buffer_slice(&a), alice);
        ordo_text_live_rebase(live, ordo_buffer_slice(&b), bob, &other);
        assert_equal(encoded(live), copy_of(&a_after));
        assert_equal(other, copy_of(&b_after));
        ordo_text_live_load(live, ordo_buffer_slice(&a), alice);
        ordo_text_live_compose(live, ordo_buffer_slice(&c));
        assert_equal(encoded(live), copy_of(&composed));
        ordo_text_live_destroy(live);
    }
    struct ordo_buffer *all[] = {&a, &b, &c, &a_after, &b_after, &composed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    return 0;
}
