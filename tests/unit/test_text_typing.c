#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ot/text_codec.h"
#include "common/ot/text_typing.h"

enum { NONE = 0, FOLLOWS = TEXT_FOLLOWS, PRECEDES = TEXT_PRECEDES };

/* Makes the edit and returns the hints of its insert; -1 if it inserts nothing. */
static int edit(struct ordo_text_typing *typing, uint64_t position, uint64_t count, const char *text) {
    struct ordo_buffer op = {0};
    ordo_text_typing_splice(typing, position, count, ordo_slice_of(text), &op);
    struct text_reader spans = text_op_trusted(ordo_buffer_slice(&op)).spans;
    int hints = -1;
    for (uint64_t span = text_read(&spans); span != 0; span = text_read(&spans))
        if (text_span_is_insert(span)) hints = (int)(span & TEXT_BITS_MASK);
    ordo_buffer_finish(&op);
    return hints;
}

static void other_edits(struct ordo_text_typing *typing, uint64_t position, uint64_t count, const char *text) {
    struct ordo_buffer op = {0};
    ordo_text_splice(position, count, ordo_slice_of(text), (struct ordo_text_hints){0}, &op);
    ordo_text_typing_over(typing, ordo_buffer_slice(&op));
    ordo_buffer_finish(&op);
}

static void typing_on_has_hints_at_both_ends_of_the_run(void **state) {
    (void)state;
    struct ordo_text_typing typing = {0};
    assert_int_equal(edit(&typing, 10, 0, "abc"), NONE);
    assert_int_equal(edit(&typing, 13, 0, "d"), FOLLOWS);
    assert_int_equal(edit(&typing, 10, 0, "😅"), PRECEDES); /* one code point */
    assert_int_equal(edit(&typing, 15, 0, "e"), FOLLOWS);
    assert_int_equal(edit(&typing, 12, 0, "x"), FOLLOWS | PRECEDES); /* inside: it belongs to the run */
    assert_int_equal(edit(&typing, 17, 0, "f"), FOLLOWS);
    assert_int_equal(edit(&typing, 3, 0, "y"), NONE); /* elsewhere: a run of its own */
    assert_int_equal(edit(&typing, 19, 0, "z"), NONE);
}

static void a_backspace_does_not_end_the_run_but_deleting_all_of_it_does(void **state) {
    (void)state;
    struct ordo_text_typing typing = {0};
    edit(&typing, 5, 0, "abc");
    assert_int_equal(edit(&typing, 7, 1, ""), -1);
    assert_int_equal(edit(&typing, 7, 0, "d"), FOLLOWS);
    assert_int_equal(edit(&typing, 7, 1, "e"), FOLLOWS); /* replaced at the end of the run */
    assert_int_equal(edit(&typing, 8, 0, "f"), FOLLOWS);
    assert_int_equal(edit(&typing, 2, 5, ""), -1); /* from before the run into it: "ef" is left */
    assert_int_equal(edit(&typing, 4, 0, "g"), FOLLOWS);
    assert_int_equal(edit(&typing, 0, 9, ""), -1);
    assert_int_equal(edit(&typing, 0, 0, "h"), NONE);
}

static void what_others_do_moves_the_run_and_stays_outside_of_it(void **state) {
    (void)state;
    struct ordo_text_typing typing = {0};
    edit(&typing, 5, 0, "abc");
    other_edits(&typing, 0, 0, "12");
    assert_int_equal(edit(&typing, 10, 0, "d"), FOLLOWS);
    other_edits(&typing, 11, 0, "right");
    assert_int_equal(edit(&typing, 11, 0, "e"), FOLLOWS);
    other_edits(&typing, 7, 0, "left");
    assert_int_equal(edit(&typing, 11, 0, "f"), PRECEDES);
    other_edits(&typing, 4, 8, ""); /* from before the run into it */
    assert_int_equal(edit(&typing, 4, 0, "g"), PRECEDES);
    other_edits(&typing, 0, 100, "");
    assert_int_equal(edit(&typing, 0, 0, "h"), NONE);
}

static void a_replacement_beside_the_run_counts_what_it_touches(void **state) {
    (void)state;
    struct ordo_text_typing typing = {0};
    edit(&typing, 5, 0, "abc");
    assert_int_equal(edit(&typing, 8, 2, "d"), FOLLOWS); /* replaces what stands right of the run */
    assert_int_equal(edit(&typing, 3, 2, "e"), PRECEDES);
    assert_int_equal(edit(&typing, 8, 0, "f"), FOLLOWS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typing_on_has_hints_at_both_ends_of_the_run),
        cmocka_unit_test(a_backspace_does_not_end_the_run_but_deleting_all_of_it_does),
        cmocka_unit_test(what_others_do_moves_the_run_and_stays_outside_of_it),
        cmocka_unit_test(a_replacement_beside_the_run_counts_what_it_touches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
