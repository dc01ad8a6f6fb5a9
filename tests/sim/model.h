/* tests/sim/model.h: plain text and its ops once more, the slow and obvious way.
 *
 * The oracle must not share code with what it judges, so this knows nothing of common/ot: it decodes a TextOp by
 * hand, keeps content as an array of code points and transforms by walking both ops (ot-text-unicode's algorithm with
 * the tie rule of docs/protocol.md). Everything lives in the arena that is passed in. */
#ifndef ORDO_TESTS_SIM_MODEL_H
#define ORDO_TESTS_SIM_MODEL_H

#include "common/arena.h"
#include "common/buffer.h"
#include "common/slice.h"

enum model_kind { MODEL_RETAIN, MODEL_INSERT, MODEL_DELETE };

struct model_part {
    enum model_kind kind;
    bool follows, precedes;
    uint64_t n;
    const uint32_t *text; /* n code points of an insert */
};

struct model_op {
    struct model_part *parts;
    size_t count, capacity;
};

/* False: not a TextOp in canonical form. */
bool model_op_decode(struct ordo_slice bytes, struct model_op *out, struct ordo_arena *arena);
bool model_op_equal(const struct model_op *a, const struct model_op *b);
/* Code points of the content that the op reaches to. */
uint64_t model_op_reach(const struct model_op *op);
void model_op_transform(const struct model_op *op, struct ordo_slice client, const struct model_op *other,
                        struct ordo_slice other_client, struct model_op *out, struct ordo_arena *arena);
/* For messages: r3 i"ab" d2. */
const char *model_op_print(const struct model_op *op, struct ordo_arena *arena);

struct model_text {
    uint32_t *points;
    size_t count, capacity;
};

void model_text_finish(struct model_text *text);
/* False: the op reaches past the end; the text is then as before. */
bool model_text_apply(struct model_text *text, const struct model_op *op);
bool model_text_equals_utf8(const struct model_text *text, struct ordo_slice utf8);
void model_text_set_utf8(struct model_text *text, struct ordo_slice utf8);
void model_text_copy(struct model_text *to, const struct model_text *from);

/* Reads one code point of valid UTF-8 and moves on. */
uint32_t model_utf8_take(const uint8_t **next);
void model_utf8_append(struct ordo_buffer *out, uint32_t point);

#endif
