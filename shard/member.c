/* One store's way into the cluster, and what keeps it there. */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "shard/registrar_impl.h"

_Static_assert(ORDO_CLUSTER_TEXT_SIZE_MAX + 1 == ORDO_ENDPOINT_SIZE, "the directory takes an endpoint with its key");

/* A store whose last process did not say good-bye, on another machine, is live in the directory until its lease ends. */
#define CLAIM_PATIENCE_MS (2 * ORDO_DIRECTORY_LEASE_TTL_MS + 2000)

/* ---- opening */

/* Names in the directory have few characters, folders have many. */
static void append_name(char out[ORDO_CLUSTER_NAME_SIZE_MAX + 1], const char *text) {
    size_t size = strlen(out);
    for (; *text != '\0' && size < ORDO_CLUSTER_NAME_SIZE_MAX; text++) {
        char one[2] = {*text, '\0'};
        out[size++] = ordo_cluster_name_is_valid(one) ? *text : '-';
    }
    out[size] = '\0';
}

static void name_member(const struct ordo_registrar *registrar, const char *path, bool is_own,
                        char out[ORDO_CLUSTER_NAME_SIZE_MAX + 1]) {
    const char *slash = strrchr(path, '/'), *given = registrar->config->name;
    out[0] = '\0';
    if (given != NULL) append_name(out, given);
    if (given != NULL && !is_own) append_name(out, ".");
    if (given == NULL || !is_own) append_name(out, slash != NULL && slash[1] != '\0' ? slash + 1 : path);
}

static bool is_every_address(const char *host, size_t size) {
    static const char *const all[] = {"0.0.0.0", "*", "[::]"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strlen(all[i]) == size && memcmp(all[i], host, size) == 0) return true;
    }
    return false;
}

/* What others connect to, where the shard listens on `endpoint`; `given` is the command line's word, or NULL. */
static void advertise(const struct ordo_registrar *registrar, const char *given, const char *endpoint,
                      char out[ORDO_CLUSTER_TEXT_SIZE_MAX + 1]) {
    const char *host = registrar->config->advertise, *colon = strrchr(endpoint, ':');
    bool is_tcp = strncmp(endpoint, "tcp://", 6) == 0 && colon > endpoint + 6;
    if (is_tcp && host == NULL && is_every_address(endpoint + 6, (size_t)(colon - endpoint) - 6))
        host = registrar->host_name;
    if (given != NULL) {
        snprintf(out, ORDO_CLUSTER_TEXT_SIZE_MAX + 1, "%s", given);
    } else if (is_tcp && host != NULL) {
        snprintf(out, ORDO_CLUSTER_TEXT_SIZE_MAX + 1, "tcp://%.200s%.*s", host, (int)strcspn(colon, "#"), colon);
    } else {
        snprintf(out, ORDO_CLUSTER_TEXT_SIZE_MAX + 1, "%s", endpoint);
    }
    if (registrar->config->links.keys == NULL) return;
    bool fits = ordo_endpoint_put_key(out, ordo_link_keyring_public(registrar->config->links.keys));
    ORDO_ASSERT(fits); /* config.c sees to it */
}

static void describe(const struct ordo_registrar *registrar, struct member *member, const char *name) {
    const struct ordo_folder *folder = ordo_host_folder(member->host);
    const struct ordo_identity *identity = &folder->identity;
    memcpy(member->id.bytes, identity->store_id, sizeof member->id.bytes);
    memcpy(member->cluster.bytes, identity->cluster_id, sizeof member->cluster.bytes);
    memcpy(member->slots, identity->slots, sizeof member->slots);
    member->format = identity->format;
    member->live =
        (struct ordo_cluster_live){.id = member->id, .incarnation = identity->incarnation, .process = registrar->process};
    snprintf(member->live.name, sizeof member->live.name, "%s", name);
    snprintf(member->live.host, sizeof member->live.host, "%s", registrar->host_name);
    ordo_cluster_place(member->live.place, folder->path);
}

