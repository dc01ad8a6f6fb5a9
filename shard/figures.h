/* shard/figures.h: what a shard tells of itself to whoever asks: over its side link (`ordo status`), at /metrics.
 *
 * The sequencing thread puts its figures down a few times a second and each turn's time to commit as it goes; any thread
 * reads the newest. So the answer comes while the sequencing thread waits for the disk, and is as old as that wait. */
#ifndef ORDO_SHARD_FIGURES_H
#define ORDO_SHARD_FIGURES_H

#include "common/buckets.h"
#include "shard/core/shard.h"

#define ORDO_FIGURES_MS 250 /* put down that often, where there is anything to do */

/* How turns went, since the start: what was committed in each, and how long it took. */
struct ordo_pace {
    struct ordo_buckets commit_us;   /* per op: from its turn's first input to its durability */
    struct ordo_buckets step_us;     /* per turn: from its first input to the beginning of its write: the CPU's part */
    struct ordo_buckets sync_us;     /* per turn: write and sync: the disk's part */
    struct ordo_buckets batch_ops;   /* per turn that committed any */
    struct ordo_buckets batch_bytes; /* per turn */
};

/* What the loop knows of a turn that was written. */
struct ordo_turn_figures {
    uint64_t begun_ns, write_begun_ns, durable_ns; /* monotonic */
    uint64_t op_count, batch_size;
};

struct ordo_figures {
    struct ordo_shard_stats stats;
    struct ordo_pace pace;
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
void ordo_figures_turn(struct ordo_figures_board *board, const struct ordo_turn_figures *turn);
void ordo_figures_put(struct ordo_figures_board *board, const struct ordo_shard *shard, uint64_t monotonic_ms);
/* When `put` would do something. */
bool ordo_figures_is_due(const struct ordo_figures_board *board, uint64_t monotonic_ms);

/* From any thread. */
void ordo_figures_read(struct ordo_figures_board *board, uint64_t monotonic_ms, struct ordo_figures *out);

#endif
