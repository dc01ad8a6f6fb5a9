/* common/link/socket.h: the options of all ZeroMQ sockets between processes, and CURVE on them, in one place.
 *
 * With keys, a ROUTER lets in whom the guard (guard.h) knows, and a DEALER connects to nobody but a shard whose public key
 * stands in the endpoint and is trusted. Without keys both keep to this machine, unless they were told in plain words
 * that others may listen in. Whoever has keys never talks without. */
#ifndef ORDO_LINK_SOCKET_H
#define ORDO_LINK_SOCKET_H

#include "common/link/keyring.h"

struct ordo_link_security {
    struct ordo_link_keyring *keys; /* borrowed; NULL: none */
    bool may_be_plain;         /* without keys: also off this machine */
};

struct ordo_dealer_options {
    const struct ordo_link_security *security;
    char kind;               /* begins the routing id; no zero byte. The session is the rest of it. 0: ZeroMQ draws one */
    uint64_t session;
    int64_t message_size_max; /* larger ones cost the connection */
    int reconnect_ms_max;     /* between attempts, which begin close together */
    bool waits;               /* messages wait for a connection that is not there yet; else they are refused */
};

/* Makes a DEALER and connects it. Nothing of it blocks, and credit bounds what waits, so its queues are endless. One that the
 * other end refuses never becomes writable, and ZeroMQ gives it up: close it after a while and open another. INVALID: the
 * endpoint is none, or the keys at either end do not fit; `problem` is a sentence. */
ORDO_MUST_USE ordo_err ordo_dealer_open(void *context, const char *endpoint, const struct ordo_dealer_options *options,
                                        struct ordo_problem *problem, void **socket_out);

struct ordo_router_options {
    const struct ordo_link_security *security;
    int64_t message_size_max;
    int message_count_max; /* waiting per peer and direction */
};

/* Makes a ROUTER and binds it; `endpoint_out` is where it really listens, with its key behind. With keys the context needs a
 * guard; without one ZeroMQ lets in anybody who can encrypt, so heed only messages with a role (ordo_guard_role). A key in
 * `endpoint` is passed over. INVALID, UNAVAILABLE: `problem` is a sentence. */
ORDO_MUST_USE ordo_err ordo_router_open(void *context, const char *endpoint, const struct ordo_router_options *options,
                                        struct ordo_problem *problem, char endpoint_out[ORDO_ENDPOINT_SIZE], void **socket_out);

#endif
