/* One connection, message by message: greeting, timers, many documents, and what makes it close. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "client/c/core/connection.h"
#include "common/ot/text.h"
#include "proto/message.h"

enum { DOC_COUNT_MAX = 3, FRAME_SIZE_MAX = 4096 };

struct session {
    struct ordo_client_connection *connection;
    struct ordo_client_doc *docs[DOC_COUNT_MAX];
    uint64_t now_ms;
    struct ordo_arena arena;
    uint32_t next_handle;
    size_t wake_count, error_count, hello_count, open_count, submit_count, leave_count, ping_count, frame_count;
    uint32_t error_code, last_request, last_doc, presence_request;
    uint8_t client_id[16];
    size_t history_count, history_op_count;
    uint32_t history_error;
};

static void on_error(void *user, uint32_t code, struct ordo_slice message) {
    struct session *s = user;
    (void)message;
    s->error_count++;
    s->error_code = code;
}
static void on_wake(void *user) { ((struct session *)user)->wake_count++; }

static int setup(void **state) {
    struct session *s = calloc(1, sizeof *s);
    s->now_ms = 5000;
    ordo_arena_init(&s->arena, 1 << 24);
    struct ordo_client_connection_options options = {.client_id = {.bytes = {9}},
                                                     .token = ordo_slice_of("token"),
                                                     .error = on_error,
                                                     .wake = on_wake,
                                                     .user = s};
    ordo_prng_init(&options.prng, 3);
    s->connection = ordo_client_connection_create(&options);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    struct session *s = *state;
    ordo_client_connection_destroy(s->connection);
    ordo_arena_finish(&s->arena);
    free(s);
    return 0;
}

/* --- the other side --------------------------------------------------------------------------------------------- */

static void say(struct session *s, const Ordo__V1__ServerMessage *message) {
    struct ordo_buffer frame = {0};
    ordo_message_encode_field(1, &message->base, &frame);
    ordo_client_connection_received(s->connection, ordo_buffer_slice(&frame), s->now_ms);
    ordo_buffer_finish(&frame);
}

static void say_welcome(struct session *s) {
    Ordo__V1__Welcome body = ORDO__V1__WELCOME__INIT;
    body.protocol = 1;
    body.frame_size_max = FRAME_SIZE_MAX;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_WELCOME;
    message.welcome = &body;
    say(s, &message);
}

static void say_opened(struct session *s, uint32_t request, uint32_t handle) {
    Ordo__V1__Content content = ORDO__V1__CONTENT__INIT;
    Ordo__V1__Opened body = ORDO__V1__OPENED__INIT;
    body.type = ordo_binary_of_slice(ordo_slice_of("text"));
    body.content = &content;
    body.permission = ORDO__V1__PERMISSION__WRITE;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.request = request;
    message.doc = handle;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_OPENED;
    message.opened = &body;
    say(s, &message);
}

static void say_error(struct session *s, uint32_t request, uint32_t code) {
    Ordo__V1__Error body = ORDO__V1__ERROR__INIT;
    body.code = code;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.request = request;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_ERROR;
    message.error = &body;
    say(s, &message);
}

static void say_nack(struct session *s, uint32_t doc, uint64_t client_seq, Ordo__V1__NackCode code) {
    Ordo__V1__Nack body = ORDO__V1__NACK__INIT;
    body.client_seq = client_seq;
    body.code = code;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.doc = doc;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_NACK;
    message.nack = &body;
    say(s, &message);
}

static void say_ack(struct session *s, uint32_t doc, uint64_t client_seq, uint64_t server_seq) {
    Ordo__V1__Ack body = ORDO__V1__ACK__INIT;
    body.client_seq = client_seq;
    body.server_seq = server_seq;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.doc = doc;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_ACK;
    message.ack = &body;
    say(s, &message);
}

