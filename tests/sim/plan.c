#include "tests/sim/sim.h"

/* The seed decides what a schedule is like before anything happens: most are small and have a few faults of a few
 * kinds, so that a violation is easy to read; some are calm, some are rough, a few are large. */

static uint64_t below(struct ordo_prng *prng, uint64_t bound) { return ordo_prng_below(prng, bound); }
static uint64_t between(struct ordo_prng *prng, uint64_t low, uint64_t high) {
    return low + ordo_prng_below(prng, high - low + 1);
}
static bool chance(struct ordo_prng *prng, uint32_t per_mille) { return ordo_prng_below(prng, 1000) < per_mille; }

/* Small limits reach the paths that large documents reach: jobs, parts, the bulk link, resyncs, unloading. */
static void draw_limits(struct sim_plan *plan, struct ordo_prng *prng) {
    struct ordo_shard_config *shard = &plan->shard;
    if (chance(prng, 400)) shard->recent_size_max = between(prng, 200, 4000);
    if (chance(prng, 400)) shard->recent_idle_size_max = between(prng, 0, 1000);
    if (chance(prng, 300)) shard->rebase_budget = between(prng, 1, 60);
    if (chance(prng, 500)) shard->snapshot_log_size_min = between(prng, 100, 3000);
    if (chance(prng, 500)) shard->snapshot_idle_size_min = between(prng, 50, 1000);
    if (chance(prng, 500)) shard->idle_ms = (uint32_t)between(prng, 50, 2000);
    if (chance(prng, 500)) shard->unload_ms = (uint32_t)between(prng, 50, 2000);
    if (chance(prng, 200)) shard->content_cache_size_max = between(prng, 0, 1000);
    if (chance(prng, 100)) shard->doc_queue_size_max = between(prng, 2000, 20000);
    struct ordo_gateway_config *gateway = &plan->gateway;
    if (chance(prng, 250)) gateway->outbox_size_max = (uint32_t)between(prng, 500, 8000);
}

/* Small logs, so that short schedules see them truncated, packed and forgotten; from numbers of their own, so that the
 * rest of a schedule is what it was before. */
static void draw_truncation(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x7472756e63));
    struct ordo_shard_config *shard = &plan->shard;
    if (!chance(&prng, 600)) return;
    shard->log_ops = below(&prng, 40);
    shard->log_age_ms = chance(&prng, 700) ? 0 : between(&prng, 0, 3000);
    shard->truncate_ops_min = between(&prng, 1, 10);
    if (chance(&prng, 500)) shard->truncate_size_max = between(&prng, 100, 3000);
    shard->history_block_ops = between(&prng, 1, 40);
    shard->retention = (struct ordo_retention){.ops = chance(&prng, 300) ? UINT64_MAX : below(&prng, 60)};
    if (chance(&prng, 200)) shard->retention.age_ms = between(&prng, 0, 5000);
    shard->snapshot_log_size_min = between(&prng, 50, 600);
    shard->snapshot_idle_size_min = between(&prng, 1, 300);
    /* Who breaks the rules may use a number again once it is forgotten, and nobody can tell: promised to others only. */
    if (plan->raw_count == 0 && chance(&prng, 500)) shard->clients_max = between(&prng, 0, 2);
    if (plan->raw_count == 0 && chance(&prng, 100)) shard->client_age_ms = between(&prng, 0, 3000);
    shard->clients_check_ms = (uint32_t)between(&prng, 1, 200);
}

/* Who breaks the rules may use a number again once the document is forgotten, and nobody can tell. */
static void draw_erasure(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x6572617365));
    plan->may_erase = plan->raw_count == 0 && chance(&prng, 150);
}

/* Who breaks the rules knows no token. Deletions are left out: who may not write cannot create anew what is deleted, and an
 * Open that says so is no answer that a schedule expects. */
static void draw_tokens(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x746f6b656e73));
    plan->gateway.asks_token = plan->raw_count == 0 && !plan->may_delete && !plan->may_erase && chance(&prng, 250);
}

