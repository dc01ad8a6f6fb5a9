/* Whatever a block's bytes say, reading it stays within them, in each way of reading, and ends. What a builder takes
 * from it comes out of the block that the builder makes, op for op. The first byte chooses; checksums are put right,
 * so that the bytes behind them are looked at. */
#include <stdlib.h>

#include "shard/core/block.h"
#include "shard/core/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ordo_slice key = {(const uint8_t *)"key", 3};

static void check(bool holds) {
    if (!holds) abort();
}

static struct ordo_block *opened(const struct ordo_buffer *value) {
    struct ordo_block *block;
    return ordo_block_open(key, ordo_buffer_slice(value), &block) ? NULL : block;
}

/* Reads all from the op `skip` on. */
static void read_all(const struct ordo_buffer *value, bool is_merged, uint64_t skip) {
    struct ordo_block *block = opened(value);
    if (block == NULL) return;
    const struct ordo_block_info *info = ordo_block_info(block);
    struct ordo_committed op;
    struct ordo_buffer encoded = {0};
    uint64_t count = 0;
    ordo_err err = ordo_block_seek(block, info->first_seq + skip % info->count);
    while (!err) {
        uint64_t seq = ordo_block_next_seq(block);
        err = is_merged ? ordo_block_next_merged(block, seq + skip, &op) : ordo_block_next(block, &op);
        if (err) break;
        check(op.server_seq >= seq && op.server_seq <= seq + (is_merged ? skip : 0));
        ordo_buffer_clear(&encoded); /* touches every byte */
        ordo_committed_encode(&op, &encoded);
        count++;
    }
    check(count <= info->count && (err == ORDO_ERR_NOT_FOUND || err == ORDO_ERR_CORRUPT));
    ordo_buffer_finish(&encoded);
    ordo_block_close(block);
}

static void expect_same(const struct ordo_buffer *value, const struct ordo_buffer *again) {
    struct ordo_block *a = opened(value), *b = opened(again);
    check(a != NULL && b != NULL);
    struct ordo_committed op;
    struct ordo_buffer was = {0}, is = {0};
    ordo_err err;
    while ((err = ordo_block_next(a, &op)) == ORDO_OK) {
        ordo_buffer_clear(&was);
        ordo_buffer_clear(&is);
        ordo_committed_encode(&op, &was);
        check(ordo_block_next(b, &op) == ORDO_OK);
        ordo_committed_encode(&op, &is);
        check(ordo_slice_equal(ordo_buffer_slice(&was), ordo_buffer_slice(&is)));
    }
    check(err == ORDO_ERR_NOT_FOUND && ordo_block_next(b, &op) == ORDO_ERR_NOT_FOUND);
    ordo_buffer_finish(&was);
    ordo_buffer_finish(&is);
    ordo_block_close(a);
    ordo_block_close(b);
}

static void repack(const struct ordo_buffer *value) {
    struct ordo_block_builder *builder;
    struct ordo_buffer again = {0};
    if (ordo_block_builder_open(key, ordo_buffer_slice(value), 0, &builder)) return;
    ordo_block_builder_encode(builder, key, &again);
    ordo_block_builder_destroy(builder);
    expect_same(value, &again);
    ordo_buffer_finish(&again);
}

/* Ops out of the bytes, each of a few: numbers from the first ones, the rest is the op. */
static void pack(struct ordo_slice bytes) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct ordo_block_builder *builder = ordo_block_builder_create(1, 0);
    struct ordo_buffer value = {0};
    struct ordo_slice name, op;
    uint8_t mode, back, since;
    uint64_t seq = 1;
    while (ordo_take_u8(&reader, &mode) && ordo_take_u8(&reader, &back) && ordo_take_u8(&reader, &since) &&
           ordo_take_bytes(&reader, mode & 3, &name) && ordo_take_bytes(&reader, mode >> 2 & 15, &op)) {
        struct ordo_committed committed = {.server_seq = seq, .client_seq = seq + (mode >> 6), .base_seq = seq - back,
                                           .timestamp_ms = seq * 100 + since, .client_id = name,
                                           .op_field = mode >> 6 == 3 ? 20 : 6, .op = op};
        check(ordo_block_builder_append(builder, &committed) == ORDO_OK);
        seq++;
    }
    if (seq > 1) {
        ordo_block_builder_encode(builder, key, &value);
        struct ordo_block *block = opened(&value);
        check(block != NULL && ordo_block_seek(block, seq) == ORDO_OK);
        ordo_block_close(block);
        repack(&value);
        read_all(&value, true, bytes.size);
    }
    ordo_block_builder_destroy(builder);
    ordo_buffer_finish(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct ordo_slice bytes = ordo_slice(data + 1, size - 1);
    struct ordo_buffer value = {0};
    ordo_value_begin(&value, ORDO_BLOCK_VERSION);
    ordo_buffer_append_slice(&value, bytes);
    ordo_value_seal(&value, key);
    switch (data[0] % 4) {
    case 0: read_all(&value, false, data[0] / 4); break;
    case 1: read_all(&value, true, data[0] / 4); break;
    case 2: repack(&value); break;
    case 3: pack(bytes); break;
    }
    ordo_buffer_finish(&value);
    return 0;
}
