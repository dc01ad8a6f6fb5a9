/* tests/sim/shard_disk.c: the disk of a shard, held against the oracle; what it says of slots. */
#include <inttypes.h>

#include "common/assert.h"
#include "common/format.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/run.h"
#include "shard/core/verify.h"
#include "shard/store_memory.h"
#include "tests/sim/sim.h"

static void run_is_durable(struct sim *sim, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_key parsed;
    struct ordo_run run;
    if (!ordo_key_parse(key, &parsed) || ordo_run_open(key, value, &run) != ORDO_OK) {
        if (sim->plan.may_damage) return;
        sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "a run on disk does not decode");
        return;
    }
    struct oracle_doc *doc = oracle_doc_of(sim->oracle, parsed.collection, parsed.id);
    struct ordo_run_op op;
    ordo_err err;
    while ((err = ordo_run_next(&run, &op)) == ORDO_OK) {
        const Ordo__V1__Committed *committed =
            ordo_message_decode(&ordo__v1__committed__descriptor, op.committed, &sim->arena);
        if (committed == NULL) break;
        struct oracle_op known = watch_op_of_committed(committed);
        oracle_durable(sim->oracle, doc, &known);
    }
    if (err != ORDO_ERR_NOT_FOUND) {
        sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "an op on disk does not decode");
    }
}

static void row_is_durable(struct sim *sim, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_key parsed;
    struct ordo_doc_row row;
    if (!ordo_key_parse(key, &parsed) || ordo_doc_row_decode(key, value, &row) != ORDO_OK) return; /* verify names it */
    struct oracle_doc *doc = oracle_doc_of(sim->oracle, parsed.collection, parsed.id);
    if (row.erased_seq <= oracle_erased_seq(doc)) return;
    sim_log(sim, "%.*s is forgotten, durably, at %" PRIu64, (int)doc->id.size, doc->id.data, row.erased_seq);
    oracle_erased(sim->oracle, doc, row.erased_seq, row.head == row.erased_seq ? row.lineage : 0);
}

void sim_disk_written(struct sim_shard *shard, const struct ordo_batch *batch) {
    struct sim *sim = shard->sim;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&batch->records));
    for (struct ordo_batch_item item; ordo_batch_next(&reader, &item);) {
        if (item.kind != ORDO_BATCH_PUT) continue;
        if (item.cf == ORDO_CF_OPS) run_is_durable(sim, item.key, item.value);
        if (item.cf == ORDO_CF_DOCS) row_is_durable(sim, item.key, item.value);
    }
}

/* How many ops before the first run are gone from the log by right. */
static uint64_t truncated_before(struct sim *sim, struct ordo_view *view, struct ordo_slice doc_key, uint64_t first_seq) {
    struct ordo_buffer value = {0};
    struct ordo_doc_row row = {0};
    if (first_seq > 1 && (view->ops->get(view, ORDO_CF_DOCS, doc_key, &value) != ORDO_OK ||
                          ordo_doc_row_decode(doc_key, ordo_buffer_slice(&value), &row) != ORDO_OK ||
                          first_seq - 1 > row.horizon)) {
        sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "the log begins at %" PRIu64 ", above the horizon", first_seq);
    }
    ordo_buffer_finish(&value);
    return first_seq - 1;
}

struct findings {
    struct sim *sim;
    const bool *is_here;
};

/* Of a document that is about to come here, or was given away, a part may stand here. */
static void found_wrong(void *context, const struct ordo_finding *finding) {
    const struct findings *findings = context;
    struct sim *sim = findings->sim;
    for (size_t i = 0; i < sim->plan.doc_count; i++)
        if (ordo_slice_equal(sim->docs[i]->id, finding->id) && !findings->is_here[i]) return;
    sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "on disk, %.*s at %" PRIu64 ": %s", (int)finding->id.size,
             finding->id.data, finding->seq, finding->text);
}

/* The documents that this store answers for. */
static void find_owned(struct sim_shard *shard, bool *is_here) {
    const struct sim *sim = shard->sim;
    struct ordo_slot_row rows[ORDO_SLOT_COUNT];
    if (sim_has_directory(sim)) sim_disk_read_slots(shard, rows);
    for (uint32_t i = 0; i < sim->plan.doc_count; i++)
        is_here[i] = !sim_has_directory(sim) || rows[sim_slot_of(sim, i)].state == ORDO_SLOT_OWNED;
}

