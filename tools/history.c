#include "tools/history.h"

#include <stdio.h>

#include "common/clock.h"

enum { RETRY_MS = 100, PATIENCE_MS = 10000, BUSY = 429, AWAY = 503 };

static bool never(void *user) {
    (void)user;
    return false;
}

/* A refusal that only asks for patience. Code 0: the document is not open at the moment. */
static bool is_passing(ordo_err err, uint32_t error_code) {
    return err == ORDO_ERR_UNAVAILABLE && (error_code == 0 || error_code == BUSY || error_code == AWAY);
}

/* Waits before another try. False: it has been going on since `since_ms`, which is long enough. */
static bool wait_patiently(struct ordo_client_loop *loop, uint64_t since_ms) {
    if (ordo_clock_monotonic_ms() - since_ms > PATIENCE_MS) return false;
    return ordo_client_loop_run_until(loop, never, NULL, RETRY_MS) == ORDO_ERR_TIMEOUT;
}

bool ordo_tools_shall_try_again(struct ordo_client_loop *loop, ordo_err err, uint32_t error_code, uint64_t since_ms) {
    return is_passing(err, error_code) && wait_patiently(loop, since_ms);
}

/* --- ops -------------------------------------------------------------------------------------------------------- */

static void take_part(void *user, const struct ordo_client_history *part) {
    struct ordo_tools_history *history = user;
    if (part->error_code != 0) {
        history->error_code = part->error_code;
        snprintf(history->error_message, sizeof history->error_message, "%.*s", (int)part->error_message.size,
                 (const char *)part->error_message.data);
    }
    for (size_t i = 0; i < part->op_count && !history->is_enough; i++) {
        if (history->first_seq == 0) history->first_seq = part->ops[i].server_seq;
        history->last_seq = part->ops[i].server_seq;
        history->op(history->user, &part->ops[i]);
    }
    if (part->error_code != 0) return;
    if (part->head > history->head) history->head = part->head;
    history->begin_seq = part->begin_seq;
    history->forgotten_seq = part->forgotten_seq;
}

ordo_err ordo_tools_read_history(struct ordo_client_loop *loop, struct ordo_client_doc *doc, uint64_t from_seq,
                                 uint64_t to_seq, uint32_t timeout_ms, struct ordo_tools_history *history) {
    history->first_seq = history->last_seq = history->head = 0;
    uint64_t came_ms = ordo_clock_monotonic_ms();
    for (;;) {
        uint64_t last_seq = history->last_seq, next_seq = last_seq ? last_seq + 1 : from_seq;
        history->error_code = 0;
        ordo_err err = ordo_client_wait_history(doc, next_seq, to_seq, take_part, history, timeout_ms);
        if (history->is_enough) return ORDO_OK;
        if (history->last_seq > last_seq) came_ms = ordo_clock_monotonic_ms();
        if (ordo_tools_shall_try_again(loop, err, history->error_code, came_ms)) continue;
        if (err) return err;
        bool is_done = history->last_seq == last_seq || history->last_seq >= history->head ||
                       (to_seq != 0 && history->last_seq >= to_seq);
        if (is_done) return ORDO_OK;
    }
}

static void pass_over(void *user, const struct ordo_client_commit *op) { (void)user, (void)op; }

ordo_err ordo_tools_read_kept_history(struct ordo_client_loop *loop, struct ordo_client_doc *doc, uint32_t timeout_ms,
                                      struct ordo_tools_history *history, uint64_t *kept_seq) {
    ordo_err err;
    do {
        struct ordo_tools_history beyond = {.op = pass_over}; /* the head: that answer says where history begins */
        err = ordo_tools_read_history(loop, doc, ordo_client_seq(doc) + 1, 0, timeout_ms, &beyond);
        *kept_seq = beyond.begin_seq + 1;
        if (!err) err = ordo_tools_read_history(loop, doc, *kept_seq, 0, timeout_ms, history);
    } while (err == ORDO_ERR_UNAVAILABLE && history->error_code == ORDO_TOOLS_GONE);
    return err;
}

/* --- content ---------------------------------------------------------------------------------------------------- */

ordo_err ordo_tools_read_content(struct ordo_client_loop *loop, struct ordo_client_doc *doc,
                                 struct ordo_tools_place place, uint32_t timeout_ms,
                                 struct ordo_client_content *content) {
    uint64_t begun_ms = ordo_clock_monotonic_ms();
    for (;;) {
        ordo_err err = place.is_time ? ordo_client_wait_content_at_time(doc, place.seq_or_ms, timeout_ms, content)
                                     : ordo_client_wait_content_at(doc, place.seq_or_ms, timeout_ms, content);
        if (!ordo_tools_shall_try_again(loop, err, content->error_code, begun_ms)) return err;
        ordo_client_content_finish(content);
    }
}
