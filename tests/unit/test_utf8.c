/* UTF-8 as Unicode defines it, counted and cut between code points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/utf8.h"

static void well_formed_text_is_counted_in_code_points(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t count;
    } cases[] = {{"", 0}, {"plain ascii, longer than a word", 31}, {"é", 1}, {"e\xcc\x81", 2}, {"日本", 2}, {"😀x😀", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t count = 99;
        assert_true(ordo_utf8_validate(ordo_slice_of(cases[i].text), &count));
        assert_int_equal(count, cases[i].count);
        assert_int_equal(ordo_utf8_count(ordo_slice_of(cases[i].text)), cases[i].count);
    }
}

static void ill_formed_text_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "\x80",             /* continuation alone */
        "\xc0\x80",         /* overlong NUL */
        "\xe0\x80\x80",     /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x98", "long enough for a word \xff",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_false(ordo_utf8_validate(ordo_slice_of(cases[i]), NULL));
}

static void text_is_cut_between_code_points(void **state) {
    (void)state;
    struct ordo_slice text = ordo_slice_of("a😀b");
    assert_int_equal(ordo_utf8_offset(text, 0), 0);
    assert_int_equal(ordo_utf8_offset(text, 1), 1);
    assert_int_equal(ordo_utf8_offset(text, 2), 5);
    assert_int_equal(ordo_utf8_offset(text, 9), 6);
    for (size_t size = 1; size < 5; size++) assert_int_equal(ordo_utf8_floor(text, size), 1);
    assert_int_equal(ordo_utf8_floor(text, 5), 5);
    assert_int_equal(ordo_utf8_floor(text, 9), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_text_is_counted_in_code_points),
        cmocka_unit_test(ill_formed_text_is_refused),
        cmocka_unit_test(text_is_cut_between_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
