/* common/ot/rope.h: a long UTF-8 text that is edited at positions in code points.
 *
 * Leaves of up to 1 KiB, each a gap buffer, under a tree of code point counts (sum_tree.h). The leaf edited last is
 * remembered with its place and its count is brought into the tree only when another leaf is edited, so typing costs
 * some ten nanoseconds wherever it happens (after Joseph Gentle's librope and JumpRope, which keep gap buffers or
 * chunks under a skip list). Ownership: text is copied in. Threads: one owner; the functions that take `const` may
 * run at once. Text handed in is trusted to be valid UTF-8. */
#ifndef ORDO_COMMON_OT_ROPE_H
#define ORDO_COMMON_OT_ROPE_H

#include "common/buffer.h"
#include "common/ot/sum_tree.h"
#include "common/slice.h"

enum { ROPE_LEAF_SIZE = 1024 };

struct rope_leaf;

struct rope {
    struct sum_tree tree;
    uint64_t length; /* code points */
    size_t size;     /* bytes */
    struct rope_leaf *cursor;
    uint64_t cursor_start;   /* code points before the cursor's leaf */
    uint64_t cursor_pending; /* what the tree does not yet count of it; modulo 2^64 */
};

void rope_init(struct rope *rope); /* empty */
void rope_finish(struct rope *rope);
void rope_clear(struct rope *rope); /* keeps one leaf for reuse */

/* Inserts `text` of `count` code points. position <= length. */
void rope_insert(struct rope *rope, uint64_t position, struct ordo_slice text, uint64_t count);
/* position + count <= length. */
void rope_delete(struct rope *rope, uint64_t position, uint64_t count);
/* Appends all of the text. */
void rope_write(const struct rope *rope, struct ordo_buffer *out);

#endif
