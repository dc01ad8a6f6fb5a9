/* tests/sim/sim.h: a whole cluster in memory, from one seed.
 *
 * Real cores of clients, gateways and shard; real bytes on every hop; simulated network, disk, clocks, people and
 * misfortune. One queue of things to come, one loop: take the earliest, deliver it, check every promise. A schedule
 * is a plan (drawn from the seed), an active time in which people type and things break, and a rest in which all is
 * mended and everybody must settle and agree.
 *
 *     sim.c        the loop, faults, the rest         net.c          connections of clients: delay, cut
 *     plan.c       seed to plan                       links.c        links between processes: delay, stall, break
 *     oracle.c     what the log may say               shard_node.c   a shard process
 *     watch*.c     traffic against the log            shard_disk.c   what is on its disk, held against the oracle
 *     ledger.c     every character typed              gateway_node.c a gateway process
 *     log.c        what passes, in words              client_node.c  a person with the C client's core
 *     regressions.c  seeds that found bugs            raw_node.c     a client that breaks the rules
 *     shard_moves.c  slots between shards             directory_node.c  the router table
 *
 * A schedule has one shard and no directory, or several with one. The documents lie in slots of different shards then.
 *
 * Times: virtual microseconds in here, milliseconds towards the cores. */
#ifndef ORDO_TESTS_SIM_SIM_H
#define ORDO_TESTS_SIM_SIM_H

#include "client/c/core/connection.h"
#include "common/placement.h"
#include "common/random.h"
#include "gateway/core/gateway.h"
#include "shard/core/rows.h"
#include "shard/core/shard.h"
#include "tests/sim/ledger.h"
#include "tests/sim/oracle.h"
#include "tests/sim/queue.h"
#include "tests/sim/watch.h"

enum { SIM_CLIENTS_MAX = 16, SIM_RAWS_MAX = 4, SIM_DOCS_MAX = 4, SIM_GATEWAYS_MAX = 3, SIM_SHARDS_MAX = 3 };
#define SIM_MS UINT64_C(1000)
#define SIM_SECOND (1000 * SIM_MS)

/* What a schedule is about. */
enum sim_profile {
    SIM_PROFILE_ANY,          /* people and faults of all kinds */
    SIM_PROFILE_STARVED,      /* the same for a build with little credit on the links: stalls, and no large ops */
    SIM_PROFILE_INTERLEAVING, /* no faults; each person types runs at one place, others delete around the carets */
    SIM_PROFILE_MOVES,        /* slots move all the time, and shards die of it */
    SIM_PROFILE_TRACE,        /* no faults, no people: trace.c makes the edits */
};

enum sim_fault {
    SIM_FAULT_CUT,           /* a client's connection breaks */
    SIM_FAULT_STALL_CLIENT,  /* a client stops reading */
    SIM_FAULT_RELOAD,        /* a client starts over from its record, or from nothing */
    SIM_FAULT_CRASH_GATEWAY,
    SIM_FAULT_DRAIN_GATEWAY,
    SIM_FAULT_CRASH_SHARD,
    SIM_FAULT_BREAK_LINK,    /* and both ends hear of it */
    SIM_FAULT_LOSE_LINK,     /* what is queued on a link vanishes silently */
    SIM_FAULT_STALL_LINK,
    SIM_FAULT_STALL_DISK,    /* the sync under way takes up to 5 s */
    SIM_FAULT_SLOW_DISK,     /* each sync takes 500 ms for a while */
    SIM_FAULT_FULL_DISK,
    SIM_FAULT_FAIL_WRITE,
    SIM_FAULT_FAIL_SYNC,
    SIM_FAULT_JUMP_CLOCK,    /* of a process, up to an hour, either way */
    SIM_FAULT_DAMAGE_DISK,   /* a bit of a stored value flips: its document may be lost, and nothing else */
    SIM_FAULT_MOVE_SLOT,     /* no fault at all: somebody wishes that another shard serves a document */
    SIM_FAULT_STOP_DIRECTORY, /* for a while nobody hears of changes of the table, and nothing can start */
    SIM_FAULT_COUNT
};

