#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/ot/text_codec.h"
#include "proto/message.h"
#include "tools/ordo/op_json.h"

static struct ordo_buffer op_of(const uint64_t *spans, size_t count, const char *text) {
    struct ordo_buffer packed = {0}, op = {0};
    for (size_t i = 0; i < count; i++) ordo_buffer_append_varint(&packed, spans[i]);
    text_message_append(&op, ordo_buffer_slice(&packed), ordo_slice_of(text));
    ordo_buffer_finish(&packed);
    return op;
}

static struct ordo_client_commit commit_of(enum ordo_client_op_kind kind, const struct ordo_buffer *op) {
    return (struct ordo_client_commit){.server_seq = 7, .client_id = ordo_slice("\x00\xff\x10", 3), .client_seq = 3,
                                       .base_seq = 6, .timestamp_ms = 1700000000000, .user = ordo_slice_of("ada \"a\""),
                                       .kind = kind, .op = ordo_buffer_slice(op)};
}

static void check(const struct ordo_client_commit *commit, const char *expected_op) {
    struct ordo_buffer line = {0};
    char expected[512];
    snprintf(expected, sizeof expected,
             "{\"server_seq\":7,\"client_id\":\"00ff10\",\"client_seq\":3,\"base_seq\":6,"
             "\"timestamp_ms\":1700000000000,\"user\":\"ada \\\"a\\\"\",\"op\":%s}", expected_op);
    assert_int_equal(ordo_op_json(commit, &line), ORDO_OK);
    ordo_buffer_append_u8(&line, 0);
    assert_string_equal((const char *)line.data, expected);
    ordo_buffer_finish(&line);
}

static void edit_is_written_as_ot_text_unicode_would(void **state) {
    (void)state;
    const uint64_t spans[] = {text_span(TEXT_RETAIN, 5), text_span(TEXT_INSERT, 3), text_span(TEXT_DELETE, 2),
                              text_span(TEXT_RETAIN, 1), text_span(TEXT_INSERT, 1)};
    struct ordo_buffer op = op_of(spans, 5, "a😀\n!");
    struct ordo_client_commit commit = commit_of(ORDO_CLIENT_EDIT, &op);

    check(&commit, "[5,\"a😀\\n\",{\"d\":2},1,\"!\"]");

    ordo_buffer_finish(&op);
}

static void hints_stand_beside_the_op(void **state) {
    (void)state;
    const uint64_t spans[] = {text_span(TEXT_INSERT, 1) | TEXT_FOLLOWS, text_span(TEXT_RETAIN, 1),
                              text_span(TEXT_INSERT, 1)};
    struct ordo_buffer op = op_of(spans, 3, "ab");
    struct ordo_client_commit commit = commit_of(ORDO_CLIENT_EDIT, &op);

    check(&commit, "[\"a\",1,\"b\"],\"hints\":[\"follows\",\"\"]");

    ordo_buffer_finish(&op);
}

static void empty_op_delete_and_create_have_forms_of_their_own(void **state) {
    (void)state;
    const uint64_t spans[] = {text_span(TEXT_INSERT, 2)};
    struct ordo_buffer empty = {0}, content = op_of(spans, 1, "hi"), create = {0};
    ordo_field_append_bytes(&create, 1, ordo_slice_of("text"));
    ordo_field_append_bytes(&create, 2, ordo_buffer_slice(&content));
    struct ordo_client_commit edit = commit_of(ORDO_CLIENT_EDIT, &empty);
    struct ordo_client_commit deletion = commit_of(ORDO_CLIENT_DELETE, &empty);
    struct ordo_client_commit creation = commit_of(ORDO_CLIENT_CREATE, &create);

    check(&edit, "[]");
    check(&deletion, "{\"delete\":true}");
    check(&creation, "{\"create\":[\"hi\"],\"type\":\"text\"}");

    ordo_buffer_finish(&content);
    ordo_buffer_finish(&create);
}

static void broken_ops_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {{"\xff", 1}, {"\x0a\x01\x11\x12\x01\xff", 6}, {"\x12\x01x", 3}, {"\x0a\x01\x13", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ordo_buffer line = {0}, none = {0};
        struct ordo_client_commit commit = commit_of(ORDO_CLIENT_EDIT, &none);
        commit.op = ordo_slice(cases[i].bytes, cases[i].size);
        assert_int_equal(ordo_op_json(&commit, &line), ORDO_ERR_INVALID);
        ordo_buffer_finish(&line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edit_is_written_as_ot_text_unicode_would),
        cmocka_unit_test(hints_stand_beside_the_op),
        cmocka_unit_test(empty_op_delete_and_create_have_forms_of_their_own),
        cmocka_unit_test(broken_ops_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
