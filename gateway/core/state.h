/* gateway/core/state.h: what a gateway is made of, for the files of the core alone.
 *
 *     gateway ── conn ── subscriber ── doc ── peer        subscriber: one connection's opening of one document
 *                  └─ outbox, streams, history waits
 *
 * Threads: one. Units: ms (monotonic unless it says wall), bytes. */
#ifndef ORDO_GATEWAY_CORE_STATE_H
#define ORDO_GATEWAY_CORE_STATE_H

#include "common/arena.h"
#include "common/random.h"
#include "gateway/core/gateway.h"
#include "gateway/core/list.h"
#include "gateway/core/outbox.h"
#include "gateway/core/table.h"
#include "proto/link.h"

/* Attaches under way for one connection: its answers may each wait in memory until the socket takes them. */
#define ORDO_CONN_ATTACHES_MAX 8
/* Attaches that one shard has not answered yet: after a restart it loads documents at its own pace. */
#define ORDO_PEER_ATTACHES_MAX 512
/* ReadHistory that one connection has not been answered yet. */
#define ORDO_CONN_HISTORIES_MAX 4
#define ORDO_CONN_TYPES_MAX 16

struct ordo_peer;
struct ordo_conn;
struct ordo_stream;

/* ---- doc.c: a document that somebody here has open */
struct ordo_doc {
    struct ordo_table_node by_name;   /* in gateway->docs */
    struct ordo_table_node by_number; /* in peer->docs_by_number, while `is_numbered` */
    struct ordo_list in_peer;
    struct ordo_peer *peer;
    struct ordo_list audience; /* subscribers, through in_audience */
    bool is_numbered;
    uint32_t number; /* the shard's, for this session */
    uint8_t collection_size, id_size;
    uint8_t name[]; /* collection, then id */
};

/* ---- subscriber.c */
enum ordo_subscriber_state {
    ORDO_SUBSCRIBER_OPENING,   /* the client waits for Opened and knows no handle yet */
    ORDO_SUBSCRIBER_STREAMING, /* Opened is sent in parts; what comes meanwhile is held in the stream */
    ORDO_SUBSCRIBER_LIVE,      /* every commit is passed on */
    ORDO_SUBSCRIBER_BEHIND,    /* something was dropped on the way: attached at the shard, waits to be attached anew */
    ORDO_SUBSCRIBER_CUT,       /* the link was lost: the shard does not know this subscriber any more */
};

/* Where the subscriber's (next) Attach is. All but IDLE and SENT are lists, see resync.h. */
enum ordo_attach {
    ORDO_ATTACH_IDLE,    /* none is wanted */
    ORDO_ATTACH_AT_CONN, /* waits for its connection to have room */
    ORDO_ATTACH_AT_PEER, /* waits for its shard to have room */
    ORDO_ATTACH_SENT,    /* waits for the shard's answer */
    ORDO_ATTACH_RESTING, /* was refused for now, will be tried again */
};

struct ordo_subscriber {
    struct ordo_table_node by_id; /* key: the id that the shard knows */
    struct ordo_conn *conn;
    struct ordo_doc *doc;
    struct ordo_list in_audience;
    struct ordo_list in_attach;  /* the list that `attach` names */
    struct ordo_list in_opening; /* gateway->opening while OPENING */
    enum ordo_subscriber_state state;
    enum ordo_attach attach;
    uint32_t handle;
    uint32_t request;            /* of the Open that is not answered yet */
    bool wants_presence;
    bool is_urgent;              /* the client waits for something of the next Attach */
    bool knows_outage;           /* was told UNAVAILABLE */
    uint64_t queued_seq;         /* newest seq put into the outbox */
    uint64_t sent_seq;           /* newest seq that will reach the client whatever is dropped */
    uint64_t lineage;
    uint64_t unanswered_seq;     /* client_seq of the newest Submit without an answer; 0: none */
    uint64_t due_ms;             /* OPENING: give up; RESTING: try again */
    struct ordo_buffer opening;  /* OPENING: the encoded Attach */
    struct ordo_stream *stream;  /* STREAMING */
};

/* ---- conn.c */
enum ordo_conn_state {
    ORDO_CONN_GREETING, /* no Hello yet */
    ORDO_CONN_READY,
    ORDO_CONN_CLOSING,  /* nothing is read or queued any more, what waits is sent */
};

