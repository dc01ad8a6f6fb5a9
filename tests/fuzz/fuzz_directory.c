/* Whatever a directory holds or etcd says, reading it ends, stays in bounds, and what reads is written and read back
 * the same. The first byte says which door the rest comes in by. */
#include <stdlib.h>

#include "common/base64.h"
#include "common/directory/balance.h"
#include "common/directory/content_codec.h"
#include "common/directory/etcd_message.h"
#include "common/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_INPUT = 1 << 16 };

static void check(bool holds) {
    if (!holds) abort();
}

/* ---- a view, decoded as a cluster */

static void check_again(const struct ordo_cluster *cluster, struct ordo_directory_content *again) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    for (size_t i = 0; i < cluster->store_count; i++) {
        struct ordo_cluster_store store;
        ordo_cluster_key_store(key, &cluster->stores[i].id);
        ordo_buffer_clear(&value);
        ordo_cluster_store_encode(&value, &cluster->stores[i]);
        struct ordo_directory_item item = {.key = key, .value = ordo_buffer_slice(&value)};
        check(ordo_cluster_store_decode(&item, &store) == NULL);
        check(memcmp(&store, &cluster->stores[i], sizeof store) == 0);
    }
    for (size_t i = 0; i < cluster->live_count; i++) {
        struct ordo_cluster_live live;
        ordo_cluster_key_live(key, &cluster->live[i].id);
        ordo_buffer_clear(&value);
        ordo_cluster_live_encode(&value, &cluster->live[i]);
        struct ordo_directory_item item = {.key = key, .value = ordo_buffer_slice(&value)};
        check(ordo_cluster_live_decode(&item, &live) == NULL && memcmp(&live, &cluster->live[i], sizeof live) == 0);
    }
    for (size_t i = 0; i < cluster->move_count; i++) {
        struct ordo_cluster_move move;
        ordo_cluster_key_move(key, cluster->moves[i].slot);
        check(ordo_directory_content_find(again, key) != NULL);
        ordo_buffer_clear(&value);
        ordo_cluster_move_encode(&value, &cluster->moves[i]);
        struct ordo_directory_item item = {.key = key, .value = ordo_buffer_slice(&value)};
        check(ordo_cluster_move_decode(&item, &move) == NULL && memcmp(&move, &cluster->moves[i], sizeof move) == 0);
    }
    if (cluster->has_table) {
        struct ordo_cluster_table table;
        ordo_buffer_clear(&value);
        ordo_cluster_table_encode(&value, &cluster->table);
        check(ordo_cluster_table_decode(ordo_buffer_slice(&value), &table) == NULL);
        check(memcmp(&table, &cluster->table, sizeof table) == 0);
    }
    ordo_buffer_finish(&value);
}

static void check_plan(const struct ordo_cluster *cluster) {
    static struct ordo_balance_move plan[ORDO_SLOT_COUNT];
    size_t count = ordo_balance_plan(cluster, NULL, plan, ORDO_SLOT_COUNT);
    for (size_t i = 0; i < count; i++) {
        check(plan[i].slot < ORDO_SLOT_COUNT && ordo_cluster_store(cluster, &plan[i].target) != NULL);
        check(!ordo_store_id_equal(&cluster->table.placement.slots[plan[i].slot].store, &plan[i].target));
    }
}

static void read_cluster(struct ordo_directory_content *content) {
    struct ordo_cluster *cluster = NULL;
    struct ordo_problem problem = {0};
    const struct ordo_directory_view *view = ordo_directory_view_create(content, 1, 0, NULL);
    ordo_err err = ordo_cluster_decode(view, &cluster, &problem);
    check((err == ORDO_OK) == (cluster != NULL) && (err == ORDO_OK) == (problem.text[0] == '\0'));
    if (!err) {
        check_again(cluster, content);
        check_plan(cluster);
    }
    ordo_cluster_destroy(cluster);
    ordo_directory_view_release(view);
}

/* Lines "key value". */
static void read_lines(struct ordo_slice text) {
    struct ordo_directory_content content = {0};
    while (text.size > 0) {
        char key[ORDO_DIRECTORY_KEY_SIZE_MAX + 1] = "";
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size, taken = size + (end != NULL);
        const uint8_t *blank = memchr(text.data, ' ', size);
        size_t key_size = blank ? (size_t)(blank - text.data) : size;
        if (key_size < sizeof key) {
            memcpy(key, text.data, key_size);
            struct ordo_slice value = blank ? ordo_slice(blank + 1, size - key_size - 1) : ordo_slice(NULL, 0);
            ordo_err err = ordo_directory_content_put(&content, key, value, 0);
            check(err == ORDO_OK || err == ORDO_ERR_INVALID);
        }
        text = ordo_slice(text.data + taken, text.size - taken);
    }
    read_cluster(&content);
    ordo_directory_content_finish(&content);
}

/* ---- the file, with its checksum put right */

static void read_file(struct ordo_slice bytes) {
    struct ordo_buffer mended = {0}, again = {0};
    struct ordo_directory_content content = {0};
    ordo_buffer_append_slice(&mended, bytes);
    ordo_buffer_append_u64_le(&mended, ordo_hash(bytes));
    if (ordo_directory_content_decode(ordo_buffer_slice(&mended), &content) == ORDO_OK) {
        struct ordo_directory_content twice = {0};
        ordo_directory_content_encode(&again, &content);
        check(ordo_directory_content_decode(ordo_buffer_slice(&again), &twice) == ORDO_OK);
        check(twice.count == content.count && twice.size == content.size && twice.revision == content.revision);
        ordo_directory_content_finish(&twice);
        read_cluster(&content);
    }
    check(ordo_directory_content_decode(bytes, &(struct ordo_directory_content){0}) != ORDO_OK || bytes.size > 8);
    ordo_directory_content_finish(&content);
    ordo_buffer_finish(&mended);
    ordo_buffer_finish(&again);
}

/* ---- etcd */

static void hear_etcd(struct ordo_slice text) {
    struct ordo_directory_content content = {0};
    struct ordo_problem problem;
    uint64_t number;
    bool is_so;
    if (ordo_etcd_range_decode(text, "test/", &content) == ORDO_OK) read_cluster(&content);
    (void)!ordo_etcd_watch_decode(text, "test/", &content);
    (void)!ordo_etcd_txn_decode(text, &is_so, &number);
    (void)!ordo_etcd_grant_decode(text, &number);
    (void)!ordo_etcd_keepalive_decode(text, &is_so);
    check(ordo_etcd_refusal_decode(text, &problem) != ORDO_ETCD_NONE);
    read_cluster(&content);
    ordo_directory_content_finish(&content);
}

static void read_base64(struct ordo_slice text) {
    struct ordo_buffer bytes = {0}, again = {0};
    if (ordo_base64_decode(&bytes, text)) {
        ordo_base64_encode(&again, ordo_buffer_slice(&bytes));
        check(ordo_slice_equal(ordo_buffer_slice(&again), text));
    }
    ordo_buffer_finish(&bytes);
    ordo_buffer_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > SIZE_MAX_INPUT) return 0;
    struct ordo_slice rest = ordo_slice(data + 1, size - 1);
    switch (data[0]) {
    case 'l': read_lines(rest); break;
    case 'f': read_file(rest); break;
    case 'e': hear_etcd(rest); break;
    case 'b': read_base64(rest); break;
    }
    return 0;
}
