/* shard/core/tie.h: whose client_id a rebase hands to the type. One line apart from the deliberately wrong build. */
#ifndef ORDO_SHARD_CORE_TIE_H
#define ORDO_SHARD_CORE_TIE_H

#include "common/limits.h"
#include "common/slice.h"

struct ordo_tie_id {
    uint8_t bytes[ORDO_CLIENT_ID_SIZE_MAX];
};

/* The client_id itself. With ORDO_BREAK_TIE its complement, which turns every tie around: the simulator has to
 * notice. */
static inline struct ordo_slice ordo_tie(struct ordo_slice client_id, struct ordo_tie_id *memory) {
#ifdef ORDO_BREAK_TIE
    for (size_t i = 0; i < client_id.size; i++) memory->bytes[i] = (uint8_t)~client_id.data[i];
    return ordo_slice(memory->bytes, client_id.size);
#else
    (void)memory;
    return client_id;
#endif
}

#endif
