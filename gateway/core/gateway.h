/* gateway/core/gateway.h: a whole gateway as one state machine, without IO.
 *
 * The edge turns sockets into events and effects into sockets; clock and seed come in as data, so tests and
 * the simulator run this very code in memory. One turn of the edge:
 *
 *     ordo_gateway_step() for every frame and every message that waits: what goes to a shard is gathered
 *     ordo_gateway_step(TURN_END): one Envelope per shard is ready to be sent
 *     while (ordo_gateway_take(&effect)) ... do them, in order
 *     for every connection that CONN_OUTPUT named: ordo_gateway_output(), one joined frame, one write
 *
 * Which shard serves a document is decided by its slot. With a directory the edge hands in what the router
 * table says (PLACEMENT), whenever it changes; shards say NotOwner; of two pieces of news about a slot the
 * one with the higher epoch is right. The core keeps a link to every store that slots are routed to, and
 * knows stores by id alone: their endpoints are the edge's affair. A slot that changes hands takes its
 * documents along: they are attached at the other shard from the last seq that was delivered, as after a lost
 * link; connections stay. Without a directory there is one shard, whatever its id, and it serves all.
 *
 * A gateway holds no truth: it may die at any moment, its clients come back through another and lose nothing.
 *
 * Ownership: bytes in events are borrowed for the call; bytes in effects are good until the next step.
 * Threads: one owner. Errors: what a client did wrong is answered to that client (Error, Nack, CONN_CLOSE);
 * what a shard sends wrong ends that link's session. Units: ms, bytes. */
#ifndef ORDO_GATEWAY_CORE_GATEWAY_H
#define ORDO_GATEWAY_CORE_GATEWAY_H

#include "common/buffer.h"
#include "common/limits.h"
#include "common/placement.h"
#include "common/revocation.h"
#include "common/token/token.h"
#include "gateway/core/counters.h"

/* The protocol number of Hello and Welcome, and that of LinkHello. */
#define ORDO_GATEWAY_PROTOCOL 1
#define ORDO_GATEWAY_LINK_PROTOCOL 1

/* Per second; 0: without a limit. Twice as much may come at once. */
struct ordo_gateway_rates {
    uint32_t ops, bytes, requests;
};

struct ordo_gateway_config {
    struct ordo_slice name; /* in Welcome and LinkHello; copied */
    uint64_t seed;          /* for session numbers, jitter and hash tables; random and secret, or fixed in a test */
    bool has_directory;     /* false: one shard serves all; true: nobody does before the first PLACEMENT */
    bool asks_token;    /* false: everybody is "anonymous" and may do everything */
    struct ordo_token_policy token_policy; /* its strings are borrowed for the gateway's life */
    uint32_t op_size_max, frame_size_max, presence_size_max;
    uint32_t documents_per_connection_max;
    uint32_t outbox_size_max;  /* bytes waiting for one connection; beyond: drop and resync, or close */
    struct ordo_gateway_rates conn_rates, user_rates; /* of one connection; of all connections of a user */
    uint32_t presence_rate;    /* updates per second and connection; 0: without a limit */
    uint32_t hello_timeout_ms; /* from the opening of a connection to its Hello */
    uint32_t open_timeout_ms;  /* an Open that waits for a shard that is away is refused after this */
    bool has_notes; /* effects NOTE are wanted: a line per request, for a log at level debug */
    uint32_t drain_ms; /* DRAIN closes connections over so long at most (1 ms for each, if that is less) */
};
/* All the defaults of common/limits.h; the caller sets name and seed. */
void ordo_gateway_config_init(struct ordo_gateway_config *config);

/* `conn` is a small number that the edge picks (an index into its table) and may use again after CONN_CLOSED.
 */
enum ordo_gateway_event_kind {
    ORDO_GATEWAY_CONN_OPENED,   /* a WebSocket is established; bytes: the token that its HTTP request brought, or none */
    ORDO_GATEWAY_CONN_FRAME,    /* one whole binary message */
    ORDO_GATEWAY_CONN_CLOSED,   /* the socket is gone, whoever wished it */
    ORDO_GATEWAY_LINK_UP,       /* both sockets of this session are connected */
    ORDO_GATEWAY_LINK_DOWN,     /* one of them is not any more, or would not take a message */
    ORDO_GATEWAY_LINK_RECEIVED, /* one message from the data link */
    ORDO_GATEWAY_SIDE_RECEIVED, /* one message from the side link */
    ORDO_GATEWAY_PLACEMENT,     /* the router table as the edge knows it now; only with a directory */
    ORDO_GATEWAY_KEYS,          /* the keys of tokens, at first or anew; before, no token is let in */
    ORDO_GATEWAY_REVOKED,       /* all revocations that there are */
    ORDO_GATEWAY_TURN_END,
    ORDO_GATEWAY_TICK,  /* at least every 100 ms */
    ORDO_GATEWAY_DRAIN, /* the process is about to stop: GoAway to all and close them, one after the other, in
                           the ticks that follow; new ones are sent away at once. is_ready is false from now
                           on */
};

