/* ordo forget-shard: the store of a shard is lost for good. Its slots are given to others, who begin them without a
 * document: that is the loss, and the way out of slots that nobody can ever serve again. */
#include <stdlib.h>
#include <string.h>

#include "tools/ordo/command.h"
#include "tools/ordo/moving.h"

static void slots_of(const struct ordo_cluster *cluster, const struct ordo_store_id *store, bool slots[ORDO_SLOT_COUNT]) {
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++)
        slots[slot] = ordo_store_id_equal(&cluster->table.placement.slots[slot].store, store);
}

static size_t count(const bool slots[ORDO_SLOT_COUNT]) {
    size_t number = 0;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) number += slots[slot];
    return number;
}

/* The live stores that may have slots, or the one that was named, one after the other. NULL: there is none. */
static const struct ordo_cluster_live *heir(const struct ordo_cluster *cluster, const struct ordo_store_id *only, size_t number) {
    const struct ordo_cluster_live *heirs[64];
    size_t heir_count = 0;
    for (size_t i = 0; i < cluster->live_count && heir_count < 64; i++) {
        const struct ordo_cluster_store *store = ordo_cluster_store(cluster, &cluster->live[i].id);
        bool may_have = store != NULL && !store->is_draining && !store->is_forgotten &&
                        (ordo_store_id_is_none(only) || ordo_store_id_equal(&store->id, only));
        if (may_have && cluster->live[i].data_endpoint[0] != '\0') heirs[heir_count++] = &cluster->live[i];
    }
    return heir_count > 0 ? heirs[number % heir_count] : NULL;
}

static int give_to_heirs(struct cluster_access *access, const bool slots[ORDO_SLOT_COUNT], const struct ordo_store_id *only) {
    size_t number = count(slots);
    /* Each heir gets its part in one go, because it takes slots over while it starts anew. */
    for (size_t first = 0; first < number; first++) {
        const struct ordo_cluster_live *target = heir(access->cluster, only, first);
        uint16_t mine[ORDO_SLOT_COUNT];
        size_t mine_count = 0, seen = 0;
        if (target == NULL)
            return ordo_command_fail("no shard runs that could take the slots: start one and do this again");
        if (first > 0 && ordo_store_id_equal(&target->id, &heir(access->cluster, only, 0)->id)) break; /* all had theirs */
        for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
            if (slots[slot] && ordo_store_id_equal(&heir(access->cluster, only, seen++)->id, &target->id))
                mine[mine_count++] = slot;
        }
        struct ordo_problem problem = {{0}};
        if (ordo_cluster_order_moves(access->directory, mine, mine_count, &target->id, false, &problem))
            return ordo_command_fail("%s", problem.text);
    }
    return EXIT_SUCCESS;
}

static int wait_until_taken(struct cluster_access *access, const struct ordo_store_id *store) {
    bool slots[ORDO_SLOT_COUNT];
    for (;;) {
        slots_of(access->cluster, store, slots);
        size_t left = count(slots);
        moving_show("%zu slots are left to take over", left);
        if (left == 0) break;
        int status = cluster_access_refresh(access, 500);
        if (status != EXIT_SUCCESS) return status;
    }
    moving_show("%s", "");
    return EXIT_SUCCESS;
}

struct forgetting {
    const char *name, *heir_name;
    bool is_sure;
};

static int forget(struct cluster_access *access, void *context) {
    const struct forgetting *forgetting = context;
    const char *name = forgetting->name, *heir_name = forgetting->heir_name;
    const struct ordo_cluster_store *store = cluster_access_store(access, name);
    const struct ordo_cluster_store *named = heir_name != NULL ? cluster_access_store(access, heir_name) : NULL;
    if (store == NULL || (heir_name != NULL && named == NULL)) return EXIT_FAILURE;
    const struct ordo_store_id id = store->id, only = named != NULL ? named->id : (struct ordo_store_id){0};
    if (named == store || (named != NULL && heir(access->cluster, &only, 0) == NULL))
        return ordo_command_fail("%s cannot take slots: it does not run, or is drained or forgotten, or is the one that is lost", heir_name);
    bool slots[ORDO_SLOT_COUNT];
    struct ordo_problem problem = {{0}};
    slots_of(access->cluster, &id, slots);
    size_t number = count(slots);
    if (number > 0 && !forgetting->is_sure)
        return ordo_command_fail(
            "%s has %zu slots, and all documents in them would be gone for good; if no copy of its store and no "
            "backup is left, say --yes",
            name, number);
    if (ordo_cluster_forget_store(access->directory, &id, &problem)) return ordo_command_fail("%s", problem.text);
    int status = cluster_access_refresh(access, 0);
    if (status == EXIT_SUCCESS && number > 0) status = give_to_heirs(access, slots, &only);
    if (status == EXIT_SUCCESS && number > 0) status = wait_until_taken(access, &id);
    if (status == EXIT_SUCCESS) printf("%s is forgotten; %zu slots begin anew%s\n", name, number, heir_name != NULL ? "" : ", without documents");
    return status;
}

int ordo_forget_shard_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    struct forgetting forgetting = {0};
    const struct ordo_option options[] = {
        {"--yes", NULL, "its documents are lost, and I know it", ORDO_OPTION_FLAG, &forgetting.is_sure},
        {"--heir", "SHARD2", "gets all of its slots (they are divided); of those that it gave\nto the lost one and has not cleared up, it takes the documents\nback as they were then", ORDO_OPTION_TEXT, &forgetting.heir_name},
        CLUSTER_OPTIONS(words),
    };
    struct ordo_words parsed = {.items = &forgetting.name, .capacity = 1};
    int status;
    if (!ordo_command_parse(
            "ordo forget-shard SHARD [OPTIONS]\n\nGives up a shard whose store is lost. Its store is never let in again, "
            "and its slots begin anew at other\nshards, without documents.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    return cluster_access_with(&words, forget, &forgetting);
}
