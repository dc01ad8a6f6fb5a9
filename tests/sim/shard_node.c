#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/run.h"
#include "shard/core/verify.h"
#include "shard/store_memory.h"
#include "tests/sim/sim.h"

/* A shard process: the loop around the core (read what waits, end the turn, hand the batch to the one writer), the
 * writer with its disk, helper threads for jobs, and the side thread that answers heartbeats. */

static struct ordo_shard_event event_of(const struct sim *sim, enum ordo_shard_event_kind kind) {
    return (struct ordo_shard_event){
        .kind = kind,
        .wall_ms = sim_wall_ms(sim, sim->shard.wall_offset_ms),
        .monotonic_ms = sim->now_us / SIM_MS + sim->shard.monotonic_offset_ms,
    };
}

static struct sim_item item_of(const struct sim *sim, enum sim_item_kind kind) {
    return (struct sim_item){.kind = kind, .role = SIM_SHARD, .life = sim->shard.life};
}

/* ---- what is on disk becomes known to the oracle */

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

static void batch_is_durable(struct sim *sim, const struct ordo_batch *batch) {
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

static void found_wrong(void *context, const struct ordo_finding *finding) {
    struct sim *sim = context;
    sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "on disk, %.*s at %" PRIu64 ": %s", (int)finding->id.size,
             finding->id.data, finding->seq, finding->text);
}

static void scan_rows(struct sim *sim, struct ordo_view *view) {
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_DOCS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_slice(NULL, 0)); has; has = iterator->ops->next(iterator)) {
        row_is_durable(sim, iterator->ops->key(iterator), iterator->ops->value(iterator));
    }
    iterator->ops->close(iterator);
}

void sim_shard_verify(struct sim *sim) {
    struct ordo_view *view = sim->shard.store->ops->view_open(sim->shard.store);
    if (!sim->plan.may_damage) (void)ordo_verify(view, found_wrong, sim);
    sim->shard.store->ops->view_close(view);
}

/* After a crash: all that was durable is still there, and what else survived is durable now. */
static void scan_disk(struct sim *sim) {
    size_t counts[SIM_DOCS_MAX] = {0}, before[SIM_DOCS_MAX] = {0};
    for (size_t i = 0; i < sim->plan.doc_count; i++) before[i] = sim->docs[i]->count;
    struct ordo_view *view = sim->shard.store->ops->view_open(sim->shard.store);
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
            if (!ordo_slice_equal(sim->docs[i]->id, parsed.id) || sim->is_damaged[i]) continue;
            if (counts[i] == 0) counts[i] = truncated_before(sim, view, parsed.doc_key, run.first_seq);
            if (run.first_seq != counts[i] + 1) {
                sim_fail(&sim->verdict, SIM_CHECK_DENSE, "on disk a run begins at %" PRIu64 " after %zu",
                         run.first_seq, counts[i]);
            }
            counts[i] += run.count;
        }
    }
    iterator->ops->close(iterator);
    sim->shard.store->ops->view_close(view);
    sim_shard_verify(sim);
    for (size_t i = 0; i < sim->plan.doc_count; i++) {
        if (counts[i] == 0) counts[i] = oracle_erased_seq(sim->docs[i]); /* nothing since */
        if (counts[i] < before[i] && !sim->is_damaged[i]) {
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
void sim_shard_damage(struct sim *sim) {
    static const enum ordo_cf families[] = {ORDO_CF_OPS, ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS,
                                            ORDO_CF_DOCS};
    enum ordo_cf cf = families[sim_below(sim, sizeof families / sizeof *families)];
    struct ordo_buffer key = {0};
    size_t seen = 0;
    struct ordo_view *view = sim->shard.store->ops->view_open(sim->shard.store);
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_slice(NULL, 0)); has; has = iterator->ops->next(iterator)) {
        if (sim_below(sim, ++seen) != 0) continue; /* each is picked with the same chance */
        ordo_buffer_clear(&key);
        ordo_buffer_append_slice(&key, iterator->ops->key(iterator));
    }
    iterator->ops->close(iterator);
    sim->shard.store->ops->view_close(view);
    struct ordo_key parsed;
    if (seen > 0 && ordo_key_parse(ordo_buffer_slice(&key), &parsed)) {
        ordo_store_memory_flip_bit(sim->shard.store, cf, ordo_buffer_slice(&key), sim_below(sim, 100000));
        for (size_t i = 0; i < sim->plan.doc_count; i++) {
            if (ordo_slice_equal(sim->docs[i]->id, parsed.id)) sim->is_damaged[i] = true;
        }
        sim_log(sim, "a bit flips in %s of %.*s", ordo_cf_names[cf], (int)parsed.id.size, parsed.id.data);
        sim->counts.damages++;
    }
    ordo_buffer_finish(&key);
}

