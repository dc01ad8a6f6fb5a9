#include "gateway/wire_lws.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/random.h"
#include "gateway/http.h"
#include "gateway/tls.h"
#include "gateway/wire_impl.h"

enum {
    RX_PIECE_SIZE = 1024,      /* libwebsockets keeps as much per connection; larger frames come in pieces */
    SERVICE_SIZE = 64 * 1024,  /* one buffer for all reads, and the largest single write */
    FILES_RESERVED = 64,       /* file descriptors that are not for clients */
    WATCHERS_MAX = 32,         /* of those: connections on the port of figures, */
    WATCHER_TIMEOUT_MS = 5000, /* each with so long for a request */
    GUEST_FILES = 10,          /* one of so many for connections that have said nothing whole yet, */
    REQUEST_FILES = 16,        /* and for requests over HTTP */
    /* Of one HTTP request: a token may be as large as one may be, and needs some company. */
    HEADERS_SIZE_MAX = ORDO_TOKEN_SIZE_MAX + 4096,
    MIB = 1024 * 1024,
};

/* ---- callbacks of libwebsockets */

/* What libwebsockets keeps per connection that is no WebSocket; zeroed memory between requests. */
struct http_session {
    struct ordo_http_answer answer;
    struct ordo_http_request *request; /* for documents; NULL: it is none */
};

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct ordo_wire_lws *wire = context ? lws_context_user(context) : NULL;
    struct ordo_session *session = user;
    struct ordo_socket *socket = NULL;
    bool is_ours = reason == LWS_CALLBACK_RECEIVE || reason == LWS_CALLBACK_RECEIVE_PONG ||
                   reason == LWS_CALLBACK_SERVER_WRITEABLE || reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE;
    if (is_ours) {
        if (session == NULL || session->socket == NULL) return -1;
        socket = session->socket;
    }
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return ordo_upgrade_confirm(wire, wsi, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        /* The protocol that the client asked for; without one it may be a browser on a wrong page. */
        return in != NULL && strcmp(in, "ordo.v1") == 0 ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED: return ordo_socket_opened(wire, wsi, session);
    case LWS_CALLBACK_CLOSED:
        /* Also told of what never was a connection: a request without subprotocol that we refused. */
        if (session != NULL) ordo_socket_gone(wire, session);
        return 0;
    case LWS_CALLBACK_RECEIVE: return ordo_socket_read(wire, socket, ordo_slice(in, size));
    case LWS_CALLBACK_RECEIVE_PONG: socket->was_heard = true; return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: ordo_socket_begin_close(wire, socket); return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE: return ordo_socket_writeable(wire, socket);
    default: return lws_callback_http_dummy(wsi, reason, user, in, size);
    }
}

/* Requests that are no WebSocket, or not yet. */
static int begin_request(struct ordo_wire_lws *wire, struct lws *wsi, struct http_session *session, struct ordo_slice uri) {
    char path[ORDO_WIRE_PATH_SIZE_MAX];
    ordo_lobby_enter(&wire->lobby, wsi);
    if (ordo_http_api_has(uri)) return ordo_http_api_begin(wire->api, wsi, &session->request);
    return ordo_http_answer(wsi, ordo_slice(path, ordo_upgrade_path(wsi, path)), wire->turn, wire->options->site,
                            &session->answer);
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct ordo_wire_lws *wire = context ? lws_context_user(context) : NULL;
    struct http_session *session = user;
    switch (reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED: ordo_lobby_open(&wire->lobby, wsi); return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (wire != NULL) ordo_lobby_close(&wire->lobby, wsi);
        return 0;
    case LWS_CALLBACK_HTTP: return begin_request(wire, wsi, session, ordo_slice(in, size));
    case LWS_CALLBACK_HTTP_BODY: return ordo_http_api_body(session->request, ordo_slice(in, size));
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: return ordo_http_api_body_end(session->request);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (session->request != NULL) return ordo_http_api_writeable(&session->request);
        ordo_lobby_enter(&wire->lobby, wsi); /* it takes what it asked for */
        return ordo_http_go_on(wsi, &session->answer);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (session != NULL) ordo_http_api_gone(&session->request);
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS: /* its context is made: a certificate is wanted */
        return wire->options->tls == NULL || ordo_tls_serve(wire->options->tls, user) == ORDO_OK ? 0 : -1;
    default: return callback(wsi, reason, NULL, in, size);
    }
}