static void verify(struct sim_shard *shard, const bool *is_here) {
    struct sim *sim = shard->sim;
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    if (!sim->plan.may_damage) (void)ordo_verify(view, found_wrong, &(struct findings){sim, is_here});
    shard->store->ops->view_close(view);
}

uint32_t sim_disk_read_format(struct sim_shard *shard) {
    uint64_t level = ORDO_FORMAT_MIN;
    struct ordo_buffer value = {0};
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    if (view->ops->get(view, ORDO_CF_META, ordo_key_format, &value) == ORDO_OK &&
        (ordo_format_row_decode(ordo_buffer_slice(&value), &level) != ORDO_OK || !ordo_format_is_known(level)))
        sim_fail(&shard->sim->verdict, SIM_CHECK_SURVIVES, "the row of the format level does not decode");
    shard->store->ops->view_close(view);
    ordo_buffer_finish(&value);
    return (uint32_t)level;
}

/* Nothing in the store may have a higher level than the store says, whenever power is cut. */
static void check_format(struct sim_shard *shard, struct ordo_view *view) {
    uint32_t level = sim_disk_read_format(shard);
    struct ordo_iterator *rows = view->ops->iterate(view, ORDO_CF_SNAPSHOTS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = rows->ops->seek(rows, ordo_slice(NULL, 0)); has; has = rows->ops->next(rows)) {
        struct ordo_snapshot_row row;
        if (ordo_snapshot_row_decode(rows->ops->key(rows), rows->ops->value(rows), &row) || !row.has_hash) continue;
        shard->sim->counts.hashed_snapshots++;
        if (level < ORDO_FORMAT_CONTENT_HASH)
            sim_fail(&shard->sim->verdict, SIM_CHECK_SURVIVES, "a snapshot has a hash, and the store is of format level %u", level);
    }
    rows->ops->close(rows);
}

void sim_disk_verify(struct sim_shard *shard) {
    bool is_here[SIM_DOCS_MAX];
    find_owned(shard, is_here);
    verify(shard, is_here);
}

static void scan_rows(struct sim *sim, struct ordo_view *view) {
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_DOCS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_slice(NULL, 0)); has; has = iterator->ops->next(iterator)) {
        row_is_durable(sim, iterator->ops->key(iterator), iterator->ops->value(iterator));
    }
    iterator->ops->close(iterator);
}

void sim_disk_scan(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    size_t counts[SIM_DOCS_MAX] = {0}, before[SIM_DOCS_MAX] = {0};
    bool is_here[SIM_DOCS_MAX];
    find_owned(shard, is_here);
    for (size_t i = 0; i < sim->plan.doc_count; i++) before[i] = sim->docs[i]->count;
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    scan_rows(sim, view);
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_OPS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_slice(NULL, 0)); has; has = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator), value = iterator->ops->value(iterator);
        run_is_durable(sim, key, value);
        struct ordo_key parsed;
        struct ordo_run run;
        if (!ordo_key_parse(key, &parsed) || ordo_run_open(key, value, &run) != ORDO_OK) continue;
        for (size_t i = 0; i < sim->plan.doc_count; i++) {
            if (!ordo_slice_equal(sim->docs[i]->id, parsed.id) || sim->is_damaged[i] || !is_here[i]) continue;
            if (counts[i] == 0) counts[i] = truncated_before(sim, view, parsed.doc_key, run.first_seq);
            if (run.first_seq != counts[i] + 1) {
                sim_fail(&sim->verdict, SIM_CHECK_DENSE, "on disk a run begins at %" PRIu64 " after %zu",
                         run.first_seq, counts[i]);
            }
            counts[i] += run.count;
        }
    }
    iterator->ops->close(iterator);
    check_format(shard, view);
    shard->store->ops->view_close(view);
    verify(shard, is_here);
    for (size_t i = 0; i < sim->plan.doc_count; i++) {
        if (counts[i] == 0) counts[i] = oracle_erased_seq(sim->docs[i]); /* nothing since */
        if (counts[i] < before[i] && !sim->is_damaged[i] && is_here[i]) {
            sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "%.*s: %zu ops were durable, after the crash there are %zu",
                     (int)sim->docs[i]->id.size, sim->docs[i]->id.data, before[i], counts[i]);
        }
    }
}

