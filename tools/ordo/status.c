/* ordo status */
#define _GNU_SOURCE /* strverscmp */
#include "tools/ordo/status.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/memory.h"
#include "tools/ordo/command.h"
#include "tools/ordo/side_link.h"

enum { ANSWER_TIMEOUT_MS = 1500, OLD_FIGURES_MS = 3000 };

const char *status_store_name(const struct ordo_cluster *cluster, const struct ordo_store_id *id) {
    static char text[2 * ORDO_STORE_ID_SIZE + 1];
    const struct ordo_cluster_store *store = ordo_cluster_store(cluster, id);
    if (store != NULL && store->name[0] != '\0') return store->name;
    ordo_hex_encode(text, id->bytes, sizeof id->bytes);
    text[8] = '\0';
    return text;
}

__attribute__((format(printf, 3, 4))) static void trouble(struct status *status, uint64_t since_ms, const char *format,
                                                          ...) {
    char text[STATUS_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < status->trouble_count; i++) { /* shards of one process say the same */
        if (strcmp(status->troubles[i].text, text) != 0) continue;
        if (status->troubles[i].since_ms < since_ms) status->troubles[i].since_ms = since_ms;
        return;
    }
    if (status->trouble_count == STATUS_TROUBLES_MAX) return;
    struct status_trouble *item = &status->troubles[status->trouble_count++];
    memcpy(item->text, text, sizeof text);
    item->since_ms = since_ms;
}

/* ---- shards */

static void copy_text(char *out, size_t size, ProtobufCBinaryData bytes) {
    snprintf(out, size, "%.*s", (int)bytes.len, (const char *)bytes.data);
}

static void take_move(struct status *status, struct status_shard *shard, const Ordo__Cluster__V1__SlotMove *move) {
    struct ordo_store_id target = {{0}};
    shard->is_moving = true;
    shard->move.slot = (uint16_t)move->slot;
    if (move->target.len == sizeof target.bytes) memcpy(target.bytes, move->target.data, sizeof target.bytes);
    snprintf(shard->move.target, sizeof shard->move.target, "%s", status_store_name(status->cluster, &target));
    copy_text(shard->move.phase, sizeof shard->move.phase, move->phase);
    shard->move.sent_size = move->sent_size;
    shard->move.queued_count = move->queued;
}

static void take_answer(struct status *status, struct status_shard *shard, const Ordo__Cluster__V1__SideReply *reply) {
    const Ordo__Cluster__V1__ShardStatus *said = reply->status;
    shard->state = STATUS_SERVING;
    shard->uptime_ms = said->uptime_ms;
    shard->age_ms = said->age_ms;
    shard->documents = said->documents;
    shard->subscribers = said->subscribers;
    shard->gateways = said->gateways;
    shard->ops_committed = said->ops_committed;
    shard->turns = said->turns;
    shard->ops_per_s = said->ops_per_s;
    shard->commit_p50_us = said->commit_p50_us;
    shard->commit_p99_us = said->commit_p99_us;
    shard->commit_max_us = said->commit_max_us;
    shard->documents_damaged = said->documents_damaged;
    shard->disk = reply->disk == ORDO__CLUSTER__V1__DISK_STATE__DISK_FULL      ? "full"
                  : reply->disk == ORDO__CLUSTER__V1__DISK_STATE__DISK_STALLED ? "stalled"
                                                                               : "ok";
    if (said->move != NULL) take_move(status, shard, said->move);
    for (size_t i = 0; i < said->n_troubles; i++)
        trouble(status, said->troubles[i]->since_ms, "%.*s", (int)said->troubles[i]->text.len,
                (const char *)said->troubles[i]->text.data);
    if (strcmp(shard->disk, "full") == 0)
        trouble(status, 0, "The disk of %s is full: edits wait until there is space.", shard->name);
    if (strcmp(shard->disk, "stalled") == 0)
        trouble(status, reply->stalled_ms, "The disk of %s does not answer.", shard->name);
    if (shard->documents_damaged > 0)
        trouble(status, 0, "%s has met %llu damaged documents: its log names them.", shard->name,
                (unsigned long long)shard->documents_damaged);
}

