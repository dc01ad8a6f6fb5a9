/* Opening: an Attach makes a subscriber, waits for the document and for the client's dedupe entry, and is answered
 * with the content, or with the ops that the client lacks. From then on the subscriber gets commits. */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

enum {
    BUSY_RETRY_MS = 200,
    DISK_FULL_RETRY_MS = 1000,
    OPENED_OPS = 6,              /* the field */
    CATCH_UP_SMALL = 4096,       /* bytes of ops that are cheaper than any content */
    OPS_JOBS_MAX = 256,
    SHORT_READ_MAX = 512 * 1024, /* bytes that a helper reads and applies within some milliseconds */
    OP_SIZE_GUESS = 100,
};

/* ---- an Attach arrives */

static const char *what_is_wrong(const Ordo__Cluster__V1__Attach *attach) {
    if (attach->subscriber == 0) return "a subscriber has no number";
    if (!ordo_key_name_is_valid(ordo_slice_of_binary(attach->collection)) ||
        !ordo_key_name_is_valid(ordo_slice_of_binary(attach->id)))
        return "collection and id are 1 to 128 bytes without NUL";
    if (attach->client_id.len == 0 || attach->client_id.len > ORDO_CLIENT_ID_SIZE_MAX)
        return "a client_id is 1 to 128 bytes";
    if (attach->user.len > ORDO_USER_SIZE_MAX) return "a user is at most 128 bytes";
    if (attach->permission < ORDO_ACCESS_READ || attach->permission > ORDO_ACCESS_ADMIN)
        return "the permission is none that is known here";
    return NULL;
}

/* A gateway may attach a subscriber again that we know, after Dropped. Then it stays the same one, presence and all;
 * any other use of its number begins a new one. */
static struct ordo_subscriber *subscriber_for(struct ordo_shard *shard, struct ordo_peer *peer, struct ordo_doc *doc,
                                              const Ordo__Cluster__V1__Attach *attach) {
    struct ordo_subscriber *known = ordo_peer_subscriber(peer, attach->subscriber);
    bool is_same = known != NULL && known->audience->doc == doc && known->author != NULL &&
                   ordo_slice_equal(ordo_author_client_id(known->author), ordo_slice_of_binary(attach->client_id)) &&
                   ordo_slice_equal(ordo_subscriber_user(known), ordo_slice_of_binary(attach->user));
    if (is_same) {
        ordo_subscriber_unpark(known);
        ordo_subscriber_move(known, ORDO_SUBSCRIBER_WAITING);
    } else {
        if (known != NULL) ordo_subscriber_destroy(shard, known);
        known = ordo_subscriber_create(shard, peer, doc, attach->subscriber, ordo_slice_of_binary(attach->user));
    }
    known->permission = (uint8_t)attach->permission;
    known->wants_presence = attach->presence;
    known->is_bare = attach->bare;
    return known;
}

bool ordo_attach_must_wait(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_slice client_id) {
    if (doc->is_loading) return true;
    struct ordo_author *author = ordo_authors_find(&doc->authors, client_id);
    if (author != NULL) return author->is_asked;
    if (!doc->has_client_rows) return false; /* all entries are in memory, and this is not one of them */
    author = ordo_authors_get(&doc->authors, client_id);
    author->is_asked = true;
    struct ordo_job *job = ordo_job_create(ORDO_JOB_CLIENT, ordo_doc_key(doc));
    ordo_buffer_append_slice(&job->client.client_id, client_id);
    ordo_shard_start_job(shard, doc, job);
    return true;
}

void ordo_attach(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message) {
    const Ordo__Cluster__V1__Attach *attach = message->attach;
    const char *wrong = what_is_wrong(attach);
    if (wrong != NULL) {
        ordo_answer_refused(shard, peer, attach->subscriber, 400, wrong, 0);
        return;
    }
    uint16_t slot = ordo_slot_of(ordo_slice_of_binary(attach->collection), ordo_slice_of_binary(attach->id));
    if (!ordo_slots_admit(shard, peer, slot, message)) return;
    ordo_key_doc(&shard->key, ordo_slice_of_binary(attach->collection), ordo_slice_of_binary(attach->id));
    struct ordo_doc *doc = ordo_doc_get(shard, ordo_buffer_slice(&shard->key));
    struct ordo_subscriber *subscriber = subscriber_for(shard, peer, doc, attach);
    bool must_wait = ordo_attach_must_wait(shard, doc, ordo_slice_of_binary(attach->client_id)) ||
                     ordo_doc_is_frozen(shard, doc);
    if (!must_wait && subscriber->queued_count == 0) ordo_attach_known(shard, doc, subscriber, attach);
    else if (!ordo_doc_wait(shard, doc, subscriber, message))
        ordo_subscriber_refuse(shard, subscriber, 503, "too much is waiting for this document: open it again",
                           BUSY_RETRY_MS);
}

