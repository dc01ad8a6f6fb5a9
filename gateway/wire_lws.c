#include "gateway/wire_lws.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/assert.h"
#include "common/hex.h"
#include "common/memory.h"
#include "gateway/core/list.h"
#include "gateway/http.h"
#include "gateway/http_api.h"

enum {
    RX_PIECE_SIZE = 1024,     /* libwebsockets keeps as much per connection; larger frames come in pieces */
    SERVICE_SIZE = 64 * 1024, /* one buffer for all reads, and the largest single write */
    FLUSH_SIZE_MAX = 8 * 1024 * 1024, /* written in one turn, over all connections, */
    FLUSH_COUNT_MAX = 2000,           /* and in so many frames: about 10 ms */
    CLOSE_TIMEOUT_MS = 5000,
    FILES_RESERVED = 64, /* file descriptors that are not connections */
    PATH_SIZE_MAX = 512,
    /* Of one HTTP request: a token may be as large as one may be, and needs some company. */
    HEADERS_SIZE_MAX = ORDO_TOKEN_SIZE_MAX + 4096,
    HEADER_SIZE_MAX = ORDO_TOKEN_SIZE_MAX + 1024,
    REASON_SIZE_MAX = 123, /* of a close frame */
    CLOSE_LINES_MAX = 20,  /* in the log, in one second */
};

/* One WebSocket, as the edge sees it. */
struct socket {
    struct lws *wsi;
    struct gateway_list in_output; /* wire->output: something waits and the socket may take it */
    struct gateway_list in_due;    /* wire->silence; wire->closing when we close it; by due_ms */
    uint64_t due_ms;
    struct ordo_buffer partial; /* the beginning of a message whose end has not come */
    bool was_heard, is_pinged;
    bool is_closing;
    uint16_t close_code;
    const char *close_reason; /* NULL until the core closes it */
};

struct ordo_wire_lws {
    struct ordo_turn *turn;
    const struct ordo_options *options;
    struct lws_context *context;
    struct lws_vhost *vhost, *watcher_vhost; /* the latter NULL: no figures are told */
    struct lws_protocols protocols[3], watcher_protocols[2];
    struct socket **sockets; /* by conn */
    uint32_t *free_conns;    /* of those, unused ones */
    uint32_t capacity, free_count, count, count_max;
    struct gateway_list output, silence, closing;
    struct ordo_http_api *api; /* requests that are no WebSockets, as the core sees them */
    struct ordo_buffer frame; /* the message to be written, behind LWS_PRE bytes of room */
    uint64_t lines_since_ms, line_count; /* in the log, about clients that were closed */
    bool is_draining;
};

/* What libwebsockets keeps per connection: `conn` + 1, so that zeroed memory is no connection. */
struct session {
    uint32_t conn_next;
};

static void step(struct ordo_wire_lws *wire, enum ordo_gateway_event_kind kind, uint32_t conn,
                 struct ordo_slice bytes) {
    ordo_turn_step(wire->turn, (struct ordo_gateway_event){
                                   .kind = kind, .conn = ordo_turn_socket_conn(conn), .bytes = bytes});
}

/* ---- connections come and go */

static uint32_t take_conn(struct ordo_wire_lws *wire) {
    if (wire->free_count > 0) return wire->free_conns[--wire->free_count];
    if (wire->count == wire->capacity) {
        wire->capacity = wire->capacity ? wire->capacity * 2 : 64;
        wire->sockets = ordo_realloc(wire->sockets, wire->capacity * sizeof *wire->sockets);
        wire->free_conns = ordo_realloc(wire->free_conns, wire->capacity * sizeof *wire->free_conns);
    }
    return wire->count; /* none was given back, so 0..count-1 are in use */
}

static bool takes_connections(const struct ordo_wire_lws *wire) {
    return !wire->is_draining && wire->count < wire->count_max;
}

/* A header of the request; empty: it has none. False: it is too long. */
static bool copy_header(struct lws *wsi, enum lws_token_indexes which, char out[HEADER_SIZE_MAX], struct ordo_slice *header) {
    *header = ordo_slice(NULL, 0);
    if (lws_hdr_total_length(wsi, which) <= 0) return true;
    int size = lws_hdr_copy(wsi, out, HEADER_SIZE_MAX, which);
    if (size < 0) return false;
    *header = ordo_slice(out, (size_t)size);
    return true;
}

enum token_place { TOKEN_NOWHERE, TOKEN_IN_HEADER, TOKEN_IN_COOKIE, TOKEN_TOO_LARGE };

