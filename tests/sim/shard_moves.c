/* tests/sim/shard_moves.c: slots on their way between shards, held against what the disks of all shards say. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/slot_rows.h"
#include "shard/store_memory.h"
#include "tests/sim/sim.h"

/* As a crash would leave it. NONE: there is no row. */
static struct ordo_slot_row durable_row(const struct sim_shard *shard, uint16_t slot) {
    struct ordo_slot_row row = {0};
    struct ordo_buffer key = {0}, value = {0};
    struct ordo_view *view = ordo_store_memory_view_durable(shard->store);
    ordo_key_slot(&key, slot);
    if (view->ops->get(view, ORDO_CF_META, ordo_buffer_slice(&key), &value) == ORDO_OK &&
        ordo_slot_row_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &row) != ORDO_OK)
        row = (struct ordo_slot_row){0};
    shard->store->ops->view_close(view);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    return row;
}

/* Whether it was given to this shard, which holds all of it and has not yet heard. */
static bool is_given_to(const struct sim *sim, const struct sim_shard *shard, uint16_t slot, const struct ordo_slot_row *row) {
    if (row->state != ORDO_SLOT_IMPORTED) return false;
    for (uint32_t i = 0; i < sim->plan.shard_count; i++) {
        struct ordo_slot_row other = durable_row(&sim->shards[i], slot);
        if (other.state == ORDO_SLOT_GIVEN && other.move == row->move && other.epoch == row->epoch + 1 &&
            ordo_store_id_equal(&other.other, &shard->id)) return true;
    }
    return false;
}

static void check_owner(struct sim *sim, uint16_t slot) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim->plan.shard_count; i++) {
        struct ordo_slot_row row = durable_row(&sim->shards[i], slot);
        count += row.state == ORDO_SLOT_OWNED || is_given_to(sim, &sim->shards[i], slot, &row);
    }
    if (count != 1) sim_fail(&sim->verdict, SIM_CHECK_OWNER, "slot %u has %u owners", slot, count);
}

/* Whether each row of the slot in `view` stands in `other` too, with the same value. */
static bool is_within(struct ordo_view *view, struct ordo_view *other, uint16_t slot) {
    struct ordo_buffer lower = {0}, upper = {0}, value = {0};
    bool is_all = true;
    ordo_key_slot_range(&lower, &upper, slot);
    for (int cf = ORDO_CF_META + 1; cf < ORDO_CF_COUNT; cf++) {
        struct ordo_iterator *rows =
            view->ops->iterate(view, (enum ordo_cf)cf, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper));
        while (is_all && rows->ops->next(rows)) {
            ordo_buffer_clear(&value);
            is_all = other->ops->get(other, (enum ordo_cf)cf, rows->ops->key(rows), &value) == ORDO_OK &&
                     ordo_slice_equal(ordo_buffer_slice(&value), rows->ops->value(rows));
        }
        rows->ops->close(rows);
    }
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
    ordo_buffer_finish(&value);
    return is_all;
}

/* The commit point: what the one gives away, the other holds, on its disk, and nothing else. */
static void check_handover(struct sim_shard *shard, uint16_t slot, const struct ordo_slot_row *row) {
    struct sim *sim = shard->sim;
    struct sim_shard *target = sim_shard_of_store(sim, row->other);
    struct ordo_view *given = ordo_store_memory_view_durable(shard->store);
    struct ordo_view *held = ordo_store_memory_view_durable(target->store);
    if (!is_within(given, held, slot))
        sim_fail(&sim->verdict, SIM_CHECK_HANDOVER, "slot %u is given to shard %u, which lacks a row", slot, target->index);
    else if (!is_within(held, given, slot))
        sim_fail(&sim->verdict, SIM_CHECK_LEFTOVER, "slot %u is given to shard %u, which has a row too many", slot,
                 target->index);
    shard->store->ops->view_close(given);
    target->store->ops->view_close(held);
}

static bool is_watched(const struct sim *sim) { return sim_has_directory(sim) && !sim->plan.may_damage; }

void sim_moves_written(struct sim_shard *shard, const struct ordo_batch *batch) {
    struct sim *sim = shard->sim;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&batch->records));
    for (struct ordo_batch_item item; is_watched(sim) && ordo_batch_next(&reader, &item);) {
        uint16_t slot;
        struct ordo_slot_row row;
        bool is_slot = item.cf == ORDO_CF_META && item.kind == ORDO_BATCH_PUT && ordo_key_parse_slot(item.key, &slot);
        if (!is_slot || ordo_slot_row_decode(item.key, item.value, &row) != ORDO_OK) continue;
        if (row.state == ORDO_SLOT_GIVEN && !row.is_cleared) check_handover(shard, slot, &row);
        check_owner(sim, slot);
    }
}

