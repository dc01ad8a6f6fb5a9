/* gateway/wire_impl.h: what the files of the WebSockets share, and nobody else sees (wire_lws.h is for all others).
 *
 *     wire_lws.c       libwebsockets' callbacks, the ports, start and stop
 *     upgrade.c        whether a request becomes a WebSocket
 *     socket_table.c   WebSockets come and go
 *     socket_read.c    what clients send, and for how long nobody listens to them
 *     socket_write.c   what they get; closing, and silence
 *     shed.c           when memory is short */
#ifndef ORDO_GATEWAY_WIRE_IMPL_H
#define ORDO_GATEWAY_WIRE_IMPL_H

#include <libwebsockets.h>

#include "common/bucket.h"
#include "gateway/addresses.h"
#include "gateway/core/list.h"
#include "gateway/http_api.h"
#include "gateway/lobby.h"
#include "gateway/memory.h"
#include "gateway/wire_lws.h"

enum {
    ORDO_WIRE_PATH_SIZE_MAX = 512,
    ORDO_WIRE_HEADER_SIZE_MAX = ORDO_TOKEN_SIZE_MAX + 1024, /* of one header of an HTTP request */
};

/* One WebSocket, as the edge sees it. What each message sent looks at stands together: with many readers none of it is in a
 * cache. */
struct ordo_socket {
    struct lws *wsi;
    struct gateway_list in_output;     /* wire->output: something waits and the socket may take it */
    size_t unsent_size;                /* at most so much was written and is not taken yet: libwebsockets keeps it, */
    uint64_t unsent_since_ms;          /* since then */
    uint32_t conn;                     /* as the core knows it */
    uint16_t close_code;
    bool was_heard, is_pinged;
    bool is_closing, is_cut;           /* the latter: it goes in this turn or the next */
    const char *close_reason;          /* NULL until the core closes it */
    struct ordo_ip address;            /* the client's, also behind a proxy */
    struct gateway_list in_due;        /* wire->silence; wire->closing when we close it; by due_ms */
    struct gateway_list in_paused;     /* wire->pausing, then wire->paused: it is not read from before read_on_ms */
    struct gateway_list in_unfinished; /* wire->unfinished: a message began, and should have come by message_due_ms */
    uint64_t due_ms, read_on_ms, message_due_ms;
    struct ordo_buffer partial;        /* the beginning of that message */
    uint32_t fragment_count;           /* that it came in so far */
    uint64_t heard_size;               /* bytes of messages, with what surrounded them */
    uint64_t hidden_size;              /* bytes beyond, at most so far: control frames, and framing */
    struct ordo_bucket hidden;
};

struct ordo_wire_lws {
    struct ordo_turn *turn;
    const struct ordo_options *options;
    struct lws_context *context;
    struct lws_vhost *vhost, *watcher_vhost; /* the latter NULL: no figures are told */
    struct lws_protocols protocols[3], watcher_protocols[2];
    struct ordo_socket **sockets; /* by index; NULL where there is none */
    uint32_t *free_indices;       /* of those, unused ones */
    uint32_t capacity, free_count, count, count_max;
    struct gateway_list output, silence, closing, pausing, paused, unfinished;
    struct ordo_lobby lobby, watcher_lobby;
    struct ordo_addresses addresses;
    struct ordo_budget budget;
    uint64_t memory_look_ms;  /* when memory is looked at next */
    uint64_t busy_us;         /* of the loop, when it was looked at last */
    uint32_t hidden_next;     /* the connection whose hidden bytes are looked at next */
    struct ordo_http_api *api; /* requests that are no WebSockets, as the core sees them */
    struct ordo_buffer frame; /* the message to be written, behind LWS_PRE bytes of room */
    uint64_t lines_since_ms, line_count; /* in the log, about clients that were closed */
    bool is_draining;
};

/* What libwebsockets keeps per WebSocket. */
struct ordo_session {
    struct ordo_socket *socket; /* NULL: it is not open, or not any more */
};

/* ---- upgrade.c */

/* A request to upgrade: what CONFIRM_UPGRADE returns. `to`: what the request asks for; may be NULL. */
int ordo_upgrade_confirm(const struct ordo_wire_lws *wire, struct lws *wsi, const char *to);
/* The token that the request of a WebSocket brought, in `memory`; empty: none. */
struct ordo_slice ordo_upgrade_token(const struct ordo_wire_lws *wire, struct lws *wsi,
                                     char memory[ORDO_WIRE_HEADER_SIZE_MAX]);
size_t ordo_upgrade_path(struct lws *wsi, char path[ORDO_WIRE_PATH_SIZE_MAX]);

/* ---- socket_table.c */

int ordo_socket_opened(struct ordo_wire_lws *wire, struct lws *wsi, struct ordo_session *session);
void ordo_socket_gone(struct ordo_wire_lws *wire, struct ordo_session *session);
/* The WebSocket that the core means; NULL: it is gone. */
struct ordo_socket *ordo_socket_find(const struct ordo_wire_lws *wire, uint32_t conn);
/* Ends it; frees `socket`, in this turn or the next. Not out of a callback of libwebsockets. */
void ordo_socket_cut(struct ordo_socket *socket);
/* A line about a client that is closed, or not listened to, for what it did: unless there are so many that the log would be
 * theirs. */
void ordo_socket_log(struct ordo_wire_lws *wire, const struct ordo_socket *socket, const char *event, unsigned code,
                     const char *reason);

/* ---- socket_read.c */

int ordo_socket_read(struct ordo_wire_lws *wire, struct ordo_socket *socket, struct ordo_slice piece);
void ordo_socket_read_turn_end(struct ordo_wire_lws *wire);
/* Reads on where it is time to, stops reading where more comes than is seen, and closes where a message takes too long. */
void ordo_socket_read_tick(struct ordo_wire_lws *wire);

/* ---- socket_write.c */

/* The socket takes more: for those who had to wait, and those about to be closed. */
int ordo_socket_writeable(struct ordo_wire_lws *wire, struct ordo_socket *socket);
/* From now on nothing is read or written but the close frame. */
void ordo_socket_begin_close(struct ordo_wire_lws *wire, struct ordo_socket *socket);
void ordo_socket_write_tick(struct ordo_wire_lws *wire);

/* ---- shed.c */

void ordo_shed_tick(struct ordo_wire_lws *wire);

#endif
