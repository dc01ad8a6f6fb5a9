/* shard/core/op_log.h: reads the committed ops of one document from the store, in order, checking every step.
 *
 * Runs of the log come as they are; what left the log comes out of the blocks of packed history, without the hash of what
 * was submitted and without flags (both 0). Where both are, while truncation deletes or after tables were lost, a run is
 * preferred.
 * Ops come one by one with a dense server_seq; a hole, a bad checksum or a run out of step is CORRUPT, never skipped.
 * Threads: as the view. What `next` hands out is good until the next call. */
#ifndef ORDO_SHARD_CORE_OP_LOG_H
#define ORDO_SHARD_CORE_OP_LOG_H

#include "shard/core/block.h"
#include "shard/core/run.h"
#include "shard/store.h"

struct ordo_op_log {
    struct ordo_view *view;
    struct ordo_iterator *iterator; /* of runs */
    struct ordo_buffer end_key;
    struct ordo_slice doc_key;  /* borrowed */
    struct ordo_run run;        /* the one being read, borrowed from the iterator */
    bool has_run;
    struct ordo_block *block;   /* or this one; NULL: none */
    struct ordo_buffer committed; /* of an op out of it */
    ordo_err err;               /* what looking for the next op met; `next` says it */
    uint64_t next_seq;
    size_t bytes_read;          /* of the runs, keys included */
};

/* Stands before the op `from_seq` (from 1). `doc_key` is borrowed until close. */
void ordo_op_log_open(struct ordo_op_log *log, struct ordo_view *view, struct ordo_slice doc_key, uint64_t from_seq);
void ordo_op_log_close(struct ordo_op_log *log);
/* NOT_FOUND: behind the head (or there are no ops at all). CORRUPT, VERSION, IO: `next_seq` is where. */
ORDO_MUST_USE ordo_err ordo_op_log_next(struct ordo_op_log *log, struct ordo_run_op *out);
/* The same for making content: many ops out of packed history may come as one that does what they did; its server_seq is
 * that of the last, `to_seq` at most. `committed` is left empty. */
ORDO_MUST_USE ordo_err ordo_op_log_next_merged(struct ordo_op_log *log, uint64_t to_seq, struct ordo_run_op *out);

#endif
