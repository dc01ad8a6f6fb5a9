/* shard/core/job_impl.h: what a job holds. For the shard's core only; edges see job.h.
 *
 * The shard fills in `in` and the requester, a helper thread runs `ordo_job_run`, which fills in `err` and `out`, and
 * the shard takes over what it needs from `out` before it destroys the job. */
#ifndef ORDO_SHARD_CORE_JOB_IMPL_H
#define ORDO_SHARD_CORE_JOB_IMPL_H

#include "shard/core/authors.h"
#include "shard/core/bulk.h"
#include "shard/core/job.h"
#include "shard/core/recent.h"
#include "shard/core/replay.h"
#include "shard/core/slot_count.h"

enum ordo_job_kind {
    ORDO_JOB_LOAD,    /* what sequencing needs of a document: state, recent ops, dedupe entries behind the snapshot */
    ORDO_JOB_CLIENT,  /* the dedupe entry of one client_id */
    ORDO_JOB_FIND,    /* an op_id in the log, older than what is in memory */
    ORDO_JOB_CONTENT, /* the content at a seq */
    ORDO_JOB_OPS,     /* a range of ops, encoded for Opened */
    ORDO_JOB_REBASE,  /* one op over many */
    ORDO_JOB_SNAPSHOT, /* the content at a seq, to be written in pieces */
    ORDO_JOB_HISTORY,  /* what ReadHistory asks for */
    ORDO_JOB_TRUNCATE, /* which runs may leave the log, and what takes their place */
    ORDO_JOB_COPY,     /* some rows of a slot that moves; of no document, like the next */
    ORDO_JOB_COUNT,    /* what there is of a slot */
};

struct ordo_snapshot_keys { /* enough to delete a snapshot by key */
    uint64_t seq, timestamp_ms; /* of its op */
    uint32_t piece_count;
};

/* Snapshots between the base of history and the two newest, oldest first. */
enum { ORDO_CANDIDATES_MAX = 6 };
struct ordo_candidates {
    struct ordo_snapshot_keys items[ORDO_CANDIDATES_MAX];
    size_t count;
};

/* A list of seqs. Zeroed memory is an empty one; free(items). */
struct ordo_seqs {
    uint64_t *items;
    size_t count, capacity;
};
void ordo_seqs_push(struct ordo_seqs *seqs, uint64_t seq);

struct ordo_load {
    size_t recent_size_max;    /* in */
    struct ordo_doc_state state;
    uint64_t horizon, forgotten_seq, erased_seq;
    struct ordo_relineage relineage; /* already in `state` */
    struct ordo_recent recent;
    struct ordo_authors authors; /* all dirty */
    bool has_client_rows;
    size_t log_size, snapshot_size;
    struct ordo_snapshot_keys snapshots[2]; /* valid ones, newest first; seq 0: none */
    uint64_t history_seq;
    struct ordo_snapshot_keys base;         /* at history_seq; seq 0: none, and none needed */
    struct ordo_candidates candidates;      /* may become the base one day */
    struct ordo_seqs stale_runs;            /* of runs that truncation was about to delete */
    struct ordo_snapshot_row newest;        /* the record of the newest */
    struct ordo_snapshot_keys *stale;       /* older or unfinished ones: to be deleted */
    size_t stale_count;
};
struct ordo_find_client {
    struct ordo_buffer client_id; /* in */
    bool found;
    struct ordo_client_row row;
    struct ordo_buffer row_bytes; /* what `row` borrows from */
};
struct ordo_find_op {
    struct ordo_buffer client_id;         /* in */
    uint64_t client_seq, from_seq, to_seq; /* in */
    uint64_t submitted_hash;              /* in; the shard's own */
    bool found;
    uint64_t hash, server_seq, timestamp_ms;
};
struct ordo_read_content {
    uint64_t seq; /* in */
    struct ordo_doc_state state;
    struct ordo_buffer bytes;
    uint64_t hash; /* of a snapshot: of its pieces */
};
struct ordo_read_ops {
    uint64_t from_seq, to_seq; /* in */
    size_t size_max;           /* in; stops behind the op that reaches it */
    uint32_t field;            /* in; of the message that the ops will stand in */
    uint64_t end_seq;          /* the next op's */
    struct ordo_buffer bytes;
};
struct ordo_rebase {
    const struct ordo_type *type;          /* in; of the document */
    bool is_edit;                          /* in; else nothing is rebased, only op_ids are compared */
    bool is_exact;                         /* in; a duplicate is what equals an op after base_seq */
    bool is_validated;                     /* in; then `length_before` is of no use to the job */
    uint32_t op_field;                     /* in; of Submit */
    struct ordo_buffer client_id, op;      /* in; as submitted */
    uint64_t client_seq, base_seq, hash;   /* in */
    uint64_t from_seq, to_seq;             /* in; what is left to do */
    struct ordo_live_op *live;             /* in once begun; out */
    enum ordo_op_fault fault;
    bool is_duplicate;
    uint64_t duplicate_seq, duplicate_ms;
};
struct ordo_read_history {
    enum { ORDO_HISTORY_OPS, ORDO_HISTORY_AT_SEQ, ORDO_HISTORY_AT_TIME } what; /* in */
    uint64_t at;                     /* in */
    uint64_t begin_seq, begin_ms;    /* in: where history begins, and the time of the op there */
    bool is_gone;                    /* out: the time is before that */
    struct ordo_read_ops ops;        /* in: range; out */
    struct ordo_read_content content; /* in: nothing; out */
};

