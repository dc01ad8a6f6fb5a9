#include "tools/ordo/side_link.h"

#include <stdlib.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/link/socket.h"
#include "common/memory.h"
#include "common/random.h"

enum { RECONNECT_MS_MAX = 250 };

#define REPLY_ARENA_SIZE_MAX (1024u * 1024)

#define REPLY_SIZE_MAX (INT64_C(4) * 1024 * 1024)

const char *side_link_keys;

struct side_link {
    struct ordo_link_security security;
    void *context, *socket;
    uint64_t session; /* a new one per request, so that an answer says what it answers */
    struct ordo_arena arena;
    struct ordo_buffer message;
};

static ordo_err connect_to(struct side_link *link, const char *endpoint, struct ordo_problem *problem) {
    const char *folder = side_link_keys != NULL ? side_link_keys : getenv("ORDO_KEYS");
    /* What is asked for is no secret, and what is answered is no document: without keys it asks wherever it is sent to. */
    link->security.may_be_plain = true;
    ordo_err err = ORDO_OK;
    if (folder != NULL && folder[0] != '\0')
        err = ordo_link_keyring_open(folder, ORDO_LINK_ROLE_OPERATOR, problem, &link->security.keys);
    const struct ordo_dealer_options options = {.security = &link->security, .message_size_max = REPLY_SIZE_MAX,
                                                .reconnect_ms_max = RECONNECT_MS_MAX, .waits = true};
    return err ? err : ordo_dealer_open(link->context, endpoint, &options, problem, &link->socket);
}

struct side_link *side_link_open(const char *endpoint, struct ordo_problem *problem) {
    struct side_link *link = ordo_alloc(sizeof *link);
    link->context = zmq_ctx_new();
    ORDO_ASSERT(link->context != NULL);
    ordo_arena_init(&link->arena, REPLY_ARENA_SIZE_MAX);
    if (connect_to(link, endpoint, problem) == ORDO_OK) return link;
    side_link_close(link);
    return NULL;
}

void side_link_close(struct side_link *link) {
    if (link == NULL) return;
    if (link->socket != NULL) zmq_close(link->socket);
    zmq_ctx_term(link->context);
    ordo_link_keyring_close(link->security.keys);
    ordo_arena_finish(&link->arena);
    ordo_buffer_finish(&link->message);
    free(link);
}

/* The next message, if it answers the present request; NULL: something else, or nothing for `timeout_ms`. */
static const Ordo__Cluster__V1__SideReply *receive(struct side_link *link, long timeout_ms) {
    zmq_pollitem_t item = {.socket = link->socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, timeout_ms) <= 0) return NULL;
    zmq_msg_t message;
    zmq_msg_init(&message);
    const Ordo__Cluster__V1__SideReply *reply = NULL;
    if (zmq_msg_recv(&message, link->socket, ZMQ_DONTWAIT) >= 0) {
        ordo_arena_reset(&link->arena);
        reply = ordo_message_decode(&ordo__cluster__v1__side_reply__descriptor,
                                    ordo_slice(zmq_msg_data(&message), zmq_msg_size(&message)), &link->arena);
    }
    zmq_msg_close(&message);
    return reply != NULL && reply->session == link->session ? reply : NULL;
}

static bool send_request(struct side_link *link, Ordo__Cluster__V1__SideRequest *request) {
    request->session = link->session = ordo_random_u64() | 1;
    ordo_buffer_clear(&link->message);
    ordo_message_encode(&request->base, &link->message);
    return zmq_send(link->socket, link->message.data, link->message.size, ZMQ_DONTWAIT) >= 0;
}

/* Until there is one that `fits`. */
static const Ordo__Cluster__V1__SideReply *receive_one(struct side_link *link, int timeout_ms,
                                                       bool (*fits)(const Ordo__Cluster__V1__SideReply *)) {
    uint64_t now_ms = ordo_clock_monotonic_ms(), end_ms = now_ms + (uint64_t)timeout_ms;
    do {
        const Ordo__Cluster__V1__SideReply *reply = receive(link, end_ms > now_ms ? (long)(end_ms - now_ms) : 0);
        if (reply != NULL && fits(reply)) return reply;
        now_ms = ordo_clock_monotonic_ms();
    } while (now_ms < end_ms);
    return NULL;
}

static bool has_status(const Ordo__Cluster__V1__SideReply *reply) { return reply->status != NULL; }
static bool has_backup(const Ordo__Cluster__V1__SideReply *reply) { return reply->backup != NULL; }

void side_link_send_status(struct side_link *link) {
    Ordo__Cluster__V1__SideRequest request = ORDO__CLUSTER__V1__SIDE_REQUEST__INIT;
    request.status = true;
    (void)send_request(link, &request); /* then no answer comes */
}

const Ordo__Cluster__V1__SideReply *side_link_receive_status(struct side_link *link, int timeout_ms) {
    return receive_one(link, timeout_ms, has_status);
}

const Ordo__Cluster__V1__SideReply *side_link_ask_backup(struct side_link *link,
                                                         const Ordo__Cluster__V1__Backup *backup, int timeout_ms) {
    Ordo__Cluster__V1__SideRequest request = ORDO__CLUSTER__V1__SIDE_REQUEST__INIT;
    request.backup = (Ordo__Cluster__V1__Backup *)(uintptr_t)backup; /* protobuf-c does not write to what it packs */
    if (!send_request(link, &request)) return NULL;
    return receive_one(link, timeout_ms, has_backup);
}
