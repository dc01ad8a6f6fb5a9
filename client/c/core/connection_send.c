/* What a connection has to say: each document that may want something is asked, and all of it is cut into frames. */
#include "client/c/core/connection_internal.h"
#include "client/c/core/doc_internal.h"
#include "common/assert.h"

enum ordo_client_wish ordo_client_connection_wish(const struct ordo_client_connection *connection, uint64_t now_ms) {
    if (connection->state == ORDO_CLIENT_CLOSING) return ORDO_CLIENT_WISH_CLOSE;
    bool is_due = connection->state == ORDO_CLIENT_WAITING && now_ms >= connection->reconnect_at_ms;
    return is_due ? ORDO_CLIENT_WISH_CONNECT : ORDO_CLIENT_WISH_NOTHING;
}

uint16_t ordo_client_connection_close_code(const struct ordo_client_connection *connection) {
    return connection->close_code;
}

void connection_leave(struct ordo_client_connection *connection, struct ordo_client_doc *doc) {
    if (doc->handle == 0) return;
    ordo_wire_write_leave(&connection->out, doc->handle);
    connection_unbind(connection, doc);
}

uint32_t connection_next_request(struct ordo_client_connection *connection) {
    if (++connection->next_request == ORDO_WIRE_REQUEST_PRESENCE) connection->next_request = 1;
    return connection->next_request;
}

static void open_doc(struct ordo_client_connection *connection, struct ordo_client_doc *doc) {
    ordo_client_doc_write_open(doc, connection_next_request(connection), &connection->out);
}

static void serve_doc(struct ordo_client_connection *connection, struct ordo_client_doc *doc) {
    switch (ordo_client_doc_wants(doc, connection->now_ms)) {
    case ORDO_CLIENT_DOC_NOTHING:
        if (doc->has_failed) connection_leave(connection, doc);
        else if (doc->handle != 0)
            ordo_client_doc_flush(doc, doc->handle, connection->op_size_max, !connection->is_renewing,
                                  connection->now_ms, &connection->out);
        break;
    case ORDO_CLIENT_DOC_OPEN: open_doc(connection, doc); break;
    case ORDO_CLIENT_DOC_REOPEN:
        connection_leave(connection, doc);
        open_doc(connection, doc);
        break;
    case ORDO_CLIENT_DOC_CLIENT_ID: connection->is_renewing = true; break;
    case ORDO_CLIENT_DOC_RECONNECT: connection_close(connection, CLOSE_PROTOCOL_ERROR); break;
    }
    connection_note_timer(connection, doc);
}

static void serve_queue(struct ordo_client_connection *connection) {
    /* A listener may queue more; those wait for the next call, which `wake` asks for. */
    size_t count = connection->queue_count;
    for (size_t i = 0; i < count && connection->state == ORDO_CLIENT_READY; i++) {
        connection->queue[i]->is_queued = false;
        serve_doc(connection, connection->queue[i]);
    }
    if (connection->state != ORDO_CLIENT_READY) {
        for (size_t i = 0; i < connection->queue_count; i++) connection->queue[i]->is_queued = false;
        connection->queue_count = 0;
        return;
    }
    connection->queue_count -= count;
    memmove(connection->queue, connection->queue + count, connection->queue_count * sizeof *connection->queue);
    if (connection->is_renewing && !connection_has_in_flight(connection)) connection_close(connection, CLOSE_NORMAL);
}

/* Bytes of the first messages in `out` that fit into one frame; at least one message. */
static size_t first_frame_size(const struct ordo_client_connection *connection) {
    const struct ordo_buffer *out = &connection->out;
    size_t taken = connection->out_taken;
    struct ordo_reader reader = ordo_reader(ordo_slice(out->data + taken, out->size - taken));
    const uint8_t *start = reader.next;
    size_t size = 0;
    while (ordo_reader_left(&reader) > 0) {
        uint64_t tag;
        struct ordo_slice message;
        bool ok = ordo_take_varint(&reader, &tag) && ordo_take_sized(&reader, &message);
        ORDO_ASSERT(ok); /* we wrote it */
        size_t with_this = (size_t)(reader.next - start);
        if (size > 0 && with_this > connection->frame_size_max) break;
        size = with_this;
    }
    return size;
}

struct ordo_slice ordo_client_connection_take_frame(struct ordo_client_connection *connection, uint64_t now_ms) {
    struct ordo_buffer *out = &connection->out;
    connection->now_ms = now_ms;
    connection->is_awake = false;
    if (connection->out_taken == out->size) {
        ordo_buffer_clear(out);
        connection->out_taken = 0;
    }
    if (connection->state == ORDO_CLIENT_READY && connection->queue_count > 0) serve_queue(connection);
    bool may_send = connection_has_socket(connection) && connection->state != ORDO_CLIENT_CLOSING;
    if (!may_send || out->size == connection->out_taken) return ordo_slice(NULL, 0);
    size_t left = out->size - connection->out_taken;
    size_t size = left <= connection->frame_size_max ? left : first_frame_size(connection);
    struct ordo_slice frame = ordo_slice(out->data + connection->out_taken, size);
    connection->out_taken += size;
    return frame;
}
