/* What the server says: DESIGN 8, "Settling" and "Content or ops". */
#include "client/c/core/doc_internal.h"
#include "common/assert.h"
#include "common/ot/text.h"

enum { REOPENS_MAX = 3, RETRY_MIN_MS = 100, RETRY_MAX_MS = 5000, OPEN_RETRY_MS = 500 };

static bool has_failed_or_closed(const struct ordo_client_doc *doc) {
    return doc->has_failed || doc->phase == DOC_CLOSED || doc->need == DOC_NEEDS_RECONNECT;
}

/* Start over on this connection; if that has not helped several times, on a new one, which backs off. */
static void reopen(struct ordo_client_doc *doc) {
    if (doc->need != DOC_NEEDS_NOTHING) return;
    doc_need(doc, ++doc->reopen_count > REOPENS_MAX ? DOC_NEEDS_RECONNECT : DOC_NEEDS_REOPEN);
}

static void fail_op(struct ordo_client_doc *doc) {
    doc_fail(doc, 500, ordo_slice_of("the server sent an op that does not fit the document"));
}

/* --- settling --------------------------------------------------------------------------------------------------- */

static void tell_acked(struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq) {
    if (doc->listener.acked != NULL) doc->listener.acked(doc->user, doc, client_seq, server_seq);
}

static void tell_committed(struct ordo_client_doc *doc, const struct ordo_client_commit *commit) {
    if (doc->listener.committed != NULL) doc->listener.committed(doc->user, doc, commit);
}

static bool is_in_flight(const struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    return doc->in_flight.is_set && committed->client_seq == doc->in_flight.client_seq &&
           ordo_slice_equal(committed->client_id, doc_client(doc));
}

struct ordo_slice doc_in_flight_now(struct ordo_client_doc *doc) {
    struct doc_in_flight *flight = &doc->in_flight;
    if (!flight->is_rebased) return ordo_buffer_slice(&flight->frozen);
    ordo_buffer_clear(&doc->shown[0]);
    doc->type->live_encode(flight->live, &doc->shown[0]);
    return ordo_buffer_slice(&doc->shown[0]);
}

/* The next place is our op in flight, as we know it. What is shown does not change. */
static bool promote(struct ordo_client_doc *doc, struct ordo_slice op, uint64_t seq) {
    struct doc_in_flight *flight = &doc->in_flight;
    flight->is_set = false;
    switch (flight->kind) {
    case ORDO_CLIENT_EDIT:
        if (doc->content != NULL && doc->type->content_apply(doc->content, op) != ORDO_OK) {
            fail_op(doc);
            return false;
        }
        doc->length = doc->type->length_after(op, doc->length);
        break;
    case ORDO_CLIENT_DELETE:
        if (doc->content != NULL) {
            doc->type->content_destroy(doc->content);
            doc->content = doc->type->content_create();
        }
        doc->length = 0;
        doc->is_deleted = true;
        break;
    case ORDO_CLIENT_CREATE:
        /* An Ack does not say which lineage the server drew: look. */
        doc->has_content = false;
        reopen(doc);
        break;
    }
    doc->seq = seq;
    doc->reopen_count = 0;
    if (flight->kind == ORDO_CLIENT_EDIT) doc_presence_note(doc, op, doc_client(doc));
    else doc_presence_forget(doc);
    return true;
}

/* --- placing ops ------------------------------------------------------------------------------------------------ */

