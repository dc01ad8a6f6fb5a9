/* shard/core/moves.h: slots, and how they go from one shard to another (docs/cluster.md). For the core's own files.
 *
 * Files: slots.c (what this store is to each slot, who may attach), move_orders.c, move_source.c (gives a slot away, step by
 * step), move_rows.c (what is sent for that), move_given.c (sees to it that what was given is taken, then clears up),
 * target_link.c (links to stores that take slots), move_target.c (takes slots over, step by step), move_admit.c (whether it
 * may), move_follow.c (documents that are loaded ahead), move_adrift.c (asks what became of one), move_say.c (the messages),
 * slot_count.c, job_move.c (reading a slot, counting it). */
#ifndef ORDO_SHARD_CORE_MOVES_H
#define ORDO_SHARD_CORE_MOVES_H

#include "common/placement.h"
#include "proto/link.h"
#include "shard/core/job_impl.h"
#include "shard/core/rows.h"
#include "shard/core/shard.h"

struct ordo_doc;
struct ordo_peer;
struct ordo_import;

/* ---- slots */

/* An Attach that waits for the slot to become ours. */
struct ordo_held {
    struct ordo_held *next;
    struct ordo_peer *peer;
    uint64_t subscriber;
    size_t size;
    uint8_t message[]; /* an encoded ToShard */
};

struct ordo_slot {
    struct ordo_slot_row row;  /* as decided; durable once its turn is */
    bool is_dirty;             /* the open turn has to write it … */
    bool clears;               /* … and to delete everything of the slot */
    bool rests;                /* no maintenance of its documents begins */
    bool is_frozen;            /* inputs of its documents wait */
    bool is_taken;             /* GIVEN: the other store has said that it owns it */
    bool has_order;            /* GIVEN: somebody waits for `move_ends` */
    bool is_taker_lost;        /* GIVEN: the other store was given up, so what stands here may be the best that is left */
    uint64_t unserved_ms;      /* GIVEN: since when edits wait; 0: not known */
    uint64_t told_session, told_ms; /* GIVEN, IMPORTED: when MoveGiven, MoveAsk was said last, and over which session */
    struct ordo_import *import;     /* IMPORTING, IMPORTED, or OWNED in an undurable turn; NULL: no move is under way */
    struct ordo_held *held, **held_last;
    uint64_t held_ms;          /* since when */
    struct ordo_doc *docs;     /* that are in memory */
};

/* Documents that a target loads ahead; and what it takes over at once. */
enum { ORDO_MOVE_OPEN_MAX = 1000, ORDO_IMPORTS_MAX = 4 };

/* ---- giving */

enum ordo_source_phase {
    ORDO_SOURCE_NONE,
    ORDO_SOURCE_LINKING,   /* waits for the link */
    ORDO_SOURCE_QUIETING,  /* … for maintenance of the slot to come to rest */
    ORDO_SOURCE_BEGINNING, /* … for MoveReady */
    ORDO_SOURCE_COPYING,   /* rows are read and sent, and commits once they are durable */
    ORDO_SOURCE_PREPARING, /* MovePrepare is said, commits go on; waits for MovePrepared and for our own count */
    ORDO_SOURCE_FREEZING,  /* inputs wait; so does it, until the last commits are durable and sent */
    ORDO_SOURCE_FROZEN,    /* MoveFreeze is said; waits for MoveFrozen */
    ORDO_SOURCE_GIVING,    /* the row that gives it away is on its way to the disk: no way back */
};

/* What one turn committed to documents of the slot, as it changes the count. */
struct ordo_turn_count {
    uint64_t turn;
    struct ordo_slot_count change;
};

/* Rows that wait to be sent. */
struct ordo_move_chunk {
    struct ordo_move_chunk *next;
    uint64_t turn; /* committed with this one: not before it is durable; 0: read from the store */
    struct ordo_buffer rows;
};

struct ordo_move_order {
    uint16_t slot;
    struct ordo_store_id target;
};

/* The slot that is being given away. */
struct ordo_source {
    enum ordo_source_phase phase;
    struct ordo_move_order order;
    struct ordo_target *target;
    uint64_t move;
    uint64_t progress_ms;            /* when something moved on last */
    uint64_t frozen_ms, asked_ms;    /* when the slot was frozen; when the target heard of that */
    struct ordo_move_chunk *first, **last;
    size_t tail_size;                /* bytes of commits among these */
    bool is_reading, is_read_whole;
    uint64_t read_turn;              /* no row that was read is of a later turn */
    uint8_t next_cf;                 /* where reading goes on … */
    struct ordo_buffer next_key;     /* … empty: at the first key of the slot */
    uint64_t credit, credit_ms;      /* bytes that may be read now */
    uint64_t freeze_turn;            /* has the last commits; UINT64_MAX: the open turn has them */
    bool is_prepared, has_ours;
    struct ordo_slot_count ours;     /* kept up once it is there; what is committed before that … */
    struct ordo_turn_count *uncounted; /* … waits here: the count says up to which turn it reaches */
    size_t uncounted_count, uncounted_capacity;
    uint64_t sent_size;
    struct ordo_move_order *waiting; /* further orders, the oldest first */
    size_t waiting_count, waiting_capacity;
};

