#include "gateway/wire_zmq.h"

#include <stdio.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/log.h"

enum {
    POLL_MESSAGES_MAX = 256, /* of one socket and turn */
    POLL_SIZE_MAX = 4 * 1024 * 1024,
    RECONNECT_MS_MAX = 250,
};

/* What one message of a shard may be: an answer with a committed op that has grown by rebasing, and much
 * else. */
#define MESSAGE_SIZE_MAX (INT64_C(128) * 1024 * 1024)

static void wake(struct ev_loop *loop, ev_io *watcher, int events) { /* the turn's end looks at the socket */
    (void)loop;
    (void)watcher;
    (void)events;
}

void ordo_wire_zmq_init(struct ordo_wire_zmq *wire, struct ordo_turn *turn, struct ev_loop *loop,
                        void *context, const struct ordo_link_security *security, uint32_t peer) {
    *wire = (struct ordo_wire_zmq){
        .turn = turn, .loop = loop, .context = context, .security = security, .peer = peer};
}

static void close_socket(struct ordo_wire_zmq *wire, int which) {
    if (wire->sockets[which] == NULL) return;
    ev_io_stop(wire->loop, &wire->watchers[which]);
    zmq_close(wire->sockets[which]);
    wire->sockets[which] = NULL;
}

void ordo_wire_zmq_finish(struct ordo_wire_zmq *wire) {
    for (int which = 0; which < ORDO_WIRE_COUNT; which++) close_socket(wire, which);
}

static bool open_socket(struct ordo_wire_zmq *wire, int which) {
    const struct ordo_dealer_options options = {.security = wire->security, .kind = 'g', .session = wire->session,
                                                .message_size_max = MESSAGE_SIZE_MAX, .reconnect_ms_max = RECONNECT_MS_MAX};
    struct ordo_problem problem;
    void *socket;
    if (ordo_dealer_open(wire->context, wire->endpoints[which], &options, &problem, &socket) != ORDO_OK) {
        log_error("event=connect_failed endpoint=%s reason=\"%s\"", wire->endpoints[which], problem.text);
        return false;
    }
    wire->sockets[which] = socket;
    int fd = -1;
    size_t size = sizeof fd;
    int rc = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    ORDO_ASSERT(rc == 0);
    ev_io_init(&wire->watchers[which], wake, fd, EV_READ);
    ev_io_start(wire->loop, &wire->watchers[which]);
    return true;
}

bool ordo_wire_zmq_open(struct ordo_wire_zmq *wire, uint64_t session, const char *data_endpoint,
                        const char *side_endpoint) {
    ordo_wire_zmq_finish(wire);
    snprintf(wire->endpoints[ORDO_WIRE_DATA], sizeof wire->endpoints[ORDO_WIRE_DATA], "%s", data_endpoint);
    snprintf(wire->endpoints[ORDO_WIRE_SIDE], sizeof wire->endpoints[ORDO_WIRE_SIDE], "%s", side_endpoint);
    wire->session = session;
    wire->is_up = false;
    bool is_open = true;
    for (int which = 0; which < ORDO_WIRE_COUNT; which++) is_open = is_open && open_socket(wire, which);
    if (!is_open) ordo_wire_zmq_finish(wire);
    return is_open;
}

static void tell(struct ordo_wire_zmq *wire, enum ordo_gateway_event_kind kind, struct ordo_slice bytes) {
    ordo_turn_step(wire->turn,
                   (struct ordo_gateway_event){
                       .kind = kind, .peer = wire->peer, .session = wire->session, .bytes = bytes});
}

static void tell_state(struct ordo_wire_zmq *wire, bool is_up) {
    if (wire->is_up == is_up) return;
    wire->is_up = is_up;
    log_info("event=%s endpoint=%s session=%016llx", is_up ? "link_up" : "link_down",
             wire->endpoints[ORDO_WIRE_DATA], (unsigned long long)wire->session);
    tell(wire, is_up ? ORDO_GATEWAY_LINK_UP : ORDO_GATEWAY_LINK_DOWN, ordo_slice(NULL, 0));
}

void ordo_wire_zmq_give_up(struct ordo_wire_zmq *wire) {
    if (wire->sockets[ORDO_WIRE_DATA] == NULL) return;
    ordo_wire_zmq_finish(wire);
    wire->is_up = true; /* so that it is told */
    tell_state(wire, false);
}

void ordo_wire_zmq_send(struct ordo_wire_zmq *wire, int which, uint64_t session, struct ordo_slice bytes) {
    if (session != wire->session || wire->sockets[which] == NULL) return;
    int rc;
    do rc = zmq_send(wire->sockets[which], bytes.data, bytes.size, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc < 0) tell_state(wire, false);
}

static int events_of(void *socket) {
    int events = 0;
    size_t size = sizeof events;
    int rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    ORDO_ASSERT(rc == 0 || zmq_errno() == EINTR);
    return events;
}

/* True: the budget was used up before the messages were. */
static bool receive(struct ordo_wire_zmq *wire, int which) {
    enum ordo_gateway_event_kind kind =
        which == ORDO_WIRE_DATA ? ORDO_GATEWAY_LINK_RECEIVED : ORDO_GATEWAY_SIDE_RECEIVED;
    size_t size = 0;
    for (int count = 0; count < POLL_MESSAGES_MAX && size < POLL_SIZE_MAX; count++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int rc = zmq_msg_recv(&message, wire->sockets[which], ZMQ_DONTWAIT);
        if (rc >= 0) {
            size += zmq_msg_size(&message);
            tell(wire, kind, ordo_slice(zmq_msg_data(&message), zmq_msg_size(&message)));
        }
        zmq_msg_close(&message);
        if (rc < 0 && zmq_errno() == EAGAIN) return false;
    }
    return true;
}

bool ordo_wire_zmq_poll(struct ordo_wire_zmq *wire) {
    if (wire->sockets[ORDO_WIRE_DATA] == NULL) return false;
    bool has_more = false, is_up = true;
    for (int which = 0; which < ORDO_WIRE_COUNT; which++) {
        int events = events_of(wire->sockets[which]);
        if (events & ZMQ_POLLIN) has_more = receive(wire, which) || has_more;
        if (!(events & ZMQ_POLLOUT)) is_up = false;
    }
    tell_state(wire, is_up);
    return has_more;
}
