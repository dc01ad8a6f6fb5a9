/* The op that turns one text into another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/c/core/text_diff.h"
#include "common/ot/text.h"
#include "common/random.h"
#include "common/utf8.h"

static struct ordo_buffer random_text(struct ordo_prng *prng, size_t count) {
    static const char *const alphabet[] = {"a", "b", "\n", "ä", "日", "🙂"};
    struct ordo_buffer text = {0};
    while (count-- > 0) {
        struct ordo_slice piece = ordo_slice_of(alphabet[ordo_prng_below(prng, 6)]);
        ordo_buffer_append_slice(&text, piece);
    }
    return text;
}

static void assert_difference(struct ordo_slice from, struct ordo_slice to) {
    struct ordo_buffer op = {0}, result = {0};
    uint64_t length;
    ordo_client_text_diff(from, to, &op);
    struct ordo_slice bytes = ordo_buffer_slice(&op);
    assert_int_equal(ordo_type_text.validate(bytes, ordo_utf8_count(from), &length), ORDO_OP_VALID);
    struct ordo_content *content = ordo_text_content_create();
    assert_int_equal(ordo_text_content_append(content, from), ORDO_OK);
    assert_int_equal(ordo_text_content_apply(content, bytes), ORDO_OK);
    ordo_text_content_write(content, &result);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&result), to));
    if (ordo_slice_equal(from, to)) assert_int_equal(op.size, 0);
    ordo_text_content_destroy(content);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&result);
}

static void a_difference_turns_one_text_into_the_other(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 4);
    for (int i = 0; i < 3000; i++) {
        struct ordo_buffer from = random_text(&prng, ordo_prng_below(&prng, 60));
        struct ordo_buffer to = random_text(&prng, ordo_prng_below(&prng, 60));
        assert_difference(ordo_buffer_slice(&from), ordo_buffer_slice(&to));
        assert_difference(ordo_buffer_slice(&from), ordo_buffer_slice(&from));
        ordo_buffer_finish(&from);
        ordo_buffer_finish(&to);
    }
}

static void a_difference_keeps_what_stayed_and_gives_up_on_what_is_too_far(void **state) {
    (void)state;
    struct ordo_buffer op = {0};
    ordo_client_text_diff(ordo_slice_of("the quick fox"), ordo_slice_of("the very quick brown fox"), &op);
    assert_in_range(op.size, 1, 30);
    ordo_buffer_finish(&op);
    struct ordo_prng prng;
    ordo_prng_init(&prng, 9);
    struct ordo_buffer from = random_text(&prng, 9000), to = random_text(&prng, 9000);
    assert_difference(ordo_buffer_slice(&from), ordo_buffer_slice(&to));
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&to);
}

/* Edits all over a long text: what comes out is about as large as they were, not as large as the text. */
static void a_difference_of_long_texts_finds_thousands_of_edits(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 12);
    for (int round = 0; round < 4; round++) {
        struct ordo_buffer from = random_text(&prng, 100000), to = {0}, op = {0};
        struct ordo_content *content = ordo_text_content_create();
        assert_int_equal(ordo_text_content_append(content, ordo_buffer_slice(&from)), ORDO_OK);
        for (int i = 0; i < 2000; i++) {
            ordo_buffer_clear(&op);
            uint64_t at = ordo_prng_below(&prng, ordo_text_content_length(content) - 10);
            ordo_text_splice(at, ordo_prng_below(&prng, 3), ordo_slice_of("日x"), (struct ordo_text_hints){0}, &op);
            assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(&op)), ORDO_OK);
        }
        ordo_text_content_write(content, &to);
        assert_difference(ordo_buffer_slice(&from), ordo_buffer_slice(&to));
        ordo_buffer_clear(&op);
        assert_true(ordo_client_text_diff(ordo_buffer_slice(&from), ordo_buffer_slice(&to), &op));
        assert_in_range(op.size, 2000, 40000);
        ordo_text_content_destroy(content);
        struct ordo_buffer *all[] = {&from, &to, &op};
        for (size_t i = 0; i < 3; i++) ordo_buffer_finish(all[i]);
    }
}

/* Nothing in them occurs only once, and parts have changed places. */
static void a_difference_of_long_texts_that_repeat_themselves_is_right(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 13);
    for (int round = 0; round < 200; round++) {
        struct ordo_buffer texts[2] = {{0}, {0}};
        struct ordo_buffer passages[4];
        for (int i = 0; i < 4; i++) passages[i] = random_text(&prng, 10 + ordo_prng_below(&prng, 60));
        for (int side = 0; side < 2; side++) {
            while (texts[side].size < 4000) {
                ordo_buffer_append_slice(&texts[side], ordo_buffer_slice(&passages[ordo_prng_below(&prng, 4)]));
                if (ordo_prng_below(&prng, 8) > 0) continue;
                struct ordo_buffer own = random_text(&prng, 40);
                ordo_buffer_append_slice(&texts[side], ordo_buffer_slice(&own));
                ordo_buffer_finish(&own);
            }
        }
        assert_difference(ordo_buffer_slice(&texts[0]), ordo_buffer_slice(&texts[1]));
        for (int i = 0; i < 4; i++) ordo_buffer_finish(&passages[i]);
        for (int side = 0; side < 2; side++) ordo_buffer_finish(&texts[side]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_turns_one_text_into_the_other),
        cmocka_unit_test(a_difference_keeps_what_stayed_and_gives_up_on_what_is_too_far),
        cmocka_unit_test(a_difference_of_long_texts_finds_thousands_of_edits),
        cmocka_unit_test(a_difference_of_long_texts_that_repeat_themselves_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