/* Clients that are told to come back later, again and again. */
static void draw_rates(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x7261746573));
    struct ordo_gateway_config *gateway = &plan->gateway;
    if (chance(&prng, 250)) gateway->conn_rates.ops = (uint32_t)between(&prng, 2, 40);
    if (chance(&prng, 150)) gateway->conn_rates.requests = (uint32_t)between(&prng, 5, 40);
    if (chance(&prng, 250)) gateway->presence_rate = (uint32_t)between(&prng, 1, 10);
    if (!gateway->asks_token) return;
    if (chance(&prng, 400)) gateway->user_rates.ops = (uint32_t)between(&prng, 3, 60);
    if (chance(&prng, 200)) gateway->user_rates.requests = (uint32_t)between(&prng, 10, 60);
}

static void draw_faults(struct sim_plan *plan, struct ordo_prng *prng) {
    if (chance(prng, 100)) return; /* a calm day */
    /* A few kinds per schedule, each more than once: bugs hide where faults meet. */
    uint64_t kinds = between(prng, 1, 5);
    for (uint64_t i = 0; i < kinds; i++) {
        enum sim_fault fault = (enum sim_fault)below(prng, SIM_FAULT_DAMAGE_DISK); /* that one is drawn apart */
        plan->faults[fault] += (uint32_t)between(prng, 1, 4);
    }
    if (chance(prng, 300)) plan->faults[SIM_FAULT_CRASH_SHARD] += 2;
    if (chance(prng, 300)) plan->faults[SIM_FAULT_CUT] += 3;
    if (chance(prng, 50)) {
        for (int fault = 0; fault < SIM_FAULT_DAMAGE_DISK; fault++) {
            plan->faults[fault] += (uint32_t)between(prng, 1, 3);
        }
    }
}

/* Several shards, and the directory that they need; from numbers of their own, as above. */
static void draw_shards(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x736861726473));
    if (chance(&prng, 400)) return;
    plan->shard_count = (uint32_t)between(&prng, 2, SIM_SHARDS_MAX);
    plan->first_owner = (uint32_t)below(&prng, plan->shard_count);
    if (plan->doc_count < plan->shard_count && chance(&prng, 700)) plan->doc_count = plan->shard_count;
    if (chance(&prng, 600)) plan->faults[SIM_FAULT_MOVE_SLOT] = (uint32_t)between(&prng, 1, 4);
    if (chance(&prng, 250)) plan->faults[SIM_FAULT_STOP_DIRECTORY] = (uint32_t)between(&prng, 1, 3);
    if (plan->faults[SIM_FAULT_CRASH_SHARD] > 0 && chance(&prng, 500)) plan->faults[SIM_FAULT_CRASH_SHARD] += 2;
}

/* Small slots move in many steps. */
static void draw_moves(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x6d6f766573));
    struct ordo_shard_config *shard = &plan->shard;
    shard->move_chunk_size = between(&prng, 50, 3000);
    shard->move_window_size = between(&prng, 100, 6000);
    shard->move_step_ms = (uint32_t)between(&prng, 500, 4000);
    if (chance(&prng, 200)) shard->move_freeze_ms = (uint32_t)between(&prng, 1, 100);
    if (chance(&prng, 100)) shard->move_tail_size_max = between(&prng, 100, 2000);
    if (chance(&prng, 100)) shard->move_hold_size_max = between(&prng, 0, 300);
    if (chance(&prng, 300)) shard->move_hold_ms = (uint32_t)between(&prng, 50, 1000);
    if (chance(&prng, 300)) plan->moves_crash = (uint32_t)between(&prng, 2, 40);
    if (plan->profile != SIM_PROFILE_MOVES) return;
    plan->shard_count = (uint32_t)between(&prng, 2, SIM_SHARDS_MAX);
    plan->first_owner = (uint32_t)below(&prng, plan->shard_count);
    plan->raw_count = 0;
    plan->may_damage = false;
    plan->faults[SIM_FAULT_DAMAGE_DISK] = 0;
    plan->faults[SIM_FAULT_MOVE_SLOT] = (uint32_t)between(&prng, 3, 12);
    if (chance(&prng, 500)) plan->faults[SIM_FAULT_STOP_DIRECTORY] = (uint32_t)between(&prng, 1, 3);
    if (chance(&prng, 500)) plan->faults[SIM_FAULT_CRASH_SHARD] = (uint32_t)between(&prng, 1, 4);
    plan->moves_crash = chance(&prng, 300) ? 0 : (uint32_t)between(&prng, 2, 60);
}

