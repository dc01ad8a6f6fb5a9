/* What arrives once the connection is ready, sorted to documents and requests. */
#include <stdio.h>

#include "client/c/core/connection_internal.h"
#include "client/c/core/doc_internal.h"
#include "common/limits.h"

static struct ordo_client_doc *doc_by_request(const struct ordo_client_connection *connection, uint32_t request) {
    for (size_t i = 0; request != 0 && i < connection->doc_count; i++) {
        if (connection->docs[i]->open_request == request) return connection->docs[i];
    }
    return NULL;
}

static void opened(struct ordo_client_connection *connection, const struct ordo_wire_message *message) {
    struct ordo_client_doc *doc = connection_doc_by_handle(connection, message->doc);
    if (doc == NULL) {
        doc = doc_by_request(connection, message->request);
        if (doc == NULL) {
            /* Closed here before the answer came. An unasked one for a handle that was left needs no answer. */
            bool is_answer = message->request != 0 && message->doc != 0;
            if (is_answer && !message->opened.more) ordo_wire_write_leave(&connection->out, message->doc);
            return;
        }
        if (doc->handle != 0 || !connection_bind(connection, doc, message->doc)) {
            connection_close(connection, CLOSE_PROTOCOL_ERROR);
            return;
        }
    }
    if (!message->opened.more && message->request == doc->open_request) doc->open_request = 0;
    ordo_client_doc_opened(doc, &message->opened);
    connection_queue(connection, doc);
}

/* --- history ---------------------------------------------------------------------------------------------------- */

static enum ordo_client_op_kind kind_of(uint32_t op_field) {
    if (op_field == ORDO_WIRE_OP_DELETE) return ORDO_CLIENT_DELETE;
    return op_field == ORDO_WIRE_OP_CREATE ? ORDO_CLIENT_CREATE : ORDO_CLIENT_EDIT;
}

static size_t collect_ops(struct ordo_client_connection *connection, struct ordo_slice body) {
    struct ordo_reader reader = ordo_reader(body);
    struct ordo_wire_committed op;
    size_t count = 0;
    while (ordo_wire_next_op(&reader, ORDO_WIRE_HISTORY_OPS, &op)) {
        connection->history_ops = connection_grow(connection->history_ops, count, &connection->history_op_capacity,
                                                  sizeof *connection->history_ops);
        connection->history_ops[count++] = (struct ordo_client_commit){.server_seq = op.server_seq,
                                                                       .client_id = op.client_id,
                                                                       .client_seq = op.client_seq,
                                                                       .base_seq = op.base_seq,
                                                                       .timestamp_ms = op.timestamp_ms,
                                                                       .user = op.user,
                                                                       .kind = kind_of(op.op_field),
                                                                       .op = op.op};
    }
    return count;
}

/* Takes the request out before it is told: its listener may ask for more. */
static bool take_asked(struct ordo_client_connection *connection, uint32_t request, bool is_last,
                         struct asked *out) {
    for (size_t i = 0; i < connection->asked_count; i++) {
        if (connection->asked[i].request != request) continue;
        *out = connection->asked[i];
        if (is_last) connection->asked[i] = connection->asked[--connection->asked_count];
        return true;
    }
    return false;
}

static void history(struct ordo_client_connection *connection, const struct ordo_wire_message *message) {
    const struct ordo_wire_history *part = &message->history;
    struct asked request;
    if (!take_asked(connection, message->request, !part->more, &request)) return;
    size_t count = collect_ops(connection, part->body);
    if (request.history == NULL) return; /* an answer to something else */
    request.history(request.user, &(struct ordo_client_history){.ops = connection->history_ops,
                                                                 .op_count = count,
                                                                 .has_content = part->content.is_present,
                                                                 .content_seq = part->content.seq,
                                                                 .content_deleted = part->content.deleted,
                                                                 .content = part->content.bytes,
                                                                 .content_timestamp_ms = part->timestamp_ms,
                                                                 .content_created_seq = part->created_seq,
                                                                 .content_deleted_seq = part->deleted_seq,
                                                                 .begin_seq = part->begin_seq,
                                                                 .forgotten_seq = part->forgotten_seq,
                                                                 .horizon = part->horizon,
                                                                 .head = part->head,
                                                                 .more = part->more});
}

static void tell_failed(const struct asked *request, uint32_t code, struct ordo_slice message) {
    if (request->history != NULL) {
        request->history(request->user, &(struct ordo_client_history){.error_code = code, .error_message = message});
        return;
    }
    struct ordo_client_forgotten forgotten = {.error_code = code};
    snprintf(forgotten.error_message, sizeof forgotten.error_message, "%.*s", (int)message.size, (const char *)message.data);
    request->forgotten(request->user, &forgotten);
}

static void forgotten(struct ordo_client_connection *connection, const struct ordo_wire_message *message) {
    struct asked request;
    if (!take_asked(connection, message->request, true, &request) || request.forgotten == NULL) return;
    request.forgotten(request.user, &(struct ordo_client_forgotten){.head = message->forgotten_head});
}

void connection_fail_asked(struct ordo_client_connection *connection, const struct ordo_client_doc *doc,
                             uint32_t code, struct ordo_slice message) {
    for (size_t i = 0; i < connection->asked_count;) {
        struct asked request = connection->asked[i];
        if (doc != NULL && request.doc != doc) {
            i++;
            continue;
        }
        connection->asked[i] = connection->asked[--connection->asked_count];
        tell_failed(&request, code, message);
    }
}

