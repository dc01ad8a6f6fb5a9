#include "common/directory/cluster_change.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/directory/attempt.h"
#include "common/hex.h"

static void put_table(struct ordo_attempt *attempt, const struct ordo_cluster_table *table) {
    struct ordo_buffer value = {0};
    ordo_cluster_table_encode(&value, table);
    ordo_attempt_put(attempt, ORDO_KEY_TABLE, &value);
}

static void put_store(struct ordo_attempt *attempt, const struct ordo_cluster_store *store) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    ordo_cluster_key_store(key, &store->id);
    ordo_cluster_store_encode(&value, store);
    ordo_attempt_put(attempt, key, &value);
}

static void put_live(struct ordo_attempt *attempt, const struct ordo_cluster_live *live) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    ordo_cluster_key_live(key, &live->id);
    ordo_cluster_live_encode(&value, live);
    ordo_attempt_put_leased(attempt, key, &value);
}

static ordo_err find_live(struct ordo_attempt *attempt, const struct ordo_store_id *id,
                          const struct ordo_cluster_live **out) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    ordo_cluster_key_live(key, id);
    *out = ordo_cluster_live(attempt->cluster, id);
    if (*out != NULL || ordo_directory_find(attempt->view, key) == NULL) return ORDO_OK;
    ordo_problem_set(attempt->problem, "The key %s of the directory does not read.", key);
    return ORDO_ERR_CORRUPT;
}

/* ---- the table */

static ordo_err decide_create(struct ordo_attempt *attempt) {
    if (attempt->cluster->has_table)
        return ordo_attempt_fails(attempt, ORDO_ERR_EXISTS, "The directory holds a cluster already.");
    struct ordo_cluster_table table = {.cluster = *(const struct ordo_cluster_id *)attempt->wish,
                                       .format_level = ordo_format_max()};
    put_table(attempt, &table);
    return ORDO_OK;
}

ordo_err ordo_cluster_create(struct ordo_directory *directory, const struct ordo_cluster_id *cluster,
                             struct ordo_problem *problem) {
    return ordo_attempt(directory, decide_create, (void *)cluster, problem);
}

struct found_wish {
    const struct ordo_store_id *store;
    struct ordo_cluster_id cluster;
};

static bool owns_all(const struct ordo_cluster_table *table, const struct ordo_store_id *store) {
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &table->placement.slots[slot];
        if (place->epoch != 1 || !ordo_store_id_equal(&place->store, store)) return false;
    }
    return true;
}

static ordo_err decide_found(struct ordo_attempt *attempt) {
    struct found_wish *wish = attempt->wish;
    if (!attempt->cluster->has_table)
        return ordo_attempt_fails(attempt, ORDO_ERR_NOT_FOUND, "The directory holds no cluster.");
    struct ordo_cluster_table table = attempt->cluster->table;
    wish->cluster = table.cluster;
    if (ordo_store_id_equal(&table.founder, wish->store) && owns_all(&table, wish->store)) return ORDO_OK;
    if (!ordo_store_id_is_none(&table.founder)) {
        return ordo_attempt_fails(attempt, ORDO_ERR_EXISTS, "The cluster was founded already.");
    }
    table.founder = *wish->store; /* a table without founder has no owners: its decoder says so */
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        table.placement.slots[slot] = (struct ordo_slot_place){.epoch = 1, .store = *wish->store};
    }
    put_table(attempt, &table);
    return ORDO_OK;
}

ordo_err ordo_cluster_found(struct ordo_directory *directory, const struct ordo_store_id *store,
                            struct ordo_cluster_id *cluster_out, struct ordo_problem *problem) {
    struct found_wish wish = {.store = store};
    ordo_err err = ordo_attempt(directory, decide_found, &wish, problem);
    if (!err && cluster_out != NULL) *cluster_out = wish.cluster;
    return err;
}

struct raise_wish {
    const struct ordo_cluster_id *cluster;
    const struct ordo_store_id *store;
    const struct ordo_placement *slots;
    uint32_t format_level;
    bool is_changed;
};

static bool raise(struct ordo_placement *placement, const struct ordo_placement *slots) {
    bool is_changed = false;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (!ordo_slot_place_supersedes(&slots->slots[slot], &placement->slots[slot])) continue;
        placement->slots[slot] = slots->slots[slot];
        is_changed = true;
    }
    return is_changed;
}

