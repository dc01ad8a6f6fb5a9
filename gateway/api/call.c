#include "gateway/api/call_impl.h"

#include <stdlib.h>

#include "common/memory.h"
#include "gateway/api/body.h"

enum {
    DECODED_SIZE_MAX = 32 * 1024 * 1024, /* one frame of the core, which is ours; an op of 1 MiB makes 3 */
    AGAIN_MS = 200,
    RETRY_AFTER_MS = 1000,
};

static bool is_begun(const struct ordo_api_call *call) {
    return call->answer.status != 0;
}

/* ---- the answer */

static void refuse(struct ordo_api_call *call, uint32_t status, const char *code, struct ordo_slice message,
                   uint32_t retry_after_ms) {
    call->state = CALL_OVER;
    if (is_begun(call))
        call->answer.is_broken = call->answer.is_over = true;
    else
        ordo_api_answer_error(&call->answer, status, code, message, retry_after_ms);
}

static void refuse_for(struct ordo_api_call *call, uint32_t status, const char *code, const char *message) {
    refuse(call, status, code, ordo_slice_of(message), status == 503 || status == 429 ? RETRY_AFTER_MS : 0);
}

static void answer_commit(struct ordo_api_call *call, uint64_t server_seq, uint64_t timestamp_ms, bool is_duplicate) {
    const struct ordo_api_commit commit = {.server_seq = server_seq, .lineage = call->lineage, .timestamp_ms = timestamp_ms,
                                           .is_duplicate = is_duplicate};
    bool is_create = call->request.action == ORDO_API_CREATE;
    if (is_create) {
        ordo_api_answer_set_etag(&call->answer, call->lineage, server_seq);
        ordo_api_answer_set_location(&call->answer, &call->request);
    }
    ordo_api_answer_commit(&call->answer, is_create && !is_duplicate ? 201 : 200, &commit);
    call->state = CALL_OVER;
}

/* ---- Opened */

static void proceed(struct ordo_api_call *call, enum call_state next) {
    call->state = next;
    call_ask(call);
}

static void read_document(struct ordo_api_call *call) {
    const struct ordo_api_request *request = &call->request;
    bool is_head = request->at_kind == ORDO_API_AT_HEAD;
    if (is_head && call->is_deleted) {
        refuse_for(call, 410, "deleted", "the document is deleted; its past can be read with seq or time");
        return;
    }
    if (request->at_kind != ORDO_API_AT_TIME) {
        ordo_api_answer_set_etag(&call->answer, call->lineage, is_head ? call->head : request->at);
        if (ordo_api_knows(ordo_slice(request->known, request->known_size), ordo_slice_of(call->answer.etag)) &&
            (is_head || request->at <= call->head)) {
            ordo_api_answer_unchanged(&call->answer);
            call->state = CALL_OVER;
            return;
        }
    }
    proceed(call, CALL_READING);
}

static void refuse_existing(struct ordo_api_call *call) {
    if (call->request.must_be_new)
        refuse_for(call, 412, "exists", "there is such a document already");
    else
        refuse_for(call, 409, "exists", "there is such a document already; change it with POST …/ops");
}

static void create_document(struct ordo_api_call *call) {
    if (call->is_created)
        answer_commit(call, call->head, 0, false);
    else if (call->request.key_size > 0 && call->created_seq != 0)
        proceed(call, CALL_CHECKING);
    else
        refuse_existing(call);
}

static void delete_document(struct ordo_api_call *call) {
    if (call->last_client_seq >= call->client_seq) { /* by this request, when it came before: its key makes such ids alone */
        answer_commit(call, call->last_client_server_seq, 0, true);
    } else if (call->is_deleted) {
        refuse_for(call, 410, "deleted", "the document is deleted already");
    } else {
        call->base_seq = call->head;
        proceed(call, CALL_SUBMITTING);
    }
}

static void opened_first(struct ordo_api_call *call) {
    switch (call->request.action) {
    case ORDO_API_READ: read_document(call); return;
    case ORDO_API_OPS: proceed(call, CALL_READING); return;
    case ORDO_API_CREATE: create_document(call); return;
    case ORDO_API_SUBMIT: proceed(call, CALL_SUBMITTING); return;
    case ORDO_API_DELETE_DOCUMENT: delete_document(call); return;
    case ORDO_API_FORGET: proceed(call, CALL_FORGETTING); return;
    }
}

static void hear_opened(struct ordo_api_call *call, const Ordo__V1__ServerMessage *message) {
    const Ordo__V1__Opened *opened = message->opened;
    if (opened->content != NULL) call->is_deleted = opened->content->deleted;
    if (opened->more) return;
    if (call->state == CALL_OPENING && message->request == CALL_REQUEST_OPEN) {
        call->handle = message->doc;
        call->head = opened->head;
        call->lineage = opened->lineage;
        call->created_seq = opened->created_seq;
        call->is_created = opened->created;
        call->last_client_seq = opened->last_client_seq;
        call->last_client_server_seq = opened->last_client_server_seq;
        opened_first(call);
    } else if (call->state == CALL_SUBMITTING && message->doc == call->handle) {
        call_ask(call); /* the link was lost: a frozen op may be said again, and is answered as what it was */
    }
}