/* Takes all frames and answers each Open with the next handle. */
static void take(struct session *s, bool answers) {
    struct ordo_slice frame;
    uint32_t requests[DOC_COUNT_MAX * 2];
    size_t request_count = 0;
    while ((frame = ordo_client_connection_take_frame(s->connection, s->now_ms)).size > 0) {
        s->frame_count++;
        assert_in_range(frame.size, 1, FRAME_SIZE_MAX);
        ordo_arena_reset(&s->arena);
        Ordo__V1__ClientFrame *decoded = ordo_message_decode(&ordo__v1__client_frame__descriptor, frame, &s->arena);
        assert_non_null(decoded);
        for (size_t i = 0; i < decoded->n_messages; i++) {
            const Ordo__V1__ClientMessage *message = decoded->messages[i];
            s->last_doc = message->doc;
            switch (message->body_case) {
            case ORDO__V1__CLIENT_MESSAGE__BODY_HELLO:
                s->hello_count++;
                assert_int_equal(message->hello->n_types, 1);
                memcpy(s->client_id, message->hello->client_id.data, 16);
                break;
            case ORDO__V1__CLIENT_MESSAGE__BODY_OPEN:
                s->open_count++;
                s->last_request = message->request;
                requests[request_count++] = message->request;
                break;
            case ORDO__V1__CLIENT_MESSAGE__BODY_HISTORY:
            case ORDO__V1__CLIENT_MESSAGE__BODY_FORGET: s->last_request = message->request; break;
            case ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT: s->submit_count++; break;
            case ORDO__V1__CLIENT_MESSAGE__BODY_PRESENCE: s->presence_request = message->request; break;
            case ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE: s->leave_count++; break;
            case ORDO__V1__CLIENT_MESSAGE__BODY_PING: s->ping_count++; break;
            default: break;
            }
        }
    }
    for (size_t i = 0; answers && i < request_count; i++) say_opened(s, requests[i], ++s->next_handle);
}

static void connect(struct session *s) {
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CONNECT);
    ordo_client_connection_dialing(s->connection, s->now_ms);
    ordo_client_connection_connected(s->connection, s->now_ms);
    take(s, false);
    say_welcome(s);
    assert_int_equal(ordo_client_connection_state(s->connection), ORDO_CLIENT_READY);
}

static void open_docs(struct session *s, size_t count) {
    static const char *const ids[DOC_COUNT_MAX] = {"a", "b", "c"};
    for (size_t i = 0; i < count; i++)
        s->docs[i] = ordo_client_connection_open(
            s->connection, &(struct ordo_client_doc_options){.collection = ordo_slice_of("x"),
                                                             .id = ordo_slice_of(ids[i]),
                                                             .create_type = ordo_slice_of("text")});
    take(s, true);
    for (size_t i = 0; i < count; i++) assert_true(ordo_client_doc_is_open(s->docs[i]));
}

static void reconnect_when_due(struct session *s) {
    s->now_ms = ordo_client_connection_timer_ms(s->connection);
    connect(s);
}

static void type(struct ordo_client_doc *doc, const char *text) {
    assert_int_equal(ordo_client_doc_splice(doc, 0, 0, ordo_slice_of(text)), ORDO_OK);
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void hello_is_first_and_documents_wait_for_welcome(void **state) {
    struct session *s = *state;
    struct ordo_client_doc_options options = {.collection = ordo_slice_of("x"), .id = ordo_slice_of("a")};
    s->docs[0] = ordo_client_connection_open(s->connection, &options);
    ordo_client_connection_dialing(s->connection, s->now_ms);
    ordo_client_connection_connected(s->connection, s->now_ms);
    take(s, false);
    assert_int_equal(s->hello_count, 1);
    assert_int_equal(s->open_count, 0);
    say_welcome(s);
    take(s, true);
    assert_int_equal(s->open_count, 1);
    assert_true(ordo_client_doc_is_open(s->docs[0]));
}

static void messages_of_many_documents_are_joined_and_sorted_by_handle(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 3);
    s->frame_count = 0;
    for (size_t i = 0; i < 3; i++) type(s->docs[i], "x");
    take(s, false);
    assert_int_equal(s->frame_count, 1);
    assert_int_equal(s->submit_count, 3);
    say_ack(s, 2, 1, 1);
    assert_int_equal(ordo_client_doc_seq(s->docs[0]), 0);
    assert_int_equal(ordo_client_doc_seq(s->docs[1]), 1);
    say_ack(s, 77, 1, 1); /* nobody's */
    ordo_client_connection_close(s->connection, s->docs[1]);
    take(s, false);
    assert_int_equal(s->leave_count, 1);
    assert_int_equal(s->last_doc, 2);
    say_ack(s, 2, 2, 2);
}

static void frames_stay_below_the_servers_limit(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 3);
    char text[1900];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    s->frame_count = 0;
    for (size_t i = 0; i < 3; i++) type(s->docs[i], text);
    take(s, false);
    assert_int_equal(s->submit_count, 3);
    assert_int_equal(s->frame_count, 2);
}

static void an_edit_wakes_the_owner_once(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 1);
    take(s, false);
    size_t before = s->wake_count;
    type(s->docs[0], "x");
    type(s->docs[0], "y");
    assert_int_equal(s->wake_count, before + 1);
}