struct sim_plan {
    enum sim_profile profile;
    uint64_t active_us;
    uint32_t client_count, raw_count, doc_count, gateway_count;
    uint32_t shard_count;              /* with more than one there is a directory */
    uint32_t moves_crash;              /* per mille of the messages of a move: a shard dies of it */
    uint64_t format_us;                /* when the cluster's format level is raised */
    uint32_t first_owner;              /* document i is in a slot of shard (first_owner + i) % shard_count */
    uint32_t edit_count;               /* per client */
    uint64_t client_delay_us, link_delay_us; /* the longest usual ones */
    uint64_t sync_us;                  /* the longest usual one */
    uint32_t turns_in_flight_max;
    uint32_t faults[SIM_FAULT_COUNT];  /* how many of each */
    bool may_delete;                   /* documents are deleted and created again */
    bool may_forget;                   /* clients lose their records */
    bool may_erase;                    /* documents are forgotten, history and all */
    bool may_damage;                   /* bits flip on the disk */
    bool may_paste;                    /* texts that travel on the bulk link */
    bool has_few_writers;              /* some become viewers */
    bool steals_ids;                   /* raw clients use the ids of honest ones */
    struct ordo_shard_config shard;
    struct ordo_gateway_config gateway;
};
/* `has_one_shard`: whatever the seed says of shards. */
void sim_plan_draw(struct sim_plan *plan, uint64_t seed, enum sim_profile profile, bool has_one_shard);

/* One WebSocket. */
struct sim_conn {
    enum sim_role role; /* SIM_CLIENT or SIM_RAW */
    uint32_t client, gateway, slot;
    uint64_t client_life, gateway_life;
    bool client_open, gateway_open; /* as each end sees it */
    bool is_cut;                    /* nothing passes any more */
    bool has_output;                /* the gateway has something to say */
    uint64_t to_client_us, to_gateway_us; /* arrival of the newest message in each direction */
    uint32_t frames_to_client;      /* on their way */
    struct watch watch;
};

/* Who opens a link to a shard: a gateway, or another shard, which gives a slot away. */
struct sim_end {
    enum sim_role role; /* SIM_GATEWAY or SIM_SHARD */
    uint32_t index;
};

/* The sockets of one such end to a shard, for one session. */
struct sim_link {
    struct sim_end from;
    uint32_t peer;       /* the gateway's number for the shard */
    uint32_t shard;
    uint64_t session, from_life;
    bool is_current;     /* it was not closed, and no other opened in its place */
    bool is_connected;
    uint64_t epoch;      /* messages of an earlier one were lost on the way */
    uint64_t to_shard_us, to_from_us; /* arrival of the newest message in each direction */
};

struct sim_gateway {
    struct ordo_gateway *core; /* NULL: down */
    uint64_t life;
    bool turn_end_pushed, is_draining;
    uint64_t news_count;       /* of who serves what: each makes it attach subscribers anew */
    uint32_t *slots;           /* conn index + 1 */
    size_t slot_count;
    int64_t wall_offset_ms;
    uint64_t monotonic_offset_ms;
};

struct sim_write {
    uint64_t turn;             /* 0: background, unsynced */
    struct ordo_batch batch;
};

/* A job that waits until the writes that were issued before it are in the store. */
struct sim_waiting_job {
    struct ordo_job *job;
    uint64_t after;            /* this many writes */
};

struct sim_inbox_item {
    enum ordo_shard_event_kind kind;
    struct ordo_buffer peer, message;
    struct ordo_job *job;
    uint64_t number;           /* session of HEARD and TARGET_…; 1 if full of DISK; slot of MOVE and MOVE_CANCEL */
    struct ordo_store_id store; /* of MOVE */
};

struct sim_shard {
    struct sim *sim;
    uint32_t index;
    struct ordo_store_id id;
    struct ordo_shard *core;   /* NULL: down */
    struct ordo_store *store;
    struct ordo_bulk bulk;
    struct ordo_shard_effects effects;
    struct watch_link *watch;
    uint64_t life, incarnation;
    struct sim_inbox_item *inbox;
    size_t inbox_count, inbox_capacity;
    struct sim_write *writes;  /* in the order of the one writer; the first is under way */
    size_t write_count, write_capacity;
    uint64_t written_count, issued_count; /* writes since the start; jobs see all that were issued before them */
    struct sim_waiting_job *jobs;
    size_t job_count, job_capacity;
    uint32_t turns_in_flight;
    bool is_writing, wake_pushed;
    int64_t crash_countdown;   /* steps until it crashes; 0: not planned */
    uint64_t write_began_us, stalled_until_us, slow_until_us, full_until_us;
    int64_t wall_offset_ms;
    uint64_t monotonic_offset_ms;
    uint64_t tick_pushed_us;   /* the tick that waits in the queue */
};

/* The router table. */
struct sim_directory {
    struct ordo_placement table;
    uint64_t away_until_us;
};

