/* Which stores this process opens: its first one, and of a volume what nobody has. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "shard/registrar_impl.h"

#define LOOK_MS 1000
#define ADOPT_MS 10000 /* a store that nobody has for so long is taken in addition: its process does not come back */
#define ADOPT_SPREAD_MS 2000
#define FREE_WAIT_MS 2000 /* before a new store is made beside others: one of them may be about to be let go */
#define PROVEN_MS 60000   /* a store that was served for so long is not what made earlier processes fail */

/* ---- a new store needs a cluster to join */

static size_t count_stores(const struct ordo_registrar *registrar) {
    struct ordo_problem problem;
    size_t count = 0;
    if (registrar->config->volume != NULL) free(ordo_volume_list(registrar->config->volume, &count, &problem));
    return count;
}

/* True: the directory has a table. Else one is made if that is allowed: the next view will say. */
static bool ensure_cluster(struct ordo_registrar *registrar) {
    if (!registrar_can_ask(registrar)) return false;
    if (registrar->cluster->has_table) {
        ordo_troubles_clear(registrar->troubles, "cluster");
        return true;
    }
    struct ordo_problem problem = {{0}};
    if (!registrar->config->creates_cluster) {
        ordo_problem_set(&problem,
                         "The directory has no cluster. This process waits until there is one; --create-cluster lets "
                         "it make one, and so does `ordo cluster create`.");
    } else if (count_stores(registrar) > 0) {
        ordo_problem_set(&problem,
                         "The directory has no router table, but %s has stores: one of them has to be started, to "
                         "say what it owns.",
                         registrar->config->volume);
    } else {
        struct ordo_cluster_id id;
        ordo_random_bytes(id.bytes, sizeof id.bytes);
        ordo_err err = ordo_cluster_create(registrar->directory, &id, &problem);
        if (!err) log_info("event=cluster_created");
        if (!err || err == ORDO_ERR_EXISTS) return false;
    }
    ordo_troubles_set(registrar->troubles, "cluster", problem.text);
    return false;
}

/* ---- the first store */

static void store_trouble(struct ordo_registrar *registrar, const struct ordo_volume_store *store) {
    char key[64], text[400];
    snprintf(key, sizeof key, "store %.50s", store->name);
    if (store->failure_count == 0 || store->is_held) {
        ordo_troubles_clear(registrar->troubles, key);
        return;
    }
    snprintf(text, sizeof text, "The store %.60s failed %u times, and is tried again: %s", store->name,
             store->failure_count, store->reason);
    ordo_troubles_set(registrar->troubles, key, text);
}

/* True: it is a member now. What failed is noted at the store. */
static bool try_store(struct ordo_registrar *registrar, struct ordo_volume_store *store, bool is_own) {
    struct ordo_problem problem = {{0}};
    ordo_err err = member_open(registrar, store->path, is_own, &problem);
    if (!err || err == ORDO_ERR_LOCKED) return !err;
    log_error("event=store_failed name=%s reason=\"%s\"", store->name, log_quoted(problem.text));
    ordo_volume_note_failure(store->path, ordo_clock_wall_ms(), problem.text);
    return false;
}

static bool may_try(const struct ordo_volume_store *store, uint64_t wall_ms) {
    return !store->is_held && !ordo_volume_is_refused(store->path) &&
           (store->retry_wall_ms <= wall_ms || store->failed_wall_ms > wall_ms);
}

static void make_store(struct ordo_registrar *registrar) {
    uint32_t number = 1;
    char path[PATH_MAX];
    while (ordo_volume_free_name(registrar->config->volume, &number, path)) {
        struct ordo_problem problem = {{0}};
        ordo_err err = member_open(registrar, path, true, &problem);
        if (err == ORDO_ERR_LOCKED || err == ORDO_ERR_EXISTS) continue; /* somebody makes one there just now */
        if (err) registrar_fail(registrar, "%s", problem.text);
        return;
    }
    registrar_fail(registrar, "The path of the volume %s is too long.", registrar->config->volume);
}

static void open_first_of_volume(struct ordo_registrar *registrar, uint64_t now_ms) {
    size_t count;
    struct ordo_problem problem = {{0}};
    struct ordo_volume_store *stores = ordo_volume_list(registrar->config->volume, &count, &problem);
    bool is_open = false;
    for (size_t i = 0; i < count && !is_open; i++) {
        if (may_try(&stores[i], ordo_clock_wall_ms())) is_open = try_store(registrar, &stores[i], true);
    }
    free(stores);
    if (problem.text[0] != '\0') {
        registrar_fail(registrar, "%s", problem.text);
    } else if (!is_open && (count == 0 || now_ms - registrar->begun_ms >= FREE_WAIT_MS) && ensure_cluster(registrar)) {
        make_store(registrar);
    }
}

