#include "common/ot/text_transform.h"

#include "common/ot/text.h"

enum text_tie text_tie_of(struct ordo_slice op_client, struct ordo_slice other_client, bool op_is_later) {
    if (op_client.size == 0 && other_client.size > 0) return TEXT_TIE_OP_LEFT;
    if (other_client.size == 0 && op_client.size > 0) return TEXT_TIE_OP_RIGHT;
    int order = ordo_slice_compare(op_client, other_client);
    bool goes_first = order != 0 ? order < 0 : !op_is_later;
    return goes_first ? TEXT_TIE_HINTS_LEFT : TEXT_TIE_HINTS_RIGHT;
}

/* Passes over `n` code points of the base. What `op` has there is kept, or dropped if the other deleted it; inserts
 * are always kept. Returns what is left of the component of `op` that was reached; 0: `op` is at its end, and from
 * there on retains for ever. */
static uint64_t pass_over(struct text_reader *op, uint64_t head, uint64_t n, bool is_kept, struct text_writer *out) {
    while (n > 0 && head != 0) {
        if (text_span_is_insert(head)) {
            text_put(out, head);
            head = text_read(op);
            continue;
        }
        uint64_t here = text_span_n(head) < n ? text_span_n(head) : n;
        if (is_kept) text_put(out, text_span_head(head, here));
        head = text_span_tail(head, here);
        if (head == 0) head = text_read(op);
        n -= here;
    }
    return head;
}

void text_transform_spans(struct text_reader op, struct text_reader other, enum text_tie tie,
                          struct text_writer *out) {
    uint64_t head = text_read(&op);
    /* Once `op` has ended, only retains could follow, and a trailing retain is none. */
    while (head != 0) {
        uint64_t against = text_read(&other);
        if (against == 0) break;
        switch (text_span_kind(against)) {
        case TEXT_RETAIN: head = pass_over(&op, head, text_span_n(against), true, out); break;
        case TEXT_DELETE: head = pass_over(&op, head, text_span_n(against), false, out); break;
        case TEXT_INSERT:
            if (text_span_is_insert(head) && text_tie_op_goes_first(tie, head, against)) {
                text_put(out, head);
                head = text_read(&op);
                if (head == 0) return;
            }
            text_put(out, text_span(TEXT_RETAIN, text_span_n(against)));
            break;
        }
    }
    for (; head != 0; head = text_read(&op)) text_put(out, head);
}

static void transform(struct ordo_slice op, struct ordo_slice other, enum text_tie tie, struct ordo_buffer *out) {
    struct text_op ours = text_op_trusted(op), theirs = text_op_trusted(other);
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    text_transform_spans(ours.spans, theirs.spans, tie, &writer);
    text_message_end(&writer, start, ours.text);
}

void ordo_text_transform(struct ordo_slice op, struct ordo_slice op_client, struct ordo_slice other,
                         struct ordo_slice other_client, bool op_is_later, struct ordo_buffer *out) {
    transform(op, other, text_tie_of(op_client, other_client, op_is_later), out);
}

void ordo_text_transform_side(struct ordo_slice op, struct ordo_slice other, enum ordo_text_side side,
                              struct ordo_buffer *out) {
    transform(op, other, side == ORDO_TEXT_LEFT ? TEXT_TIE_OP_LEFT : TEXT_TIE_OP_RIGHT, out);
}

uint64_t ordo_text_position_after(struct ordo_slice op, uint64_t position, bool moves_right) {
    struct text_reader spans = text_op_trusted(op).spans;
    uint64_t left = position, moved = 0; /* of the base before the position; where that ends up */
    for (uint64_t span = text_read(&spans); span != 0; span = text_read(&spans)) {
        uint64_t n = text_span_n(span);
        switch (text_span_kind(span)) {
        case TEXT_INSERT:
            if (left == 0 && !moves_right) return moved;
            moved += n;
            break;
        case TEXT_RETAIN:
            if (left < n) return moved + left;
            left -= n;
            moved += n;
            break;
        case TEXT_DELETE:
            if (left < n) return moved;
            left -= n;
            break;
        }
    }
    return moved + left;
}
