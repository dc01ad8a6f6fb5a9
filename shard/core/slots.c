#include "shard/core/state.h"

void ordo_slots_init(struct ordo_shard *shard, const struct ordo_slot_row *rows) {
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        struct ordo_slot_row all = {.state = ORDO_SLOT_OWNED, .epoch = 1};
        shard->slots[slot].row = shard->durable_slots[slot] = rows != NULL ? rows[slot] : all;
    }
}

const struct ordo_slot_row *ordo_shard_slots(const struct ordo_shard *shard) { return shard->durable_slots; }

struct ordo_move_status ordo_shard_move_status(const struct ordo_shard *shard) {
    (void)shard;
    return (struct ordo_move_status){0};
}