static void open_named(struct ordo_registrar *registrar) {
    const char *path = registrar->config->data;
    struct ordo_problem problem = {{0}};
    if (ordo_folder_is_free(path) && !ensure_cluster(registrar)) return;
    ordo_err err = member_open(registrar, path, true, &problem);
    if (!err) {
        ordo_troubles_clear(registrar->troubles, "data");
    } else if (err == ORDO_ERR_LOCKED && registrar->config->volume != NULL) {
        ordo_troubles_set(registrar->troubles, "data", problem.text); /* another process has adopted it */
    } else {
        if (registrar->config->volume != NULL && !ordo_folder_is_free(path))
            ordo_volume_note_failure(path, ordo_clock_wall_ms(), problem.text);
        registrar_fail(registrar, "%s", problem.text);
    }
}

/* ---- others */

static struct seen_store *see(struct ordo_registrar *registrar, const char *path, uint64_t now_ms) {
    for (size_t i = 0; i < registrar->seen_count; i++) {
        if (strcmp(registrar->seen[i].path, path) == 0) return &registrar->seen[i];
    }
    registrar->seen = ordo_realloc(registrar->seen, (registrar->seen_count + 1) * sizeof *registrar->seen);
    struct seen_store *seen = &registrar->seen[registrar->seen_count++];
    *seen = (struct seen_store){.since_ms = now_ms};
    snprintf(seen->path, sizeof seen->path, "%s", path);
    return seen;
}

/* Several processes see the same store; who has fewer stores, and then chance, comes first. */
static uint64_t patience_ms(const struct ordo_registrar *registrar, const char *path) {
    struct ordo_slice name = ordo_slice_of(path),
                      process = ordo_slice(registrar->process.bytes, sizeof registrar->process.bytes);
    uint64_t chance = ordo_hash(name) ^ ordo_hash(process);
    return ADOPT_MS + chance % ADOPT_SPREAD_MS + (registrar->member_count - 1) * ADOPT_SPREAD_MS;
}

static void consider(struct ordo_registrar *registrar, struct ordo_volume_store *store, uint64_t now_ms) {
    store_trouble(registrar, store);
    if (!may_try(store, ordo_clock_wall_ms())) return;
    struct seen_store *seen = see(registrar, store->path, now_ms);
    seen->is_seen = true;
    if (now_ms - seen->since_ms < patience_ms(registrar, store->path)) return;
    if (registrar->member_count == ORDO_MEMBERS_MAX || !registrar_can_ask(registrar)) return;
    if (try_store(registrar, store, false)) log_info("event=store_adopted name=%s", store->name);
}

static void look_for_free(struct ordo_registrar *registrar, uint64_t now_ms) {
    size_t count;
    struct ordo_problem problem = {{0}};
    struct ordo_volume_store *stores = ordo_volume_list(registrar->config->volume, &count, &problem);
    if (problem.text[0] != '\0') {
        ordo_troubles_set(registrar->troubles, "volume", problem.text);
        return;
    }
    ordo_troubles_clear(registrar->troubles, "volume");
    for (size_t i = 0; i < registrar->seen_count; i++) registrar->seen[i].is_seen = false;
    for (size_t i = 0; i < count; i++) consider(registrar, &stores[i], now_ms);
    free(stores);
    for (size_t i = 0; i < registrar->seen_count;) {
        if (registrar->seen[i].is_seen) {
            i++;
        } else {
            registrar->seen[i] = registrar->seen[--registrar->seen_count];
        }
    }
}

static void forget_failures(struct ordo_registrar *registrar, uint64_t now_ms) {
    for (size_t i = 0; i < registrar->member_count; i++) {
        struct member *member = registrar->members[i];
        if (member->is_proven || member->state != MEMBER_SERVING || now_ms - member->served_ms < PROVEN_MS) continue;
        member->is_proven = true;
        ordo_volume_forget_failure(ordo_host_folder(member->host)->path);
    }
}

void registrar_adopt(struct ordo_registrar *registrar, uint64_t now_ms) {
    if (registrar->member_count == 0) {
        if (registrar->config->data != NULL) {
            open_named(registrar);
        } else {
            open_first_of_volume(registrar, now_ms);
        }
        return;
    }
    if (registrar->config->volume == NULL || now_ms - registrar->looked_ms < LOOK_MS) return;
    registrar->looked_ms = now_ms;
    if (registrar->members[0]->state == MEMBER_SERVING) look_for_free(registrar, now_ms);
    forget_failures(registrar, now_ms);
}

void registrar_adopt_finish(struct ordo_registrar *registrar) {
    free(registrar->seen);
}