void doc_show(struct ordo_client_doc *doc, struct ordo_slice op, struct ordo_slice client_id) {
    bool is_reshaping = doc_is_reshaping(doc), has_edits = false;
    struct ordo_slice shown = op;
    if (doc->in_flight.is_set && doc->in_flight.kind == ORDO_CLIENT_EDIT) {
        ordo_buffer_clear(&doc->shown[0]);
        doc->type->live_rebase(doc->in_flight.live, shown, client_id, &doc->shown[0]);
        doc->in_flight.is_rebased = true;
        shown = ordo_buffer_slice(&doc->shown[0]);
        has_edits = true;
    }
    if (is_reshaping) return; /* a delete of ours is what is shown */
    if (doc_has_pending(doc)) {
        ordo_buffer_clear(&doc->shown[1]);
        doc->type->live_rebase(doc->pending.live, shown, client_id, &doc->shown[1]);
        shown = ordo_buffer_slice(&doc->shown[1]);
        has_edits = true;
    }
    doc->visible_length = has_edits ? doc->type->length_after(shown, doc->visible_length) : doc->length;
    if (doc->type == &ordo_type_text) ordo_text_typing_over(&doc->typing, shown);
    doc_presence_over(doc, shown, false);
    if (doc->listener.changed != NULL) doc->listener.changed(doc->user, doc, shown);
}

static bool place_edit(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    uint64_t length;
    if (doc->type->validate(committed->op, doc->length, &length) != ORDO_OP_VALID) return false;
    if (doc->is_deleted && length > 0) return false; /* an empty op is fine: a delete that came second */
    if (doc->content != NULL && doc->type->content_apply(doc->content, committed->op) != ORDO_OK) return false;
    doc->length = length;
    doc->seq = committed->server_seq;
    doc_presence_note(doc, committed->op, committed->client_id);
    doc_show(doc, committed->op, committed->client_id);
    return true;
}

static void place_delete(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    struct ordo_content *empty = doc->is_light ? NULL : doc->type->content_create();
    if (doc->pending.kind == ORDO_CLIENT_DELETE) doc->pending.kind = ORDO_CLIENT_EDIT; /* done by somebody else */
    doc_replace_content(doc, empty, 0, committed->server_seq, doc->lineage, true, ORDO_CLIENT_GONE);
}

static bool place_create(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    struct ordo_wire_create create;
    uint64_t length;
    if (!ordo_wire_read_create(committed->op, &create)) return false;
    if (!ordo_slice_equal(create.type, ordo_slice_of(doc->type->name))) {
        doc_give_back(doc, ORDO_CLIENT_REPLACED, 0, ordo_slice_of("created anew with another type"));
        doc->has_content = false;
        reopen(doc);
        return true;
    }
    if (doc->type->validate(create.text, 0, &length) != ORDO_OP_VALID) return false;
    struct ordo_content *content = doc->is_light ? NULL : doc->type->content_create();
    if (content != NULL && doc->type->content_apply(content, create.text) != ORDO_OK) {
        doc->type->content_destroy(content);
        return false;
    }
    doc_replace_content(doc, content, length, committed->server_seq, create.lineage, false, ORDO_CLIENT_REPLACED);
    return true;
}

static bool place_other(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    if (committed->op_field == ORDO_WIRE_OP_DELETE) {
        place_delete(doc, committed);
        return true;
    }
    if (committed->op_field == ORDO_WIRE_OP_CREATE) return place_create(doc, committed);
    return place_edit(doc, committed);
}

/* The server's place for our op in flight, with a body. As a rule it is the op as we rebased it ourselves. */
static bool place_own(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    struct doc_in_flight *flight = &doc->in_flight;
    enum ordo_client_op_kind kind = committed->op_field == ORDO_WIRE_OP_DELETE   ? ORDO_CLIENT_DELETE
                                    : committed->op_field == ORDO_WIRE_OP_CREATE ? ORDO_CLIENT_CREATE
                                                                                 : ORDO_CLIENT_EDIT;
    if (kind == ORDO_CLIENT_EDIT && flight->kind == kind) {
        if (ordo_slice_equal(committed->op, doc_in_flight_now(doc)))
            return promote(doc, committed->op, committed->server_seq);
        if (!doc_accept_other_body(doc, committed->op)) return false;
        doc->seq = committed->server_seq;
        doc_presence_note(doc, committed->op, doc_client(doc));
        return true;
    }
    flight->is_set = false;
    return place_other(doc, committed);
}

