/* stranger ENDPOINT KEYS ROLE ID: somebody who speaks the internal protocol, and wants to be heard by a shard as a gateway.
 *
 * KEYS is a folder of keys, with ROLE's in it; `-`: no keys, and what the endpoint says of them is passed over. It says hello,
 * and where it is welcomed it creates the document forged/ID in the name of the user `victim`. Prints `silence` if nothing came
 * back in a second, `welcome` if the hello was answered but not what followed, and `attached` if the document is there. */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "common/arena.h"
#include "common/link/socket.h"
#include "common/random.h"
#include "proto/message.h"

enum { PATIENCE_MS = 1000 };

struct stranger {
    void *context, *socket;
    uint64_t session, number;
    struct ordo_arena arena;
    Ordo__Cluster__V1__Envelope *heard; /* in the arena */
};

static int fail(const char *why) {
    fprintf(stderr, "stranger: %s\n", why);
    return EXIT_FAILURE;
}

static bool dial_plainly(struct stranger *stranger, const char *text) {
    struct ordo_endpoint endpoint;
    stranger->socket = zmq_socket(stranger->context, ZMQ_DEALER);
    int zero = 0;
    zmq_setsockopt(stranger->socket, ZMQ_LINGER, &zero, sizeof zero);
    return ordo_endpoint_parse(text, &endpoint) && zmq_connect(stranger->socket, endpoint.address) == 0;
}

static bool dial(struct stranger *stranger, const char *endpoint, const char *folder, const char *role_name,
                 struct ordo_problem *problem) {
    struct ordo_link_security security = {0};
    enum ordo_link_role role = ORDO_LINK_ROLE_SHARD;
    while (role < ORDO_LINK_ROLE_OPERATOR && strcmp(role_name, ordo_link_role_name(role)) != 0) role++;
    const struct ordo_dealer_options options = {.security = &security, .message_size_max = 1 << 20, .reconnect_ms_max = 50,
                                                .waits = true};
    return ordo_link_keyring_open(folder, role, problem, &security.keys) == ORDO_OK &&
           ordo_dealer_open(stranger->context, endpoint, &options, problem, &stranger->socket) == ORDO_OK;
}

static void say(struct stranger *stranger, Ordo__Cluster__V1__ToShard *message) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    struct ordo_buffer bytes = {0};
    envelope.session = stranger->session;
    envelope.number = ++stranger->number;
    envelope.credit = 1 << 20;
    if (stranger->heard != NULL) {
        envelope.shard = stranger->heard->shard;
        envelope.incarnation = stranger->heard->incarnation;
        envelope.received = stranger->heard->number;
    }
    envelope.to_shard = &message;
    envelope.n_to_shard = 1;
    ordo_message_encode(&envelope.base, &bytes);
    zmq_send(stranger->socket, bytes.data, bytes.size, 0);
    ordo_buffer_finish(&bytes);
}

/* Whether a message of this kind comes in time. */
static bool hears(struct stranger *stranger, int body_case) {
    zmq_pollitem_t item = {.socket = stranger->socket, .events = ZMQ_POLLIN};
    while (zmq_poll(&item, 1, PATIENCE_MS) == 1) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        zmq_msg_recv(&message, stranger->socket, 0);
        stranger->heard = ordo_message_decode(&ordo__cluster__v1__envelope__descriptor,
                                              ordo_slice(zmq_msg_data(&message), zmq_msg_size(&message)), &stranger->arena);
        zmq_msg_close(&message);
        for (size_t i = 0; stranger->heard != NULL && i < stranger->heard->n_to_gateway; i++)
            if ((int)stranger->heard->to_gateway[i]->body_case == body_case) return true;
    }
    return false;
}

static bool is_welcomed(struct stranger *stranger) {
    Ordo__Cluster__V1__LinkHello hello = ORDO__CLUSTER__V1__LINK_HELLO__INIT;
    hello.protocol_min = hello.protocol_max = 1;
    hello.gateway = ordo_binary_of_slice(ordo_slice_of("stranger"));
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
    message.hello = &hello;
    say(stranger, &message);
    return hears(stranger, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_WELCOME);
}

static bool is_attached(struct stranger *stranger, const char *id) {
    uint8_t client_id[16];
    ordo_random_bytes(client_id, sizeof client_id);
    Ordo__Cluster__V1__Attach attach = ORDO__CLUSTER__V1__ATTACH__INIT;
    attach.subscriber = 1;
    attach.collection = ordo_binary_of_slice(ordo_slice_of("forged"));
    attach.id = ordo_binary_of_slice(ordo_slice_of(id));
    attach.client_id = ordo_binary_of_slice(ordo_slice(client_id, sizeof client_id));
    attach.user = ordo_binary_of_slice(ordo_slice_of("victim"));
    attach.permission = ORDO__V1__PERMISSION__WRITE;
    attach.create_type = ordo_binary_of_slice(ordo_slice_of("text"));
    attach.has_create_content = true;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH;
    message.attach = &attach;
    say(stranger, &message);
    return hears(stranger, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_ATTACHED);
}

int main(int argc, char **argv) {
    static struct stranger stranger;
    struct ordo_problem problem = {"that is no endpoint"};
    if (argc != 5) return fail("usage: stranger ENDPOINT KEYS ROLE ID");
    stranger.context = zmq_ctx_new();
    stranger.session = ordo_random_u64() | 1;
    ordo_arena_init(&stranger.arena, 64u * 1024 * 1024);
    bool is_dialled = strcmp(argv[2], "-") == 0 ? dial_plainly(&stranger, argv[1])
                                                : dial(&stranger, argv[1], argv[2], argv[3], &problem);
    if (!is_dialled) return fail(problem.text);
    const char *outcome = "silence";
    if (is_welcomed(&stranger)) outcome = is_attached(&stranger, argv[4]) ? "attached" : "welcome";
    printf("%s\n", outcome);
    return EXIT_SUCCESS; /* the end of the process closes what is open */
}
