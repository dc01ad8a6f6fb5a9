/* Forgetting a document: it is erased with all of its history, for good (docs/storage.md, "Forgetting a document").
 *
 *   ASKED (in some turn) -> ERASED, between that turn and the next -> its rows go with the next turn's synced batch
 *          -> durable, and no job of before is left: what the files still hold of it may be swept out
 *
 * Between two turns, so that what leaves with a turn speaks either of the document as it was, or of one that is deleted, of
 * another lineage, and without a past; and so that whatever was written of it was written before. What stays is a row, and
 * the record of a snapshot without content, from which loading starts like from any other: the order goes on behind the
 * same head. Of the jobs of before, none has a say any more. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/change.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

struct ordo_erase_asked {
    struct ordo_doc *doc;
    struct ordo_requester requester;
    uint64_t lineage;
};

struct ordo_erased {
    struct ordo_doc *doc;
    struct ordo_doc_state state; /* just after */
    uint64_t turn;               /* that writes it; 0: not yet */
};

/* Makes room for one more. */
static void *grow(void *items, size_t count, size_t size) {
    bool is_full = (count & (count - 1)) == 0; /* the capacity is the next power of two */
    return is_full ? ordo_realloc(items, (count ? 2 * count : 1) * size) : items;
}

/* ---- asked */

static void answer(struct ordo_shard *shard, struct ordo_peer *peer, const struct ordo_requester *requester,
                   uint32_t error_code, const char *text, uint64_t head) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Forgotten forgotten = ORDO__CLUSTER__V1__FORGOTTEN__INIT;
    forgotten.subscriber = requester->subscriber;
    forgotten.request = requester->request;
    forgotten.error_code = error_code;
    forgotten.message = ordo_binary_of_slice(ordo_slice_of(text));
    forgotten.head = head;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_FORGOTTEN;
    message.forgotten = &forgotten;
    ordo_answer(shard, peer, &message);
}

void ordo_erase_refuse(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__Forget *message,
                       uint32_t error_code, const char *text) {
    const struct ordo_requester requester = {.subscriber = message->subscriber, .request = message->request};
    answer(shard, peer, &requester, error_code, text, 0);
}

void ordo_erase_ask(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                    const Ordo__Cluster__V1__Forget *message) {
    if (subscriber->permission < ORDO_ACCESS_ADMIN) {
        ordo_erase_refuse(shard, subscriber->peer, message, 403, "forgetting a document needs the access \"admin\"");
    } else if (ordo_doc_rests(shard, doc)) {
        ordo_erase_refuse(shard, subscriber->peer, message, 503, "the document moves to another shard: ask again later");
    } else if (shard->disk_is_full) {
        ordo_erase_refuse(shard, subscriber->peer, message, 503, "the disk of this shard is full: ask again later");
    } else {
        shard->erase_asked = grow(shard->erase_asked, shard->erase_asked_count, sizeof *shard->erase_asked);
        shard->erase_asked[shard->erase_asked_count++] = (struct ordo_erase_asked){
            .doc = doc, .lineage = message->lineage,
            .requester = {.session = subscriber->peer->link.session, .subscriber = subscriber->id, .request = message->request}};
        doc->erase_count++;
    }
}

/* ---- erased */

/* A client may ask once more for what was done already, because the answer got lost; what was created since is not meant. */
static bool is_meant(const struct ordo_doc *doc, uint64_t lineage) {
    return lineage == 0 || lineage == doc->state.lineage;
}

static void drop_jobs(struct ordo_shard *shard, struct ordo_doc *doc) {
    doc->erase_job_number = shard->job_number;
    doc->content_job = NULL;
    for (const struct ordo_job *job = doc->jobs; job != NULL; job = job->next)
        if (job->kind == ORDO_JOB_HISTORY) ordo_history_refuse_gone(shard, doc, &job->requester);
    ordo_snapshots_cancel(shard, doc);
    ordo_truncations_cancel(shard, doc);
}

static void drop_memory(struct ordo_shard *shard, struct ordo_doc *doc) {
    uint64_t head = doc->state.seq;
    shard->stats.recent_bytes -= ordo_recent_size(&doc->recent);
    ordo_recent_finish(&doc->recent);
    ordo_recent_init(&doc->recent, head + 1, 0);
    ordo_authors_erase(&doc->authors);
    doc->has_client_rows = false;
    ordo_doc_drop_content(shard, doc);
    ordo_presence_destroy(doc->presence);
    doc->presence = NULL;
    doc->log_size = doc->snapshot_size = 0;
}

static void set_state(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_doc_state *state = &doc->state;
    uint64_t head = state->seq;
    *state = (struct ordo_doc_state){
        .seq = head, .type = state->type, .lineage = ordo_shard_draw_lineage(shard), .created_seq = head, .deleted_seq = head,
        .timestamp_ms = shard->wall_ms > state->timestamp_ms ? shard->wall_ms : state->timestamp_ms};
    doc->erased_seq = doc->horizon = doc->forgotten_seq = doc->history_seq = head;
    doc->relineage = (struct ordo_relineage){0};
    doc->base = (struct ordo_snapshot_keys){0};
    free(doc->candidates);
    doc->candidates = NULL;
    doc->snapshots[0] = (struct ordo_snapshot_keys){.seq = head, .timestamp_ms = state->timestamp_ms};
    doc->snapshots[1] = (struct ordo_snapshot_keys){0};
    doc->written_turn = shard->turn + 1; /* the open turn will be written, now that it has this */
}

