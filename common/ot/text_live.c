#include <stdlib.h>

#include "common/assert.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/ot/text.h"
#include "common/ot/text_compose.h"
#include "common/ot/text_transform.h"
#include "common/ot/text_tree.h"
#include "common/utf8.h"

/* An op of few components is an array that every change walks through; beyond this many a tree is faster. */
enum { FLAT_COMPONENTS_MAX = 64 };
/* Composing copies the whole text of a flat op, so one with a long text becomes a tree as well. */
enum { FLAT_TEXT_SIZE_MAX = 4096 };
/* The other op's share of our components from which on walking through all of them is cheaper than searching. */
enum { MANY_OF_TREE = 8 };

/* Packed spans and the text of the inserts, canonical. Each change writes the next pair and swaps. */
struct flat {
    struct ordo_buffer spans, text;
};

struct ordo_live_op {
    bool is_tree; /* from then on until the next load */
    struct flat now, next;
    size_t count; /* components of `now` */
    struct text_tree tree;
    size_t flat_max;
    size_t client_size;
    uint8_t client[ORDO_CLIENT_ID_SIZE_MAX];
};

static struct ordo_slice live_client(const struct ordo_live_op *live) {
    return ordo_slice(live->client, live->client_size);
}

struct ordo_live_op *ordo_text_live_create(void) {
    struct ordo_live_op *live = ordo_alloc(sizeof *live);
    live->flat_max = FLAT_COMPONENTS_MAX;
    return live;
}

void ordo_text_live_destroy(struct ordo_live_op *live) {
    if (live == NULL) return;
    text_tree_finish(&live->tree);
    ordo_buffer_finish(&live->now.spans);
    ordo_buffer_finish(&live->now.text);
    ordo_buffer_finish(&live->next.spans);
    ordo_buffer_finish(&live->next.text);
    free(live);
}

void ordo_text_live_set_flat_max(struct ordo_live_op *live, size_t components_max) {
    live->flat_max = components_max;
}

/* --- flat ------------------------------------------------------------------------------------------------------- */

static struct text_op flat_op(const struct ordo_live_op *live) {
    return (struct text_op){.spans = text_reader_packed(ordo_buffer_slice(&live->now.spans)),
                            .text = ordo_buffer_slice(&live->now.text)};
}

static struct text_writer next_begin(struct ordo_live_op *live) {
    ordo_buffer_clear(&live->next.spans);
    return (struct text_writer){.out = &live->next.spans};
}

static void swap(struct ordo_buffer *a, struct ordo_buffer *b) {
    struct ordo_buffer swapped = *a;
    *a = *b;
    *b = swapped;
}

static void next_spans_become_now(struct ordo_live_op *live, struct text_writer *writer) {
    text_writer_finish(writer);
    swap(&live->now.spans, &live->next.spans);
    live->count = writer->count;
}

static void become_tree(struct ordo_live_op *live) {
    text_tree_load(&live->tree, flat_op(live));
    live->is_tree = true;
}

static void become_flat(struct ordo_live_op *live) {
    if (!live->is_tree) return;
    struct text_writer writer = next_begin(live);
    text_tree_put(&live->tree, &writer);
    next_spans_become_now(live, &writer);
    ordo_buffer_clear(&live->now.text);
    rope_write(&live->tree.text, &live->now.text);
    text_tree_finish(&live->tree);
    live->is_tree = false;
}

/* In a tree each component of another op costs a search. One that has many is walked through together with ours. */
static void prepare_for(struct ordo_live_op *live, const struct text_op *other) {
    size_t many = live->tree.count / MANY_OF_TREE;
    size_t components_max = (size_t)(other->spans.end - other->spans.next); /* a span takes a byte at least */
    if (live->is_tree && live->flat_max > 0 && components_max > FLAT_COMPONENTS_MAX && components_max > many)
        become_flat(live);
}

static void flat_compose(struct ordo_live_op *live, struct text_op next) {
    struct text_writer writer = next_begin(live);
    ordo_buffer_clear(&live->next.text);
    uint8_t *text = ordo_buffer_reserve(&live->next.text, live->now.text.size + next.text.size);
    live->next.text.size = text_compose_spans(flat_op(live), next, &writer, text);
    next_spans_become_now(live, &writer);
    swap(&live->now.text, &live->next.text);
}

static void flat_rebase(struct ordo_live_op *live, struct text_reader other, enum text_tie tie,
                        struct text_writer *other_out) {
    struct text_reader ours = flat_op(live).spans;
    if (other_out != NULL) text_transform_spans(other, ours, text_tie_flip(tie), other_out);
    struct text_writer writer = next_begin(live);
    text_transform_spans(ours, other, tie, &writer);
    next_spans_become_now(live, &writer);
}

/* --- either form ------------------------------------------------------------------------------------------------ */

void ordo_text_live_load(struct ordo_live_op *live, struct ordo_slice op, struct ordo_slice client) {
    ORDO_ASSERT(client.size <= sizeof live->client);
    live->client_size = client.size;
    if (client.size > 0) memcpy(live->client, client.data, client.size);
    if (live->is_tree) text_tree_finish(&live->tree);
    live->is_tree = false;
    struct text_op opened = text_op_trusted(op);
    struct text_writer writer = next_begin(live);
    for (uint64_t span = text_read(&opened.spans); span != 0; span = text_read(&opened.spans))
        text_put(&writer, span);
    next_spans_become_now(live, &writer);
    ordo_buffer_clear(&live->now.text);
    ordo_buffer_append_slice(&live->now.text, opened.text);
    if (live->count > live->flat_max) become_tree(live);
}