static ordo_err check_cluster(struct ordo_attempt *attempt, const struct ordo_cluster_id *cluster) {
    const struct ordo_cluster_table *table = &attempt->cluster->table;
    if (!attempt->cluster->has_table || ordo_cluster_id_equal(&table->cluster, cluster)) return ORDO_OK;
    char mine[2 * ORDO_CLUSTER_ID_SIZE + 1], theirs[sizeof mine];
    ordo_hex_encode(mine, cluster->bytes, sizeof cluster->bytes);
    ordo_hex_encode(theirs, table->cluster.bytes, sizeof table->cluster.bytes);
    ordo_problem_set(attempt->problem, "The directory is of the cluster %s, and this store of the cluster %s.", theirs,
                     mine);
    return ORDO_ERR_INVALID;
}

static ordo_err decide_raise(struct ordo_attempt *attempt) {
    struct raise_wish *wish = attempt->wish;
    ordo_err err = check_cluster(attempt, wish->cluster);
    if (err) return err;
    struct ordo_cluster_table table = attempt->cluster->table;
    if (!attempt->cluster->has_table) {
        table = (struct ordo_cluster_table){
            .cluster = *wish->cluster, .format_level = wish->format_level, .founder = *wish->store};
    }
    wish->is_changed = raise(&table.placement, wish->slots);
    if (table.format_level < wish->format_level) { /* the table was lost, and another store wrote it anew */
        table.format_level = wish->format_level;
        wish->is_changed = true;
    }
    /* A table that was created anew over a cluster that exists: nobody may found it over what this store has. */
    if (wish->is_changed && ordo_store_id_is_none(&table.founder)) table.founder = *wish->store;
    if (wish->is_changed) put_table(attempt, &table);
    return ORDO_OK;
}

ordo_err ordo_cluster_raise(struct ordo_directory *directory, const struct ordo_cluster_id *cluster,
                            const struct ordo_store_id *store, const struct ordo_placement *slots, uint32_t format_level,
                            bool *changed_out, struct ordo_problem *problem) {
    struct raise_wish wish = {.cluster = cluster, .store = store, .slots = slots, .format_level = format_level};
    ordo_err err = ordo_attempt(directory, decide_raise, &wish, problem);
    if (!err && changed_out != NULL) *changed_out = wish.is_changed;
    return err;
}

static ordo_err decide_format(struct ordo_attempt *attempt) {
    uint32_t level = *(const uint32_t *)attempt->wish;
    if (!attempt->cluster->has_table)
        return ordo_attempt_fails(attempt, ORDO_ERR_NOT_FOUND, "The directory holds no cluster.");
    struct ordo_cluster_table table = attempt->cluster->table;
    if (level == table.format_level) return ORDO_OK;
    if (level < table.format_level) {
        ordo_problem_set(attempt->problem, "The format level is %" PRIu32 " already, and never goes down.",
                         table.format_level);
        return ORDO_ERR_INVALID;
    }
    if (attempt->cluster->garbled_count > 0) {
        *attempt->problem = attempt->cluster->garbled;
        return ORDO_ERR_CORRUPT;
    }
    for (size_t i = 0; i < attempt->cluster->store_count; i++) {
        const struct ordo_cluster_store *store = &attempt->cluster->stores[i];
        char key[ORDO_CLUSTER_KEY_SIZE];
        ordo_cluster_key_store(key, &store->id);
        if (store->is_forgotten) continue;
        if (!ordo_cluster_reads_format(store, level)) {
            ordo_problem_set(attempt->problem, "The store %s cannot read the format level %" PRIu32 ".", store->name,
                             level);
            return ORDO_ERR_INVALID;
        }
        /* So that none is claimed by an older program meanwhile; beyond some 60 stores that is not asked of all of
         * them. */
        if (attempt->changes->count + 1 < ORDO_DIRECTORY_CHANGES_MAX) ordo_directory_check(attempt->changes, key);
    }
    for (size_t i = 0; i < attempt->cluster->gateway_count; i++) {
        const struct ordo_cluster_gateway *gateway = &attempt->cluster->gateways[i];
        if (gateway->reads_format_min <= level && level <= gateway->reads_format_max) continue;
        ordo_problem_set(attempt->problem, "The gateway %s cannot read the format level %" PRIu32 ".", gateway->name, level);
        return ORDO_ERR_INVALID;
    }
    table.format_level = level;
    put_table(attempt, &table);
    return ORDO_OK;
}

ordo_err ordo_cluster_set_format(struct ordo_directory *directory, uint32_t format_level,
                                 struct ordo_problem *problem) {
    return ordo_attempt(directory, decide_format, &format_level, problem);
}

