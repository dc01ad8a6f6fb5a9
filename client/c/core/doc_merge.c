/* Content that arrives where ops were expected (docs/client.md, "Coming back from afar"), and edits that cannot be
 * kept. */
#include "client/c/core/doc_internal.h"
#include "client/c/core/text_diff.h"
#include "client/c/core/text_fate.h"
#include "common/assert.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"

bool doc_can_diff(const struct ordo_client_doc *doc) {
    return doc->content != NULL && doc->type == &ordo_type_text;
}

static void set_content(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, uint64_t seq) {
    if (doc->content != NULL) doc->type->content_destroy(doc->content);
    doc->content = content;
    doc->length = length;
    doc->seq = seq;
    doc->has_content = true;
}

/* --- giving back ------------------------------------------------------------------------------------------------ */

/* What is taken out of sight: captured before, told after. */
struct farewell {
    bool has_edits, was_shown;
    struct ordo_buffer op;    /* in_flight ∘ pending */
    struct ordo_buffer shown; /* the content with them */
};

static void append_edits(const struct ordo_client_doc *doc, struct ordo_buffer *out) {
    bool has_flight = doc_has_edit_in_flight(doc);
    /* Of a create: its content, which is an edit of nothing. */
    bool has_pending = doc->pending.kind != ORDO_CLIENT_DELETE && doc->pending.live != NULL &&
                       !doc->type->live_is_empty(doc->pending.live);
    if (has_flight && has_pending) {
        struct ordo_buffer first = {0}, second = {0};
        doc->type->live_encode(doc->in_flight.live, &first);
        doc->type->live_encode(doc->pending.live, &second);
        doc->type->compose(ordo_buffer_slice(&first), ordo_buffer_slice(&second), out);
        ordo_buffer_finish(&first);
        ordo_buffer_finish(&second);
    } else if (has_flight) {
        doc->type->live_encode(doc->in_flight.live, out);
    } else if (has_pending) {
        doc->type->live_encode(doc->pending.live, out);
    }
}

static struct farewell farewell_begin(struct ordo_client_doc *doc) {
    struct farewell farewell = {0};
    append_edits(doc, &farewell.op);
    farewell.has_edits = farewell.op.size > 0;
    /* A record that still has them would bring them back at the next start, after a person has pasted them in. */
    if (farewell.has_edits) doc->is_record_due = true;
    farewell.was_shown = doc->has_content && doc_can_diff(doc);
    bool is_wanted = doc->listener.changed != NULL || (farewell.has_edits && doc->listener.given_back != NULL);
    if (farewell.was_shown && is_wanted) doc_write_visible(doc, &farewell.shown);
    return farewell;
}

static void tell_changed(struct ordo_client_doc *doc, const struct farewell *farewell) {
    if (!farewell->was_shown || !doc_can_diff(doc) || doc->listener.changed == NULL) return;
    struct ordo_buffer now = {0}, op = {0};
    doc_write_visible(doc, &now);
    ordo_client_text_diff(ordo_buffer_slice(&farewell->shown), ordo_buffer_slice(&now), &op);
    if (op.size > 0) doc->listener.changed(doc->user, doc, ordo_buffer_slice(&op));
    ordo_buffer_finish(&now);
    ordo_buffer_finish(&op);
}

static void farewell_end(struct ordo_client_doc *doc, struct farewell *farewell,
                         const struct ordo_client_given_back *given) {
    tell_changed(doc, farewell);
    if (farewell->has_edits && doc->listener.given_back != NULL) {
        struct ordo_client_given_back full = *given;
        full.op = ordo_buffer_slice(&farewell->op);
        full.content = ordo_buffer_slice(&farewell->shown);
        if (doc->type == &ordo_type_text) full.inserted = text_op_trusted(full.op).text;
        doc->listener.given_back(doc->user, doc, &full);
    }
    ordo_buffer_finish(&farewell->op);
    ordo_buffer_finish(&farewell->shown);
}

void doc_give_back(struct ordo_client_doc *doc, enum ordo_client_give_back_reason reason, uint32_t code,
                   struct ordo_slice message) {
    struct farewell farewell = farewell_begin(doc);
    bool has_created = doc->in_flight.is_set && doc->in_flight.kind == ORDO_CLIENT_CREATE;
    doc_drop_edits(doc);
    doc_presence_forget(doc);
    farewell_end(doc, &farewell,
                 &(struct ordo_client_given_back){.reason = reason, .code = code, .message = message});
    if (has_created) doc_give_back_created(doc, reason, code, message);
}

void doc_give_back_created(struct ordo_client_doc *doc, enum ordo_client_give_back_reason reason, uint32_t code,
                           struct ordo_slice message) {
    struct farewell farewell = {0}; /* nothing of it was ever shown */
    ordo_buffer_append_slice(&farewell.op, doc_created_content(doc));
    farewell.has_edits = farewell.op.size > 0;
    farewell_end(doc, &farewell,
                 &(struct ordo_client_given_back){.reason = reason, .code = code, .message = message});
}

