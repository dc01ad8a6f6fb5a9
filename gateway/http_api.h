/* gateway/http_api.h: HTTP requests for documents, at the edge: libwebsockets on one side, gateway/api and the core on the other.
 *
 * A request is a connection of the core for as long as it takes, so it may do what a client with its token may do, and no more.
 * What it costs in memory is bounded: a body of its own limit, all bodies together 64 MiB, and of an answer what the
 * core gives at once; the rest stays at the shard until the socket has taken it. Refused before anything is read: what asks for
 * too much, what is not framed by a plain Content-Length (libwebsockets reads no chunked bodies, so what follows could be
 * taken for another request), and what a page of a foreign origin sends.
 *
 * Bytes that follow a request are not read before it is answered, so pipelined requests are answered one after the other.
 * Threads: one, that of the loop. Times: ms. */
#ifndef ORDO_GATEWAY_HTTP_API_H
#define ORDO_GATEWAY_HTTP_API_H

#include <libwebsockets.h>

#include "gateway/addresses.h"
#include "gateway/lobby.h"
#include "gateway/memory.h"
#include "gateway/options.h"

/* Requests at once, and of one client address: a quarter. */
enum { ORDO_HTTP_REQUESTS_MAX = 1000, ORDO_HTTP_REQUESTS_PER_ADDRESS_MAX = ORDO_HTTP_REQUESTS_MAX / 4 };

struct ordo_http_api;
struct ordo_http_request;

/* All but count_max are borrowed. */
struct ordo_http_api_config {
    struct ordo_turn *turn;
    const struct ordo_options *options;
    struct ordo_lobby *lobby; /* where connections are between their requests */
    struct ordo_addresses *addresses;
    const struct ordo_budget *budget;
    uint32_t count_max; /* requests at once, at most ORDO_HTTP_REQUESTS_MAX */
};

struct ordo_http_api *ordo_http_api_create(const struct ordo_http_api_config *config);
void ordo_http_api_destroy(struct ordo_http_api *api); /* NULL is fine; after libwebsockets' context */

/* Whether requests for `path` are this file's affair. */
bool ordo_http_api_has(struct ordo_slice path);

/* Callbacks of libwebsockets, whose values they return. `slot` is the connection's memory for the request under way: NULL
 * while there is none. */
int ordo_http_api_begin(struct ordo_http_api *api, struct lws *wsi, struct ordo_http_request **slot);
int ordo_http_api_body(struct ordo_http_request *request, struct ordo_slice piece);
int ordo_http_api_body_end(struct ordo_http_request *request);
int ordo_http_api_writeable(struct ordo_http_request **slot);
void ordo_http_api_gone(struct ordo_http_request **slot); /* the connection is closed */

/* The effects CONN_OUTPUT and CONN_CLOSE for connections that are requests. */
void ordo_http_api_want_output(struct ordo_http_api *api, uint32_t conn);
void ordo_http_api_close(struct ordo_http_api *api, uint32_t conn);
/* Hears what the core has for requests whose sockets take it. */
void ordo_http_api_flush(struct ordo_http_api *api);
void ordo_http_api_tick(struct ordo_http_api *api);

void ordo_http_api_drain(struct ordo_http_api *api); /* refuses new requests from now on */
uint32_t ordo_http_api_count(const struct ordo_http_api *api); /* requests under way */

#endif
