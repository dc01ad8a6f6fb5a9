#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"
#include "shard/core/block_builder.h"

/* What one op adds to the columns beside its bytes: four repeats, a time, a run. */
enum { OP_OVERHEAD_MAX = 4 * 2 * ORDO_PUT_VARINT_MAX + 2 + ORDO_PUT_VARINT_MAX + 1 + 5 * ORDO_PUT_VARINT_MAX };

_Static_assert((uint64_t)ORDO_BLOCK_OPS_MAX * OP_OVERHEAD_MAX + ORDO_BLOCK_SIZE_MAX < ORDO_BLOCK_MEMORY_MAX,
               "what we write, we read");

struct ordo_block_builder *ordo_block_builder_create(uint64_t first_seq, uint64_t seed) {
    ORDO_ASSERT(first_seq > 0);
    struct ordo_block_builder *builder = ordo_alloc(sizeof *builder);
    builder->first_seq = first_seq;
    builder->author_table.seed = seed;
    for (size_t i = 0; i < BLOCK_LANES; i++) builder->lanes[i].run = NO_RUN;
    return builder;
}

static void author_destroy(struct block_author *author) {
    free((void *)author->client_id.data);
    free((void *)author->user.data);
    free(author);
}

void ordo_block_builder_destroy(struct ordo_block_builder *builder) {
    if (builder == NULL) return;
    uint32_t cursor = 0;
    for (struct block_author *author; (author = ordo_table_next(&builder->author_table, &cursor)) != NULL;)
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

ordo_err ordo_block_builder_open(struct ordo_slice key, struct ordo_slice value, uint64_t seed,
                                 struct ordo_block_builder **out) {
    struct ordo_block *block;
    ordo_err err = ordo_block_open(key, value, &block);
    if (err) return err;
    const struct ordo_block_info *info = ordo_block_info(block);
    struct ordo_block_builder *builder = ordo_block_builder_create(info->first_seq, seed);
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

static void repeat_put(struct ordo_block_builder *builder, enum repeat_kind kind, uint64_t value) {
    struct block_repeat *repeat = &builder->repeats[kind];
    if (repeat->length > 0 && repeat->value != value) {
        block_repeat_flush(repeat, block_repeat_columns(builder->columns, kind));
        repeat->length = 0;
    }
    repeat->value = value;
    repeat->length++;
}

static bool author_is(const void *item, const void *key) {
    const struct block_author *author = item;
    const struct ordo_committed *op = key;
    return ordo_slice_equal(author->client_id, op->client_id) && ordo_slice_equal(author->user, op->user);
}

static struct ordo_slice slice_copy(struct ordo_slice slice) {
    return slice.size == 0 ? ordo_slice(NULL, 0) : ordo_slice(ordo_memdup(slice.data, slice.size), slice.size);
}

static struct block_author *find_author(struct ordo_block_builder *builder, const struct ordo_committed *op) {
    if (builder->author != NULL && author_is(builder->author, op)) return builder->author;
    uint64_t hash = ordo_hash_with(ordo_table_hash(&builder->author_table, op->client_id), op->user);
    struct block_author *author = ordo_table_find(&builder->author_table, hash, author_is, op);
    if (author != NULL) return author;
    author = ordo_alloc(sizeof *author);
    *author = (struct block_author){.client_id = slice_copy(op->client_id), .user = slice_copy(op->user),
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
static void put_author(struct ordo_block_builder *builder, struct block_author *author) {
    struct block_repeat *repeat = &builder->repeats[REPEAT_AUTHOR];
    if (author == builder->author) {
        repeat->length++;
        return;
    }
    block_repeat_flush(repeat, block_repeat_columns(builder->columns, REPEAT_AUTHOR));
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

static struct block_run *run_begin(struct ordo_block_builder *builder, struct block_lane *lane, const struct block_run *run) {
    if (builder->run_count == builder->run_capacity) {
        builder->run_capacity = builder->run_capacity ? 2 * builder->run_capacity : 64;
        builder->runs = ordo_realloc(builder->runs, builder->run_capacity * sizeof *builder->runs);
    }
    lane->run = builder->run_count;
    builder->runs[builder->run_count] = *run;
    return &builder->runs[builder->run_count++];
}

/* Whether the splice goes on where the run ended. The second op of a run may settle what the first left open: whether
 * later inserts have hints, and, of an erasing that began elsewhere, which way it goes. */
static bool run_goes_on(struct ordo_block_builder *builder, struct block_run *run, uint64_t cursor,
                        const struct block_splice *splice) {
    if (block_run_kind(run) == BLOCK_KIND_RAW) return false;
    if (run->inserted != splice->inserted || run->deleted != splice->deleted) return false;
    bool is_second = run->length == 1;
    if (is_second && block_run_kind(run) == BLOCK_KIND_BACK && (run->shape & BLOCK_JUMP) != 0 &&
        splice->position == cursor) {
        run->jump -= run->deleted; /* from the cursor itself */
        run->shape |= BLOCK_KIND_FORWARD;
        return true;
    }
    if (splice->position != block_expected(block_run_kind(run), cursor, splice->deleted)) return false;
    if (!block_kind_inserts(block_run_kind(run))) return true;
    if (!is_second) return block_shape_hints(run->shape, BLOCK_LATER_HINTS) == splice->hints;
    run->shape = (uint8_t)(run->shape & ~(BLOCK_HINTS_MASK << BLOCK_LATER_HINTS)) |
                 block_shape_of_hints(splice->hints, BLOCK_LATER_HINTS);
    builder->later_hints = splice->hints;
    return true;
}

static struct block_run run_of_splice(const struct ordo_block_builder *builder, uint64_t cursor,
                                const struct block_splice *splice) {
    enum block_kind kind = splice->inserted > 0 && splice->deleted > 0 ? BLOCK_KIND_REPLACE
                           : splice->inserted > 0                      ? BLOCK_KIND_INSERT
                           : splice->position == cursor                ? BLOCK_KIND_FORWARD
                                                                       : BLOCK_KIND_BACK;
    struct block_run run = {.inserted = splice->inserted, .deleted = splice->deleted, .shape = kind, .length = 1,
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
    struct block_piece *last = builder->piece_count > 0 ? &builder->pieces[builder->piece_count - 1] : NULL;
    if (last != NULL && last->run == run_index) {
        last->size += (uint32_t)text.size;
        return;
    }
    if (builder->piece_count == builder->piece_capacity) {
        builder->piece_capacity = builder->piece_capacity ? 2 * builder->piece_capacity : 64;
        builder->pieces = ordo_realloc(builder->pieces, builder->piece_capacity * sizeof *builder->pieces);
    }
    builder->pieces[builder->piece_count++] = (struct block_piece){.run = run_index, .size = (uint32_t)text.size};
}

static void put_splice(struct ordo_block_builder *builder, struct block_lane *lane, const struct block_splice *splice) {
    struct block_run *run = lane->run == NO_RUN ? NULL : &builder->runs[lane->run];
    if (run != NULL && run_goes_on(builder, run, lane->cursor, splice)) {
        run->length++;
    } else {
        struct block_run begun = run_of_splice(builder, lane->cursor, splice);
        run_begin(builder, lane, &begun);
    }
    put_text(builder, (uint32_t)lane->run, splice->text);
    for (size_t i = 0; i < BLOCK_LANES; i++)
        builder->lanes[i].cursor =
            block_cursor_over(builder->lanes[i].cursor, splice->position, splice->inserted, splice->deleted);
    lane->cursor = splice->position + splice->inserted;
}

static void put_raw(struct ordo_block_builder *builder, struct block_lane *lane, struct ordo_slice bytes) {
    struct block_run *run = lane->run == NO_RUN ? NULL : &builder->runs[lane->run];
    if (run != NULL && block_run_kind(run) == BLOCK_KIND_RAW) run->length++;
    else run_begin(builder, lane, &(struct block_run){.shape = BLOCK_KIND_RAW, .length = 1});
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
    struct block_author *author = find_author(builder, op);
    put_author(builder, author);
    repeat_put(builder, REPEAT_CLIENT_SEQ, block_zigzag(op->client_seq - author->client_seq - 1));
    author->client_seq = op->client_seq;
    repeat_put(builder, REPEAT_BASE, op->server_seq - 1 - op->base_seq);
    repeat_put(builder, REPEAT_FIELD, op->op_field);
    put_time(builder, op->timestamp_ms);

    struct block_lane *lane = &builder->lanes[author->number % BLOCK_LANES];
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
