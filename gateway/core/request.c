#include "gateway/core/request.h"

#include "common/utf8.h"
#include "gateway/core/admit.h"
#include "gateway/core/answer.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/forget.h"
#include "gateway/core/history.h"
#include "gateway/core/peer.h"
#include "gateway/core/quota.h"
#include "gateway/core/submit.h"
#include "gateway/core/subscriber.h"

/* protobuf-c makes up to 84 bytes of one byte of input; an honest frame, even of many small submits, stays
 * below this. */
enum { DECODED_PER_BYTE_MAX = 8, DECODED_SIZE_MIN = 64 * 1024 };

static void refuse(struct ordo_gateway *gateway, struct gateway_conn *conn,
                   const Ordo__V1__ClientMessage *message, uint32_t code, const char *text) {
    gateway_answer_error(gateway, conn, message->request, message->doc, code, ordo_slice_of(text));
}

/* ---- before Hello */

static void refuse_hello(struct ordo_gateway *gateway, struct gateway_conn *conn,
                         const Ordo__V1__ClientMessage *message, uint32_t code, const char *text) {
    refuse(gateway, conn, message, code, text);
    gateway_conn_close(gateway, conn, code == 401 ? GATEWAY_CLOSE_POLICY : GATEWAY_CLOSE_PROTOCOL, text);
}

/* Keeps the list for later; false if it is not sensible. A client that speaks just text costs nothing. */
static bool keep_types(struct gateway_conn *conn, const Ordo__V1__Hello *hello) {
    if (hello->n_types > GATEWAY_CONN_TYPES_MAX) return false;
    bool is_text_alone =
        hello->n_types == 1 && ordo_slice_equal(ordo_slice_of_binary(hello->types[0]), ordo_slice_of("text"));
    if (is_text_alone) return true;
    for (size_t i = 0; i < hello->n_types; i++) {
        if (hello->types[i].len == 0 || hello->types[i].len > ORDO_TYPE_NAME_SIZE_MAX) return false;
        ordo_buffer_append_sized(&conn->types, ordo_slice_of_binary(hello->types[i]));
    }
    return true;
}

static void greet(struct ordo_gateway *gateway, struct gateway_conn *conn,
                  const Ordo__V1__ClientMessage *message) {
    if (message->body_case != ORDO__V1__CLIENT_MESSAGE__BODY_HELLO) {
        refuse_hello(gateway, conn, message, 400, "the first message must be Hello");
        return;
    }
    const Ordo__V1__Hello *hello = message->hello;
    if (hello->protocol != ORDO_GATEWAY_PROTOCOL) {
        refuse_hello(gateway, conn, message, 400, "this server speaks protocol 1");
        return;
    }
    if (hello->client_id.len != ORDO_CLIENT_ID_SIZE) {
        refuse_hello(gateway, conn, message, 400, "client_id must be 16 bytes");
        return;
    }
    if (!keep_types(conn, hello)) {
        refuse_hello(gateway, conn, message, 400, "at most 16 types of 1 to 32 bytes");
        return;
    }
    struct ordo_token token;
    struct ordo_slice shown =
        hello->token.len > 0 ? ordo_slice_of_binary(hello->token) : ordo_buffer_slice(&conn->offered);
    enum ordo_token_fault fault = gateway_admit(gateway, shown, &token);
    if (fault != ORDO_TOKEN_FINE) {
        refuse_hello(gateway, conn, message, 401, ordo_token_fault_text(fault));
        return;
    }
    memcpy(conn->client_id, hello->client_id.data, sizeof conn->client_id);
    gateway_conn_greeted(gateway, conn, &token);
    gateway_answer_welcome(gateway, conn, message->request);
}

static void authenticate(struct ordo_gateway *gateway, struct gateway_conn *conn,
                         const Ordo__V1__ClientMessage *message) {
    struct ordo_token token;
    enum ordo_token_fault fault =
        gateway_admit(gateway, ordo_slice_of_binary(message->authenticate->token), &token);
    if (fault != ORDO_TOKEN_FINE)
        refuse(gateway, conn, message, 401, ordo_token_fault_text(fault));
    else if (!gateway_admit_anew(gateway, conn, &token))
        refuse(gateway, conn, message, 401, "the token is another user's; connect anew to be somebody else");
    else
        gateway_answer_welcome(gateway, conn, message->request);
}

/* ---- documents */

static bool is_name(ProtobufCBinaryData name) {
    return name.len >= 1 && name.len <= ORDO_NAME_SIZE_MAX && memchr(name.data, 0, name.len) == NULL &&
           ordo_utf8_validate(ordo_slice_of_binary(name), NULL);
}

