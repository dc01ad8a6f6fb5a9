/* The life of a document in memory: loaded by a job when somebody opens it, its inputs waiting meanwhile; let go when
 * nobody has had it open for a while and everything it committed is durable. */
#include "shard/core/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"
#include "shard/core/key.h"

enum { RETRY_MS = 200, RETRY_DAMAGED_MS = 5000 };

static bool doc_is(const void *item, const void *key) {
    return ordo_slice_equal(ordo_doc_key(item), *(const struct ordo_slice *)key);
}

struct ordo_doc *ordo_doc_find(struct ordo_shard *shard, struct ordo_slice key) {
    return ordo_table_find(&shard->docs, ordo_hash(key), doc_is, &key);
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
    ordo_table_insert(&shard->docs, ordo_hash(key), doc);
    struct ordo_job *job = ordo_job_create(ORDO_JOB_LOAD, key);
    job->load.recent_size_max = shard->config.recent_size_max;
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
    ordo_table_remove(&shard->docs, ordo_hash(ordo_doc_key(doc)), doc);
    ordo_recent_finish(&doc->recent);
    ordo_authors_finish(&doc->authors);
    ordo_presence_destroy(doc->presence);
    ordo_job_destroy(doc->snapshot_job);
    free(doc->key);
    free(doc);
}

/* ---- inputs that wait */

bool ordo_doc_wait(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                   const Ordo__Cluster__V1__ToShard *message) {
    size_t size = ordo__cluster__v1__to_shard__get_packed_size(message);
    bool is_detach = message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH; /* small, and must not be lost */
    if (!is_detach && doc->queue_size + size > shard->config.doc_queue_size_max) return false;
    bool is_attach = message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH;
    struct ordo_slice client_id = is_attach ? ordo_slice_of_binary(message->attach->client_id) : ordo_slice(NULL, 0);
    struct ordo_input *input = ordo_alloc(sizeof *input + size + client_id.size);
    ordo__cluster__v1__to_shard__pack(message, input->message);
    if (is_attach) memcpy(input->message + size, client_id.data, client_id.size);
    input->client_size = (uint8_t)client_id.size;
    input->peer = subscriber->peer;
    input->subscriber = subscriber->id;
    input->is_attach = is_attach;
    input->size = size;
    *doc->queue_tail = input;
    doc->queue_tail = &input->next;
    doc->queue_size += size;
    input->peer->waiting_size += size;
    subscriber->queued_count++;
    return true;
}

static void unlink_input(struct ordo_doc *doc, struct ordo_input **link) {
    struct ordo_input *input = *link;
    *link = input->next;
    if (input->next == NULL) doc->queue_tail = link;
    doc->queue_size -= input->size;
    input->peer->waiting_size -= input->size;
}

void ordo_doc_forget_inputs(struct ordo_doc *doc, struct ordo_subscriber *subscriber) {
    if (subscriber->queued_count == 0) return;
    for (struct ordo_input **link = &doc->queue; *link != NULL;) {
        struct ordo_input *input = *link;
        if (input->peer != subscriber->peer || input->subscriber != subscriber->id) {
            link = &input->next;
            continue;
        }
        unlink_input(doc, link);
        free(input);
    }
    subscriber->queued_count = 0;
}

static const Ordo__Cluster__V1__ToShard *input_message(struct ordo_shard *shard, const struct ordo_input *input) {
    ordo_arena_reset(&shard->wait_arena);
    const Ordo__Cluster__V1__ToShard *message = ordo_message_decode(
        &ordo__cluster__v1__to_shard__descriptor, ordo_slice(input->message, input->size), &shard->wait_arena);
    ORDO_ASSERT(message != NULL); /* our own encoding of what was decoded before */
    return message;
}

static struct ordo_slice input_client_id(const struct ordo_input *input) {
    return ordo_slice(input->message + input->size, input->client_size);
}

static void handle_known(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                         const Ordo__Cluster__V1__ToShard *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH: ordo_detach(shard, subscriber); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT:
        ordo_sequence_submit(shard, doc, subscriber, message->submit);
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE:
        ordo_presence_set(shard, doc, subscriber, ordo_slice_of_binary(message->presence->update));
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY: ordo_history(shard, doc, subscriber, message->history); break;
    default: ORDO_ASSERT(false); /* peer.c sends nothing else here */
    }
}

