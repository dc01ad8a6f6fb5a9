/* shard/core/row_age.h: which of two values of one row is the later one, where rows are gathered from tables of any age.
 *
 * Runs and pieces of snapshots never change once written. Rows that are written again say themselves how new they are: a
 * document's by its head, by where it was forgotten and by its horizon, which only rise; a client's by its newest op; a block
 * of history, to which ops are appended, by how many it holds; the record of a snapshot, which may become that of a document
 * that was forgotten at the same head, by which of both it is; a slot's by the turn that wrote it. Pure. */
#ifndef ORDO_SHARD_CORE_ROW_AGE_H
#define ORDO_SHARD_CORE_ROW_AGE_H

#include "shard/store.h"

/* Whether the row may be written again under the same key. */
bool ordo_row_changes(enum ordo_cf cf, struct ordo_slice key);
/* Whether `value` was written after `than`, both of them under `key`. A value that does not read is older than any that does;
 * of those that say nothing of their age, none is later. */
bool ordo_row_is_later(enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, struct ordo_slice than);

#endif