/* Few places for writers, soon lost by who is quiet; from numbers of their own, as above. */
static void draw_writers(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x77726974657273));
    if (!chance(&prng, 200)) return;
    plan->shard.writers_max = (uint32_t)between(&prng, 1, 3);
    plan->shard.writer_idle_ms = (uint32_t)between(&prng, 1, 2000);
    plan->has_few_writers = true;
}

static void draw_format(struct sim_plan *plan, uint64_t seed) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x666f726d6174));
    plan->format_us = chance(&prng, 700) ? between(&prng, 0, plan->active_us) : UINT64_MAX;
}

void sim_plan_draw(struct sim_plan *plan, uint64_t seed, enum sim_profile profile, bool has_one_shard) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, seed ^ UINT64_C(0x706c616e));
    *plan = (struct sim_plan){.profile = profile, .shard_count = 1};
    ordo_shard_config_init(&plan->shard);
    ordo_gateway_config_init(&plan->gateway);
    plan->shard.idle_ms = 500;
    plan->gateway.open_timeout_ms = 2000;
    plan->turns_in_flight_max = (uint32_t)between(&prng, 1, 3);
    plan->client_delay_us = between(&prng, 1, 100) * SIM_MS;
    plan->link_delay_us = between(&prng, 50, 2000);
    plan->sync_us = between(&prng, 50, 5000);
    plan->gateway_count = (uint32_t)between(&prng, 1, SIM_GATEWAYS_MAX);
    if (profile == SIM_PROFILE_INTERLEAVING) {
        plan->client_count = (uint32_t)between(&prng, 2, 3);
        plan->doc_count = 1;
        plan->edit_count = (uint32_t)between(&prng, 3, 10);
        plan->active_us = between(&prng, 200, 2000) * SIM_MS;
        return;
    }
    if (profile == SIM_PROFILE_TRACE) {
        plan->doc_count = 1;
        plan->gateway_count = 2;
        return;
    }
    bool is_large = chance(&prng, 30);
    plan->client_count = (uint32_t)(is_large ? between(&prng, 4, SIM_CLIENTS_MAX - 2) : between(&prng, 1, 4));
    plan->doc_count = (uint32_t)between(&prng, 1, 3);
    plan->edit_count = (uint32_t)(is_large ? between(&prng, 20, 120) : between(&prng, 3, 25));
    plan->active_us = between(&prng, 500, 8000) * SIM_MS;
    plan->raw_count = chance(&prng, 250) ? (uint32_t)between(&prng, 1, 2) : 0;
    plan->steals_ids = plan->raw_count > 0 && chance(&prng, 300);
    plan->may_delete = chance(&prng, 80);
    plan->may_forget = chance(&prng, 200);
    plan->may_paste = chance(&prng, 30);
    draw_limits(plan, &prng);
    draw_faults(plan, &prng);
    draw_truncation(plan, seed);
    draw_erasure(plan, seed);
    if (!has_one_shard) draw_shards(plan, seed);
    plan->may_damage = chance(&prng, 40);
    if (plan->may_damage) plan->faults[SIM_FAULT_DAMAGE_DISK] = 2;
    if (plan->shard_count > 1 || profile == SIM_PROFILE_MOVES) draw_moves(plan, seed);
    draw_tokens(plan, seed);
    draw_rates(plan, seed);
    draw_writers(plan, seed);
    draw_format(plan, seed);
    if (profile != SIM_PROFILE_STARVED) return;
    plan->may_paste = false;
    plan->client_count += 2;
    plan->edit_count += 10;
    plan->faults[SIM_FAULT_STALL_LINK] += (uint32_t)between(&prng, 1, 4);
}