/* A connection's open documents, ordered by handle. */
struct ordo_handle {
    uint32_t handle;
    uint64_t name_hash;
    struct ordo_subscriber *subscriber;
};

struct ordo_history_wait {
    struct ordo_history_wait *next;
    uint32_t handle, request;
};

struct ordo_conn {
    uint32_t id;
    enum ordo_conn_state state;
    bool is_announced;             /* CONN_OUTPUT was said and not answered to the end */
    uint8_t permission;            /* ordo.v1.Permission */
    uint8_t client_id[ORDO_CLIENT_ID_SIZE];
    struct ordo_buffer user;
    struct ordo_buffer types;      /* sized names; empty: text alone */
    struct ordo_list in_state;     /* gateway->greeting; gateway->ending when CLOSING, until the step ends */
    uint64_t hello_due_ms;
    struct ordo_outbox outbox;
    size_t held_size;              /* of what the streams hold back */
    struct ordo_handle *handles;
    uint32_t handle_count, handle_capacity, handle_newest;
    struct ordo_list attach_waiting; /* subscribers AT_CONN */
    uint32_t attach_count;           /* subscribers AT_PEER, SENT, STREAMING */
    size_t opening_size;             /* bytes of Opens that wait */
    struct ordo_list streams;
    struct ordo_history_wait *histories;
    uint32_t history_count, history_stream_count; /* not answered yet, answers on their way */
};

/* ---- peer.c: the link to one shard */
enum ordo_peer_state {
    ORDO_PEER_RESTING,  /* the next session begins at `rest_until_ms` */
    ORDO_PEER_OPENING,  /* sockets are connecting */
    ORDO_PEER_GREETING, /* LinkHello is said or about to be, LinkWelcome is awaited */
    ORDO_PEER_READY,
};

struct ordo_peer {
    uint32_t index;
    enum ordo_peer_state state;
    uint64_t rest_until_ms, opened_ms;
    struct ordo_link link;
    uint8_t store_id[16]; /* and incarnation: of the shard at the other end, from its LinkWelcome on */
    uint64_t incarnation;
    bool is_greeted;      /* our LinkHello is gathered */
    struct ordo_buffer gathered;      /* fields `to_shard` of the next Envelope */
    struct ordo_buffer side_gathered; /* fields of the next SideRequest */
    uint64_t side_sent_ms, side_heard_ms, heartbeat;
    struct ordo_list attach_urgent, attach_calm; /* subscribers AT_PEER */
    struct ordo_list attach_resting;             /* subscribers RESTING, by due_ms */
    uint32_t attach_count;                       /* subscribers SENT */
    struct ordo_list docs;
    struct ordo_table docs_by_number;
    struct ordo_table streams_by_bulk;
};

struct ordo_gateway {
    struct ordo_gateway_config config;
    struct ordo_buffer name;
    uint64_t wall_ms, now_ms;
    struct ordo_prng prng;
    struct ordo_arena arena;       /* decoded messages of the present step */
    struct ordo_buffer scratch;    /* an encoding on its way into a payload or a peer */
    struct ordo_conn **conns;      /* by id; NULL where there is none */
    uint32_t conn_capacity;
    struct ordo_list greeting;     /* conns without Hello, oldest first */
    struct ordo_list ending;       /* conns that were closed in the present step */
    struct ordo_list opening;      /* subscribers OPENING, by due_ms */
    struct ordo_table docs;        /* by hash of the name */
    struct ordo_table subscribers; /* by id */
    uint64_t subscriber_newest;    /* id; never used twice */
    struct ordo_peer *peers;
    struct ordo_gateway_effect *effects; /* LINK_SEND and SIDE_SEND own their bytes */
    size_t effect_first, effect_count, effect_capacity;
    uint8_t *taken;                /* bytes of the effect that was taken last */
    struct ordo_gateway_stats stats;
};

/* gateway.c */
void ordo_gateway_push_effect(struct ordo_gateway *gateway, struct ordo_gateway_effect effect);
/* Takes the buffer's bytes and leaves it empty. */
void ordo_gateway_push_send(struct ordo_gateway *gateway, enum ordo_gateway_effect_kind kind,
                            const struct ordo_peer *peer, struct ordo_buffer *bytes);
/* The shard of a document. The one place that will know the router table. */
struct ordo_peer *ordo_gateway_route(struct ordo_gateway *gateway, struct ordo_slice collection,
                                     struct ordo_slice id);

#endif
