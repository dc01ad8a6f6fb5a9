#include "common/table.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

void ordo_table_finish(struct ordo_table *table) {
    free(table->slots);
    *table = (struct ordo_table){.seed = table->seed};
}

void *ordo_table_find(const struct ordo_table *table, uint64_t hash, bool (*is)(const void *item, const void *key),
                      const void *key) {
    if (table->count == 0) return NULL;
    uint32_t mask = table->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask; table->slots[i].item != NULL; i = (i + 1) & mask)
        if (table->slots[i].hash == hash && is(table->slots[i].item, key)) return table->slots[i].item;
    return NULL;
}

static void place(struct ordo_table *table, uint64_t hash, void *item) {
    uint32_t mask = table->capacity - 1, i = (uint32_t)hash & mask;
    while (table->slots[i].item != NULL) i = (i + 1) & mask;
    table->slots[i] = (struct ordo_table_slot){.hash = hash, .item = item};
}

void ordo_table_insert(struct ordo_table *table, uint64_t hash, void *item) {
    ORDO_ASSERT(item != NULL);
    if (4 * (table->count + 1) > 3 * table->capacity) {
        struct ordo_table old = *table;
        table->capacity = old.capacity ? 2 * old.capacity : 4;
        table->slots = ordo_alloc_array(table->capacity, sizeof *table->slots);
        for (uint32_t i = 0; i < old.capacity; i++)
            if (old.slots[i].item != NULL) place(table, old.slots[i].hash, old.slots[i].item);
        free(old.slots);
    }
    place(table, hash, item);
    table->count++;
}

void ordo_table_remove(struct ordo_table *table, uint64_t hash, const void *item) {
    ORDO_ASSERT(table->count > 0);
    uint32_t mask = table->capacity - 1, hole = (uint32_t)hash & mask;
    while (table->slots[hole].item != item) {
        ORDO_ASSERT(table->slots[hole].item != NULL);
        hole = (hole + 1) & mask;
    }
    table->slots[hole].item = NULL;
    table->count--;
    /* Close the gap: whoever was pushed past the hole from a home at or before it moves back into it (Knuth, vol. 3,
     * algorithm 6.4R), so that a search can go on stopping at the first free slot. */
    for (uint32_t i = (hole + 1) & mask; table->slots[i].item != NULL; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)table->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        table->slots[hole] = table->slots[i];
        table->slots[i].item = NULL;
        hole = i;
    }
    if (table->count == 0) ordo_table_finish(table);
}

void *ordo_table_next(const struct ordo_table *table, uint32_t *cursor) {
    while (*cursor < table->capacity) {
        void *item = table->slots[(*cursor)++].item;
        if (item != NULL) return item;
    }
    return NULL;
}
