#include "shard/core/bulk.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

struct ordo_bulk_entry {
    uint64_t id;
    uint32_t references;
    uint64_t used_ms; /* published or last fetched from; monotonic */
    struct ordo_blob *blob;
};

static struct ordo_bulk_entry *find(struct ordo_bulk *bulk, uint64_t id) {
    for (size_t i = 0; i < bulk->count; i++)
        if (bulk->entries[i].id == id) return &bulk->entries[i];
    return NULL;
}

static void drop(struct ordo_bulk *bulk, struct ordo_bulk_entry *entry) {
    bulk->size -= entry->blob->bytes.size;
    ordo_blob_release(entry->blob);
    *entry = bulk->entries[--bulk->count];
}

void ordo_bulk_finish(struct ordo_bulk *bulk) {
    while (bulk->count > 0) drop(bulk, &bulk->entries[bulk->count - 1]);
    free(bulk->entries);
    *bulk = (struct ordo_bulk){0};
}

void ordo_bulk_publish(struct ordo_bulk *bulk, const struct ordo_bulk_item *item, uint64_t monotonic_ms) {
    ORDO_ASSERT(item->id != 0 && item->references > 0);
    struct ordo_bulk_entry *entry = find(bulk, item->id);
    if (entry != NULL) {
        entry->references += item->references;
        entry->used_ms = monotonic_ms;
        ordo_blob_release(item->blob);
        return;
    }
    if (bulk->count == bulk->capacity) {
        bulk->capacity = bulk->capacity ? 2 * bulk->capacity : 8;
        bulk->entries = ordo_realloc(bulk->entries, bulk->capacity * sizeof *bulk->entries);
    }
    bulk->entries[bulk->count++] = (struct ordo_bulk_entry){
        .id = item->id, .references = item->references, .used_ms = monotonic_ms, .blob = item->blob};
    bulk->size += item->blob->bytes.size;
}

struct ordo_slice ordo_bulk_fetch(struct ordo_bulk *bulk, uint64_t id, uint64_t offset, size_t size,
                                  uint64_t monotonic_ms) {
    struct ordo_bulk_entry *entry = find(bulk, id);
    if (entry == NULL || offset >= entry->blob->bytes.size) return ordo_slice(NULL, 0);
    entry->used_ms = monotonic_ms;
    size_t left = entry->blob->bytes.size - (size_t)offset;
    return ordo_slice(entry->blob->bytes.data + offset, size < left ? size : left);
}

void ordo_bulk_release(struct ordo_bulk *bulk, uint64_t id) {
    struct ordo_bulk_entry *entry = find(bulk, id);
    if (entry != NULL && --entry->references == 0) drop(bulk, entry);
}

void ordo_bulk_expire(struct ordo_bulk *bulk, uint64_t monotonic_ms) {
    for (size_t i = bulk->count; i > 0; i--)
        if (monotonic_ms >= bulk->entries[i - 1].used_ms + ORDO_BULK_AGE_MS) drop(bulk, &bulk->entries[i - 1]);
}
