#define _DEFAULT_SOURCE /* madvise */

#include "common/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/assert.h"

#define HUGE_PAGE_SIZE ((size_t)2 * 1024 * 1024)

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

/* A large text in pages of 4 KiB costs its thread milliseconds to fault in and, worse, to give back: Linux does not let
 * others onto the core meanwhile. A wish that may stay unheard. */
static void wish_for_huge_pages(void *memory, size_t size) {
    uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE_SIZE - 1) & ~(uintptr_t)(HUGE_PAGE_SIZE - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(uintptr_t)(HUGE_PAGE_SIZE - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

void *ordo_realloc(void *memory, size_t size) {
    void *grown = realloc(memory, size ? size : 1);
    ORDO_ASSERT(grown != NULL);
    if (size >= 2 * HUGE_PAGE_SIZE) wish_for_huge_pages(grown, size);
    return grown;
}

void *ordo_memdup(const void *data, size_t size) {
    void *copy = ordo_alloc(size);
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

char *ordo_strdup(const char *text) { return ordo_memdup(text, strlen(text) + 1); }
