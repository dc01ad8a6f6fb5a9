/* gateway/core/state.h: what a gateway is made of, for the files of the core alone.
 *
 *     gateway ── conn ── subscriber ── doc ── slot ── peer
 *                 └─ outbox, streams, waits
 *
 * A subscriber is one connection's opening of one document.
 *
 * Threads: one. Units: ms (monotonic unless it says wall), bytes. */
#ifndef ORDO_GATEWAY_CORE_STATE_H
#define ORDO_GATEWAY_CORE_STATE_H

#include "common/arena.h"
#include "common/bucket.h"
#include "common/random.h"
#include "common/token/token.h"
#include "gateway/core/gateway.h"
#include "gateway/core/list.h"
#include "gateway/core/outbox.h"
#include "gateway/core/table.h"
#include "proto/link.h"

/* Attaches under way for one connection: its answers may each wait in memory until the socket takes them. */
#define GATEWAY_CONN_ATTACHES_MAX 8
/* Attaches that one shard has not answered yet: after a restart it loads documents at its own pace. */
#define GATEWAY_PEER_ATTACHES_MAX 512
/* An Attach that was refused for now, or that came to the wrong shard, is tried again after this. */
#define GATEWAY_REST_MS 500
/* ReadHistory and Forget that one connection has not been answered yet. */
#define GATEWAY_CONN_WAITS_MAX 4
#define GATEWAY_CONN_TYPES_MAX 16

struct gateway_peer;
struct gateway_conn;
struct gateway_stream;

/* ---- placement.c: a class of documents, and who serves it */
struct gateway_slot {
    struct gateway_peer *peer; /* gateway->nobody where that is not known */
    uint64_t epoch;            /* of the newest news; 0: there was none yet */
    uint64_t told_ms;          /* when a shard's NotOwner last changed something here; 0: never */
    struct gateway_list docs;  /* through in_slot */
};

/* ---- doc.c: a document that somebody here has open */
struct gateway_doc {
    struct gateway_table_node by_name;   /* in gateway->docs */
    struct gateway_table_node by_number; /* in docs_by_number of the slot's peer, while `is_numbered` */
    struct gateway_list in_slot;
    struct gateway_slot *slot;
    struct gateway_list audience; /* subscribers, through in_audience */
    bool is_numbered;
    uint32_t number; /* the shard's, for this session */
    uint8_t collection_size, id_size;
    uint8_t name[]; /* collection, then id */
};

/* ---- subscriber.c */
enum gateway_subscriber_state {
    GATEWAY_SUBSCRIBER_OPENING,   /* the client waits for Opened and knows no handle yet */
    GATEWAY_SUBSCRIBER_STREAMING, /* Opened is sent in parts; what comes meanwhile is held in the stream */
    GATEWAY_SUBSCRIBER_LIVE,      /* every commit is passed on */
    GATEWAY_SUBSCRIBER_BEHIND,    /* something was dropped on the way: attached at the shard, waits to be
                                     attached anew */
    GATEWAY_SUBSCRIBER_FINISHING, /* the slot was given away while STREAMING: the parts are sent to the end,
                                     then CUT */
    GATEWAY_SUBSCRIBER_CUT,       /* the link was lost, or the slot given away: the shard does not know this
                                     subscriber any more */
};

/* Where the subscriber's (next) Attach is. All but IDLE and SENT are lists, see resync.h. */
enum gateway_attach {
    GATEWAY_ATTACH_IDLE,    /* none is wanted */
    GATEWAY_ATTACH_AT_CONN, /* waits for its connection to have room */
    GATEWAY_ATTACH_AT_PEER, /* waits for its shard to have room */
    GATEWAY_ATTACH_SENT,    /* waits for the shard's answer */
    GATEWAY_ATTACH_RESTING, /* was refused for now, will be tried again */
};

/* What each commit looks at stands together, here and in gateway_conn: with many readers none of it is in a
 * cache. */