struct ordo_truncate {
    uint64_t from_seq, limit_seq; /* in: runs that lie in this range may go, */
    uint64_t before_ms;           /* in: if all their ops are older than this */
    uint64_t base_seq;            /* in: history up to here goes for good; 0: none does */
    uint64_t expire_before_ms;    /* in: clients whose newest op is older than this are forgotten; 0: nobody is looked at */
    size_t clients_max;           /* in: of more, the oldest are */
    size_t size_max;              /* in: bytes of runs, about */
    uint64_t block_ops_max;       /* in: a block of so many ops grows no more */
    uint64_t hash_seed;           /* in: of the builder's table */
    uint64_t horizon;             /* out: the last op that goes */
    struct ordo_seqs runs;        /* out: their first seqs */
    struct ordo_seqs blocks;      /* out: first seqs of history blocks that end at or before base_seq */
    struct ordo_buffer packed;    /* out: blocks to be written: sized value by sized value */
    struct ordo_seqs packed_seqs; /* out: their first seqs */
    struct ordo_buffer forgotten; /* out: sized client_ids */
    uint64_t forgotten_seq;       /* out: of the newest op of those */
};
struct ordo_copy {
    uint64_t move;              /* in */
    uint16_t slot;              /* in */
    enum ordo_cf cf;            /* in: where to begin, at the key in doc_key (empty: the first); out: where to go on … */
    struct ordo_buffer next_key; /* … out */
    size_t size_max;            /* in: bytes; at least one row is read */
    struct ordo_buffer rows;    /* out: as MoveRows has them */
    bool is_end;                /* out: there are no more */
};

struct ordo_count {
    uint64_t move; /* in */
    uint16_t slot; /* in */
    bool is_import; /* in: for the target */
    struct ordo_slot_count count; /* out */
    uint64_t turn; /* out: the newest whose commits are counted */
};

/* Whom the result is for, by name: it may be gone by then. */
struct ordo_requester {
    uint64_t session, subscriber;
    uint32_t request;
};

struct ordo_job {
    enum ordo_job_kind kind;
    struct ordo_buffer doc_key;
    /* The shard's own: */
    void *doc; /* NULL: it is about a slot */
    struct ordo_job *next, **link; /* in the document's list */
    struct ordo_job *next_waiting; /* until its turns are durable */
    uint64_t after_turn;
    uint64_t pin_seq;              /* ops from here on stay in memory; UINT64_MAX: none needed */
    uint64_t number;               /* in the order of their starts: what it may read stays on disk until it is done */
    struct ordo_requester requester;
    bool is_urgent;
    /* The result: */
    ordo_err err;
    char message[160];             /* what is wrong, if err */
    uint64_t damaged_seq;          /* of a snapshot that was passed over, though the job succeeded; 0: none */
    union {
        struct ordo_load load;
        struct ordo_find_client client;
        struct ordo_find_op find;
        struct ordo_read_content content; /* also of a snapshot */
        struct ordo_read_ops ops;
        struct ordo_rebase rebase;
        struct ordo_read_history history;
        struct ordo_truncate truncate;
        struct ordo_copy copy;
        struct ordo_count count;
    };
};

struct ordo_job *ordo_job_create(enum ordo_job_kind kind, struct ordo_slice doc_key);
/* Writes the sentence for `err` met at `seq` of the log (0: elsewhere). */
void ordo_job_fail(struct ordo_job *job, ordo_err err, const char *what, uint64_t seq);

void ordo_job_run_load(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_client(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_find(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_content(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_ops(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_rebase(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_history(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_truncate(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_copy(struct ordo_job *job, struct ordo_view *view);
void ordo_job_run_count(struct ordo_job *job, struct ordo_view *view);

#endif