static void open_document(struct ordo_gateway *gateway, struct gateway_conn *conn,
                          const Ordo__V1__ClientMessage *message) {
    const Ordo__V1__Open *open = message->open;
    if (!is_name(open->collection) || !is_name(open->id)) {
        refuse(gateway, conn, message, 400,
               "collection and id must be 1 to 128 bytes of UTF-8 without U+0000");
        return;
    }
    bool is_unspoken =
        open->create_type.len > 0 &&
        !gateway_admit_type(ordo_buffer_slice(&conn->types), ordo_slice_of_binary(open->create_type));
    if (is_unspoken) {
        refuse(gateway, conn, message, 415, "create_type is none of the types that Hello named");
        return;
    }
    struct ordo_slice collection = ordo_slice_of_binary(open->collection),
                      id = ordo_slice_of_binary(open->id);
    uint64_t name_hash = gateway_doc_name_hash(gateway, collection, id);
    if (gateway_conn_subscriber_of(conn, name_hash, collection, id) != NULL) {
        refuse(gateway, conn, message, 409, "this connection has the document open; Leave it first");
        return;
    }
    bool is_full = conn->handle_count >= gateway->config.documents_per_connection_max ||
                   conn->opening_size > gateway->config.outbox_size_max || conn->handle_newest == UINT32_MAX;
    if (is_full) {
        refuse(gateway, conn, message, 429,
               "too many documents on this connection; Leave some, or wait for Opened");
        return;
    }
    enum ordo_access access = gateway_admit_access(conn, collection, id);
    if (access == ORDO_ACCESS_NONE) { /* whether there is such a document is nobody's business, either */
        refuse(gateway, conn, message, 403, "the token gives no access to this document");
        gateway->stats.opens_forbidden++;
        return;
    }
    gateway_subscriber_open(gateway, conn, message->request, open, name_hash, access);
}

/* The subscriber of an open document; the client does not know the handle before Opened. */
static struct gateway_subscriber *open_subscriber(const struct gateway_conn *conn, uint32_t handle) {
    struct gateway_subscriber *subscriber = gateway_conn_subscriber(conn, handle);
    return subscriber != NULL && subscriber->state != GATEWAY_SUBSCRIBER_OPENING ? subscriber : NULL;
}

static void submit(struct ordo_gateway *gateway, struct gateway_conn *conn,
                   const Ordo__V1__ClientMessage *message) {
    struct gateway_subscriber *subscriber = open_subscriber(conn, message->doc);
    Ordo__V1__Nack nack = ORDO__V1__NACK__INIT;
    nack.client_seq = message->submit->client_seq;
    if (!gateway_quota_take_op(gateway, conn, &nack.retry_after_ms)) {
        nack.code = ORDO__V1__NACK_CODE__RATE_LIMITED;
        gateway_answer_nack(gateway, conn, message->request, message->doc, nack, "too many ops per second; send it again later");
    } else if (subscriber == NULL) {
        nack.code = ORDO__V1__NACK_CODE__NOT_OPEN;
        gateway_answer_nack(gateway, conn, message->request, message->doc, nack,
                            "no open document has this handle");
    } else {
        gateway_submit_op(gateway, subscriber, message->request, message->submit);
    }
}

/* Nothing follows it, so it is not dropped like other presence, but counted with the requests. */
static bool is_clear(const Ordo__V1__ClientMessage *message) {
    return message->body_case == ORDO__V1__CLIENT_MESSAGE__BODY_PRESENCE && message->presence->clear;
}

static void set_presence(struct ordo_gateway *gateway, struct gateway_conn *conn,
                         struct gateway_subscriber *subscriber, const Ordo__V1__ClientMessage *message) {
    struct gateway_peer *peer = gateway_doc_peer(subscriber->doc);
    ordo_buffer_clear(&gateway->scratch);
    ordo_message_encode(&message->presence->base, &gateway->scratch);
    if (gateway->scratch.size > gateway->config.presence_size_max) {
        refuse(gateway, conn, message, 413, "presence is larger than presence_size_max");
        return;
    }
    /* Presence is the first to give way: the client sends another soon. */
    if (!is_clear(message) && !gateway_quota_take_presence(gateway, conn)) return;
    if (!gateway_subscriber_is_attached(subscriber)) return;
    if (!gateway_peer_has_credit(peer, gateway->scratch.size)) return;
    Ordo__Cluster__V1__SetPresence presence = ORDO__CLUSTER__V1__SET_PRESENCE__INIT;
    presence.subscriber = subscriber->by_id.key;
    presence.update = ordo_binary_of_slice(ordo_buffer_slice(&gateway->scratch));
    Ordo__Cluster__V1__ToShard to_shard = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    to_shard.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE;
    to_shard.presence = &presence;
    gateway_peer_gather(gateway, peer, &to_shard);
}

