/* The hot path allocates nothing once its buffers have grown: every allocation passes through the counters below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ot/text.h"
#include "common/random.h"

static size_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size) {
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
    allocations++;
    return __real_realloc(memory, size);
}

enum { OPS = 64, LENGTH = 5000 };

struct ops {
    struct ordo_buffer bytes[OPS];
};

/* Inserts of a few letters, each followed by an op that deletes them again, so that a text keeps its length. */
static void make_ops(struct ops *ops) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, 3);
    *ops = (struct ops){0};
    uint64_t position = 0;
    for (size_t i = 0; i < OPS; i++) {
        if (i % 2 == 0) position = ordo_prng_below(&prng, LENGTH - 10);
        ordo_text_splice(position, i % 2 ? 3 : 0, ordo_slice_of(i % 2 ? "" : "aé😅"),
                         (struct ordo_text_hints){.follows = i % 4 == 0}, &ops->bytes[i]);
    }
}

static void finish_ops(struct ops *ops) {
    for (size_t i = 0; i < OPS; i++) ordo_buffer_finish(&ops->bytes[i]);
}

static struct ordo_slice op(const struct ops *ops, size_t i) { return ordo_buffer_slice(&ops->bytes[i % OPS]); }

static void small_ops_allocate_nothing_after_warm_up(void **state) {
    (void)state;
    struct ops ops;
    make_ops(&ops);
    struct ordo_slice alice = ordo_slice_of("alice"), bob = ordo_slice_of("bob");
    struct ordo_buffer out = {0}, letters = {0};
    struct ordo_live_op *live = ordo_text_live_create();
    struct ordo_content *content = ordo_text_content_create();
    for (size_t i = 0; i < LENGTH; i++) ordo_buffer_append_u8(&letters, 'x');
    assert_int_equal(ordo_text_content_append(content, ordo_buffer_slice(&letters)), ORDO_OK);

    size_t before = 0;
    for (size_t round = 0; round < 20; round++) {
        if (round == 10) before = allocations; /* warm by now */
        for (size_t i = 0; i < OPS; i++) {
            uint64_t length;
            ordo_buffer_clear(&out);
            assert_int_equal(ordo_type_text.validate(op(&ops, i), LENGTH, &length), ORDO_OP_VALID);
            ordo_type_text.length_after(op(&ops, i), LENGTH);
            ordo_text_transform(op(&ops, i), alice, op(&ops, i + 7), bob, true, &out);
            ordo_text_compose(op(&ops, i), op(&ops, i + 7), &out);
            ordo_text_live_load(live, op(&ops, i), alice);
            for (size_t k = 1; k < 10; k++) ordo_text_live_rebase(live, op(&ops, i + k), bob, &out);
            for (size_t k = 1; k < 10; k++) ordo_text_live_compose(live, op(&ops, i + k));
            ordo_text_live_encode(live, &out);
            ordo_text_live_take(live, 64, &out);
        }
    }
    assert_true(before > 0);
    assert_int_equal(allocations - before, 0);

    for (size_t round = 0; round < 4; round++) {
        if (round == 2) before = allocations; /* each leaf that the edits reach has room by now */
        for (size_t i = 0; i < OPS; i++) assert_int_equal(ordo_text_content_apply(content, op(&ops, i)), ORDO_OK);
    }
    assert_int_equal(allocations - before, 0);

    ordo_text_live_destroy(live);
    ordo_text_content_destroy(content);
    ordo_buffer_finish(&out);
    ordo_buffer_finish(&letters);
    finish_ops(&ops);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_ops_allocate_nothing_after_warm_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
