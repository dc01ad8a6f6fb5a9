/* gateway/core/conn.h: one WebSocket: its life, its documents by handle, and what waits for it. */
#ifndef ORDO_GATEWAY_CORE_CONN_H
#define ORDO_GATEWAY_CORE_CONN_H

#include "gateway/core/state.h"

/* Close codes: RFC 6455 section 7.4, and 1012, 1013 of IANA's registry. */
#define GATEWAY_CLOSE_GOING_AWAY 1001
#define GATEWAY_CLOSE_PROTOCOL 1002
#define GATEWAY_CLOSE_BAD_PAYLOAD 1007
#define GATEWAY_CLOSE_POLICY 1008
#define GATEWAY_CLOSE_TOO_LARGE 1009
#define GATEWAY_CLOSE_INTERNAL 1011
#define GATEWAY_CLOSE_RESTART 1012
#define GATEWAY_CLOSE_TRY_LATER 1013

/* NULL: no such connection (any more). */
struct gateway_conn *gateway_conn_find(struct ordo_gateway *gateway, uint32_t id);
/* `token`: what its HTTP request brought; may be empty. */
void gateway_conn_open(struct ordo_gateway *gateway, uint32_t id, struct ordo_slice token);
/* The socket is gone: frees the connection and ends its subscribers. */
void gateway_conn_closed(struct ordo_gateway *gateway, struct gateway_conn *conn);
/* Ends the connection from our side once what waits is sent; nothing more is queued. Its subscribers end only
 * with the step (gateway_conn_end_closing), so whoever walks over subscribers may close connections on the
 * way. `reason` is static. */
void gateway_conn_close(struct ordo_gateway *gateway, struct gateway_conn *conn, uint16_t code,
                        const char *reason);
void gateway_conn_end_closing(struct ordo_gateway *gateway);
/* Hello was accepted; `token` is taken. */
void gateway_conn_greeted(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_token *token);
/* The process stops: all are sent away in the ticks that follow, and new ones at once. */
void gateway_conn_drain(struct ordo_gateway *gateway);
/* Closes those whose Hello is overdue, or whose turn to be sent away has come. */
void gateway_conn_tick(struct ordo_gateway *gateway);

/* Brings the gauge outbox_bytes up to what waits for the connection now. */
void gateway_conn_account(struct ordo_gateway *gateway, struct gateway_conn *conn);
/* Something was put down for it: says CONN_OUTPUT unless that was said already. */
void gateway_conn_announce(struct ordo_gateway *gateway, struct gateway_conn *conn);
/* For what is never dropped: takes the payload's reference; a connection that lets too much of it wait is
 * closed. While parts of Opened are on their way for the entry's handle, it follows them. */
void gateway_conn_push_answer(struct ordo_gateway *gateway, struct gateway_conn *conn,
                              struct gateway_entry entry);
/* For what may be dropped: makes room by dropping all such messages of this connection if need be (their
 * subscribers fall behind). False: there is no room for `size` bytes even so. */
bool gateway_conn_make_room(struct ordo_gateway *gateway, struct gateway_conn *conn, size_t size);
/* Whether an Attach may be sent for a subscriber of this connection: nothing waits that could be dropped
 * (else the answer would stand behind a gap), not much else, and a slow reader has caught up. */
bool gateway_conn_has_room_to_attach(const struct ordo_gateway *gateway, const struct gateway_conn *conn);

/* The subscriber with this handle, whatever its state; NULL if there is none. */
struct gateway_subscriber *gateway_conn_subscriber(const struct gateway_conn *conn, uint32_t handle);
/* The subscriber of the document with this name; NULL if there is none. */
struct gateway_subscriber *gateway_conn_subscriber_of(const struct gateway_conn *conn, uint64_t name_hash,
                                                      struct ordo_slice collection, struct ordo_slice id);
/* Gives the subscriber the connection's next handle. */
void gateway_conn_add_subscriber(struct gateway_conn *conn, struct gateway_subscriber *subscriber,
                                 uint64_t name_hash);
void gateway_conn_remove_subscriber(struct gateway_conn *conn, const struct gateway_subscriber *subscriber);

/* Whether a ReadHistory or Forget may go to the shard now; else it was refused with an Error. */
bool gateway_conn_may_ask(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t request);
/* Remembers a ReadHistory or Forget on its way. */
void gateway_conn_add_wait(struct gateway_conn *conn, uint32_t handle, uint32_t request);
/* Forgets it; false if it was not there (any more). */
bool gateway_conn_take_wait(struct gateway_conn *conn, uint32_t handle, uint32_t request);
/* The shard will not answer: Error 503 to all that wait on this handle. */
void gateway_conn_fail_waits(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t handle);

#endif
