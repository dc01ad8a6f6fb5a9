#include "gateway/http.h"

#include <stdio.h>

#include "gateway/client_address.h"
#include "gateway/follower.h"

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

struct metric {
    const char *name, *kind;
    uint64_t value;
};

static void write_metrics(const struct ordo_gateway_stats *stats, struct ordo_buffer *out) {
    const struct metric metrics[] = {
        {"ordo_gateway_connections", "gauge", stats->connections},
        {"ordo_gateway_documents", "gauge", stats->documents},
        {"ordo_gateway_subscribers", "gauge", stats->subscribers},
        {"ordo_gateway_links", "gauge", stats->links},
        {"ordo_gateway_links_ready", "gauge", stats->links_ready},
        {"ordo_gateway_slots_unowned", "gauge", stats->slots_unowned},
        {"ordo_gateway_slots_moved_total", "counter", stats->slots_moved},
        {"ordo_gateway_not_owners_total", "counter", stats->not_owners},
        {"ordo_gateway_frames_received_total", "counter", stats->frames_received},
        {"ordo_gateway_bytes_received_total", "counter", stats->bytes_received},
        {"ordo_gateway_frames_sent_total", "counter", stats->frames_sent},
        {"ordo_gateway_messages_sent_total", "counter", stats->messages_sent},
        {"ordo_gateway_bytes_sent_total", "counter", stats->bytes_sent},
        {"ordo_gateway_submits_total", "counter", stats->submits},
        {"ordo_gateway_submits_refused_total", "counter", stats->submits_refused},
        {"ordo_gateway_commits_received_total", "counter", stats->commits_received},
        {"ordo_gateway_commits_delivered_total", "counter", stats->commits_delivered},
        {"ordo_gateway_resyncs_total", "counter", stats->resyncs},
        {"ordo_gateway_messages_dropped_total", "counter", stats->messages_dropped},
        {"ordo_gateway_links_lost_total", "counter", stats->links_lost},
        {"ordo_gateway_connections_refused_total", "counter", stats->connections_refused},
        {"ordo_gateway_tokens_refused_total", "counter", stats->tokens_refused},
        {"ordo_gateway_tokens_expired_total", "counter", stats->tokens_expired},
        {"ordo_gateway_tokens_revoked_total", "counter", stats->tokens_revoked},
        {"ordo_gateway_opens_forbidden_total", "counter", stats->opens_forbidden},
        {"ordo_gateway_submits_forbidden_total", "counter", stats->submits_forbidden},
        {"ordo_gateway_forgets_forbidden_total", "counter", stats->forgets_forbidden},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        char line[256];
        int size = snprintf(line, sizeof line, "# TYPE %s %s\n%s %llu\n", metrics[i].name, metrics[i].kind,
                            metrics[i].name, (unsigned long long)metrics[i].value);
        ordo_buffer_append(out, line, (size_t)size);
    }
}

static int answer(struct lws *wsi, unsigned code, const char *content_type, struct ordo_slice body) {
    uint8_t headers[LWS_PRE + HEADERS_SIZE_MAX], *start = headers + LWS_PRE, *at = start;
    uint8_t *end = headers + sizeof headers;
    if (lws_add_http_common_headers(wsi, code, content_type, body.size, &at, end) != 0 ||
        lws_finalize_write_http_header(wsi, start, &at, end) != 0)
        return 1;
    struct ordo_buffer out = {0};
    memset(ordo_buffer_reserve(&out, LWS_PRE), 0, LWS_PRE);
    out.size = LWS_PRE;
    ordo_buffer_append_slice(&out, body);
    int written = lws_write(wsi, out.data + LWS_PRE, body.size, LWS_WRITE_HTTP_FINAL);
    ordo_buffer_finish(&out);
    return written < 0 || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- files */

static bool add_header(struct lws *wsi, const char *name, const char *value, uint8_t **at, uint8_t *end) {
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                       (int)strlen(value), at, end) == 0;
}

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
    if (is_known || file->bytes.size == 0) return lws_http_transaction_completed(wsi) ? -1 : 0;
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
        return lws_http_transaction_completed(wsi) ? -1 : 0;
    }
    lws_callback_on_writable(wsi);
    return 0;
}

/* It tells addresses inside of the cluster, so only to whoever is on this machine: `ordo status`, when the directory is away. */
static int answer_directory(struct lws *wsi, const struct ordo_turn *turn) {
    const struct ordo_follower *follower = turn->follower;
    if (!ordo_client_is_local(wsi, turn->proxies)) return answer(wsi, 403, "text/plain", ordo_slice_of("only for this machine\n"));
    struct ordo_buffer body = {0};
    bool is_known = follower != NULL && ordo_follower_describe(follower, &body);
    int result = is_known ? answer(wsi, 200, "application/json", ordo_buffer_slice(&body))
                          : answer(wsi, 404, "text/plain", ordo_slice_of("no directory was ever read here\n"));
    ordo_buffer_finish(&body);
    return result;
}

int ordo_http_answer(struct lws *wsi, struct ordo_slice path, const struct ordo_turn *turn,
                     const struct ordo_site *site, struct ordo_http_answer *rest) {
    if (ordo_slice_equal(path, ordo_slice_of("/healthz")))
        return answer(wsi, 200, "text/plain", ordo_slice_of("ok\n"));
    if (ordo_slice_equal(path, ordo_slice_of("/readyz"))) {
        bool is_ready = ordo_gateway_is_ready(turn->core);
        return answer(wsi, is_ready ? 200 : 503, "text/plain",
                      ordo_slice_of(is_ready ? "ready\n" : "the link to the shard is down\n"));
    }
    if (ordo_slice_equal(path, ordo_slice_of("/metrics"))) {
        struct ordo_buffer body = {0};
        write_metrics(ordo_gateway_stats(turn->core), &body);
        int result = answer(wsi, 200, "text/plain; version=0.0.4", ordo_buffer_slice(&body));
        ordo_buffer_finish(&body);
        return result;
    }
    if (ordo_slice_equal(path, ordo_slice_of("/directory"))) return answer_directory(wsi, turn);
    const struct ordo_site_file *file = ordo_site_find(site, path);
    if (file != NULL) return answer_file(wsi, file, rest);
    return answer(wsi, 404, "text/plain", ordo_slice_of("not found; WebSockets are served at /v1/ws\n"));
}
