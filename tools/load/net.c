#include "tools/load/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/memory.h"
#include "tools/load/tls.h"
#include "tools/load/ws.h"

enum {
    EVENTS_MAX = 512,
    READ_SIZE = 256 * 1024,      /* one recv; more is fetched by the next turn */
    TIMERS_MS = 100,
    FRAME_SIZE_MAX = 64 * 1024 * 1024,
    PLACES_MAX = 64,
};

struct watch {
    void (*ready)(void *user);
    void *user;
};

struct place {
    struct sockaddr_storage address;
    socklen_t address_size;
    bool is_tls;
    char host[256], host_and_port[256], path[256];
};

struct load_net {
    int epoll;
    SSL_CTX *tls;                /* NULL: no URL wants it */
    char fault[256];             /* of the newest handshake that failed; "" if none */
    struct place places[PLACES_MAX]; /* links are spread over them, and go to the next when one sends them away */
    size_t place_count;
    struct load_link **links;    /* all that were added */
    size_t link_count, link_capacity;
    struct watch watch;          /* of the one other descriptor */
    uint64_t now_ms, timers_ms;  /* of this turn; when timers were last looked at */
    uint8_t bytes[READ_SIZE];
};

/* --- where to ---------------------------------------------------------------------------------------------------- */

static bool split_url(struct place *place, const char *url, char *port) {
    place->is_tls = strncmp(url, "wss://", 6) == 0;
    if (!place->is_tls && strncmp(url, "ws://", 5) != 0) return false;
    url += place->is_tls ? 6 : 5;
    size_t size = strcspn(url, "/?#");
    if (size == 0 || size >= sizeof place->host_and_port) return false;
    memcpy(place->host_and_port, url, size);
    place->host_and_port[size] = '\0';
    int path_size = snprintf(place->path, sizeof place->path, "%s", url[size] == '/' ? url + size : "/");
    if (path_size < 0 || (size_t)path_size >= sizeof place->path) return false;

    char *colon = strrchr(place->host_and_port, ':');
    bool is_bracketed = place->host_and_port[0] == '[';
    if (colon != NULL && is_bracketed && colon[-1] != ']') colon = NULL; /* inside of an IPv6 address */
    size_t host_size = colon ? (size_t)(colon - place->host_and_port) : size;
    snprintf(port, 16, "%.15s", colon ? colon + 1 : place->is_tls ? "443" : "80");
    if (host_size < (is_bracketed ? 3 : 1)) return false;
    if (is_bracketed) host_size -= 2;
    memcpy(place->host, place->host_and_port + is_bracketed, host_size);
    place->host[host_size] = '\0';
    return true;
}

static bool resolve(struct place *place, const char *url, char *fault) {
    char port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (!split_url(place, url, port)) {
        snprintf(fault, 256, "'%.150s' is no ws:// or wss:// URL", url);
        return false;
    }
    int resolved = getaddrinfo(place->host, port, &hints, &found);
    if (resolved != 0) {
        snprintf(fault, 256, "%.100s: %s", place->host_and_port, gai_strerror(resolved));
        return false;
    }
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    place->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool resolve_all(struct load_net *net, const char *urls, char *fault) {
    for (; *urls != '\0'; urls += *urls == ',') {
        char url[600];
        size_t size = strcspn(urls, ",");
        if (size >= sizeof url || net->place_count == PLACES_MAX) {
            snprintf(fault, 256, "that is more than %d URLs, or too long a one", PLACES_MAX);
            return false;
        }
        memcpy(url, urls, size);
        url[size] = '\0';
        if (!resolve(&net->places[net->place_count++], url, fault)) return false;
        urls += size;
    }
    if (net->place_count == 0) snprintf(fault, 256, "no URL is given");
    return net->place_count > 0;
}

static bool set_up_tls(struct load_net *net, const char *ca_file, char *fault) {
    bool is_wanted = false;
    for (size_t i = 0; i < net->place_count; i++) is_wanted = is_wanted || net->places[i].is_tls;
    if (!is_wanted) return true;
    net->tls = load_tls_create(ca_file);
    if (net->tls == NULL)
        snprintf(fault, 256, "%.200s holds no certificate in PEM that can be read", ca_file ? ca_file : "the system");
    return net->tls != NULL;
}

struct load_net *load_net_create(const char *urls, const char *ca_file, char *fault) {
    struct load_net *net = ordo_alloc(sizeof *net);
    if (!resolve_all(net, urls, fault) || !set_up_tls(net, ca_file, fault)) {
        free(net);
        return NULL;
    }
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    ORDO_ASSERT(net->epoll >= 0);
    return net;
}

const char *load_net_fault(const struct load_net *net) { return net->fault; }

void load_net_destroy(struct load_net *net) {
    if (net == NULL) return;
    close(net->epoll);
    SSL_CTX_free(net->tls);
    free(net->links);
    free(net);
}

/* --- one link ---------------------------------------------------------------------------------------------------- */

static void link_watch(struct load_link *link, int how, bool wants_write) {
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = link};
    int result = epoll_ctl(link->net->epoll, how, link->fd, &event);
    ORDO_ASSERT(result == 0);
    link->wants_write = wants_write;
}

