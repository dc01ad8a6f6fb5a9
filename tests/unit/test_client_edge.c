/* The edge over real sockets: a toy server behind libwebsockets lives in the client's own loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <ev.h>
#include <libwebsockets.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/c/ordo_client.h"
#include "common/memory.h"
#include "tests/unit/toy_server.h"

enum { TIMEOUT_MS = 20000, MANY = 200 };

struct world {
    struct ordo_client_loop *loop;
    struct lws_context *context;
    struct toy_server toy;
    char url[64];
    size_t session_count, close_after; /* close_after: sessions are cut once they have received so many frames */
    bool speaks_text;                  /* answers in text frames, which is wrong */
    size_t error_count, up_count, down_count;
    uint32_t error_code;
};

/* --- the server ------------------------------------------------------------------------------------------------- */

struct session {
    struct toy_conn *conn;
    struct ordo_buffer rx;
    size_t frame_count;
};

static int session_write(struct world *world, struct lws *wsi, struct session *session) {
    struct ordo_buffer frame = {0};
    if (lws_partial_buffered(wsi) || !toy_pop(&session->conn->to_client, &frame)) return 0;
    uint8_t *bytes = ordo_alloc(LWS_PRE + frame.size);
    memcpy(bytes + LWS_PRE, frame.data, frame.size);
    int written = lws_write(wsi, bytes + LWS_PRE, frame.size, world->speaks_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
    free(bytes);
    ordo_buffer_finish(&frame);
    lws_callback_on_writable(wsi);
    return written < 0 ? -1 : 0;
}

static int session_receive(struct world *world, struct lws *wsi, struct session *session, struct ordo_slice piece) {
    ordo_buffer_append_slice(&session->rx, piece);
    if (!lws_is_final_fragment(wsi)) return 0;
    toy_receive(session->conn, ordo_buffer_slice(&session->rx));
    ordo_buffer_clear(&session->rx);
    lws_callback_on_writable_all_protocol(lws_get_context(wsi), lws_get_protocol(wsi));
    return world->close_after > 0 && ++session->frame_count >= world->close_after ? -1 : 0;
}

static int serve(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct session *session = user;
    struct world *world = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        *session = (struct session){.conn = toy_connect(&world->toy)};
        world->session_count++;
        break;
    case LWS_CALLBACK_RECEIVE: return session_receive(world, wsi, session, ordo_slice(in, size));
    case LWS_CALLBACK_SERVER_WRITEABLE: return session_write(world, wsi, session);
    case LWS_CALLBACK_CLOSED:
        session->conn->is_cut = true;
        ordo_buffer_finish(&session->rx);
        world->session_count--;
        break;
    default: break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "ordo.v1", .callback = serve, .per_session_data_size = sizeof(struct session), .rx_buffer_size = 65536},
    {.name = NULL},
};

static int setup(void **state) {
    struct world *world = calloc(1, sizeof *world);
    toy_init(&world->toy, 1);
    world->loop = ordo_client_loop_create();
    assert_non_null(world->loop);
    void *loops[] = {ordo_client_loop_ev(world->loop)};
    struct lws_context_creation_info info = {.port = 0,
                                             .iface = "127.0.0.1",
                                             .protocols = protocols,
                                             .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                             .foreign_loops = loops,
                                             .user = world,
                                             .gid = -1,
                                             .uid = -1};
    world->context = lws_create_context(&info);
    assert_non_null(world->context);
    struct lws_vhost *vhost = lws_create_vhost(world->context, &info);
    assert_non_null(vhost);
    snprintf(world->url, sizeof world->url, "ws://127.0.0.1:%d/v1/ws", lws_get_vhost_listen_port(vhost));
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    lws_context_destroy(world->context);
    ordo_client_loop_destroy(world->loop);
    toy_finish(&world->toy);
    free(world);
    return 0;
}

/* --- the application -------------------------------------------------------------------------------------------- */

static void on_error(void *user, struct ordo_client *client, uint32_t code, struct ordo_slice message) {
    struct world *world = user;
    (void)client, (void)message;
    world->error_count++;
    world->error_code = code;
}
static void on_connected(void *user, struct ordo_client *client, bool is_connected) {
    struct world *world = user;
    (void)client;
    *(is_connected ? &world->up_count : &world->down_count) += 1;
}

static struct ordo_client *connect_to(struct world *world, const char *url) {
    struct ordo_client *client;
    struct ordo_client_options options = {
        .url = url,
        .backoff_min_ms = 20,
        .backoff_max_ms = 50,
        .error = on_error,
        .connected = on_connected,
        .user = world,
    };
    assert_int_equal(ordo_client_connect(world->loop, &options, &client), ORDO_OK);
    return client;
}

