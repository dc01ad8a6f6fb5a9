#include <stdlib.h>

#include "common/hex.h"
#include "common/memory.h"
#include "gateway/client_address.h"
#include "gateway/cut.h"
#include "gateway/wire_impl.h"

enum { LINES_MAX = 20 }; /* in the log, in one second */

static void step(struct ordo_wire_lws *wire, enum ordo_gateway_event_kind kind, uint32_t conn,
                 struct ordo_slice bytes) {
    ordo_turn_step(wire->turn, (struct ordo_gateway_event){
                                   .kind = kind, .conn = conn, .bytes = bytes});
}

static uint32_t take_index(struct ordo_wire_lws *wire) {
    if (wire->free_count > 0) return wire->free_indices[--wire->free_count];
    if (wire->count == wire->capacity) {
        wire->capacity = wire->capacity ? wire->capacity * 2 : 64;
        wire->sockets = ordo_realloc(wire->sockets, wire->capacity * sizeof *wire->sockets);
        memset(wire->sockets + wire->count, 0, (wire->capacity - wire->count) * sizeof *wire->sockets);
        wire->free_indices = ordo_realloc(wire->free_indices, wire->capacity * sizeof *wire->free_indices);
    }
    return wire->count; /* none was given back, so 0..count-1 are in use */
}

static void log_opened(const struct ordo_socket *socket) {
    char address[ORDO_IP_TEXT_SIZE];
    ordo_ip_print(&socket->address, address);
    log_debug("event=connection_opened conn=%u address=%s", socket->conn, address);
}

int ordo_socket_opened(struct ordo_wire_lws *wire, struct lws *wsi, struct ordo_session *session) {
    char header[ORDO_WIRE_HEADER_SIZE_MAX];
    if (wire->is_draining || wire->count >= wire->count_max) return -1;
    struct ordo_slice token = ordo_upgrade_token(wire, wsi, header);
    struct ordo_socket *socket = ordo_alloc(sizeof *socket);
    uint32_t index = take_index(wire);
    wire->sockets[index] = socket;
    wire->count++;
    session->socket = socket;
    socket->wsi = wsi;
    socket->conn = ordo_turn_socket_conn(index);
    socket->address = ordo_client_address(wsi, &wire->options->proxies);
    socket->due_ms = wire->turn->now_ms + wire->options->ping_interval_ms;
    gateway_list_init(&socket->in_output);
    gateway_list_init(&socket->in_due);
    gateway_list_init(&socket->in_paused);
    gateway_list_init(&socket->in_unfinished);
    gateway_list_append(&wire->silence, &socket->in_due);
    ordo_addresses_enter(&wire->addresses, &socket->address, ORDO_ADDRESS_CONNECTION);
    ordo_lobby_leave(&wire->lobby, wsi);
    log_opened(socket);
    step(wire, ORDO_GATEWAY_CONN_OPENED, socket->conn, token);
    return 0;
}

void ordo_socket_gone(struct ordo_wire_lws *wire, struct ordo_session *session) {
    struct ordo_socket *socket = session->socket;
    if (socket == NULL) return;
    session->socket = NULL;
    step(wire, ORDO_GATEWAY_CONN_CLOSED, socket->conn, ordo_slice(NULL, 0));
    ordo_addresses_leave(&wire->addresses, &socket->address, ORDO_ADDRESS_CONNECTION);
    wire->turn->stats.reads_paused -= !gateway_list_is_empty(&socket->in_paused);
    gateway_list_remove(&socket->in_paused);
    gateway_list_remove(&socket->in_unfinished);
    gateway_list_remove(&socket->in_output);
    gateway_list_remove(&socket->in_due);
    ordo_buffer_finish(&socket->partial);
    uint32_t index = ordo_turn_index_of(socket->conn);
    free(socket);
    wire->sockets[index] = NULL;
    wire->free_indices[wire->free_count++] = index;
    wire->count--;
}

struct ordo_socket *ordo_socket_find(const struct ordo_wire_lws *wire, uint32_t conn) {
    uint32_t index = ordo_turn_index_of(conn);
    return index < wire->capacity ? wire->sockets[index] : NULL;
}

void ordo_socket_cut(struct ordo_socket *socket) {
    socket->is_closing = socket->is_cut = true;
    gateway_list_remove(&socket->in_output);
    gateway_list_remove(&socket->in_due);
    gateway_list_remove(&socket->in_unfinished);
    ordo_cut(socket->wsi);
}

void ordo_socket_log(struct ordo_wire_lws *wire, const struct ordo_socket *socket, const char *event, unsigned code,
                     const char *reason) {
    if (wire->turn->now_ms - wire->lines_since_ms >= 1000) {
        if (wire->line_count > LINES_MAX)
            log_warn("event=lines_left_out about=connections count=%llu",
                     (unsigned long long)(wire->line_count - LINES_MAX));
        wire->lines_since_ms = wire->turn->now_ms;
        wire->line_count = 0;
    }
    if (wire->line_count++ >= LINES_MAX) return;
    char address[64] = "", client[2 * ORDO_CLIENT_ID_SIZE + 1] = "-";
    struct ordo_gateway_who who = {.documents = 0};
    (void)ordo_gateway_who(wire->turn->core, socket->conn, &who);
    if (who.client_id.size > 0) ordo_hex_encode(client, who.client_id.data, who.client_id.size);
    lws_get_peer_simple(socket->wsi, address, sizeof address);
    log_warn("event=%s conn=%u client=%s user=%s address=%s code=%u reason=\"%s\"", event, socket->conn, client,
             log_value(who.user), strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address, code, log_quoted(reason));
}
