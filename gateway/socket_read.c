#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "gateway/wire_impl.h"

enum {
    /* A proxy may cut messages as it likes, but not into nothing: the largest message in pieces of an Ethernet frame. */
    FRAGMENTS_MAX = 1000,
    PIECE_COST = 64,            /* header and TLS around each piece of a message, at most */
    HIDDEN_RATE = 64 * 1024,    /* bytes per second of anything that is no message: pings, close, the handshake */
    HIDDEN_ROUND_TICKS = 20,    /* each connection is looked at in so many ticks: once a second */
    HIDDEN_BUSY_US = 10 * 1000, /* … while the loop was busy for so long since the last tick, a fifth of the time */
};

static void step(struct ordo_wire_lws *wire, struct ordo_socket *socket, struct ordo_slice message) {
    ordo_turn_step(wire->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_FRAME,
                                                           .conn = socket->conn,
                                                           .bytes = message});
}

/* ---- not listening for a while */

/* What comes meanwhile waits at the sender's end: nothing is lost, and it costs nobody else anything. It begins with the end of
 * the turn, and what was read before then is taken: told in the middle of it, libwebsockets keeps the rest by itself, and
 * with TLS looks at it again and again without an end. */
static void stop_reading(struct ordo_wire_lws *wire, struct ordo_socket *socket, uint32_t ms, const char *why) {
    if (ms == 0 || socket->is_closing) return;
    socket->read_on_ms = wire->turn->now_ms + ms;
    if (!gateway_list_is_empty(&socket->in_paused)) return;
    gateway_list_append(&wire->pausing, &socket->in_paused);
    wire->turn->stats.reads_paused++;
    wire->turn->stats.pauses++;
    ordo_socket_log(wire, socket, "reading_paused", 0, why);
}

void ordo_socket_read_turn_end(struct ordo_wire_lws *wire) {
    while (!gateway_list_is_empty(&wire->pausing)) {
        struct ordo_socket *socket = GATEWAY_LIST_ITEM(wire->pausing.next, struct ordo_socket, in_paused);
        gateway_list_append(&wire->paused, &socket->in_paused);
        lws_rx_flow_control(socket->wsi, 0);
    }
}

static void read_on(struct ordo_wire_lws *wire, struct ordo_socket *socket) {
    gateway_list_remove(&socket->in_paused);
    wire->turn->stats.reads_paused--;
    socket->was_heard = true; /* it may have been; who listens to nobody must not complain of silence */
    lws_rx_flow_control(socket->wsi, 1);
}

/* ---- messages */

static int refuse(struct ordo_wire_lws *wire, struct ordo_socket *socket, enum lws_close_status code,
                  const char *reason) {
    ordo_socket_log(wire, socket, "connection_closed", code, reason);
    ordo_socket_begin_close(wire, socket);
    lws_close_reason(socket->wsi, code, (unsigned char *)(uintptr_t)reason, strlen(reason));
    return -1;
}

static void take_message(struct ordo_wire_lws *wire, struct ordo_socket *socket, struct ordo_slice message) {
    step(wire, socket, message);
    stop_reading(wire, socket, ordo_gateway_pause_ms(wire->turn->core, socket->conn),
                 "more bytes than may come in a second, or requests on and on after refusals");
}

static void await_end(struct ordo_wire_lws *wire, struct ordo_socket *socket) {
    socket->message_due_ms = wire->turn->now_ms + wire->options->message_timeout_ms;
    gateway_list_append(&wire->unfinished, &socket->in_unfinished);
}

/* Each has the same time, so they stand by when it is over. Whom we did not listen to begins anew. */
static void give_up_unfinished(struct ordo_wire_lws *wire) {
    while (!gateway_list_is_empty(&wire->unfinished)) {
        struct ordo_socket *socket = GATEWAY_LIST_ITEM(wire->unfinished.next, struct ordo_socket, in_unfinished);
        if (wire->turn->now_ms < socket->message_due_ms) return;
        if (!gateway_list_is_empty(&socket->in_paused)) {
            await_end(wire, socket);
            continue;
        }
        wire->turn->stats.messages_timed_out++;
        ordo_wire_lws_close(wire, socket->conn, LWS_CLOSE_STATUS_POLICY_VIOLATION,
                            "a message took too long to come to its end");
    }
}

