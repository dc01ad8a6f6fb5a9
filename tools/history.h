/* tools/history.h: a document's past, however many answers that takes.
 *
 * The server bounds one answer, and may be busy or restarting: this asks on from where an answer ended, and again after
 * a short while where it was told to, for some seconds. */
#ifndef ORDO_TOOLS_HISTORY_H
#define ORDO_TOOLS_HISTORY_H

#include "client/c/ordo_client.h"

#define ORDO_TOOLS_GONE 410 /* the error code of what is not kept any more */

struct ordo_tools_history {
    void (*op)(void *user, const struct ordo_client_commit *op); /* in order; borrowed until it returns */
    void *user;
    bool is_enough;               /* set by `op`: nothing more is asked for */
    /* Filled in: */
    uint64_t first_seq, last_seq; /* of the ops that came; 0: none */
    uint64_t head, begin_seq, forgotten_seq; /* as of the newest answer (ordo_client_history) */
    uint32_t error_code;          /* of a refusal; 0: none */
    char error_message[256];
};

/* Whether it was refused for a while only, and if so waits a little before another try; not when that has been going on since
 * `since_ms` for long enough. `error_code` 0: the document was not open just then. */
bool ordo_tools_shall_try_again(struct ordo_client_loop *loop, ordo_err err, uint32_t error_code, uint64_t since_ms);

/* Reads from_seq..to_seq (0: up to the head), holding one part of one answer at a time. OK, or: UNAVAILABLE (see
 * error_code), TIMEOUT: nothing came for so long. */
ORDO_MUST_USE ordo_err ordo_tools_read_history(struct ordo_client_loop *loop, struct ordo_client_doc *doc,
                                               uint64_t from_seq, uint64_t to_seq, uint32_t timeout_ms,
                                               struct ordo_tools_history *history);

/* Reads all ops that are kept, up to the head. What is kept may lose its beginning while it is read; then some ops between those
 * that came before and those after are missing, and `kept_seq` lies behind them: no op from there on is. Otherwise as
 * ordo_tools_read_history. */
ORDO_MUST_USE ordo_err ordo_tools_read_kept_history(struct ordo_client_loop *loop, struct ordo_client_doc *doc, uint32_t timeout_ms,
                                                    struct ordo_tools_history *history, uint64_t *kept_seq);

/* The content at a seq, or at a time in milliseconds since 1970; as `ordo_client_wait_content_at` and `…_at_time`. */
struct ordo_tools_place {
    bool is_time;
    uint64_t seq_or_ms;
};
ORDO_MUST_USE ordo_err ordo_tools_read_content(struct ordo_client_loop *loop, struct ordo_client_doc *doc,
                                               struct ordo_tools_place place, uint32_t timeout_ms,
                                               struct ordo_client_content *content);

#endif