/* ---- the one writer */

static void write_begin(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    if (shard->is_writing || shard->write_count == 0) return;
    shard->is_writing = true;
    shard->write_began_us = sim->now_us;
    uint64_t took_us = sim_between(sim, sim->plan.sync_us / 4, sim->plan.sync_us);
    if (shard->writes[0].turn == 0) took_us /= 10;
    if (!sim->is_resting) {
        if (shard->slow_until_us > sim->now_us && shard->writes[0].turn != 0) took_us += 500 * SIM_MS;
        if (shard->stalled_until_us > sim->now_us) took_us += shard->stalled_until_us - sim->now_us;
    }
    sim_push(sim, sim->now_us + took_us, item_of(sim, SIM_WRITTEN));
}

static void write_push(struct sim *sim, uint64_t turn, const struct ordo_batch *batch) {
    struct sim_shard *shard = &sim->shard;
    if (shard->write_count == shard->write_capacity) {
        shard->write_capacity = shard->write_capacity ? shard->write_capacity * 2 : 8;
        shard->writes = ordo_realloc(shard->writes, shard->write_capacity * sizeof *shard->writes);
    }
    struct sim_write *write = &shard->writes[shard->write_count++];
    *write = (struct sim_write){.turn = turn};
    ordo_buffer_append_slice(&write->batch.records, ordo_buffer_slice(&batch->records));
    write->batch.count = batch->count;
    if (turn != 0) shard->turns_in_flight++;
    shard->issued_count++;
    write_begin(sim);
}

static bool crash_is_due(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    if (shard->core == NULL) return true;
    if (shard->crash_countdown == 0 || --shard->crash_countdown > 0) return false;
    sim_shard_crash(sim, sim_between(sim, 10 * SIM_MS, 5 * SIM_SECOND));
    return true;
}

static void wake_push(struct sim *sim, uint64_t delay_us) {
    if (sim->shard.wake_pushed) return;
    sim->shard.wake_pushed = true;
    sim_push(sim, sim->now_us + delay_us, item_of(sim, SIM_WAKE));
}

static struct sim_inbox_item *inbox_add(struct sim *sim, enum ordo_shard_event_kind kind) {
    struct sim_shard *shard = &sim->shard;
    if (shard->inbox_count == shard->inbox_capacity) {
        shard->inbox_capacity = shard->inbox_capacity ? shard->inbox_capacity * 2 : 16;
        shard->inbox = ordo_realloc(shard->inbox, shard->inbox_capacity * sizeof *shard->inbox);
    }
    struct sim_inbox_item *item = &shard->inbox[shard->inbox_count++];
    *item = (struct sim_inbox_item){.kind = kind};
    wake_push(sim, sim_between(sim, 0, 100));
    return item;
}

static void inbox_item_finish(struct sim_inbox_item *item) {
    ordo_buffer_finish(&item->peer);
    ordo_buffer_finish(&item->message);
    ordo_job_destroy(item->job);
}

/* ---- effects, in the order that shard.h asks for */

static void start_jobs(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    size_t kept = 0;
    for (size_t i = 0; i < shard->job_count; i++) {
        if (shard->jobs[i].after > shard->written_count) {
            shard->jobs[kept++] = shard->jobs[i];
            continue;
        }
        struct sim_item item = item_of(sim, SIM_JOB);
        item.object = shard->jobs[i].job;
        uint64_t took_us = sim_between(sim, 0, sim_chance(sim, 50) ? 2 * SIM_SECOND : 5 * SIM_MS);
        if (sim->is_resting) took_us = sim_between(sim, 0, SIM_MS);
        sim_push(sim, sim->now_us + took_us, item);
    }
    shard->job_count = kept;
}

