/* shard/repair.h: makes a new store of what can be read of a damaged one.
 *
 * The damaged store is only read, under its lock. The new one is made like any other: under a temporary name, synced,
 * renamed; so a repair that is cut off leaves nothing that looks like a store. Every row whose checksum is right is taken
 * over (salvage.h), and then each document is made consistent (core/mend.h); what is lost is named. Where rows may be
 * missing without a trace, the documents there are not taken for whole, and names of which nothing is left are put under
 * quarantine (core/rows.h): opening them answers an error and not a new document.
 *
 * The new store is a store of its own in the same cluster: identity.h, ordo_identity_succeed. */
#ifndef ORDO_SHARD_REPAIR_H
#define ORDO_SHARD_REPAIR_H

#include "shard/core/mend.h"
#include "shard/store_rocksdb.h"

struct ordo_repair_counts {
    uint64_t documents, whole, unsure, shortened, lost;
    uint64_t history_lost;  /* whole ones that lost old history */
    bool has_quarantine;    /* documents may be lost with their names */
};

struct ordo_repair {
    void *context;
    /* Something is damaged, in a sentence. */
    void (*note)(void *context, const char *sentence);
    /* A document that is not whole, or has lost old history. */
    void (*document)(void *context, struct ordo_slice collection, struct ordo_slice id,
                     const struct ordo_mended *mended);
    bool allows_new; /* no quarantine: names of which nothing is left may become new documents */
    struct ordo_repair_counts counts; /* filled in */
};

/* LOCKED, EXISTS (there is something at `new_path`), NOT_FOUND (no store), NO_SPACE, IO with a problem: nothing was made. */
ORDO_MUST_USE ordo_err ordo_repair_store(struct ordo_repair *repair, const char *path, const char *new_path,
                                       struct ordo_problem *problem);
/* Repairs the documents that damaged tables touched (core/damage.h), in the store itself, which is sound otherwise: it takes as
 * long as they do. Counts only them. LOCKED, CORRUPT (more is damaged), IO with a problem: nothing was changed. */
ORDO_MUST_USE ordo_err ordo_repair_damage(struct ordo_repair *repair, const char *path, struct ordo_problem *problem);

#endif
