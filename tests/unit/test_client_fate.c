/* Whether a text holds an op, when nobody remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/c/core/text_fate.h"
#include "common/ot/text.h"
#include "common/random.h"
#include "common/utf8.h"

static bool holds(const char *before, uint64_t at, uint64_t removed, const char *inserted, const char *now) {
    struct ordo_buffer op = {0};
    ordo_text_splice(at, removed, ordo_slice_of(inserted), (struct ordo_text_hints){0}, &op);
    bool is_held = ordo_client_text_holds(ordo_slice_of(before), ordo_buffer_slice(&op), ordo_slice_of(now));
    ordo_buffer_finish(&op);
    return is_held;
}

static void an_insert_is_seen_at_its_place(void **state) {
    (void)state;
    assert_true(holds("one three", 4, 0, "two ", "one two three"));
    assert_false(holds("one three", 4, 0, "two ", "one three"));
    assert_true(holds("one three", 4, 0, "two ", "zero one two three four"));
    assert_false(holds("one three", 4, 0, "two ", "zero one three four"));
    assert_true(holds("", 0, 0, "x", "x"));
    assert_false(holds("", 0, 0, "x", ""));
}

static void a_delete_is_seen_by_what_is_missing(void **state) {
    (void)state;
    assert_true(holds("one two three", 4, 4, "", "one three"));
    assert_false(holds("one two three", 4, 4, "", "one two three"));
    assert_true(holds("aaaa", 0, 1, "", "aaa"));
    assert_false(holds("aaaa", 0, 1, "", "aaaa"));
}

static void text_that_repeats_itself_is_counted(void **state) {
    (void)state;
    assert_true(holds("aaaa", 2, 0, "a", "aaaaa"));
    assert_false(holds("aaaa", 2, 0, "a", "aaaa"));
    assert_false(holds("spam spam spam", 5, 0, "spam ", "spam spam spam"));
    assert_true(holds("spam spam spam", 5, 0, "spam ", "spam spam spam spam"));
}

static void edits_by_others_at_the_very_place_leave_the_better_fit(void **state) {
    (void)state;
    assert_true(holds("one three", 4, 0, "two ", "one t-w-o three"));
    assert_false(holds("one three", 4, 0, "two ", "one and three"));
    assert_true(holds("The fox.", 4, 3, "dog", "The old dog."));
    assert_false(holds("The fox.", 4, 3, "dog", "The old fox."));
}

static void where_nothing_speaks_for_either_it_is_not_held(void **state) {
    (void)state;
    assert_false(holds("The fox.", 4, 3, "dog", "The ."));
    assert_false(holds("The fox.", 4, 3, "dog", "entirely other"));
    assert_false(holds("The fox.", 4, 3, "dog", ""));
}

/* An op is committed whole or not at all: one of its inserts is proof, whatever became of the others. */
static void one_insert_at_its_place_speaks_for_the_whole_op(void **state) {
    (void)state;
    const char *before = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda";
    struct ordo_buffer first = {0}, second = {0}, third = {0}, both = {0}, op = {0};
    ordo_text_splice(5, 0, ordo_slice_of("!"), (struct ordo_text_hints){0}, &first);
    ordo_text_splice(31, 0, ordo_slice_of("!"), (struct ordo_text_hints){0}, &second);
    ordo_text_splice(62, 0, ordo_slice_of("!"), (struct ordo_text_hints){0}, &third);
    ordo_text_compose(ordo_buffer_slice(&first), ordo_buffer_slice(&second), &both);
    ordo_text_compose(ordo_buffer_slice(&both), ordo_buffer_slice(&third), &op);
    struct ordo_slice now = ordo_slice_of("alpha beta gamma delta epsilon! zeta eta theta iota kappa lambda");
    assert_true(ordo_client_text_holds(ordo_slice_of(before), ordo_buffer_slice(&op), now));
    assert_false(ordo_client_text_holds(ordo_slice_of(before), ordo_buffer_slice(&op), ordo_slice_of(before)));
    struct ordo_buffer *all[] = {&first, &second, &third, &both, &op};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
}

/* Others edit elsewhere, in a long text, so much that the whole of it cannot be compared. */
static void edits_elsewhere_do_not_matter_however_many(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 5);
    for (int round = 0; round < 60; round++) {
        struct ordo_content *content = ordo_text_content_create();
        struct ordo_buffer before = {0}, now = {0}, op = {0}, noise = {0};
        for (int i = 0; i < 6000; i++) ordo_buffer_append_u8(&before, (uint8_t)('a' + ordo_prng_below(&prng, 20)));
        for (int i = 0; i < 4000; i++) ordo_buffer_append_u8(&noise, (uint8_t)('A' + ordo_prng_below(&prng, 20)));
        ordo_text_splice(3000, ordo_prng_below(&prng, 2), ordo_slice_of("ü"), (struct ordo_text_hints){0}, &op);
        bool is_in = ordo_prng_below(&prng, 2) == 0;
        assert_int_equal(ordo_text_content_append(content, ordo_buffer_slice(&before)), ORDO_OK);
        if (is_in) assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(&op)), ORDO_OK);
        struct ordo_buffer edit = {0};
        ordo_text_splice(100, 2000, ordo_buffer_slice(&noise), (struct ordo_text_hints){0}, &edit);
        assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(&edit)), ORDO_OK);
        ordo_text_content_write(content, &now);
        assert_int_equal(ordo_client_text_holds(ordo_buffer_slice(&before), ordo_buffer_slice(&op),
                                                ordo_buffer_slice(&now)),
                         is_in);
        ordo_text_content_destroy(content);
        struct ordo_buffer *all[] = {&before, &now, &op, &noise, &edit};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_insert_is_seen_at_its_place),
        cmocka_unit_test(a_delete_is_seen_by_what_is_missing),
        cmocka_unit_test(text_that_repeats_itself_is_counted),
        cmocka_unit_test(edits_by_others_at_the_very_place_leave_the_better_fit),
        cmocka_unit_test(where_nothing_speaks_for_either_it_is_not_held),
        cmocka_unit_test(one_insert_at_its_place_speaks_for_the_whole_op),
        cmocka_unit_test(edits_elsewhere_do_not_matter_however_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
