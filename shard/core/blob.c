#include <stdlib.h>

#include "common/memory.h"
#include "shard/core/bulk.h"

struct ordo_blob *ordo_blob_create(struct ordo_buffer *bytes) {
    struct ordo_blob *blob = ordo_alloc(sizeof *blob);
    atomic_init(&blob->references, 1);
    blob->bytes = *bytes;
    *bytes = (struct ordo_buffer){0};
    return blob;
}

struct ordo_blob *ordo_blob_retain(struct ordo_blob *blob) {
    atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

void ordo_blob_release(struct ordo_blob *blob) {
    if (blob == NULL) return;
    /* Whoever drops the last reference must see all that the others did with the bytes. */
    if (atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) != 1) return;
    ordo_buffer_finish(&blob->bytes);
    free(blob);
}
