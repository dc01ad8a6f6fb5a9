#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ot/rope.h"
#include "common/utf8.h"
#include "tests/ot/support.h"

/* The same edits on a plain array of bytes. */
struct model {
    struct ordo_buffer text;
    uint64_t length;
};

static void model_splice(struct model *model, uint64_t position, uint64_t deleted, struct ordo_slice inserted,
                         uint64_t count) {
    struct ordo_slice text = ordo_buffer_slice(&model->text);
    size_t start = ordo_utf8_offset(text, position), end = ordo_utf8_offset(text, position + deleted);
    struct ordo_buffer next = {0};
    ordo_buffer_append(&next, text.data, start);
    ordo_buffer_append_slice(&next, inserted);
    if (end < text.size) ordo_buffer_append(&next, text.data + end, text.size - end);
    ordo_buffer_finish(&model->text);
    model->text = next;
    model->length += count - deleted;
}

static void assert_rope_is(const struct rope *rope, const struct model *model) {
    struct ordo_buffer text = {0};
    rope_write(rope, &text);
    assert_int_equal(rope->length, model->length);
    assert_int_equal(rope->size, model->text.size);
    assert_int_equal(text.size, model->text.size);
    if (text.size > 0) assert_memory_equal(text.data, model->text.data, text.size);
    ordo_buffer_finish(&text);
}

struct habits {
    uint64_t steps, insert_max, delete_max;
    unsigned insert_percent;
    bool types_on; /* edits mostly where the last one was */
};

static void edit_at_random(uint64_t seed, struct habits habits) {
    struct ot_random random = {0};
    ordo_prng_init(&random.prng, seed);
    struct rope rope;
    struct model model = {0};
    struct ordo_buffer piece = {0};
    rope_init(&rope);
    uint64_t position = 0;
    for (uint64_t step = 0; step < habits.steps; step++) {
        bool stays = habits.types_on && ordo_prng_below(&random.prng, 20) > 0;
        if (!stays || position > model.length) position = ordo_prng_below(&random.prng, model.length + 1);
        if (ordo_prng_below(&random.prng, 100) < habits.insert_percent) {
            uint64_t count = 1 + ordo_prng_below(&random.prng, habits.insert_max);
            ordo_buffer_clear(&piece);
            ot_random_text(&random, count, &piece);
            rope_insert(&rope, position, ordo_buffer_slice(&piece), count);
            model_splice(&model, position, 0, ordo_buffer_slice(&piece), count);
            position += count;
        } else {
            uint64_t count = ordo_prng_below(&random.prng, habits.delete_max + 1);
            if (count > model.length - position) count = model.length - position;
            rope_delete(&rope, position, count);
            model_splice(&model, position, count, ordo_slice(NULL, 0), 0);
            position -= position < 3 ? position : 3;
        }
        if (step % 64 == 0) assert_rope_is(&rope, &model);
    }
    assert_rope_is(&rope, &model);
    rope_clear(&rope);
    assert_int_equal(rope.length, 0);
    rope_insert(&rope, 0, ordo_slice_of("again"), 5);
    assert_int_equal(rope.size, 5);
    rope_finish(&rope);
    ordo_buffer_finish(&piece);
    ordo_buffer_finish(&model.text);
}

static void random_edits_equal_those_on_a_plain_array(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        edit_at_random(seed, (struct habits){.steps = 2000, .insert_max = 4, .delete_max = 4, .insert_percent = 70});
        edit_at_random(seed,
                       (struct habits){.steps = 500, .insert_max = 700, .delete_max = 900, .insert_percent = 55});
        edit_at_random(seed,
                       (struct habits){.steps = 150, .insert_max = 9000, .delete_max = 20000, .insert_percent = 60});
        edit_at_random(seed, (struct habits){
            .steps = 4000, .insert_max = 3, .delete_max = 2, .insert_percent = 60, .types_on = true});
    }
}

static void a_text_of_many_leaves_is_found_at_every_place(void **state) {
    (void)state;
    struct rope rope;
    struct ordo_buffer text = {0};
    rope_init(&rope);
    /* Insert in front, so that every leaf is split from its left. */
    for (uint64_t i = 0; i < 300000; i++) rope_insert(&rope, 0, ordo_slice_of(i % 3 == 0 ? "é" : "x"), 1);
    for (uint64_t at = 300000; at > 0; at -= 1000) rope_delete(&rope, at - 1, 1);
    assert_int_equal(rope.length, 300000 - 300);
    rope_write(&rope, &text);
    uint64_t count;
    assert_true(ordo_utf8_validate(ordo_buffer_slice(&text), &count));
    assert_int_equal(count, rope.length);
    rope_delete(&rope, 0, rope.length);
    assert_int_equal(rope.size, 0);
    rope_finish(&rope);
    ordo_buffer_finish(&text);
}

static size_t leaf_count(const struct rope *rope) {
    size_t count = 0;
    for (const struct sum_leaf *leaf = rope->tree.first; leaf != NULL; leaf = leaf->next) count++;
    return count;
}

static void edits_at_chosen_places_cannot_blow_memory_up(void **state) {
    (void)state;
    char block[ROPE_LEAF_SIZE];
    memset(block, 'b', sizeof block);
    for (uint64_t place = 0; place <= 2; place++) { /* the start, the end and the middle of a full leaf */
        struct rope rope;
        rope_init(&rope);
        for (int i = 0; i < 64; i++) rope_insert(&rope, rope.length, ordo_slice(block, sizeof block), sizeof block);
        for (int i = 0; i < 30000; i++) {
            uint64_t inside = place == 0 ? 1 : place == 1 ? ROPE_LEAF_SIZE - 1 : ROPE_LEAF_SIZE / 2;
            rope_insert(&rope, 5 * ROPE_LEAF_SIZE + inside, ordo_slice_of("yz"), 2);
        }
        /* Then leave one code point in each leaf's worth of text. */
        assert_true(leaf_count(&rope) <= 3 + rope.size / (ROPE_LEAF_SIZE / 4));
        for (uint64_t at = 0; at + 2000 < rope.length; at++) rope_delete(&rope, at, 2000);
        assert_true(leaf_count(&rope) <= 3 + rope.size / (ROPE_LEAF_SIZE / 8));
        rope_finish(&rope);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_equal_those_on_a_plain_array),
        cmocka_unit_test(a_text_of_many_leaves_is_found_at_every_place),
        cmocka_unit_test(edits_at_chosen_places_cannot_blow_memory_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
