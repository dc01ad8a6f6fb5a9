/* tests/unit/wal_writer.h: writes log files as RocksDB does, for tests of what reads them. */
#ifndef ORDO_TESTS_WAL_WRITER_H
#define ORDO_TESTS_WAL_WRITER_H

#include "shard/wal.h"

enum { WAL_BLOCK_SIZE = 32768, WAL_HEADER_SIZE = 7 };

/* Appends one record in as many fragments as it needs. */
static inline void wal_append_record(struct ordo_buffer *file, struct ordo_slice record) {
    bool is_first = true;
    do {
        size_t left = WAL_BLOCK_SIZE - file->size % WAL_BLOCK_SIZE;
        if (left < WAL_HEADER_SIZE) {
            static const uint8_t zeros[WAL_HEADER_SIZE];
            ordo_buffer_append(file, zeros, left);
            left = WAL_BLOCK_SIZE;
        }
        size_t size = record.size < left - WAL_HEADER_SIZE ? record.size : left - WAL_HEADER_SIZE;
        bool is_last = size == record.size;
        uint8_t type = is_first ? (is_last ? 1 : 2) : (is_last ? 4 : 3);
        uint32_t crc = ordo_crc32c(ordo_slice(&type, 1), ordo_slice(record.data, size));
        ordo_buffer_append_u32_le(file, ((crc >> 15) | (crc << 17)) + 0xa282ead8u);
        ordo_buffer_append_u8(file, (uint8_t)size);
        ordo_buffer_append_u8(file, (uint8_t)(size >> 8));
        ordo_buffer_append_u8(file, type);
        ordo_buffer_append(file, record.data, size);
        record = ordo_slice(record.data + size, record.size - size);
        is_first = false;
    } while (record.size > 0);
}

/* Appends a batch of one put of `value` under `key` in column family 1. */
static inline void wal_append_put(struct ordo_buffer *file, uint64_t sequence, const char *key,
                                  struct ordo_slice value) {
    struct ordo_buffer batch = {0};
    ordo_buffer_append_u64_le(&batch, sequence);
    ordo_buffer_append_u32_le(&batch, 1);
    ordo_buffer_append_u8(&batch, 5);
    ordo_buffer_append_varint(&batch, 1);
    ordo_buffer_append_sized(&batch, ordo_slice_of(key));
    ordo_buffer_append_sized(&batch, value);
    wal_append_record(file, ordo_buffer_slice(&batch));
    ordo_buffer_finish(&batch);
}

#endif