/* False: the document is not open now. */
static bool ask(struct ordo_client_connection *connection, struct asked asked) {
    if (connection->state != ORDO_CLIENT_READY || asked.doc->handle == 0) return false;
    asked.request = connection_next_request(connection);
    connection->asked =
        connection_grow(connection->asked, connection->asked_count, &connection->asked_capacity, sizeof *connection->asked);
    connection->asked[connection->asked_count++] = asked;
    connection_wake(connection);
    return true;
}

ordo_err ordo_client_connection_forget(struct ordo_client_connection *connection, struct ordo_client_doc *doc,
                                       uint64_t lineage, ordo_client_forgotten_listener listener, void *user) {
    if (!ask(connection, (struct asked){.doc = doc, .forgotten = listener, .user = user})) return ORDO_ERR_UNAVAILABLE;
    ordo_wire_write_forget(&connection->out, connection->next_request, doc->handle, lineage);
    return ORDO_OK;
}

ordo_err ordo_client_connection_read_history(struct ordo_client_connection *connection, struct ordo_client_doc *doc,
                                             const struct ordo_client_history_request *request,
                                             ordo_client_history_listener listener, void *user) {
    if (!ask(connection, (struct asked){.doc = doc, .history = listener, .user = user})) return ORDO_ERR_UNAVAILABLE;
    bool by_time = request->content && request->at_seq == 0 && request->at_time_ms != 0;
    ordo_wire_write_read_history(&connection->out, connection->next_request, doc->handle,
                                 &(struct ordo_wire_read_history){.from_seq = request->from_seq,
                                                                  /* On the wire a range has an end. */
                                                                  .to_seq = request->to_seq ? request->to_seq
                                                                                            : ORDO_NUMBER_MAX,
                                                                  .at_seq = request->at_seq,
                                                                  .at_time_ms = request->at_time_ms,
                                                                  .has_at_seq = request->content && !by_time,
                                                                  .has_at_time = by_time});
    return ORDO_OK;
}

void ordo_client_connection_cancel(struct ordo_client_connection *connection, const void *user) {
    for (size_t i = 0; i < connection->asked_count;) {
        if (connection->asked[i].user == user)
            connection->asked[i] = connection->asked[--connection->asked_count];
        else i++;
    }
}

/* --- errors ----------------------------------------------------------------------------------------------------- */

static void error(struct ordo_client_connection *connection, const struct ordo_wire_message *message) {
    struct ordo_client_doc *doc = doc_by_request(connection, message->request);
    struct ordo_client_doc *ended = message->request == 0 ? connection_doc_by_handle(connection, message->doc) : NULL;
    struct asked request;
    if (ended != NULL) {
        connection_leave(connection, ended); /* should it be open after all, it is not in the way of the next Open */
        ordo_client_doc_ended(ended, connection->now_ms);
        connection_queue(connection, ended);
    } else if (doc != NULL) {
        doc->open_request = 0;
        if (doc->handle != 0) connection_unbind(connection, doc); /* refused after its first part */
        ordo_client_doc_open_refused(doc, &message->error, connection->now_ms);
        connection_queue(connection, doc);
    } else if (message->request != 0 && take_asked(connection, message->request, true, &request)) {
        tell_failed(&request, message->error.code, message->error.message);
    } else if (connection->options.error != NULL) {
        connection->options.error(connection->options.user, message->error.code, message->error.message);
    }
}

void connection_dispatch(struct ordo_client_connection *connection, const struct ordo_wire_message *message) {
    struct ordo_client_doc *doc;
    switch (message->kind) {
    case ORDO_WIRE_COMMITTED:
        doc = connection_doc_by_handle(connection, message->doc);
        if (doc == NULL) return; /* left meanwhile */
        ordo_client_doc_committed(doc, &message->committed);
        connection_queue(connection, doc);
        break;
    case ORDO_WIRE_ACK:
        doc = connection_doc_by_handle(connection, message->doc);
        if (doc == NULL) return;
        ordo_client_doc_ack(doc, &message->ack);
        connection_queue(connection, doc);
        break;
    case ORDO_WIRE_NACK:
        doc = connection_doc_by_handle(connection, message->doc);
        if (doc == NULL) return;
        ordo_client_doc_nack(doc, &message->nack, connection->now_ms);
        connection_queue(connection, doc);
        break;
    case ORDO_WIRE_PRESENCE:
        doc = connection_doc_by_handle(connection, message->doc);
        if (doc != NULL) ordo_client_doc_presence(doc, &message->presence);
        break;
    case ORDO_WIRE_STATUS:
        doc = connection_doc_by_handle(connection, message->doc);
        if (doc != NULL) ordo_client_doc_document_status(doc, &message->status);
        break;
    case ORDO_WIRE_OPENED: opened(connection, message); break;
    case ORDO_WIRE_HISTORY: history(connection, message); break;
    case ORDO_WIRE_FORGOTTEN: forgotten(connection, message); break;
    case ORDO_WIRE_ERROR: error(connection, message); break;
    case ORDO_WIRE_GO_AWAY:
        connection->go_away_ms = message->go_away.reconnect_after_ms + 1;
        connection_close(connection, CLOSE_GOING_AWAY);
        break;
    case ORDO_WIRE_WELCOME: /* only the first one counts */
    case ORDO_WIRE_PONG:    /* that something came is all that matters */
    case ORDO_WIRE_NONE: break;
    }
}