static const struct place *place_of(const struct load_link *link) {
    return &link->net->places[link->place % link->net->place_count];
}

static void link_break(struct load_link *link) {
    link->place++; /* the next one may be better */
    bool was_open = link->state == LOAD_LINK_OPEN;
    load_tls_close(link->tls);
    link->tls = NULL;
    if (link->fd >= 0) close(link->fd);
    link->fd = -1;
    link->state = LOAD_LINK_IDLE;
    ordo_buffer_finish(&link->in);
    ordo_buffer_finish(&link->out);
    ordo_client_connection_disconnected(link->connection, link->net->now_ms);
    if (was_open && link->changed) link->changed(link->user, false);
}

static void link_dial(struct load_link *link) {
    struct load_net *net = link->net;
    ordo_client_connection_dialing(link->connection, net->now_ms);
    const struct place *place = place_of(link);
    link->fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    link->state = LOAD_LINK_DIALING;
    int yes = 1;
    if (link->fd < 0 || setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        (connect(link->fd, (const struct sockaddr *)&place->address, place->address_size) != 0 && errno != EINPROGRESS)) {
        link->error = errno;
        link_break(link);
        return;
    }
    link_watch(link, EPOLL_CTL_ADD, true);
}

static ssize_t link_write(struct load_link *link, const uint8_t *bytes, size_t size) {
    return link->tls != NULL ? load_tls_write(link->tls, bytes, size) : send(link->fd, bytes, size, MSG_NOSIGNAL);
}

/* Gives the socket what is in `out`. False: the link broke. */
static bool link_send(struct load_link *link) {
    size_t sent = 0;
    while (sent < link->out.size) {
        ssize_t size = link_write(link, link->out.data + sent, link->out.size - sent);
        if (size > 0) {
            sent += (size_t)size;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            link_break(link);
            return false;
        }
    }
    memmove(link->out.data, link->out.data + sent, link->out.size - sent);
    link->out.size -= sent;
    bool wants_write = link->out.size > 0;
    if (wants_write != link->wants_write) link_watch(link, EPOLL_CTL_MOD, wants_write);
    return true;
}

/* Does what the connection wishes, and sends what it has to say. */
void load_link_flush(struct load_link *link) {
    uint64_t now_ms = link->net->now_ms;
    switch (ordo_client_connection_wish(link->connection, now_ms)) {
    case ORDO_CLIENT_WISH_NOTHING: break;
    case ORDO_CLIENT_WISH_CONNECT:
        if (link->state == LOAD_LINK_IDLE) link_dial(link);
        return;
    case ORDO_CLIENT_WISH_CLOSE:
        if (link->state != LOAD_LINK_IDLE) link_break(link);
        return;
    }
    if (link->state != LOAD_LINK_OPEN || link->out.size > 0) return; /* what waits goes first */
    for (;;) {
        struct ordo_slice frame = ordo_client_connection_take_frame(link->connection, now_ms);
        if (frame.size == 0) break;
        load_ws_append(&link->out, LOAD_WS_BINARY, frame);
    }
    if (link->out.size > 0) link_send(link);
}

static void link_upgrade(struct load_link *link) {
    link->state = LOAD_LINK_UPGRADING;
    load_ws_append_request(&link->out, place_of(link)->host_and_port, place_of(link)->path);
    link_send(link);
}

static void link_secure(struct load_link *link) {
    switch (load_tls_handshake(link->tls, link->net->fault)) {
    case LOAD_TLS_DONE: link_upgrade(link); break;
    case LOAD_TLS_WAITS_TO_READ: link_watch(link, EPOLL_CTL_MOD, false); break;
    case LOAD_TLS_WAITS_TO_WRITE: link_watch(link, EPOLL_CTL_MOD, true); break;
    case LOAD_TLS_BROKEN: link_break(link); break;
    }
}

static void link_dialled(struct load_link *link) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        link->error = error;
        link_break(link);
        return;
    }
    if (!place_of(link)->is_tls) {
        link_upgrade(link);
        return;
    }
    link->state = LOAD_LINK_SECURING;
    link->tls = load_tls_open(link->net->tls, link->fd, place_of(link)->host);
    link_secure(link);
}

/* False: the link broke. */
static bool link_take_frame(struct load_link *link, const struct load_ws_frame *frame) {
    switch (frame->opcode) {
    case LOAD_WS_BINARY:
        if (!frame->is_final) break; /* our gateway sends whole frames */
        ordo_client_connection_received(link->connection, frame->payload, link->net->now_ms);
        return true;
    case LOAD_WS_PING: load_ws_append(&link->out, LOAD_WS_PONG, frame->payload); return link_send(link);
    case LOAD_WS_PONG: return true;
    default: break; /* a close, or nothing that we know */
    }
    link_break(link);
    return false;
}