static void take_jobs(struct sim *sim, struct ordo_shard_effects *effects) {
    struct sim_shard *shard = &sim->shard;
    for (size_t i = 0; i < effects->job_count; i++) {
        if (shard->job_count == shard->job_capacity) {
            shard->job_capacity = shard->job_capacity ? shard->job_capacity * 2 : 8;
            shard->jobs = ordo_realloc(shard->jobs, shard->job_capacity * sizeof *shard->jobs);
        }
        shard->jobs[shard->job_count++] =
            (struct sim_waiting_job){.job = effects->jobs[i], .after = shard->issued_count};
    }
    effects->job_count = 0;
    start_jobs(sim);
}

static void send_all(struct sim *sim, const struct ordo_shard_effects *effects) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&effects->send_bytes));
    for (struct ordo_shard_send send; ordo_shard_effects_next_send(&reader, &send);) {
        watch_link_from_shard(sim->shard.watch, send.message);
        if (sim_link_send_to_gateway(sim, send.peer, false, send.message)) continue;
        ordo_buffer_append_slice(&inbox_add(sim, ORDO_SHARD_LOST)->peer, send.peer);
    }
}

static void carry_out(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    struct ordo_shard_effects *effects = &shard->effects;
    struct ordo_reader notes = ordo_reader(ordo_buffer_slice(&effects->note_bytes));
    for (struct ordo_shard_note note; ordo_shard_effects_next_note(&notes, &note);) {
        sim_log(sim, "shard: %.*s", (int)note.text.size, note.text.data);
    }
    for (size_t i = 0; i < effects->publish_count; i++) {
        ordo_bulk_publish(&shard->bulk, &effects->publish[i], sim->now_us / SIM_MS);
    }
    effects->publish_count = 0;
    if (effects->turn != 0) write_push(sim, effects->turn, &effects->batch);
    if (effects->background.count > 0) write_push(sim, 0, &effects->background);
    take_jobs(sim, effects);
    if (crash_is_due(sim)) return;
    send_all(sim, effects);
    ordo_shard_effects_clear(effects);
    crash_is_due(sim);
}

static void step(struct sim *sim, const struct ordo_shard_event *event) {
    ordo_shard_step(sim->shard.core, event, &sim->shard.effects);
}

static void tick_push(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    uint64_t due_ms = ordo_shard_next_tick_ms(shard->core);
    uint64_t now_ms = sim->now_us / SIM_MS + shard->monotonic_offset_ms;
    if (due_ms == UINT64_MAX) return;
    uint64_t at_us = sim->now_us + (due_ms > now_ms ? (due_ms - now_ms) * SIM_MS : SIM_MS);
    if (shard->tick_pushed_us > sim->now_us && shard->tick_pushed_us <= at_us) return;
    shard->tick_pushed_us = at_us;
    sim_push(sim, at_us, item_of(sim, SIM_TICK));
}

static void step_inbox_item(struct sim *sim, struct sim_inbox_item *item) {
    struct ordo_shard_event event = event_of(sim, item->kind);
    switch (item->kind) {
    case ORDO_SHARD_RECEIVED:
        event.received.peer = ordo_buffer_slice(&item->peer);
        event.received.message = ordo_buffer_slice(&item->message);
        break;
    case ORDO_SHARD_LOST: event.lost.peer = ordo_buffer_slice(&item->peer); break;
    case ORDO_SHARD_JOB_DONE:
        event.job_done.job = item->job;
        item->job = NULL;
        break;
    case ORDO_SHARD_HEARD: event.heard.session = item->number; break;
    case ORDO_SHARD_DISK: event.disk.is_full = item->number != 0; break;
    default: break;
    }
    step(sim, &event);
}

