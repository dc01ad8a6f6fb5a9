#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/limits.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"
#include "tests/ot/support.h"

enum { R = TEXT_RETAIN, I = TEXT_INSERT, D = TEXT_DELETE, F = TEXT_FOLLOWS, P = TEXT_PRECEDES };

static struct ordo_slice message(struct ordo_buffer *out, const uint64_t *spans, size_t count, const char *text,
                                 size_t text_size) {
    struct ordo_buffer packed = {0};
    ordo_buffer_clear(out);
    for (size_t i = 0; i < count; i++) ordo_buffer_append_varint(&packed, spans[i]);
    text_message_append(out, ordo_buffer_slice(&packed), ordo_slice(text, text_size));
    ordo_buffer_finish(&packed);
    return ordo_buffer_slice(out);
}

#define SPANS(...) ((const uint64_t[]){__VA_ARGS__})
#define COUNT(...) (sizeof SPANS(__VA_ARGS__) / sizeof(uint64_t))

static enum ordo_op_fault fault_of(const uint64_t *spans, size_t count, const char *text, size_t text_size,
                                   uint64_t length) {
    struct ordo_buffer op = {0};
    uint64_t after = 12345;
    enum ordo_op_fault fault = ordo_type_text.validate(message(&op, spans, count, text, text_size), length, &after);
    if (fault != ORDO_OP_VALID) assert_int_equal(after, 12345);
    ordo_buffer_finish(&op);
    return fault;
}

#define FAULT(length, text, ...) fault_of(SPANS(__VA_ARGS__), COUNT(__VA_ARGS__), text, sizeof text - 1, length)

static void ops_by_the_rules_are_valid(void **state) {
    (void)state;
    uint64_t after;
    assert_int_equal(ordo_type_text.validate(ordo_slice(NULL, 0), 5, &after), ORDO_OP_VALID);
    assert_int_equal(after, 5);
    assert_int_equal(FAULT(0, "a", 1 << 4 | I), ORDO_OP_VALID);
    assert_int_equal(FAULT(10, "aé😅", 3 << 4 | R, 3 << 4 | I | F | P, 7 << 4 | D), ORDO_OP_VALID);
    assert_int_equal(FAULT(3, "\xef\xbb\xbf", 1 << 4 | I, 3 << 4 | D), ORDO_OP_VALID);
    assert_int_equal(FAULT(2, "xy", 1 << 4 | I, 1 << 4 | D, 1 << 4 | I, 1 << 4 | D), ORDO_OP_VALID);
}

static void each_broken_rule_is_malformed(void **state) {
    (void)state;
    assert_int_equal(FAULT(9, "", 1 << 4 | 3), ORDO_OP_MALFORMED);                 /* kind 3 */
    assert_int_equal(FAULT(9, "", 0 << 4 | D), ORDO_OP_MALFORMED);                 /* n = 0 */
    assert_int_equal(FAULT(9, "", 0), ORDO_OP_MALFORMED);                          /* a span of 0 */
    assert_int_equal(FAULT(9, "a", 0, 1 << 4 | I), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "", UINT64_C(1) << 35 | D), ORDO_OP_MALFORMED);      /* n = 2^31 */
    assert_int_equal(FAULT(9, "", UINT64_MAX), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "", 1 << 4 | D | F), ORDO_OP_MALFORMED);             /* stray bits */
    assert_int_equal(FAULT(9, "", 1 << 4 | R | P, 1 << 4 | D), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "ab", 1 << 4 | I, 1 << 4 | I), ORDO_OP_MALFORMED);   /* neighbours of one kind */
    assert_int_equal(FAULT(9, "ab", 1 << 4 | I | F, 1 << 4 | I | P), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "", 1 << 4 | D, 1 << 4 | D), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "", 1 << 4 | R), ORDO_OP_MALFORMED);                 /* trailing retain */
    assert_int_equal(FAULT(9, "a", 1 << 4 | I, 1 << 4 | R), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "", 1 << 4 | I), ORDO_OP_MALFORMED);                 /* too little, too much text */
    assert_int_equal(FAULT(9, "é", 2 << 4 | I), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "ab", 1 << 4 | I), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "a", 1 << 4 | D), ORDO_OP_MALFORMED);
    assert_int_equal(FAULT(9, "\xff", 1 << 4 | I), ORDO_OP_MALFORMED);             /* not UTF-8 */
    assert_int_equal(FAULT(9, "\xed\xa0\x80", 1 << 4 | I), ORDO_OP_MALFORMED);     /* a surrogate */
    assert_int_equal(FAULT(9, "\xf0\x9f\x98", 1 << 4 | I), ORDO_OP_MALFORMED);     /* cut short */
    assert_int_equal(FAULT(9, "\0", 1 << 4 | I), ORDO_OP_MALFORMED);               /* U+0000 */
    assert_int_equal(FAULT(9, "a\0b", 3 << 4 | I), ORDO_OP_MALFORMED);
}

