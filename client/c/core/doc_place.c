/* Ops on their way into the order as this client holds it, and what that does to the edits. */
#include "client/c/core/doc_internal.h"
#include "common/ot/text.h"

static void fail_op(struct ordo_client_doc *doc) {
    doc_fail(doc, 500, ordo_slice_of("the server sent an op that does not fit the document"));
}

/* --- settling --------------------------------------------------------------------------------------------------- */

void doc_tell_acked(struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq) {
    if (doc->listener.acked != NULL) doc->listener.acked(doc->user, doc, client_seq, server_seq);
}

void doc_tell_committed(struct ordo_client_doc *doc, const struct ordo_client_commit *commit) {
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

bool doc_promote(struct ordo_client_doc *doc, struct ordo_slice op, uint64_t seq) {
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
        doc_reopen(doc);
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
        doc_reopen(doc);
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

static enum ordo_client_op_kind kind_of(const struct ordo_wire_committed *committed) {
    if (committed->op_field == ORDO_WIRE_OP_DELETE) return ORDO_CLIENT_DELETE;
    return committed->op_field == ORDO_WIRE_OP_CREATE ? ORDO_CLIENT_CREATE : ORDO_CLIENT_EDIT;
}

/* The server's place for our op in flight, with a body. As a rule it is the op as we rebased it ourselves. */
static bool place_own(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    struct doc_in_flight *flight = &doc->in_flight;
    if (kind_of(committed) == ORDO_CLIENT_EDIT && flight->kind == ORDO_CLIENT_EDIT) {
        if (ordo_slice_equal(committed->op, doc_in_flight_now(doc)))
            return doc_promote(doc, committed->op, committed->server_seq);
        if (!doc_accept_other_body(doc, committed->op)) return false;
        doc->seq = committed->server_seq;
        doc_presence_note(doc, committed->op, doc_client(doc));
        return true;
    }
    flight->is_set = false;
    return place_other(doc, committed);
}

bool doc_place(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    if (committed->server_seq <= doc->seq) return true; /* known already */
    if (committed->server_seq != doc->seq + 1) {
        doc_reopen(doc);
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
    doc_tell_committed(doc, &(struct ordo_client_commit){.server_seq = committed->server_seq,
                                                     .client_id = committed->client_id,
                                                     .client_seq = committed->client_seq,
                                                     .base_seq = committed->base_seq,
                                                     .timestamp_ms = committed->timestamp_ms,
                                                     .user = committed->user,
                                                     .kind = kind_of(committed),
                                                     .op = committed->op});
    if (is_own) doc_tell_acked(doc, committed->client_seq, committed->server_seq);
    if (doc->presence.held_count > 0) doc_presence_release(doc);
    return !doc->has_failed && doc->has_content;
}
