#include "gateway/core/gateway.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"
#include "gateway/core/admit.h"
#include "gateway/core/conn.h"
#include "gateway/core/deliver.h"
#include "gateway/core/parts.h"
#include "gateway/core/peer.h"
#include "gateway/core/placement.h"
#include "gateway/core/quota.h"
#include "gateway/core/request.h"
#include "gateway/core/resync.h"
#include "gateway/core/subscriber.h"

/* Ten times what one client with one op in flight reaches, and no more than a part of what a gateway does in a second. A user
 * has several connections: tabs, or a program with many. */
enum {
    OPS_RATE = 5000,
    REQUESTS_RATE = 1000, /* its burst opens all documents that a connection may have, twice */
    BYTES_RATE = 8 * 1024 * 1024,
    PRESENCE_RATE = 100,
    USER_RATE_FACTOR = 4,
};
enum { HELLO_TIMEOUT_MS = 10000, OPEN_TIMEOUT_MS = 10000, DRAIN_MS = 2000 };

void ordo_gateway_config_init(struct ordo_gateway_config *config) {
    *config = (struct ordo_gateway_config){
        .op_size_max = ORDO_OP_SIZE_MAX,
        .frame_size_max = ORDO_FRAME_SIZE_MAX,
        .presence_size_max = ORDO_PRESENCE_SIZE_MAX,
        .documents_per_connection_max = ORDO_DOCUMENTS_PER_CONNECTION_MAX,
        .outbox_size_max = ORDO_OUTBOX_SIZE_MAX,
        .conn_rates = {.ops = OPS_RATE, .bytes = BYTES_RATE, .requests = REQUESTS_RATE},
        .user_rates = {.ops = USER_RATE_FACTOR * OPS_RATE,
                       .bytes = USER_RATE_FACTOR * BYTES_RATE,
                       .requests = USER_RATE_FACTOR * REQUESTS_RATE},
        .presence_rate = PRESENCE_RATE,
        .hello_timeout_ms = HELLO_TIMEOUT_MS,
        .open_timeout_ms = OPEN_TIMEOUT_MS,
        .drain_ms = DRAIN_MS,
    };
}

struct ordo_gateway *ordo_gateway_create(const struct ordo_gateway_config *config) {
    struct ordo_gateway *gateway = ordo_alloc(sizeof *gateway);
    gateway->config = *config;
    ordo_buffer_append_slice(&gateway->name, config->name);
    ordo_prng_init(&gateway->prng, config->seed);
    gateway->hash_seed = ordo_hash_with(config->seed, ordo_slice_of("tables"));
    ordo_arena_init(&gateway->arena, 0); /* the limit is set for each decoding */
    gateway_list_init(&gateway->greeting);
    gateway_list_init(&gateway->ending);
    gateway_list_init(&gateway->opening);
    gateway_list_init(&gateway->users_gone);
    gateway_placement_init(gateway);
    return gateway;
}

void ordo_gateway_destroy(struct ordo_gateway *gateway) {
    if (gateway == NULL) return;
    for (uint32_t i = 0; i < gateway->conn_capacity; i++)
        if (gateway->conns[i] != NULL) gateway_conn_closed(gateway, gateway->conns[i]);
    gateway_quota_finish(gateway);
    gateway_placement_finish(gateway);
    struct ordo_gateway_effect effect;
    while (ordo_gateway_take(gateway, &effect)) {
    }
    free(gateway->effects);
    free(gateway->conns);
    free(gateway->revocations);
    gateway_table_finish(&gateway->docs);
    gateway_table_finish(&gateway->subscribers);
    ordo_buffer_finish(&gateway->name);
    ordo_buffer_finish(&gateway->scratch);
    ordo_arena_finish(&gateway->arena);
    free(gateway);
}

/* ---- effects */

void ordo_gateway_push_effect(struct ordo_gateway *gateway, struct ordo_gateway_effect effect) {
    if (gateway->effect_count == gateway->effect_capacity) {
        gateway->effect_capacity = gateway->effect_capacity ? gateway->effect_capacity * 2 : 16;
        gateway->effects = ordo_realloc(gateway->effects, gateway->effect_capacity * sizeof effect);
    }
    gateway->effects[gateway->effect_count++] = effect;
}

