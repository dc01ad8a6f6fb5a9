/* gateway/core/resync.h: when a subscriber's Attach is sent, the first as well as later ones.
 *
 * An Attach passes two gates. At its connection: only when nothing that may be dropped waits in the outbox,
 * so that the answer continues exactly where the client stands, and only a few at once, so that answers do
 * not pile up for a slow reader. At its shard: a bounded number without an answer, those whose clients wait
 * first, so that a restarted shard loads what people look at before what they have merely open. */
#ifndef ORDO_GATEWAY_CORE_RESYNC_H
#define ORDO_GATEWAY_CORE_RESYNC_H

#include "gateway/core/state.h"

/* The subscriber needs an Attach (again); nothing happens if one is under way. */
void gateway_resync_want(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);
/* Its client waits for it: go before those that do not. */
void gateway_resync_hurry(struct gateway_subscriber *subscriber);
/* It has to do with its shard no longer: no Attach is wanted for now, and no answer awaited. */
void gateway_resync_withdraw(struct gateway_subscriber *subscriber);
/* Was refused for now: want again after a pause. */
void gateway_resync_rest(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);
/* The answer came or will never come: gives back what the Attach occupied. `holds_conn`: parts follow, so the
 * connection's place stays taken until gateway_resync_let_conn. */
void gateway_resync_answered(struct gateway_subscriber *subscriber, bool holds_conn);
void gateway_resync_let_conn(struct ordo_gateway *gateway, struct gateway_conn *conn);
/* The subscriber ends. */
void gateway_resync_forget(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);

/* The connection's outbox ran empty. */
void gateway_resync_pump_conn(struct ordo_gateway *gateway, struct gateway_conn *conn);
/* Gathers as many Attaches as may be on their way; at the end of a turn. */
void gateway_resync_pump_peer(struct ordo_gateway *gateway, struct gateway_peer *peer);
/* Those whose pause is over want again. */
void gateway_resync_tick(struct ordo_gateway *gateway, struct gateway_peer *peer);

#endif
