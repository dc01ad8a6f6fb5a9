/* Rows of the slot that is being given away, on their way to the target: those that stand in the store, read bit by bit, and
 * what turns commit meanwhile, once that is durable; and the count of both that the target's has to equal.
 *
 * While documents of the slot have no maintenance, rows only ever come to be, under new keys; so it does not matter that each
 * chunk is read from a view of its own, nor in which order chunks and commits arrive. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

/* ---- begin and end */

void ordo_source_rows_begin(struct ordo_source *source) {
    source->is_reading = source->is_read_whole = source->has_ours = false;
    source->uncounted_count = 0;
    source->next_cf = ORDO_CF_META + 1;
    ordo_buffer_clear(&source->next_key);
    source->sent_size = 0;
}

void ordo_source_rows_forget(struct ordo_source *source) {
    while (source->first != NULL) {
        struct ordo_move_chunk *chunk = source->first;
        source->first = chunk->next;
        ordo_buffer_finish(&chunk->rows);
        free(chunk);
    }
    source->last = &source->first;
    source->tail_size = 0;
}

void ordo_source_rows_finish(struct ordo_source *source) {
    ordo_source_rows_forget(source);
    free(source->uncounted);
    ordo_buffer_finish(&source->next_key);
}

/* ---- reading, and what is committed meanwhile */

static void push_chunk(struct ordo_source *source, uint64_t turn, struct ordo_buffer *rows) {
    struct ordo_move_chunk *chunk = ordo_alloc(sizeof *chunk);
    chunk->turn = turn;
    chunk->rows = *rows;
    *rows = (struct ordo_buffer){0};
    *source->last = chunk;
    source->last = &chunk->next;
    if (turn != 0) source->tail_size += chunk->rows.size;
}

void ordo_source_read_on(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    uint64_t elapsed_ms = shard->now_ms - source->credit_ms;
    source->credit_ms = shard->now_ms;
    source->credit += elapsed_ms * shard->config.move_rate / 1000;
    if (source->credit > shard->config.move_chunk_size) source->credit = shard->config.move_chunk_size;
    if (source->is_reading || source->is_read_whole || source->first != NULL) return;
    if (source->credit < shard->config.move_chunk_size / 2) return;
    source->credit = 0;
    struct ordo_job *job = ordo_job_create(ORDO_JOB_COPY, ordo_buffer_slice(&source->next_key));
    job->copy.move = source->move;
    job->copy.slot = source->order.slot;
    job->copy.cf = (enum ordo_cf)source->next_cf;
    job->copy.size_max = shard->config.move_chunk_size;
    source->is_reading = true;
    ordo_shard_start_slot_job(shard, job);
}

void ordo_source_copy_done(struct ordo_shard *shard, struct ordo_job *job) {
    struct ordo_source *source = &shard->source;
    source->is_reading = false;
    source->progress_ms = shard->now_ms;
    source->next_cf = (uint8_t)job->copy.cf;
    source->is_read_whole = job->copy.is_end;
    source->read_turn = shard->turn;
    ordo_buffer_clear(&source->next_key);
    ordo_buffer_append_slice(&source->next_key, ordo_buffer_slice(&job->copy.next_key));
    if (job->copy.rows.size > 0) push_chunk(source, 0, &job->copy.rows);
}

/* ---- the count */

/* The change of a turn: to the count, if that is there; else it is kept until the count says whether it has it. */
static void keep_count(struct ordo_shard *shard, const struct ordo_slot_count *change) {
    struct ordo_source *source = &shard->source;
    if (source->has_ours) {
        ordo_slot_count_add(&source->ours, change);
        return;
    }
    if (source->uncounted_count == source->uncounted_capacity) {
        source->uncounted_capacity = source->uncounted_capacity ? 2 * source->uncounted_capacity : 64;
        source->uncounted = ordo_realloc(source->uncounted, source->uncounted_capacity * sizeof *source->uncounted);
    }
    source->uncounted[source->uncounted_count++] = (struct ordo_turn_count){.turn = shard->turn, .change = *change};
}

void ordo_source_count_done(struct ordo_shard *shard, const struct ordo_count *count) {
    struct ordo_source *source = &shard->source;
    source->ours = count->count;
    source->has_ours = true;
    for (size_t i = 0; i < source->uncounted_count; i++)
        if (source->uncounted[i].turn > count->turn) ordo_slot_count_add(&source->ours, &source->uncounted[i].change);
    source->uncounted_count = 0;
}

/* ---- commits */

void ordo_source_keep_tail(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&shard->effects->batch.records));
    struct ordo_buffer rows = {0};
    struct ordo_slot_count change = {0};
    bool counts = source->phase != ORDO_SOURCE_COPYING; /* the count that will begin has what was committed before */
    for (struct ordo_batch_item item; ordo_batch_next(&reader, &item);) {
        struct ordo_reader key = ordo_reader(item.key);
        uint16_t slot;
        if (item.cf == ORDO_CF_META || !ordo_take_u16_be(&key, &slot) || slot != source->order.slot) continue;
        ORDO_ASSERT(item.kind == ORDO_BATCH_PUT); /* what deletes is maintenance, and that rests */
        ordo_buffer_append_u8(&rows, (uint8_t)item.cf);
        ordo_buffer_append_sized(&rows, item.key);
        ordo_buffer_append_sized(&rows, item.value);
        bool is_sound = !counts || item.cf != ORDO_CF_OPS || !ordo_slot_count_run(&change, item.key, item.value);
        ORDO_ASSERT(is_sound); /* our own encoding */
    }
    if (rows.size > 0 && counts) keep_count(shard, &change);
    if (rows.size > 0) push_chunk(source, shard->turn, &rows);
    ordo_buffer_finish(&rows);
}

/* ---- sending */

static bool may_send(const struct ordo_shard *shard, const struct ordo_move_chunk *chunk) {
    uint64_t unread_size = ordo_target_unread_size(shard->source.target);
#ifndef ORDO_BREAK_MOVE_TAIL
    if (chunk->turn > shard->durable_turn) return false;
#endif
    if (unread_size == 0) return true; /* however large it is */
    return unread_size + chunk->rows.size <= shard->config.move_window_size &&
           ordo_link_has_credit(&shard->source.target->link, chunk->rows.size);
}

void ordo_source_send_rows(struct ordo_shard *shard) {
    struct ordo_source *source = &shard->source;
    while (source->first != NULL && may_send(shard, source->first)) {
        struct ordo_move_chunk *chunk = source->first;
        ordo_move_say_rows(shard, source, ordo_buffer_slice(&chunk->rows));
        source->sent_size += chunk->rows.size;
        if (source->phase == ORDO_SOURCE_COPYING) source->progress_ms = shard->now_ms; /* later ones wait for something else */
        if (chunk->turn != 0) source->tail_size -= chunk->rows.size;
        source->first = chunk->next;
        if (source->first == NULL) source->last = &source->first;
        ordo_buffer_finish(&chunk->rows);
        free(chunk);
    }
}

bool ordo_source_is_copied(const struct ordo_shard *shard) {
    return shard->source.is_read_whole && shard->durable_turn >= shard->source.read_turn;
}

bool ordo_source_is_level(const struct ordo_shard *shard) {
    const struct ordo_move_chunk *first = shard->source.first;
    return first == NULL || first->turn > shard->durable_turn;
}
