#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "tests/sim/sim.h"

/* Links are ZeroMQ's: in order, but what was queued when one broke is gone, and it comes back by itself as if nothing had
 * happened. */

static uint64_t link_delay(struct sim *sim) {
    if (sim->is_resting) return sim_between(sim, 50, 500);
    if (sim_chance(sim, 10)) return sim_between(sim, 0, 50 * sim->plan.link_delay_us);
    return sim_between(sim, 20, sim->plan.link_delay_us);
}

static bool is_from(const struct sim_link *link, struct sim_end from) {
    return link->is_current && link->from.role == from.role && link->from.index == from.index;
}

struct sim_link *sim_link_between(struct sim *sim, struct sim_end from, uint32_t shard) {
    for (size_t i = sim->link_count; i-- > 0;)
        if (is_from(&sim->links[i], from) && sim->links[i].shard == shard) return &sim->links[i];
    return NULL;
}

static struct sim_link *link_of_session(struct sim *sim, struct sim_end from, uint64_t session) {
    for (size_t i = sim->link_count; i-- > 0;)
        if (is_from(&sim->links[i], from) && sim->links[i].session == session) return &sim->links[i];
    return NULL;
}

static uint64_t life_of(const struct sim *sim, struct sim_end end) {
    return end.role == SIM_GATEWAY ? sim->gateways[end.index].life : sim->shards[end.index].life;
}

static void push_link(struct sim *sim, struct sim_link *link, uint64_t at_us, enum sim_item_kind kind, bool to_shard,
                      struct ordo_buffer payload) {
    sim_push(sim, at_us, (struct sim_item){
        .kind = kind,
        .role = to_shard ? SIM_SHARD : link->from.role,
        .to = to_shard ? link->shard : link->from.index,
        .life = to_shard ? sim->shards[link->shard].life : link->from_life,
        .a = (uint64_t)(link - sim->links),
        .b = link->epoch,
        .payload = payload,
    });
}

/* ---- open and close */

static void link_close(struct sim_link *link) {
    if (link != NULL) link->is_current = link->is_connected = false;
}

void sim_link_close(struct sim *sim, struct sim_end from, uint64_t session) {
    link_close(link_of_session(sim, from, session));
}

void sim_link_close_peer(struct sim *sim, uint32_t gateway, uint32_t peer) {
    struct sim_end from = {.role = SIM_GATEWAY, .index = gateway};
    for (size_t i = sim->link_count; i-- > 0;)
        if (is_from(&sim->links[i], from) && sim->links[i].peer == peer) link_close(&sim->links[i]);
}

void sim_link_open(struct sim *sim, struct sim_end from, uint32_t peer, uint32_t shard, uint64_t session) {
    if (from.role == SIM_GATEWAY) sim_link_close_peer(sim, from.index, peer);
    sim->links = ordo_realloc(sim->links, (sim->link_count + 1) * sizeof *sim->links);
    struct sim_link *link = &sim->links[sim->link_count++];
    *link = (struct sim_link){.from = from,
                              .peer = peer,
                              .shard = shard,
                              .session = session,
                              .from_life = life_of(sim, from),
                              .is_current = true};
    sim->reattach_count++;
    push_link(sim, link, sim->now_us + link_delay(sim), SIM_LINK_UP, false, (struct ordo_buffer){0});
}

/* ---- messages */

static uint64_t *stall_between(struct sim *sim, struct sim_end from, uint32_t shard) {
    uint32_t row = from.role == SIM_GATEWAY ? from.index : SIM_GATEWAYS_MAX + from.index;
    return &sim->link_stalled_until_us[row][shard];
}

static uint64_t stall_of(struct sim *sim, const struct sim_link *link) {
    uint64_t until_us = *stall_between(sim, link->from, link->shard);
    return sim->is_resting || until_us < sim->now_us ? 0 : until_us - sim->now_us;
}

static void send(struct sim *sim, struct sim_link *link, enum sim_item_kind kind, bool to_shard,
                 struct ordo_slice bytes) {
    struct ordo_buffer payload = {0};
    ordo_buffer_append_slice(&payload, bytes);
    uint64_t delay_us = link_delay(sim) + stall_of(sim, link);
    uint64_t free_us = 0; /* of the side link even the order does not matter */
    uint64_t *newest_us = to_shard ? &link->to_shard_us : &link->to_from_us;
    uint64_t at_us = sim_arrival(sim, kind == SIM_SIDE ? &free_us : newest_us, delay_us);
    push_link(sim, link, at_us, kind, to_shard, payload);
}

bool sim_link_send_to_shard(struct sim *sim, struct sim_end from, uint64_t session, bool is_side,
                            struct ordo_slice bytes) {
    struct sim_link *link = link_of_session(sim, from, session);
    if (link == NULL || !link->is_connected) return false;
    send(sim, link, is_side ? SIM_SIDE : SIM_ENVELOPE, true, bytes);
    return true;
}

