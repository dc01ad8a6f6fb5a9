/* Waiting, for tools that do one thing after another: the loop runs until something is so. */
#include "client/c/client_internal.h"

static struct ordo_client_loop *loop_of(const struct ordo_client_doc *doc) {
    struct ordo_client *client = ordo_client_connection_user(ordo_client_connection_of(doc));
    return client->loop;
}

static bool has_failed(const struct ordo_client_doc *doc) { return ordo_client_doc_status(doc) == ORDO_CLIENT_ERROR; }

static ordo_err why_failed(const struct ordo_client_doc *doc) {
    return ordo_client_doc_error_code(doc) == 404 ? ORDO_ERR_NOT_FOUND : ORDO_ERR_CLOSED;
}

static bool is_open_or_failed(void *doc) { return ordo_client_doc_is_open(doc) || has_failed(doc); }

ordo_err ordo_client_wait_open(struct ordo_client_doc *doc, uint32_t timeout_ms) {
    ordo_err err = ordo_client_loop_run_until(loop_of(doc), is_open_or_failed, doc, timeout_ms);
    return !err && has_failed(doc) ? why_failed(doc) : err;
}

static bool is_synced_or_failed(void *doc) {
    return (ordo_client_doc_is_open(doc) && ordo_client_doc_is_settled(doc)) || has_failed(doc);
}

ordo_err ordo_client_wait_synced(struct ordo_client_doc *doc, uint32_t timeout_ms) {
    ordo_err err = ordo_client_loop_run_until(loop_of(doc), is_synced_or_failed, doc, timeout_ms);
    return !err && has_failed(doc) ? why_failed(doc) : err;
}

struct wait_seq {
    struct ordo_client_doc *doc;
    uint64_t seq;
};

static bool is_at_seq_or_failed(void *user) {
    const struct wait_seq *wait = user;
    return ordo_client_doc_seq(wait->doc) >= wait->seq || has_failed(wait->doc);
}

ordo_err ordo_client_wait_seq(struct ordo_client_doc *doc, uint64_t seq, uint32_t timeout_ms) {
    struct wait_seq wait = {.doc = doc, .seq = seq};
    ordo_err err = ordo_client_loop_run_until(loop_of(doc), is_at_seq_or_failed, &wait, timeout_ms);
    return !err && has_failed(doc) ? why_failed(doc) : err;
}

/* --- history ---------------------------------------------------------------------------------------------------- */

struct wait_history {
    ordo_client_history_listener listener;
    void *user;
    bool is_done;
    uint32_t error_code;
};

static void history_part(void *user, const struct ordo_client_history *part) {
    struct wait_history *wait = user;
    wait->is_done = part->error_code != 0 || !part->more;
    wait->error_code = part->error_code;
    if (wait->listener != NULL) wait->listener(wait->user, part);
}

static bool history_is_done(void *user) { return ((struct wait_history *)user)->is_done; }

static ordo_err wait_history(struct ordo_client_doc *doc, struct wait_history *wait, uint32_t timeout_ms) {
    ordo_err err = ordo_client_loop_run_until(loop_of(doc), history_is_done, wait, timeout_ms);
    if (err) {
        ordo_client_connection_cancel_history(ordo_client_connection_of(doc), wait);
        return err;
    }
    if (wait->error_code == 0) return ORDO_OK;
    return wait->error_code == 404 ? ORDO_ERR_NOT_FOUND : ORDO_ERR_UNAVAILABLE;
}

ordo_err ordo_client_wait_history(struct ordo_client_doc *doc, uint64_t from_seq, uint64_t to_seq,
                                  ordo_client_history_listener listener, void *user, uint32_t timeout_ms) {
    struct wait_history wait = {.listener = listener, .user = user};
    ordo_err err = ordo_client_read_history(doc, from_seq, to_seq, history_part, &wait);
    return err ? err : wait_history(doc, &wait, timeout_ms);
}

ordo_err ordo_client_wait_at(struct ordo_client_doc *doc, uint64_t at_seq, ordo_client_history_listener listener,
                             void *user, uint32_t timeout_ms) {
    struct wait_history wait = {.listener = listener, .user = user};
    ordo_err err = ordo_client_read_at(doc, at_seq, history_part, &wait);
    return err ? err : wait_history(doc, &wait, timeout_ms);
}
