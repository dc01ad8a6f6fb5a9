/* shard/core/change.h: what a turn changed, told to whoever wants to hear of it once the turn is durable: one record per op.
 *
 * Ownership: a record that was taken borrows from the bytes that it stood in. */
#ifndef ORDO_SHARD_CORE_CHANGE_H
#define ORDO_SHARD_CORE_CHANGE_H

#include "common/buffer.h"

struct ordo_change {
    struct ordo_slice doc_key; /* key.h */
    uint64_t lineage, seq, timestamp_ms;
    bool is_deleted;           /* the document, by then */
    struct ordo_slice user;    /* empty: nobody's doing, as when a document was forgotten */
};

void ordo_change_put(struct ordo_buffer *out, const struct ordo_change *change);
/* False: there is no more. The bytes are our own. */
bool ordo_change_take(struct ordo_reader *reader, struct ordo_change *change);

#endif
