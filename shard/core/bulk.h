/* shard/core/bulk.h: contents and histories that are too large for the data link, fetched piece by piece.
 *
 * The shard publishes an immutable blob under an id and names it in a message; gateways fetch pieces of it on the
 * side link and release it. What nobody fetched from for ORDO_BULK_AGE_MS is gone. Pure table: the edge guards it
 * with a mutex, since the sequencing thread publishes and the side thread fetches.
 *
 * Blobs are reference counted (atomically) and shared: by several ids, and with the shard's own cache of contents. */
#ifndef ORDO_SHARD_CORE_BULK_H
#define ORDO_SHARD_CORE_BULK_H

#include <stdatomic.h>

#include "common/buffer.h"

#define ORDO_BULK_AGE_MS 60000

struct ordo_blob {
    atomic_uint references;
    struct ordo_buffer bytes; /* never changed once there are two references */
};
/* Takes the buffer's bytes (leaves it empty). One reference, the caller's. */
struct ordo_blob *ordo_blob_create(struct ordo_buffer *bytes);
struct ordo_blob *ordo_blob_retain(struct ordo_blob *blob);
void ordo_blob_release(struct ordo_blob *blob); /* NULL is fine */

/* What the shard hands out to be published. */
struct ordo_bulk_item {
    uint64_t id;         /* never 0 */
    uint32_t references; /* how many messages name it: so many releases end it */
    struct ordo_blob *blob;
};

struct ordo_bulk_entry;
struct ordo_bulk {
    struct ordo_bulk_entry *entries; /* unordered; there are few at a time */
    size_t count, capacity;
    uint64_t size;                   /* bytes of all blobs, a shared one counted for each id */
};

/* Zeroed memory is an empty table. */
void ordo_bulk_finish(struct ordo_bulk *bulk);
/* Takes the item's reference to its blob. An id that is there already gets `references` more. */
void ordo_bulk_publish(struct ordo_bulk *bulk, const struct ordo_bulk_item *item, uint64_t monotonic_ms);
/* Borrows at most `size` bytes from `offset` on, until the table changes; cut at the blob's end. Empty: no such id,
 * or nothing at that offset. */
struct ordo_slice ordo_bulk_fetch(struct ordo_bulk *bulk, uint64_t id, uint64_t offset, size_t size,
                                  uint64_t monotonic_ms);
void ordo_bulk_release(struct ordo_bulk *bulk, uint64_t id);
/* Drops what nobody fetched from for ORDO_BULK_AGE_MS; call it about once a second. */
void ordo_bulk_expire(struct ordo_bulk *bulk, uint64_t monotonic_ms);

#endif
