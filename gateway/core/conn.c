#include "gateway/core/conn.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "gateway/core/answer.h"
#include "gateway/core/doc.h"
#include "gateway/core/parts.h"
#include "gateway/core/peer.h"
#include "gateway/core/quota.h"
#include "gateway/core/subscriber.h"

/* A client that is sent away waits up to so long, and as long as it sees fit itself. */
enum { RECONNECT_MS = 500 };

/* CLOSING follows GREETING too: a connection may be refused before it says anything. */
static const uint32_t conn_moves[] = {
    [GATEWAY_CONN_GREETING] = 1u << GATEWAY_CONN_READY | 1u << GATEWAY_CONN_CLOSING,
    [GATEWAY_CONN_READY] = 1u << GATEWAY_CONN_CLOSING,
    [GATEWAY_CONN_CLOSING] = 0,
};

static void conn_move(struct gateway_conn *conn, enum gateway_conn_state next) {
    ORDO_ASSERT(conn_moves[conn->state] & 1u << next);
    conn->state = next;
    gateway_list_remove(&conn->in_state);
}

struct gateway_conn *gateway_conn_find(struct ordo_gateway *gateway, uint32_t id) {
    return id < gateway->conn_capacity ? gateway->conns[id] : NULL;
}

static void make_place(struct ordo_gateway *gateway, uint32_t id) {
    if (id < gateway->conn_capacity) return;
    uint32_t capacity = gateway->conn_capacity ? gateway->conn_capacity : 64;
    while (capacity <= id) capacity *= 2;
    gateway->conns = ordo_realloc(gateway->conns, capacity * sizeof *gateway->conns);
    memset(gateway->conns + gateway->conn_capacity, 0,
           (capacity - gateway->conn_capacity) * sizeof *gateway->conns);
    gateway->conn_capacity = capacity;
}

/* The client comes back, to another gateway; not all at once. */
static void send_away(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    uint32_t reconnect_after_ms = (uint32_t)ordo_prng_below(&gateway->prng, RECONNECT_MS);
    gateway_answer_go_away(gateway, conn, "this gateway stops", reconnect_after_ms);
    gateway_conn_close(gateway, conn, GATEWAY_CLOSE_GOING_AWAY, "this gateway stops");
}

void gateway_conn_open(struct ordo_gateway *gateway, uint32_t id, struct ordo_slice token) {
    make_place(gateway, id);
    ORDO_ASSERT(gateway->conns[id] == NULL);
    struct gateway_conn *conn = ordo_alloc(sizeof *conn);
    conn->id = id;
    conn->state = GATEWAY_CONN_GREETING;
    conn->hello_due_ms = gateway->now_ms + gateway->config.hello_timeout_ms;
    gateway_list_init(&conn->in_state);
    gateway_list_append(&gateway->greeting, &conn->in_state);
    gateway_list_init(&conn->attach_waiting);
    gateway_list_init(&conn->streams);
    /* One byte more than may be is enough to say that it is too large. */
    if (token.size > ORDO_TOKEN_SIZE_MAX) token.size = ORDO_TOKEN_SIZE_MAX + 1;
    if (gateway->config.asks_token && token.size > 0) ordo_buffer_append_slice(&conn->offered, token);
    gateway->conns[id] = conn;
    gateway->stats.connections++;
    gateway->stats.connections_opened++;
    if (gateway->is_draining) send_away(gateway, conn);
}

/* Ends all that the connection has with others. */
static void conn_release(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    while (conn->handle_count > 0)
        gateway_subscriber_end(gateway, conn->handles[conn->handle_count - 1].subscriber);
    GATEWAY_LIST_EACH(&conn->streams, link) gateway_stream_destroy(gateway, gateway_stream_of(link));
    while (conn->waits != NULL) {
        struct gateway_wait *next = conn->waits->next;
        free(conn->waits);
        conn->waits = next;
    }
    conn->wait_count = 0;
    free(conn->handles);
    conn->handles = NULL;
    conn->handle_capacity = 0;
}

