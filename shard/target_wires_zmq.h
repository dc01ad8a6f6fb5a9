/* shard/target_wires_zmq.h: the links that a shard opens to other shards, to give slots to them: a DEALER socket each, to
 * the data endpoint of the store. Here this shard has the part that a gateway has, so the same holds: sends never block and
 * never queue for a shard that is away (ZMQ_IMMEDIATE), and a DEALER without a connection is not writable, so losing it is
 * seen.
 *
 * Limit: ORDO_TARGET_WIRES_MAX links. Threads: the sequencing thread. */
#ifndef ORDO_SHARD_TARGET_WIRES_ZMQ_H
#define ORDO_SHARD_TARGET_WIRES_ZMQ_H

#include <zmq.h>

#include "common/link/socket.h"
#include "shard/core/shard.h"

#define ORDO_TARGET_WIRES_MAX 8

struct ordo_target_wire {
    uint64_t session;
    void *socket;    /* NULL: it could not even be tried */
    bool is_up;      /* TARGET_UP was said */
    bool has_failed; /* TARGET_DOWN is to be said, or was: nothing more comes */
    bool is_told;
};

struct ordo_target_wires {
    void *context; /* ZeroMQ's; borrowed, as is `security` */
    const struct ordo_link_security *security;
    struct ordo_target_wire items[ORDO_TARGET_WIRES_MAX];
    size_t count;
};

void ordo_target_wires_finish(struct ordo_target_wires *targets);

/* `endpoint` NULL: nobody knows where the store is; the link is down at once. */
void ordo_target_wires_open(struct ordo_target_wires *targets, uint64_t session, const char *endpoint);
void ordo_target_wires_close(struct ordo_target_wires *targets, uint64_t session);
/* A message that is not taken takes the link down. */
void ordo_target_wires_send(struct ordo_target_wires *targets, uint64_t session, struct ordo_slice message);

/* The next thing that happened: UP, DOWN or RECEIVED, with the message borrowed until the next call. False: nothing. */
bool ordo_target_wires_next(struct ordo_target_wires *targets, zmq_msg_t *message, struct ordo_shard_event *event);
/* What zmq_poll is to wait for; returns how many. */
size_t ordo_target_wires_poll_items(const struct ordo_target_wires *targets, zmq_pollitem_t items[ORDO_TARGET_WIRES_MAX]);

#endif
