#include "gateway/core/peer.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "gateway/core/doc.h"
#include "gateway/core/forget.h"
#include "gateway/core/history.h"
#include "gateway/core/parts.h"
#include "gateway/core/placement.h"
#include "gateway/core/resync.h"
#include "gateway/core/submit.h"
#include "gateway/core/subscriber.h"

enum {
    PAUSE_MS = 100,                 /* between the beginnings of two sessions */
    SPARE_MS = 5000,                /* a link is kept so long without use: slots may come back */
    GATHERED_SIZE_MAX = 256 * 1024, /* more than this does not wait for the end of the turn */
    MESSAGE_OVERHEAD = 256,         /* what surrounds an op on the link, generously */
    ENVELOPE_TO_SHARD = 7,
    SIDE_FETCHES = 2,
    SIDE_RELEASES = 3,
    DECODED_SIZE_MAX = 256 * 1024 * 1024,
};

static const uint32_t peer_moves[] = {
    [GATEWAY_PEER_RESTING] = 1u << GATEWAY_PEER_OPENING,
    [GATEWAY_PEER_OPENING] = 1u << GATEWAY_PEER_GREETING | 1u << GATEWAY_PEER_RESTING,
    [GATEWAY_PEER_GREETING] = 1u << GATEWAY_PEER_READY | 1u << GATEWAY_PEER_RESTING,
    [GATEWAY_PEER_READY] = 1u << GATEWAY_PEER_RESTING,
};

static void peer_move(struct ordo_gateway *gateway, struct gateway_peer *peer, enum gateway_peer_state next) {
    ORDO_ASSERT(peer_moves[peer->state] & 1u << next);
    if (peer->state == GATEWAY_PEER_READY) gateway->stats.links_ready--;
    if (next == GATEWAY_PEER_READY) gateway->stats.links_ready++;
    peer->state = next;
}

struct gateway_peer *gateway_peer_create(uint32_t index, struct ordo_store_id expected) {
    struct gateway_peer *peer = ordo_alloc(sizeof *peer);
    peer->index = index;
    peer->expected = expected;
    gateway_list_init(&peer->attach_urgent);
    gateway_list_init(&peer->attach_calm);
    gateway_list_init(&peer->attach_resting);
    gateway_list_init(&peer->untold);
    gateway_list_init(&peer->streams);
    return peer;
}

void gateway_peer_destroy(struct gateway_peer *peer) {
    ordo_buffer_finish(&peer->gathered);
    ordo_buffer_finish(&peer->side_gathered);
    gateway_table_finish(&peer->docs_by_number);
    gateway_table_finish(&peer->sources_by_bulk);
    free(peer);
}

bool gateway_peer_is_spare(const struct gateway_peer *peer, uint64_t now_ms) {
    if (peer->slot_count > 0 || !gateway_list_is_empty(&peer->streams)) return false;
    return peer->state == GATEWAY_PEER_RESTING || now_ms >= peer->spare_since_ms + SPARE_MS;
}

/* ---- what goes out */

static void send_envelope(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    ordo_link_stamp(&peer->link, &envelope, gateway->now_ms);
    if (peer->state == GATEWAY_PEER_READY) {
        envelope.shard = ordo_binary_of_slice(ordo_slice(peer->store.bytes, sizeof peer->store.bytes));
        envelope.incarnation = peer->incarnation;
    }
    struct ordo_buffer out = {0};
    ordo_message_encode(&envelope.base, &out);
    ordo_buffer_append_slice(&out,
                             ordo_buffer_slice(&peer->gathered)); /* the order of fields does not matter */
    ordo_buffer_clear(&peer->gathered);
    ordo_link_sent(&peer->link, out.size);
    ordo_gateway_push_send(gateway, ORDO_GATEWAY_LINK_SEND, peer, &out);
}

static void gathered_more(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    if (peer->gathered.size > GATHERED_SIZE_MAX) send_envelope(gateway, peer);
}

void gateway_peer_gather(struct ordo_gateway *gateway, struct gateway_peer *peer,
                         const Ordo__Cluster__V1__ToShard *message) {
    ORDO_ASSERT(peer->state == GATEWAY_PEER_READY || peer->state == GATEWAY_PEER_GREETING);
    ordo_message_encode_field(ENVELOPE_TO_SHARD, &message->base, &peer->gathered);
    gathered_more(gateway, peer);
}

