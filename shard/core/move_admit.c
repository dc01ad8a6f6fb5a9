/* Whether a slot may be taken over as another shard says. */
#include "common/format.h"
#include "shard/core/state.h"

/* Why this slot cannot be taken over; NULL: it can. Whoever says that he owns it is believed, unless something here is
 * newer: moves of one store are numbered in the order of their beginnings, so a message that was long on its way is not
 * taken for the newest. */
static const char *what_forbids(const struct ordo_shard *shard, const struct ordo_slot *here,
                                const Ordo__Cluster__V1__MoveBegin *begin) {
    const struct ordo_slot_row *row = &here->row;
    bool is_same = memcmp(row->other.bytes, begin->source.data, sizeof row->other.bytes) == 0;
    switch (row->state) {
    case ORDO_SLOT_NONE: break;
    case ORDO_SLOT_OWNED: return "this shard owns the slot already";
    case ORDO_SLOT_GIVEN:
        if (begin->epoch < row->epoch) return "the slot has had another owner since";
        break;
    case ORDO_SLOT_IMPORTING:
    case ORDO_SLOT_IMPORTED:
        if (begin->epoch < row->epoch) return "the slot has had another owner since";
        if (is_same && begin->move <= row->move) return "a later move of the slot has begun";
        if (!is_same && begin->epoch == row->epoch) return "two shards claim the slot with the same epoch";
        break;
    }
    if (begin->epoch < shard->placement.slots[begin->slot].epoch) return "the table names a later owner of the slot";
    if (here->import == NULL && shard->import_count >= ORDO_IMPORTS_MAX) return "this shard takes over others just now";
    if (shard->disk_is_full) return "the disk of this shard is full";
    return NULL;
}

const char *ordo_import_objection(const struct ordo_shard *shard, const Ordo__Cluster__V1__MoveBegin *begin) {
    if (begin->move == 0 || begin->epoch == 0 || begin->slot >= ORDO_SLOT_COUNT ||
        begin->source.len != ORDO_STORE_ID_SIZE || begin->source_incarnation == 0)
        return "the move is not described as it should be";
    if (begin->cluster.len != ORDO_CLUSTER_ID_SIZE ||
        memcmp(begin->cluster.data, shard->config.cluster_id, ORDO_CLUSTER_ID_SIZE) != 0)
        return "this shard is of another cluster";
    if (memcmp(begin->source.data, shard->config.store_id, ORDO_STORE_ID_SIZE) == 0) return "it is this shard's own";
    if (begin->format > ordo_format_max()) return "this shard does not read what the other one writes: it is of an older version";
    return what_forbids(shard, &shard->slots[begin->slot], begin);
}
