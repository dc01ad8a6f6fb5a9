#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "tests/sim/sim.h"

/* Two kinds of wires. A connection is an ordered stream of frames that ends once and for all; a link is ZeroMQ's: in
 * order, but what was queued when it broke is gone, and it comes back by itself as if nothing had happened. */

/* ---- connections */

static uint64_t client_delay(struct sim *sim) {
    if (sim->is_resting) return sim_between(sim, 100, 2 * SIM_MS);
    if (sim_chance(sim, 20)) return sim_between(sim, 0, 20 * sim->plan.client_delay_us);
    return sim_between(sim, 50, sim->plan.client_delay_us);
}

static uint64_t link_delay(struct sim *sim) {
    if (sim->is_resting) return sim_between(sim, 50, 500);
    if (sim_chance(sim, 10)) return sim_between(sim, 0, 50 * sim->plan.link_delay_us);
    return sim_between(sim, 20, sim->plan.link_delay_us);
}

/* When a message sent now arrives, not before the one sent last. */
static uint64_t arrival(struct sim *sim, uint64_t *newest_us, uint64_t delay_us) {
    uint64_t at_us = sim->now_us + delay_us;
    if (at_us < *newest_us) at_us = *newest_us;
    return *newest_us = at_us;
}

static void push_to_client(struct sim *sim, uint32_t index, enum sim_item_kind kind, struct ordo_buffer payload) {
    struct sim_conn *conn = sim->conns[index];
    uint64_t delay_us = client_delay(sim);
    if (conn->role == SIM_CLIENT && sim->clients[conn->client].stalled_until_us > sim->now_us && !sim->is_resting) {
        delay_us += sim->clients[conn->client].stalled_until_us - sim->now_us;
    }
    sim_push(sim, arrival(sim, &conn->to_client_us, delay_us),
             (struct sim_item){.kind = kind, .role = conn->role, .to = conn->client, .life = conn->client_life,
                               .a = index, .payload = payload});
}

static void push_to_gateway(struct sim *sim, uint32_t index, enum sim_item_kind kind, struct ordo_buffer payload) {
    struct sim_conn *conn = sim->conns[index];
    sim_push(sim, arrival(sim, &conn->to_gateway_us, client_delay(sim)),
             (struct sim_item){.kind = kind, .role = SIM_GATEWAY, .to = conn->gateway, .life = conn->gateway_life,
                               .a = index, .payload = payload});
}

uint32_t sim_conn_dial(struct sim *sim, enum sim_role role, uint32_t client, uint64_t client_life, uint32_t gateway) {
    struct sim_conn *conn = ordo_alloc(sizeof *conn);
    *conn = (struct sim_conn){
        .role = role,
        .client = client,
        .gateway = gateway,
        .client_life = client_life,
        .gateway_life = sim->gateways[gateway].life,
        .client_open = true,
    };
    sim->conns = ordo_realloc(sim->conns, (sim->conn_count + 1) * sizeof *sim->conns);
    uint32_t index = (uint32_t)sim->conn_count++;
    sim->conns[index] = conn;
    char name[48];
    snprintf(name, sizeof name, "%s %u/%u@%u", role == SIM_CLIENT ? "client" : "raw client", client, index, gateway);
    watch_init(&conn->watch, sim->oracle, &sim->verdict, name);
    bool is_served = sim->gateways[gateway].core != NULL && !sim->gateways[gateway].is_draining &&
                     (sim->is_resting || !sim_chance(sim, 30));
    if (!is_served) {
        push_to_client(sim, index, SIM_CLOSED, (struct ordo_buffer){0});
        return index;
    }
    push_to_gateway(sim, index, SIM_CONNECTED, (struct ordo_buffer){0});
    conn->to_client_us = conn->to_gateway_us;
    push_to_client(sim, index, SIM_CONNECTED, (struct ordo_buffer){0});
    return index;
}

void sim_conn_client_send(struct sim *sim, uint32_t index, struct ordo_slice frame) {
    if (sim->conns[index]->is_cut) return;
    struct ordo_buffer payload = {0};
    ordo_buffer_append_slice(&payload, frame);
    push_to_gateway(sim, index, SIM_FRAME, payload);
}

