#include "gateway/core/parts.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/peer.h"
#include "gateway/core/resync.h"
#include "gateway/core/source.h"
#include "gateway/core/subscriber.h"

enum {
    FIELD_OPENED = 4, /* ServerMessage.body */
    FIELD_HISTORY = 9,
    OPENED_CONTENT = 5, /* Opened */
    OPENED_MORE = 13,
    HISTORY_CONTENT = 2, /* History */
    HISTORY_MORE = 5,
    CONTENT_SEQ = 1, /* Content */
    CONTENT_TEXT = 2,
    CONTENT_DELETED = 3,
    WIRE_SIZED = 2,
};

struct gateway_stream {
    struct gateway_list in_conn, in_peer;
    struct gateway_conn *conn;
    struct gateway_peer *peer;
    struct gateway_subscriber *subscriber; /* of an Opened; NULL for a History */
    uint32_t handle, request;
    struct ordo_buffer head; /* the fields that stand in every part */
    bool has_content, content_is_begun, content_is_deleted, is_complete;
    uint64_t content_seq;
    uint32_t content_field;
    struct gateway_source content, ops;
    struct gateway_outbox held;
};

/* Whether the next part can be made from what is there. */
static bool stream_is_ready(const struct gateway_stream *stream) {
    if (!gateway_source_is_done(&stream->content))
        return gateway_source_is_fetched(&stream->content) ||
               gateway_source_ready(&stream->content) >= ORDO_PART_SIZE_MAX / 2;
    if (!gateway_source_is_done(&stream->ops))
        return gateway_source_cut_ops(&stream->ops, ORDO_PART_SIZE_MAX) > 0;
    return true;
}

/* Has the next piece come while the present part is read. */
static void stream_fetch(struct ordo_gateway *gateway, struct gateway_stream *stream) {
    struct gateway_source *source =
        !gateway_source_is_done(&stream->content) ? &stream->content : &stream->ops;
    bool is_ready = stream_is_ready(stream);
    if (!is_ready || gateway_source_ready(source) < ORDO_PART_SIZE_MAX) gateway_source_fetch(source);
    if (!is_ready &&
        gateway_source_is_fetched(source)) /* all is there, and yet it ends in the middle of an op */
        gateway_conn_close(gateway, stream->conn, GATEWAY_CLOSE_INTERNAL, "the shard's answer is damaged");
}

static void write_content(struct gateway_stream *stream, size_t size, struct ordo_buffer *out) {
    struct ordo_buffer fields = {0};
    ordo_field_append_varint(&fields, CONTENT_SEQ, stream->content_seq);
    struct ordo_slice bytes = ordo_slice(gateway_source_bytes(&stream->content).data, size);
    if (size > 0) ordo_field_append_bytes(&fields, stream->content_field, bytes);
    ordo_field_append_varint(&fields, CONTENT_DELETED, stream->content_is_deleted);
    ordo_field_append_bytes(out, stream->subscriber ? OPENED_CONTENT : HISTORY_CONTENT,
                            ordo_buffer_slice(&fields));
    ordo_buffer_finish(&fields);
    gateway_source_use(&stream->content, size);
    stream->content_is_begun = true;
}

/* Makes the next part; true when it is the last. */
static bool write_part(struct ordo_gateway *gateway, struct gateway_stream *stream,
                       struct gateway_payload **out) {
    struct ordo_buffer part = {0};
    ordo_buffer_append_slice(&part, ordo_buffer_slice(&stream->head));
    size_t size = 0;
    if (stream->has_content && (!stream->content_is_begun || !gateway_source_is_done(&stream->content))) {
        size = gateway_source_cut_text(&stream->content, ORDO_PART_SIZE_MAX);
        write_content(stream, size, &part);
    }
    if (gateway_source_is_done(&stream->content) && size < ORDO_PART_SIZE_MAX) {
        size_t ops_size = gateway_source_cut_ops(&stream->ops, ORDO_PART_SIZE_MAX - size);
        bool fits = size == 0 || size + ops_size <= ORDO_PART_SIZE_MAX;
        if (ops_size > 0 && fits) {
            ordo_buffer_append(&part, gateway_source_bytes(&stream->ops).data, ops_size);
            gateway_source_use(&stream->ops, ops_size);
        }
    }
    bool is_last = gateway_source_is_done(&stream->content) && gateway_source_is_done(&stream->ops);
    ordo_field_append_varint(&part, stream->subscriber ? OPENED_MORE : HISTORY_MORE, !is_last);
    ordo_buffer_clear(&gateway->scratch);
    ordo_buffer_append_varint(&gateway->scratch,
                              (stream->subscriber ? FIELD_OPENED : FIELD_HISTORY) << 3 | WIRE_SIZED);
    ordo_buffer_append_varint(&gateway->scratch, part.size);
    *out = gateway_payload_create(ordo_buffer_slice(&gateway->scratch), ordo_buffer_slice(&part));
    ordo_buffer_finish(&part);
    return is_last;
}

