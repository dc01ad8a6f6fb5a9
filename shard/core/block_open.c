#include <stdlib.h>
#include <zstd.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "shard/core/block_reader.h"
#include "shard/core/value.h"

/* A large op, and around it its names and numbers. */
enum { ALONE_MEMORY_MAX = ORDO_BLOCK_OP_SIZE_MAX + 64 * 1024 };

static ordo_err open_head(struct ordo_slice key, struct ordo_slice value, struct ordo_block_info *info,
                          struct ordo_reader *body) {
    ordo_err err = ordo_value_open(key, value, ORDO_BLOCK_VERSION, body);
    if (err) return err;
    if (!ordo_take_varint(body, &info->first_seq) || !ordo_take_varint(body, &info->count) ||
        !ordo_take_varint(body, &info->first_timestamp_ms) ||
        !ordo_take_varint(body, &info->last_timestamp_ms))
        return ORDO_ERR_CORRUPT;
    bool is_sane = info->first_seq > 0 && info->count > 0 && info->count <= ORDO_BLOCK_OPS_MAX &&
                   info->first_seq + info->count > info->first_seq;
    return is_sane ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_block_look(struct ordo_slice key, struct ordo_slice value, struct ordo_block_info *out) {
    struct ordo_reader body;
    struct ordo_block_info info;
    ordo_err err = open_head(key, value, &info, &body);
    if (!err) *out = info;
    return err;
}

struct column {
    uint64_t size, stored_size;
};

/* The sizes, all checked before any memory is asked for. */
static bool take_columns(struct ordo_reader *body, uint64_t count, struct column columns[BLOCK_COLUMNS]) {
    uint64_t size = 0, stored_size = 0, size_max = count == 1 ? ALONE_MEMORY_MAX : ORDO_BLOCK_MEMORY_MAX;
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) {
        columns[i] = (struct column){0};
        if (!ordo_take_varint(body, &columns[i].size) || columns[i].size > size_max) return false;
        if (columns[i].size > 0 && !ordo_take_varint(body, &columns[i].stored_size)) return false;
        if (columns[i].stored_size > columns[i].size) return false;
        size += columns[i].size;
        stored_size += columns[i].stored_size;
    }
    return size <= size_max && stored_size == ordo_reader_left(body);
}

static bool unpack_columns(struct ordo_block *block, struct ordo_reader *body,
                           const struct column columns[BLOCK_COLUMNS], struct ordo_slice out[BLOCK_COLUMNS]) {
    size_t size = 0;
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) size += columns[i].size;
    uint8_t *to = ordo_buffer_reserve(&block->memory, size);
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ORDO_ASSERT(zstd != NULL);
    bool is_whole = true;
    for (size_t i = 0; i < BLOCK_COLUMNS && is_whole; i++) {
        const struct column *column = &columns[i];
        struct ordo_slice stored;
        out[i] = ordo_slice(to, column->size);
        is_whole = ordo_take_bytes(body, column->stored_size, &stored);
        if (!is_whole || column->size == 0) continue;
        if (column->stored_size == column->size) memcpy(to, stored.data, column->size);
        else is_whole = ZSTD_decompressDCtx(zstd, to, column->size, stored.data, stored.size) == column->size;
        to += column->size;
    }
    ZSTD_freeDCtx(zstd);
    return is_whole;
}

static bool read_authors(struct ordo_block *block, struct ordo_slice column) {
    struct ordo_reader reader = ordo_reader(column);
    size_t capacity = 0;
    while (ordo_reader_left(&reader) > 0) {
        if (block->author_count == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            block->authors = ordo_realloc(block->authors, capacity * sizeof *block->authors);
        }
        struct read_author *author = &block->authors[block->author_count++];
        if (!ordo_take_sized(&reader, &author->client_id) || !ordo_take_sized(&reader, &author->user) ||
            !ordo_take_varint(&reader, &author->client_seq))
            return false;
        if (author->client_id.size > ORDO_CLIENT_ID_SIZE_MAX || author->user.size > ORDO_USER_SIZE_MAX) return false;
    }
    block->lane_count = block->author_count < BLOCK_LANES ? block->author_count : BLOCK_LANES;
    return block->author_count > 0 && block->author_count <= block->info.count;
}

static struct read_repeat repeat_of(const struct ordo_slice columns[BLOCK_COLUMNS], enum block_column lengths) {
    return (struct read_repeat){.lengths = ordo_reader(columns[lengths]), .values = ordo_reader(columns[lengths + 1])};
}

static ordo_err open_columns(struct ordo_block *block, struct ordo_reader *body) {
    struct column columns[BLOCK_COLUMNS];
    struct ordo_slice bytes[BLOCK_COLUMNS];
    if (!take_columns(body, block->info.count, columns) || !unpack_columns(block, body, columns, bytes)) return ORDO_ERR_CORRUPT;
    if (!read_authors(block, bytes[BLOCK_AUTHORS])) return ORDO_ERR_CORRUPT;
    block->who = repeat_of(bytes, BLOCK_AUTHOR_LENGTHS);
    block->client_seqs = repeat_of(bytes, BLOCK_CLIENT_SEQ_LENGTHS);
    block->bases = repeat_of(bytes, BLOCK_BASE_LENGTHS);
    block->fields = repeat_of(bytes, BLOCK_FIELD_LENGTHS);
    block->times = ordo_reader(bytes[BLOCK_TIMES]);
    block->times_low = ordo_reader(bytes[BLOCK_TIMES_LOW]);
    block->times_high = ordo_reader(bytes[BLOCK_TIMES_HIGH]);
    block->run_shapes = ordo_reader(bytes[BLOCK_RUN_SHAPES]);
    block->run_lengths = ordo_reader(bytes[BLOCK_RUN_LENGTHS]);
    block->run_jumps = ordo_reader(bytes[BLOCK_RUN_JUMPS]);
    block->run_sizes = ordo_reader(bytes[BLOCK_RUN_SIZES]);
    block->raw_sizes = ordo_reader(bytes[BLOCK_RAW_SIZES]);
    block->raw = ordo_reader(bytes[BLOCK_RAW]);
    block->text = bytes[BLOCK_TEXT];
    return ordo_utf8_validate(block->text, &block->text_length) ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_block_open(struct ordo_slice key, struct ordo_slice value, struct ordo_block **out) {
    struct ordo_block_info info;
    struct ordo_reader body;
    ordo_err err = open_head(key, value, &info, &body);
    if (err) return err;
    struct ordo_block *block = ordo_alloc(sizeof *block);
    block->info = info;
    block->next_seq = info.first_seq;
    block->timestamp_ms = info.first_timestamp_ms;
    err = open_columns(block, &body);
    if (err) {
        ordo_block_close(block);
        return err;
    }
    *out = block;
    return ORDO_OK;
}

void ordo_block_close(struct ordo_block *block) {
    if (block == NULL) return;
    ordo_buffer_finish(&block->memory);
    ordo_buffer_finish(&block->op);
    free(block->authors);
    free(block);
}

const struct ordo_block_info *ordo_block_info(const struct ordo_block *block) { return &block->info; }
uint64_t ordo_block_next_seq(const struct ordo_block *block) { return block->next_seq; }