struct gateway_subscriber {
    struct gateway_table_node by_id; /* key: the id that the shard knows; another at each shard */
    struct gateway_list in_audience;
    struct gateway_conn *conn;
    enum gateway_subscriber_state state;
    uint32_t handle;
    bool wants_presence;
    bool is_bare;        /* hears of its own ops and of nothing else */
    bool is_urgent;      /* the client waits for something of the next Attach */
    bool knows_outage;   /* was told UNAVAILABLE */
    uint8_t access;      /* enum ordo_access: by the token as it is now, */
    uint8_t told_access; /* and as the shard was told when it was attached last */
    bool is_turned_away; /* the shard that serves it, as far as is known, says that it does not */
    uint64_t queued_seq; /* newest seq put into the outbox */
    uint64_t sent_seq;   /* newest seq that will reach the client whatever is dropped */
    uint64_t lineage;
    struct gateway_stream *stream; /* STREAMING */
    uint64_t unanswered_seq;       /* client_seq of the newest Submit without an answer; 0: none */
    uint64_t timed_seq;            /* client_seq of the Submit whose Ack is being timed; 0: none */
    uint64_t timed_us;             /* when that Submit came */
    struct gateway_doc *doc;
    struct gateway_list in_attach;  /* the list that `attach` names */
    struct gateway_list in_opening; /* gateway->opening while OPENING */
    struct gateway_list in_untold;  /* its peer's: to be told that the shard is away */
    enum gateway_attach attach;
    uint32_t request;           /* of the Open that is not answered yet */
    uint64_t forbidden_seq;     /* client_seq of the newest Submit that was answered FORBIDDEN; 0: none */
    uint64_t due_ms;            /* OPENING: give up */
    uint64_t rest_until_ms;     /* RESTING */
    uint64_t opened_us;         /* when the Open came */
    struct ordo_buffer opening; /* OPENING: the encoded Attach without its subscriber */
};

/* ---- conn.c */
enum gateway_conn_state {
    GATEWAY_CONN_GREETING, /* no Hello yet */
    GATEWAY_CONN_READY,
    GATEWAY_CONN_CLOSING, /* nothing is read or queued any more, what waits is sent */
};

/* A connection's open documents, ordered by handle. */
struct gateway_handle {
    uint32_t handle;
    uint64_t name_hash;
    struct gateway_subscriber *subscriber;
};

/* ---- quota.c: what may be asked for per second */
struct gateway_pace {
    struct ordo_bucket bucket;
    uint32_t refused; /* that were, since the bucket was full, and have not been let through */
};

struct gateway_quota {
    struct gateway_pace ops, requests;
    struct ordo_bucket bytes;
};

/* Who has a connection here, or had one a moment ago. */
struct gateway_user {
    struct gateway_table_node by_name; /* in gateway->users, by hash */
    struct gateway_list in_gone;       /* gateway->users_gone while conn_count is 0 */
    uint32_t conn_count, name_size;
    uint64_t gone_ms;
    struct gateway_quota quota;
    uint8_t name[];
};

/* For the answer to a ReadHistory or Forget. */
struct gateway_wait {
    struct gateway_wait *next;
    uint32_t handle, request;
};

struct gateway_conn {
    uint32_t id;
    enum gateway_conn_state state;
    bool is_slow;      /* messages were dropped, and not all that waited has been taken since */
    bool is_announced; /* CONN_OUTPUT was said and not answered to the end */
    bool has_greeted;  /* its Hello was accepted, whatever came then */
    struct gateway_outbox outbox;
    size_t held_size;      /* of what the streams hold back */
    size_t accounted_size; /* what of this is in the gauge outbox_bytes */
    struct gateway_handle *handles;
    uint32_t handle_count, handle_capacity, handle_newest;
    uint32_t attach_count;              /* subscribers AT_PEER, SENT, STREAMING */
    struct gateway_list attach_waiting; /* subscribers AT_CONN */
    struct gateway_list streams;
    uint8_t client_id[ORDO_CLIENT_ID_SIZE];
    struct ordo_token token;   /* READY: what it says of this client */
    struct gateway_user *user; /* READY, where tokens are asked for; else NULL */
    struct gateway_quota quota;
    struct ordo_bucket presence, refusals;
    struct ordo_buffer offered;   /* GREETING: the token that came with the HTTP request */
    struct ordo_buffer types;     /* sized names; empty: text alone */
    struct gateway_list in_state; /* gateway->greeting; gateway->ending when CLOSING, until the step ends */
    uint64_t hello_due_ms, drain_due_ms;
    size_t opening_size; /* bytes of Opens that wait */
    struct gateway_wait *waits;
    uint32_t wait_count, history_stream_count; /* not answered yet, answers on their way */
};

