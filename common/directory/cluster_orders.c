/* Keys that belong to one process, and orders to move slots. */
#include "common/directory/cluster_change.h"

#include <stdio.h>
#include <string.h>

#include "common/directory/attempt.h"

/* ---- keys that belong to one process: gateways, holds, the balancer */

struct own_wish {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_process_id process; /* whose key it is */
    struct ordo_buffer value;
    const struct ordo_cluster_gateway *gateway; /* NULL: the key is of something else */
    bool replaces;                              /* an entry of the same gateway in an earlier life */
    /* Who has the key now. */
    const char *(*decode)(const struct ordo_directory_item *item, struct ordo_process_id *process_out);
};

static const char *gateway_process(const struct ordo_directory_item *item, struct ordo_process_id *out) {
    struct ordo_cluster_gateway gateway;
    const char *wrong = ordo_cluster_gateway_decode(item, &gateway);
    *out = gateway.process;
    return wrong;
}

static const char *hold_process(const struct ordo_directory_item *item, struct ordo_process_id *out) {
    struct ordo_cluster_hold hold;
    const char *wrong = ordo_cluster_hold_decode(item, &hold);
    *out = hold.process;
    return wrong;
}

static const char *balancer_process(const struct ordo_directory_item *item, struct ordo_process_id *out) {
    return ordo_cluster_balancer_decode(item->value, out);
}

/* The item if it is this process's or nobody's (then NULL). LOCKED: it is another's. */
static ordo_err find_own(struct ordo_attempt *attempt, const struct own_wish *wish,
                         const struct ordo_directory_item **out) {
    struct ordo_process_id process;
    *out = ordo_directory_find(attempt->view, wish->key);
    if (*out == NULL) return ORDO_OK;
    const char *wrong = wish->decode(*out, &process);
    if (wrong != NULL) {
        ordo_problem_set(attempt->problem, "The key %s of the directory does not read: it %s.", wish->key, wrong);
        return ORDO_ERR_CORRUPT;
    }
    if (ordo_process_id_equal(&process, &wish->process)) return ORDO_OK;
    ordo_problem_set(attempt->problem, "Another process has %s in the directory.", wish->key);
    return ORDO_ERR_LOCKED;
}

/* Only one process listens at an address, and this one does: whoever entered it was killed. */
static bool is_predecessor(const struct own_wish *wish, const struct ordo_directory_item *item) {
    struct ordo_cluster_gateway known;
    return wish->replaces && wish->gateway->url[0] != '\0' && ordo_cluster_gateway_decode(item, &known) == NULL &&
           strcmp(known.url, wish->gateway->url) == 0;
}

static ordo_err decide_put_own(struct ordo_attempt *attempt) {
    const struct own_wish *wish = attempt->wish;
    const struct ordo_directory_item *known;
    const struct ordo_cluster_gateway *gateway = wish->gateway;
    ordo_err err = find_own(attempt, wish, &known);
    if (err == ORDO_ERR_LOCKED && is_predecessor(wish, known)) err = ORDO_OK;
    if (!err && gateway != NULL)
        err = ordo_attempt_check_format(attempt, gateway->reads_format_min, gateway->reads_format_max);
    if (err) return err;
    ordo_directory_put_leased(attempt->changes, wish->key, ordo_buffer_slice(&wish->value));
    if (gateway != NULL) ordo_directory_check(attempt->changes, ORDO_KEY_TABLE); /* its level stays what was looked at */
    return ORDO_OK;
}

static ordo_err decide_delete_own(struct ordo_attempt *attempt) {
    const struct own_wish *wish = attempt->wish;
    const struct ordo_directory_item *known;
    ordo_err err = find_own(attempt, wish, &known);
    if (err == ORDO_ERR_LOCKED) return ORDO_OK; /* there is nothing of this process */
    if (!err && known != NULL) ordo_directory_delete(attempt->changes, wish->key);
    return err;
}