struct ordo_gateway_event {
    enum ordo_gateway_event_kind kind;
    uint64_t wall_ms; /* since 1970; shown to clients, and decides when tokens expire */
    uint64_t now_ms;  /* monotonic */
    uint64_t now_us;  /* the same moment, finer: for how long things take. 0: now_ms will do */
    uint32_t conn;    /* CONN_… */
    uint32_t peer;    /* LINK_… and SIDE_…: as in the LINK_OPEN that made the sockets */
    uint64_t
        session; /* … and the session that the socket was opened for; those of an older one are ignored */
    struct ordo_slice bytes;
    const struct ordo_placement *placement; /* PLACEMENT; borrowed */
    const struct ordo_token_keys *keys; /* KEYS; borrowed until the next ones have been taken, or the gateway is destroyed */
    const struct ordo_revocations *revocations; /* REVOKED; borrowed */
};

/* `peer` is a small number that the core picks for a shard and may use again after LINK_CLOSE. */
enum ordo_gateway_effect_kind {
    ORDO_GATEWAY_LINK_OPEN,   /* close the sockets to `peer`, connect fresh ones to the endpoints of `store`,
                                 routing ids made from `session`. Where these are not known, or not to be
                                 used, answer with LINK_DOWN: the core tries again in a moment */
    ORDO_GATEWAY_LINK_CLOSE,  /* close the sockets to `peer`: nothing is routed there any more */
    ORDO_GATEWAY_LINK_SEND,   /* one message on the data link; where it cannot be sent at once, answer with
                                 LINK_DOWN */
    ORDO_GATEWAY_SIDE_SEND,   /* the same for the side link */
    ORDO_GATEWAY_CONN_OUTPUT, /* something waits for `conn`: ask ordo_gateway_output when its socket can take
                                 it */
    ORDO_GATEWAY_CONN_CLOSE,  /* send what waits, then close with `code` and `reason`; CONN_CLOSED is still
                                 awaited */
    ORDO_GATEWAY_NOTE,        /* `bytes` are a line for the log, `key=value`, at level debug */
};

struct ordo_gateway_effect {
    enum ordo_gateway_effect_kind kind;
    uint32_t conn;
    uint32_t peer;
    struct ordo_store_id store; /* LINK_OPEN: who is expected there; none (no directory): whoever answers */
    uint64_t session;
    uint16_t code;      /* of RFC 6455 */
    const char *reason; /* static; at most 100 bytes */
    struct ordo_slice bytes;
};

struct ordo_gateway;

struct ordo_gateway *ordo_gateway_create(const struct ordo_gateway_config *config);
void ordo_gateway_destroy(struct ordo_gateway *gateway); /* NULL is fine */

void ordo_gateway_step(struct ordo_gateway *gateway, const struct ordo_gateway_event *event);
/* The oldest effect that was not taken yet; false when there is none. */
bool ordo_gateway_take(struct ordo_gateway *gateway, struct ordo_gateway_effect *out);

/* Appends to `frame` one ServerFrame of what waits for `conn`: all of it, or as much as stays below
 * frame_size_max (one message alone may be larger). Appends nothing when nothing waits. True: more waits, ask
 * again once the socket can take it; false: CONN_OUTPUT will tell when there is something again. */
bool ordo_gateway_output(struct ordo_gateway *gateway, uint32_t conn, struct ordo_buffer *frame);

/* For how long nothing should be read from `conn`, as of the last step; ask after each CONN_FRAME. At most ten seconds. 0: read
 * on. */
uint32_t ordo_gateway_pause_ms(struct ordo_gateway *gateway, uint32_t conn);
/* Bytes of memory that it holds by itself: what waits for it, and what it has asked for. */
size_t ordo_gateway_conn_size(const struct ordo_gateway *gateway, uint32_t conn);

/* Whether clients should come here: it is known who serves what, the link to at least one shard is up, and
 * this gateway is not about to stop. A shard that is away makes the gateway no worse than others, so it stays
 * ready for all documents of the other shards; `links` and `links_ready` tell how many are missing. */
bool ordo_gateway_is_ready(const struct ordo_gateway *gateway);
/* What has happened since the start, and gauges; good until the next step. */
const struct ordo_gateway_stats *ordo_gateway_stats(const struct ordo_gateway *gateway);

/* A link to a shard, for those who watch. */
struct ordo_gateway_link {
    struct ordo_store_id store; /* none: whoever answers */
    bool is_ready;
    uint64_t attaches; /* that the shard has not answered yet */
};
/* The next link from `*cursor` (0 at first) on; false: no more. */
bool ordo_gateway_next_link(const struct ordo_gateway *gateway, uint32_t *cursor, struct ordo_gateway_link *out);

/* Good as long as the gateway. */
struct ordo_slice ordo_gateway_name(const struct ordo_gateway *gateway);

/* Who a connection is, for a line in a log; good until the next step. False: there is none (any more). */
struct ordo_gateway_who {
    struct ordo_slice client_id, user; /* empty before Hello */
    uint32_t documents;                /* that it has open */
};
bool ordo_gateway_who(const struct ordo_gateway *gateway, uint32_t conn, struct ordo_gateway_who *out);

#endif
