/* shard/core/counters.h: everything that a shard's core counts. One line here makes the field of struct ordo_shard_stats,
 * named like this, and what Prometheus gets: `ordo_shard_<field>_total` of a COUNTER, `ordo_shard_<field>` of a GAUGE.
 * (docs/metrics.md wants a line, too; a test says so.) */
#ifndef ORDO_SHARD_CORE_COUNTERS_H
#define ORDO_SHARD_CORE_COUNTERS_H

#include "proto/codes.h"

#define ORDO_SHARD_STATS(COUNTER, GAUGE)                                                                                \
    COUNTER(ops_committed, "Ops that got their place in a document's order.")                                           \
    COUNTER(ops_refused, "Submits that were refused; nacks_total has them by code.")                                    \
    COUNTER(ops_duplicate, "Submits that were recognised as committed before.")                                         \
    COUNTER(turns, "Batches that were written and synced.")                                                             \
    COUNTER(inputs, "Messages from gateways that were worked on.")                                                      \
    GAUGE(documents, "Documents in memory.")                                                                            \
    GAUGE(subscribers, "Openings of documents, over all gateways.")                                                     \
    GAUGE(viewers, "Openings that may write and find no place among a document's writers.")                               \
    GAUGE(gateways, "Gateways that are linked.")                                                                        \
    GAUGE(jobs_running, "Jobs that helpers have, or that wait for a turn to be durable.")                               \
    GAUGE(recent_bytes, "Committed ops that are kept in memory.")                                                       \
    COUNTER(snapshots, "Snapshots that were made.")                                                                     \
    COUNTER(truncations, "Times that ops left a document's log.")                                                       \
    COUNTER(ops_truncated, "Ops that left the logs for packed history.")                                                \
    COUNTER(clients_forgotten, "Entries for recognising duplicates that were forgotten for their age or number.")       \
    COUNTER(moves_done, "Slots that were given to another shard.")                                                      \
    COUNTER(moves_failed, "Moves that ended with the slot where it was.")                                               \
    COUNTER(loads, "Documents that were loaded from disk.")                                                             \
    COUNTER(rebases_far, "Submits so far behind that a helper had to rebase them.")                                     \
    COUNTER(commits_dropped, "Commits that a gateway without credit missed before its resync.")                         \
    COUNTER(writers_turned_away, "Times that somebody became a viewer because a document had its writers.")               \
    COUNTER(viewers_admitted, "Times that a viewer got a place among a document's writers.")                             \
    COUNTER(documents_damaged, "Times that stored data of a document did not read: it answers an error.")               \
    COUNTER(documents_erased, "Documents that were forgotten for good.")

struct ordo_shard_stats {
#define ORDO_SHARD_FIELD(name, help) uint64_t name;
    ORDO_SHARD_STATS(ORDO_SHARD_FIELD, ORDO_SHARD_FIELD)
#undef ORDO_SHARD_FIELD
    uint64_t nacks[ORDO_NACK_CODE_COUNT];     /* by code */
    uint64_t refusals[ORDO_ERROR_CODE_COUNT]; /* of Attaches, by code */
};

#endif
