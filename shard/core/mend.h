/* shard/core/mend.h: what of a damaged document can still be served, and as what.
 *
 * Whatever way through the readable rows leads furthest (survey.h) is the document. What is left of its rows is laid out as
 * truncation leaves them: blocks up to the horizon, runs behind it, a snapshot at the horizon or behind it, which is made if it
 * is lost.
 *
 *   WHOLE   it leads to the last op that anything knows of, and nothing of the document's end can have been lost
 *   UNSURE  it leads to the last op that anything knows of, but ops behind that may have been lost without a trace
 *   SHORT   something knows of ops behind its end
 *   LOST    there is no way to start: only a row stays, whose head no log reaches, so that loading answers an error
 *
 * UNSURE and SHORT get a new lineage: whoever has seen a server_seq that is now given anew sees another lineage with it,
 * and never takes the two orders for one. It stands in the document's row (rows.h, ordo_relineage); log, blocks and snapshots
 * stay as they are. Client rows that speak of lost ops go.
 *
 * Pure: reads through the view, answers with a batch. */
#ifndef ORDO_SHARD_CORE_MEND_H
#define ORDO_SHARD_CORE_MEND_H

#include "shard/store.h"

enum ordo_mend_outcome { ORDO_MEND_WHOLE, ORDO_MEND_UNSURE, ORDO_MEND_SHORT, ORDO_MEND_LOST };

struct ordo_mend_hints {
    bool may_lack_ops;     /* ops of the document may have been lost without a trace */
    bool may_lack_clients; /* the same of its dedupe rows */
    uint64_t seen_seq;     /* a row that does not read says by its key that the document came this far; 0: none */
    uint64_t lineage;      /* a fresh one, should it be needed */
};

struct ordo_mended {
    enum ordo_mend_outcome outcome;
    uint64_t end_seq;       /* readable up to here */
    uint64_t known_seq;     /* the last op that anything knows of */
    uint64_t first_seq;     /* the oldest op in the log; end_seq + 1: none */
    uint64_t history_seq;   /* history begins with the content here; 0: with nothing */
    bool has_lost_history;  /* it began earlier: content and end are right, the way there is not known */
    bool has_lost_clients;  /* which op of a client was its newest may not be known */
    bool is_relineaged;
};

/* Appends to `batch` what makes the document's rows consistent. IO: the view could not be read; nothing was decided.
 * TOO_LARGE: an op of half a gigabyte would have to be packed (block.h). */
ORDO_MUST_USE ordo_err ordo_mend(struct ordo_view *view, struct ordo_slice doc_key,
                                 const struct ordo_mend_hints *hints, struct ordo_batch *batch,
                                 struct ordo_mended *out);

#endif
