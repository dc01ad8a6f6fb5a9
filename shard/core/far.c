/* Submits that cannot be decided from memory: jobs search or rebase through the log on disk, and what they find out
 * goes through all the checks again, since the document went on meanwhile. */
#include "common/assert.h"
#include "shard/core/state.h"

enum { RETRY_MS = 500, JOBS_PER_DOC_MAX = 64 };

static void busy(struct ordo_shard *shard, const struct ordo_submit *submit, const char *text) {
    ordo_answer_nack(shard, submit->subscriber->peer, submit->subscriber->id, submit->client_seq,
                     ORDO__V1__NACK_CODE__UNAVAILABLE, text, RETRY_MS, 0);
}

static struct ordo_subscriber *find_requester(struct ordo_shard *shard, const struct ordo_doc *doc,
                                              const struct ordo_job *job) {
    struct ordo_peer *peer = ordo_peers_find_session(shard, job->requester.session);
    struct ordo_subscriber *subscriber = peer ? ordo_peer_subscriber(peer, job->requester.subscriber) : NULL;
    if (subscriber == NULL || subscriber->audience->doc != doc || subscriber->author == NULL) return NULL;
    return subscriber;
}

static void set_requester(struct ordo_job *job, const struct ordo_subscriber *subscriber) {
    job->requester = (struct ordo_requester){.session = subscriber->peer->link.session, .subscriber = subscriber->id};
}

/* ---- an op_id older than what is in memory */

/* The job that already reads the log for an op of this client, if any: a client has one op in flight, so more than
 * one search at a time is not worth a helper's while. */
static struct ordo_job *find_search(const struct ordo_doc *doc, struct ordo_slice client_id) {
    for (struct ordo_job *job = doc->jobs; job != NULL; job = job->next)
        if (job->kind == ORDO_JOB_FIND && ordo_slice_equal(ordo_buffer_slice(&job->find.client_id), client_id))
            return job;
    return NULL;
}

void ordo_far_find(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit) {
    struct ordo_job *same = find_search(doc, ordo_author_client_id(submit->subscriber->author));
    if (same != NULL && same->find.client_seq == submit->client_seq && same->find.submitted_hash == submit->hash) {
        set_requester(same, submit->subscriber); /* sent again, perhaps over another connection: answer there */
        return;
    }
    if (same != NULL || doc->job_count >= JOBS_PER_DOC_MAX) {
        busy(shard, submit, "too much is being looked up in this document: send again");
        return;
    }
    struct ordo_job *job = ordo_job_create(ORDO_JOB_FIND, ordo_doc_key(doc));
    ordo_buffer_append_slice(&job->find.client_id, ordo_author_client_id(submit->subscriber->author));
    job->find.client_seq = submit->client_seq;
    uint64_t from_seq = submit->base_seq > doc->horizon ? submit->base_seq : doc->horizon; /* what is retained */
    job->find.from_seq = from_seq + 1;
    job->find.to_seq = doc->recent.first_seq - 1;
    job->find.submitted_hash = submit->hash;
    set_requester(job, submit->subscriber);
    ordo_shard_start_job(shard, doc, job);
}

/* At or below the client's newest client_seq nothing new can ever be committed, so what was found out still holds. */
void ordo_far_find_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    const struct ordo_find_op *find = &job->find;
    struct ordo_subscriber *subscriber = find_requester(shard, doc, job);
    if (subscriber == NULL) return;
    if (job->err) {
        ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=log_unreadable %s reason=\"%s\"",
                        ordo_shard_doc_name(shard, doc), job->message);
        shard->stats.documents_damaged++;
        ordo_answer_nack(shard, subscriber->peer, subscriber->id, find->client_seq, ORDO__V1__NACK_CODE__UNAVAILABLE,
                         job->message, 10 * RETRY_MS, doc->horizon);
    } else if (find->found && find->hash == find->submitted_hash) {
        ordo_answer_duplicate(shard, subscriber->peer, subscriber->id, find->client_seq, find->server_seq,
                              find->timestamp_ms);
    } else {
        ordo_answer_nack(shard, subscriber->peer, subscriber->id, find->client_seq, ORDO__V1__NACK_CODE__REPLAYED,
                         "this client_seq was used before, for another op: take a new client_id", 0, doc->horizon);
    }
}

/* ---- one op over many */

