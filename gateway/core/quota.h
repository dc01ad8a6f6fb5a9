/* gateway/core/quota.h: how much a client may ask for per second, by connection and by user.
 *
 * Three things are counted: ops (Submit), other requests (Open, Leave, ReadHistory, Ping, Authenticate, Forget), and bytes of
 * frames. Each has a bucket per connection and one per user, over all connections of the user here; both must have some left.
 * Where nobody is asked for a token all are one user, so there only connections count. Presence has a bucket per connection.
 *
 * Over the limit: an op is refused with RATE_LIMITED and the time after which its turn comes, a request with Error 429,
 * presence is dropped; all three are counted. Bytes cannot be refused any more once they are here, and would only come again:
 * so the edge stops reading from the connection until they are paid for (ordo_gateway_pause_ms), which loses nothing. It does
 * the same to whoever goes on without waiting, so that refusing costs no more than obeying. */
#ifndef ORDO_GATEWAY_CORE_QUOTA_H
#define ORDO_GATEWAY_CORE_QUOTA_H

#include "gateway/core/state.h"

/* One op. False: `*retry_after_ms` from now it would be let through, if those who were refused before come back in time. */
bool gateway_quota_take_op(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t *retry_after_ms);
/* One of the other requests; false: refuse it. A Leave is never refused, it only makes room: but it is counted. */
bool gateway_quota_take_request(struct ordo_gateway *gateway, struct gateway_conn *conn);
bool gateway_quota_take_presence(struct ordo_gateway *gateway, struct gateway_conn *conn);
/* A frame came. */
void gateway_quota_count_frame(struct ordo_gateway *gateway, struct gateway_conn *conn, size_t size);

/* The connection is let in as the user of its token; and it ends. Between two connections a user is remembered for as long as
 * its debts last: else reconnecting would pay them. */
void gateway_quota_enter(struct ordo_gateway *gateway, struct gateway_conn *conn);
void gateway_quota_leave(struct ordo_gateway *gateway, struct gateway_conn *conn);
void gateway_quota_tick(struct ordo_gateway *gateway);
void gateway_quota_finish(struct ordo_gateway *gateway);

#endif
