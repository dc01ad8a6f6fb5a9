#include "shard/loop.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

/* What one turn reads at most. More in a batch would not make the sync cheaper per op by much, and everybody in the turn
 * waits for the whole of it. */
#define TURN_INPUT_SIZE_MAX (2u * 1024 * 1024)
#define TURN_INPUT_COUNT_MAX 4096

void ordo_loop_finish(struct ordo_loop *loop) {
    ordo_inbox_contents_finish(&loop->taken);
    ordo_news_destroy(loop->news);
    ordo_target_wires_finish(&loop->targets);
    ordo_shard_effects_finish(&loop->effects);
}

static void step(struct ordo_loop *loop, struct ordo_shard_event event) {
    event.wall_ms = loop->wall_ms;
    event.monotonic_ms = loop->monotonic_ms;
    ordo_shard_step(loop->core, &event, &loop->effects);
}

/* ---- reading: each says whether there was anything */

static bool step_inbox(struct ordo_loop *loop) {
    if (!ordo_inbox_has_any(loop->inbox)) return false;
    ordo_inbox_take(loop->inbox, &loop->taken);
    for (size_t i = 0; i < loop->taken.session_count; i++) {
        step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_HEARD, .heard.session = loop->taken.sessions[i]});
    }
    for (size_t i = 0; i < loop->taken.job_count; i++) {
        step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_JOB_DONE, .job_done.job = loop->taken.jobs[i]});
    }
    loop->taken.job_count = 0; /* the core took them */
    return true;
}

/* The newest table, then the orders: they were given on the ground of it. */
static bool step_mail(struct ordo_loop *loop) {
    if (!ordo_mail_has_post(loop->mail)) return false;
    struct ordo_news *news;
    struct ordo_order *orders;
    size_t order_count;
    ordo_mail_take_post(loop->mail, &news, &orders, &order_count);
    if (news != NULL) {
        ordo_news_destroy(loop->news);
        loop->news = news;
        step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_PLACEMENT, .placement = {&news->placement, news->format, news->lost, news->lost_count}});
    }
    for (size_t i = 0; i < order_count; i++) {
        struct ordo_shard_event event = {.kind = ORDO_SHARD_MOVE, .move = {orders[i].slot, orders[i].target}};
        if (orders[i].is_cancelled)
            event = (struct ordo_shard_event){.kind = ORDO_SHARD_MOVE_CANCEL, .move_cancel.slot = orders[i].slot};
        step(loop, event);
    }
    free(orders);
    return true;
}

static bool step_targets(struct ordo_loop *loop) {
    if (loop->targets.count == 0) return false;
    struct ordo_shard_event event;
    zmq_msg_t message;
    size_t count = 0;
    zmq_msg_init(&message);
    while (count < TURN_INPUT_COUNT_MAX && ordo_target_wires_next(&loop->targets, &message, &event)) {
        step(loop, event);
        count++;
    }
    zmq_msg_close(&message);
    return count > 0;
}

static bool step_disk(struct ordo_loop *loop) {
    bool is_full = ordo_disk_is_full(loop->disk);
    if (is_full == loop->is_full) return false;
    loop->is_full = is_full;
    if (is_full) {
        log_error("event=disk_full action=\"edits are refused, reading goes on\" remedy=\"free some space\"");
    } else {
        log_info("event=disk_has_space action=\"edits are taken again\"");
    }
    step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_DISK, .disk.is_full = is_full});
    return true;
}

static bool step_messages(struct ordo_loop *loop) {
    struct ordo_slice peer, message;
    size_t count = 0, size = 0;
    while (count < TURN_INPUT_COUNT_MAX && size < TURN_INPUT_SIZE_MAX &&
           ordo_wire_receive(loop->wire, &peer, &message)) {
        step(loop, (struct ordo_shard_event){
                       .kind = ORDO_SHARD_RECEIVED, .received.peer = peer, .received.message = message});
        count++;
        size += message.size;
    }
    return count > 0;
}

