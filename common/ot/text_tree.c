#include "common/ot/text_tree.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/ot/text_tree_cursor.h"
#include "common/utf8.h"

/* --- life ------------------------------------------------------------------------------------------------------- */

void text_tree_init(struct text_tree *tree) {
    *tree = (struct text_tree){0};
    sum_tree_init(&tree->index, &text_tree_leaf_create()->link);
    rope_init(&tree->text);
}

static void free_leaves(struct sum_leaf *leaf) {
    while (leaf != NULL) {
        struct sum_leaf *next = leaf->next;
        free(leaf);
        leaf = next;
    }
}

void text_tree_finish(struct text_tree *tree) {
    if (tree->index.root == NULL) return;
    free_leaves(tree->index.first);
    sum_tree_finish(&tree->index);
    rope_finish(&tree->text);
    *tree = (struct text_tree){0};
}

void text_tree_load(struct text_tree *tree, struct text_op op) {
    text_tree_finish(tree);
    text_tree_init(tree);
    struct text_tree_leaf *leaf = (struct text_tree_leaf *)tree->index.first;
    struct sum_counts counts = {0};
    for (uint64_t span = text_read(&op.spans); span != 0; span = text_read(&op.spans)) {
        if (leaf->count == TEXT_TREE_LEAF_COUNT) {
            sum_tree_add(&leaf->link, &counts);
            counts = (struct sum_counts){0};
            struct text_tree_leaf *added = text_tree_leaf_create();
            sum_tree_insert_after(&tree->index, &leaf->link, &added->link);
            leaf = added;
        }
        leaf->spans[leaf->count++] = span;
        counts.of[TEXT_TREE_BASE] += text_span_base(span);
        counts.of[TEXT_TREE_PRODUCED] += text_span_produced(span);
        counts.of[TEXT_TREE_INSERTED] += text_span_is_insert(span) ? text_span_n(span) : 0;
        tree->count++;
    }
    sum_tree_add(&leaf->link, &counts);
    rope_insert(&tree->text, 0, op.text, ordo_utf8_count(op.text));
}

void text_tree_put(const struct text_tree *tree, struct text_writer *out) {
    for (const struct sum_leaf *link = tree->index.first; link != NULL; link = link->next) {
        const struct text_tree_leaf *leaf = (const struct text_tree_leaf *)link;
        for (uint32_t i = 0; i < leaf->count; i++) text_put(out, leaf->spans[i]);
    }
}

/* Both changes below go group by group: what stands in the other op between two retains. Within a group the cursor is
 * kept, what becomes of the passed components is merged to its left only, and the seam is closed at the group's end.
 * That is the order in which the flat loops emit components, and it matters: what is to be deleted next must not lend
 * its hints to an insert before, and inserts in two gaps must meet the other's in their own gap before they become
 * one. */

/* --- compose ---------------------------------------------------------------------------------------------------- */

struct composing {
    struct text_tree *tree;
    struct text_cursor cursor;
    uint64_t inserted; /* code points inserted before the cursor: the place in the rope */
};

/* Finds the first place that produces `position`, before the deletes there: compose puts inserts to their left. */
static struct composing compose_at(struct text_tree *tree, uint64_t position) {
    struct composing at = {.tree = tree, .cursor = text_cursor_find(tree, TEXT_TREE_PRODUCED, position)};
    struct text_cursor *cursor = &at.cursor;
    bool is_inside = cursor->offset > 0 && text_span_is_insert(text_cursor_here(cursor));
    at.inserted = cursor->before.of[TEXT_TREE_INSERTED] + (is_inside ? cursor->offset : 0);
    text_cursor_cut(cursor);
    /* Behind its last component an op retains for ever; what of that lies before the place is now needed. */
    if (cursor->beyond > 0) text_cursor_append(cursor, text_span(TEXT_RETAIN, cursor->beyond));
    return at;
}

static void compose_insert(struct composing *at, uint64_t span, struct ordo_slice *text) {
    size_t size = ordo_utf8_offset(*text, text_span_n(span));
    rope_insert(&at->tree->text, at->inserted, ordo_slice(text->data, size), text_span_n(span));
    if (size > 0) *text = ordo_slice(text->data + size, text->size - size);
    at->inserted += text_span_n(span);
    text_cursor_append(&at->cursor, span);
}

static void compose_delete(struct composing *at, uint64_t n) {
    uint64_t deleted = 0; /* of the base, by the old op or the new one */
    while (n > 0) {
        uint64_t here = text_cursor_here(&at->cursor);
        if (here == 0) {
            deleted += n;
            break;
        }
        uint64_t here_n = text_span_n(here);
        if (text_span_kind(here) == TEXT_DELETE) {
            deleted += here_n;
            text_cursor_remove(&at->cursor);
            continue;
        }
        uint64_t gone = here_n < n ? here_n : n;
        if (text_span_is_insert(here))
            rope_delete(&at->tree->text, at->inserted, gone);
        else
            deleted += gone;
        text_cursor_drop(&at->cursor, gone);
        n -= gone;
    }
    if (deleted > 0) text_cursor_append(&at->cursor, text_span(TEXT_DELETE, deleted));
}

