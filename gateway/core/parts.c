#include "gateway/core/parts.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/peer.h"
#include "gateway/core/resync.h"
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

/* One of the two blobs of an answer. */
struct source {
    uint64_t size;    /* of the whole blob */
    uint64_t fetched; /* bytes that have come */
    bool is_remote;   /* it lies at the shard, to be fetched and released */
    bool is_fetching;
    struct ordo_buffer ready; /* the newest of them; the first `used` are in parts already */
    size_t used;
    struct gateway_table_node by_bulk; /* in peer->streams_by_bulk, by the shard's id, if remote */
    struct gateway_stream *stream;
};

struct gateway_stream {
    struct gateway_list in_conn;
    struct gateway_conn *conn;
    struct gateway_peer *peer;
    struct gateway_subscriber *subscriber; /* of an Opened; NULL for a History */
    uint32_t handle, request;
    struct ordo_buffer head; /* the fields that stand in every part */
    bool has_content, content_is_begun, content_is_deleted, is_complete;
    uint64_t content_seq;
    uint32_t content_field;
    struct source content, ops;
    struct gateway_outbox held;
};

static size_t source_ready(const struct source *source) {
    return source->ready.size - source->used;
}
static bool source_is_fetched(const struct source *source) {
    return source->fetched == source->size;
}
static bool source_is_done(const struct source *source) {
    return source_is_fetched(source) && source_ready(source) == 0;
}

static void source_init(struct source *source, struct gateway_stream *stream,
                        const Ordo__Cluster__V1__Bulk *bulk) {
    source->stream = stream;
    if (bulk == NULL) return;
    source->size = bulk->size;
    if (bulk->bytes.len == bulk->size) {
        ordo_buffer_append_slice(&source->ready, ordo_slice_of_binary(bulk->bytes));
        source->fetched = bulk->size;
    } else {
        source->is_remote = true;
        gateway_table_insert(&stream->peer->streams_by_bulk, &source->by_bulk, bulk->id);
    }
}

static void source_finish(struct source *source) {
    if (source->is_remote) {
        gateway_table_remove(&source->stream->peer->streams_by_bulk, &source->by_bulk);
        gateway_peer_release_bulk(source->stream->peer, source->by_bulk.key);
    }
    ordo_buffer_finish(&source->ready);
}

/* Asks for the next piece once what is there is nearly used up. */
static void source_fetch(struct source *source) {
    if (source_is_fetched(source) || source->is_fetching) return;
    uint64_t left = source->size - source->fetched;
    uint32_t size = left < ORDO_PIECE_SIZE_MAX ? (uint32_t)left : ORDO_PIECE_SIZE_MAX;
    source->is_fetching = true;
    gateway_peer_fetch(source->stream->peer, source->by_bulk.key, source->fetched, size);
}

static void source_use(struct source *source, size_t size) {
    source->used += size;
    if (source->used < source->ready.size) return;
    ordo_buffer_clear(&source->ready);
    source->used = 0;
}

static struct ordo_slice source_bytes(const struct source *source) {
    if (source_ready(source) == 0) return ordo_slice(NULL, 0);
    return ordo_slice(source->ready.data + source->used, source_ready(source));
}

/* Bytes of content that fit in a part: all that is there if that is its end, else up to a code point's. */
static size_t content_cut(const struct source *source, size_t size_max) {
    struct ordo_slice bytes = source_bytes(source);
    if (source_is_fetched(source) && bytes.size <= size_max) return bytes.size;
    size_t size = bytes.size < size_max ? bytes.size : size_max;
    /* A code point whose end has not come yet is left for the next part as well. */
    size_t floor = size;
    while (floor > 0 && size - floor < 4) {
        uint8_t byte = bytes.data[--floor];
        if ((byte & 0xc0) == 0x80) continue;
        size_t length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        return floor + length <= size ? floor + length : floor;
    }
    return size; /* not text: may be cut anywhere */
}

/* Bytes of whole ops that fit in a part; at least one op if one is there in full. */
static size_t ops_cut(const struct source *source, size_t size_max) {
    struct ordo_slice bytes = source_bytes(source), field;
    struct ordo_reader reader = ordo_reader(bytes);
    size_t size = 0;
    uint64_t tag;
    while (ordo_take_varint(&reader, &tag) && ordo_take_sized(&reader, &field)) {
        size_t end = bytes.size - ordo_reader_left(&reader);
        if (end > size_max && size > 0) break;
        size = end;
        if (size >= size_max) break;
    }
    return size;
}

/* Whether the next part can be made from what is there. */
static bool stream_is_ready(const struct gateway_stream *stream) {
    if (!source_is_done(&stream->content))
        return source_is_fetched(&stream->content) ||
               source_ready(&stream->content) >= ORDO_PART_SIZE_MAX / 2;
    if (!source_is_done(&stream->ops)) return ops_cut(&stream->ops, ORDO_PART_SIZE_MAX) > 0;
    return true;
}

