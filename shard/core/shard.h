/* shard/core/shard.h: a whole shard as one state machine without IO.
 *
 * The edge (or the simulator) turns everything that happens into events and carries out the effects. A turn is
 *
 *     RECEIVED …, JOB_DONE …, HEARD …, DISK …, TICK …   in any number and order: what is waiting, bounded
 *     TURN_END                                          closes the turn: everything it committed is one batch
 *
 * and DURABLE says that a turn's batch is on disk. Nothing that depends on a commit leaves before that: acks, nacks,
 * answers, commits and presence form one ordered stream per gateway, cut into turns, and a turn's part is let go when
 * it and all turns before it are durable. A turn without writes and without an undurable predecessor is let go at
 * TURN_END. How long a write takes, who performs it, and how many turns are on their way is the edge's affair.
 *
 * Effects are carried out in this order (effects of one step):
 *   1. `publish` the blobs (they are named by messages below);
 *   2. write `batch` with sync if `turn` is not 0. If a write fails, its outcome is unknown: never retry, never step
 *      DURABLE; stop the process and recover from the log. (A full disk is to be seen coming: DISK {is_full}.)
 *   3. start `jobs` on helper threads. The store already holds all that they must see (they are given out only once
 *      the turns that they depend on are durable), so a view opened at any later moment will do.
 *   4. give `sends` to the socket, in order. If the socket does not take one, step LOST {peer}. For the links to other
 *      shards likewise: close `target_closes`, open `target_opens`, then send `target_sends`;
 *   5. write `background` without sync (if not empty): last, so that nobody waits for it, but before any later write.
 *      All writes of a shard go through one writer in this order;
 *   6. log the `notes`; pass on `move_ends` and, if `slots_changed`, what ordo_shard_slots says now; the batch being durable,
 *      pass on `changes`, if they are wanted;
 *   7. whenever it suits, make the files give up what they still hold of the documents in `erased`: their rows are
 *      deleted, durably, and no job reads them any more.
 *
 * Slots (docs/cluster.md): the shard serves those of which its own store says so. It gives one away when told MOVE: it then
 * asks for a link to the store that takes it, an ordinary data link in which this shard has the gateway's part. Whoever
 * runs several stores may run both ends.
 *
 * Ownership: effects own their bytes until cleared; jobs belong to the edge until JOB_DONE gives them back. Threads:
 * one for all steps; jobs touch nothing of the shard. Times: wall_ms only becomes timestamps (which never go
 * backwards per document, whatever the clock does); monotonic_ms drives every timer. Randomness: from the seed in the
 * config. */
#ifndef ORDO_SHARD_CORE_SHARD_H
#define ORDO_SHARD_CORE_SHARD_H

#include "common/placement.h"
#include "shard/core/bulk.h"
#include "shard/core/counters.h"
#include "shard/core/job.h"
#include "shard/core/rows.h"
#include "shard/store.h"

/* What of a document's history stays readable: an op among the newest `ops`, or younger than `age_ms`. UINT64_MAX: all. */
struct ordo_retention {
    uint64_t ops, age_ms;
};
struct ordo_retention_rule {
    struct ordo_slice collection; /* borrowed */
    struct ordo_retention retention;
};

struct ordo_shard_config {
    uint8_t cluster_id[ORDO_CLUSTER_ID_SIZE];
    uint8_t store_id[ORDO_STORE_ID_SIZE];
    const struct ordo_slot_row *slots; /* ORDO_SLOT_COUNT, as the store has them; copied. NULL: it owns all, with epoch 1 */
    uint64_t incarnation;          /* of the store, raised durably at each start; never 0 */
    uint64_t turn, term;           /* of the newest batch in the store (rows.h, turn row); 0, 0 for a new one */
    uint64_t seed;                 /* lineages, bulk ids, hash tables; secret, and another one at every start */
    char name[64];                 /* told to gateways, for logs and status */
    bool has_debug_notes;          /* a note for every op, for a log at level debug */

    uint32_t format;               /* the level that the store has (common/format.h) */

    size_t op_size_max;            /* bytes of one submitted op */
    uint64_t document_length_max;  /* in the type's units (text: code points) */
    size_t presence_size_max;      /* bytes of one presence update */
    size_t recent_size_max;        /* bytes of committed ops kept in memory per document that is in use … */
    size_t recent_idle_size_max;   /* … and per document that nobody has edited for `idle_ms` */
    size_t recent_total_size_max;  /* beyond this over all documents, each keeps about recent_idle_size_max */
    size_t doc_queue_size_max;     /* bytes of inputs waiting for one document's job */
    uint64_t rebase_budget;        /* what one input may cost a turn in bytes of ops looked at; beyond: a job */
    size_t history_size_max;       /* bytes of ops in one answer; the asker asks on from where it ends */
    size_t content_cache_size_max; /* bytes of contents kept for the next to join, over all documents */