void gateway_conn_closed(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    conn_release(gateway, conn);
    gateway_list_remove(&conn->in_state);
    gateway_outbox_finish(&conn->outbox);
    gateway->stats.outbox_bytes -= conn->accounted_size;
    gateway_quota_leave(gateway, conn);
    ordo_token_finish(&conn->token);
    ordo_buffer_finish(&conn->offered);
    ordo_buffer_finish(&conn->types);
    gateway->conns[conn->id] = NULL;
    gateway->stats.connections--;
    free(conn);
}

const char *const ordo_close_code_names[ORDO_CLOSE_CODE_COUNT] = {"1001", "1002", "1007", "1008", "1009",
                                                                  "1011", "1012", "1013", "other"};

static size_t close_code_index(uint16_t code) {
    static const uint16_t codes[ORDO_CLOSE_CODE_COUNT - 1] = {
        GATEWAY_CLOSE_GOING_AWAY, GATEWAY_CLOSE_PROTOCOL, GATEWAY_CLOSE_BAD_PAYLOAD, GATEWAY_CLOSE_POLICY,
        GATEWAY_CLOSE_TOO_LARGE,  GATEWAY_CLOSE_INTERNAL, GATEWAY_CLOSE_RESTART,     GATEWAY_CLOSE_TRY_LATER};
    size_t index = 0;
    while (index < ORDO_CLOSE_CODE_COUNT - 1 && codes[index] != code) index++;
    return index;
}

void gateway_conn_close(struct ordo_gateway *gateway, struct gateway_conn *conn, uint16_t code,
                        const char *reason) {
    if (conn->state == GATEWAY_CONN_CLOSING) return;
    conn_move(conn, GATEWAY_CONN_CLOSING);
    gateway_list_append(&gateway->ending, &conn->in_state);
    if (code != GATEWAY_CLOSE_GOING_AWAY) gateway->stats.connections_refused++;
    gateway->stats.closes[close_code_index(code)]++;
    ordo_gateway_push_effect(
        gateway, (struct ordo_gateway_effect){
                     .kind = ORDO_GATEWAY_CONN_CLOSE, .conn = conn->id, .code = code, .reason = reason});
}

void gateway_conn_end_closing(struct ordo_gateway *gateway) {
    GATEWAY_LIST_EACH(&gateway->ending, link) {
        struct gateway_conn *conn = GATEWAY_LIST_ITEM(link, struct gateway_conn, in_state);
        gateway_list_remove(link);
        conn_release(gateway, conn);
    }
}

void gateway_conn_drain(struct ordo_gateway *gateway) {
    gateway->is_draining = true;
    uint64_t count = gateway->stats.connections;
    uint64_t spread_ms = count < gateway->config.drain_ms ? count : gateway->config.drain_ms;
    for (uint32_t i = 0; i < gateway->conn_capacity; i++)
        if (gateway->conns[i] != NULL)
            gateway->conns[i]->drain_due_ms =
                gateway->now_ms + ordo_prng_below(&gateway->prng, spread_ms + 1);
}

static void drain_tick(struct ordo_gateway *gateway) {
    for (uint32_t i = 0; i < gateway->conn_capacity; i++) {
        struct gateway_conn *conn = gateway->conns[i];
        bool is_due =
            conn != NULL && conn->state != GATEWAY_CONN_CLOSING && gateway->now_ms >= conn->drain_due_ms;
        if (is_due) send_away(gateway, conn);
    }
}

void gateway_conn_tick(struct ordo_gateway *gateway) {
    if (gateway->is_draining) drain_tick(gateway);
    while (!gateway_list_is_empty(&gateway->greeting)) {
        struct gateway_conn *conn = GATEWAY_LIST_ITEM(gateway->greeting.next, struct gateway_conn, in_state);
        if (gateway->now_ms < conn->hello_due_ms) return;
        gateway_conn_close(gateway, conn, GATEWAY_CLOSE_POLICY, "no Hello came in time");
    }
}

void gateway_conn_greeted(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_token *token) {
    conn_move(conn, GATEWAY_CONN_READY);
    conn->has_greeted = true;
    conn->token = *token;
    *token = (struct ordo_token){0};
    ordo_buffer_finish(&conn->offered);
    gateway_quota_enter(gateway, conn);
}

