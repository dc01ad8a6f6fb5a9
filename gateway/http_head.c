#include "gateway/http_head.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/token/token.h"

enum {
    PREFIX_SIZE = sizeof ORDO_HTTP_DOCS - 1,
    ARG_SIZE_MAX = 512,
    HEADER_SIZE_MAX = ORDO_TOKEN_SIZE_MAX + 1024, /* of one header */
};

void ordo_http_head_fault(struct ordo_http_head *head, uint32_t status, const char *code, const char *message) {
    if (head->fault.status != 0) return; /* the first one counts */
    head->fault = (struct ordo_api_fault){.status = status, .code = code, .message = message};
}

/* A header in `memory`; empty: there is none. False: it is too long. */
static bool copy_header(struct lws *wsi, enum lws_token_indexes which, char memory[HEADER_SIZE_MAX], struct ordo_slice *out) {
    *out = ordo_slice(NULL, 0);
    if (lws_hdr_total_length(wsi, which) <= 0) return true;
    int size = lws_hdr_copy(wsi, memory, HEADER_SIZE_MAX, which);
    if (size > 0) *out = ordo_slice(memory, (size_t)size);
    return size >= 0;
}

static enum ordo_api_method method_of(int lws_method) {
    switch (lws_method) {
    case LWSHUMETH_GET: return ORDO_API_GET;
    case LWSHUMETH_PUT: return ORDO_API_PUT;
    case LWSHUMETH_POST: return ORDO_API_POST;
    case LWSHUMETH_DELETE: return ORDO_API_DELETE;
    default: return ORDO_API_OTHER;
    }
}

static const enum lws_token_indexes uri_tokens[] = {
    [ORDO_API_GET] = WSI_TOKEN_GET_URI,
    [ORDO_API_PUT] = WSI_TOKEN_PUT_URI,
    [ORDO_API_POST] = WSI_TOKEN_POST_URI,
    [ORDO_API_DELETE] = WSI_TOKEN_DELETE_URI,
};

/* All that a request says before its body, in memory that lasts for the parsing. */
struct texts {
    char accept[HEADER_SIZE_MAX], none_match[HEADER_SIZE_MAX], match[HEADER_SIZE_MAX], key[HEADER_SIZE_MAX];
    char args[ORDO_API_ARGS_MAX][ARG_SIZE_MAX];
};

static void read_args(struct ordo_http_head *head, struct lws *wsi, struct texts *texts, struct ordo_api_input *input) {
    for (size_t i = 0; i <= ORDO_API_ARGS_MAX; i++) {
        char beyond[ARG_SIZE_MAX], *memory = i < ORDO_API_ARGS_MAX ? texts->args[i] : beyond;
        int size = lws_hdr_copy_fragment(wsi, memory, ARG_SIZE_MAX, WSI_TOKEN_HTTP_URI_ARGS, (int)i);
        if (size < 0 && lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, (int)i) > 0)
            ordo_http_head_fault(head, 400, "bad_argument", "an argument is too long");
        if (size < 0) return;
        if (i < ORDO_API_ARGS_MAX) input->args[i] = ordo_slice(memory, (size_t)size);
        input->arg_count++;
    }
}

static void read_key(struct ordo_http_head *head, struct lws *wsi, struct texts *texts, struct ordo_api_input *input) {
    static const char name[] = "idempotency-key:";
    int length = lws_hdr_custom_length(wsi, name, sizeof name - 1);
    int size = lws_hdr_custom_copy(wsi, texts->key, sizeof texts->key, name, sizeof name - 1);
    if (size > 0) input->key = ordo_slice(texts->key, (size_t)size);
    if (length == 0 || (length > 0 && size <= 0))
        ordo_http_head_fault(head, 400, "bad_key", "an Idempotency-Key has 1 to 255 bytes");
}

