#include "gateway/http.h"

#include <stdio.h>

#include "common/metrics.h"
#include "gateway/client_address.h"
#include "gateway/follower.h"
#include "gateway/metrics.h"

enum { HEADERS_SIZE_MAX = 2048, PIECE_SIZE = 16 * 1024 };

/* A page gets everything from here and nothing from elsewhere: no inline scripts or styles, no frames around it. 'self' covers
 * the WebSocket of the same address. */
#define PAGE_POLICY                                                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "                 \
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct {
    const char *name, *value;
} file_headers[] = {
    {"content-security-policy:", PAGE_POLICY},
    {"x-content-type-options:", "nosniff"},
    {"referrer-policy:", "no-referrer"},
    {"cross-origin-opener-policy:", "same-origin"},
    {"cache-control:", "no-cache"}, /* kept, but asked for again: the ETag makes that cheap, and nobody sees an old page */
};

/* What becomes of the connection when all is written. */
enum after { STAYS, CLOSES };

/* The same as GET, without the body. */
static bool is_head(struct lws *wsi) { return lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0; }

static bool add_header(struct lws *wsi, const char *name, const char *value, uint8_t **at, uint8_t *end) {
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                       (int)strlen(value), at, end) == 0;
}

static int complete(struct lws *wsi, enum after after) {
    return after == CLOSES || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int answer(struct lws *wsi, unsigned code, const char *content_type, struct ordo_slice body, enum after after) {
    uint8_t headers[LWS_PRE + HEADERS_SIZE_MAX], *start = headers + LWS_PRE, *at = start;
    uint8_t *end = headers + sizeof headers;
    if (lws_add_http_common_headers(wsi, code, content_type, body.size, &at, end) != 0 ||
        (after == CLOSES && !add_header(wsi, "connection:", "close", &at, end)) ||
        lws_finalize_write_http_header(wsi, start, &at, end) != 0)
        return 1;
    if (is_head(wsi)) return complete(wsi, after);
    struct ordo_buffer out = {0};
    memset(ordo_buffer_reserve(&out, LWS_PRE), 0, LWS_PRE);
    out.size = LWS_PRE;
    ordo_buffer_append_slice(&out, body);
    int written = lws_write(wsi, out.data + LWS_PRE, body.size, LWS_WRITE_HTTP_FINAL);
    ordo_buffer_finish(&out);
    return written < 0 ? -1 : complete(wsi, after);
}

/* ---- files */

static bool write_file_headers(struct lws *wsi, unsigned code, const struct ordo_site_file *file) {
    uint8_t headers[LWS_PRE + HEADERS_SIZE_MAX], *start = headers + LWS_PRE, *at = start;
    uint8_t *end = headers + sizeof headers;
    lws_filepos_t size = code == 304 ? 0 : file->bytes.size;
    bool ok = lws_add_http_common_headers(wsi, code, file->type, size, &at, end) == 0 &&
              add_header(wsi, "etag:", file->etag, &at, end);
    for (size_t i = 0; ok && i < sizeof file_headers / sizeof *file_headers; i++)
        ok = add_header(wsi, file_headers[i].name, file_headers[i].value, &at, end);
    return ok && lws_finalize_write_http_header(wsi, start, &at, end) == 0;
}

static int answer_file(struct lws *wsi, const struct ordo_site_file *file, struct ordo_http_answer *rest) {
    char known[sizeof file->etag] = "";
    (void)lws_hdr_copy(wsi, known, sizeof known, WSI_TOKEN_HTTP_IF_NONE_MATCH); /* longer: then it is none of ours */
    bool is_known = strcmp(known, file->etag) == 0;
    if (!write_file_headers(wsi, is_known ? 304 : 200, file)) return 1;
    if (is_known || file->bytes.size == 0 || is_head(wsi)) return complete(wsi, STAYS);
    *rest = (struct ordo_http_answer){.file = file};
    lws_callback_on_writable(wsi);
    return 0;
}

int ordo_http_go_on(struct lws *wsi, struct ordo_http_answer *rest) {
    if (rest->file == NULL) return 0;
    uint8_t piece[LWS_PRE + PIECE_SIZE];
    size_t left = rest->file->bytes.size - rest->sent, size = left < PIECE_SIZE ? left : PIECE_SIZE;
    memcpy(piece + LWS_PRE, rest->file->bytes.data + rest->sent, size);
    bool is_last = size == left;
    if (lws_write(wsi, piece + LWS_PRE, size, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)size) return -1;
    rest->sent += size;
    if (is_last) {
        rest->file = NULL;
        return complete(wsi, STAYS);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

/* It tells addresses inside of the cluster, so only to whoever is on this machine: `ordo status`, when the directory is away. */
static int answer_directory(struct lws *wsi, const struct ordo_turn *turn) {
    const struct ordo_follower *follower = turn->follower;
    if (!ordo_client_is_local(wsi, turn->proxies))
        return answer(wsi, 403, "text/plain", ordo_slice_of("only for this machine\n"), STAYS);
    struct ordo_buffer body = {0};
    bool is_known = follower != NULL && ordo_follower_describe(follower, &body);
    int result = is_known ? answer(wsi, 200, "application/json", ordo_buffer_slice(&body), STAYS)
                          : answer(wsi, 404, "text/plain", ordo_slice_of("no directory was ever read here\n"), STAYS);
    ordo_buffer_finish(&body);
    return result;
}

/* That the loop turns is what /healthz says by answering at all. */
static int answer_health(struct lws *wsi, enum after after) {
    return answer(wsi, 200, "text/plain", ordo_slice_of("ok\n"), after);
}

static int answer_readiness(struct lws *wsi, const struct ordo_turn *turn, enum after after) {
    bool is_ready = ordo_gateway_is_ready(turn->core);
    const char *text = is_ready ? "ready\n" : "not ready: it stops, or no link to a shard that serves documents is up\n";
    return answer(wsi, is_ready ? 200 : 503, "text/plain", ordo_slice_of(text), after);
}

/* A connection that stayed would be the first to be crowded out, and just then its next request may be on the way. */
int ordo_http_answer_watcher(struct lws *wsi, struct ordo_slice path, const struct ordo_turn *turn) {
    if (ordo_slice_equal(path, ordo_slice_of("/healthz"))) return answer_health(wsi, CLOSES);
    if (ordo_slice_equal(path, ordo_slice_of("/readyz"))) return answer_readiness(wsi, turn, CLOSES);
    if (!ordo_slice_equal(path, ordo_slice_of("/metrics")))
        return answer(wsi, 404, "text/plain", ordo_slice_of("not found; /metrics, /healthz and /readyz are here\n"), CLOSES);
    struct ordo_buffer body = {0};
    ordo_gateway_metrics(&body, turn);
    int result = answer(wsi, 200, ORDO_METRICS_CONTENT_TYPE, ordo_buffer_slice(&body), CLOSES);
    ordo_buffer_finish(&body);
    return result;
}

int ordo_http_answer(struct lws *wsi, struct ordo_slice path, const struct ordo_turn *turn,
                     const struct ordo_site *site, struct ordo_http_answer *rest) {
    if (ordo_slice_equal(path, ordo_slice_of("/healthz"))) return answer_health(wsi, STAYS);
    if (ordo_slice_equal(path, ordo_slice_of("/readyz"))) return answer_readiness(wsi, turn, STAYS);
    if (ordo_slice_equal(path, ordo_slice_of("/directory"))) return answer_directory(wsi, turn);
    const struct ordo_site_file *file = ordo_site_find(site, path);
    if (file != NULL) return answer_file(wsi, file, rest);
    return answer(wsi, 404, "text/plain", ordo_slice_of("not found; WebSockets are served at /v1/ws\n"), STAYS);
}
