/* common/memory.h: allocation that either succeeds or stops the process.
 *
 * Every queue, frame and document has a limit, so a failed allocation means that the limits do not fit the machine.
 * There is nothing sensible to do half-way through a step: stop, restart, replay the log (docs/decisions.md). */
#ifndef ORDO_COMMON_MEMORY_H
#define ORDO_COMMON_MEMORY_H

#include <stddef.h>

/* Zeroed memory; free() it. Never NULL; size 0 gives a unique pointer. */
__attribute__((malloc, returns_nonnull)) void *ordo_alloc(size_t size);
__attribute__((malloc, returns_nonnull)) void *ordo_alloc_array(size_t count, size_t size);
/* Grows or shrinks; new bytes are not zeroed. */
__attribute__((returns_nonnull)) void *ordo_realloc(void *memory, size_t size);
__attribute__((malloc, returns_nonnull)) void *ordo_memdup(const void *data, size_t size);
__attribute__((malloc, returns_nonnull)) char *ordo_strdup(const char *text);

#endif
