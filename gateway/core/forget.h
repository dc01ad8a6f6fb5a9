/* gateway/core/forget.h: Forget on its way to the shard, and Forgotten on its way back. */
#ifndef ORDO_GATEWAY_CORE_FORGET_H
#define ORDO_GATEWAY_CORE_FORGET_H

#include "gateway/core/state.h"

/* The connection may write the document. */
void gateway_forget_ask(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request,
                        const Ordo__V1__Forget *forget);
void gateway_forget_answered(struct ordo_gateway *gateway, struct gateway_peer *peer,
                             const Ordo__Cluster__V1__Forgotten *answer);

#endif