/* On the port of those who watch: short answers, and nothing becomes a WebSocket. */
static int watcher_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct ordo_wire_lws *wire = context ? lws_context_user(context) : NULL;
    char path[ORDO_WIRE_PATH_SIZE_MAX];
    switch (reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED: ordo_lobby_open(&wire->watcher_lobby, wsi); return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (wire != NULL) ordo_lobby_close(&wire->watcher_lobby, wsi);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: return -1;
    case LWS_CALLBACK_HTTP:
        ordo_lobby_enter(&wire->watcher_lobby, wsi);
        return ordo_http_answer_watcher(wsi, ordo_slice(path, ordo_upgrade_path(wsi, path)), wire->turn);
    default: return lws_callback_http_dummy(wsi, reason, user, in, size);
    }
}

/* ---- start and stop */

/* What libwebsockets has to say is mostly about clients' mistakes: not worth a line each. */
static void log_line(int level, const char *line) {
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
    log_debug("event=libwebsockets level=%d text=\"%s\"", level, log_quoted(text));
}

/* As many files as we may open, of which there are enough for everything: who has said nothing yet, or asks over HTTP, never
 * takes the place of a WebSocket, nor the other way round. */
static uint64_t raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return UINT32_MAX;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > FILES_RESERVED * 2 ? limit.rlim_cur - FILES_RESERVED : FILES_RESERVED;
}

