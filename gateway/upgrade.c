#include "gateway/client_address.h"
#include "gateway/wire_impl.h"

size_t ordo_upgrade_path(struct lws *wsi, char path[ORDO_WIRE_PATH_SIZE_MAX]) {
    bool is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    int size = lws_hdr_copy(wsi, path, ORDO_WIRE_PATH_SIZE_MAX, is_head ? WSI_TOKEN_HEAD_URI : WSI_TOKEN_GET_URI);
    return size > 0 ? (size_t)size : 0;
}

/* A header of the request; empty: it has none. False: it is too long. */
static bool copy_header(struct lws *wsi, enum lws_token_indexes which, char out[ORDO_WIRE_HEADER_SIZE_MAX],
                        struct ordo_slice *header) {
    *header = ordo_slice(NULL, 0);
    if (lws_hdr_total_length(wsi, which) <= 0) return true;
    int size = lws_hdr_copy(wsi, out, ORDO_WIRE_HEADER_SIZE_MAX, which);
    if (size < 0) return false;
    *header = ordo_slice(out, (size_t)size);
    return true;
}

/* ---- tokens */

enum token_place { TOKEN_NOWHERE, TOKEN_IN_HEADER, TOKEN_IN_COOKIE, TOKEN_TOO_LARGE };

/* The token that the request brings, in `memory`. */
static enum token_place find_token(const struct ordo_wire_lws *wire, struct lws *wsi,
                                   char memory[ORDO_WIRE_HEADER_SIZE_MAX], struct ordo_slice *token) {
    struct ordo_slice header;
    const char *cookie = wire->options->door.cookie;
    if (!wire->options->door.asks_token) return TOKEN_NOWHERE;
    if (!copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, memory, &header)) return TOKEN_TOO_LARGE;
    if (ordo_door_bearer(header, token)) return TOKEN_IN_HEADER;
    if (cookie == NULL) return TOKEN_NOWHERE;
    if (!copy_header(wsi, WSI_TOKEN_HTTP_COOKIE, memory, &header)) return TOKEN_TOO_LARGE;
    return ordo_door_cookie(header, cookie, token) ? TOKEN_IN_COOKIE : TOKEN_NOWHERE;
}

struct ordo_slice ordo_upgrade_token(const struct ordo_wire_lws *wire, struct lws *wsi,
                                     char memory[ORDO_WIRE_HEADER_SIZE_MAX]) {
    struct ordo_slice token = {0};
    (void)find_token(wire, wsi, memory, &token);
    return token;
}

/* ---- whether there is a place */

/* 0: there is one for this client. Else the status that says why not: a load balancer takes 503 to the next gateway, and the
 * client sees nothing of it; 429 is meant for the client. */
static unsigned fault_of_place(const struct ordo_wire_lws *wire, struct lws *wsi) {
    struct ordo_edge_stats *stats = &wire->turn->stats;
    if (wire->is_draining) return HTTP_STATUS_SERVICE_UNAVAILABLE;
    if (wire->count >= wire->count_max) {
        stats->upgrades_refused_full++;
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    }
    if (wire->budget.is_over) {
        stats->upgrades_refused_memory++;
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    }
    struct ordo_ip address = ordo_client_address(wsi, &wire->options->proxies);
    if (ordo_addresses_have_room(&wire->addresses, &address, ORDO_ADDRESS_CONNECTION)) return 0;
    stats->upgrades_refused_address++;
    return 429;
}

/* ---- whether it may */

/* 0: the page behind the request may connect, and what it brings fits. Else the status that says why not. */
static unsigned fault_at_door(const struct ordo_wire_lws *wire, struct lws *wsi) {
    char memory[ORDO_WIRE_HEADER_SIZE_MAX], host_memory[ORDO_WIRE_HEADER_SIZE_MAX];
    struct ordo_slice token, origin, host;
    enum token_place place = find_token(wire, wsi, memory, &token);
    if (place == TOKEN_TOO_LARGE) return HTTP_STATUS_REQ_ENTITY_TOO_LARGE;
    bool reads = copy_header(wsi, WSI_TOKEN_ORIGIN, memory, &origin) && copy_header(wsi, WSI_TOKEN_HOST, host_memory, &host);
    bool may = reads && ordo_door_lets_in(&wire->options->door, origin, host, place == TOKEN_IN_COOKIE);
    return may ? 0 : HTTP_STATUS_FORBIDDEN;
}

/* Answers a request to upgrade with a status instead. */
static int refuse(struct lws *wsi, unsigned status) { return lws_return_http_status(wsi, status, NULL) < 0 ? -1 : 1; }

/* libwebsockets 4.1.6 would go along with h2c and with old drafts. */
int ordo_upgrade_confirm(const struct ordo_wire_lws *wire, struct lws *wsi, const char *to) {
    char path[ORDO_WIRE_PATH_SIZE_MAX], version[8] = "";
    if (to == NULL || strcasecmp(to, "websocket") != 0) return -1;
    (void)lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION);
    if (strcmp(version, "13") != 0) return -1;
    size_t size = ordo_upgrade_path(wsi, path);
    if (!ordo_slice_equal(ordo_slice(path, size), ordo_slice_of("/v1/ws"))) return refuse(wsi, HTTP_STATUS_NOT_FOUND);
    unsigned fault = fault_of_place(wire, wsi);
    if (fault == 0) fault = fault_at_door(wire, wsi);
    return fault == 0 ? 0 : refuse(wsi, fault);
}
