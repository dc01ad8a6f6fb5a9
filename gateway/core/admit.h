/* gateway/core/admit.h: who a client is and what it may do: the one place that knows tokens, keys and rights.
 *
 * A connection is let in by the token in its Hello, or else by the one that came with the HTTP request that it began as
 * (CONN_OPENED). What the token says holds until it expires, until it or its user is revoked, until its key is not among
 * the keys any more, or until Authenticate brings another. Where no token is asked for, everybody is "anonymous" and may
 * do everything; such a gateway only listens on loopback unless told otherwise in plain words (options.c). */
#ifndef ORDO_GATEWAY_CORE_ADMIT_H
#define ORDO_GATEWAY_CORE_ADMIT_H

#include "gateway/core/state.h"

/* Reads the token that a connection shows. FINE: `out` is to be finished, or kept. */
enum ordo_token_fault gateway_admit(struct ordo_gateway *gateway, struct ordo_slice text, struct ordo_token *out);
/* What the connection may do with a document. */
enum ordo_access gateway_admit_access(const struct gateway_conn *conn, struct ordo_slice collection,
                                      struct ordo_slice id);
/* Authenticate: the connection goes on with this token (taken). Documents that it may not read are closed with an Error,
 * others are told of a changed permission by an Opened. False: it is another user's. */
bool gateway_admit_anew(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_token *token);

/* Ends connections whose time is over; each is looked at within a second. */
void gateway_admit_tick(struct ordo_gateway *gateway);
/* The events KEYS and REVOKED: connections that would not be let in any more end. */
void gateway_admit_keys(struct ordo_gateway *gateway, const struct ordo_token_keys *keys);
void gateway_admit_revocations(struct ordo_gateway *gateway, const struct ordo_revocations *revocations);

/* Whether a client that announced `types` (names, each sized; empty: it named none) speaks this document
 * type. Who names none is taken to speak text, the first type there was, and no other. */
bool gateway_admit_type(struct ordo_slice types, struct ordo_slice type);

#endif