struct sim_client_doc {
    struct ordo_client_doc *core;
    struct oracle_doc *doc;
    struct ordo_buffer record;
    bool has_record;
    uint64_t caret;
    bool has_caret;            /* interleaving: it was put in its place */
    bool caret_moves_right;    /* at an insert just there: what was typed last stands behind it */
    uint32_t run;              /* of typing */
};

struct sim_client {
    struct sim *sim;
    uint32_t index;
    struct ordo_client_connection *core;
    struct ordo_client_id client_id; /* as of the newest record */
    uint64_t life;
    uint32_t conn;             /* index + 1; 0: none */
    uint32_t edits_left;
    uint64_t tick_pushed_us, stalled_until_us;
    uint64_t monotonic_offset_ms;
    struct sim_client_doc docs[SIM_DOCS_MAX];
    uint32_t doc_count;
    bool was_robbed;           /* a raw client used its id */
    const struct oracle_doc *not_forbidden; /* the frame at hand says FORBIDDEN of an op of it that is committed; else NULL */
    bool holds;                /* Committed and Ack wait in `held` until they are released */
    struct ordo_buffer *held;  /* frames of one message, oldest first */
    size_t held_first, held_count, held_capacity;
    int typing_direction;      /* interleaving: 1 forwards, -1 backwards, 0 mixed */
};

struct sim_raw;

/* What schedules reached, to see that they reach it. */
#define SIM_COUNTS(X)                                                                                                \
    X(commits) X(acks) X(duplicate_acks) X(nacks) X(opened) X(opened_unasked) X(opened_with_content)                 \
    X(opened_in_parts) X(given_back) X(shard_deaths) X(power_losses) X(failed_writes) X(gateway_deaths)              \
    X(hashed_snapshots) X(links_lost) X(reloads) X(snapshots) X(truncations) X(ops_truncated)          \
    X(clients_forgotten) X(documents_forgotten) X(loads) X(rebases_far) X(commits_dropped) X(resyncs) X(messages_dropped)  \
    X(side_pieces) X(jobs) X(histories) X(damages) X(damages_met) X(returns) X(directory_outages) X(slots_moved) X(moves_done)        \
    X(moves_failed) X(tokens) X(tokens_expired) X(writers_turned_away) X(viewers_admitted)
struct sim_counts {
#define X(name) uint64_t name;
    SIM_COUNTS(X)
#undef X
    uint64_t nack_codes[16];
};

struct sim {
    uint64_t seed, now_us, end_us;
    struct ordo_prng prng;
    struct sim_plan plan;
    struct sim_queue queue;
    struct sim_verdict verdict;
    struct oracle *oracle;
    struct ledger ledger;
    struct ordo_arena arena;   /* of one step */
    struct oracle_doc *docs[SIM_DOCS_MAX];
    bool is_damaged[SIM_DOCS_MAX]; /* some bit of it flipped on the disk */
    struct sim_conn **conns;
    size_t conn_count;
    struct sim_link *links;
    size_t link_count;
    uint64_t link_stalled_until_us[SIM_GATEWAYS_MAX + SIM_SHARDS_MAX][SIM_SHARDS_MAX]; /* from: gateways, then shards */
    uint64_t reattach_count;   /* what may have made a gateway attach its subscribers anew */
    struct sim_directory directory;
    struct sim_shard shards[SIM_SHARDS_MAX];
    struct sim_gateway gateways[SIM_GATEWAYS_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_raw *raws[SIM_RAWS_MAX];
    uint32_t run_count;
    struct ordo_buffer initial; /* interleaving: the op that makes the first content, */
    uint32_t initial_count;     /* its characters, the first in the ledger, */
    uint32_t initial_caret;     /* and the gap where everybody types */
    bool is_resting;           /* all is mended; everybody has to settle */
    uint64_t rest_until_us;    /* or else liveness is violated */
    uint64_t quiet_since_us;   /* 0: not yet */
    bool is_done, is_verbose;
    struct sim_counts counts;
    void (*on_changed)(void *user, uint32_t client, struct ordo_slice op); /* may be NULL */
    void *on_changed_user;
    uint64_t step_count;
};

/* ---- sim.c */
struct sim *sim_create(uint64_t seed, const struct sim_plan *plan, bool is_verbose);
/* Adds what it reached to `counts` (may be NULL). */
void sim_destroy(struct sim *sim, struct sim_counts *counts);
/* Runs the schedule to its end or to the first violation. */
void sim_run(struct sim *sim);
/* One item of it; false: it has ended. For whoever makes the edits himself (trace.c), who then calls for the rest. */
bool sim_step(struct sim *sim);
void sim_rest(struct sim *sim);
/* One line of the trace, if it is wished for. */
__attribute__((format(printf, 2, 3))) void sim_log(const struct sim *sim, const char *format, ...);
uint64_t sim_below(struct sim *sim, uint64_t bound);            /* 0..bound-1 */
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high); /* both included */
bool sim_chance(struct sim *sim, uint32_t per_mille);
/* Pushes with `life` of the process that it is for. */
void sim_push(struct sim *sim, uint64_t at_us, struct sim_item item);
uint64_t sim_wall_ms(const struct sim *sim, int64_t offset_ms);
/* Where there is but one, nothing is drawn. */
uint32_t sim_pick_shard(struct sim *sim);

