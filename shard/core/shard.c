#include "shard/core/shard.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/format.h"
#include "common/hex.h"
#include "common/log_value.h"
#include "common/memory.h"
#include "shard/core/block.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

enum {
    /* A decoded Envelope: at most 84 times its bytes if all are empty messages, and an Envelope is about 1 MiB unless
     * one op alone is larger. */
    ENVELOPE_MEMORY_MAX = 128 * 1024 * 1024,
    PRESENCE_MEMORY_MAX = 1024 * 1024,
    BACKGROUND_TICK_MS = 10,
};

void ordo_shard_config_init(struct ordo_shard_config *config) {
    *config = (struct ordo_shard_config){
        .format = ORDO_FORMAT_MIN,
        .op_size_max = ORDO_OP_SIZE_MAX,
        .document_length_max = ORDO_DOCUMENT_SIZE_MAX,
        .presence_size_max = ORDO_PRESENCE_SIZE_MAX,
        .recent_size_max = 256 * 1024,
        .recent_idle_size_max = 16 * 1024,
        .recent_total_size_max = 128 * 1024 * 1024,
        .doc_queue_size_max = ORDO_DOC_QUEUE_SIZE_MAX,
        .rebase_budget = 128 * 1024,
        .history_size_max = 16 * 1024 * 1024,
        .content_cache_size_max = 64 * 1024 * 1024,
        .snapshot_log_size_min = 64 * 1024,
        .snapshot_idle_size_min = 4 * 1024,
        .snapshot_rate = 16 * 1024 * 1024,
        .snapshots_at_once_max = 4,
        .log_ops = 10000,
        .log_age_ms = 60000,
        .truncate_ops_min = 2048,
        .truncate_size_max = 1024 * 1024,
        .history_block_ops = ORDO_BLOCK_OPS_MAX,
        .retention = {.ops = 10000},
        .clients_max = 10000,
        .client_age_ms = UINT64_C(180) * 24 * 3600 * 1000,
        .clients_check_ms = 3600 * 1000,
        .move_chunk_size = 128 * 1024,
        .move_window_size = 512 * 1024,
        .move_rate = 32 * 1024 * 1024,
        .move_tail_size_max = 64 * 1024 * 1024,
        .move_hold_size_max = 16 * 1024 * 1024,
        .move_hold_ms = 5000,
        .move_step_ms = 10000,
        .move_freeze_ms = 2000,
        .idle_ms = 5000,
        .unload_ms = 60000,
        .writers_max = 1000,
        .writer_idle_ms = 30000,
        .presence_tick_ms = 50,
        .presence_rate = 500,
        .presence_age_ms = 60000,
    };
}

struct ordo_shard *ordo_shard_create(const struct ordo_shard_config *config, uint64_t monotonic_ms) {
    ORDO_ASSERT(config->incarnation != 0 && config->presence_rate > 0 && config->snapshots_at_once_max > 0);
    struct ordo_shard *shard = ordo_alloc(sizeof *shard);
    shard->config = *config;
    shard->config.slots = NULL; /* the caller's */
    shard->now_ms = monotonic_ms;
    shard->turn = shard->durable_turn = shard->settled_slots_turn = config->turn;
    shard->source.last = &shard->source.first;
    shard->format = config->format;
    ordo_slots_init(shard, config->slots);
    shard->snapshot_credit_ms = monotonic_ms;
    shard->open_last = &shard->open_first;
    shard->waiting_last = &shard->waiting_first;
    shard->jobs_last = &shard->jobs_first;
    ordo_prng_init(&shard->prng, config->seed);
    shard->docs.seed = ordo_hash_with(config->seed, ordo_slice_of("tables"));
    shard->bulk_id = (ordo_prng_next(&shard->prng) & (ORDO_NUMBER_MAX >> 1)) | 1;
    ordo_arena_init(&shard->arena, ENVELOPE_MEMORY_MAX);
    ordo_arena_init(&shard->wait_arena, ENVELOPE_MEMORY_MAX);
    ordo_arena_init(&shard->presence_arena, PRESENCE_MEMORY_MAX);
    return shard;
}

/* Takes everything apart without saying anything to anybody. */
static void drop_docs(struct ordo_shard *shard) {
    for (struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next) {
        peer->is_linked = false;
        while (peer->subscribers.count > 0) {
            uint32_t cursor = 0;
            ordo_subscriber_destroy(shard, ordo_table_next(&peer->subscribers, &cursor));
        }
    }
    while (shard->docs.count > 0) {
        uint32_t cursor = 0;
        struct ordo_doc *doc = ordo_table_next(&shard->docs, &cursor);
        doc->jobs = NULL; /* those that are out are the caller's */
        ordo_doc_destroy(shard, doc);
    }
    while (shard->abandoned != NULL) {
        shard->abandoned->jobs = NULL;
        ordo_doc_destroy(shard, shard->abandoned);
    }
}