void gateway_peer_gather_encoded(struct ordo_gateway *gateway, struct gateway_peer *peer,
                                 struct ordo_slice message) {
    ORDO_ASSERT(peer->state == GATEWAY_PEER_READY);
    ordo_field_append_bytes(&peer->gathered, ENVELOPE_TO_SHARD, message);
    gathered_more(gateway, peer);
}

bool gateway_peer_has_credit(const struct gateway_peer *peer, size_t size) {
    return ordo_link_has_credit(&peer->link, peer->gathered.size + size + MESSAGE_OVERHEAD);
}

void gateway_peer_fetch(struct gateway_peer *peer, uint64_t bulk, uint64_t offset, uint32_t size) {
    Ordo__Cluster__V1__Fetch fetch = ORDO__CLUSTER__V1__FETCH__INIT;
    fetch.bulk = bulk;
    fetch.offset = offset;
    fetch.size = size;
    ordo_message_encode_field(SIDE_FETCHES, &fetch.base, &peer->side_gathered);
}

void gateway_peer_release_bulk(struct gateway_peer *peer, uint64_t bulk) {
    if (peer->state != GATEWAY_PEER_READY) return; /* the shard forgets it by itself */
    ordo_buffer_append_varint(&peer->side_gathered, SIDE_RELEASES << 3 | 2); /* packed, one by one */
    ordo_buffer_append_varint(&peer->side_gathered, ordo_varint_size(bulk));
    ordo_buffer_append_varint(&peer->side_gathered, bulk);
}

static void send_side_request(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    bool is_beat_due = gateway->now_ms >= peer->side_sent_ms + ORDO_HEARTBEAT_MS;
    if (!is_beat_due && peer->side_gathered.size == 0) return;
    Ordo__Cluster__V1__SideRequest request = ORDO__CLUSTER__V1__SIDE_REQUEST__INIT;
    request.session = peer->link.session;
    request.heartbeat = is_beat_due ? ++peer->heartbeat : 0;
    if (is_beat_due) peer->side_sent_ms = gateway->now_ms;
    struct ordo_buffer out = {0};
    ordo_message_encode(&request.base, &out);
    ordo_buffer_append_slice(&out, ordo_buffer_slice(&peer->side_gathered));
    ordo_buffer_clear(&peer->side_gathered);
    ordo_gateway_push_send(gateway, ORDO_GATEWAY_SIDE_SEND, peer, &out);
}

void gateway_peer_turn_end(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    if (peer->state != GATEWAY_PEER_GREETING && peer->state != GATEWAY_PEER_READY) return;
    gateway_resync_pump_peer(gateway, peer);
    if (peer->gathered.size > 0 || ordo_link_is_due(&peer->link, gateway->now_ms))
        send_envelope(gateway, peer);
    send_side_request(gateway, peer);
}

/* ---- sessions */

static void begin_session(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    uint64_t session = ordo_prng_next(&gateway->prng);
    ordo_link_init(&peer->link, session ? session : 1, gateway->now_ms);
    peer->opened_ms = gateway->now_ms;
    peer_move(gateway, peer, GATEWAY_PEER_OPENING);
    ordo_gateway_push_effect(gateway, (struct ordo_gateway_effect){.kind = ORDO_GATEWAY_LINK_OPEN,
                                                                   .peer = peer->index,
                                                                   .store = peer->expected,
                                                                   .session = peer->link.session});
}

static void docs_cut(struct ordo_gateway *gateway, struct gateway_slot *slot) {
    GATEWAY_LIST_EACH(&slot->docs, doc_link) {
        struct gateway_doc *doc = GATEWAY_LIST_ITEM(doc_link, struct gateway_doc, in_slot);
        gateway_doc_forget_number(doc);
        GATEWAY_LIST_EACH(&doc->audience, link) {
            gateway_subscriber_cut(gateway, GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_audience));
        }
    }
}

