/* Sockets: libwebsockets as a client. Many connections share one context on libev, since lws' own loop looks at every
 * connection in every turn. No permessage-deflate. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "client/c/client_internal.h"
#include "common/clock.h"
#include "common/memory.h"

enum {
    RX_SIZE = 64 * 1024,
    FRAME_RECEIVED_MAX = 16 * 1024 * 1024, /* a committed op may have grown by rebasing, but not to this */
    DIALS_PER_TURN_MAX = 64,               /* connecting thousands at once must not starve those who work */
};

/* --- writing ---------------------------------------------------------------------------------------------------- */

static uint8_t *tx_reserve(struct ordo_client_loop *loop, size_t size) {
    if (loop->tx_capacity < LWS_PRE + size) {
        loop->tx_capacity = LWS_PRE + size;
        loop->tx = ordo_realloc(loop->tx, loop->tx_capacity);
    }
    return loop->tx + LWS_PRE;
}

/* False: the socket is broken. lws masks in place, so each frame is copied to where it may be changed. */
static bool write_frame(struct ordo_client *client, struct ordo_slice frame) {
    uint8_t *bytes = tx_reserve(client->loop, frame.size);
    memcpy(bytes, frame.data, frame.size);
    return lws_write(client->wsi, bytes, frame.size, LWS_WRITE_BINARY) >= (int)frame.size;
}

/* Whatever is due, until the socket is full: then lws keeps the rest of that frame and calls when it is gone. */
static bool write_due(struct ordo_client *client, uint64_t now_ms) {
    while (!client->is_choked) {
        struct ordo_slice frame = ordo_client_connection_take_frame(client->connection, now_ms);
        if (frame.size == 0) return true;
        if (!write_frame(client, frame)) return false;
        if (!lws_partial_buffered(client->wsi)) continue;
        client->is_choked = true;
        lws_callback_on_writable(client->wsi);
    }
    return true;
}

/* --- serving ---------------------------------------------------------------------------------------------------- */

static void socket_gone(struct ordo_client *client, uint64_t now_ms) {
    bool was_established = client->is_established;
    client->wsi = NULL;
    client->is_established = client->is_choked = false;
    ordo_buffer_clear(&client->rx);
    ordo_client_connection_disconnected(client->connection, now_ms);
    client_mark_dirty(client);
    if (was_established && client->connected != NULL) client->connected(client->user, client, false);
}

void client_cut(struct ordo_client *client) {
    struct lws *wsi = client->wsi;
    if (wsi == NULL) return;
    lws_set_opaque_user_data(wsi, NULL); /* its last callbacks are not for us */
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    socket_gone(client, ordo_clock_monotonic_ms());
}

