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

/* As connections of the core, WebSockets have even numbers and HTTP requests odd ones: so each has a table of its own. */
static inline uint32_t ordo_turn_socket_conn(uint32_t index) {
    return 2 * index;
}
static inline uint32_t ordo_turn_request_conn(uint32_t index) {
    return 2 * index + 1;
}
static inline bool ordo_turn_is_request(uint32_t conn) {
    return (conn & 1) != 0;
}
static inline uint32_t ordo_turn_index_of(uint32_t conn) {
    return conn / 2;
}

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
