#include "shard/identity.h"

#include "common/format.h"
#include "common/random.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/slot_rows.h"
#include "shard/core/value.h"
#include "shard/lineages.h"

enum { ROW_VERSION = 1 };
#define KEY_CLUSTER "cluster"
#define KEY_STORE "store"
#define KEY_INCARNATION "incarnation"

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

static void put_slot(struct ordo_batch *batch, unsigned slot, const struct ordo_slot_row *row) {
    struct ordo_buffer key = {0}, value = {0};
    ordo_key_slot(&key, (uint16_t)slot);
    ordo_slot_row_encode(&value, ordo_buffer_slice(&key), row);
    ordo_batch_put(batch, ORDO_CF_META, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

/* Notes and writes that it owns the slot. */
static void own(struct ordo_batch *batch, struct ordo_identity *identity, unsigned slot, uint64_t epoch) {
    identity->slot_count += identity->slots[slot].state != ORDO_SLOT_OWNED;
    identity->slots[slot] = (struct ordo_slot_row){.state = ORDO_SLOT_OWNED, .epoch = epoch, .turn = identity->turn};
    put_slot(batch, slot, &identity->slots[slot]);
}

static void own_all(struct ordo_batch *batch, struct ordo_identity *identity, uint64_t epoch) {
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) own(batch, identity, slot, epoch);
}

static ordo_err write_rows(struct ordo_store *store, struct ordo_batch *batch, struct ordo_problem *problem) {
    ordo_err err = store->ops->write(store, batch, true);
    ordo_batch_finish(batch);
    if (err) ordo_problem_set(problem, "The store's own rows cannot be written: %s.", ordo_store_rocksdb_failure(store));
    return err;
}

static void put_ids(struct ordo_batch *batch, const struct ordo_identity *identity) {
    put_number(batch, ordo_key_format, identity->format);
    put_bytes(batch, ordo_slice_of(KEY_CLUSTER), ordo_slice(identity->cluster_id, sizeof identity->cluster_id));
    put_bytes(batch, ordo_slice_of(KEY_STORE), ordo_slice(identity->store_id, sizeof identity->store_id));
    put_number(batch, ordo_slice_of(KEY_INCARNATION), identity->incarnation);
}

ordo_err ordo_identity_create(struct ordo_store *store, const uint8_t *cluster_id, struct ordo_problem *problem) {
    struct ordo_identity identity = {.format = cluster_id == NULL ? ordo_format_max() : ORDO_FORMAT_MIN};
    struct ordo_batch batch = {0};
    ordo_random_bytes(identity.store_id, sizeof identity.store_id);
    if (cluster_id != NULL) memcpy(identity.cluster_id, cluster_id, sizeof identity.cluster_id);
    else ordo_random_bytes(identity.cluster_id, sizeof identity.cluster_id);
    put_ids(&batch, &identity);
    if (cluster_id == NULL) own_all(&batch, &identity, 1);
    return write_rows(store, &batch, problem);
}

ordo_err ordo_identity_found(struct ordo_store *store, struct ordo_identity *identity, struct ordo_problem *problem) {
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (identity->slots[slot].state == ORDO_SLOT_NONE) continue;
        ordo_problem_set(problem, "The store has or had slots already, so it cannot be the first one of a cluster.");
        return ORDO_ERR_INVALID;
    }
    struct ordo_batch batch = {0};
    own_all(&batch, identity, 1);
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

static ordo_err get_format(struct ordo_view *view, uint64_t *out) {
    struct ordo_buffer value = {0};
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_format, &value);
    if (!err) err = ordo_format_row_decode(ordo_buffer_slice(&value), out);
    ordo_buffer_finish(&value);
    return err;
}

static ordo_err refuse_format(uint64_t format, struct ordo_problem *problem) {
    ordo_problem_set(problem, "The store has the format level %llu, and this program reads %u to %u: use the version that wrote it.",
                     (unsigned long long)format, (unsigned)ORDO_FORMAT_MIN, (unsigned)ordo_format_max());
    return ORDO_ERR_VERSION;
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

static ordo_err read_slots(struct ordo_view *view, struct ordo_identity *out, bool tolerates) {
    ordo_err err = ordo_slot_rows_read(view, tolerates, out->slots);
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) out->slot_count += ordo_identity_epoch(out, slot) > 0;
    return err;
}

ordo_err ordo_identity_read(struct ordo_store *store, struct ordo_identity *out, struct ordo_problem *problem) {
    struct ordo_view *view = store->ops->view_open(store);
    uint64_t format = 0;
    *out = (struct ordo_identity){0};
    ordo_err err = get_format(view, &format);
    if (!err && !ordo_format_is_known(format)) {
        store->ops->view_close(view);
        return refuse_format(format, problem);
    }
    out->format = (uint32_t)format;
    if (!err) err = get_bytes(view, KEY_CLUSTER, out->cluster_id, sizeof out->cluster_id);
    if (!err) err = get_bytes(view, KEY_STORE, out->store_id, sizeof out->store_id);
    if (!err) err = get_number(view, KEY_INCARNATION, &out->incarnation);
    if (!err) err = get_turn(view, out);
    if (!err) err = read_slots(view, out, false);
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
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        uint64_t epoch = ordo_identity_epoch(identity, slot);
        if (epoch > 0) own(&batch, identity, slot, epoch + 1);
    }
    return write_rows(store, &batch, problem);
}

