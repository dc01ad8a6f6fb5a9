#include "gateway/core/resync.h"

#include "common/assert.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/peer.h"

/* ToShard.attach and Attach.subscriber. */
enum { TO_SHARD_ATTACH = 2, ATTACH_SUBSCRIBER = 1 };

static struct gateway_subscriber *subscriber_of(struct gateway_list *link) {
    return GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_attach);
}

/* Keeps the state, the list and the two counts in step: the only place that writes `attach`. */
static void attach_move(struct gateway_subscriber *subscriber, enum gateway_attach next) {
    struct gateway_peer *peer = gateway_doc_peer(subscriber->doc);
    struct gateway_conn *conn = subscriber->conn;
    if (subscriber->attach == GATEWAY_ATTACH_SENT) peer->attach_count--;
    if (subscriber->attach == GATEWAY_ATTACH_SENT || subscriber->attach == GATEWAY_ATTACH_AT_PEER)
        conn->attach_count--;
    subscriber->attach = next;
    switch (next) {
    case GATEWAY_ATTACH_IDLE: gateway_list_remove(&subscriber->in_attach); break;
    case GATEWAY_ATTACH_AT_CONN: gateway_list_append(&conn->attach_waiting, &subscriber->in_attach); break;
    case GATEWAY_ATTACH_AT_PEER:
        gateway_list_append(subscriber->is_urgent ? &peer->attach_urgent : &peer->attach_calm,
                            &subscriber->in_attach);
        conn->attach_count++;
        break;
    case GATEWAY_ATTACH_SENT:
        gateway_list_remove(&subscriber->in_attach);
        conn->attach_count++;
        peer->attach_count++;
        break;
    case GATEWAY_ATTACH_RESTING: gateway_list_append(&peer->attach_resting, &subscriber->in_attach); break;
    }
}

void gateway_resync_want(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    if (subscriber->attach != GATEWAY_ATTACH_IDLE) return;
    bool has_room = gateway_conn_has_room_to_attach(gateway, subscriber->conn);
    attach_move(subscriber, has_room ? GATEWAY_ATTACH_AT_PEER : GATEWAY_ATTACH_AT_CONN);
}

void gateway_resync_hurry(struct gateway_subscriber *subscriber) {
    if (subscriber->is_urgent) return;
    subscriber->is_urgent = true;
    if (subscriber->attach == GATEWAY_ATTACH_AT_PEER) attach_move(subscriber, GATEWAY_ATTACH_AT_PEER);
}

void gateway_resync_withdraw(struct gateway_subscriber *subscriber) {
    if (subscriber->attach == GATEWAY_ATTACH_AT_CONN) return; /* that is not about a shard yet */
    attach_move(subscriber, GATEWAY_ATTACH_IDLE);
}

void gateway_resync_rest(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    subscriber->rest_until_ms =
        gateway->now_ms + GATEWAY_REST_MS; /* one pace for all keeps the list in order */
    attach_move(subscriber, GATEWAY_ATTACH_RESTING);
}

void gateway_resync_answered(struct gateway_subscriber *subscriber, bool holds_conn) {
    attach_move(subscriber, GATEWAY_ATTACH_IDLE);
    if (holds_conn) subscriber->conn->attach_count++;
}

void gateway_resync_let_conn(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    ORDO_ASSERT(conn->attach_count > 0);
    conn->attach_count--;
    gateway_resync_pump_conn(gateway, conn);
}

void gateway_resync_pump_conn(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    while (!gateway_list_is_empty(&conn->attach_waiting) && gateway_conn_has_room_to_attach(gateway, conn))
        attach_move(subscriber_of(conn->attach_waiting.next), GATEWAY_ATTACH_AT_PEER);
}

void gateway_resync_forget(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    attach_move(subscriber, GATEWAY_ATTACH_IDLE);
    gateway_resync_pump_conn(gateway, subscriber->conn);
}

/* Goes on from what the client has, or will have for sure. */
static void gather_resync(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    ORDO_ASSERT(subscriber->queued_seq == subscriber->sent_seq);
    const struct gateway_conn *conn = subscriber->conn;
    Ordo__Cluster__V1__Attach attach = ORDO__CLUSTER__V1__ATTACH__INIT;
    attach.subscriber = subscriber->by_id.key;
    attach.collection = ordo_binary_of_slice(gateway_doc_collection(subscriber->doc));
    attach.id = ordo_binary_of_slice(gateway_doc_id(subscriber->doc));
    attach.client_id = ordo_binary_of_slice(ordo_slice(conn->client_id, sizeof conn->client_id));
    attach.user = ordo_binary_of_slice(ordo_buffer_slice(&conn->token.user));
    attach.permission = subscriber->access;
    attach.has_have = true;
    attach.have_seq = subscriber->sent_seq;
    attach.have_lineage = subscriber->lineage;
    attach.presence = subscriber->wants_presence;
    attach.resync = true;
    attach.bare = subscriber->is_bare;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH;
    message.attach = &attach;
    gateway_peer_gather(gateway, gateway_doc_peer(subscriber->doc), &message);
    gateway->stats.resyncs++;
}

static void gather_opening(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    struct ordo_buffer attach = {0}, message = {0};
    ordo_field_append_varint(&attach, ATTACH_SUBSCRIBER, subscriber->by_id.key);
    ordo_buffer_append_slice(&attach, ordo_buffer_slice(&subscriber->opening));
    ordo_field_append_bytes(&message, TO_SHARD_ATTACH, ordo_buffer_slice(&attach));
    gateway_peer_gather_encoded(gateway, gateway_doc_peer(subscriber->doc), ordo_buffer_slice(&message));
    ordo_buffer_finish(&attach);
    ordo_buffer_finish(&message);
}

static bool send_oldest(struct ordo_gateway *gateway, struct gateway_peer *peer,
                        struct gateway_list *waiting) {
    struct gateway_subscriber *subscriber = subscriber_of(waiting->next);
    if (!gateway_peer_has_credit(peer, subscriber->opening.size)) return false;
    if (subscriber->state == GATEWAY_SUBSCRIBER_OPENING)
        gather_opening(gateway, subscriber);
    else
        gather_resync(gateway, subscriber);
    subscriber->is_urgent = false;
    subscriber->told_access = subscriber->access;
    attach_move(subscriber, GATEWAY_ATTACH_SENT);
    return true;
}

void gateway_resync_pump_peer(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    if (peer->state != GATEWAY_PEER_READY) return;
    while (peer->attach_count < GATEWAY_PEER_ATTACHES_MAX) {
        struct gateway_list *waiting =
            !gateway_list_is_empty(&peer->attach_urgent) ? &peer->attach_urgent : &peer->attach_calm;
        if (gateway_list_is_empty(waiting) || !send_oldest(gateway, peer, waiting)) return;
    }
}

void gateway_resync_tick(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    while (!gateway_list_is_empty(&peer->attach_resting)) {
        struct gateway_subscriber *subscriber = subscriber_of(peer->attach_resting.next);
        if (gateway->now_ms < subscriber->rest_until_ms) return;
        attach_move(subscriber, GATEWAY_ATTACH_IDLE);
        gateway_resync_want(gateway, subscriber);
    }
}
