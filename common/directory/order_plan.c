#include "common/directory/order_plan.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
    const struct ordo_balance_move *x = a, *y = b;
    int order = memcmp(x->target.bytes, y->target.bytes, sizeof x->target.bytes);
    return order != 0 ? order : (x->slot > y->slot) - (x->slot < y->slot);
}

ordo_err ordo_cluster_order_plan(struct ordo_directory *directory, struct ordo_balance_move *moves, size_t count,
                                 bool is_by_balancer, struct ordo_problem *problem) {
    uint16_t slots[ORDO_SLOT_COUNT];
    qsort(moves, count, sizeof *moves, compare);
    for (size_t i = 0; i < count;) {
        const struct ordo_store_id target = moves[i].target;
        size_t slot_count = 0;
        while (i < count && ordo_store_id_equal(&moves[i].target, &target)) slots[slot_count++] = moves[i++].slot;
        ordo_err err = ordo_cluster_order_moves(directory, slots, slot_count, &target, is_by_balancer, problem);
        if (err) return err;
    }
    return ORDO_OK;
}
