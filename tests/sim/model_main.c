#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "common/ot/text.h"
#include "common/random.h"
#include "tests/sim/model.h"

/* The oracle's own idea of text and common/ot must be one: random ops with random hints, both transforms compared. */

static void random_op(struct ordo_prng *prng, uint64_t length, struct ordo_buffer *op) {
    ordo_buffer_clear(op);
    uint64_t edits = ordo_prng_below(prng, 5);
    for (uint64_t i = 0; i < edits; i++) {
        struct ordo_buffer next = {0}, both = {0}, text = {0};
        uint64_t at = ordo_prng_below(prng, length + 1), removed = 0, count = ordo_prng_below(prng, 4);
        if (ordo_prng_below(prng, 2) == 0) removed = ordo_prng_below(prng, length - at + 1 < 4 ? length - at + 1 : 4);
        for (uint64_t k = 0; k < count; k++) {
            bool is_letter = ordo_prng_below(prng, 3) > 0;
            model_utf8_append(&text, is_letter ? 'a' + (uint32_t)ordo_prng_below(prng, 26) : 0x1f600);
        }
        struct ordo_text_hints hints = {.follows = ordo_prng_below(prng, 4) == 0,
                                        .precedes = ordo_prng_below(prng, 4) == 0};
        ordo_text_splice(at, removed, ordo_buffer_slice(&text), hints, &next);
        ordo_text_compose(ordo_buffer_slice(op), ordo_buffer_slice(&next), &both);
        length += count - removed;
        ordo_buffer_finish(op);
        *op = both;
        ordo_buffer_finish(&next);
        ordo_buffer_finish(&text);
    }
}

int main(void) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, 7);
    struct ordo_arena arena;
    ordo_arena_init(&arena, SIZE_MAX / 2);
    struct ordo_buffer x = {0}, y = {0}, out = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t length = ordo_prng_below(&prng, 12);
        random_op(&prng, length, &x);
        random_op(&prng, length, &y);
        struct ordo_slice x_client = ordo_slice_of(ordo_prng_below(&prng, 2) ? "a" : "c");
        struct ordo_slice y_client = ordo_slice_of("b");
        ordo_buffer_clear(&out);
        ordo_text_transform(ordo_buffer_slice(&x), x_client, ordo_buffer_slice(&y), y_client, true, &out);
        struct model_op mx, my, mine, theirs;
        bool do_decode = model_op_decode(ordo_buffer_slice(&x), &mx, &arena) &&
                         model_op_decode(ordo_buffer_slice(&y), &my, &arena) &&
                         model_op_decode(ordo_buffer_slice(&out), &theirs, &arena);
        if (!do_decode) {
            printf("case %d: an op does not decode\n", i);
            return EXIT_FAILURE;
        }
        model_op_transform(&mx, x_client, &my, y_client, &mine, &arena);
        if (!model_op_equal(&mine, &theirs)) {
            printf("case %d: %s over %s is %s, the model says %s\n", i, model_op_print(&mx, &arena),
                   model_op_print(&my, &arena), model_op_print(&theirs, &arena), model_op_print(&mine, &arena));
            return EXIT_FAILURE;
        }
        ordo_arena_reset(&arena);
    }
    ordo_buffer_finish(&x);
    ordo_buffer_finish(&y);
    ordo_buffer_finish(&out);
    ordo_arena_finish(&arena);
    printf("100000 transforms agree\n");
    return EXIT_SUCCESS;
}
