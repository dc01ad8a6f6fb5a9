/* client/c/core/text_anchors.h: passages that two long texts have in common, in the same order in both.
 *
 * Comparing code point by code point is quadratic in the number of edits, so two texts that were edited in thousands
 * of places are first pinned together where they surely agree: blocks of one text that occur once in either, found
 * with a rolling hash (as in rsync), of them the longest chain that stands in the same order in both, each grown as
 * far as the texts agree. What lies between two anchors is short and compared by itself (text_diff.h).
 * Cost: a walk over both texts, and memory for at most 64 Ki blocks. */
#ifndef ORDO_CLIENT_CORE_TEXT_ANCHORS_H
#define ORDO_CLIENT_CORE_TEXT_ANCHORS_H

#include "common/slice.h"

struct text_anchor {
    size_t from, to, size; /* bytes; neither end cuts a code point */
};

/* Anchors from the left to the right, none overlapping the next; the caller frees. Both texts are valid UTF-8. */
struct text_anchor *text_anchors_find(struct ordo_slice from, struct ordo_slice to, size_t *count_out);

#endif
