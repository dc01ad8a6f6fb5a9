#include "common/ot/text_tree_cursor.h"

#include <stdlib.h>

#include "common/memory.h"

static struct sum_counts counts_of(uint64_t span) {
    return (struct sum_counts){.of = {
        [TEXT_TREE_BASE] = text_span_base(span),
        [TEXT_TREE_PRODUCED] = text_span_produced(span),
        [TEXT_TREE_INSERTED] = text_span_is_insert(span) ? text_span_n(span) : 0,
    }};
}

static void counts_add(struct sum_counts *to, struct sum_counts counts) {
    for (size_t i = 0; i < SUM_TREE_COUNTERS; i++) to->of[i] += counts.of[i];
}

static struct sum_counts counts_difference(struct sum_counts after, struct sum_counts before) {
    for (size_t i = 0; i < SUM_TREE_COUNTERS; i++) after.of[i] -= before.of[i];
    return after;
}

/* --- leaves ----------------------------------------------------------------------------------------------------- */

struct text_tree_leaf *text_tree_leaf_create(void) {
    struct text_tree_leaf *leaf = ordo_realloc(NULL, sizeof *leaf); /* spans behind `count` are never read */
    leaf->link = (struct sum_leaf){0};
    leaf->count = 0;
    return leaf;
}

static struct text_tree_leaf *leaf_next(const struct text_tree_leaf *leaf) {
    return (struct text_tree_leaf *)leaf->link.next;
}
static struct text_tree_leaf *leaf_prev(const struct text_tree_leaf *leaf) {
    return (struct text_tree_leaf *)leaf->link.prev;
}

static void leaf_count_change(struct text_tree_leaf *leaf, struct sum_counts difference) {
    sum_tree_add(&leaf->link, &difference);
}

/* Moves the components from `index` on to the end of `to`. */
static void leaf_move(struct text_tree_leaf *to, struct text_tree_leaf *from, uint32_t index) {
    struct sum_counts moved = {0};
    for (uint32_t i = index; i < from->count; i++) {
        counts_add(&moved, counts_of(from->spans[i]));
        to->spans[to->count++] = from->spans[i];
    }
    from->count = index;
    leaf_count_change(to, moved);
    leaf_count_change(from, counts_difference((struct sum_counts){0}, moved));
}

static void leaf_drop(struct text_tree *tree, struct text_tree_leaf *leaf) {
    sum_tree_remove(&tree->index, &leaf->link);
    free(leaf);
}

/* --- places ----------------------------------------------------------------------------------------------------- */

static void settle(struct text_cursor *cursor) {
    if (cursor->index < cursor->leaf->count || cursor->leaf->link.next == NULL) return;
    cursor->leaf = leaf_next(cursor->leaf);
    cursor->index = 0;
}

struct text_cursor text_cursor_find(struct text_tree *tree, size_t which, uint64_t position) {
    struct text_cursor cursor = {.tree = tree};
    cursor.leaf = (struct text_tree_leaf *)sum_tree_find(&tree->index, which, position, &cursor.before);
    uint64_t left = position - cursor.before.of[which];
    while (left > 0 && cursor.index < cursor.leaf->count) {
        struct sum_counts counts = counts_of(cursor.leaf->spans[cursor.index]);
        if (counts.of[which] > left) {
            cursor.offset = left;
            return cursor;
        }
        counts_add(&cursor.before, counts);
        left -= counts.of[which];
        cursor.index++;
    }
    cursor.beyond = left;
    settle(&cursor);
    return cursor;
}

uint64_t text_cursor_here(const struct text_cursor *cursor) {
    return cursor->index < cursor->leaf->count ? cursor->leaf->spans[cursor->index] : 0;
}

/* The same place, as that of the component before it. False at the very start. */
static bool step_back(const struct text_cursor *cursor, struct text_cursor *back) {
    *back = *cursor;
    if (back->index == 0) {
        if (back->leaf->link.prev == NULL) return false;
        back->leaf = leaf_prev(back->leaf);
        back->index = back->leaf->count;
    }
    back->index--;
    return true;
}

uint64_t text_cursor_previous(const struct text_cursor *cursor) {
    struct text_cursor back;
    return step_back(cursor, &back) ? text_cursor_here(&back) : 0;
}