static void attempts_back_off_up_to_a_limit_and_start_over_after_a_lasting_connection(void **state) {
    struct session *s = *state;
    uint64_t delay_ms = 0;
    for (int i = 0; i < 12; i++) {
        ordo_client_connection_dialing(s->connection, s->now_ms);
        ordo_client_connection_disconnected(s->connection, s->now_ms);
        assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_NOTHING);
        delay_ms = ordo_client_connection_timer_ms(s->connection) - s->now_ms;
        assert_in_range(delay_ms, i < 7 ? 50u << i : 5000, i < 7 ? 100u << i : 10000);
        s->now_ms += delay_ms;
    }
    connect(s);
    s->now_ms += 60000;
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    assert_in_range(ordo_client_connection_timer_ms(s->connection) - s->now_ms, 50, 100);
}

static void say_go_away(struct session *s, uint32_t reconnect_after_ms) {
    Ordo__V1__GoAway body = ORDO__V1__GO_AWAY__INIT;
    body.reconnect_after_ms = reconnect_after_ms;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_GO_AWAY;
    message.go_away = &body;
    say(s, &message);
}

static void go_away_closes_and_comes_back_when_told(void **state) {
    struct session *s = *state;
    connect(s);
    say_go_away(s, 3000);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    assert_in_range(ordo_client_connection_timer_ms(s->connection) - s->now_ms, 3000, 3200);
}

/* All gateways are restarted, one after the other: that is no reason to wait longer each time. */
static void client_that_is_sent_away_again_and_again_does_not_back_off(void **state) {
    struct session *s = *state;
    for (int i = 0; i < 8; i++) {
        connect(s);
        s->now_ms += 100;
        say_go_away(s, 10);
        ordo_client_connection_disconnected(s->connection, s->now_ms);
        assert_in_range(ordo_client_connection_timer_ms(s->connection) - s->now_ms, 60, 111);
        s->now_ms = ordo_client_connection_timer_ms(s->connection);
    }
}

static void a_silent_connection_is_pinged_and_then_closed(void **state) {
    struct session *s = *state;
    connect(s);
    s->now_ms = ordo_client_connection_timer_ms(s->connection);
    ordo_client_connection_tick(s->connection, s->now_ms);
    take(s, false);
    assert_int_equal(s->ping_count, 1);
    Ordo__V1__Pong body = ORDO__V1__PONG__INIT;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_PONG;
    message.pong = &body;
    say(s, &message);
    s->now_ms += 14000;
    ordo_client_connection_tick(s->connection, s->now_ms);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_NOTHING);
    for (int i = 0; i < 2; i++) {
        s->now_ms = ordo_client_connection_timer_ms(s->connection);
        ordo_client_connection_tick(s->connection, s->now_ms);
    }
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
}

static void no_welcome_in_time_closes(void **state) {
    struct session *s = *state;
    ordo_client_connection_dialing(s->connection, s->now_ms);
    ordo_client_connection_connected(s->connection, s->now_ms);
    s->now_ms = ordo_client_connection_timer_ms(s->connection);
    ordo_client_connection_tick(s->connection, s->now_ms);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
}

static void half_a_frame_is_not_applied_and_closes_with_1002(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 1);
    type(s->docs[0], "x");
    take(s, false);
    Ordo__V1__Ack body = ORDO__V1__ACK__INIT;
    body.client_seq = body.server_seq = 1;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.doc = 1;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_ACK;
    message.ack = &body;
    struct ordo_buffer frame = {0};
    ordo_message_encode_field(1, &message.base, &frame);
    ordo_buffer_append(&frame, "\x0a\x05\x2a", 3); /* the second message is cut */
    ordo_client_connection_received(s->connection, ordo_buffer_slice(&frame), s->now_ms);
    ordo_buffer_finish(&frame);
    assert_int_equal(ordo_client_doc_seq(s->docs[0]), 0);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
    assert_int_equal(ordo_client_connection_close_code(s->connection), 1002);
}

static void a_new_client_id_waits_until_all_documents_are_settled(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 2);
    uint8_t before[16];
    memcpy(before, s->client_id, 16);
    type(s->docs[0], "x");
    type(s->docs[1], "y");
    take(s, false);
    say_nack(s, 1, 1, ORDO__V1__NACK_CODE__REPLAYED);
    take(s, false);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_NOTHING);
    type(s->docs[1], "z");
    say_ack(s, 2, 1, 1);
    take(s, false); /* "z" must not go out under the old name */
    assert_int_equal(s->submit_count, 2);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    reconnect_when_due(s);
    assert_memory_not_equal(s->client_id, before, 16);
    take(s, true);
    take(s, false);
    assert_int_equal(s->submit_count, 4);
}

