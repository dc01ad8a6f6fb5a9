/* common/ot/text_transform.h: rebase one text op over another, in one pass over both.
 *
 * The loop is that of the public type `ot-text-unicode`: walk the other op, take from ours what each of its
 * components covers. Inserts always survive; the text is not looked at. A tie is two inserts in the same gap between
 * code points of the shared base, and since neighbours are always merged it is between exactly two. */
#ifndef ORDO_COMMON_OT_TEXT_TRANSFORM_H
#define ORDO_COMMON_OT_TEXT_TRANSFORM_H

#include "common/ot/text_codec.h"

/* How ties between our op and the other are decided. */
enum text_tie {
    TEXT_TIE_OP_LEFT,     /* our insert goes first, whatever the hints */
    TEXT_TIE_OP_RIGHT,    /* the other's goes first, whatever the hints */
    TEXT_TIE_HINTS_LEFT,  /* by the hints; where they say nothing, ours goes first */
    TEXT_TIE_HINTS_RIGHT, /* by the hints; where they say nothing, the other's goes first */
};

/* The rule of docs/protocol.md for two clients. An op without a client (an empty slice) has no author to be fair to:
 * it goes left, as the difference that a client merges after a long absence must. */
enum text_tie text_tie_of(struct ordo_slice op_client, struct ordo_slice other_client, bool op_is_later);
/* The same tie seen from the other op. */
static inline enum text_tie text_tie_flip(enum text_tie tie) { return (enum text_tie)(tie ^ 1); }

/* Whether our insert `op` goes first, left of the insert `other`. */
static inline bool text_tie_op_goes_first(enum text_tie tie, uint64_t op, uint64_t other) {
    if (tie >= TEXT_TIE_HINTS_LEFT) {
        if ((op ^ other) & TEXT_FOLLOWS) return (op & TEXT_FOLLOWS) != 0;
        if ((op ^ other) & TEXT_PRECEDES) return (op & TEXT_PRECEDES) == 0;
    }
    return (tie & 1) == 0;
}

/* Puts `op` rebased over `other` (their texts are no matter: ours stays as it is). Does not finish the writer. */
void text_transform_spans(struct text_reader op, struct text_reader other, enum text_tie tie,
                          struct text_writer *out);

#endif
