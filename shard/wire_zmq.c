#include "shard/wire_zmq.h"

#include "common/assert.h"

#include <errno.h>
#include <stdio.h>

#define HANDSHAKE_MS 5000

static void set_int(void *socket, int option, int value) {
    int rc = zmq_setsockopt(socket, option, &value, sizeof value);
    ORDO_ASSERT(rc == 0);
}

static void set_options(void *socket, size_t message_size_max, int message_count_max) {
    int64_t size_max = (int64_t)message_size_max;
    int rc = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max);
    ORDO_ASSERT(rc == 0);
    set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int(socket, ZMQ_SNDHWM, message_count_max);
    set_int(socket, ZMQ_RCVHWM, message_count_max);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_IMMEDIATE, 1);
    set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
}

ordo_err ordo_wire_bind(struct ordo_wire *wire, void *context, const char *endpoint, size_t message_size_max,
                        int message_count_max, struct ordo_problem *problem) {
    *wire = (struct ordo_wire){.socket = zmq_socket(context, ZMQ_ROUTER)};
    zmq_msg_init(&wire->peer);
    zmq_msg_init(&wire->body);
    if (wire->socket == NULL) {
        ordo_problem_set(problem, "A socket cannot be made: %s.", zmq_strerror(zmq_errno()));
        return ORDO_ERR_UNAVAILABLE;
    }
    set_options(wire->socket, message_size_max, message_count_max);
    size_t size = sizeof wire->endpoint;
    if (zmq_bind(wire->socket, endpoint) != 0 ||
        zmq_getsockopt(wire->socket, ZMQ_LAST_ENDPOINT, wire->endpoint, &size) != 0) {
        ordo_problem_set(problem, "The endpoint %s cannot be listened on: %s.", endpoint, zmq_strerror(zmq_errno()));
        ordo_wire_close(wire);
        return ORDO_ERR_UNAVAILABLE;
    }
    return ORDO_OK;
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

bool ordo_wire_receive(struct ordo_wire *wire, struct ordo_slice *peer, struct ordo_slice *message) {
    while (receive_frame(wire, &wire->peer)) {
        /* A ROUTER hands over whole messages: once the first frame is here, the others are. */
        if (!zmq_msg_more(&wire->peer) || !receive_frame(wire, &wire->body)) continue;
        if (zmq_msg_more(&wire->body)) {
            skip_rest(wire);
            continue;
        }
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
