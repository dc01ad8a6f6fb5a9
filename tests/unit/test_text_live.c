/* The live op in its two forms, and against the plain functions that work on whole ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ot/text.h"
#include "tests/ot/support.h"

static const struct ordo_slice alice = {(const uint8_t *)"alice", 5}, bob = {(const uint8_t *)"bob", 3};

static void assert_same(const struct ordo_buffer *got, const struct ordo_buffer *expected) {
    assert_int_equal(got->size, expected->size);
    if (got->size > 0) assert_memory_equal(got->data, expected->data, got->size);
}

static void assert_live_is(const struct ordo_live_op *live, const struct ordo_buffer *expected) {
    struct ordo_buffer got = {0};
    ordo_text_live_encode(live, &got);
    assert_same(&got, expected);
    assert_int_equal(ordo_text_live_is_empty(live), expected->size == 0);
    assert_true(ordo_text_live_size(live) >= expected->size);
    ordo_buffer_finish(&got);
}

struct shape {
    unsigned steps, components_max, small_components_max, span_max;
    uint64_t length_max;
};

/* One live op as a tree, one flat, and a plain op, through the same composes and rebases. */
static void compare_forms(uint64_t seed, struct shape shape, size_t *cases) {
    struct ot_random random = {.components_max = shape.components_max, .span_max = shape.span_max, .has_hints = true};
    ordo_prng_init(&random.prng, seed);
    uint64_t base = ordo_prng_below(&random.prng, shape.length_max + 1);
    struct ordo_slice client = seed % 2 ? alice : bob, other_client = seed % 2 ? bob : alice;
    struct ordo_buffer op = {0}, other = {0}, next = {0}, tree_out = {0}, flat_out = {0}, plain_out = {0};
    struct ordo_live_op *tree = ordo_text_live_create(), *flat = ordo_text_live_create();
    ordo_text_live_set_flat_max(tree, 0);
    ordo_text_live_set_flat_max(flat, SIZE_MAX);
    uint64_t length = ot_random_op(&random, base, &op);
    ordo_text_live_load(tree, ordo_buffer_slice(&op), client);
    ordo_text_live_load(flat, ordo_buffer_slice(&op), client);
    random.components_max = shape.small_components_max;
    for (unsigned step = 0; step < shape.steps; step++, (*cases)++) {
        ordo_buffer_clear(&other);
        ordo_buffer_clear(&next);
        if (ordo_prng_below(&random.prng, 2) == 0) {
            length = ot_random_op(&random, length, &other);
            ordo_text_live_compose(tree, ordo_buffer_slice(&other));
            ordo_text_live_compose(flat, ordo_buffer_slice(&other));
            ordo_text_compose(ordo_buffer_slice(&op), ordo_buffer_slice(&other), &next);
        } else {
            base = ot_random_op(&random, base, &other);
            ordo_buffer_clear(&tree_out);
            ordo_buffer_clear(&flat_out);
            ordo_buffer_clear(&plain_out);
            bool wants_out = ordo_prng_below(&random.prng, 4) > 0;
            struct ordo_slice committed = ordo_buffer_slice(&other);
            ordo_text_live_rebase(tree, committed, other_client, wants_out ? &tree_out : NULL);
            ordo_text_live_rebase(flat, committed, other_client, wants_out ? &flat_out : NULL);
            ordo_text_transform(ordo_buffer_slice(&op), client, committed, other_client, true, &next);
            ordo_text_transform(committed, other_client, ordo_buffer_slice(&op), client, false, &plain_out);
            if (wants_out) {
                assert_same(&tree_out, &plain_out);
                assert_same(&flat_out, &plain_out);
            }
            length = ordo_type_text.length_after(ordo_buffer_slice(&next), base);
        }
        struct ordo_buffer swapped = op;
        op = next;
        next = swapped;
        uint64_t after;
        assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&op), base, &after), ORDO_OP_VALID);
        assert_int_equal(after, length);
        assert_live_is(tree, &op);
        assert_live_is(flat, &op);
    }
    ordo_text_live_destroy(tree);
    ordo_text_live_destroy(flat);
    struct ordo_buffer *all[] = {&op, &other, &next, &tree_out, &flat_out, &plain_out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
}