/* The token that the request brings, in `memory`. */
static enum token_place find_token(const struct ordo_wire_lws *wire, struct lws *wsi, char memory[HEADER_SIZE_MAX],
                                   struct ordo_slice *token) {
    struct ordo_slice header;
    const char *cookie = wire->options->door.cookie;
    if (!wire->options->door.asks_token) return TOKEN_NOWHERE;
    if (!copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, memory, &header)) return TOKEN_TOO_LARGE;
    if (ordo_door_bearer(header, token)) return TOKEN_IN_HEADER;
    if (cookie == NULL) return TOKEN_NOWHERE;
    if (!copy_header(wsi, WSI_TOKEN_HTTP_COOKIE, memory, &header)) return TOKEN_TOO_LARGE;
    return ordo_door_cookie(header, cookie, token) ? TOKEN_IN_COOKIE : TOKEN_NOWHERE;
}

static int open_connection(struct ordo_wire_lws *wire, struct lws *wsi, struct session *session) {
    char header[HEADER_SIZE_MAX];
    struct ordo_slice token = {0};
    if (!takes_connections(wire)) return -1;
    (void)find_token(wire, wsi, header, &token);
    struct socket *socket = ordo_alloc(sizeof *socket);
    uint32_t conn = take_conn(wire);
    wire->sockets[conn] = socket;
    wire->count++;
    session->conn_next = conn + 1;
    socket->wsi = wsi;
    socket->due_ms = wire->turn->now_ms + wire->options->ping_interval_ms;
    gateway_list_init(&socket->in_output);
    gateway_list_init(&socket->in_due);
    gateway_list_append(&wire->silence, &socket->in_due);
    step(wire, ORDO_GATEWAY_CONN_OPENED, conn, token);
    return 0;
}

static void close_connection(struct ordo_wire_lws *wire, struct session *session) {
    if (session->conn_next == 0) return;
    uint32_t conn = session->conn_next - 1;
    struct socket *socket = wire->sockets[conn];
    session->conn_next = 0;
    step(wire, ORDO_GATEWAY_CONN_CLOSED, conn, ordo_slice(NULL, 0));
    gateway_list_remove(&socket->in_output);
    gateway_list_remove(&socket->in_due);
    ordo_buffer_finish(&socket->partial);
    free(socket);
    wire->sockets[conn] = NULL;
    wire->free_conns[wire->free_count++] = conn;
    wire->count--;
}

/* ---- what clients send */

static uint32_t conn_of(const struct socket *socket) {
    return ((struct session *)lws_wsi_user(socket->wsi))->conn_next - 1;
}

/* One line for each client that is closed for what it did, unless there are so many that the log would be theirs. */
static void log_close(struct ordo_wire_lws *wire, const struct socket *socket, uint32_t conn, unsigned code,
                      const char *reason) {
    if (wire->turn->now_ms - wire->lines_since_ms >= 1000) {
        if (wire->line_count > CLOSE_LINES_MAX)
            log_warn("event=lines_left_out about=connection_closed count=%llu",
                     (unsigned long long)(wire->line_count - CLOSE_LINES_MAX));
        wire->lines_since_ms = wire->turn->now_ms;
        wire->line_count = 0;
    }
    if (wire->line_count++ >= CLOSE_LINES_MAX) return;
    char address[64] = "", client[2 * ORDO_CLIENT_ID_SIZE + 1] = "-";
    struct ordo_gateway_who who = {.documents = 0};
    (void)ordo_gateway_who(wire->turn->core, conn, &who);
    if (who.client_id.size > 0) ordo_hex_encode(client, who.client_id.data, who.client_id.size);
    lws_get_peer_simple(socket->wsi, address, sizeof address);
    log_warn("event=connection_closed conn=%u client=%s user=%s address=%s code=%u reason=\"%s\"", conn, client,
             log_value(who.user), strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address, code, log_quoted(reason));
}

/* From now on nothing is read or written but the close frame. */
static void begin_close(struct ordo_wire_lws *wire, struct socket *socket) {
    socket->is_closing = true;
    socket->due_ms = wire->turn->now_ms + CLOSE_TIMEOUT_MS;
    gateway_list_append(&wire->closing, &socket->in_due);
    gateway_list_remove(&socket->in_output);
}

static int refuse(struct ordo_wire_lws *wire, struct socket *socket, enum lws_close_status code,
                  const char *reason) {
    log_close(wire, socket, conn_of(socket), code, reason);
    begin_close(wire, socket);
    lws_close_reason(socket->wsi, code, (unsigned char *)(uintptr_t)reason, strlen(reason));
    return -1;
}