static enum ordo_client_op_kind kind_of(const struct ordo_wire_committed *committed) {
    if (committed->op_field == ORDO_WIRE_OP_DELETE) return ORDO_CLIENT_DELETE;
    return committed->op_field == ORDO_WIRE_OP_CREATE ? ORDO_CLIENT_CREATE : ORDO_CLIENT_EDIT;
}

/* False: the document cannot go on from here (it failed, or is to be opened again). */
static bool place(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    if (committed->server_seq <= doc->seq) return true; /* known already */
    if (committed->server_seq != doc->seq + 1) {
        reopen(doc);
        return false;
    }
    bool is_known = committed->op_field == doc->type->committed_field || committed->op_field == ORDO_WIRE_OP_DELETE ||
                    committed->op_field == ORDO_WIRE_OP_CREATE;
    if (!is_known) {
        doc_fail(doc, 501, ordo_slice_of("the document was edited in a way that this client does not know"));
        return false;
    }
    if (committed->client_id.size == 0 || committed->client_id.size > ORDO_CLIENT_ID_SIZE_MAX) {
        fail_op(doc);
        return false;
    }
    bool is_own = is_in_flight(doc, committed);
    if (is_own && committed->base_seq != 0 && committed->base_seq != doc->in_flight.base_seq) {
        /* Somebody else speaks with our client_id, and used our number first: this is not the op in flight, which can
         * never commit under its name any more. */
        doc_unfreeze(doc);
        doc_need(doc, DOC_NEEDS_CLIENT_ID);
        is_own = false;
    }
    if (!(is_own ? place_own(doc, committed) : place_other(doc, committed))) {
        fail_op(doc);
        return false;
    }
    doc->reopen_count = 0;
    tell_committed(doc, &(struct ordo_client_commit){.server_seq = committed->server_seq,
                                                     .client_id = committed->client_id,
                                                     .client_seq = committed->client_seq,
                                                     .base_seq = committed->base_seq,
                                                     .timestamp_ms = committed->timestamp_ms,
                                                     .user = committed->user,
                                                     .kind = kind_of(committed),
                                                     .op = committed->op});
    if (is_own) tell_acked(doc, committed->client_seq, committed->server_seq);
    if (doc->presence.held_count > 0) doc_presence_release(doc);
    return !doc->has_failed && doc->has_content;
}

void ordo_client_doc_committed(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    if (has_failed_or_closed(doc) || doc->phase != DOC_LIVE || !doc->has_content) return;
    if (doc->answer.is_active) reopen(doc); /* live messages follow the last part */
    else place(doc, committed);
    doc_tell_status(doc);
}

void ordo_client_doc_ack(struct ordo_client_doc *doc, const struct ordo_wire_ack *ack) {
    if (has_failed_or_closed(doc) || doc->phase != DOC_LIVE || !doc->has_content) return;
    struct doc_in_flight *flight = &doc->in_flight;
    if (!flight->is_set || flight->client_seq != ack->client_seq) return;
    if (ack->duplicate) {
        /* No place in the order. What it stands for is still to come, or we have it and do not know it for ours. */
        if (ack->server_seq <= doc->seq) reopen(doc);
        doc_tell_status(doc);
        return;
    }
    /* Not the next place; or it is, but not with the body that we hold: the Opened that follows will bring it. */
    if (ack->server_seq != doc->seq + 1 || doc->answer.is_active || flight->is_inexact ||
        flight->is_overtaken) {
        reopen(doc);
        doc_tell_status(doc);
        return;
    }
    struct ordo_client_commit commit = {.server_seq = ack->server_seq,
                                        .client_id = doc_client(doc),
                                        .client_seq = ack->client_seq,
                                        .base_seq = flight->base_seq,
                                        .timestamp_ms = ack->timestamp_ms,
                                        .kind = flight->kind,
                                        .op = doc_in_flight_now(doc),
                                        .is_ack = true};
    if (promote(doc, commit.op, ack->server_seq)) {
        tell_committed(doc, &commit);
        tell_acked(doc, ack->client_seq, ack->server_seq);
        if (doc->presence.held_count > 0) doc_presence_release(doc);
    }
    doc_tell_status(doc);
}

