#include "gateway/http_api.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/random.h"
#include "gateway/api/call.h"
#include "gateway/core/list.h"
#include "gateway/http_head.h"

enum {
    REQUESTS_MAX = 1000,                 /* at once */
    BODIES_SIZE_MAX = 64 * 1024 * 1024,  /* of all of them together */
    DISCARD_SIZE_MAX = 1024 * 1024,      /* a refused body up to so long is read, so that the sender hears why */
    BODY_PER_OP = 2,                     /* bytes of JSON for one of an op: escapes and brackets */
    REQUEST_MS = 25000,                  /* until the answer begins, and for each body to come in: proxies wait for 30 s */
    LINGER_MS = 2000,                    /* what is still sent after a refusal is swallowed for so long */
    STALLED_MS = 30000,                  /* a reader that takes nothing for so long is cut off */
    WAITING_SIZE_MAX = 64 * 1024,        /* of an answer, when the core is asked for more */
    PIECE_SIZE = 32 * 1024,              /* written at once */
    HEADERS_SIZE_MAX = 4096,
    CHUNK_HEAD_SIZE_MAX = 16,
};

struct ordo_http_request {
    struct ordo_http_api *api;
    struct lws *wsi;
    struct gateway_list in_all;    /* api->all */
    struct gateway_list in_output; /* api->output: the core has something */
    struct ordo_http_request **slot; /* where the connection knows it */
    uint32_t index;                  /* in api->by_index */
    bool has_conn;                   /* the core knows it */
    struct ordo_http_head head;  /* `body_size`: of what is wanted of the body */
    struct ordo_buffer body;
    size_t unread_size;          /* announced, not wanted, and still coming in while the answer is on its way */
    struct ordo_api_call *call;  /* NULL: the body is still coming in */
    size_t taken_size;           /* bytes of the answer's body that the socket took */
    uint64_t due_ms;             /* without progress by then it is cut off */
    bool is_head_written, is_chunked, is_all_written;
    bool is_lingering;           /* answered, and about to be closed */
};

struct ordo_http_api {
    struct ordo_turn *turn;
    const struct ordo_options *options;
    struct ordo_http_request *by_index[REQUESTS_MAX];
    struct gateway_list all, output;
    uint32_t count;
    size_t bodies_size;
    struct ordo_arena arena;
    struct ordo_buffer frame; /* from or to the core */
    struct ordo_buffer piece; /* to the socket, behind LWS_PRE bytes of room */
    bool is_draining;
};

struct ordo_http_api *ordo_http_api_create(struct ordo_turn *turn, const struct ordo_options *options) {
    struct ordo_http_api *api = ordo_alloc(sizeof *api);
    api->turn = turn;
    api->options = options;
    gateway_list_init(&api->all);
    gateway_list_init(&api->output);
    ordo_arena_init(&api->arena, 0); /* the limit is set for each decoding */
    memset(ordo_buffer_reserve(&api->piece, LWS_PRE), 0, LWS_PRE);
    return api;
}

void ordo_http_api_destroy(struct ordo_http_api *api) {
    if (api == NULL) return;
    ORDO_ASSERT(api->count == 0);
    ordo_arena_finish(&api->arena);
    ordo_buffer_finish(&api->frame);
    ordo_buffer_finish(&api->piece);
    free(api);
}

bool ordo_http_api_has(struct ordo_slice path) {
    size_t size = sizeof ORDO_HTTP_DOCS - 1;
    return ordo_slice_starts_with(path, ordo_slice_of(ORDO_HTTP_DOCS)) && (path.size == size || path.data[size] == '/');
}

/* ---- towards the core */

static struct ordo_http_request *find(const struct ordo_http_api *api, uint32_t conn) {
    uint32_t index = ordo_turn_index_of(conn);
    struct ordo_http_request *request = index < REQUESTS_MAX ? api->by_index[index] : NULL;
    return request;
}

static void step(struct ordo_http_request *request, enum ordo_gateway_event_kind kind, struct ordo_slice bytes) {
    ordo_turn_step(request->api->turn,
                   (struct ordo_gateway_event){.kind = kind, .conn = ordo_turn_request_conn(request->index), .bytes = bytes});
}

