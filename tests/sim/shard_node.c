#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/store_memory.h"
#include "tests/sim/sim.h"

/* A shard process: the loop around the core (read what waits, end the turn, hand the batch to the one writer), the
 * writer with its disk, helper threads for jobs, and the side thread that answers heartbeats. */

static struct ordo_shard_event event_of(const struct sim_shard *shard, enum ordo_shard_event_kind kind) {
    const struct sim *sim = shard->sim;
    return (struct ordo_shard_event){
        .kind = kind,
        .wall_ms = sim_wall_ms(sim, shard->wall_offset_ms),
        .monotonic_ms = sim->now_us / SIM_MS + shard->monotonic_offset_ms,
    };
}

static struct sim_item item_of(const struct sim_shard *shard, enum sim_item_kind kind) {
    return (struct sim_item){.kind = kind, .role = SIM_SHARD, .to = shard->index, .life = shard->life};
}

/* ---- the one writer */

static void write_begin(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    if (shard->is_writing || shard->write_count == 0) return;
    shard->is_writing = true;
    shard->write_began_us = sim->now_us;
    uint64_t took_us = sim_between(sim, sim->plan.sync_us / 4, sim->plan.sync_us);
    if (shard->writes[0].turn == 0) took_us /= 10;
    if (!sim->is_resting) {
        if (shard->slow_until_us > sim->now_us && shard->writes[0].turn != 0) took_us += 500 * SIM_MS;
        if (shard->stalled_until_us > sim->now_us) took_us += shard->stalled_until_us - sim->now_us;
    }
    sim_push(sim, sim->now_us + took_us, item_of(shard, SIM_WRITTEN));
}

static void write_push(struct sim_shard *shard, uint64_t turn, const struct ordo_batch *batch) {
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
    write_begin(shard);
}

static bool crash_is_due(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    if (shard->core == NULL) return true;
    if (shard->crash_countdown == 0 || --shard->crash_countdown > 0) return false;
    sim_shard_crash(shard, sim_between(sim, 10 * SIM_MS, 5 * SIM_SECOND));
    return true;
}

static void wake_push(struct sim_shard *shard, uint64_t delay_us) {
    struct sim *sim = shard->sim;
    if (shard->wake_pushed) return;
    shard->wake_pushed = true;
    sim_push(sim, sim->now_us + delay_us, item_of(shard, SIM_WAKE));
}

static struct sim_inbox_item *inbox_add(struct sim_shard *shard, enum ordo_shard_event_kind kind) {
    struct sim *sim = shard->sim;
    if (shard->inbox_count == shard->inbox_capacity) {
        shard->inbox_capacity = shard->inbox_capacity ? shard->inbox_capacity * 2 : 16;
        shard->inbox = ordo_realloc(shard->inbox, shard->inbox_capacity * sizeof *shard->inbox);
    }
    struct sim_inbox_item *item = &shard->inbox[shard->inbox_count++];
    *item = (struct sim_inbox_item){.kind = kind};
    wake_push(shard, sim_between(sim, 0, 100));
    return item;
}

static void inbox_item_finish(struct sim_inbox_item *item) {
    ordo_buffer_finish(&item->peer);
    ordo_buffer_finish(&item->message);
    ordo_job_destroy(item->job);
}

/* ---- effects, in the order that shard.h asks for */

static void start_jobs(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    size_t kept = 0;
    for (size_t i = 0; i < shard->job_count; i++) {
        if (shard->jobs[i].after > shard->written_count) {
            shard->jobs[kept++] = shard->jobs[i];
            continue;
        }
        struct sim_item item = item_of(shard, SIM_JOB);
        item.object = shard->jobs[i].job;
        uint64_t took_us = sim_between(sim, 0, sim_chance(sim, 50) ? 2 * SIM_SECOND : 5 * SIM_MS);
        if (sim->is_resting) took_us = sim_between(sim, 0, SIM_MS);
        sim_push(sim, sim->now_us + took_us, item);
    }
    shard->job_count = kept;
}