/* The name in a certificate may be an address in numbers; libwebsockets 4.1.6 only looks for names, so that is done here. */
static bool is_address(const char *host) {
    uint8_t number[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1;
}

/* 0: the server's certificate is for the address that was dialled, or it is one that others look at. */
static int check_certificate(const struct ordo_client *client, X509_STORE_CTX *store, bool is_valid) {
    bool is_servers = X509_STORE_CTX_get_error_depth(store) == 0;
    if (!is_valid || !is_servers || !is_address(client->url.host)) return !is_valid;
    if (X509_check_ip_asc(X509_STORE_CTX_get_current_cert(store), client->url.host, 0) == 1) return 0;
    X509_STORE_CTX_set_error(store, X509_V_ERR_IP_ADDRESS_MISMATCH);
    return 1;
}

static int tls_flags(const struct url *url) {
    if (!url->is_tls) return 0;
    return LCCSCF_USE_SSL | (is_address(url->host) ? LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK : 0);
}

static void dial(struct ordo_client *client, uint64_t now_ms) {
    ordo_client_connection_dialing(client->connection, now_ms);
    struct lws_client_connect_info info = {
        .context = client->loop->context,
        .address = client->url.host,
        .port = client->url.port,
        .path = client->url.path,
        .host = client->url.authority,
        .protocol = ordo_client_protocols[0].name,
        .local_protocol_name = ordo_client_protocols[0].name,
        .ssl_connection = tls_flags(&client->url),
        .alpn = "http/1.1",
        .opaque_user_data = client,
        .pwsi = &client->wsi,
    };
    bool is_failed = lws_client_connect_via_info(&info) == NULL;
    /* As a rule the failure was told by CLIENT_CONNECTION_ERROR already, from within that call. */
    if (is_failed && ordo_client_connection_state(client->connection) == ORDO_CLIENT_DIALING)
        socket_gone(client, ordo_clock_monotonic_ms());
}

static void arm_timer(struct ordo_client_loop *loop, uint64_t at_ms, uint64_t now_ms) {
    if (at_ms >= loop->timer_ms) return;
    loop->timer_ms = at_ms;
    ev_timer_stop(loop->ev, &loop->timer);
    ev_timer_set(&loop->timer, at_ms > now_ms ? (double)(at_ms - now_ms) / 1000.0 : 0.0, 0.0);
    ev_timer_start(loop->ev, &loop->timer);
}

void client_serve(struct ordo_client *client) {
    struct ordo_client_loop *loop = client->loop;
    uint64_t now_ms = ordo_clock_monotonic_ms();
    if (ordo_client_connection_timer_ms(client->connection) <= now_ms)
        ordo_client_connection_tick(client->connection, now_ms);
    bool ok = !client->is_established || write_due(client, now_ms);
    switch (ordo_client_connection_wish(client->connection, now_ms)) {
    case ORDO_CLIENT_WISH_CONNECT:
        if (loop->dials_left == 0) {
            arm_timer(loop, now_ms + 1, now_ms);
            return;
        }
        loop->dials_left--;
        dial(client, now_ms);
        break;
    case ORDO_CLIENT_WISH_CLOSE: ok = false; break;
    case ORDO_CLIENT_WISH_NOTHING: break;
    }
    if (!ok) client_cut(client);
    arm_timer(loop, ordo_client_connection_timer_ms(client->connection), now_ms);
}

/* --- what lws has to tell --------------------------------------------------------------------------------------- */

static void established(struct ordo_client *client) {
    client->is_established = true;
    ordo_client_connection_connected(client->connection, ordo_clock_monotonic_ms());
    client_mark_dirty(client);
    if (client->connected != NULL) client->connected(client->user, client, true);
}

/* Negative: close the connection. */
static int receive(struct ordo_client *client, struct ordo_slice piece) {
    struct lws *wsi = client->wsi;
    bool is_first = lws_is_first_fragment(wsi) != 0, is_final = lws_is_final_fragment(wsi) != 0;
    if (is_first) ordo_buffer_clear(&client->rx);
    if (!lws_frame_is_binary(wsi)) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, NULL, 0);
        return -1;
    }
    if (client->rx.size + piece.size > FRAME_RECEIVED_MAX) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
        return -1;
    }
    bool is_whole = is_first && is_final;
    if (!is_whole) ordo_buffer_append_slice(&client->rx, piece);
    if (!is_final) return 0;
    struct ordo_slice frame = is_whole ? piece : ordo_buffer_slice(&client->rx);
    ordo_client_connection_received(client->connection, frame, ordo_clock_monotonic_ms());
    if (ordo_client_connection_state(client->connection) != ORDO_CLIENT_CLOSING) return 0;
    uint16_t code = ordo_client_connection_close_code(client->connection);
    lws_close_reason(wsi, (enum lws_close_status)code, NULL, 0);
    return -1;
}

static void connect_failed(struct ordo_client *client, const char *reason) {
    if (client->error != NULL)
        client->error(client->user, client, 0, ordo_slice_of(reason ? reason : "the connection failed"));
    socket_gone(client, ordo_clock_monotonic_ms());
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in, size_t size) {
    struct ordo_client *client = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
    if (client == NULL) return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        client->wsi = wsi;
        established(client);
        break;
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION: return check_certificate(client, session, size != 0);
    case LWS_CALLBACK_CLIENT_RECEIVE: return receive(client, ordo_slice(in, size));
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        /* It also fires unasked, after lws drained what it kept. */
        if (lws_partial_buffered(wsi)) break;
        client->is_choked = false;
        client_mark_dirty(client);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: connect_failed(client, in); break;
    case LWS_CALLBACK_CLIENT_CLOSED: socket_gone(client, ordo_clock_monotonic_ms()); break;
    default: break;
    }
    return 0;
}

const struct lws_protocols ordo_client_protocols[] = {
    {.name = "ordo.v1", .callback = callback, .rx_buffer_size = RX_SIZE, .tx_packet_size = RX_SIZE},
    {.name = NULL},
};

/* --- the loop --------------------------------------------------------------------------------------------------- */

void client_mark_dirty(struct ordo_client *client) {
    if (client->is_dirty) return;
    client->is_dirty = true;
    client->next_dirty = client->loop->dirty;
    client->loop->dirty = client;
}

