#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "common/ot/text.h"
#include "shard/store_memory.h"

#define WALL_START_MS UINT64_C(1767225600000)
#define REST_MAX (90 * SIM_SECOND)   /* within this everybody settles, timeouts and backoffs included */
#define QUIET (1500 * SIM_MS)        /* and stays settled for so long */
#define REST_POLL (100 * SIM_MS)

void sim_log(const struct sim *sim, const char *format, ...) {
    if (!sim->is_verbose) return;
    printf("%10.3f  ", (double)sim->now_us / 1000);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

uint64_t sim_below(struct sim *sim, uint64_t bound) { return ordo_prng_below(&sim->prng, bound); }
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high) { return low + sim_below(sim, high - low + 1); }
bool sim_chance(struct sim *sim, uint32_t per_mille) { return sim_below(sim, 1000) < per_mille; }
uint32_t sim_pick_shard(struct sim *sim) {
    return sim->plan.shard_count > 1 ? (uint32_t)sim_below(sim, sim->plan.shard_count) : 0;
}

void sim_push(struct sim *sim, uint64_t at_us, struct sim_item item) {
    item.at_us = at_us;
    sim_queue_push(&sim->queue, item);
}

uint64_t sim_wall_ms(const struct sim *sim, int64_t offset_ms) {
    return WALL_START_MS + sim->now_us / SIM_MS + (uint64_t)offset_ms;
}

/* ---- misfortune */

static const char *const fault_names[SIM_FAULT_COUNT] = {
    [SIM_FAULT_CUT] = "cut",
    [SIM_FAULT_STALL_CLIENT] = "stall client",
    [SIM_FAULT_RELOAD] = "reload",
    [SIM_FAULT_CRASH_GATEWAY] = "crash gateway",
    [SIM_FAULT_DRAIN_GATEWAY] = "drain gateway",
    [SIM_FAULT_CRASH_SHARD] = "crash shard",
    [SIM_FAULT_BREAK_LINK] = "break link",
    [SIM_FAULT_LOSE_LINK] = "lose link",
    [SIM_FAULT_STALL_LINK] = "stall link",
    [SIM_FAULT_STALL_DISK] = "stall disk",
    [SIM_FAULT_SLOW_DISK] = "slow disk",
    [SIM_FAULT_FULL_DISK] = "full disk",
    [SIM_FAULT_FAIL_WRITE] = "fail write",
    [SIM_FAULT_FAIL_SYNC] = "fail sync",
    [SIM_FAULT_DAMAGE_DISK] = "damage disk",
    [SIM_FAULT_JUMP_CLOCK] = "jump clock",
    [SIM_FAULT_STOP_DIRECTORY] = "stop directory",
    [SIM_FAULT_MOVE_SLOT] = "move slot",
};

static void jump_clock(struct sim *sim) {
    int64_t jump_ms = (int64_t)sim_below(sim, 7200001) - 3600000;
    uint32_t process = (uint32_t)sim_below(sim, sim->plan.gateway_count + 2);
    if (process < sim->plan.gateway_count) sim->gateways[process].wall_offset_ms += jump_ms;
    else sim->shards[sim_pick_shard(sim)].wall_offset_ms += jump_ms;
}

static void heal_gateway_after_drain(struct sim *sim, uint32_t gateway) {
    sim_push(sim, sim->now_us + sim_between(sim, 100 * SIM_MS, SIM_SECOND),
             (struct sim_item){.kind = SIM_HEAL, .a = SIM_FAULT_DRAIN_GATEWAY, .to = gateway,
                               .b = sim->gateways[gateway].life});
}

static void fault_of_shard(struct sim_shard *shard, enum sim_fault kind, uint64_t while_us) {
    struct sim *sim = shard->sim;
    switch ((int)kind) {
    case SIM_FAULT_CRASH_SHARD:
        if (sim_chance(sim, 300)) sim_shard_crash(shard, while_us);
        else shard->crash_countdown = 1 + (int64_t)sim_below(sim, 30); /* amid what it does */
        break;
    case SIM_FAULT_STALL_DISK: shard->stalled_until_us = sim->now_us + sim_between(sim, 0, 5 * SIM_SECOND); break;
    case SIM_FAULT_SLOW_DISK: shard->slow_until_us = sim->now_us + while_us; break;
    case SIM_FAULT_FULL_DISK:
        shard->full_until_us = sim->now_us + while_us;
        /* Sometimes it is full before anybody saw it coming: the write fails, the shard stops. */
        if (sim_chance(sim, 300)) ordo_store_memory_set_full(shard->store, true);
        else sim_shard_set_full(shard, true);
        sim_push(sim, sim->now_us + while_us,
                 (struct sim_item){.kind = SIM_HEAL, .a = SIM_FAULT_FULL_DISK, .to = shard->index});
        break;
    case SIM_FAULT_FAIL_WRITE:
        ordo_store_memory_fail_write(shard->store, sim_between(sim, 1, 5), ORDO_ERR_IO);
        break;
    case SIM_FAULT_FAIL_SYNC: ordo_store_memory_fail_sync(shard->store, sim_between(sim, 1, 5)); break;
    case SIM_FAULT_DAMAGE_DISK: sim_disk_damage(shard); break;
    default: break;
    }
}

