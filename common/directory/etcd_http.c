#include "common/directory/etcd_http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

enum { CONNECT_TIMEOUT_MS = 1500, URL_SIZE = 512 };

static void start_curl(void) {
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ORDO_ASSERT(code == CURLE_OK);
}

/* ---- what both have in common */

struct transfer {
    CURL *curl;
    struct curl_slist *headers;
    char url[URL_SIZE];
    char error[CURL_ERROR_SIZE];
    struct ordo_buffer *answer;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    if (transfer->answer->size + size * count > ORDO_ETCD_ANSWER_SIZE_MAX) return 0; /* ends the transfer */
    ordo_buffer_append(transfer->answer, bytes, size * count);
    return size * count;
}

static void transfer_init(struct transfer *transfer) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    transfer->curl = curl_easy_init();
    ORDO_ASSERT(transfer->curl != NULL);
    transfer->headers = curl_slist_append(NULL, "Content-Type: application/json");
    transfer->headers =
        curl_slist_append(transfer->headers, "Expect:"); /* a body is not held back to ask whether it may come */
    /* A member that lost its leader ends its watches instead of keeping silent. */
    transfer->headers = curl_slist_append(transfer->headers, "Grpc-Metadata-hasleader: true");
    CURL *curl = transfer->curl;
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, 5L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, 2L);
}

static void transfer_finish(struct transfer *transfer) {
    curl_easy_cleanup(transfer->curl);
    curl_slist_free_all(transfer->headers);
}

/* `body` is borrowed until the transfer is over. */
static void transfer_aim(struct transfer *transfer, const char *endpoint, const char *path, struct ordo_slice body) {
    int size = snprintf(transfer->url, sizeof transfer->url, "http://%s/%s", endpoint, path);
    ORDO_ASSERT(size > 0 && (size_t)size < sizeof transfer->url);
    transfer->error[0] = '\0';
    curl_easy_setopt(transfer->curl, CURLOPT_URL, transfer->url);
    curl_easy_setopt(transfer->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    curl_easy_setopt(transfer->curl, CURLOPT_POSTFIELDS, body.data);
}

static void describe(const struct transfer *transfer, CURLcode code, const char *endpoint,
                     struct ordo_problem *problem) {
    ordo_problem_set(problem, "etcd at %s is not to be reached: %s.", endpoint,
                     transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
}

/* ---- requests */

struct ordo_etcd_http {
    struct transfer transfer;
};

struct ordo_etcd_http *ordo_etcd_http_create(void) {
    struct ordo_etcd_http *http = ordo_alloc(sizeof *http);
    transfer_init(&http->transfer);
    return http;
}

void ordo_etcd_http_destroy(struct ordo_etcd_http *http) {
    if (http == NULL) return;
    transfer_finish(&http->transfer);
    free(http);
}

ordo_err ordo_etcd_post(struct ordo_etcd_http *http, const char *endpoint, const char *path, struct ordo_slice body,
                        uint32_t timeout_ms, struct ordo_buffer *answer, struct ordo_problem *problem) {
    struct transfer *transfer = &http->transfer;
    long status = 0;
    ordo_buffer_clear(answer);
    transfer->answer = answer;
    transfer_aim(transfer, endpoint, path, body);
    curl_easy_setopt(transfer->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    CURLcode code = curl_easy_perform(transfer->curl);
    if (code != CURLE_OK) {
        describe(transfer, code, endpoint, problem);
        bool is_unsaid = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
        return is_unsaid ? ORDO_ERR_CLOSED : ORDO_ERR_UNAVAILABLE;
    }
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 ? ORDO_OK : ORDO_ERR_INVALID;
}

/* ---- streams */

struct ordo_etcd_stream {
    struct transfer transfer;
    CURLM *multi;
    char endpoint[URL_SIZE];
    struct ordo_buffer body, answer;
    size_t taken; /* bytes of `answer` that were given out as lines */
};

struct ordo_etcd_stream *ordo_etcd_stream_open(const char *endpoint, const char *path, struct ordo_slice body) {
    struct ordo_etcd_stream *stream = ordo_alloc(sizeof *stream);
    snprintf(stream->endpoint, sizeof stream->endpoint, "%s", endpoint);
    ordo_buffer_append_slice(&stream->body, body);
    transfer_init(&stream->transfer);
    stream->transfer.answer = &stream->answer;
    transfer_aim(&stream->transfer, endpoint, path, ordo_buffer_slice(&stream->body));
    stream->multi = curl_multi_init();
    ORDO_ASSERT(stream->multi != NULL);
    curl_multi_add_handle(stream->multi, stream->transfer.curl);
    return stream;
}

void ordo_etcd_stream_close(struct ordo_etcd_stream *stream) {
    if (stream == NULL) return;
    curl_multi_remove_handle(stream->multi, stream->transfer.curl);
    curl_multi_cleanup(stream->multi);
    transfer_finish(&stream->transfer);
    ordo_buffer_finish(&stream->body);
    ordo_buffer_finish(&stream->answer);
    free(stream);
}

/* Moves what is left of the answer to its beginning. */
static void drop_taken(struct ordo_etcd_stream *stream) {
    if (stream->taken == 0) return;
    stream->answer.size -= stream->taken;
    memmove(stream->answer.data, stream->answer.data + stream->taken, stream->answer.size);
    stream->taken = 0;
}

ordo_err ordo_etcd_stream_wait(struct ordo_etcd_stream *stream, uint32_t timeout_ms, struct ordo_problem *problem) {
    int running = 0, left;
    drop_taken(stream);
    size_t before = stream->answer.size; /* of a line that is not whole yet */
    CURLMcode code = curl_multi_perform(stream->multi, &running); /* the first time: begins */
    if (code == CURLM_OK && running > 0 && stream->answer.size == before) {
        code = curl_multi_poll(stream->multi, NULL, 0, (int)timeout_ms, NULL);
        if (code == CURLM_OK) code = curl_multi_perform(stream->multi, &running);
    }
    if (code == CURLM_OK && running > 0) return ORDO_OK;
    const CURLMsg *message = curl_multi_info_read(stream->multi, &left);
    if (message != NULL && message->data.result != CURLE_OK) {
        describe(&stream->transfer, message->data.result, stream->endpoint, problem);
    } else {
        ordo_problem_set(problem, "etcd at %s ended its stream of news.", stream->endpoint);
    }
    return ORDO_ERR_CLOSED;
}

bool ordo_etcd_stream_line(struct ordo_etcd_stream *stream, struct ordo_slice *out) {
    const uint8_t *begin = stream->answer.data + stream->taken;
    size_t left = stream->answer.size - stream->taken;
    const uint8_t *end = left > 0 ? memchr(begin, '\n', left) : NULL;
    if (end == NULL) return false;
    *out = ordo_slice(begin, (size_t)(end - begin));
    stream->taken += out->size + 1;
    return true;
}

void ordo_etcd_stream_wake(struct ordo_etcd_stream *stream) { curl_multi_wakeup(stream->multi); }