/* One turn of the loop. While as many turns are on their way as may be, what arrives waits in the inbox. */
static void turn(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    if (shard->turns_in_flight >= sim->plan.turns_in_flight_max) return;
    size_t count = shard->inbox_count;
    if (count > 1 && sim_chance(sim, 100)) count = 1 + sim_below(sim, count);
    for (size_t i = 0; i < count; i++) {
        step_inbox_item(sim, &shard->inbox[i]);
        inbox_item_finish(&shard->inbox[i]);
    }
    shard->inbox_count -= count;
    memmove(shard->inbox, shard->inbox + count, shard->inbox_count * sizeof *shard->inbox);
    struct ordo_shard_event event = event_of(sim, ORDO_SHARD_TICK);
    if (event.monotonic_ms >= ordo_shard_next_tick_ms(shard->core)) step(sim, &event);
    event = event_of(sim, ORDO_SHARD_TURN_END);
    step(sim, &event);
    carry_out(sim);
    if (shard->core == NULL) return;
    tick_push(sim);
    if (shard->inbox_count > 0) wake_push(sim, sim_between(sim, 0, 100));
}

static void stop_for(struct sim *sim, ordo_err err) {
    sim_log(sim, "shard stops: the write failed: %s", ordo_err_text(err));
    sim->shard.is_writing = false;
    sim->counts.failed_writes++;
    sim_shard_crash(sim, sim_between(sim, 100 * SIM_MS, 2 * SIM_SECOND));
}

static void written(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    ORDO_ASSERT(shard->is_writing && shard->write_count > 0);
    struct sim_write *write = &shard->writes[0];
    ordo_err err = shard->store->ops->write(shard->store, &write->batch, write->turn != 0);
    if (err != ORDO_OK) {
        stop_for(sim, err);
        return;
    }
    uint64_t number = write->turn;
    if (number != 0) {
        batch_is_durable(sim, &write->batch);
        shard->turns_in_flight--;
    }
    ordo_batch_finish(&write->batch);
    shard->write_count--;
    memmove(shard->writes, shard->writes + 1, shard->write_count * sizeof *shard->writes);
    shard->is_writing = false;
    shard->written_count++;
    write_begin(sim);
    start_jobs(sim);
    if (number == 0 || crash_is_due(sim)) return;
    struct ordo_shard_event event = event_of(sim, ORDO_SHARD_DURABLE);
    event.durable.turn = number;
    step(sim, &event);
    carry_out(sim);
    if (shard->core == NULL) return;
    tick_push(sim);
    wake_push(sim, sim_between(sim, 0, 50));
}

static void job_done(struct sim *sim, struct sim_item *item) {
    struct ordo_job *job = item->object;
    item->object = NULL;
    struct ordo_view *view = sim->shard.store->ops->view_open(sim->shard.store);
    sim->counts.jobs++;
    ordo_job_run(job, view);
    sim->shard.store->ops->view_close(view);
    inbox_add(sim, ORDO_SHARD_JOB_DONE)->job = job;
}

/* ---- the side thread: answers at once, whatever the disk does */

static void side_received(struct sim *sim, const struct sim_link *link, struct ordo_slice bytes) {
    struct sim_shard *shard = &sim->shard;
    const Ordo__Cluster__V1__SideRequest *request =
        ordo_message_decode(&ordo__cluster__v1__side_request__descriptor, bytes, &sim->arena);
    if (request == NULL) {
        sim_fail(&sim->verdict, SIM_CHECK_WIRE, "a gateway sent a SideRequest that does not decode");
        return;
    }
    Ordo__Cluster__V1__SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
    reply.session = request->session;
    reply.heartbeat = request->heartbeat;
    reply.incarnation = shard->incarnation;
    uint8_t store_id[ORDO_STORE_ID_SIZE] = {1};
    reply.shard = ordo_binary_of_slice(ordo_slice(store_id, sizeof store_id));
    if (shard->is_writing) reply.stalled_ms = (uint32_t)((sim->now_us - shard->write_began_us) / SIM_MS);
    bool is_stalled = reply.stalled_ms > 1000;
    reply.disk = is_stalled                            ? ORDO__CLUSTER__V1__DISK_STATE__DISK_STALLED
                 : shard->full_until_us > sim->now_us ? ORDO__CLUSTER__V1__DISK_STATE__DISK_FULL
                                                       : ORDO__CLUSTER__V1__DISK_STATE__DISK_OK;
    reply.pieces = ordo_arena_alloc(&sim->arena, (request->n_fetches + 1) * sizeof *reply.pieces);
    for (size_t i = 0; i < request->n_fetches; i++) {
        const Ordo__Cluster__V1__Fetch *fetch = request->fetches[i];
        Ordo__Cluster__V1__Piece *piece = ordo_arena_alloc(&sim->arena, sizeof *piece);
        ordo__cluster__v1__piece__init(piece);
        piece->bulk = fetch->bulk;
        piece->offset = fetch->offset;
        size_t size = fetch->size < ORDO_PIECE_SIZE_MAX ? fetch->size : ORDO_PIECE_SIZE_MAX;
        piece->bytes = ordo_binary_of_slice(
            ordo_bulk_fetch(&shard->bulk, fetch->bulk, fetch->offset, size, sim->now_us / SIM_MS));
        reply.pieces[reply.n_pieces++] = piece;
        sim->counts.side_pieces++;
    }
    struct ordo_buffer encoded = {0};
    ordo_message_encode(&reply.base, &encoded);
    struct ordo_slice peer = ordo_slice(&link->session, sizeof link->session);
    sim_link_send_to_gateway(sim, peer, true, ordo_buffer_slice(&encoded));
    ordo_buffer_finish(&encoded);
    for (size_t i = 0; i < request->n_releases; i++) ordo_bulk_release(&shard->bulk, request->releases[i]);
    ordo_bulk_expire(&shard->bulk, sim->now_us / SIM_MS);
    if (request->heartbeat != 0) inbox_add(sim, ORDO_SHARD_HEARD)->number = request->session;
}

