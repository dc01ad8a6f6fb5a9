/* shard/core/damage.h: what a store lost to damaged tables and goes on without, in the row `damage` of `meta`.
 *
 * A table with a bad block stops all compaction, so it is taken out of the database and its other rows are put back
 * (shard/confine.h). What stood in the bad block is not known; by its neighbours it is known between which keys it stood. A
 * document there may have lost ops, its row, anything, without a trace: loading it answers an error, also if nothing of it
 * is left, so that it is served neither shorter than it was nor as a new one. `ordo repair` then says of each what is left.
 * Pure. */
#ifndef ORDO_SHARD_CORE_DAMAGE_H
#define ORDO_SHARD_CORE_DAMAGE_H

#include "shard/store.h"

extern const struct ordo_slice ordo_key_damage;

struct ordo_damage {
    enum ordo_cf cf;             /* whose rows are lost */
    struct ordo_slice low, high; /* document keys, both included; empty: from the first, to the last */
};

/* Appends one range to `row`, which holds the row as it is stored, or nothing yet. Sealed on return. */
void ordo_damage_add(struct ordo_buffer *row, const struct ordo_damage *damage);
/* Opens the row for ordo_damage_next. CORRUPT, VERSION. */
ORDO_MUST_USE ordo_err ordo_damage_open(struct ordo_slice row, struct ordo_reader *ranges);
/* The next range, borrowed from the row; false: no more. */
bool ordo_damage_next(struct ordo_reader *ranges, struct ordo_damage *out);
bool ordo_damage_holds(const struct ordo_damage *damage, struct ordo_slice doc_key);

/* Whether it may concern documents from `lower` on and below `upper`. */
bool ordo_damage_touches(const struct ordo_damage *damage, struct ordo_slice lower, struct ordo_slice upper);

/* CORRUPT: the document is in one of the ranges, or the row does not read. IO: the view could not be read. */
ORDO_MUST_USE ordo_err ordo_damage_check(struct ordo_view *view, struct ordo_slice doc_key);
/* The same for any document from `lower` on and below `upper`. */
ORDO_MUST_USE ordo_err ordo_damage_check_range(struct ordo_view *view, struct ordo_slice lower, struct ordo_slice upper);

#endif
