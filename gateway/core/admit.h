/* gateway/core/admit.h: who a client is and what it may do. The one place that will know tokens, keys and
 * claims. */
#ifndef ORDO_GATEWAY_CORE_ADMIT_H
#define ORDO_GATEWAY_CORE_ADMIT_H

#include "common/buffer.h"

struct gateway_admission {
    bool is_admitted;
    struct ordo_slice
        user;            /* stamped on everything that the client does; static or borrowed from the token */
    uint32_t permission; /* ordo.v1.Permission */
};

/* Without keys everybody is "anonymous" and may write; such a gateway only listens on loopback (main.c). */
struct gateway_admission gateway_admit(struct ordo_slice token);

/* Whether a client that announced `types` (names, each sized; empty: it named none) speaks this document
 * type. Who names none is taken to speak text, the first type there was, and no other. */
bool gateway_admit_type(struct ordo_slice types, struct ordo_slice type);

#endif
