/* tools/ordo/moving.h: waiting for slots to move, with the progress shown. */
#ifndef ORDO_TOOLS_MOVING_H
#define ORDO_TOOLS_MOVING_H

#include "tools/ordo/cluster_access.h"

/* Waits until the table shows each of `slots` at `target`, or its move has failed. Prints progress to a terminal.
 * EXIT_SUCCESS: all are there. Else what failed was printed, and its orders are taken away. */
int moving_wait(struct cluster_access *access, const bool slots[ORDO_SLOT_COUNT], const struct ordo_store_id *target);

/* Orders what the balancer would, until nothing is left to do. `only_from`: only what leaves this store; NULL: all. */
int moving_balance(struct cluster_access *access, const struct ordo_store_id *only_from);

/* A line that replaces the one before, on a terminal; "" ends it. */
__attribute__((format(printf, 1, 2))) void moving_show(const char *format, ...);

#endif