static void indexed_and_flat_form_agree_on_100000_random_cases(void **state) {
    (void)state;
    static const struct shape shapes[] = {
        {.steps = 12, .components_max = 6, .small_components_max = 3, .span_max = 3, .length_max = 8},
        {.steps = 20, .components_max = 20, .small_components_max = 6, .span_max = 4, .length_max = 60},
        {.steps = 30, .components_max = 150, .small_components_max = 4, .span_max = 3, .length_max = 400},
        {.steps = 16, .components_max = 900, .small_components_max = 80, .span_max = 5, .length_max = 2500},
    };
    static const size_t seeds[] = {3000, 1500, 1000, 300};
    size_t cases = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint64_t seed = 1; seed <= seeds[i]; seed++) compare_forms(seed * 7 + i, shapes[i], &cases);
    assert_true(cases >= 100000);
}

static void an_op_that_grows_turns_into_a_tree_and_stays_the_same(void **state) {
    (void)state;
    struct ot_random random = {.components_max = 3, .span_max = 3, .has_hints = true};
    ordo_prng_init(&random.prng, 5);
    struct ordo_live_op *live = ordo_text_live_create(), *flat = ordo_text_live_create();
    ordo_text_live_set_flat_max(flat, SIZE_MAX);
    for (int round = 0; round < 3; round++) { /* the object is used again after having been a tree */
        uint64_t length = 100000;
        ordo_text_live_load(live, ordo_slice(NULL, 0), alice);
        ordo_text_live_load(flat, ordo_slice(NULL, 0), alice);
        assert_true(ordo_text_live_is_empty(live));
        for (int step = 0; step < 500; step++) {
            struct ordo_buffer op = {0}, expected = {0};
            uint64_t position = ordo_prng_below(&random.prng, length - 5);
            ordo_text_splice(position, step % 3, ordo_slice_of(step % 2 ? "a😅" : ""),
                             (struct ordo_text_hints){.follows = step % 5 == 0}, &op);
            length = ordo_type_text.length_after(ordo_buffer_slice(&op), length);
            ordo_text_live_compose(live, ordo_buffer_slice(&op));
            ordo_text_live_compose(flat, ordo_buffer_slice(&op));
            ordo_text_live_encode(flat, &expected);
            assert_live_is(live, &expected);
            ordo_buffer_finish(&op);
            ordo_buffer_finish(&expected);
        }
    }
    ordo_text_live_destroy(live);
    ordo_text_live_destroy(flat);
    ordo_text_live_destroy(NULL);
}

/* Between the two forms the live op chooses for itself; small and large others make it change its mind. */
static void the_form_changes_with_the_size_of_the_other(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct ot_random random = {.components_max = 1500, .span_max = 4, .has_hints = true};
        ordo_prng_init(&random.prng, seed);
        uint64_t base = 4000;
        struct ordo_live_op *live = ordo_text_live_create(), *flat = ordo_text_live_create();
        struct ordo_buffer op = {0}, other = {0}, out = {0}, flat_out = {0};
        ordo_text_live_set_flat_max(flat, SIZE_MAX);
        uint64_t length = ot_random_op(&random, base, &op);
        ordo_text_live_load(live, ordo_buffer_slice(&op), alice);
        ordo_text_live_load(flat, ordo_buffer_slice(&op), alice);
        for (int step = 0; step < 12; step++) {
            random.components_max = step % 3 == 2 ? 900 : 5;
            ordo_buffer_clear(&other);
            ordo_buffer_clear(&out);
            ordo_buffer_clear(&flat_out);
            ordo_buffer_clear(&op);
            if (step % 2 == 0) {
                base = ot_random_op(&random, base, &other);
                ordo_text_live_rebase(live, ordo_buffer_slice(&other), bob, &out);
                ordo_text_live_rebase(flat, ordo_buffer_slice(&other), bob, &flat_out);
                assert_same(&out, &flat_out);
            } else {
                ot_random_op(&random, length, &other);
                ordo_text_live_compose(live, ordo_buffer_slice(&other));
                ordo_text_live_compose(flat, ordo_buffer_slice(&other));
            }
            ordo_text_live_encode(flat, &op);
            assert_live_is(live, &op);
            length = ordo_type_text.length_after(ordo_buffer_slice(&op), base);
        }
        ordo_text_live_destroy(live);
        ordo_text_live_destroy(flat);
        struct ordo_buffer *all[] = {&op, &other, &out, &flat_out};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    }
}