static void read_request(struct ordo_http_head *head, struct lws *wsi) {
    struct texts *texts = ordo_alloc(sizeof *texts);
    char *uri;
    int uri_size, method = lws_http_get_uri_and_method(wsi, &uri, &uri_size);
    struct ordo_api_input input = {.method = method_of(method)};
    ORDO_ASSERT(method >= 0 && uri_size >= PREFIX_SIZE);
    input.path = ordo_slice(uri + PREFIX_SIZE, (size_t)(uri_size - PREFIX_SIZE));
    if (input.method != ORDO_API_OTHER && lws_hdr_fragment_length(wsi, uri_tokens[input.method], 1) > 0)
        ordo_http_head_fault(head, 400, "bad_path", "an & or ; in a path must be escaped");
    bool fits = copy_header(wsi, WSI_TOKEN_HTTP_ACCEPT, texts->accept, &input.accept) &&
                copy_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, texts->none_match, &input.if_none_match) &&
                copy_header(wsi, WSI_TOKEN_HTTP_IF_MATCH, texts->match, &input.if_match);
    if (!fits) ordo_http_head_fault(head, 431, "header_too_large", "a header is too long");
    read_args(head, wsi, texts, &input);
    read_key(head, wsi, texts, &input);
    struct ordo_api_fault wrong;
    if (head->fault.status == 0 && !ordo_api_request_parse(&input, &head->asked, &wrong)) head->fault = wrong;
    free(texts);
}

/* Out of the header alone: a cookie would be sent along for whichever page asks. */
static void read_token(struct ordo_http_head *head, struct lws *wsi, const struct ordo_door *door) {
    char memory[HEADER_SIZE_MAX];
    struct ordo_slice header, token;
    if (!door->asks_token) return;
    if (!copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, memory, &header))
        ordo_http_head_fault(head, 431, "header_too_large", "the token is too long");
    else if (ordo_door_bearer(header, &token))
        ordo_buffer_append_slice(&head->token, token);
}

/* The page behind the request; it gets to read the answer if it is one of those that were allowed by name. */
static void check_origin(struct ordo_http_head *head, struct lws *wsi, const struct ordo_door *door) {
    char memory[HEADER_SIZE_MAX], host_memory[HEADER_SIZE_MAX];
    struct ordo_slice origin, host;
    bool fits = copy_header(wsi, WSI_TOKEN_ORIGIN, memory, &origin) &&
                copy_header(wsi, WSI_TOKEN_HOST, host_memory, &host) && origin.size < sizeof head->origin;
    if (!fits || !ordo_door_lets_in(door, origin, host, false))
        ordo_http_head_fault(head, 403, "foreign_origin", "pages of this origin may not ask here");
    else if (door->origin_count > 0 && origin.size > 0)
        memcpy(head->origin, memory, origin.size);
}

/* ---- its framing */

/* Content-Length, if it is one. False: there is none, or something else. */
static bool read_length(struct lws *wsi, size_t *out) {
    char text[24];
    int size = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (size <= 0 || size > 18 || lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, 1) > 0) return false;
    *out = 0;
    for (int i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *out = *out * 10 + (size_t)(text[i] - '0');
    }
    return true;
}

/* How the body is framed must be beyond doubt, or what follows would be taken for a request of its own. */
static void check_framing(struct ordo_http_head *head, struct lws *wsi, int method) {
    bool has_length = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
    bool takes_body = method == LWSHUMETH_PUT || method == LWSHUMETH_POST;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        ordo_http_head_fault(head, 411, "length_required", "say how long the body is with Content-Length, not in chunks");
        head->closes = true;
    } else if (has_length && !read_length(wsi, &head->body_size)) {
        ordo_http_head_fault(head, 400, "bad_length", "Content-Length is not a number");
        head->closes = true;
    } else if (!has_length && (takes_body || method == LWSHUMETH_PATCH)) {
        if (takes_body) ordo_http_head_fault(head, 411, "length_required", "say how long the body is with Content-Length");
        head->closes = true; /* libwebsockets waits for a body */
    } else if (head->body_size > 0 && !takes_body) {
        ordo_http_head_fault(head, 400, "bad_body", "this request has no body");
    }
}

/* The version is the last word of a request's first line. */
static bool is_old(struct lws *wsi) {
    char version[16];
    int size = lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_HTTP);
    return size < 3 || strcmp(version + size - 3, "1.1") != 0;
}

void ordo_http_head_read(struct ordo_http_head *head, struct lws *wsi, const struct ordo_door *door) {
    char *uri;
    int uri_size, method = lws_http_get_uri_and_method(wsi, &uri, &uri_size);
    check_origin(head, wsi, door);
    head->is_old = is_old(wsi);
    head->is_preflight = method == LWSHUMETH_OPTIONS && head->origin[0] != '\0';
    head->waits_to_send = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_EXPECT) > 0;
    if (!head->is_preflight) {
        read_token(head, wsi, door);
        read_request(head, wsi);
    }
    check_framing(head, wsi, method);
}

void ordo_http_head_finish(struct ordo_http_head *head) {
    ordo_buffer_finish(&head->token);
}
