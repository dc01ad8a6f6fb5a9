#include <stdio.h>

#include "gateway/http_api_impl.h"

enum {
    LINGER_MS = 2000,       /* what is still sent after a refusal is swallowed for so long */
    STALLED_MS = 30000,     /* a reader that takes nothing for so long is cut off */
    PIECE_SIZE = 32 * 1024, /* written at once */
    HEADERS_SIZE_MAX = 4096,
    CHUNK_HEAD_SIZE_MAX = 16,
};

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
    ordo_http_request_end(request);
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