static size_t waiting_size(const struct gateway_conn *conn) {
    return conn->outbox.size + conn->held_size;
}

void gateway_conn_account(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    size_t size = waiting_size(conn) + conn->outbox.part_size;
    gateway->stats.outbox_bytes += size - conn->accounted_size;
    conn->accounted_size = size;
}

/* About what an open document takes here: its subscriber and its handle, and the document, if it is its only one. */
enum { SUBSCRIBER_SIZE = 600 };

size_t ordo_gateway_conn_size(const struct ordo_gateway *gateway, uint32_t id) {
    const struct gateway_conn *conn = id < gateway->conn_capacity ? gateway->conns[id] : NULL;
    if (conn == NULL) return 0;
    return waiting_size(conn) + conn->outbox.part_size + conn->opening_size + (size_t)conn->handle_count * SUBSCRIBER_SIZE;
}

void gateway_conn_announce(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    gateway_conn_account(gateway, conn);
    if (conn->is_announced) return;
    conn->is_announced = true;
    ordo_gateway_push_effect(
        gateway, (struct ordo_gateway_effect){.kind = ORDO_GATEWAY_CONN_OUTPUT, .conn = conn->id});
}

/* All droppable messages of the connection go; the subscribers that missed a seq so are resynced later. */
static void drop_droppables(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    conn->is_slow = true;
    gateway->stats.messages_dropped += gateway_outbox_drop(&conn->outbox);
    GATEWAY_LIST_EACH(&conn->streams, link) gateway_stream_drop_held(gateway, gateway_stream_of(link));
    for (uint32_t i = 0; i < conn->handle_count; i++) {
        struct gateway_subscriber *subscriber = conn->handles[i].subscriber;
        if (subscriber->queued_seq == subscriber->sent_seq) continue;
        subscriber->queued_seq = subscriber->sent_seq;
        gateway_subscriber_fell_behind(gateway, subscriber);
    }
}

bool gateway_conn_make_room(struct ordo_gateway *gateway, struct gateway_conn *conn, size_t size) {
    if (waiting_size(conn) + size <= gateway->config.outbox_size_max) return true;
    drop_droppables(gateway, conn);
    return waiting_size(conn) + size <= gateway->config.outbox_size_max;
}

void gateway_conn_push_answer(struct ordo_gateway *gateway, struct gateway_conn *conn,
                              struct gateway_entry entry) {
    bool fits = conn->state != GATEWAY_CONN_CLOSING &&
                (entry.kind == GATEWAY_ENTRY_PART ||
                 gateway_conn_make_room(gateway, conn, gateway_entry_size(&entry)));
    if (fits) {
        struct gateway_subscriber *subscriber =
            entry.doc != 0 ? gateway_conn_subscriber(conn, entry.doc) : NULL;
        if (subscriber != NULL && subscriber->stream != NULL && entry.kind != GATEWAY_ENTRY_PART) {
            gateway_stream_hold(subscriber->stream, entry);
            return;
        }
        gateway_outbox_push(&conn->outbox, entry);
        gateway_conn_announce(gateway, conn);
        return;
    }
    gateway_payload_release(entry.payload);
    if (conn->state == GATEWAY_CONN_CLOSING) return;
    gateway_outbox_finish(&conn->outbox); /* it would hardly be read */
    gateway_conn_close(gateway, conn, GATEWAY_CLOSE_POLICY,
                       "too many answers wait: read them before asking on");
}

bool gateway_conn_has_room_to_attach(const struct ordo_gateway *gateway, const struct gateway_conn *conn) {
    return !conn->is_slow && conn->attach_count < GATEWAY_CONN_ATTACHES_MAX &&
           conn->outbox.droppable_count == 0 &&
           waiting_size(conn) + conn->outbox.part_size <= gateway->config.outbox_size_max / 4;
}