void ordo_shard_destroy(struct ordo_shard *shard) {
    if (shard == NULL) return;
    struct ordo_shard_effects none = {0};
    shard->effects = &none;
    while (shard->jobs_first != NULL) { /* not handed out yet, so ours */
        struct ordo_job *job = shard->jobs_first;
        shard->jobs_first = job->next_waiting;
        ordo_job_destroy(job); /* stays in its document's list, which nobody walks any more: others there may be gone */
    }
    drop_docs(shard);
    ordo_source_finish(shard);
    ordo_orders_finish(shard);
    ordo_targets_finish(shard);
    ordo_imports_finish(shard);
    ordo_slots_finish(shard);
    ordo_outbox_finish(shard);
    ordo_peers_finish(shard);
    ordo_timers_finish(&shard->timers);
    ordo_erasures_finish(shard);
    if (shard->live != NULL) shard->live_type->live_destroy(shard->live);
    ordo_buffer_finish(&shard->changes);
    ordo_buffer_finish(&shard->op);
    ordo_buffer_finish(&shard->committed);
    ordo_buffer_finish(&shard->key);
    ordo_buffer_finish(&shard->value);
    ordo_arena_finish(&shard->arena);
    ordo_arena_finish(&shard->wait_arena);
    ordo_arena_finish(&shard->presence_arena);
    ordo_shard_effects_finish(&none);
    free(shard);
}

/* ---- jobs */

static void give_out(struct ordo_shard *shard, struct ordo_job *job) {
    struct ordo_shard_effects *effects = shard->effects;
    if (effects->job_count == effects->job_capacity) {
        effects->job_capacity = effects->job_capacity ? 2 * effects->job_capacity : 16;
        effects->jobs = ordo_realloc(effects->jobs, effects->job_capacity * sizeof(struct ordo_job *));
    }
    effects->jobs[effects->job_count++] = job;
}

static void start_job(struct ordo_shard *shard, struct ordo_job *job) {
    job->number = ++shard->job_number;
    shard->stats.jobs_running++;
    if (job->after_turn <= shard->durable_turn) {
        give_out(shard, job);
        return;
    }
    job->next_waiting = NULL;
    *shard->jobs_last = job;
    shard->jobs_last = &job->next_waiting;
}

void ordo_shard_start_job(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    job->doc = doc;
    job->after_turn = doc->written_turn;
    job->next = doc->jobs;
    job->link = &doc->jobs;
    if (job->next != NULL) job->next->link = &job->next;
    doc->jobs = job;
    doc->job_count++;
    start_job(shard, job);
}

void ordo_shard_start_slot_job(struct ordo_shard *shard, struct ordo_job *job) {
    job->after_turn = shard->turn;
    start_job(shard, job);
}

static void give_out_durable(struct ordo_shard *shard) {
    struct ordo_job **link = &shard->jobs_first;
    while (*link != NULL) {
        struct ordo_job *job = *link;
        if (job->after_turn > shard->durable_turn) {
            link = &job->next_waiting;
            continue;
        }
        *link = job->next_waiting;
        give_out(shard, job);
    }
    shard->jobs_last = link;
}

uint64_t ordo_shard_draw_lineage(struct ordo_shard *shard) {
    uint64_t lineage;
    do lineage = ordo_prng_next(&shard->prng) & ORDO_NUMBER_MAX;
    while (lineage == 0);
    return lineage;
}

static void job_done(struct ordo_shard *shard, struct ordo_job *job) {
    if (job->doc != NULL) {
        ordo_doc_job_done(shard, job->doc, job);
        return;
    }
    shard->stats.jobs_running--;
    if (job->kind == ORDO_JOB_COUNT && job->count.is_import) ordo_import_job_done(shard, job);
    else ordo_source_job_done(shard, job);
}

/* ---- turns */

/* All ops of this turn, one run per document. */
static void write_runs(struct ordo_shard *shard) {
    while (shard->touched != NULL) {
        struct ordo_doc *doc = shard->touched;
        shard->touched = doc->next_touched;
        uint64_t first_seq = doc->turn_first_seq;
        doc->turn_first_seq = 0;
        ordo_key_ops(&shard->key, ordo_doc_key(doc), first_seq);
        ordo_run_encode(&shard->value, ordo_buffer_slice(&shard->key), first_seq, doc->state.seq + 1 - first_seq,
                        ordo_recent_length_at(&doc->recent, first_seq - 1),
                        ordo_recent_records(&doc->recent, first_seq));
        ordo_batch_put(&shard->effects->batch, ORDO_CF_OPS, ordo_buffer_slice(&shard->key),
                       ordo_buffer_slice(&shard->value));
    }
}