/* ---- History */

/* False: the answer is over. */
static bool begin_read(struct ordo_api_call *call, const Ordo__V1__History *history) {
    const struct ordo_api_request *request = &call->request;
    const Ordo__V1__Content *content = history->content;
    if (content == NULL || content->seq == 0) {
        refuse_for(call, 404, "not_found", "there was no such document yet");
        return false;
    }
    if (content->deleted) {
        refuse_for(call, 410, "deleted", "the document was deleted then");
        return false;
    }
    ordo_api_answer_set_etag(&call->answer, call->lineage, content->seq);
    if (ordo_api_knows(ordo_slice(request->known, request->known_size), ordo_slice_of(call->answer.etag))) {
        ordo_api_answer_unchanged(&call->answer);
        call->state = CALL_OVER;
        return false;
    }
    ordo_api_answer_begin_text(&call->answer, request, call->lineage, history);
    return true;
}

static void hear_content(struct ordo_api_call *call, const Ordo__V1__History *history) {
    if (!is_begun(call) && !begin_read(call, history)) return;
    if (history->content != NULL)
        ordo_api_answer_add_text(&call->answer, &call->request, ordo_slice_of_binary(history->content->text));
    if (history->more) return;
    ordo_api_answer_end_text(&call->answer, &call->request);
    call->state = CALL_OVER;
}

/* Where to ask on; 0: nothing is missing. */
static uint64_t next_seq(const struct ordo_api_call *call, const Ordo__V1__History *history) {
    uint64_t to_seq = call->request.to_seq, last_seq = to_seq == 0 || to_seq > history->head ? history->head : to_seq;
    return call->listed_seq != 0 && call->listed_seq < last_seq ? call->listed_seq + 1 : 0;
}

static void hear_ops(struct ordo_api_call *call, const Ordo__V1__History *history) {
    if (!is_begun(call)) ordo_api_answer_begin_ops(&call->answer, call->lineage, history);
    for (size_t i = 0; i < history->n_ops; i++) {
        if (!ordo_api_answer_add_op(&call->answer, history->ops[i], call->listed_seq == 0)) {
            refuse_for(call, 500, "unknown_op", "an op is of a type that cannot be shown");
            return;
        }
        call->listed_seq = history->ops[i]->server_seq;
    }
    if (history->more) return;
    ordo_api_answer_end_ops(&call->answer, next_seq(call, history));
    call->state = CALL_OVER;
}

/* The op that created the document: was it this request, sent once before? */
static void hear_creation(struct ordo_api_call *call, const Ordo__V1__History *history) {
    const Ordo__V1__Committed *op = history->n_ops > 0 ? history->ops[0] : NULL;
    if (op == NULL && history->more) return;
    bool is_ours = op != NULL && op->op_case == ORDO__V1__COMMITTED__OP_CREATE &&
                   ordo_slice_equal(ordo_slice_of_binary(op->client_id), ordo_slice(call->client_id, sizeof call->client_id));
    if (!is_ours)
        refuse_existing(call);
    else if (!ordo_slice_equal(ordo_slice_of_binary(op->create->text), ordo_buffer_slice(&call->op)))
        refuse_for(call, 409, "key_reused", "this Idempotency-Key made the document with another content");
    else
        answer_commit(call, op->server_seq, op->timestamp_ms, true);
}

static void hear_history(struct ordo_api_call *call, const Ordo__V1__ServerMessage *message) {
    if (message->request != call->question) return;
    if (call->state == CALL_CHECKING)
        hear_creation(call, message->history);
    else if (call->state == CALL_READING && call->request.action == ORDO_API_OPS)
        hear_ops(call, message->history);
    else if (call->state == CALL_READING)
        hear_content(call, message->history);
}

/* ---- what became of an op */

static bool is_own(const struct ordo_api_call *call, const Ordo__V1__Committed *committed) {
    return committed->client_seq == call->client_seq &&
           ordo_slice_equal(ordo_slice_of_binary(committed->client_id), ordo_slice(call->client_id, sizeof call->client_id));
}