/* ---- and is answered */

/* The latest to open writes; whoever held the client_id before gets NOT_OPEN from now on, so the last_client_seq that
 * this answer says is final. A resync only continues what was: it takes nothing from a holder. Another user with the
 * same client_id neither takes it nor gets it. */
static void take_authorship(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                            const Ordo__Cluster__V1__Attach *attach) {
    if (subscriber->author == NULL) {
        subscriber->author = ordo_authors_get(&doc->authors, ordo_slice_of_binary(attach->client_id));
        subscriber->author->pin_count++;
    }
    struct ordo_author *author = subscriber->author;
    if (ordo_author_is_foreign(author, ordo_subscriber_user(subscriber))) return;
    struct ordo_subscriber *holder = author->holder;
    if (attach->resync && subscriber->is_ended) return; /* also when the one that ended it has left */
    if (holder != NULL && holder != subscriber) {
        if (attach->resync) return;
        if (!ordo_slice_equal(ordo_subscriber_user(holder), ordo_subscriber_user(subscriber))) return;
        holder->is_ended = true;
        ordo_writers_hand_over(shard, holder, subscriber);
    }
    author->holder = subscriber;
    subscriber->is_ended = false;
}

static void fill_attached(const struct ordo_doc *doc, const struct ordo_subscriber *subscriber,
                          Ordo__Cluster__V1__Attached *attached) {
    attached->subscriber = subscriber->id;
    attached->doc = doc->number;
    attached->type = ordo_binary_of_slice(ordo_slice_of(doc->state.type->name));
    attached->head = doc->state.seq;
    attached->lineage = doc->state.lineage;
    attached->horizon = doc->horizon;
    attached->forgotten_seq = doc->forgotten_seq;
    attached->created = subscriber->was_created;
    attached->created_seq = doc->state.created_seq;
    const struct ordo_author *author = subscriber->author;
    if (ordo_author_is_foreign(author, ordo_subscriber_user(subscriber))) return;
    attached->last_client_seq = author->client_seq;
    attached->last_client_server_seq = author->server_seq;
}

/* Ops from..head as fields of Opened, appended to what is there. */
static void append_recent_ops(const struct ordo_doc *doc, uint64_t from_seq, struct ordo_buffer *out) {
    for (uint64_t seq = from_seq; seq <= doc->state.seq; seq++)
        ordo_field_append_bytes(out, OPENED_OPS, ordo_recent_record(&doc->recent, seq).committed);
}

/* Content (NULL: none, the ops continue from have_seq; `has_content` alone: deleted) at content_seq, and ops from
 * there to the head. Takes the ops' buffer. */
static void finish_attach(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                          bool has_content, struct ordo_blob *content, uint64_t content_seq, bool is_deleted,
                          struct ordo_buffer *ops) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    Ordo__Cluster__V1__Bulk content_bulk = ORDO__CLUSTER__V1__BULK__INIT, ops_bulk = ORDO__CLUSTER__V1__BULK__INIT;
    ordo_audience_revive(shard, subscriber->audience);
    fill_attached(doc, subscriber, &attached);
    attached.viewer = ordo_writers_must_watch(shard, subscriber);
    struct ordo_blob *ops_blob = ordo_blob_create(ops);
    if (has_content) {
        attached.has_content = true;
        attached.content_seq = content_seq;
        attached.content_deleted = is_deleted;
        attached.content_field = ordo_content_field(doc->state.type);
        if (content != NULL) ordo_answer_bulk(shard, content, &content_bulk);
        attached.content = &content_bulk;
    }
    ordo_answer_bulk(shard, ops_blob, &ops_bulk);
    attached.ops = &ops_bulk;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_ATTACHED;
    message.attached = &attached;
    ordo_answer(shard, subscriber->peer, &message);
    ordo_blob_release(ops_blob);
    ordo_subscriber_move(subscriber, ORDO_SUBSCRIBER_ATTACHED);
    if (subscriber->wants_presence) ordo_presence_greet(shard, doc, subscriber);
}

