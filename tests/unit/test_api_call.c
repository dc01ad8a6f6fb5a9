/* One HTTP request as a client of the core: what it says, and what becomes of the answers. The test plays the core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "gateway/api/call.h"
#include "proto/message.h"

enum { HANDLE = 7, LINEAGE = 77, HEAD = 12, DUE_MS = 30000, OP_SIZE_MAX = 64 };

struct play {
    struct ordo_api_call *call;
    struct ordo_api_answer *answer;
    struct ordo_arena arena, said; /* messages that it said stay good */
    struct ordo_buffer frame;
    Ordo__V1__ClientFrame *frame_said;
};

/* ---- the core's part */

static void listen_to(struct play *play) {
    play->frame_said = NULL;
    ordo_buffer_clear(&play->frame);
    if (!ordo_api_call_say(play->call, &play->frame)) return;
    play->frame_said = ordo_message_decode(&ordo__v1__client_frame__descriptor, ordo_buffer_slice(&play->frame), &play->said);
    assert_non_null(play->frame_said);
}

static Ordo__V1__ClientMessage *only_message(struct play *play, Ordo__V1__ClientMessage__BodyCase kind) {
    listen_to(play);
    assert_non_null(play->frame_said);
    assert_int_equal(play->frame_said->n_messages, 1);
    assert_int_equal(play->frame_said->messages[0]->body_case, kind);
    return play->frame_said->messages[0];
}
#define SAYS(play, CASE) only_message(play, ORDO__V1__CLIENT_MESSAGE__BODY_##CASE)

static void says_nothing(struct play *play) {
    listen_to(play);
    assert_null(play->frame_said);
}

static void tell(struct play *play, const Ordo__V1__ServerMessage *message, uint64_t now_ms) {
    struct ordo_buffer frame = {0};
    ordo_message_encode_field(1, &message->base, &frame);
    ordo_api_call_hear(play->call, ordo_buffer_slice(&frame), &play->arena, now_ms);
    ordo_buffer_finish(&frame);
}

#define TELL(play, REQUEST, DOC, MEMBER, CASE, ...)                                                                    \
    do {                                                                                                               \
        Ordo__V1__ServerMessage message_ = ORDO__V1__SERVER_MESSAGE__INIT;                                             \
        message_.request = (REQUEST);                                                                                  \
        message_.doc = (DOC);                                                                                          \
        message_.body_case = ORDO__V1__SERVER_MESSAGE__BODY_##CASE;                                                    \
        message_.MEMBER = &(__VA_ARGS__);                                                                              \
        tell(play, &message_, 0);                                                                                      \
    } while (0)

static Ordo__V1__Opened opened(void) {
    static Ordo__V1__Content content;
    content = (Ordo__V1__Content)ORDO__V1__CONTENT__INIT;
    Ordo__V1__Opened out = ORDO__V1__OPENED__INIT;
    content.seq = out.head = HEAD;
    out.lineage = LINEAGE;
    out.content = &content;
    return out;
}

static void tell_opened(struct play *play, Ordo__V1__Opened message) {
    TELL(play, 2, HANDLE, opened, OPENED, message);
}

static void tell_nack(struct play *play, Ordo__V1__NackCode code, uint64_t client_seq) {
    Ordo__V1__Nack nack = ORDO__V1__NACK__INIT;
    nack.code = code;
    nack.client_seq = client_seq;
    nack.retry_after_ms = 300;
    TELL(play, 0, HANDLE, nack, NACK, nack);
}

static void tell_error(struct play *play, uint32_t request, uint32_t code) {
    Ordo__V1__Error error = ORDO__V1__ERROR__INIT;
    error.code = code;
    TELL(play, request, 0, error, ERROR, error);
}

static void tell_content(struct play *play, uint32_t request, const char *text, bool more) {
    Ordo__V1__Content content = ORDO__V1__CONTENT__INIT;
    Ordo__V1__History history = ORDO__V1__HISTORY__INIT;
    content.seq = history.head = HEAD;
    content.text = ordo_binary_of_slice(ordo_slice_of(text));
    history.content = &content;
    history.more = more;
    TELL(play, request, HANDLE, history, HISTORY, history);
}

/* ---- a request */

