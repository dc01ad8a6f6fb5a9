/* The life of a document in memory: loaded by a job when somebody opens it, its inputs waiting meanwhile (waiting.c);
 * let go when nobody has had it open for a while and everything it committed is durable. */
#include "shard/core/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"

static uint64_t hash_of(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    return ordo_table_hash(&shard->docs, ordo_doc_key(doc));
}

static bool doc_is(const void *item, const void *key) {
    return ordo_slice_equal(ordo_doc_key(item), *(const struct ordo_slice *)key);
}

struct ordo_doc *ordo_doc_find(struct ordo_shard *shard, struct ordo_slice key) {
    return ordo_table_find(&shard->docs, ordo_table_hash(&shard->docs, key), doc_is, &key);
}

static void join_list(struct ordo_doc **list, struct ordo_doc *doc) {
    doc->next_in_slot = *list;
    doc->slot_link = list;
    if (*list != NULL) (*list)->slot_link = &doc->next_in_slot;
    *list = doc;
}

static void leave_list(struct ordo_doc *doc) {
    *doc->slot_link = doc->next_in_slot;
    if (doc->next_in_slot != NULL) doc->next_in_slot->slot_link = doc->slot_link;
}

struct ordo_doc *ordo_doc_get(struct ordo_shard *shard, struct ordo_slice key) {
    struct ordo_doc *doc = ordo_doc_find(shard, key);
    if (doc != NULL) return doc;
    doc = ordo_alloc(sizeof *doc);
    doc->key = ordo_memdup(key.data, key.size);
    doc->key_size = (uint16_t)key.size;
    doc->number = ++shard->doc_number;
    doc->queue_tail = &doc->queue;
    doc->active_ms = doc->empty_ms = shard->now_ms;
    doc->is_loading = true;
    doc->retention = ordo_retention_of(shard, key);
    doc->slot = (uint16_t)(key.data[0] << 8 | key.data[1]);
    join_list(&shard->slots[doc->slot].docs, doc);
    ordo_table_insert(&shard->docs, hash_of(shard, doc), doc);
    struct ordo_job *job = ordo_job_create(ORDO_JOB_LOAD, key);
    job->load.recent_size_max = shard->config.recent_size_max;
    job->load.authors.table.seed = shard->docs.seed;
    ordo_shard_start_job(shard, doc, job);
    shard->stats.loads++;
    return doc;
}

void ordo_doc_destroy(struct ordo_shard *shard, struct ordo_doc *doc) {
    ORDO_ASSERT(doc->audiences == NULL && doc->jobs == NULL);
    while (doc->queue != NULL) {
        struct ordo_input *input = doc->queue;
        doc->queue = input->next;
        free(input);
    }
    ordo_doc_drop_content(shard, doc);
    ordo_timers_unset(&shard->timers, &doc->timer);
    if (!doc->is_abandoned) ordo_table_remove(&shard->docs, hash_of(shard, doc), doc);
    leave_list(doc);
    ordo_recent_finish(&doc->recent);
    ordo_authors_finish(&doc->authors);
    ordo_presence_destroy(doc->presence);
    ordo_job_destroy(doc->snapshot_job);
    ordo_truncation_destroy(doc->truncation);
    free(doc->candidates);
    free(doc->key);
    free(doc);
}

void ordo_doc_abandon(struct ordo_shard *shard, struct ordo_doc *doc) {
    ORDO_ASSERT(doc->turn_first_seq == 0 && doc->snapshot_phase == ORDO_SNAPSHOT_NONE &&
                doc->truncation_phase == ORDO_TRUNCATION_NONE && doc->erase_count == 0);
    doc->is_abandoned = true;
    while (doc->audiences != NULL) ordo_subscriber_destroy(shard, doc->audiences->first);
    if (!doc->is_loading) shard->stats.recent_bytes -= ordo_recent_size(&doc->recent);
    ordo_doc_drop_content(shard, doc);
    ordo_timers_unset(&shard->timers, &doc->timer);
    ordo_table_remove(&shard->docs, hash_of(shard, doc), doc);
    leave_list(doc);
    join_list(&shard->abandoned, doc);
    if (doc->jobs == NULL) ordo_doc_destroy(shard, doc);
}

/* ---- loading */

static void take_load(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_load *load) {
    doc->state = load->state;
    doc->horizon = load->horizon;
    doc->forgotten_seq = load->forgotten_seq;
    doc->recent = load->recent;
    doc->authors = load->authors;
    doc->has_client_rows = load->has_client_rows;
    doc->log_size = load->log_size;
    doc->snapshot_size = load->snapshot_size;
    memcpy(doc->snapshots, load->snapshots, sizeof doc->snapshots);
    doc->history_seq = load->history_seq;
    doc->erased_seq = load->erased_seq;
    doc->relineage = load->relineage;
    doc->base = load->base;
    if (load->candidates.count > 0) doc->candidates = ordo_memdup(&load->candidates, sizeof load->candidates);
    load->recent = (struct ordo_recent){0};
    load->authors = (struct ordo_authors){0};
    shard->stats.recent_bytes += ordo_recent_size(&doc->recent);
    if (ordo_doc_rests(shard, doc)) return; /* the next load finds them again */
    for (size_t i = 0; i < load->stale_count; i++) ordo_snapshots_delete(shard, doc, &load->stale[i]);
    for (size_t i = 0; i < load->stale_runs.count; i++) {
        ordo_key_ops(&shard->key, ordo_doc_key(doc), load->stale_runs.items[i]);
        ordo_batch_delete(&shard->effects->background, ORDO_CF_OPS, ordo_buffer_slice(&shard->key));
    }
}

