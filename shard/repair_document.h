/* shard/repair_document.h: what every way of repairing does with one document, and with names that may be lost. */
#ifndef ORDO_SHARD_REPAIR_DOCUMENT_H
#define ORDO_SHARD_REPAIR_DOCUMENT_H

#include "shard/repair.h"

/* Makes the document consistent, with a fresh lineage should it need one; counts and tells what became of it. The rows go to
 * `batch`. */
ORDO_MUST_USE ordo_err ordo_repair_document(struct ordo_repair *repair, struct ordo_view *view, struct ordo_slice doc_key,
                                            struct ordo_mend_hints hints, struct ordo_batch *batch);
/* Adds to the row `quarantine` the names between these two keys, unless both are of one document: then there are none. */
void ordo_repair_quarantine(struct ordo_buffer *row, struct ordo_slice low, struct ordo_slice high);
/* Writes the row, or what `allows_new` makes of it, and whether there is one. */
void ordo_repair_put_quarantine(struct ordo_repair *repair, const struct ordo_buffer *row, struct ordo_batch *batch);
/* The row as it is in the store; empty: there is none. */
ORDO_MUST_USE ordo_err ordo_repair_read_quarantine(struct ordo_store *store, struct ordo_buffer *row);

#endif