static struct play *begin(enum ordo_api_method method, const char *path, const char *arg, const char *key, const char *body) {
    struct ordo_api_input input = {.method = method, .path = ordo_slice_of(path), .key = ordo_slice_of(key)};
    struct ordo_api_request request;
    struct ordo_api_fault fault;
    if (arg[0] != '\0') input.args[input.arg_count++] = ordo_slice_of(arg);
    assert_true(ordo_api_request_parse(&input, &request, &fault));
    struct ordo_api_call_config config = {.token = ordo_slice_of("a-token"), .body = ordo_slice_of(body),
                                          .op_size_max = OP_SIZE_MAX, .due_ms = DUE_MS};
    memset(config.client_id, 'c', sizeof config.client_id);
    struct play *play = test_calloc(1, sizeof *play);
    ordo_arena_init(&play->arena, 0);
    ordo_arena_init(&play->said, 1 << 24);
    play->call = ordo_api_call_create(&request, &config);
    play->answer = ordo_api_call_answer(play->call);
    return play;
}

static void end(struct play *play) {
    ordo_api_call_destroy(play->call);
    ordo_arena_finish(&play->arena);
    ordo_arena_finish(&play->said);
    ordo_buffer_finish(&play->frame);
    test_free(play);
}

/* Hello and Open are said at once; the document is opened. */
static struct play *begin_opened(enum ordo_api_method method, const char *path, const char *arg, const char *key,
                                 const char *body) {
    struct play *play = begin(method, path, arg, key, body);
    listen_to(play);
    assert_non_null(play->frame_said);
    tell_opened(play, opened());
    return play;
}

static void assert_over(const struct play *play, uint32_t status, const char *text) {
    assert_true(play->answer->is_over);
    assert_int_equal(play->answer->status, status);
    struct ordo_slice body = ordo_buffer_slice(&play->answer->body), part = ordo_slice_of(text);
    for (size_t at = 0; at + part.size <= body.size; at++)
        if (memcmp(body.data + at, part.data, part.size) == 0) return;
    fail_msg("\"%s\" is not in: %.*s", text, (int)body.size, (const char *)body.data);
}

static void it_greets_with_its_token_and_opens_bare(void **state) {
    (void)state;
    struct play *play = begin(ORDO_API_GET, "/notes/plan", "", "", "");
    listen_to(play);
    assert_int_equal(play->frame_said->n_messages, 2);
    const Ordo__V1__Hello *hello = play->frame_said->messages[0]->hello;
    const Ordo__V1__Open *open = play->frame_said->messages[1]->open;
    assert_true(ordo_slice_equal(ordo_slice_of_binary(hello->token), ordo_slice_of("a-token")));
    assert_true(open->bare);
    assert_int_equal(open->create_type.len, 0);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(open->id), ordo_slice_of("plan")));
    end(play);
}

static void a_text_comes_part_by_part(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_GET, "/notes/plan", "", "", "");
    Ordo__V1__ClientMessage *read = SAYS(play, HISTORY);
    assert_int_equal(read->history->at_seq, HEAD);
    tell_content(play, read->request, "one ", true);
    assert_int_equal(play->answer->status, 200);
    assert_false(play->answer->is_over);
    assert_string_equal(play->answer->etag, "\"77.12\"");
    tell_content(play, read->request, "two", false);
    assert_over(play, 200, "one two");
    end(play);
}

static void json_escapes_across_parts(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_GET, "/notes/plan", "format=json", "", "");
    uint32_t request = SAYS(play, HISTORY)->request;
    tell_content(play, request, "a\"", true);
    tell_content(play, request, "\nb", false);
    assert_over(play, 200, "\"text\":\"a\\\"\\nb\"}");
    end(play);
}

static void a_deleted_document_is_gone(void **state) {
    (void)state;
    struct play *play = begin(ORDO_API_GET, "/notes/plan", "", "", "");
    listen_to(play);
    Ordo__V1__Opened message = opened();
    message.content->deleted = true;
    tell_opened(play, message);
    assert_over(play, 410, "\"deleted\"");
    assert_string_equal(play->answer->etag, "");
    end(play);
}

static void what_breaks_in_the_middle_of_an_answer_breaks_it(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_GET, "/notes/plan", "", "", "");
    tell_content(play, SAYS(play, HISTORY)->request, "one ", true);
    ordo_api_call_closed(play->call);
    assert_true(play->answer->is_over && play->answer->is_broken);
    end(play);
}

static void a_question_that_fails_for_a_moment_is_asked_again(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_GET, "/notes/plan", "", "", "");
    uint32_t first = SAYS(play, HISTORY)->request;
    tell_error(play, first, 503);
    says_nothing(play);
    ordo_api_call_tick(play->call, 1000);
    uint32_t second = SAYS(play, HISTORY)->request;
    assert_int_not_equal(first, second);
    tell_content(play, first, "late", false);
    assert_int_equal(play->answer->status, 0);
    tell_content(play, second, "text", false);
    assert_over(play, 200, "text");
    end(play);
}