ordo_err member_open(struct ordo_registrar *registrar, const char *path, bool is_own, struct ordo_problem *problem) {
    static const uint8_t no_cluster[ORDO_CLUSTER_ID_SIZE];
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    name_member(registrar, path, is_own, name);
    const struct ordo_cluster *cluster = registrar->cluster;
    const struct ordo_host_config config = {
        .process = registrar->config,
        .zmq = registrar->zmq,
        .probe = registrar->probe,
        .troubles = registrar->troubles,
        .registrar_wake_fd = registrar->wake_fd,
        /* Never NULL: a store that is made here joins a cluster, whatever has become of it meanwhile. */
        .cluster_id = cluster->has_table ? cluster->table.cluster.bytes : no_cluster,
        .name = name,
        .is_extra = !is_own,
    };
    if (ordo_volume_is_refused(path)) {
        ordo_problem_set(
            problem,
            "The store %s is older than what its cluster has seen of it (a copy, or put back from a snapshot of "
            "its disk), and was refused: start the newer one, or see `ordo adopt --rolled-back`.",
            path);
        return ORDO_ERR_INVALID;
    }
    struct member *member = ordo_alloc(sizeof *member);
    ordo_err err = ordo_host_open(path, &config, problem, &member->host);
    if (err) {
        free(member);
        return err;
    }
    member->is_own = is_own;
    member->opened_ms = ordo_clock_monotonic_ms();
    describe(registrar, member, name);
    registrar->members[registrar->member_count++] = member;
    return ORDO_OK;
}

void member_close(struct ordo_registrar *registrar, size_t index) {
    struct member *member = registrar->members[index];
    struct ordo_problem unheard; /* its lease tells as much, later */
    ordo_host_stop(member->host);
    if (member->state != MEMBER_OPENED && registrar_can_ask(registrar) && registrar->member_count > 1) {
        ordo_err err = ordo_cluster_withdraw_live(registrar->directory, &member->live, &unheard);
        (void)err;
    }
    free(member);
    registrar->members[index] = registrar->members[--registrar->member_count];
}

/* ---- the claim */

static bool never_had_slots(const struct member *member) {
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (member->slots[slot].state != ORDO_SLOT_NONE) return false;
    }
    return true;
}

/* What stands in the way for now, by name of the store. */
static void wait_with(struct ordo_registrar *registrar, const struct member *member, const char *sentence) {
    char key[64];
    snprintf(key, sizeof key, "store %.50s", member->live.name);
    if (sentence == NULL) {
        ordo_troubles_clear(registrar->troubles, key);
    } else {
        ordo_troubles_set(registrar->troubles, key, sentence);
    }
}

/* False: refused for good. Else `*is_done` says whether the store is ours. */
static bool claim(struct ordo_registrar *registrar, struct member *member, bool *is_done, struct ordo_problem *problem) {
    struct ordo_cluster_store store = {
        .id = member->id,
        .incarnation = member->live.incarnation,
        .process = registrar->process,
        .reads_format_min = ORDO_FORMAT_MIN,
        .reads_format_max = ordo_format_max(),
    };
    snprintf(store.name, sizeof store.name, "%s", member->live.name);
    ordo_err err = ordo_cluster_claim_store(registrar->directory, &member->cluster, &store, &member->live, problem);
    *is_done = err == ORDO_OK;
    if (!err) {
        wait_with(registrar, member, NULL);
        return true;
    }
    if (err == ORDO_ERR_EXISTS) ordo_volume_refuse(ordo_host_folder(member->host)->path, problem->text);
    bool is_patient = ordo_clock_monotonic_ms() - member->opened_ms < CLAIM_PATIENCE_MS;
    if (!registrar_may_retry(err) && !(err == ORDO_ERR_LOCKED && is_patient)) return false;
    wait_with(registrar, member, problem->text);
    return true;
}

/* ---- the table */

/* What the store's durable rows say about slots, as the table has it. */
static void rows_as_placement(const struct member *member, struct ordo_placement *out) {
    *out = (struct ordo_placement){0};
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_row *row = &member->slots[slot];
        if (row->state == ORDO_SLOT_OWNED) out->slots[slot] = (struct ordo_slot_place){row->epoch, member->id};
        if (row->state == ORDO_SLOT_GIVEN) out->slots[slot] = (struct ordo_slot_place){row->epoch, row->other};
    }
}

static bool is_behind(const struct ordo_cluster *cluster, const struct ordo_placement *rows) {
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (ordo_slot_place_supersedes(&rows->slots[slot], &cluster->table.placement.slots[slot])) return true;
    }
    return false;
}

