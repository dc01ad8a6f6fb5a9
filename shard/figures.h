/* shard/figures.h: what a shard tells of itself to whoever asks over its side link (`ordo status`).
 *
 * The sequencing thread puts its figures down a few times a second and each turn's time to commit as it goes; any thread
 * reads the newest. So the answer comes while the sequencing thread waits for the disk, and is as old as that wait. */
#ifndef ORDO_SHARD_FIGURES_H
#define ORDO_SHARD_FIGURES_H

#include "shard/core/shard.h"

#define ORDO_FIGURES_MS 250 /* put down that often, where there is anything to do */

struct ordo_figures {
    struct ordo_shard_stats stats;
    double ops_per_s;                                     /* committed, over the last few seconds */
    uint64_t commit_p50_us, commit_p99_us, commit_max_us; /* from a turn's first input to its durability; last few seconds */
    struct ordo_move_status move;
    uint32_t slot_count;                                  /* that it owns */
    uint64_t uptime_ms;
    uint64_t age_ms; /* since they were put down */
};

struct ordo_figures_board;

struct ordo_figures_board *ordo_figures_create(uint64_t monotonic_ms);
void ordo_figures_destroy(struct ordo_figures_board *board); /* NULL is fine */

/* From the sequencing thread. `put` does nothing before ORDO_FIGURES_MS have passed. */
void ordo_figures_commit(struct ordo_figures_board *board, uint64_t duration_us);
void ordo_figures_put(struct ordo_figures_board *board, const struct ordo_shard *shard, uint64_t monotonic_ms);
/* When `put` would do something. */
bool ordo_figures_is_due(const struct ordo_figures_board *board, uint64_t monotonic_ms);

/* From any thread. */
void ordo_figures_read(struct ordo_figures_board *board, uint64_t monotonic_ms, struct ordo_figures *out);

#endif
