#include "common/arena.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

enum { ARENA_BLOCK_SIZE_MIN = 16 * 1024, ARENA_ALIGN = 16 };

struct ordo_arena_block {
    struct ordo_arena_block *older;
    size_t size;
    _Alignas(ARENA_ALIGN) uint8_t bytes[];
};

void ordo_arena_init(struct ordo_arena *arena, size_t size_max) {
    *arena = (struct ordo_arena){.size_max = size_max};
}

void ordo_arena_finish(struct ordo_arena *arena) {
    while (arena->first != NULL) {
        struct ordo_arena_block *older = arena->first->older;
        free(arena->first);
        arena->first = older;
    }
    *arena = (struct ordo_arena){.size_max = arena->size_max};
}

void ordo_arena_reset(struct ordo_arena *arena) {
    struct ordo_arena_block *kept = arena->first;
    if (kept != NULL) {
        while (kept->older != NULL) {
            struct ordo_arena_block *older = kept->older->older;
            free(kept->older);
            kept->older = older;
        }
        /* One huge turn must not pin its memory for ever. */
        if (kept->size > 64 * ARENA_BLOCK_SIZE_MIN) {
            free(kept);
            kept = NULL;
        }
    }
    arena->first = kept;
    arena->next = kept ? kept->bytes : NULL;
    arena->end = kept ? kept->bytes + kept->size : NULL;
    arena->size = 0;
}

void *ordo_arena_try(struct ordo_arena *arena, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (size > arena->size_max || arena->size > arena->size_max - size) return NULL;
    if ((size_t)(arena->end - arena->next) < size) {
        size_t block_size = arena->first ? arena->first->size * 2 : ARENA_BLOCK_SIZE_MIN;
        if (block_size > 64 * ARENA_BLOCK_SIZE_MIN) block_size = 64 * ARENA_BLOCK_SIZE_MIN;
        if (block_size < size) block_size = size;
        struct ordo_arena_block *block = malloc(sizeof *block + block_size);
        ORDO_ASSERT(block != NULL);
        block->older = arena->first;
        block->size = block_size;
        arena->first = block;
        arena->next = block->bytes;
        arena->end = block->bytes + block_size;
    }
    void *memory = arena->next;
    arena->next += size;
    arena->size += size;
    return memory;
}

void *ordo_arena_alloc(struct ordo_arena *arena, size_t size) {
    void *memory = ordo_arena_try(arena, size);
    ORDO_ASSERT(memory != NULL);
    return memory;
}

struct ordo_slice ordo_arena_copy(struct ordo_arena *arena, struct ordo_slice slice) {
    uint8_t *copy = ordo_arena_alloc(arena, slice.size);
    if (slice.size > 0) memcpy(copy, slice.data, slice.size);
    return ordo_slice(copy, slice.size);
}
