/* gateway/core/submit.h: an op on its way to the shard, and the answers that are not its Ack: Nack, Ack of a
 * duplicate. (The Ack has its place among the commits: deliver.h.) */
#ifndef ORDO_GATEWAY_CORE_SUBMIT_H
#define ORDO_GATEWAY_CORE_SUBMIT_H

#include "gateway/core/state.h"

/* Without a shard, or without credit there, the answer is UNAVAILABLE with a delay. */
void gateway_submit_op(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request,
                       const Ordo__V1__Submit *submit);
void gateway_submit_nacked(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                           const Ordo__Cluster__V1__Nack *nack);
void gateway_submit_duplicate(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                              const Ordo__Cluster__V1__DuplicateAck *duplicate);

#endif
