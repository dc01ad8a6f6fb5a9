#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "gateway/client_address.h"
#include "gateway/cut.h"
#include "gateway/http_api_impl.h"

enum {
    BODIES_SIZE_MAX = 64 * 1024 * 1024, /* of all of them together */
    DISCARD_SIZE_MAX = 1024 * 1024,     /* a refused body up to so long is read, so that the sender hears why */
    BODY_PER_OP = 2,                    /* bytes of JSON for one of an op: escapes and brackets */
    BODY_MS = 25000,                    /* for each body to come in: proxies wait for 30 s */
    HASTY_BODY_MS = 2000,               /* … and where others wait for the place */
};

struct ordo_http_api *ordo_http_api_create(const struct ordo_http_api_config *config) {
    struct ordo_http_api *api = ordo_alloc(sizeof *api);
    api->config = *config;
    api->turn = config->turn;
    api->options = config->options;
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

/* ---- its body */

static size_t body_size_max(const struct ordo_http_request *request) {
    size_t op_size_max = request->api->options->core.op_size_max;
    return request->head.asked.action == ORDO_API_SUBMIT ? BODY_PER_OP * op_size_max : op_size_max;
}

static void refuse_busy(struct ordo_http_request *request, const char *message) {
    request->api->turn->stats.requests_refused_busy++;
    ordo_http_head_fault(&request->head, 503, "busy", message);
}

static void check_size(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    if (request->head.fault.status != 0 || request->head.body_size == 0) return;
    if (request->head.body_size > body_size_max(request))
        ordo_http_head_fault(&request->head, 413, "too_large",
                             "one op, or the text that a document begins with, is at most op_size_max bytes; append the rest "
                             "with further ops");
    else if (request->head.body_size > BODIES_SIZE_MAX - api->bodies_size)
        refuse_busy(request, "too much is being sent to this gateway: try again");
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
        ordo_http_call_start(request);
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
    if (request->call == NULL) ordo_http_call_start(request);
    return request->is_lingering ? -1 : 0;
}

/* Or says that there is none. */
static void take_place(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    request->address = ordo_client_address(request->wsi, &api->options->proxies);
    request->is_counted = ordo_addresses_have_room(api->config.addresses, &request->address, ORDO_ADDRESS_REQUEST);
    if (request->is_counted) {
        ordo_addresses_enter(api->config.addresses, &request->address, ORDO_ADDRESS_REQUEST);
    } else {
        api->turn->stats.requests_refused_address++;
        ordo_http_head_fault(&request->head, 429, "too_many_requests", "too many requests of your address are under way here");
    }
    if (api->is_draining) ordo_http_head_fault(&request->head, 503, "stopping", "this gateway stops: ask another");
    else if (api->count > api->config.count_max) refuse_busy(request, "too many requests are under way here: try again");
    else if (api->config.budget->is_over) refuse_busy(request, "this gateway is short of memory: ask another, or try again");
}

int ordo_http_api_begin(struct ordo_http_api *api, struct lws *wsi, struct ordo_http_request **slot) {
    ORDO_ASSERT(*slot == NULL);
    if (api->count >= 2 * api->config.count_max) return -1; /* even a refusal takes memory, for as long as it takes */
    struct ordo_http_request *request = ordo_alloc(sizeof *request);
    request->api = api;
    request->wsi = wsi;
    gateway_list_init(&request->in_all);
    gateway_list_init(&request->in_output);
    gateway_list_append(&api->all, &request->in_all);
    api->count++;
    request->slot = slot;
    *slot = request;
    request->begun_ms = api->turn->now_ms;
    request->due_ms = api->turn->now_ms + BODY_MS;
    ordo_lobby_leave(api->config.lobby, wsi);
    take_place(request);
    ordo_http_head_read(&request->head, wsi, &api->options->door);
    check_size(request);
    begin_body(request);
    return 0;
}

/* ---- its end */

void ordo_http_request_end(struct ordo_http_request *request) {
    struct ordo_http_api *api = request->api;
    ordo_http_call_leave(request);
    *request->slot = NULL;
    if (request->is_counted) ordo_addresses_leave(api->config.addresses, &request->address, ORDO_ADDRESS_REQUEST);
    ordo_lobby_enter(api->config.lobby, request->wsi);
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
    if (*slot != NULL) ordo_http_request_end(*slot);
}

/* ---- time */

/* When all places are taken, who takes long to send a body gives way: else a few hundred that send a byte now and then would
 * keep everybody out. */
static void make_place(struct ordo_http_api *api) {
    uint32_t most = api->config.count_max / 4 * 3;
    if (api->count < api->config.count_max) return;
    GATEWAY_LIST_EACH(&api->all, link) {
        struct ordo_http_request *request = GATEWAY_LIST_ITEM(link, struct ordo_http_request, in_all);
        if (api->count <= most || api->turn->now_ms - request->begun_ms < HASTY_BODY_MS) return;
        if (request->call != NULL) continue;
        api->turn->stats.requests_crowded_out++;
        ordo_cut(request->wsi);
    }
}

void ordo_http_api_tick(struct ordo_http_api *api) {
    make_place(api);
    GATEWAY_LIST_EACH(&api->all, link) {
        struct ordo_http_request *request = GATEWAY_LIST_ITEM(link, struct ordo_http_request, in_all);
        if (api->turn->now_ms >= request->due_ms) {
            ordo_cut(request->wsi);
        } else if (request->call != NULL && request->has_conn) {
            ordo_http_call_tick(request);
        }
    }
}

void ordo_http_api_drain(struct ordo_http_api *api) {
    api->is_draining = true;
}

uint32_t ordo_http_api_count(const struct ordo_http_api *api) {
    return api->count;
}
