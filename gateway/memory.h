/* gateway/memory.h: how much memory a gateway may use, how much it does, and whether it has to give some back.
 *
 * What counts is what the allocator has handed out: so nothing that a client can make grow is forgotten, in the libraries
 * neither, and what is shared by many readers counts once. (What the process keeps of the system is more by what was freed and
 * not returned; that can be used again.) The system's own buffers of sockets are beyond it. */
#ifndef ORDO_GATEWAY_MEMORY_H
#define ORDO_GATEWAY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* The limit where nobody named one: three quarters of what the process's control group allows; without such a limit a quarter
 * of the machine's memory, because there are others on it. */
uint64_t ordo_memory_default_max(void);
/* Bytes in use; 0 where the allocator does not tell, as in builds with sanitizers: there is no limit then. Takes up to a
 * millisecond where much was freed. */
uint64_t ordo_memory_used(void);

/* Over the limit, and until it is well below: below four fifths. Else it would be at the limit for good, and shed a reader for
 * each that comes. */
struct ordo_budget {
    uint64_t size_max; /* 0: no limit */
    bool is_over;
};

/* Bytes that should be given back. Pure. */
uint64_t ordo_budget_look(struct ordo_budget *budget, uint64_t used);

#endif