void ordo_shard_raise_format(struct ordo_shard *shard, uint32_t level) {
    if (level <= shard->format) return;
    if (level > ordo_format_max()) {
        ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=format_unknown level=%u known=%u", level, ordo_format_max());
        return;
    }
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=format_raised from=%u to=%u", shard->format, level);
    shard->format = level;
    shard->format_is_dirty = true;
}

/* In the batch of the first turn that may write at that level: no crash leaves such rows without it. */
static void write_format(struct ordo_shard *shard) {
    if (!shard->format_is_dirty) return;
    ordo_format_row_encode(&shard->value, shard->format);
    ordo_batch_put(&shard->effects->batch, ORDO_CF_META, ordo_key_format, ordo_buffer_slice(&shard->value));
    shard->format_is_dirty = false;
}

static void write_in_background(struct ordo_shard *shard) {
    ordo_snapshots_write(shard);
    ordo_truncations_write(shard);
}

/* The batch of this turn holds all of them. */
static void tell_changes(struct ordo_shard *shard) {
    ordo_buffer_append_slice(&shard->effects->changes, ordo_buffer_slice(&shard->changes));
    ordo_buffer_clear(&shard->changes);
}

static void turn_end(struct ordo_shard *shard) {
    ordo_peers_turn_end(shard);
    ordo_source_turn_end(shard);
    ordo_imports_turn_end(shard);
    bool has_writes = shard->touched != NULL || ordo_snapshots_are_ready(shard) || ordo_truncations_are_ready(shard) ||
                      ordo_slots_are_dirty(shard) || ordo_erasures_are_ready(shard) || shard->format_is_dirty;
    if (has_writes) {
        ORDO_ASSERT(shard->effects->turn == 0); /* the last turn's effects were carried out */
        shard->turn++;
        shard->effects->turn = shard->turn;
        write_format(shard);
        ordo_erasures_turn_end(shard, shard->turn);
        write_runs(shard);
        tell_changes(shard);
        ordo_snapshots_turn_end(shard, shard->turn);
        ordo_truncations_turn_end(shard, shard->turn);
        ordo_slots_turn_end(shard, shard->turn);
        ordo_turn_row_encode(&shard->value, &(struct ordo_turn_row){.turn = shard->turn, .term = shard->config.term});
        ordo_batch_put(&shard->effects->batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&shard->value));
        shard->stats.turns++;
    }
    ordo_snapshots_start(shard);
    ordo_truncations_start(shard);
#ifdef ORDO_BREAK_ACK_BEFORE_DURABLE
    ordo_outbox_close_turn(shard, 0);
#else
    ordo_outbox_close_turn(shard, shard->turn > shard->durable_turn ? shard->turn : 0);
#endif
    ordo_outbox_release(shard);
    ordo_source_turn_written(shard);
    ordo_erasures_begin(shard);
    if (!has_writes) write_in_background(shard); /* else once the turn is durable: no ack shall wait for it */
}

static void durable(struct ordo_shard *shard, uint64_t turn) {
    ORDO_ASSERT(turn <= shard->turn);
    if (turn <= shard->durable_turn) return;
    shard->durable_turn = turn;
    ordo_outbox_release(shard);
    give_out_durable(shard);
    ordo_slots_durable(shard);
    ordo_source_durable(shard);
    ordo_snapshots_durable(shard);
    ordo_erasures_sweep(shard);
    write_in_background(shard);
}

static void tick(struct ordo_shard *shard) {
    ordo_peers_tick(shard);
    struct ordo_timer *timer;
    while ((timer = ordo_timers_take(&shard->timers, shard->now_ms)) != NULL)
        ordo_doc_due(shard, (struct ordo_doc *)timer);
    ordo_slots_tick(shard);
    ordo_targets_tick(shard);
    ordo_source_tick(shard);
}

static void disk(struct ordo_shard *shard, bool is_full) {
    shard->disk_is_full = is_full;
    if (is_full) ordo_imports_disk_full(shard);
}