/* Whether the first of these inputs may go on; asking may start the job that it waits for. */
static bool is_ready(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_input *input,
                     const struct ordo_subscriber *subscriber) {
    if (!input->is_attach) return subscriber->state != ORDO_SUBSCRIBER_WAITING;
    return !ordo_attach_must_wait(shard, doc, input_client_id(input));
}

void ordo_doc_drain(struct ordo_shard *shard, struct ordo_doc *doc) {
    ORDO_ASSERT(!doc->is_loading);
    /* What is handled may end subscribers, and with them inputs further on: so look from the front again each time
     * something was handled, but for inputs that were found waiting in this round: their number is kept. */
    size_t skip_count = 0;
    for (;;) {
        struct ordo_input **link = &doc->queue;
        for (size_t i = 0; i < skip_count && *link != NULL; i++) link = &(*link)->next;
        struct ordo_input *input = *link;
        if (input == NULL) break;
        struct ordo_subscriber *subscriber = ordo_peer_subscriber(input->peer, input->subscriber);
        ORDO_ASSERT(subscriber != NULL && subscriber->audience->doc == doc);
        if (!is_ready(shard, doc, input, subscriber)) {
            skip_count++;
            continue;
        }
        unlink_input(doc, link);
        subscriber->queued_count--;
        const Ordo__Cluster__V1__ToShard *message = input_message(shard, input);
        size_t left_before = doc->queue_size;
        if (input->is_attach) ordo_attach_known(shard, doc, subscriber, message->attach);
        else handle_known(shard, doc, subscriber, message);
        free(input);
        if (doc->queue_size != left_before) skip_count = 0;
    }
}

static void answer_busy(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message) {
    if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT) {
        ordo_answer_nack(shard, peer, message->submit->subscriber, message->submit->client_seq,
                         ORDO__V1__NACK_CODE__UNAVAILABLE, "too much is waiting for this document: send again",
                         RETRY_MS, 0);
    } else if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY) {
        ordo_answer_history_error(shard, peer, message->history->subscriber, message->history->request, 503,
                                  "too much is waiting for this document: ask again");
    }
}

static uint64_t subscriber_of(const Ordo__Cluster__V1__ToShard *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH: return message->detach->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT: return message->submit->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE: return message->presence->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY: return message->history->subscriber;
    default: return 0;
    }
}

void ordo_doc_handle(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message) {
    struct ordo_subscriber *subscriber = ordo_peer_subscriber(peer, subscriber_of(message));
    if (subscriber == NULL) {
        if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT)
            ordo_answer_nack(shard, peer, message->submit->subscriber, message->submit->client_seq,
                             ORDO__V1__NACK_CODE__NOT_OPEN, "the document is not open here: open it again", 0, 0);
        if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY)
            ordo_answer_history_error(shard, peer, message->history->subscriber, message->history->request, 409,
                                      "the document is not open here: open it first");
        return;
    }
    struct ordo_doc *doc = subscriber->audience->doc;
    if (subscriber->queued_count == 0) handle_known(shard, doc, subscriber, message);
    else if (!ordo_doc_wait(shard, doc, subscriber, message)) answer_busy(shard, peer, message);
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
    load->recent = (struct ordo_recent){0};
    load->authors = (struct ordo_authors){0};
    for (size_t i = 0; i < load->stale_count; i++) ordo_snapshots_delete(shard, doc, &load->stale[i]);
    shard->stats.recent_bytes += ordo_recent_size(&doc->recent);
}

/* Nobody is served from data that cannot be read: everyone who waits is told, and nothing stays in memory, so that a
 * later open tries again. */
