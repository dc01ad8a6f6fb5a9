/* tools/load/ledger.h: what the driver was told about the order of one document, to hold the server to it afterwards.
 *
 * Every client notes each ack and each committed op that it sees; the first word counts, a different second one is a
 * violation. At the end the document's log is read and checked against all of it: dense, each op once, each acked op at
 * the seq it was acked with, each op as it was shown. Pure. Threads: one owner. */
#ifndef ORDO_TOOLS_LOAD_LEDGER_H
#define ORDO_TOOLS_LOAD_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

struct ordo_ledger_place {
    uint64_t id_hash;   /* of op_id; 0: nobody has said what stands here */
    uint64_t body_hash; /* of the op as committed; 0: nobody has seen it */
    bool is_acked;
    bool is_logged;     /* found there when the log was read */
};

struct ordo_ledger {
    struct ordo_ledger_place *places; /* [seq - 1] */
    uint64_t seq_max;                 /* the highest seq that anybody was told of */
    size_t capacity;
    uint64_t acked_count, seen_count;
    uint64_t violation_count;
    char first_violation[256];
};

void ordo_ledger_finish(struct ordo_ledger *ledger);

/* The op of `client_id` was acked at `server_seq`. */
void ordo_ledger_acked(struct ordo_ledger *ledger, struct ordo_slice client_id, uint64_t client_seq,
                       uint64_t server_seq);
/* Somebody was shown this op at this seq. */
void ordo_ledger_saw(struct ordo_ledger *ledger, struct ordo_slice client_id, uint64_t client_seq, uint64_t server_seq,
                     struct ordo_slice op);

/* Reading the log, in order from the first op that is kept to its head; then `log_done`. */
void ordo_ledger_logged(struct ordo_ledger *ledger, struct ordo_slice client_id, uint64_t client_seq,
                        uint64_t server_seq, struct ordo_slice op);
/* The log was read; it has all from `first_seq` to `head`. */
void ordo_ledger_log_done(struct ordo_ledger *ledger, uint64_t first_seq, uint64_t head);
/* How many ops below `seq` were acked. */
uint64_t ordo_ledger_acked_before(const struct ordo_ledger *ledger, uint64_t seq);

#endif
