/* shard/core/state.h: what a shard is made of. For the core's own files; the outside sees shard.h.
 *
 *   shard ─┬─ peers (gateways) ── subscribers by id
 *          └─ documents by key ── audiences (one per gateway) ── subscribers
 *
 * A subscriber is one connection's opening of one document; it belongs to its peer's session and to its document.
 * Files: shard.c (events, turns), peer.c (links), outbox.c (what waits for a turn to be durable), answer.c
 * (messages), doc.c (loading, unloading), waiting.c (inputs of a document that loads), subscriber.c, attach.c
 * (opening), contents.c (kept for the next to join), writers.c (who of many may write), sequence.c (checks and rebase of a
 * submit), far.c (what a job
 * has to look up or rebase first), commit.c, presence.c, snapshots.c, truncate.c, erase.c (forgetting a document),
 * history.c. */
#ifndef ORDO_SHARD_CORE_STATE_H
#define ORDO_SHARD_CORE_STATE_H

#include "common/access.h"
#include "common/arena.h"
#include "common/random.h"
#include "proto/link.h"
#include "shard/core/authors.h"
#include "shard/core/job_impl.h"
#include "shard/core/moves.h"
#include "shard/core/recent.h"
#include "shard/core/replay.h"
#include "shard/core/shard.h"
#include "shard/core/timers.h"

struct ordo_doc;
struct ordo_chunk;
struct ordo_erase_asked;
struct ordo_erased;
struct ordo_presence;

/* ---- gateways */

struct ordo_peer {
    struct ordo_peer *next;
    uint8_t *id; /* ZeroMQ's routing id */
    size_t id_size;
    bool is_linked;               /* a session is on */
    struct ordo_link link;
    struct ordo_table subscribers; /* by their id */
    struct ordo_chunk *open;      /* what this turn has for it; NULL: nothing yet */
    size_t unreleased_size;       /* bytes in chunks that wait for their turn */
    size_t waiting_size;          /* bytes of its inputs that wait for a document */
    struct ordo_audience *starved; /* audiences whose commits were dropped for want of credit, not yet told */
    uint64_t refused_session;     /* the newest session that got a LinkReset though we do not know it */
    bool is_shard;                /* that moves slots, and no gateway */
    bool has_been_told;           /* scratch: this time */
};

enum ordo_audience_state {
    ORDO_AUDIENCE_LIVE,    /* commits are sent */
    ORDO_AUDIENCE_STARVED, /* commits were dropped; Dropped goes out when there is credit */
    ORDO_AUDIENCE_TOLD,    /* it did; its subscribers will attach again */
};
/* The subscribers of one document on one gateway. */
struct ordo_audience {
    struct ordo_audience *next; /* of the document */
    struct ordo_audience *next_starved;
    struct ordo_doc *doc;
    struct ordo_peer *peer;
    struct ordo_subscriber *first;
    uint32_t count, attached_count, presence_count; /* all; those that get commits; of those, who want presence */
    enum ordo_audience_state state;
};

enum ordo_subscriber_state {
    ORDO_SUBSCRIBER_WAITING,  /* its Attach waits in the document's queue */
    ORDO_SUBSCRIBER_OPENING,  /* a job reads what it needs */
    ORDO_SUBSCRIBER_ATTACHED, /* gets commits */
    ORDO_SUBSCRIBER_STALE,    /* missed commits; has to attach again */
};
/* Whether it has one of the document's places for writers; writers.c has the moves. */
enum ordo_place {
    ORDO_PLACE_NONE,   /* takes one with its first op, if one is free then */
    ORDO_PLACE_WRITER,
    ORDO_PLACE_VIEWER, /* opened while all were taken, and waits in line */
    ORDO_PLACE_ASKING, /* wants to write, and waits in a line that goes first */
};
struct ordo_subscriber {
    uint64_t id;
    struct ordo_peer *peer;
    struct ordo_audience *audience;
    struct ordo_subscriber *next, **link; /* in the audience */
    struct ordo_subscriber *next_parked;  /* while OPENING */
    struct ordo_author *author;           /* NULL while its Attach waits */
    struct ordo_job *job;                 /* the job it waits for while OPENING; a content job may serve many */
    enum ordo_subscriber_state state;
    uint8_t permission;                   /* enum ordo_access */
    bool wants_presence;
    bool was_created;                     /* its Open created the document */
    bool is_ended;                        /* its client_id opened the document elsewhere since: it writes no more */
    bool has_presence;                    /* it set some */
    bool is_bare;                         /* came for history, or to submit, and wants to hear nothing */
    enum ordo_place place;
    struct ordo_subscriber *place_before, *place_behind; /* in the line of its place */
    uint64_t wrote_ms;                    /* WRITER: its newest op, or when it got the place */
    uint8_t user_size;
    uint32_t queued_count;                /* its inputs in the document's queue */
    uint64_t held_round;                  /* the drain in which its Attach was found waiting: what is behind that waits, too */
    uint64_t have_seq;                    /* while a job reads the ops behind it */
    uint64_t forbidden_seq;               /* client_seq of the newest Submit that was answered FORBIDDEN; 0: none */
    uint8_t user[];
};