static void reaching_past_the_end_is_its_own_fault(void **state) {
    (void)state;
    assert_int_equal(FAULT(4, "", 5 << 4 | D), ORDO_OP_PAST_END);
    assert_int_equal(FAULT(4, "a", 5 << 4 | R, 1 << 4 | I), ORDO_OP_PAST_END);
    assert_int_equal(FAULT(4, "", 4 << 4 | R, 1 << 4 | D), ORDO_OP_PAST_END);
    assert_int_equal(FAULT(4, "a", 4 << 4 | R, 1 << 4 | I), ORDO_OP_VALID);
    uint64_t huge = (UINT64_C(1) << 31) - 1; /* sums must not wrap around */
    assert_int_equal(FAULT(4, "", huge << 4 | R, huge << 4 | D, huge << 4 | R, huge << 4 | D), ORDO_OP_PAST_END);
}

static void growing_beyond_the_limit_is_too_large_but_shrinking_is_not(void **state) {
    (void)state;
    uint64_t full = ORDO_DOCUMENT_SIZE_MAX;
    assert_int_equal(FAULT(full - 1, "a", 1 << 4 | I), ORDO_OP_VALID);
    assert_int_equal(FAULT(full, "a", 1 << 4 | I), ORDO_OP_TOO_LARGE);
    assert_int_equal(FAULT(full, "a", 1 << 4 | I, 1 << 4 | D), ORDO_OP_VALID);
    assert_int_equal(FAULT(full + 7, "", 1 << 4 | D), ORDO_OP_VALID);
}

/* --- encodings that are legal protobuf, but not what we write --------------------------------------------------- */

static void assert_reads_as(const void *bytes, size_t size, const char *json) {
    uint64_t after;
    struct ordo_slice op = ordo_slice(bytes, size);
    assert_int_equal(ordo_type_text.validate(op, 1000, &after), ORDO_OP_VALID);
    json_t *got = ot_op_to_json(op), *expected = json_loads(json, 0, NULL);
    assert_non_null(expected);
    assert_true(json_equal(got, expected));

    /* And through the functions that trust it, out comes the canonical form. */
    struct ordo_buffer canonical = {0}, out = {0};
    ot_op_from_json(expected, &canonical);
    ordo_text_transform_side(op, ordo_slice(NULL, 0), ORDO_TEXT_LEFT, &out);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&canonical), ordo_buffer_slice(&out)));
    ordo_buffer_clear(&out);
    ordo_text_compose(op, ordo_slice(NULL, 0), &out);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&canonical), ordo_buffer_slice(&out)));
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_load(live, op, ordo_slice("me", 2));
    ordo_buffer_clear(&out);
    ordo_text_live_encode(live, &out);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&canonical), ordo_buffer_slice(&out)));
    ordo_text_live_destroy(live);
    ordo_buffer_finish(&canonical);
    ordo_buffer_finish(&out);
    json_decref(got);
    json_decref(expected);
}

#define READS_AS(bytes, json) assert_reads_as(bytes, sizeof bytes - 1, json)

static void every_legal_encoding_reads_the_same(void **state) {
    (void)state;
    const char *same = "[5,\"ab\",{\"d\":1}]";
    READS_AS("\x0a\x03\x50\x21\x12\x12\x02" "ab", same);                              /* ours */
    READS_AS("\x12\x02" "ab\x0a\x03\x50\x21\x12", same);                              /* text first */
    READS_AS("\x08\x50\x08\x21\x08\x12\x12\x02" "ab", same);                          /* not packed */
    READS_AS("\x0a\x01\x50\x12\x02" "ab\x08\x21\x0a\x00\x0a\x01\x12", same);          /* scattered */
    READS_AS("\x12\x01x\x0a\x03\x50\x21\x12\x12\x02" "ab", same);                     /* the last text wins */
    READS_AS("\x1a\x02zz\x0a\x03\x50\x21\x12\x20\x07\x12\x02" "ab\x2d" "1234\x31" "12345678", same); /* unknown */
    READS_AS("\x0a\x06\xd0\x80\x00\xa1\x00\x12\x12\x02" "ab", same);                  /* long varints */
    READS_AS("", "[]");
    READS_AS("\x0a\x00\x12\x00", "[]");
}