/* There is room: no more are let in than that. */
static void enter_core(struct ordo_http_request *request) {
    uint32_t index = 0;
    while (index < REQUESTS_MAX && request->api->by_index[index] != NULL) index++;
    ORDO_ASSERT(index < REQUESTS_MAX);
    request->api->by_index[index] = request;
    request->index = index;
    request->has_conn = true;
    step(request, ORDO_GATEWAY_CONN_OPENED, ordo_slice(NULL, 0));
}

static void leave_core(struct ordo_http_request *request) {
    if (!request->has_conn) return;
    request->has_conn = false;
    request->api->by_index[request->index] = NULL;
    gateway_list_remove(&request->in_output);
    step(request, ORDO_GATEWAY_CONN_CLOSED, ordo_slice(NULL, 0));
}

static void say(struct ordo_http_request *request) {
    struct ordo_buffer frame = {0};
    if (request->has_conn && ordo_api_call_say(request->call, &frame))
        step(request, ORDO_GATEWAY_CONN_FRAME, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
}

/* After anything that may have brought the request forward. */
static void settle(struct ordo_http_request *request) {
    const struct ordo_api_answer *answer = ordo_api_call_answer(request->call);
    say(request);
    if (answer->is_over) leave_core(request);
    if (answer->status != 0 && !request->is_all_written) lws_callback_on_writable(request->wsi);
}

/* One frame of what the core has for it; false: there is no more for now. */
static bool hear_one(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    ordo_buffer_clear(&api->frame);
    bool has_more = ordo_gateway_output(api->turn->core, ordo_turn_request_conn(request->index), &api->frame);
    if (api->frame.size > 0)
        ordo_api_call_hear(request->call, ordo_buffer_slice(&api->frame), &api->arena, api->turn->now_ms);
    return has_more;
}

/* What was taken makes place for what comes. */
static size_t waiting_size(struct ordo_http_request *request) {
    struct ordo_buffer *body = &ordo_api_call_answer(request->call)->body;
    body->size -= request->taken_size;
    if (body->size > 0 && request->taken_size > 0) memmove(body->data, body->data + request->taken_size, body->size);
    request->taken_size = 0;
    return body->size;
}

static void hear(struct ordo_http_request *request) {
    gateway_list_remove(&request->in_output);
    bool has_more = true;
    while (has_more && !ordo_api_call_answer(request->call)->is_over) {
        if (waiting_size(request) >= WAITING_SIZE_MAX) break; /* until the socket has taken it: writeable() comes back */
        has_more = hear_one(request);
        say(request);
    }
    settle(request);
}

void ordo_http_api_want_output(struct ordo_http_api *api, uint32_t conn) {
    struct ordo_http_request *request = find(api, conn);
    if (request != NULL) gateway_list_append(&api->output, &request->in_output);
}

void ordo_http_api_flush(struct ordo_http_api *api) {
    while (!gateway_list_is_empty(&api->output))
        hear(GATEWAY_LIST_ITEM(api->output.next, struct ordo_http_request, in_output));
}

/* What it said before closing is heard, however much that is: it never is, but for an answer that is cut off anyway. */
void ordo_http_api_close(struct ordo_http_api *api, uint32_t conn) {
    struct ordo_http_request *request = find(api, conn);
    if (request == NULL) return;
    struct ordo_api_answer *answer = ordo_api_call_answer(request->call);
    while (!answer->is_over && answer->status == 0 && hear_one(request)) {
    }
    ordo_api_call_closed(request->call);
    settle(request);
}

/* ---- a request begins */

/* The same for every request of this kind with this key, and for no other: so the shard knows a repetition as what it is. */
static void client_id_of_key(const struct ordo_api_request *asked, uint8_t out[ORDO_CLIENT_ID_SIZE]) {
    static const char salt[] = "ordo.v1 http idempotency key";
    struct ordo_buffer text = {0};
    uint8_t digest[SHA256_DIGEST_LENGTH];
    ordo_buffer_append(&text, salt, sizeof salt);
    ordo_buffer_append_u8(&text, (uint8_t)asked->action);
    ordo_buffer_append(&text, asked->key, asked->key_size);
    SHA256(text.data, text.size, digest);
    memcpy(out, digest, ORDO_CLIENT_ID_SIZE);
    ordo_buffer_finish(&text);
}

/* The request is complete. */
static void start(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    struct ordo_api_call_config config = {
        .token = ordo_buffer_slice(&request->head.token),
        .body = ordo_buffer_slice(&request->body),
        .op_size_max = api->options->core.op_size_max,
        .due_ms = api->turn->now_ms + REQUEST_MS,
    };
    if (request->head.asked.key_size > 0)
        client_id_of_key(&request->head.asked, config.client_id);
    else
        ordo_random_bytes(config.client_id, sizeof config.client_id);
    lws_set_timeout(request->wsi, NO_PENDING_TIMEOUT, 0); /* ours are due_ms, and that of the call */
    request->due_ms = UINT64_MAX;
    if (request->head.fault.status != 0)
        request->call = ordo_api_call_create_refused(&request->head.fault);
    else if (request->head.is_preflight)
        request->call = ordo_api_call_create_empty();
    else
        request->call = ordo_api_call_create(&request->head.asked, &config);
    api->bodies_size -= request->head.body_size;
    request->head.body_size = 0;
    ordo_buffer_finish(&request->body);
    if (!ordo_api_call_answer(request->call)->is_over) enter_core(request);
    settle(request);
}

/* ---- its body */

static size_t body_size_max(const struct ordo_http_request *request) {
    size_t op_size_max = request->api->options->core.op_size_max;
    return request->head.asked.action == ORDO_API_SUBMIT ? BODY_PER_OP * op_size_max : op_size_max;
}

static void check_size(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    if (request->head.fault.status != 0 || request->head.body_size == 0) return;
    if (request->head.body_size > body_size_max(request))
        ordo_http_head_fault(&request->head, 413, "too_large",
                             "one op, or the text that a document begins with, is at most op_size_max bytes; append the rest "
                             "with further ops");
    else if (request->head.body_size > BODIES_SIZE_MAX - api->bodies_size)
        ordo_http_head_fault(&request->head, 503, "busy", "too much is being sent to this gateway: try again");
}

static void write_continue(struct ordo_http_request *request) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct ordo_buffer *piece = &request->api->piece;
    piece->size = LWS_PRE;
    ordo_buffer_append(piece, text, sizeof text - 1);
    (void)lws_write(request->wsi, piece->data + LWS_PRE, sizeof text - 1, LWS_WRITE_HTTP);
}

