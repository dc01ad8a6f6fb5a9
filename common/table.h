/* common/table.h: a hash table of pointers, for documents by key, subscribers by id, authors by client_id.
 *
 * Open addressing with linear probing; the table keeps hash and pointer only, the owner compares keys. An empty table
 * allocates nothing. Ownership: the items stay the caller's.
 *
 * Keys that clients choose are hashed with the table's seed, which is random where it matters: who knows the hash can find any
 * number of keys that all land in one place, and each look-up then passes over all of them. */
#ifndef ORDO_COMMON_TABLE_H
#define ORDO_COMMON_TABLE_H

#include "common/hash.h"

struct ordo_table_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};
struct ordo_table {
    struct ordo_table_slot *slots;
    uint32_t count, capacity; /* capacity is 0 or a power of two */
    uint64_t seed;            /* set while the table is empty */
};

/* Zeroed memory is an empty table, with seed 0. Afterwards the table is empty, too, and has its seed. */
void ordo_table_finish(struct ordo_table *table);
static inline uint64_t ordo_table_hash(const struct ordo_table *table, struct ordo_slice key) {
    return ordo_hash_with(table->seed, key);
}
/* For ids that we have drawn ourselves. */
static inline uint64_t ordo_table_hash_id(uint64_t id) { return ordo_hash(ordo_slice(&id, sizeof id)); }
/* The item with this hash for which `is` says that it has `key`; NULL: none. */
void *ordo_table_find(const struct ordo_table *table, uint64_t hash, bool (*is)(const void *item, const void *key),
                      const void *key);
/* The item must not be there yet. */
void ordo_table_insert(struct ordo_table *table, uint64_t hash, void *item);
/* The item must be there. */
void ordo_table_remove(struct ordo_table *table, uint64_t hash, const void *item);
/* All items, in no order: start with *cursor = 0; NULL: no more. Inserting or removing ends the round. */
void *ordo_table_next(const struct ordo_table *table, uint32_t *cursor);

#endif