/* Nobody is served from data that cannot be read: everyone who waits is told, and nothing stays in memory, so that a
 * later open tries again. */
static void fail_load(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_job *job) {
    char text[256];
    snprintf(text, sizeof text, "the document cannot be read: %s", job->message);
    ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=document_unreadable %s reason=\"%s\"",
                    ordo_shard_doc_name(shard, doc), job->message);
    shard->stats.documents_damaged++;
    ordo_doc_refuse_waiting(shard, doc, text);
    ordo_doc_destroy(shard, doc);
}

static void load_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    if (job->err) {
        fail_load(shard, doc, job);
        return;
    }
    take_load(shard, doc, &job->load);
    doc->is_loading = false;
    ordo_doc_drain(shard, doc);
    ordo_doc_set_timer(shard, doc);
}

/* Nobody who opens as this client can be told what it wrote last: they are refused; all others go on. */
static void refuse_client(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_slice client_id,
                          const char *reason) {
    char text[256];
    snprintf(text, sizeof text, "the document cannot be read for this client: %s", reason);
    ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=client_unreadable %s reason=\"%s\"",
                    ordo_shard_doc_name(shard, doc), reason);
    shard->stats.documents_damaged++;
    ordo_doc_refuse_waiting_client(shard, doc, client_id, text);
}

static void client_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    struct ordo_slice client_id = ordo_buffer_slice(&job->client.client_id);
    struct ordo_author *author = ordo_authors_find(&doc->authors, client_id);
    ORDO_ASSERT(author != NULL && author->is_asked);
    author->is_asked = false;
    if (job->err) {
        refuse_client(shard, doc, client_id, job->message);
        ordo_authors_let_go(&doc->authors, author);
        return;
    }
    if (job->client.found) ordo_authors_learn(author, &job->client.row);
    author->pin_count++; /* not to be let go of while those who wait for it are handled */
    ordo_doc_drain(shard, doc);
    author->pin_count--;
    ordo_authors_let_go(&doc->authors, author);
}

/* A snapshot could not be read, but an older one and the log could: nobody is refused, somebody should know. */
static void note_damage(struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_job *job) {
    if (job->damaged_seq == 0) return;
    ordo_shard_note(shard, ORDO_NOTE_WARN, "event=snapshot_damaged %s seq=%ju", ordo_shard_doc_name(shard, doc),
                    (uintmax_t)job->damaged_seq);
    shard->stats.documents_damaged++;
}

void ordo_doc_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    *job->link = job->next;
    if (job->next != NULL) job->next->link = job->link;
    job->next = NULL;
    job->link = NULL;
    doc->job_count--;
    shard->stats.jobs_running--;
    if (doc->is_abandoned) {
        if (doc->content_job == job) doc->content_job = NULL;
        ordo_job_destroy(job);
        if (doc->jobs == NULL) ordo_doc_destroy(shard, doc);
        return;
    }
    if (job->number <= doc->erase_job_number) { /* what it found out is to be forgotten */
        ordo_job_destroy(job);
        ordo_erasures_sweep(shard);
        ordo_doc_set_timer(shard, doc);
        return;
    }
    note_damage(shard, doc, job);
    switch (job->kind) {
    case ORDO_JOB_LOAD:
        load_done(shard, doc, job);
        ordo_job_destroy(job);
        return; /* the document may be gone */
    case ORDO_JOB_CLIENT: client_done(shard, doc, job); break;
    case ORDO_JOB_FIND: ordo_far_find_done(shard, doc, job); break;
    case ORDO_JOB_CONTENT: ordo_attach_content_done(shard, doc, job); break;
    case ORDO_JOB_OPS: ordo_attach_ops_done(shard, doc, job); break;
    case ORDO_JOB_HISTORY: ordo_history_done(shard, doc, job); break;
    case ORDO_JOB_REBASE:
        ordo_far_rebase_done(shard, doc, job);
        job = NULL;
        break;
    case ORDO_JOB_SNAPSHOT:
        ordo_snapshots_job_done(shard, doc, job);
        job = NULL;
        break;
    case ORDO_JOB_TRUNCATE:
        ordo_truncations_job_done(shard, doc, job);
        job = NULL;
        break;
    case ORDO_JOB_COPY:
    case ORDO_JOB_COUNT: ORDO_ASSERT(false); break; /* of no document */
    }
    ordo_job_destroy(job);
    ordo_doc_set_timer(shard, doc);
}

