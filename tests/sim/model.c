#include "tests/sim/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "common/utf8.h"

uint32_t model_utf8_take(const uint8_t **next) {
    const uint8_t *p = *next;
    if (p[0] < 0x80) return *next += 1, p[0];
    if (p[0] < 0xe0) return *next += 2, (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    if (p[0] < 0xf0) return *next += 3, (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    return *next += 4, (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                           (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

void model_utf8_append(struct ordo_buffer *out, uint32_t point) {
    if (point < 0x80) {
        ordo_buffer_append_u8(out, (uint8_t)point);
    } else if (point < 0x800) {
        ordo_buffer_append_u8(out, (uint8_t)(0xc0 | point >> 6));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else if (point < 0x10000) {
        ordo_buffer_append_u8(out, (uint8_t)(0xe0 | point >> 12));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    } else {
        ordo_buffer_append_u8(out, (uint8_t)(0xf0 | point >> 18));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
        ordo_buffer_append_u8(out, (uint8_t)(0x80 | (point & 0x3f)));
    }
}

static void op_append(struct model_op *op, struct model_part part, struct ordo_arena *arena) {
    if (part.n == 0) return;
    struct model_part *last = op->count > 0 ? &op->parts[op->count - 1] : NULL;
    if (last != NULL && last->kind == part.kind) {
        if (part.kind == MODEL_INSERT) {
            uint32_t *text = ordo_arena_alloc(arena, (last->n + part.n) * sizeof *text);
            memcpy(text, last->text, last->n * sizeof *text);
            memcpy(text + last->n, part.text, part.n * sizeof *text);
            last->text = text;
            last->precedes = part.precedes;
        }
        last->n += part.n;
        return;
    }
    if (op->count == op->capacity) {
        size_t capacity = op->capacity ? op->capacity * 2 : 8;
        struct model_part *parts = ordo_arena_alloc(arena, capacity * sizeof *parts);
        if (op->count > 0) memcpy(parts, op->parts, op->count * sizeof *parts);
        op->parts = parts;
        op->capacity = capacity;
    }
    op->parts[op->count++] = part;
}

static void op_trim(struct model_op *op) {
    if (op->count > 0 && op->parts[op->count - 1].kind == MODEL_RETAIN) op->count--;
}

/* Unknown fields are ignored; a field of ours in another wire type is none of ours. */
static bool skip_unknown(struct ordo_reader *reader, uint64_t tag) {
    struct ordo_slice bytes;
    uint64_t value;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
    switch (tag & 7) {
    case 0: return ordo_take_varint(reader, &value);
    case 1: return ordo_take_bytes(reader, 8, &bytes);
    case 2: return tag >> 3 > 2 && ordo_take_sized(reader, &bytes);
    case 5: return ordo_take_bytes(reader, 4, &bytes);
    default: return false;
    }
}

bool model_op_decode(struct ordo_slice bytes, struct model_op *out, struct ordo_arena *arena) {
    struct ordo_slice spans = {0}, text = {0};
    struct ordo_reader reader = ordo_reader(bytes);
    while (ordo_reader_left(&reader) > 0) {
        uint64_t tag;
        struct ordo_slice *field;
        if (!ordo_take_varint(&reader, &tag)) return false;
        if (tag == (1 << 3 | 2)) field = &spans;
        else if (tag == (2 << 3 | 2)) field = &text;
        else if (skip_unknown(&reader, tag)) continue;
        else return false;
        if (field->size > 0 || !ordo_take_sized(&reader, field)) return false;
    }
    uint64_t points;
    if (!ordo_utf8_validate(text, &points)) return false;
    *out = (struct model_op){0};
    reader = ordo_reader(spans);
    const uint8_t *next = text.data;
    while (ordo_reader_left(&reader) > 0) {
        uint64_t span;
        if (!ordo_take_varint(&reader, &span)) return false;
        struct model_part part = {.kind = (enum model_kind)(span & 3), .n = span >> 4};
        bool has_bits = (span & 12) != 0;
        if ((span & 3) == 3 || part.n == 0 || (has_bits && part.kind != MODEL_INSERT)) return false;
        if (part.kind == MODEL_INSERT) {
            part.follows = (span & 4) != 0;
            part.precedes = (span & 8) != 0;
            if (part.n > points) return false;
            points -= part.n;
            uint32_t *copy = ordo_arena_alloc(arena, part.n * sizeof *copy);
            for (uint64_t i = 0; i < part.n; i++) copy[i] = model_utf8_take(&next);
            part.text = copy;
        }
        size_t before = out->count;
        op_append(out, part, arena);
        if (out->count == before) return false; /* adjacent equal kinds */
    }
    return points == 0 && (out->count == 0 || out->parts[out->count - 1].kind != MODEL_RETAIN);
}

bool model_op_equal(const struct model_op *a, const struct model_op *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct model_part *x = &a->parts[i], *y = &b->parts[i];
        if (x->kind != y->kind || x->n != y->n) return false;
        if (x->kind != MODEL_INSERT) continue;
        if (x->follows != y->follows || x->precedes != y->precedes) return false;
        if (memcmp(x->text, y->text, x->n * sizeof *x->text) != 0) return false;
    }
    return true;
}

uint64_t model_op_reach(const struct model_op *op) {
    uint64_t reach = 0;
    for (size_t i = 0; i < op->count; i++) {
        if (op->parts[i].kind != MODEL_INSERT) reach += op->parts[i].n;
    }
    return reach;
}

/* DESIGN's tie rule: does X stand left of Y? */
static bool goes_first(const struct model_part *x, struct ordo_slice x_client, const struct model_part *y,
                       struct ordo_slice y_client) {
    if (x->follows != y->follows) return x->follows;
    if (x->precedes != y->precedes) return y->precedes;
    return ordo_slice_compare(x_client, y_client) < 0;
}

/* Takes up to `n` base code points from the front of `op`; an insert in front is taken whole. */
struct cursor {
    const struct model_op *op;
    size_t at;
    uint64_t used; /* of the part at `at` */
};

static bool cursor_at_insert(const struct cursor *cursor) {
    return cursor->at < cursor->op->count && cursor->op->parts[cursor->at].kind == MODEL_INSERT;
}

static struct model_part cursor_take(struct cursor *cursor, uint64_t n) {
    if (cursor->at == cursor->op->count) return (struct model_part){.kind = MODEL_RETAIN, .n = n};
    struct model_part part = cursor->op->parts[cursor->at];
    if (part.kind == MODEL_INSERT) return cursor->at++, part;
    uint64_t left = part.n - cursor->used;
    if (left > n) {
        cursor->used += n;
        part.n = n;
        return part;
    }
    cursor->at++;
    cursor->used = 0;
    part.n = left;
    return part;
}

void model_op_transform(const struct model_op *op, struct ordo_slice client, const struct model_op *other,
                        struct ordo_slice other_client, struct model_op *out, struct ordo_arena *arena) {
    *out = (struct model_op){0};
    struct cursor cursor = {.op = op};
    for (size_t i = 0; i < other->count; i++) {
        const struct model_part *theirs = &other->parts[i];
        if (theirs->kind == MODEL_INSERT) {
            if (cursor_at_insert(&cursor) && goes_first(&op->parts[cursor.at], client, theirs, other_client)) {
                op_append(out, cursor_take(&cursor, 0), arena);
            }
            op_append(out, (struct model_part){.kind = MODEL_RETAIN, .n = theirs->n}, arena);
            continue;
        }
        for (uint64_t left = theirs->n; left > 0;) {
            struct model_part mine = cursor_take(&cursor, left);
            if (mine.kind != MODEL_INSERT) left -= mine.n;
            if (mine.kind == MODEL_INSERT || theirs->kind == MODEL_RETAIN) op_append(out, mine, arena);
        }
    }
    while (cursor.at < op->count) op_append(out, cursor_take(&cursor, UINT64_MAX), arena);
    op_trim(out);
}

const char *model_op_print(const struct model_op *op, struct ordo_arena *arena) {
    struct ordo_buffer text = {0};
    char number[64];
    for (size_t i = 0; i < op->count; i++) {
        const struct model_part *part = &op->parts[i];
        snprintf(number, sizeof number, "%s%c%llu", i ? " " : "", "rid"[part->kind], (unsigned long long)part->n);
        ordo_buffer_append(&text, number, strlen(number));
        if (part->kind != MODEL_INSERT) continue;
        ordo_buffer_append(&text, part->follows ? "f\"" : "\"", part->follows ? 2 : 1);
        for (uint64_t k = 0; k < part->n && k < 40; k++) model_utf8_append(&text, part->text[k]);
        ordo_buffer_append(&text, part->precedes ? "\"p" : "\"", part->precedes ? 2 : 1);
    }
    ordo_buffer_append_u8(&text, 0);
    struct ordo_slice copy = ordo_arena_copy(arena, ordo_buffer_slice(&text));
    ordo_buffer_finish(&text);
    return (const char *)copy.data;
}

void model_text_finish(struct model_text *text) {
    free(text->points);
    *text = (struct model_text){0};
}

static void text_reserve(struct model_text *text, size_t count) {
    if (count <= text->capacity) return;
    text->capacity = count * 2;
    text->points = ordo_realloc(text->points, text->capacity * sizeof *text->points);
}

bool model_text_apply(struct model_text *text, const struct model_op *op) {
    if (model_op_reach(op) > text->count) return false;
    size_t at = 0;
    for (size_t i = 0; i < op->count; i++) {
        const struct model_part *part = &op->parts[i];
        if (part->kind == MODEL_INSERT) {
            text_reserve(text, text->count + part->n);
            memmove(text->points + at + part->n, text->points + at, (text->count - at) * sizeof *text->points);
            memcpy(text->points + at, part->text, part->n * sizeof *text->points);
            text->count += part->n;
            at += part->n;
        } else if (part->kind == MODEL_DELETE) {
            memmove(text->points + at, text->points + at + part->n,
                    (text->count - at - part->n) * sizeof *text->points);
            text->count -= part->n;
        } else {
            at += part->n;
        }
    }
    return true;
}

void model_text_set_utf8(struct model_text *text, struct ordo_slice utf8) {
    text->count = 0;
    text_reserve(text, utf8.size + 1);
    const uint8_t *next = utf8.data, *end = utf8.size ? utf8.data + utf8.size : utf8.data;
    while (next < end) text->points[text->count++] = model_utf8_take(&next);
}

bool model_text_equals_utf8(const struct model_text *text, struct ordo_slice utf8) {
    const uint8_t *next = utf8.data, *end = utf8.size ? utf8.data + utf8.size : utf8.data;
    for (size_t i = 0; i < text->count; i++) {
        if (next >= end || model_utf8_take(&next) != text->points[i]) return false;
    }
    return next == end;
}

void model_text_copy(struct model_text *to, const struct model_text *from) {
    text_reserve(to, from->count + 1);
    if (from->count > 0) memcpy(to->points, from->points, from->count * sizeof *to->points);
    to->count = from->count;
}
