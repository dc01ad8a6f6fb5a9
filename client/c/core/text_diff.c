#include "client/c/core/text_diff.h"

#include <stdlib.h>

#include "client/c/core/text_anchors.h"
#include "common/memory.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

enum {
    EDITS_MAX = 1000,             /* the trace takes 4 * EDITS_MAX² bytes */
    GAP_SIZE_MAX = 1 << 20,       /* bytes between two anchors in either text: 4 MiB once decoded */
    ANCHORED_SIZE_MIN = 2048,     /* shorter texts are compared as a whole */
    STEPS_MAX = 32 * 1000 * 1000, /* comparisons in all: some 30 ms */
};

/* --- the op under construction ---------------------------------------------------------------------------------- */

/* Deletes and inserts between two retains are collected, so that one place gets one insert and one delete. */
struct script {
    struct text_writer writer;
    struct ordo_buffer text; /* of all inserts */
    uint64_t inserted, deleted;
    int64_t steps_left;
    bool is_exact;
};

static void script_flush(struct script *script) {
    if (script->inserted > 0) text_put(&script->writer, text_span(TEXT_INSERT, script->inserted));
    if (script->deleted > 0) text_put(&script->writer, text_span(TEXT_DELETE, script->deleted));
    script->inserted = script->deleted = 0;
}

static void script_retain(struct script *script, uint64_t count) {
    if (count == 0) return;
    script_flush(script);
    text_put(&script->writer, text_span(TEXT_RETAIN, count));
}

static void script_replace(struct script *script, struct ordo_slice from, struct ordo_slice to) {
    script->deleted += ordo_utf8_count(from);
    script->inserted += ordo_utf8_count(to);
    ordo_buffer_append_slice(&script->text, to);
}

/* --- common ends ------------------------------------------------------------------------------------------------ */

static bool is_continuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

static size_t common_prefix(struct ordo_slice a, struct ordo_slice b) {
    size_t max = a.size < b.size ? a.size : b.size, size = 0;
    while (size < max && a.data[size] == b.data[size]) size++;
    return ordo_utf8_floor(a, size);
}

static size_t common_suffix(struct ordo_slice a, struct ordo_slice b) {
    size_t max = a.size < b.size ? a.size : b.size, size = 0;
    while (size < max && a.data[a.size - 1 - size] == b.data[b.size - 1 - size]) size++;
    while (size > 0 && is_continuation(a.data[a.size - size])) size--;
    return size;
}

static struct ordo_slice without(struct ordo_slice s, size_t prefix, size_t suffix) {
    return s.size == 0 ? s : ordo_slice(s.data + prefix, s.size - prefix - suffix);
}

/* --- the middle ------------------------------------------------------------------------------------------------- */

/* A text as one number per code point, for comparing. */
struct points {
    uint32_t *values;
    size_t count;
    struct ordo_slice text;
};

static struct points decode(struct ordo_slice text) {
    struct points points = {.text = text, .count = (size_t)ordo_utf8_count(text)};
    points.values = ordo_alloc_array(points.count + 1, sizeof *points.values);
    size_t at = 0;
    for (size_t i = 0; i < text.size; i++) {
        /* The bytes of a code point, packed: as good as its value for telling two apart. */
        if (is_continuation(text.data[i])) points.values[at - 1] = points.values[at - 1] << 8 | text.data[i];
        else points.values[at++] = text.data[i];
    }
    return points;
}

/* The furthest point of every diagonal after each number of edits: row `d` has 2d + 1 entries and starts at d². */
struct trace {
    int32_t *rows;
    int edits, edits_max;
};

static int32_t *trace_row(const struct trace *trace, int d) { return trace->rows + (size_t)d * (size_t)d + d; }

/* The x that `d` edits reach on diagonal `k` before the snake, from the row of d - 1. */
static int32_t step_from(const int32_t *previous, int d, int k) {
    bool is_down = k == -d || (k != d && previous[k - 1] < previous[k + 1]);
    return is_down ? previous[k + 1] : previous[k - 1] + 1;
}

/* False: too far apart, or too much work. */
static bool trace_find(struct trace *trace, const struct points *a, const struct points *b, int64_t *steps_left) {
    int32_t n = (int32_t)a->count, m = (int32_t)b->count;
    for (int d = 0; d <= trace->edits_max; d++) {
        int32_t *row = trace_row(trace, d);
        const int32_t *previous = d > 0 ? trace_row(trace, d - 1) : NULL;
        for (int k = -d; k <= d; k += 2) {
            int32_t x = previous ? step_from(previous, d, k) : 0, y = x - k;
            /* Off the board: no path goes there, but the rows stay full. */
            while (x < n && y < m && x >= 0 && y >= 0 && a->values[x] == b->values[y]) x++, y++, --*steps_left;
            row[k] = x;
            if (--*steps_left < 0) return false;
            if (x >= n && y >= m) {
                trace->edits = d;
                return true;
            }
        }
    }
    return false;
}