static ordo_err put_own(struct ordo_directory *directory, struct own_wish *wish, struct ordo_problem *problem) {
    ordo_err err = ordo_attempt(directory, decide_put_own, wish, problem);
    ordo_buffer_finish(&wish->value);
    return err;
}

static ordo_err register_gateway(struct ordo_directory *directory, const struct ordo_cluster_gateway *gateway, bool replaces,
                                 struct ordo_problem *problem) {
    ordo_err err = ordo_attempt_check_name(gateway->name, problem);
    if (!err) err = ordo_attempt_check_text("URL of the gateway", gateway->url, problem);
    if (err) return err;
    struct own_wish wish = {.process = gateway->process, .decode = gateway_process, .gateway = gateway, .replaces = replaces};
    ordo_cluster_key_gateway(wish.key, gateway->name);
    ordo_cluster_gateway_encode(&wish.value, gateway);
    return put_own(directory, &wish, problem);
}

ordo_err ordo_cluster_register_gateway(struct ordo_directory *directory, const struct ordo_cluster_gateway *gateway,
                                       struct ordo_problem *problem) {
    return register_gateway(directory, gateway, false, problem);
}

ordo_err ordo_cluster_enter_gateway(struct ordo_directory *directory, const struct ordo_cluster_gateway *gateway,
                                    struct ordo_problem *problem) {
    return register_gateway(directory, gateway, true, problem);
}

ordo_err ordo_cluster_hold_moves(struct ordo_directory *directory, const struct ordo_cluster_hold *hold,
                                 struct ordo_problem *problem) {
    ordo_err err = ordo_attempt_check_name(hold->name, problem);
    if (err) return err;
    struct own_wish wish = {.process = hold->process, .decode = hold_process};
    ordo_cluster_key_hold(wish.key, hold->name);
    ordo_cluster_hold_encode(&wish.value, hold);
    return put_own(directory, &wish, problem);
}

ordo_err ordo_cluster_release_moves(struct ordo_directory *directory, const struct ordo_cluster_hold *hold,
                                    struct ordo_problem *problem) {
    ordo_err err = ordo_attempt_check_name(hold->name, problem);
    if (err) return err;
    struct own_wish wish = {.process = hold->process, .decode = hold_process};
    ordo_cluster_key_hold(wish.key, hold->name);
    return ordo_attempt(directory, decide_delete_own, &wish, problem);
}

ordo_err ordo_cluster_elect(struct ordo_directory *directory, const struct ordo_process_id *process,
                            struct ordo_problem *problem) {
    struct own_wish wish = {.key = ORDO_KEY_BALANCER, .process = *process, .decode = balancer_process};
    ordo_cluster_balancer_encode(&wish.value, process);
    return put_own(directory, &wish, problem);
}

static ordo_err decide_balance(struct ordo_attempt *attempt) {
    struct ordo_buffer value = {0};
    ordo_cluster_balance_encode(&value, *(const bool *)attempt->wish);
    ordo_attempt_put(attempt, ORDO_KEY_BALANCE, &value);
    ordo_directory_regardless(attempt->changes); /* also of what does not read */
    return ORDO_OK;
}

ordo_err ordo_cluster_set_balance(struct ordo_directory *directory, bool is_off, struct ordo_problem *problem) {
    return ordo_attempt(directory, decide_balance, &is_off, problem);
}

/* ---- moves */

struct order_wish {
    const uint16_t *slots; /* as many as fit into one step */
    size_t slot_count;
    const struct ordo_store_id *target;
    bool is_by_balancer;
};

static void order_move(struct ordo_attempt *attempt, const struct order_wish *wish, uint16_t slot) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    struct ordo_cluster_move move = {.slot = slot, .target = *wish->target, .is_by_balancer = wish->is_by_balancer};
    ordo_cluster_key_move(key, slot);
    ordo_cluster_move_encode(&value, &move);
    ordo_attempt_put(attempt, key, &value);
}

