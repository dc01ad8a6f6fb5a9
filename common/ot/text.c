#include "common/ot/text.h"

#include "common/ot/text_codec.h"
#include "common/utf8.h"

/* Where `text` stands in the oneofs of Submit and Committed (proto/ordo.proto). */
enum { SUBMIT_FIELD_TEXT = 3, COMMITTED_FIELD_TEXT = 6 };

static uint64_t length_after(struct ordo_slice op, uint64_t length_before) {
    struct text_measure sum = text_op_measure(text_op_trusted(op).spans);
    return length_before - (sum.base - sum.retained) + sum.inserted;
}

void ordo_text_splice(uint64_t position, uint64_t count, struct ordo_slice text, struct ordo_text_hints hints,
                      struct ordo_buffer *out) {
    uint64_t n = ordo_utf8_count(text);
    uint64_t bits = (hints.follows ? TEXT_FOLLOWS : 0) | (hints.precedes ? TEXT_PRECEDES : 0);
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    if (position > 0) text_put(&writer, text_span(TEXT_RETAIN, position));
    if (n > 0) text_put(&writer, text_span(TEXT_INSERT, n) | bits);
    if (count > 0) text_put(&writer, text_span(TEXT_DELETE, count));
    text_message_end(&writer, start, text);
}

const struct ordo_type ordo_type_text = {
    .name = "text",
    .submit_field = SUBMIT_FIELD_TEXT,
    .committed_field = COMMITTED_FIELD_TEXT,
    .validate = text_op_validate,
    .length_after = length_after,
    .transform = ordo_text_transform,
    .compose = ordo_text_compose,
    .position_after = ordo_text_position_after,
    .live_create = ordo_text_live_create,
    .live_destroy = ordo_text_live_destroy,
    .live_load = ordo_text_live_load,
    .live_compose = ordo_text_live_compose,
    .live_rebase = ordo_text_live_rebase,
    .live_take = ordo_text_live_take,
    .live_encode = ordo_text_live_encode,
    .live_is_empty = ordo_text_live_is_empty,
    .live_size = ordo_text_live_size,
    .content_create = ordo_text_content_create,
    .content_destroy = ordo_text_content_destroy,
    .content_append = ordo_text_content_append,
    .content_is_whole = ordo_text_content_is_whole,
    .content_apply = ordo_text_content_apply,
    .content_length = ordo_text_content_length,
    .content_size = ordo_text_content_size,
    .content_write = ordo_text_content_write,
    .content_as_op = ordo_text_content_as_op,
};