static void stream_free(struct gateway_stream *stream) {
    stream->conn->held_size -= stream->held.size;
    if (stream->subscriber == NULL) stream->conn->history_stream_count--;
    gateway_list_remove(&stream->in_conn);
    gateway_list_remove(&stream->in_peer);
    gateway_source_finish(&stream->content);
    gateway_source_finish(&stream->ops);
    ordo_buffer_finish(&stream->head);
    gateway_outbox_finish(&stream->held);
    free(stream);
}

/* The last part is out: what was held follows. */
static void stream_end(struct ordo_gateway *gateway, struct gateway_stream *stream) {
    struct gateway_conn *conn = stream->conn;
    struct gateway_subscriber *subscriber = stream->subscriber;
    bool is_complete = stream->is_complete;
    conn->held_size -= stream->held.size;
    gateway_outbox_move(&conn->outbox, &stream->held);
    stream_free(stream);
    if (subscriber != NULL) gateway_subscriber_streamed(gateway, subscriber, is_complete);
}

static struct gateway_entry entry_of(const struct gateway_stream *stream, struct gateway_payload *payload) {
    return (struct gateway_entry){
        .payload = payload, .doc = stream->handle, .request = stream->request, .kind = GATEWAY_ENTRY_PART};
}

/* A short answer goes straight into the outbox; a long one is made as the socket drains. */
static void stream_start(struct ordo_gateway *gateway, struct gateway_stream *stream) {
    bool is_short = gateway_source_is_fetched(&stream->content) && gateway_source_is_fetched(&stream->ops) &&
                    stream->content.size + stream->ops.size <= ORDO_PART_SIZE_MAX;
    if (!is_short) {
        stream_fetch(gateway, stream);
        gateway_conn_announce(gateway, stream->conn);
        return;
    }
    struct gateway_payload *payload;
    bool is_last = write_part(gateway, stream, &payload);
    gateway_conn_push_answer(gateway, stream->conn, entry_of(stream, payload));
    if (is_last)
        stream_end(gateway, stream);
    else
        stream_fetch(gateway, stream);
}

static struct gateway_stream *stream_create(struct gateway_subscriber *subscriber,
                                            const Ordo__Cluster__V1__Bulk *content,
                                            const Ordo__Cluster__V1__Bulk *ops) {
    struct gateway_stream *stream = ordo_alloc(sizeof *stream);
    stream->conn = subscriber->conn;
    stream->peer = gateway_doc_peer(subscriber->doc);
    stream->handle = subscriber->handle;
    stream->is_complete = true;
    gateway_list_init(&stream->in_conn);
    gateway_list_append(&stream->conn->streams, &stream->in_conn);
    gateway_list_init(&stream->in_peer);
    gateway_list_append(&stream->peer->streams, &stream->in_peer);
    gateway_source_init(&stream->content, stream, stream->peer, content);
    gateway_source_init(&stream->ops, stream, stream->peer, ops);
    return stream;
}

void gateway_stream_start_opened(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                 const Ordo__Cluster__V1__Attached *from) {
    Ordo__V1__Opened opened = ORDO__V1__OPENED__INIT;
    opened.collection = ordo_binary_of_slice(gateway_doc_collection(subscriber->doc));
    opened.id = ordo_binary_of_slice(gateway_doc_id(subscriber->doc));
    opened.type = from->type;
    opened.head = from->head;
    opened.last_client_seq = from->last_client_seq;
    opened.last_client_server_seq = from->last_client_server_seq;
    /* ADMIN is no word of the wire: who may forget may write, and a client need not know more. */
    opened.permission = subscriber->told_access < ORDO_ACCESS_WRITE ? (Ordo__V1__Permission)subscriber->told_access
                                                                     : ORDO__V1__PERMISSION__WRITE;
    opened.viewer = from->viewer && opened.permission == ORDO__V1__PERMISSION__WRITE;
    if (opened.viewer) opened.permission = ORDO__V1__PERMISSION__READ;
    opened.created = from->created;
    opened.horizon = from->horizon;
    opened.lineage = from->lineage;
    opened.forgotten_seq = from->forgotten_seq;
    if (subscriber->is_bare) opened.created_seq = from->created_seq;
    struct gateway_stream *stream =
        stream_create(subscriber, from->has_content ? from->content : NULL, from->ops);
    stream->subscriber = subscriber;
    stream->request = subscriber->request;
    stream->has_content = from->has_content;
    stream->content_seq = from->content_seq;
    stream->content_is_deleted = from->content_deleted;
    stream->content_field = from->content_field ? from->content_field : CONTENT_TEXT;
    ordo_message_encode(&opened.base, &stream->head);
    subscriber->stream = stream;
    stream_start(gateway, stream);
}

