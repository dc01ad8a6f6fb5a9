/* common/placement.h: which store serves which slot, as far as somebody knows: the part of the router table that gateways and
 * shards decide by. A slot's epoch rises with each change of owner, and only the owner raises it; so of two pieces of news
 * about a slot, from the table or from a shard itself, the one with the higher epoch is right. Plain data. */
#ifndef ORDO_COMMON_PLACEMENT_H
#define ORDO_COMMON_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/limits.h"

#define ORDO_STORE_ID_SIZE 16
#define ORDO_CLUSTER_ID_SIZE 16

struct ordo_store_id {
    uint8_t bytes[ORDO_STORE_ID_SIZE]; /* random; all zero: none */
};

static inline bool ordo_store_id_equal(const struct ordo_store_id *a, const struct ordo_store_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
static inline bool ordo_store_id_is_none(const struct ordo_store_id *id) {
    static const struct ordo_store_id none;
    return ordo_store_id_equal(id, &none);
}

struct ordo_slot_place {
    uint64_t epoch; /* 0: nobody has claimed the slot yet */
    struct ordo_store_id store;
};

struct ordo_placement {
    struct ordo_slot_place slots[ORDO_SLOT_COUNT];
};

/* Whether `news` is newer than `known`. */
static inline bool ordo_slot_place_supersedes(const struct ordo_slot_place *news, const struct ordo_slot_place *known) {
    return news->epoch > known->epoch;
}

#endif
