/* shard/core/table.h: a hash table of pointers, for documents by key, subscribers by id, authors by client_id.
 *
 * Open addressing with linear probing; the table keeps hash and pointer only, the owner compares keys. An empty table
 * allocates nothing. Ownership: the items stay the caller's. */
#ifndef ORDO_SHARD_CORE_TABLE_H
#define ORDO_SHARD_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ordo_table_slot {
    uint64_t hash;
    void *item; /* NULL: free */
};
struct ordo_table {
    struct ordo_table_slot *slots;
    uint32_t count, capacity; /* capacity is 0 or a power of two */
};

/* Zeroed memory is an empty table. */
void ordo_table_finish(struct ordo_table *table);
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
