/* gateway/core/peer.h: the link to one shard: its sessions, what goes out each turn, and what comes in.
 *
 *     RESTING ──pause over──▶ OPENING ──sockets up──▶ GREETING ──LinkWelcome──▶ READY
 *        ▲                       │                        │                       │
 *        └───────── down, gap, reset, silence, strangers ─┴───────────────────────┘
 *
 * When a session ends, every subscriber of its documents is cut (subscriber.h) and attached again in the next one. A
 * shard whose side link says that its disk stalls is excused for being silent on the data link. */
#ifndef ORDO_GATEWAY_CORE_PEER_H
#define ORDO_GATEWAY_CORE_PEER_H

#include "gateway/core/state.h"

void ordo_peer_init(struct ordo_peer *peer, uint32_t index);
void ordo_peer_finish(struct ordo_peer *peer);

/* What is gathered leaves with the turn. Only while READY (but see ordo_peer_has_credit for what clients send). */
void ordo_peer_gather(struct ordo_gateway *gateway, struct ordo_peer *peer,
                      const Ordo__Cluster__V1__ToShard *message);
/* The same for a field `to_shard` that was encoded earlier (ordo_peer_encode). */
void ordo_peer_gather_encoded(struct ordo_gateway *gateway, struct ordo_peer *peer, struct ordo_slice field);
void ordo_peer_encode(const Ordo__Cluster__V1__ToShard *message, struct ordo_buffer *out);
/* Whether the shard takes `size` more bytes of what clients send. */
bool ordo_peer_has_credit(const struct ordo_peer *peer, size_t size);

void ordo_peer_fetch(struct ordo_peer *peer, uint64_t bulk, uint64_t offset, uint32_t size);
void ordo_peer_release_bulk(struct ordo_peer *peer, uint64_t bulk);

void ordo_peer_up(struct ordo_gateway *gateway, struct ordo_peer *peer, uint64_t session);
void ordo_peer_down(struct ordo_gateway *gateway, struct ordo_peer *peer, uint64_t session);
void ordo_peer_received(struct ordo_gateway *gateway, struct ordo_peer *peer, uint64_t session,
                        struct ordo_slice bytes);
void ordo_peer_side_received(struct ordo_gateway *gateway, struct ordo_peer *peer, uint64_t session,
                             struct ordo_slice bytes);
void ordo_peer_turn_end(struct ordo_gateway *gateway, struct ordo_peer *peer);
void ordo_peer_tick(struct ordo_gateway *gateway, struct ordo_peer *peer);

#endif
