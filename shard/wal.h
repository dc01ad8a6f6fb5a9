/* shard/wal.h: reading RocksDB's log files ourselves, to tell a torn tail from damage; and adding to its MANIFEST, which is
 * a file of the same format.
 *
 * A process that dies, or a power cut, may leave the end of the last record missing: nothing of it was acked, it can be
 * cut off. Anything else that does not read is damage to what was acked. RocksDB cannot tell the two apart: by default
 * it stops at the first bad record, silently; at its strictest it refuses both. What tells them apart is whether whole
 * records stand behind the bad place, so this looks at every one of them.
 *
 * Format (RocksDB's "Write Ahead Log File Format"): blocks of 32 KiB; in them fragments of a 7-byte header (masked
 * CRC-32C, size, type: 1 full, 2 first, 3 middle, 4 last) and their bytes; the fragments of one record make one write
 * batch: first sequence number, count, and the puts and deletes. Pure. Units: bytes. */
#ifndef ORDO_SHARD_WAL_H
#define ORDO_SHARD_WAL_H

#include "common/buffer.h"

struct ordo_wal_scan {
    size_t size;            /* of the file */
    size_t good_size;       /* whole records end here; equal to `size` if nothing is wrong */
    bool has_records_behind; /* whole fragments stand behind the bad place: damage, not a torn tail */
    size_t behind_offset;   /* of the first of them */
    bool is_out_of_step;    /* a record that reads does not continue the sequence numbers: some before it are missing */
    size_t record_count;
    uint64_t first_sequence; /* of the first record; 0 without records */
    uint64_t next_sequence;  /* the next file's first record continues here */
    struct ordo_buffer watched_first, watched; /* the oldest and the newest value put under the watched key; empty: none */
};

/* `watched_key`: see `watched`. The caller finishes the scan. */
void ordo_wal_scan(struct ordo_wal_scan *scan, struct ordo_slice file, struct ordo_slice watched_key);
void ordo_wal_scan_finish(struct ordo_wal_scan *scan);

/* How far whole fragments stand without a break from the front. For any file in this format. */
size_t ordo_wal_whole_size(struct ordo_slice file);
/* Whether what stands behind that is the beginning of a fragment, as a crash leaves it, or nothing: by the size it names. */
bool ordo_wal_ends_torn(struct ordo_slice file);

/* For `ordo repair`: steps through the records that can still be read, in a damaged file too. Behind a bad place it
 * goes on at the next block and not inside of one: there, what people typed could pose as a record. */
struct ordo_wal_reader {
    struct ordo_slice file;
    size_t offset;
    bool is_inside; /* of a record of several fragments */
    bool met_damage;
    struct ordo_buffer parts;
};
/* Borrows `file`. Zero the rest, or use this. */
static inline struct ordo_wal_reader ordo_wal_reader(struct ordo_slice file) {
    return (struct ordo_wal_reader){.file = file};
}
void ordo_wal_reader_finish(struct ordo_wal_reader *reader);
/* The puts and deletes of the next record, for `ordo_wal_take_entry`; false: no more. Good until the next call. */
bool ordo_wal_next_record(struct ordo_wal_reader *reader, struct ordo_reader *entries);

struct ordo_wal_entry {
    uint64_t family; /* by RocksDB's number */
    bool is_put;
    struct ordo_slice key, value;
};
/* False: that was the last, or it is of a kind that we never write. */
bool ordo_wal_take_entry(struct ordo_reader *entries, struct ordo_wal_entry *out);

/* Appends a record to a file in this format, which holds whole records and nothing behind them. */
void ordo_wal_append(struct ordo_buffer *file, struct ordo_slice record);

/* CRC-32C (Castagnoli), as the log uses it: of `a` followed by `b`. */
uint32_t ordo_crc32c(struct ordo_slice a, struct ordo_slice b);

#endif
