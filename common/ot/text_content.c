#include <stdlib.h>

#include "common/memory.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

struct ordo_content {
    struct ordo_buffer text;
    uint64_t length;
};

struct ordo_content *ordo_text_content_create(void) { return ordo_alloc(sizeof(struct ordo_content)); }

void ordo_text_content_destroy(struct ordo_content *content) {
    if (content == NULL) return;
    ordo_buffer_finish(&content->text);
    free(content);
}

ordo_err ordo_text_content_append(struct ordo_content *content, struct ordo_slice bytes) {
    uint64_t count;
    if (!ordo_utf8_validate(bytes, &count)) return ORDO_ERR_INVALID;
    ordo_buffer_append_slice(&content->text, bytes);
    content->length += count;
    return ORDO_OK;
}

ordo_err ordo_text_content_apply(struct ordo_content *content, struct ordo_slice bytes) {
    uint64_t length;
    if (text_op_validate(bytes, content->length, &length) != ORDO_OP_VALID) return ORDO_ERR_INVALID;
    struct text_op op = text_op_trusted(bytes);
    struct ordo_slice before = ordo_buffer_slice(&content->text);
    struct ordo_buffer after = {0};
    for (uint64_t span = text_read(&op.spans); span != 0; span = text_read(&op.spans)) {
        struct ordo_slice *from = text_span_is_insert(span) ? &op.text : &before;
        size_t size = ordo_utf8_offset(*from, text_span_n(span));
        if (text_span_kind(span) != TEXT_DELETE) ordo_buffer_append(&after, from->data, size);
        *from = ordo_slice(from->data + size, from->size - size);
    }
    ordo_buffer_append_slice(&after, before);
    ordo_buffer_finish(&content->text);
    content->text = after;
    content->length = length;
    return ORDO_OK;
}

uint64_t ordo_text_content_length(const struct ordo_content *content) { return content->length; }
size_t ordo_text_content_size(const struct ordo_content *content) { return content->text.size; }

void ordo_text_content_write(const struct ordo_content *content, struct ordo_buffer *out) {
    ordo_buffer_append_slice(out, ordo_buffer_slice(&content->text));
}

void ordo_text_content_as_op(const struct ordo_content *content, struct ordo_buffer *out) {
    ordo_text_splice(0, 0, ordo_buffer_slice(&content->text), (struct ordo_text_hints){0}, out);
}