void ordo_doc_write_row(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_doc_state *state) {
    struct ordo_doc_row row = {
        .type = ordo_slice_of(state->type->name), .lineage = state->lineage, .head = state->seq, .horizon = doc->horizon,
        .created_seq = state->created_seq, .deleted_seq = state->deleted_seq, .forgotten_seq = doc->forgotten_seq,
        .history_seq = doc->history_seq, .relineage = doc->relineage, .erased_seq = doc->erased_seq};
    ordo_doc_row_encode(&shard->value, ordo_doc_key(doc), &row);
    ordo_batch_put(&shard->effects->batch, ORDO_CF_DOCS, ordo_doc_key(doc), ordo_buffer_slice(&shard->value));
}

/* ---- time */

uint64_t ordo_doc_pinned_seq(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    (void)shard;
    uint64_t pinned = doc->turn_first_seq ? doc->turn_first_seq : UINT64_MAX;
    for (const struct ordo_job *job = doc->jobs; job != NULL; job = job->next)
        if (job->pin_seq < pinned) pinned = job->pin_seq;
    return pinned;
}

/* Whether nothing would be lost by forgetting all about it. */
static bool can_go(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    return doc->audiences == NULL && doc->jobs == NULL && doc->queue == NULL && !doc->is_loading &&
           doc->snapshot_phase == ORDO_SNAPSHOT_NONE && doc->truncation_phase == ORDO_TRUNCATION_NONE &&
           doc->turn_first_seq == 0 && doc->erase_count == 0 &&
           doc->written_turn <= shard->durable_turn;
}

void ordo_doc_set_timer(struct ordo_shard *shard, struct ordo_doc *doc) {
    uint64_t due_ms = ordo_presence_next_ms(shard, doc), writers_ms = ordo_writers_next_ms(shard, doc);
    if (writers_ms < due_ms) due_ms = writers_ms;
    bool is_empty = doc->audiences == NULL;
    if (is_empty && doc->empty_ms == 0) doc->empty_ms = shard->now_ms;
    if (!is_empty) doc->empty_ms = 0;
    uint64_t idle_at = doc->active_ms + shard->config.idle_ms;
    if (shard->now_ms < idle_at) due_ms = idle_at < due_ms ? idle_at : due_ms;
    if (shard->now_ms < doc->truncation_at_ms && doc->truncation_at_ms < due_ms) due_ms = doc->truncation_at_ms;
    if (doc->content != NULL && doc->content_used_ms + shard->config.idle_ms < due_ms)
        due_ms = doc->content_used_ms + shard->config.idle_ms;
    if (is_empty) {
        uint64_t unload_at = doc->empty_ms + (doc->state.seq == 0 ? 0 : shard->config.unload_ms);
        /* Past that time something keeps it (a job, an undurable op): look again soon. */
        if (unload_at <= shard->now_ms) unload_at = shard->now_ms + shard->config.presence_tick_ms;
        if (unload_at < due_ms) due_ms = unload_at;
    }
    if (due_ms == UINT64_MAX) ordo_timers_unset(&shard->timers, &doc->timer);
    else ordo_timers_set(&shard->timers, &doc->timer, due_ms > shard->now_ms ? due_ms : shard->now_ms + 1);
}

static void trim(struct ordo_shard *shard, struct ordo_doc *doc) {
    size_t before = ordo_recent_size(&doc->recent);
    if (before <= shard->config.recent_idle_size_max && doc->recent.bytes.capacity == before)
        return; /* done already */
    ordo_recent_trim(&doc->recent, shard->config.recent_idle_size_max, ordo_doc_pinned_seq(shard, doc), true);
    shard->stats.recent_bytes -= before - ordo_recent_size(&doc->recent);
}

void ordo_doc_due(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->is_loading) return; /* what comes of it sets the timer */
    ordo_presence_due(shard, doc);
    ordo_writers_due(shard, doc);
    if (doc->content != NULL && shard->now_ms >= doc->content_used_ms + shard->config.idle_ms)
        ordo_doc_drop_content(shard, doc);
    if (shard->now_ms >= doc->active_ms + shard->config.idle_ms) {
        trim(shard, doc);
        ordo_snapshots_consider(shard, doc, true);
    }
    ordo_truncations_consider(shard, doc);
    bool is_nothing = doc->state.seq == 0; /* only ever asked for: not worth the memory */
    bool is_time = doc->audiences == NULL && doc->empty_ms != 0 &&
                   (is_nothing || shard->now_ms >= doc->empty_ms + shard->config.unload_ms);
    if (is_time && can_go(shard, doc)) {
        shard->stats.recent_bytes -= ordo_recent_size(&doc->recent);
        ordo_doc_destroy(shard, doc);
        return;
    }
    ordo_doc_set_timer(shard, doc);
}
