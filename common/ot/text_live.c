#include <stdlib.h>

#include "common/assert.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/ot/text.h"
#include "common/ot/text_compose.h"
#include "common/ot/text_transform.h"
#include "common/utf8.h"

/* Flat: packed spans and the text of the inserts, canonical. Each change writes the next pair and swaps. */
struct flat {
    struct ordo_buffer spans, text;
};

struct ordo_live_op {
    struct flat now, next;
    size_t count; /* components */
    size_t client_size;
    uint8_t client[ORDO_CLIENT_ID_SIZE_MAX];
};

static struct text_op flat_op(const struct ordo_live_op *live) {
    return (struct text_op){.spans = text_reader_packed(ordo_buffer_slice(&live->now.spans)),
                            .text = ordo_buffer_slice(&live->now.text)};
}

static struct text_writer next_begin(struct ordo_live_op *live) {
    ordo_buffer_clear(&live->next.spans);
    return (struct text_writer){.out = &live->next.spans};
}

static void next_spans_become_now(struct ordo_live_op *live, struct text_writer *writer) {
    text_writer_finish(writer);
    struct ordo_buffer spans = live->now.spans;
    live->now.spans = live->next.spans;
    live->next.spans = spans;
    live->count = writer->count;
}

struct ordo_live_op *ordo_text_live_create(void) { return ordo_alloc(sizeof(struct ordo_live_op)); }

void ordo_text_live_destroy(struct ordo_live_op *live) {
    if (live == NULL) return;
    ordo_buffer_finish(&live->now.spans);
    ordo_buffer_finish(&live->now.text);
    ordo_buffer_finish(&live->next.spans);
    ordo_buffer_finish(&live->next.text);
    free(live);
}

void ordo_text_live_load(struct ordo_live_op *live, struct ordo_slice op, struct ordo_slice client) {
    ORDO_ASSERT(client.size <= sizeof live->client);
    live->client_size = client.size;
    if (client.size > 0) memcpy(live->client, client.data, client.size);
    struct text_op opened = text_op_trusted(op);
    struct text_writer writer = next_begin(live);
    for (uint64_t span = text_read(&opened.spans); span != 0; span = text_read(&opened.spans)) text_put(&writer, span);
    next_spans_become_now(live, &writer);
    ordo_buffer_clear(&live->now.text);
    ordo_buffer_append_slice(&live->now.text, opened.text);
}

void ordo_text_live_compose(struct ordo_live_op *live, struct ordo_slice next) {
    struct text_op then = text_op_trusted(next);
    struct text_writer writer = next_begin(live);
    ordo_buffer_clear(&live->next.text);
    uint8_t *text = ordo_buffer_reserve(&live->next.text, live->now.text.size + then.text.size);
    live->next.text.size = text_compose_spans(flat_op(live), then, &writer, text);
    next_spans_become_now(live, &writer);
    struct ordo_buffer swapped = live->now.text;
    live->now.text = live->next.text;
    live->next.text = swapped;
}

void ordo_text_live_rebase(struct ordo_live_op *live, struct ordo_slice other, struct ordo_slice other_client,
                           struct ordo_buffer *other_out) {
    struct text_op against = text_op_trusted(other);
    enum text_tie tie = text_tie_of(ordo_slice(live->client, live->client_size), other_client, true);
    if (other_out != NULL) {
        size_t start;
        struct text_writer writer = text_message_begin(other_out, &start);
        text_transform_spans(against.spans, flat_op(live).spans, text_tie_flip(tie), &writer);
        text_message_end(&writer, start, against.text);
    }
    struct text_writer writer = next_begin(live);
    text_transform_spans(flat_op(live).spans, against.spans, tie, &writer);
    next_spans_become_now(live, &writer);
}

/* Room in a message of `size_max` bytes for spans and text, both with their headers. */
enum { MESSAGE_HEADER_SIZE_MAX = 16, SPAN_SIZE_MAX = 5 };

void ordo_text_live_take(struct ordo_live_op *live, size_t size_max, struct ordo_buffer *out) {
    ORDO_ASSERT(size_max >= 64);
    if (ordo_text_live_size(live) <= size_max) {
        ordo_text_live_encode(live, out);
        ordo_text_live_load(live, ordo_slice(NULL, 0), ordo_slice(live->client, live->client_size));
        return;
    }
    struct text_op op = flat_op(live);
    size_t start, room = size_max - MESSAGE_HEADER_SIZE_MAX, text_size = 0;
    struct text_writer taken = text_message_begin(out, &start);
    uint64_t produced = 0, span;
    while ((span = text_read(&op.spans)) != 0) {
        size_t used = out->size - start + 2 * SPAN_SIZE_MAX + text_size;
        if (used >= room) break;
        uint64_t n = text_span_n(span);
        if (text_span_is_insert(span)) {
            struct ordo_slice rest = ordo_slice(op.text.data + text_size, op.text.size - text_size);
            size_t size = ordo_utf8_offset(rest, n);
            if (size > room - used) {
                size = ordo_utf8_floor(rest, room - used);
                n = ordo_utf8_count(ordo_slice(rest.data, size));
                if (n == 0) break;
            }
            text_size += size;
        }
        text_put(&taken, text_span_head(span, n));
        produced += text_span_produced(text_span_head(span, n));
        /* The rest of a cut insert is typed to the right of this client's latest insert: the part just taken. */
        span = text_span_tail(span, n) != 0 ? text_span_tail(span, n) | TEXT_FOLLOWS : 0;
        if (span != 0) break;
    }
    text_message_end(&taken, start, ordo_slice(op.text.data, text_size));

    struct text_writer rest = next_begin(live);
    if (produced > 0) text_put(&rest, text_span(TEXT_RETAIN, produced));
    for (; span != 0; span = text_read(&op.spans)) text_put(&rest, span);
    next_spans_become_now(live, &rest);
    memmove(live->now.text.data, live->now.text.data + text_size, live->now.text.size - text_size);
    live->now.text.size -= text_size;
}

void ordo_text_live_encode(const struct ordo_live_op *live, struct ordo_buffer *out) {
    text_message_append(out, ordo_buffer_slice(&live->now.spans), ordo_buffer_slice(&live->now.text));
}

bool ordo_text_live_is_empty(const struct ordo_live_op *live) { return live->count == 0; }

size_t ordo_text_live_size(const struct ordo_live_op *live) {
    return text_message_size(live->now.spans.size, live->now.text.size);
}

void ordo_text_live_set_flat_max(struct ordo_live_op *live, size_t components_max) {
    (void)live;
    (void)components_max;
}
