/* gateway/wire_zmq.h: the two ZeroMQ sockets to one shard, in a libev loop.
 *
 * Sends never block and never queue for a shard that is away (ZMQ_IMMEDIATE): what cannot be sent ends the
 * session. A DEALER without a connection is not writable, so losing the connection is seen at once, without a
 * monitor.
 *
 * ZMQ_FD is edge-triggered and only says "look at ZMQ_EVENTS"; a send may swallow the edge. So the watchers
 * do nothing but wake the loop, and the owner calls `ordo_wire_zmq_poll` in every turn, after its sends too.
 * Threads: one. */
#ifndef ORDO_GATEWAY_WIRE_ZMQ_H
#define ORDO_GATEWAY_WIRE_ZMQ_H

#include <ev.h>

#include "common/link/socket.h"
#include "gateway/turn.h"

enum { ORDO_WIRE_DATA, ORDO_WIRE_SIDE, ORDO_WIRE_COUNT };

struct ordo_wire_zmq {
    struct ordo_turn *turn;
    struct ev_loop *loop;
    void *context;
    const struct ordo_link_security *security;
    uint32_t peer;
    struct ordo_store_id store; /* for whoever has several wires */
    char endpoints[ORDO_WIRE_COUNT][256];
    void *sockets[ORDO_WIRE_COUNT]; /* NULL: none yet */
    ev_io watchers[ORDO_WIRE_COUNT];
    uint64_t session;
    bool is_up; /* LINK_UP was said and LINK_DOWN was not */
};

/* Nothing connects before the core asks for it. */
void ordo_wire_zmq_init(struct ordo_wire_zmq *wire, struct ordo_turn *turn, struct ev_loop *loop,
                        void *context, const struct ordo_link_security *security, uint32_t peer);
void ordo_wire_zmq_finish(struct ordo_wire_zmq *wire);

/* Closes what there is and connects afresh. False: an endpoint is not one, or keys do not fit (logged). */
bool ordo_wire_zmq_open(struct ordo_wire_zmq *wire, uint64_t session, const char *data_endpoint,
                        const char *side_endpoint);
/* Says LINK_DOWN, whether it was up or not: it leads nowhere. */
void ordo_wire_zmq_give_up(struct ordo_wire_zmq *wire);
/* A message that is not taken becomes LINK_DOWN; one of an older session is dropped. */
void ordo_wire_zmq_send(struct ordo_wire_zmq *wire, int which, uint64_t session, struct ordo_slice bytes);
/* Hands what has come to the core, but not endlessly much. True: there is more, come again without waiting.
 */
bool ordo_wire_zmq_poll(struct ordo_wire_zmq *wire);

#endif
