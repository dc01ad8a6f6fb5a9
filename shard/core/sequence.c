/* The sequencer: a submit goes through the checks in the order that the wire promises (docs/protocol.md), is rebased
 * over what was committed since its base, and becomes the next op. */
#include "common/assert.h"
#include "shard/core/state.h"
#include "shard/core/tie.h"

enum {
    DISK_FULL_RETRY_MS = 1000,
    NO_PLACE_RETRY_MS = 5000, /* an Opened will tell of a place before that, if one comes free */
    /* What one commit costs a rebase at least, in the units of rebase_budget (bytes of ops looked at, about 10
     * ns). */
    REBASE_COMMIT_COST = 32,
};

static void nack(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                 Ordo__V1__NackCode code, const char *text) {
    uint32_t retry_ms = code == ORDO__V1__NACK_CODE__UNAVAILABLE    ? DISK_FULL_RETRY_MS
                        : code == ORDO__V1__NACK_CODE__RATE_LIMITED ? NO_PLACE_RETRY_MS
                                                                    : 0;
    ordo_answer_nack(shard, submit->subscriber->peer, submit->subscriber->id, submit->client_seq, code, text, retry_ms,
                     doc->horizon);
}

/* ---- who may write */

/* By having written with the client_id, or by holding it before anybody did. */
static bool belongs_to_another(const struct ordo_subscriber *subscriber) {
    const struct ordo_subscriber *holder = subscriber->author->holder;
    struct ordo_slice user = ordo_subscriber_user(subscriber);
    if (ordo_author_is_foreign(subscriber->author, user)) return true;
    return holder != NULL && !ordo_slice_equal(ordo_subscriber_user(holder), user);
}

/* Rights may change while an op waits for a job. What was answered FORBIDDEN is given back by its client, so another copy of
 * it, that was sent before the answer was read, must not be committed although rights have come back. */
static bool is_forbidden(struct ordo_subscriber *subscriber, const struct ordo_submit *submit) {
    bool was_forbidden = !submit->is_exact && submit->client_seq != 0 && submit->client_seq <= subscriber->forbidden_seq;
    if (subscriber->permission >= ORDO_ACCESS_WRITE && !was_forbidden) return false;
    if (submit->client_seq > subscriber->forbidden_seq) subscriber->forbidden_seq = submit->client_seq;
    return true;
}

static bool is_allowed(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit) {
    struct ordo_subscriber *subscriber = submit->subscriber;
    if (is_forbidden(subscriber, submit)) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__FORBIDDEN, "this connection may only read the document");
    } else if (belongs_to_another(subscriber)) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN,
             "this client_id belongs to another user: take a new one");
    } else if (subscriber->author->holder != subscriber) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__NOT_OPEN,
             "this client_id opened the document elsewhere: open it again to go on here");
    } else {
        return true;
    }
    return false;
}

/* ---- has it been here before? */

enum arrival {
    ARRIVAL_NEW,
    ARRIVAL_DUPLICATE, /* committed already: answered with its original server_seq */
    ARRIVAL_REPLAYED,  /* at or below the newest client_seq, and not an op that we know */
    ARRIVAL_UNKNOWN,   /* too old for what is in memory: the log has to be searched */
};

/* What an op is by its client_seq, given the client's newest op. */
static enum arrival classify_arrival(const struct ordo_author *author, uint64_t client_seq, uint64_t hash) {
#ifdef ORDO_BREAK_DEDUPE
    return ARRIVAL_NEW;
#endif
    if (client_seq > author->client_seq) return ARRIVAL_NEW;
    if (client_seq < author->client_seq) return ARRIVAL_UNKNOWN;
    return hash == author->hash ? ARRIVAL_DUPLICATE : ARRIVAL_REPLAYED;
}