static void hear_nack(struct ordo_api_call *call, const Ordo__V1__Nack *nack, uint64_t now_ms) {
    static const struct {
        uint32_t status;
        const char *code;
    } refusals[] = {
        [ORDO__V1__NACK_CODE__UNKNOWN] = {500, "unknown"},
        [ORDO__V1__NACK_CODE__INVALID_OP] = {400, "invalid_op"},
        [ORDO__V1__NACK_CODE__FORBIDDEN] = {403, "forbidden"},
        [ORDO__V1__NACK_CODE__STALE_BASE] = {409, "stale_base"},
        [ORDO__V1__NACK_CODE__FUTURE_BASE] = {409, "future_base"},
        [ORDO__V1__NACK_CODE__REPLAYED] = {409, "replayed"},
        [ORDO__V1__NACK_CODE__TOO_LARGE] = {413, "too_large"},
        [ORDO__V1__NACK_CODE__RATE_LIMITED] = {429, "rate_limited"},
        [ORDO__V1__NACK_CODE__UNAVAILABLE] = {503, "unavailable"},
        [ORDO__V1__NACK_CODE__NOT_OPEN] = {409, "superseded"}, /* the same client_id opened the document elsewhere */
        [ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN] = {409, "client_id_taken"},
        [ORDO__V1__NACK_CODE__DELETED] = {410, "deleted"},
        [ORDO__V1__NACK_CODE__PIPELINED] = {409, "pipelined"},
        [ORDO__V1__NACK_CODE__EXISTS] = {409, "exists"},
        [ORDO__V1__NACK_CODE__CONFLICT] = {409, "conflict"},
    };
    if (call->state != CALL_SUBMITTING || nack->client_seq != call->client_seq) return;
    if (nack->code == ORDO__V1__NACK_CODE__UNAVAILABLE || nack->code == ORDO__V1__NACK_CODE__RATE_LIMITED) {
        call->again_ms = now_ms + (nack->retry_after_ms > AGAIN_MS ? nack->retry_after_ms : AGAIN_MS);
        return;
    }
    size_t code = (size_t)nack->code < sizeof refusals / sizeof *refusals ? (size_t)nack->code : 0;
    refuse(call, refusals[code].status, refusals[code].code, ordo_slice_of_binary(nack->message), 0);
}

/* ---- errors */

static const char *code_of(uint32_t status) {
    switch (status) {
    case 400: return "bad_request";
    case 401: return "unauthorized";
    case 403: return "forbidden";
    case 404: return "not_found";
    case 409: return "conflict";
    case 410: return "gone";
    case 413: return "too_large";
    case 415: return "unsupported_type";
    case 429: return "too_many_requests";
    case 503: return "unavailable";
    default: return "error";
    }
}

static void hear_error(struct ordo_api_call *call, const Ordo__V1__ServerMessage *message, uint64_t now_ms) {
    const Ordo__V1__Error *error = message->error;
    bool is_about_us = message->request == CALL_REQUEST_HELLO || message->request == CALL_REQUEST_OPEN ||
                       message->request == call->question || (message->request == 0 && message->doc == call->handle);
    if (!is_about_us) return;
    bool is_passing = error->code == 503 || error->code == 429;
    bool can_ask_again =
        is_passing && call->state != CALL_OPENING && message->request == call->question && !is_begun(call);
    if (can_ask_again) {
        call->again_ms = now_ms + AGAIN_MS;
        return;
    }
    if (call->state == CALL_CHECKING && error->code == 410) { /* not kept: then it is long ago */
        refuse_existing(call);
        return;
    }
    uint32_t status = error->code >= 400 && error->code < 600 && error->code != 501 ? error->code : 500;
    refuse(call, status, code_of(status), ordo_slice_of_binary(error->message), is_passing ? RETRY_AFTER_MS : 0);
}

/* ---- the whole */

static void hear(struct ordo_api_call *call, const Ordo__V1__ServerMessage *message, uint64_t now_ms) {
    switch (message->body_case) {
    case ORDO__V1__SERVER_MESSAGE__BODY_OPENED: hear_opened(call, message); return;
    case ORDO__V1__SERVER_MESSAGE__BODY_HISTORY: hear_history(call, message); return;
    case ORDO__V1__SERVER_MESSAGE__BODY_ACK:
        if (call->state == CALL_SUBMITTING && message->ack->client_seq == call->client_seq)
            answer_commit(call, message->ack->server_seq, message->ack->timestamp_ms, message->ack->duplicate);
        return;
    case ORDO__V1__SERVER_MESSAGE__BODY_COMMITTED:
        if (call->state == CALL_SUBMITTING && is_own(call, message->committed))
            answer_commit(call, message->committed->server_seq, message->committed->timestamp_ms, false);
        return;
    case ORDO__V1__SERVER_MESSAGE__BODY_NACK: hear_nack(call, message->nack, now_ms); return;
    case ORDO__V1__SERVER_MESSAGE__BODY_FORGOTTEN:
        if (call->state != CALL_FORGETTING) return;
        ordo_api_answer_forgotten(&call->answer, message->forgotten->head);
        call->state = CALL_OVER;
        return;
    case ORDO__V1__SERVER_MESSAGE__BODY_ERROR: hear_error(call, message, now_ms); return;
    default: return; /* Welcome, Pong, presence, outages: nothing to do about them */
    }
}

