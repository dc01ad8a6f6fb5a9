/* common/link/guard.h: who may come in: answers ZeroMQ's question (ZAP, RFC 27) for each connection to a ROUTER with keys.
 *
 * A thread of its own, one per ZeroMQ context, that must run before the first such ROUTER is bound and until the last is
 * closed. It lets in whose public key is trusted, and tells ZeroMQ the role, which then stands at each message (see
 * ordo_guard_role). Strangers are logged, at most once a second.
 * A connection that was let in stays, also when its key is trusted no more: until it breaks, or the shard is started again. */
#ifndef ORDO_LINK_GUARD_H
#define ORDO_LINK_GUARD_H

#include "common/link/keyring.h"

#define ORDO_GUARD_DOMAIN "ordo"

struct ordo_guard;

ORDO_MUST_USE ordo_err ordo_guard_start(void *context, struct ordo_link_keyring *keys, struct ordo_problem *problem,
                                        struct ordo_guard **out);
void ordo_guard_stop(struct ordo_guard *guard); /* NULL is fine */

/* The role of whoever sent a message (a zmq_msg_t *) that a ROUTER received. False: nobody vouched for it: its socket has no
 * keys, or there was no guard. */
bool ordo_guard_role(void *message, enum ordo_link_role *role);

#endif
