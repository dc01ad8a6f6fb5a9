/* common/ot/text_span.h: one component of a text op as a number, the same in memory and on the wire.
 *
 * (n << 4) | (precedes << 3) | (follows << 2) | kind. n counts code points and is at least 1, so 0 is no span and
 * stands for "none". Spans of a valid op are below 2^35; sums of them stay below 2^53. */
#ifndef ORDO_COMMON_OT_TEXT_SPAN_H
#define ORDO_COMMON_OT_TEXT_SPAN_H

#include <stdbool.h>
#include <stdint.h>

enum text_kind { TEXT_RETAIN, TEXT_INSERT, TEXT_DELETE };

#define TEXT_KIND_MASK UINT64_C(3)
/* Hints of an insert (docs/protocol.md): typed directly to the right, to the left of its client's latest insert. */
#define TEXT_FOLLOWS UINT64_C(4)
#define TEXT_PRECEDES UINT64_C(8)
#define TEXT_BITS_MASK UINT64_C(12)
#define TEXT_N_SHIFT 4
#define TEXT_N_MASK (~UINT64_C(15))

static inline uint64_t text_span(enum text_kind kind, uint64_t n) { return n << TEXT_N_SHIFT | kind; }
static inline enum text_kind text_span_kind(uint64_t span) { return (enum text_kind)(span & TEXT_KIND_MASK); }
static inline uint64_t text_span_n(uint64_t span) { return span >> TEXT_N_SHIFT; }
static inline bool text_span_is_insert(uint64_t span) { return (span & TEXT_KIND_MASK) == TEXT_INSERT; }

/* Code points that it takes from the content before, and that it leaves in the content after. */
static inline uint64_t text_span_base(uint64_t span) { return text_span_is_insert(span) ? 0 : text_span_n(span); }
static inline uint64_t text_span_produced(uint64_t span) {
    return text_span_kind(span) == TEXT_DELETE ? 0 : text_span_n(span);
}

/* Two neighbours of one kind as one: an insert keeps the hints at its outer sides. 0 before `right` is neutral. */
static inline uint64_t text_span_join(uint64_t left, uint64_t right) {
    if (left == 0) return right;
    return ((left & ~TEXT_PRECEDES) + (right & TEXT_N_MASK)) | (right & TEXT_PRECEDES);
}

/* The first `n` code points of a span that has at least so many. A cut leaves no hint on either side of it. */
static inline uint64_t text_span_head(uint64_t span, uint64_t n) {
    uint64_t outer = n == text_span_n(span) ? TEXT_BITS_MASK : TEXT_FOLLOWS;
    return n << TEXT_N_SHIFT | (span & (TEXT_KIND_MASK | outer));
}
/* What is left of it; 0 if nothing. */
static inline uint64_t text_span_tail(uint64_t span, uint64_t n) {
    if (n == text_span_n(span)) return 0;
    return n == 0 ? span : (span - (n << TEXT_N_SHIFT)) & ~TEXT_FOLLOWS;
}

#endif