/* Routing ids carry what the shard must not need to know: from where, which session. */
static struct sim_link *link_of_peer(struct sim *sim, struct ordo_slice peer) {
    uint64_t session;
    ORDO_ASSERT(peer.size == sizeof session);
    memcpy(&session, peer.data, sizeof session);
    for (size_t i = sim->link_count; i-- > 0;) {
        if (sim->links[i].session == session && sim->links[i].is_current) return &sim->links[i];
    }
    return NULL;
}

bool sim_link_send_back(struct sim *sim, struct ordo_slice peer, bool is_side, struct ordo_slice bytes) {
    struct sim_link *link = link_of_peer(sim, peer);
    if (link == NULL || !link->is_connected) return false;
    enum sim_item_kind kind = link->from.role == SIM_SHARD ? SIM_ANSWER : is_side ? SIM_SIDE : SIM_ENVELOPE;
    send(sim, link, kind, false, bytes);
    return true;
}

/* ---- misfortune */

/* Of one shard there is no choice to draw. */
static struct sim_end pick_end(struct sim *sim, uint32_t gateway, uint32_t *shard) {
    *shard = sim_pick_shard(sim);
    struct sim_end end = {.role = SIM_GATEWAY, .index = gateway};
    if (!sim_has_directory(sim) || !sim_chance(sim, 300)) return end;
    struct sim_end other = {.role = SIM_SHARD, .index = sim_pick_shard(sim)};
    return sim_link_between(sim, other, *shard) != NULL ? other : end;
}

static const char *end_name(struct sim_end end) { return end.role == SIM_GATEWAY ? "gateway" : "shard"; }

void sim_link_break(struct sim *sim, uint32_t gateway, bool is_heard) {
    uint32_t shard;
    struct sim_end from = pick_end(sim, gateway, &shard);
    struct sim_link *link = sim_link_between(sim, from, shard);
    if (link == NULL) return;
    sim_log(sim, "link of %s %u to shard %u breaks%s", end_name(from), from.index, shard,
            is_heard ? "" : ", and nobody hears of it");
    link->epoch++;
    link->is_connected = false;
    uint64_t at_us = sim->now_us + sim_between(sim, 0, 50 * SIM_MS);
    push_link(sim, link, at_us, is_heard ? SIM_LINK_DOWN : SIM_LINK_UP, false, (struct ordo_buffer){0});
}

void sim_link_lose(struct sim *sim, uint32_t gateway) {
    uint32_t shard;
    struct sim_end from = pick_end(sim, gateway, &shard);
    struct sim_link *link = sim_link_between(sim, from, shard);
    if (link == NULL || !link->is_connected) return;
    sim_log(sim, "link of %s %u to shard %u loses what is queued", end_name(from), from.index, shard);
    link->epoch++;
}

void sim_link_stall(struct sim *sim, struct sim_end from, uint32_t shard, uint64_t until_us) {
    *stall_between(sim, from, shard) = until_us;
}

void sim_link_stall_any(struct sim *sim, uint32_t gateway, uint64_t until_us) {
    uint32_t shard;
    struct sim_end from = pick_end(sim, gateway, &shard);
    sim_link_stall(sim, from, shard, until_us);
}

/* Calls `act` for the links that lead to the shard: of all gateways, then of all shards. */
static void each_link_to(struct sim *sim, uint32_t shard, void (*act)(struct sim *, struct sim_link *)) {
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++) {
        struct sim_link *link = sim_link_between(sim, (struct sim_end){.role = SIM_GATEWAY, .index = i}, shard);
        if (link != NULL) act(sim, link);
    }
    for (size_t i = 0; i < sim->link_count; i++) {
        struct sim_link *link = &sim->links[i];
        if (link->is_current && link->from.role == SIM_SHARD && link->shard == shard) act(sim, link);
    }
}

static void far_end_died(struct sim *sim, struct sim_link *link) {
    link->epoch++;
    if (link->is_connected && sim_chance(sim, 600)) {
        push_link(sim, link, sim->now_us + sim_between(sim, 0, 100 * SIM_MS), SIM_LINK_DOWN, false,
                  (struct ordo_buffer){0});
    }
    link->is_connected = false;
}

static void reconnect(struct sim *sim, struct sim_link *link) {
    if (link->is_connected) return;
    push_link(sim, link, sim->now_us + link_delay(sim), SIM_LINK_UP, false, (struct ordo_buffer){0});
}

void sim_links_of_shard_die(struct sim *sim, uint32_t shard) {
    each_link_to(sim, shard, far_end_died);
    sim_links_from_die(sim, (struct sim_end){.role = SIM_SHARD, .index = shard});
}

void sim_links_from_die(struct sim *sim, struct sim_end from) {
    for (size_t i = 0; i < sim->link_count; i++)
        if (is_from(&sim->links[i], from)) link_close(&sim->links[i]);
}

void sim_links_reconnect(struct sim *sim, uint32_t shard) { each_link_to(sim, shard, reconnect); }
