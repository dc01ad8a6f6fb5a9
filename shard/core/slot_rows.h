/* shard/core/slot_rows.h: the rows of slots (rows.h) as they stand in a store. Pure but for reading the view. */
#ifndef ORDO_SHARD_CORE_SLOT_ROWS_H
#define ORDO_SHARD_CORE_SLOT_ROWS_H

#include "common/limits.h"
#include "shard/core/rows.h"
#include "shard/store.h"

/* Fills ORDO_SLOT_COUNT rows; NONE where there is none. With `tolerates`, rows that do not read are as if they were not there.
 * CORRUPT, VERSION, IO. */
ORDO_MUST_USE ordo_err ordo_slot_rows_read(struct ordo_view *view, bool tolerates, struct ordo_slot_row *rows);

/* Deletes everything of the slot but what `meta` says of it. */
void ordo_slot_delete_rows(struct ordo_batch *batch, uint16_t slot);

/* Whether documents of the slot may stand in the store and be whole. */
static inline bool ordo_slot_row_has_documents(const struct ordo_slot_row *row) {
    return row->state == ORDO_SLOT_OWNED || row->state == ORDO_SLOT_IMPORTED ||
           (row->state == ORDO_SLOT_GIVEN && !row->is_cleared);
}

#endif