/* The order goes to whom the table names, which may be wrong by now, or to whoever has it. */
static struct sim_shard *to_be_ordered(struct sim *sim, uint16_t slot) {
    struct sim_shard *named = sim_shard_of_store(sim, sim->directory.table.slots[slot].store);
    for (uint32_t i = 0; i < sim->plan.shard_count && sim_chance(sim, 700); i++) {
        struct sim_shard *shard = &sim->shards[i];
        if (shard->core != NULL && ordo_shard_slots(shard->core)[slot].state == ORDO_SLOT_OWNED) return shard;
    }
    return named;
}

/* Sometimes it is to move on, or back, before everybody has heard of it. `doc`: index + 1, or 0 for any. */
static void move_slot(struct sim *sim, uint64_t doc) {
    if (!sim_has_directory(sim)) return;
    if (doc == 0) doc = 1 + sim_below(sim, sim->plan.doc_count);
    uint16_t slot = sim_slot_of(sim, (uint32_t)doc - 1);
    struct sim_shard *source = to_be_ordered(sim, slot);
    uint32_t target = (source->index + 1 + (uint32_t)sim_below(sim, sim->plan.shard_count - 1)) % sim->plan.shard_count;
    sim_log(sim, "slot %u is to move from shard %u to shard %u", slot, source->index, target);
    sim_shard_order_move(source, slot, target);
    if (!sim_chance(sim, 400)) return;
    sim_push(sim, sim->now_us + sim_between(sim, SIM_MS, sim_chance(sim, 500) ? 20 * SIM_MS : 500 * SIM_MS),
             (struct sim_item){.kind = SIM_FAULT, .a = SIM_FAULT_MOVE_SLOT, .b = doc});
    if (!sim_chance(sim, 300)) return; /* and a gateway hears of it from the table first */
    struct sim_end gateway = {.role = SIM_GATEWAY, .index = (uint32_t)sim_below(sim, sim->plan.gateway_count)};
    sim_link_stall(sim, gateway, source->index, sim->now_us + sim_between(sim, 0, 2 * SIM_SECOND));
}

static void fault(struct sim *sim, enum sim_fault kind, uint64_t detail) {
    sim_log(sim, "fault: %s", fault_names[kind]);
    uint32_t client = (uint32_t)sim_below(sim, sim->plan.client_count);
    uint32_t gateway = (uint32_t)sim_below(sim, sim->plan.gateway_count);
    uint64_t while_us = sim_between(sim, 10 * SIM_MS, 4 * SIM_SECOND);
    switch (kind) {
    case SIM_FAULT_CUT:
        if (sim->clients[client].conn != 0) sim_conn_cut(sim, sim->clients[client].conn - 1);
        break;
    case SIM_FAULT_STALL_CLIENT: sim->clients[client].stalled_until_us = sim->now_us + while_us; break;
    case SIM_FAULT_RELOAD: sim_client_reload(sim, client, sim->plan.may_forget && sim_chance(sim, 300)); break;
    case SIM_FAULT_CRASH_GATEWAY: sim_gateway_crash(sim, gateway, while_us); break;
    case SIM_FAULT_DRAIN_GATEWAY:
        sim_gateway_drain(sim, gateway);
        heal_gateway_after_drain(sim, gateway);
        break;
    case SIM_FAULT_BREAK_LINK: sim_link_break(sim, gateway, sim_chance(sim, 600)); break;
    case SIM_FAULT_LOSE_LINK: sim_link_lose(sim, gateway); break;
    case SIM_FAULT_STALL_LINK: sim_link_stall_any(sim, gateway, sim->now_us + while_us); break;
    case SIM_FAULT_JUMP_CLOCK: jump_clock(sim); break;
    case SIM_FAULT_MOVE_SLOT: move_slot(sim, detail); break;
    case SIM_FAULT_STOP_DIRECTORY: sim_directory_stop(sim, sim->now_us + while_us); break;
    case SIM_FAULT_CRASH_SHARD:
    case SIM_FAULT_STALL_DISK:
    case SIM_FAULT_SLOW_DISK:
    case SIM_FAULT_FULL_DISK:
    case SIM_FAULT_FAIL_WRITE:
    case SIM_FAULT_FAIL_SYNC:
    case SIM_FAULT_DAMAGE_DISK: fault_of_shard(&sim->shards[sim_pick_shard(sim)], kind, while_us); break;
    case SIM_FAULT_COUNT: break;
    }
}