bool sim_is_damaged(const struct sim *sim, const struct oracle_doc *doc) {
    for (size_t i = 0; i < sim->plan.doc_count; i++) {
        if (sim->docs[i] == doc) return sim->is_damaged[i];
    }
    return false;
}

/* Any value that belongs to a document, but for the key that says to which. */
void sim_disk_damage(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    static const enum ordo_cf families[] = {ORDO_CF_OPS, ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS,
                                            ORDO_CF_DOCS};
    enum ordo_cf cf = families[sim_below(sim, sizeof families / sizeof *families)];
    struct ordo_buffer key = {0};
    size_t seen = 0;
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_slice(NULL, 0)); has; has = iterator->ops->next(iterator)) {
        if (sim_below(sim, ++seen) != 0) continue; /* each is picked with the same chance */
        ordo_buffer_clear(&key);
        ordo_buffer_append_slice(&key, iterator->ops->key(iterator));
    }
    iterator->ops->close(iterator);
    shard->store->ops->view_close(view);
    struct ordo_key parsed;
    if (seen > 0 && ordo_key_parse(ordo_buffer_slice(&key), &parsed)) {
        ordo_store_memory_flip_bit(shard->store, cf, ordo_buffer_slice(&key), sim_below(sim, 100000));
        for (size_t i = 0; i < sim->plan.doc_count; i++) {
            if (ordo_slice_equal(sim->docs[i]->id, parsed.id)) sim->is_damaged[i] = true;
        }
        sim_log(sim, "a bit flips in %s of %.*s", ordo_cf_names[cf], (int)parsed.id.size, parsed.id.data);
        sim->counts.damages++;
    }
    ordo_buffer_finish(&key);
}

struct ordo_turn_row sim_disk_read_turn(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    struct ordo_turn_row row = {0};
    struct ordo_buffer value = {0};
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    if (view->ops->get(view, ORDO_CF_META, ordo_key_turn, &value) == ORDO_OK &&
        ordo_turn_row_decode(ordo_buffer_slice(&value), &row) != ORDO_OK) {
        sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "the turn row does not decode");
    }
    shard->store->ops->view_close(view);
    ordo_buffer_finish(&value);
    return row;
}

/* ---- slots */

void sim_disk_read_slots(struct sim_shard *shard, struct ordo_slot_row *rows) {
    struct sim *sim = shard->sim;
    memset(rows, 0, ORDO_SLOT_COUNT * sizeof *rows);
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_META, ordo_key_slots, ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_key_slots); has; has = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        uint16_t slot;
        if (!ordo_slice_starts_with(key, ordo_key_slots)) break;
        if (!ordo_key_parse_slot(key, &slot) ||
            ordo_slot_row_decode(key, iterator->ops->value(iterator), &rows[slot]) != ORDO_OK) {
            sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "a slot row does not decode");
        }
    }
    iterator->ops->close(iterator);
    shard->store->ops->view_close(view);
}

void sim_disk_write_slots(struct sim_shard *shard) {
    const struct sim *sim = shard->sim;
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0}, value = {0};
    for (uint32_t i = 0; i < sim->plan.doc_count; i++) {
        uint16_t slot = sim_slot_of(sim, i);
        const struct ordo_slot_place *place = &sim->directory.table.slots[slot];
        if (!ordo_store_id_equal(&place->store, &shard->id)) continue;
        struct ordo_slot_row row = {.state = ORDO_SLOT_OWNED, .epoch = place->epoch};
        ordo_buffer_clear(&key);
        ordo_buffer_clear(&value);
        ordo_key_slot(&key, slot);
        ordo_slot_row_encode(&value, ordo_buffer_slice(&key), &row);
        ordo_batch_put(&batch, ORDO_CF_META, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    }
    ordo_err err = shard->store->ops->write(shard->store, &batch, true);
    ORDO_ASSERT(err == ORDO_OK);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}