static void a_lost_connection_under_renewal_settles_the_others_first(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 2);
    uint8_t before[16];
    memcpy(before, s->client_id, 16);
    type(s->docs[0], "x");
    type(s->docs[1], "y");
    take(s, false);
    say_nack(s, 1, 1, ORDO__V1__NACK_CODE__REPLAYED);
    take(s, false);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    reconnect_when_due(s);
    assert_memory_equal(s->client_id, before, 16);
    s->open_count = 0;
    take(s, false);
    assert_int_equal(s->open_count, 1); /* only the one that has something to settle under the old name */
}

static void a_refused_hello_is_told_and_tried_again(void **state) {
    struct session *s = *state;
    ordo_client_connection_dialing(s->connection, s->now_ms);
    ordo_client_connection_connected(s->connection, s->now_ms);
    say_error(s, 0, 401);
    assert_int_equal(s->error_code, 401);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    reconnect_when_due(s);
}

static void say_closed(struct session *s, uint32_t doc, uint32_t code) {
    Ordo__V1__Error body = ORDO__V1__ERROR__INIT;
    body.code = code;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.doc = doc;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_ERROR;
    message.error = &body;
    say(s, &message);
}

static void a_document_that_the_server_closes_is_opened_again_after_ever_longer_pauses(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 2);
    type(s->docs[0], "x");
    take(s, false);
    uint64_t pause_ms = 0;
    for (int i = 0; i < 4; i++) {
        say_closed(s, i == 0 ? 1 : s->next_handle, 409);
        assert_false(ordo_client_doc_is_open(s->docs[0]));
        assert_int_equal(s->error_count, 0);
        s->open_count = 0;
        take(s, true);
        assert_int_equal(s->open_count, 0);
        uint64_t due_ms = ordo_client_connection_timer_ms(s->connection);
        assert_true(due_ms - s->now_ms > pause_ms);
        pause_ms = due_ms - s->now_ms;
        s->now_ms = due_ms;
        ordo_client_connection_tick(s->connection, s->now_ms);
        take(s, true);
        assert_true(ordo_client_doc_is_open(s->docs[0]));
        assert_true(ordo_client_doc_is_open(s->docs[1]));
        take(s, false);
    }
    assert_int_equal(s->submit_count, 5); /* the same op after each opening */
}

static void a_refused_presence_does_not_close_its_document(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 1);
    assert_int_equal(ordo_client_doc_set_presence(s->docs[0], ordo_slice_of("me"), NULL, 0), ORDO_OK);
    take(s, false);
    assert_int_equal(s->presence_request, UINT32_MAX);
    say_error(s, s->presence_request, 413);
    assert_true(ordo_client_doc_is_open(s->docs[0]));
    assert_int_equal(s->error_code, 413);
    static const uint8_t large[4096];
    assert_int_equal(ordo_client_doc_set_presence(s->docs[0], ordo_slice(large, sizeof large), NULL, 0),
                     ORDO_ERR_TOO_LARGE);
}

static void an_opened_for_a_document_closed_meanwhile_is_left(void **state) {
    struct session *s = *state;
    connect(s);
    struct ordo_client_doc *doc = ordo_client_connection_open(
        s->connection, &(struct ordo_client_doc_options){.collection = ordo_slice_of("x"), .id = ordo_slice_of("a")});
    take(s, false);
    ordo_client_connection_close(s->connection, doc);
    say_opened(s, s->last_request, 9);
    take(s, false);
    assert_int_equal(s->leave_count, 1);
    assert_int_equal(s->last_doc, 9);
}

static void a_handle_used_twice_is_a_protocol_error(void **state) {
    struct session *s = *state;
    connect(s);
    open_docs(s, 1);
    ordo_client_connection_open(s->connection, &(struct ordo_client_doc_options){.collection = ordo_slice_of("x"),
                                                                                 .id = ordo_slice_of("b")});
    take(s, false);
    say_opened(s, s->last_request, 0);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
}

static void on_history(void *user, const struct ordo_client_history *part) {
    struct session *s = user;
    s->history_count++;
    s->history_op_count += part->op_count;
    s->history_error = part->error_code;
}

