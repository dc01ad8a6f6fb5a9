/* What gateways say of themselves: /healthz where clients reach them, and /metrics at the address that the directory names;
 * asked all at once. That address may be one of another machine's loopback: then nobody answers there, or somebody else,
 * who has another name. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "tools/ordo/status.h"

struct asked {
    struct status_request health, metrics;
};

static uint64_t metric(const char *text, const char *name) {
    size_t size = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, name, size) == 0 && line[size] == ' ') return strtoull(line + size, NULL, 10);
    }
    return 0;
}

static bool is_of(const char *text, const char *name) {
    char line[ORDO_CLUSTER_NAME_SIZE_MAX + 64];
    snprintf(line, sizeof line, "\nordo_gateway_info{name=\"%s\"} 1\n", name);
    return strstr(text, line) != NULL;
}

static void take_figures(struct status_request *request, struct status_gateway *gateway) {
    bool is_told = status_request_end(request) == 200;
    const char *text = (const char *)request->answer.data;
    if (is_told && is_of(text, gateway->name)) {
        gateway->has_figures = true;
        gateway->connections = metric(text, "ordo_gateway_connections");
        gateway->documents = metric(text, "ordo_gateway_documents");
        gateway->subscribers = metric(text, "ordo_gateway_subscribers");
        gateway->links = metric(text, "ordo_gateway_links");
        gateway->links_ready = metric(text, "ordo_gateway_links_ready");
        gateway->resyncs = metric(text, "ordo_gateway_resyncs_total");
    }
    ordo_buffer_finish(&request->answer);
}

static void take_answers(struct asked *asked, struct status_gateway *gateway) {
    gateway->is_there = status_request_end(&asked->health) == 200;
    ordo_buffer_finish(&asked->health.answer);
    take_figures(&asked->metrics, gateway);
    gateway->is_there = gateway->is_there || gateway->has_figures;
}

static void remove_handle(CURLM *all, const struct status_request *request) {
    if (request->handle != NULL) curl_multi_remove_handle(all, request->handle);
}

void status_ask_gateways(struct status_gateway *gateways, size_t count) {
    struct asked *asked = ordo_alloc((count + 1) * sizeof *asked);
    CURLM *all = curl_multi_init();
    for (size_t i = 0; i < count; i++) {
        if (status_request_begin(&asked[i].health, gateways[i].url, "/healthz"))
            curl_multi_add_handle(all, asked[i].health.handle);
        if (status_request_begin_at(&asked[i].metrics, gateways[i].metrics_url))
            curl_multi_add_handle(all, asked[i].metrics.handle);
    }
    for (int running = 1; running > 0;) {
        if (curl_multi_perform(all, &running) != CURLM_OK) break;
        if (running > 0) curl_multi_poll(all, NULL, 0, 100, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        remove_handle(all, &asked[i].health);
        remove_handle(all, &asked[i].metrics);
        take_answers(&asked[i], &gateways[i]);
    }
    curl_multi_cleanup(all);
    free(asked);
}