static void what_the_core_refuses_becomes_a_status(void **state) {
    (void)state;
    static const uint32_t codes[] = {401, 403, 404, 410, 429, 503};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct play *play = begin(ORDO_API_GET, "/notes/plan", "", "", "");
        listen_to(play);
        tell_error(play, codes[i] == 401 ? 1 : 2, codes[i]);
        assert_over(play, codes[i], "\"message\":");
        assert_int_equal(play->answer->retry_after_s, codes[i] == 429 || codes[i] == 503 ? 1 : 0);
        end(play);
    }
}

static void without_an_answer_in_time_its_fate_is_unknown(void **state) {
    (void)state;
    struct play *play = begin(ORDO_API_GET, "/notes/plan", "", "", "");
    ordo_api_call_tick(play->call, DUE_MS - 1);
    assert_false(play->answer->is_over);
    ordo_api_call_tick(play->call, DUE_MS);
    assert_over(play, 503, "Idempotency-Key");
    end(play);
}

/* ---- ops */

static void ops_are_listed_and_say_where_to_go_on(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_GET, "/notes/plan/ops", "from=3", "", "");
    Ordo__V1__ClientMessage *read = SAYS(play, HISTORY);
    assert_int_equal(read->history->from_seq, 3);
    Ordo__V1__Committed three = ORDO__V1__COMMITTED__INIT, four = ORDO__V1__COMMITTED__INIT, *ops[] = {&three, &four};
    Ordo__V1__DeleteDocument deletion = ORDO__V1__DELETE_DOCUMENT__INIT;
    three.server_seq = 3;
    three.op_case = ORDO__V1__COMMITTED__OP_TEXT;
    three.text = ordo_binary_of_slice(ordo_slice_of("\x0a\x01\x11\x12\x01x")); /* insert "x" */
    four.server_seq = 4;
    four.op_case = ORDO__V1__COMMITTED__OP_DELETE;
    four.delete_ = &deletion;
    Ordo__V1__History history = ORDO__V1__HISTORY__INIT;
    history.head = HEAD;
    history.ops = ops;
    history.n_ops = 2;
    TELL(play, read->request, HANDLE, history, HISTORY, history);
    assert_over(play, 200, "\"op\":[\"x\"]}");
    assert_over(play, 200, "{\"delete\":true}");
    assert_over(play, 200, "],\"next\":5}");
    end(play);
}

static void a_log_that_has_not_grown_is_an_empty_list(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_GET, "/notes/plan/ops", "from=13", "", "");
    Ordo__V1__History history = ORDO__V1__HISTORY__INIT;
    history.head = HEAD;
    TELL(play, SAYS(play, HISTORY)->request, HANDLE, history, HISTORY, history);
    assert_over(play, 200, "\"ops\":[],\"next\":null}");
    end(play);
}

static const char op_body[] = "{\"base_seq\":12,\"op\":[\"hi\"]}";

static void tell_ack(struct play *play, uint64_t client_seq, bool is_duplicate) {
    Ordo__V1__Ack ack = ORDO__V1__ACK__INIT;
    ack.client_seq = client_seq;
    ack.server_seq = HEAD + 1;
    ack.duplicate = is_duplicate;
    TELL(play, 0, HANDLE, ack, ACK, ack);
}

static void an_op_is_submitted_and_acknowledged(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_POST, "/notes/plan/ops", "", "", op_body);
    const Ordo__V1__Submit *submit = SAYS(play, SUBMIT)->submit;
    assert_int_equal(submit->client_seq, 1);
    assert_int_equal(submit->base_seq, 12);
    tell_ack(play, 2, false);
    assert_false(play->answer->is_over);
    tell_ack(play, 1, false);
    assert_over(play, 200, "{\"server_seq\":13,\"lineage\":77,\"duplicate\":false}");
    end(play);
}

static void an_op_is_said_again_byte_for_byte(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_POST, "/notes/plan/ops", "", "", op_body);
    const Ordo__V1__Submit *first = SAYS(play, SUBMIT)->submit;
    tell_nack(play, ORDO__V1__NACK_CODE__UNAVAILABLE, 1);
    ordo_api_call_tick(play->call, 299);
    says_nothing(play);
    ordo_api_call_tick(play->call, 300);
    const Ordo__V1__Submit *second = SAYS(play, SUBMIT)->submit;
    TELL(play, 0, HANDLE, opened, OPENED, (Ordo__V1__Opened[]){opened()}[0]); /* after a lost link */
    const Ordo__V1__Submit *third = SAYS(play, SUBMIT)->submit;
    assert_true(ordo_slice_equal(ordo_slice_of_binary(first->text), ordo_slice_of_binary(third->text)));
    assert_int_equal(first->base_seq, second->base_seq);
    assert_int_equal(first->client_seq, third->client_seq);
    tell_ack(play, 1, true);
    assert_over(play, 200, "\"duplicate\":true");
    end(play);
}

