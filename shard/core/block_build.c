#include <stdlib.h>
#include <zstd.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"
#include "shard/core/block.h"
#include "shard/core/block_form.h"
#include "shard/core/table.h"
#include "shard/core/value.h"

enum {
    BLOCK_LEVEL = 17, /* of zstd: 19 takes twice the time for 0.1% less, 12 half of it for 2% to 5% more */
    NO_RUN = -1,
    /* What one op adds to the columns beside its bytes: four repeats, a time, a run. */
    OP_OVERHEAD_MAX = 4 * 2 * ORDO_PUT_VARINT_MAX + 2 + ORDO_PUT_VARINT_MAX + 1 + 5 * ORDO_PUT_VARINT_MAX,
};

_Static_assert((uint64_t)ORDO_BLOCK_OPS_MAX * OP_OVERHEAD_MAX + ORDO_BLOCK_SIZE_MAX + ORDO_BLOCK_OP_SIZE_MAX <
                   ORDO_BLOCK_MEMORY_MAX,
               "what we write, we read");

struct author {
    struct ordo_slice client_id, user;
    uint64_t client_seq;
    uint32_t number;
};

/* Values of which many in a row are the same. */
struct repeat {
    uint64_t value, length; /* the ones not yet written; length 0: none */
};
enum repeat_kind { REPEAT_AUTHOR, REPEAT_CLIENT_SEQ, REPEAT_BASE, REPEAT_FIELD, REPEATS };

struct run {
    uint64_t inserted, deleted; /* by each op, in code points */
    uint64_t jump;              /* from where it was expected */
    size_t text_size;
    uint32_t length;
    uint8_t shape;
};

/* Text in the order in which it came, and the run that it belongs to. */
struct piece {
    uint32_t run;
    uint32_t size;
};

struct lane {
    uint64_t cursor;
    int64_t run; /* that it is in; NO_RUN: none yet */
};

struct ordo_block_builder {
    uint64_t first_seq, count;
    uint64_t first_timestamp_ms, timestamp_ms;
    size_t size; /* bytes of ops and names taken in */
    struct ordo_buffer columns[BLOCK_COLUMNS]; /* those of runs and text are made when encoding */
    struct repeat repeats[REPEATS];
    struct ordo_table author_table;
    uint32_t author_count;
    struct author *author, *author_before; /* of the newest op, and of the newest by somebody else */
    struct lane lanes[BLOCK_LANES];
    uint64_t later_hints; /* of the newest run that shows it: what a run of one op says, for it must say something */
    struct run *runs;
    uint32_t run_count, run_capacity;
    struct piece *pieces;
    size_t piece_count, piece_capacity;
    struct ordo_buffer text; /* of the pieces */
};

struct ordo_block_builder *ordo_block_builder_create(uint64_t first_seq) {
    ORDO_ASSERT(first_seq > 0);
    struct ordo_block_builder *builder = ordo_alloc(sizeof *builder);
    builder->first_seq = first_seq;
    for (size_t i = 0; i < BLOCK_LANES; i++) builder->lanes[i].run = NO_RUN;
    return builder;
}

static void author_destroy(struct author *author) {
    free((void *)author->client_id.data);
    free((void *)author->user.data);
    free(author);
}

void ordo_block_builder_destroy(struct ordo_block_builder *builder) {
    if (builder == NULL) return;
    uint32_t cursor = 0;
    for (struct author *author; (author = ordo_table_next(&builder->author_table, &cursor)) != NULL;)
        author_destroy(author);
    ordo_table_finish(&builder->author_table);
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) ordo_buffer_finish(&builder->columns[i]);
    ordo_buffer_finish(&builder->text);
    free(builder->runs);
    free(builder->pieces);
    free(builder);
}

uint64_t ordo_block_builder_count(const struct ordo_block_builder *builder) { return builder->count; }
uint64_t ordo_block_builder_next_seq(const struct ordo_block_builder *builder) {
    return builder->first_seq + builder->count;
}