static void session_lost(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    bool was_ready = peer->state == GATEWAY_PEER_READY;
    peer_move(gateway, peer, GATEWAY_PEER_RESTING);
    peer->rest_until_ms = peer->opened_ms + PAUSE_MS;
    peer->incarnation = 0;
    ordo_buffer_clear(&peer->gathered);
    ordo_buffer_clear(&peer->side_gathered);
    if (!was_ready) return; /* nobody was attached */
    gateway->stats.links_lost++;
    gateway_stream_cut(gateway, peer);
    for (uint32_t i = 0; i < ORDO_SLOT_COUNT; i++)
        if (gateway->slots[i].peer == peer) docs_cut(gateway, &gateway->slots[i]);
    ORDO_ASSERT(peer->attach_count == 0);
    gateway_subscriber_tell_outages(gateway, peer);
}

static bool is_of_session(const struct gateway_peer *peer, uint64_t session) {
    return peer->state != GATEWAY_PEER_RESTING && session == peer->link.session;
}

void gateway_peer_up(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session) {
    if (!is_of_session(peer, session) || peer->state != GATEWAY_PEER_OPENING) return;
    ordo_link_init(&peer->link, session, gateway->now_ms);
    peer->side_heard_ms = gateway->now_ms;
    peer->side_sent_ms = 0;
    peer_move(gateway, peer, GATEWAY_PEER_GREETING);
    Ordo__Cluster__V1__LinkHello hello = ORDO__CLUSTER__V1__LINK_HELLO__INIT;
    hello.protocol_min = hello.protocol_max = ORDO_GATEWAY_LINK_PROTOCOL;
    hello.gateway = ordo_binary_of_slice(ordo_buffer_slice(&gateway->name));
    hello.previous = peer->welcomed_session;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
    message.hello = &hello;
    gateway_peer_gather(gateway, peer, &message);
}

void gateway_peer_down(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session) {
    if (is_of_session(peer, session)) session_lost(gateway, peer);
}

void gateway_peer_tick(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    gateway_resync_tick(gateway, peer);
    gateway_subscriber_tell_outages(gateway, peer);
    bool is_late = false;
    switch (peer->state) {
    case GATEWAY_PEER_RESTING: break;
    case GATEWAY_PEER_OPENING: is_late = gateway->now_ms >= peer->opened_ms + ORDO_LINK_TIMEOUT_MS; break;
    case GATEWAY_PEER_GREETING:
    case GATEWAY_PEER_READY:
        is_late = ordo_link_is_silent(&peer->link, gateway->now_ms) ||
                  gateway->now_ms >= peer->side_heard_ms + ORDO_LINK_TIMEOUT_MS;
        break;
    }
    if (is_late) session_lost(gateway, peer);
    bool is_wanted = peer->slot_count > 0; /* else it is let go of */
    if (is_wanted && peer->state == GATEWAY_PEER_RESTING && gateway->now_ms >= peer->rest_until_ms)
        begin_session(gateway, peer);
}

/* ---- what comes in */

static bool is_expected(const struct gateway_peer *peer, ProtobufCBinaryData store) {
    if (store.len != sizeof peer->expected.bytes) return false;
    return ordo_store_id_is_none(&peer->expected) || memcmp(store.data, peer->expected.bytes, store.len) == 0;
}

static void welcomed(struct ordo_gateway *gateway, struct gateway_peer *peer,
                     const Ordo__Cluster__V1__Envelope *envelope) {
    const Ordo__Cluster__V1__ToGateway *first = envelope->n_to_gateway > 0 ? envelope->to_gateway[0] : NULL;
    bool is_welcome = first != NULL && first->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_WELCOME &&
                      first->welcome->protocol == ORDO_GATEWAY_LINK_PROTOCOL &&
                      is_expected(peer, envelope->shard) && envelope->incarnation != 0;
    if (!is_welcome) {
        if (first != NULL) session_lost(gateway, peer); /* an empty Envelope may come before */
        return;
    }
    memcpy(peer->store.bytes, envelope->shard.data, sizeof peer->store.bytes);
    peer->incarnation = envelope->incarnation;
    peer->welcomed_session = peer->link.session;
    peer_move(gateway, peer, GATEWAY_PEER_READY);
}

