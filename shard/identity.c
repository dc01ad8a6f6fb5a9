#include "shard/identity.h"

#include "common/random.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/value.h"

enum { ROW_VERSION = 1 };
#define KEY_FORMAT "format"
#define KEY_CLUSTER "cluster"
#define KEY_STORE "store"
#define KEY_INCARNATION "incarnation"
#define KEY_OWNER "owner" /* followed by the slot, 2 bytes big endian */

static void put_bytes(struct ordo_batch *batch, struct ordo_slice key, struct ordo_slice bytes) {
    struct ordo_buffer value = {0};
    ordo_value_begin(&value, ROW_VERSION);
    ordo_buffer_append_slice(&value, bytes);
    ordo_value_seal(&value, key);
    ordo_batch_put(batch, ORDO_CF_META, key, ordo_buffer_slice(&value));
    ordo_buffer_finish(&value);
}

static void put_number(struct ordo_batch *batch, struct ordo_slice key, uint64_t number) {
    struct ordo_buffer bytes = {0};
    ordo_buffer_append_u64_le(&bytes, number);
    put_bytes(batch, key, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static void put_owner(struct ordo_batch *batch, uint16_t slot, uint64_t epoch) {
    struct ordo_buffer key = {0};
    ordo_buffer_append_slice(&key, ordo_slice_of(KEY_OWNER));
    ordo_buffer_append_u16_be(&key, slot);
    put_number(batch, ordo_buffer_slice(&key), epoch);
    ordo_buffer_finish(&key);
}

static void put_ownership(struct ordo_batch *batch, uint64_t epoch) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) put_owner(batch, slot, epoch);
}

static ordo_err write_rows(struct ordo_store *store, struct ordo_batch *batch, struct ordo_problem *problem) {
    ordo_err err = store->ops->write(store, batch, true);
    ordo_batch_finish(batch);
    if (err) ordo_problem_set(problem, "The store's own rows cannot be written: %s.", ordo_store_rocksdb_failure(store));
    return err;
}

static void put_all(struct ordo_batch *batch, const struct ordo_identity *identity, uint64_t epoch) {
    put_number(batch, ordo_slice_of(KEY_FORMAT), ORDO_STORE_FORMAT);
    put_bytes(batch, ordo_slice_of(KEY_CLUSTER), ordo_slice(identity->cluster_id, sizeof identity->cluster_id));
    put_bytes(batch, ordo_slice_of(KEY_STORE), ordo_slice(identity->store_id, sizeof identity->store_id));
    put_number(batch, ordo_slice_of(KEY_INCARNATION), identity->incarnation);
    put_ownership(batch, epoch);
}

ordo_err ordo_identity_create(struct ordo_store *store, struct ordo_problem *problem) {
    struct ordo_identity identity = {0};
    ordo_random_bytes(identity.cluster_id, sizeof identity.cluster_id);
    ordo_random_bytes(identity.store_id, sizeof identity.store_id);
    struct ordo_batch batch = {0};
    put_all(&batch, &identity, 1);
    return write_rows(store, &batch, problem);
}

/* ---- reading */

/* Opens the value and checks that its body has exactly `size` bytes, copied to `out`. */
static ordo_err open_bytes(struct ordo_slice key, struct ordo_slice value, void *out, size_t size) {
    struct ordo_reader body;
    struct ordo_slice bytes;
    ordo_err err = ordo_value_open(key, value, ROW_VERSION, &body);
    if (err) return err;
    if (ordo_reader_left(&body) != size || !ordo_take_bytes(&body, size, &bytes)) return ORDO_ERR_CORRUPT;
    memcpy(out, bytes.data, size);
    return ORDO_OK;
}

static ordo_err get_bytes(struct ordo_view *view, const char *name, void *out, size_t size) {
    struct ordo_buffer value = {0};
    struct ordo_slice key = ordo_slice_of(name);
    ordo_err err = view->ops->get(view, ORDO_CF_META, key, &value);
    if (!err) err = open_bytes(key, ordo_buffer_slice(&value), out, size);
    ordo_buffer_finish(&value);
    return err;
}

static uint64_t number_of(const uint8_t bytes[8]) {
    struct ordo_reader reader = ordo_reader(ordo_slice(bytes, 8));
    uint64_t number = 0;
    (void)ordo_take_u64_le(&reader, &number);
    return number;
}

static ordo_err get_number(struct ordo_view *view, const char *name, uint64_t *out) {
    uint8_t bytes[8] = {0};
    ordo_err err = get_bytes(view, name, bytes, sizeof bytes);
    if (!err) *out = number_of(bytes);
    return err;
}

static ordo_err get_turn(struct ordo_view *view, struct ordo_identity *out) {
    struct ordo_buffer value = {0};
    struct ordo_turn_row row = {0};
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_turn, &value);
    if (!err) err = ordo_turn_row_decode(ordo_buffer_slice(&value), &row);
    if (err == ORDO_ERR_NOT_FOUND) err = ORDO_OK; /* before the first turn */
    ordo_buffer_finish(&value);
    out->turn = row.turn;
    out->term = row.term;
    return err;
}

