/* What gateways say of themselves at /metrics, asked all at once. */
#include <curl/curl.h>
#include <stdlib.h>

#include "common/memory.h"
#include "tools/ordo/status.h"

static uint64_t metric(const char *text, const char *name) {
    size_t size = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, name, size) == 0 && line[size] == ' ') return strtoull(line + size, NULL, 10);
    }
    return 0;
}

static void take_answer(struct status_request *request, struct status_gateway *gateway) {
    if (status_request_end(request) == 200) {
        const char *text = (const char *)request->answer.data;
        gateway->is_there = true;
        gateway->connections = metric(text, "ordo_gateway_connections");
        gateway->documents = metric(text, "ordo_gateway_documents");
        gateway->subscribers = metric(text, "ordo_gateway_subscribers");
        gateway->links = metric(text, "ordo_gateway_links");
        gateway->links_ready = metric(text, "ordo_gateway_links_ready");
        gateway->resyncs = metric(text, "ordo_gateway_resyncs_total");
    }
    ordo_buffer_finish(&request->answer);
}

void status_ask_gateways(struct status_gateway *gateways, size_t count) {
    struct status_request *requests = ordo_alloc((count + 1) * sizeof *requests);
    CURLM *all = curl_multi_init();
    for (size_t i = 0; i < count; i++) {
        if (status_request_begin(&requests[i], gateways[i].url, "/metrics")) curl_multi_add_handle(all, requests[i].handle);
    }
    for (int running = 1; running > 0;) {
        if (curl_multi_perform(all, &running) != CURLM_OK) break;
        if (running > 0) curl_multi_poll(all, NULL, 0, 100, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        if (requests[i].handle != NULL) curl_multi_remove_handle(all, requests[i].handle);
        take_answer(&requests[i], &gateways[i]);
    }
    curl_multi_cleanup(all);
    free(requests);
}
