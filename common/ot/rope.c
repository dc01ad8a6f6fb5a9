#include "common/ot/rope.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/utf8.h"

/* Counter of the tree. */
enum { CODE_POINTS = 0 };

/* A leaf that deletes left with less than this is joined with a neighbour, if both together leave room to type. */
enum { LEAF_SIZE_SMALL = ROPE_LEAF_SIZE / 4, LEAF_SIZE_JOINED_MAX = ROPE_LEAF_SIZE * 3 / 4 };

struct rope_leaf {
    struct sum_leaf link;
    uint32_t count;                  /* code points */
    uint32_t count_left;             /* of them before the gap */
    uint32_t gap_start, gap_end;     /* bytes[gap_start..gap_end) are free */
    uint8_t bytes[ROPE_LEAF_SIZE];
};

static size_t leaf_size(const struct rope_leaf *leaf) { return ROPE_LEAF_SIZE - (leaf->gap_end - leaf->gap_start); }
static struct ordo_slice leaf_left(const struct rope_leaf *leaf) { return ordo_slice(leaf->bytes, leaf->gap_start); }
static struct ordo_slice leaf_right(const struct rope_leaf *leaf) {
    return ordo_slice(leaf->bytes + leaf->gap_end, ROPE_LEAF_SIZE - leaf->gap_end);
}
static struct rope_leaf *leaf_next(const struct rope_leaf *leaf) { return (struct rope_leaf *)leaf->link.next; }
static struct rope_leaf *leaf_prev(const struct rope_leaf *leaf) { return (struct rope_leaf *)leaf->link.prev; }

static void leaf_clear(struct rope_leaf *leaf) {
    leaf->count = leaf->count_left = leaf->gap_start = 0;
    leaf->gap_end = ROPE_LEAF_SIZE;
}

static struct rope_leaf *leaf_create(void) {
    struct rope_leaf *leaf = ordo_realloc(NULL, sizeof *leaf); /* the bytes in the gap are never read */
    leaf->link = (struct sum_leaf){0};
    leaf_clear(leaf);
    return leaf;
}

/* Bytes of the last `count` code points. */
static size_t utf8_tail_size(struct ordo_slice text, uint64_t count) {
    size_t offset = text.size;
    while (count > 0) {
        offset--;
        if ((text.data[offset] & 0xc0) != 0x80) count--;
    }
    return text.size - offset;
}

/* Bytes of the first `count` of `total` code points: counted from the end that is nearer, or not at all. */
static size_t utf8_head_size(struct ordo_slice text, uint64_t count, uint64_t total) {
    if (text.size == total) return count;
    if (count > total / 2) return text.size - utf8_tail_size(text, total - count);
    return ordo_utf8_offset(text, count);
}

/* Moves the gap to `position` code points into the leaf. */
static void leaf_move_gap(struct rope_leaf *leaf, uint32_t position) {
    if (position < leaf->count_left) {
        struct ordo_slice left = leaf_left(leaf);
        uint32_t offset = (uint32_t)utf8_head_size(left, position, leaf->count_left);
        uint32_t size = leaf->gap_start - offset;
        memmove(leaf->bytes + leaf->gap_end - size, leaf->bytes + offset, size);
        leaf->gap_start = offset;
        leaf->gap_end -= size;
    } else if (position > leaf->count_left) {
        struct ordo_slice right = leaf_right(leaf);
        uint32_t size = (uint32_t)utf8_head_size(right, position - leaf->count_left, leaf->count - leaf->count_left);
        memmove(leaf->bytes + leaf->gap_start, right.data, size);
        leaf->gap_start += size;
        leaf->gap_end += size;
    }
    leaf->count_left = position;
}

/* Writes into the gap, where there is room. */
static void leaf_fill(struct rope_leaf *leaf, struct ordo_slice text, uint32_t count) {
    if (text.size == 1)
        leaf->bytes[leaf->gap_start] = *text.data;
    else
        memcpy(leaf->bytes + leaf->gap_start, text.data, text.size);
    leaf->gap_start += (uint32_t)text.size;
    leaf->count_left += count;
    leaf->count += count;
}