/* Makes the table show what the store says. True: it does. */
static bool keep_table(struct ordo_registrar *registrar, struct member *member) {
    struct ordo_placement rows;
    struct ordo_problem problem = {{0}};
    rows_as_placement(member, &rows);
    bool is_low = registrar->cluster->table.format_level < member->format;
    if (!is_behind(registrar->cluster, &rows) && !is_low) return true;
    ordo_err err =
        ordo_cluster_raise(registrar->directory, &member->cluster, &member->id, &rows, member->format, NULL, &problem);
    wait_with(registrar, member, err ? problem.text : NULL);
    return !err;
}

static bool is_founder(const struct ordo_cluster *cluster, const struct member *member) {
    if (!ordo_store_id_equal(&cluster->table.founder, &member->id)) return false;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &cluster->table.placement.slots[slot];
        if (place->epoch != 1 || !ordo_store_id_equal(&place->store, &member->id)) return false;
    }
    return true;
}

/* A store that never had a slot: the first one of a cluster gets all, durably, once the table says so. False: not yet. */
static bool join(struct ordo_registrar *registrar, struct member *member, struct ordo_problem *problem) {
    const struct ordo_cluster *cluster = registrar->cluster;
    if (!cluster->has_table) {
        wait_with(
            registrar, member,
            "The directory has no router table, and this store has no slots to make one of: start a store that has, or "
            "create a new cluster with `ordo cluster create`.");
        return false;
    }
    if (ordo_store_id_is_none(&cluster->table.founder)) {
        ordo_err err = ordo_cluster_found(registrar->directory, &member->id, NULL, problem);
        if (err && err != ORDO_ERR_EXISTS) wait_with(registrar, member, problem->text);
        return false; /* the next view says who it is */
    }
    if (!is_founder(cluster, member)) return true;
    if (ordo_host_found(member->host, problem) != ORDO_OK) {
        wait_with(registrar, member, problem->text);
        return false;
    }
    log_info("event=cluster_founded name=%s", member->live.name);
    memcpy(member->slots, ordo_host_folder(member->host)->identity.slots, sizeof member->slots);
    return true;
}

/* Only an owner raises its slot's epoch, and notes that before anybody else can know. So a store that still takes a slot
 * for its own, where the table has a later owner, is not what it was: an older copy, or replaced by one that was repaired.
 */
static bool is_superseded(const struct ordo_cluster *cluster, const struct member *member, struct ordo_problem *problem) {
    for (unsigned slot = 0; cluster->has_table && slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &cluster->table.placement.slots[slot];
        const struct ordo_slot_row *row = &member->slots[slot];
        if (row->state != ORDO_SLOT_OWNED || place->epoch <= row->epoch || ordo_store_id_equal(&place->store, &member->id))
            continue;
        const struct ordo_cluster_store *owner = ordo_cluster_store(cluster, &place->store);
        ordo_problem_set(
            problem,
            "The store %s has slot %u, and the cluster knows that %s has had it since: this folder is older than the "
            "store was, or was replaced by a repaired one; see `ordo adopt --rolled-back`.",
            member->live.name, slot, owner != NULL ? owner->name : "another store");
        return true;
    }
    return false;
}

/* ---- serving */

static bool same_live(const struct ordo_cluster_live *shown, const struct ordo_cluster_live *wanted) {
    return shown != NULL && shown->incarnation == wanted->incarnation &&
           ordo_process_id_equal(&shown->process, &wanted->process) &&
           strcmp(shown->data_endpoint, wanted->data_endpoint) == 0 &&
           strcmp(shown->side_endpoint, wanted->side_endpoint) == 0;
}

bool member_is_shown(const struct ordo_cluster *cluster, const struct member *member) {
    return same_live(ordo_cluster_live(cluster, &member->id), &member->live);
}

/* False: another process has the store, so this one may not serve it. */
static bool keep_live(struct ordo_registrar *registrar, struct member *member, struct ordo_problem *problem) {
    if (member_is_shown(registrar->cluster, member)) return true;
    ordo_err err = ordo_cluster_register_live(registrar->directory, &member->live, problem);
    bool is_claimed;
    if (err == ORDO_ERR_NOT_FOUND) return claim(registrar, member, &is_claimed, problem); /* the directory was wiped */
    return !err || registrar_may_retry(err);
}

