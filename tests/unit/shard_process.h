/* tests/unit/shard_process.h: the real ordo-shard as a child process, and a gateway's end of its two links. */
#ifndef ORDO_TESTS_SHARD_PROCESS_H
#define ORDO_TESTS_SHARD_PROCESS_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/random.h"
#include "proto/message.h"

enum { SHARD_WAIT_MS = 20000 };

struct shard_process {
    pid_t pid; /* 0: not running */
    char data[128], side[128];
};

/* Starts it with `arguments` (NULL-terminated, after the program's name) and `environment` (pairs, NULL-terminated, or
 * NULL). Returns whether it became ready; if not, it has ended and `exit_code` is set. */
static inline bool shard_start(struct shard_process *shard, const char *const *arguments,
                               const char *const *environment, int *exit_code) {
    int out[2];
    ORDO_ASSERT(pipe(out) == 0);
    shard->pid = fork();
    ORDO_ASSERT(shard->pid >= 0);
    if (shard->pid == 0) {
        const char *argv[32] = {ORDO_SHARD};
        for (int i = 0; arguments[i] != NULL && i < 30; i++) argv[i + 1] = arguments[i];
        for (int i = 0; environment != NULL && environment[i] != NULL; i += 2) setenv(environment[i], environment[i + 1], 1);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execv(ORDO_SHARD, (char **)(uintptr_t)argv);
        _exit(127);
    }
    close(out[1]);
    char line[512] = {0};
    size_t size = 0;
    struct pollfd wait = {.fd = out[0], .events = POLLIN};
    while (size < sizeof line - 1 && strchr(line, '\n') == NULL && poll(&wait, 1, SHARD_WAIT_MS) == 1) {
        ssize_t more = read(out[0], line + size, sizeof line - 1 - size);
        if (more <= 0) break;
        size += (size_t)more;
    }
    close(out[0]);
    if (sscanf(line, "ready data=%127s side=%127s", shard->data, shard->side) == 2) return true;
    int status;
    ORDO_ASSERT(waitpid(shard->pid, &status, 0) == shard->pid);
    shard->pid = 0;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return false;
}

/* Waits for its end: the exit code, or minus the signal. */
static inline int shard_wait(struct shard_process *shard) {
    int status;
    ORDO_ASSERT(waitpid(shard->pid, &status, 0) == shard->pid);
    shard->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int shard_stop(struct shard_process *shard, int signal_number) {
    if (shard->pid == 0) return 0;
    kill(shard->pid, signal_number);
    return shard_wait(shard);
}

/* ---- the data link */

struct shard_link {
    void *context, *socket;
    uint64_t session, sent, received;
    uint8_t shard_id[16];
    uint64_t incarnation;
    struct ordo_arena arena;
    struct ordo_buffer buffer;
    Ordo__Cluster__V1__Envelope *envelope; /* received last, in the arena */
    size_t next;                           /* index of the next message in it */
};

static inline void *shard_dial(void *context, const char *endpoint) {
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int zero = 0, wait_ms = SHARD_WAIT_MS;
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    ORDO_ASSERT(zmq_connect(socket, endpoint) == 0);
    return socket;
}

static inline void shard_link_send(struct shard_link *link, Ordo__Cluster__V1__ToShard **messages, size_t count) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    envelope.session = link->session;
    envelope.number = ++link->sent;
    envelope.received = link->received;
    envelope.credit = UINT64_C(1) << 50;
    if (link->sent > 1) {
        envelope.shard = ordo_binary_of_slice(ordo_slice(link->shard_id, sizeof link->shard_id));
        envelope.incarnation = link->incarnation;
    }
    envelope.n_to_shard = count;
    envelope.to_shard = messages;
    ordo_buffer_clear(&link->buffer);
    ordo_message_encode(&envelope.base, &link->buffer);
    ORDO_ASSERT(zmq_send(link->socket, link->buffer.data, link->buffer.size, 0) >= 0);
}

