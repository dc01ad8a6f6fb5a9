/* common/ot/sum_tree.h: an index over a sequence of leaves, each of which counts for so much of several quantities.
 *
 * A B+tree whose inner nodes hold, per child, the sums below it: so the leaf at a position of any quantity is found,
 * and a leaf's counts are changed, in O(log leaves). The rope counts code points; the indexed text op counts base,
 * produced and inserted code points. The leaves belong to the caller, who embeds `struct sum_leaf` at their start and
 * frees them; the tree never looks further into them. Threads: one owner. */
#ifndef ORDO_COMMON_OT_SUM_TREE_H
#define ORDO_COMMON_OT_SUM_TREE_H

#include <stddef.h>
#include <stdint.h>

enum { SUM_TREE_COUNTERS = 3, SUM_TREE_FANOUT = 16 };

struct sum_counts {
    uint64_t of[SUM_TREE_COUNTERS]; /* as a difference: modulo 2^64 */
};

struct sum_node;

struct sum_leaf {
    struct sum_node *parent;
    struct sum_leaf *prev, *next; /* in the sequence; NULL at its ends */
};

struct sum_tree {
    struct sum_node *root;
    struct sum_leaf *first;
};

/* A tree of one leaf (all counts 0); a tree never has fewer. */
void sum_tree_init(struct sum_tree *tree, struct sum_leaf *leaf);
/* Frees the inner nodes. */
void sum_tree_finish(struct sum_tree *tree);

/* The first leaf at whose end the sum of counter `which` reaches `position`; the last leaf if none does. `before`
 * gets the sums of all leaves before it. */
struct sum_leaf *sum_tree_find(const struct sum_tree *tree, size_t which, uint64_t position,
                               struct sum_counts *before);
struct sum_counts sum_tree_total(const struct sum_tree *tree);

void sum_tree_add(struct sum_leaf *leaf, const struct sum_counts *difference);
/* Links `added` behind `leaf`, with counts 0. */
void sum_tree_insert_after(struct sum_tree *tree, struct sum_leaf *leaf, struct sum_leaf *added);
/* Unlinks a leaf with whatever it counts; not the last one left. */
void sum_tree_remove(struct sum_tree *tree, struct sum_leaf *leaf);

#endif
