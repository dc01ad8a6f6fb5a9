#include <curl/curl.h>
#include <stdio.h>

#include "tools/ordo/status.h"

#define TIMEOUT_MS 1500L
#define ANSWER_SIZE_MAX (16u * 1024 * 1024) /* a directory is half of that at most */

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct status_request *request = context;
    if (request->answer.size + size * count > ANSWER_SIZE_MAX) return 0; /* that is no gateway of ours */
    ordo_buffer_append(&request->answer, bytes, size * count);
    return size * count;
}

/* "ws://HOST:PORT/v1/ws" -> "http://HOST:PORT/PATH" (and https for wss). */
static bool http_url(const char *url, const char *path, char *out, size_t size) {
    const char *host = strstr(url, "://");
    if (host == NULL || strncmp(url, "ws", 2) != 0) return false;
    host += 3;
    return snprintf(out, size, "http%s://%.*s%s", url[2] == 's' ? "s" : "", (int)strcspn(host, "/"), host, path) < (int)size;
}

bool status_request_begin(struct status_request *request, const char *gateway_url, const char *path) {
    char url[600];
    *request = (struct status_request){0};
    return http_url(gateway_url, path, url, sizeof url) && status_request_begin_at(request, url);
}

bool status_request_begin_at(struct status_request *request, const char *url) {
    *request = (struct status_request){0};
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) return false; /* what curl knows besides */
    request->handle = curl_easy_init();
    if (request->handle == NULL) return false;
    curl_easy_setopt(request->handle, CURLOPT_URL, url);
    curl_easy_setopt(request->handle, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(request->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(request->handle, CURLOPT_NOPROXY, "*"); /* it is one of our own machines */
    curl_easy_setopt(request->handle, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(request->handle, CURLOPT_WRITEDATA, request);
    return true;
}

long status_request_end(struct status_request *request) {
    long code = 0;
    if (request->handle == NULL) return 0;
    curl_easy_getinfo(request->handle, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(request->handle);
    request->handle = NULL;
    ordo_buffer_append(&request->answer, "", 1);
    return code;
}
