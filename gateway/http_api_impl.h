/* gateway/http_api_impl.h: what the files of HTTP requests for documents share, and nobody else sees.
 *
 *     http_api.c     requests come and go, their bodies, and their time
 *     http_call.c    a request as a client of the core
 *     http_reply.c   the answer, as the socket takes it */
#ifndef ORDO_GATEWAY_HTTP_API_IMPL_H
#define ORDO_GATEWAY_HTTP_API_IMPL_H

#include "gateway/api/call.h"
#include "gateway/core/list.h"
#include "gateway/http_api.h"
#include "gateway/http_head.h"

struct ordo_http_request {
    struct ordo_http_api *api;
    struct lws *wsi;
    struct ordo_ip address;        /* of the client, if `is_counted` */
    bool is_counted;               /* among those of its address */
    uint64_t begun_ms;
    struct gateway_list in_all;    /* api->all: the oldest stands first */
    struct gateway_list in_output; /* api->output: the core has something */
    struct ordo_http_request **slot; /* where the connection knows it */
    uint32_t index;                  /* in api->by_index */
    bool has_conn;                   /* the core knows it */
    struct ordo_http_head head;  /* `body_size`: of what is wanted of the body */
    struct ordo_buffer body;
    size_t unread_size;          /* announced, not wanted, and still coming in while the answer is on its way */
    struct ordo_api_call *call;  /* NULL: the body is still coming in */
    size_t taken_size;           /* bytes of the answer's body that the socket took */
    uint64_t due_ms;             /* without progress by then it is cut off */
    bool is_head_written, is_chunked, is_all_written;
    bool is_lingering;           /* answered, and about to be closed */
};

struct ordo_http_api {
    struct ordo_http_api_config config;
    struct ordo_turn *turn;
    const struct ordo_options *options;
    struct ordo_http_request *by_index[ORDO_HTTP_REQUESTS_MAX];
    struct gateway_list all, output;
    uint32_t count;
    size_t bodies_size;
    struct ordo_arena arena;
    struct ordo_buffer frame; /* from or to the core */
    struct ordo_buffer piece; /* to the socket, behind LWS_PRE bytes of room */
    bool is_draining;
};

/* ---- http_api.c */

void ordo_http_request_end(struct ordo_http_request *request);

/* ---- http_call.c */

/* The request is complete. */
void ordo_http_call_start(struct ordo_http_request *request);
/* Time has passed. */
void ordo_http_call_tick(struct ordo_http_request *request);
/* The core forgets it. */
void ordo_http_call_leave(struct ordo_http_request *request);

#endif