/* Answers what is no new op. True: go on with the checks. */
static bool is_new(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit) {
    const struct ordo_author *author = submit->subscriber->author;
    struct ordo_slice client_id = ordo_author_client_id(author);
    uint64_t server_seq = author->server_seq, timestamp_ms = author->timestamp_ms;
    enum arrival arrival =
        submit->is_exact ? ARRIVAL_UNKNOWN : classify_arrival(author, submit->client_seq, submit->hash);
    struct ordo_run_op found;
    if (arrival == ARRIVAL_UNKNOWN &&
        ordo_recent_find(&doc->recent, submit->base_seq + 1, client_id, submit->client_seq,
                         submit->is_exact ? &submit->hash : NULL, &found)) {
        arrival = found.hash == submit->hash ? ARRIVAL_DUPLICATE : ARRIVAL_REPLAYED;
        server_seq = found.op.server_seq;
        timestamp_ms = found.op.timestamp_ms;
    }
    if (submit->is_exact) arrival = arrival == ARRIVAL_DUPLICATE ? ARRIVAL_DUPLICATE : ARRIVAL_NEW;
    if (arrival == ARRIVAL_UNKNOWN) {
        if (submit->base_seq < doc->state.seq && !ordo_recent_reaches(&doc->recent, submit->base_seq)) {
            ordo_far_find(shard, doc, submit);
            return false;
        }
        arrival = ARRIVAL_REPLAYED;
    }
    if (arrival == ARRIVAL_NEW) return true;
    if (arrival == ARRIVAL_DUPLICATE)
        ordo_answer_duplicate(shard, submit->subscriber->peer, submit->subscriber->id, submit->client_seq, server_seq,
                              timestamp_ms);
    else
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__REPLAYED,
             "this client_seq was used before, for another op: take a new client_id");
    return false;
}

static bool base_is_good(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit) {
    const struct ordo_author *author = submit->subscriber->author;
    bool is_pipelined = !submit->is_exact && submit->base_seq < author->server_seq;
#ifdef ORDO_BREAK_DEDUPE
    is_pipelined = false; /* it would refuse what the broken dedupe lets through */
#endif
    if (submit->base_seq > doc->state.seq)
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__FUTURE_BASE,
             "base_seq is above the document's head: open it again");
    else if (submit->base_seq < doc->horizon)
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__STALE_BASE,
             "base_seq is below the horizon: open the document again");
    else if (is_pipelined)
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__PIPELINED,
             "base_seq is below this client's own newest op: one op in flight at a time");
    else return true;
    return false;
}

/* ---- is it a good op? */

static void nack_fault(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                       enum ordo_op_fault fault) {
    Ordo__V1__NackCode code = fault == ORDO_OP_TOO_LARGE ? ORDO__V1__NACK_CODE__TOO_LARGE
                                                         : ORDO__V1__NACK_CODE__INVALID_OP;
    nack(shard, doc, submit, code, ordo_op_fault_text(fault));
}

static enum ordo_op_kind submit_kind(const struct ordo_submit *submit) {
    if (submit->op_field == ORDO_SUBMIT_DELETE) return ORDO_OP_DELETE;
    return submit->op_field == ORDO_SUBMIT_CREATE ? ORDO_OP_CREATE : ORDO_OP_EDIT;
}

/* What the op was made against is not what stands at the head: it was deleted since (and perhaps created anew), or
 * was not there at base_seq. */
static bool base_is_gone(const struct ordo_doc *doc, const struct ordo_submit *submit) {
    return !ordo_doc_exists(&doc->state) || submit->base_seq < doc->state.created_seq;
}

static void sequence_delete(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit) {
    const struct ordo_doc_state *state = &doc->state;
    if (!base_is_gone(doc, submit))
        ordo_commit(shard, doc, submit, ORDO_COMMITTED_DELETE, ordo_slice(NULL, 0), 0);
    else if (state->deleted_seq > 0) /* delete against delete; what was created since was not meant */
        ordo_commit(shard, doc, submit, state->type->committed_field, ordo_slice(NULL, 0), state->length);
    else nack(shard, doc, submit, ORDO__V1__NACK_CODE__INVALID_OP, "there was no document at base_seq");
}