void ordo_gateway_push_send(struct ordo_gateway *gateway, enum ordo_gateway_effect_kind kind,
                            const struct gateway_peer *peer, struct ordo_buffer *bytes) {
    ordo_gateway_push_effect(gateway, (struct ordo_gateway_effect){.kind = kind,
                                                                   .peer = peer->index,
                                                                   .session = peer->link.session,
                                                                   .bytes = ordo_buffer_slice(bytes)});
    *bytes = (struct ordo_buffer){0};
}

bool ordo_gateway_take(struct ordo_gateway *gateway, struct ordo_gateway_effect *out) {
    free(gateway->taken);
    gateway->taken = NULL;
    if (gateway->effect_first == gateway->effect_count) {
        gateway->effect_first = gateway->effect_count = 0;
        return false;
    }
    *out = gateway->effects[gateway->effect_first++];
    gateway->taken = (uint8_t *)(uintptr_t)out->bytes.data; /* ours, of those who pushed it */
    return true;
}

/* ---- events */

static void step_conn(struct ordo_gateway *gateway, const struct ordo_gateway_event *event) {
    struct gateway_conn *conn = gateway_conn_find(gateway, event->conn);
    if (event->kind == ORDO_GATEWAY_CONN_OPENED)
        gateway_conn_open(gateway, event->conn, event->bytes);
    else if (conn == NULL)
        return;
    else if (event->kind == ORDO_GATEWAY_CONN_FRAME)
        gateway_request_frame(gateway, conn, event->bytes);
    else
        gateway_conn_closed(gateway, conn);
}

static void step_peer(struct ordo_gateway *gateway, const struct ordo_gateway_event *event) {
    struct gateway_peer *peer = gateway_placement_peer(gateway, event->peer);
    if (peer == NULL) return;
    if (event->kind == ORDO_GATEWAY_LINK_UP)
        gateway_peer_up(gateway, peer, event->session);
    else if (event->kind == ORDO_GATEWAY_LINK_DOWN)
        gateway_peer_down(gateway, peer, event->session);
    else if (event->kind == ORDO_GATEWAY_LINK_RECEIVED)
        gateway_peer_received(gateway, peer, event->session, event->bytes);
    else
        gateway_peer_side_received(gateway, peer, event->session, event->bytes);
}

static void tick(struct ordo_gateway *gateway) {
    for (uint32_t i = 0; i < gateway->peer_capacity; i++)
        if (gateway->peers[i] != NULL) gateway_peer_tick(gateway, gateway->peers[i]);
    gateway_placement_tick(gateway);
    gateway_conn_tick(gateway);
    gateway_admit_tick(gateway);
    gateway_subscriber_tick(gateway);
    gateway_quota_tick(gateway);
}

void ordo_gateway_step(struct ordo_gateway *gateway, const struct ordo_gateway_event *event) {
    gateway->wall_ms = event->wall_ms;
    gateway->now_ms = event->now_ms;
    gateway->now_us = event->now_us != 0 ? event->now_us : event->now_ms * 1000;
    switch (event->kind) {
    case ORDO_GATEWAY_CONN_OPENED:
    case ORDO_GATEWAY_CONN_FRAME:
    case ORDO_GATEWAY_CONN_CLOSED: step_conn(gateway, event); break;
    case ORDO_GATEWAY_LINK_UP:
    case ORDO_GATEWAY_LINK_DOWN:
    case ORDO_GATEWAY_LINK_RECEIVED:
    case ORDO_GATEWAY_SIDE_RECEIVED: step_peer(gateway, event); break;
    case ORDO_GATEWAY_PLACEMENT: gateway_placement_take(gateway, event->placement); break;
    case ORDO_GATEWAY_KEYS: gateway_admit_keys(gateway, event->keys); break;
    case ORDO_GATEWAY_REVOKED: gateway_admit_revocations(gateway, event->revocations); break;
    case ORDO_GATEWAY_TURN_END:
        for (uint32_t i = 0; i < gateway->peer_capacity; i++)
            if (gateway->peers[i] != NULL) gateway_peer_turn_end(gateway, gateway->peers[i]);
        break;
    case ORDO_GATEWAY_TICK: tick(gateway); break;
    case ORDO_GATEWAY_DRAIN: gateway_conn_drain(gateway); break;
    }
    gateway_conn_end_closing(gateway);
}

