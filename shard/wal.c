#include "shard/wal.h"

enum {
    BLOCK_SIZE = 32768,
    HEADER_SIZE = 7,
    BATCH_HEADER_SIZE = 12,
};

enum fragment_type { FRAGMENT_FULL = 1, FRAGMENT_FIRST, FRAGMENT_MIDDLE, FRAGMENT_LAST };

struct fragment {
    enum fragment_type type;
    struct ordo_slice bytes;
    size_t end; /* offset behind it */
};

static uint32_t load_u32_le(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* RocksDB stores a CRC rotated and shifted, because the CRC of bytes that hold their own CRC is not a good one. */
static uint32_t mask_crc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

/* Whether a whole fragment stands at `offset`. */
static bool read_fragment(struct ordo_slice file, size_t offset, struct fragment *out) {
    size_t block_left = BLOCK_SIZE - offset % BLOCK_SIZE;
    if (block_left < HEADER_SIZE || file.size - offset < HEADER_SIZE) return false;
    const uint8_t *header = file.data + offset;
    size_t size = (size_t)header[4] | (size_t)header[5] << 8;
    if (header[6] < FRAGMENT_FULL || header[6] > FRAGMENT_LAST) return false;
    if (size > block_left - HEADER_SIZE || size > file.size - offset - HEADER_SIZE) return false;
    struct ordo_slice bytes = ordo_slice(header + HEADER_SIZE, size);
    if (mask_crc(ordo_crc32c(ordo_slice(header + 6, 1), bytes)) != load_u32_le(header)) return false;
    *out = (struct fragment){.type = header[6], .bytes = bytes, .end = offset + HEADER_SIZE + size};
    return true;
}

/* A block's last bytes, too few for a header, are zeros that belong to nobody. */
static size_t skip_trailer(struct ordo_slice file, size_t offset) {
    size_t block_left = BLOCK_SIZE - offset % BLOCK_SIZE;
    if (block_left >= HEADER_SIZE) return offset;
    return block_left < file.size - offset ? offset + block_left : file.size;
}

/* Whether a fragment that reads is one of the log, and not bytes inside of a torn one that look so (what people type is
 * in there). Only the first fragment of a record can begin inside a block; it shows its sequence number, which nobody
 * outside knows. */
static bool is_of_the_log(const struct fragment *fragment, size_t offset, const struct ordo_wal_scan *scan) {
    if (fragment->type == FRAGMENT_MIDDLE || fragment->type == FRAGMENT_LAST) return offset % BLOCK_SIZE == 0;
    struct ordo_reader reader = ordo_reader(fragment->bytes);
    uint64_t sequence;
    if (!ordo_take_u64_le(&reader, &sequence)) return false;
    return sequence >= scan->next_sequence && sequence - scan->next_sequence < UINT64_C(1) << 40;
}

/* The first whole fragment at or behind `from`. Sizes cannot be trusted there, so every byte may begin one. */
static bool find_fragment(const struct ordo_wal_scan *scan, struct ordo_slice file, size_t from, size_t *offset_out) {
    struct fragment fragment;
    for (size_t offset = from; offset + HEADER_SIZE <= file.size; offset++) {
        if (!read_fragment(file, offset, &fragment) || !is_of_the_log(&fragment, offset, scan)) continue;
        *offset_out = offset;
        return true;
    }
    return false;
}

/* ---- write batches */

enum { TAG_DELETE = 0, TAG_PUT = 1, TAG_LOG_DATA = 3, TAG_CF_DELETE = 4, TAG_CF_PUT = 5, TAG_CF_RANGE_DELETE = 14 };

bool ordo_wal_take_entry(struct ordo_reader *entries, struct ordo_wal_entry *out) {
    uint8_t tag;
    *out = (struct ordo_wal_entry){0};
    if (!ordo_take_u8(entries, &tag)) return false;
    out->is_put = tag == TAG_PUT || tag == TAG_CF_PUT;
    switch (tag) {
    case TAG_LOG_DATA: return ordo_take_sized(entries, &out->value);
    case TAG_DELETE: return ordo_take_sized(entries, &out->key);
    case TAG_PUT: return ordo_take_sized(entries, &out->key) && ordo_take_sized(entries, &out->value);
    case TAG_CF_DELETE: return ordo_take_varint(entries, &out->family) && ordo_take_sized(entries, &out->key);
    case TAG_CF_PUT:
    case TAG_CF_RANGE_DELETE:
        return ordo_take_varint(entries, &out->family) && ordo_take_sized(entries, &out->key) &&
               ordo_take_sized(entries, &out->value);
    default: return false;
    }
}

static bool add_record(struct ordo_wal_scan *scan, struct ordo_slice record, struct ordo_slice watched_key) {
    struct ordo_reader reader = ordo_reader(record);
    uint64_t sequence;
    uint32_t count;
    if (!ordo_take_u64_le(&reader, &sequence) || !ordo_take_u32_le(&reader, &count)) return false;
    if (scan->record_count == 0) {
        scan->first_sequence = sequence;
    } else if (sequence != scan->next_sequence) {
        scan->is_out_of_step = true;
        return false;
    }
    scan->record_count++;
    scan->next_sequence = sequence + count;
    struct ordo_wal_entry entry;
    while (ordo_wal_take_entry(&reader, &entry)) {
        if (entry.value.size == 0 || !ordo_slice_equal(entry.key, watched_key)) continue;
        if (scan->watched_first.size == 0) ordo_buffer_append_slice(&scan->watched_first, entry.value);
        ordo_buffer_clear(&scan->watched);
        ordo_buffer_append_slice(&scan->watched, entry.value);
    }
    return true;
}

/* ---- the file */

/* Reads records from the front until one does not read; returns the offset where that was. */
static size_t read_records(struct ordo_wal_scan *scan, struct ordo_slice file, struct ordo_slice watched_key,
                           struct ordo_buffer *parts) {
    size_t offset = 0;
    bool is_inside = false; /* of a record of several fragments */
    while ((offset = skip_trailer(file, offset)) < file.size) {
        struct fragment fragment;
        if (!read_fragment(file, offset, &fragment)) return offset;
        bool begins = fragment.type == FRAGMENT_FULL || fragment.type == FRAGMENT_FIRST;
        bool ends = fragment.type == FRAGMENT_FULL || fragment.type == FRAGMENT_LAST;
        if (begins == is_inside) return offset;
        if (begins) ordo_buffer_clear(parts);
        is_inside = !ends;
        struct ordo_slice record = fragment.bytes;
        if (fragment.type != FRAGMENT_FULL) {
            ordo_buffer_append_slice(parts, fragment.bytes);
            record = ordo_buffer_slice(parts);
        }
        if (ends && !add_record(scan, record, watched_key)) return offset;
        offset = fragment.end;
        if (ends) scan->good_size = offset;
    }
    if (!is_inside) scan->good_size = file.size; /* with a trailer behind the last record */
    return file.size;
}

void ordo_wal_scan(struct ordo_wal_scan *scan, struct ordo_slice file, struct ordo_slice watched_key) {
    *scan = (struct ordo_wal_scan){.size = file.size};
    struct ordo_buffer parts = {0};
    size_t bad_offset = read_records(scan, file, watched_key, &parts);
    ordo_buffer_finish(&parts);
    scan->has_records_behind =
        scan->is_out_of_step || (bad_offset < file.size && find_fragment(scan, file, bad_offset, &scan->behind_offset));
}

void ordo_wal_scan_finish(struct ordo_wal_scan *scan) {
    ordo_buffer_finish(&scan->watched_first);
    ordo_buffer_finish(&scan->watched);
}

size_t ordo_wal_whole_size(struct ordo_slice file) {
    struct fragment fragment;
    size_t offset = 0;
    while (offset < file.size && read_fragment(file, skip_trailer(file, offset), &fragment)) offset = fragment.end;
    return offset;
}

bool ordo_wal_ends_torn(struct ordo_slice file) {
    size_t offset = skip_trailer(file, ordo_wal_whole_size(file));
    if (file.size - offset < HEADER_SIZE) return true;
    const uint8_t *header = file.data + offset;
    return ((size_t)header[4] | (size_t)header[5] << 8) > file.size - offset - HEADER_SIZE;
}

/* ---- writing */

static void append_fragment(struct ordo_buffer *file, enum fragment_type type, struct ordo_slice bytes) {
    uint8_t kind = (uint8_t)type;
    ordo_buffer_append_u32_le(file, mask_crc(ordo_crc32c(ordo_slice(&kind, 1), bytes)));
    ordo_buffer_append_u8(file, (uint8_t)bytes.size);
    ordo_buffer_append_u8(file, (uint8_t)(bytes.size >> 8));
    ordo_buffer_append_u8(file, kind);
    ordo_buffer_append_slice(file, bytes);
}

void ordo_wal_append(struct ordo_buffer *file, struct ordo_slice record) {
    bool begins = true, ends = false;
    while (!ends) {
        while (BLOCK_SIZE - file->size % BLOCK_SIZE < HEADER_SIZE) ordo_buffer_append_u8(file, 0);
        size_t room = BLOCK_SIZE - file->size % BLOCK_SIZE - HEADER_SIZE;
        ends = record.size <= room;
        struct ordo_slice piece = ordo_slice(record.data, ends ? record.size : room);
        append_fragment(file, begins && ends ? FRAGMENT_FULL : begins ? FRAGMENT_FIRST : ends ? FRAGMENT_LAST : FRAGMENT_MIDDLE,
                        piece);
        record = ordo_slice(record.data + piece.size, record.size - piece.size);
        begins = false;
    }
}

/* ---- what a damaged file still holds */

void ordo_wal_reader_finish(struct ordo_wal_reader *reader) { ordo_buffer_finish(&reader->parts); }

/* The next whole fragment; behind a bad place, that which begins a later block. */
static bool next_fragment(struct ordo_wal_reader *reader, struct fragment *fragment) {
    while ((reader->offset = skip_trailer(reader->file, reader->offset)) < reader->file.size) {
        if (read_fragment(reader->file, reader->offset, fragment)) {
            reader->offset = fragment->end;
            return true;
        }
        reader->met_damage = true;
        reader->is_inside = false;
        reader->offset += BLOCK_SIZE - reader->offset % BLOCK_SIZE;
        if (reader->offset > reader->file.size) reader->offset = reader->file.size;
    }
    return false;
}

bool ordo_wal_next_record(struct ordo_wal_reader *reader, struct ordo_reader *entries) {
    struct fragment fragment;
    while (next_fragment(reader, &fragment)) {
        bool begins = fragment.type == FRAGMENT_FULL || fragment.type == FRAGMENT_FIRST;
        if (begins) ordo_buffer_clear(&reader->parts);
        else if (!reader->is_inside) continue; /* the rest of one whose beginning did not read */
        ordo_buffer_append_slice(&reader->parts, fragment.bytes);
        reader->is_inside = fragment.type == FRAGMENT_FIRST || fragment.type == FRAGMENT_MIDDLE;
        if (reader->is_inside || reader->parts.size < BATCH_HEADER_SIZE) continue;
        *entries = ordo_reader(ordo_slice(reader->parts.data + BATCH_HEADER_SIZE, reader->parts.size - BATCH_HEADER_SIZE));
        return true;
    }
    return false;
}