void sim_moves_check_owners(struct sim *sim) {
    for (uint32_t i = 0; is_watched(sim) && i < sim->plan.doc_count; i++) check_owner(sim, sim_slot_of(sim, i));
}

/* ---- what is said */

static void check_rows(struct sim_shard *shard, struct ordo_view *durable, struct ordo_slice rows) {
    struct sim *sim = shard->sim;
    struct ordo_reader reader = ordo_reader(rows);
    struct ordo_buffer known = {0};
    uint8_t cf = 0;
    struct ordo_slice key = {0}, value = {0};
    while (ordo_take_u8(&reader, &cf) && ordo_take_sized(&reader, &key) && ordo_take_sized(&reader, &value)) {
        ordo_buffer_clear(&known);
        bool is_durable = durable->ops->get(durable, (enum ordo_cf)cf, key, &known) == ORDO_OK &&
                          ordo_slice_equal(ordo_buffer_slice(&known), value);
        if (!is_durable) sim_fail(&sim->verdict, SIM_CHECK_TAIL, "a row of %s left before it was on disk", ordo_cf_names[cf]);
    }
    ordo_buffer_finish(&known);
}

/* Now and then one of the two dies when something of a move is said. */
static void bring_misfortune(struct sim_shard *shard, struct sim_shard *target) {
    struct sim *sim = shard->sim;
    if (sim->is_resting || sim->plan.moves_crash == 0 || !sim_chance(sim, sim->plan.moves_crash)) return;
    struct sim_shard *victim = sim_chance(sim, 500) ? shard : target;
    victim->crash_countdown = 1 + (int64_t)sim_below(sim, 6);
}

void sim_moves_sent(struct sim_shard *shard, uint64_t session, struct ordo_slice bytes) {
    struct sim *sim = shard->sim;
    const Ordo__Cluster__V1__Envelope *envelope =
        ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, bytes, &sim->arena);
    if (envelope == NULL) {
        sim_fail(&sim->verdict, SIM_CHECK_WIRE, "a shard sent another one an Envelope that does not decode");
        return;
    }
    struct ordo_view *durable = ordo_store_memory_view_durable(shard->store);
    for (size_t i = 0; i < envelope->n_to_shard; i++) {
        const Ordo__Cluster__V1__ToShard *message = envelope->to_shard[i];
        if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ROWS && !sim->plan.may_damage)
            check_rows(shard, durable, ordo_slice_of_binary(message->move_rows->rows));
    }
    shard->store->ops->view_close(durable);
    for (size_t i = 0; i < sim->link_count && envelope->n_to_shard > 0; i++)
        if (sim->links[i].session == session) bring_misfortune(shard, &sim->shards[sim->links[i].shard]);
}

void sim_moves_ended(struct sim_shard *shard, const struct ordo_move_end *end) {
    struct sim *sim = shard->sim;
    if (end->is_done) sim->counts.moves_done++;
    else sim->counts.moves_failed++;
}

/* ---- at rest */

static bool has_rows(const struct sim_shard *shard, uint16_t slot) {
    struct ordo_buffer lower = {0}, upper = {0};
    bool has_any = false;
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    ordo_key_slot_range(&lower, &upper, slot);
    for (int cf = ORDO_CF_META + 1; cf < ORDO_CF_COUNT && !has_any; cf++) {
        struct ordo_iterator *rows =
            view->ops->iterate(view, (enum ordo_cf)cf, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper));
        has_any = rows->ops->next(rows);
        rows->ops->close(rows);
    }
    shard->store->ops->view_close(view);
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
    return has_any;
}

const char *sim_moves_unsettled(struct sim *sim) {
    for (uint32_t i = 0; sim_has_directory(sim) && i < sim->plan.doc_count; i++) {
        uint16_t slot = sim_slot_of(sim, i);
        const struct ordo_slot_place *place = &sim->directory.table.slots[slot];
        for (uint32_t k = 0; k < sim->plan.shard_count; k++) {
            const struct sim_shard *shard = &sim->shards[k];
            const struct ordo_slot_row row = durable_row(shard, slot);
            bool is_placed_here = ordo_store_id_equal(&place->store, &shard->id);
            if (ordo_shard_move_status(shard->core).is_moving) return "a slot is on its way";
            if (is_placed_here && (row.state != ORDO_SLOT_OWNED || row.epoch != place->epoch))
                return "the table names a shard that does not own the slot";
            if (!is_placed_here && row.state == ORDO_SLOT_OWNED) return "a shard owns a slot that the table does not give it";
            if (!is_placed_here && has_rows(shard, slot)) return "rows of a slot are left where it is not";
        }
    }
    return NULL;
}
