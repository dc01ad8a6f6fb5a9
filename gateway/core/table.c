#include "gateway/core/table.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

enum { TABLE_BITS_MIN = 4 };

/* Ids count up, so they are spread by a multiplication (Knuth's golden ratio); for hashes it does no harm. */
static size_t bucket_of(uint64_t key, unsigned bits) {
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

void gateway_table_finish(struct gateway_table *table) {
    free(table->buckets);
    *table = (struct gateway_table){0};
}

static void link_node(struct gateway_table_node **buckets, unsigned bits, struct gateway_table_node *node) {
    struct gateway_table_node **bucket = &buckets[bucket_of(node->key, bits)];
    node->next = *bucket;
    *bucket = node;
}

static void table_grow(struct gateway_table *table) {
    unsigned bits = table->buckets ? table->bits + 1 : TABLE_BITS_MIN;
    struct gateway_table_node **buckets = ordo_alloc_array((size_t)1 << bits, sizeof *buckets);
    for (size_t i = 0; table->buckets != NULL && i < (size_t)1 << table->bits; i++) {
        struct gateway_table_node *node = table->buckets[i];
        while (node != NULL) {
            struct gateway_table_node *next = node->next;
            link_node(buckets, bits, node);
            node = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bits = bits;
}

void gateway_table_insert(struct gateway_table *table, struct gateway_table_node *node, uint64_t key) {
    if (table->buckets == NULL || table->count >= (size_t)1 << table->bits) table_grow(table);
    node->key = key;
    link_node(table->buckets, table->bits, node);
    table->count++;
}

void gateway_table_remove(struct gateway_table *table, struct gateway_table_node *node) {
    struct gateway_table_node **at = &table->buckets[bucket_of(node->key, table->bits)];
    while (*at != node) {
        ORDO_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}

static struct gateway_table_node *with_key(struct gateway_table_node *node, uint64_t key) {
    while (node != NULL && node->key != key) node = node->next;
    return node;
}

struct gateway_table_node *gateway_table_find(const struct gateway_table *table, uint64_t key) {
    if (table->count == 0) return NULL;
    return with_key(table->buckets[bucket_of(key, table->bits)], key);
}

struct gateway_table_node *gateway_table_find_next(const struct gateway_table_node *node) {
    return with_key(node->next, node->key);
}