/* Reads the body, or what of it must be read before the answer, or nothing. */
static void begin_body(struct ordo_http_request *request) {
    bool is_refused = request->head.fault.status != 0;
    bool is_waiting = request->head.waits_to_send;
    bool is_read = request->head.body_size > 0 && !request->head.closes &&
                   (!is_refused || (request->head.body_size <= DISCARD_SIZE_MAX && !is_waiting));
    request->head.closes = request->head.closes || (request->head.body_size > 0 && !is_read);
    if (!is_read) {
        request->unread_size = request->head.body_size;
        request->head.body_size = 0;
        start(request);
        return;
    }
    request->api->bodies_size += request->head.body_size;
    if (is_waiting) write_continue(request);
}

int ordo_http_api_body(struct ordo_http_request *request, struct ordo_slice piece) {
    if (request == NULL) return -1;
    if (request->call != NULL) { /* it was refused without waiting for its body */
        request->unread_size -= piece.size < request->unread_size ? piece.size : request->unread_size;
        return 0;
    }
    if (request->body.size + piece.size > request->head.body_size) return -1;
    if (request->head.fault.status == 0) ordo_buffer_append_slice(&request->body, piece);
    return 0;
}

int ordo_http_api_body_end(struct ordo_http_request *request) {
    if (request == NULL) return -1;
    request->unread_size = 0;
    if (request->call == NULL) start(request);
    return request->is_lingering ? -1 : 0;
}

