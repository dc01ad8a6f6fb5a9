/* What was given away is seen to its end: the target is told until it says that it owns the slot, over restarts of either
 * side, because the row says so; and what is left of it here goes once the table shows the new owner too, so that nobody who
 * goes by the table finds nothing.
 *
 * A store that takes a slot may be lost before what is left of the slot here has gone: then that is all there is of its
 * documents, as they were when they were given away. It stays, whoever begins the slot anew, until the slot comes back here
 * (`ordo forget-shard --heir` has it come back with them). */
#include <inttypes.h>

#include "shard/core/state.h"

enum { TELL_AGAIN_MS = 1000 };

static bool is_untaken(const struct ordo_slot *here) {
    return here->row.state == ORDO_SLOT_GIVEN && !here->row.is_cleared && !here->is_taken && !here->is_taker_lost;
}

static void tell(struct ordo_shard *shard, struct ordo_target *target, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    here->told_session = target->link.session;
    here->told_ms = shard->now_ms;
    ordo_move_say_given(shard, target, slot);
}

static bool is_durable(const struct ordo_shard *shard, const struct ordo_slot *here) {
    return !here->is_dirty && here->row.turn <= shard->durable_turn;
}

void ordo_given_tell(struct ordo_shard *shard, struct ordo_target *target) {
    if (target->state != ORDO_TARGET_READY) return;
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->given_count > 0; slot++) {
        const struct ordo_slot *here = &shard->slots[slot];
        bool is_his = is_untaken(here) && ordo_store_id_equal(&here->row.other, &target->store);
        if (!is_his || !is_durable(shard, here)) continue;
        bool is_told = here->told_session == target->link.session && shard->now_ms < here->told_ms + TELL_AGAIN_MS;
        if (!is_told) tell(shard, target, slot);
    }
}

bool ordo_given_needs(const struct ordo_shard *shard, const struct ordo_target *target) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->given_count > 0; slot++) {
        const struct ordo_slot *here = &shard->slots[slot];
        if (is_untaken(here) && ordo_store_id_equal(&here->row.other, &target->store)) return true;
    }
    return false;
}

static void clear_if_known(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    uint64_t placed_epoch = shard->placement.slots[slot].epoch;
    /* An epoch beyond the one that was given can only come from who took it, or from the heirs of a store that is lost. */
    bool is_handed_on = placed_epoch > here->row.epoch && !here->is_taker_lost;
    bool is_known = is_handed_on || (here->is_taken && placed_epoch == here->row.epoch);
    if (!is_known || !is_durable(shard, here)) return;
    struct ordo_slot_row row = here->row;
    row.is_cleared = true;
    if (here->has_order) ordo_move_end(shard, slot, true, "");
    here->has_order = false;
    ordo_slot_change(shard, slot, &row, true);
}

void ordo_given_taken(struct ordo_shard *shard, const struct ordo_target *target, uint16_t slot, uint64_t epoch) {
    struct ordo_slot *here = &shard->slots[slot];
    bool is_his = is_untaken(here) && ordo_store_id_equal(&here->row.other, &target->store);
    if (!is_his || epoch < here->row.epoch || !is_durable(shard, here)) return;
    here->is_taken = true;
    uint64_t unserved_ms = here->unserved_ms != 0 ? shard->now_ms - here->unserved_ms : 0;
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=slot_taken slot=%u epoch=%" PRIu64 " unserved_ms=%" PRIu64, slot,
                    here->row.epoch, unserved_ms);
    if (here->has_order) ordo_move_end(shard, slot, true, "");
    here->has_order = false;
    clear_if_known(shard, slot);
}

static bool is_among(const struct ordo_store_id *store, const struct ordo_store_id *stores, size_t count) {
    size_t i = 0;
    while (i < count && !ordo_store_id_equal(&stores[i], store)) i++;
    return i < count;
}

void ordo_given_lost(struct ordo_shard *shard, const struct ordo_store_id *stores, size_t count) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->given_count > 0 && count > 0; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        bool is_left = here->row.state == ORDO_SLOT_GIVEN && !here->row.is_cleared && !here->is_taker_lost;
        if (!is_left || !is_among(&here->row.other, stores, count)) continue;
        here->is_taker_lost = true;
        ordo_shard_note(shard, ORDO_NOTE_WARN, "event=taker_lost slot=%u epoch=%" PRIu64 " action=\"what is left of the slot here is kept\"",
                        slot, here->row.epoch);
        if (here->has_order) ordo_move_end(shard, slot, false, "the shard that it was given to is lost");
        here->has_order = false;
    }
}

void ordo_given_tick(struct ordo_shard *shard) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->given_count > 0; slot++) {
        const struct ordo_slot *here = &shard->slots[slot];
        if (here->row.state != ORDO_SLOT_GIVEN || here->row.is_cleared) continue;
        clear_if_known(shard, slot);
        if (is_untaken(here) && is_durable(shard, here)) (void)ordo_target_get(shard, &here->row.other);
    }
    for (struct ordo_target *target = shard->targets; target != NULL; target = target->next)
        ordo_given_tell(shard, target);
}