static void what_is_no_message_is_malformed(void **state) {
    (void)state;
#define REFUSED(bytes) assert_int_equal(ordo_type_text.validate(ordo_slice(bytes, sizeof bytes - 1), 9, &after), 1)
    uint64_t after;
    REFUSED("\x0a");
    REFUSED("\x0a\x05\x50");
    REFUSED("\x0a\x01\x90");                                     /* a varint cut by its block */
    REFUSED("\x0a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"); /* endless */
    REFUSED("\x02\x00");                                         /* field 0 */
    REFUSED("\x0b\x0c");                                         /* a group */
    REFUSED("\x0d" "1234");                                      /* ours, with a wrong wire type */
    REFUSED("\x10\x01");
    REFUSED("\xff\xff\xff\xff\xff\x01\x00");                     /* a tag beyond 32 bits */
    REFUSED("garbage");
}

static void written_ops_have_their_golden_bytes(void **state) {
    (void)state;
    struct ordo_buffer op = {0};
    ordo_text_splice(300, 2, ordo_slice_of("é"), (struct ordo_text_hints){.follows = true, .precedes = true}, &op);
    static const uint8_t golden[] = {0x0a, 4, 0xc0, 0x25, 0x1d, 0x22, 0x12, 2, 0xc3, 0xa9};
    assert_int_equal(op.size, sizeof golden);
    assert_memory_equal(op.data, golden, sizeof golden);
    ordo_buffer_clear(&op);
    ordo_text_splice(7, 0, ordo_slice_of(""), (struct ordo_text_hints){0}, &op);
    assert_int_equal(op.size, 0);
    ordo_buffer_finish(&op);
}

/* --- the rest of the table -------------------------------------------------------------------------------------- */

static void positions_move_with_what_stands_around_them(void **state) {
    (void)state;
    struct ordo_buffer op = {0};
    ordo_text_splice(4, 3, ordo_slice_of("xy"), (struct ordo_text_hints){0}, &op);
    struct ordo_slice bytes = ordo_buffer_slice(&op);
    static const struct {
        uint64_t before, left, right;
    } cases[] = {{0, 0, 0}, {3, 3, 3}, {4, 4, 6}, {5, 6, 6}, {6, 6, 6}, {7, 6, 6}, {8, 7, 7}, {50, 49, 49}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ordo_type_text.position_after(bytes, cases[i].before, false), cases[i].left);
        assert_int_equal(ordo_type_text.position_after(bytes, cases[i].before, true), cases[i].right);
    }
    ordo_buffer_finish(&op);
}

static void a_type_is_found_by_its_name(void **state) {
    (void)state;
    assert_ptr_equal(ordo_type_of(ordo_slice_of("text")), &ordo_type_text);
    assert_null(ordo_type_of(ordo_slice_of("texts")));
    assert_null(ordo_type_of(ordo_slice(NULL, 0)));
}

static void content_comes_in_pieces_cut_anywhere(void **state) {
    (void)state;
    static const char text[] = "aé漢😅b\xcc\x81🤖";
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct ordo_content *content = ordo_text_content_create();
        for (size_t at = 0; at < sizeof text - 1; at += piece) {
            size_t size = sizeof text - 1 - at < piece ? sizeof text - 1 - at : piece;
            assert_int_equal(ordo_text_content_append(content, ordo_slice(text + at, size)), ORDO_OK);
        }
        struct ordo_buffer out = {0};
        ordo_text_content_write(content, &out);
        assert_int_equal(ordo_text_content_length(content), 7);
        assert_int_equal(ordo_text_content_size(content), sizeof text - 1);
        assert_memory_equal(out.data, text, sizeof text - 1);
        ordo_buffer_clear(&out);
        ordo_text_content_as_op(content, &out);
        struct ordo_content *copy = ordo_text_content_create();
        assert_int_equal(ordo_text_content_apply(copy, ordo_buffer_slice(&out)), ORDO_OK);
        assert_int_equal(ordo_text_content_length(copy), 7);
        ordo_text_content_destroy(copy);
        ordo_text_content_destroy(content);
        ordo_buffer_finish(&out);
    }
}

