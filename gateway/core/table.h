/* gateway/core/table.h: a hash table whose nodes live in its members; chained, grows by doubling.
 *
 * Keys are 64-bit numbers: an id itself, or the hash of a name (then the caller compares names among the
 * nodes of equal key). Ownership: the table owns its buckets only. Threads: one owner. */
#ifndef ORDO_GATEWAY_CORE_TABLE_H
#define ORDO_GATEWAY_CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct gateway_table_node {
    struct gateway_table_node *next;
    uint64_t key;
};

/* Zeroed memory is an empty table. */
struct gateway_table {
    struct gateway_table_node **buckets;
    size_t count;
    unsigned bits; /* log2 of the number of buckets */
};

void gateway_table_finish(struct gateway_table *table);
void gateway_table_insert(struct gateway_table *table, struct gateway_table_node *node, uint64_t key);
void gateway_table_remove(struct gateway_table *table,
                          struct gateway_table_node *node); /* which must be in it */
/* The first node with this key, then the others; NULL at the end. */
struct gateway_table_node *gateway_table_find(const struct gateway_table *table, uint64_t key);
struct gateway_table_node *gateway_table_find_next(const struct gateway_table_node *node);

#endif