static void received(struct sim *sim, const struct sim_link *link, struct ordo_slice bytes) {
    watch_link_to_shard(sim->shard.watch, bytes);
    struct sim_inbox_item *item = inbox_add(sim, ORDO_SHARD_RECEIVED);
    ordo_buffer_append(&item->peer, &link->session, sizeof link->session);
    ordo_buffer_append_slice(&item->message, bytes);
}

void sim_shard_deliver(struct sim *sim, struct sim_item *item) {
    struct sim_shard *shard = &sim->shard;
    const struct sim_link *link = NULL;
    if (item->life != shard->life) {
        ordo_job_destroy(item->object);
        return;
    }
    if (item->kind == SIM_START) {
        sim_shard_start(sim);
        return;
    }
    if (shard->core == NULL) return;
    switch (item->kind) {
    case SIM_ENVELOPE:
    case SIM_SIDE:
        link = &sim->links[item->a];
        if (link->epoch != item->b) break;
        if (item->kind == SIM_SIDE) side_received(sim, link, ordo_buffer_slice(&item->payload));
        else received(sim, link, ordo_buffer_slice(&item->payload));
        break;
    case SIM_WRITTEN: written(sim); break;
    case SIM_JOB: job_done(sim, item); break;
    case SIM_WAKE:
        shard->wake_pushed = false;
        if (!crash_is_due(sim)) turn(sim);
        break;
    case SIM_TICK:
        if (item->at_us != shard->tick_pushed_us) break; /* an earlier one was pushed since */
        shard->tick_pushed_us = 0;
        turn(sim);
        break;
    default: break;
    }
}

/* ---- life and death */

void sim_shard_init(struct sim *sim) {
    sim->shard.store = ordo_store_memory_create(ordo_prng_next(&sim->prng));
    sim->shard.watch = watch_link_create(sim->oracle, &sim->verdict);
}

static void forget_process(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    if (shard->core != NULL) {
        struct ordo_shard_stats stats = ordo_shard_stats(shard->core);
        sim->counts.snapshots += stats.snapshots;
        sim->counts.truncations += stats.truncations;
        sim->counts.ops_truncated += stats.ops_truncated;
        sim->counts.clients_forgotten += stats.clients_forgotten;
        sim->counts.documents_forgotten += stats.documents_erased;
        sim->counts.loads += stats.loads;
        sim->counts.damages_met += stats.documents_damaged;
        sim->counts.rebases_far += stats.rebases_far;
        sim->counts.commits_dropped += stats.commits_dropped;
    }
    ordo_shard_destroy(shard->core);
    shard->core = NULL;
    for (size_t i = 0; i < shard->inbox_count; i++) inbox_item_finish(&shard->inbox[i]);
    for (size_t i = 0; i < shard->write_count; i++) ordo_batch_finish(&shard->writes[i].batch);
    for (size_t i = 0; i < shard->job_count; i++) ordo_job_destroy(shard->jobs[i].job);
    shard->inbox_count = shard->write_count = shard->job_count = 0;
    shard->written_count = shard->issued_count = 0;
    shard->turns_in_flight = 0;
    shard->is_writing = shard->wake_pushed = false;
    shard->tick_pushed_us = 0;
    shard->crash_countdown = 0;
    ordo_shard_effects_clear(&shard->effects);
    ordo_bulk_finish(&shard->bulk);
    shard->bulk = (struct ordo_bulk){0};
    shard->life++;
}

