/* gateway/http_head.h: what an HTTP request for documents says before its body, as libwebsockets read it, and what is wrong
 * with it. Ownership: a head owns its token. Threads: one. */
#ifndef ORDO_GATEWAY_HTTP_HEAD_H
#define ORDO_GATEWAY_HTTP_HEAD_H

#include <libwebsockets.h>

#include "common/buffer.h"
#include "gateway/api/request.h"
#include "gateway/door.h"

/* What follows this in a path names a document. */
#define ORDO_HTTP_DOCS "/v1/docs"
enum { ORDO_HTTP_ORIGIN_SIZE_MAX = 256 };

struct ordo_http_head {
    struct ordo_api_request asked;
    struct ordo_api_fault fault; /* the first that was found; status 0: none */
    struct ordo_buffer token;    /* empty: none */
    char origin[ORDO_HTTP_ORIGIN_SIZE_MAX]; /* of the page that may read the answer; "": none */
    bool is_preflight;           /* it only asks whether it may ask */
    bool is_old;                 /* HTTP/1.0: no chunks, and no further request */
    bool closes;                 /* it is not sure where it ends: no further request */
    bool waits_to_send;          /* its body, until it is told to go on */
    size_t body_size;            /* announced */
};

/* `head` is zeroed memory. */
void ordo_http_head_read(struct ordo_http_head *head, struct lws *wsi, const struct ordo_door *door);
void ordo_http_head_finish(struct ordo_http_head *head);
/* Unless something is wrong with it already. Texts are static. */
void ordo_http_head_fault(struct ordo_http_head *head, uint32_t status, const char *code, const char *message);

#endif
