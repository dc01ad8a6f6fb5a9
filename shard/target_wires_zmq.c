#include "shard/target_wires_zmq.h"

#include "common/assert.h"
#include "common/log.h"

enum { RECONNECT_MS_MAX = 20 };

/* What a target says is short. */
#define MESSAGE_SIZE_MAX (INT64_C(4) * 1024 * 1024)

static void close_socket(struct ordo_target_wire *target) {
    if (target->socket != NULL) zmq_close(target->socket);
    target->socket = NULL;
}

void ordo_target_wires_finish(struct ordo_target_wires *targets) {
    for (size_t i = 0; i < targets->count; i++) close_socket(&targets->items[i]);
    targets->count = 0;
}

void ordo_target_wires_open(struct ordo_target_wires *targets, uint64_t session, const char *endpoint) {
    ORDO_ASSERT(targets->count < ORDO_TARGET_WIRES_MAX);
    struct ordo_target_wire *target = &targets->items[targets->count++];
    *target = (struct ordo_target_wire){.session = session, .has_failed = endpoint == NULL};
    if (endpoint == NULL) return;
    const struct ordo_dealer_options options = {.security = targets->security, .kind = 's', .session = session,
                                                .message_size_max = MESSAGE_SIZE_MAX, .reconnect_ms_max = RECONNECT_MS_MAX};
    struct ordo_problem problem;
    if (ordo_dealer_open(targets->context, endpoint, &options, &problem, &target->socket) == ORDO_OK) return;
    log_error("event=connect_failed endpoint=%s reason=\"%s\"", endpoint, problem.text);
    target->has_failed = true;
}

static struct ordo_target_wire *find(struct ordo_target_wires *targets, uint64_t session) {
    for (size_t i = 0; i < targets->count; i++) {
        if (targets->items[i].session == session) return &targets->items[i];
    }
    return NULL;
}

void ordo_target_wires_close(struct ordo_target_wires *targets, uint64_t session) {
    struct ordo_target_wire *target = find(targets, session);
    if (target == NULL) return;
    close_socket(target);
    *target = targets->items[--targets->count];
}

void ordo_target_wires_send(struct ordo_target_wires *targets, uint64_t session, struct ordo_slice message) {
    struct ordo_target_wire *target = find(targets, session);
    if (target == NULL || target->has_failed) return;
    int rc;
    do rc = zmq_send(target->socket, message.data, message.size, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc < 0) target->has_failed = true;
}

static int events_of(void *socket) {
    int events = 0;
    size_t size = sizeof events;
    int rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    ORDO_ASSERT(rc == 0 || zmq_errno() == EINTR);
    return events;
}

static bool next_of(struct ordo_target_wire *target, zmq_msg_t *message, struct ordo_shard_event *event) {
    *event = (struct ordo_shard_event){.target.session = target->session};
    if (!target->has_failed) {
        int events = events_of(target->socket);
        if (target->is_up && (events & ZMQ_POLLIN) && zmq_msg_recv(message, target->socket, ZMQ_DONTWAIT) >= 0) {
            event->kind = ORDO_SHARD_TARGET_RECEIVED;
            event->target.message = ordo_slice(zmq_msg_data(message), zmq_msg_size(message));
            return true;
        }
        if (!target->is_up && (events & ZMQ_POLLOUT)) {
            target->is_up = true;
            event->kind = ORDO_SHARD_TARGET_UP;
            return true;
        }
        target->has_failed = target->is_up && !(events & ZMQ_POLLOUT);
    }
    if (!target->has_failed || target->is_told) return false;
    target->is_told = true;
    event->kind = ORDO_SHARD_TARGET_DOWN;
    return true;
}

bool ordo_target_wires_next(struct ordo_target_wires *targets, zmq_msg_t *message, struct ordo_shard_event *event) {
    for (size_t i = 0; i < targets->count; i++) {
        if (next_of(&targets->items[i], message, event)) return true;
    }
    return false;
}

size_t ordo_target_wires_poll_items(const struct ordo_target_wires *targets, zmq_pollitem_t items[ORDO_TARGET_WIRES_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < targets->count; i++) {
        const struct ordo_target_wire *target = &targets->items[i];
        if (target->has_failed) continue;
        items[count++] = (zmq_pollitem_t){.socket = target->socket, .events = target->is_up ? ZMQ_POLLIN : ZMQ_POLLOUT};
    }
    return count;
}