void doc_replace_content(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, uint64_t seq,
                         uint64_t lineage, bool deleted, enum ordo_client_give_back_reason reason) {
    struct farewell farewell = farewell_begin(doc);
    /* An edit will be refused for sure, a delete or create will not. */
    bool keeps_flight = doc->in_flight.is_set && doc->in_flight.kind != ORDO_CLIENT_EDIT;
    set_content(doc, content, length, seq);
    doc->lineage = lineage;
    doc->is_deleted = deleted;
    doc_drop_edits(doc);
    doc->in_flight.is_set = doc->in_flight.is_overtaken = keeps_flight;
    doc_presence_forget(doc);
    farewell_end(doc, &farewell, &(struct ordo_client_given_back){.reason = reason});
}

/* --- merging ---------------------------------------------------------------------------------------------------- */

/* Without content there is nothing to compare: edits that the server has not got are given back. */
static void take_blindly(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, uint64_t seq) {
    struct farewell farewell = farewell_begin(doc);
    doc_drop_edits(doc);
    set_content(doc, content, length, seq);
    doc->visible_length = length;
    farewell_end(doc, &farewell, &(struct ordo_client_given_back){.reason = ORDO_CLIENT_UNMERGEABLE});
}

bool doc_guess_own_is_in(const struct ordo_client_doc *doc, const struct ordo_content *content) {
    struct ordo_buffer before = {0}, op = {0}, now = {0};
    doc->type->content_write(doc->content, &before);
    doc->type->live_encode(doc->in_flight.live, &op);
    doc->type->content_write(content, &now);
    bool is_in = ordo_client_text_holds(ordo_buffer_slice(&before), ordo_buffer_slice(&op), ordo_buffer_slice(&now));
    ordo_buffer_finish(&before);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&now);
    return is_in;
}

void doc_tell_guessed(struct ordo_client_doc *doc, bool is_saved) {
    if (doc->listener.guessed == NULL) return;
    struct ordo_slice op = ordo_buffer_slice(&doc->in_flight.frozen); /* stays until the next op is frozen */
    struct ordo_client_guess guess = {.is_saved = is_saved,
                                      .client_seq = doc->in_flight.client_seq,
                                      .op = op,
                                      .inserted = text_op_trusted(op).text};
    doc->listener.guessed(doc->user, doc, &guess);
}

void doc_merge_content(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, uint64_t seq,
                       bool own_is_in_it) {
    struct ordo_buffer before = {0}, after = {0}, difference = {0};
    bool can_merge = doc_can_diff(doc);
    /* From the old record the same merge could be made again, but of a later content: with another outcome, maybe. */
    if (doc->in_flight.is_set || doc_has_pending(doc)) doc->is_record_due = true;
    if (own_is_in_it) {
        /* What the others did is the difference to confirmed with our op, which pending was made on. The old
         * content is of no further use, so the op goes right into it; where it no longer fits, the difference just
         * gets larger. */
        if (can_merge) (void)!doc->type->content_apply(doc->content, doc_in_flight_now(doc));
        doc->in_flight.is_set = false;
    }
    if (!can_merge) {
        take_blindly(doc, content, length, seq);
        return;
    }
    doc->type->content_write(doc->content, &before);
    doc->type->content_write(content, &after);
    set_content(doc, content, length, seq);
    ordo_client_text_diff(ordo_buffer_slice(&before), ordo_buffer_slice(&after), &difference);
    ordo_buffer_finish(&before);
    ordo_buffer_finish(&after);
    /* Nobody's op: it goes left at every tie, whatever hints our inserts carry. */
    doc_show(doc, ordo_buffer_slice(&difference), ordo_slice(NULL, 0));
    doc->in_flight.is_inexact = true;
    ordo_buffer_finish(&difference);
}

bool doc_accept_other_body(struct ordo_client_doc *doc, struct ordo_slice op) {
    uint64_t length;
    if (doc->type->validate(op, doc->length, &length) != ORDO_OP_VALID) return false;
    if (!doc_can_diff(doc)) {
        if (doc->content != NULL && doc->type->content_apply(doc->content, op) != ORDO_OK) return false;
        doc->in_flight.is_set = false;
        doc->length = length;
        if (doc_has_pending(doc)) doc_give_back(doc, ORDO_CLIENT_UNMERGEABLE, 0, ordo_slice(NULL, 0));
        doc->visible_length = length;
        return true;
    }
    /* Pending stands on confirmed with our body, which is not what it stands on now. */
    struct ordo_buffer ours = {0}, theirs = {0}, difference = {0};
    struct ordo_content *expected = doc->type->content_create();
    doc->type->content_write(doc->content, &ours);
    bool ok = doc->type->content_append(expected, ordo_buffer_slice(&ours)) == ORDO_OK &&
              doc->type->content_apply(expected, doc_in_flight_now(doc)) == ORDO_OK &&
              doc->type->content_apply(doc->content, op) == ORDO_OK;
    if (ok) {
        ordo_buffer_clear(&ours);
        doc->type->content_write(expected, &ours);
        doc->type->content_write(doc->content, &theirs);
        ordo_client_text_diff(ordo_buffer_slice(&ours), ordo_buffer_slice(&theirs), &difference);
        doc->in_flight.is_set = false;
        doc->length = length;
        doc_show(doc, ordo_buffer_slice(&difference), ordo_slice(NULL, 0));
    }
    doc->type->content_destroy(expected);
    ordo_buffer_finish(&ours);
    ordo_buffer_finish(&theirs);
    ordo_buffer_finish(&difference);
    return ok;
}