/* --- cursor ----------------------------------------------------------------------------------------------------- */

static void tree_add(struct rope_leaf *leaf, uint64_t difference) {
    sum_tree_add(&leaf->link, &(struct sum_counts){.of[CODE_POINTS] = difference});
}

static void cursor_settle(struct rope *rope) {
    if (rope->cursor_pending != 0) tree_add(rope->cursor, rope->cursor_pending);
    rope->cursor_pending = 0;
}

static void cursor_set(struct rope *rope, struct rope_leaf *leaf, uint64_t start) {
    cursor_settle(rope);
    rope->cursor = leaf;
    rope->cursor_start = start;
}

/* Moves the cursor to a leaf that holds `position` in it or at its end, and returns the place within the leaf. */
static uint32_t cursor_seek(struct rope *rope, uint64_t position) {
    uint64_t inside = position - rope->cursor_start; /* wraps around when before the leaf */
    if (inside <= rope->cursor->count) return (uint32_t)inside;
    cursor_settle(rope);
    struct sum_counts before;
    struct sum_leaf *leaf = sum_tree_find(&rope->tree, CODE_POINTS, position, &before);
    rope->cursor = (struct rope_leaf *)leaf;
    rope->cursor_start = before.of[CODE_POINTS];
    return (uint32_t)(position - rope->cursor_start);
}