void sim_shard_finish(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    forget_process(sim);
    free(shard->inbox);
    free(shard->writes);
    free(shard->jobs);
    ordo_shard_effects_finish(&shard->effects);
    watch_link_destroy(shard->watch);
    shard->store->ops->close(shard->store);
}

static struct ordo_turn_row read_turn(struct sim *sim) {
    struct ordo_turn_row row = {0};
    struct ordo_buffer value = {0};
    struct ordo_view *view = sim->shard.store->ops->view_open(sim->shard.store);
    if (view->ops->get(view, ORDO_CF_META, ordo_key_turn, &value) == ORDO_OK &&
        ordo_turn_row_decode(ordo_buffer_slice(&value), &row) != ORDO_OK) {
        sim_fail(&sim->verdict, SIM_CHECK_SURVIVES, "the turn row does not decode");
    }
    sim->shard.store->ops->view_close(view);
    ordo_buffer_finish(&value);
    return row;
}

void sim_shard_start(struct sim *sim) {
    struct sim_shard *shard = &sim->shard;
    if (shard->core != NULL) return;
    struct ordo_shard_config config = sim->plan.shard;
    struct ordo_turn_row row = read_turn(sim);
    config.store_id[0] = 1;
    config.incarnation = ++shard->incarnation;
    config.turn = row.turn;
    config.term = row.term;
    config.seed = ordo_prng_next(&sim->prng);
    snprintf(config.name, sizeof config.name, "s0");
    shard->monotonic_offset_ms = sim_between(sim, 1, 1000000);
    shard->core = ordo_shard_create(&config, sim->now_us / SIM_MS + shard->monotonic_offset_ms);
    sim_log(sim, "shard starts, incarnation %" PRIu64 ", turn %" PRIu64, shard->incarnation, row.turn);
    if (shard->full_until_us > sim->now_us) inbox_add(sim, ORDO_SHARD_DISK)->number = 1;
    tick_push(sim);
    sim_links_reconnect(sim);
}

void sim_shard_crash(struct sim *sim, uint64_t down_us) {
    struct sim_shard *shard = &sim->shard;
    if (shard->core == NULL) return;
    /* The write under way may have reached the disk, or not. */
    if (shard->is_writing && sim_chance(sim, 500)) {
        ordo_err err = shard->store->ops->write(shard->store, &shard->writes[0].batch, false);
        sim_log(sim, "the write under way (turn %" PRIu64 ") reached the cache: %s", shard->writes[0].turn,
                ordo_err_text(err));
    }
    /* A killed process loses nothing that it has written; a machine without power does. */
    bool is_power_loss = sim_chance(sim, 500);
    sim->counts.shard_deaths++;
    sim->counts.power_losses += is_power_loss;
    sim_log(sim, "shard dies for %" PRIu64 " ms%s", down_us / SIM_MS, is_power_loss ? ", power is lost" : "");
    forget_process(sim);
    if (!is_power_loss && ordo_store_memory_sync(shard->store) != ORDO_OK) is_power_loss = true;
    ordo_store_memory_crash(shard->store, !is_power_loss || sim_chance(sim, 500));
    scan_disk(sim);
    sim_links_of_shard_die(sim);
    sim_push(sim, sim->now_us + down_us, item_of(sim, SIM_START));
}

void sim_shard_set_full(struct sim *sim, bool is_full) {
    struct sim_shard *shard = &sim->shard;
    if (shard->core == NULL) return;
    inbox_add(sim, ORDO_SHARD_DISK)->number = is_full;
}

bool sim_shard_is_idle(const struct sim *sim) {
    const struct sim_shard *shard = &sim->shard;
    return shard->core != NULL && shard->inbox_count == 0 && shard->turns_in_flight == 0;
}