static void fail_load(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_job *job) {
    char text[256];
    snprintf(text, sizeof text, "the document cannot be read: %s", job->message);
    ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=document_unreadable %s reason=\"%s\"",
                    ordo_shard_doc_name(shard, doc), job->message);
    shard->stats.documents_damaged++;
    while (doc->queue != NULL) {
        struct ordo_input *input = doc->queue;
        struct ordo_subscriber *subscriber = ordo_peer_subscriber(input->peer, input->subscriber);
        const Ordo__Cluster__V1__ToShard *message = input_message(shard, input);
        unlink_input(doc, &doc->queue);
        subscriber->queued_count--;
        if (input->is_attach) ordo_answer_refused(shard, input->peer, input->subscriber, 503, text, RETRY_DAMAGED_MS);
        else answer_busy(shard, input->peer, message);
        if (subscriber->queued_count == 0) ordo_detach(shard, subscriber);
        free(input);
    }
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
    for (struct ordo_input *input = doc->queue; input != NULL;) {
        if (!input->is_attach || !ordo_slice_equal(input_client_id(input), client_id)) {
            input = input->next;
            continue;
        }
        ordo_attach_refuse(shard, ordo_peer_subscriber(input->peer, input->subscriber), 503, text, RETRY_DAMAGED_MS);
        input = doc->queue; /* the subscriber's inputs went with it */
    }
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

void ordo_doc_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    *job->link = job->next;
    if (job->next != NULL) job->next->link = job->link;
    job->next = NULL;
    job->link = NULL;
    doc->job_count--;
    shard->stats.jobs_running--;
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
    }
    ordo_job_destroy(job);
    ordo_doc_set_timer(shard, doc);
}

/* ---- kept contents */

void ordo_doc_drop_content(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->content == NULL) return;
    shard->contents_size -= doc->content->bytes.size;
    ordo_blob_release(doc->content);
    doc->content = NULL;
    *doc->content_link = doc->content_next;
    if (doc->content_next != NULL) doc->content_next->content_link = doc->content_link;
}

void ordo_doc_keep_content(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_blob *blob, uint64_t seq) {
    ordo_doc_drop_content(shard, doc);
    if (blob->bytes.size > shard->config.content_cache_size_max / 4) return;
    doc->content = ordo_blob_retain(blob);
    doc->content_seq = seq;
    doc->content_used_ms = shard->now_ms;
    doc->content_next = shard->contents;
    doc->content_link = &shard->contents;
    if (doc->content_next != NULL) doc->content_next->content_link = &doc->content_next;
    shard->contents = doc;
    shard->contents_size += blob->bytes.size;
    while (shard->contents_size > shard->config.content_cache_size_max) {
        struct ordo_doc *oldest = shard->contents;
        while (oldest->content_next != NULL) oldest = oldest->content_next;
        ordo_doc_drop_content(shard, oldest);
    }
    ordo_timers_set_by(&shard->timers, &doc->timer, shard->now_ms + shard->config.idle_ms);
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
           doc->snapshot_phase == ORDO_SNAPSHOT_NONE && doc->turn_first_seq == 0 &&
           doc->written_turn <= shard->durable_turn;
}

void ordo_doc_set_timer(struct ordo_shard *shard, struct ordo_doc *doc) {
    uint64_t due_ms = ordo_presence_next_ms(shard, doc);
    bool is_empty = doc->audiences == NULL;
    if (is_empty && doc->empty_ms == 0) doc->empty_ms = shard->now_ms;
    if (!is_empty) doc->empty_ms = 0;
    uint64_t idle_at = doc->active_ms + shard->config.idle_ms;
    if (shard->now_ms < idle_at) due_ms = idle_at < due_ms ? idle_at : due_ms;
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
    if (before <= shard->config.recent_idle_size_max && doc->recent.bytes.capacity == before) return; /* done already */
    ordo_recent_trim(&doc->recent, shard->config.recent_idle_size_max, ordo_doc_pinned_seq(shard, doc), true);
    shard->stats.recent_bytes -= before - ordo_recent_size(&doc->recent);
}

void ordo_doc_due(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->is_loading) return; /* what comes of it sets the timer */
    ordo_presence_due(shard, doc);
    if (doc->content != NULL && shard->now_ms >= doc->content_used_ms + shard->config.idle_ms)
        ordo_doc_drop_content(shard, doc);
    if (shard->now_ms >= doc->active_ms + shard->config.idle_ms) {
        trim(shard, doc);
        ordo_snapshots_consider(shard, doc, true);
    }
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