void ordo_text_live_compose(struct ordo_live_op *live, struct ordo_slice next) {
    struct text_op then = text_op_trusted(next);
    prepare_for(live, &then);
    if (live->is_tree) {
        text_tree_compose(&live->tree, then);
        return;
    }
    flat_compose(live, then);
    bool is_long = live->now.text.size > FLAT_TEXT_SIZE_MAX && live->flat_max != SIZE_MAX;
    if (live->count > live->flat_max || is_long) become_tree(live);
}

void ordo_text_live_rebase(struct ordo_live_op *live, struct ordo_slice other, struct ordo_slice other_client,
                           struct ordo_buffer *other_out) {
    struct text_op against = text_op_trusted(other);
    enum text_tie tie = text_tie_of(live_client(live), other_client, true);
    prepare_for(live, &against);
    size_t start = 0;
    struct text_writer out_writer, *out = NULL;
    if (other_out != NULL) {
        out_writer = text_message_begin(other_out, &start);
        out = &out_writer;
    }
    if (live->is_tree)
        text_tree_rebase(&live->tree, against.spans, tie, out);
    else
        flat_rebase(live, against.spans, tie, out);
    if (out != NULL) text_message_end(out, start, against.text);
    if (!live->is_tree && live->count > live->flat_max) become_tree(live);
}

void ordo_text_live_encode(const struct ordo_live_op *live, struct ordo_buffer *out) {
    if (!live->is_tree) {
        text_message_append(out, ordo_buffer_slice(&live->now.spans), ordo_buffer_slice(&live->now.text));
        return;
    }
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    text_tree_put(&live->tree, &writer);
    text_message_end(&writer, start, ordo_slice(NULL, 0));
    if (live->tree.text.size == 0) return;
    text_message_append_text_header(out, live->tree.text.size);
    rope_write(&live->tree.text, out);
}

bool ordo_text_live_is_empty(const struct ordo_live_op *live) {
    return live->is_tree ? live->tree.count == 0 : live->count == 0;
}

enum { SPAN_SIZE_MAX = 5 }; /* n < 2^31 and four bits, as a varint */

size_t ordo_text_live_size(const struct ordo_live_op *live) {
    if (live->is_tree) return text_message_size(live->tree.count * SPAN_SIZE_MAX, live->tree.text.size);
    return text_message_size(live->now.spans.size, live->now.text.size);
}

/* --- taking the front ------------------------------------------------------------------------------------------- */

/* Tags and lengths of spans and text. */
enum { MESSAGE_HEADER_SIZE_MAX = 16 };

/* How much of an insert of `n` code points goes into `room` bytes, which the spans behind it share up to `spans_max`. The
 * text of the inserts before it is `*text_size`, to which its own is added. */
static uint64_t take_insert(const struct text_op *op, uint64_t n, size_t room, size_t spans_max, size_t *text_size) {
    size_t spans_size = (size_t)(op->spans.end - op->spans.next);
    size_t reserve = spans_size < spans_max ? spans_size : spans_max;
    struct ordo_slice rest = ordo_slice(op->text.data + *text_size, op->text.size - *text_size);
    size_t size = ordo_utf8_offset(rest, n), size_max = room > reserve ? room - reserve : 0;
    if (size > size_max) {
        size = ordo_utf8_floor(rest, size_max);
        n = ordo_utf8_count(ordo_slice(rest.data, size));
    }
    *text_size += size;
    return n;
}

/* Once an insert is cut, the inserts behind it wait too, but not the deletes: where a large text replaces another, the
 * content on the way would else be both, and could pass the limit that neither does. */

void ordo_text_live_take(struct ordo_live_op *live, size_t size_max, struct ordo_buffer *out) {
    ORDO_ASSERT(size_max >= 64);
    become_flat(live);
    if (ordo_text_live_size(live) <= size_max) {
        ordo_text_live_encode(live, out);
        ordo_text_live_load(live, ordo_slice(NULL, 0), live_client(live));
        return;
    }
    struct text_op op = flat_op(live);
    size_t start, room = size_max - MESSAGE_HEADER_SIZE_MAX, text_size = 0;
    struct text_writer taken = text_message_begin(out, &start), rest = next_begin(live);
    bool is_cut = false;
    uint64_t span;
    while ((span = text_read(&op.spans)) != 0) {
        size_t used = out->size - start + 2 * SPAN_SIZE_MAX + text_size;
        if (used >= room) break;
        uint64_t n = text_span_n(span);
        if (text_span_is_insert(span)) {
            n = is_cut ? 0 : take_insert(&op, n, room - used, room / 2, &text_size);
            uint64_t left = n == 0 ? span : text_span_tail(span, n);
            if (n > 0) {
                text_put(&taken, text_span_head(span, n));
                text_put(&rest, text_span(TEXT_RETAIN, n));
                /* The rest of a cut insert is typed to the right of this client's latest insert: the part just taken. */
                if (left != 0) left |= TEXT_FOLLOWS;
            }
            if (left != 0) text_put(&rest, left);
            is_cut = is_cut || left != 0;
            continue;
        }
        text_put(&taken, span);
        if (text_span_kind(span) == TEXT_RETAIN) text_put(&rest, text_span(TEXT_RETAIN, n));
    }
    text_message_end(&taken, start, ordo_slice(op.text.data, text_size));
    for (; span != 0; span = text_read(&op.spans)) text_put(&rest, span);
    next_spans_become_now(live, &rest);
    struct ordo_buffer *text = &live->now.text;
    if (text_size > 0) memmove(text->data, text->data + text_size, text->size - text_size);
    text->size -= text_size;
    if (live->count > live->flat_max) become_tree(live);
}
