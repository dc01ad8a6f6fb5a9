#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "tests/sim/sim.h"

enum { FRAMES_IN_FLIGHT_MAX = 4 }; /* what a socket takes before it is full */

static struct ordo_gateway_event event_of(const struct sim *sim, uint32_t index, enum ordo_gateway_event_kind kind) {
    const struct sim_gateway *gateway = &sim->gateways[index];
    return (struct ordo_gateway_event){
        .kind = kind,
        .wall_ms = sim_wall_ms(sim, gateway->wall_offset_ms),
        .now_ms = sim->now_us / SIM_MS + gateway->monotonic_offset_ms,
    };
}

/* What was joined while the gateway looked at other things leaves once, at the end of the turn. */
static void push_turn_end(struct sim *sim, uint32_t index) {
    struct sim_gateway *gateway = &sim->gateways[index];
    if (gateway->turn_end_pushed) return;
    gateway->turn_end_pushed = true;
    uint64_t turn_us = sim_chance(sim, 50) ? sim_between(sim, 0, 20 * SIM_MS) : sim_between(sim, 0, 300);
    sim_push(sim, sim->now_us + turn_us, (struct sim_item){.kind = SIM_WAKE, .role = SIM_GATEWAY, .to = index,
                                                          .life = gateway->life});
}

void sim_gateway_pump(struct sim *sim, uint32_t index) {
    struct sim_conn *conn = sim->conns[index];
    struct sim_gateway *gateway = &sim->gateways[conn->gateway];
    while (conn->has_output && conn->gateway_open && conn->frames_to_client < FRAMES_IN_FLIGHT_MAX) {
        struct ordo_buffer frame = {0};
        conn->has_output = ordo_gateway_output(gateway->core, conn->slot, &frame);
        if (frame.size > sim->plan.gateway.frame_size_max + sim->plan.gateway.outbox_size_max) {
            sim_fail(&sim->verdict, SIM_CHECK_BOUNDS, "a frame of %zu bytes", frame.size);
        }
        if (frame.size > 0) sim_conn_gateway_send(sim, index, frame);
        else ordo_buffer_finish(&frame);
    }
}

static uint32_t conn_of_slot(const struct sim_gateway *gateway, uint32_t slot) {
    return slot < gateway->slot_count ? gateway->slots[slot] : 0;
}

static void conn_close(struct sim *sim, uint32_t conn_index) {
    struct sim_conn *conn = sim->conns[conn_index];
    for (bool more = true; more;) {
        struct ordo_buffer frame = {0};
        more = ordo_gateway_output(sim->gateways[conn->gateway].core, conn->slot, &frame);
        if (frame.size > 0) sim_conn_gateway_send(sim, conn_index, frame);
        else ordo_buffer_finish(&frame);
    }
    sim_conn_gateway_close(sim, conn_index);
}

static void note_news(struct sim *sim, struct sim_gateway *gateway) {
    const struct ordo_gateway_stats *stats = ordo_gateway_stats(gateway->core);
    uint64_t news_count = stats->slots_moved + stats->not_owners;
    sim->reattach_count += news_count - gateway->news_count;
    gateway->news_count = news_count;
}

static void step(struct sim *sim, uint32_t index, const struct ordo_gateway_event *event) {
    struct sim_gateway *gateway = &sim->gateways[index];
    ordo_gateway_step(gateway->core, event);
    note_news(sim, gateway);
    uint64_t down[SIM_SHARDS_MAX * 2]; /* sessions that did not take a message */
    uint32_t down_peers[SIM_SHARDS_MAX * 2];
    size_t down_count = 0;
    struct sim_end end = {.role = SIM_GATEWAY, .index = index};
    for (struct ordo_gateway_effect effect; ordo_gateway_take(gateway->core, &effect);) {
        switch (effect.kind) {
        case ORDO_GATEWAY_LINK_OPEN:
            sim_log(sim, "gateway %u opens link session %016llx", index, (unsigned long long)effect.session);
            sim_link_open(sim, end, effect.peer, sim_shard_of_store(sim, effect.store)->index, effect.session);
            break;
        case ORDO_GATEWAY_LINK_CLOSE: sim_link_close_peer(sim, index, effect.peer); break;
        case ORDO_GATEWAY_LINK_SEND:
        case ORDO_GATEWAY_SIDE_SEND:
            if (sim_link_send_to_shard(sim, end, effect.session, effect.kind == ORDO_GATEWAY_SIDE_SEND, effect.bytes))
                break;
            if (down_count > 0 && down[down_count - 1] == effect.session) break;
            ORDO_ASSERT(down_count < SIM_SHARDS_MAX * 2);
            down[down_count] = effect.session;
            down_peers[down_count++] = effect.peer;
            break;
        case ORDO_GATEWAY_CONN_OUTPUT:
            if (conn_of_slot(gateway, effect.conn) != 0) {
                uint32_t conn = conn_of_slot(gateway, effect.conn) - 1;
                sim->conns[conn]->has_output = true;
                sim_gateway_pump(sim, conn);
            }
            break;
        case ORDO_GATEWAY_NOTE: break;
        case ORDO_GATEWAY_CONN_CLOSE:
            sim_log(sim, "gateway %u closes slot %u: %u %s", index, effect.conn, effect.code, effect.reason);
            if (conn_of_slot(gateway, effect.conn) != 0) conn_close(sim, conn_of_slot(gateway, effect.conn) - 1);
            break;
        }
    }
    for (size_t i = 0; i < down_count; i++) {
        struct ordo_gateway_event lost = event_of(sim, index, ORDO_GATEWAY_LINK_DOWN);
        lost.peer = down_peers[i];
        lost.session = down[i];
        step(sim, index, &lost);
    }
}