int ordo_http_api_begin(struct ordo_http_api *api, struct lws *wsi, struct ordo_http_request **slot) {
    ORDO_ASSERT(*slot == NULL);
    struct ordo_http_request *request = ordo_alloc(sizeof *request);
    request->api = api;
    request->wsi = wsi;
    gateway_list_init(&request->in_all);
    gateway_list_init(&request->in_output);
    gateway_list_append(&api->all, &request->in_all);
    api->count++;
    request->slot = slot;
    *slot = request;
    request->due_ms = api->turn->now_ms + REQUEST_MS;
    if (api->count > REQUESTS_MAX)
        ordo_http_head_fault(&request->head, 503, "busy", "too many requests are under way here: try again");
    if (api->is_draining) ordo_http_head_fault(&request->head, 503, "stopping", "this gateway stops: ask another");
    ordo_http_head_read(&request->head, wsi, &api->options->door);
    check_size(request);
    begin_body(request);
    return 0;
}

/* ---- its end */

static void end(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    leave_core(request);
    *request->slot = NULL;
    gateway_list_remove(&request->in_all);
    gateway_list_remove(&request->in_output);
    api->count--;
    api->bodies_size -= request->head.body_size;
    ordo_api_call_destroy(request->call);
    ordo_http_head_finish(&request->head);
    ordo_buffer_finish(&request->body);
    free(request);
}

void ordo_http_api_gone(struct ordo_http_request **slot) {
    if (*slot != NULL) end(*slot);
}

/* ---- the answer */

static bool add_header(struct lws *wsi, const char *name, const char *value, uint8_t **at, uint8_t *end_of_room) {
    return value[0] == '\0' || lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                                           (int)strlen(value), at, end_of_room) == 0;
}

/* How the body is framed: by its length where all of it is there, else in chunks. */
static bool add_framing(const struct ordo_http_request *request, const struct ordo_api_answer *answer, uint8_t **at,
                        uint8_t *end_of_room) {
    if (answer->content_type == NULL) return true;
    if (answer->is_over)
        return lws_add_http_header_content_length(request->wsi, answer->body.size, at, end_of_room) == 0;
    return request->head.is_old || add_header(request->wsi, "transfer-encoding:", "chunked", at, end_of_room);
}

/* For pages; the browser asks before it sends anything but the simplest request. */
static bool add_page_headers(const struct ordo_http_request *request, uint8_t **at, uint8_t *end_of_room) {
    struct lws *wsi = request->wsi;
    if (request->head.origin[0] == '\0') return true;
    bool ok = add_header(wsi, "access-control-allow-origin:", request->head.origin, at, end_of_room) &&
              add_header(wsi, "access-control-expose-headers:", "etag, location, retry-after", at, end_of_room);
    if (!request->head.is_preflight) return ok;
    return ok && add_header(wsi, "access-control-allow-methods:", "GET, PUT, POST, DELETE", at, end_of_room) &&
           add_header(wsi, "access-control-allow-headers:", "authorization, content-type, idempotency-key, if-none-match", at,
                      end_of_room) &&
           add_header(wsi, "access-control-max-age:", "600", at, end_of_room);
}

static bool write_head(struct ordo_http_request *request, const struct ordo_api_answer *answer) {
    struct lws *wsi = request->wsi;
    uint8_t room[LWS_PRE + HEADERS_SIZE_MAX], *begin = room + LWS_PRE, *at = begin, *last = room + sizeof room;
    char retry[16] = "";
    if (answer->retry_after_s > 0) snprintf(retry, sizeof retry, "%u", answer->retry_after_s);
    request->head.closes = request->head.closes || request->head.is_old;
    bool ok = lws_add_http_header_status(wsi, answer->status, &at, last) == 0 &&
              add_header(wsi, "content-type:", answer->content_type != NULL ? answer->content_type : "", &at, last) &&
              add_framing(request, answer, &at, last) && add_header(wsi, "etag:", answer->etag, &at, last) &&
              add_header(wsi, "location:", answer->location, &at, last) && add_header(wsi, "retry-after:", retry, &at, last) &&
              add_header(wsi, "www-authenticate:", answer->status == 401 ? "Bearer" : "", &at, last) &&
              add_header(wsi, "cache-control:", "no-cache", &at, last) &&
              add_header(wsi, "vary:", "accept, authorization, origin", &at, last) &&
              add_page_headers(request, &at, last) &&
              add_header(wsi, "x-content-type-options:", "nosniff", &at, last) &&
              add_header(wsi, "connection:", request->head.closes ? "close" : "", &at, last);
    return ok && lws_finalize_write_http_header(wsi, begin, &at, last) == 0;
}

