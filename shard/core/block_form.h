/* shard/core/block_form.h: how a block is laid out; what its writer and its reader must agree on.
 *
 *     version u8 | first_seq varint | count varint | first, last timestamp varint |
 *     per column: size varint, and unless that is 0 the stored size varint | the columns | checksum
 *
 * A column whose stored size is its size is there as it is, else it is one zstd frame.
 *
 * Numbers of which many in a row are the same stand in two columns, lengths and values (a "repeat"). An op is of one
 * of a few kinds; ops of one author that each begin where the last one ended are one "run" of a kind, with its first
 * position as the distance to where that author's last edit ended. To expect places rightly while others type, each
 * author has a cursor that others' edits push along; authors share BLOCK_LANES of them (and the runs) by their
 * number, so that an op costs a bounded effort. A run goes on while ops of other lanes come between. */
#ifndef ORDO_SHARD_CORE_BLOCK_FORM_H
#define ORDO_SHARD_CORE_BLOCK_FORM_H

#include "common/limits.h"
#include "common/ot/text_span.h"
#include "shard/core/put.h"

enum block_column {
    BLOCK_AUTHORS,          /* client_id sized, user sized, client_seq before its first op varint */
    BLOCK_AUTHOR_LENGTHS,   /* repeat: ops in a row by one author */
    BLOCK_AUTHOR_VALUES,    /* who: 0 the one before this one, else 1 + number in the table */
    BLOCK_CLIENT_SEQ_LENGTHS,
    BLOCK_CLIENT_SEQ_VALUES, /* repeat: client_seq - (the author's last + 1), zigzag */
    BLOCK_BASE_LENGTHS,
    BLOCK_BASE_VALUES,      /* repeat: server_seq - 1 - base_seq */
    BLOCK_FIELD_LENGTHS,
    BLOCK_FIELD_VALUES,     /* repeat: op_field */
    BLOCK_TIMES,            /* u8 per op: ms since the op before; BLOCK_TIME_MORE: that and what the next two say */
    BLOCK_TIMES_LOW,        /* u8 */
    BLOCK_TIMES_HIGH,       /* varint, times 256 */
    BLOCK_RUN_SHAPES,       /* u8 per run */
    BLOCK_RUN_LENGTHS,      /* varint: ops in it */
    BLOCK_RUN_JUMPS,        /* varint, zigzag: if BLOCK_JUMP */
    BLOCK_RUN_SIZES,        /* varint: code points of each op, if not 1; of a replace: inserted, deleted */
    BLOCK_TEXT,             /* UTF-8, run after run */
    BLOCK_RAW_SIZES,        /* varint per op of kind BLOCK_RAW */
    BLOCK_RAW,              /* their bytes */
    BLOCK_COLUMNS,
};

enum { BLOCK_TIME_MORE = 255, BLOCK_LANES = 16 };

enum block_kind { BLOCK_KIND_RAW, BLOCK_KIND_INSERT, BLOCK_KIND_BACK, BLOCK_KIND_FORWARD, BLOCK_KIND_REPLACE };

/* A run's shape: its kind and these. A raw run needs no size, so what would be a sized one is a replace. */
enum {
    BLOCK_KIND_MASK = 3,
    BLOCK_SIZED = 4,           /* ops of other than one code point */
    BLOCK_JUMP = 8,            /* the first op stands elsewhere than expected */
    BLOCK_FIRST_HINTS = 4,     /* shift of two bits: the hints of the first insert, as in a span */
    BLOCK_LATER_HINTS = 6,     /* and of all later ones */
    BLOCK_HINTS_MASK = 3,
    BLOCK_SPAN_HINTS = 2,      /* where a span has them */
};

_Static_assert(BLOCK_HINTS_MASK << BLOCK_SPAN_HINTS == TEXT_BITS_MASK, "hints are two bits of a span");

static inline enum block_kind block_shape_kind(uint8_t shape) {
    if ((shape & (BLOCK_KIND_MASK | BLOCK_SIZED)) == BLOCK_KIND_REPLACE) return BLOCK_KIND_REPLACE;
    return shape & BLOCK_KIND_MASK;
}
static inline uint64_t block_shape_hints(uint8_t shape, unsigned shift) {
    return (uint64_t)(shape >> shift & BLOCK_HINTS_MASK) << BLOCK_SPAN_HINTS;
}
static inline uint8_t block_shape_of_hints(uint64_t hints, unsigned shift) {
    return (uint8_t)(hints >> BLOCK_SPAN_HINTS << shift);
}

static inline bool block_kind_inserts(enum block_kind kind) {
    return kind == BLOCK_KIND_INSERT || kind == BLOCK_KIND_REPLACE;
}

/* The op that at `position` inserts and deletes, in code points. All are at most ORDO_SPAN_LENGTH_MAX. */
struct block_splice {
    uint64_t position, inserted, deleted;
    uint64_t hints; /* of text_span.h */
    struct ordo_slice text;
};

/* The message around the text: two tags, two lengths and up to three spans. */
#define BLOCK_SPLICE_HEAD_MAX (2 + 3 * ORDO_PUT_VARINT_MAX + 1 + ORDO_PUT_VARINT_MAX)

/* Writes it as the client does (text_codec.h, "canonical"), all but the text. */
static inline uint8_t *block_put_splice_head(uint8_t *at, const struct block_splice *splice) {
    enum { TAG_SPANS = 1 << 3 | 2, TAG_TEXT = 2 << 3 | 2 };
    uint8_t *size = at + 1;
    *at = TAG_SPANS;
    at += 2;
    if (splice->position > 0) at = ordo_put_varint(at, text_span(TEXT_RETAIN, splice->position));
    if (splice->inserted > 0) at = ordo_put_varint(at, text_span(TEXT_INSERT, splice->inserted) | splice->hints);
    if (splice->deleted > 0) at = ordo_put_varint(at, text_span(TEXT_DELETE, splice->deleted));
    *size = (uint8_t)(at - size - 1);
    if (splice->text.size == 0) return at;
    *at++ = TAG_TEXT;
    return ordo_put_varint(at, splice->text.size);
}

/* Where the next op of this kind is expected. Wraps below 0: then the reader finds it too large. */
static inline uint64_t block_expected(enum block_kind kind, uint64_t cursor, uint64_t deleted) {
    return kind == BLOCK_KIND_BACK ? cursor - deleted : cursor;
}

/* Moves a cursor over another's edit. */
static inline uint64_t block_cursor_over(uint64_t cursor, uint64_t position, uint64_t inserted, uint64_t deleted) {
    if (cursor <= position) return cursor;
    uint64_t behind = cursor - position;
    return cursor - (deleted < behind ? deleted : behind) + inserted;
}

static inline uint64_t block_zigzag(uint64_t value) { return value << 1 ^ (0 - (value >> 63)); }
static inline uint64_t block_unzigzag(uint64_t value) { return value >> 1 ^ (0 - (value & 1)); }

#endif
