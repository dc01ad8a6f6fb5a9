/* common/directory/order_plan.h: a plan of balance.h, written down as orders. */
#ifndef ORDO_DIRECTORY_ORDER_PLAN_H
#define ORDO_DIRECTORY_ORDER_PLAN_H

#include "common/directory/balance.h"
#include "common/directory/cluster_change.h"

/* One change of the directory per target. Sorts `moves`. Errors as ordo_cluster_order_moves; then some may have been ordered. */
ORDO_MUST_USE ordo_err ordo_cluster_order_plan(struct ordo_directory *directory, struct ordo_balance_move *moves, size_t count,
                                               bool is_by_balancer, struct ordo_problem *problem);

#endif
