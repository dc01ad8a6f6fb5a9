#include "tools/ordo/moving.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/directory/order_plan.h"
#include "tools/ordo/command.h"

enum { LOOK_MS = 200, ORDERS_MAX = 64, PATIENCE_MS = 60000 };

void moving_show(const char *format, ...) {
    if (!isatty(STDERR_FILENO)) return;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "\r\033[K");
    vfprintf(stderr, format, args);
    fflush(stderr);
    va_end(args);
}

/* ---- orders to one store */

/* What one look at the slots sees. */
struct progress {
    unsigned done, failed, waiting;
};

static struct progress look(struct cluster_access *access, const bool slots[ORDO_SLOT_COUNT],
                            const struct ordo_store_id *target) {
    struct progress progress = {0};
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (!slots[slot]) continue;
        const struct ordo_cluster_move *move = ordo_cluster_move(access->cluster, slot);
        if (ordo_store_id_equal(&access->cluster->table.placement.slots[slot].store, target)) {
            progress.done++;
        } else if (move != NULL && move->failure[0] == '\0') {
            progress.waiting++;
        } else {
            progress.failed++;
        }
    }
    return progress;
}

static void report_failures(struct cluster_access *access, const bool slots[ORDO_SLOT_COUNT],
                            const struct ordo_store_id *target) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_cluster_move *move = ordo_cluster_move(access->cluster, slot);
        if (!slots[slot] || ordo_store_id_equal(&access->cluster->table.placement.slots[slot].store, target)) continue;
        struct ordo_problem unheard;
        ordo_command_fail("slot %u was not moved: %s", slot,
                          move != NULL ? move->failure : "its order was replaced by another");
        if (move == NULL) continue;
        ordo_err err = ordo_cluster_end_move(access->directory, slot, &move->target, NULL, &unheard);
        (void)err; /* it stays, and `ordo status` shows it */
    }
}

int moving_wait(struct cluster_access *access, const bool slots[ORDO_SLOT_COUNT], const struct ordo_store_id *target) {
    for (;;) {
        struct progress progress = look(access, slots, target);
        unsigned count = progress.done + progress.failed + progress.waiting;
        moving_show("moved %u of %u slots%s", progress.done, count,
                    access->cluster->hold_count > 0 ? " (held by a backup)" : "");
        if (progress.waiting == 0) {
            moving_show("%s", "");
            if (progress.failed > 0) report_failures(access, slots, target);
            return progress.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        int status = cluster_access_refresh(access, LOOK_MS);
        if (status != EXIT_SUCCESS) return status;
    }
}

/* ---- many orders to many */

static unsigned count_waiting(const struct ordo_cluster *cluster) {
    unsigned count = 0;
    for (size_t i = 0; i < cluster->move_count; i++) count += cluster->moves[i].failure[0] == '\0';
    return count;
}

static bool is_from(const struct ordo_cluster *cluster, uint16_t slot, const struct ordo_store_id *store) {
    return store == NULL || ordo_store_id_equal(&cluster->table.placement.slots[slot].store, store);
}

/* Returns how many were ordered; -1: a message was printed. */
static int order_some(struct cluster_access *access, const struct ordo_store_id *only_from) {
    static struct ordo_balance_move moves[ORDO_SLOT_COUNT];
    struct ordo_problem problem = {{0}};
    size_t count = ordo_balance_plan(access->cluster, NULL, moves, ORDO_SLOT_COUNT), kept = 0;
    for (size_t i = 0; i < count && kept < ORDERS_MAX; i++) {
        if (is_from(access->cluster, moves[i].slot, only_from)) moves[kept++] = moves[i];
    }
    if (ordo_cluster_order_plan(access->directory, moves, kept, false, &problem) == ORDO_OK) return (int)kept;
    ordo_command_fail("%s", problem.text);
    return -1;
}

/* What failed before may be tried again. */
static void forget_failed(struct cluster_access *access) {
    for (size_t i = 0; i < access->cluster->move_count; i++) {
        const struct ordo_cluster_move *move = &access->cluster->moves[i];
        struct ordo_problem unheard; /* then it is left alone */
        if (move->failure[0] == '\0') continue;
        ordo_err err = ordo_cluster_end_move(access->directory, move->slot, &move->target, NULL, &unheard);
        (void)err;
    }
}

int moving_balance(struct cluster_access *access, const struct ordo_store_id *only_from) {
    uint64_t moved_ms = ordo_clock_monotonic_ms();
    unsigned last_waiting = 0;
    forget_failed(access);
    int read = cluster_access_refresh(access, 0);
    if (read != EXIT_SUCCESS) return read;
    for (;;) {
        unsigned waiting = count_waiting(access->cluster);
        if (waiting != last_waiting) moved_ms = ordo_clock_monotonic_ms();
        last_waiting = waiting;
        moving_show("%u slots on their way%s", waiting, access->cluster->hold_count > 0 ? " (held by a backup)" : "");
        if (waiting == 0) {
            int ordered = order_some(access, only_from);
            if (ordered < 0) return EXIT_FAILURE;
            if (ordered == 0) break;
        }
        if (ordo_clock_monotonic_ms() - moved_ms > PATIENCE_MS && access->cluster->hold_count == 0)
            return ordo_command_fail("nothing has moved for %d s; `ordo status` tells why", PATIENCE_MS / 1000);
        int status = cluster_access_refresh(access, LOOK_MS);
        if (status != EXIT_SUCCESS) return status;
    }
    moving_show("%s", "");
    return EXIT_SUCCESS;
}