/* The job that already rebases an op of this client, if any: a client has one op in flight. */
static struct ordo_job *find_rebase(const struct ordo_doc *doc, struct ordo_slice client_id) {
    for (struct ordo_job *job = doc->jobs; job != NULL; job = job->next)
        if (job->kind == ORDO_JOB_REBASE &&
            ordo_slice_equal(ordo_buffer_slice(&job->rebase.client_id), client_id))
            return job;
    return NULL;
}

static void start(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    /* Ops up to here will be on disk; those behind stay in memory until the job is done. */
    job->rebase.to_seq = doc->state.seq;
    job->pin_seq = doc->state.seq + 1;
    ordo_shard_start_job(shard, doc, job);
}

void ordo_far_rebase(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                     struct ordo_job *far, bool is_validated) {
    if (far != NULL) { /* too many came while it was at work: once more */
        start(shard, doc, far);
        return;
    }
    struct ordo_slice client_id = ordo_author_client_id(submit->subscriber->author);
    struct ordo_job *same = find_rebase(doc, client_id);
    if (same != NULL && same->rebase.client_seq == submit->client_seq && same->rebase.hash == submit->hash) {
        set_requester(same, submit->subscriber); /* sent again, perhaps over another connection: answer there */
        return;
    }
    if (same != NULL || doc->job_count >= JOBS_PER_DOC_MAX) {
        busy(shard, submit, "an earlier op is still being rebased: send again");
        return;
    }
    struct ordo_job *job = ordo_job_create(ORDO_JOB_REBASE, ordo_doc_key(doc));
    struct ordo_rebase *rebase = &job->rebase;
    rebase->type = doc->state.type;
    rebase->is_edit = rebase->type != NULL && submit->op_field == rebase->type->submit_field;
    rebase->is_exact = submit->is_exact;
    rebase->is_validated = is_validated;
    rebase->op_field = submit->op_field;
    ordo_buffer_append_slice(&rebase->client_id, client_id);
    ordo_buffer_append_slice(&rebase->op, submit->op);
    rebase->client_seq = submit->client_seq;
    rebase->base_seq = submit->base_seq;
    rebase->hash = submit->hash;
    rebase->from_seq = submit->base_seq + 1;
    set_requester(job, submit->subscriber);
    start(shard, doc, job);
    shard->stats.rebases_far++;
}

static Ordo__V1__NackCode code_of(enum ordo_op_fault fault) {
    return fault == ORDO_OP_TOO_LARGE ? ORDO__V1__NACK_CODE__TOO_LARGE : ORDO__V1__NACK_CODE__INVALID_OP;
}

void ordo_far_rebase_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    struct ordo_rebase *rebase = &job->rebase;
    struct ordo_subscriber *subscriber = find_requester(shard, doc, job);
    bool is_ours = subscriber != NULL && ordo_slice_equal(ordo_author_client_id(subscriber->author),
                                                          ordo_buffer_slice(&rebase->client_id));
    if (is_ours && job->err) {
        ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=log_unreadable %s reason=\"%s\"",
                        ordo_shard_doc_name(shard, doc), job->message);
        shard->stats.documents_damaged++;
        ordo_answer_nack(shard, subscriber->peer, subscriber->id, rebase->client_seq,
                         ORDO__V1__NACK_CODE__UNAVAILABLE, job->message, 10 * RETRY_MS, doc->horizon);
    } else if (is_ours && rebase->is_duplicate) {
        ordo_answer_duplicate(shard, subscriber->peer, subscriber->id, rebase->client_seq, rebase->duplicate_seq,
                              rebase->duplicate_ms);
    } else if (is_ours && rebase->fault != ORDO_OP_VALID) {
        ordo_answer_nack(shard, subscriber->peer, subscriber->id, rebase->client_seq, code_of(rebase->fault),
                         ordo_op_fault_text(rebase->fault), 0, doc->horizon);
    } else if (is_ours && ordo_doc_is_frozen(shard, doc)) {
        ordo_answer_nack(shard, subscriber->peer, subscriber->id, rebase->client_seq,
                         ORDO__V1__NACK_CODE__UNAVAILABLE, "the document is about to move: send again", RETRY_MS, 0);
    } else if (is_ours) {
        struct ordo_submit submit = {
            .subscriber = subscriber,
            .client_seq = rebase->client_seq,
            .base_seq = rebase->base_seq,
            .hash = rebase->hash,
            .op_field = rebase->op_field,
            .op = ordo_buffer_slice(&rebase->op),
            .is_exact = rebase->is_exact,
        };
        ordo_sequence(shard, doc, &submit, job);
        if (job->link != NULL) return; /* started once more */
    }
    ordo_job_destroy(job);
}