static int receive(struct ordo_wire_lws *wire, struct socket *socket, uint32_t conn,
                   struct ordo_slice piece) {
    struct lws *wsi = socket->wsi;
    socket->was_heard = true;
    if (socket->is_closing) return 0;
    if (!lws_frame_is_binary(wsi))
        return refuse(wire, socket, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "binary frames only");
    size_t announced = socket->partial.size + piece.size + lws_remaining_packet_payload(wsi);
    if (announced > wire->options->core.frame_size_max)
        return refuse(wire, socket, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
                      "the frame is larger than frame_size_max");
    bool is_whole = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    if (is_whole && socket->partial.size == 0) {
        step(wire, ORDO_GATEWAY_CONN_FRAME, conn, piece);
        return 0;
    }
    ordo_buffer_append_slice(&socket->partial, piece);
    if (!is_whole) return 0;
    step(wire, ORDO_GATEWAY_CONN_FRAME, conn, ordo_buffer_slice(&socket->partial));
    ordo_buffer_finish(&socket->partial); /* rare and large: not worth keeping */
    return 0;
}

/* ---- what they get */

/* The WebSocket that the core means; NULL: it is gone. */
static struct socket *find(const struct ordo_wire_lws *wire, uint32_t core_conn) {
    uint32_t conn = ordo_turn_index_of(core_conn);
    return conn < wire->capacity ? wire->sockets[conn] : NULL;
}

void ordo_wire_lws_want_output(struct ordo_wire_lws *wire, uint32_t conn) {
    if (ordo_turn_is_request(conn)) {
        ordo_http_api_want_output(wire->api, conn);
        return;
    }
    struct socket *socket = find(wire, conn);
    if (socket != NULL && !socket->is_closing) gateway_list_append(&wire->output, &socket->in_output);
}

void ordo_wire_lws_close(struct ordo_wire_lws *wire, uint32_t conn, uint16_t code, const char *reason) {
    if (ordo_turn_is_request(conn)) {
        ordo_http_api_close(wire->api, conn);
        return;
    }
    struct socket *socket = find(wire, conn);
    if (socket == NULL || socket->is_closing) return;
    if (code != LWS_CLOSE_STATUS_GOINGAWAY) log_close(wire, socket, conn, code, reason);
    begin_close(wire, socket);
    socket->close_code = code;
    socket->close_reason = reason;
    lws_callback_on_writable(socket->wsi); /* libwebsockets only sends a close frame out of a callback */
}

/* Builds and writes one joined frame. False: the connection is broken. */
static bool write_frame(struct ordo_wire_lws *wire, struct socket *socket, uint32_t conn, bool *has_more,
                        size_t *written) {
    wire->frame.size = LWS_PRE;
    *has_more = ordo_gateway_output(wire->turn->core, ordo_turn_socket_conn(conn), &wire->frame);
    size_t size = wire->frame.size - LWS_PRE;
    *written = size;
    return size == 0 || lws_write(socket->wsi, wire->frame.data + LWS_PRE, size, LWS_WRITE_BINARY) >= 0;
}

/* Ends it at once; frees `socket`. Not out of a callback of libwebsockets. (Its asynchronous kill needs a
 * timer that only runs after other traffic.) */
static void cut(struct socket *socket) {
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
}

bool ordo_wire_lws_flush(struct ordo_wire_lws *wire) {
    size_t size = 0, count = 0;
    struct gateway_list again;
    gateway_list_init(&again);
    ordo_http_api_flush(wire->api);
    while (!gateway_list_is_empty(&wire->output) && size < FLUSH_SIZE_MAX && count++ < FLUSH_COUNT_MAX) {
        struct socket *socket = GATEWAY_LIST_ITEM(wire->output.next, struct socket, in_output);
        gateway_list_remove(&socket->in_output);
        if (lws_partial_buffered(socket->wsi)) {
            lws_callback_on_writable(socket->wsi);
            continue;
        }
        bool has_more = false;
        size_t written = 0;
        if (!write_frame(wire, socket, conn_of(socket), &has_more, &written)) {
            cut(socket);
            continue;
        }
        size += written;
        if (lws_partial_buffered(socket->wsi))
            lws_callback_on_writable(socket->wsi);
        else if (has_more)
            gateway_list_append(&again, &socket->in_output);
    }
    while (!gateway_list_is_empty(&again)) gateway_list_append(&wire->output, again.next);
    return !gateway_list_is_empty(&wire->output);
}

