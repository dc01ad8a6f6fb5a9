#include "gateway/wire_impl.h"

enum {
    FLUSH_SIZE_MAX = 8 * 1024 * 1024, /* written in one turn, over all connections, */
    FLUSH_COUNT_MAX = 2000,           /* and in so many frames: about 10 ms */
    CLOSE_TIMEOUT_MS = 5000,
    REASON_SIZE_MAX = 123, /* of a close frame */
};

/* ---- frames */

void ordo_wire_lws_want_output(struct ordo_wire_lws *wire, uint32_t conn) {
    if (ordo_turn_is_request(conn)) {
        ordo_http_api_want_output(wire->api, conn);
        return;
    }
    struct ordo_socket *socket = ordo_socket_find(wire, conn);
    if (socket != NULL && !socket->is_closing) gateway_list_append(&wire->output, &socket->in_output);
}

/* Builds and writes one joined frame. False: the connection is broken. */
static bool write_frame(struct ordo_wire_lws *wire, struct ordo_socket *socket, bool *has_more, size_t *written) {
    wire->frame.size = LWS_PRE;
    *has_more = ordo_gateway_output(wire->turn->core, socket->conn, &wire->frame);
    size_t size = wire->frame.size - LWS_PRE;
    *written = size;
    if (size > 0 && lws_write(socket->wsi, wire->frame.data + LWS_PRE, size, LWS_WRITE_BINARY) < 0) return false;
    socket->unsent_size = lws_partial_buffered(socket->wsi) ? size : 0;
    socket->unsent_since_ms = wire->turn->now_ms;
    return true;
}

bool ordo_wire_lws_flush(struct ordo_wire_lws *wire) {
    size_t size = 0, count = 0;
    struct gateway_list again;
    gateway_list_init(&again);
    ordo_lobby_clear(&wire->lobby);
    ordo_lobby_clear(&wire->watcher_lobby);
    wire->turn->stats.handshakes = wire->lobby.count;
    ordo_socket_read_turn_end(wire);
    ordo_http_api_flush(wire->api);
    while (!gateway_list_is_empty(&wire->output) && size < FLUSH_SIZE_MAX && count++ < FLUSH_COUNT_MAX) {
        struct ordo_socket *socket = GATEWAY_LIST_ITEM(wire->output.next, struct ordo_socket, in_output);
        gateway_list_remove(&socket->in_output);
        if (lws_partial_buffered(socket->wsi)) {
            lws_callback_on_writable(socket->wsi);
            continue;
        }
        bool has_more = false;
        size_t written = 0;
        if (!write_frame(wire, socket, &has_more, &written)) {
            ordo_socket_cut(socket);
            continue;
        }
        size += written;
        if (socket->unsent_size > 0)
            lws_callback_on_writable(socket->wsi);
        else if (has_more)
            gateway_list_append(&again, &socket->in_output);
    }
    while (!gateway_list_is_empty(&again)) gateway_list_append(&wire->output, again.next);
    return !gateway_list_is_empty(&wire->output);
}

int ordo_socket_writeable(struct ordo_wire_lws *wire, struct ordo_socket *socket) {
    if (lws_partial_buffered(socket->wsi)) {
        lws_callback_on_writable(socket->wsi);
        return 0;
    }
    socket->unsent_size = 0;
    if (!socket->is_closing) {
        gateway_list_append(&wire->output, &socket->in_output); /* the turn's end writes */
        return 0;
    }
    if (socket->close_reason == NULL) return 0; /* libwebsockets is at it: the peer began, or we refused */
    bool has_more;
    size_t written;
    if (!write_frame(wire, socket, &has_more, &written)) return -1;
    if (written > 0 || has_more) {
        lws_callback_on_writable(socket->wsi);
        return 0;
    }
    char reason[REASON_SIZE_MAX + 1];
    size_t size = strnlen(socket->close_reason, REASON_SIZE_MAX);
    memcpy(reason, socket->close_reason, size);
    lws_close_reason(socket->wsi, (enum lws_close_status)socket->close_code, (unsigned char *)reason, size);
    return -1;
}

/* ---- closing, and silence */

void ordo_socket_begin_close(struct ordo_wire_lws *wire, struct ordo_socket *socket) {
    socket->is_closing = true;
    socket->due_ms = wire->turn->now_ms + CLOSE_TIMEOUT_MS;
    gateway_list_append(&wire->closing, &socket->in_due);
    gateway_list_remove(&socket->in_output);
    gateway_list_remove(&socket->in_unfinished);
}

void ordo_wire_lws_close(struct ordo_wire_lws *wire, uint32_t conn, uint16_t code, const char *reason) {
    if (ordo_turn_is_request(conn)) {
        ordo_http_api_close(wire->api, conn);
        return;
    }
    struct ordo_socket *socket = ordo_socket_find(wire, conn);
    if (socket == NULL || socket->is_closing) return;
    if (code != LWS_CLOSE_STATUS_GOINGAWAY) ordo_socket_log(wire, socket, "connection_closed", code, reason);
    ordo_socket_begin_close(wire, socket);
    socket->close_code = code;
    socket->close_reason = reason;
    lws_callback_on_writable(socket->wsi); /* libwebsockets only sends a close frame out of a callback */
}

static struct ordo_socket *first_due(const struct ordo_wire_lws *wire, const struct gateway_list *list) {
    if (gateway_list_is_empty(list)) return NULL;
    struct ordo_socket *socket = GATEWAY_LIST_ITEM(list->next, struct ordo_socket, in_due);
    return wire->turn->now_ms >= socket->due_ms ? socket : NULL;
}

static void ping(struct ordo_socket *socket) {
    uint8_t room[LWS_PRE + 1] = {0}; /* a byte: the pong to an empty ping is not reported */
    socket->is_pinged = true;
    if (!lws_partial_buffered(socket->wsi)) (void)lws_write(socket->wsi, room + LWS_PRE, 1, LWS_WRITE_PING);
}

void ordo_socket_write_tick(struct ordo_wire_lws *wire) {
    struct ordo_socket *socket;
    while ((socket = first_due(wire, &wire->closing)) != NULL) ordo_socket_cut(socket);
    while ((socket = first_due(wire, &wire->silence)) != NULL) {
        socket->due_ms = wire->turn->now_ms + wire->options->ping_interval_ms;
        gateway_list_append(&wire->silence, &socket->in_due);
        if (socket->was_heard || !gateway_list_is_empty(&socket->in_paused))
            socket->was_heard = socket->is_pinged = false;
        else if (socket->is_pinged)
            ordo_socket_cut(socket);
        else
            ping(socket);
    }
}
