/* shard/core/key.h: the keys of the store (docs/storage.md).
 *
 * A document's key is slot (2 bytes, big endian), collection, NUL, id, NUL; everything of a document has it as
 * prefix, so a slot and a document are each one contiguous range in every column family:
 *   docs       document
 *   ops        document, first server_seq (8 bytes, big endian)
 *   snapshots  document, seq (8, big endian), piece (4, big endian); piece ORDO_PIECE_VALID makes the snapshot valid
 *   clients    document, client_id */
#ifndef ORDO_SHARD_CORE_KEY_H
#define ORDO_SHARD_CORE_KEY_H

#include "common/buffer.h"
#include "common/limits.h"

#define ORDO_PIECE_VALID UINT32_MAX /* the last key of a snapshot, so it is what a search backwards finds first */
#define ORDO_KEY_DOC_SIZE_MAX (2 + 2 * (ORDO_NAME_SIZE_MAX + 1))

/* 1–128 bytes without NUL: what may stand in a key. */
bool ordo_key_name_is_valid(struct ordo_slice name);

/* All of these replace what `out` holds. */
void ordo_key_doc(struct ordo_buffer *out, struct ordo_slice collection, struct ordo_slice id);
/* The exclusive end of the range of keys that begin with `doc_key`. */
void ordo_key_doc_end(struct ordo_buffer *out, struct ordo_slice doc_key);
void ordo_key_ops(struct ordo_buffer *out, struct ordo_slice doc_key, uint64_t seq);
void ordo_key_snapshot(struct ordo_buffer *out, struct ordo_slice doc_key, uint64_t seq, uint32_t piece);
void ordo_key_client(struct ordo_buffer *out, struct ordo_slice doc_key, struct ordo_slice client_id);

struct ordo_key {
    uint16_t slot;
    struct ordo_slice collection, id;
    struct ordo_slice doc_key; /* the prefix that these three make */
    struct ordo_slice rest;    /* what stands behind it */
};
/* Borrows from `key`. False: not a key of ours, or the slot is not that of the names. */
bool ordo_key_parse(struct ordo_slice key, struct ordo_key *out);
/* Whether the bounds of a range, the lower one included, let in nothing but keys of one document. */
bool ordo_key_range_is_of_document(struct ordo_slice lower, struct ordo_slice upper);
/* The document key at the front of a key; all of a key that is none of ours. Borrows. */
struct ordo_slice ordo_key_document(struct ordo_slice key);
bool ordo_key_parse_seq(struct ordo_slice rest, uint64_t *seq);
bool ordo_key_parse_piece(struct ordo_slice rest, uint64_t *seq, uint32_t *piece);

/* The exclusive range of all keys of a slot: from its own two bytes to those of the next. */
void ordo_key_slot_range(struct ordo_buffer *lower, struct ordo_buffer *upper, uint16_t slot);

/* Keys in `meta`. */
void ordo_key_slot(struct ordo_buffer *out, uint16_t slot); /* rows.h, slot row */
extern const struct ordo_slice ordo_key_slots;              /* the prefix of all of these */
bool ordo_key_parse_slot(struct ordo_slice key, uint16_t *slot);
extern const struct ordo_slice ordo_key_turn;
extern const struct ordo_slice ordo_key_format; /* rows.h, format row */
extern const struct ordo_slice ordo_key_quarantine; /* rows.h, quarantine row */

#endif
