/* shard/http_port.h: a port that answers GETs, on a thread of its own, so that it answers also while everybody else waits
 * for the disk. For health checks and Prometheus: few, short, one request per connection.
 *
 * Limits: ORDO_HTTP_PORT_CONNECTIONS_MAX at a time (of more, the oldest goes), 4 KiB of request, five seconds from coming
 * to going. So whoever is slow or silent there costs little and holds nobody up. */
#ifndef ORDO_SHARD_HTTP_PORT_H
#define ORDO_SHARD_HTTP_PORT_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/problem.h"

#define ORDO_HTTP_PORT_CONNECTIONS_MAX 32

/* What is at `path`: appends to `body`, names its type, and returns the status. Called from the port's thread. */
typedef unsigned ordo_http_port_answer(void *user, struct ordo_slice path, const char **content_type,
                                       struct ordo_buffer *body);

struct ordo_http_port;

/* `address` is "HOST:PORT" (an IPv6 host in brackets), port 0 any free one. UNAVAILABLE, INVALID with a problem. */
ORDO_MUST_USE ordo_err ordo_http_port_start(const char *address, ordo_http_port_answer *answer, void *user,
                                            struct ordo_problem *problem, struct ordo_http_port **port_out);
void ordo_http_port_stop(struct ordo_http_port *port); /* NULL is fine */

/* "HOST:PORT", as it really listens; good until stop. */
const char *ordo_http_port_address(const struct ordo_http_port *port);

#endif