/* ---- tokens.c: only where gateways ask for them */
void sim_tokens_give_keys(struct sim *sim, struct ordo_gateway_event *event);
/* A fresh token for the connection that the client has or is making. */
void sim_tokens_renew(struct sim *sim, struct sim_client *client, bool may_write);

/* ---- log.c: what passes over a connection */
void sim_log_sent(const struct sim *sim, const struct sim_conn *conn, const Ordo__V1__ClientMessage *message);
void sim_log_received(struct sim *sim, const struct sim_conn *conn, const Ordo__V1__ServerMessage *message);

/* ---- net.c */
/* When a message sent now arrives, not before the one sent last. */
uint64_t sim_arrival(const struct sim *sim, uint64_t *newest_us, uint64_t delay_us);
/* A client dials; the outcome arrives as SIM_CONNECTED or SIM_CLOSED. Returns the conn's index. */
uint32_t sim_conn_dial(struct sim *sim, enum sim_role role, uint32_t client, uint64_t client_life, uint32_t gateway);
void sim_conn_client_send(struct sim *sim, uint32_t conn, struct ordo_slice frame);
void sim_conn_gateway_send(struct sim *sim, uint32_t conn, struct ordo_buffer frame); /* takes the frame */
/* The client closes; what it sent still arrives. */
void sim_conn_client_close(struct sim *sim, uint32_t conn);
void sim_conn_gateway_close(struct sim *sim, uint32_t conn);
void sim_conn_cut(struct sim *sim, uint32_t conn);
void sim_conns_of_gateway_die(struct sim *sim, uint32_t gateway);

/* ---- links.c */
/* The one that this end has to this shard now; NULL: none. */
struct sim_link *sim_link_between(struct sim *sim, struct sim_end from, uint32_t shard);
/* In the place of the one with the same `peer`, if it is a gateway's. */
void sim_link_open(struct sim *sim, struct sim_end from, uint32_t peer, uint32_t shard, uint64_t session);
void sim_link_close(struct sim *sim, struct sim_end from, uint64_t session);
void sim_link_close_peer(struct sim *sim, uint32_t gateway, uint32_t peer);
/* False: could not be sent. */
bool sim_link_send_to_shard(struct sim *sim, struct sim_end from, uint64_t session, bool is_side,
                            struct ordo_slice bytes);
bool sim_link_send_back(struct sim *sim, struct ordo_slice peer, bool is_side, struct ordo_slice bytes);
/* Misfortune of one link of `gateway`, or of one between shards. */
void sim_link_break(struct sim *sim, uint32_t gateway, bool is_heard);
void sim_link_lose(struct sim *sim, uint32_t gateway);
void sim_link_stall_any(struct sim *sim, uint32_t gateway, uint64_t until_us);
void sim_link_stall(struct sim *sim, struct sim_end from, uint32_t shard, uint64_t until_us);
void sim_links_of_shard_die(struct sim *sim, uint32_t shard);
void sim_links_from_die(struct sim *sim, struct sim_end from);
/* The shard is back: sockets that nobody closed reconnect by themselves. */
void sim_links_reconnect(struct sim *sim, uint32_t shard);

/* ---- shard_node.c */
void sim_shard_init(struct sim *sim, uint32_t index);
/* The process ends for good; the disk stays readable until sim_shard_finish. */
void sim_shard_finish(struct sim_shard *shard);
void sim_shard_start(struct sim_shard *shard);
void sim_shard_crash(struct sim_shard *shard, uint64_t down_us);
void sim_shard_deliver(struct sim *sim, struct sim_item *item);
void sim_shard_set_full(struct sim_shard *shard, bool is_full);
bool sim_shard_is_idle(const struct sim_shard *shard);
/* Its core is told the table as it stands when it looks. */
void sim_shard_tell_placement(struct sim_shard *shard);
/* An operator, or the balancer, wishes that it gives the slot to `target`. */
void sim_shard_order_move(struct sim_shard *shard, uint16_t slot, uint32_t target);

