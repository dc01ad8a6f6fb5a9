/* Orders to move slots: from the directory to the shard that has the slot, and what became of them back.
 *
 * An order stays in the directory until it is done or has failed, so nothing is lost with a process: who has the slot then
 * gives the order to its shard (again). */
#include <stdio.h>

#include "common/log.h"
#include "shard/registrar_impl.h"

static struct order *find(struct member *member, uint16_t slot) {
    for (size_t i = 0; i < member->order_count; i++) {
        if (member->orders[i].slot == slot) return &member->orders[i];
    }
    return NULL;
}

static void remove_order(struct member *member, struct order *order) { *order = member->orders[--member->order_count]; }

/* ---- from the shard */

void member_take_ends(struct ordo_registrar *registrar, struct member *member, const struct ordo_report *report) {
    (void)registrar;
    for (size_t i = 0; i < report->end_count; i++) {
        const struct ordo_move_end *end = &report->ends[i];
        struct order *order = find(member, end->slot);
        log_info("event=move_ended name=%s slot=%u done=%d reason=\"%s\"", member->live.name, end->slot, end->is_done,
                 end->reason);
        if (order == NULL) continue;
        if (end->is_done) {
            order->state = ORDER_DONE;
        } else if (order->state == ORDER_CANCELLED) {
            remove_order(member, order); /* if it still stands in the directory, it is given again */
        } else {
            order->state = ORDER_FAILED;
            snprintf(order->reason, sizeof order->reason, "%s", end->reason[0] != '\0' ? end->reason : "It failed.");
        }
    }
}

/* ---- to the directory */

/* True: the directory knows. */
static bool tell_end(struct ordo_registrar *registrar, uint16_t slot, const struct ordo_store_id *target,
                     const char *failure) {
    struct ordo_problem problem = {{0}};
    ordo_err err = ordo_cluster_end_move(registrar->directory, slot, target, failure, &problem);
    if (err) log_warn("event=move_end_untold slot=%u reason=\"%s\"", slot, log_quoted(problem.text));
    return !err || !registrar_may_retry(err);
}

/* Stops at the first that cannot be told: a directory that does not answer takes seconds to say so. */
static void tell_ends(struct ordo_registrar *registrar, struct member *member) {
    for (size_t i = 0; i < member->order_count;) {
        struct order *order = &member->orders[i];
        if (order->state != ORDER_DONE && order->state != ORDER_FAILED) {
            i++;
            continue;
        }
        const char *failure = order->state == ORDER_FAILED ? order->reason : NULL;
        if (!tell_end(registrar, order->slot, &order->target, failure)) return;
        remove_order(member, order);
    }
}

/* ---- to the shard */

static bool is_wanted(const struct ordo_cluster *cluster, const struct order *order) {
    const struct ordo_cluster_move *move = ordo_cluster_move(cluster, order->slot);
    return move != NULL && move->failure[0] == '\0' && ordo_store_id_equal(&move->target, &order->target) &&
           cluster->hold_count == 0;
}

static void cancel_unwanted(struct ordo_registrar *registrar, struct member *member) {
    for (size_t i = 0; i < member->order_count; i++) {
        struct order *order = &member->orders[i];
        if (order->state != ORDER_GIVEN || is_wanted(registrar->cluster, order)) continue;
        order->state = ORDER_CANCELLED;
        ordo_mail_put_order(ordo_host_mail(member->host), &(struct ordo_order){order->slot, order->target, true});
    }
}

static bool is_served(const struct ordo_cluster *cluster, const struct ordo_store_id *store) {
    const struct ordo_cluster_live *live = ordo_cluster_live(cluster, store);
    return live != NULL && live->data_endpoint[0] != '\0';
}

static void give(struct member *member, const struct ordo_cluster_move *move) {
    member->orders[member->order_count++] = (struct order){move->slot, move->target, ORDER_GIVEN, ""};
    ordo_mail_put_order(ordo_host_mail(member->host), &(struct ordo_order){move->slot, move->target, false});
    log_info("event=move_ordered name=%s slot=%u", member->live.name, move->slot);
}

static void give_wanted(struct ordo_registrar *registrar, struct member *member) {
    const struct ordo_cluster *cluster = registrar->cluster;
    for (size_t i = 0; i < cluster->move_count && member->order_count < ORDO_ORDERS_MAX; i++) {
        const struct ordo_cluster_move *move = &cluster->moves[i];
        bool is_ours = member->slots[move->slot].state == ORDO_SLOT_OWNED;
        if (move->failure[0] != '\0' || !is_ours || find(member, move->slot) != NULL) continue;
        if (ordo_store_id_equal(&move->target, &member->id)) {
            /* It has arrived; who gave it may have died since. */
            if (!tell_end(registrar, move->slot, &move->target, NULL)) return;
        } else if (cluster->hold_count == 0 && is_served(cluster, &move->target)) {
            give(member, move);
        }
    }
}

void member_step_orders(struct ordo_registrar *registrar, struct member *member) {
    tell_ends(registrar, member);
    cancel_unwanted(registrar, member);
    give_wanted(registrar, member);
}
