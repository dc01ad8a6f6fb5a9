/* shard/identity.h: who a store is: the rows of `meta` that do not come from turns, and those of its slots.
 *
 * Written once, with the store: format version, cluster id, store id, and the slots that it owns from the beginning; from
 * then on the core changes the rows of slots (docs/cluster.md). Raised at each start,
 * before anything is served: the incarnation, so that nobody takes this life of the store for an earlier one. Each
 * value ends in a checksum. The row of the turn is the core's (shard/core/rows.h). */
#ifndef ORDO_SHARD_IDENTITY_H
#define ORDO_SHARD_IDENTITY_H

#include "common/limits.h"
#include "shard/core/rows.h"
#include "shard/core/shard.h"
#include "shard/store_rocksdb.h"

struct ordo_identity {
    uint8_t cluster_id[ORDO_CLUSTER_ID_SIZE];
    uint8_t store_id[ORDO_STORE_ID_SIZE];
    uint64_t incarnation; /* 0 in a store that was never served */
    uint64_t turn, term;  /* of the newest batch; 0 before the first */
    uint32_t format;      /* level (common/format.h) */
    size_t slot_count;    /* slots that it owns, among … */
    struct ordo_slot_row slots[ORDO_SLOT_COUNT];
};

/* The epoch with which it owns the slot; 0: it does not. */
static inline uint64_t ordo_identity_epoch(const struct ordo_identity *identity, unsigned slot) {
    return identity->slots[slot].state == ORDO_SLOT_OWNED ? identity->slots[slot].epoch : 0;
}

/* Draws a store id and writes it. Without a cluster (NULL) it draws that id too and writes the ownership of all slots (epoch
 * 1): the only store of a new cluster, of the highest format level. A store of an existing cluster (ORDO_CLUSTER_ID_SIZE bytes)
 * owns none, and has the lowest level until it hears of the cluster's. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_create(struct ordo_store *store, const uint8_t *cluster_id,
                                            struct ordo_problem *problem);
/* Writes the ownership of all slots (epoch 1) into a store that has no row of any; INVALID if it has. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_found(struct ordo_store *store, struct ordo_identity *identity,
                                           struct ordo_problem *problem);
/* For a repaired store, which holds the rows of the damaged one that could be read: the successor of that store. It keeps
 * the cluster id (draws one if that was lost: then `has_cluster` is false), has an id of its own, a higher incarnation,
 * and claims the slots that it owned with a higher epoch, so that wherever both are seen, this one is the owner. Rows of
 * slots that do not read leave the slots unclaimed, as another store may have them; but a store of which all rows that read
 * say "owned since the beginning", or neither they nor the cluster read, is taken for one that has all. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_succeed(struct ordo_store *store, uint64_t turn, bool *has_cluster,
                                             struct ordo_problem *problem);
/* CORRUPT, IO; VERSION: its format level is not one that this program knows. */
ORDO_MUST_USE ordo_err ordo_identity_read(struct ordo_store *store, struct ordo_identity *out,
                                          struct ordo_problem *problem);
/* Of a store that was made out of a backup: another store of the same cluster. It gets an id of its own, because the one
 * that it is a copy of may still run somewhere; a higher incarnation; and a higher epoch for each slot that it owns, so
 * that where both are seen this one is the owner. `identity` is brought up to date. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_restore(struct ordo_store *store, struct ordo_identity *identity,
                                             struct ordo_problem *problem);
/* Synced. */
ORDO_MUST_USE ordo_err ordo_identity_raise_incarnation(struct ordo_store *store, struct ordo_identity *identity,
                                                       struct ordo_problem *problem);

/* Slots whose owner an operator has given up. */
struct ordo_heritage {
    uint64_t epochs[ORDO_SLOT_COUNT];          /* with which they are to be owned; 0: not this one */
    struct ordo_store_id from[ORDO_SLOT_COUNT]; /* who had them */
};
/* It owns these slots from now on. Of one that it gave to that very store, and of which everything still stands here, it takes the
 * documents back as they were then, with lineages of their own: others may have seen how they went on. Of all others it has no
 * document; what it may still have had of them goes in the same batch. Synced. `kept_out`: of how many slots there are documents. */
ORDO_MUST_USE ordo_err ordo_identity_seize(struct ordo_store *store, struct ordo_identity *identity,
                                           const struct ordo_heritage *heritage, size_t *kept_out, struct ordo_problem *problem);
/* Of a store whose folder is older than what the cluster has seen of it, by order of an operator: its next start is later than
 * `incarnation`, and slots that others own by the table with a higher epoch are given to them. The caller has given
 * its documents new lineages. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_rejoin(struct ordo_store *store, struct ordo_identity *identity, uint64_t incarnation,
                                            const struct ordo_placement *table, struct ordo_problem *problem);

#endif