static void take_jobs(struct sim_shard *shard, struct ordo_shard_effects *effects) {
    for (size_t i = 0; i < effects->job_count; i++) {
        if (shard->job_count == shard->job_capacity) {
            shard->job_capacity = shard->job_capacity ? shard->job_capacity * 2 : 8;
            shard->jobs = ordo_realloc(shard->jobs, shard->job_capacity * sizeof *shard->jobs);
        }
        shard->jobs[shard->job_count++] =
            (struct sim_waiting_job){.job = effects->jobs[i], .after = shard->issued_count};
    }
    effects->job_count = 0;
    start_jobs(shard);
}

static void send_all(struct sim_shard *shard, const struct ordo_shard_effects *effects) {
    struct sim *sim = shard->sim;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&effects->send_bytes));
    for (struct ordo_shard_send send; ordo_shard_effects_next_send(&reader, &send);) {
        watch_link_from_shard(shard->watch, send.message);
        if (sim_link_send_back(sim, send.peer, false, send.message)) continue;
        ordo_buffer_append_slice(&inbox_add(shard, ORDO_SHARD_LOST)->peer, send.peer);
    }
}

static struct sim_end end_of(const struct sim_shard *shard) {
    return (struct sim_end){.role = SIM_SHARD, .index = shard->index};
}

static void target_down(struct sim_shard *shard, uint64_t session) {
    inbox_add(shard, ORDO_SHARD_TARGET_DOWN)->number = session;
}

/* The links to shards that take slots from this one. */
static void send_to_targets(struct sim_shard *shard, const struct ordo_shard_effects *effects) {
    struct sim *sim = shard->sim;
    for (size_t i = 0; i < effects->target_close_count; i++)
        sim_link_close(sim, end_of(shard), effects->target_closes[i]);
    for (size_t i = 0; i < effects->target_open_count; i++) {
        const struct ordo_target_open *open = &effects->target_opens[i];
        const struct sim_shard *target = sim_shard_of_store(sim, open->store);
        if (target == NULL) target_down(shard, open->session);
        else sim_link_open(sim, end_of(shard), 0, target->index, open->session);
    }
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&effects->target_bytes));
    for (struct ordo_target_send send; ordo_shard_effects_next_target_send(&reader, &send);) {
        sim_moves_sent(shard, send.session, send.message);
        if (!sim_link_send_to_shard(sim, end_of(shard), send.session, false, send.message))
            target_down(shard, send.session);
    }
}

static void tell_of_moves(struct sim_shard *shard, const struct ordo_shard_effects *effects) {
    for (size_t i = 0; i < effects->move_end_count; i++) {
        const struct ordo_move_end *end = &effects->move_ends[i];
        sim_log(shard->sim, "shard %u: the move of slot %u %s%s", shard->index, end->slot,
                end->is_done ? "is done" : "has ended: ", end->is_done ? "" : end->reason);
        sim_moves_ended(shard, end);
    }
    if (effects->slots_changed) sim_directory_register(shard);
}

static void carry_out(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    struct ordo_shard_effects *effects = &shard->effects;
    struct ordo_reader notes = ordo_reader(ordo_buffer_slice(&effects->note_bytes));
    for (struct ordo_shard_note note; ordo_shard_effects_next_note(&notes, &note);) {
        sim_log(sim, "shard %u: %.*s", shard->index, (int)note.text.size, note.text.data);
    }
    for (size_t i = 0; i < effects->publish_count; i++) {
        ordo_bulk_publish(&shard->bulk, &effects->publish[i], sim->now_us / SIM_MS);
    }
    effects->publish_count = 0;
    if (effects->turn != 0) write_push(shard, effects->turn, &effects->batch);
    if (effects->background.count > 0) write_push(shard, 0, &effects->background);
    take_jobs(shard, effects);
    if (crash_is_due(shard)) return;
    send_all(shard, effects);
    send_to_targets(shard, effects);
    tell_of_moves(shard, effects);
    ordo_shard_effects_clear(effects);
    crash_is_due(shard);
}

static void step(struct sim_shard *shard, const struct ordo_shard_event *event) {
    ordo_shard_step(shard->core, event, &shard->effects);
}

