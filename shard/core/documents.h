/* shard/core/documents.h: which documents a store holds, damaged ones too: any family may know of one. Pure. */
#ifndef ORDO_SHARD_CORE_DOCUMENTS_H
#define ORDO_SHARD_CORE_DOCUMENTS_H

#include "shard/store.h"

/* Replaces what `out` holds by the key of the first document at or behind the key `from`; `*is_found`: there is one. Families
 * that cannot be read there are answered with CORRUPT or IO. */
ORDO_MUST_USE ordo_err ordo_documents_next(struct ordo_view *view, struct ordo_slice from, struct ordo_buffer *out,
                                           bool *is_found);

#endif
