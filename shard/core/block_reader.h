/* shard/core/block_reader.h: the state of a block that is being read, which block_open.c makes and block.c steps through. For
 * nobody else. */
#ifndef ORDO_SHARD_CORE_BLOCK_READER_H
#define ORDO_SHARD_CORE_BLOCK_READER_H

#include "shard/core/block.h"
#include "shard/core/block_form.h"

struct read_author {
    struct ordo_slice client_id, user;
    uint64_t client_seq; /* of its newest op */
};

/* Reads values of which many in a row are the same. */
struct read_repeat {
    struct ordo_reader lengths, values;
    uint64_t value, left; /* how often the value is still to come */
};

struct read_lane {
    uint64_t cursor;
    uint64_t left; /* ops still to come in its run; what follows is about that run */
    enum block_kind kind;
    uint64_t inserted, deleted; /* by each op */
    uint64_t jump, hints;       /* of the next op */
    uint64_t later_hints;
    struct ordo_slice text;     /* still to come */
};

struct ordo_block {
    struct ordo_block_info info;
    uint64_t next_seq;
    bool is_broken;            /* there is no way on */
    struct ordo_buffer memory; /* all columns */
    struct read_author *authors;
    size_t author_count, lane_count;
    struct read_repeat who, client_seqs, bases, fields;
    struct read_author *author, *author_before;
    uint64_t timestamp_ms;
    struct ordo_reader times, times_low, times_high;
    struct read_lane lanes[BLOCK_LANES];
    struct ordo_reader run_shapes, run_lengths, run_jumps, run_sizes;
    struct ordo_slice text;    /* of the runs that did not begin yet */
    uint64_t text_length;      /* its code points */
    struct ordo_reader raw_sizes, raw;
    struct ordo_buffer op;     /* the one handed out, if it was put together */
};

#endif
