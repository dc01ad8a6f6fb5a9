#include "common/memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

void *ordo_alloc(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    ORDO_ASSERT(memory != NULL);
    return memory;
}

void *ordo_alloc_array(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    ORDO_ASSERT(memory != NULL);
    return memory;
}

void *ordo_realloc(void *memory, size_t size) {
    void *grown = realloc(memory, size ? size : 1);
    ORDO_ASSERT(grown != NULL);
    return grown;
}

void *ordo_memdup(const void *data, size_t size) {
    void *copy = ordo_alloc(size);
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

char *ordo_strdup(const char *text) { return ordo_memdup(text, strlen(text) + 1); }