void ordo_api_call_hear(struct ordo_api_call *call, struct ordo_slice bytes, struct ordo_arena *arena, uint64_t now_ms) {
    arena->size_max = DECODED_SIZE_MAX;
    ordo_arena_reset(arena);
    const Ordo__V1__ServerFrame *frame = ordo_message_decode(&ordo__v1__server_frame__descriptor, bytes, arena);
    if (frame == NULL) {
        refuse_for(call, 500, "unreadable", "the answer is too large to be read");
        return;
    }
    for (size_t i = 0; i < frame->n_messages && call->state != CALL_OVER; i++) hear(call, frame->messages[i], now_ms);
}

void ordo_api_call_closed(struct ordo_api_call *call) {
    if (call->state == CALL_OVER) return;
    refuse_for(call, 503, "unavailable",
               "the request was cut off, and its fate is unknown: send it again, with the same Idempotency-Key if it had one");
}

void ordo_api_call_tick(struct ordo_api_call *call, uint64_t now_ms) {
    if (call->state == CALL_OVER || is_begun(call)) return;
    if (now_ms >= call->due_ms)
        refuse_for(call, 503, "timeout",
                   "no answer came in time, and the fate of the request is unknown: send it again, with the same "
                   "Idempotency-Key if it had one");
    else if (call->again_ms != 0 && now_ms >= call->again_ms)
        call_ask(call);
}

bool ordo_api_call_say(struct ordo_api_call *call, struct ordo_buffer *frame) {
    bool has_any = call->saying.size > 0;
    ordo_buffer_append_slice(frame, ordo_buffer_slice(&call->saying));
    ordo_buffer_finish(&call->saying);
    return has_any;
}

struct ordo_api_answer *ordo_api_call_answer(struct ordo_api_call *call) {
    return &call->answer;
}

/* ---- beginning and end */

static bool take_op(struct ordo_api_call *call, struct ordo_slice body, struct ordo_api_fault *fault) {
    struct ordo_api_op op;
    bool is_good = ordo_api_body_op(body, &op, fault);
    if (is_good && op.has_op_id && call->request.key_size > 0) {
        *fault = (struct ordo_api_fault){400, "bad_body", "an op has its own client_id, or an Idempotency-Key, not both"};
        is_good = false;
    }
    call->op = op.op;
    call->base_seq = op.base_seq;
    if (!is_good || !op.has_op_id) return is_good;
    memcpy(call->client_id, op.client_id, sizeof call->client_id);
    call->client_seq = op.client_seq;
    return true;
}

static bool take_body(struct ordo_api_call *call, const struct ordo_api_call_config *config, struct ordo_api_fault *fault) {
    bool is_good = true;
    if (call->request.action == ORDO_API_CREATE) is_good = ordo_api_body_text(config->body, &call->op, fault);
    if (call->request.action == ORDO_API_SUBMIT) is_good = take_op(call, config->body, fault);
    if (!is_good || call->op.size <= config->op_size_max) return is_good;
    *fault = (struct ordo_api_fault){413, "too_large", "one op, or the text that a document begins with, is at most op_size_max bytes"};
    return false;
}

struct ordo_api_call *ordo_api_call_create(const struct ordo_api_request *request, const struct ordo_api_call_config *config) {
    struct ordo_api_call *call = ordo_alloc(sizeof *call);
    struct ordo_api_fault fault;
    call->request = *request;
    call->question = CALL_REQUEST_OPEN;
    call->client_seq = 1;
    call->due_ms = config->due_ms;
    memcpy(call->client_id, config->client_id, sizeof call->client_id);
    if (take_body(call, config, &fault)) {
        call_begin(call, config->token);
    } else {
        ordo_api_answer_fault(&call->answer, &fault);
        call->state = CALL_OVER;
    }
    return call;
}

struct ordo_api_call *ordo_api_call_create_refused(const struct ordo_api_fault *fault) {
    struct ordo_api_call *call = ordo_alloc(sizeof *call);
    ordo_api_answer_fault(&call->answer, fault);
    call->state = CALL_OVER;
    return call;
}

struct ordo_api_call *ordo_api_call_create_empty(void) {
    struct ordo_api_call *call = ordo_alloc(sizeof *call);
    call->answer.status = 204;
    call->answer.is_over = true;
    call->state = CALL_OVER;
    return call;
}

void ordo_api_call_destroy(struct ordo_api_call *call) {
    if (call == NULL) return;
    ordo_api_answer_finish(&call->answer);
    ordo_buffer_finish(&call->op);
    ordo_buffer_finish(&call->saying);
    free(call);
}