void gateway_stream_start_history(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                  const Ordo__Cluster__V1__HistoryAnswer *from) {
    Ordo__V1__History history = ORDO__V1__HISTORY__INIT;
    history.horizon = from->horizon;
    history.head = from->head;
    history.begin_seq = from->begin_seq;
    history.forgotten_seq = from->forgotten_seq;
    history.timestamp_ms = from->timestamp_ms;
    history.created_seq = from->created_seq;
    history.deleted_seq = from->deleted_seq;
    struct gateway_stream *stream =
        stream_create(subscriber, from->has_content ? from->content : NULL, from->ops);
    stream->request = from->request;
    stream->conn->history_stream_count++;
    stream->has_content = from->has_content;
    stream->content_seq = from->content_seq;
    stream->content_is_deleted = from->content_deleted;
    stream->content_field = from->content_field ? from->content_field : CONTENT_TEXT;
    ordo_message_encode(&history.base, &stream->head);
    stream_start(gateway, stream);
}

void gateway_stream_destroy(struct ordo_gateway *gateway, struct gateway_stream *stream) {
    if (stream->subscriber != NULL) {
        stream->subscriber->stream = NULL;
        gateway_resync_let_conn(gateway, stream->conn);
    }
    stream_free(stream);
}

struct gateway_stream *gateway_stream_of(struct gateway_list *in_conn) {
    return GATEWAY_LIST_ITEM(in_conn, struct gateway_stream, in_conn);
}

void gateway_stream_cut(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    GATEWAY_LIST_EACH(&peer->streams, link) {
        gateway_conn_close(gateway, GATEWAY_LIST_ITEM(link, struct gateway_stream, in_peer)->conn,
                           GATEWAY_CLOSE_RESTART, "the shard went away in the middle of an answer");
    }
}

static void release_bulk(struct gateway_peer *peer, const Ordo__Cluster__V1__Bulk *bulk) {
    if (bulk != NULL && bulk->bytes.len != bulk->size) gateway_peer_release_bulk(peer, bulk->id);
}

void gateway_stream_release_bulks(struct gateway_peer *peer, const Ordo__Cluster__V1__Bulk *content,
                                  const Ordo__Cluster__V1__Bulk *ops) {
    release_bulk(peer, content);
    release_bulk(peer, ops);
}

void gateway_stream_hold(struct gateway_stream *stream, struct gateway_entry entry) {
    ORDO_ASSERT(stream->is_complete || !gateway_entry_is_droppable(&entry));
    stream->conn->held_size += gateway_entry_size(&entry);
    gateway_outbox_push(&stream->held, entry);
}

bool gateway_stream_has_handle(const struct gateway_stream *stream, uint32_t handle) {
    return stream->handle == handle;
}

void gateway_stream_set_incomplete(struct gateway_stream *stream) {
    stream->is_complete = false;
}
bool gateway_stream_is_complete(const struct gateway_stream *stream) {
    return stream->is_complete;
}

void gateway_stream_drop_held(struct ordo_gateway *gateway, struct gateway_stream *stream) {
    stream->conn->held_size -= stream->held.size;
    gateway->stats.messages_dropped += gateway_outbox_drop(&stream->held);
    stream->conn->held_size += stream->held.size;
}

static struct gateway_stream *ready_stream(const struct gateway_conn *conn) {
    for (struct gateway_list *link = conn->streams.next; link != &conn->streams; link = link->next)
        if (stream_is_ready(gateway_stream_of(link))) return gateway_stream_of(link);
    return NULL;
}

bool gateway_stream_is_ready(const struct gateway_conn *conn) {
    return ready_stream(conn) != NULL;
}

bool gateway_stream_output(struct ordo_gateway *gateway, struct gateway_conn *conn,
                           struct ordo_buffer *frame) {
    struct gateway_stream *stream = ready_stream(conn);
    if (stream == NULL) return false;
    struct gateway_payload *payload;
    bool is_last = write_part(gateway, stream, &payload);
    struct gateway_entry entry = entry_of(stream, payload);
    gateway_entry_write(&entry, frame);
    gateway_payload_release(payload);
    if (is_last) {
        stream_end(gateway, stream);
        return true;
    }
    gateway_list_append(&conn->streams, &stream->in_conn); /* the others take their turn */
    stream_fetch(gateway, stream);
    return true;
}

void gateway_stream_piece(struct ordo_gateway *gateway, struct gateway_peer *peer,
                          const Ordo__Cluster__V1__Piece *piece) {
    struct gateway_source *source = gateway_source_waiting(peer, piece);
    if (source == NULL) return;
    struct gateway_stream *stream = source->stream;
    if (stream->conn->state == GATEWAY_CONN_CLOSING) return;
    if (!gateway_source_take(source, piece)) {
        gateway_conn_close(gateway, stream->conn, GATEWAY_CLOSE_TRY_LATER,
                           "the answer took too long to read; connect and ask again");
        return;
    }
    stream_fetch(gateway, stream);
    gateway_conn_announce(gateway, stream->conn);
}
