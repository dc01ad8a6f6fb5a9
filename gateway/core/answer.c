#include "gateway/core/answer.h"

#include "gateway/core/conn.h"
#include "gateway/core/note.h"
#include "gateway/core/subscriber.h"

/* ServerMessage.body */
enum {
    FIELD_WELCOME = 3,
    FIELD_ACK = 6,
    FIELD_NACK = 7,
    FIELD_STATUS = 10,
    FIELD_GO_AWAY = 11,
    FIELD_ERROR = 12,
    FIELD_PONG = 13,
    FIELD_FORGOTTEN = 20,
};

struct gateway_payload *gateway_answer_encode(struct ordo_gateway *gateway, uint32_t field,
                                              const ProtobufCMessage *message) {
    ordo_buffer_clear(&gateway->scratch);
    ordo_message_encode_field(field, message, &gateway->scratch);
    return gateway_payload_create(ordo_buffer_slice(&gateway->scratch), ordo_slice(NULL, 0));
}

static void push(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request, uint32_t doc,
                 uint32_t field, const ProtobufCMessage *message) {
    gateway_conn_push_answer(gateway, conn,
                             (struct gateway_entry){.payload = gateway_answer_encode(gateway, field, message),
                                                    .doc = doc,
                                                    .request = request,
                                                    .kind = GATEWAY_ENTRY_ANSWER});
}

void gateway_answer_welcome(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request) {
    Ordo__V1__Welcome welcome = ORDO__V1__WELCOME__INIT;
    welcome.protocol = ORDO_GATEWAY_PROTOCOL;
    welcome.user = ordo_binary_of_slice(ordo_buffer_slice(&conn->token.user));
    welcome.server_time_ms = gateway->wall_ms;
    welcome.op_size_max = gateway->config.op_size_max;
    welcome.frame_size_max = gateway->config.frame_size_max;
    welcome.presence_size_max = gateway->config.presence_size_max;
    welcome.gateway = ordo_binary_of_slice(ordo_buffer_slice(&gateway->name));
    push(gateway, conn, request, 0, FIELD_WELCOME, &welcome.base);
}

void gateway_answer_pong(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                         uint64_t nonce) {
    Ordo__V1__Pong pong = ORDO__V1__PONG__INIT;
    pong.nonce = nonce;
    push(gateway, conn, request, 0, FIELD_PONG, &pong.base);
}

void gateway_answer_go_away(struct ordo_gateway *gateway, struct gateway_conn *conn, const char *reason,
                            uint32_t reconnect_after_ms) {
    Ordo__V1__GoAway away = ORDO__V1__GO_AWAY__INIT;
    away.reason = ordo_binary_of_slice(ordo_slice_of(reason));
    away.reconnect_after_ms = reconnect_after_ms;
    push(gateway, conn, 0, 0, FIELD_GO_AWAY, &away.base);
}

void gateway_answer_error(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                          uint32_t doc, uint32_t code, struct ordo_slice text) {
    Ordo__V1__Error error = ORDO__V1__ERROR__INIT;
    gateway->stats.errors[ordo_error_code_index(code)]++;
    error.code = code;
    gateway_note(gateway, conn, doc, "request_refused", "request=%u code=%u", request, code);
    error.message = ordo_binary_of_slice(text);
    push(gateway, conn, request, doc, FIELD_ERROR, &error.base);
}

void gateway_answer_nack(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                         uint32_t doc, Ordo__V1__Nack nack, const char *text) {
    size_t index = ordo_nack_code_index((uint32_t)nack.code);
    gateway->stats.nacks[index]++;
    gateway_note(gateway, conn, doc, "submit_refused", "client_seq=%llu code=%s retry_after_ms=%u",
                 (unsigned long long)nack.client_seq, ordo_nack_code_names[index], nack.retry_after_ms);
    if (text != NULL) nack.message = ordo_binary_of_slice(ordo_slice_of(text));
    push(gateway, conn, request, doc, FIELD_NACK, &nack.base);
}

void gateway_answer_status(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                           bool is_available) {
    Ordo__V1__DocumentStatus status = ORDO__V1__DOCUMENT_STATUS__INIT;
    if (!is_available) {
        status.state = ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE;
        status.message =
            ordo_binary_of_slice(ordo_slice_of("the shard of this document is away; edits are kept"));
    }
    push(gateway, subscriber->conn, 0, subscriber->handle, FIELD_STATUS, &status.base);
}

void gateway_answer_duplicate(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                              const Ordo__V1__Ack *ack) {
    push(gateway, subscriber->conn, 0, subscriber->handle, FIELD_ACK, &ack->base);
}

void gateway_answer_forgotten(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request,
                              uint64_t head) {
    Ordo__V1__Forgotten forgotten = ORDO__V1__FORGOTTEN__INIT;
    forgotten.head = head;
    push(gateway, subscriber->conn, request, subscriber->handle, FIELD_FORGOTTEN, &forgotten.base);
}