void text_cursor_next(struct text_cursor *cursor) {
    cursor->index++;
    settle(cursor);
}

/* --- edits ------------------------------------------------------------------------------------------------------ */

static void set(struct text_cursor *cursor, uint64_t span) {
    uint64_t *here = &cursor->leaf->spans[cursor->index];
    leaf_count_change(cursor->leaf, counts_difference(counts_of(span), counts_of(*here)));
    *here = span;
}

/* Whatever stands beside it; the place afterwards is behind it. */
static void insert(struct text_cursor *cursor, uint64_t span) {
    struct text_tree_leaf *leaf = cursor->leaf;
    if (leaf->count == TEXT_TREE_LEAF_COUNT) {
        struct text_tree_leaf *right = text_tree_leaf_create();
        uint32_t kept = TEXT_TREE_LEAF_COUNT / 2;
        sum_tree_insert_after(&cursor->tree->index, &leaf->link, &right->link);
        leaf_move(right, leaf, kept);
        if (cursor->index > kept) {
            cursor->index -= kept;
            leaf = cursor->leaf = right;
        }
    }
    uint64_t *here = leaf->spans + cursor->index;
    memmove(here + 1, here, (leaf->count - cursor->index) * sizeof *here);
    *here = span;
    leaf->count++;
    cursor->tree->count++;
    leaf_count_change(leaf, counts_of(span));
    text_cursor_next(cursor);
}

/* Keeps leaves from staying nearly empty for ever. */
static void tidy(struct text_cursor *cursor) {
    enum { FEW = TEXT_TREE_LEAF_COUNT / 4, ENOUGH = TEXT_TREE_LEAF_COUNT * 3 / 4 };
    struct text_tree_leaf *leaf = cursor->leaf, *prev = leaf_prev(leaf), *next = leaf_next(leaf);
    if (leaf->count >= FEW) return;
    if (prev != NULL && (leaf->count == 0 || prev->count + leaf->count <= ENOUGH)) {
        cursor->leaf = prev;
        cursor->index += prev->count;
        leaf_move(prev, leaf, 0);
        leaf_drop(cursor->tree, leaf);
    } else if (next != NULL && (leaf->count == 0 || next->count + leaf->count <= ENOUGH)) {
        leaf_move(leaf, next, 0);
        leaf_drop(cursor->tree, next);
    }
}

void text_cursor_remove(struct text_cursor *cursor) {
    struct text_tree_leaf *leaf = cursor->leaf;
    uint64_t *here = leaf->spans + cursor->index;
    leaf_count_change(leaf, counts_difference((struct sum_counts){0}, counts_of(*here)));
    leaf->count--;
    cursor->tree->count--;
    memmove(here, here + 1, (leaf->count - cursor->index) * sizeof *here);
    tidy(cursor);
    settle(cursor);
}

void text_cursor_drop(struct text_cursor *cursor, uint64_t n) {
    uint64_t rest = text_span_tail(text_cursor_here(cursor), n);
    if (rest == 0)
        text_cursor_remove(cursor);
    else
        set(cursor, rest);
}

void text_cursor_cut(struct text_cursor *cursor) {
    if (cursor->offset == 0) return;
    uint64_t whole = text_cursor_here(cursor);
    set(cursor, text_span_tail(whole, cursor->offset));
    insert(cursor, text_span_head(whole, cursor->offset));
    cursor->offset = 0;
}

static bool is_same_kind(uint64_t a, uint64_t b) { return a != 0 && b != 0 && ((a ^ b) & TEXT_KIND_MASK) == 0; }

void text_cursor_append(struct text_cursor *cursor, uint64_t span) {
    struct text_cursor back;
    if (step_back(cursor, &back) && is_same_kind(text_cursor_here(&back), span))
        set(&back, text_span_join(text_cursor_here(&back), span));
    else
        insert(cursor, span);
}

void text_cursor_close(struct text_cursor *cursor) {
    struct text_cursor back;
    if (!step_back(cursor, &back)) return;
    uint64_t previous = text_cursor_here(&back), here = text_cursor_here(cursor);
    if (is_same_kind(previous, here)) {
        set(&back, text_span_join(previous, here));
        text_cursor_remove(cursor);
    } else if (here == 0 && text_span_kind(previous) == TEXT_RETAIN) {
        text_cursor_remove(&back);
        *cursor = back;
    }
}