static bool step_tick(struct ordo_loop *loop) {
    if (loop->monotonic_ms < ordo_shard_next_tick_ms(loop->core)) return false;
    step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_TICK});
    return true;
}

/* ---- carrying out, in the order that core/shard.h asks for */

static ordo_err write_batch(struct ordo_loop *loop, const struct ordo_batch *batch, bool sync,
                            struct ordo_problem *problem) {
    uint64_t begun_ns = ordo_clock_monotonic_ns();
    ordo_disk_syncing(loop->disk, begun_ns / 1000000);
    ordo_err err = loop->store->ops->write(loop->store, batch, sync);
    if (sync) {
        loop->turn_figures.write_begun_ns = begun_ns;
        loop->turn_figures.durable_ns = ordo_clock_monotonic_ns();
        loop->turn_figures.batch_size = batch->records.size;
    }
    ordo_disk_synced(loop->disk, !err && sync ? loop->effects.turn : 0);
    if (err) {
        ordo_problem_set(problem, "A write failed, so nothing more is acknowledged: %s.",
                         ordo_store_rocksdb_failure(loop->store));
    }
    return err;
}

static void start_jobs(struct ordo_loop *loop) {
    for (size_t i = 0; i < loop->effects.job_count; i++) ordo_workers_give(loop->workers, loop->effects.jobs[i]);
    loop->effects.job_count = 0;
}

/* A refused message ends its peer's session, which may call for effects of its own: into the next round with them. */
static void send_all(struct ordo_loop *loop, struct ordo_buffer *refused) {
    struct ordo_shard_send send;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&loop->effects.send_bytes));
    while (ordo_shard_effects_next_send(&reader, &send)) {
        if (!ordo_wire_send(loop->wire, send.peer, send.message)) ordo_buffer_append_sized(refused, send.peer);
    }
}

static void log_notes(struct ordo_loop *loop) {
    static const enum ordo_log_level levels[] = {
        [ORDO_NOTE_DEBUG] = ORDO_LOG_DEBUG, [ORDO_NOTE_INFO] = ORDO_LOG_INFO, [ORDO_NOTE_WARN] = ORDO_LOG_WARN, [ORDO_NOTE_ERROR] = ORDO_LOG_ERROR};
    struct ordo_shard_note note;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&loop->effects.note_bytes));
    while (ordo_shard_effects_next_note(&reader, &note)) {
        ordo_log(levels[note.level], "%.*s", (int)note.text.size, (const char *)note.text.data);
    }
}

static void step_refused(struct ordo_loop *loop, struct ordo_buffer *refused) {
    struct ordo_slice peer;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(refused));
    while (ordo_take_sized(&reader, &peer)) {
        step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_LOST, .lost.peer = peer});
        loop->has_leftover = true;
    }
    ordo_buffer_finish(refused);
}

/* ---- links to other shards, and what the registrar is to know */

static const char *endpoint_of(const struct ordo_loop *loop, const struct ordo_store_id *store) {
    for (size_t i = 0; loop->news != NULL && i < loop->news->address_count; i++) {
        if (ordo_store_id_equal(&loop->news->addresses[i].store, store)) return loop->news->addresses[i].data_endpoint;
    }
    return NULL;
}

static void serve_targets(struct ordo_loop *loop) {
    const struct ordo_shard_effects *effects = &loop->effects;
    for (size_t i = 0; i < effects->target_close_count; i++)
        ordo_target_wires_close(&loop->targets, effects->target_closes[i]);
    for (size_t i = 0; i < effects->target_open_count; i++) {
        const struct ordo_target_open *open = &effects->target_opens[i];
        ordo_target_wires_open(&loop->targets, open->session, endpoint_of(loop, &open->store));
        loop->has_leftover = true; /* it may be down already */
    }
    struct ordo_target_send send;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&effects->target_bytes));
    while (ordo_shard_effects_next_target_send(&reader, &send)) {
        ordo_target_wires_send(&loop->targets, send.session, send.message);
        loop->has_leftover = true; /* likewise, and a send may swallow the edge of what came */
    }
}

