#include "tools/ordo/backup_source.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/memory.h"
#include "common/random.h"
#include "tools/ordo/command.h"
#include "tools/ordo/side_link.h"

enum { STILL_MS = 30000, LOOK_MS = 100, ANSWER_MS = 1000 };

static int hold_moves(struct backup_source *source) {
    struct ordo_problem problem = {{0}};
    char random[17];
    uint8_t bytes[8];
    ordo_random_bytes(source->hold.process.bytes, sizeof source->hold.process.bytes);
    ordo_random_bytes(bytes, sizeof bytes);
    ordo_hex_encode(random, bytes, sizeof bytes);
    snprintf(source->hold.name, sizeof source->hold.name, "backup-%s", random);
    if (ordo_cluster_hold_moves(source->access.directory, &source->hold, &problem))
        return ordo_command_fail("%s", problem.text);
    return cluster_access_refresh(&source->access, 0);
}

/* ---- who has slots */

static size_t count_slots(const struct ordo_cluster *cluster, const struct ordo_store_id *store) {
    size_t count = 0;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++)
        count += ordo_store_id_equal(&cluster->table.placement.slots[slot].store, store);
    return count;
}

static bool is_named(const struct backup_source *source, const char *name) {
    for (size_t i = 0; i < source->shard_count; i++) {
        if (strcmp(source->shards[i].name, name) == 0) return true;
    }
    return false;
}

static void add_shard(struct backup_source *source, const struct ordo_cluster_live *live) {
    struct backup_source_shard shard;
    char id[9];
    ordo_hex_encode(id, live->id.bytes, 4);
    snprintf(shard.name, sizeof shard.name, "%s", live->name);
    if (is_named(source, shard.name)) snprintf(shard.name, sizeof shard.name, "%.40s-%s", live->name, id);
    snprintf(shard.side_endpoint, sizeof shard.side_endpoint, "%s", live->side_endpoint);
    source->shards[source->shard_count++] = shard;
}

/* All slots are with shards that are served. */
static int find_shards(struct backup_source *source) {
    const struct ordo_cluster *cluster = source->access.cluster;
    size_t slot_count = 0;
    free(source->shards);
    source->shards = ordo_alloc((cluster->live_count + 1) * sizeof *source->shards);
    source->shard_count = 0;
    for (size_t i = 0; i < cluster->live_count; i++) {
        const struct ordo_cluster_live *live = &cluster->live[i];
        size_t count = live->side_endpoint[0] != '\0' ? count_slots(cluster, &live->id) : 0;
        slot_count += count;
        if (count > 0) add_shard(source, live);
    }
    if (slot_count == ORDO_SLOT_COUNT) return EXIT_SUCCESS;
    if (cluster->live_count == 0)
        return ordo_command_fail("no cluster runs with the directory %s: start it, with `ordo up` say", source->access.url);
    return ordo_command_fail("%zu slots are served by nobody, so this would be no whole backup: `ordo status` names them",
                             ORDO_SLOT_COUNT - slot_count);
}

/* ---- until nothing moves */

/* -1: it does not answer. */
static int is_moving(const struct backup_source_shard *shard) {
    struct ordo_problem unheard; /* who cannot be asked does not answer */
    struct side_link *link = side_link_open(shard->side_endpoint, &unheard);
    if (link == NULL) return -1;
    side_link_send_status(link);
    const Ordo__Cluster__V1__SideReply *reply = side_link_receive_status(link, ANSWER_MS);
    int moving = reply == NULL ? -1 : reply->status->move != NULL;
    side_link_close(link);
    return moving;
}

static bool is_still(const struct backup_source *source) {
    for (size_t i = 0; i < source->shard_count; i++) {
        if (is_moving(&source->shards[i]) != 0) return false;
    }
    return true;
}

/* A shard has heard of the hold when the directory's news have reached it; its figures are a quarter of a second old at
 * most. So it has to be seen still twice, a while apart. */
static int wait_until_still(struct backup_source *source) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + STILL_MS;
    int still_count = 0;
    while (ordo_clock_monotonic_ms() < end_ms) {
        int status = find_shards(source);
        if (status != EXIT_SUCCESS) return status;
        still_count = is_still(source) ? still_count + 1 : 0;
        if (still_count == 10) return EXIT_SUCCESS;
        ordo_clock_sleep_ms(LOOK_MS);
        status = cluster_access_refresh(&source->access, 0);
        if (status != EXIT_SUCCESS) return status;
    }
    return ordo_command_fail("slots were still moving, or a shard did not answer, after %d s", STILL_MS / 1000);
}

int backup_source_open(struct backup_source *source, const struct cluster_words *words) {
    int status = cluster_access_open(&source->access, words);
    if (status != EXIT_SUCCESS) return status;
    if (!source->access.cluster->has_table)
        return ordo_command_fail("no cluster runs with the directory %s", source->access.url);
    status = find_shards(source);
    if (status == EXIT_SUCCESS && source->access.cluster->store_count > 1) {
        status = hold_moves(source);
        if (status == EXIT_SUCCESS) status = wait_until_still(source);
    }
    return status;
}

void backup_source_close(struct backup_source *source) {
    cluster_access_close(&source->access); /* with its lease goes the hold */
    free(source->shards);
    *source = (struct backup_source){0};
}
