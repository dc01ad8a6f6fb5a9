/* gateway/turn.h: what the edges of a gateway share: its core, and the clock as read once per wake of the
 * loop, and once more before what came is answered. */
#ifndef ORDO_GATEWAY_TURN_H
#define ORDO_GATEWAY_TURN_H

#include "common/clock.h"
#include "gateway/core/gateway.h"
#include "gateway/edge_counters.h"

struct ordo_follower;
struct ordo_proxies;

struct ordo_turn {
    struct ordo_gateway *core;
    const struct ordo_follower *follower; /* of the directory; NULL: there is none (yet) */
    const struct ordo_proxies *proxies;   /* whose word for a client's address counts; never NULL */
    uint64_t wall_ms, now_ms, now_us; /* all but wall_ms are monotonic */
    uint64_t begun_us;                /* of the present turn */
    struct ordo_edge_stats stats;     /* what the edges count */
    struct ordo_buckets turn_us;      /* how long turns took, from waking to going to sleep */
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
    turn->now_us = turn->begun_us = ordo_clock_monotonic_ns() / 1000;
    turn->now_ms = turn->now_us / 1000;
}

/* Later in the turn: for how long things take, and nothing else. */
static inline void ordo_turn_read_clock_again(struct ordo_turn *turn) {
    turn->now_us = ordo_clock_monotonic_ns() / 1000;
}

static inline void ordo_turn_ends(struct ordo_turn *turn) {
    ordo_turn_read_clock_again(turn);
    ordo_buckets_add(&turn->turn_us, turn->now_us - turn->begun_us, 1);
}

/* Steps the core; the event's times are filled in here. */
static inline void ordo_turn_step(struct ordo_turn *turn, struct ordo_gateway_event event) {
    event.wall_ms = turn->wall_ms;
    event.now_ms = turn->now_ms;
    event.now_us = turn->now_us;
    ordo_gateway_step(turn->core, &event);
}

#endif