static void before_blocking(struct ev_loop *ev, struct ev_prepare *watcher, int events) {
    (void)ev, (void)events;
    struct ordo_client_loop *loop = watcher->data;
    loop->dials_left = DIALS_PER_TURN_MAX;
    while (loop->dirty != NULL) {
        struct ordo_client *client = loop->dirty;
        loop->dirty = client->next_dirty;
        client->is_dirty = false;
        client_serve(client);
    }
}

static void timer_fired(struct ev_loop *ev, struct ev_timer *watcher, int events) {
    (void)ev, (void)events;
    struct ordo_client_loop *loop = watcher->data;
    uint64_t now_ms = ordo_clock_monotonic_ms(), next_ms = UINT64_MAX;
    loop->timer_ms = UINT64_MAX;
    for (struct ordo_client *client = loop->clients; client != NULL; client = client->next) {
        uint64_t at_ms = ordo_client_connection_timer_ms(client->connection);
        if (at_ms <= now_ms) client_mark_dirty(client);
        else if (at_ms < next_ms) next_ms = at_ms;
    }
    arm_timer(loop, next_ms, now_ms);
}

static bool holds_authorities(const char *ca_file) {
    X509_STORE *store = X509_STORE_new();
    bool is_read = store != NULL && X509_STORE_load_file(store, ca_file) == 1;
    X509_STORE_free(store);
    return is_read;
}

static struct ordo_client_loop *create(const char *ca_file) {
    struct ev_loop *ev = ev_loop_new(EVFLAG_AUTO);
    if (ev == NULL) return NULL;
    struct ordo_client_loop *loop = ordo_alloc(sizeof *loop);
    loop->ev = ev;
    loop->timer_ms = UINT64_MAX;
    ev_prepare_init(&loop->before_blocking, before_blocking);
    loop->before_blocking.data = loop;
    ev_prepare_start(ev, &loop->before_blocking);
    ev_timer_init(&loop->timer, timer_fired, 0.0, 0.0);
    loop->timer.data = loop;

    void *foreign_loops[] = {ev};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = ordo_client_protocols,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = foreign_loops,
        .client_ssl_ca_filepath = ca_file,
        .ssl_client_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1,
        .pt_serv_buf_size = RX_SIZE,
        .gid = -1,
        .uid = -1,
    };
    if (ca_file != NULL) info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
    loop->context = lws_create_context(&info);
    if (loop->context == NULL) {
        ordo_client_loop_destroy(loop);
        return NULL;
    }
    return loop;
}

struct ordo_client_loop *ordo_client_loop_create(void) { return create(NULL); }

ordo_err ordo_client_loop_create_trusting(const char *ca_file, struct ordo_client_loop **loop_out) {
    if (!holds_authorities(ca_file)) return ORDO_ERR_INVALID;
    struct ordo_client_loop *loop = create(ca_file);
    if (loop == NULL) return ORDO_ERR_UNAVAILABLE;
    *loop_out = loop;
    return ORDO_OK;
}

void ordo_client_loop_destroy(struct ordo_client_loop *loop) {
    if (loop == NULL) return;
    if (loop->context != NULL) lws_context_destroy(loop->context);
    ev_timer_stop(loop->ev, &loop->timer);
    ev_prepare_stop(loop->ev, &loop->before_blocking);
    ev_loop_destroy(loop->ev);
    free(loop->tx);
    free(loop);
}

struct ev_loop *ordo_client_loop_ev(struct ordo_client_loop *loop) { return loop->ev; }

void ordo_client_loop_run(struct ordo_client_loop *loop) {
    loop->is_stopped = false;
    while (!loop->is_stopped) ev_run(loop->ev, EVRUN_ONCE);
}

void ordo_client_loop_stop(struct ordo_client_loop *loop) {
    loop->is_stopped = true;
    ev_break(loop->ev, EVBREAK_ONE);
}

static void deadline_reached(struct ev_loop *ev, struct ev_timer *watcher, int events) {
    (void)ev, (void)events;
    *(bool *)watcher->data = true;
}

ordo_err ordo_client_loop_run_until(struct ordo_client_loop *loop, bool (*is_done)(void *user), void *user,
                                    uint32_t timeout_ms) {
    bool is_late = false;
    struct ev_timer deadline;
    ev_now_update(loop->ev); /* the loop may have rested since it last looked at the clock */
    ev_timer_init(&deadline, deadline_reached, timeout_ms / 1000.0, 0.0);
    deadline.data = &is_late;
    ev_timer_start(loop->ev, &deadline);
    while (!is_done(user) && !is_late) ev_run(loop->ev, EVRUN_ONCE);
    ev_timer_stop(loop->ev, &deadline);
    return is_done(user) ? ORDO_OK : ORDO_ERR_TIMEOUT;
}