/* ---- stores */

struct claim_wish {
    const struct ordo_cluster_id *cluster; /* NULL: not known */
    const struct ordo_cluster_store *store;
    const struct ordo_cluster_live *live;
};

/* Whether nobody else serves the store: nobody does, or somebody did whose folder's lock this process has now. */
static ordo_err check_not_elsewhere(struct ordo_attempt *attempt, const struct claim_wish *wish) {
    const struct ordo_cluster_live *live;
    ordo_err err = find_live(attempt, &wish->live->id, &live);
    if (err || live == NULL || ordo_process_id_equal(&live->process, &wish->live->process)) return err;
    if (live->place[0] != '\0' && strcmp(live->place, wish->live->place) == 0) return ORDO_OK;
    ordo_problem_set(attempt->problem,
                     "The store is served at another place (%.63s on %.120s): this folder is a copy of it, or it was"
                     " moved here and its former process was heard of a moment ago.",
                     live->name, live->host);
    return ORDO_ERR_LOCKED;
}

static ordo_err check_incarnation(struct ordo_attempt *attempt, const struct claim_wish *wish,
                                  const struct ordo_cluster_store *known) {
    bool is_ours = ordo_process_id_equal(&known->process, &wish->live->process); /* of an earlier try */
    if (known->incarnation < wish->live->incarnation || (is_ours && known->incarnation == wish->live->incarnation))
        return ORDO_OK;
    ordo_problem_set(
        attempt->problem,
        "The store was started %" PRIu64 " times, says the directory, and this folder knows of %" PRIu64
        ": it is a copy, or was rolled back. If its other life is gone for good: ordo adopt --rolled-back.",
        known->incarnation, wish->live->incarnation);
    return ORDO_ERR_EXISTS;
}

static ordo_err decide_claim(struct ordo_attempt *attempt) {
    const struct claim_wish *wish = attempt->wish;
    struct ordo_cluster_store store = *wish->store;
    const struct ordo_cluster_store *known;
    ordo_err err = ordo_attempt_find_store(attempt, &store.id, &known);
    if (!err && wish->cluster != NULL) err = check_cluster(attempt, wish->cluster);
    if (!err) err = ordo_attempt_check_format(attempt, store.reads_format_min, store.reads_format_max);
    if (!err) err = check_not_elsewhere(attempt, wish);
    if (!err && known != NULL) err = check_incarnation(attempt, wish, known);
    if (err) return err;
    if (known != NULL && known->is_forgotten)
        return ordo_attempt_fails(attempt, ORDO_ERR_INVALID, "This store was forgotten.");
    store.incarnation = wish->live->incarnation;
    store.process = wish->live->process;
    store.is_draining = known != NULL && known->is_draining;
    store.is_forgotten = false;
    put_store(attempt, &store);
    put_live(attempt, wish->live);
    ordo_directory_check(attempt->changes, ORDO_KEY_TABLE);
    return ORDO_OK;
}

static ordo_err check_live(const struct ordo_cluster_live *live, struct ordo_problem *problem) {
    ordo_err err = ordo_attempt_check_name(live->name, problem);
    if (!err) err = ordo_attempt_check_text("name of the host", live->host, problem);
    if (!err) err = ordo_attempt_check_text("place of the store", live->place, problem);
    if (!err) err = ordo_attempt_check_text("data endpoint", live->data_endpoint, problem);
    if (!err) err = ordo_attempt_check_text("side endpoint", live->side_endpoint, problem);
    return err;
}

ordo_err ordo_cluster_claim_store(struct ordo_directory *directory, const struct ordo_cluster_id *cluster,
                                  const struct ordo_cluster_store *store, const struct ordo_cluster_live *live,
                                  struct ordo_problem *problem) {
    ORDO_ASSERT(ordo_store_id_equal(&store->id, &live->id));
    ORDO_ASSERT(store->reads_format_min <= store->reads_format_max);
    struct claim_wish wish = {cluster, store, live};
    ordo_err err = ordo_attempt_check_name(store->name, problem);
    if (!err) err = check_live(live, problem);
    return err ? err : ordo_attempt(directory, decide_claim, &wish, problem);
}

/* Whether the newest claim of the store is this process's; then `*known_out` is what stands under live/. An older claim
 * than ours is no claim at all: the directory forgot, or was put back from a backup. */
