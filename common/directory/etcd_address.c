#include "common/directory/etcd_address.h"

#include <stdio.h>
#include <string.h>

#include "common/directory/content.h"

static const char scheme[] = "http://";
enum { SCHEME_SIZE = sizeof scheme - 1 };

static bool take_endpoint(struct ordo_etcd_address *address, const char *text, size_t size) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    if (size > SCHEME_SIZE && strncmp(text, scheme, SCHEME_SIZE) == 0) text += SCHEME_SIZE, size -= SCHEME_SIZE;
    if (size >= ORDO_ETCD_ENDPOINT_SIZE || address->endpoint_count == ORDO_ETCD_ENDPOINTS_MAX) return false;
    char *endpoint = address->endpoints[address->endpoint_count++];
    snprintf(endpoint, ORDO_ETCD_ENDPOINT_SIZE, "%.*s", (int)size, text);
    const char *colon = strrchr(endpoint, ':');
    if (strspn(endpoint, allowed) != size || colon == NULL || colon == endpoint) return false;
    return colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

bool ordo_etcd_address_parse(struct ordo_etcd_address *address, const char *text) {
    *address = (struct ordo_etcd_address){0};
    const char *slash = strrchr(text, '/');
    if (strncmp(text, scheme, SCHEME_SIZE) != 0 || slash < text + SCHEME_SIZE || slash[-1] == ',') return false;
    for (const char *end; text < slash; text = end + 1) {
        end = memchr(text, ',', (size_t)(slash - text));
        if (end == NULL) end = slash;
        if (!take_endpoint(address, text, (size_t)(end - text))) return false;
    }
    int size = snprintf(address->prefix, sizeof address->prefix, "%s/", slash + 1);
    return size > 1 && (size_t)size < sizeof address->prefix && ordo_directory_key_is_valid(address->prefix);
}
