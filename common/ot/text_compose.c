#include "common/ot/text_compose.h"

#include <stdlib.h>

#include "common/memory.h"
#include "common/ot/text.h"
#include "common/utf8.h"

/* Texts up to this size are composed on the stack. */
enum { SMALL_TEXT_SIZE = 1024 };

/* Moves the first `n` code points of `text` to `to` (NULL: nowhere) and returns their size in bytes. */
static size_t take_text(struct ordo_slice *text, uint64_t n, uint8_t *to) {
    size_t size = ordo_utf8_offset(*text, n);
    if (size == 0) return 0;
    if (to != NULL) memcpy(to, text->data, size);
    *text = ordo_slice(text->data + size, text->size - size);
    return size;
}

size_t text_compose_spans(struct text_op first, struct text_op second, struct text_writer *out, uint8_t *text_out) {
    uint8_t *to = text_out;
    uint64_t head = text_read(&first.spans);
    for (uint64_t then = text_read(&second.spans); then != 0; then = text_read(&second.spans)) {
        if (text_span_is_insert(then)) {
            text_put(out, then);
            to += take_text(&second.text, text_span_n(then), to);
            continue;
        }
        /* Passes over code points that `first` leaves, and which `second` now retains or deletes. */
        bool is_kept = text_span_kind(then) == TEXT_RETAIN;
        uint64_t left = text_span_n(then);
        while (left > 0) {
            if (head != 0 && text_span_kind(head) == TEXT_DELETE) {
                text_put(out, head);
                head = text_read(&first.spans);
                continue;
            }
            if (head == 0) { /* behind its end `first` retains for ever */
                text_put(out, text_span(text_span_kind(then), left));
                break;
            }
            uint64_t here = text_span_n(head) < left ? text_span_n(head) : left;
            if (text_span_is_insert(head)) {
                size_t size = take_text(&first.text, here, is_kept ? to : NULL);
                if (is_kept) {
                    to += size;
                    text_put(out, text_span_head(head, here));
                }
            } else {
                text_put(out, text_span(text_span_kind(then), here));
            }
            head = text_span_tail(head, here);
            if (head == 0) head = text_read(&first.spans);
            left -= here;
        }
    }
    for (; head != 0; head = text_read(&first.spans)) text_put(out, head);
    if (first.text.size > 0) memcpy(to, first.text.data, first.text.size);
    return (size_t)(to - text_out) + first.text.size;
}

void ordo_text_compose(struct ordo_slice first, struct ordo_slice second, struct ordo_buffer *out) {
    struct text_op one = text_op_trusted(first), two = text_op_trusted(second);
    uint8_t small[SMALL_TEXT_SIZE];
    size_t size_max = one.text.size + two.text.size;
    uint8_t *text = size_max <= sizeof small ? small : ordo_realloc(NULL, size_max);
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    size_t size = text_compose_spans(one, two, &writer, text);
    text_message_end(&writer, start, ordo_slice(text, size));
    if (text != small) free(text);
}
