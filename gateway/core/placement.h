/* gateway/core/placement.h: which shard serves each slot, as far as this gateway knows.
 *
 * News come from the router table and from shards (NotOwner); the higher epoch wins. A slot that changes
 * hands takes its documents along, and only those:
 *
 *     at the old shard    numbers are forgotten, Attaches withdrawn, subscribers detached and named anew, so
 * that nothing which that shard may still say is taken for the other's word at the new one      Attach from
 * the last seq delivered, as after a lost link
 *
 * A shard that says NotOwner for a slot that is routed to it, with no newer news, is asked again after a
 * pause: the table will tell. The same pause goes before a second change within a short time by the word of
 * shards alone, so two of them that name each other cost next to nothing. */
#ifndef ORDO_GATEWAY_CORE_PLACEMENT_H
#define ORDO_GATEWAY_CORE_PLACEMENT_H

#include "gateway/core/state.h"

void gateway_placement_init(struct ordo_gateway *gateway);
void gateway_placement_finish(struct ordo_gateway *gateway);

void gateway_placement_take(struct ordo_gateway *gateway, const struct ordo_placement *placement);
/* `peer` said so. */
void gateway_placement_not_owner(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                                 const Ordo__Cluster__V1__NotOwner *news);
struct gateway_slot *gateway_placement_slot(struct ordo_gateway *gateway, struct ordo_slice collection,
                                            struct ordo_slice id);

/* Lets go of shards that nothing is routed to any more. */
void gateway_placement_tick(struct ordo_gateway *gateway);
/* NULL: no such peer (any more). */
struct gateway_peer *gateway_placement_peer(const struct ordo_gateway *gateway, uint32_t index);

#endif