int ordo_socket_read(struct ordo_wire_lws *wire, struct ordo_socket *socket, struct ordo_slice piece) {
    struct lws *wsi = socket->wsi;
    socket->was_heard = true;
    socket->heard_size += piece.size + PIECE_COST;
    if (socket->is_closing) return 0;
    if (!lws_frame_is_binary(wsi))
        return refuse(wire, socket, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "binary frames only");
    size_t announced = socket->partial.size + piece.size + lws_remaining_packet_payload(wsi);
    if (announced > wire->options->core.frame_size_max)
        return refuse(wire, socket, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
                      "the frame is larger than frame_size_max");
    bool ends_fragment = lws_remaining_packet_payload(wsi) == 0;
    bool is_whole = lws_is_final_fragment(wsi) && ends_fragment;
    socket->fragment_count += ends_fragment && !is_whole;
    if (socket->fragment_count > FRAGMENTS_MAX)
        return refuse(wire, socket, LWS_CLOSE_STATUS_POLICY_VIOLATION, "a message in too many fragments");
    if (is_whole) {
        socket->fragment_count = 0;
        gateway_list_remove(&socket->in_unfinished);
    }
    if (is_whole && socket->partial.size == 0) {
        take_message(wire, socket, piece);
        return 0;
    }
    ordo_buffer_append_slice(&socket->partial, piece);
    if (!is_whole) {
        if (gateway_list_is_empty(&socket->in_unfinished)) await_end(wire, socket);
        return 0;
    }
    take_message(wire, socket, ordo_buffer_slice(&socket->partial));
    ordo_buffer_finish(&socket->partial); /* rare and large: not worth keeping */
    return 0;
}

/* ---- what libwebsockets does not tell of: pings by the million, and frames with nothing in them */

/* All bytes of the connection that were read here, as the system counts them. 0: it does not say. */
static uint64_t read_size(struct lws *wsi) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int file = lws_get_socket_fd(wsi), unread = 0;
    bool is_known = getsockopt(file, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                    size >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received &&
                    ioctl(file, FIONREAD, &unread) == 0 && unread >= 0;
    if (!is_known || info.tcpi_bytes_received < (uint64_t)unread) return 0;
    return info.tcpi_bytes_received - (uint64_t)unread;
}

/* Part of what was read may still be on its way to us, in TLS or libwebsockets: less than the bucket holds. It comes and
 * goes, so the most that was ever hidden counts, which only grows by what stays hidden. */
static void look_for_hidden(struct ordo_wire_lws *wire, struct ordo_socket *socket) {
    uint64_t size = read_size(socket->wsi), now_ms = wire->turn->now_ms;
    uint64_t hidden = size > socket->heard_size ? size - socket->heard_size : 0;
    if (hidden <= socket->hidden_size) return;
    ordo_bucket_take(&socket->hidden, HIDDEN_RATE, now_ms, hidden - socket->hidden_size);
    socket->hidden_size = hidden;
    stop_reading(wire, socket, ordo_bucket_wait_ms(&socket->hidden, HIDDEN_RATE, now_ms, 0),
                 "pings, or empty fragments, without end");
}

/* Costs two system calls per connection, so only where somebody may be keeping the loop busy. */
static void look_around(struct ordo_wire_lws *wire) {
    uint64_t busy_us = wire->turn->turn_us.sum;
    bool is_busy = busy_us - wire->busy_us >= HIDDEN_BUSY_US;
    wire->busy_us = busy_us;
    if (!is_busy) return;
    for (uint32_t left = wire->count / HIDDEN_ROUND_TICKS + 1, seen = 0; left > 0 && seen < wire->capacity; seen++) {
        if (wire->hidden_next >= wire->capacity) wire->hidden_next = 0;
        struct ordo_socket *socket = wire->sockets[wire->hidden_next++];
        if (socket == NULL) continue;
        look_for_hidden(wire, socket);
        left--;
    }
}

void ordo_socket_read_tick(struct ordo_wire_lws *wire) {
    give_up_unfinished(wire);
    GATEWAY_LIST_EACH(&wire->paused, link) {
        struct ordo_socket *socket = GATEWAY_LIST_ITEM(link, struct ordo_socket, in_paused);
        if (wire->turn->now_ms >= socket->read_on_ms) read_on(wire, socket);
    }
    look_around(wire);
}