/* ---- shard_disk.c */
/* `batch` has reached the disk: the oracle learns what it commits. */
void sim_disk_written(struct sim_shard *shard, const struct ordo_batch *batch);
/* After a crash: all that was durable is still there, and what else survived is durable now. */
void sim_disk_scan(struct sim_shard *shard);
/* What the store holds is all as it should be. */
void sim_disk_verify(struct sim_shard *shard);
/* A bit flips somewhere. */
void sim_disk_damage(struct sim_shard *shard);
bool sim_is_damaged(const struct sim *sim, const struct oracle_doc *doc);
struct ordo_turn_row sim_disk_read_turn(struct sim_shard *shard);
uint32_t sim_disk_read_format(struct sim_shard *shard);
/* ORDO_SLOT_COUNT rows, as the store has them. */
void sim_disk_read_slots(struct sim_shard *shard, struct ordo_slot_row *rows);
/* As a new store of a cluster has them: those that the table gives it. */
void sim_disk_write_slots(struct sim_shard *shard);

/* ---- shard_moves.c */
/* `batch` has reached the disk: who owns its slots, and what was handed over. */
void sim_moves_written(struct sim_shard *shard, const struct ordo_batch *batch);
void sim_moves_check_owners(struct sim *sim);
/* An Envelope to another shard. */
void sim_moves_sent(struct sim_shard *shard, uint64_t session, struct ordo_slice bytes);
void sim_moves_ended(struct sim_shard *shard, const struct ordo_move_end *end);
/* NULL: each slot is where the table says and nowhere else. */
const char *sim_moves_unsettled(struct sim *sim);

/* ---- directory_node.c */
bool sim_has_directory(const struct sim *sim);
uint16_t sim_slot_of(const struct sim *sim, uint32_t doc);
struct sim_shard *sim_shard_of_store(struct sim *sim, struct ordo_store_id id);
void sim_directory_init(struct sim *sim);
void sim_directory_stop(struct sim *sim, uint64_t until_us);
bool sim_directory_is_away(const struct sim *sim);
/* The level that the table has now. */
uint32_t sim_directory_format(const struct sim *sim);
/* Whoever starts looks at the table; it hears of it as SIM_TABLE. */
void sim_directory_watch(struct sim *sim, enum sim_role role, uint32_t index, uint64_t life);
/* The shard's rows have changed, or it has started: its registrar makes the table show them, in a while. */
void sim_directory_register(struct sim_shard *shard);
/* SIM_REGISTER */
void sim_directory_deliver(struct sim *sim, struct sim_item *item);

/* ---- gateway_node.c */
void sim_gateway_start(struct sim *sim, uint32_t index);
void sim_gateway_crash(struct sim *sim, uint32_t index, uint64_t down_us);
void sim_gateway_finish(struct sim *sim, uint32_t index);
void sim_gateway_drain(struct sim *sim, uint32_t index);
void sim_gateway_deliver(struct sim *sim, struct sim_item *item);
/* The socket of `conn` can take more. */
void sim_gateway_pump(struct sim *sim, uint32_t conn);

/* ---- client_node.c */
void sim_client_start(struct sim *sim, uint32_t index);
void sim_client_finish(struct sim *sim, uint32_t index);
void sim_client_reload(struct sim *sim, uint32_t index, bool forgets);
void sim_client_deliver(struct sim *sim, struct sim_item *item);
/* Sends what is due, dials if it wishes to, sets the next tick. Call after everything that touches the core. */
void sim_client_pump(struct sim *sim, uint32_t index);
/* Lets the client have the oldest message that it holds. False: there is none. */
bool sim_client_release(struct sim *sim, uint32_t index);
/* NULL: open, settled and equal to the log; else what is missing. */
const char *sim_client_unsettled(struct sim *sim, uint32_t index);
void sim_client_check_text(struct sim *sim, uint32_t index);

/* ---- raw_node.c */
void sim_raw_start(struct sim *sim, uint32_t index);
void sim_raw_finish(struct sim *sim, uint32_t index);
void sim_raw_deliver(struct sim *sim, struct sim_item *item);
void sim_raw_check(struct sim *sim, uint32_t index);

#endif
