#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "tests/sim/sim.h"

/* A connection of a client: an ordered stream of frames that ends once and for all. */

static uint64_t client_delay(struct sim *sim) {
    if (sim->is_resting) return sim_between(sim, 100, 2 * SIM_MS);
    if (sim_chance(sim, 20)) return sim_between(sim, 0, 20 * sim->plan.client_delay_us);
    return sim_between(sim, 50, sim->plan.client_delay_us);
}

uint64_t sim_arrival(const struct sim *sim, uint64_t *newest_us, uint64_t delay_us) {
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
    sim_push(sim, sim_arrival(sim, &conn->to_client_us, delay_us),
             (struct sim_item){.kind = kind, .role = conn->role, .to = conn->client, .life = conn->client_life,
                               .a = index, .payload = payload});
}

static void push_to_gateway(struct sim *sim, uint32_t index, enum sim_item_kind kind, struct ordo_buffer payload) {
    struct sim_conn *conn = sim->conns[index];
    sim_push(sim, sim_arrival(sim, &conn->to_gateway_us, client_delay(sim)),
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