/* The socket takes more: for those who had to wait, and those about to be closed. */
static int writeable(struct ordo_wire_lws *wire, struct socket *socket, uint32_t conn) {
    if (lws_partial_buffered(socket->wsi)) {
        lws_callback_on_writable(socket->wsi);
        return 0;
    }
    if (!socket->is_closing) {
        gateway_list_append(&wire->output, &socket->in_output); /* the turn's end writes */
        return 0;
    }
    if (socket->close_reason == NULL) return 0; /* libwebsockets is at it: the peer began, or we refused */
    bool has_more;
    size_t written;
    if (!write_frame(wire, socket, conn, &has_more, &written)) return -1;
    if (written > 0 || has_more) {
        lws_callback_on_writable(socket->wsi);
        return 0;
    }
    char reason[REASON_SIZE_MAX + 1];
    size_t size = strnlen(socket->close_reason, REASON_SIZE_MAX);
    memcpy(reason, socket->close_reason, size);
    lws_close_reason(socket->wsi, (enum lws_close_status)socket->close_code, (unsigned char *)reason, size);
    return -1;
}

static struct socket *first_due(const struct ordo_wire_lws *wire, const struct gateway_list *list) {
    if (gateway_list_is_empty(list)) return NULL;
    struct socket *socket = GATEWAY_LIST_ITEM(list->next, struct socket, in_due);
    return wire->turn->now_ms >= socket->due_ms ? socket : NULL;
}

static void ping(struct socket *socket) {
    uint8_t room[LWS_PRE + 1] = {0}; /* a byte: the pong to an empty ping is not reported */
    socket->is_pinged = true;
    if (!lws_partial_buffered(socket->wsi)) (void)lws_write(socket->wsi, room + LWS_PRE, 1, LWS_WRITE_PING);
}

void ordo_wire_lws_tick(struct ordo_wire_lws *wire) {
    struct socket *socket;
    ordo_http_api_tick(wire->api);
    while ((socket = first_due(wire, &wire->closing)) != NULL) cut(socket);
    while ((socket = first_due(wire, &wire->silence)) != NULL) {
        socket->due_ms = wire->turn->now_ms + wire->options->ping_interval_ms;
        gateway_list_append(&wire->silence, &socket->in_due);
        if (socket->was_heard)
            socket->was_heard = socket->is_pinged = false;
        else if (socket->is_pinged)
            cut(socket);
        else
            ping(socket);
    }
}

/* ---- before it is a WebSocket */

static size_t copy_path(struct lws *wsi, char path[PATH_SIZE_MAX]) {
    int size = lws_hdr_copy(wsi, path, PATH_SIZE_MAX, WSI_TOKEN_GET_URI);
    return size > 0 ? (size_t)size : 0;
}

/* What libwebsockets keeps per connection that is no WebSocket; zeroed memory between requests. */
struct http_session {
    struct ordo_http_answer answer;
    struct ordo_http_request *request; /* for documents; NULL: it is none */
};

/* Answers a request to upgrade with a status instead. */
static int refuse_upgrade(struct lws *wsi, unsigned status) {
    return lws_return_http_status(wsi, status, NULL) < 0 ? -1 : 1;
}

/* 0: the page behind the request may connect, and what it brings fits. Else the status that says why not. */
static unsigned fault_at_door(const struct ordo_wire_lws *wire, struct lws *wsi) {
    char memory[HEADER_SIZE_MAX], host_memory[HEADER_SIZE_MAX];
    struct ordo_slice token, origin, host;
    enum token_place place = find_token(wire, wsi, memory, &token);
    if (place == TOKEN_TOO_LARGE) return HTTP_STATUS_REQ_ENTITY_TOO_LARGE;
    bool reads = copy_header(wsi, WSI_TOKEN_ORIGIN, memory, &origin) && copy_header(wsi, WSI_TOKEN_HOST, host_memory, &host);
    bool may = reads && ordo_door_lets_in(&wire->options->door, origin, host, place == TOKEN_IN_COOKIE);
    return may ? 0 : HTTP_STATUS_FORBIDDEN;
}

/* Whether a request to upgrade is one for us; libwebsockets 4.1.6 would go along with h2c and with old
 * drafts. A load balancer takes 503 to the next gateway, and the client sees nothing of it. */
