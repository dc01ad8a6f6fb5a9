/* Waiting, for tools that do one thing after another: the loop runs until something is so. */
#include <stdio.h>
#include <stdlib.h>

#include "client/c/client_internal.h"
#include "common/limits.h"

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
    uint64_t part_count;
};

static void history_part(void *user, const struct ordo_client_history *part) {
    struct wait_history *wait = user;
    wait->is_done = part->error_code != 0 || !part->more;
    wait->error_code = part->error_code;
    wait->part_count++;
    wait->listener(wait->user, part);
}

static bool history_is_done(void *user) { return ((struct wait_history *)user)->is_done; }

static ordo_err wait_history(struct ordo_client_doc *doc, struct wait_history *wait, uint32_t timeout_ms) {
    ordo_err err;
    uint64_t part_count;
    do { /* a long answer takes its time, and so may a listener */
        part_count = wait->part_count;
        err = ordo_client_loop_run_until(loop_of(doc), history_is_done, wait, timeout_ms);
    } while (err == ORDO_ERR_TIMEOUT && wait->part_count > part_count);
    if (err) {
        ordo_client_connection_cancel(ordo_client_connection_of(doc), wait);
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

/* --- content of the past ---------------------------------------------------------------------------------------- */

struct gather { /* parts, until they are whole */
    struct ordo_client_content *content;
    struct ordo_buffer text;
    bool is_too_large;
};

static void gather_part(void *user, const struct ordo_client_history *part) {
    struct gather *gather = user;
    struct ordo_client_content *content = gather->content;
    if (part->error_code != 0) {
        content->error_code = part->error_code;
        snprintf(content->error_message, sizeof content->error_message, "%.*s", (int)part->error_message.size,
                 (const char *)part->error_message.data);
        return;
    }
    content->head = part->head;
    if (!part->has_content) return;
    content->seq = part->content_seq;
    content->is_deleted = part->content_deleted;
    content->timestamp_ms = part->content_timestamp_ms;
    content->created_seq = part->content_created_seq;
    content->deleted_seq = part->content_deleted_seq;
    if (gather->text.size + part->content.size > ORDO_DOCUMENT_SIZE_MAX + ORDO_OP_SIZE_MAX) gather->is_too_large = true;
    if (!gather->is_too_large) ordo_buffer_append_slice(&gather->text, part->content);
}

static ordo_err wait_content(struct ordo_client_doc *doc, const struct ordo_client_history_request *request,
                             uint32_t timeout_ms, struct ordo_client_content *content) {
    *content = (struct ordo_client_content){0};
    struct gather gather = {.content = content};
    struct wait_history wait = {.listener = gather_part, .user = &gather};
    ordo_err err =
        ordo_client_connection_read_history(ordo_client_connection_of(doc), doc, request, history_part, &wait);
    if (!err) err = wait_history(doc, &wait, timeout_ms);
    if (!err && gather.is_too_large) err = ORDO_ERR_CORRUPT;
    if (err) {
        ordo_buffer_finish(&gather.text);
        return err;
    }
    content->size = gather.text.size;
    ordo_buffer_append_u8(&gather.text, 0);
    content->text = (char *)gather.text.data;
    return ORDO_OK;
}

ordo_err ordo_client_wait_content_at(struct ordo_client_doc *doc, uint64_t at_seq, uint32_t timeout_ms,
                                     struct ordo_client_content *content) {
    struct ordo_client_history_request request = {.content = true, .at_seq = at_seq};
    return wait_content(doc, &request, timeout_ms, content);
}

ordo_err ordo_client_wait_content_at_time(struct ordo_client_doc *doc, uint64_t at_time_ms, uint32_t timeout_ms,
                                          struct ordo_client_content *content) {
    struct ordo_client_history_request request = {.content = true, .at_time_ms = at_time_ms};
    return wait_content(doc, &request, timeout_ms, content);
}

void ordo_client_content_finish(struct ordo_client_content *content) {
    free(content->text);
    *content = (struct ordo_client_content){0};
}

/* --- forgetting --------------------------------------------------------------------------------------------------- */

struct wait_forgotten {
    struct ordo_client_forgotten *forgotten;
    bool is_done;
};

static void take_forgotten(void *user, const struct ordo_client_forgotten *forgotten) {
    struct wait_forgotten *wait = user;
    *wait->forgotten = *forgotten;
    wait->is_done = true;
}

static bool forgotten_is_done(void *user) { return ((struct wait_forgotten *)user)->is_done; }

ordo_err ordo_client_wait_forgotten(struct ordo_client_doc *doc, uint64_t lineage, uint32_t timeout_ms,
                                    struct ordo_client_forgotten *forgotten) {
    struct wait_forgotten wait = {.forgotten = forgotten};
    *forgotten = (struct ordo_client_forgotten){0};
    ordo_err err = ordo_client_forget_document(doc, lineage, take_forgotten, &wait);
    if (!err) err = ordo_client_loop_run_until(loop_of(doc), forgotten_is_done, &wait, timeout_ms);
    if (err == ORDO_ERR_TIMEOUT) ordo_client_connection_cancel(ordo_client_connection_of(doc), &wait);
    return !err && forgotten->error_code != 0 ? ORDO_ERR_UNAVAILABLE : err;
}