static void tell_news(struct ordo_registrar *registrar, struct member *member) {
    const struct ordo_cluster *cluster = registrar->cluster;
    if (member->news_generation == cluster->generation || !cluster->has_table) return;
    if (!ordo_cluster_id_equal(&cluster->table.cluster, &member->cluster)) return;
    member->news_generation = cluster->generation;
    struct ordo_news *news = ordo_alloc(sizeof *news);
    news->placement = cluster->table.placement;
    news->format = cluster->table.format_level;
    if (member->format < news->format) member->format = news->format; /* the shard does as much when it hears of it */
    news->lost = ordo_alloc((cluster->store_count + 1) * sizeof *news->lost);
    for (size_t i = 0; i < cluster->store_count; i++)
        if (cluster->stores[i].is_forgotten) news->lost[news->lost_count++] = cluster->stores[i].id;
    news->addresses = ordo_alloc((cluster->live_count + 1) * sizeof *news->addresses);
    for (size_t i = 0; i < cluster->live_count; i++) {
        const struct ordo_cluster_live *live = &cluster->live[i];
        if (live->data_endpoint[0] == '\0') continue;
        struct ordo_address *address = &news->addresses[news->address_count++];
        address->store = live->id;
        snprintf(address->data_endpoint, sizeof address->data_endpoint, "%s", live->data_endpoint);
    }
    ordo_mail_put_news(ordo_host_mail(member->host), news);
}

static void serve(struct ordo_registrar *registrar, struct member *member) {
    wait_with(registrar, member, NULL);
    ordo_host_serve(member->host);
    member->state = MEMBER_SERVING;
    member->served_ms = ordo_clock_monotonic_ms();
    const struct ordo_config *config = registrar->config;
    advertise(registrar, member->is_own ? config->advertise_data : NULL, ordo_host_data_endpoint(member->host),
              member->live.data_endpoint);
    advertise(registrar, member->is_own ? config->advertise_side : NULL, ordo_host_side_endpoint(member->host),
              member->live.side_endpoint);
    log_info("event=serving name=%s data=%s side=%s", member->live.name, member->live.data_endpoint,
             member->live.side_endpoint);
    if (!member->is_own) return;
    printf("ready data=%s side=%s\n", ordo_host_data_endpoint(member->host), ordo_host_side_endpoint(member->host));
    fflush(stdout);
}

static void take_report(struct ordo_registrar *registrar, struct member *member) {
    struct ordo_report report;
    if (!ordo_mail_take_report(ordo_host_mail(member->host), &report)) return;
    if (report.slots_changed) memcpy(member->slots, report.slots, sizeof member->slots);
    member_take_ends(registrar, member, &report);
    free(report.ends);
}

/* The level was raised although this process does not know it: it was not there, or not heard of, at that moment. */
static bool knows_format(const struct ordo_cluster *cluster, struct ordo_problem *problem) {
    if (!cluster->has_table || ordo_format_is_known(cluster->table.format_level)) return true;
    ordo_problem_set(problem, "The cluster's format level is %u now, and this program reads %u to %u.",
                     cluster->table.format_level, (unsigned)ORDO_FORMAT_MIN, (unsigned)ordo_format_max());
    return false;
}

static bool step_serving(struct ordo_registrar *registrar, struct member *member, struct ordo_problem *problem) {
    take_report(registrar, member);
    if (!knows_format(registrar->cluster, problem)) return false;
    tell_news(registrar, member);
    if (!registrar_can_ask(registrar)) return true;
    if (!keep_live(registrar, member, problem)) return false;
    if (keep_table(registrar, member)) member_step_orders(registrar, member);
    return true;
}

bool member_step(struct ordo_registrar *registrar, struct member *member, struct ordo_problem *problem) {
    if (member->state == MEMBER_OPENED && registrar_can_ask(registrar)) {
        bool is_claimed;
        if (!claim(registrar, member, &is_claimed, problem)) return false;
        if (is_claimed) member->state = MEMBER_CLAIMED;
    }
    if (member->state == MEMBER_CLAIMED && registrar_can_ask(registrar)) {
        if (is_superseded(registrar->cluster, member, problem)) {
            ordo_volume_refuse(ordo_host_folder(member->host)->path, problem->text);
            return false;
        }
        bool may_serve = never_had_slots(member) ? join(registrar, member, problem) : keep_table(registrar, member);
        if (may_serve) serve(registrar, member);
    }
    return member->state != MEMBER_SERVING || step_serving(registrar, member, problem);
}
