/* tests/unit/cluster_fixture.h: names and numbers for tests about the keys of a cluster. */
#ifndef ORDO_TESTS_CLUSTER_FIXTURE_H
#define ORDO_TESTS_CLUSTER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/directory/cluster.h"
#include "common/memory.h"

static inline struct ordo_store_id store_id(uint8_t number) { return (struct ordo_store_id){.bytes = {number, 0xab}}; }
static inline struct ordo_process_id process_id(uint8_t number) {
    return (struct ordo_process_id){.bytes = {number, 0xcd}};
}
static inline struct ordo_cluster_id cluster_id(uint8_t number) {
    return (struct ordo_cluster_id){.bytes = {number, 0xef}};
}

static inline struct ordo_cluster_store make_store(uint8_t number) {
    struct ordo_cluster_store store = {.id = store_id(number), .incarnation = 1, .process = process_id(number),
                                       .reads_format_min = 1, .reads_format_max = ordo_format_max()};
    snprintf(store.name, sizeof store.name, "shard-%u", number);
    return store;
}

static inline struct ordo_cluster_live make_live(uint8_t number) {
    struct ordo_cluster_live live = {.id = store_id(number), .incarnation = 1, .process = process_id(number)};
    snprintf(live.name, sizeof live.name, "shard-%u", number);
    snprintf(live.host, sizeof live.host, "host");
    snprintf(live.place, sizeof live.place, "boot:1:%u", number);
    snprintf(live.data_endpoint, sizeof live.data_endpoint, "tcp://127.0.0.1:%u", 5000 + number);
    snprintf(live.side_endpoint, sizeof live.side_endpoint, "tcp://127.0.0.1:%u", 6000 + number);
    return live;
}

/* A table in which `store` has all slots with `epoch`. */
static inline struct ordo_cluster_table make_table(uint8_t store, uint64_t epoch) {
    struct ordo_cluster_table table = {.cluster = cluster_id(1), .format_level = 1, .founder = store_id(store)};
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        table.placement.slots[slot] = (struct ordo_slot_place){.epoch = epoch, .store = store_id(store)};
    }
    return table;
}

/* ---- a view out of keys and values, as a directory would give it */

static inline void content_put(struct ordo_directory_content *content, const char *key, struct ordo_buffer *value) {
    assert_int_equal(ordo_directory_content_put(content, key, ordo_buffer_slice(value), 0), ORDO_OK);
    ordo_buffer_finish(value);
}

static inline void content_put_store(struct ordo_directory_content *content, const struct ordo_cluster_store *store) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    ordo_cluster_key_store(key, &store->id);
    ordo_cluster_store_encode(&value, store);
    content_put(content, key, &value);
}

static inline void content_put_live(struct ordo_directory_content *content, const struct ordo_cluster_live *live) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    ordo_cluster_key_live(key, &live->id);
    ordo_cluster_live_encode(&value, live);
    content_put(content, key, &value);
}

static inline void content_put_move(struct ordo_directory_content *content, const struct ordo_cluster_move *move) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    struct ordo_buffer value = {0};
    ordo_cluster_key_move(key, move->slot);
    ordo_cluster_move_encode(&value, move);
    content_put(content, key, &value);
}

static inline void content_put_table(struct ordo_directory_content *content, const struct ordo_cluster_table *table) {
    struct ordo_buffer value = {0};
    ordo_cluster_table_encode(&value, table);
    content_put(content, ORDO_KEY_TABLE, &value);
}

static inline void content_put_text(struct ordo_directory_content *content, const char *key, const char *text) {
    assert_int_equal(ordo_directory_content_put(content, key, ordo_slice_of(text), 0), ORDO_OK);
}

/* The caller destroys it. */
static inline struct ordo_cluster *cluster_of(const struct ordo_directory_content *content) {
    struct ordo_cluster *cluster;
    struct ordo_problem problem;
    const struct ordo_directory_view *view = ordo_directory_view_create(content, 1, 0, NULL);
    assert_int_equal(ordo_cluster_decode(view, &cluster, &problem), ORDO_OK);
    ordo_directory_view_release(view);
    return cluster;
}

#endif
