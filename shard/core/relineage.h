/* shard/core/relineage.h: gives a restored document its new lineage.
 *
 * Whoever has seen the document go on behind the backup knows a server_seq that will now be given anew. With another
 * lineage such a client starts from content and hands unsent edits back, and never takes two orders for one. Only the
 * document's row is written (rows.h, ordo_relineage). Pure: reads through the view, answers with a batch. */
#ifndef ORDO_SHARD_CORE_RELINEAGE_H
#define ORDO_SHARD_CORE_RELINEAGE_H

#include "shard/core/rows.h"
#include "shard/store.h"

/* Appends the row. `lineage` was drawn for this document, 1..ORDO_NUMBER_MAX. CORRUPT, VERSION, IO: the row or the end of
 * the log cannot be read. */
ORDO_MUST_USE ordo_err ordo_relineage_document(struct ordo_view *view, struct ordo_slice doc_key, uint64_t lineage,
                                               struct ordo_batch *batch);

/* The first document at or behind `from` (a key) that has a row or ops. NOT_FOUND: none. Replaces what `doc_key` holds. */
ORDO_MUST_USE ordo_err ordo_relineage_next(struct ordo_view *view, struct ordo_slice from,
                                           struct ordo_buffer *doc_key);

#endif
