/* shard/core/recent.h: the newest committed ops of a document, in contiguous memory, with the length after each.
 *
 * What sequencing needs of the past: ops to rebase over, lengths to validate against, op_ids to recognise, bytes to
 * catch readers up with and to write to disk. Records are those of a run (run.h), so the ops of a turn go to the disk
 * by one copy. Trimmed from the old end; always holds the length at `first_seq - 1`.
 *
 * Ownership: owns copies; slices are good until the next append or trim. Zeroed memory plus `init` is an empty one.
 * An empty one allocates nothing. */
#ifndef ORDO_SHARD_CORE_RECENT_H
#define ORDO_SHARD_CORE_RECENT_H

#include "shard/core/run.h"

struct ordo_recent_item;
struct ordo_recent {
    uint64_t first_seq;     /* of the oldest op here; the next to come if there is none */
    uint64_t length_before; /* the length just before it */
    struct ordo_recent_item *items; /* capacity for `item_capacity`, those in use from item_start on */
    uint32_t item_start, item_count, item_capacity;
    uint32_t byte_start;    /* where the oldest record begins in `bytes` */
    struct ordo_buffer bytes;
};

/* One op; borrows. */
struct ordo_recent_op {
    enum ordo_op_kind kind;
    struct ordo_slice client_id, op;
    uint64_t length_after;
};

void ordo_recent_init(struct ordo_recent *recent, uint64_t first_seq, uint64_t length_before);
void ordo_recent_finish(struct ordo_recent *recent);
/* Appends the op with the next seq, encoded as `committed`, of which `op` is the decoded form (its slices point into
 * those very bytes). */
void ordo_recent_append(struct ordo_recent *recent, uint64_t hash, uint8_t flags, struct ordo_slice committed,
                        const struct ordo_committed *op, uint64_t length_after);

static inline uint64_t ordo_recent_end_seq(const struct ordo_recent *recent) { /* the next op's */
    return recent->first_seq + recent->item_count;
}
static inline size_t ordo_recent_size(const struct ordo_recent *recent) {
    return recent->bytes.size - recent->byte_start;
}
/* Whether all ops behind `seq`, and the length there, are here. */
static inline bool ordo_recent_reaches(const struct ordo_recent *recent, uint64_t seq) {
    return seq + 1 >= recent->first_seq;
}
/* The length after the op `seq`; first_seq - 1 <= seq < end_seq. */
uint64_t ordo_recent_length_at(const struct ordo_recent *recent, uint64_t seq);
struct ordo_recent_op ordo_recent_get(const struct ordo_recent *recent, uint64_t seq);
/* The whole record, decoded. */
struct ordo_run_op ordo_recent_record(const struct ordo_recent *recent, uint64_t seq);
/* Records from..end as one piece, for a run. */
struct ordo_slice ordo_recent_records(const struct ordo_recent *recent, uint64_t from_seq);
/* Bytes of the records from..end. */
size_t ordo_recent_size_from(const struct ordo_recent *recent, uint64_t from_seq);
/* Looks for an op_id from `from_seq` on, newest first; if `hash` is not NULL, for one submitted with that hash. */
bool ordo_recent_find(const struct ordo_recent *recent, uint64_t from_seq, struct ordo_slice client_id,
                      uint64_t client_seq, const uint64_t *hash, struct ordo_run_op *out);

/* Forgets the oldest ops while more than `size_max` bytes are held, but none from `keep_seq` on. With `is_tight` the
 * memory is given back too, otherwise it is kept for what comes. */
void ordo_recent_trim(struct ordo_recent *recent, size_t size_max, uint64_t keep_seq, bool is_tight);

#endif