enum ordo_target_state {
    ORDO_TARGET_RESTING,
    ORDO_TARGET_OPENING,  /* waits for TARGET_UP */
    ORDO_TARGET_GREETING, /* … for LinkWelcome */
    ORDO_TARGET_READY,
};

/* The link to one store that takes slots: this shard has the gateway's part. */
struct ordo_target {
    struct ordo_target *next;
    struct ordo_store_id store;
    enum ordo_target_state state;
    struct ordo_link link;
    uint64_t incarnation;      /* of the other shard, since it welcomed us */
    uint64_t welcomed_session; /* the newest that it did */
    uint64_t opened_ms, needed_ms;
};

/* ---- slots.c */
/* NULL: it owns all. */
void ordo_slots_init(struct ordo_shard *shard, const struct ordo_slot_row *rows);
void ordo_slots_finish(struct ordo_shard *shard);
/* Decides: the open turn writes the row, and deletes all else of the slot with `clears`. */
void ordo_slot_change(struct ordo_shard *shard, uint16_t slot, const struct ordo_slot_row *row, bool clears);
/* Whether an Attach may go on; if not, it was answered or is held until it may. */
bool ordo_slots_admit(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot,
                      const Ordo__Cluster__V1__ToShard *message);
/* Held Attaches: serves them, or refuses them; forgets one, or all of a session. */
void ordo_slot_release_held(struct ordo_shard *shard, uint16_t slot);
void ordo_slot_refuse_held(struct ordo_shard *shard, uint16_t slot);
void ordo_slots_forget_held(struct ordo_shard *shard, const struct ordo_peer *peer, uint64_t subscriber); /* 0: all */
/* Everybody who has a document of the slot open is told who serves it now, and nothing of it stays in memory. */
void ordo_slot_evict(struct ordo_shard *shard, uint16_t slot);
void ordo_slot_freeze(struct ordo_shard *shard, uint16_t slot);
/* Inputs and maintenance of the slot's documents go on. */
void ordo_slot_resume(struct ordo_shard *shard, uint16_t slot);
bool ordo_slots_are_dirty(const struct ordo_shard *shard);
void ordo_slots_turn_end(struct ordo_shard *shard, uint64_t turn);
void ordo_slots_durable(struct ordo_shard *shard);
void ordo_slots_tick(struct ordo_shard *shard);
void ordo_slots_placement(struct ordo_shard *shard, const struct ordo_placement *placement);

/* ---- move_orders.c */
void ordo_orders_give(struct ordo_shard *shard, uint16_t slot, const struct ordo_store_id *target);
void ordo_orders_cancel(struct ordo_shard *shard, uint16_t slot);
/* Those that wait, for this store. */
void ordo_orders_drop(struct ordo_shard *shard, const struct ordo_store_id *target, const char *reason);
void ordo_orders_begin_next(struct ordo_shard *shard);
void ordo_orders_finish(struct ordo_shard *shard);
/* What became of an order. */
void ordo_move_end(struct ordo_shard *shard, uint16_t slot, bool is_done, const char *reason);

/* ---- move_source.c */
void ordo_source_begin(struct ordo_shard *shard, const struct ordo_move_order *order);
/* The slot stays here. Not once it is being given. */
void ordo_source_drop(struct ordo_shard *shard, const char *reason);
void ordo_source_finish(struct ordo_shard *shard);
void ordo_source_linked(struct ordo_shard *shard, struct ordo_target *target);
void ordo_source_unlinked(struct ordo_shard *shard, const struct ordo_target *target, const char *reason);
void ordo_source_told(struct ordo_shard *shard, struct ordo_target *target, const Ordo__Cluster__V1__ToGateway *message);
/* Reads on, sends what may be sent, and takes the next step if it can. */
void ordo_source_pump(struct ordo_shard *shard);
void ordo_source_job_done(struct ordo_shard *shard, struct ordo_job *job); /* takes it */
/* Before the turn's batch is put together, and once it is. */
void ordo_source_turn_end(struct ordo_shard *shard);
void ordo_source_turn_written(struct ordo_shard *shard);
void ordo_source_durable(struct ordo_shard *shard);
void ordo_source_given(struct ordo_shard *shard, uint16_t slot); /* durably */
void ordo_source_tick(struct ordo_shard *shard);
bool ordo_source_is_busy(const struct ordo_shard *shard);
/* Whether this move of the slot may still be committed here. */
bool ordo_source_may_give(const struct ordo_shard *shard, uint16_t slot, uint64_t move);