/* Works through bytes as they came; returns how many it used, SIZE_MAX: the link broke. */
static size_t link_take(struct load_link *link, struct ordo_slice bytes) {
    struct ordo_reader reader = ordo_reader(bytes);
    if (link->state == LOAD_LINK_UPGRADING) {
        size_t size = load_ws_read_answer(bytes);
        if (size == SIZE_MAX) {
            link_break(link);
            return SIZE_MAX;
        }
        if (size == 0) return 0;
        reader.next += size;
        link->state = LOAD_LINK_OPEN;
        ordo_client_connection_connected(link->connection, link->net->now_ms);
        if (link->changed) link->changed(link->user, true);
    }
    struct load_ws_frame frame;
    for (;;) {
        switch (load_ws_read(&reader, FRAME_SIZE_MAX, &frame)) {
        case LOAD_WS_FRAME:
            if (!link_take_frame(link, &frame)) return SIZE_MAX;
            break;
        case LOAD_WS_INCOMPLETE: return (size_t)(reader.next - bytes.data);
        case LOAD_WS_BROKEN: link_break(link); return SIZE_MAX;
        }
    }
}

/* False: nothing is left to read for now, or the link broke. */
static bool link_read(struct load_link *link) {
    struct load_net *net = link->net;
    ssize_t size = link->tls != NULL ? load_tls_read(link->tls, net->bytes, sizeof net->bytes)
                                     : recv(link->fd, net->bytes, sizeof net->bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
    if (size <= 0) {
        link_break(link);
        return false;
    }
    struct ordo_slice bytes = ordo_slice(net->bytes, (size_t)size);
    bool is_joined = link->in.size > 0;
    if (is_joined) {
        ordo_buffer_append_slice(&link->in, bytes);
        bytes = ordo_buffer_slice(&link->in);
    }
    size_t used = link_take(link, bytes);
    if (used == SIZE_MAX) return false;
    if (!is_joined) {
        ordo_buffer_append(&link->in, bytes.data + used, bytes.size - used);
    } else {
        memmove(link->in.data, link->in.data + used, bytes.size - used);
        link->in.size = bytes.size - used;
    }
    if (link->in.size == 0 && link->in.capacity > 0) ordo_buffer_finish(&link->in); /* thousands of them lie idle */
    return link->tls != NULL && load_tls_has_more(link->tls); /* what TLS keeps, epoll does not tell of */
}

static void link_event(struct load_link *link, uint32_t events) {
    if (link->state == LOAD_LINK_DIALING) {
        link_dialled(link);
    } else if (link->state == LOAD_LINK_SECURING) {
        link_secure(link);
    } else {
        if ((events & EPOLLOUT) != 0 && !link_send(link)) return;
        if ((events & ~(uint32_t)EPOLLOUT) != 0)
            while (link_read(link)) continue;
    }
    if (link->state != LOAD_LINK_IDLE) load_link_flush(link);
}

void load_net_add(struct load_net *net, struct load_link *link, struct ordo_client_connection *connection) {
    link->net = net;
    link->connection = connection;
    link->fd = -1;
    link->place = net->link_count;
    if (net->link_count == net->link_capacity) {
        net->link_capacity = net->link_capacity ? net->link_capacity * 2 : 64;
        net->links = ordo_realloc(net->links, net->link_capacity * sizeof(struct load_link *));
    }
    net->links[net->link_count++] = link;
    net->now_ms = ordo_clock_monotonic_ms();
    load_link_flush(link);
}

void load_link_finish(struct load_link *link) {
    if (link->connection == NULL) return;
    load_tls_close(link->tls);
    if (link->fd >= 0) close(link->fd);
    ordo_buffer_finish(&link->in);
    ordo_buffer_finish(&link->out);
    ordo_client_connection_destroy(link->connection);
    *link = (struct load_link){.fd = -1};
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

void load_net_watch(struct load_net *net, int fd, void (*ready)(void *user), void *user) {
    net->watch = (struct watch){.ready = ready, .user = user};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int result = epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &event);
    ORDO_ASSERT(result == 0);
}

static void look_at_timers(struct load_net *net) {
    net->timers_ms = net->now_ms;
    for (size_t i = 0; i < net->link_count; i++) {
        struct load_link *link = net->links[i];
        if (ordo_client_connection_timer_ms(link->connection) > net->now_ms && link->state != LOAD_LINK_IDLE) continue;
        ordo_client_connection_tick(link->connection, net->now_ms);
        load_link_flush(link);
    }
}

void load_net_turn(struct load_net *net, uint64_t wait_ns) {
    struct epoll_event events[EVENTS_MAX];
    if (wait_ns > TIMERS_MS * UINT64_C(1000000)) wait_ns = TIMERS_MS * UINT64_C(1000000);
    int count = epoll_wait(net->epoll, events, EVENTS_MAX, (int)((wait_ns + 999999) / 1000000));
    net->now_ms = ordo_clock_monotonic_ms();
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL) {
            net->watch.ready(net->watch.user);
        } else {
            link_event(events[i].data.ptr, events[i].events);
        }
    }
    if (net->now_ms - net->timers_ms >= TIMERS_MS) look_at_timers(net);
}
