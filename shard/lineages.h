/* shard/lineages.h: new lineages for documents of a store that nobody serves (core/relineage.h). */
#ifndef ORDO_SHARD_LINEAGES_H
#define ORDO_SHARD_LINEAGES_H

#include "common/problem.h"
#include "shard/store.h"

/* A fresh one, 1..ORDO_NUMBER_MAX. */
uint64_t ordo_lineage_draw(void);

/* Every document from key `from` (empty: the first) on and before `upper` (empty: to the end) gets one of its own; `count_out`:
 * how many did. One that cannot be read stays as it is: it answers an error to whoever opens it, and repairing it gives it a new
 * one. Durable on return; done again after a failure it does no harm. */
ORDO_MUST_USE ordo_err ordo_lineages_renew(struct ordo_store *store, struct ordo_slice from, struct ordo_slice upper,
                                           uint64_t *count_out, struct ordo_problem *problem);

#endif