static void answer_with_content(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                                struct ordo_blob *content, uint64_t seq, bool is_deleted) {
    struct ordo_buffer ops = {0};
    append_recent_ops(doc, seq + 1, &ops);
    finish_attach(shard, doc, subscriber, true, content, seq, is_deleted, &ops);
}

static void open_with_content(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber) {
    if (!ordo_doc_exists(&doc->state)) {
        answer_with_content(shard, doc, subscriber, NULL, doc->state.seq, true);
        return;
    }
    if (doc->state.length == 0) {
        answer_with_content(shard, doc, subscriber, NULL, doc->state.seq, false);
        return;
    }
    if (ordo_doc_kept_content_serves(doc)) {
        doc->content_used_ms = shard->now_ms;
        answer_with_content(shard, doc, subscriber, doc->content, doc->content_seq, false);
        return;
    }
    if (doc->content_job == NULL) {
        doc->content_job = ordo_job_create(ORDO_JOB_CONTENT, ordo_doc_key(doc));
        doc->content_job->content.seq = doc->state.seq;
        doc->content_job->pin_seq = doc->state.seq + 1;
        doc->content_job->is_urgent = doc->state.length + doc->log_size <= SHORT_READ_MAX;
        ordo_shard_start_job(shard, doc, doc->content_job);
    }
    ordo_subscriber_park(subscriber, doc->content_job);
}

static void open_with_ops(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                          uint64_t have_seq) {
    struct ordo_buffer ops = {0};
    if (ordo_recent_reaches(&doc->recent, have_seq)) {
        append_recent_ops(doc, have_seq + 1, &ops);
        finish_attach(shard, doc, subscriber, false, NULL, 0, false, &ops);
        return;
    }
    if (doc->job_count >= OPS_JOBS_MAX) {
        ordo_subscriber_refuse(shard, subscriber, 503, "too many are catching up on this document: open it again",
                           BUSY_RETRY_MS);
        return;
    }
    struct ordo_job *job = ordo_job_create(ORDO_JOB_OPS, ordo_doc_key(doc));
    job->ops.from_seq = have_seq + 1;
    job->ops.to_seq = doc->recent.first_seq - 1;
    job->ops.size_max = SIZE_MAX;
    job->ops.field = OPENED_OPS;
    job->pin_seq = doc->recent.first_seq;
    job->is_urgent = (job->ops.to_seq - have_seq) * OP_SIZE_GUESS <= SHORT_READ_MAX;
    ordo_shard_start_job(shard, doc, job);
    ordo_subscriber_park(subscriber, job);
}

/* DESIGN "Content or ops": an op made before stays STALE_BASE wherever it still travels, so content goes out only
 * where ops could not follow, or where nothing of this client is under way. */
static bool content_is_called_for(const struct ordo_doc *doc, const Ordo__Cluster__V1__Attach *attach) {
    if (!attach->has_have) return true;
    if (attach->have_seq < doc->horizon || attach->have_seq > doc->state.seq) return true;
    if (attach->have_lineage != doc->state.lineage) return true;
    if (!attach->clean || attach->have_seq == doc->state.seq) return false;
    if (!ordo_recent_reaches(&doc->recent, attach->have_seq)) return true; /* from the disk, so it is many */
    size_t ops_size = ordo_recent_size_from(&doc->recent, attach->have_seq + 1);
    return ops_size > CATCH_UP_SMALL && ops_size > doc->state.length;
}