void sim_gateway_start(struct sim *sim, uint32_t index) {
    struct sim_gateway *gateway = &sim->gateways[index];
    if (gateway->core != NULL) return;
    struct ordo_gateway_config config = sim->plan.gateway;
    char name[16];
    snprintf(name, sizeof name, "g%u", index);
    config.name = ordo_slice_of(name);
    config.seed = ordo_prng_next(&sim->prng);
    config.has_directory = sim_has_directory(sim);
    gateway->core = ordo_gateway_create(&config);
    gateway->is_draining = gateway->turn_end_pushed = false;
    gateway->news_count = 0;
    gateway->monotonic_offset_ms = sim_between(sim, 1, 1000000);
    sim_log(sim, "gateway %u starts", index);
    sim_push(sim, sim->now_us, (struct sim_item){.kind = SIM_TICK, .role = SIM_GATEWAY, .to = index,
                                                 .life = gateway->life});
    if (sim_has_directory(sim)) sim_directory_watch(sim, SIM_GATEWAY, index, gateway->life);
}

static void add_counts(struct sim *sim, const struct ordo_gateway *core) {
    const struct ordo_gateway_stats *stats = ordo_gateway_stats(core);
    sim->counts.resyncs += stats->resyncs;
    sim->counts.messages_dropped += stats->messages_dropped;
    sim->counts.links_lost += stats->links_lost;
}

void sim_gateway_finish(struct sim *sim, uint32_t index) {
    struct sim_gateway *gateway = &sim->gateways[index];
    if (gateway->core != NULL) add_counts(sim, gateway->core);
    ordo_gateway_destroy(gateway->core);
    gateway->core = NULL;
    free(gateway->slots);
}

void sim_gateway_crash(struct sim *sim, uint32_t index, uint64_t down_us) {
    struct sim_gateway *gateway = &sim->gateways[index];
    if (gateway->core == NULL) return;
    sim_log(sim, "gateway %u dies for %llu ms", index, (unsigned long long)(down_us / SIM_MS));
    add_counts(sim, gateway->core);
    sim->counts.gateway_deaths++;
    sim_conns_of_gateway_die(sim, index);
    sim_links_from_die(sim, (struct sim_end){.role = SIM_GATEWAY, .index = index});
    ordo_gateway_destroy(gateway->core);
    gateway->core = NULL;
    gateway->life++;
    free(gateway->slots);
    gateway->slots = NULL;
    gateway->slot_count = 0;
    sim_push(sim, sim->now_us + down_us, (struct sim_item){.kind = SIM_START, .role = SIM_GATEWAY, .to = index,
                                                           .life = gateway->life});
}

void sim_gateway_drain(struct sim *sim, uint32_t index) {
    struct sim_gateway *gateway = &sim->gateways[index];
    if (gateway->core == NULL || gateway->is_draining) return;
    sim_log(sim, "gateway %u is drained", index);
    gateway->is_draining = true;
    struct ordo_gateway_event event = event_of(sim, index, ORDO_GATEWAY_DRAIN);
    step(sim, index, &event);
    push_turn_end(sim, index);
}

static void conn_opened(struct sim *sim, uint32_t index, uint32_t conn_index) {
    struct sim_gateway *gateway = &sim->gateways[index];
    struct sim_conn *conn = sim->conns[conn_index];
    uint32_t slot = 0;
    while (slot < gateway->slot_count && gateway->slots[slot] != 0) slot++;
    if (slot == gateway->slot_count) {
        gateway->slots = ordo_realloc(gateway->slots, (gateway->slot_count + 1) * sizeof *gateway->slots);
        gateway->slot_count++;
    }
    gateway->slots[slot] = conn_index + 1;
    conn->slot = slot;
    conn->gateway_open = true;
    struct ordo_gateway_event event = event_of(sim, index, ORDO_GATEWAY_CONN_OPENED);
    event.conn = slot;
    step(sim, index, &event);
}

