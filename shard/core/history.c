/* Reading back: ops of a range, or the content at a seq or a time, always by a job. */
#include "shard/core/state.h"

#include <stdio.h>

enum { HISTORY_OPS = 1, JOBS_PER_DOC_MAX = 64 };

static void answer_gone(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint32_t request,
                        const struct ordo_doc *doc) {
    char text[96];
    bool is_forgotten = doc->history_seq == doc->erased_seq;
    snprintf(text, sizeof text,
             is_forgotten ? "all up to server_seq %ju was forgotten"
                          : "history begins with the content at server_seq %ju: what was before is not kept",
             (uintmax_t)doc->history_seq);
    ordo_answer_history_error(shard, peer, subscriber, request, 410, text);
}

void ordo_history_refuse_gone(struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_requester *requester) {
    struct ordo_peer *peer = ordo_peers_find_session(shard, requester->session);
    if (peer != NULL) answer_gone(shard, peer, requester->subscriber, requester->request, doc);
}

/* The time of the op with which history begins. Its snapshot may still be one of the two newest. */
static uint64_t begin_ms(const struct ordo_doc *doc) {
    for (size_t i = 0; i < 2; i++)
        if (doc->snapshots[i].seq == doc->history_seq) return doc->snapshots[i].timestamp_ms;
    return doc->base.timestamp_ms;
}

void ordo_history(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                  const Ordo__Cluster__V1__ReadHistory *message) {
    uint64_t head = doc->state.seq;
    uint64_t to_seq = message->to_seq == 0 || message->to_seq > head ? head : message->to_seq; /* 0: up to the head */
    const char *wrong = NULL;
    if (message->at_kind > ORDO_HISTORY_AT_TIME) wrong = "history is read by range, by seq or by time";
    else if (message->at_kind == ORDO_HISTORY_OPS &&
             (message->from_seq == 0 || (message->to_seq != 0 && message->from_seq > message->to_seq)))
        wrong = "a range goes from from_seq >= 1 up to to_seq >= from_seq, or to the head with to_seq 0";
    else if (message->at_kind == ORDO_HISTORY_AT_SEQ && message->at > head) wrong = "there is no such seq yet";
    else if ((message->at_kind == ORDO_HISTORY_OPS && message->from_seq <= doc->history_seq) ||
             (message->at_kind == ORDO_HISTORY_AT_SEQ && message->at < doc->history_seq)) {
        answer_gone(shard, subscriber->peer, subscriber->id, message->request, doc);
        return;
    }
    if (wrong != NULL) {
        ordo_answer_history_error(shard, subscriber->peer, subscriber->id, message->request, 400, wrong);
        return;
    }
    if (doc->job_count >= JOBS_PER_DOC_MAX) {
        ordo_answer_history_error(shard, subscriber->peer, subscriber->id, message->request, 503,
                                  "too much of this document's history is being read: ask again");
        return;
    }
    struct ordo_job *job = ordo_job_create(ORDO_JOB_HISTORY, ordo_doc_key(doc));
    job->history.what = message->at_kind;
    job->history.at = message->at;
    job->history.begin_seq = doc->history_seq;
    job->history.begin_ms = begin_ms(doc);
    job->history.ops.from_seq = message->from_seq;
    job->history.ops.to_seq = message->at_kind != ORDO_HISTORY_OPS ? head : to_seq;
    job->history.ops.size_max = shard->config.history_size_max;
    job->history.ops.field = HISTORY_OPS;
    job->requester = (struct ordo_requester){.session = subscriber->peer->link.session,
                                             .subscriber = subscriber->id, .request = message->request};
    ordo_shard_start_job(shard, doc, job);
}

void ordo_history_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    struct ordo_peer *peer = ordo_peers_find_session(shard, job->requester.session);
    if (peer == NULL || ordo_peer_subscriber(peer, job->requester.subscriber) == NULL) return;
    if (job->err) {
        ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=history_unreadable %s reason=\"%s\"",
                        ordo_shard_doc_name(shard, doc), job->message);
        ordo_answer_history_error(shard, peer, job->requester.subscriber, job->requester.request, 503, job->message);
        return;
    }
    if (job->history.is_gone) {
        answer_gone(shard, peer, job->requester.subscriber, job->requester.request, doc);
        return;
    }
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__HistoryAnswer answer = ORDO__CLUSTER__V1__HISTORY_ANSWER__INIT;
    Ordo__Cluster__V1__Bulk bulk = ORDO__CLUSTER__V1__BULK__INIT;
    struct ordo_read_history *history = &job->history;
    bool is_ops = history->what == ORDO_HISTORY_OPS;
    struct ordo_blob *blob = ordo_blob_create(is_ops ? &history->ops.bytes : &history->content.bytes);
    answer.subscriber = job->requester.subscriber;
    answer.request = job->requester.request;
    answer.head = doc->state.seq;
    answer.horizon = doc->horizon;
    answer.begin_seq = doc->history_seq;
    answer.forgotten_seq = doc->forgotten_seq;
    ordo_answer_bulk(shard, blob, &bulk);
    if (is_ops) {
        answer.ops = &bulk;
    } else {
        const struct ordo_doc_state *state = &history->content.state;
        answer.has_content = true;
        answer.content_seq = history->content.seq;
        answer.content_deleted = !ordo_doc_exists(state); /* or not there yet */
        answer.content_field = ordo_content_field(state->type != NULL ? state->type : doc->state.type);
        answer.content = &bulk;
        answer.timestamp_ms = state->timestamp_ms;
        answer.created_seq = state->created_seq;
        answer.deleted_seq = state->deleted_seq;
    }
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_HISTORY;
    message.history = &answer;
    ordo_answer(shard, peer, &message);
    ordo_blob_release(blob);
}
