/* shard/core/run.h: a run, the value under an `ops` key: all ops that one turn committed to one document.
 *
 *     version u8 | first server_seq varint | op count varint | length before the first op varint | records | checksum
 *     record = hash64 of what was submitted (8 bytes, little endian) | size varint | ordo.v1.Committed
 *
 * The length (in the type's units) lets an op made long ago be validated against its base without replaying all before. */
#ifndef ORDO_SHARD_CORE_RUN_H
#define ORDO_SHARD_CORE_RUN_H

#include "shard/core/committed.h"

#define ORDO_RUN_VERSION 1

struct ordo_run_op {
    uint64_t hash;
    struct ordo_slice committed; /* encoded */
    struct ordo_committed op;    /* decoded; borrows from the same bytes */
};

/* Appends one record. */
void ordo_run_append_op(struct ordo_buffer *records, uint64_t hash, struct ordo_slice committed);
/* Replaces what `out` holds by the whole value, sealed for `key`. */
void ordo_run_encode(struct ordo_buffer *out, struct ordo_slice key, uint64_t first_seq, uint64_t count,
                     uint64_t length_before, struct ordo_slice records);

struct ordo_run {
    uint64_t first_seq, count, length_before;
    uint64_t next_seq;
    struct ordo_reader records;
};
/* Borrows `value`. CORRUPT, VERSION. */
ORDO_MUST_USE ordo_err ordo_run_open(struct ordo_slice key, struct ordo_slice value, struct ordo_run *out);
/* The next op. NOT_FOUND: that was all. CORRUPT: not an op, or its server_seq is not the next. */
ORDO_MUST_USE ordo_err ordo_run_next(struct ordo_run *run, struct ordo_run_op *out);

#endif
