/* ordo move, drain, rebalance, balance: who has which slots. Each writes what is wanted into the directory and waits for
 * the shards to do it; what is ordered is done also when nobody waits. */
#include <stdlib.h>
#include <string.h>

#include "tools/ordo/command.h"
#include "tools/ordo/moving.h"

enum { ORDER_SLOTS_MAX = 32 }; /* in one change of the directory */

/* ---- ordo move */

struct move {
    const char *slots_text, *to;
    bool slots[ORDO_SLOT_COUNT];
    bool no_wait;
};

static int order_all(struct cluster_access *access, const bool slots[ORDO_SLOT_COUNT], const struct ordo_store_id *target) {
    uint16_t numbers[ORDER_SLOTS_MAX];
    struct ordo_problem problem = {{0}};
    size_t count = 0;
    for (uint16_t slot = 0; slot <= ORDO_SLOT_COUNT; slot++) {
        if (slot < ORDO_SLOT_COUNT && slots[slot]) numbers[count++] = slot;
        if (count < ORDER_SLOTS_MAX && slot < ORDO_SLOT_COUNT) continue;
        if (count > 0 && ordo_cluster_order_moves(access->directory, numbers, count, target, false, &problem))
            return ordo_command_fail("%s", problem.text);
        count = 0;
    }
    return EXIT_SUCCESS;
}

static int give_slots(struct cluster_access *access, void *context) {
    const struct move *move = context;
    int status = cluster_access_need_table(access);
    if (status != EXIT_SUCCESS) return status;
    const struct ordo_cluster_store *store = cluster_access_store(access, move->to);
    if (store == NULL) return EXIT_FAILURE;
    const struct ordo_store_id target = store->id;
    status = order_all(access, move->slots, &target);
    if (status != EXIT_SUCCESS || move->no_wait) return status;
    status = cluster_access_refresh(access, 0);
    return status == EXIT_SUCCESS ? moving_wait(access, move->slots, &target) : status;
}

int ordo_move_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    struct move move = {0};
    const struct ordo_option options[] = {
        {"--to", "SHARD", "its name, or the beginning of its id", ORDO_OPTION_TEXT, &move.to},
        {"--no-wait", NULL, "order it, and do not wait until it is done", ORDO_OPTION_FLAG, &move.no_wait},
        CLUSTER_OPTIONS(words),
    };
    struct ordo_words parsed = {.items = &move.slots_text, .capacity = 1};
    int status;
    if (!ordo_command_parse(
            "ordo move SLOTS --to SHARD [OPTIONS]\n\nMoves slots, 12 or 0-99,512 or all, while they are used. "
            "Stopping this command does not stop the move.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    if (!cluster_slots_parse(move.slots_text, move.slots))
        return ordo_command_misuse("move", "SLOTS wants 12, 0-99,512 or all; slots are 0 to 1023");
    if (move.to == NULL) return ordo_command_misuse("move", "--to SHARD is missing");
    return cluster_access_with(&words, give_slots, &move);
}

/* ---- ordo drain */

struct drain {
    const char *name;
    bool is_undone, no_wait;
};

static bool has_slots(const struct ordo_cluster *cluster, const struct ordo_store_id *store) {
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (ordo_store_id_equal(&cluster->table.placement.slots[slot].store, store)) return true;
    }
    return false;
}

static int empty_shard(struct cluster_access *access, void *context) {
    const struct drain *drain = context;
    struct ordo_problem problem = {{0}};
    const struct ordo_cluster_store *store = cluster_access_store(access, drain->name);
    if (store == NULL) return EXIT_FAILURE;
    const struct ordo_store_id id = store->id;
    if (ordo_cluster_set_draining(access->directory, &id, !drain->is_undone, &problem))
        return ordo_command_fail("%s", problem.text);
    if (drain->is_undone || drain->no_wait) return EXIT_SUCCESS;
    int status = cluster_access_refresh(access, 0);
    if (status == EXIT_SUCCESS && ordo_cluster_live(access->cluster, &id) == NULL)
        return ordo_command_fail("%s does not run, so its slots cannot move; they will once it does", drain->name);
    if (status == EXIT_SUCCESS) status = moving_balance(access, &id);
    if (status == EXIT_SUCCESS && has_slots(access->cluster, &id))
        return ordo_command_fail("%s keeps slots that no other shard can take: `ordo status` tells more", drain->name);
    if (status == EXIT_SUCCESS) printf("%s has no slots any more: stop it, and remove its store if you like\n", drain->name);
    return status;
}

int ordo_drain_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    struct drain drain = {0};
    const struct ordo_option options[] = {
        {"--undo", NULL, "let it have slots again", ORDO_OPTION_FLAG, &drain.is_undone},
        {"--no-wait", NULL, "say so, and leave it to the balancer", ORDO_OPTION_FLAG, &drain.no_wait},
        CLUSTER_OPTIONS(words),
    };
    struct ordo_words parsed = {.items = &drain.name, .capacity = 1};
    int status;
    if (!ordo_command_parse(
            "ordo drain SHARD [OPTIONS]\n\nMoves all slots of a shard to the others, and gives it no more.\n", options,
            sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    return cluster_access_with(&words, empty_shard, &drain);
}

/* ---- ordo rebalance, ordo balance */

static int even_out(struct cluster_access *access, void *context) {
    (void)context;
    int status = cluster_access_need_table(access);
    return status == EXIT_SUCCESS ? moving_balance(access, NULL) : status;
}

static int set_balance(struct cluster_access *access, void *is_off) {
    struct ordo_problem problem = {{0}};
    ordo_err err = ordo_cluster_set_balance(access->directory, *(bool *)is_off, &problem);
    return err ? ordo_command_fail("%s", problem.text) : EXIT_SUCCESS;
}

int ordo_rebalance_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const struct ordo_option options[] = {CLUSTER_OPTIONS(words)};
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse(
            "ordo rebalance [OPTIONS]\n\nMoves slots until every shard has its share, once, also where balancing is "
            "switched off.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    return cluster_access_with(&words, even_out, NULL);
}

int ordo_balance_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const char *word;
    const struct ordo_option options[] = {CLUSTER_OPTIONS(words)};
    struct ordo_words parsed = {.items = &word, .capacity = 1};
    int status;
    if (!ordo_command_parse(
            "ordo balance on|off [OPTIONS]\n\nWhether slots move by themselves, so that every shard has its share.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    bool is_off = strcmp(word, "off") == 0;
    if (!is_off && strcmp(word, "on") != 0) return ordo_command_misuse("balance", "say on or off");
    return cluster_access_with(&words, set_balance, &is_off);
}
