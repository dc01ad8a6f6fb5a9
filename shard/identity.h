/* shard/identity.h: who a store is: the rows of `meta` that do not come from turns.
 *
 * Written once, with the store: format version, cluster id, store id, and the slots that it owns. Raised at each start,
 * before anything is served: the incarnation, so that nobody takes this life of the store for an earlier one. Each
 * value ends in a checksum. The row of the turn is the core's (shard/core/rows.h). */
#ifndef ORDO_SHARD_IDENTITY_H
#define ORDO_SHARD_IDENTITY_H

#include "common/limits.h"
#include "shard/core/shard.h"
#include "shard/store_rocksdb.h"

#define ORDO_STORE_FORMAT 1

struct ordo_identity {
    uint8_t cluster_id[ORDO_CLUSTER_ID_SIZE];
    uint8_t store_id[ORDO_STORE_ID_SIZE];
    uint64_t incarnation; /* 0 in a store that was never served */
    uint64_t turn, term;  /* of the newest batch; 0 before the first */
    size_t slot_count;    /* slots that it owns … */
    uint64_t epochs[ORDO_SLOT_COUNT]; /* … and with which epoch; 0: not this one */
};

/* Draws both ids and writes them with the ownership of all slots (epoch 1): the first store of a cluster. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_create(struct ordo_store *store, struct ordo_problem *problem);
/* For a repaired store, which holds the rows of the damaged one that could be read: the successor of that store. It keeps
 * the cluster id (draws one if that was lost: then `has_cluster` is false), has an id of its own, a higher incarnation,
 * and claims the slots with a higher epoch, so that wherever both are seen, this one is the owner. Synced. */
ORDO_MUST_USE ordo_err ordo_identity_succeed(struct ordo_store *store, uint64_t turn, bool *has_cluster,
                                             struct ordo_problem *problem);
/* CORRUPT, VERSION, IO. */
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

#endif
