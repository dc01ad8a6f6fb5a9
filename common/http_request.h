/* common/http_request.h: the little of HTTP/1.1 that a port for health checks and Prometheus needs: one GET, and then the
 * connection ends. Pure; the bytes may be anything.
 *
 * Limit: ORDO_HTTP_REQUEST_SIZE_MAX bytes of head. A body is neither wanted nor read. */
#ifndef ORDO_COMMON_HTTP_REQUEST_H
#define ORDO_COMMON_HTTP_REQUEST_H

#include "common/buffer.h"

#define ORDO_HTTP_REQUEST_SIZE_MAX 4096

enum ordo_http_request_state {
    ORDO_HTTP_REQUEST_PARTIAL,     /* read on */
    ORDO_HTTP_REQUEST_WHOLE,       /* `path` is set */
    ORDO_HTTP_REQUEST_NOT_ALLOWED, /* another method: 405 */
    ORDO_HTTP_REQUEST_WRONG,       /* 400 */
};

/* `path` is without what follows a '?'; borrows `bytes`. `is_head`: of the answer only the head is wanted. */
enum ordo_http_request_state ordo_http_request_parse(struct ordo_slice bytes, struct ordo_slice *path, bool *is_head);

/* Appends a whole answer; the connection ends behind it. */
void ordo_http_response_write(struct ordo_buffer *out, unsigned status, const char *content_type, struct ordo_slice body,
                              bool is_head);

#endif
