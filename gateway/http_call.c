#include <openssl/sha.h>

#include "common/assert.h"
#include "common/random.h"
#include "gateway/http_api_impl.h"

enum {
    REQUEST_MS = 25000,           /* until the answer begins: proxies wait for 30 s */
    WAITING_SIZE_MAX = 64 * 1024, /* of an answer, when the core is asked for more */
};

static struct ordo_http_request *find(const struct ordo_http_api *api, uint32_t conn) {
    uint32_t index = ordo_turn_index_of(conn);
    struct ordo_http_request *request = index < ORDO_HTTP_REQUESTS_MAX ? api->by_index[index] : NULL;
    return request;
}

static void step(struct ordo_http_request *request, enum ordo_gateway_event_kind kind, struct ordo_slice bytes) {
    ordo_turn_step(request->api->turn,
                   (struct ordo_gateway_event){.kind = kind, .conn = ordo_turn_request_conn(request->index), .bytes = bytes});
}

/* There is room: no more are let in than that. */
static void enter_core(struct ordo_http_request *request) {
    uint32_t index = 0;
    while (index < ORDO_HTTP_REQUESTS_MAX && request->api->by_index[index] != NULL) index++;
    ORDO_ASSERT(index < ORDO_HTTP_REQUESTS_MAX);
    request->api->by_index[index] = request;
    request->index = index;
    request->has_conn = true;
    step(request, ORDO_GATEWAY_CONN_OPENED, ordo_slice(NULL, 0));
}

void ordo_http_call_leave(struct ordo_http_request *request) {
    if (!request->has_conn) return;
    request->has_conn = false;
    request->api->by_index[request->index] = NULL;
    gateway_list_remove(&request->in_output);
    step(request, ORDO_GATEWAY_CONN_CLOSED, ordo_slice(NULL, 0));
}

/* Its user has sent so much lately that it waits, as a WebSocket is not read from: each tick tries again. */
static bool is_paused(const struct ordo_http_request *request) {
    return ordo_gateway_pause_ms(request->api->turn->core, ordo_turn_request_conn(request->index)) > 0;
}

static void say(struct ordo_http_request *request) {
    struct ordo_buffer frame = {0};
    if (!request->has_conn || is_paused(request)) return;
    if (ordo_api_call_say(request->call, &frame))
        step(request, ORDO_GATEWAY_CONN_FRAME, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
}

/* After anything that may have brought the request forward. */
static void settle(struct ordo_http_request *request) {
    const struct ordo_api_answer *answer = ordo_api_call_answer(request->call);
    say(request);
    if (answer->is_over) ordo_http_call_leave(request);
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

/* ---- its beginning */

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
void ordo_http_call_start(struct ordo_http_request *request) {
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

void ordo_http_call_tick(struct ordo_http_request *request) {
    ordo_api_call_tick(request->call, request->api->turn->now_ms);
    settle(request);
}
