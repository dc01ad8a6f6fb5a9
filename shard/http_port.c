#define _GNU_SOURCE /* accept4 */

#include "shard/http_port.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/http_request.h"
#include "common/memory.h"
#include "common/sched.h"
#include "common/wake.h"

enum { CONNECTION_MS = 5000, ADDRESS_SIZE = 300, BACKLOG = 64, PAUSE_MS = 50 };

/* Reads a request, then writes an answer. */
struct connection {
    int fd;
    uint64_t due_ms;          /* it is over then, whatever it does */
    bool is_answering;
    struct ordo_buffer input, output;
    size_t sent;
};

struct ordo_http_port {
    ordo_http_port_answer *answer;
    void *user;
    int listener;
    char address[ADDRESS_SIZE];
    struct ordo_thread thread;
    struct connection connections[ORDO_HTTP_PORT_CONNECTIONS_MAX]; /* of the thread; oldest first */
    size_t count;
};

/* ---- connections */

static void connection_end(struct ordo_http_port *port, size_t index) {
    struct connection *connection = &port->connections[index];
    close(connection->fd);
    ordo_buffer_finish(&connection->input);
    ordo_buffer_finish(&connection->output);
    port->count--;
    memmove(connection, connection + 1, (port->count - index) * sizeof *connection);
}

static void prepare_answer(struct ordo_http_port *port, struct connection *connection, enum ordo_http_request_state state,
                           struct ordo_slice path, bool is_head) {
    struct ordo_buffer body = {0};
    const char *type = "text/plain; charset=utf-8";
    unsigned status = state == ORDO_HTTP_REQUEST_NOT_ALLOWED ? 405 : 400;
    if (state == ORDO_HTTP_REQUEST_WHOLE) status = port->answer(port->user, path, &type, &body);
    ordo_http_response_write(&connection->output, status, type, ordo_buffer_slice(&body), is_head);
    ordo_buffer_finish(&body);
    connection->is_answering = true;
}

