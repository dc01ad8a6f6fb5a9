/* shard/core/rows.h: the small values of the store: document rows, client rows, snapshots, the turn row.
 *
 * Rows of `docs` and `clients` are as of the newest valid snapshot or later; what stands behind the snapshot in the
 * log overrides them. Encoders replace what `out` holds; decoders borrow. CORRUPT and VERSION as in value.h. */
#ifndef ORDO_SHARD_CORE_ROWS_H
#define ORDO_SHARD_CORE_ROWS_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/placement.h"

/* A document that was restored or repaired may have another lineage than its log says: that of a create at or below `seq`
 * counts as `lineage`. What stands in the log and in the records of snapshots stays as it was written. */
struct ordo_relineage {
    uint64_t seq, lineage; /* 0, 0: none */
};

struct ordo_doc_row {
    struct ordo_slice type;
    uint64_t lineage, head, horizon;
    uint64_t created_seq, deleted_seq; /* newest create and delete; 0: none */
    uint64_t forgotten_seq;
    uint64_t history_seq;              /* where history begins: the content here is in a snapshot (0: it begins with nothing) */
    struct ordo_relineage relineage;
    uint64_t erased_seq;               /* the head at which the document was last forgotten, all up to there; 0: never */
};
void ordo_doc_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_doc_row *row);
ORDO_MUST_USE ordo_err ordo_doc_row_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_doc_row *row);

struct ordo_client_row {
    uint64_t client_seq, server_seq, hash; /* of the client's newest op */
    uint64_t timestamp_ms;                 /* of that op: last seen */
    struct ordo_slice user;
};
void ordo_client_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_client_row *row);
ORDO_MUST_USE ordo_err ordo_client_row_decode(struct ordo_slice key, struct ordo_slice value,
                                              struct ordo_client_row *row);

/* The record that makes a snapshot valid: the whole state of the document's sequence as of `seq`. */
struct ordo_snapshot_row {
    uint64_t seq;
    struct ordo_slice type;
    uint64_t lineage;
    uint64_t created_seq, deleted_seq; /* deleted_seq > created_seq: there is no content */
    uint64_t timestamp_ms;             /* of the op at `seq` */
    uint64_t length;                   /* the type's units */
    uint64_t size;                     /* bytes of all pieces */
    uint32_t piece_count;
    bool has_hash;                     /* from ORDO_FORMAT_CONTENT_HASH on */
    uint64_t content_hash;             /* ordo_snapshot_hash over all pieces, from 0 */
};
/* The record that a forgotten document starts from: with nothing, deleted where it stands. */
static inline bool ordo_snapshot_row_is_erased(const struct ordo_snapshot_row *row) {
    return row->created_seq == row->seq && row->deleted_seq == row->seq;
}
void ordo_snapshot_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_snapshot_row *row);
ORDO_MUST_USE ordo_err ordo_snapshot_row_decode(struct ordo_slice key, struct ordo_slice value,
                                                struct ordo_snapshot_row *row);
#define ORDO_SNAPSHOT_PIECE_SIZE_MAX (64u * 1024)
/* How many pieces `size` bytes of content are cut into, and a piece of them: borrowed, empty behind the last. */
uint32_t ordo_snapshot_piece_count(uint64_t size);
struct ordo_slice ordo_snapshot_piece(struct ordo_slice content, uint32_t piece);
/* Each piece has a checksum of its own; this one says that together they are what was written. */
uint64_t ordo_snapshot_hash(uint64_t before, struct ordo_slice piece);
/* Of content that is yet to be cut. */
uint64_t ordo_snapshot_content_hash(struct ordo_slice content);
void ordo_snapshot_piece_encode(struct ordo_buffer *out, struct ordo_slice key, struct ordo_slice bytes);
ORDO_MUST_USE ordo_err ordo_snapshot_piece_decode(struct ordo_slice key, struct ordo_slice value,
                                                  struct ordo_slice *bytes);

/* In `meta` under ordo_key_turn: the number of the newest batch; written with each. */
struct ordo_turn_row {
    uint64_t turn, term;
};
void ordo_turn_row_encode(struct ordo_buffer *out, const struct ordo_turn_row *row);
ORDO_MUST_USE ordo_err ordo_turn_row_decode(struct ordo_slice value, struct ordo_turn_row *row);

/* In `meta` under ordo_key_format: the highest level (common/format.h) of anything in the store. */
void ordo_format_row_encode(struct ordo_buffer *out, uint64_t level);
ORDO_MUST_USE ordo_err ordo_format_row_decode(struct ordo_slice value, uint64_t *level_out);

/* In `meta` under ordo_key_slot: what this store is to one slot (docs/cluster.md). No row: nothing. */
enum ordo_slot_state {
    ORDO_SLOT_NONE,      /* knows nothing of it */
    ORDO_SLOT_OWNED,     /* serves it */
    ORDO_SLOT_GIVEN,     /* knows that `other` has it, since `epoch` */
    ORDO_SLOT_IMPORTING, /* takes it over from `other`: what stands here is not whole */
    ORDO_SLOT_IMPORTED,  /* all of it is here, durably; whose it is, is for `other` to say */
};
struct ordo_slot_row {
    enum ordo_slot_state state;
    uint64_t epoch;             /* OWNED: ours; GIVEN: that of `other`; IMPORTING, IMPORTED: that with which `other` owned it */
    struct ordo_store_id other;
    uint64_t move;              /* GIVEN, IMPORTING, IMPORTED: which one; GIVEN: 0 if it was another store's gift */
    uint64_t incarnation;       /* IMPORTING, IMPORTED: of `other` */
    bool is_cleared;            /* GIVEN: nothing of the slot is left here, and `other` is known to serve it */
    uint64_t turn;              /* that wrote the row: of two versions of it, the one with the higher is the newer */
};
/* OWNED from the store's beginning is encoded as it was before there were other states. Nothing is encoded for NONE. */
void ordo_slot_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_slot_row *row);
ORDO_MUST_USE ordo_err ordo_slot_row_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_slot_row *row);

/* In `meta` under ordo_key_quarantine, if the store was repaired: document keys among which there may have been some that
 * are lost with their names. A document of such a name that has no rows is not taken for a new one. */
struct ordo_quarantine_range {
    struct ordo_slice low, high; /* document keys, both included; empty: from the first, to the last */
};
void ordo_quarantine_encode(struct ordo_buffer *out, const struct ordo_quarantine_range *ranges, size_t count);
/* Appends one range to `row`, which holds the row as it is stored, or nothing yet; one that does not read becomes one that
 * holds all. */
void ordo_quarantine_add(struct ordo_buffer *row, const struct ordo_quarantine_range *range);
/* Whether the row holds the document; a row that does not read holds all. */
bool ordo_quarantine_holds(struct ordo_slice value, struct ordo_slice doc_key);
/* Whether it may hold one from `lower` on and below `upper`. */
bool ordo_quarantine_touches(struct ordo_slice value, struct ordo_slice lower, struct ordo_slice upper);

#endif
