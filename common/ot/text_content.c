#include <stdlib.h>

#include "common/memory.h"
#include "common/ot/rope.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

enum { UTF8_SIZE_MAX = 4 };

struct ordo_content {
    struct rope rope;
    uint8_t cut[UTF8_SIZE_MAX]; /* the begin of a code point that the last append ended inside of */
    size_t cut_size;
};

struct ordo_content *ordo_text_content_create(void) {
    struct ordo_content *content = ordo_alloc(sizeof *content);
    rope_init(&content->rope);
    return content;
}

void ordo_text_content_destroy(struct ordo_content *content) {
    if (content == NULL) return;
    rope_finish(&content->rope);
    free(content);
}

static size_t utf8_lead_size(uint8_t lead) { return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4; }

/* Whether some code point begins so: the rest of one filled with the least or the greatest bytes must be valid. */
static bool is_cut_text(struct ordo_slice cut) {
    if (cut.size == 0) return true;
    size_t size = utf8_lead_size(cut.data[0]);
    uint8_t least[UTF8_SIZE_MAX], greatest[UTF8_SIZE_MAX];
    if (cut.size >= size) return false;
    memset(least, 0x80, sizeof least);
    memset(greatest, 0xbf, sizeof greatest);
    memcpy(least, cut.data, cut.size);
    memcpy(greatest, cut.data, cut.size);
    return ordo_utf8_validate(ordo_slice(least, size), NULL) || ordo_utf8_validate(ordo_slice(greatest, size), NULL);
}

/* No document holds U+0000: no op may insert it. */
static bool is_text(struct ordo_slice bytes, uint64_t *count) {
    return ordo_utf8_validate(bytes, count) && (bytes.size == 0 || memchr(bytes.data, 0, bytes.size) == NULL);
}

ordo_err ordo_text_content_append(struct ordo_content *content, struct ordo_slice bytes) {
    if (bytes.size == 0) return ORDO_OK;
    uint8_t joined[UTF8_SIZE_MAX];
    size_t joined_size = content->cut_size;
    struct ordo_slice rest = bytes;
    if (joined_size > 0) { /* complete what the last piece began */
        memcpy(joined, content->cut, joined_size);
        while (rest.size > 0 && joined_size < utf8_lead_size(joined[0])) {
            joined[joined_size++] = *rest.data;
            rest = ordo_slice(rest.data + 1, rest.size - 1);
        }
    }
    bool is_complete = joined_size == 0 || joined_size == utf8_lead_size(joined[0]);
    size_t whole = ordo_utf8_floor(rest, rest.size > 0 ? rest.size - 1 : 0);
    if (rest.size > 0 && rest.size - whole >= utf8_lead_size(rest.data[whole])) whole = rest.size;
    uint64_t joined_count = 0, count = 0;
    if (is_complete && joined_size > 0 && !is_text(ordo_slice(joined, joined_size), &joined_count))
        return ORDO_ERR_INVALID;
    if (!is_text(ordo_slice(rest.data, whole), &count)) return ORDO_ERR_INVALID;
    struct ordo_slice cut = is_complete ? ordo_slice(rest.data + whole, rest.size - whole)
                                        : ordo_slice(joined, joined_size);
    if (!is_cut_text(cut)) return ORDO_ERR_INVALID;

    if (is_complete) rope_insert(&content->rope, content->rope.length, ordo_slice(joined, joined_size), joined_count);
    rope_insert(&content->rope, content->rope.length, ordo_slice(rest.data, whole), count);
    if (cut.size > 0) memcpy(content->cut, cut.data, cut.size);
    content->cut_size = cut.size;
    return ORDO_OK;
}

bool ordo_text_content_is_whole(const struct ordo_content *content) { return content->cut_size == 0; }

ordo_err ordo_text_content_apply(struct ordo_content *content, struct ordo_slice bytes) {
    uint64_t after;
    struct text_op op;
    enum ordo_op_fault fault = text_op_open_strictly(bytes, content->rope.length, &op, &after);
    /* How large a document may grow is for the sequencer to say; what it committed is applied. */
    bool fits = fault == ORDO_OP_VALID || fault == ORDO_OP_TOO_LARGE;
    if (!fits || content->cut_size > 0) return ORDO_ERR_INVALID;
    uint64_t position = 0;
    for (uint64_t span = text_read(&op.spans); span != 0; span = text_read(&op.spans)) {
        uint64_t n = text_span_n(span);
        switch (text_span_kind(span)) {
        case TEXT_RETAIN: position += n; break;
        case TEXT_DELETE: rope_delete(&content->rope, position, n); break;
        case TEXT_INSERT: {
            size_t size = ordo_utf8_offset(op.text, n);
            rope_insert(&content->rope, position, ordo_slice(op.text.data, size), n);
            op.text = ordo_slice(op.text.data + size, op.text.size - size);
            position += n;
            break;
        }
        }
    }
    return ORDO_OK;
}

uint64_t ordo_text_content_length(const struct ordo_content *content) { return content->rope.length; }
size_t ordo_text_content_size(const struct ordo_content *content) { return content->rope.size; }
void ordo_text_content_write(const struct ordo_content *content, struct ordo_buffer *out) {
    rope_write(&content->rope, out);
}

void ordo_text_content_as_op(const struct ordo_content *content, struct ordo_buffer *out) {
    struct ordo_buffer text = {0};
    rope_write(&content->rope, &text);
    ordo_text_splice(0, 0, ordo_buffer_slice(&text), (struct ordo_text_hints){0}, out);
    ordo_buffer_finish(&text);
}
