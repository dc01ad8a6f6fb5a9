/* While the directory is away, each gateway still knows what it said last (gateway/http.h, /directory). */
#include <curl/curl.h>
#include <jansson.h>

#include "tools/ordo/status.h"

static struct ordo_cluster *decode(const char *text) {
    struct ordo_directory_content content = {0};
    const char *key;
    json_t *value, *all = json_loads(text, 0, NULL), *items = json_object_get(all, "items");
    bool is_whole = json_is_object(items);
    json_object_foreach(items, key, value) {
        struct ordo_slice bytes = ordo_slice(json_string_value(value), json_string_length(value));
        is_whole = is_whole && json_is_string(value) && ordo_directory_content_put(&content, key, bytes, 0) == ORDO_OK;
    }
    struct ordo_cluster *cluster = NULL;
    if (is_whole) {
        const struct ordo_directory_view *view = ordo_directory_view_create(&content, 1, 0, "");
        struct ordo_problem problem;
        if (ordo_cluster_decode(view, &cluster, &problem)) cluster = NULL;
        ordo_directory_view_release(view);
    }
    ordo_directory_content_finish(&content);
    json_decref(all);
    return cluster;
}

struct ordo_cluster *status_ask_last_known(const char *gateway_url) {
    struct status_request request;
    struct ordo_cluster *cluster = NULL;
    if (!status_request_begin(&request, gateway_url, "/directory")) return NULL;
    if (curl_easy_perform(request.handle) == CURLE_OK && status_request_end(&request) == 200)
        cluster = decode((const char *)request.answer.data);
    if (request.handle != NULL) (void)status_request_end(&request);
    ordo_buffer_finish(&request.answer);
    return cluster;
}
