/* gateway/wire_lws.h: the WebSockets of clients, by libwebsockets in a libev loop.
 *
 * One write per connection and turn, straight from the turn's end when the socket has taken all that was
 * written before (asking for a WRITEABLE callback costs two epoll_ctl calls), else when it has. Messages of a
 * client are put together here, bounded by frame_size_max; text frames and too large ones close the
 * connection. Plain HTTP goes to http.h. What all of it may cost is bounded here, too: how many there are, in all and of one
 * address, how long they say nothing (lobby.h), how much comes, and the memory of all of it (memory.h).
 *
 * Of libwebsockets 4.1.6 this keeps off: permessage-deflate (not offered), HTTP/2 (every Upgrade but
 * "websocket" is refused), and its timers for dead peers (a sorted list: each pong would cost a walk over all
 * connections). Threads: one. */
#ifndef ORDO_GATEWAY_WIRE_LWS_H
#define ORDO_GATEWAY_WIRE_LWS_H

#include <ev.h>

#include "gateway/options.h"
#include "gateway/turn.h"

struct ordo_wire_lws;

/* Listens. NULL: that did not work (logged). `options` is borrowed. */
struct ordo_wire_lws *ordo_wire_lws_create(struct ordo_turn *turn, struct ev_loop *loop,
                                           const struct ordo_options *options);
void ordo_wire_lws_destroy(struct ordo_wire_lws *wire); /* NULL is fine */
uint16_t ordo_wire_lws_port(const struct ordo_wire_lws *wire);
uint16_t ordo_wire_lws_watcher_port(const struct ordo_wire_lws *wire); /* 0: no figures are told */

/* The effects CONN_OUTPUT and CONN_CLOSE. */
void ordo_wire_lws_want_output(struct ordo_wire_lws *wire, uint32_t conn);
void ordo_wire_lws_close(struct ordo_wire_lws *wire, uint32_t conn, uint16_t code, const char *reason);
/* Writes what waits, once per connection, but not endlessly much. True: more could be written at once. */
bool ordo_wire_lws_flush(struct ordo_wire_lws *wire);
/* Time has passed: who was silent, or late, or has to give back memory. */
void ordo_wire_lws_tick(struct ordo_wire_lws *wire);

/* Refuses new connections from now on. */
void ordo_wire_lws_drain(struct ordo_wire_lws *wire);
/* WebSockets, and HTTP requests for documents under way. */
uint32_t ordo_wire_lws_count(const struct ordo_wire_lws *wire);

#endif
