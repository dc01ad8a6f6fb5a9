/* gateway/core/answer.h: the messages that a gateway makes itself. All go into the connection's outbox as
 * answers, which are never dropped. `doc` is a handle or 0, `request` is 0 where nobody asked. Texts are
 * static sentences that say what to do. */
#ifndef ORDO_GATEWAY_CORE_ANSWER_H
#define ORDO_GATEWAY_CORE_ANSWER_H

#include "gateway/core/state.h"

void gateway_answer_welcome(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request);
void gateway_answer_pong(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                         uint64_t nonce);
void gateway_answer_go_away(struct ordo_gateway *gateway, struct gateway_conn *conn, const char *reason,
                            uint32_t reconnect_after_ms);
void gateway_answer_error(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                          uint32_t doc, uint32_t code, struct ordo_slice text);
void gateway_answer_nack(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                         uint32_t doc, Ordo__V1__Nack nack, const char *text);
void gateway_answer_status(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                           bool is_available);
void gateway_answer_duplicate(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                              const Ordo__V1__Ack *ack);
void gateway_answer_forgotten(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request,
                              uint64_t head);

/* The field of `message` in ServerMessage's body, encoded as a payload. */
struct gateway_payload *gateway_answer_encode(struct ordo_gateway *gateway, uint32_t field,
                                              const ProtobufCMessage *message);

#endif
