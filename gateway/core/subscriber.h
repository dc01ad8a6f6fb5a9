/* gateway/core/subscriber.h: one connection's opening of one document.
 *
 *     OPENING ──Attached──▶ LIVE or STREAMING (parts) ──▶ LIVE
 *     LIVE ──dropped, gap──▶ BEHIND ──Attached──▶ LIVE or STREAMING
 *     LIVE, BEHIND ──link lost, slot given away──▶ CUT ──Attached──▶ LIVE or STREAMING
 *     STREAMING ──slot given away──▶ FINISHING ──last part──▶ CUT
 *
 * An Opened that nobody asked for (request 0) continues from the last seq that the client is sure to get: a
 * subscriber is only attached again when nothing that could be dropped waits for its connection (resync.h).
 */
#ifndef ORDO_GATEWAY_CORE_SUBSCRIBER_H
#define ORDO_GATEWAY_CORE_SUBSCRIBER_H

#include "gateway/core/state.h"

/* The subscriber that `peer` means by `id`; NULL: it is gone, or has to do with another shard by now. */
struct gateway_subscriber *gateway_subscriber_find(struct ordo_gateway *gateway,
                                                   const struct gateway_peer *peer, uint64_t id);
/* `open` was checked. */
void gateway_subscriber_open(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                             const Ordo__V1__Open *open, uint64_t name_hash, enum ordo_access access);
/* The client's rights changed. NONE: told with an Error, and ended. Else what it loses it loses at once; of what it gains
 * it hears with an Opened, once the shard knows. */
void gateway_subscriber_set_access(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                   enum ordo_access access);
/* What it may do now: no more than the token says, and than the shard was told. */
static inline enum ordo_access gateway_subscriber_access(const struct gateway_subscriber *subscriber) {
    uint8_t access = subscriber->access < subscriber->told_access ? subscriber->access : subscriber->told_access;
    return (enum ordo_access)access;
}
/* Frees it and tells the shard. Nothing is said to the client. */
void gateway_subscriber_end(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);
/* Opens that waited too long for a shard that is away, or for one that serves the document, are refused with
 * 503. */
void gateway_subscriber_tick(struct ordo_gateway *gateway);

/* From the shard. */
void gateway_subscriber_attached(struct ordo_gateway *gateway, struct gateway_peer *peer,
                                 const Ordo__Cluster__V1__Attached *attached);
void gateway_subscriber_refused(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                                const Ordo__Cluster__V1__Refused *refused);

void gateway_subscriber_reattach(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                                 const Ordo__Cluster__V1__Reattach *reattach);

/* Something between sent_seq and the document's head will not come: resync, now or when the present parts are
 * through. */
void gateway_subscriber_fell_behind(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);
/* The session is over. */
void gateway_subscriber_cut(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);
/* Tells some of those who were cut, and do not know yet, that their shard is away. */
void gateway_subscriber_tell_outages(struct ordo_gateway *gateway, struct gateway_peer *peer);
/* The shard that it has to do with does not serve the slot any more: it is detached there, and gets another
 * id. */
void gateway_subscriber_leave_shard(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);
/* Afterwards, once the slot is routed to whom it is: it is attached there, after a pause if it `rests`. */
void gateway_subscriber_join_shard(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                   bool rests);
/* Whether the shard has it, so that something may be sent in its name. */
bool gateway_subscriber_is_attached(const struct gateway_subscriber *subscriber);
/* The last part is sent. `is_complete` is false when messages that should follow it were dropped. */
void gateway_subscriber_streamed(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                 bool is_complete);

#endif
