#include "shard/wire_zmq.h"

#include "common/assert.h"
#include "common/link/guard.h"

#include <errno.h>

ordo_err ordo_wire_bind(struct ordo_wire *wire, void *context, const char *endpoint, const struct ordo_router_options *options,
                        struct ordo_problem *problem) {
    *wire = (struct ordo_wire){.has_keys = options->security->keys != NULL};
    ordo_err err = ordo_router_open(context, endpoint, options, problem, wire->endpoint, &wire->socket);
    if (err) return err;
    zmq_msg_init(&wire->peer);
    zmq_msg_init(&wire->body);
    return ORDO_OK;
}

bool ordo_wire_peer_is(struct ordo_wire *wire, enum ordo_link_role role) {
    enum ordo_link_role found;
    return !wire->has_keys || (ordo_guard_role(&wire->body, &found) && found == role);
}

void ordo_wire_close(struct ordo_wire *wire) {
    if (wire->socket == NULL) return;
    zmq_msg_close(&wire->peer);
    zmq_msg_close(&wire->body);
    zmq_close(wire->socket);
    wire->socket = NULL;
}

static bool receive_frame(struct ordo_wire *wire, zmq_msg_t *frame) {
    while (zmq_msg_recv(frame, wire->socket, ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() != EINTR) return false;
    }
    return true;
}

/* Reads on to the end of a message that has more frames than two. */
static void skip_rest(struct ordo_wire *wire) {
    while (zmq_msg_more(&wire->body) && receive_frame(wire, &wire->body)) continue;
}

/* The guard did so before the connection stood; should there ever be none, nobody is heard. */
static bool is_vouched_for(struct ordo_wire *wire) {
    enum ordo_link_role role;
    return ordo_guard_role(&wire->body, &role);
}

bool ordo_wire_receive(struct ordo_wire *wire, struct ordo_slice *peer, struct ordo_slice *message) {
    while (receive_frame(wire, &wire->peer)) {
        /* A ROUTER hands over whole messages: once the first frame is here, the others are. */
        if (!zmq_msg_more(&wire->peer) || !receive_frame(wire, &wire->body)) continue;
        if (zmq_msg_more(&wire->body)) {
            skip_rest(wire);
            continue;
        }
        if (wire->has_keys && !is_vouched_for(wire)) continue;
        *peer = ordo_slice(zmq_msg_data(&wire->peer), zmq_msg_size(&wire->peer));
        *message = ordo_slice(zmq_msg_data(&wire->body), zmq_msg_size(&wire->body));
        return true;
    }
    return false;
}

bool ordo_wire_send(struct ordo_wire *wire, struct ordo_slice peer, struct ordo_slice message) {
    int rc;
    do {
        rc = zmq_send(wire->socket, peer.data, peer.size, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    } while (rc < 0 && zmq_errno() == EINTR);
    if (rc < 0) return false;
    do {
        rc = zmq_send(wire->socket, message.data, message.size, ZMQ_DONTWAIT);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0;
}

bool ordo_wire_wait(struct ordo_wire *wire, int fd, const zmq_pollitem_t *others, size_t other_count, long timeout_ms) {
    zmq_pollitem_t items[2 + ORDO_WIRE_OTHERS_MAX] = {
        {.socket = wire->socket, .events = ZMQ_POLLIN},
        {.fd = fd, .events = ZMQ_POLLIN},
    };
    ORDO_ASSERT(other_count <= ORDO_WIRE_OTHERS_MAX);
    if (other_count > 0) memcpy(items + 2, others, other_count * sizeof *others);
    int rc = zmq_poll(items, 2 + (int)other_count, timeout_ms);
    return rc > 0 && (items[1].revents & ZMQ_POLLIN) != 0;
}