/* What is taken and what stays, one after the other, do what the op did. */
static void an_op_taken_in_pieces_does_the_same(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct ot_random random = {.components_max = 100, .span_max = seed % 3 ? 8 : 400, .has_hints = true};
        ordo_prng_init(&random.prng, seed);
        struct ordo_buffer op = {0}, before = {0}, expected = {0}, got = {0};
        uint64_t length = 500, pieces = 0;
        ot_random_op(&random, length, &op);
        ot_random_text(&random, length, &before);
        struct ordo_content *whole = ordo_text_content_create(), *parts = ordo_text_content_create();
        assert_int_equal(ordo_text_content_append(whole, ordo_buffer_slice(&before)), ORDO_OK);
        assert_int_equal(ordo_text_content_append(parts, ordo_buffer_slice(&before)), ORDO_OK);
        assert_int_equal(ordo_text_content_apply(whole, ordo_buffer_slice(&op)), ORDO_OK);
        struct ordo_live_op *live = ordo_text_live_create();
        ordo_text_live_load(live, ordo_buffer_slice(&op), alice);
        size_t size_max = 64 + ordo_prng_below(&random.prng, 200);

        while (!ordo_text_live_is_empty(live)) {
            struct ordo_buffer piece = {0};
            ordo_text_live_take(live, size_max, &piece);
            assert_true(piece.size <= size_max);
            assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&piece), length, &length), ORDO_OP_VALID);
            assert_int_equal(ordo_text_content_apply(parts, ordo_buffer_slice(&piece)), ORDO_OK);
            ordo_buffer_finish(&piece);
            assert_true(++pieces <= 2 + op.size / 16);
        }

        ordo_text_content_write(whole, &expected);
        ordo_text_content_write(parts, &got);
        assert_same(&got, &expected);
        ordo_text_live_destroy(live);
        ordo_text_content_destroy(whole);
        ordo_text_content_destroy(parts);
        struct ordo_buffer *all[] = {&op, &before, &expected, &got};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    }
}

static void a_large_text_in_the_place_of_another_never_makes_the_content_longer_than_both(void **state) {
    (void)state;
    enum { OLD = 3000, NEW = 2900 };
    static char text[NEW + 1];
    memset(text, 'n', NEW);
    struct ordo_buffer op = {0};
    ordo_text_splice(0, OLD, ordo_slice_of(text), (struct ordo_text_hints){0}, &op);
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_load(live, ordo_buffer_slice(&op), alice);
    uint64_t length = OLD;

    while (!ordo_text_live_is_empty(live)) {
        struct ordo_buffer piece = {0};
        ordo_text_live_take(live, 200, &piece);
        assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&piece), length, &length), ORDO_OP_VALID);
        assert_true(length <= OLD);
        ordo_buffer_finish(&piece);
    }

    assert_int_equal(length, NEW);
    ordo_text_live_destroy(live);
    ordo_buffer_finish(&op);
}

static void a_text_of_one_insert_can_be_typed_into_for_hours(void **state) {
    (void)state;
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_load(live, ordo_slice(NULL, 0), alice);
    struct ordo_buffer op = {0}, encoded = {0};
    for (uint64_t i = 0; i < 200000; i++) { /* quadratic work would not end in time */
        ordo_buffer_clear(&op);
        ordo_text_splice(i / 2, 0, ordo_slice_of("x"), (struct ordo_text_hints){0}, &op);
        ordo_text_live_compose(live, ordo_buffer_slice(&op));
    }
    ordo_text_live_encode(live, &encoded);
    json_t *json = ot_op_to_json(ordo_buffer_slice(&encoded));
    assert_int_equal(json_array_size(json), 1);
    assert_int_equal(json_string_length(json_array_get(json, 0)), 200000);
    json_decref(json);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&encoded);
    ordo_text_live_destroy(live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexed_and_flat_form_agree_on_100000_random_cases),
        cmocka_unit_test(an_op_that_grows_turns_into_a_tree_and_stays_the_same),
        cmocka_unit_test(the_form_changes_with_the_size_of_the_other),
        cmocka_unit_test(an_op_taken_in_pieces_does_the_same),
        cmocka_unit_test(a_large_text_in_the_place_of_another_never_makes_the_content_longer_than_both),
        cmocka_unit_test(a_text_of_one_insert_can_be_typed_into_for_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