/* ---- documents */

/* An input that waits for a job of its document. */
struct ordo_input {
    struct ordo_input *next;
    struct ordo_peer *peer;
    uint64_t subscriber;
    bool is_attach;
    uint8_t client_size;
    size_t size;
    uint8_t message[]; /* an encoded ToShard; behind it, of an Attach, the client_id */
};

/* Subscribers of a document with the same place, who came first in front. */
struct ordo_place_line {
    struct ordo_subscriber *first, *last;
    uint32_t count;
};

enum ordo_snapshot_phase {
    ORDO_SNAPSHOT_NONE,
    ORDO_SNAPSHOT_QUEUED,   /* waits for its turn */
    ORDO_SNAPSHOT_READING,  /* a job materialises */
    ORDO_SNAPSHOT_WRITING,  /* pieces and client rows go out in the background */
    ORDO_SNAPSHOT_VALID,    /* its validity record is in an undurable turn */
};

enum ordo_truncation_phase {
    ORDO_TRUNCATION_NONE,
    ORDO_TRUNCATION_QUEUED,   /* waits for its turn */
    ORDO_TRUNCATION_READING,  /* a job finds out what can go */
    ORDO_TRUNCATION_READY,    /* needs a turn that moves the horizon */
    ORDO_TRUNCATION_MARKED,   /* the horizon has moved, in an undurable turn */
    ORDO_TRUNCATION_DELETING, /* what is below it goes, in the background */
};

/* Few documents at a time have one. */
struct ordo_truncation {
    struct ordo_job *job;               /* what it found, from READY on */
    uint64_t turn, job_number;          /* that marked it; jobs up to this one may still read what goes */
    size_t index;                       /* of what is to be deleted: done */
    uint64_t base_seq;                  /* of the candidate that is about to become the base; 0: none */
    struct ordo_candidates old_bases;   /* to be deleted */
    struct ordo_snapshot_keys old_base; /* that, too; seq 0: none */
};

struct ordo_doc {
    struct ordo_timer timer;        /* first member: a due timer is its document */
    struct ordo_doc *next_touched;  /* with ops in the open turn */
    uint8_t *key;
    uint16_t key_size;
    uint16_t slot;
    struct ordo_doc *next_in_slot, **slot_link; /* in the slot's list, or that of the abandoned */
    bool is_loading;
    bool is_abandoned;              /* its slot went elsewhere: nobody finds it, and it goes when its jobs are back */
    bool has_client_rows;           /* not all dedupe entries are in memory */
    uint32_t number;                /* never used twice */
    struct ordo_doc_state state;    /* as sequenced */
    uint64_t horizon, forgotten_seq;
    uint64_t erased_seq;            /* the head at which the document was last forgotten; 0: never */
    uint64_t erase_job_number;      /* jobs up to this one are of before */
    uint32_t erase_count;           /* asked for and not done, or done and not swept */
    struct ordo_recent recent;
    struct ordo_authors authors;
    uint64_t written_turn;          /* the turn that its newest op is (or will be) written with */
    uint64_t turn_first_seq;        /* its first op in the open turn; 0: none */
    uint64_t active_ms, empty_ms;   /* monotonic: newest commit; since when nobody has it open (0: somebody has) */

    struct ordo_audience *audiences;
    struct ordo_subscriber *parked; /* OPENING */
    struct ordo_place_line writers, viewers, asking;
    struct ordo_job *jobs;
    uint32_t job_count;
    struct ordo_job *content_job;
    struct ordo_input *queue, **queue_tail;
    size_t queue_size;