static void sequence_create(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit) {
    struct ordo_create create;
    const struct ordo_type *type;
    uint64_t length = 0;
    enum ordo_op_fault fault = ORDO_OP_MALFORMED;
    if (ordo_create_decode(submit->op, &create, &type) == ORDO_CREATE_VALID)
        fault = type->validate(create.op, 0, &length);
    if (fault == ORDO_OP_VALID && length > shard->config.document_length_max) fault = ORDO_OP_TOO_LARGE;
    if (fault != ORDO_OP_VALID) nack_fault(shard, doc, submit, fault);
    else if (ordo_doc_exists(&doc->state))
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__EXISTS, "the document exists");
    else ordo_commit_create(shard, doc, submit, type, create.op, length);
}

/* ---- rebase */

static struct ordo_live_op *live_op(struct ordo_shard *shard, const struct ordo_type *type) {
    if (shard->live_type != type) {
        if (shard->live != NULL) shard->live_type->live_destroy(shard->live);
        shard->live_type = type;
        shard->live = type->live_create();
    }
    return shard->live;
}

/* Rebases over the one op behind the base: no need of a live form. */
static struct ordo_slice rebase_over_one(struct ordo_shard *shard, const struct ordo_doc *doc,
                                         const struct ordo_submit *submit) {
    struct ordo_tie_id memory, other_memory;
    struct ordo_recent_op other = ordo_recent_get(&doc->recent, submit->base_seq + 1);
    ordo_buffer_clear(&shard->op);
    doc->state.type->transform(submit->op, ordo_tie(ordo_author_client_id(submit->subscriber->author), &memory),
                               other.op, ordo_tie(other.client_id, &other_memory), true, &shard->op);
    return ordo_buffer_slice(&shard->op);
}

static void rebase_from(const struct ordo_doc *doc, struct ordo_live_op *live, uint64_t from_seq) {
    struct ordo_tie_id memory;
    for (uint64_t seq = from_seq; seq <= doc->state.seq; seq++) {
        struct ordo_recent_op other = ordo_recent_get(&doc->recent, seq);
        ORDO_ASSERT(other.kind == ORDO_OP_EDIT); /* a delete ends the op, a create stands behind a delete */
        doc->state.type->live_rebase(live, other.op, ordo_tie(other.client_id, &memory), NULL);
    }
}

static struct ordo_slice rebase(struct ordo_shard *shard, const struct ordo_doc *doc,
                                const struct ordo_submit *submit, struct ordo_job *far) {
    const struct ordo_type *type = doc->state.type;
    if (far == NULL && submit->base_seq == doc->state.seq) return submit->op;
    if (far == NULL && submit->base_seq + 1 == doc->state.seq) return rebase_over_one(shard, doc, submit);
    struct ordo_tie_id memory;
    struct ordo_live_op *live = far != NULL ? far->rebase.live : live_op(shard, type);
    if (far == NULL)
        type->live_load(live, submit->op, ordo_tie(ordo_author_client_id(submit->subscriber->author), &memory));
    rebase_from(doc, live, far != NULL ? far->rebase.from_seq : submit->base_seq + 1);
    ordo_buffer_clear(&shard->op);
    type->live_encode(live, &shard->op);
    return ordo_buffer_slice(&shard->op);
}

/* Whether rebasing over `from_seq`..head may be done within the turn. */
static bool is_near(const struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_submit *submit,
                    uint64_t from_seq) {
    if (from_seq < doc->recent.first_seq) return false;
    uint64_t count = doc->state.seq + 1 - from_seq;
    if (count <= 1) return true;
    uint64_t cost = submit->op.size + ordo_recent_size_from(&doc->recent, from_seq) + count * REBASE_COMMIT_COST;
    return cost <= shard->config.rebase_budget;
}

