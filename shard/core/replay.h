/* shard/core/replay.h: what a document is at a seq, from its newest snapshot and the ops behind it.
 *
 * `ordo_doc_state` is what sequencing keeps of a document; each committed op moves it one step. Materialising adds
 * the content. Everything here trusts checksums and still checks that each step fits the last. */
#ifndef ORDO_SHARD_CORE_REPLAY_H
#define ORDO_SHARD_CORE_REPLAY_H

#include "shard/core/op_log.h"
#include "shard/core/rows.h"

struct ordo_doc_state {
    uint64_t seq;                      /* head; 0: nothing was ever committed */
    const struct ordo_type *type;      /* of the newest create; NULL before the first */
    uint64_t lineage;
    uint64_t created_seq, deleted_seq; /* newest of each; 0: none */
    uint64_t timestamp_ms;             /* of the op at seq */
    uint64_t length;                   /* the type's units; 0 without content */
};

static inline bool ordo_doc_exists(const struct ordo_doc_state *state) {
    return state->created_seq > state->deleted_seq;
}

/* The lineage that the document's row gives to creates of before. */
static inline void ordo_doc_state_relineage(struct ordo_doc_state *state, const struct ordo_relineage *relineage) {
    if (state->created_seq > 0 && state->created_seq <= relineage->seq) state->lineage = relineage->lineage;
}

/* Moves the state over the next op. CORRUPT: the op does not follow; VERSION: of a type that we do not know. */
ORDO_MUST_USE ordo_err ordo_doc_state_step(struct ordo_doc_state *state, const struct ordo_committed *op);

/* Looks for the newest valid snapshot at or below `seq`. NOT_FOUND: there is none. A damaged validity record is
 * passed over as if it were not there. `type` in the row is copied to a static table's name. */
ORDO_MUST_USE ordo_err ordo_snapshot_find(struct ordo_view *view, struct ordo_slice doc_key, uint64_t seq,
                                          struct ordo_snapshot_row *row);
ORDO_MUST_USE ordo_err ordo_doc_state_of_snapshot(const struct ordo_snapshot_row *row, struct ordo_doc_state *state);
/* The other way: the record of a snapshot at `state`, but for its content (size, pieces, hash). Borrows a static name. */
struct ordo_snapshot_row ordo_doc_state_snapshot(const struct ordo_doc_state *state);

struct ordo_materialised {
    struct ordo_doc_state state;
    struct ordo_content *content; /* NULL: no content at that seq (deleted, or never created) */
    uint64_t damaged_seq;         /* of a snapshot that could not be read and was passed over; 0: none */
};
/* The document at `seq` (or at the head, if that is less). A damaged snapshot falls back to an older one and the log.
 * On an error nothing needs to be finished, and `bad_seq` says up to where the log was read. */
ORDO_MUST_USE ordo_err ordo_materialise(struct ordo_view *view, struct ordo_slice doc_key, uint64_t seq,
                                        struct ordo_materialised *out, uint64_t *bad_seq);
void ordo_materialised_finish(struct ordo_materialised *materialised);
/* Moves content and state over the next op. */
ORDO_MUST_USE ordo_err ordo_materialised_step(struct ordo_materialised *materialised,
                                              const struct ordo_committed *op);

#endif
