/* gateway/edge_counters.h: what the edge of a gateway counts, beside its core (core/counters.h, which says how this works):
 * connections before they are any, and what is refused so that memory and files suffice. */
#ifndef ORDO_GATEWAY_EDGE_COUNTERS_H
#define ORDO_GATEWAY_EDGE_COUNTERS_H

#include <stdint.h>

#define ORDO_EDGE_STATS(COUNTER, GAUGE)                                                                                 \
    GAUGE(handshakes, "Connections that have sent no whole request yet, or none since the last answer.")                \
    GAUGE(memory_used_bytes, "Memory in use that was allocated, whoever wanted it.")                                    \
    GAUGE(memory_max_bytes, "How much of that there may be; 0: no limit.")                                              \
    GAUGE(reads_paused, "WebSockets that are not read from for now.")                                                   \
    COUNTER(handshakes_timed_out, "Connections that never sent a whole request, and had no more time.")                 \
    COUNTER(handshakes_crowded_out, "The oldest of those without a whole request, closed because there were too many.") \
    COUNTER(upgrades_refused_full, "WebSockets that were refused: as many as there may be.")                            \
    COUNTER(upgrades_refused_address, "WebSockets that were refused: too many of their address.")                       \
    COUNTER(upgrades_refused_memory, "WebSockets that were refused for want of memory.")                                \
    COUNTER(requests_refused_busy, "HTTP requests that were refused: too many, or too much of them, at once.")          \
    COUNTER(requests_refused_address, "HTTP requests that were refused: too many of their address at once.")            \
    COUNTER(requests_crowded_out, "HTTP requests that were closed because their bodies came slowly, and others waited.") \
    COUNTER(messages_timed_out, "WebSockets that were closed because a message took too long to come to its end.")      \
    COUNTER(readers_shed, "Slow readers that were cut off for want of memory.")                                         \
    COUNTER(pauses, "Times that a WebSocket was not read from for a while, because too much came.")

struct ordo_edge_stats {
#define ORDO_EDGE_FIELD(name, help) uint64_t name;
    ORDO_EDGE_STATS(ORDO_EDGE_FIELD, ORDO_EDGE_FIELD)
#undef ORDO_EDGE_FIELD
};

#endif