static int confirm_upgrade(const struct ordo_wire_lws *wire, struct lws *wsi, const char *to) {
    char path[PATH_SIZE_MAX], version[8] = "";
    if (to == NULL || strcasecmp(to, "websocket") != 0) return -1;
    (void)lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION);
    if (strcmp(version, "13") != 0) return -1;
    size_t size = copy_path(wsi, path);
    if (!ordo_slice_equal(ordo_slice(path, size), ordo_slice_of("/v1/ws")))
        return refuse_upgrade(wsi, HTTP_STATUS_NOT_FOUND);
    unsigned fault = fault_at_door(wire, wsi);
    if (fault != 0) return refuse_upgrade(wsi, fault);
    return takes_connections(wire) ? 0 : refuse_upgrade(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct ordo_wire_lws *wire = context ? lws_context_user(context) : NULL;
    struct session *session = user;
    struct socket *socket = NULL;
    bool is_ours = reason == LWS_CALLBACK_RECEIVE || reason == LWS_CALLBACK_RECEIVE_PONG ||
                   reason == LWS_CALLBACK_SERVER_WRITEABLE || reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE;
    if (is_ours) {
        if (session == NULL || session->conn_next == 0) return -1;
        socket = wire->sockets[session->conn_next - 1];
    }
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return confirm_upgrade(wire, wsi, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        /* The protocol that the client asked for; without one it may be a browser on a wrong page. */
        return in != NULL && strcmp(in, "ordo.v1") == 0 ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED: return open_connection(wire, wsi, session);
    case LWS_CALLBACK_CLOSED:
        /* Also told of what never was a connection: a request without subprotocol that we refused. */
        if (session != NULL) close_connection(wire, session);
        return 0;
    case LWS_CALLBACK_RECEIVE: return receive(wire, socket, session->conn_next - 1, ordo_slice(in, size));
    case LWS_CALLBACK_RECEIVE_PONG: socket->was_heard = true; return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: begin_close(wire, socket); return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE: return writeable(wire, socket, session->conn_next - 1);
    default: return lws_callback_http_dummy(wsi, reason, user, in, size);
    }
}

/* Requests that are no WebSocket, or not yet. */
static int begin_request(struct ordo_wire_lws *wire, struct lws *wsi, struct http_session *session, struct ordo_slice uri) {
    char path[PATH_SIZE_MAX];
    if (ordo_http_api_has(uri)) return ordo_http_api_begin(wire->api, wsi, &session->request);
    return ordo_http_answer(wsi, ordo_slice(path, copy_path(wsi, path)), wire->turn, wire->options->site,
                            &session->answer);
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct ordo_wire_lws *wire = context ? lws_context_user(context) : NULL;
    struct http_session *session = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP: return begin_request(wire, wsi, session, ordo_slice(in, size));
    case LWS_CALLBACK_HTTP_BODY: return ordo_http_api_body(session->request, ordo_slice(in, size));
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: return ordo_http_api_body_end(session->request);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (session->request != NULL) return ordo_http_api_writeable(&session->request);
        return ordo_http_go_on(wsi, &session->answer);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (session != NULL) ordo_http_api_gone(&session->request);
        return 0;
    default: return callback(wsi, reason, NULL, in, size);
    }
}

/* On the port of those who watch: short answers, and nothing becomes a WebSocket. */
static int watcher_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct ordo_wire_lws *wire = context ? lws_context_user(context) : NULL;
    char path[PATH_SIZE_MAX];
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: return -1;
    case LWS_CALLBACK_HTTP:
        return ordo_http_answer_watcher(wsi, ordo_slice(path, copy_path(wsi, path)), wire->turn);
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

/* As many files as we may open; the connections that fit in them. */
static uint32_t raise_file_limit(uint32_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    uint64_t files = limit.rlim_cur > FILES_RESERVED * 2 ? limit.rlim_cur - FILES_RESERVED : FILES_RESERVED;
    return files < wanted ? (uint32_t)files : wanted;
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
    wire->count_max = raise_file_limit(options->connections_max);
    wire->api = ordo_http_api_create(turn, options);
    gateway_list_init(&wire->output);
    gateway_list_init(&wire->silence);
    gateway_list_init(&wire->closing);
    memset(ordo_buffer_reserve(&wire->frame, LWS_PRE), 0, LWS_PRE);
    wire->protocols[0] = (struct lws_protocols){
        .name = "http",
        .callback = http_callback,
        .per_session_data_size = sizeof(struct http_session),
    };
    wire->protocols[1] = (struct lws_protocols){
        .name = "ordo.v1",
        .callback = callback,
        .per_session_data_size = sizeof(struct session),
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
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .vhost_name = "ordo",
    };
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
    free(wire->sockets);
    free(wire->free_conns);
    ordo_buffer_finish(&wire->frame);
    free(wire);
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