static void erase(struct ordo_shard *shard, struct ordo_doc *doc) {
    ORDO_ASSERT(!doc->is_loading && doc->turn_first_seq == 0); /* its ops stand in the batch of the turn before */
    drop_memory(shard, doc);
    set_state(shard, doc);
    drop_jobs(shard, doc);
    shard->erased = grow(shard->erased, shard->erased_count, sizeof *shard->erased);
    shard->erased[shard->erased_count++] = (struct ordo_erased){.doc = doc, .state = doc->state};
    doc->erase_count++;
    shard->stats.documents_erased++;
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=document_forgotten %s head=%ju", ordo_shard_doc_name(shard, doc),
                    (uintmax_t)doc->erased_seq);
}

static void settle(struct ordo_shard *shard, const struct ordo_erase_asked *asked) {
    struct ordo_doc *doc = asked->doc;
    bool is_done = doc->state.seq == doc->erased_seq, is_refused = !is_done && !is_meant(doc, asked->lineage);
    if (!is_done && !is_refused) erase(shard, doc);
    struct ordo_peer *peer = ordo_peers_find_session(shard, asked->requester.session);
    if (peer != NULL && is_refused)
        answer(shard, peer, &asked->requester, 409, "the document was created anew meanwhile: open it again", 0);
    else if (peer != NULL) answer(shard, peer, &asked->requester, 0, "", doc->erased_seq);
    doc->erase_count--;
    ordo_doc_set_timer(shard, doc);
}

void ordo_erasures_begin(struct ordo_shard *shard) {
    size_t asked_count = shard->erase_asked_count;
    for (size_t i = 0; i < asked_count; i++) settle(shard, &shard->erase_asked[i]);
    shard->erase_asked_count = 0;
    /* Only then whatever waits goes on: it may create documents anew, and ask to forget those. */
    for (size_t i = 0; i < shard->erased_count; i++)
        if (shard->erased[i].turn == 0) ordo_attach_again(shard, shard->erased[i].doc);
}

/* ---- on disk */

bool ordo_erasures_are_ready(const struct ordo_shard *shard) {
    return shard->erased_count > 0 && shard->erased[shard->erased_count - 1].turn == 0;
}

static void write_erased(struct ordo_shard *shard, const struct ordo_erased *erased) {
    static const enum ordo_cf families[] = {ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS, ORDO_CF_HISTORY};
    const struct ordo_doc_state *state = &erased->state;
    struct ordo_slice doc_key = ordo_doc_key(erased->doc);
    struct ordo_batch *batch = &shard->effects->batch;
    ordo_key_doc_end(&shard->key, doc_key);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        ordo_batch_delete_range(batch, families[i], doc_key, ordo_buffer_slice(&shard->key));
    struct ordo_snapshot_row record = {
        .seq = state->seq, .type = ordo_slice_of(state->type->name), .lineage = state->lineage,
        .created_seq = state->created_seq, .deleted_seq = state->deleted_seq, .timestamp_ms = state->timestamp_ms};
    ordo_key_snapshot(&shard->key, doc_key, state->seq, ORDO_PIECE_VALID);
    ordo_snapshot_row_encode(&shard->value, ordo_buffer_slice(&shard->key), &record);
    ordo_batch_put(batch, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&shard->key), ordo_buffer_slice(&shard->value));
    ordo_doc_write_row(shard, erased->doc, state);
    if (shard->config.tells_changes)
        ordo_change_put(&shard->changes, &(struct ordo_change){.doc_key = doc_key, .lineage = state->lineage, .seq = state->seq,
                                                               .timestamp_ms = state->timestamp_ms, .is_deleted = true});
}

void ordo_erasures_turn_end(struct ordo_shard *shard, uint64_t turn) {
    for (size_t i = 0; i < shard->erased_count; i++) {
        if (shard->erased[i].turn != 0) continue;
        write_erased(shard, &shard->erased[i]);
        shard->erased[i].turn = turn;
    }
}

static bool is_read(const struct ordo_doc *doc) {
    for (const struct ordo_job *job = doc->jobs; job != NULL; job = job->next)
        if (job->number <= doc->erase_job_number) return true;
    return false;
}

void ordo_erasures_sweep(struct ordo_shard *shard) {
    size_t kept = 0;
    for (size_t i = 0; i < shard->erased_count; i++) {
        struct ordo_erased *erased = &shard->erased[i];
        if (erased->turn == 0 || erased->turn > shard->durable_turn || is_read(erased->doc)) {
            shard->erased[kept++] = *erased;
            continue;
        }
        ordo_buffer_append_sized(&shard->effects->erased, ordo_doc_key(erased->doc));
        erased->doc->erase_count--;
        ordo_doc_set_timer(shard, erased->doc);
    }
    shard->erased_count = kept;
}

void ordo_erasures_finish(struct ordo_shard *shard) {
    free(shard->erase_asked);
    free(shard->erased);
}