/* --- nacks ------------------------------------------------------------------------------------------------------ */

static void retry_later(struct ordo_client_doc *doc, uint64_t after_ms, uint64_t now_ms) {
    struct doc_in_flight *flight = &doc->in_flight;
    if (after_ms == 0) after_ms = RETRY_MIN_MS << (flight->attempt_count < 6 ? flight->attempt_count : 6);
    flight->attempt_count++;
    flight->is_sent = false;
    doc->retry_at_ms = now_ms + (after_ms < RETRY_MAX_MS ? after_ms : RETRY_MAX_MS);
}

static void refused(struct ordo_client_doc *doc, enum ordo_client_give_back_reason reason,
                    const struct ordo_wire_nack *nack) {
    if (doc->in_flight.is_overtaken) doc->in_flight.is_set = false; /* what is pending has nothing to do with it */
    else doc_give_back(doc, reason, nack->code, nack->message);
}

void ordo_client_doc_nack(struct ordo_client_doc *doc, const struct ordo_wire_nack *nack, uint64_t now_ms) {
    if (has_failed_or_closed(doc)) return;
    struct doc_in_flight *flight = &doc->in_flight;
    if (!flight->is_set || flight->client_seq != nack->client_seq) return;
    switch ((enum ordo_wire_nack_code)nack->code) {
    case ORDO_NACK_RATE_LIMITED:
    case ORDO_NACK_UNAVAILABLE: retry_later(doc, nack->retry_after_ms, now_ms); break;
    case ORDO_NACK_NOT_OPEN:
        /* Says nothing of the copies that went out before: the frozen op is sent again after Opened, which is safe
         * whatever became of them. */
        reopen(doc);
        break;
    case ORDO_NACK_STALE_BASE:
    case ORDO_NACK_FUTURE_BASE:
    case ORDO_NACK_PIPELINED:
        flight->is_refused = true;
        reopen(doc);
        break;
    case ORDO_NACK_REPLAYED:
    case ORDO_NACK_CLIENT_ID_TAKEN:
        doc_unfreeze(doc);
        doc_need(doc, DOC_NEEDS_CLIENT_ID);
        break;
    case ORDO_NACK_DELETED: refused(doc, ORDO_CLIENT_GONE, nack); break;
    case ORDO_NACK_UNKNOWN:
    case ORDO_NACK_INVALID_OP:
    case ORDO_NACK_FORBIDDEN:
    case ORDO_NACK_TOO_LARGE:
    case ORDO_NACK_EXISTS:
    case ORDO_NACK_CONFLICT:
    default: /* a code of a later server: whatever it means, the op is refused */
        refused(doc, ORDO_CLIENT_REFUSED, nack);
        break;
    }
    doc_tell_status(doc);
}

void ordo_client_doc_document_status(struct ordo_client_doc *doc, const struct ordo_wire_status *status) {
    doc->is_unavailable = status->state != 0;
    doc_tell_status(doc);
}

/* --- Opened ----------------------------------------------------------------------------------------------------- */

static void answer_drop(struct ordo_client_doc *doc) {
    if (doc->answer.content != NULL) doc->type->content_destroy(doc->answer.content);
    doc->answer = (struct doc_answer){0};
}

static bool own_is_in_content(const struct ordo_client_doc *doc) {
    const struct ordo_wire_opened *header = &doc->answer.header;
    return doc->in_flight.is_set && header->last_client_seq == doc->in_flight.client_seq &&
           header->last_client_server_seq <= doc->answer.content_seq;
}

static bool fate_is_unknown(const struct ordo_client_doc *doc) {
    return doc->in_flight.is_set && doc->answer.header.last_client_seq == 0 &&
           doc->in_flight.base_seq < doc->answer.header.forgotten_seq;
}