    struct ordo_blob *content;      /* kept for the next to join; as of content_seq */
    uint64_t content_seq, content_used_ms;
    struct ordo_doc *content_older, *content_newer; /* in the shard's list of these */

    struct ordo_presence *presence; /* NULL: none was ever set */

    enum ordo_snapshot_phase snapshot_phase;
    struct ordo_doc *next_snapshot; /* in the list of its phase */
    struct ordo_job *snapshot_job;  /* holds the content while WRITING */
    uint32_t snapshot_piece;        /* the next to write */
    uint64_t snapshot_turn;
    size_t log_size, snapshot_log_size; /* bytes of runs behind the newest snapshot; what the coming one will cover */
    size_t snapshot_size;
    struct ordo_snapshot_keys snapshots[2];

    struct ordo_relineage relineage; /* as the row says; `state` has it applied */
    const struct ordo_retention *retention;
    uint64_t history_seq;                      /* ops up to here are gone; `base` is the content there */
    struct ordo_snapshot_keys base;            /* an older snapshot: where history begins */
    struct ordo_candidates *candidates;        /* where it may begin next; NULL: nowhere */
    enum ordo_truncation_phase truncation_phase;
    struct ordo_doc *next_truncation;          /* in the queue */
    struct ordo_truncation *truncation;        /* from READING on */
    uint64_t truncation_at_ms, clients_checked_ms; /* not tried before; last looked through (0: never) */
};

struct ordo_snapshot_queue {
    struct ordo_doc *first, **last;
};

enum { ORDO_TRUNCATIONS_AT_ONCE_MAX = 4 };

/* ---- the shard */

struct ordo_shard {
    struct ordo_shard_config config;
    struct ordo_prng prng;
    struct ordo_arena arena, wait_arena, presence_arena; /* an Envelope; an input that waited; a presence update */
    struct ordo_shard_effects *effects; /* of the present step */
    uint64_t wall_ms, now_ms;           /* of the present event */
    bool disk_is_full;
    uint32_t format;                    /* what is written now has at most this level … */
    bool format_is_dirty;               /* … which the open turn has to note */

    uint64_t turn, durable_turn;        /* newest closed with writes; newest known to be on disk */
    struct ordo_doc *touched;
    struct ordo_buffer changes;         /* by the open turn; change.h */
    struct ordo_chunk *open_first, **open_last;       /* of the open turn */
    struct ordo_chunk *waiting_first, **waiting_last; /* of closed turns */
    struct ordo_chunk *spare;
    struct ordo_job *jobs_first, **jobs_last;         /* waiting for a turn to be durable */

    struct ordo_peer *peers;
    uint32_t peer_count;
    uint64_t link_check_ms;
    struct ordo_table docs; /* its seed is that of all tables with keys that clients choose */
    struct ordo_doc *abandoned;
    struct ordo_timers timers;
    uint32_t doc_number;
    uint64_t bulk_id;
    struct ordo_doc *contents_newest, *contents_oldest; /* documents with a kept content */
    size_t contents_size;

    struct ordo_snapshot_queue snapshot_queued, snapshot_writing, snapshot_valid;
    uint32_t snapshots_running;         /* from READING on: each holds a content in memory */
    uint64_t snapshot_credit, snapshot_credit_ms; /* bytes that may be written now */
    struct ordo_snapshot_queue truncation_queued;
    struct ordo_doc *truncating[ORDO_TRUNCATIONS_AT_ONCE_MAX]; /* from READING on; NULL: free */
    uint64_t job_number;

    struct ordo_erase_asked *erase_asked; /* in the open turn */
    size_t erase_asked_count;
    struct ordo_erased *erased;         /* oldest first; until nothing reads what was before */
    size_t erased_count;
    struct ordo_slot slots[ORDO_SLOT_COUNT];
    struct ordo_slot_row durable_slots[ORDO_SLOT_COUNT];
    uint32_t dirty_slot_count, given_count; /* to be written; given away and not cleared up */
    uint32_t imported_count;            /* here, and not known whose */
    bool undurable_slots;               /* rows of slots are on their way to the disk: written with a turn later than … */
    uint64_t settled_slots_turn;
    uint64_t slots_check_ms;
    size_t held_size;                   /* bytes of Attaches that wait for slots */
    struct ordo_placement placement;    /* the newest that was heard of */
    struct ordo_source source;
    uint64_t move_number;               /* moves begun in this life */
    struct ordo_target *targets;
    struct ordo_import *imports;
    uint32_t import_count;

