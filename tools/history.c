#include "tools/history.h"

#include <stdio.h>

#include "common/clock.h"

enum { RETRY_MS = 100, BUSY = 429, AWAY = 503 };

static void take_part(void *user, const struct ordo_client_history *part) {
    struct ordo_tools_history *history = user;
    if (part->error_code != 0) {
        history->error_code = part->error_code;
        snprintf(history->error_message, sizeof history->error_message, "%.*s", (int)part->error_message.size,
                 (const char *)part->error_message.data);
    }
    for (size_t i = 0; i < part->op_count; i++) {
        if (history->first_seq == 0) history->first_seq = part->ops[i].server_seq;
        history->last_seq = part->ops[i].server_seq;
        history->op(history->user, &part->ops[i]);
    }
    if (part->head > history->head) history->head = part->head;
}

static bool never(void *user) {
    (void)user;
    return false;
}

/* A refusal that only asks for patience. */
static bool is_passing(const struct ordo_tools_history *history, ordo_err err) {
    return err == ORDO_ERR_UNAVAILABLE &&
           (history->error_code == 0 || history->error_code == BUSY || history->error_code == AWAY);
}

ordo_err ordo_tools_read_history(struct ordo_client_loop *loop, struct ordo_client_doc *doc, uint64_t from_seq,
                                 uint64_t to_seq, uint32_t timeout_ms, struct ordo_tools_history *history) {
    history->first_seq = history->last_seq = history->head = 0;
    uint64_t came_ms = ordo_clock_monotonic_ms();
    for (;;) {
        uint64_t last_seq = history->last_seq, next_seq = last_seq ? last_seq + 1 : from_seq;
        history->error_code = 0;
        ordo_err err = ordo_client_wait_history(doc, next_seq, to_seq, take_part, history, timeout_ms);
        if (history->last_seq > last_seq) came_ms = ordo_clock_monotonic_ms();
        if (is_passing(history, err)) {
            if (ordo_clock_monotonic_ms() - came_ms > timeout_ms) return ORDO_ERR_TIMEOUT;
            err = ordo_client_loop_run_until(loop, never, NULL, RETRY_MS);
            if (err != ORDO_ERR_TIMEOUT) return err;
            continue;
        }
        if (err) return err;
        bool is_done = history->last_seq == last_seq || history->last_seq >= history->head ||
                       (to_seq != 0 && history->last_seq >= to_seq);
        if (is_done) return ORDO_OK;
    }
}
