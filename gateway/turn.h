/* gateway/turn.h: what the edges of a gateway share: its core, and the clock as read once per wake of the
 * loop. */
#ifndef ORDO_GATEWAY_TURN_H
#define ORDO_GATEWAY_TURN_H

#include "common/clock.h"
#include "gateway/core/gateway.h"

struct ordo_follower;
struct ordo_proxies;

struct ordo_turn {
    struct ordo_gateway *core;
    const struct ordo_follower *follower; /* of the directory; NULL: there is none (yet) */
    const struct ordo_proxies *proxies;   /* whose word for a client's address counts; never NULL */
    uint64_t wall_ms, now_ms; /* now_ms is monotonic */
};

static inline void ordo_turn_read_clock(struct ordo_turn *turn) {
    turn->wall_ms = ordo_clock_wall_ms();
    turn->now_ms = ordo_clock_monotonic_ms();
}

/* Steps the core; the event's times are filled in here. */
static inline void ordo_turn_step(struct ordo_turn *turn, struct ordo_gateway_event event) {
    event.wall_ms = turn->wall_ms;
    event.now_ms = turn->now_ms;
    ordo_gateway_step(turn->core, &event);
}

#endif
