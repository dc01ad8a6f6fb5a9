#include "common/ot/text_typing.h"

#include "common/utf8.h"

/* A position after a splice elsewhere in the text; text inserted exactly there stays behind it if `moves_right`. */
static uint64_t position_after(uint64_t at, uint64_t position, uint64_t count, uint64_t inserted, bool moves_right) {
    if (at < position || (at == position && !moves_right)) return at;
    if (at < position + count) return position + inserted;
    return at - count + inserted;
}

void ordo_text_typing_splice(struct ordo_text_typing *typing, uint64_t position, uint64_t count,
                             struct ordo_slice text, struct ordo_buffer *out) {
    uint64_t n = ordo_utf8_count(text);
    bool follows = typing->has_run && n > 0 && position == typing->end;
    bool precedes = typing->has_run && n > 0 && position + count == typing->start;
    bool is_inside = typing->has_run && typing->start <= position && position + count <= typing->end;
    ordo_text_splice(position, count, text, (struct ordo_text_hints){.follows = follows, .precedes = precedes}, out);
    if (n == 0 || follows || precedes || is_inside) {
        typing->start = position_after(typing->start, position, count, n, false);
        typing->end = position_after(typing->end, position, count, n, true);
        if (n == 0) return;
        if (position < typing->start) typing->start = position;
        if (position + n > typing->end) typing->end = position + n;
    } else {
        *typing = (struct ordo_text_typing){.has_run = true, .start = position, .end = position + n};
    }
}

void ordo_text_typing_over(struct ordo_text_typing *typing, struct ordo_slice other) {
    if (!typing->has_run) return;
    /* What others insert at the edges stays outside of the run. */
    bool is_empty = typing->start == typing->end;
    typing->end = ordo_text_position_after(other, typing->end, false);
    typing->start = is_empty ? typing->end : ordo_text_position_after(other, typing->start, true);
    if (typing->start > typing->end) typing->start = typing->end;
}