    size_t snapshot_log_size_min;  /* a snapshot is made when the log behind the last exceeds max(this, half of it) */
    size_t snapshot_idle_size_min; /* … or this, once the document is idle */
    size_t snapshot_rate;          /* bytes per second written in the background */
    uint32_t snapshots_at_once_max;

    uint64_t log_ops;              /* the newest ops stay in the log, where an op made before them can be rebased … */
    uint64_t log_age_ms;           /* … and all younger than this, so that the horizon never overtakes who is connected */
    uint64_t truncate_ops_min;     /* fewer are not worth the trouble */
    size_t truncate_size_max;      /* bytes of runs that leave the log at once */
    uint64_t history_block_ops;    /* a block of packed history with so many ops is full */
    struct ordo_retention retention;
    const struct ordo_retention_rule *retention_rules; /* for some collections; borrowed */
    size_t retention_rule_count;
    size_t clients_max;            /* dedupe entries of one document; of more, the oldest are forgotten, */
    uint64_t client_age_ms;        /* and those whose newest op is older; never one above the horizon */
    uint32_t clients_check_ms;     /* looked at that often */

    size_t move_chunk_size;        /* bytes of a moving slot that are read and sent at once */
    size_t move_window_size;       /* sent and not yet taken in by the target */
    size_t move_rate;              /* bytes of it per second */
    size_t move_tail_size_max;     /* bytes of commits that wait to be sent behind it; beyond, the move ends */
    size_t move_hold_size_max;     /* bytes of Attaches that wait for a slot which is about to become ours … */
    uint32_t move_hold_ms;         /* … and for how long */
    uint32_t move_step_ms;         /* a target that is silent about the next step for so long ends the move */
    uint32_t move_freeze_ms;       /* … and so does one for which editors of the slot would have to wait longer */

    uint32_t idle_ms;              /* a document without commits for so long is idle */
    uint32_t unload_ms;            /* a document without subscribers for so long leaves the memory */

    uint32_t writers_max;          /* of one document at once; 0: no limit. Others become viewers until there is a place */
    uint32_t writer_idle_ms;       /* a writer who is quiet for so long loses its place to somebody who wants it */

    bool tells_changes;            /* the effect `changes` is wanted */

    uint32_t presence_tick_ms;     /* at least so long between two sends of a document's presence */
    uint32_t presence_rate;        /* updates per second and document; the tick lengthens to keep to it */
    uint32_t presence_age_ms;      /* presence that nobody renewed ends */
};

/* Fills in all limits; the caller sets store_id, incarnation, turn, term, seed and name. */
void ordo_shard_config_init(struct ordo_shard_config *config);

enum ordo_shard_event_kind {
    ORDO_SHARD_RECEIVED, /* a message of a gateway's data link */
    ORDO_SHARD_LOST,     /* the socket refused a message for this peer: its session is over */
    ORDO_SHARD_JOB_DONE,
    ORDO_SHARD_TURN_END,
    ORDO_SHARD_DURABLE,
    ORDO_SHARD_HEARD,    /* the side thread heard a gateway's heartbeat; step what was heard before stepping TICK */
    ORDO_SHARD_DISK,
    ORDO_SHARD_TICK,     /* timers; due at ordo_shard_next_tick_ms */

    ORDO_SHARD_PLACEMENT,   /* the table has changed, or came back */
    ORDO_SHARD_MOVE,        /* give this slot to that store; answered by an effect `move_ends`, perhaps at once */
    ORDO_SHARD_MOVE_CANCEL, /* unless it is given away already */
    ORDO_SHARD_TARGET_UP,   /* the link of this session is connected */
    ORDO_SHARD_TARGET_DOWN, /* … cannot be, is not any more, or did not take a message */
    ORDO_SHARD_TARGET_RECEIVED,
};

struct ordo_shard_event {
    enum ordo_shard_event_kind kind;
    uint64_t wall_ms, monotonic_ms; /* read once per turn */
    union {
        struct {
            struct ordo_slice peer;    /* routing id, 1–255 bytes; borrowed */
            struct ordo_slice message; /* an encoded Envelope; borrowed */
        } received;
        struct {
            struct ordo_slice peer;
        } lost;
        struct {
            struct ordo_job *job; /* taken */
        } job_done;
        struct {
            uint64_t turn; /* this turn and all before it */
        } durable;
        struct {
            uint64_t session;
        } heard;
        struct {
            bool is_full; /* submits get a retryable nack, reads go on */
        } disk;
        struct {
            const struct ordo_placement *placement; /* borrowed */
            uint32_t format;                        /* the cluster's level; 0: not known */
            const struct ordo_store_id *lost;       /* stores that were given up for good; borrowed */
            size_t lost_count;
        } placement;
        struct {
            uint16_t slot;
            struct ordo_store_id target;
        } move;
        struct {
            uint16_t slot;
        } move_cancel;
        struct {
            uint64_t session;          /* of `target_opens`; events of one that is closed are ignored */
            struct ordo_slice message; /* of RECEIVED: an encoded Envelope; borrowed */
        } target;
    };
};