static void nacks_become_statuses(void **state) {
    (void)state;
    static const struct {
        Ordo__V1__NackCode code;
        uint32_t status;
        const char *word;
    } all[] = {
        {ORDO__V1__NACK_CODE__INVALID_OP, 400, "invalid_op"},   {ORDO__V1__NACK_CODE__FORBIDDEN, 403, "forbidden"},
        {ORDO__V1__NACK_CODE__STALE_BASE, 409, "stale_base"},   {ORDO__V1__NACK_CODE__FUTURE_BASE, 409, "future_base"},
        {ORDO__V1__NACK_CODE__REPLAYED, 409, "replayed"},       {ORDO__V1__NACK_CODE__TOO_LARGE, 413, "too_large"},
        {ORDO__V1__NACK_CODE__NOT_OPEN, 409, "superseded"},     {ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN, 409, "client_id_taken"},
        {ORDO__V1__NACK_CODE__DELETED, 410, "deleted"},         {ORDO__V1__NACK_CODE__PIPELINED, 409, "pipelined"},
        {ORDO__V1__NACK_CODE__EXISTS, 409, "exists"},           {(Ordo__V1__NackCode)99, 500, "unknown"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct play *play = begin_opened(ORDO_API_POST, "/notes/plan/ops", "", "", op_body);
        (void)SAYS(play, SUBMIT);
        tell_nack(play, all[i].code, 1);
        assert_over(play, all[i].status, all[i].word);
        end(play);
    }
}

static void a_wrong_body_never_reaches_the_core(void **state) {
    (void)state;
    struct play *play = begin(ORDO_API_POST, "/notes/plan/ops", "", "", "{}");
    says_nothing(play);
    assert_over(play, 400, "bad_body");
    end(play);
    play = begin(ORDO_API_POST, "/notes/plan/ops", "", "a key",
                 "{\"base_seq\":1,\"op\":[1],\"client_seq\":1,\"client_id\":\"000102030405060708090a0b0c0d0e0f\"}");
    assert_over(play, 400, "not both");
    end(play);
}

static void the_limit_on_ops_counts_their_encoding(void **state) {
    (void)state;
    char text[OP_SIZE_MAX + 1];
    memset(text, 'x', sizeof text);
    enum { FITS = OP_SIZE_MAX - 6 }; /* spans: tag, size and two bytes; text: tag and size */
    for (size_t size = FITS - 1; size <= FITS + 1; size++) {
        text[size] = '\0';
        struct play *play = begin(ORDO_API_PUT, "/notes/plan", "", "", text);
        assert_int_equal(play->answer->status, size <= FITS ? 0 : 413);
        end(play);
        text[size] = 'x';
    }
}

/* ---- creating and deleting */

static void a_created_document_is_located(void **state) {
    (void)state;
    struct play *play = begin(ORDO_API_PUT, "/notes/a&b", "", "", "text");
    listen_to(play);
    const Ordo__V1__Open *open = play->frame_said->messages[1]->open;
    assert_true(ordo_slice_equal(ordo_slice_of_binary(open->create_type), ordo_slice_of("text")));
    assert_true(open->create_content.len > 0);
    Ordo__V1__Opened message = opened();
    message.created = true;
    tell_opened(play, message);
    assert_over(play, 201, "\"server_seq\":12");
    assert_string_equal(play->answer->location, "/v1/docs?collection=notes&id=a%26b");
    assert_string_equal(play->answer->etag, "\"77.12\"");
    end(play);
}

/* What the core says of the op that created the document. */
static void tell_creation(struct play *play, uint32_t request, char client, const char *op) {
    char client_id[ORDO_CLIENT_ID_SIZE];
    memset(client_id, client, sizeof client_id);
    Ordo__V1__CreateDocument create = ORDO__V1__CREATE_DOCUMENT__INIT;
    create.text = ordo_binary_of_slice(ordo_slice_of(op));
    Ordo__V1__Committed committed = ORDO__V1__COMMITTED__INIT, *ops[] = {&committed};
    committed.server_seq = 4;
    committed.client_id = ordo_binary_of_slice(ordo_slice(client_id, sizeof client_id));
    committed.op_case = ORDO__V1__COMMITTED__OP_CREATE;
    committed.create = &create;
    Ordo__V1__History history = ORDO__V1__HISTORY__INIT;
    history.head = HEAD;
    history.ops = ops;
    history.n_ops = 1;
    TELL(play, request, HANDLE, history, HISTORY, history);
}

static void a_repeated_create_is_known_by_its_key(void **state) {
    (void)state;
    static const struct {
        char client;
        const char *op;
        uint32_t status;
        const char *word;
    } all[] = {
        {'c', "\x0a\x01\x11\x12\x01x", 200, "\"server_seq\":4,\"lineage\":77,\"duplicate\":true"},
        {'c', "\x0a\x01\x11\x12\x01y", 409, "key_reused"},
        {'o', "\x0a\x01\x11\x12\x01x", 409, "exists"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct play *play = begin(ORDO_API_PUT, "/notes/plan", "", "a key", "x");
        listen_to(play);
        Ordo__V1__Opened message = opened();
        message.created_seq = 4;
        tell_opened(play, message);
        Ordo__V1__ClientMessage *read = SAYS(play, HISTORY);
        assert_int_equal(read->history->from_seq, 4);
        assert_int_equal(read->history->to_seq, 4);
        tell_creation(play, read->request, all[i].client, all[i].op);
        assert_over(play, all[i].status, all[i].word);
        end(play);
    }
}

static void a_create_without_a_key_finds_a_document(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_PUT, "/notes/plan", "", "", "x");
    assert_over(play, 409, "exists");
    end(play);
}

static void a_repeated_delete_is_known_by_its_key(void **state) {
    (void)state;
    struct play *play = begin(ORDO_API_DELETE, "/notes/plan", "", "a key", "");
    listen_to(play);
    Ordo__V1__Opened message = opened();
    message.content->deleted = true;
    message.last_client_seq = 1;
    message.last_client_server_seq = 9;
    tell_opened(play, message);
    assert_over(play, 200, "\"server_seq\":9");
    end(play);
    play = begin_opened(ORDO_API_DELETE, "/notes/plan", "", "a key", "");
    assert_int_equal(SAYS(play, SUBMIT)->submit->base_seq, HEAD);
    tell_ack(play, 1, false);
    assert_over(play, 200, "\"duplicate\":false");
    end(play);
}

static void forgetting_means_the_life_that_was_found(void **state) {
    (void)state;
    struct play *play = begin_opened(ORDO_API_DELETE, "/notes/plan", "forget=true", "", "");
    Ordo__V1__ClientMessage *forget = SAYS(play, FORGET);
    assert_int_equal(forget->forget->lineage, LINEAGE);
    Ordo__V1__Forgotten forgotten = ORDO__V1__FORGOTTEN__INIT;
    forgotten.head = 12;
    TELL(play, forget->request, HANDLE, forgotten, FORGOTTEN, forgotten);
    assert_over(play, 200, "{\"forgotten\":true,\"head\":12}");
    end(play);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_greets_with_its_token_and_opens_bare),
        cmocka_unit_test(a_text_comes_part_by_part),
        cmocka_unit_test(json_escapes_across_parts),
        cmocka_unit_test(a_deleted_document_is_gone),
        cmocka_unit_test(what_breaks_in_the_middle_of_an_answer_breaks_it),
        cmocka_unit_test(a_question_that_fails_for_a_moment_is_asked_again),
        cmocka_unit_test(what_the_core_refuses_becomes_a_status),
        cmocka_unit_test(without_an_answer_in_time_its_fate_is_unknown),
        cmocka_unit_test(ops_are_listed_and_say_where_to_go_on),
        cmocka_unit_test(a_log_that_has_not_grown_is_an_empty_list),
        cmocka_unit_test(an_op_is_submitted_and_acknowledged),
        cmocka_unit_test(an_op_is_said_again_byte_for_byte),
        cmocka_unit_test(nacks_become_statuses),
        cmocka_unit_test(a_wrong_body_never_reaches_the_core),
        cmocka_unit_test(the_limit_on_ops_counts_their_encoding),
        cmocka_unit_test(a_created_document_is_located),
        cmocka_unit_test(a_repeated_create_is_known_by_its_key),
        cmocka_unit_test(a_create_without_a_key_finds_a_document),
        cmocka_unit_test(a_repeated_delete_is_known_by_its_key),
        cmocka_unit_test(forgetting_means_the_life_that_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