enum edit { EDIT_DELETE, EDIT_INSERT };

/* Walks the path back and writes it forwards: `edits[i]` happens after `snakes[i]` kept code points; the last snake
 * follows the last edit. */
static void trace_walk(const struct trace *trace, const struct points *a, const struct points *b,
                       uint8_t edits[EDITS_MAX], int32_t snakes[EDITS_MAX + 1]) {
    int32_t x = (int32_t)a->count, y = (int32_t)b->count;
    for (int d = trace->edits; d > 0; d--) {
        const int32_t *previous = trace_row(trace, d - 1);
        int k = x - y;
        bool is_down = k == -d || (k != d && previous[k - 1] < previous[k + 1]);
        int32_t start = step_from(previous, d, k);
        snakes[d] = x - start;
        edits[d - 1] = is_down ? EDIT_INSERT : EDIT_DELETE;
        x = is_down ? previous[k + 1] : previous[k - 1];
        y = x - (is_down ? k + 1 : k - 1);
    }
    snakes[0] = x;
}

static void script_follow(struct script *script, const struct trace *trace, const struct points *a,
                          const struct points *b) {
    uint8_t edits[EDITS_MAX];
    int32_t snakes[EDITS_MAX + 1];
    trace_walk(trace, a, b, edits, snakes);
    struct ordo_slice to = b->text;
    for (int i = 0; i <= trace->edits; i++) {
        uint64_t kept = (uint64_t)snakes[i];
        script_retain(script, kept);
        size_t size = ordo_utf8_offset(to, kept);
        to = ordo_slice(to.data + size, to.size - size);
        if (i == trace->edits) break;
        if (edits[i] == EDIT_DELETE) {
            script->deleted++;
            continue;
        }
        size = ordo_utf8_offset(to, 1);
        script_replace(script, ordo_slice(NULL, 0), ordo_slice(to.data, size));
        to = ordo_slice(to.data + size, to.size - size);
    }
}

static bool script_compare(struct script *script, struct ordo_slice from, struct ordo_slice to) {
    if (from.size == 0 || to.size == 0) return false;
    if (from.size > GAP_SIZE_MAX || to.size > GAP_SIZE_MAX || script->steps_left < 0) return false;
    struct points a = decode(from), b = decode(to);
    /* Deleting all of one and inserting all of the other is always a way. */
    size_t edits_max = a.count + b.count < EDITS_MAX ? a.count + b.count : EDITS_MAX;
    struct trace trace = {.edits_max = (int)edits_max};
    trace.rows = ordo_alloc_array((edits_max + 1) * (edits_max + 1), sizeof *trace.rows);
    bool is_found = trace_find(&trace, &a, &b, &script->steps_left);
    if (is_found) script_follow(script, &trace, &a, &b);
    free(trace.rows);
    free(a.values);
    free(b.values);
    return is_found;
}

/* What lies between two anchors. */
static void script_gap(struct script *script, struct ordo_slice from, struct ordo_slice to) {
    if (script_compare(script, from, to)) return;
    if (from.size > 0 && to.size > 0) script->is_exact = false;
    script_replace(script, from, to);
}

static void script_middle(struct script *script, struct ordo_slice from, struct ordo_slice to) {
    if (from.size < ANCHORED_SIZE_MIN || to.size < ANCHORED_SIZE_MIN) {
        script_gap(script, from, to);
        return;
    }
    size_t count, from_at = 0, to_at = 0;
    struct text_anchor *anchors = text_anchors_find(from, to, &count);
    for (size_t i = 0; i < count; i++) {
        const struct text_anchor *anchor = &anchors[i];
        script_gap(script, ordo_slice(from.data + from_at, anchor->from - from_at),
                   ordo_slice(to.data + to_at, anchor->to - to_at));
        script_retain(script, ordo_utf8_count(ordo_slice(from.data + anchor->from, anchor->size)));
        from_at = anchor->from + anchor->size;
        to_at = anchor->to + anchor->size;
    }
    script_gap(script, ordo_slice(from.data + from_at, from.size - from_at),
               ordo_slice(to.data + to_at, to.size - to_at));
    free(anchors);
}

bool ordo_client_text_diff(struct ordo_slice from, struct ordo_slice to, struct ordo_buffer *out) {
    size_t prefix = common_prefix(from, to);
    size_t suffix = common_suffix(without(from, prefix, 0), without(to, prefix, 0));
    size_t start;
    struct script script = {
        .writer = text_message_begin(out, &start), .steps_left = STEPS_MAX, .is_exact = true};
    script_retain(&script, ordo_utf8_count(ordo_slice(from.data, prefix)));
    script_middle(&script, without(from, prefix, suffix), without(to, prefix, suffix));
    script_flush(&script);
    text_message_end(&script.writer, start, ordo_buffer_slice(&script.text));
    ordo_buffer_finish(&script.text);
    return script.is_exact;
}
