/* Slots that are all here, durably, and whose session ended before anybody said whose they are. If the other shard has given
 * them away it will say so by itself; if it crashed before it did, it does not know of them any more: so it is asked. */
#include "shard/core/state.h"

enum { ASK_MS = 1000 };

/* We are the source here: whoever asks holds what he could not make his own. */
void ordo_adrift_answer(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveAsk *ask) {
    if (ask->slot >= ORDO_SLOT_COUNT || ordo_source_may_give(shard, (uint16_t)ask->slot, ask->move)) return;
    const struct ordo_slot_row *row = &shard->slots[ask->slot].row;
    bool knows = row->state != ORDO_SLOT_NONE && row->epoch >= ask->epoch;
    if (knows) ordo_move_answer_over(shard, peer, (uint16_t)ask->slot, ask->move);
}

void ordo_adrift_tick(struct ordo_shard *shard) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->imported_count > 0; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        if (!ordo_import_is_adrift(here)) continue;
        struct ordo_target *target = ordo_target_get(shard, &here->row.other);
        bool is_time = here->told_ms == 0 || shard->now_ms >= here->told_ms + ASK_MS;
        if (target->state != ORDO_TARGET_READY || !is_time) continue;
        here->told_ms = shard->now_ms;
        ordo_move_say_ask(shard, target, slot);
    }
}

bool ordo_adrift_needs(const struct ordo_shard *shard, const struct ordo_target *target) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->imported_count > 0; slot++) {
        const struct ordo_slot *here = &shard->slots[slot];
        if (ordo_import_is_adrift(here) && ordo_store_id_equal(&here->row.other, &target->store)) return true;
    }
    return false;
}

void ordo_adrift_over(struct ordo_shard *shard, const struct ordo_target *target,
                      const Ordo__Cluster__V1__MoveOver *over) {
    if (over->slot >= ORDO_SLOT_COUNT) return;
    const struct ordo_slot *here = &shard->slots[over->slot];
    bool is_his = ordo_store_id_equal(&here->row.other, &target->store);
    if (ordo_import_is_adrift(here) && is_his && here->row.move == over->move)
        ordo_import_give_back(shard, (uint16_t)over->slot, "the move was over");
}