/* The next message from the shard; NULL: none came in time. */
static inline const Ordo__Cluster__V1__ToGateway *shard_link_receive(struct shard_link *link) {
    while (link->envelope == NULL || link->next == link->envelope->n_to_gateway) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, link->socket, 0) < 0) return NULL;
        ordo_arena_reset(&link->arena);
        link->envelope = ordo_message_decode(&ordo__cluster__v1__envelope__descriptor,
                                             ordo_slice(zmq_msg_data(&message), zmq_msg_size(&message)), &link->arena);
        ORDO_ASSERT(link->envelope != NULL && link->envelope->session == link->session);
        ORDO_ASSERT(link->envelope->number == ++link->received);
        zmq_msg_close(&message);
        link->next = 0;
    }
    return link->envelope->to_gateway[link->next++];
}

/* Connects and says hello; the welcome is taken. */
static inline void shard_link_open(struct shard_link *link, const struct shard_process *shard) {
    *link = (struct shard_link){.context = zmq_ctx_new(), .session = ordo_random_u64() | 1};
    link->socket = shard_dial(link->context, shard->data);
    ordo_arena_init(&link->arena, 512u * 1024 * 1024);
    Ordo__Cluster__V1__LinkHello hello = ORDO__CLUSTER__V1__LINK_HELLO__INIT;
    hello.protocol_min = hello.protocol_max = 1;
    hello.gateway = ordo_binary_of_slice(ordo_slice_of("test"));
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT, *messages[] = {&message};
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
    message.hello = &hello;
    shard_link_send(link, messages, 1);
    const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(link);
    ORDO_ASSERT(answer != NULL && answer->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_WELCOME);
    ORDO_ASSERT(link->envelope->shard.len == sizeof link->shard_id);
    memcpy(link->shard_id, link->envelope->shard.data, sizeof link->shard_id);
    link->incarnation = link->envelope->incarnation;
}

static inline void shard_link_close(struct shard_link *link) {
    zmq_close(link->socket);
    zmq_ctx_term(link->context);
    ordo_arena_finish(&link->arena);
    ordo_buffer_finish(&link->buffer);
    *link = (struct shard_link){0};
}

/* Opens document test/`id` as subscriber `subscriber`, whose client_id is 16 times that number; makes it if needed. */
static inline void shard_link_attach(struct shard_link *link, uint64_t subscriber, const char *id) {
    uint8_t client_id[16];
    memset(client_id, (int)subscriber, sizeof client_id);
    Ordo__Cluster__V1__Attach attach = ORDO__CLUSTER__V1__ATTACH__INIT;
    attach.subscriber = subscriber;
    attach.collection = ordo_binary_of_slice(ordo_slice_of("test"));
    attach.id = ordo_binary_of_slice(ordo_slice_of(id));
    attach.client_id = ordo_binary_of_slice(ordo_slice(client_id, sizeof client_id));
    attach.user = ordo_binary_of_slice(ordo_slice_of("tester"));
    attach.permission = ORDO__V1__PERMISSION__WRITE;
    attach.create_type = ordo_binary_of_slice(ordo_slice_of("text"));
    attach.has_create_content = true;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT, *messages[] = {&message};
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH;
    message.attach = &attach;
    shard_link_send(link, messages, 1);
}

/* Submits an insert of `text` (ASCII) in front. */
static inline void shard_link_submit(struct shard_link *link, uint64_t subscriber, uint64_t client_seq,
                                     uint64_t base_seq, const char *text) {
    struct ordo_buffer op = {0}, spans = {0};
    ordo_buffer_append_varint(&spans, strlen(text) << 4 | 1);
    ordo_field_append_bytes(&op, 1, ordo_buffer_slice(&spans));
    ordo_field_append_bytes(&op, 2, ordo_slice_of(text));
    Ordo__Cluster__V1__Submit submit = ORDO__CLUSTER__V1__SUBMIT__INIT;
    submit.subscriber = subscriber;
    submit.client_seq = client_seq;
    submit.base_seq = base_seq;
    submit.op_field = 3;
    submit.op = ordo_binary_of_slice(ordo_buffer_slice(&op));
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT, *messages[] = {&message};
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT;
    message.submit = &submit;
    shard_link_send(link, messages, 1);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&spans);
}

#endif
