/* client/c/core/connection.h: many documents over one connection that comes and goes. Pure, driven by data.
 *
 * In: `dialing`, `connected`, `received` (one whole frame), `disconnected`, `tick`. Out: after any call, also one
 * that edits a document, ask `…_wish` whether to connect or to close, and take frames to send with `…_take_frame`
 * until it gives an empty one. So whoever drives it decides when to write, and may join what many calls produced.
 *
 *     WAITING ──wish CONNECT, dialing──▶ DIALING ──connected──▶ GREETING ──Welcome──▶ READY
 *        ▲                                  │                      │                    │
 *        └────────────── disconnected ◀─────┴──── (wish CLOSE) ◀───┴────────────────────┘
 *
 * Reconnects back off exponentially with jitter. A silent connection is pinged, then closed. Documents opened here
 * stay open over all of this; each is opened again on the new connection, and resends its op in flight.
 *
 * Ownership: owns its documents. Threads: one owner. Times: monotonic milliseconds, passed in; randomness comes from
 * the generator in the options. */
#ifndef ORDO_CLIENT_CORE_CONNECTION_H
#define ORDO_CLIENT_CORE_CONNECTION_H

#include "client/c/core/doc.h"
#include "common/random.h"

struct ordo_client_connection;

enum ordo_client_connection_state {
    ORDO_CLIENT_WAITING, /* until it is time to connect */
    ORDO_CLIENT_DIALING,
    ORDO_CLIENT_GREETING, /* Hello is sent, Welcome awaited */
    ORDO_CLIENT_READY,
    ORDO_CLIENT_CLOSING, /* wishes to be closed */
    ORDO_CLIENT_STOPPED, /* by `stop`: wishes nothing any more */
};

struct ordo_client_connection_options {
    struct ordo_client_id client_id;
    struct ordo_slice token; /* may be empty */
    struct ordo_slice agent; /* may be empty */
    struct ordo_prng prng;   /* for jitter and for a new client_id, should one be needed: seed it well */
    uint64_t backoff_min_ms; /* 0: 100 */
    uint64_t backoff_max_ms; /* 0: 10,000 */
    uint64_t welcome_timeout_ms; /* from dialing; 0: 10,000 */
    uint64_t ping_after_ms;  /* of silence; 0: 15,000 */
    uint64_t pong_timeout_ms; /* 0: 10,000 */
    /* An Error that concerns no document, for example 401: the connection is being closed. May be NULL. */
    void (*error)(void *user, uint32_t code, struct ordo_slice message);
    /* There is something to send, or a timer moved, that was not there after the last `take_frame`. May be NULL. */
    void (*wake)(void *user);
    void *user;
};

struct ordo_client_connection *
ordo_client_connection_create(const struct ordo_client_connection_options *options);
void ordo_client_connection_destroy(struct ordo_client_connection *connection); /* and its documents; NULL is fine */

/* --- in --------------------------------------------------------------------------------------------------------- */

void ordo_client_connection_dialing(struct ordo_client_connection *connection, uint64_t now_ms);
void ordo_client_connection_connected(struct ordo_client_connection *connection, uint64_t now_ms);
/* One ServerFrame. A frame that does not decode is not applied at all and leads to wish CLOSE. */
void ordo_client_connection_received(struct ordo_client_connection *connection, struct ordo_slice frame,
                                     uint64_t now_ms);
/* The socket is closed, or dialing failed. */
void ordo_client_connection_disconnected(struct ordo_client_connection *connection, uint64_t now_ms);
/* Timers. Call at `…_timer_ms` or whenever it suits. */
void ordo_client_connection_tick(struct ordo_client_connection *connection, uint64_t now_ms);
/* No reconnect any more; wishes CLOSE if there is a socket. Says nothing to the server beyond closing. */
void ordo_client_connection_stop(struct ordo_client_connection *connection);
/* Replaces the token; on a live connection it is sent at once. */
void ordo_client_connection_set_token(struct ordo_client_connection *connection, struct ordo_slice token);

/* --- out -------------------------------------------------------------------------------------------------------- */

enum ordo_client_wish { ORDO_CLIENT_WISH_NOTHING, ORDO_CLIENT_WISH_CONNECT, ORDO_CLIENT_WISH_CLOSE };
enum ordo_client_wish ordo_client_connection_wish(const struct ordo_client_connection *connection, uint64_t now_ms);
/* WebSocket status for wish CLOSE: 1000, 1001, 1002 or 1007. */
uint16_t ordo_client_connection_close_code(const struct ordo_client_connection *connection);
/* Puts due messages of all documents that changed together and takes the next ClientFrame: borrowed until the next
 * call for this connection, empty when there is nothing to send. */
struct ordo_slice ordo_client_connection_take_frame(struct ordo_client_connection *connection, uint64_t now_ms);
/* When `tick` has something to do; UINT64_MAX: never. */
uint64_t ordo_client_connection_timer_ms(const struct ordo_client_connection *connection);

/* --- documents -------------------------------------------------------------------------------------------------- */

/* Opens a document, now or as soon as there is a connection. One document may be opened once per connection. */
struct ordo_client_doc *ordo_client_connection_open(struct ordo_client_connection *connection,
                                                    const struct ordo_client_doc_options *options);
/* Leaves and frees it. Edits that are not settled are lost, unless stored. */
void ordo_client_connection_close(struct ordo_client_connection *connection, struct ordo_client_doc *doc);

/* Reads committed ops from_seq..to_seq (0: head), or with `at_seq` the content there. The listener gets the parts,
 * and is told of a failure (also that the connection was lost). UNAVAILABLE: the document is not open now. */
struct ordo_client_history_request {
    uint64_t from_seq, to_seq;
    bool content;    /* the content at `at_seq`, or, if that is 0, at `at_time_ms` */
    uint64_t at_seq, at_time_ms;
};
ORDO_MUST_USE ordo_err ordo_client_connection_read_history(struct ordo_client_connection *connection,
                                                           struct ordo_client_doc *doc,
                                                           const struct ordo_client_history_request *request,
                                                           ordo_client_history_listener listener, void *user);

/* Has the document erased with its history; `lineage`: of what is meant, 0: whatever it is by then. UNAVAILABLE: as above. */
ORDO_MUST_USE ordo_err ordo_client_connection_forget(struct ordo_client_connection *connection, struct ordo_client_doc *doc,
                                                     uint64_t lineage, ordo_client_forgotten_listener listener,
                                                     void *user);

/* Listeners with this `user` are told nothing more. */
void ordo_client_connection_cancel(struct ordo_client_connection *connection, const void *user);

/* --- accessors -------------------------------------------------------------------------------------------------- */

enum ordo_client_connection_state
ordo_client_connection_state(const struct ordo_client_connection *connection);
struct ordo_client_id ordo_client_connection_client_id(const struct ordo_client_connection *connection);
size_t ordo_client_connection_doc_count(const struct ordo_client_connection *connection);
struct ordo_client_doc *ordo_client_connection_doc(const struct ordo_client_connection *connection, size_t index);
/* The connection that holds a document, and the `user` of its options. */
struct ordo_client_connection *ordo_client_connection_of(const struct ordo_client_doc *doc);
void *ordo_client_connection_user(const struct ordo_client_connection *connection);
/* Times that it got ready. */
uint64_t ordo_client_connection_reconnect_count(const struct ordo_client_connection *connection);

#endif