static void tick_push(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    uint64_t due_ms = ordo_shard_next_tick_ms(shard->core);
    uint64_t now_ms = sim->now_us / SIM_MS + shard->monotonic_offset_ms;
    if (due_ms == UINT64_MAX) return;
    uint64_t at_us = sim->now_us + (due_ms > now_ms ? (due_ms - now_ms) * SIM_MS : SIM_MS);
    if (shard->tick_pushed_us > sim->now_us && shard->tick_pushed_us <= at_us) return;
    shard->tick_pushed_us = at_us;
    sim_push(sim, at_us, item_of(shard, SIM_TICK));
}

static void step_inbox_item(struct sim_shard *shard, struct sim_inbox_item *item) {
    struct ordo_shard_event event = event_of(shard, item->kind);
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
    case ORDO_SHARD_PLACEMENT:
        event.placement.placement = &shard->sim->directory.table;
        event.placement.format = sim_directory_format(shard->sim);
        break;
    case ORDO_SHARD_MOVE:
        event.move.slot = (uint16_t)item->number;
        event.move.target = item->store;
        break;
    case ORDO_SHARD_MOVE_CANCEL: event.move_cancel.slot = (uint16_t)item->number; break;
    case ORDO_SHARD_TARGET_UP:
    case ORDO_SHARD_TARGET_DOWN:
    case ORDO_SHARD_TARGET_RECEIVED:
        event.target.session = item->number;
        event.target.message = ordo_buffer_slice(&item->message);
        break;
    case ORDO_SHARD_TURN_END:
    case ORDO_SHARD_DURABLE:
    case ORDO_SHARD_TICK: break;
    }
    step(shard, &event);
}

/* One turn of the loop. While as many turns are on their way as may be, what arrives waits in the inbox. */
static void turn(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    if (shard->turns_in_flight >= sim->plan.turns_in_flight_max) return;
    size_t count = shard->inbox_count;
    if (count > 1 && sim_chance(sim, 100)) count = 1 + sim_below(sim, count);
    for (size_t i = 0; i < count; i++) {
        step_inbox_item(shard, &shard->inbox[i]);
        inbox_item_finish(&shard->inbox[i]);
    }
    shard->inbox_count -= count;
    memmove(shard->inbox, shard->inbox + count, shard->inbox_count * sizeof *shard->inbox);
    struct ordo_shard_event event = event_of(shard, ORDO_SHARD_TICK);
    if (event.monotonic_ms >= ordo_shard_next_tick_ms(shard->core)) step(shard, &event);
    event = event_of(shard, ORDO_SHARD_TURN_END);
    step(shard, &event);
    carry_out(shard);
    if (shard->core == NULL) return;
    tick_push(shard);
    if (shard->inbox_count > 0) wake_push(shard, sim_between(sim, 0, 100));
}

static void stop_for(struct sim_shard *shard, ordo_err err) {
    struct sim *sim = shard->sim;
    sim_log(sim, "shard %u stops: the write failed: %s", shard->index, ordo_err_text(err));
    shard->is_writing = false;
    sim->counts.failed_writes++;
    sim_shard_crash(shard, sim_between(sim, 100 * SIM_MS, 2 * SIM_SECOND));
}

static void written(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    ORDO_ASSERT(shard->is_writing && shard->write_count > 0);
    struct sim_write *write = &shard->writes[0];
    ordo_err err = shard->store->ops->write(shard->store, &write->batch, write->turn != 0);
    if (err != ORDO_OK) {
        stop_for(shard, err);
        return;
    }
    uint64_t number = write->turn;
    if (number != 0) {
        sim_disk_written(shard, &write->batch);
        sim_moves_written(shard, &write->batch);
        shard->turns_in_flight--;
    }
    ordo_batch_finish(&write->batch);
    shard->write_count--;
    memmove(shard->writes, shard->writes + 1, shard->write_count * sizeof *shard->writes);
    shard->is_writing = false;
    shard->written_count++;
    write_begin(shard);
    start_jobs(shard);
    if (number == 0 || crash_is_due(shard)) return;
    struct ordo_shard_event event = event_of(shard, ORDO_SHARD_DURABLE);
    event.durable.turn = number;
    step(shard, &event);
    carry_out(shard);
    if (shard->core == NULL) return;
    tick_push(shard);
    wake_push(shard, sim_between(sim, 0, 50));
}

