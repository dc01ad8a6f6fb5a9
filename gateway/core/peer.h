/* gateway/core/peer.h: the link to one shard: its sessions, what goes out each turn, and what comes in.
 *
 *     RESTING ──pause over──▶ OPENING ──sockets up──▶ GREETING ──LinkWelcome──▶ READY
 *        ▲                       │                        │                       │
 *        └───────── down, gap, reset, silence, strangers ─┴───────────────────────┘
 *
 * When a session ends, every subscriber of its documents is cut (subscriber.h) and attached again in the next
 * one. A shard whose side link says that its disk stalls is excused for being silent on the data link. With a
 * directory a peer is one store: whoever else answers there (an address was used again) is a stranger. */
#ifndef ORDO_GATEWAY_CORE_PEER_H
#define ORDO_GATEWAY_CORE_PEER_H

#include "gateway/core/state.h"

/* `expected`: the store that must answer; none: whoever does. */
struct gateway_peer *gateway_peer_create(uint32_t index, struct ordo_store_id expected);
/* Nothing must be left that refers to it. */
void gateway_peer_destroy(struct gateway_peer *peer);
/* Nothing is routed there (any more), nor fetched from there, and its link may go. */
bool gateway_peer_is_spare(const struct gateway_peer *peer, uint64_t now_ms);

/* What is gathered leaves with the turn. Only while READY (but see gateway_peer_has_credit for what clients
 * send). */
void gateway_peer_gather(struct ordo_gateway *gateway, struct gateway_peer *peer,
                         const Ordo__Cluster__V1__ToShard *message);
/* The same for a ToShard that is encoded already. */
void gateway_peer_gather_encoded(struct ordo_gateway *gateway, struct gateway_peer *peer,
                                 struct ordo_slice message);
/* Whether the shard takes `size` more bytes of what clients send. */
bool gateway_peer_has_credit(const struct gateway_peer *peer, size_t size);

void gateway_peer_fetch(struct gateway_peer *peer, uint64_t bulk, uint64_t offset, uint32_t size);
void gateway_peer_release_bulk(struct gateway_peer *peer, uint64_t bulk);

void gateway_peer_up(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session);
void gateway_peer_down(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session);
void gateway_peer_received(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session,
                           struct ordo_slice bytes);
void gateway_peer_side_received(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session,
                                struct ordo_slice bytes);
void gateway_peer_turn_end(struct ordo_gateway *gateway, struct gateway_peer *peer);
void gateway_peer_tick(struct ordo_gateway *gateway, struct gateway_peer *peer);

#endif
