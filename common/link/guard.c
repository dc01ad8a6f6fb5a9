#include "common/link/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/hex.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/wake.h"

#define ENDPOINT "inproc://zeromq.zap.01"
#define USER_ID "User-Id"

enum { LOG_INTERVAL_MS = 1000, FRAMES_MAX = 8, FRAME_SIZE_MAX = 255 };

/* The frames of a question, in their order. */
enum { FRAME_VERSION, FRAME_REQUEST, FRAME_DOMAIN, FRAME_ADDRESS, FRAME_IDENTITY, FRAME_MECHANISM, FRAME_KEY, FRAME_COUNT };

struct question {
    uint8_t bytes[FRAMES_MAX][FRAME_SIZE_MAX];
    size_t sizes[FRAMES_MAX];
    size_t count;
};

struct ordo_guard {
    struct ordo_link_keyring *keys;
    void *socket; /* REP */
    struct ordo_thread thread;
    uint64_t logged_ms, refused_count; /* when a stranger was logged last; those since */
};

/* Reads all frames, however many there are. False: it is no question of ours. */
static bool receive(void *socket, struct question *question) {
    bool fits = true;
    int more = 1;
    question->count = 0;
    while (more) {
        uint8_t rest[FRAME_SIZE_MAX];
        uint8_t *to = question->count < FRAMES_MAX ? question->bytes[question->count] : rest;
        int size;
        while ((size = zmq_recv(socket, to, FRAME_SIZE_MAX, 0)) < 0) ORDO_ASSERT(zmq_errno() == EINTR);
        if (size > FRAME_SIZE_MAX || question->count == FRAMES_MAX) fits = false;
        else question->sizes[question->count++] = (size_t)size;
        size_t option_size = sizeof more;
        int rc = zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &option_size);
        ORDO_ASSERT(rc == 0);
    }
    return fits && question->count == FRAME_COUNT;
}

static struct ordo_slice frame(const struct question *question, int which) {
    return ordo_slice(question->bytes[which], question->sizes[which]);
}

static bool is_known(struct ordo_guard *guard, const struct question *question, enum ordo_link_role *role) {
    struct ordo_link_key key;
    if (!ordo_slice_equal(frame(question, FRAME_MECHANISM), ordo_slice_of("CURVE")) ||
        question->sizes[FRAME_KEY] != sizeof key.bytes)
        return false;
    memcpy(key.bytes, question->bytes[FRAME_KEY], sizeof key.bytes);
    return ordo_link_keyring_find(guard->keys, &key, role);
}

/* Whoever is refused may try again as fast as it can. */
static void log_refusal(struct ordo_guard *guard, const struct question *question) {
    uint64_t now_ms = ordo_clock_monotonic_ms();
    guard->refused_count++;
    if (guard->logged_ms != 0 && now_ms - guard->logged_ms < LOG_INTERVAL_MS) return;
    char key[2 * FRAME_SIZE_MAX + 1];
    ordo_hex_encode(key, question->bytes[FRAME_KEY], question->sizes[FRAME_KEY]);
    log_warn("event=stranger_refused address=%.*s key=%s count=%llu", (int)question->sizes[FRAME_ADDRESS],
             (const char *)question->bytes[FRAME_ADDRESS], key, (unsigned long long)guard->refused_count);
    guard->logged_ms = now_ms;
    guard->refused_count = 0;
}

static void send_frame(void *socket, struct ordo_slice bytes, int flags) {
    while (zmq_send(socket, bytes.data, bytes.size, flags) < 0) ORDO_ASSERT(zmq_errno() == EINTR);
}

static void answer(struct ordo_guard *guard, const struct question *question, bool is_ours) {
    enum ordo_link_role role = ORDO_LINK_ROLE_SHARD;
    bool may_enter = is_ours && is_known(guard, question, &role);
    if (is_ours && !may_enter) log_refusal(guard, question);
    send_frame(guard->socket, ordo_slice_of("1.0"), ZMQ_SNDMORE);
    send_frame(guard->socket, question->count > FRAME_REQUEST ? frame(question, FRAME_REQUEST) : ordo_slice_of(""), ZMQ_SNDMORE);
    send_frame(guard->socket, ordo_slice_of(may_enter ? "200" : "400"), ZMQ_SNDMORE);
    send_frame(guard->socket, ordo_slice_of(may_enter ? "" : "not trusted"), ZMQ_SNDMORE);
    send_frame(guard->socket, ordo_slice_of(may_enter ? ordo_link_role_name(role) : ""), ZMQ_SNDMORE);
    send_frame(guard->socket, ordo_slice_of(""), 0); /* no more metadata */
}

static void *serve(void *context) {
    ordo_thread_name("guard");
    struct ordo_guard *guard = context;
    struct question question;
    for (;;) {
        zmq_pollitem_t items[] = {{.socket = guard->socket, .events = ZMQ_POLLIN}, {.fd = guard->thread.stop_fd, .events = ZMQ_POLLIN}};
        if (zmq_poll(items, 2, -1) < 0) continue;
        if (items[1].revents & ZMQ_POLLIN) return NULL;
        if (items[0].revents & ZMQ_POLLIN) answer(guard, &question, receive(guard->socket, &question));
    }
}

ordo_err ordo_guard_start(void *context, struct ordo_link_keyring *keys, struct ordo_problem *problem, struct ordo_guard **out) {
    void *socket = zmq_socket(context, ZMQ_REP);
    ORDO_ASSERT(socket != NULL);
    if (zmq_bind(socket, ENDPOINT) != 0) {
        ordo_problem_set(problem, "The guard of the keys cannot be set up: %s.", zmq_strerror(zmq_errno()));
        zmq_close(socket);
        return ORDO_ERR_UNAVAILABLE;
    }
    struct ordo_guard *guard = ordo_alloc(sizeof *guard);
    guard->keys = keys;
    guard->socket = socket;
    ordo_thread_start(&guard->thread, serve, guard); /* the socket moves to it */
    *out = guard;
    return ORDO_OK;
}

void ordo_guard_stop(struct ordo_guard *guard) {
    if (guard == NULL) return;
    ordo_thread_stop(&guard->thread);
    zmq_close(guard->socket);
    free(guard);
}

bool ordo_guard_role(void *message, enum ordo_link_role *role) {
    const char *name = zmq_msg_gets(message, USER_ID);
    for (int each = 0; name != NULL && each < ORDO_LINK_ROLE_COUNT; each++) {
        *role = (enum ordo_link_role)each;
        if (strcmp(name, ordo_link_role_name(*role)) == 0) return true;
    }
    return false;
}