static uint32_t smaller(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

static void divide_files(struct ordo_wire_lws *wire) {
    const struct ordo_options *options = wire->options;
    uint64_t files = raise_file_limit();
    uint32_t guests = smaller(options->handshakes_max, files / GUEST_FILES + 1);
    uint32_t requests = smaller(ORDO_HTTP_REQUESTS_MAX, files / REQUEST_FILES + 1);
    ordo_lobby_init(&wire->lobby, wire->turn, guests, options->handshake_timeout_ms);
    ordo_lobby_init(&wire->watcher_lobby, wire->turn, WATCHERS_MAX, WATCHER_TIMEOUT_MS);
    const struct ordo_http_api_config config = {.turn = wire->turn, .options = options, .lobby = &wire->lobby,
                                                .addresses = &wire->addresses, .budget = &wire->budget,
                                                .count_max = requests};
    wire->api = ordo_http_api_create(&config);
    wire->count_max = smaller(options->connections_max, files - guests - requests);
}

static void set_limits(struct ordo_wire_lws *wire) {
    const struct ordo_options *options = wire->options;
    wire->addresses.seed = ordo_random_u64();
    wire->addresses.most[ORDO_ADDRESS_CONNECTION] = options->connections_per_address;
    wire->addresses.most[ORDO_ADDRESS_REQUEST] = ORDO_HTTP_REQUESTS_PER_ADDRESS_MAX;
    wire->budget.size_max = options->memory_max_is_given ? (uint64_t)options->memory_max_mib * MIB : ordo_memory_default_max();
    wire->turn->stats.memory_max_bytes = wire->budget.size_max;
    divide_files(wire);
    log_info("event=limits connections=%u handshakes=%u memory_mib=%llu", wire->count_max, wire->lobby.count_max,
             (unsigned long long)wire->budget.size_max / MIB);
}

static bool listen_to_watchers(struct ordo_wire_lws *wire) {
    const struct ordo_options *options = wire->options;
    if (!options->has_metrics) return true;
    wire->watcher_protocols[0] = (struct lws_protocols){.name = "http", .callback = watcher_callback};
    struct lws_context_creation_info info = {
        .port = options->metrics_port,
        .iface = options->metrics_address,
        .protocols = wire->watcher_protocols,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
        .vhost_name = "watchers",
    };
    wire->watcher_vhost = lws_create_vhost(wire->context, &info);
    if (wire->watcher_vhost != NULL) return true;
    log_error("event=listen_failed address=%s port=%u reason=\"it is taken, or not one of this machine\"",
              options->metrics_address, options->metrics_port);
    return false;
}

struct ordo_wire_lws *ordo_wire_lws_create(struct ordo_turn *turn, struct ev_loop *loop,
                                           const struct ordo_options *options) {
    struct ordo_wire_lws *wire = ordo_alloc(sizeof *wire);
    wire->turn = turn;
    wire->options = options;
    set_limits(wire);
    gateway_list_init(&wire->output);
    gateway_list_init(&wire->silence);
    gateway_list_init(&wire->closing);
    gateway_list_init(&wire->pausing);
    gateway_list_init(&wire->paused);
    gateway_list_init(&wire->unfinished);
    memset(ordo_buffer_reserve(&wire->frame, LWS_PRE), 0, LWS_PRE);
    wire->protocols[0] = (struct lws_protocols){
        .name = "http",
        .callback = http_callback,
        .per_session_data_size = sizeof(struct http_session),
    };
    wire->protocols[1] = (struct lws_protocols){
        .name = "ordo.v1",
        .callback = callback,
        .per_session_data_size = sizeof(struct ordo_session),
        .rx_buffer_size = RX_PIECE_SIZE,
        .tx_packet_size = SERVICE_SIZE,
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
    void *loops[] = {loop};
    struct lws_context_creation_info info = {
        .port = options->port,
        .iface = options->address,
        .protocols = wire->protocols,
        .foreign_loops = loops,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
        .user = wire,
        .pt_serv_buf_size = SERVICE_SIZE,
        .max_http_header_data = HEADERS_SIZE_MAX,
        .timeout_secs = options->handshake_timeout_ms / 1000 + 2, /* ours comes first: it does not grow with each byte */
        .timeout_secs_ah_idle = options->handshake_timeout_ms / 1000 + 2,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .vhost_name = "ordo",
    };
    if (options->tls != NULL) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        info.alpn = "http/1.1";
    }
    wire->context = lws_create_context(&info);
    wire->vhost = wire->context ? lws_get_vhost_by_name(wire->context, "ordo") : NULL;
    if (wire->vhost == NULL) {
        log_error("event=listen_failed address=%s port=%u reason=\"it is taken, or not one of this machine\"",
                  options->address, options->port);
        ordo_wire_lws_destroy(wire);
        return NULL;
    }
    if (!listen_to_watchers(wire)) {
        ordo_wire_lws_destroy(wire);
        return NULL;
    }
    return wire;
}

void ordo_wire_lws_destroy(struct ordo_wire_lws *wire) {
    if (wire == NULL) return;
    if (wire->context != NULL) lws_context_destroy(wire->context);
    ordo_http_api_destroy(wire->api);
    ordo_addresses_finish(&wire->addresses);
    free(wire->sockets);
    free(wire->free_indices);
    ordo_buffer_finish(&wire->frame);
    free(wire);
}

void ordo_wire_lws_tick(struct ordo_wire_lws *wire) {
    ordo_http_api_tick(wire->api);
    ordo_socket_write_tick(wire);
    ordo_socket_read_tick(wire);
    ordo_shed_tick(wire);
    ordo_lobby_clear(&wire->lobby);
    ordo_lobby_clear(&wire->watcher_lobby);
}

uint16_t ordo_wire_lws_port(const struct ordo_wire_lws *wire) {
    return (uint16_t)lws_get_vhost_listen_port(wire->vhost);
}

uint16_t ordo_wire_lws_watcher_port(const struct ordo_wire_lws *wire) {
    return wire->watcher_vhost != NULL ? (uint16_t)lws_get_vhost_listen_port(wire->watcher_vhost) : 0;
}

void ordo_wire_lws_drain(struct ordo_wire_lws *wire) {
    wire->is_draining = true;
    ordo_http_api_drain(wire->api);
}

uint32_t ordo_wire_lws_count(const struct ordo_wire_lws *wire) {
    return wire->count + ordo_http_api_count(wire->api);
}
