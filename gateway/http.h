/* gateway/http.h: what the port answers to plain HTTP: /healthz (the process lives), /readyz (its shard is
 * there), /metrics (Prometheus text). Everything else is 404. */
#ifndef ORDO_GATEWAY_HTTP_H
#define ORDO_GATEWAY_HTTP_H

#include <libwebsockets.h>

#include "gateway/core/gateway.h"

/* Answers the request for `path`; the value is what an lws callback returns. */
int ordo_http_answer(struct lws *wsi, struct ordo_slice path, const struct ordo_gateway *gateway);

#endif
