/* gateway/core/history.h: ReadHistory on its way to the shard and back. */
#ifndef ORDO_GATEWAY_CORE_HISTORY_H
#define ORDO_GATEWAY_CORE_HISTORY_H

#include "gateway/core/state.h"

void gateway_history_read(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                          uint32_t request, const Ordo__V1__ReadHistory *read);
void gateway_history_answered(struct ordo_gateway *gateway, struct gateway_peer *peer,
                              const Ordo__Cluster__V1__HistoryAnswer *answer);

#endif