static void history_comes_in_parts_and_fails_with_the_connection(void **state) {
    struct session *s = *state;
    struct ordo_client_history_request request = {.from_seq = 1};
    connect(s);
    open_docs(s, 1);
    ordo_err err = ordo_client_connection_read_history(s->connection, s->docs[0], &request, on_history, s);
    assert_int_equal(err, ORDO_OK);
    take(s, false);
    Ordo__V1__Committed op = ORDO__V1__COMMITTED__INIT, *ops[] = {&op, &op};
    Ordo__V1__History body = ORDO__V1__HISTORY__INIT;
    body.ops = ops;
    body.n_ops = 2;
    body.more = true;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.request = s->last_request;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_HISTORY;
    message.history = &body;
    say(s, &message);
    body.more = false;
    say(s, &message);
    say(s, &message); /* nobody waits for that any more */
    assert_int_equal(s->history_count, 2);
    assert_int_equal(s->history_op_count, 4);
    err = ordo_client_connection_read_history(s->connection, s->docs[0], &request, on_history, s);
    assert_int_equal(err, ORDO_OK);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    assert_int_equal(s->history_error, 503);
    err = ordo_client_connection_read_history(s->connection, s->docs[0], &request, on_history, s);
    assert_int_equal(err, ORDO_ERR_UNAVAILABLE);
}

static void on_forgotten(void *user, const struct ordo_client_forgotten *forgotten) {
    *(struct ordo_client_forgotten *)user = *forgotten;
}

static void forgetting_is_told_or_fails_with_the_connection(void **state) {
    struct session *s = *state;
    struct ordo_client_forgotten first = {0}, second = {0};
    connect(s);
    open_docs(s, 1);
    assert_int_equal(ordo_client_connection_forget(s->connection, s->docs[0], 4711, on_forgotten, &first), ORDO_OK);
    take(s, false);
    Ordo__V1__Forgotten body = ORDO__V1__FORGOTTEN__INIT;
    body.head = 12;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.request = s->last_request;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_FORGOTTEN;
    message.forgotten = &body;
    say(s, &message);
    assert_true(first.head == 12 && first.error_code == 0);
    body.head = 13;
    say(s, &message); /* nobody waits for that any more */
    assert_int_equal(first.head, 12);
    assert_int_equal(ordo_client_connection_forget(s->connection, s->docs[0], 0, on_forgotten, &second), ORDO_OK);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    assert_int_equal(second.error_code, 503);
    assert_string_equal(second.error_message, "the connection was lost");
    assert_int_equal(ordo_client_connection_forget(s->connection, s->docs[0], 0, on_forgotten, &second), ORDO_ERR_UNAVAILABLE);
}

static void a_stopped_connection_stays_away(void **state) {
    struct session *s = *state;
    connect(s);
    ordo_client_connection_stop(s->connection);
    assert_int_equal(ordo_client_connection_wish(s->connection, s->now_ms), ORDO_CLIENT_WISH_CLOSE);
    ordo_client_connection_disconnected(s->connection, s->now_ms);
    assert_int_equal(ordo_client_connection_timer_ms(s->connection), UINT64_MAX);
    assert_int_equal(ordo_client_connection_wish(s->connection, UINT64_MAX), ORDO_CLIENT_WISH_NOTHING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(hello_is_first_and_documents_wait_for_welcome),
        TEST(messages_of_many_documents_are_joined_and_sorted_by_handle),
        TEST(frames_stay_below_the_servers_limit),
        TEST(an_edit_wakes_the_owner_once),
        TEST(attempts_back_off_up_to_a_limit_and_start_over_after_a_lasting_connection),
        TEST(go_away_closes_and_comes_back_when_told),
        TEST(client_that_is_sent_away_again_and_again_does_not_back_off),
        TEST(a_silent_connection_is_pinged_and_then_closed),
        TEST(no_welcome_in_time_closes),
        TEST(half_a_frame_is_not_applied_and_closes_with_1002),
        TEST(a_new_client_id_waits_until_all_documents_are_settled),
        TEST(a_lost_connection_under_renewal_settles_the_others_first),
        TEST(a_refused_hello_is_told_and_tried_again),
        TEST(a_document_that_the_server_closes_is_opened_again_after_ever_longer_pauses),
        TEST(a_refused_presence_does_not_close_its_document),
        TEST(an_opened_for_a_document_closed_meanwhile_is_left),
        TEST(a_handle_used_twice_is_a_protocol_error),
        TEST(history_comes_in_parts_and_fails_with_the_connection),
        TEST(forgetting_is_told_or_fails_with_the_connection),
        TEST(a_stopped_connection_stays_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