/* ---- peer.c: the link to one shard */
enum gateway_peer_state {
    GATEWAY_PEER_RESTING,  /* the next session begins at `rest_until_ms` */
    GATEWAY_PEER_OPENING,  /* sockets are connecting */
    GATEWAY_PEER_GREETING, /* LinkHello is said or about to be, LinkWelcome is awaited */
    GATEWAY_PEER_READY,
};

struct gateway_peer {
    uint32_t index;
    struct ordo_store_id expected; /* none: whoever answers */
    uint32_t slot_count;           /* routed here */
    uint64_t spare_since_ms;       /* slot_count is 0 since then */
    enum gateway_peer_state state;
    uint64_t rest_until_ms, opened_ms;
    struct ordo_link link;
    struct ordo_store_id store; /* and incarnation: of the shard at the other end, from its LinkWelcome on */
    uint64_t incarnation;
    uint64_t welcomed_session;        /* the newest one that the shard took; 0: none yet */
    bool is_greeted;                  /* our LinkHello is gathered */
    struct ordo_buffer gathered;      /* fields `to_shard` of the next Envelope */
    struct ordo_buffer side_gathered; /* fields of the next SideRequest */
    uint64_t side_sent_ms, side_heard_ms, heartbeat;
    struct gateway_list attach_urgent, attach_calm; /* subscribers AT_PEER */
    struct gateway_list attach_resting;             /* subscribers RESTING, by due_ms */
    struct gateway_list untold;                     /* subscribers to be told that the shard is away */
    uint32_t attach_count;                          /* subscribers SENT */
    struct gateway_list streams;                    /* whose blobs lie at this shard */
    struct gateway_table docs_by_number;
    struct gateway_table sources_by_bulk;
};

struct ordo_gateway {
    struct ordo_gateway_config config;
    struct ordo_buffer name;
    uint64_t wall_ms, now_ms, now_us;
    struct ordo_prng prng;
    uint64_t hash_seed;          /* of names: clients choose them, and must not choose where they land */
    struct ordo_arena arena;     /* decoded messages of the present step */
    struct ordo_buffer scratch;  /* an encoding on its way into a payload or a peer */
    struct gateway_conn **conns; /* by id; NULL where there is none */
    uint32_t conn_capacity;
    struct gateway_list greeting;     /* conns without Hello, oldest first */
    struct gateway_list ending;       /* conns that were closed in the present step */
    struct gateway_list opening;      /* subscribers OPENING, by due_ms */
    struct gateway_table docs;        /* by hash of the name */
    struct gateway_table subscribers; /* by id */
    struct gateway_table users;       /* by hash of the name */
    struct gateway_list users_gone;   /* without a connection, by gone_ms */
    size_t users_gone_count;
    uint64_t subscriber_newest;  /* id; never used twice */
    struct gateway_slot *slots;  /* ORDO_SLOT_COUNT */
    struct gateway_peer **peers; /* by index; NULL where there is none */
    uint32_t peer_capacity;
    struct gateway_peer *nobody; /* serves the slots that nobody serves: a shard that is always away */
    bool is_placed;              /* it is known who serves what */
    bool is_draining;
    const struct ordo_token_keys *keys;  /* the edge's; NULL: they have not come yet */
    struct ordo_revocation *revocations; /* sorted by kind and name */
    size_t revocation_count;
    uint32_t expiry_next;                /* the connection whose expiry is looked at next */
    struct ordo_gateway_effect *effects; /* own their bytes */
    size_t effect_first, effect_count, effect_capacity;
    uint8_t *taken; /* bytes of the effect that was taken last */
    struct ordo_gateway_stats stats;
};

/* gateway.c */
void ordo_gateway_push_effect(struct ordo_gateway *gateway, struct ordo_gateway_effect effect);
/* Takes the buffer's bytes and leaves it empty. */
void ordo_gateway_push_send(struct ordo_gateway *gateway, enum ordo_gateway_effect_kind kind,
                            const struct gateway_peer *peer, struct ordo_buffer *bytes);
#endif
