#include "shard/core/row_age.h"

#include "shard/core/block.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/value.h"

bool ordo_row_changes(enum ordo_cf cf, struct ordo_slice key) {
    struct ordo_key parsed;
    uint64_t seq;
    uint32_t piece;
    if (cf != ORDO_CF_SNAPSHOTS) return cf != ORDO_CF_OPS;
    return ordo_key_parse(key, &parsed) && ordo_key_parse_piece(parsed.rest, &seq, &piece) && piece == ORDO_PIECE_VALID;
}

/* Compared from the first number on. */
enum { NUMBER_COUNT = 4 };
struct age {
    uint64_t numbers[NUMBER_COUNT];
};

static struct age age_of(enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_doc_row doc;
    struct ordo_client_row client;
    struct ordo_turn_row turn;
    struct ordo_block_info block;
    struct ordo_snapshot_row snapshot;
    struct ordo_slot_row slot;
    if (cf == ORDO_CF_DOCS && !ordo_doc_row_decode(key, value, &doc)) {
        return (struct age){{doc.head, doc.erased_seq, doc.horizon, doc.history_seq}};
    }
    if (cf == ORDO_CF_SNAPSHOTS && !ordo_snapshot_row_decode(key, value, &snapshot)) {
        return (struct age){{ordo_snapshot_row_is_erased(&snapshot)}};
    }
    if (cf == ORDO_CF_CLIENTS && !ordo_client_row_decode(key, value, &client)) return (struct age){{client.server_seq}};
    if (cf == ORDO_CF_HISTORY && !ordo_block_look(key, value, &block)) return (struct age){{block.count}};
    if (cf == ORDO_CF_META && ordo_slice_equal(key, ordo_key_turn) && !ordo_turn_row_decode(value, &turn)) {
        return (struct age){{turn.turn}};
    }
    if (cf == ORDO_CF_META && ordo_slice_starts_with(key, ordo_key_slots) && !ordo_slot_row_decode(key, value, &slot)) {
        return (struct age){{slot.turn, slot.epoch}};
    }
    return (struct age){{0}};
}

bool ordo_row_is_later(enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, struct ordo_slice than) {
    if (!ordo_value_is_whole(key, value)) return false;
    if (!ordo_value_is_whole(key, than)) return true;
    struct age a = age_of(cf, key, value), b = age_of(cf, key, than);
    size_t i = 0;
    while (i < NUMBER_COUNT - 1 && a.numbers[i] == b.numbers[i]) i++;
    return a.numbers[i] > b.numbers[i];
}
