/* shard/core/block_builder.h: the state of a builder, which block_build.c fills and block_encode.c turns into a value. For
 * nobody else. */
#ifndef ORDO_SHARD_CORE_BLOCK_BUILDER_H
#define ORDO_SHARD_CORE_BLOCK_BUILDER_H

#include "shard/core/block.h"
#include "shard/core/block_form.h"
#include "common/table.h"

enum { NO_RUN = -1 };

struct block_author {
    struct ordo_slice client_id, user;
    uint64_t client_seq;
    uint32_t number;
};

/* Values of which many in a row are the same. */
struct block_repeat {
    uint64_t value, length; /* the ones not yet written; length 0: none */
};
enum repeat_kind { REPEAT_AUTHOR, REPEAT_CLIENT_SEQ, REPEAT_BASE, REPEAT_FIELD, REPEATS };

struct block_run {
    uint64_t inserted, deleted; /* by each op, in code points */
    uint64_t jump;              /* from where it was expected */
    size_t text_size;
    uint32_t length;
    uint8_t shape;
};

/* Text in the order in which it came, and the run that it belongs to. */
struct block_piece {
    uint32_t run;
    uint32_t size;
};

struct block_lane {
    uint64_t cursor;
    int64_t run; /* that it is in; NO_RUN: none yet */
};

struct ordo_block_builder {
    uint64_t first_seq, count;
    uint64_t first_timestamp_ms, timestamp_ms;
    size_t size; /* bytes of ops and names taken in */
    struct ordo_buffer columns[BLOCK_COLUMNS]; /* those of runs and text are made when encoding */
    struct block_repeat repeats[REPEATS];
    struct ordo_table author_table;
    uint32_t author_count;
    struct block_author *author, *author_before; /* of the newest op, and of the newest by somebody else */
    struct block_lane lanes[BLOCK_LANES];
    uint64_t later_hints; /* of the newest run that shows it: what a run of one op says, for it must say something */
    struct block_run *runs;
    uint32_t run_count, run_capacity;
    struct block_piece *pieces;
    size_t piece_count, piece_capacity;
    struct ordo_buffer text; /* of the pieces */
};

/* Writes what is in a row. */
static inline void block_repeat_flush(const struct block_repeat *repeat, struct ordo_buffer columns[2]) {
    if (repeat->length == 0) return;
    ordo_buffer_append_varint(&columns[0], repeat->length);
    ordo_buffer_append_varint(&columns[1], repeat->value);
}

static inline struct ordo_buffer *block_repeat_columns(struct ordo_buffer *columns, enum repeat_kind kind) {
    return &columns[BLOCK_AUTHOR_LENGTHS + 2 * kind];
}

static inline enum block_kind block_run_kind(const struct block_run *run) { return block_shape_kind(run->shape); }

#endif