void sim_conn_gateway_send(struct sim *sim, uint32_t index, struct ordo_buffer frame) {
    struct sim_conn *conn = sim->conns[index];
    conn->frames_to_client++;
    push_to_client(sim, index, SIM_FRAME, frame);
}

void sim_conn_client_close(struct sim *sim, uint32_t index) {
    struct sim_conn *conn = sim->conns[index];
    if (!conn->client_open) return;
    conn->client_open = false;
    push_to_gateway(sim, index, SIM_CLOSED, (struct ordo_buffer){0});
}

void sim_conn_gateway_close(struct sim *sim, uint32_t index) {
    push_to_client(sim, index, SIM_CLOSED, (struct ordo_buffer){0});
    push_to_gateway(sim, index, SIM_CLOSED, (struct ordo_buffer){0});
}

void sim_conn_cut(struct sim *sim, uint32_t index) {
    struct sim_conn *conn = sim->conns[index];
    if (conn->is_cut) return;
    conn->is_cut = true;
    sim_log(sim, "conn %u is cut", index);
    struct sim_item item = {.kind = SIM_CLOSED, .role = conn->role, .to = conn->client, .life = conn->client_life,
                            .a = index};
    /* Sometimes only its own pings tell a client. A server's keep-alive tells the gateway in any case. */
    if (!sim_chance(sim, 200)) sim_push(sim, sim->now_us + sim_between(sim, 0, 2 * SIM_SECOND), item);
    item.role = SIM_GATEWAY;
    item.to = conn->gateway;
    item.life = conn->gateway_life;
    sim_push(sim, sim->now_us + sim_between(sim, 0, 4 * SIM_SECOND), item);
}

void sim_conns_of_gateway_die(struct sim *sim, uint32_t gateway) {
    for (uint32_t i = 0; i < sim->conn_count; i++) {
        struct sim_conn *conn = sim->conns[i];
        if (conn->gateway != gateway || conn->gateway_life != sim->gateways[gateway].life) continue;
        conn->gateway_open = conn->has_output = false;
        if (!conn->client_open) continue;
        if (sim_chance(sim, 500)) conn->is_cut = true; /* else what is on its way still arrives */
        push_to_client(sim, i, SIM_CLOSED, (struct ordo_buffer){0});
    }
}

/* ---- links */

struct sim_link *sim_link_of_gateway(struct sim *sim, uint32_t gateway) {
    for (size_t i = sim->link_count; i-- > 0;) {
        if (sim->links[i].gateway == gateway && sim->links[i].is_current) return &sim->links[i];
    }
    return NULL;
}

static void push_link(struct sim *sim, struct sim_link *link, uint64_t at_us, enum sim_item_kind kind, bool to_shard,
                      struct ordo_buffer payload) {
    sim_push(sim, at_us, (struct sim_item){
        .kind = kind,
        .role = to_shard ? SIM_SHARD : SIM_GATEWAY,
        .to = to_shard ? 0 : link->gateway,
        .life = to_shard ? sim->shard.life : link->gateway_life,
        .a = (uint64_t)(link - sim->links),
        .b = link->epoch,
        .payload = payload,
    });
}

void sim_link_open(struct sim *sim, uint32_t gateway, uint64_t session) {
    struct sim_link *old = sim_link_of_gateway(sim, gateway);
    if (old != NULL) old->is_current = old->is_connected = false;
    sim->links = ordo_realloc(sim->links, (sim->link_count + 1) * sizeof *sim->links);
    struct sim_link *link = &sim->links[sim->link_count++];
    *link = (struct sim_link){.gateway = gateway,
                              .session = session,
                              .gateway_life = sim->gateways[gateway].life,
                              .is_current = true};
    push_link(sim, link, sim->now_us + link_delay(sim), SIM_LINK_UP, false, (struct ordo_buffer){0});
}

