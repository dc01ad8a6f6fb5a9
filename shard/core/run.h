/* shard/core/run.h: a run, the value under an `ops` key: all ops that one turn committed to one document.
 *
 *     version u8 | first server_seq varint | op count varint | length before the first op varint | records | checksum
 *     record = hash64 of what was submitted (8 bytes, little endian) | flags u8 | size varint | ordo.v1.Committed
 *
 * The length (in the type's units) lets an op made long ago be validated against its base without replaying all
 * before. */
#ifndef ORDO_SHARD_CORE_RUN_H
#define ORDO_SHARD_CORE_RUN_H

#include "shard/core/committed.h"

#define ORDO_RUN_VERSION 1

/* The op came with the dedupe policy EXACT_SINCE_BASE: its op_id need not be the only one of its kind. */
#define ORDO_RUN_EXACT 1u

struct ordo_run_op {
    uint64_t hash;
    uint8_t flags;
    struct ordo_slice committed; /* encoded */
    struct ordo_committed op;    /* decoded; borrows from the same bytes */
};

/* Appends one record. */
void ordo_run_append_op(struct ordo_buffer *records, uint64_t hash, uint8_t flags, struct ordo_slice committed);
/* Takes it apart again. False: not a record. */
bool ordo_run_take_op(struct ordo_reader *reader, struct ordo_run_op *out);
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