static ordo_err read_slots(struct ordo_view *view, struct ordo_identity *out) {
    struct ordo_slice prefix = ordo_slice_of(KEY_OWNER);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_META, prefix, ordo_slice(NULL, 0));
    ordo_err err = ORDO_OK;
    while (!err && iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        if (!ordo_slice_starts_with(key, prefix)) break;
        uint8_t epoch[8];
        uint16_t slot;
        struct ordo_reader rest = ordo_reader(ordo_slice(key.data + prefix.size, key.size - prefix.size));
        err = open_bytes(key, iterator->ops->value(iterator), epoch, sizeof epoch);
        if (!err && (!ordo_take_u16_be(&rest, &slot) || slot >= ORDO_SLOT_COUNT)) err = ORDO_ERR_CORRUPT;
        if (err) break;
        out->epochs[slot] = number_of(epoch);
        out->slot_count++;
    }
    if (!err) err = iterator->ops->status(iterator);
    iterator->ops->close(iterator);
    return err;
}

ordo_err ordo_identity_read(struct ordo_store *store, struct ordo_identity *out, struct ordo_problem *problem) {
    struct ordo_view *view = store->ops->view_open(store);
    uint64_t format = 0;
    *out = (struct ordo_identity){0};
    ordo_err err = get_number(view, KEY_FORMAT, &format);
    if (!err && format != ORDO_STORE_FORMAT) {
        ordo_problem_set(problem, "The store has format %llu, this program reads format %d: use the version that wrote it.",
                         (unsigned long long)format, ORDO_STORE_FORMAT);
        store->ops->view_close(view);
        return ORDO_ERR_VERSION;
    }
    if (!err) err = get_bytes(view, KEY_CLUSTER, out->cluster_id, sizeof out->cluster_id);
    if (!err) err = get_bytes(view, KEY_STORE, out->store_id, sizeof out->store_id);
    if (!err) err = get_number(view, KEY_INCARNATION, &out->incarnation);
    if (!err) err = get_turn(view, out);
    if (!err) err = read_slots(view, out);
    store->ops->view_close(view);
    if (!err) return ORDO_OK;
    if (err == ORDO_ERR_NOT_FOUND) err = ORDO_ERR_CORRUPT;
    ordo_problem_set(problem, "The rows that say which store this is cannot be read: %s.", ordo_err_text(err));
    return err;
}

ordo_err ordo_identity_raise_incarnation(struct ordo_store *store, struct ordo_identity *identity,
                                         struct ordo_problem *problem) {
    struct ordo_batch batch = {0};
    put_number(&batch, ordo_slice_of(KEY_INCARNATION), identity->incarnation + 1);
    ordo_err err = write_rows(store, &batch, problem);
    if (!err) identity->incarnation++;
    return err;
}

ordo_err ordo_identity_restore(struct ordo_store *store, struct ordo_identity *identity, struct ordo_problem *problem) {
    struct ordo_batch batch = {0};
    ordo_random_bytes(identity->store_id, sizeof identity->store_id);
    put_bytes(&batch, ordo_slice_of(KEY_STORE), ordo_slice(identity->store_id, sizeof identity->store_id));
    put_number(&batch, ordo_slice_of(KEY_INCARNATION), ++identity->incarnation);
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (identity->epochs[slot] > 0) put_owner(&batch, slot, ++identity->epochs[slot]);
    }
    return write_rows(store, &batch, problem);
}

/* The highest epoch with which it owns a slot; rows that do not read are passed over. */
static uint64_t highest_epoch(struct ordo_view *view) {
    struct ordo_slice prefix = ordo_slice_of(KEY_OWNER);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_META, prefix, ordo_slice(NULL, 0));
    uint64_t highest = 0;
    while (iterator->ops->next(iterator) && ordo_slice_starts_with(iterator->ops->key(iterator), prefix)) {
        uint8_t epoch[8];
        if (open_bytes(iterator->ops->key(iterator), iterator->ops->value(iterator), epoch, sizeof epoch)) continue;
        if (number_of(epoch) > highest) highest = number_of(epoch);
    }
    iterator->ops->close(iterator);
    return highest;
}

ordo_err ordo_identity_succeed(struct ordo_store *store, uint64_t turn, bool *has_cluster,
                               struct ordo_problem *problem) {
    struct ordo_identity identity = {0};
    struct ordo_view *view = store->ops->view_open(store);
    *has_cluster = get_bytes(view, KEY_CLUSTER, identity.cluster_id, sizeof identity.cluster_id) == ORDO_OK;
    if (!*has_cluster) ordo_random_bytes(identity.cluster_id, sizeof identity.cluster_id);
    ordo_random_bytes(identity.store_id, sizeof identity.store_id);
    if (get_number(view, KEY_INCARNATION, &identity.incarnation)) identity.incarnation = 0;
    if (get_turn(view, &identity)) identity.term = 0;
    identity.incarnation++;
    struct ordo_batch batch = {0};
    put_all(&batch, &identity, highest_epoch(view) + 1);
    store->ops->view_close(view);
    struct ordo_buffer row = {0};
    ordo_turn_row_encode(&row, &(struct ordo_turn_row){.turn = turn, .term = identity.term});
    if (turn > 0) ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&row));
    ordo_buffer_finish(&row);
    return write_rows(store, &batch, problem);
}
