/* Orders to give slots away: one is carried out at a time, the others wait. */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/state.h"

void ordo_move_end(struct ordo_shard *shard, uint16_t slot, bool is_done, const char *reason) {
    struct ordo_shard_effects *effects = shard->effects;
    if (effects->move_end_count == effects->move_end_capacity) {
        effects->move_end_capacity = effects->move_end_capacity ? 2 * effects->move_end_capacity : 4;
        effects->move_ends =
            ordo_realloc(effects->move_ends, effects->move_end_capacity * sizeof *effects->move_ends);
    }
    struct ordo_move_end *end = &effects->move_ends[effects->move_end_count++];
    *end = (struct ordo_move_end){.slot = slot, .is_done = is_done};
    snprintf(end->reason, sizeof end->reason, "%s", reason);
    if (is_done) shard->stats.moves_done++;
    else shard->stats.moves_failed++;
}

/* A slot that is here no more: the order may be an old one, of before a restart. */
static void order_of_given(struct ordo_shard *shard, uint16_t slot, const struct ordo_store_id *target) {
    struct ordo_slot *here = &shard->slots[slot];
    bool is_there = here->row.state == ORDO_SLOT_GIVEN && ordo_store_id_equal(&here->row.other, target);
    if (!is_there) ordo_move_end(shard, slot, false, "this shard does not have the slot");
    else if (here->row.is_cleared || here->is_taken) ordo_move_end(shard, slot, true, "");
    else here->has_order = true; /* given and not yet taken */
}

static struct ordo_move_order *find_waiting(struct ordo_source *source, uint16_t slot) {
    for (size_t i = 0; i < source->waiting_count; i++)
        if (source->waiting[i].slot == slot) return &source->waiting[i];
    return NULL;
}

static void push_waiting(struct ordo_source *source, const struct ordo_move_order *order) {
    if (source->waiting_count == source->waiting_capacity) {
        source->waiting_capacity = source->waiting_capacity ? 2 * source->waiting_capacity : 16;
        source->waiting = ordo_realloc(source->waiting, source->waiting_capacity * sizeof *source->waiting);
    }
    source->waiting[source->waiting_count++] = *order;
}

static void remove_waiting(struct ordo_source *source, struct ordo_move_order *order) {
    size_t left = (size_t)(source->waiting + --source->waiting_count - order);
    memmove(order, order + 1, left * sizeof *order);
}

static bool is_under_way(const struct ordo_source *source, uint16_t slot) {
    return source->phase != ORDO_SOURCE_NONE && source->order.slot == slot;
}

void ordo_orders_give(struct ordo_shard *shard, uint16_t slot, const struct ordo_store_id *target) {
    struct ordo_source *source = &shard->source;
    ORDO_ASSERT(slot < ORDO_SLOT_COUNT);
    const struct ordo_move_order order = {.slot = slot, .target = *target};
    const struct ordo_move_order *known = is_under_way(source, slot) ? &source->order : find_waiting(source, slot);
    bool is_here = memcmp(target->bytes, shard->config.store_id, sizeof target->bytes) == 0;
    if (known != NULL) {
        if (!ordo_store_id_equal(&known->target, target))
            ordo_move_end(shard, slot, false, "the slot is on its way to another shard: cancel that first");
    } else if (shard->slots[slot].row.state != ORDO_SLOT_OWNED) order_of_given(shard, slot, target);
    else if (is_here) ordo_move_end(shard, slot, true, "");
    else push_waiting(source, &order);
}

void ordo_orders_drop(struct ordo_shard *shard, const struct ordo_store_id *target, const char *reason) {
    struct ordo_source *source = &shard->source;
    for (size_t i = 0; i < source->waiting_count;) {
        struct ordo_move_order *order = &source->waiting[i];
        uint16_t slot = order->slot;
        if (!ordo_store_id_equal(&order->target, target)) {
            i++;
            continue;
        }
        remove_waiting(source, order);
        ordo_move_end(shard, slot, false, reason);
    }
}

void ordo_orders_cancel(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_source *source = &shard->source;
    struct ordo_move_order *order = find_waiting(source, slot);
    if (order != NULL) {
        remove_waiting(source, order);
        ordo_move_end(shard, slot, false, "cancelled");
    } else if (is_under_way(source, slot) && source->phase < ORDO_SOURCE_GIVING) {
        ordo_source_drop(shard, "cancelled");
    }
}

/* Orders whose slot is not ours any more, or not yet durably so, do not hold up the others. */
void ordo_orders_begin_next(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    for (size_t i = 0; i < source->waiting_count && source->phase == ORDO_SOURCE_NONE;) {
        struct ordo_move_order order = source->waiting[i];
        const struct ordo_slot *here = &shard->slots[order.slot];
        if (here->row.state == ORDO_SLOT_OWNED && here->row.turn > shard->durable_turn) {
            i++;
            continue;
        }
        remove_waiting(source, &source->waiting[i]);
        if (here->row.state == ORDO_SLOT_OWNED) ordo_source_begin(shard, &order);
        else order_of_given(shard, order.slot, &order.target);
    }
}

void ordo_orders_finish(struct ordo_shard *shard) { free(shard->source.waiting); }