static void sequence_edit(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                          struct ordo_job *far) {
    const struct ordo_type *type = doc->state.type;
    bool has_base = ordo_recent_reaches(&doc->recent, submit->base_seq), is_gone = base_is_gone(doc, submit);
    if (submit->op_field != type->submit_field) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__INVALID_OP, "not an op of the document's type");
        return;
    }
    if (far == NULL && has_base) {
        uint64_t length_after, length = ordo_recent_length_at(&doc->recent, submit->base_seq);
        enum ordo_op_fault fault = type->validate(submit->op, length, &length_after);
        bool is_moot = is_gone && fault == ORDO_OP_PAST_END; /* there is no content that it could fit */
        if (fault != ORDO_OP_VALID && !is_moot) {
            nack_fault(shard, doc, submit, fault);
            return;
        }
    }
    if (is_gone) {
        if (doc->state.deleted_seq > 0)
            nack(shard, doc, submit, ORDO__V1__NACK_CODE__DELETED, "the document was deleted");
        else nack(shard, doc, submit, ORDO__V1__NACK_CODE__INVALID_OP, "there was no document at base_seq");
        return;
    }
    if (!is_near(shard, doc, submit, far != NULL ? far->rebase.from_seq : submit->base_seq + 1)) {
        ordo_far_rebase(shard, doc, submit, far, far != NULL || has_base);
        return;
    }
    struct ordo_slice op = rebase(shard, doc, submit, far);
    uint64_t length_after = type->length_after(op, doc->state.length);
    if (length_after > shard->config.document_length_max && length_after > doc->state.length)
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__TOO_LARGE, "the document would grow beyond its limit");
    else ordo_commit(shard, doc, submit, type->committed_field, op, length_after);
}

/* ---- all together */

void ordo_sequence(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                   struct ordo_job *far) {
    if (!is_allowed(shard, doc, submit)) return;
    if (submit->client_seq == 0 || submit->client_seq > ORDO_NUMBER_MAX) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__INVALID_OP, "client_seq is from 1 to 2^53 - 1");
        return;
    }
    if (!is_new(shard, doc, submit) || !base_is_good(shard, doc, submit)) return;
    if (submit->op.size > shard->config.op_size_max) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__TOO_LARGE, "the op is larger than one op may be");
        return;
    }
    if (shard->disk_is_full) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__UNAVAILABLE,
             "the disk of this shard is full: send again later");
        return;
    }
    if (!ordo_writers_admit(shard, submit->subscriber)) {
        nack(shard, doc, submit, ORDO__V1__NACK_CODE__RATE_LIMITED,
             "as many write to this document as may at once: the edit is kept, and sent again when there is a place");
        return;
    }
    /* For other protocols' dedupe all ops behind the base must have been looked at. */
    uint64_t seen_from = far != NULL ? far->rebase.from_seq : submit->base_seq + 1;
    if (submit->is_exact && submit_kind(submit) != ORDO_OP_EDIT && seen_from < doc->recent.first_seq) {
        ordo_far_rebase(shard, doc, submit, far, true);
        return;
    }
    switch (submit_kind(submit)) {
    case ORDO_OP_EDIT: sequence_edit(shard, doc, submit, far); return;
    case ORDO_OP_DELETE: sequence_delete(shard, doc, submit); break;
    case ORDO_OP_CREATE: sequence_create(shard, doc, submit); break;
    }
}

void ordo_sequence_submit(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                          const Ordo__Cluster__V1__Submit *message) {
    struct ordo_submit submit = {
        .subscriber = subscriber,
        .client_seq = message->client_seq,
        .base_seq = message->base_seq,
        .op_field = message->op_field,
        .op = ordo_slice_of_binary(message->op),
        .is_exact = message->dedupe == ORDO__CLUSTER__V1__DEDUPE_POLICY__EXACT_SINCE_BASE,
    };
    submit.hash = ordo_submit_hash(submit.base_seq, submit.op_field, submit.op);
    ordo_sequence(shard, doc, &submit, NULL);
}
