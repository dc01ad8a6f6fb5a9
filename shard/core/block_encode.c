#include <stdlib.h>
#include <zstd.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/block_builder.h"
#include "shard/core/value.h"

enum {
    BLOCK_LEVEL = 17, /* of zstd: 19 takes twice the time for 0.1% less, 12 half of it for 2% to 5% more */
    LARGE_SIZE = 4 * 1024 * 1024, /* from here on it is one huge op: a helper thread must not be gone for minutes */
    LARGE_LEVEL = 3,
};

static void encode_run(const struct block_run *run, struct ordo_buffer columns[BLOCK_COLUMNS]) {
    ordo_buffer_append_u8(&columns[BLOCK_RUN_SHAPES], run->shape);
    ordo_buffer_append_varint(&columns[BLOCK_RUN_LENGTHS], run->length);
    if (run->shape & BLOCK_JUMP) ordo_buffer_append_varint(&columns[BLOCK_RUN_JUMPS], block_zigzag(run->jump));
    bool is_replace = block_run_kind(run) == BLOCK_KIND_REPLACE;
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
        const struct block_piece *piece = &builder->pieces[i];
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
    int level = column->size < LARGE_SIZE ? BLOCK_LEVEL : LARGE_LEVEL;
    ORDO_ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level)));
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
        block_repeat_flush(&builder->repeats[kind], block_repeat_columns(columns, kind));
    for (uint32_t i = 0; i < builder->run_count; i++) encode_run(&builder->runs[i], columns);
    encode_text(builder, &columns[BLOCK_TEXT]);

    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ORDO_ASSERT(zstd != NULL);
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) {
        store_column(zstd, &columns[i], out, &stored);
        ordo_buffer_finish(&columns[i]);
    }
    ZSTD_freeCCtx(zstd);
    ordo_buffer_append_slice(out, ordo_buffer_slice(&stored));
    ordo_buffer_finish(&stored);
    ordo_value_seal(out, key);
}
