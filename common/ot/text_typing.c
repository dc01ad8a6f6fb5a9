#include "common/ot/text_typing.h"

#include "common/utf8.h"

/* A position after `count` code points behind `at` were deleted. */
static uint64_t position_after_delete(uint64_t position, uint64_t at, uint64_t count) {
    if (position <= at) return position;
    return position < at + count ? at : position - count;
}

void ordo_text_typing_splice(struct ordo_text_typing *typing, uint64_t position, uint64_t count,
                             struct ordo_slice text, struct ordo_buffer *out) {
    uint64_t n = ordo_utf8_count(text);
    bool has_run = typing->start < typing->end;
    /* Inside of the run both hold. It matters where part of the run is still pending: what is typed at the seam becomes
     * one component with it, which keeps the hint of its outer side, and that is the seam's other side. */
    struct ordo_text_hints hints = {
        .follows = has_run && n > 0 && typing->start < position && position <= typing->end,
        .precedes = has_run && n > 0 && typing->start <= position + count && position + count < typing->end,
    };
    ordo_text_splice(position, count, text, hints, out);

    uint64_t start = position_after_delete(typing->start, position, count);
    uint64_t end = position_after_delete(typing->end, position, count);
    bool extends = has_run && start <= position && position <= end;
    if (n == 0)
        *typing = (struct ordo_text_typing){.start = start, .end = end};
    else if (extends)
        *typing = (struct ordo_text_typing){.start = start, .end = end + n};
    else
        *typing = (struct ordo_text_typing){.start = position, .end = position + n};
}

void ordo_text_typing_over(struct ordo_text_typing *typing, struct ordo_slice other) {
    if (typing->start == typing->end) return;
    /* What others insert at the edges stays outside of the run. */
    typing->start = ordo_text_position_after(other, typing->start, true);
    typing->end = ordo_text_position_after(other, typing->end, false);
    if (typing->start >= typing->end) *typing = (struct ordo_text_typing){0};
}