/* False: it is over. */
static bool write_answer(struct connection *connection) {
    size_t left = connection->output.size - connection->sent;
    ssize_t size = send(connection->fd, connection->output.data + connection->sent, left, MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    connection->sent += (size_t)size;
    if (connection->sent < connection->output.size) return true;
    shutdown(connection->fd, SHUT_WR);
    return false;
}

/* False: it is over. */
static bool read_request(struct ordo_http_port *port, struct connection *connection) {
    uint8_t bytes[1024];
    ssize_t size = recv(connection->fd, bytes, sizeof bytes, 0);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    ordo_buffer_append(&connection->input, bytes, (size_t)size);
    struct ordo_slice path = {0};
    bool is_head = false;
    enum ordo_http_request_state state = ordo_http_request_parse(ordo_buffer_slice(&connection->input), &path, &is_head);
    if (state == ORDO_HTTP_REQUEST_PARTIAL) return true;
    prepare_answer(port, connection, state, path, is_head);
    return write_answer(connection);
}

/* Whoever has sent its request by now is answered at once, so it is never the oldest of too many. */
static void accept_waiting(struct ordo_http_port *port, uint64_t now_ms) {
    int fd;
    while ((fd = accept4(port->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (port->count == ORDO_HTTP_PORT_CONNECTIONS_MAX) connection_end(port, 0);
        size_t index = port->count++;
        port->connections[index] = (struct connection){.fd = fd, .due_ms = now_ms + CONNECTION_MS};
        if (!read_request(port, &port->connections[index])) connection_end(port, index);
    }
    bool is_out_of_files = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (is_out_of_files) ordo_clock_sleep_ms(PAUSE_MS); /* the listener stays readable: do not spin */
}

static void serve_connections(struct ordo_http_port *port, const struct pollfd *fds, size_t count, uint64_t now_ms) {
    for (size_t i = count; i-- > 0;) { /* from the end, because they move up when one ends */
        struct connection *connection = &port->connections[i];
        bool goes_on = now_ms < connection->due_ms;
        if (goes_on && fds[i].revents != 0)
            goes_on = connection->is_answering ? write_answer(connection) : read_request(port, connection);
        if (!goes_on) connection_end(port, i);
    }
}

/* Until the first of them is due; -1: there are none. */
static int patience_ms(const struct ordo_http_port *port, uint64_t now_ms) {
    if (port->count == 0) return -1;
    uint64_t due_ms = port->connections[0].due_ms;
    return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void *serve(void *context) {
    ordo_thread_name("figures");
    struct ordo_http_port *port = context;
    struct pollfd fds[2 + ORDO_HTTP_PORT_CONNECTIONS_MAX];
    ordo_sched_step_aside(); /* a scrape is no reason for anybody's op to wait */
    for (;;) {
        size_t count = port->count;
        fds[0] = (struct pollfd){.fd = port->thread.stop_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = port->listener, .events = POLLIN};
        for (size_t i = 0; i < count; i++)
            fds[2 + i] = (struct pollfd){.fd = port->connections[i].fd,
                                         .events = port->connections[i].is_answering ? POLLOUT : POLLIN};
        if (poll(fds, 2 + count, patience_ms(port, ordo_clock_monotonic_ms())) < 0) ORDO_ASSERT(errno == EINTR);
        if (fds[0].revents != 0) return NULL;
        uint64_t now_ms = ordo_clock_monotonic_ms();
        serve_connections(port, fds + 2, count, now_ms);
        if (fds[1].revents != 0) accept_waiting(port, now_ms);
    }
}

/* ---- start and stop */

/* "HOST:PORT", where HOST may be an IPv6 address in brackets. */
static bool split(const char *address, char host[ADDRESS_SIZE], const char **service) {
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || colon[1] < '0' || colon[1] > '9') return false;
    size_t size = (size_t)(colon - address);
    if (address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    *service = colon + 1;
    return size > 0 && snprintf(host, ADDRESS_SIZE, "%.*s", (int)size, address) < ADDRESS_SIZE;
}

static int listen_at(const struct addrinfo *info) {
    int one = 1, fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);
    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void note_address(struct ordo_http_port *port) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
    if (getsockname(port->listener, (struct sockaddr *)&name, &size) == 0)
        (void)getnameinfo((struct sockaddr *)&name, size, host, sizeof host, service, sizeof service,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_v6 = strchr(host, ':') != NULL;
    snprintf(port->address, sizeof port->address, "%s%.200s%s:%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "", service);
}

static ordo_err open_listener(struct ordo_http_port *port, const char *address, struct ordo_problem *problem) {
    char host[ADDRESS_SIZE];
    const char *service;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (!split(address, host, &service) || getaddrinfo(host, service, &hints, &found) != 0) {
        ordo_problem_set(problem, "%.100s is not HOST:PORT, or the host has no address.", address);
        return ORDO_ERR_INVALID;
    }
    port->listener = listen_at(found);
    int error = errno;
    freeaddrinfo(found);
    if (port->listener >= 0) return ORDO_OK;
    ordo_problem_set(problem, "%.100s cannot be listened on: %s.", address, strerror(error));
    return ORDO_ERR_UNAVAILABLE;
}

ordo_err ordo_http_port_start(const char *address, ordo_http_port_answer *answer, void *user, struct ordo_problem *problem,
                              struct ordo_http_port **port_out) {
    struct ordo_http_port *port = ordo_alloc(sizeof *port);
    port->answer = answer;
    port->user = user;
    ordo_err err = open_listener(port, address, problem);
    if (err) {
        free(port);
        return err;
    }
    note_address(port);
    ordo_thread_start(&port->thread, serve, port);
    *port_out = port;
    return ORDO_OK;
}

void ordo_http_port_stop(struct ordo_http_port *port) {
    if (port == NULL) return;
    ordo_thread_stop(&port->thread);
    while (port->count > 0) connection_end(port, port->count - 1);
    close(port->listener);
    free(port);
}

const char *ordo_http_port_address(const struct ordo_http_port *port) { return port->address; }
