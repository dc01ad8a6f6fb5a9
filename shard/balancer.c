/* The balancer: one process of the cluster, elected through the directory, orders moves so that every store has its share.
 * The plan is common/directory/balance.h's. */
#include "common/directory/order_plan.h"
#include "common/log.h"
#include "shard/registrar_impl.h"

#define BALANCE_MS 200
/* Orders that wait at once: enough that no shard waits for the next one, few enough that a change of mind comes soon. */
#define ORDERS_MAX 64
#define FAILED_MS 30000 /* so long a slot that could not be moved is left alone */

/* Orders of ours that lead nowhere are taken away, so that the plan may have their slots again: at once where the target is
 * gone, after a while where the move has failed. */
static void forget_vain(struct ordo_registrar *registrar, uint64_t now_ms) {
    const struct ordo_cluster *cluster = registrar->cluster;
    bool forgets_failed = now_ms - registrar->forgot_failed_ms >= FAILED_MS;
    if (forgets_failed) registrar->forgot_failed_ms = now_ms;
    for (size_t i = 0; i < cluster->move_count; i++) {
        const struct ordo_cluster_move *move = &cluster->moves[i];
        struct ordo_problem problem;
        bool is_vain = move->failure[0] != '\0' ? forgets_failed : ordo_cluster_live(cluster, &move->target) == NULL;
        if (!move->is_by_balancer || !is_vain) continue;
        if (ordo_cluster_end_move(registrar->directory, move->slot, &move->target, NULL, &problem) != ORDO_OK) return;
    }
}

static size_t count_waiting(const struct ordo_cluster *cluster) {
    size_t count = 0;
    for (size_t i = 0; i < cluster->move_count; i++) count += cluster->moves[i].failure[0] == '\0';
    return count;
}

void registrar_balance(struct ordo_registrar *registrar, uint64_t now_ms) {
    const struct ordo_cluster *cluster = registrar->cluster;
    if (registrar->config->is_balance_off || !registrar_can_ask(registrar) || !cluster->has_table) return;
    if (registrar->member_count == 0 || now_ms - registrar->balanced_ms < BALANCE_MS) return;
    registrar->balanced_ms = now_ms;
    static const struct ordo_process_id none;
    struct ordo_problem problem = {{0}};
    if (ordo_process_id_equal(&cluster->balancer, &none)) {
        if (ordo_cluster_elect(registrar->directory, &registrar->process, &problem) == ORDO_OK)
            log_info("event=balancer_elected");
        return;
    }
    if (!ordo_process_id_equal(&cluster->balancer, &registrar->process)) return;
    if (cluster->balance_is_off || cluster->hold_count > 0) return;
    forget_vain(registrar, now_ms);
    size_t waiting = count_waiting(cluster);
    if (waiting > ORDERS_MAX / 2) return;
    struct ordo_balance_move moves[ORDERS_MAX];
    size_t count = ordo_balance_plan(cluster, NULL, moves, ORDERS_MAX - waiting);
    if (count > 0 && ordo_cluster_order_plan(registrar->directory, moves, count, true, &problem))
        log_warn("event=balance_failed reason=\"%s\"", log_quoted(problem.text));
}
