/* common/ot/text_tree.h: one large text op, indexed, so that small ops compose onto it and rebase it in O(log n).
 *
 * The components lie in the leaves of a sum tree that counts base, produced and inserted code points; the text of the
 * inserts is a rope. Every change is made in place where the other op reaches, and leaves exactly what the flat loops
 * (text_transform.h, text_compose.h) would make: neighbours merged at once, no trailing retain.
 *
 * What makes it right at ties: a position alone does not name a place among inserts and deletes that stand in one
 * gap. The cursor therefore stops at the *first* place where a position is reached, and the tie rule or the order of
 * compose decides whether it steps over the insert there. Threads: one owner. */
#ifndef ORDO_COMMON_OT_TEXT_TREE_H
#define ORDO_COMMON_OT_TEXT_TREE_H

#include "common/ot/rope.h"
#include "common/ot/text_transform.h"

enum { TEXT_TREE_BASE, TEXT_TREE_PRODUCED, TEXT_TREE_INSERTED }; /* its counters */
enum { TEXT_TREE_LEAF_COUNT = 32 };                              /* components of a full leaf */

struct text_tree {
    struct sum_tree index;
    struct rope text;
    size_t count; /* components */
};

void text_tree_init(struct text_tree *tree); /* the empty op */
void text_tree_finish(struct text_tree *tree);
/* Forgets what it held and takes a copy of `op`, whose spans are canonical. */
void text_tree_load(struct text_tree *tree, struct text_op op);

/* Composes `next` onto the end. */
void text_tree_compose(struct text_tree *tree, struct text_op next);
/* Rebases over `other`. `tie` is seen from the tree's op. If `other_out` is not NULL, puts the spans of `other`
 * rebased over the tree's op as it was; does not finish the writer. */
void text_tree_rebase(struct text_tree *tree, struct text_reader other, enum text_tie tie,
                      struct text_writer *other_out);
/* Puts all spans. */
void text_tree_put(const struct text_tree *tree, struct text_writer *out);

#endif