static bool is_among(const uint16_t *slots, size_t count, uint16_t slot) {
    for (size_t i = 0; i < count; i++) {
        if (slots[i] == slot) return true;
    }
    return false;
}

static ordo_err decide_order(struct ordo_attempt *attempt) {
    const struct order_wish *wish = attempt->wish;
    const struct ordo_cluster_table *table = &attempt->cluster->table;
    const struct ordo_cluster_store *target;
    char key[ORDO_CLUSTER_KEY_SIZE];
    ordo_err err = ordo_attempt_need_store(attempt, wish->target, &target);
    if (!err) err = ordo_attempt_check_format(attempt, target->reads_format_min, target->reads_format_max);
    if (err) return err;
    if (target->is_forgotten)
        return ordo_attempt_fails(attempt, ORDO_ERR_INVALID, "That store was forgotten: nothing can go to it.");
    for (size_t i = 0; i < wish->slot_count; i++) {
        ordo_cluster_key_move(key, wish->slots[i]);
        if (is_among(wish->slots, i, wish->slots[i])) continue; /* people write what they like */
        bool is_ordered = ordo_directory_find(attempt->view, key) != NULL; /* one that does not read, too */
        bool is_there = ordo_store_id_equal(&table->placement.slots[wish->slots[i]].store, wish->target);
        if (!is_there && !(is_ordered && wish->is_by_balancer)) order_move(attempt, wish, wish->slots[i]);
        if (is_there && is_ordered && !wish->is_by_balancer)
            ordo_directory_delete(attempt->changes, key); /* it shall stay */
    }
    return ORDO_OK;
}

ordo_err ordo_cluster_order_moves(struct ordo_directory *directory, const uint16_t *slots, size_t slot_count,
                                  const struct ordo_store_id *target, bool is_by_balancer,
                                  struct ordo_problem *problem) {
    ordo_err err = ORDO_OK;
    for (size_t begin = 0; !err && begin < slot_count; begin += ORDO_DIRECTORY_CHANGES_MAX) {
        size_t count = slot_count - begin;
        if (count > ORDO_DIRECTORY_CHANGES_MAX) count = ORDO_DIRECTORY_CHANGES_MAX;
        struct order_wish wish = {slots + begin, count, target, is_by_balancer};
        err = ordo_attempt(directory, decide_order, &wish, problem);
    }
    return err;
}

struct end_wish {
    uint16_t slot;
    const struct ordo_store_id *target;
    const char *failure;
};

static ordo_err decide_end(struct ordo_attempt *attempt) {
    const struct end_wish *wish = attempt->wish;
    const struct ordo_cluster_move *known = ordo_cluster_move(attempt->cluster, wish->slot);
    if (known == NULL || !ordo_store_id_equal(&known->target, wish->target)) return ORDO_OK;
    char key[ORDO_CLUSTER_KEY_SIZE];
    ordo_cluster_key_move(key, wish->slot);
    if (wish->failure == NULL || wish->failure[0] == '\0') {
        ordo_directory_delete(attempt->changes, key);
        return ORDO_OK;
    }
    struct ordo_cluster_move move = *known;
    struct ordo_buffer value = {0};
    snprintf(move.failure, sizeof move.failure, "%s", wish->failure);
    ordo_cluster_move_encode(&value, &move);
    ordo_attempt_put(attempt, key, &value);
    return ORDO_OK;
}

ordo_err ordo_cluster_end_move(struct ordo_directory *directory, uint16_t slot, const struct ordo_store_id *target,
                               const char *failure, struct ordo_problem *problem) {
    struct end_wish wish = {slot, target, failure};
    ordo_err err = failure != NULL ? ordo_attempt_check_text("reason of the failure", failure, problem) : ORDO_OK;
    return err ? err : ordo_attempt(directory, decide_end, &wish, problem);
}