static void cursor_counts(struct rope *rope, uint64_t difference, size_t size_difference) {
    rope->cursor_pending += difference;
    rope->length += difference;
    rope->size += size_difference;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

void rope_init(struct rope *rope) {
    *rope = (struct rope){.cursor = leaf_create()};
    sum_tree_init(&rope->tree, &rope->cursor->link);
}

static void free_leaves(struct sum_leaf *leaf) {
    while (leaf != NULL) {
        struct sum_leaf *next = leaf->next;
        free(leaf);
        leaf = next;
    }
}

void rope_finish(struct rope *rope) {
    free_leaves(rope->tree.first);
    sum_tree_finish(&rope->tree);
    *rope = (struct rope){0};
}

void rope_clear(struct rope *rope) {
    struct rope_leaf *kept = (struct rope_leaf *)rope->tree.first;
    if (kept->link.next == NULL) {
        cursor_settle(rope);
        tree_add(kept, -(uint64_t)kept->count);
        leaf_clear(kept);
        *rope = (struct rope){.tree = rope->tree, .cursor = kept};
        return;
    }
    rope_finish(rope);
    rope_init(rope);
}

void rope_write(const struct rope *rope, struct ordo_buffer *out) {
    ordo_buffer_reserve(out, rope->size);
    for (const struct sum_leaf *link = rope->tree.first; link != NULL; link = link->next) {
        const struct rope_leaf *leaf = (const struct rope_leaf *)link;
        ordo_buffer_append_slice(out, leaf_left(leaf));
        ordo_buffer_append_slice(out, leaf_right(leaf));
    }
}

/* --- editing ---------------------------------------------------------------------------------------------------- */

static struct rope_leaf *insert_leaf_after(struct rope *rope, struct rope_leaf *leaf) {
    struct rope_leaf *added = leaf_create();
    sum_tree_insert_after(&rope->tree, &leaf->link, &added->link);
    return added;
}

/* Moves what stands behind the cursor leaf's gap to the next leaf, a new one unless there is much room. */
static void cursor_split(struct rope *rope) {
    struct rope_leaf *leaf = rope->cursor, *next = leaf_next(leaf);
    struct ordo_slice right = leaf_right(leaf);
    uint32_t count = leaf->count - leaf->count_left;
    if (count == 0) return;
    if (next == NULL || leaf_size(next) + right.size > LEAF_SIZE_JOINED_MAX) next = insert_leaf_after(rope, leaf);
    leaf_move_gap(next, 0);
    leaf_fill(next, right, count);
    tree_add(next, count);
    leaf->gap_end = ROPE_LEAF_SIZE;
    leaf->count -= count;
    rope->cursor_pending -= count;
}

/* Fills the cursor's leaf, which has nothing behind its gap, and as many new ones as it takes. */
static void insert_long(struct rope *rope, struct ordo_slice text) {
    while (text.size > 0) {
        struct rope_leaf *leaf = rope->cursor;
        size_t size = ordo_utf8_floor(text, leaf->gap_end - leaf->gap_start);
        if (size > 0) {
            struct ordo_slice piece = ordo_slice(text.data, size);
            uint32_t count = (uint32_t)ordo_utf8_count(piece);
            leaf_fill(leaf, piece, count);
            cursor_counts(rope, count, size);
            text = ordo_slice(text.data + size, text.size - size);
        }
        if (text.size > 0) cursor_set(rope, insert_leaf_after(rope, leaf), rope->cursor_start + leaf->count);
    }
}

/* Appends all of `from` to `to`, which stands directly before it, and drops `from`. */
static void join_leaves(struct rope *rope, struct rope_leaf *to, struct rope_leaf *from) {
    uint32_t count = from->count, count_left = from->count_left;
    leaf_move_gap(to, to->count);
    leaf_fill(to, leaf_left(from), count_left);
    leaf_fill(to, leaf_right(from), count - count_left);
    sum_tree_remove(&rope->tree, &from->link);
    tree_add(to, count);
    free(from);
}

/* Of two neighbours that are nearly empty one goes: neither large deletes nor splits at chosen places may leave
 * memory that is out of proportion to the text. */
static void cursor_tidy(struct rope *rope) {
    struct rope_leaf *leaf = rope->cursor, *prev = leaf_prev(leaf), *next = leaf_next(leaf);
    size_t size = leaf_size(leaf);
    if (size >= LEAF_SIZE_SMALL) return;
    if (prev != NULL && leaf_size(prev) + size <= LEAF_SIZE_JOINED_MAX) {
        cursor_set(rope, prev, rope->cursor_start - prev->count);
        join_leaves(rope, prev, leaf);
    } else if (next != NULL && (size == 0 || leaf_size(next) + size <= LEAF_SIZE_JOINED_MAX)) {
        cursor_settle(rope);
        join_leaves(rope, leaf, next);
    } else if (size == 0 && prev != NULL) {
        cursor_set(rope, prev, rope->cursor_start - prev->count);
        join_leaves(rope, prev, leaf);
    }
}

void rope_insert(struct rope *rope, uint64_t position, struct ordo_slice text, uint64_t count) {
    ORDO_ASSERT(position <= rope->length);
    if (text.size == 0) return;
    uint32_t inside = cursor_seek(rope, position);
    struct rope_leaf *leaf = rope->cursor;
    leaf_move_gap(leaf, inside);
    if (text.size <= leaf->gap_end - leaf->gap_start) {
        leaf_fill(leaf, text, (uint32_t)count);
        cursor_counts(rope, count, text.size);
        return;
    }
    cursor_split(rope);
    insert_long(rope, text);
    cursor_tidy(rope);
}

void rope_delete(struct rope *rope, uint64_t position, uint64_t count) {
    ORDO_ASSERT(position <= rope->length && count <= rope->length - position);
    while (count > 0) {
        uint32_t inside = cursor_seek(rope, position);
        struct rope_leaf *leaf = rope->cursor;
        if (inside == leaf->count) { /* found from the left: what is to go stands in the next leaf */
            cursor_set(rope, leaf_next(leaf), rope->cursor_start + leaf->count);
            leaf = rope->cursor;
            inside = 0;
        }
        leaf_move_gap(leaf, inside);
        uint32_t right_count = leaf->count - inside;
        uint32_t here = count < right_count ? (uint32_t)count : right_count;
        size_t size = utf8_head_size(leaf_right(leaf), here, right_count);
        leaf->gap_end += (uint32_t)size;
        leaf->count -= here;
        cursor_counts(rope, -(uint64_t)here, -size);
        count -= here;
        cursor_tidy(rope);
    }
}