static bool is_of_shard(const struct gateway_peer *peer, ProtobufCBinaryData shard, uint64_t incarnation) {
    return ordo_slice_equal(ordo_slice_of_binary(shard),
                            ordo_slice(peer->store.bytes, sizeof peer->store.bytes)) &&
           incarnation == peer->incarnation;
}

static void dispatch(struct ordo_gateway *gateway, struct gateway_peer *peer,
                     const Ordo__Cluster__V1__ToGateway *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_RESET: session_lost(gateway, peer); return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_ATTACHED:
        gateway_subscriber_attached(gateway, peer, message->attached);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_REFUSED:
        gateway_subscriber_refused(gateway, peer, message->refused);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT:
        gateway_doc_commit(gateway, peer, message->commit);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK:
        gateway_submit_nacked(gateway, peer, message->nack);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DUPLICATE:
        gateway_submit_duplicate(gateway, peer, message->duplicate);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_PRESENCE:
        gateway_doc_presence(gateway, peer, message->presence);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_HISTORY:
        gateway_history_answered(gateway, peer, message->history);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_FORGOTTEN: gateway_forget_answered(gateway, peer, message->forgotten); return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_REATTACH:
        gateway_subscriber_reattach(gateway, peer, message->reattach);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DROPPED:
        gateway_doc_dropped(gateway, peer, message->dropped->doc);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NOT_OWNER:
        gateway_placement_not_owner(gateway, peer, message->not_owner);
        return;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_WELCOME:
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY__NOT_SET: /* of a newer shard: it knows that we do not know it */
    default: return;
    }
}

void gateway_peer_received(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session,
                           struct ordo_slice bytes) {
    if (!is_of_session(peer, session) || peer->state == GATEWAY_PEER_OPENING) return;
    gateway->arena.size_max = DECODED_SIZE_MAX;
    ordo_arena_reset(&gateway->arena);
    const Ordo__Cluster__V1__Envelope *envelope =
        ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, bytes, &gateway->arena);
    if (envelope == NULL) {
        session_lost(gateway, peer);
        return;
    }
    bool is_of_another = peer->state == GATEWAY_PEER_READY && envelope->session == session &&
                         !is_of_shard(peer, envelope->shard, envelope->incarnation);
    if (is_of_another) { /* the shard was restarted behind our back */
        session_lost(gateway, peer);
        return;
    }
    switch (ordo_link_receive(&peer->link, envelope, bytes.size, gateway->now_ms)) {
    case ORDO_LINK_NEXT: break;
    case ORDO_LINK_STRANGER: return;
    case ORDO_LINK_GAP: session_lost(gateway, peer); return;
    }
    if (peer->state == GATEWAY_PEER_GREETING) welcomed(gateway, peer, envelope);
    for (size_t i = 0; i < envelope->n_to_gateway && peer->state == GATEWAY_PEER_READY; i++)
        dispatch(gateway, peer, envelope->to_gateway[i]);
    ordo_link_grant(&peer->link,
                    0); /* all of it was worked through: every queue of ours is bounded by itself */
}

void gateway_peer_side_received(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t session,
                                struct ordo_slice bytes) {
    if (!is_of_session(peer, session) || peer->state == GATEWAY_PEER_OPENING) return;
    gateway->arena.size_max = DECODED_SIZE_MAX;
    ordo_arena_reset(&gateway->arena);
    const Ordo__Cluster__V1__SideReply *reply =
        ordo_message_decode(&ordo__cluster__v1__side_reply__descriptor, bytes, &gateway->arena);
    if (reply == NULL || reply->session != session) return;
    if (peer->state == GATEWAY_PEER_READY && !is_of_shard(peer, reply->shard, reply->incarnation)) return;
    peer->side_heard_ms = gateway->now_ms;
    bool is_stalled = reply->disk == ORDO__CLUSTER__V1__DISK_STATE__DISK_STALLED || reply->stalled_ms > 0;
    if (is_stalled) peer->link.heard_ms = gateway->now_ms; /* a slow disk is not a dead shard */
    for (size_t i = 0; i < reply->n_pieces && peer->state == GATEWAY_PEER_READY; i++)
        gateway_stream_piece(gateway, peer, reply->pieces[i]);
}