/* ---- the rest: all is mended, everybody has to settle */

static void mend_shard(struct sim_shard *shard) {
    shard->crash_countdown = 0;
    shard->full_until_us = 0;
    ordo_store_memory_set_full(shard->store, false);
    ordo_store_memory_fail_write(shard->store, 0, ORDO_OK);
    ordo_store_memory_fail_sync(shard->store, 0);
    if (shard->core == NULL) sim_shard_start(shard);
    else sim_shard_set_full(shard, false);
}

static void begin_rest(struct sim *sim) {
    sim_log(sim, "all is mended");
    sim->is_resting = true;
    sim->rest_until_us = sim->now_us + REST_MAX;
    sim->directory.away_until_us = 0;
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++) {
        if (sim->gateways[i].is_draining) sim_gateway_crash(sim, i, 0);
        sim_gateway_start(sim, i);
    }
    for (uint32_t i = 0; i < sim->plan.shard_count; i++) mend_shard(&sim->shards[i]);
    for (uint32_t i = 0; i < sim->plan.client_count; i++) {
        sim_tokens_renew(sim, &sim->clients[i], true);
        sim_client_pump(sim, i);
    }
    for (uint32_t i = 0; i < sim->plan.raw_count; i++) {
        for (uint32_t k = 0; k < sim->conn_count; k++) {
            if (sim->conns[k]->role == SIM_RAW) sim_conn_client_close(sim, k);
        }
    }
    sim_push(sim, sim->now_us + REST_POLL, (struct sim_item){.kind = SIM_HEAL, .a = SIM_FAULT_COUNT});
}

/* Nobody is left over whose client is gone, and nobody is missing. */
static const char *gauges_off(struct sim *sim) {
    static char text[160];
    uint64_t subscribers = 0;
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++) {
        const struct ordo_gateway_stats *stats = ordo_gateway_stats(sim->gateways[i].core);
        uint64_t connections = 0, here = 0;
        for (size_t k = 0; k < sim->conn_count; k++) {
            const struct sim_conn *conn = sim->conns[k];
            if (!conn->gateway_open || conn->gateway != i) continue;
            if (conn->is_cut || !conn->client_open) return "a gateway holds a dead connection";
            connections++;
            if (conn->role == SIM_CLIENT) here += sim->clients[conn->client].doc_count;
        }
        subscribers += here;
        if (stats->connections == connections && stats->subscribers == here) continue;
        snprintf(text, sizeof text,
                 "gateway %u has %" PRIu64 " connections with %" PRIu64 " documents, not %" PRIu64 " with %" PRIu64,
                 i, stats->connections, stats->subscribers, connections, here);
        return text;
    }
    uint64_t known = 0;
    for (uint32_t i = 0; i < sim->plan.shard_count; i++) known += ordo_shard_stats(sim->shards[i].core).subscribers;
    if (known == subscribers) return NULL;
    snprintf(text, sizeof text, "the shards have %" PRIu64 " subscribers, not %" PRIu64, known, subscribers);
    return text;
}

/* A client_id is renewed only when nothing is in flight under the old one, so a client that was robbed of its id may
 * wait for ever where one of its documents cannot be read. */
static bool waits_for_damage(const struct sim *sim, uint32_t client) {
    bool is_damaged = false;
    for (uint32_t i = 0; i < sim->plan.doc_count; i++) is_damaged = is_damaged || sim->is_damaged[i];
    return is_damaged && sim->clients[client].was_robbed;
}

