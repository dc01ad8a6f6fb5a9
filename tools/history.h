/* tools/history.h: a document's log from one seq to another, however many answers that takes.
 *
 * The server bounds one answer, and may be busy or restarting: this asks on from where an answer ended, and again after
 * a short while where it was told to. */
#ifndef ORDO_TOOLS_HISTORY_H
#define ORDO_TOOLS_HISTORY_H

#include "client/c/ordo_client.h"

struct ordo_tools_history {
    void (*op)(void *user, const struct ordo_client_commit *op); /* in order; borrowed until it returns */
    void *user;
    /* Filled in: */
    uint64_t first_seq, last_seq; /* of the ops that came; 0: none */
    uint64_t head;
    uint32_t error_code;          /* of a refusal; 0: none */
    char error_message[256];
};

/* Reads from_seq..to_seq (0: up to the head). OK, or: UNAVAILABLE (see error_code), TIMEOUT: nothing came for so long. */
ORDO_MUST_USE ordo_err ordo_tools_read_history(struct ordo_client_loop *loop, struct ordo_client_doc *doc,
                                               uint64_t from_seq, uint64_t to_seq, uint32_t timeout_ms,
                                               struct ordo_tools_history *history);

#endif