/* Has the next piece come while the present part is read. */
static void stream_fetch(struct ordo_gateway *gateway, struct gateway_stream *stream) {
    struct source *source = !source_is_done(&stream->content) ? &stream->content : &stream->ops;
    bool is_ready = stream_is_ready(stream);
    if (!is_ready || source_ready(source) < ORDO_PART_SIZE_MAX) source_fetch(source);
    if (!is_ready && source_is_fetched(source)) /* all is there, and yet it ends in the middle of an op */
        gateway_conn_close(gateway, stream->conn, GATEWAY_CLOSE_INTERNAL, "the shard's answer is damaged");
}

static void write_content(struct gateway_stream *stream, size_t size, struct ordo_buffer *out) {
    struct ordo_buffer fields = {0};
    ordo_field_append_varint(&fields, CONTENT_SEQ, stream->content_seq);
    struct ordo_slice bytes = ordo_slice(source_bytes(&stream->content).data, size);
    if (size > 0) ordo_field_append_bytes(&fields, stream->content_field, bytes);
    ordo_field_append_varint(&fields, CONTENT_DELETED, stream->content_is_deleted);
    ordo_field_append_bytes(out, stream->subscriber ? OPENED_CONTENT : HISTORY_CONTENT,
                            ordo_buffer_slice(&fields));
    ordo_buffer_finish(&fields);
    source_use(&stream->content, size);
    stream->content_is_begun = true;
}

/* Makes the next part; true when it is the last. */
static bool write_part(struct ordo_gateway *gateway, struct gateway_stream *stream,
                       struct gateway_payload **out) {
    struct ordo_buffer part = {0};
    ordo_buffer_append_slice(&part, ordo_buffer_slice(&stream->head));
    size_t size = 0;
    if (stream->has_content && (!stream->content_is_begun || !source_is_done(&stream->content))) {
        size = content_cut(&stream->content, ORDO_PART_SIZE_MAX);
        write_content(stream, size, &part);
    }
    if (source_is_done(&stream->content) && size < ORDO_PART_SIZE_MAX) {
        size_t ops_size = ops_cut(&stream->ops, ORDO_PART_SIZE_MAX - size);
        bool fits = size == 0 || size + ops_size <= ORDO_PART_SIZE_MAX;
        if (ops_size > 0 && fits) {
            ordo_buffer_append(&part, source_bytes(&stream->ops).data, ops_size);
            source_use(&stream->ops, ops_size);
        }
    }
    bool is_last = source_is_done(&stream->content) && source_is_done(&stream->ops);
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
    source_finish(&stream->content);
    source_finish(&stream->ops);
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
    bool is_short = source_is_fetched(&stream->content) && source_is_fetched(&stream->ops) &&
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
    stream->peer = subscriber->doc->peer;
    stream->handle = subscriber->handle;
    stream->is_complete = true;
    gateway_list_init(&stream->in_conn);
    gateway_list_append(&stream->conn->streams, &stream->in_conn);
    source_init(&stream->content, stream, content);
    source_init(&stream->ops, stream, ops);
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
    opened.permission = (Ordo__V1__Permission)subscriber->conn->permission;
    opened.created = from->created;
    opened.horizon = from->horizon;
    opened.lineage = from->lineage;
    opened.forgotten_seq = from->forgotten_seq;
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

/* The source that waits for this piece; one bulk may be wanted by many. */
static struct source *waiting_source(struct gateway_peer *peer, const Ordo__Cluster__V1__Piece *piece) {
    struct gateway_table_node *node = gateway_table_find(&peer->streams_by_bulk, piece->bulk);
    for (; node != NULL; node = gateway_table_find_next(node)) {
        struct source *source = GATEWAY_LIST_ITEM(node, struct source, by_bulk);
        if (source->is_fetching && source->fetched == piece->offset) return source;
    }
    return NULL;
}

void gateway_stream_piece(struct ordo_gateway *gateway, struct gateway_peer *peer,
                          const Ordo__Cluster__V1__Piece *piece) {
    struct source *source = waiting_source(peer, piece);
    if (source == NULL) return;
    struct gateway_conn *conn = source->stream->conn;
    if (conn->state == GATEWAY_CONN_CLOSING) return;
    if (piece->bytes.len == 0 || piece->bytes.len > source->size - source->fetched) {
        gateway_conn_close(gateway, conn, GATEWAY_CLOSE_TRY_LATER,
                           "the answer took too long to read; connect and ask again");
        return;
    }
    source->is_fetching = false;
    source->fetched += piece->bytes.len;
    if (source->used > 0) {
        memmove(source->ready.data, source->ready.data + source->used, source_ready(source));
        source->ready.size -= source->used;
        source->used = 0;
    }
    ordo_buffer_append_slice(&source->ready, ordo_slice_of_binary(piece->bytes));
    stream_fetch(gateway, source->stream);
    gateway_conn_announce(gateway, conn);
}
