#include "shard/figures.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/histogram.h"
#include "common/memory.h"

/* Latencies are those of this window and the one before; a rate spans as much. */
#define WINDOW_MS 5000

struct ordo_figures_board {
    uint64_t begun_ms, put_ms;
    uint64_t window_ms;                           /* when the present window began; of the sequencing thread, as is … */
    uint64_t window_ops, earlier_ms, earlier_ops; /* ops committed when it, and the one before it, began */
    struct ordo_histogram present, earlier, merged;
    struct ordo_pace pace;
    pthread_mutex_t mutex; /* guards `shown`, and `put_ms` for readers */
    struct ordo_figures shown;
};

struct ordo_figures_board *ordo_figures_create(uint64_t monotonic_ms) {
    struct ordo_figures_board *board = ordo_alloc(sizeof *board);
    board->begun_ms = board->put_ms = board->window_ms = board->earlier_ms = monotonic_ms;
    pthread_mutex_init(&board->mutex, NULL);
    return board;
}

void ordo_figures_destroy(struct ordo_figures_board *board) {
    if (board == NULL) return;
    pthread_mutex_destroy(&board->mutex);
    free(board);
}

void ordo_figures_turn(struct ordo_figures_board *board, const struct ordo_turn_figures *turn) {
    struct ordo_pace *pace = &board->pace;
    uint64_t commit_us = (turn->durable_ns - turn->begun_ns) / 1000;
    ordo_histogram_record(&board->present, commit_us);
    ordo_buckets_add(&pace->commit_us, commit_us, turn->op_count);
    ordo_buckets_add(&pace->step_us, (turn->write_begun_ns - turn->begun_ns) / 1000, 1);
    ordo_buckets_add(&pace->sync_us, (turn->durable_ns - turn->write_begun_ns) / 1000, 1);
    ordo_buckets_add(&pace->batch_bytes, turn->batch_size, 1);
    if (turn->op_count > 0) ordo_buckets_add(&pace->batch_ops, turn->op_count, 1);
}

bool ordo_figures_is_due(const struct ordo_figures_board *board, uint64_t monotonic_ms) {
    return monotonic_ms - board->put_ms >= ORDO_FIGURES_MS;
}

static void turn_window(struct ordo_figures_board *board, uint64_t ops, uint64_t monotonic_ms) {
    if (monotonic_ms - board->window_ms < WINDOW_MS) return;
    board->earlier = board->present;
    board->present = (struct ordo_histogram){0};
    board->earlier_ms = board->window_ms;
    board->earlier_ops = board->window_ops;
    board->window_ms = monotonic_ms;
    board->window_ops = ops;
}

static uint32_t count_owned(const struct ordo_slot_row *rows) {
    uint32_t count = 0;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) count += rows[slot].state == ORDO_SLOT_OWNED;
    return count;
}

void ordo_figures_put(struct ordo_figures_board *board, const struct ordo_shard *shard, uint64_t monotonic_ms) {
    if (!ordo_figures_is_due(board, monotonic_ms)) return;
    struct ordo_figures figures = {.stats = ordo_shard_stats(shard),
                                   .pace = board->pace,
                                   .move = ordo_shard_move_status(shard),
                                   .slot_count = count_owned(ordo_shard_slots(shard))};
    turn_window(board, figures.stats.ops_committed, monotonic_ms);
    uint64_t span_ms = monotonic_ms - board->earlier_ms;
    if (span_ms > 0)
        figures.ops_per_s = 1000.0 * (double)(figures.stats.ops_committed - board->earlier_ops) / (double)span_ms;
    board->merged = board->present;
    ordo_histogram_merge(&board->merged, &board->earlier);
    figures.commit_p50_us = ordo_histogram_percentile(&board->merged, 50);
    figures.commit_p99_us = ordo_histogram_percentile(&board->merged, 99);
    figures.commit_max_us = board->merged.max;
    pthread_mutex_lock(&board->mutex);
    board->shown = figures;
    board->put_ms = monotonic_ms;
    pthread_mutex_unlock(&board->mutex);
}

void ordo_figures_read(struct ordo_figures_board *board, uint64_t monotonic_ms, struct ordo_figures *out) {
    pthread_mutex_lock(&board->mutex);
    *out = board->shown;
    out->age_ms = monotonic_ms > board->put_ms ? monotonic_ms - board->put_ms : 0;
    pthread_mutex_unlock(&board->mutex);
    out->uptime_ms = monotonic_ms - board->begun_ms;
}