static void describe_shard(const struct ordo_cluster *cluster, const struct ordo_cluster_store *store,
                           struct status_shard *out) {
    const struct ordo_cluster_live *live = ordo_cluster_live(cluster, &store->id);
    *out = (struct status_shard){
        .id = store->id, .incarnation = store->incarnation, .is_draining = store->is_draining, .disk = ""};
    ordo_hex_encode(out->id_text, store->id.bytes, sizeof store->id.bytes);
    snprintf(out->name, sizeof out->name, "%s", status_store_name(cluster, &store->id));
    if (live != NULL) snprintf(out->host, sizeof out->host, "%s", live->host);
    out->state = store->is_forgotten              ? STATUS_FORGOTTEN
                 : live == NULL                   ? STATUS_DOWN
                 : live->data_endpoint[0] == '\0' ? STATUS_STARTING
                                                  : STATUS_SILENT; /* until it answers */
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++)
        out->slot_count += ordo_store_id_equal(&cluster->table.placement.slots[slot].store, &store->id);
}

static int compare_names(const void *a, const void *b) {
    return strverscmp(((const struct status_shard *)a)->name, ((const struct status_shard *)b)->name);
}

static void ask_shards(struct status *status) {
    struct side_link **links = ordo_alloc((status->shard_count + 1) * sizeof(struct side_link *));
    for (size_t i = 0; i < status->shard_count; i++) {
        const struct ordo_cluster_live *live = ordo_cluster_live(status->cluster, &status->shards[i].id);
        if (status->shards[i].state == STATUS_SILENT) links[i] = side_link_open(live->side_endpoint);
        if (links[i] != NULL) side_link_send_status(links[i]);
    }
    uint64_t end_ms = ordo_clock_monotonic_ms() + ANSWER_TIMEOUT_MS;
    for (size_t i = 0; i < status->shard_count; i++) {
        if (links[i] == NULL) continue;
        uint64_t now_ms = ordo_clock_monotonic_ms();
        const Ordo__Cluster__V1__SideReply *reply =
            side_link_receive_status(links[i], now_ms < end_ms ? (int)(end_ms - now_ms) : 0);
        bool is_that = reply != NULL && reply->shard.len == ORDO_STORE_ID_SIZE &&
                       memcmp(reply->shard.data, status->shards[i].id.bytes, ORDO_STORE_ID_SIZE) == 0;
        if (is_that) take_answer(status, &status->shards[i], reply);
        side_link_close(links[i]);
    }
    free(links);
}

static void judge_shard(struct status *status, const struct status_shard *shard) {
    switch (shard->state) {
    case STATUS_SILENT:
        trouble(status, 0, "%s does not answer: its process is stopped or has just died, or the way there is blocked.",
                shard->name);
        break;
    case STATUS_STARTING: trouble(status, 0, "%s is starting.", shard->name); break;
    case STATUS_DOWN:
        if (shard->slot_count > 0)
            trouble(status, 0, "%s runs nowhere, and %u slots with it.", shard->name, shard->slot_count);
        break;
    case STATUS_SERVING:
        if (shard->age_ms > OLD_FIGURES_MS)
            trouble(status, shard->age_ms, "%s does nothing: it waits for its disk.", shard->name);
        break;
    case STATUS_FORGOTTEN: break;
    }
}

/* ---- slots, gateways, all */

static void judge_slots(struct status *status) {
    if (!status->cluster->has_table) {
        trouble(status, 0, "The directory has no router table.");
        return;
    }
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &status->cluster->table.placement.slots[slot];
        bool is_served = false;
        for (size_t i = 0; i < status->shard_count && place->epoch > 0; i++)
            is_served |=
                ordo_store_id_equal(&status->shards[i].id, &place->store) && status->shards[i].state == STATUS_SERVING;
        status->unowned[slot] = !is_served;
        status->unowned_count += !is_served;
    }
    char text[256];
    cluster_slots_print(status->unowned, text, sizeof text);
    if (status->unowned_count > 0)
        trouble(status, 0, "%u slots are served by nobody, and the documents in them wait: %s", status->unowned_count,
                text);
}

static void judge_gateway(struct status *status, const struct status_gateway *gateway) {
    if (!gateway->is_there) {
        trouble(status, 0, "The gateway %s does not answer at %s.", gateway->name, gateway->url);
    } else if (gateway->has_figures && gateway->links_ready < gateway->links) {
        trouble(status, 0, "The gateway %s has no link to %llu of %llu shards.", gateway->name,
                (unsigned long long)(gateway->links - gateway->links_ready), (unsigned long long)gateway->links);
    }
}