void ordo_shard_step(struct ordo_shard *shard, const struct ordo_shard_event *event,
                     struct ordo_shard_effects *effects) {
    shard->effects = effects;
    shard->wall_ms = event->wall_ms;
    if (event->monotonic_ms > shard->now_ms) shard->now_ms = event->monotonic_ms;
    switch (event->kind) {
    case ORDO_SHARD_RECEIVED: ordo_peers_received(shard, event->received.peer, event->received.message); break;
    case ORDO_SHARD_LOST: ordo_peers_lost(shard, event->lost.peer); break;
    case ORDO_SHARD_JOB_DONE: job_done(shard, event->job_done.job); break;
    case ORDO_SHARD_TURN_END: turn_end(shard); break;
    case ORDO_SHARD_DURABLE: durable(shard, event->durable.turn); break;
    case ORDO_SHARD_HEARD: ordo_peers_heard(shard, event->heard.session); break;
    case ORDO_SHARD_DISK: disk(shard, event->disk.is_full); break;
    case ORDO_SHARD_TICK: tick(shard); break;
    case ORDO_SHARD_PLACEMENT:
        ordo_shard_raise_format(shard, event->placement.format);
        ordo_given_lost(shard, event->placement.lost, event->placement.lost_count);
        ordo_slots_placement(shard, event->placement.placement);
        break;
    case ORDO_SHARD_MOVE: ordo_orders_give(shard, event->move.slot, &event->move.target); break;
    case ORDO_SHARD_MOVE_CANCEL: ordo_orders_cancel(shard, event->move_cancel.slot); break;
    case ORDO_SHARD_TARGET_UP: ordo_targets_up(shard, event->target.session); break;
    case ORDO_SHARD_TARGET_DOWN: ordo_targets_down(shard, event->target.session); break;
    case ORDO_SHARD_TARGET_RECEIVED:
        ordo_targets_received(shard, event->target.session, event->target.message);
        break;
    }
    shard->effects = NULL;
}

uint64_t ordo_shard_next_tick_ms(const struct ordo_shard *shard) {
    uint64_t next_ms = ordo_timers_next_ms(&shard->timers);
    if (shard->peers != NULL && shard->link_check_ms < next_ms) next_ms = shard->link_check_ms;
    bool has_moves = shard->targets != NULL || shard->given_count > 0 || shard->imported_count > 0 ||
                     shard->held_size > 0;
    if (has_moves && shard->slots_check_ms < next_ms) next_ms = shard->slots_check_ms;
    /* What came of a turn's being durable waits for the end of a turn. */
    bool is_due = shard->open_first != NULL || ordo_slots_are_dirty(shard) ||
                  ordo_erasures_are_ready(shard) ||
                  (shard->source.waiting_count > 0 && !ordo_source_is_busy(shard));
    if (is_due) return shard->now_ms;
    bool has_work = ordo_snapshots_have_work(shard) || ordo_truncations_have_work(shard) || ordo_source_is_busy(shard);
    if (has_work && shard->now_ms + BACKGROUND_TICK_MS < next_ms) next_ms = shard->now_ms + BACKGROUND_TICK_MS;
    return next_ms;
}

struct ordo_shard_stats ordo_shard_stats(const struct ordo_shard *shard) {
    struct ordo_shard_stats stats = shard->stats;
    stats.documents = shard->docs.count;
    for (const struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next)
        stats.gateways += peer->is_linked && !peer->is_shard;
    return stats;
}

uint64_t ordo_shard_ops_committed(const struct ordo_shard *shard) { return shard->stats.ops_committed; }

/* ---- notes */

void ordo_shard_note(struct ordo_shard *shard, enum ordo_note_level level, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0) return;
    if ((size_t)size >= sizeof text) size = sizeof text - 1;
    ordo_buffer_append_u8(&shard->effects->note_bytes, (uint8_t)level);
    ordo_buffer_append_sized(&shard->effects->note_bytes, ordo_slice(text, (size_t)size));
}

void ordo_shard_note_op(struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_subscriber *subscriber,
                        const char *event, const char *more) {
    struct ordo_slice client_id = subscriber->author != NULL ? ordo_author_client_id(subscriber->author) : ordo_slice("", 0);
    char client[2 * ORDO_CLIENT_ID_SIZE_MAX + 1] = "-", user[ORDO_LOG_VALUE_SIZE];
    if (client_id.size > 0) ordo_hex_encode(client, client_id.data, client_id.size);
    ordo_shard_note(shard, ORDO_NOTE_DEBUG, "event=%s %s client=%s user=%s %s", event, ordo_shard_doc_name(shard, doc), client,
                    ordo_log_value(user, ordo_subscriber_user(subscriber)), more);
}

const char *ordo_shard_doc_name(struct ordo_shard *shard, const struct ordo_doc *doc) {
    struct ordo_key key;
    ORDO_ASSERT(ordo_key_parse(ordo_doc_key(doc), &key));
    ordo_buffer_clear(&shard->value);
    char collection[ORDO_LOG_VALUE_SIZE], id[ORDO_LOG_VALUE_SIZE];
    char *text = (char *)ordo_buffer_reserve(&shard->value, 16 + 2 * ORDO_LOG_VALUE_SIZE);
    snprintf(text, 16 + 2 * ORDO_LOG_VALUE_SIZE, "doc=%s/%s", ordo_log_value(collection, key.collection),
             ordo_log_value(id, key.id));
    return text;
}