static const char *unsettled(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan.shard_count; i++)
        if (!sim_shard_is_idle(&sim->shards[i])) return "a shard is busy";
    for (uint32_t i = 0; i < sim->plan.client_count; i++) {
        const char *what = waits_for_damage(sim, i) ? NULL : sim_client_unsettled(sim, i);
        if (what != NULL) return what;
    }
    for (uint32_t i = 0; i < sim->plan.doc_count; i++) {
        if (sim->is_damaged[i]) return NULL; /* who has it open comes and goes */
    }
    const char *moving = sim_moves_unsettled(sim);
    if (moving != NULL) return moving;
    return sim->plan.profile == SIM_PROFILE_TRACE ? NULL : gauges_off(sim);
}

static void last_checks(struct sim *sim) {
    for (uint32_t i = 0; i < sim->plan.client_count; i++) {
        if (!waits_for_damage(sim, i)) sim_client_check_text(sim, i);
    }
    for (uint32_t i = 0; i < sim->plan.raw_count; i++) sim_raw_check(sim, i);
    /* Who shares his client_id with a thief cannot tell the thief's ops from his own, so he may lose some. */
    for (uint32_t i = 0; i < sim->plan.client_count; i++) {
        if (sim->clients[i].was_robbed) ledger_excuse_owner(&sim->ledger, i);
    }
    if (sim->plan.profile != SIM_PROFILE_TRACE) {
        ledger_check(&sim->ledger, sim->oracle, sim->plan.may_delete || sim->plan.may_erase || sim->plan.may_damage,
                     &sim->verdict);
    }
    for (uint32_t i = 0; sim->plan.may_erase && i < sim->plan.shard_count; i++) sim_disk_verify(&sim->shards[i]);
    if (sim->plan.profile == SIM_PROFILE_INTERLEAVING) {
        ledger_check_runs(&sim->ledger, sim->docs[0], &sim->verdict);
    }
    sim->is_done = true;
}

static void poll_rest(struct sim *sim) {
    const char *what = unsettled(sim);
    if (what != NULL) {
        sim->quiet_since_us = 0;
        if (sim->now_us > sim->rest_until_us) {
            sim_fail(&sim->verdict, SIM_CHECK_LIVENESS, "not at rest after %" PRIu64 " s: %s",
                     REST_MAX / SIM_SECOND, what);
        }
    } else if (sim->quiet_since_us == 0) {
        sim->quiet_since_us = sim->now_us;
    } else if (sim->now_us - sim->quiet_since_us >= QUIET) {
        last_checks(sim);
        return;
    }
    sim_push(sim, sim->now_us + REST_POLL, (struct sim_item){.kind = SIM_HEAL, .a = SIM_FAULT_COUNT});
}

static void heal(struct sim *sim, const struct sim_item *item) {
    if (sim->is_resting) {
        if (item->a == SIM_FAULT_COUNT) poll_rest(sim);
    } else if (item->a == SIM_FAULT_COUNT) {
        begin_rest(sim);
    } else if (item->a == SIM_FAULT_FULL_DISK && sim->shards[item->to].full_until_us <= sim->now_us) {
        ordo_store_memory_set_full(sim->shards[item->to].store, false);
        sim_shard_set_full(&sim->shards[item->to], false);
    } else if (item->a == SIM_FAULT_DRAIN_GATEWAY && sim->gateways[item->to].life == item->b) {
        sim_gateway_crash(sim, item->to, sim_between(sim, 0, SIM_SECOND)); /* it has stopped; a new one starts */
    }
}

/* ---- the loop */

static void deliver(struct sim *sim, struct sim_item *item) {
    switch (item->role) {
    case SIM_WORLD:
        if (item->kind == SIM_FAULT && !sim->is_resting) fault(sim, (enum sim_fault)item->a, item->b);
        if (item->kind == SIM_HEAL) heal(sim, item);
        break;
    case SIM_SHARD: sim_shard_deliver(sim, item); break;
    case SIM_GATEWAY: sim_gateway_deliver(sim, item); break;
    case SIM_CLIENT: sim_client_deliver(sim, item); break;
    case SIM_RAW: sim_raw_deliver(sim, item); break;
    }
}

bool sim_step(struct sim *sim) {
    struct sim_item item;
    if (sim->is_done || sim->verdict.violated != SIM_CHECK_NONE || !sim_queue_take(&sim->queue, &item)) return false;
    sim->now_us = item.at_us;
    sim->step_count++;
    deliver(sim, &item);
    ordo_buffer_finish(&item.payload);
    ordo_arena_reset(&sim->arena);
    return true;
}