/* True: it is created. Otherwise the subscriber has been refused. */
static bool create(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                   const Ordo__Cluster__V1__Attach *attach) {
    const struct ordo_type *type = ordo_type_of(ordo_slice_of_binary(attach->create_type));
    struct ordo_slice op =
        attach->has_create_content ? ordo_slice_of_binary(attach->create_content) : ordo_slice(NULL, 0);
    uint64_t length = 0;
    if (type == NULL) {
        ordo_subscriber_refuse(shard, subscriber, 415, "this server knows no document type of that name", 0);
    } else if (subscriber->permission < ORDO_ACCESS_WRITE) {
        ordo_subscriber_refuse(shard, subscriber, 403, "creating the document needs permission to write", 0);
    } else if (op.size > shard->config.op_size_max) {
        ordo_subscriber_refuse(shard, subscriber, 413, "the initial content is larger than one op may be", 0);
    } else if (type->validate(op, 0, &length) != ORDO_OP_VALID) {
        ordo_subscriber_refuse(shard, subscriber, 400, "the initial content is not a valid op of that type", 0);
    } else if (length > shard->config.document_length_max) {
        ordo_subscriber_refuse(shard, subscriber, 413, "the initial content is larger than a document may be", 0);
    } else if (shard->disk_is_full) {
        ordo_subscriber_refuse(shard, subscriber, 503, "the disk of this shard is full: try again",
                               DISK_FULL_RETRY_MS);
    } else {
        ordo_commit_create_of_open(shard, doc, subscriber, type, op);
        return true;
    }
    return false;
}

void ordo_attach_known(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                       const Ordo__Cluster__V1__Attach *attach) {
    take_authorship(shard, doc, subscriber, attach);
    subscriber->was_created = false;
    if (!ordo_doc_exists(&doc->state) && attach->create_type.len > 0 && !attach->has_have) {
        if (!create(shard, doc, subscriber, attach)) return;
        subscriber->was_created = true;
    }
    if (doc->state.seq == 0) {
        ordo_subscriber_refuse(shard, subscriber, 404, "there is no such document", 0);
        return;
    }
    if (attach->bare) answer_with_content(shard, doc, subscriber, NULL, doc->state.seq, !ordo_doc_exists(&doc->state));
    else if (content_is_called_for(doc, attach)) open_with_content(shard, doc, subscriber);
    else open_with_ops(shard, doc, subscriber, attach->have_seq);
}

void ordo_attach_again(struct ordo_shard *shard, struct ordo_doc *doc) {
    ordo_audiences_starve(doc);
    while (doc->parked != NULL) {
        struct ordo_subscriber *subscriber = doc->parked;
        ordo_subscriber_unpark(subscriber);
        answer_with_content(shard, doc, subscriber, NULL, doc->state.seq, true);
    }
    ordo_doc_drain(shard, doc); /* of those who wait for a job of before */
}

static void refuse_parked(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_job *job) {
    char text[256];
    snprintf(text, sizeof text, "the document cannot be read: %s", job->message);
    ordo_shard_note(shard, ORDO_NOTE_ERROR, "event=document_unreadable %s reason=\"%s\"",
                    ordo_shard_doc_name(shard, doc), job->message);
    shard->stats.documents_damaged++;
    struct ordo_subscriber *subscriber;
    while ((subscriber = ordo_subscriber_next_parked(doc, job)) != NULL)
        ordo_subscriber_refuse(shard, subscriber, 503, text, 5000);
}

void ordo_attach_content_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    ORDO_ASSERT(doc->content_job == job);
    doc->content_job = NULL;
    if (job->err) {
        refuse_parked(shard, doc, job);
        return;
    }
    struct ordo_blob *blob = ordo_blob_create(&job->content.bytes);
    bool is_deleted = !ordo_doc_exists(&job->content.state);
    struct ordo_subscriber *subscriber;
    while ((subscriber = ordo_subscriber_next_parked(doc, job)) != NULL)
        answer_with_content(shard, doc, subscriber, blob, job->content.seq, is_deleted);
    if (!is_deleted) ordo_doc_keep_content(shard, doc, blob, job->content.seq);
    ordo_blob_release(blob);
}

void ordo_attach_ops_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job) {
    if (job->err) {
        refuse_parked(shard, doc, job);
        return;
    }
    struct ordo_subscriber *subscriber = ordo_subscriber_next_parked(doc, job);
    if (subscriber == NULL) return; /* gone meanwhile */
    append_recent_ops(doc, job->ops.end_seq, &job->ops.bytes);
    finish_attach(shard, doc, subscriber, false, NULL, 0, false, &job->ops.bytes);
}