static void judge_moves(struct status *status) {
    for (size_t i = 0; i < status->cluster->move_count; i++) {
        const struct ordo_cluster_move *move = &status->cluster->moves[i];
        if (move->failure[0] != '\0')
            trouble(status, 0, "Slot %u was not moved to %s: %s", move->slot,
                    status_store_name(status->cluster, &move->target), move->failure);
    }
}

void status_collect(struct status *status, const struct ordo_cluster *cluster, const char *directory, const char *away) {
    *status = (struct status){.cluster = cluster, .directory = directory, .away = away};
    if (away != NULL) trouble(status, 0, "The directory is away, and this is what a gateway knew last: %s", away);
    status->shards = ordo_alloc((cluster->store_count + 1) * sizeof *status->shards);
    status->shard_count = cluster->store_count;
    for (size_t i = 0; i < cluster->store_count; i++) describe_shard(cluster, &cluster->stores[i], &status->shards[i]);
    qsort(status->shards, status->shard_count, sizeof *status->shards, compare_names);
    status->gateways = ordo_alloc((cluster->gateway_count + 1) * sizeof *status->gateways);
    status->gateway_count = cluster->gateway_count;
    for (size_t i = 0; i < cluster->gateway_count; i++) {
        snprintf(status->gateways[i].name, sizeof status->gateways[i].name, "%s", cluster->gateways[i].name);
        snprintf(status->gateways[i].url, sizeof status->gateways[i].url, "%s", cluster->gateways[i].url);
        snprintf(status->gateways[i].metrics_url, sizeof status->gateways[i].metrics_url, "%s",
                 cluster->gateways[i].metrics_url);
    }
    ask_shards(status);
    status_ask_gateways(status->gateways, status->gateway_count);
    for (size_t i = 0; i < status->shard_count; i++) judge_shard(status, &status->shards[i]);
    judge_slots(status);
    for (size_t i = 0; i < status->gateway_count; i++) judge_gateway(status, &status->gateways[i]);
    judge_moves(status);
    if (cluster->garbled_count > 0)
        trouble(status, 0, "%zu keys of the directory do not read: %s", cluster->garbled_count, cluster->garbled.text);
}

void status_finish(struct status *status) {
    free(status->shards);
    free(status->gateways);
}

enum { EXIT_UNWELL = 3 };

/* The cluster as the directory has it; or, while that is away, as `gateway` heard of it last, with `away` saying so. NULL:
 * a message was printed. */
static struct ordo_cluster *read_cluster(struct cluster_access *access, const struct cluster_words *words,
                                         const char *gateway, struct ordo_problem *away) {
    ordo_err err = cluster_access_try(access, words, away);
    struct ordo_cluster *cluster = access->cluster;
    access->cluster = NULL; /* it is the caller's now */
    if (err == ORDO_ERR_UNAVAILABLE) cluster = status_ask_last_known(gateway);
    if (err && cluster == NULL) ordo_command_fail("%s", away->text);
    return cluster;
}

int ordo_status_run(int argc, char **argv) {
    static struct cluster_access access;
    static struct status shown;
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const char *gateway = "ws://127.0.0.1:8080/v1/ws";
    bool is_json = false, checks = false;
    const struct ordo_option options[] = {
        {"--json", NULL, "as one JSON object", ORDO_OPTION_FLAG, &is_json},
        {"--check", NULL, "exit with 3 unless all is well", ORDO_OPTION_FLAG, &checks},
        {"--gateway", "URL",
         "on this machine, asked for what it knew last while the directory is away\n(ws://127.0.0.1:8080/v1/ws)",
         ORDO_OPTION_TEXT, &gateway},
        CLUSTER_OPTIONS(words),
    };
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse(
            "ordo status [OPTIONS]\n\nHow a cluster is: shards, gateways, slots, moves, and what is not well.\n", options,
            sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    struct ordo_problem away = {{0}};
    struct ordo_cluster *cluster = read_cluster(&access, &words, gateway, &away);
    status = EXIT_FAILURE;
    if (cluster != NULL) {
        status_collect(&shown, cluster, access.url, away.text[0] != '\0' ? away.text : NULL);
        (is_json ? status_print_json : status_print)(&shown);
        status = ordo_command_flush();
        if (status == EXIT_SUCCESS && checks && shown.trouble_count > 0) status = EXIT_UNWELL;
        status_finish(&shown);
    }
    ordo_cluster_destroy(cluster);
    cluster_access_close(&access);
    return status;
}
