/* Bytes appended come back as they were; hostile bytes are refused without moving the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/buffer.h"

static void every_form_reads_back_as_written(void **state) {
    (void)state;
    struct ordo_buffer buffer = {0};
    const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, (UINT64_C(1) << 53) - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        size_t before = buffer.size;
        ordo_buffer_append_varint(&buffer, values[i]);
        assert_int_equal(buffer.size - before, ordo_varint_size(values[i]));
        ordo_buffer_append_u64_be(&buffer, values[i]);
        ordo_buffer_append_u64_le(&buffer, values[i]);
    }
    ordo_buffer_append_u16_be(&buffer, 0x0102);
    ordo_buffer_append_sized(&buffer, ordo_slice_of("ordo"));

    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&buffer));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint64_t value;
        assert_true(ordo_take_varint(&reader, &value) && value == values[i]);
        assert_true(ordo_take_u64_be(&reader, &value) && value == values[i]);
        assert_true(ordo_take_u64_le(&reader, &value) && value == values[i]);
    }
    uint16_t small;
    assert_true(ordo_take_u16_be(&reader, &small) && small == 0x0102);
    struct ordo_slice text;
    assert_true(ordo_take_sized(&reader, &text));
    assert_true(ordo_slice_equal(text, ordo_slice_of("ordo")));
    assert_int_equal(ordo_reader_left(&reader), 0);
    ordo_buffer_finish(&buffer);
}

static void a_cut_or_overlong_varint_is_refused_without_moving(void **state) {
    (void)state;
    static const uint8_t cut[] = {0x80, 0x80};
    static const uint8_t too_long[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    uint64_t value;
    struct ordo_reader reader = ordo_reader(ordo_slice(cut, sizeof cut));
    assert_false(ordo_take_varint(&reader, &value));
    assert_int_equal(ordo_reader_left(&reader), sizeof cut);
    reader = ordo_reader(ordo_slice(too_long, sizeof too_long));
    assert_false(ordo_take_varint(&reader, &value));
    assert_int_equal(ordo_reader_left(&reader), sizeof too_long);
}

static void a_size_beyond_the_end_is_refused_without_moving(void **state) {
    (void)state;
    static const uint8_t bytes[] = {5, 'a', 'b'};
    struct ordo_slice out;
    struct ordo_reader reader = ordo_reader(ordo_slice(bytes, sizeof bytes));
    assert_false(ordo_take_sized(&reader, &out));
    assert_int_equal(ordo_reader_left(&reader), sizeof bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_reads_back_as_written),
        cmocka_unit_test(a_cut_or_overlong_varint_is_refused_without_moving),
        cmocka_unit_test(a_size_beyond_the_end_is_refused_without_moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
