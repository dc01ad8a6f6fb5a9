#include "common/directory/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/hex.h"
#include "common/memory.h"

/* ---- decoding a view */

static void note_garbled(struct ordo_cluster *cluster, const char *key, const char *wrong) {
    if (cluster->garbled_count++ == 0) {
        ordo_problem_set(&cluster->garbled, "The key %s of the directory does not read: it %s.", key, wrong);
    }
}

static const char *decode_store(const struct ordo_directory_item *item, void *out) {
    return ordo_cluster_store_decode(item, out);
}
static const char *decode_live(const struct ordo_directory_item *item, void *out) {
    return ordo_cluster_live_decode(item, out);
}
static const char *decode_gateway(const struct ordo_directory_item *item, void *out) {
    return ordo_cluster_gateway_decode(item, out);
}
static const char *decode_move(const struct ordo_directory_item *item, void *out) {
    return ordo_cluster_move_decode(item, out);
}
static const char *decode_hold(const struct ordo_directory_item *item, void *out) {
    return ordo_cluster_hold_decode(item, out);
}

static const char *decode_revoked(const struct ordo_directory_item *item, void *out) {
    return ordo_cluster_revoked_decode(item, out);
}

/* Decodes all items below `prefix` into a new array of elements of `size` bytes. */
static void *decode_list(struct ordo_cluster *cluster, const struct ordo_directory_view *view, const char *prefix,
                         size_t size, const char *(*decode)(const struct ordo_directory_item *item, void *out),
                         size_t *count_out) {
    size_t item_count;
    const struct ordo_directory_item *items = ordo_directory_range(view, prefix, &item_count);
    uint8_t *elements = ordo_alloc_array(item_count, size);
    *count_out = 0;
    for (size_t i = 0; i < item_count; i++) {
        const char *wrong = decode(&items[i], elements + *count_out * size);
        if (wrong == NULL) {
            ++*count_out;
        } else {
            note_garbled(cluster, items[i].key, wrong);
        }
    }
    return elements;
}

static void decode_balancing(struct ordo_cluster *cluster, const struct ordo_directory_view *view) {
    const struct ordo_directory_item *balancer = ordo_directory_find(view, ORDO_KEY_BALANCER);
    const struct ordo_directory_item *balance = ordo_directory_find(view, ORDO_KEY_BALANCE);
    const char *wrong = balancer ? ordo_cluster_balancer_decode(balancer->value, &cluster->balancer) : NULL;
    if (wrong != NULL) note_garbled(cluster, balancer->key, wrong);
    wrong = balance ? ordo_cluster_balance_decode(balance->value, &cluster->balance_is_off) : NULL;
    if (wrong == NULL) return;
    note_garbled(cluster, balance->key, wrong);
    cluster->balance_is_off = true; /* nobody knows what was wanted, and doing nothing harms least */
}

ordo_err ordo_cluster_decode(const struct ordo_directory_view *view, struct ordo_cluster **out,
                             struct ordo_problem *problem) {
    struct ordo_cluster *cluster = ordo_alloc(sizeof *cluster);
    cluster->generation = view->generation;
    cluster->away_since_ms = view->away_since_ms;
    const struct ordo_directory_item *table = ordo_directory_find(view, ORDO_KEY_TABLE);
    const char *wrong = table ? ordo_cluster_table_decode(table->value, &cluster->table) : NULL;
    if (wrong != NULL) {
        ordo_problem_set(problem,
                         "The router table in the directory does not read: it %s. Nothing is changed until it is put"
                         " right, or deleted and built anew from what the stores say.",
                         wrong);
        ordo_cluster_destroy(cluster);
        return ORDO_ERR_CORRUPT;
    }
    cluster->has_table = table != NULL;
    cluster->stores =
        decode_list(cluster, view, "stores/", sizeof *cluster->stores, decode_store, &cluster->store_count);
    cluster->live = decode_list(cluster, view, "live/", sizeof *cluster->live, decode_live, &cluster->live_count);
    cluster->gateways =
        decode_list(cluster, view, "gateways/", sizeof *cluster->gateways, decode_gateway, &cluster->gateway_count);
    cluster->moves = decode_list(cluster, view, "moves/", sizeof *cluster->moves, decode_move, &cluster->move_count);
    cluster->holds = decode_list(cluster, view, "hold/", sizeof *cluster->holds, decode_hold, &cluster->hold_count);
    cluster->revocations = decode_list(cluster, view, ORDO_KEY_REVOKED, sizeof *cluster->revocations, decode_revoked,
                                       &cluster->revocation_count);
    decode_balancing(cluster, view);
    *out = cluster;
    return ORDO_OK;
}

void ordo_cluster_destroy(struct ordo_cluster *cluster) {
    if (cluster == NULL) return;
    free(cluster->stores);
    free(cluster->live);
    free(cluster->gateways);
    free(cluster->moves);
    free(cluster->revocations);
    free(cluster->holds);
    free(cluster);
}

/* ---- looking up */

const struct ordo_cluster_store *ordo_cluster_store(const struct ordo_cluster *cluster,
                                                    const struct ordo_store_id *id) {
    for (size_t i = 0; i < cluster->store_count; i++) {
        if (ordo_store_id_equal(&cluster->stores[i].id, id)) return &cluster->stores[i];
    }
    return NULL;
}

const struct ordo_cluster_live *ordo_cluster_live(const struct ordo_cluster *cluster, const struct ordo_store_id *id) {
    for (size_t i = 0; i < cluster->live_count; i++) {
        if (ordo_store_id_equal(&cluster->live[i].id, id)) return &cluster->live[i];
    }
    return NULL;
}

const struct ordo_cluster_move *ordo_cluster_move(const struct ordo_cluster *cluster, uint16_t slot) {
    for (size_t i = 0; i < cluster->move_count; i++) {
        if (cluster->moves[i].slot == slot) return &cluster->moves[i];
    }
    return NULL;
}

bool ordo_cluster_reads_format(const struct ordo_cluster_store *store, uint32_t format_level) {
    return store->reads_format_min <= format_level && format_level <= store->reads_format_max;
}

static bool is_called(const struct ordo_cluster_store *store, const char *text) {
    enum { DIGITS_MIN = 4 };
    char digits[2 * ORDO_STORE_ID_SIZE + 1];
    ordo_hex_encode(digits, store->id.bytes, sizeof store->id.bytes);
    size_t size = strlen(text);
    return strcmp(store->name, text) == 0 || (size >= DIGITS_MIN && strncmp(digits, text, size) == 0);
}

const struct ordo_cluster_store *ordo_cluster_store_called(const struct ordo_cluster *cluster, const char *text) {
    const struct ordo_cluster_store *found = NULL;
    for (size_t i = 0; i < cluster->store_count; i++) {
        if (!is_called(&cluster->stores[i], text)) continue;
        if (found != NULL) return NULL;
        found = &cluster->stores[i];
    }
    return found;
}
