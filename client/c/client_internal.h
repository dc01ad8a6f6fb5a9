/* client/c/client_internal.h: what the files of the edge share.
 *
 * A loop keeps its clients that may have something to do in a list (`dirty`). Before libev blocks, that list is
 * worked off: so all input of a turn is read first, and then each connection writes once. */
#ifndef ORDO_CLIENT_INTERNAL_H
#define ORDO_CLIENT_INTERNAL_H

#include <ev.h>
#include <libwebsockets.h>

#include "client/c/core/connection.h"
#include "client/c/ordo_client.h"

struct ordo_client_loop {
    struct ev_loop *ev;
    struct lws_context *context;
    struct ev_prepare before_blocking;
    struct ev_timer timer;
    uint64_t timer_ms;           /* when it fires; UINT64_MAX: not started */
    struct ordo_client *clients; /* all of them */
    struct ordo_client *dirty;   /* to be served before the loop blocks */
    uint32_t dials_left;         /* in this turn */
    uint8_t *tx;                 /* one frame with room for its header */
    size_t tx_capacity;
    bool is_stopped;
};

struct url {
    char host[256], path[512];
    char authority[272]; /* host and port, as the Host header has them */
    int port;
    bool is_tls;
};

struct ordo_client {
    struct ordo_client_loop *loop;
    struct ordo_client *next, *previous; /* in `clients` */
    struct ordo_client *next_dirty;
    bool is_dirty, is_established, is_choked;
    struct ordo_client_connection *connection;
    struct lws *wsi; /* NULL: no socket */
    struct url url;
    struct ordo_buffer rx; /* a frame that came in pieces, until it is whole */
    void (*error)(void *user, struct ordo_client *client, uint32_t code, struct ordo_slice message);
    void (*connected)(void *user, struct ordo_client *client, bool is_connected);
    void *user;
};

extern const struct lws_protocols ordo_client_protocols[];

void client_mark_dirty(struct ordo_client *client);
/* Does what the connection wishes, and writes what it has to say. */
void client_serve(struct ordo_client *client);
/* Cuts the socket at once. The connection is told. */
void client_cut(struct ordo_client *client);
/* False: not a url of ours. */
bool client_parse_url(const char *text, struct url *out);

#endif