void sim_run(struct sim *sim) {
    while (sim_step(sim)) continue;
}

void sim_rest(struct sim *sim) {
    sim_push(sim, sim->now_us, (struct sim_item){.kind = SIM_HEAL, .a = SIM_FAULT_COUNT});
}

static void make_initial(struct sim *sim) {
    struct ordo_buffer text = {0};
    sim->initial_count = (uint32_t)sim_between(sim, 1, 8);
    sim->initial_caret = (uint32_t)sim_below(sim, sim->initial_count + 1);
    for (uint32_t i = 0; i < sim->initial_count; i++) {
        model_utf8_append(&text, ledger_type(&sim->ledger, sim->docs[0], UINT32_MAX, 0));
    }
    ordo_text_splice(0, 0, ordo_buffer_slice(&text), (struct ordo_text_hints){0}, &sim->initial);
    ordo_buffer_finish(&text);
}

struct sim *sim_create(uint64_t seed, const struct sim_plan *plan, bool is_verbose) {
    struct sim *sim = ordo_alloc(sizeof *sim);
    sim->seed = seed;
    sim->is_verbose = is_verbose;
    sim->plan = *plan;
    ordo_prng_init(&sim->prng, seed);
    ordo_arena_init(&sim->arena, SIZE_MAX / 2);
    sim->oracle = oracle_create(&sim->verdict);
    for (uint32_t i = 0; i < plan->doc_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%u", i);
        sim->docs[i] = oracle_doc_of(sim->oracle, ordo_slice_of("c"), ordo_slice_of(name));
    }
    if (plan->profile == SIM_PROFILE_INTERLEAVING) make_initial(sim);
    sim_directory_init(sim);
    for (uint32_t i = 0; i < plan->shard_count; i++) sim_shard_init(sim, i);
    for (uint32_t i = 0; i < plan->shard_count; i++) sim_shard_start(&sim->shards[i]);
    for (uint32_t i = 0; i < plan->gateway_count; i++) sim_gateway_start(sim, i);
    for (uint32_t i = 0; i < plan->client_count; i++) sim_client_start(sim, i);
    for (uint32_t i = 0; i < plan->raw_count; i++) sim_raw_start(sim, i);
    for (uint32_t kind = 0; kind < SIM_FAULT_COUNT; kind++) {
        for (uint32_t i = 0; i < plan->faults[kind]; i++) {
            sim_push(sim, sim_between(sim, 0, plan->active_us), (struct sim_item){.kind = SIM_FAULT, .a = kind});
        }
    }
    if (plan->profile != SIM_PROFILE_TRACE) {
        sim_push(sim, plan->active_us, (struct sim_item){.kind = SIM_HEAL, .a = SIM_FAULT_COUNT});
    }
    return sim;
}

static void add_counts(struct sim_counts *to, const struct sim_counts *from) {
#define X(name) to->name += from->name;
    SIM_COUNTS(X)
#undef X
    for (size_t i = 0; i < sizeof to->nack_codes / sizeof *to->nack_codes; i++) {
        to->nack_codes[i] += from->nack_codes[i];
    }
}

void sim_destroy(struct sim *sim, struct sim_counts *counts) {
    for (struct sim_item item; sim_queue_take(&sim->queue, &item);) {
        ordo_buffer_finish(&item.payload);
        if (item.kind == SIM_JOB) ordo_job_destroy(item.object);
    }
    sim_queue_finish(&sim->queue);
    for (uint32_t i = 0; i < sim->plan.client_count; i++) sim_client_finish(sim, i);
    for (uint32_t i = 0; i < sim->plan.raw_count; i++) sim_raw_finish(sim, i);
    for (uint32_t i = 0; i < sim->plan.gateway_count; i++) sim_gateway_finish(sim, i);
    for (uint32_t i = 0; i < sim->plan.shard_count; i++) sim_shard_finish(&sim->shards[i]);
    for (size_t i = 0; i < sim->conn_count; i++) {
        watch_finish(&sim->conns[i]->watch);
        free(sim->conns[i]);
    }
    free(sim->conns);
    free(sim->links);
    ordo_buffer_finish(&sim->initial);
    ledger_finish(&sim->ledger);
    for (size_t i = 0; i < oracle_doc_count(sim->oracle); i++) sim->counts.commits += sim->docs[i]->count;
    if (counts != NULL) add_counts(counts, &sim->counts);
    oracle_destroy(sim->oracle);
    ordo_arena_finish(&sim->arena);
    free(sim);
}