static struct ordo_client_doc *open_doc(struct ordo_client *client) {
    return ordo_client_open(client, "notes", "today", &(struct ordo_client_open_options){.create_type = "text"});
}

static void assert_server_has(struct world *world, const char *text, size_t size) {
    struct ordo_buffer content = {0};
    toy_write_content(&world->toy, world->toy.head, &content);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&content), ordo_slice(text, size)));
    ordo_buffer_finish(&content);
}

static void assert_shows(struct world *world, struct ordo_client_doc *doc) {
    size_t size;
    char *text = ordo_client_text(doc, &size);
    assert_server_has(world, text, size);
    free(text);
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void the_example_of_the_header_works(void **state) {
    struct world *world = *state;
    struct ordo_client *client = connect_to(world, world->url);
    struct ordo_client_doc *doc = open_doc(client);
    assert_int_equal(ordo_client_wait_open(doc, TIMEOUT_MS), ORDO_OK);
    assert_int_equal(ordo_client_insert(doc, ordo_client_length(doc), "hello\n"), ORDO_OK);
    assert_int_equal(ordo_client_wait_synced(doc, TIMEOUT_MS), ORDO_OK);
    assert_int_equal(ordo_client_status(doc), ORDO_CLIENT_SYNCED);
    assert_server_has(world, "hello\n", 6);
    assert_true(ordo_client_is_connected(client));
    ordo_client_disconnect(client);
}

static void what_is_typed_while_the_connection_is_down_arrives(void **state) {
    struct world *world = *state;
    struct ordo_client *ann = connect_to(world, world->url), *bob = connect_to(world, world->url);
    struct ordo_client_doc *anns = open_doc(ann), *bobs = open_doc(bob);
    assert_int_equal(ordo_client_wait_open(anns, TIMEOUT_MS), ORDO_OK);
    assert_int_equal(ordo_client_wait_open(bobs, TIMEOUT_MS), ORDO_OK);
    for (int round = 0; round < 10; round++) {
        assert_int_equal(ordo_client_insert(anns, 0, "a"), ORDO_OK);
        ordo_client_drop_connection(round % 2 ? ann : bob);
        assert_int_equal(ordo_client_insert(bobs, ordo_client_length(bobs), "b"), ORDO_OK);
        assert_int_equal(ordo_client_insert(anns, 0, "A"), ORDO_OK);
        assert_int_equal(ordo_client_wait_synced(anns, TIMEOUT_MS), ORDO_OK);
        assert_int_equal(ordo_client_wait_synced(bobs, TIMEOUT_MS), ORDO_OK);
    }
    assert_int_equal(ordo_client_wait_seq(anns, world->toy.head, TIMEOUT_MS), ORDO_OK);
    assert_int_equal(ordo_client_wait_seq(bobs, world->toy.head, TIMEOUT_MS), ORDO_OK);
    assert_int_equal(ordo_client_length(anns), 30);
    assert_shows(world, anns);
    assert_shows(world, bobs);
    assert_int_equal(world->down_count, 10);
    ordo_client_disconnect(ann);
    ordo_client_disconnect(bob);
}

static void a_server_that_closes_again_and_again_gets_every_op_once(void **state) {
    struct world *world = *state;
    world->close_after = 4; /* Hello, Open, and two more */
    struct ordo_client *client = connect_to(world, world->url);
    struct ordo_client_doc *doc = open_doc(client);
    assert_int_equal(ordo_client_wait_open(doc, TIMEOUT_MS), ORDO_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ordo_client_insert(doc, (uint64_t)i, "x"), ORDO_OK);
        assert_int_equal(ordo_client_wait_synced(doc, TIMEOUT_MS), ORDO_OK);
    }
    assert_server_has(world, "xxxxxxxxxxxxxxxxxxxx", 20);
    assert_true(world->down_count > 3);
    ordo_client_disconnect(client);
}

static void documents_and_ops_larger_than_any_buffer_pass(void **state) {
    struct world *world = *state;
    world->toy.part_size = 250 * 1000;
    struct ordo_client *writer = connect_to(world, world->url);
    struct ordo_client_doc *doc = open_doc(writer);
    assert_int_equal(ordo_client_wait_open(doc, TIMEOUT_MS), ORDO_OK);
    struct ordo_buffer text = {0};
    while (text.size < 3000 * 1000) ordo_buffer_append(&text, "Zürich \xF0\x9F\x99\x82 ", 13);
    assert_int_equal(ordo_client_splice(doc, 0, 0, ordo_buffer_slice(&text)), ORDO_OK);
    assert_int_equal(ordo_client_wait_synced(doc, TIMEOUT_MS), ORDO_OK);
    assert_true(world->toy.head >= 3); /* 1 MiB at most in one op */
    struct ordo_client *reader = connect_to(world, world->url);
    struct ordo_client_doc *copy = open_doc(reader);
    assert_int_equal(ordo_client_wait_open(copy, TIMEOUT_MS), ORDO_OK);
    assert_shows(world, copy);
    assert_server_has(world, (const char *)text.data, text.size);
    ordo_buffer_finish(&text);
    ordo_client_disconnect(writer);
    ordo_client_disconnect(reader);
}