static uint64_t stall_of(const struct sim *sim, const struct sim_link *link) {
    uint64_t until_us = sim->gateways[link->gateway].stalled_until_us;
    return sim->is_resting || until_us < sim->now_us ? 0 : until_us - sim->now_us;
}

bool sim_link_send_to_shard(struct sim *sim, uint32_t gateway, uint64_t session, bool is_side,
                            struct ordo_slice bytes) {
    struct sim_link *link = sim_link_of_gateway(sim, gateway);
    if (link == NULL || link->session != session || !link->is_connected) return false;
    struct ordo_buffer payload = {0};
    ordo_buffer_append_slice(&payload, bytes);
    uint64_t delay_us = link_delay(sim) + stall_of(sim, link);
    uint64_t free_us = 0; /* of the side link even the order does not matter */
    uint64_t at_us = arrival(sim, is_side ? &free_us : &link->to_shard_us, delay_us);
    push_link(sim, link, at_us, is_side ? SIM_SIDE : SIM_ENVELOPE, true, payload);
    return true;
}

/* Routing ids carry what the shard must not need to know: which gateway, which session. */
static struct sim_link *link_of_peer(struct sim *sim, struct ordo_slice peer) {
    uint64_t session;
    ORDO_ASSERT(peer.size == sizeof session);
    memcpy(&session, peer.data, sizeof session);
    for (size_t i = sim->link_count; i-- > 0;) {
        if (sim->links[i].session == session && sim->links[i].is_current) return &sim->links[i];
    }
    return NULL;
}

bool sim_link_send_to_gateway(struct sim *sim, struct ordo_slice peer, bool is_side, struct ordo_slice bytes) {
    struct sim_link *link = link_of_peer(sim, peer);
    if (link == NULL || !link->is_connected) return false;
    struct ordo_buffer payload = {0};
    ordo_buffer_append_slice(&payload, bytes);
    uint64_t free_us = 0;
    uint64_t at_us =
        arrival(sim, is_side ? &free_us : &link->to_gateway_us, link_delay(sim) + stall_of(sim, link));
    push_link(sim, link, at_us, is_side ? SIM_SIDE : SIM_ENVELOPE, false, payload);
    return true;
}

void sim_link_break(struct sim *sim, uint32_t gateway, bool is_heard) {
    struct sim_link *link = sim_link_of_gateway(sim, gateway);
    if (link == NULL) return;
    sim_log(sim, "link of gateway %u breaks%s", gateway, is_heard ? "" : ", and nobody hears of it");
    link->epoch++;
    link->is_connected = false;
    uint64_t at_us = sim->now_us + sim_between(sim, 0, 50 * SIM_MS);
    push_link(sim, link, at_us, is_heard ? SIM_LINK_DOWN : SIM_LINK_UP, false, (struct ordo_buffer){0});
}

void sim_link_lose(struct sim *sim, uint32_t gateway) {
    struct sim_link *link = sim_link_of_gateway(sim, gateway);
    if (link == NULL || !link->is_connected) return;
    sim_log(sim, "link of gateway %u loses what is queued", gateway);
    link->epoch++;
}

void sim_links_of_shard_die(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++) {
        struct sim_link *link = sim_link_of_gateway(sim, i);
        if (link == NULL) continue;
        link->epoch++;
        if (link->is_connected && sim_chance(sim, 600)) {
            push_link(sim, link, sim->now_us + sim_between(sim, 0, 100 * SIM_MS), SIM_LINK_DOWN, false,
                      (struct ordo_buffer){0});
        }
        link->is_connected = false;
    }
}

void sim_links_of_gateway_die(struct sim *sim, uint32_t gateway) {
    struct sim_link *link = sim_link_of_gateway(sim, gateway);
    if (link != NULL) link->is_current = link->is_connected = false;
}

void sim_links_reconnect(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++) {
        struct sim_link *link = sim_link_of_gateway(sim, i);
        if (link == NULL || link->is_connected) continue;
        push_link(sim, link, sim->now_us + link_delay(sim), SIM_LINK_UP, false, (struct ordo_buffer){0});
    }
}
