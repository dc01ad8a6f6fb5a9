/* Opened, asked for or not, in parts (docs/protocol.md, "Opening" and "Resync"), and how an opening ends. */
#include "client/c/core/doc_internal.h"

enum { OPEN_RETRY_MS = 500 };

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

/* The server forgets authors who have not written for long. One whose op in flight was based on what came after the
 * newest op of all that it forgot would not be among them: that op is not committed. For any other op nobody knows. */
static bool author_is_forgotten(const struct ordo_client_doc *doc) {
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

static void merge(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, bool is_doubtful) {
    const struct doc_answer *answer = &doc->answer;
    uint64_t client_seq = doc->in_flight.client_seq;
    bool is_in = is_doubtful ? doc_guess_own_is_in(doc, content) : own_is_in_content(doc);
    doc_merge_content(doc, content, length, answer->content_seq, is_in);
    /* If it is not in the content, it may yet be among the ops that follow. */
    doc->in_flight.is_doubtful = is_doubtful && !is_in;
    if (!is_in) return;
    if (is_doubtful) doc_tell_guessed(doc, true);
    else doc_tell_acked(doc, client_seq, answer->header.last_client_server_seq);
}

/* All parts of the content are there: it becomes confirmed. False: it ends inside a code point, and is none. */
static bool answer_install(struct ordo_client_doc *doc) {
    struct doc_answer *answer = &doc->answer;
    struct ordo_content *content = answer->content;
    if (!doc->type->content_is_whole(content)) return false;
    answer->content = NULL;
    answer->is_installed = true;
    uint64_t length = doc->type->content_length(content);
    if (doc->is_light) {
        doc->type->content_destroy(content);
        content = NULL;
    }
    doc_presence_forget(doc);
    bool is_related = doc->has_content && !doc->is_deleted && !answer->content_deleted &&
                      answer->header.lineage == doc->lineage;
    bool is_doubtful = is_related && author_is_forgotten(doc);
    bool is_mergeable = is_related && !doc_is_reshaping(doc) && (!is_doubtful || doc_can_diff(doc));
    if (is_mergeable) {
        merge(doc, content, length, is_doubtful);
        return true;
    }
    enum ordo_client_give_back_reason reason = answer->content_deleted ? ORDO_CLIENT_GONE
                                               : is_doubtful           ? ORDO_CLIENT_FATE_UNKNOWN
                                                                       : ORDO_CLIENT_REPLACED;
    doc_replace_content(doc, content, length, answer->content_seq, answer->header.lineage, answer->content_deleted,
                        reason);
    return true;
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
    if (flight->is_overtaken && (header->last_client_seq >= flight->client_seq || author_is_forgotten(doc))) {
        flight->is_set = false;
        if (header->last_client_seq == flight->client_seq)
            doc_tell_acked(doc, flight->client_seq, header->last_client_server_seq);
        return;
    }
    if (header->last_client_seq >= flight->client_seq) {
        /* Committed, says the server, but neither in what we lacked nor known here as ours: two instances under one
         * client_id, or a damaged record. To send it again or to drop it might both be wrong. */
        doc_give_back(doc, ORDO_CLIENT_FATE_UNKNOWN, 0, ordo_slice(NULL, 0));
        return;
    }
    /* That the author is forgotten leaves no doubt where all ops from its base on have passed by here: it is in none of
     * them. Only content in their place does.
     * Below the horizon it can never commit as it is. (Otherwise it may even now be on its way in.) */
    bool is_doubtful = flight->is_doubtful;
    if (flight->base_seq < header->horizon || is_doubtful) flight->is_refused = true;
    if (flight->is_refused) doc_unfreeze(doc);
    flight->is_sent = false;
    if (is_doubtful) doc_tell_guessed(doc, false);
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
    doc->is_viewer = header->viewer;
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
        if (answer->has_content && !answer->is_installed && !answer_install(doc)) return false;
        if (!doc_place(doc, &op)) return true; /* it said itself what is to be done */
    }
    if (part->more) return true;
    if (answer->has_content && !answer->is_installed && !answer_install(doc)) return false;
    answer_end(doc);
    return true;
}

void ordo_client_doc_opened(struct ordo_client_doc *doc, const struct ordo_wire_opened *part) {
    if (doc_is_deaf(doc) || doc->need == DOC_NEEDS_REOPEN) return;
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
    /* 409: the document was closed here and opened again before the first Open was answered; it will be left soon. */
    bool may_retry = error->code == 409 || error->code == 429 || error->code == 503;
    if (may_retry) doc->retry_at_ms = now_ms + OPEN_RETRY_MS;
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
