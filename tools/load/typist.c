#include "tools/load/typist.h"

enum { TYPING_RUN_MAX = 40, DELETING_RUN_MAX = 12, JUMP_PERCENT = 30 };

void ordo_typist_init(struct ordo_typist *typist, uint64_t seed, uint64_t length_target) {
    *typist = (struct ordo_typist){.length_target = length_target};
    ordo_prng_init(&typist->prng, seed);
}

/* One letter's UTF-8 is appended to the edit. */
static void append_letter(struct ordo_typist *typist, struct ordo_typist_edit *edit) {
    static const char *const foreign[] = {"é", "ß", "ж", "ن", "漢", "日", "😀", "𝄞"};
    uint64_t draw = ordo_prng_below(&typist->prng, 100);
    char letter[2] = {0};
    const char *text = letter;
    if (draw < 2) {
        text = foreign[ordo_prng_below(&typist->prng, sizeof foreign / sizeof foreign[0])];
    } else if (draw < 17) {
        letter[0] = draw == 3 ? '\n' : ' ';
    } else {
        letter[0] = (char)('a' + ordo_prng_below(&typist->prng, 26));
    }
    size_t size = strlen(text);
    memcpy(edit->text + edit->text_size, text, size);
    edit->text_size += size;
}

static void begin_run(struct ordo_typist *typist, uint64_t length) {
    /* Around the target typing and deleting balance; far from it one of them wins. */
    uint64_t deleting_percent = length > typist->length_target ? 90 : 15;
    typist->is_deleting = ordo_prng_below(&typist->prng, 100) < deleting_percent;
    uint32_t run_max = typist->is_deleting && length <= typist->length_target ? DELETING_RUN_MAX : TYPING_RUN_MAX;
    typist->run_left = 1 + (uint32_t)ordo_prng_below(&typist->prng, run_max);
    if (ordo_prng_below(&typist->prng, 100) < JUMP_PERCENT) {
        typist->cursor = ordo_prng_below(&typist->prng, length + 1);
    }
}

struct ordo_typist_edit ordo_typist_next(struct ordo_typist *typist, uint64_t length) {
    if (typist->run_left == 0) begin_run(typist, length);
    typist->run_left--;
    if (typist->cursor > length) typist->cursor = length;

    struct ordo_typist_edit edit = {.position = typist->cursor};
    if (typist->is_deleting && length > 0) {
        if (typist->cursor == 0) typist->cursor = 1 + ordo_prng_below(&typist->prng, length);
        edit.position = --typist->cursor;
        edit.delete_count = 1;
        return edit;
    }
    uint64_t letters = ordo_prng_below(&typist->prng, 8) == 0 ? 2 : 1;
    for (uint64_t i = 0; i < letters; i++) append_letter(typist, &edit);
    typist->cursor += letters;
    return edit;
}