void text_tree_compose(struct text_tree *tree, struct text_op next) {
    uint64_t position = 0; /* in what the op, composed so far, produces */
    uint64_t span = text_read(&next.spans);
    while (span != 0) {
        if (text_span_kind(span) == TEXT_RETAIN) {
            position += text_span_n(span);
            span = text_read(&next.spans);
            continue;
        }
        struct composing at = compose_at(tree, position);
        for (; span != 0 && text_span_kind(span) != TEXT_RETAIN; span = text_read(&next.spans)) {
            if (text_span_is_insert(span)) {
                compose_insert(&at, span, &next.text);
                position += text_span_n(span);
            } else {
                compose_delete(&at, text_span_n(span));
            }
        }
        text_cursor_close(&at.cursor);
    }
}

/* --- rebase ----------------------------------------------------------------------------------------------------- */

/* What of `other`, rebased over the tree's op, has been put. It walks what that op produced before it was changed. */
struct other_out {
    struct text_writer *writer; /* NULL: nobody wants it */
    uint64_t passed;            /* code points of that, retained or deleted so far */
    uint64_t gone, came;        /* of them dropped from and added to what the op produces by the changes so far */
};

/* Retains up to the place where the op, as changed so far, has produced `produced` code points. */
static void out_retain_to(struct other_out *out, uint64_t produced) {
    uint64_t place = produced + out->gone - out->came;
    if (out->writer != NULL && place > out->passed)
        text_put(out->writer, text_span(TEXT_RETAIN, place - out->passed));
    out->passed = place;
}

static void out_delete(struct other_out *out, uint64_t n) {
    if (out->writer != NULL) text_put(out->writer, text_span(TEXT_DELETE, n));
    out->passed += n;
    out->gone += n;
}

static uint64_t produced_before(const struct text_cursor *cursor) {
    bool is_inside = cursor->offset > 0 && text_span_kind(text_cursor_here(cursor)) != TEXT_DELETE;
    return cursor->before.of[TEXT_TREE_PRODUCED] + cursor->beyond + (is_inside ? cursor->offset : 0);
}

static bool is_at_insert(const struct text_cursor *cursor) {
    return cursor->offset == 0 && text_span_is_insert(text_cursor_here(cursor));
}

/* Steps over an insert of ours, merging it with one that stands before it. Returns its length. */
static uint64_t step_over_insert(struct text_cursor *cursor) {
    uint64_t n = text_span_n(text_cursor_here(cursor));
    if (text_span_is_insert(text_cursor_previous(cursor)))
        text_cursor_close(cursor);
    else
        text_cursor_next(cursor);
    return n;
}

struct rebasing {
    struct text_cursor cursor;
    uint64_t produced; /* before the cursor, by the op as changed so far */
    enum text_tie tie;
    struct other_out *out;
};

static void rebase_over_insert(struct rebasing *at, uint64_t span) {
    struct text_cursor *cursor = &at->cursor;
    if (is_at_insert(cursor) && text_tie_op_goes_first(at->tie, text_cursor_here(cursor), span))
        at->produced += step_over_insert(cursor);
    out_retain_to(at->out, at->produced);
    if (at->out->writer != NULL) text_put(at->out->writer, span);
    uint64_t n = text_span_n(span);
    at->produced += n;
    at->out->came += n;
    /* A trailing retain is none. */
    if (text_cursor_here(cursor) != 0) text_cursor_append(cursor, text_span(TEXT_RETAIN, n));
}

static void rebase_over_delete(struct rebasing *at, uint64_t n) {
    struct text_cursor *cursor = &at->cursor;
    while (n > 0) {
        uint64_t here = text_cursor_here(cursor);
        if (text_span_is_insert(here)) { /* survives, beside the inserts that the deleted text kept it from */
            at->produced += step_over_insert(cursor);
            continue;
        }
        out_retain_to(at->out, at->produced);
        if (here == 0) {
            out_delete(at->out, n);
            break;
        }
        uint64_t here_n = text_span_n(here), gone = here_n < n ? here_n : n;
        if (text_span_kind(here) == TEXT_RETAIN) out_delete(at->out, gone);
        text_cursor_drop(cursor, gone);
        n -= gone;
    }
}

void text_tree_rebase(struct text_tree *tree, struct text_reader other, enum text_tie tie,
                      struct text_writer *other_out) {
    struct other_out out = {.writer = other_out};
    uint64_t position = 0; /* in the base of the op, rebased so far */
    uint64_t span = text_read(&other);
    while (span != 0) {
        if (text_span_kind(span) == TEXT_RETAIN) {
            position += text_span_n(span);
            span = text_read(&other);
            continue;
        }
        struct rebasing at = {.cursor = text_cursor_find(tree, TEXT_TREE_BASE, position), .tie = tie, .out = &out};
        at.produced = produced_before(&at.cursor);
        text_cursor_cut(&at.cursor);
        for (; span != 0 && text_span_kind(span) != TEXT_RETAIN; span = text_read(&other)) {
            if (text_span_is_insert(span)) {
                rebase_over_insert(&at, span);
                position += text_span_n(span);
            } else {
                rebase_over_delete(&at, text_span_n(span));
            }
        }
        text_cursor_close(&at.cursor);
    }
}