static ordo_err check_claimed(struct ordo_attempt *attempt, const struct ordo_cluster_live *live,
                              const struct ordo_cluster_live **known_out) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    const struct ordo_cluster_store *store;
    ordo_err err = ordo_attempt_need_store(attempt, &live->id, &store);
    if (!err) err = find_live(attempt, &live->id, known_out);
    if (err) return err;
    if (store->incarnation < live->incarnation) {
        return ordo_attempt_fails(attempt, ORDO_ERR_NOT_FOUND,
                                  "The directory does not know of this store's claim any more.");
    }
    if (store->incarnation != live->incarnation || !ordo_process_id_equal(&store->process, &live->process)) {
        return ordo_attempt_fails(attempt, ORDO_ERR_LOCKED, "The store was claimed by another process since.");
    }
    ordo_cluster_key_store(key, &live->id);
    ordo_directory_check(attempt->changes, key);
    return ORDO_OK;
}

static ordo_err decide_register_live(struct ordo_attempt *attempt) {
    const struct ordo_cluster_live *live = attempt->wish, *known;
    ordo_err err = check_claimed(attempt, live, &known);
    if (err) return err;
    put_live(attempt, live);
    return ORDO_OK;
}

ordo_err ordo_cluster_register_live(struct ordo_directory *directory, const struct ordo_cluster_live *live,
                                    struct ordo_problem *problem) {
    ordo_err err = check_live(live, problem);
    return err ? err : ordo_attempt(directory, decide_register_live, (void *)live, problem);
}

static ordo_err decide_withdraw_live(struct ordo_attempt *attempt) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    const struct ordo_cluster_live *live = attempt->wish, *known;
    ordo_err err = check_claimed(attempt, live, &known);
    if (err == ORDO_ERR_NOT_FOUND || err == ORDO_ERR_LOCKED) return ORDO_OK; /* there is nothing of this process */
    if (err || known == NULL) return err;
    ordo_cluster_key_live(key, &live->id);
    ordo_directory_delete(attempt->changes, key);
    return ORDO_OK;
}

ordo_err ordo_cluster_withdraw_live(struct ordo_directory *directory, const struct ordo_cluster_live *live,
                                    struct ordo_problem *problem) {
    return ordo_attempt(directory, decide_withdraw_live, (void *)live, problem);
}

struct flag_wish {
    const struct ordo_store_id *store;
    bool is_draining;
};

static ordo_err decide_draining(struct ordo_attempt *attempt) {
    const struct flag_wish *wish = attempt->wish;
    const struct ordo_cluster_store *known;
    ordo_err err = ordo_attempt_need_store(attempt, wish->store, &known);
    if (err || known->is_draining == wish->is_draining) return err;
    struct ordo_cluster_store store = *known;
    store.is_draining = wish->is_draining;
    put_store(attempt, &store);
    return ORDO_OK;
}

ordo_err ordo_cluster_set_draining(struct ordo_directory *directory, const struct ordo_store_id *store,
                                   bool is_draining, struct ordo_problem *problem) {
    struct flag_wish wish = {store, is_draining};
    return ordo_attempt(directory, decide_draining, &wish, problem);
}

static ordo_err decide_forget(struct ordo_attempt *attempt) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    const struct ordo_cluster_store *known;
    const struct ordo_cluster_live *live;
    ordo_err err = ordo_attempt_need_store(attempt, attempt->wish, &known);
    if (err || known->is_forgotten) return err;
    err = find_live(attempt, &known->id, &live);
    if (err) return err;
    if (live != NULL)
        return ordo_attempt_fails(attempt, ORDO_ERR_LOCKED, "The store is served by a process: stop that first.");
    struct ordo_cluster_store store = *known;
    store.is_forgotten = true;
    put_store(attempt, &store);
    ordo_cluster_key_live(key, &store.id);
    ordo_directory_check(attempt->changes, key);
    return ORDO_OK;
}

ordo_err ordo_cluster_forget_store(struct ordo_directory *directory, const struct ordo_store_id *store,
                                   struct ordo_problem *problem) {
    return ordo_attempt(directory, decide_forget, (void *)store, problem);
}

void ordo_cluster_place(char out[ORDO_CLUSTER_TEXT_SIZE_MAX + 1], const char *path) {
    char boot[37] = "";
    struct stat status;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    bool is_known = fd >= 0 && read(fd, boot, sizeof boot - 1) == sizeof boot - 1 && stat(path, &status) == 0;
    if (fd >= 0) close(fd);
    out[0] = '\0';
    if (!is_known) return;
    snprintf(out, ORDO_CLUSTER_TEXT_SIZE_MAX + 1, "%s:%llx:%llx", boot, (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
}
