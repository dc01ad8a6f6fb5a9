/* gateway/core/deliver.h: what a document's audience gets: commits in order and without a gap, and presence.
 *
 * Both may be dropped on their way to a slow reader; a subscriber that missed a commit falls behind
 * (subscriber.h). */
#ifndef ORDO_GATEWAY_CORE_DELIVER_H
#define ORDO_GATEWAY_CORE_DELIVER_H

#include "gateway/core/state.h"

/* `author`: the shard's id of the subscriber that gets an Ack instead. */
void gateway_deliver_commit(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                            struct gateway_payload *commit, uint64_t author);
void gateway_deliver_presence(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                              struct gateway_payload *presence);
/* An entry of either kind was put into a frame, as its first or behind others. */
void gateway_deliver_sent(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                          const struct gateway_entry *entry, bool is_first);

#endif