static void bytes_that_are_no_text_leave_the_content_as_it_was(void **state) {
    (void)state;
    struct ordo_content *content = ordo_text_content_create();
    assert_int_equal(ordo_text_content_append(content, ordo_slice_of("ab")), ORDO_OK);
    static const char *const bad[] = {"x\x80y", "\xff", "\xed\xa0\x80", "x\xc0\xaf", "\x80", "x\x80\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ordo_text_content_append(content, ordo_slice_of(bad[i])), ORDO_ERR_INVALID);
    assert_int_equal(ordo_text_content_append(content, ordo_slice("x\0y", 3)), ORDO_ERR_INVALID);
    assert_int_equal(ordo_text_content_size(content), 2);

    struct ordo_buffer past_end = {0};
    ordo_text_splice(1, 2, ordo_slice_of("z"), (struct ordo_text_hints){0}, &past_end);
    assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(&past_end)), ORDO_ERR_INVALID);
    assert_int_equal(ordo_text_content_apply(content, ordo_slice_of("\x0a\x09")), ORDO_ERR_INVALID);
    assert_int_equal(ordo_text_content_size(content), 2);

    assert_int_equal(ordo_text_content_append(content, ordo_slice("\xf0\x9f", 2)), ORDO_OK);
    assert_int_equal(ordo_text_content_size(content), 2); /* half a code point is not yet there */
    assert_int_equal(ordo_text_content_apply(content, ordo_slice(NULL, 0)), ORDO_ERR_INVALID);
    assert_int_equal(ordo_text_content_append(content, ordo_slice_of("x")), ORDO_ERR_INVALID);
    assert_int_equal(ordo_text_content_append(content, ordo_slice("\x98\x85", 2)), ORDO_OK);
    assert_int_equal(ordo_text_content_length(content), 3);
    ordo_buffer_finish(&past_end);
    ordo_text_content_destroy(content);
}

static void an_op_of_a_million_spans_is_read_in_linear_time(void **state) {
    (void)state;
    struct ordo_buffer op = {0}, out = {0}, packed = {0};
    for (int i = 0; i < 500000; i++) {
        ordo_buffer_append_varint(&packed, 1 << 4 | D);
        ordo_buffer_append_varint(&packed, 1 << 4 | R);
    }
    ordo_buffer_append_varint(&packed, 1 << 4 | D);
    text_message_append(&op, ordo_buffer_slice(&packed), ordo_slice(NULL, 0));
    uint64_t after;
    assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&op), 2000000, &after), ORDO_OP_VALID);
    assert_int_equal(after, 2000000 - 500001);
    ordo_text_transform_side(ordo_buffer_slice(&op), ordo_buffer_slice(&op), ORDO_TEXT_LEFT, &out);
    assert_int_equal(out.size, 0);
    ordo_text_compose(ordo_buffer_slice(&op), ordo_buffer_slice(&op), &out);
    assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&out), 2000000, &after), ORDO_OP_VALID);
    assert_int_equal(after, 2000000 - 2 * 500001);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&out);
    ordo_buffer_finish(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_by_the_rules_are_valid),
        cmocka_unit_test(each_broken_rule_is_malformed),
        cmocka_unit_test(reaching_past_the_end_is_its_own_fault),
        cmocka_unit_test(growing_beyond_the_limit_is_too_large_but_shrinking_is_not),
        cmocka_unit_test(every_legal_encoding_reads_the_same),
        cmocka_unit_test(what_is_no_message_is_malformed),
        cmocka_unit_test(written_ops_have_their_golden_bytes),
        cmocka_unit_test(positions_move_with_what_stands_around_them),
        cmocka_unit_test(a_type_is_found_by_its_name),
        cmocka_unit_test(content_comes_in_pieces_cut_anywhere),
        cmocka_unit_test(bytes_that_are_no_text_leave_the_content_as_it_was),
        cmocka_unit_test(an_op_of_a_million_spans_is_read_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