/* ---- move_rows.c: rows of the slot that is being given away, on their way */
void ordo_source_rows_begin(struct ordo_source *source);
void ordo_source_rows_forget(struct ordo_source *source); /* those that wait to be sent */
void ordo_source_rows_finish(struct ordo_source *source);
/* Has the next ones read, at the pace that is configured. */
void ordo_source_read_on(struct ordo_shard *shard);
void ordo_source_copy_done(struct ordo_shard *shard, struct ordo_job *job);
void ordo_source_count_done(struct ordo_shard *shard, const struct ordo_count *count);
/* What the turn that was just put together commits to documents of the slot. */
void ordo_source_keep_tail(struct ordo_shard *shard);
/* As far as target and disk allow. */
void ordo_source_send_rows(struct ordo_shard *shard);
/* All that stood in the store was read, and what stood there is durable. */
bool ordo_source_is_copied(const struct ordo_shard *shard);
/* All that is durable was sent. */
bool ordo_source_is_level(const struct ordo_shard *shard);

/* ---- move_say.c: what the two shards of a move say to each other */
void ordo_move_say_begin(struct ordo_shard *shard, const struct ordo_source *source);
void ordo_move_say_rows(struct ordo_shard *shard, const struct ordo_source *source, struct ordo_slice rows);
void ordo_move_say_prepare(struct ordo_shard *shard, const struct ordo_source *source);
void ordo_move_say_freeze(struct ordo_shard *shard, const struct ordo_source *source);
void ordo_move_say_drop(struct ordo_shard *shard, const struct ordo_source *source);
void ordo_move_say_given(struct ordo_shard *shard, struct ordo_target *target, uint16_t slot);
void ordo_move_say_ask(struct ordo_shard *shard, struct ordo_target *target, uint16_t slot);
void ordo_move_answer_ready(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move);
void ordo_move_answer_prepared(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move);
void ordo_move_answer_frozen(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move,
                             const struct ordo_slot_count *count);
void ordo_move_answer_taken(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot);
void ordo_move_answer_refused(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t move, const char *reason);
void ordo_move_answer_over(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot, uint64_t move);

/* ---- move_given.c */
/* These stores will not come back. */
void ordo_given_lost(struct ordo_shard *shard, const struct ordo_store_id *stores, size_t count);
void ordo_given_taken(struct ordo_shard *shard, const struct ordo_target *target, uint16_t slot, uint64_t epoch);
void ordo_given_tick(struct ordo_shard *shard);
void ordo_given_tell(struct ordo_shard *shard, struct ordo_target *target);
bool ordo_given_needs(const struct ordo_shard *shard, const struct ordo_target *target);

/* ---- target_link.c */
/* The link to this store; asks for one if there is none. */
struct ordo_target *ordo_target_get(struct ordo_shard *shard, const struct ordo_store_id *store);
/* At once: what is said to another shard never waits for a turn, so it must be durable already. READY only. */
void ordo_target_say(struct ordo_shard *shard, struct ordo_target *target, const Ordo__Cluster__V1__ToShard *message);
/* Bytes that were sent and that the target has not worked through, as far as it told. */
uint64_t ordo_target_unread_size(const struct ordo_target *target);
void ordo_targets_up(struct ordo_shard *shard, uint64_t session);
void ordo_targets_down(struct ordo_shard *shard, uint64_t session);
void ordo_targets_received(struct ordo_shard *shard, uint64_t session, struct ordo_slice message);
void ordo_targets_tick(struct ordo_shard *shard);
void ordo_targets_finish(struct ordo_shard *shard);

/* ---- move_admit.c */
/* Why the slot cannot be taken over as this message asks; NULL: it can. */
const char *ordo_import_objection(const struct ordo_shard *shard, const Ordo__Cluster__V1__MoveBegin *begin);

/* ---- move_target.c */
void ordo_import_handle(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message);
void ordo_imports_session_ended(struct ordo_shard *shard, struct ordo_peer *peer);
void ordo_imports_disk_full(struct ordo_shard *shard);
void ordo_imports_turn_end(struct ordo_shard *shard);
void ordo_import_row_durable(struct ordo_shard *shard, uint16_t slot);
void ordo_import_job_done(struct ordo_shard *shard, struct ordo_job *job); /* takes it */
/* The table may know what became of a slot that is here and not ours yet. */
void ordo_import_placed(struct ordo_shard *shard, uint16_t slot);
/* All of it is here, and nobody says whose it is. */
bool ordo_import_is_adrift(const struct ordo_slot *here);
/* The slot stays the other shard's, and what came of it goes. */
void ordo_import_give_back(struct ordo_shard *shard, uint16_t slot, const char *reason);
void ordo_imports_finish(struct ordo_shard *shard);

/* ---- move_follow.c */
/* A run comes to a document that may have been loaded ahead: what is in memory goes on with it. */
void ordo_doc_follow(struct ordo_shard *shard, struct ordo_slice key, struct ordo_slice value);

/* ---- move_adrift.c */
void ordo_adrift_tick(struct ordo_shard *shard);
bool ordo_adrift_needs(const struct ordo_shard *shard, const struct ordo_target *target);
void ordo_adrift_answer(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveAsk *ask);
void ordo_adrift_over(struct ordo_shard *shard, const struct ordo_target *target, const Ordo__Cluster__V1__MoveOver *over);

#endif
