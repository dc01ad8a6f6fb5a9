/* Slots of a store that an operator has given up (`ordo forget-shard`): who was ordered to have them owns them from now on, and
 * begins them without documents, unless he is who gave them to that store and still has all of them. Rows about slots are written by the shard's core, so its shard is stopped for that
 * moment, and the store opened anew. */
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "shard/registrar_impl.h"

#define REOPEN_ATTEMPTS 40 /* ZeroMQ gives a port free a moment after its socket was closed */
#define REOPEN_PAUSE_MS 50

static bool is_forgotten(const struct ordo_cluster *cluster, const struct ordo_store_id *id) {
    const struct ordo_cluster_store *store = ordo_cluster_store(cluster, id);
    return store != NULL && store->is_forgotten && ordo_cluster_live(cluster, id) == NULL;
}

/* The epochs with which the member is to own what was ordered to it; how many there are. */
static size_t find_heritage(const struct ordo_cluster *cluster, const struct member *member, struct ordo_heritage *heritage) {
    size_t count = 0;
    *heritage = (struct ordo_heritage){0};
    for (size_t i = 0; i < cluster->move_count; i++) {
        const struct ordo_cluster_move *move = &cluster->moves[i];
        const struct ordo_slot_place *place = &cluster->table.placement.slots[move->slot];
        if (move->failure[0] != '\0' || !ordo_store_id_equal(&move->target, &member->id)) continue;
        if (member->slots[move->slot].state == ORDO_SLOT_OWNED || !is_forgotten(cluster, &place->store)) continue;
        heritage->epochs[move->slot] = place->epoch + 1;
        heritage->from[move->slot] = place->store;
        count++;
    }
    return count;
}

static ordo_err reopen(struct ordo_registrar *registrar, const char *path, bool is_own, struct ordo_problem *problem) {
    ordo_err err = ORDO_ERR_UNAVAILABLE;
    for (int i = 0; i < REOPEN_ATTEMPTS && err == ORDO_ERR_UNAVAILABLE; i++) {
        if (i > 0) ordo_clock_sleep_ms(REOPEN_PAUSE_MS);
        err = member_open(registrar, path, is_own, problem);
    }
    return err;
}

bool member_inherit(struct ordo_registrar *registrar, size_t index, struct ordo_problem *problem) {
    struct member *member = registrar->members[index];
    struct ordo_heritage heritage;
    size_t kept_count;
    char path[PATH_MAX];
    if (member->state != MEMBER_SERVING || !registrar_can_ask(registrar) || !registrar->cluster->has_table) return true;
    size_t count = find_heritage(registrar->cluster, member, &heritage);
    if (count == 0) return true;
    bool is_own = member->is_own;
    log_warn("event=slots_inherited name=%s count=%zu", member->live.name, count);
    snprintf(path, sizeof path, "%s", ordo_host_folder(member->host)->path);
    member_close(registrar, index);
    if (reopen(registrar, path, is_own, problem)) return false;
    struct member *anew = registrar->members[registrar->member_count - 1];
    if (ordo_host_seize(anew->host, &heritage, &kept_count, problem)) return false;
    log_warn("event=slots_begin name=%s anew=%zu as_they_were_given=%zu", anew->live.name, count - kept_count, kept_count);
    memcpy(anew->slots, ordo_host_folder(anew->host)->identity.slots, sizeof anew->slots);
    /* It stays where it was, because the first one is the process's own. */
    registrar->members[registrar->member_count - 1] = registrar->members[index];
    registrar->members[index] = anew;
    return true;
}