static void job_done(struct sim_shard *shard, struct sim_item *item) {
    struct sim *sim = shard->sim;
    struct ordo_job *job = item->object;
    item->object = NULL;
    struct ordo_view *view = shard->store->ops->view_open(shard->store);
    sim->counts.jobs++;
    ordo_job_run(job, view);
    shard->store->ops->view_close(view);
    inbox_add(shard, ORDO_SHARD_JOB_DONE)->job = job;
}

/* ---- the side thread: answers at once, whatever the disk does */

static void side_received(struct sim_shard *shard, const struct sim_link *link, struct ordo_slice bytes) {
    struct sim *sim = shard->sim;
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
    reply.shard = ordo_binary_of_slice(ordo_slice(shard->id.bytes, sizeof shard->id.bytes));
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
    sim_link_send_back(sim, peer, true, ordo_buffer_slice(&encoded));
    ordo_buffer_finish(&encoded);
    for (size_t i = 0; i < request->n_releases; i++) ordo_bulk_release(&shard->bulk, request->releases[i]);
    ordo_bulk_expire(&shard->bulk, sim->now_us / SIM_MS);
    if (request->heartbeat != 0) inbox_add(shard, ORDO_SHARD_HEARD)->number = request->session;
}

static void received(struct sim_shard *shard, const struct sim_link *link, struct ordo_slice bytes) {
    watch_link_to_shard(shard->watch, bytes);
    struct sim_inbox_item *item = inbox_add(shard, ORDO_SHARD_RECEIVED);
    ordo_buffer_append(&item->peer, &link->session, sizeof link->session);
    ordo_buffer_append_slice(&item->message, bytes);
}

/* What happens to a link that this shard has opened. */
static void target_event(struct sim_shard *shard, struct sim_link *link, const struct sim_item *item) {
    if (!link->is_current) return;
    if (item->kind == SIM_LINK_UP) {
        bool is_served = shard->sim->shards[link->shard].core != NULL; /* else sim_links_reconnect will be called */
        if (!is_served || link->is_connected) return;
        link->is_connected = true;
        inbox_add(shard, ORDO_SHARD_TARGET_UP)->number = link->session;
    } else if (item->kind == SIM_LINK_DOWN) {
        target_down(shard, link->session);
    } else if (link->epoch == item->b) {
        struct sim_inbox_item *got = inbox_add(shard, ORDO_SHARD_TARGET_RECEIVED);
        got->number = link->session;
        ordo_buffer_append_slice(&got->message, ordo_buffer_slice(&item->payload));
    }
}

void sim_shard_tell_placement(struct sim_shard *shard) {
    if (shard->core != NULL) inbox_add(shard, ORDO_SHARD_PLACEMENT);
}

void sim_shard_order_move(struct sim_shard *shard, uint16_t slot, uint32_t target) {
    if (shard->core == NULL) return;
    struct sim_inbox_item *item = inbox_add(shard, ORDO_SHARD_MOVE);
    item->number = slot;
    item->store = shard->sim->shards[target].id;
}

void sim_shard_deliver(struct sim *sim, struct sim_item *item) {
    struct sim_shard *shard = &sim->shards[item->to];
    const struct sim_link *link = NULL;
    if (item->life != shard->life) {
        ordo_job_destroy(item->object);
        return;
    }
    if (item->kind == SIM_START) {
        sim_shard_start(shard);
        return;
    }
    if (shard->core == NULL) return;
    switch (item->kind) {
    case SIM_ENVELOPE:
    case SIM_SIDE:
        link = &sim->links[item->a];
        if (link->epoch != item->b) break;
        if (item->kind == SIM_SIDE) side_received(shard, link, ordo_buffer_slice(&item->payload));
        else received(shard, link, ordo_buffer_slice(&item->payload));
        break;
    case SIM_LINK_UP:
    case SIM_LINK_DOWN:
    case SIM_ANSWER: target_event(shard, &sim->links[item->a], item); break;
    case SIM_TABLE: sim_shard_tell_placement(shard); break;
    case SIM_REGISTER: sim_directory_deliver(sim, item); break;
    case SIM_WRITTEN: written(shard); break;
    case SIM_JOB: job_done(shard, item); break;
    case SIM_WAKE:
        shard->wake_pushed = false;
        if (!crash_is_due(shard)) turn(shard);
        break;
    case SIM_TICK:
        if (item->at_us != shard->tick_pushed_us) break; /* an earlier one was pushed since */
        shard->tick_pushed_us = 0;
        turn(shard);
        break;
    default: break;
    }
}

