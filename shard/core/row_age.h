/* shard/core/row_age.h: which of two values of one row is the later one, where rows are gathered from tables of any age.
 *
 * Runs and snapshots never change once written. Rows that are written again say themselves how new they are: a document's by
 * its head and horizon, which only rise; a client's by its newest op; a block of history, to which ops are appended, by how
 * many it holds; a slot's by the turn that wrote it. Pure. */
#ifndef ORDO_SHARD_CORE_ROW_AGE_H
#define ORDO_SHARD_CORE_ROW_AGE_H

#include "shard/store.h"

/* Whether rows of the family are written again under the same key. */
bool ordo_rows_change(enum ordo_cf cf);
/* Whether `value` was written after `than`, both of them under `key`. A value that does not read is older than any that does;
 * of those that say nothing of their age, none is later. */
bool ordo_row_is_later(enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, struct ordo_slice than);

#endif
