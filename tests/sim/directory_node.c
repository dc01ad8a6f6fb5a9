#include <inttypes.h>

#include "common/format.h"
#include "common/hash.h"
#include "tests/sim/sim.h"

/* The directory: one table, and all who hear of its changes, each in his own time. Only the table is modelled. Who serves
 * at which address is known to everybody: that a process is away shows on its links. */

enum { WATCH_DELAY_MAX = 500 * 1000, REGISTER_DELAY_MAX = 100 * 1000 }; /* us */

bool sim_has_directory(const struct sim *sim) { return sim->plan.shard_count > 1; }
bool sim_directory_is_away(const struct sim *sim) { return sim->directory.away_until_us > sim->now_us; }

uint16_t sim_slot_of(const struct sim *sim, uint32_t doc) {
    return ordo_slot_of(sim->docs[doc]->collection, sim->docs[doc]->id);
}

struct sim_shard *sim_shard_of_store(struct sim *sim, struct ordo_store_id id) {
    for (uint32_t i = 0; i < sim->plan.shard_count; i++) {
        bool is_any = !sim_has_directory(sim) && ordo_store_id_is_none(&id);
        if (is_any || ordo_store_id_equal(&sim->shards[i].id, &id)) return &sim->shards[i];
    }
    return NULL;
}

void sim_directory_init(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan.doc_count && sim_has_directory(sim); i++) {
        uint32_t owner = (sim->plan.first_owner + i) % sim->plan.shard_count;
        struct ordo_slot_place *place = &sim->directory.table.slots[sim_slot_of(sim, i)];
        *place = (struct ordo_slot_place){.epoch = 1};
        place->store.bytes[0] = (uint8_t)(owner + 1); /* as sim_shard_init names it */
    }
}

static uint64_t news_delay(struct sim *sim) {
    if (sim->is_resting) return sim_between(sim, 100, 5 * SIM_MS);
    return sim_chance(sim, 100) ? sim_between(sim, 0, WATCH_DELAY_MAX) : sim_between(sim, 100, 10 * SIM_MS);
}

/* What is told is the table as it stands when it arrives. */
void sim_directory_watch(struct sim *sim, enum sim_role role, uint32_t index, uint64_t life) {
    uint64_t from_us = sim_directory_is_away(sim) ? sim->directory.away_until_us : sim->now_us;
    sim_push(sim, from_us + news_delay(sim),
             (struct sim_item){.kind = SIM_TABLE, .role = role, .to = index, .life = life});
}

static void tell_all(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++)
        if (sim->gateways[i].core != NULL) sim_directory_watch(sim, SIM_GATEWAY, i, sim->gateways[i].life);
    for (uint32_t i = 0; i < sim->plan.shard_count; i++)
        if (sim->shards[i].core != NULL) sim_directory_watch(sim, SIM_SHARD, i, sim->shards[i].life);
}

void sim_directory_stop(struct sim *sim, uint64_t until_us) {
    if (!sim_has_directory(sim)) return;
    sim_log(sim, "the directory is away");
    sim->counts.directory_outages++;
    sim->directory.away_until_us = until_us;
}

uint32_t sim_directory_format(const struct sim *sim) {
    return sim->now_us >= sim->plan.format_us ? ordo_format_max() : ORDO_FORMAT_MIN;
}

void sim_directory_register(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    uint64_t from_us = sim_directory_is_away(sim) ? sim->directory.away_until_us : sim->now_us;
    sim_push(sim, from_us + sim_between(sim, 100, REGISTER_DELAY_MAX),
             (struct sim_item){.kind = SIM_REGISTER, .role = SIM_SHARD, .to = shard->index, .life = shard->life});
}

/* True: the table shows it now, and did not before. */
static bool show(struct sim *sim, uint16_t slot, struct ordo_slot_place place) {
    struct ordo_slot_place *known = &sim->directory.table.slots[slot];
    if (!ordo_slot_place_supersedes(&place, known)) return false;
    sim_log(sim, "the table shows slot %u with epoch %" PRIu64 " at shard %u", slot, place.epoch,
            place.store.bytes[0] - 1);
    *known = place;
    sim->counts.slots_moved++;
    return true;
}

void sim_directory_deliver(struct sim *sim, struct sim_item *item) {
    struct sim_shard *shard = &sim->shards[item->to];
    if (sim_directory_is_away(sim)) {
        sim_directory_register(shard);
        return;
    }
    const struct ordo_slot_row *rows = ordo_shard_slots(shard->core);
    bool is_changed = false;
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        struct ordo_slot_place place = {.epoch = rows[slot].epoch};
        if (rows[slot].state == ORDO_SLOT_OWNED) place.store = shard->id;
        else if (rows[slot].state == ORDO_SLOT_GIVEN) place.store = rows[slot].other;
        else continue;
        is_changed = show(sim, slot, place) || is_changed;
    }
    if (is_changed) tell_all(sim);
}
