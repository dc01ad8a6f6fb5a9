#include <stdlib.h>

#include "common/memory.h"
#include "gateway/wire_impl.h"

enum {
    LOOK_MS = 250,
    SHED_SIZE_MIN = 32 * 1024, /* whoever holds less is not why memory is short */
    STUCK_MS = 250,            /* whoever takes a frame in less time reads */
    MIB = 1024 * 1024
};

struct holder {
    size_t size;
    uint64_t stuck_ms;
    struct ordo_socket *socket;
};

/* What would come back if the connection went, as far as it is its own: messages that wait in the core, what was written and
 * not taken, and a message that has not come to its end. */
static size_t held_by(const struct ordo_wire_lws *wire, const struct ordo_socket *socket) {
    return socket->unsent_size + socket->partial.size + ordo_gateway_conn_size(wire->turn->core, socket->conn);
}

/* For how long it has not taken the frame that was written; 0: there is none, or it may be on its way. */
static uint64_t stuck_ms(const struct ordo_wire_lws *wire, const struct ordo_socket *socket) {
    uint64_t ms = wire->turn->now_ms - socket->unsent_since_ms;
    return socket->unsent_size > 0 && ms >= STUCK_MS ? ms : 0;
}

/* Those whose frame has waited for longest; then the largest, for whom perhaps only the latest broadcast waits. */
static int slowest_first(const void *a, const void *b) {
    const struct holder *one = a, *other = b;
    if (one->stuck_ms != other->stuck_ms) return one->stuck_ms > other->stuck_ms ? -1 : 1;
    return (one->size < other->size) - (one->size > other->size);
}

/* Nobody is told why: a close frame would stand behind all that waits. Clients come back by themselves, and are brought up to
 * date then. */
static void shed(struct ordo_wire_lws *wire, uint64_t size) {
    struct holder *holders = ordo_alloc_array(wire->count + 1, sizeof *holders);
    size_t count = 0;
    for (uint32_t i = 0; i < wire->capacity && count < wire->count; i++) {
        struct ordo_socket *socket = wire->sockets[i];
        if (socket == NULL || socket->is_cut) continue;
        size_t held = held_by(wire, socket);
        if (held >= SHED_SIZE_MIN) holders[count++] = (struct holder){held, stuck_ms(wire, socket), socket};
    }
    qsort(holders, count, sizeof *holders, slowest_first);
    for (size_t i = 0; i < count && size > 0; i++) {
        if (holders[i].stuck_ms == 0 && holders[0].stuck_ms > 0) break; /* with the stuck ones goes what they alone hold */
        struct ordo_socket *socket = holders[i].socket;
        ordo_socket_log(wire, socket, "connection_closed", LWS_CLOSE_STATUS_NOSTATUS, "memory is short, and much waits for this reader");
        ordo_socket_cut(socket);
        wire->turn->stats.readers_shed++;
        size -= holders[i].size < size ? holders[i].size : size;
    }
    free(holders);
}

static void log_change(const struct ordo_wire_lws *wire, uint64_t used) {
    unsigned long long used_mib = used / MIB, max_mib = wire->budget.size_max / MIB;
    if (wire->budget.is_over) log_warn("event=memory_short used_mib=%llu memory_max_mib=%llu", used_mib, max_mib);
    else log_info("event=memory_enough used_mib=%llu memory_max_mib=%llu", used_mib, max_mib);
}

void ordo_shed_tick(struct ordo_wire_lws *wire) {
    if (wire->turn->now_ms < wire->memory_look_ms) return;
    wire->memory_look_ms = wire->turn->now_ms + LOOK_MS;
    bool was_over = wire->budget.is_over;
    uint64_t used = ordo_memory_used(), excess = ordo_budget_look(&wire->budget, used);
    wire->turn->stats.memory_used_bytes = used;
    if (wire->budget.is_over != was_over) log_change(wire, used);
    if (excess > 0) shed(wire, excess);
}