/* The next bytes of the body, framed; `is_chunked` as the head said. */
static bool write_piece(struct ordo_http_request *request, const struct ordo_api_answer *answer, bool is_chunked) {
    struct ordo_buffer *piece = &request->api->piece;
    char chunk_head[CHUNK_HEAD_SIZE_MAX];
    size_t left = answer->body.size - request->taken_size, size = left < PIECE_SIZE ? left : PIECE_SIZE;
    bool is_last = answer->is_over && size == left;
    piece->size = LWS_PRE;
    if (is_chunked && size > 0)
        ordo_buffer_append(piece, chunk_head, (size_t)snprintf(chunk_head, sizeof chunk_head, "%zx\r\n", size));
    if (size > 0) ordo_buffer_append(piece, answer->body.data + request->taken_size, size);
    if (is_chunked && size > 0) ordo_buffer_append(piece, "\r\n", 2);
    if (is_chunked && is_last) ordo_buffer_append(piece, "0\r\n\r\n", 5);
    request->taken_size += size;
    request->is_all_written = is_last;
    size_t all = piece->size - LWS_PRE;
    return all == 0 || lws_write(request->wsi, piece->data + LWS_PRE, all, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) >= 0;
}

/* The connection is free for the next request, unless it ends. Closed with bytes unread, the other side might lose the answer
 * that it has not read: so what it still sends is swallowed for a moment. */
static int complete(struct ordo_http_request *request) {
    struct lws *wsi = request->wsi;
    bool closes = request->head.closes;
    if (closes && request->unread_size > 0) {
        request->is_lingering = true;
        request->due_ms = request->api->turn->now_ms + LINGER_MS;
        return 0;
    }
    end(request);
    return closes || lws_http_transaction_completed(wsi) ? -1 : 0;
}

int ordo_http_api_writeable(struct ordo_http_request **slot) {
    struct ordo_http_request *request = *slot;
    if (request == NULL || request->call == NULL) return 0;
    struct ordo_api_answer *answer = ordo_api_call_answer(request->call);
    if (lws_partial_buffered(request->wsi)) {
        lws_callback_on_writable(request->wsi);
        return 0;
    }
    if (request->is_lingering) return 0;
    if (request->is_all_written) return complete(request);
    if (answer->is_broken) return -1;
    if (answer->status == 0) return 0;
    if (!request->is_head_written) {
        request->is_chunked = answer->content_type != NULL && !answer->is_over && !request->head.is_old;
        if (!write_head(request, answer)) return -1;
        request->is_head_written = true;
    }
    if (!write_piece(request, answer, request->is_chunked)) return -1;
    request->due_ms = request->api->turn->now_ms + STALLED_MS;
    if (request->is_all_written || request->taken_size < answer->body.size) lws_callback_on_writable(request->wsi);
    else if (request->has_conn) gateway_list_append(&request->api->output, &request->in_output); /* more, at the turn's end */
    return 0;
}

/* ---- time */

void ordo_http_api_tick(struct ordo_http_api *api) {
    GATEWAY_LIST_EACH(&api->all, link) {
        struct ordo_http_request *request = GATEWAY_LIST_ITEM(link, struct ordo_http_request, in_all);
        if (api->turn->now_ms >= request->due_ms) { /* frees it */
            lws_set_timeout(request->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
        } else if (request->call != NULL && request->has_conn) {
            ordo_api_call_tick(request->call, api->turn->now_ms);
            settle(request);
        }
    }
}

void ordo_http_api_drain(struct ordo_http_api *api) {
    api->is_draining = true;
}

uint32_t ordo_http_api_count(const struct ordo_http_api *api) {
    return api->count;
}