/* ---- output */

/* Moves what waits into the frame until it is full; true when all of it went. */
static bool write_outbox(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_buffer *frame,
                         size_t start) {
    const struct gateway_entry *entry;
    while ((entry = gateway_outbox_peek(&conn->outbox)) != NULL) {
        size_t size = frame->size - start;
        if (size > 0 && size + gateway_entry_size(entry) > gateway->config.frame_size_max) return false;
        if (gateway_entry_is_droppable(entry)) {
            struct gateway_subscriber *subscriber = gateway_conn_subscriber(conn, entry->doc);
            if (subscriber == NULL) { /* has left */
                gateway_outbox_pop(&conn->outbox);
                continue;
            }
            gateway_deliver_sent(gateway, subscriber, entry, size == 0);
        }
        gateway_entry_write(entry, frame);
        gateway_outbox_pop(&conn->outbox);
        gateway->stats.messages_sent++;
    }
    return true;
}

bool ordo_gateway_output(struct ordo_gateway *gateway, uint32_t id, struct ordo_buffer *frame) {
    struct gateway_conn *conn = gateway_conn_find(gateway, id);
    if (conn == NULL) return false;
    size_t start = frame->size;
    bool is_empty = write_outbox(gateway, conn, frame, start);
    /* A part may be as large as a frame, so it goes alone. */
    if (is_empty && frame->size == start && gateway_stream_output(gateway, conn, frame))
        gateway->stats.messages_sent++;
    if (is_empty) {
        conn->is_slow = false;
        gateway_resync_pump_conn(gateway, conn);
    }
    if (frame->size > start) gateway->stats.frames_sent++;
    gateway->stats.bytes_sent += frame->size - start;
    gateway_conn_account(gateway, conn);
    conn->is_announced = conn->outbox.count > 0 || gateway_stream_is_ready(conn);
    return conn->is_announced;
}

bool ordo_gateway_is_ready(const struct ordo_gateway *gateway) {
    if (!gateway->is_placed || gateway->is_draining) return false;
    for (uint32_t i = 0; i < gateway->peer_capacity; i++) {
        const struct gateway_peer *peer = gateway->peers[i];
        if (peer != NULL && peer->state == GATEWAY_PEER_READY && peer->slot_count > 0) return true;
    }
    return false;
}

const struct ordo_gateway_stats *ordo_gateway_stats(const struct ordo_gateway *gateway) {
    return &gateway->stats;
}

bool ordo_gateway_next_link(const struct ordo_gateway *gateway, uint32_t *cursor, struct ordo_gateway_link *out) {
    while (*cursor < gateway->peer_capacity) {
        const struct gateway_peer *peer = gateway->peers[(*cursor)++];
        if (peer == NULL) continue;
        *out = (struct ordo_gateway_link){.store = peer->expected,
                                          .is_ready = peer->state == GATEWAY_PEER_READY,
                                          .attaches = peer->attach_count};
        return true;
    }
    return false;
}

bool ordo_gateway_who(const struct ordo_gateway *gateway, uint32_t id, struct ordo_gateway_who *out) {
    const struct gateway_conn *conn = id < gateway->conn_capacity ? gateway->conns[id] : NULL;
    if (conn == NULL) return false;
    *out = (struct ordo_gateway_who){
        .client_id = ordo_slice(conn->client_id, conn->has_greeted ? sizeof conn->client_id : 0),
        .user = ordo_buffer_slice(&conn->token.user),
        .documents = conn->handle_count,
    };
    return true;
}

struct ordo_slice ordo_gateway_name(const struct ordo_gateway *gateway) {
    return ordo_buffer_slice(&gateway->name);
}