static void report(struct ordo_loop *loop) {
    const struct ordo_shard_effects *effects = &loop->effects;
    if (effects->slots_changed) ordo_mail_report_slots(loop->mail, ordo_shard_slots(loop->core));
    for (size_t i = 0; i < effects->move_end_count; i++) ordo_mail_report_end(loop->mail, &effects->move_ends[i]);
}

/* Carries out and clears the effects; `turn_out` gets the turn that is durable now, 0 if none was written. */
static ordo_err carry_out(struct ordo_loop *loop, uint64_t *turn_out, struct ordo_problem *problem) {
    struct ordo_shard_effects *effects = &loop->effects;
    struct ordo_buffer refused = {0};
    ordo_err err = ORDO_OK;
    if (effects->publish_count > 0) {
        ordo_side_publish(loop->side, effects->publish, effects->publish_count, loop->monotonic_ms);
        effects->publish_count = 0;
    }
    if (effects->turn != 0) err = write_batch(loop, &effects->batch, true, problem);
    if (err) return err;
    *turn_out = effects->turn;
    start_jobs(loop);
    send_all(loop, &refused);
    serve_targets(loop);
    if (effects->background.count > 0) err = write_batch(loop, &effects->background, false, problem);
    log_notes(loop);
    if (effects->erased.size > 0) ordo_sweep_give(loop->sweep, ordo_buffer_slice(&effects->erased));
    report(loop);
    if (effects->changes.size > 0) ordo_webhooks_give(loop->webhooks, ordo_buffer_slice(&effects->changes));
    ordo_shard_effects_clear(effects);
    step_refused(loop, &refused);
    return err;
}

/* ---- the turn */

static void wait_for_input(struct ordo_loop *loop) {
    uint64_t now_ms = ordo_clock_monotonic_ms(), tick_ms = ordo_shard_next_tick_ms(loop->core);
    long timeout_ms = tick_ms <= now_ms ? 0 : tick_ms - now_ms > 1000 ? 1000 : (long)(tick_ms - now_ms);
    zmq_pollitem_t items[ORDO_TARGET_WIRES_MAX];
    size_t count = ordo_target_wires_poll_items(&loop->targets, items);
    if (ordo_wire_wait(loop->wire, loop->inbox->wake_fd, items, count, timeout_ms)) ordo_inbox_calm(loop->inbox);
}

ordo_err ordo_loop_turn(struct ordo_loop *loop, struct ordo_problem *problem) {
    if (loop->is_idle) wait_for_input(loop);
    uint64_t begun_ns = ordo_clock_monotonic_ns(), committed = ordo_shard_ops_committed(loop->core);
    loop->wall_ms = ordo_clock_wall_ms();
    loop->monotonic_ms = begun_ns / 1000000;
    ordo_figures_put(loop->figures, loop->core, loop->monotonic_ms);
    bool is_busy = loop->has_leftover;
    loop->has_leftover = false;
    is_busy |= step_inbox(loop);
    is_busy |= step_mail(loop);
    is_busy |= step_targets(loop);
    is_busy |= step_disk(loop);
    is_busy |= step_messages(loop);
    is_busy |= step_tick(loop);
    loop->is_idle = !is_busy;
    if (!is_busy) return ORDO_OK;
    step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_TURN_END});

    uint64_t turn = 0;
    ordo_err err = carry_out(loop, &turn, problem);
    if (err || turn == 0) return err;
    loop->turn_figures.begun_ns = begun_ns;
    loop->turn_figures.op_count = ordo_shard_ops_committed(loop->core) - committed;
    ordo_figures_turn(loop->figures, &loop->turn_figures);
    step(loop, (struct ordo_shard_event){.kind = ORDO_SHARD_DURABLE, .durable.turn = turn});
    uint64_t none;
    return carry_out(loop, &none, problem);
}