/* Whether it owns all slots, as far as can be told: it was made with all of them, and gave none away. A store without a
 * single row may be one of a cluster that has none yet; unless it is of no cluster that anybody knows. */
static bool has_all(const struct ordo_identity *identity, bool has_cluster) {
    if (identity->slot_count == 0) return !has_cluster;
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_row *row = &identity->slots[slot];
        if (row->state != ORDO_SLOT_NONE && (row->state != ORDO_SLOT_OWNED || row->epoch != 1)) return false;
    }
    return true;
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
    uint64_t format;
    if (get_format(view, &format)) format = ordo_format_max(); /* one that does not read may have been any */
    identity.format = (uint32_t)format;
    if (turn > identity.turn) identity.turn = turn;
    if (!ordo_format_is_known(format)) { /* much of what there is would be taken for damaged */
        store->ops->view_close(view);
        return refuse_format(format, problem);
    }
    identity.incarnation++;
    struct ordo_batch batch = {0};
    put_ids(&batch, &identity);
    ordo_err read_err = read_slots(view, &identity, true);
    bool is_whole = has_all(&identity, *has_cluster);
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        uint64_t epoch = ordo_identity_epoch(&identity, slot);
        if (epoch > 0 || is_whole) own(&batch, &identity, slot, (epoch > 0 ? epoch : 1) + 1);
        /* Deletions are not among what a repair takes over, so rows of a slot that is elsewhere may have come back. */
        else if (identity.slots[slot].state == ORDO_SLOT_GIVEN && identity.slots[slot].is_cleared)
            ordo_slot_delete_rows(&batch, (uint16_t)slot);
    }
    store->ops->view_close(view);
    if (read_err) {
        ordo_batch_finish(&batch);
        ordo_problem_set(problem, "The rows of the store's slots cannot be read: %s.", ordo_err_text(read_err));
        return read_err;
    }
    struct ordo_buffer row = {0};
    ordo_turn_row_encode(&row, &(struct ordo_turn_row){.turn = turn, .term = identity.term});
    if (turn > 0) ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&row));
    ordo_buffer_finish(&row);
    return write_rows(store, &batch, problem);
}

/* ---- by force */

/* Documents of the slot that are here, whoever has had them since: people may have seen how they went on. */
static ordo_err relineage_slot(struct ordo_store *store, uint16_t slot, struct ordo_problem *problem) {
    struct ordo_buffer from = {0}, upper = {0};
    uint64_t count;
    ordo_key_slot_range(&from, &upper, slot);
    ordo_err err = ordo_lineages_renew(store, ordo_buffer_slice(&from), ordo_buffer_slice(&upper), &count, problem);
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&upper);
    return err;
}

ordo_err ordo_identity_seize(struct ordo_store *store, struct ordo_identity *identity, const struct ordo_heritage *heritage,
                             size_t *kept_out, struct ordo_problem *problem) {
    struct ordo_batch batch = {0};
    *kept_out = 0;
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_row *row = &identity->slots[slot];
        if (heritage->epochs[slot] == 0 || row->state == ORDO_SLOT_OWNED) continue;
        bool is_here = row->state == ORDO_SLOT_GIVEN && !row->is_cleared && ordo_store_id_equal(&row->other, &heritage->from[slot]);
        ordo_err err = is_here ? relineage_slot(store, (uint16_t)slot, problem) : ORDO_OK;
        if (err) {
            ordo_batch_finish(&batch);
            return err;
        }
        *kept_out += is_here;
        if (!is_here) ordo_slot_delete_rows(&batch, (uint16_t)slot);
        own(&batch, identity, slot, heritage->epochs[slot]);
    }
    return write_rows(store, &batch, problem);
}

ordo_err ordo_identity_rejoin(struct ordo_store *store, struct ordo_identity *identity, uint64_t incarnation,
                              const struct ordo_placement *table, struct ordo_problem *problem) {
    struct ordo_batch batch = {0};
    if (identity->incarnation < incarnation) identity->incarnation = incarnation;
    put_number(&batch, ordo_slice_of(KEY_INCARNATION), identity->incarnation);
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        struct ordo_slot_row *row = &identity->slots[slot];
        const struct ordo_slot_place *place = &table->slots[slot];
        bool is_here = memcmp(place->store.bytes, identity->store_id, sizeof identity->store_id) == 0;
        if (row->state != ORDO_SLOT_OWNED || place->epoch <= row->epoch || is_here) continue;
        *row = (struct ordo_slot_row){
            .state = ORDO_SLOT_GIVEN, .epoch = place->epoch, .other = place->store, .turn = identity->turn};
        identity->slot_count--;
        put_slot(&batch, slot, row);
    }
    return write_rows(store, &batch, problem);
}