static void nobody_listening_is_told_and_tried_again(void **state) {
    struct world *world = *state;
    struct ordo_client *client = connect_to(world, "ws://127.0.0.1:1/v1/ws");
    struct ordo_client_doc *doc = open_doc(client);
    assert_int_equal(ordo_client_wait_open(doc, 300), ORDO_ERR_TIMEOUT);
    assert_true(world->error_count >= 3);
    assert_int_equal(world->error_code, 0);
    assert_int_equal(world->up_count, 0);
    assert_int_equal(ordo_client_status(doc), ORDO_CLIENT_CONNECTING);
    ordo_client_disconnect(client);
}

static void a_server_that_never_answers_can_be_left(void **state) {
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", ntohs(address.sin_port));
    struct ordo_client *client = connect_to(world, url);
    struct ordo_client_doc *doc = open_doc(client);
    assert_int_equal(ordo_client_wait_open(doc, 100), ORDO_ERR_TIMEOUT);
    ordo_client_drop_connection(client);
    assert_int_equal(ordo_client_wait_open(doc, 200), ORDO_ERR_TIMEOUT);
    ordo_client_disconnect(client);
    close(fd);
    assert_int_equal(world->up_count, 0);
}

static void a_text_frame_closes_the_connection(void **state) {
    struct world *world = *state;
    world->speaks_text = true;
    struct ordo_client *client = connect_to(world, world->url);
    struct ordo_client_doc *doc = open_doc(client);
    assert_int_equal(ordo_client_wait_open(doc, 300), ORDO_ERR_TIMEOUT);
    assert_true(world->down_count >= 2);
    ordo_client_disconnect(client);
}

static void many_connections_share_one_loop(void **state) {
    struct world *world = *state;
    static struct ordo_client *clients[MANY];
    static struct ordo_client_doc *docs[MANY];
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = connect_to(world, world->url);
        docs[i] = open_doc(clients[i]);
    }
    for (size_t i = 0; i < MANY; i++) assert_int_equal(ordo_client_wait_open(docs[i], TIMEOUT_MS), ORDO_OK);
    for (size_t i = 0; i < MANY; i++) assert_int_equal(ordo_client_insert(docs[i], 0, "x"), ORDO_OK);
    for (size_t i = 0; i < MANY; i++) assert_int_equal(ordo_client_wait_seq(docs[i], MANY, TIMEOUT_MS), ORDO_OK);
    for (size_t i = 0; i < MANY; i++) assert_shows(world, docs[i]);
    for (size_t i = 0; i < MANY; i++) ordo_client_disconnect(clients[i]);
    assert_int_equal(world->error_count, 0);
}

static void names_and_urls_that_are_none_are_refused(void **state) {
    struct world *world = *state;
    struct ordo_client *client = NULL;
    static const char *const urls[] = {"", "http://localhost/", "ws://", "ws://host:0/", "ws://host:x/", "ws://[::1/",
                                       "ws://host:80x"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ordo_err err = ordo_client_connect(world->loop, &(struct ordo_client_options){.url = urls[i]}, &client);
        assert_int_equal(err, ORDO_ERR_INVALID);
    }
    client = connect_to(world, world->url);
    struct ordo_client_doc *doc = ordo_client_open(client, "", "x", &(struct ordo_client_open_options){0});
    assert_int_equal(ordo_client_wait_open(doc, TIMEOUT_MS), ORDO_ERR_CLOSED);
    assert_int_equal(ordo_client_error_code(doc), 400);
    ordo_client_disconnect(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_example_of_the_header_works),
        TEST(what_is_typed_while_the_connection_is_down_arrives),
        TEST(a_server_that_closes_again_and_again_gets_every_op_once),
        TEST(documents_and_ops_larger_than_any_buffer_pass),
        TEST(nobody_listening_is_told_and_tried_again),
        TEST(a_server_that_never_answers_can_be_left),
        TEST(a_text_frame_closes_the_connection),
        TEST(many_connections_share_one_loop),
        TEST(names_and_urls_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