/* ---- life and death */

void sim_shard_init(struct sim *sim, uint32_t index) {
    struct sim_shard *shard = &sim->shards[index];
    shard->sim = sim;
    shard->index = index;
    shard->id.bytes[0] = (uint8_t)(index + 1);
    shard->store = ordo_store_memory_create(ordo_prng_next(&sim->prng));
    shard->watch = watch_link_create(sim->oracle, &sim->verdict);
    if (sim_has_directory(sim)) sim_disk_write_slots(shard);
}

static void forget_process(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
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
        sim->counts.writers_turned_away += stats.writers_turned_away;
        sim->counts.viewers_admitted += stats.viewers_admitted;
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

void sim_shard_finish(struct sim_shard *shard) {
    forget_process(shard);
    free(shard->inbox);
    free(shard->writes);
    free(shard->jobs);
    ordo_shard_effects_finish(&shard->effects);
    watch_link_destroy(shard->watch);
    shard->store->ops->close(shard->store);
}

void sim_shard_start(struct sim_shard *shard) {
    struct sim *sim = shard->sim;
    if (shard->core != NULL) return;
    if (sim_directory_is_away(sim)) { /* it can claim its store when the directory is back */
        sim_push(sim, sim->directory.away_until_us, item_of(shard, SIM_START));
        return;
    }
    struct ordo_shard_config config = sim->plan.shard;
    struct ordo_turn_row row = sim_disk_read_turn(shard);
    memcpy(config.store_id, shard->id.bytes, sizeof config.store_id);
    struct ordo_slot_row slots[ORDO_SLOT_COUNT];
    if (sim_has_directory(sim)) {
        sim_disk_read_slots(shard, slots);
        config.slots = slots;
    }
    config.incarnation = ++shard->incarnation;
    config.format = sim_disk_read_format(shard);
    config.turn = row.turn;
    config.term = row.term;
    config.seed = ordo_prng_next(&sim->prng);
    snprintf(config.name, sizeof config.name, "s%u", shard->index);
    shard->monotonic_offset_ms = sim_between(sim, 1, 1000000);
    shard->core = ordo_shard_create(&config, sim->now_us / SIM_MS + shard->monotonic_offset_ms);
    sim_log(sim, "shard %u starts, incarnation %" PRIu64 ", turn %" PRIu64, shard->index, shard->incarnation, row.turn);
    if (shard->full_until_us > sim->now_us) inbox_add(shard, ORDO_SHARD_DISK)->number = 1;
    tick_push(shard);
    sim->reattach_count++;
    sim_links_reconnect(sim, shard->index);
    if (!sim_has_directory(sim)) return;
    sim_directory_watch(sim, SIM_SHARD, shard->index, shard->life);
    sim_directory_register(shard);
}

void sim_shard_crash(struct sim_shard *shard, uint64_t down_us) {
    struct sim *sim = shard->sim;
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
    sim_log(sim, "shard %u dies for %" PRIu64 " ms%s", shard->index, down_us / SIM_MS, is_power_loss ? ", power is lost" : "");
    forget_process(shard);
    if (!is_power_loss && ordo_store_memory_sync(shard->store) != ORDO_OK) is_power_loss = true;
    ordo_store_memory_crash(shard->store, !is_power_loss || sim_chance(sim, 500));
    sim_disk_scan(shard);
    sim_moves_check_owners(sim);
    sim_links_of_shard_die(sim, shard->index);
    sim_push(sim, sim->now_us + down_us, item_of(shard, SIM_START));
}

void sim_shard_set_full(struct sim_shard *shard, bool is_full) {
    if (shard->core == NULL) return;
    inbox_add(shard, ORDO_SHARD_DISK)->number = is_full;
}

bool sim_shard_is_idle(const struct sim_shard *shard) {
    return shard->core != NULL && shard->inbox_count == 0 && shard->turns_in_flight == 0;
}
