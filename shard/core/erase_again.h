/* shard/core/erase_again.h: that nothing of a forgotten document comes back where deletions were lost.
 *
 * Deletions stand in tables like anything else. Where a damaged table is taken out of the database (shard/confine.h), what it
 * deleted in older tables is back, and so is what is put back of its own rows. Of most documents that is of no account: loading
 * knows what is needed no more. Of what was forgotten nothing may stay. Pure. */
#ifndef ORDO_SHARD_CORE_ERASE_AGAIN_H
#define ORDO_SHARD_CORE_ERASE_AGAIN_H

#include "shard/store.h"

/* Deletes in `batch` whatever rows of before documents have that were forgotten; of the documents with keys from `low` to
 * `high`. One whose row does not read is left as it is. CORRUPT, IO: the view could not be read; what was found is good. */
ORDO_MUST_USE ordo_err ordo_erase_again(struct ordo_view *view, struct ordo_slice low, struct ordo_slice high,
                                        struct ordo_batch *batch);

#endif
