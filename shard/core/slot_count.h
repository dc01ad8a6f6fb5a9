/* shard/core/slot_count.h: what there is of a slot, in two numbers that source and target of a move compare.
 *
 * Counted once over the whole slot, then kept up run by run, so that nobody has to count while editors wait. Both are sums
 * modulo 2^64: a change may be added to a count, or taken for itself. */
#ifndef ORDO_SHARD_CORE_SLOT_COUNT_H
#define ORDO_SHARD_CORE_SLOT_COUNT_H

#include <stdint.h>

#include "common/error.h"
#include "common/slice.h"

struct ordo_slot_count {
    uint64_t documents, heads; /* as MoveFrozen has them */
};

/* A document at its head. */
void ordo_slot_count_document(struct ordo_slot_count *count, struct ordo_slice doc_key, uint64_t head);
/* A run that follows what is counted of its document. CORRUPT, VERSION: it is none. */
ORDO_MUST_USE ordo_err ordo_slot_count_run(struct ordo_slot_count *count, struct ordo_slice key, struct ordo_slice value);
void ordo_slot_count_add(struct ordo_slot_count *count, const struct ordo_slot_count *change);
bool ordo_slot_count_equal(const struct ordo_slot_count *a, const struct ordo_slot_count *b);

#endif
