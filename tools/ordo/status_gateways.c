/* What gateways say of themselves at /metrics, asked all at once. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "tools/ordo/status.h"

#define TIMEOUT_MS 1500L
#define ANSWER_SIZE_MAX (256u * 1024)

struct asking {
    CURL *handle;
    struct ordo_buffer answer;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct asking *asking = context;
    if (asking->answer.size + size * count > ANSWER_SIZE_MAX) return 0; /* that is no gateway of ours */
    ordo_buffer_append(&asking->answer, bytes, size * count);
    return size * count;
}

/* "ws://HOST:PORT/v1/ws" -> "http://HOST:PORT/metrics" (and https for wss). */
static bool metrics_url(const char *url, char *out, size_t size) {
    const char *host = strstr(url, "://");
    if (host == NULL || strncmp(url, "ws", 2) != 0) return false;
    host += 3;
    return snprintf(out, size, "http%s://%.*s/metrics", url[2] == 's' ? "s" : "", (int)strcspn(host, "/"), host) < (int)size;
}

static void begin(CURLM *all, struct asking *asking, const char *gateway_url) {
    char url[600];
    if (!metrics_url(gateway_url, url, sizeof url)) return;
    asking->handle = curl_easy_init();
    if (asking->handle == NULL) return;
    curl_easy_setopt(asking->handle, CURLOPT_URL, url);
    curl_easy_setopt(asking->handle, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(asking->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(asking->handle, CURLOPT_NOPROXY, "*"); /* it is one of our own machines */
    curl_easy_setopt(asking->handle, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(asking->handle, CURLOPT_WRITEDATA, asking);
    curl_multi_add_handle(all, asking->handle);
}

static uint64_t metric(const char *text, const char *name) {
    size_t size = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, name, size) == 0 && line[size] == ' ') return strtoull(line + size, NULL, 10);
    }
    return 0;
}

static void end(CURLM *all, struct asking *asking, struct status_gateway *gateway) {
    long code = 0;
    if (asking->handle == NULL) return;
    curl_easy_getinfo(asking->handle, CURLINFO_RESPONSE_CODE, &code);
    ordo_buffer_append(&asking->answer, "", 1);
    const char *text = (const char *)asking->answer.data;
    if (code == 200) {
        gateway->is_there = true;
        gateway->connections = metric(text, "ordo_gateway_connections");
        gateway->documents = metric(text, "ordo_gateway_documents");
        gateway->subscribers = metric(text, "ordo_gateway_subscribers");
        gateway->links = metric(text, "ordo_gateway_links");
        gateway->links_ready = metric(text, "ordo_gateway_links_ready");
        gateway->resyncs = metric(text, "ordo_gateway_resyncs_total");
    }
    curl_multi_remove_handle(all, asking->handle);
    curl_easy_cleanup(asking->handle);
    ordo_buffer_finish(&asking->answer);
}

void status_ask_gateways(struct status_gateway *gateways, size_t count) {
    struct asking *askings = ordo_alloc((count + 1) * sizeof *askings);
    CURLM *all = curl_multi_init();
    for (size_t i = 0; i < count; i++) begin(all, &askings[i], gateways[i].url);
    for (int running = 1; running > 0;) {
        if (curl_multi_perform(all, &running) != CURLM_OK) break;
        if (running > 0) curl_multi_poll(all, NULL, 0, 100, NULL);
    }
    for (size_t i = 0; i < count; i++) end(all, &askings[i], &gateways[i]);
    curl_multi_cleanup(all);
    free(askings);
}
