/* gateway/client_address.h: the address of whoever makes a request, as far as libwebsockets and trusted proxies tell. */
#ifndef ORDO_GATEWAY_CLIENT_ADDRESS_H
#define ORDO_GATEWAY_CLIENT_ADDRESS_H

#include <libwebsockets.h>

#include "gateway/ip.h"

/* While the request's headers are there: in answers over HTTP, and until a WebSocket is established. All zero: the connection
 * has gone. */
struct ordo_ip ordo_client_address(struct lws *wsi, const struct ordo_proxies *proxies);
/* Whether the request was made on this machine, and not through a proxy on it. */
bool ordo_client_is_local(struct lws *wsi, const struct ordo_proxies *proxies);

#endif