ordo_err ordo_block_builder_open(struct ordo_slice key, struct ordo_slice value, struct ordo_block_builder **out) {
    struct ordo_block *block;
    ordo_err err = ordo_block_open(key, value, &block);
    if (err) return err;
    const struct ordo_block_info *info = ordo_block_info(block);
    struct ordo_block_builder *builder = ordo_block_builder_create(info->first_seq);
    struct ordo_committed op;
    while ((err = ordo_block_next(block, &op)) == ORDO_OK) {
        if (ordo_block_builder_append(builder, &op)) break; /* more than we would have written */
    }
    ordo_block_close(block);
    if (err != ORDO_ERR_NOT_FOUND) {
        ordo_block_builder_destroy(builder);
        return ORDO_ERR_CORRUPT;
    }
    *out = builder;
    return ORDO_OK;
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static void repeat_flush(const struct repeat *repeat, struct ordo_buffer columns[2]) {
    if (repeat->length == 0) return;
    ordo_buffer_append_varint(&columns[0], repeat->length);
    ordo_buffer_append_varint(&columns[1], repeat->value);
}

static struct ordo_buffer *repeat_columns(struct ordo_buffer *columns, enum repeat_kind kind) {
    return &columns[BLOCK_AUTHOR_LENGTHS + 2 * kind];
}

static void repeat_put(struct ordo_block_builder *builder, enum repeat_kind kind, uint64_t value) {
    struct repeat *repeat = &builder->repeats[kind];
    if (repeat->length > 0 && repeat->value != value) {
        repeat_flush(repeat, repeat_columns(builder->columns, kind));
        repeat->length = 0;
    }
    repeat->value = value;
    repeat->length++;
}

static bool author_is(const void *item, const void *key) {
    const struct author *author = item;
    const struct ordo_committed *op = key;
    return ordo_slice_equal(author->client_id, op->client_id) && ordo_slice_equal(author->user, op->user);
}

static struct ordo_slice slice_copy(struct ordo_slice slice) {
    return slice.size == 0 ? ordo_slice(NULL, 0) : ordo_slice(ordo_memdup(slice.data, slice.size), slice.size);
}

static struct author *find_author(struct ordo_block_builder *builder, const struct ordo_committed *op) {
    if (builder->author != NULL && author_is(builder->author, op)) return builder->author;
    uint64_t hash = ordo_hash_with(ordo_hash(op->client_id), op->user);
    struct author *author = ordo_table_find(&builder->author_table, hash, author_is, op);
    if (author != NULL) return author;
    author = ordo_alloc(sizeof *author);
    *author = (struct author){.client_id = slice_copy(op->client_id), .user = slice_copy(op->user),
                              .client_seq = op->client_seq - 1, .number = builder->author_count++};
    ordo_table_insert(&builder->author_table, hash, author);
    struct ordo_buffer *column = &builder->columns[BLOCK_AUTHORS];
    ordo_buffer_append_sized(column, op->client_id);
    ordo_buffer_append_sized(column, op->user);
    ordo_buffer_append_varint(column, author->client_seq);
    builder->size += op->client_id.size + op->user.size;
    return author;
}

/* A row of ops by one author is one value, given when it begins. */
static void put_author(struct ordo_block_builder *builder, struct author *author) {
    struct repeat *repeat = &builder->repeats[REPEAT_AUTHOR];
    if (author == builder->author) {
        repeat->length++;
        return;
    }
    repeat_flush(repeat, repeat_columns(builder->columns, REPEAT_AUTHOR));
    repeat->value = author == builder->author_before ? 0 : 1 + (uint64_t)author->number;
    repeat->length = 1;
    builder->author_before = builder->author;
    builder->author = author;
}

static void put_time(struct ordo_block_builder *builder, uint64_t timestamp_ms) {
    uint64_t since = timestamp_ms - builder->timestamp_ms; /* wraps if the clock went back, and back in the reader */
    builder->timestamp_ms = timestamp_ms;
    ordo_buffer_append_u8(&builder->columns[BLOCK_TIMES], since < BLOCK_TIME_MORE ? (uint8_t)since : BLOCK_TIME_MORE);
    if (since < BLOCK_TIME_MORE) return;
    ordo_buffer_append_u8(&builder->columns[BLOCK_TIMES_LOW], (uint8_t)(since - BLOCK_TIME_MORE));
    ordo_buffer_append_varint(&builder->columns[BLOCK_TIMES_HIGH], (since - BLOCK_TIME_MORE) >> 8);
}

/* --- edits ------------------------------------------------------------------------------------------------------ */

/* Whether the op is, byte for byte, what block_put_splice_head makes of `splice`. */
static bool op_is_splice(struct ordo_slice bytes, struct block_splice *splice) {
    struct text_op op;
    if (bytes.size == 0 || !text_op_open(bytes, &op)) return false;
    *splice = (struct block_splice){.text = op.text};
    uint64_t span = text_read(&op.spans);
    if (span != 0 && text_span_kind(span) == TEXT_RETAIN) {
        splice->position = text_span_n(span);
        span = text_read(&op.spans);
    }
    if (text_span_is_insert(span)) {
        splice->inserted = text_span_n(span);
        splice->hints = span & TEXT_BITS_MASK;
        span = text_read(&op.spans);
    }
    if (text_span_kind(span) == TEXT_DELETE) splice->deleted = text_span_n(span);
    if (splice->inserted == 0 && splice->deleted == 0) return false;
    if (splice->position > ORDO_SPAN_LENGTH_MAX || splice->inserted > ORDO_SPAN_LENGTH_MAX ||
        splice->deleted > ORDO_SPAN_LENGTH_MAX)
        return false;
    uint64_t text_length;
    if (!ordo_utf8_validate(splice->text, &text_length) || text_length != splice->inserted) return false;
    uint8_t head[BLOCK_SPLICE_HEAD_MAX];
    size_t head_size = (size_t)(block_put_splice_head(head, splice) - head);
    return bytes.size == head_size + splice->text.size && memcmp(bytes.data, head, head_size) == 0 &&
           (splice->text.size == 0 || memcmp(bytes.data + head_size, splice->text.data, splice->text.size) == 0);
}

static struct run *run_begin(struct ordo_block_builder *builder, struct lane *lane, const struct run *run) {
    if (builder->run_count == builder->run_capacity) {
        builder->run_capacity = builder->run_capacity ? 2 * builder->run_capacity : 64;
        builder->runs = ordo_realloc(builder->runs, builder->run_capacity * sizeof *builder->runs);
    }
    lane->run = builder->run_count;
    builder->runs[builder->run_count] = *run;
    return &builder->runs[builder->run_count++];
}

static enum block_kind run_kind(const struct run *run) { return block_shape_kind(run->shape); }

/* Whether the splice goes on where the run ended. The second op of a run may settle what the first left open: whether
 * later inserts have hints, and, of an erasing that began elsewhere, which way it goes. */
static bool run_goes_on(struct ordo_block_builder *builder, struct run *run, uint64_t cursor,
                        const struct block_splice *splice) {
    if (run_kind(run) == BLOCK_KIND_RAW) return false;
    if (run->inserted != splice->inserted || run->deleted != splice->deleted) return false;
    bool is_second = run->length == 1;
    if (is_second && run_kind(run) == BLOCK_KIND_BACK && (run->shape & BLOCK_JUMP) != 0 &&
        splice->position == cursor) {
        run->jump -= run->deleted; /* from the cursor itself */
        run->shape |= BLOCK_KIND_FORWARD;
        return true;
    }
    if (splice->position != block_expected(run_kind(run), cursor, splice->deleted)) return false;
    if (!block_kind_inserts(run_kind(run))) return true;
    if (!is_second) return block_shape_hints(run->shape, BLOCK_LATER_HINTS) == splice->hints;
    run->shape = (uint8_t)(run->shape & ~(BLOCK_HINTS_MASK << BLOCK_LATER_HINTS)) |
                 block_shape_of_hints(splice->hints, BLOCK_LATER_HINTS);
    builder->later_hints = splice->hints;
    return true;
}

static struct run run_of_splice(const struct ordo_block_builder *builder, uint64_t cursor,
                                const struct block_splice *splice) {
    enum block_kind kind = splice->inserted > 0 && splice->deleted > 0 ? BLOCK_KIND_REPLACE
                           : splice->inserted > 0                      ? BLOCK_KIND_INSERT
                           : splice->position == cursor                ? BLOCK_KIND_FORWARD
                                                                       : BLOCK_KIND_BACK;
    struct run run = {.inserted = splice->inserted, .deleted = splice->deleted, .shape = kind, .length = 1,
                      .jump = splice->position - block_expected(kind, cursor, splice->deleted)};
    if (run.jump != 0) run.shape |= BLOCK_JUMP;
    if (kind != BLOCK_KIND_REPLACE && splice->inserted + splice->deleted != 1) run.shape |= BLOCK_SIZED;
    if (!block_kind_inserts(kind)) return run;
    run.shape |= block_shape_of_hints(splice->hints, BLOCK_FIRST_HINTS) |
                 block_shape_of_hints(builder->later_hints, BLOCK_LATER_HINTS);
    return run;
}

static void put_text(struct ordo_block_builder *builder, uint32_t run_index, struct ordo_slice text) {
    if (text.size == 0) return;
    ordo_buffer_append_slice(&builder->text, text);
    builder->runs[run_index].text_size += text.size;
    struct piece *last = builder->piece_count > 0 ? &builder->pieces[builder->piece_count - 1] : NULL;
    if (last != NULL && last->run == run_index) {
        last->size += (uint32_t)text.size;
        return;
    }
    if (builder->piece_count == builder->piece_capacity) {
        builder->piece_capacity = builder->piece_capacity ? 2 * builder->piece_capacity : 64;
        builder->pieces = ordo_realloc(builder->pieces, builder->piece_capacity * sizeof *builder->pieces);
    }
    builder->pieces[builder->piece_count++] = (struct piece){.run = run_index, .size = (uint32_t)text.size};
}

static void put_splice(struct ordo_block_builder *builder, struct lane *lane, const struct block_splice *splice) {
    struct run *run = lane->run == NO_RUN ? NULL : &builder->runs[lane->run];
    if (run != NULL && run_goes_on(builder, run, lane->cursor, splice)) {
        run->length++;
    } else {
        struct run begun = run_of_splice(builder, lane->cursor, splice);
        run_begin(builder, lane, &begun);
    }
    put_text(builder, (uint32_t)lane->run, splice->text);
    for (size_t i = 0; i < BLOCK_LANES; i++)
        builder->lanes[i].cursor =
            block_cursor_over(builder->lanes[i].cursor, splice->position, splice->inserted, splice->deleted);
    lane->cursor = splice->position + splice->inserted;
}

static void put_raw(struct ordo_block_builder *builder, struct lane *lane, struct ordo_slice bytes) {
    struct run *run = lane->run == NO_RUN ? NULL : &builder->runs[lane->run];
    if (run != NULL && run_kind(run) == BLOCK_KIND_RAW) run->length++;
    else run_begin(builder, lane, &(struct run){.shape = BLOCK_KIND_RAW, .length = 1});
    ordo_buffer_append_varint(&builder->columns[BLOCK_RAW_SIZES], bytes.size);
    ordo_buffer_append_slice(&builder->columns[BLOCK_RAW], bytes);
}

ordo_err ordo_block_builder_append(struct ordo_block_builder *builder, const struct ordo_committed *op) {
    if (op->server_seq != ordo_block_builder_next_seq(builder) || op->op_field == 0 ||
        op->client_id.size > ORDO_CLIENT_ID_SIZE_MAX || op->user.size > ORDO_USER_SIZE_MAX)
        return ORDO_ERR_INVALID;
    if (op->op.size > ORDO_BLOCK_OP_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
    size_t size = op->op.size + op->client_id.size + op->user.size;
    bool is_full = builder->count == ORDO_BLOCK_OPS_MAX || builder->size + size > ORDO_BLOCK_SIZE_MAX;
    if (builder->count > 0 && is_full) return ORDO_ERR_FULL;

    if (builder->count == 0) builder->first_timestamp_ms = builder->timestamp_ms = op->timestamp_ms;
    struct author *author = find_author(builder, op);
    put_author(builder, author);
    repeat_put(builder, REPEAT_CLIENT_SEQ, block_zigzag(op->client_seq - author->client_seq - 1));
    author->client_seq = op->client_seq;
    repeat_put(builder, REPEAT_BASE, op->server_seq - 1 - op->base_seq);
    repeat_put(builder, REPEAT_FIELD, op->op_field);
    put_time(builder, op->timestamp_ms);

    struct lane *lane = &builder->lanes[author->number % BLOCK_LANES];
    struct block_splice splice;
    if (op->op_field == ordo_type_text.committed_field && op_is_splice(op->op, &splice)) {
        put_splice(builder, lane, &splice);
        builder->size += splice.text.size; /* the rest of it weighs little or nothing: the count bounds that */
    } else {
        put_raw(builder, lane, op->op);
        builder->size += op->op.size;
    }
    builder->count++;
    return ORDO_OK;
}

/* --- the value -------------------------------------------------------------------------------------------------- */

static void encode_run(const struct run *run, struct ordo_buffer columns[BLOCK_COLUMNS]) {
    ordo_buffer_append_u8(&columns[BLOCK_RUN_SHAPES], run->shape);
    ordo_buffer_append_varint(&columns[BLOCK_RUN_LENGTHS], run->length);
    if (run->shape & BLOCK_JUMP) ordo_buffer_append_varint(&columns[BLOCK_RUN_JUMPS], block_zigzag(run->jump));
    bool is_replace = run_kind(run) == BLOCK_KIND_REPLACE;
    if (is_replace) ordo_buffer_append_varint(&columns[BLOCK_RUN_SIZES], run->inserted);
    if (is_replace) ordo_buffer_append_varint(&columns[BLOCK_RUN_SIZES], run->deleted);
    if (!is_replace && (run->shape & BLOCK_SIZED) != 0)
        ordo_buffer_append_varint(&columns[BLOCK_RUN_SIZES], run->inserted + run->deleted);
}

/* Puts the text of each run together, in the order in which runs began. */
static void encode_text(const struct ordo_block_builder *builder, struct ordo_buffer *out) {
    size_t *offsets = ordo_alloc_array(builder->run_count, sizeof *offsets), size = 0;
    for (uint32_t i = 0; i < builder->run_count; i++) {
        offsets[i] = size;
        size += builder->runs[i].text_size;
    }
    ORDO_ASSERT(size == builder->text.size);
    uint8_t *to = ordo_buffer_reserve(out, size);
    const uint8_t *from = builder->text.data;
    for (size_t i = 0; i < builder->piece_count; i++) {
        const struct piece *piece = &builder->pieces[i];
        memcpy(to + offsets[piece->run], from, piece->size);
        offsets[piece->run] += piece->size;
        from += piece->size;
    }
    out->size += size;
    free(offsets);
}

/* Appends the column's sizes to `out` and its bytes, compressed if that makes them fewer, to `stored`. */
static void store_column(ZSTD_CCtx *zstd, const struct ordo_buffer *column, struct ordo_buffer *out,
                         struct ordo_buffer *stored) {
    ordo_buffer_append_varint(out, column->size);
    if (column->size == 0) return;
    size_t bound = ZSTD_compressBound(column->size);
    uint8_t *to = ordo_buffer_reserve(stored, bound);
    size_t size = ZSTD_compress2(zstd, to, bound, column->data, column->size);
    ORDO_ASSERT(!ZSTD_isError(size)); /* there is room for it, so it had no memory: as in memory.h */
    if (size >= column->size) memcpy(to, column->data, size = column->size);
    stored->size += size;
    ordo_buffer_append_varint(out, size);
}

void ordo_block_builder_encode(const struct ordo_block_builder *builder, struct ordo_slice key,
                               struct ordo_buffer *out) {
    ORDO_ASSERT(builder->count > 0);
    ordo_value_begin(out, ORDO_BLOCK_VERSION);
    ordo_buffer_append_varint(out, builder->first_seq);
    ordo_buffer_append_varint(out, builder->count);
    ordo_buffer_append_varint(out, builder->first_timestamp_ms);
    ordo_buffer_append_varint(out, builder->timestamp_ms);

    struct ordo_buffer columns[BLOCK_COLUMNS] = {0}, stored = {0};
    for (size_t i = 0; i < BLOCK_COLUMNS; i++)
        ordo_buffer_append_slice(&columns[i], ordo_buffer_slice(&builder->columns[i]));
    for (enum repeat_kind kind = 0; kind < REPEATS; kind++)
        repeat_flush(&builder->repeats[kind], repeat_columns(columns, kind));
    for (uint32_t i = 0; i < builder->run_count; i++) encode_run(&builder->runs[i], columns);
    encode_text(builder, &columns[BLOCK_TEXT]);

    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ORDO_ASSERT(zstd != NULL);
    ORDO_ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, BLOCK_LEVEL)));
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) {
        store_column(zstd, &columns[i], out, &stored);
        ordo_buffer_finish(&columns[i]);
    }
    ZSTD_freeCCtx(zstd);
    ordo_buffer_append_slice(out, ordo_buffer_slice(&stored));
    ordo_buffer_finish(&stored);
    ordo_value_seal(out, key);
}
