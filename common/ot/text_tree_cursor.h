/* common/ot/text_tree_cursor.h: a place among the components of an indexed op, and the edits that can be made there.
 * For text_tree.c alone. Every edit keeps the counts of the index right; other cursors lose their meaning. */
#ifndef ORDO_COMMON_OT_TEXT_TREE_CURSOR_H
#define ORDO_COMMON_OT_TEXT_TREE_CURSOR_H

#include "common/ot/text_tree.h"

struct text_tree_leaf {
    struct sum_leaf link;
    uint32_t count; /* 0 only in a tree without components */
    uint64_t spans[TEXT_TREE_LEAF_COUNT];
};

struct text_cursor {
    struct text_tree *tree;
    struct text_tree_leaf *leaf;
    uint32_t index;           /* of the component behind the place; leaf->count: behind the last one of all */
    uint64_t offset;          /* code points of that component before the place; then it is cut in two */
    struct sum_counts before; /* of all before the place but for `offset`; not kept up by edits */
    uint64_t beyond;          /* code points that the position lies behind the last component */
};

/* The first place where counter `which` reaches `position`. */
struct text_cursor text_cursor_find(struct text_tree *tree, size_t which, uint64_t position);

/* The component behind the place (all of it, whatever `offset`), and the one before; 0: none. */
uint64_t text_cursor_here(const struct text_cursor *cursor);
uint64_t text_cursor_previous(const struct text_cursor *cursor);

void text_cursor_next(struct text_cursor *cursor);
/* Makes `offset` 0 by cutting the component there. */
void text_cursor_cut(struct text_cursor *cursor);
/* Removes the component behind the place. */
void text_cursor_remove(struct text_cursor *cursor);
/* Removes its first `n` code points; it has at least so many. */
void text_cursor_drop(struct text_cursor *cursor, uint64_t n);
/* Inserts at the place, which is behind it afterwards. Merges with the component before, not with the one behind. */
void text_cursor_append(struct text_cursor *cursor, uint64_t span);
/* Merges the components on both sides of the place if they are of one kind, and drops a trailing retain. */
void text_cursor_close(struct text_cursor *cursor);

struct text_tree_leaf *text_tree_leaf_create(void);

#endif
