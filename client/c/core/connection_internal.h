/* client/c/core/connection_internal.h: a connection's state, shared by the files of connection*.c and by nobody
 * else. */
#ifndef ORDO_CLIENT_CORE_CONNECTION_INTERNAL_H
#define ORDO_CLIENT_CORE_CONNECTION_INTERNAL_H

#include "client/c/core/connection.h"

enum { CLOSE_NORMAL = 1000, CLOSE_GOING_AWAY = 1001, CLOSE_PROTOCOL_ERROR = 1002 }; /* WebSocket status codes */

struct handle_entry {
    uint32_t handle;
    struct ordo_client_doc *doc;
};

struct asked { /* unanswered: for history, or to forget */
    uint32_t request;
    struct ordo_client_doc *doc;
    ordo_client_history_listener history; /* one of the two */
    ordo_client_forgotten_listener forgotten;
    void *user;
};

struct ordo_client_connection {
    struct ordo_client_connection_options options; /* its slices point into `token` and `agent` */
    struct ordo_buffer token, agent;
    enum ordo_client_connection_state state;
    bool is_stopping;
    /* Above every client_seq that a closed document used. One that is opened again goes on from here: the server may
     * have forgotten this client, and then tells of no last_client_seq. */
    uint64_t next_client_seq;
    uint16_t close_code;

    uint64_t reconnect_at_ms;     /* WAITING */
    uint64_t deadline_ms;         /* DIALING, GREETING: for the Welcome */
    uint64_t ready_since_ms;      /* READY */
    uint64_t heard_at_ms;         /* READY: when the last frame came */
    uint64_t pinged_at_ms;        /* 0: no ping since then */
    uint32_t failure_count;       /* connections in a row that did not last */
    uint64_t go_away_ms;          /* not 0: the server's wish for the next reconnect */
    uint64_t reconnect_count;
    uint64_t now_ms;              /* as of the last call that told it */

    size_t op_size_max, frame_size_max; /* of the Welcome */
    uint32_t next_request;
    bool is_renewing;             /* a new client_id is needed: nothing new goes in flight until all is settled */

    struct ordo_client_doc **docs;
    size_t doc_count, doc_capacity;
    struct handle_entry *handles; /* sorted; open documents of this connection */
    size_t handle_count, handle_capacity;
    struct ordo_client_doc **queue; /* documents to look at in `take_frame` */
    size_t queue_count, queue_capacity;
    uint64_t docs_timer_ms;       /* not after the earliest timer of any document */

    struct asked *asked;
    size_t asked_count, asked_capacity;
    struct ordo_client_commit *history_ops; /* of the part being told */
    size_t history_op_capacity;

    struct ordo_buffer out; /* messages, which are a ClientFrame at any time */
    size_t out_taken;       /* bytes that `take_frame` gave out */
    bool is_awake;          /* `wake` was called since the last `take_frame` */
};

/* Makes room for one more element. */
void *connection_grow(void *array, size_t count, size_t *capacity, size_t element_size);
void connection_wake(struct ordo_client_connection *connection);
void connection_queue(struct ordo_client_connection *connection, struct ordo_client_doc *doc);
void connection_close(struct ordo_client_connection *connection, uint16_t code);
bool connection_has_socket(const struct ordo_client_connection *connection);
bool connection_has_in_flight(const struct ordo_client_connection *connection); /* in any document that still lives */
void connection_note_timer(struct ordo_client_connection *connection, const struct ordo_client_doc *doc);

struct ordo_client_doc *connection_doc_by_handle(const struct ordo_client_connection *connection, uint32_t handle);
/* False: the handle is 0 or taken. */
bool connection_bind(struct ordo_client_connection *connection, struct ordo_client_doc *doc, uint32_t handle);
void connection_unbind(struct ordo_client_connection *connection, struct ordo_client_doc *doc);
/* Says Leave, if it is open on this connection. */
void connection_leave(struct ordo_client_connection *connection, struct ordo_client_doc *doc);
uint32_t connection_next_request(struct ordo_client_connection *connection);

/* connection_messages.c */
void connection_dispatch(struct ordo_client_connection *connection, const struct ordo_wire_message *message);
/* Tells those who asked that no answer will come; `doc` NULL: all of them. */
void connection_fail_asked(struct ordo_client_connection *connection, const struct ordo_client_doc *doc,
                             uint32_t code, struct ordo_slice message);

#endif