struct ordo_shard_send {
    struct ordo_slice peer;    /* routing id */
    struct ordo_slice message; /* an encoded Envelope */
};

/* A link to the store that takes a slot: one data link, with a routing id made from `session`. */
struct ordo_target_open {
    struct ordo_store_id store;
    uint64_t session;
};
struct ordo_target_send {
    uint64_t session;
    struct ordo_slice message; /* an encoded Envelope */
};
/* What became of a MOVE. */
struct ordo_move_end {
    uint16_t slot;
    bool is_done;     /* the target owns it, durably; else it is still here, and the order may be given again */
    char reason[160]; /* a sentence, if not */
};

enum ordo_note_level { ORDO_NOTE_DEBUG, ORDO_NOTE_INFO, ORDO_NOTE_WARN, ORDO_NOTE_ERROR };
struct ordo_shard_note {
    enum ordo_note_level level;
    struct ordo_slice text; /* key=value, one line, no NUL */
};

/* Zeroed memory is empty effects. Steps append; the caller carries out and clears, after every step or after some
 * (but after every TURN_END). */
struct ordo_shard_effects {
    uint64_t turn;                   /* 0: nothing to write with sync; else the dense number of `batch` */
    struct ordo_batch batch;
    struct ordo_batch background;
    struct ordo_job **jobs;
    size_t job_count, job_capacity;
    struct ordo_bulk_item *publish;  /* for ordo_bulk_publish, which takes them */
    size_t publish_count, publish_capacity;
    struct ordo_buffer send_bytes;   /* read through ordo_shard_effects_next_send / _next_note */
    size_t send_count;
    struct ordo_buffer note_bytes;
    struct ordo_buffer erased;       /* sized document keys */
    struct ordo_buffer changes;      /* change.h: what `batch` changes */
    uint64_t *target_closes;         /* sessions */
    size_t target_close_count, target_close_capacity;
    struct ordo_target_open *target_opens;
    size_t target_open_count, target_open_capacity;
    struct ordo_buffer target_bytes; /* read through ordo_shard_effects_next_target_send */
    struct ordo_move_end *move_ends;
    size_t move_end_count, move_end_capacity;
    bool slots_changed;              /* durably; see ordo_shard_slots */
};

/* Forgets what was carried out and keeps the memory. Jobs and blobs that nobody took are destroyed. The caller that
 * started the jobs (published the blobs) sets job_count (publish_count) to 0. */
void ordo_shard_effects_clear(struct ordo_shard_effects *effects);
void ordo_shard_effects_finish(struct ordo_shard_effects *effects);
/* Step through the sends (notes); start with an ordo_reader of send_bytes (target_bytes, note_bytes). False: no more. */
bool ordo_shard_effects_next_send(struct ordo_reader *reader, struct ordo_shard_send *send);
bool ordo_shard_effects_next_note(struct ordo_reader *reader, struct ordo_shard_note *note);
bool ordo_shard_effects_next_target_send(struct ordo_reader *reader, struct ordo_target_send *send);

struct ordo_shard;

struct ordo_shard *ordo_shard_create(const struct ordo_shard_config *config, uint64_t monotonic_ms);
/* Jobs that are still out stay the caller's: ordo_job_destroy them. NULL is fine. */
void ordo_shard_destroy(struct ordo_shard *shard);

void ordo_shard_step(struct ordo_shard *shard, const struct ordo_shard_event *event,
                     struct ordo_shard_effects *effects);

/* When TICK is next due (monotonic). A TICK that comes early or late does no harm. */
uint64_t ordo_shard_next_tick_ms(const struct ordo_shard *shard);

/* ORDO_SLOT_COUNT rows, as they are durable. Good until the next step. */
const struct ordo_slot_row *ordo_shard_slots(const struct ordo_shard *shard);

/* The slot that is on its way from here to another store, for those who wait for it. */
struct ordo_move_status {
    bool is_moving;
    uint16_t slot;
    struct ordo_store_id target;
    const char *phase;   /* a static word */
    uint64_t sent_size;  /* bytes of rows */
    size_t queued_count; /* further orders */
};
struct ordo_move_status ordo_shard_move_status(const struct ordo_shard *shard);

/* Counters since the start, and gauges. */
struct ordo_shard_stats ordo_shard_stats(const struct ordo_shard *shard);
/* One of them, for every turn. */
uint64_t ordo_shard_ops_committed(const struct ordo_shard *shard);

#endif
