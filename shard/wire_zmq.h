/* shard/wire_zmq.h: a ROUTER socket: messages of two frames, the peer's routing id and one encoded message.
 *
 * Nothing here blocks. A send that the socket cannot take at once (peer gone, its queue full) is refused and the caller
 * ends that peer's session: ZeroMQ loses what is queued when a connection breaks, so a silent retry would be a lie.
 * Threads: one per socket. */
#ifndef ORDO_SHARD_WIRE_ZMQ_H
#define ORDO_SHARD_WIRE_ZMQ_H

#include <zmq.h>

#include "common/link/socket.h"
#include "shard/store_rocksdb.h"

struct ordo_wire {
    void *socket; /* NULL: closed */
    char endpoint[ORDO_ENDPOINT_SIZE]; /* where it really listens */
    bool has_keys;
    zmq_msg_t peer, body;              /* what was received last */
};

/* Larger messages than `options` has them cost the peer its connection; where more of them wait, sends are refused and ZeroMQ
 * stops reading from the peer. Errors as ordo_router_open. */
ORDO_MUST_USE ordo_err ordo_wire_bind(struct ordo_wire *wire, void *context, const char *endpoint,
                                      const struct ordo_router_options *options, struct ordo_problem *problem);
void ordo_wire_close(struct ordo_wire *wire);

/* False: nothing is waiting. The slices are good until the next receive or close. Messages of another shape are passed
 * over. */
bool ordo_wire_receive(struct ordo_wire *wire, struct ordo_slice *peer, struct ordo_slice *message);
/* Whether the sender of the message received last has a key of this role. Without keys everybody is everything. */
bool ordo_wire_peer_is(struct ordo_wire *wire, enum ordo_link_role role);
/* False: refused. */
ORDO_MUST_USE bool ordo_wire_send(struct ordo_wire *wire, struct ordo_slice peer, struct ordo_slice message);

#define ORDO_WIRE_OTHERS_MAX 16

/* Waits until a message is there, `fd` can be read, or one of `others` is as it says; at most `timeout_ms` (-1: for ever). Returns
 * whether `fd` can. */
bool ordo_wire_wait(struct ordo_wire *wire, int fd, const zmq_pollitem_t *others, size_t other_count, long timeout_ms);

#endif