static void forget(struct ordo_gateway *gateway, struct gateway_conn *conn, struct gateway_subscriber *subscriber,
                   const Ordo__V1__ClientMessage *message) {
    if (gateway_subscriber_access(subscriber) < ORDO_ACCESS_ADMIN) {
        refuse(gateway, conn, message, 403, "forgetting a document needs the access \"admin\"");
        gateway->stats.forgets_forbidden++;
        return;
    }
    gateway_forget_ask(gateway, subscriber, message->request, message->forget);
}

/* Leave, PresenceUpdate, ReadHistory and Forget are about an open document. */
static void about_document(struct ordo_gateway *gateway, struct gateway_conn *conn,
                           const Ordo__V1__ClientMessage *message) {
    struct gateway_subscriber *subscriber = open_subscriber(conn, message->doc);
    if (subscriber == NULL) {
        refuse(gateway, conn, message, 404, "no open document has this handle");
        return;
    }
    switch ((int)message->body_case) {
    case ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE: gateway_subscriber_end(gateway, subscriber); return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_HISTORY:
        gateway_history_read(gateway, subscriber, message->request, message->history);
        return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_FORGET: forget(gateway, conn, subscriber, message); return;
    default: set_presence(gateway, conn, subscriber, message); return;
    }
}

/* Submit and presence have limits of their own; a Leave is counted, but it always makes room. */
static bool is_too_fast(struct ordo_gateway *gateway, struct gateway_conn *conn, const Ordo__V1__ClientMessage *message) {
    bool has_own_limit = message->body_case == ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT ||
                         (message->body_case == ORDO__V1__CLIENT_MESSAGE__BODY_PRESENCE && !is_clear(message));
    return !has_own_limit && !gateway_quota_take_request(gateway, conn) &&
           message->body_case != ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE;
}

static void handle(struct ordo_gateway *gateway, struct gateway_conn *conn,
                   const Ordo__V1__ClientMessage *message) {
    if (is_too_fast(gateway, conn, message)) {
        refuse(gateway, conn, message, 429, "too many requests per second; ask again later");
        return;
    }
    switch (message->body_case) {
    case ORDO__V1__CLIENT_MESSAGE__BODY_HELLO:
        refuse(gateway, conn, message, 400, "Hello was said already; connect anew to be another client");
        return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_OPEN: open_document(gateway, conn, message); return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT: submit(gateway, conn, message); return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE:
    case ORDO__V1__CLIENT_MESSAGE__BODY_PRESENCE:
    case ORDO__V1__CLIENT_MESSAGE__BODY_HISTORY:
    case ORDO__V1__CLIENT_MESSAGE__BODY_FORGET: about_document(gateway, conn, message); return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_AUTHENTICATE: authenticate(gateway, conn, message); return;
    case ORDO__V1__CLIENT_MESSAGE__BODY_PING:
        gateway_answer_pong(gateway, conn, message->request, message->ping->nonce);
        return;
    case ORDO__V1__CLIENT_MESSAGE__BODY__NOT_SET:
    default: refuse(gateway, conn, message, 501, "this server does not know such a message"); return;
    }
}

void gateway_request_frame(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_slice bytes) {
    if (conn->state == GATEWAY_CONN_CLOSING) return;
    gateway->stats.frames_received++;
    gateway->stats.bytes_received += bytes.size;
    gateway_quota_count_frame(gateway, conn, bytes.size);
    if (bytes.size > gateway->config.frame_size_max) {
        gateway_conn_close(gateway, conn, GATEWAY_CLOSE_TOO_LARGE, "the frame is larger than frame_size_max");
        return;
    }
    gateway->arena.size_max =
        DECODED_SIZE_MIN + DECODED_PER_BYTE_MAX * (size_t)gateway->config.frame_size_max;
    ordo_arena_reset(&gateway->arena);
    const Ordo__V1__ClientFrame *frame =
        ordo_message_decode(&ordo__v1__client_frame__descriptor, bytes, &gateway->arena);
    if (frame == NULL) {
        gateway_conn_close(gateway, conn, GATEWAY_CLOSE_BAD_PAYLOAD, "the frame is not a ClientFrame");
        return;
    }
    for (size_t i = 0; i < frame->n_messages && conn->state != GATEWAY_CONN_CLOSING; i++) {
        if (conn->state == GATEWAY_CONN_GREETING)
            greet(gateway, conn, frame->messages[i]);
        else
            handle(gateway, conn, frame->messages[i]);
    }
}