/* The place of the first handle that is not below `handle`. */
static uint32_t handle_index(const struct gateway_conn *conn, uint32_t handle) {
    uint32_t low = 0, high = conn->handle_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (conn->handles[middle].handle < handle)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct gateway_subscriber *gateway_conn_subscriber(const struct gateway_conn *conn, uint32_t handle) {
    uint32_t index = handle_index(conn, handle);
    bool is_there = index < conn->handle_count && conn->handles[index].handle == handle;
    return is_there ? conn->handles[index].subscriber : NULL;
}

struct gateway_subscriber *gateway_conn_subscriber_of(const struct gateway_conn *conn, uint64_t name_hash,
                                                      struct ordo_slice collection, struct ordo_slice id) {
    for (uint32_t i = 0; i < conn->handle_count; i++) {
        const struct gateway_handle *handle = &conn->handles[i];
        if (handle->name_hash == name_hash && gateway_doc_is_named(handle->subscriber->doc, collection, id))
            return handle->subscriber;
    }
    return NULL;
}

void gateway_conn_add_subscriber(struct gateway_conn *conn, struct gateway_subscriber *subscriber,
                                 uint64_t name_hash) {
    if (conn->handle_count == conn->handle_capacity) {
        conn->handle_capacity = conn->handle_capacity ? conn->handle_capacity * 2 : 1;
        conn->handles = ordo_realloc(conn->handles, conn->handle_capacity * sizeof *conn->handles);
    }
    subscriber->handle = ++conn->handle_newest;
    conn->handles[conn->handle_count++] = (struct gateway_handle){
        .handle = subscriber->handle, .name_hash = name_hash, .subscriber = subscriber};
}

void gateway_conn_remove_subscriber(struct gateway_conn *conn, const struct gateway_subscriber *subscriber) {
    uint32_t index = handle_index(conn, subscriber->handle);
    ORDO_ASSERT(index < conn->handle_count && conn->handles[index].subscriber == subscriber);
    conn->handle_count--;
    memmove(&conn->handles[index], &conn->handles[index + 1],
            (conn->handle_count - index) * sizeof *conn->handles);
}

bool gateway_conn_may_ask(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request) {
    struct gateway_conn *conn = subscriber->conn;
    /* Answers wait in memory until the socket takes them. */
    bool is_full = conn->wait_count + conn->history_stream_count >= GATEWAY_CONN_WAITS_MAX ||
                   conn->outbox.part_size > gateway->config.outbox_size_max / 4;
    if (is_full) {
        gateway_answer_error(gateway, conn, request, subscriber->handle, 429,
                             ordo_slice_of("too many requests at once; wait for their answers"));
        return false;
    }
    if (gateway_subscriber_is_attached(subscriber) && gateway_peer_has_credit(gateway_doc_peer(subscriber->doc), 0)) return true;
    gateway_answer_error(gateway, conn, request, subscriber->handle, 503,
                         ordo_slice_of("the shard of this document is away or busy; ask again later"));
    return false;
}

void gateway_conn_add_wait(struct gateway_conn *conn, uint32_t handle, uint32_t request) {
    struct gateway_wait *wait = ordo_alloc(sizeof *wait);
    *wait = (struct gateway_wait){.next = conn->waits, .handle = handle, .request = request};
    conn->waits = wait;
    conn->wait_count++;
}

bool gateway_conn_take_wait(struct gateway_conn *conn, uint32_t handle, uint32_t request) {
    for (struct gateway_wait **at = &conn->waits; *at != NULL; at = &(*at)->next) {
        struct gateway_wait *wait = *at;
        if (wait->handle != handle || wait->request != request) continue;
        *at = wait->next;
        free(wait);
        conn->wait_count--;
        return true;
    }
    return false;
}

void gateway_conn_fail_waits(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t handle) {
    for (struct gateway_wait **at = &conn->waits; *at != NULL;) {
        struct gateway_wait *wait = *at;
        if (wait->handle != handle) {
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        conn->wait_count--;
        gateway_answer_error(gateway, conn, wait->request, handle, 503,
                             ordo_slice_of("the document is not open at its shard now; ask again"));
        free(wait);
    }
}
