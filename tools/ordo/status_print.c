/* What `ordo status` prints: for people, and as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/hex.h"
#include "tools/ordo/status.h"

static const char *const state_words[] = {
    [STATUS_SERVING] = "serving", [STATUS_STARTING] = "starting",   [STATUS_SILENT] = "silent",
    [STATUS_DOWN] = "down",       [STATUS_FORGOTTEN] = "forgotten",
};

static const char *cluster_text(const struct status *status, char out[2 * ORDO_CLUSTER_ID_SIZE + 1]) {
    ordo_hex_encode(out, status->cluster->table.cluster.bytes, ORDO_CLUSTER_ID_SIZE);
    return out;
}

/* ---- for people */

static void print_duration(char *out, size_t size, uint64_t ms) {
    uint64_t s = ms / 1000;
    if (s < 60) {
        snprintf(out, size, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    } else if (s < 3600) {
        snprintf(out, size, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(out, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
    } else {
        snprintf(out, size, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
    }
}

static void print_shards(const struct status *status) {
    printf("%-16s %-8s  %-9s %6s %8s %8s %9s %17s  %s\n", "SHARD", "STORE", "STATE", "SLOTS", "DOCS", "OPENED", "OPS/S",
           "COMMIT p50/p99 ms", "UP FOR");
    for (size_t i = 0; i < status->shard_count; i++) {
        const struct status_shard *shard = &status->shards[i];
        char up[32] = "", commit[32] = "";
        printf("%-16s %-8.8s  %-9s %6u ", shard->name, shard->id_text,
               shard->is_draining && shard->state == STATUS_SERVING ? "draining" : state_words[shard->state],
               shard->slot_count);
        if (shard->state == STATUS_SERVING) {
            print_duration(up, sizeof up, shard->uptime_ms);
            snprintf(commit, sizeof commit, "%.1f / %.1f", (double)shard->commit_p50_us / 1000,
                     (double)shard->commit_p99_us / 1000);
            printf("%8" PRIu64 " %8" PRIu64 " %9.0f %17s  %s", shard->documents, shard->subscribers, shard->ops_per_s,
                   commit, up);
        }
        printf("\n");
    }
}

static void print_gateways(const struct status *status) {
    printf("\n%-24s %-40s %11s %8s %8s\n", "GATEWAY", "URL", "CONNECTIONS", "DOCS", "LINKS");
    for (size_t i = 0; i < status->gateway_count; i++) {
        const struct status_gateway *gateway = &status->gateways[i];
        printf("%-24s %-40s ", gateway->name, gateway->url);
        if (gateway->has_figures) {
            printf("%11" PRIu64 " %8" PRIu64 " %4" PRIu64 "/%" PRIu64 "\n", gateway->connections, gateway->documents,
                   gateway->links_ready, gateway->links);
        } else {
            printf(gateway->is_there ? "answers; its figures are not told here\n" : "no answer\n");
        }
    }
}

static void print_moves(const struct status *status) {
    unsigned waiting = 0;
    for (size_t i = 0; i < status->cluster->move_count; i++) waiting += status->cluster->moves[i].failure[0] == '\0';
    if (waiting > 0)
        printf("\n%u slots are to move%s\n", waiting, status->cluster->hold_count > 0 ? ", held by a backup" : "");
    for (size_t i = 0; i < status->shard_count; i++) {
        const struct status_shard *shard = &status->shards[i];
        if (!shard->is_moving) continue;
        printf("  slot %u: %s -> %s, %s, %.1f MiB sent\n", shard->move.slot, shard->name, shard->move.target,
               shard->move.phase, (double)shard->move.sent_size / (1 << 20));
    }
}

static void print_troubles(const struct status *status) {
    printf("\n%s\n", status->trouble_count == 0 ? "All is well." : "Not well:");
    for (size_t i = 0; i < status->trouble_count; i++) {
        char since[32];
        print_duration(since, sizeof since, status->troubles[i].since_ms);
        printf("  %s", status->troubles[i].text);
        if (status->troubles[i].since_ms > 0) printf(" (for %s)", since);
        printf("\n");
    }
}

static void print_summary(const struct status *status) {
    char cluster[2 * ORDO_CLUSTER_ID_SIZE + 1];
    uint64_t connections = 0;
    double ops_per_s = 0;
    for (size_t i = 0; i < status->gateway_count; i++) connections += status->gateways[i].connections;
    for (size_t i = 0; i < status->shard_count; i++) ops_per_s += status->shards[i].ops_per_s;
    const bool has_table = status->cluster->has_table;
    printf("cluster %s, directory %s\n", has_table ? cluster_text(status, cluster) : "none yet", status->directory);
    printf("%u of %d slots are served; balancing is %s; %" PRIu64 " connections, %.0f ops/s\n\n",
           has_table ? ORDO_SLOT_COUNT - status->unowned_count : 0, ORDO_SLOT_COUNT,
           status->cluster->balance_is_off ? "off" : "on", connections, ops_per_s);
}

void status_print(const struct status *status) {
    print_summary(status);
    print_shards(status);
    print_gateways(status);
    print_moves(status);
    print_troubles(status);
}

/* ---- JSON */

static json_t *shard_json(const struct status_shard *shard) {
    json_t *object = json_pack("{s:s, s:s, s:s, s:b, s:i, s:I}", "name", shard->name, "id", shard->id_text, "state",
                               state_words[shard->state], "draining", shard->is_draining, "slots", (int)shard->slot_count,
                               "incarnation", (json_int_t)shard->incarnation);
    if (shard->state != STATUS_SERVING) return object;
    json_t *said =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:s}", "host", shard->host, "documents",
                  (json_int_t)shard->documents, "subscribers", (json_int_t)shard->subscribers, "gateways",
                  (json_int_t)shard->gateways, "ops_committed", (json_int_t)shard->ops_committed, "turns",
                  (json_int_t)shard->turns, "ops_per_s", shard->ops_per_s, "commit_p50_us", (json_int_t)shard->commit_p50_us,
                  "commit_p99_us", (json_int_t)shard->commit_p99_us, "commit_max_us", (json_int_t)shard->commit_max_us,
                  "documents_damaged", (json_int_t)shard->documents_damaged, "uptime_ms", (json_int_t)shard->uptime_ms,
                  "disk", shard->disk);
    json_object_update_new(object, said);
    return object;
}

static json_t *gateway_json(const struct status_gateway *gateway) {
    json_t *object = json_pack("{s:s, s:s, s:b}", "name", gateway->name, "url", gateway->url, "answers", gateway->is_there);
    if (!gateway->has_figures) return object;
    json_object_update_new(object, json_pack("{s:I, s:I, s:I, s:I, s:I}", "connections", (json_int_t)gateway->connections,
                                             "documents", (json_int_t)gateway->documents, "subscribers",
                                             (json_int_t)gateway->subscribers, "links", (json_int_t)gateway->links,
                                             "links_ready", (json_int_t)gateway->links_ready));
    return object;
}

/* Orders, with what the source says of the one that is on its way. */
static json_t *moves_json(const struct status *status) {
    json_t *moves = json_array();
    for (size_t i = 0; i < status->cluster->move_count; i++) {
        const struct ordo_cluster_move *move = &status->cluster->moves[i];
        json_t *object =
            json_pack("{s:i, s:s, s:s}", "slot", (int)move->slot, "to", status_store_name(status->cluster, &move->target),
                      "by", move->is_by_balancer ? "balancer" : "operator");
        if (move->failure[0] != '\0') json_object_set_new(object, "failed", json_string(move->failure));
        for (size_t j = 0; j < status->shard_count; j++) {
            const struct status_shard *shard = &status->shards[j];
            if (!shard->is_moving || shard->move.slot != move->slot) continue;
            json_object_set_new(object, "phase", json_string(shard->move.phase));
            json_object_set_new(object, "sent_size", json_integer((json_int_t)shard->move.sent_size));
        }
        json_array_append_new(moves, object);
    }
    return moves;
}

void status_print_json(const struct status *status) {
    char cluster[2 * ORDO_CLUSTER_ID_SIZE + 1];
    json_t *shards = json_array(), *gateways = json_array(), *troubles = json_array(), *unserved = json_array();
    for (size_t i = 0; i < status->shard_count; i++) json_array_append_new(shards, shard_json(&status->shards[i]));
    for (size_t i = 0; i < status->gateway_count; i++) json_array_append_new(gateways, gateway_json(&status->gateways[i]));
    for (size_t i = 0; i < status->trouble_count; i++)
        json_array_append_new(troubles, json_pack("{s:s, s:I}", "text", status->troubles[i].text, "since_ms",
                                                  (json_int_t)status->troubles[i].since_ms));
    for (int slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (status->unowned[slot]) json_array_append_new(unserved, json_integer(slot));
    }
    json_t *all =
        json_pack("{s:s?, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "cluster",
                  status->cluster->has_table ? cluster_text(status, cluster) : NULL, "directory", status->directory,
                  "directory_away", status->away != NULL, "balance", !status->cluster->balance_is_off, "held",
                  status->cluster->hold_count > 0, "shards", shards, "gateways", gateways, "slots_unserved", unserved,
                  "moves", moves_json(status), "troubles", troubles);
    json_dumpf(all, stdout, JSON_INDENT(2));
    json_decref(all);
    printf("\n");
}