/* False: the server contradicts itself or us. */
static bool answer_begin(struct ordo_client_doc *doc, const struct ordo_wire_opened *part) {
    bool is_ours = doc->has_content && part->lineage == doc->lineage;
    if (!part->content.is_present && !is_ours) return false;
    bool is_same_type = doc->type != NULL && ordo_slice_equal(part->type, ordo_slice_of(doc->type->name));
    if (!is_same_type) {
        if (is_ours) return false;
        if (doc->has_content) doc_give_back(doc, ORDO_CLIENT_REPLACED, 0, ordo_slice(NULL, 0));
        doc->has_content = false;
        if (!doc_use_type(doc, part->type)) return false;
    }
    doc->answer = (struct doc_answer){.is_active = true, .has_content = part->content.is_present, .header = *part};
    if (part->content.is_present) {
        doc->answer.content = doc->type->content_create();
        doc->answer.content_seq = part->content.seq;
        doc->answer.content_deleted = part->content.deleted;
    }
    return true;
}

/* The content is whole: it becomes confirmed. */
static void answer_install(struct ordo_client_doc *doc) {
    struct doc_answer *answer = &doc->answer;
    struct ordo_content *content = answer->content;
    answer->content = NULL;
    answer->is_installed = true;
    uint64_t length = doc->type->content_length(content);
    if (doc->is_light) {
        doc->type->content_destroy(content);
        content = NULL;
    }
    doc_presence_forget(doc);
    bool is_mergeable = doc->has_content && !doc->is_deleted && !answer->content_deleted &&
                        answer->header.lineage == doc->lineage && !doc_is_reshaping(doc) && !fate_is_unknown(doc);
    if (is_mergeable) {
        uint64_t client_seq = doc->in_flight.client_seq;
        bool own_is_in = own_is_in_content(doc);
        doc_merge_content(doc, content, length, answer->content_seq, own_is_in);
        if (own_is_in) tell_acked(doc, client_seq, answer->header.last_client_server_seq);
        return;
    }
    enum ordo_client_give_back_reason reason = answer->content_deleted ? ORDO_CLIENT_GONE
                                               : fate_is_unknown(doc)  ? ORDO_CLIENT_FATE_UNKNOWN
                                                                       : ORDO_CLIENT_REPLACED;
    doc_replace_content(doc, content, length, answer->content_seq, answer->header.lineage, answer->content_deleted,
                        reason);
}

static bool answer_add_content(struct ordo_client_doc *doc, const struct ordo_wire_content *part) {
    struct doc_answer *answer = &doc->answer;
    if (!answer->has_content || answer->is_installed) return false;
    if (doc->type->content_size(answer->content) + part->bytes.size > ORDO_DOCUMENT_SIZE_MAX + ORDO_OP_SIZE_MAX)
        return false;
    /* Content of a type that is set in another member than ours is content that we cannot read. */
    if (part->field != 0 && part->field != 2 && part->bytes.size > 0) return false;
    return doc->type->content_append(answer->content, part->bytes) == ORDO_OK;
}

/* What became of the op in flight, now that everything up to head is placed. */
static void answer_settle(struct ordo_client_doc *doc) {
    struct doc_in_flight *flight = &doc->in_flight;
    const struct ordo_wire_opened *header = &doc->answer.header;
    if (header->last_client_seq >= doc->next_client_seq) doc->next_client_seq = header->last_client_seq + 1;
    doc->retry_at_ms = 0; /* a pause was asked for by a server that is not the same any more */
    if (!flight->is_set) return;
    if (header->last_client_seq >= flight->client_seq || fate_is_unknown(doc)) {
        if (flight->is_overtaken) {
            flight->is_set = false;
            return;
        }
        /* Committed, says the server, but neither in what we lacked nor known here as ours: two instances under one
         * client_id, or a damaged record. To send it again or to drop it might both be wrong. */
        doc_give_back(doc, ORDO_CLIENT_FATE_UNKNOWN, 0, ordo_slice(NULL, 0));
        return;
    }
    /* Below the horizon it can never commit as it is. (Otherwise it may even now be on its way in.) */
    if (flight->base_seq < header->horizon) flight->is_refused = true;
    if (flight->is_refused) doc_unfreeze(doc);
    flight->is_sent = false;
}