    const struct ordo_type *live_type;
    struct ordo_live_op *live;
    uint64_t drain_round; /* of a document's queue: drawn anew for each look from its front */
    struct ordo_buffer op, committed, key, value; /* scratch */
    struct ordo_shard_stats stats;
};

static inline struct ordo_slice ordo_doc_key(const struct ordo_doc *doc) {
    return ordo_slice(doc->key, doc->key_size);
}
static inline struct ordo_slice ordo_subscriber_user(const struct ordo_subscriber *subscriber) {
    return ordo_slice(subscriber->user, subscriber->user_size);
}

/* ---- shard.c */
void ordo_shard_note(struct ordo_shard *shard, enum ordo_note_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A note at level debug about an op; ask config.has_debug_notes first. `more`: further `key=value`. */
void ordo_shard_note_op(struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_subscriber *subscriber,
                        const char *event, const char *more);
/* `doc=collection/id` of a document, escaped, for a note. Good until the next call. */
const char *ordo_shard_doc_name(struct ordo_shard *shard, const struct ordo_doc *doc);
/* Hands the job out as soon as the document's newest op is durable. Takes it. */
void ordo_shard_start_job(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
/* From now on rows of this level may come to the store, by our own hand or another's. */
void ordo_shard_raise_format(struct ordo_shard *shard, uint32_t level);
uint64_t ordo_shard_draw_lineage(struct ordo_shard *shard);
/* The same for a job about a slot, as soon as all closed turns are durable. */
void ordo_shard_start_slot_job(struct ordo_shard *shard, struct ordo_job *job);

/* ---- outbox.c: what is released when its turn is durable */
/* The buffer that takes the next Envelope.to_gateway field for this peer; close what was appended with `end`. */
struct ordo_buffer *ordo_outbox_begin(struct ordo_shard *shard, struct ordo_peer *peer);
void ordo_outbox_end(struct ordo_shard *shard, struct ordo_peer *peer);
/* Everything of the open turn now waits for `turn`; 0: it waits for nothing. */
void ordo_outbox_close_turn(struct ordo_shard *shard, uint64_t turn);
void ordo_outbox_release(struct ordo_shard *shard);
/* Drops what waits for a peer: its session is over. */
void ordo_outbox_drop(struct ordo_shard *shard, struct ordo_peer *peer);
/* An Envelope outside of all turns: keep-alives. */
void ordo_outbox_send_now(struct ordo_shard *shard, struct ordo_peer *peer, struct ordo_slice to_gateway_fields);
void ordo_outbox_finish(struct ordo_shard *shard);

/* ---- answer.c: messages into the open turn */
void ordo_answer(struct ordo_shard *shard, struct ordo_peer *peer, Ordo__Cluster__V1__ToGateway *message);
void ordo_answer_nack(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint64_t client_seq,
                      Ordo__V1__NackCode code, const char *text, uint32_t retry_after_ms, uint64_t horizon);
void ordo_answer_duplicate(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint64_t client_seq,
                           uint64_t server_seq, uint64_t timestamp_ms);
void ordo_answer_refused(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber, uint32_t code,
                         const char *text, uint32_t retry_after_ms);
void ordo_answer_history_error(struct ordo_shard *shard, struct ordo_peer *peer, uint64_t subscriber,
                               uint32_t request, uint32_t code, const char *text);
/* Sends a commit to all audiences of the document. `author` may be NULL. */
void ordo_answer_commit(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_subscriber *author,
                        const struct ordo_committed *op, struct ordo_slice committed);
/* Dropped, to audiences of this peer that missed commits, as soon as there is credit again. */
void ordo_answer_dropped(struct ordo_shard *shard, struct ordo_peer *peer);
/* The audience gets commits again, because one of its subscribers attached; the others are told first that they
 * missed some. */
void ordo_audience_revive(struct ordo_shard *shard, struct ordo_audience *audience);
void ordo_audience_leave_starved(struct ordo_audience *audience);
/* All who get commits of the document have missed something: they are told, and attach again. */
void ordo_audiences_starve(struct ordo_doc *doc);
/* Fills in a Bulk: inline if it is small, else published (a reference of its own is taken). Borrows from `blob`. */
void ordo_answer_bulk(struct ordo_shard *shard, struct ordo_blob *blob, Ordo__Cluster__V1__Bulk *bulk);

/* ---- peer.c */
void ordo_peers_received(struct ordo_shard *shard, struct ordo_slice id, struct ordo_slice message);
void ordo_peers_lost(struct ordo_shard *shard, struct ordo_slice id);
void ordo_peers_heard(struct ordo_shard *shard, uint64_t session);
void ordo_peers_tick(struct ordo_shard *shard);
void ordo_peers_turn_end(struct ordo_shard *shard);
void ordo_peers_finish(struct ordo_shard *shard);
/* NULL: that session is over. */
struct ordo_peer *ordo_peers_find_session(struct ordo_shard *shard, uint64_t session);
struct ordo_subscriber *ordo_peer_subscriber(const struct ordo_peer *peer, uint64_t id);

/* ---- doc.c */
struct ordo_doc *ordo_doc_find(struct ordo_shard *shard, struct ordo_slice key);
/* Finds it in memory, or starts to load it. */
struct ordo_doc *ordo_doc_get(struct ordo_shard *shard, struct ordo_slice key);
void ordo_doc_destroy(struct ordo_shard *shard, struct ordo_doc *doc);
/* Ends its subscribers without a word and forgets the document: its slot is another shard's. */
void ordo_doc_abandon(struct ordo_shard *shard, struct ordo_doc *doc);
/* Its slot is being handed over: nothing is committed, inputs wait. */
static inline bool ordo_doc_is_frozen(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    return shard->slots[doc->slot].is_frozen;
}
/* Its slot moves: no maintenance begins, nothing is deleted. */
static inline bool ordo_doc_rests(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    return shard->slots[doc->slot].rests;
}
void ordo_doc_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
void ordo_doc_due(struct ordo_shard *shard, struct ordo_doc *doc);
/* Puts the document's row into the turn's batch: `state` as of a snapshot, or of now. */
void ordo_doc_write_row(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_doc_state *state);
/* Looks whether the document can go now, or when to look again. */
void ordo_doc_set_timer(struct ordo_shard *shard, struct ordo_doc *doc);
/* The smallest seq from which on ops must stay in memory. */
uint64_t ordo_doc_pinned_seq(const struct ordo_shard *shard, const struct ordo_doc *doc);

/* ---- contents.c */
void ordo_doc_keep_content(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_blob *blob, uint64_t seq);
void ordo_doc_drop_content(struct ordo_shard *shard, struct ordo_doc *doc);
/* Whether the kept content will do: all ops behind it are in memory, and do not outgrow it. */
bool ordo_doc_kept_content_serves(const struct ordo_doc *doc);

/* ---- waiting.c */
/* One message about a document from a gateway that is linked. */
void ordo_doc_handle(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message);
/* Puts an input behind the others that wait. False: there is no room, nothing was taken. */
bool ordo_doc_wait(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                   const Ordo__Cluster__V1__ToShard *message);
/* Handles all waiting inputs that need not wait any longer, in order. */
void ordo_doc_drain(struct ordo_shard *shard, struct ordo_doc *doc);
/* Drops the waiting inputs of one subscriber. */
void ordo_doc_forget_inputs(struct ordo_doc *doc, struct ordo_subscriber *subscriber);
/* Refuses all who wait to open, nacks all that waits to be sequenced. */
void ordo_doc_refuse_waiting(struct ordo_shard *shard, struct ordo_doc *doc, const char *text);
/* Refuses those who wait to open as this client. */
void ordo_doc_refuse_waiting_client(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_slice client_id,
                                    const char *text);

/* ---- subscriber.c */
/* WAITING. The id must be free on this peer. */
struct ordo_subscriber *ordo_subscriber_create(struct ordo_shard *shard, struct ordo_peer *peer, struct ordo_doc *doc,
                                               uint64_t id, struct ordo_slice user);
/* Takes the subscriber out of everything and frees it. */
void ordo_subscriber_destroy(struct ordo_shard *shard, struct ordo_subscriber *subscriber);
/* A refusal that ends the subscriber. */
void ordo_subscriber_refuse(struct ordo_shard *shard, struct ordo_subscriber *subscriber, uint32_t code,
                            const char *text, uint32_t retry_after_ms);
/* The only function that writes its state; keeps the audience's counts in step. */
void ordo_subscriber_move(struct ordo_subscriber *subscriber, enum ordo_subscriber_state next);
/* OPENING, until `job` is done; out of that list again (if it is in it). */
void ordo_subscriber_park(struct ordo_subscriber *subscriber, struct ordo_job *job);
void ordo_subscriber_unpark(struct ordo_subscriber *subscriber);
/* One that waits for this job, unparked; NULL: no more. */
struct ordo_subscriber *ordo_subscriber_next_parked(struct ordo_doc *doc, const struct ordo_job *job);

/* ---- attach.c */
void ordo_attach(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message);
/* The document is loaded and the author is known: answer, or start the job that will. */
void ordo_attach_known(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                       const Ordo__Cluster__V1__Attach *attach);
/* Whether an Attach by this client must wait for its dedupe entry; starts reading it. */
bool ordo_attach_must_wait(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_slice client_id);
void ordo_attach_content_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
void ordo_attach_ops_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
/* The document was erased: whoever has it open, or waits for that, gets it as it is now. */
void ordo_attach_again(struct ordo_shard *shard, struct ordo_doc *doc);

/* ---- writers.c */
/* An op that may be committed: true if its subscriber has a place for a writer, or takes one. False: it waits in line. */
bool ordo_writers_admit(struct ordo_shard *shard, struct ordo_subscriber *subscriber);
/* At the answer to an Attach: whether it says that there is no place, though there is the right to write. */
bool ordo_writers_must_watch(struct ordo_shard *shard, struct ordo_subscriber *subscriber);
/* It has no place and waits for none any more: who waits may have it. */
void ordo_writers_leave(struct ordo_shard *shard, struct ordo_subscriber *subscriber);
/* The client goes on over another connection. */
void ordo_writers_hand_over(struct ordo_shard *shard, struct ordo_subscriber *from, struct ordo_subscriber *to);
void ordo_writers_due(struct ordo_shard *shard, struct ordo_doc *doc);
/* When ordo_writers_due wants to be called; UINT64_MAX: not. */
uint64_t ordo_writers_next_ms(const struct ordo_shard *shard, const struct ordo_doc *doc);

/* ---- sequence.c */
/* A submit on its way through the checks. Slices are borrowed. */
struct ordo_submit {
    struct ordo_subscriber *subscriber;
    uint64_t client_seq, base_seq, hash;
    uint32_t op_field; /* of ordo.v1.Submit */
    struct ordo_slice op;
    bool is_exact;     /* dedupe policy EXACT_SINCE_BASE */
};
void ordo_sequence_submit(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                          const Ordo__Cluster__V1__Submit *message);
/* All checks, rebase, commit. `far` (NULL: none) has already been through the log up to its from_seq - 1. */
void ordo_sequence(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                   struct ordo_job *far);

/* ---- commit.c */
/* Commits an op that passed all checks. Returns its server_seq. */
uint64_t ordo_commit(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                     uint32_t committed_field, struct ordo_slice op, uint64_t length_after);
/* Commits a create with a lineage of its own; `op` makes the first content. */
void ordo_commit_create(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                        const struct ordo_type *type, struct ordo_slice op, uint64_t length);
/* The create that an Open makes: client_seq 0, by the opener. */
void ordo_commit_create_of_open(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *opener,
                                const struct ordo_type *type, struct ordo_slice op);

/* ---- far.c: submits that a job has to look up or rebase first */
void ordo_far_find(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit);
/* Takes `far` (continued), or starts a new one if it is NULL. */
void ordo_far_rebase(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_submit *submit,
                     struct ordo_job *far, bool is_validated);
void ordo_far_find_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
/* Takes the job. */
void ordo_far_rebase_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);

/* ---- presence.c */
void ordo_presence_set(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                       struct ordo_slice update);
void ordo_presence_end(struct ordo_shard *shard, struct ordo_subscriber *subscriber);
/* The present set, for a newcomer. */
void ordo_presence_greet(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber);
/* Sends what changed, if it is time, and ends what is too old. */
void ordo_presence_due(struct ordo_shard *shard, struct ordo_doc *doc);
/* When ordo_presence_due wants to be called; UINT64_MAX: not. */
uint64_t ordo_presence_next_ms(const struct ordo_shard *shard, const struct ordo_doc *doc);
void ordo_presence_destroy(struct ordo_presence *presence);

/* ---- snapshots.c */
void ordo_snapshots_consider(struct ordo_shard *shard, struct ordo_doc *doc, bool is_idle);
/* Takes the job. */
void ordo_snapshots_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
/* Whether snapshots are written and only lack their record, which needs a turn. */
bool ordo_snapshots_are_ready(const struct ordo_shard *shard);
/* Puts those records into the turn's batch. */
void ordo_snapshots_turn_end(struct ordo_shard *shard, uint64_t turn);
/* Starts the jobs of queued snapshots, as many as may run. */
void ordo_snapshots_start(struct ordo_shard *shard);
/* Writes pieces in the background: after a turn's outputs were released. */
void ordo_snapshots_write(struct ordo_shard *shard);
void ordo_snapshots_durable(struct ordo_shard *shard);
/* Forgets a snapshot that is not there yet. */
void ordo_snapshots_cancel(struct ordo_shard *shard, struct ordo_doc *doc);
/* Deletes what an interrupted snapshot or deletion left behind. */
void ordo_snapshots_delete(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_snapshot_keys *snapshot);
bool ordo_snapshots_have_work(const struct ordo_shard *shard);
/* Takes back one that only waits for its turn. */
void ordo_snapshots_put_off(struct ordo_shard *shard, struct ordo_doc *doc);

/* ---- truncate.c */
/* Looks whether enough of the log can go, or history, or dedupe entries. */
void ordo_truncations_consider(struct ordo_shard *shard, struct ordo_doc *doc);
/* Takes the job. */
void ordo_truncations_job_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
bool ordo_truncations_are_ready(const struct ordo_shard *shard);
/* Moves horizons, with the turn's batch. */
void ordo_truncations_turn_end(struct ordo_shard *shard, uint64_t turn);
void ordo_truncations_start(struct ordo_shard *shard);
/* Deletes in the background: after a turn's outputs were released. */
void ordo_truncations_write(struct ordo_shard *shard);
bool ordo_truncations_have_work(const struct ordo_shard *shard);
/* Ends one that is under way, wherever it is. */
void ordo_truncations_cancel(struct ordo_shard *shard, struct ordo_doc *doc);
/* Takes back one that only waits for its turn. */
void ordo_truncations_put_off(struct ordo_shard *shard, struct ordo_doc *doc);
void ordo_truncation_destroy(struct ordo_truncation *truncation); /* NULL is fine */
/* A snapshot is not among the two newest any more: history may need it, or it goes. */
void ordo_truncations_retire(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_snapshot_keys snapshot);
/* What the operator asked to keep of this document's history. Good as long as the shard. */
const struct ordo_retention *ordo_retention_of(const struct ordo_shard *shard, struct ordo_slice doc_key);

/* ---- history.c */
void ordo_history(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                  const Ordo__Cluster__V1__ReadHistory *message);
void ordo_history_done(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_job *job);
/* What was asked for is no longer kept. */
void ordo_history_refuse_gone(struct ordo_shard *shard, const struct ordo_doc *doc, const struct ordo_requester *requester);

/* ---- erase.c: forgetting a document */
void ordo_erase_ask(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                    const Ordo__Cluster__V1__Forget *message);
void ordo_erase_refuse(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__Forget *message,
                       uint32_t error_code, const char *text);
/* Erases what was asked for in the turn that was just closed, and answers: with the turn that opens. */
void ordo_erasures_begin(struct ordo_shard *shard);
/* Whether some stand in no batch yet, and need a turn. */
bool ordo_erasures_are_ready(const struct ordo_shard *shard);
/* Puts them into the turn's batch, in front of what was committed since. */
void ordo_erasures_turn_end(struct ordo_shard *shard, uint64_t turn);
/* Hands out what may be swept: durable, and read by no job of before. */
void ordo_erasures_sweep(struct ordo_shard *shard);
void ordo_erasures_finish(struct ordo_shard *shard);

#endif
