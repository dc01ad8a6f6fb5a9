/* tools/load/net.h: the driver's own sockets: plain WebSocket clients under the library's pure connections.
 *
 * A driver must cost less than what it measures, and it has one core. So its thousands of connections live in one epoll
 * loop, read into one buffer, and write what a connection has to say in one send; the library's general edge (its
 * own event loop and libwebsockets) costs about twice as much per message. All of the protocol above the frames is the library's.
 *
 * Threads: one. Times: monotonic. */
#ifndef ORDO_TOOLS_LOAD_NET_H
#define ORDO_TOOLS_LOAD_NET_H

#include "client/c/core/connection.h"

struct load_net;

enum load_link_state { LOAD_LINK_IDLE, LOAD_LINK_DIALING, LOAD_LINK_SECURING, LOAD_LINK_UPGRADING, LOAD_LINK_OPEN };

/* One connection that comes and goes as its `connection` wishes. Zeroed, then `load_net_add`. */
struct load_link {
    struct load_net *net;
    struct ordo_client_connection *connection; /* owned: destroyed by load_link_finish */
    size_t place;                 /* which of the URLs it uses; any number */
    int fd;
    struct ssl_st *tls;           /* OpenSSL's SSL; NULL: none, or not yet */
    enum load_link_state state;
    int error;                    /* errno of the last attempt to connect that failed; 0: none did */
    bool wants_write;             /* the socket was full: epoll tells when it is not */
    struct ordo_buffer in, out;   /* an incomplete frame; what the socket did not take yet */
    void (*changed)(void *user, bool is_connected); /* the WebSocket opened or broke; may be NULL */
    void *user;
};

/* One URL, or several behind commas: then links are spread over them, and one that breaks tries the next. NULL: `fault` (256
 * bytes) says why: not a ws:// or wss:// URL, the host has no address, or `ca_file` (who may sign servers, in PEM; NULL: whom the
 * system trusts) does not read. */
struct load_net *load_net_create(const char *urls, const char *ca_file, char *fault);
/* Why the newest TLS handshake failed; "": none did. */
const char *load_net_fault(const struct load_net *net);
void load_net_destroy(struct load_net *net); /* NULL is fine; its links must be finished */

/* Takes `connection`. The link must not move in memory until it is finished. */
void load_net_add(struct load_net *net, struct load_link *link, struct ordo_client_connection *connection);
void load_link_finish(struct load_link *link); /* zeroed memory is fine */

/* Sends what the connection has to say; call it after edits that were not made from within a listener. */
void load_link_flush(struct load_link *link);

/* Serves what is there, waiting for at most `wait_ns` if nothing is. Timers of the links are looked at
 * ten times a second. */
void load_net_turn(struct load_net *net, uint64_t wait_ns);

/* Another descriptor to be told about: `ready(user)` is called when it is readable. */
void load_net_watch(struct load_net *net, int fd, void (*ready)(void *user), void *user);

#endif