static void conn_closed(struct sim *sim, uint32_t index, uint32_t conn_index) {
    struct sim_conn *conn = sim->conns[conn_index];
    conn->gateway_open = conn->has_output = false;
    struct ordo_gateway_event event = event_of(sim, index, ORDO_GATEWAY_CONN_CLOSED);
    event.conn = conn->slot;
    step(sim, index, &event);
    sim->gateways[index].slots[conn->slot] = 0;
}

static void conn_frame(struct sim *sim, uint32_t index, struct sim_conn *conn, struct ordo_slice frame) {
    struct ordo_gateway_event event = event_of(sim, index, ORDO_GATEWAY_CONN_FRAME);
    event.conn = conn->slot;
    event.bytes = frame;
    step(sim, index, &event);
}

static void link_event(struct sim *sim, uint32_t index, enum ordo_gateway_event_kind kind,
                       const struct sim_link *link, struct ordo_slice bytes) {
    struct ordo_gateway_event event = event_of(sim, index, kind);
    event.peer = link->peer;
    event.session = link->session;
    event.bytes = bytes;
    step(sim, index, &event);
    push_turn_end(sim, index);
}

static void link_up(struct sim *sim, struct sim_item *item) {
    struct sim_link *link = &sim->links[item->a];
    if (!link->is_current || link->is_connected) return;
    if (sim->shards[link->shard].core == NULL) return; /* sim_links_reconnect will be called */
    link->is_connected = true;
    link_event(sim, item->to, ORDO_GATEWAY_LINK_UP, link, ordo_slice(NULL, 0));
}

void sim_gateway_deliver(struct sim *sim, struct sim_item *item) {
    struct sim_gateway *gateway = &sim->gateways[item->to];
    if (item->life != gateway->life) return;
    if (item->kind == SIM_START) {
        sim_gateway_start(sim, item->to);
        return;
    }
    if (gateway->core == NULL) return;
    struct sim_conn *conn = NULL;
    struct sim_link *link = NULL;
    switch (item->kind) {
    case SIM_CONNECTED:
        if (!sim->conns[item->a]->is_cut) conn_opened(sim, item->to, (uint32_t)item->a);
        break;
    case SIM_FRAME:
        conn = sim->conns[item->a];
        if (conn->gateway_open && !conn->is_cut) conn_frame(sim, item->to, conn, ordo_buffer_slice(&item->payload));
        break;
    case SIM_CLOSED:
        if (sim->conns[item->a]->gateway_open) conn_closed(sim, item->to, (uint32_t)item->a);
        break;
    case SIM_LINK_UP: link_up(sim, item); return;
    case SIM_LINK_DOWN:
        link = &sim->links[item->a];
        if (link->is_current) link_event(sim, item->to, ORDO_GATEWAY_LINK_DOWN, link, ordo_slice(NULL, 0));
        return;
    case SIM_ENVELOPE:
    case SIM_SIDE:
        link = &sim->links[item->a];
        if (link->is_current && link->epoch == item->b) {
            link_event(sim, item->to,
                       item->kind == SIM_SIDE ? ORDO_GATEWAY_SIDE_RECEIVED : ORDO_GATEWAY_LINK_RECEIVED,
                       link, ordo_buffer_slice(&item->payload));
        }
        return;
    case SIM_TABLE: {
        struct ordo_gateway_event event = event_of(sim, item->to, ORDO_GATEWAY_PLACEMENT);
        event.placement = &sim->directory.table;
        step(sim, item->to, &event);
        break;
    }
    case SIM_WAKE: {
        gateway->turn_end_pushed = false;
        struct ordo_gateway_event event = event_of(sim, item->to, ORDO_GATEWAY_TURN_END);
        step(sim, item->to, &event);
        return;
    }
    case SIM_TICK: {
        struct ordo_gateway_event event = event_of(sim, item->to, ORDO_GATEWAY_TICK);
        step(sim, item->to, &event);
        sim_push(sim, sim->now_us + sim_between(sim, 80 * SIM_MS, 100 * SIM_MS),
                 (struct sim_item){.kind = SIM_TICK, .role = SIM_GATEWAY, .to = item->to, .life = gateway->life});
        break;
    }
    default: break;
    }
    push_turn_end(sim, item->to);
}
