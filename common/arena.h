/* common/arena.h: memory for the work of one turn, given back all at once.
 *
 * Ownership: everything allocated is good until `ordo_arena_reset`. Threads: one owner. Limit: `size_max` bytes may be
 * outstanding; `ordo_arena_try` refuses beyond it (a hostile message must not cost more than that), `ordo_arena_alloc`
 * treats it as our own bug. */
#ifndef ORDO_COMMON_ARENA_H
#define ORDO_COMMON_ARENA_H

#include "common/slice.h"

struct ordo_arena_block;

struct ordo_arena {
    struct ordo_arena_block *first; /* newest block */
    uint8_t *next, *end;            /* free part of the newest block */
    size_t size;                    /* bytes handed out since the last reset */
    size_t size_max;
};

void ordo_arena_init(struct ordo_arena *arena, size_t size_max);
void ordo_arena_finish(struct ordo_arena *arena);
/* Keeps one block for reuse. */
void ordo_arena_reset(struct ordo_arena *arena);

/* 16-byte aligned, not zeroed. NULL beyond `size_max`. */
void *ordo_arena_try(struct ordo_arena *arena, size_t size);
void *ordo_arena_alloc(struct ordo_arena *arena, size_t size);
/* A copy that lives as long as the arena's contents. */
struct ordo_slice ordo_arena_copy(struct ordo_arena *arena, struct ordo_slice slice);

#endif