static void answer_end(struct ordo_client_doc *doc) {
    const struct ordo_wire_opened *header = &doc->answer.header;
    if (doc->seq != header->head) {
        answer_drop(doc);
        doc_need(doc, DOC_NEEDS_RECONNECT);
        return;
    }
    answer_settle(doc);
    doc->permission = header->permission;
    answer_drop(doc);
    doc->phase = DOC_LIVE;
    doc->was_open = true;
    doc->is_unavailable = false;
    doc->in_flight.attempt_count = 0;
    doc->presence.is_due = doc->presence.is_set;
    if (doc->listener.opened != NULL) doc->listener.opened(doc->user, doc);
}

static bool answer_add(struct ordo_client_doc *doc, const struct ordo_wire_opened *part) {
    if (!doc->answer.is_active && !answer_begin(doc, part)) return false;
    struct doc_answer *answer = &doc->answer;
    if (part->last_client_seq > answer->header.last_client_seq) {
        answer->header.last_client_seq = part->last_client_seq;
        answer->header.last_client_server_seq = part->last_client_server_seq;
    }
    if (part->head > answer->header.head) answer->header.head = part->head;
    if (part->content.is_present && !answer_add_content(doc, &part->content)) return false;

    struct ordo_reader ops = ordo_reader(part->body);
    struct ordo_wire_committed op;
    while (ordo_wire_next_op(&ops, ORDO_WIRE_OPENED_OPS, &op)) {
        if (answer->has_content && !answer->is_installed) answer_install(doc);
        if (!place(doc, &op)) return true; /* it said itself what is to be done */
    }
    if (part->more) return true;
    if (answer->has_content && !answer->is_installed) answer_install(doc);
    answer_end(doc);
    return true;
}

void ordo_client_doc_opened(struct ordo_client_doc *doc, const struct ordo_wire_opened *part) {
    if (has_failed_or_closed(doc) || doc->need == DOC_NEEDS_REOPEN) return;
    if (!answer_add(doc, part)) {
        answer_drop(doc);
        doc_need(doc, DOC_NEEDS_RECONNECT);
    }
    if (doc->need == DOC_NEEDS_REOPEN || doc->has_failed) answer_drop(doc);
    doc_tell_status(doc);
}

void ordo_client_doc_open_refused(struct ordo_client_doc *doc, const struct ordo_wire_error *error, uint64_t now_ms) {
    if (doc->has_failed) return;
    doc->phase = DOC_CLOSED;
    answer_drop(doc);
    if (error->code == 429 || error->code == 503) doc->retry_at_ms = now_ms + OPEN_RETRY_MS;
    else doc_fail(doc, error->code, error->message);
    doc_tell_status(doc);
}

void ordo_client_doc_ended(struct ordo_client_doc *doc, uint64_t now_ms) {
    if (doc->has_failed) return;
    doc->phase = DOC_CLOSED;
    if (doc->need == DOC_NEEDS_REOPEN) doc->need = DOC_NEEDS_NOTHING;
    doc->in_flight.is_sent = false;
    answer_drop(doc);
    /* Two instances under one client_id end each other's openings: ever longer pauses keep that quiet. */
    uint32_t doublings = doc->reopen_count < 5 ? doc->reopen_count++ : 5;
    doc->retry_at_ms = now_ms + ((uint64_t)OPEN_RETRY_MS << doublings);
    doc_tell_status(doc);
}

void ordo_client_doc_disconnected(struct ordo_client_doc *doc) {
    doc->phase = DOC_CLOSED;
    if (doc->need != DOC_NEEDS_CLIENT_ID) doc->need = DOC_NEEDS_NOTHING;
    doc->reopen_count = 0;
    doc->retry_at_ms = 0;
    doc->is_unavailable = false;
    doc->in_flight.is_sent = false;
    doc->in_flight.attempt_count = 0;
    answer_drop(doc);
    doc_tell_status(doc);
}
