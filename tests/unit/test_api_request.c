/* What an HTTP request for documents asks for, and what its body says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/ot/text.h"
#include "gateway/api/body.h"
#include "gateway/api/request.h"

struct parsed {
    bool is_good;
    struct ordo_api_request request;
    struct ordo_api_fault fault;
};

/* "name=value&name=value" as libwebsockets takes it apart. */
static struct parsed parse(enum ordo_api_method method, const char *path, const char *args) {
    struct parsed out = {0};
    struct ordo_api_input input = {.method = method, .path = ordo_slice_of(path)};
    for (const char *at = args; *at != '\0';) {
        size_t size = strcspn(at, "&");
        if (input.arg_count < ORDO_API_ARGS_MAX) input.args[input.arg_count] = ordo_slice(at, size);
        input.arg_count++;
        at += size + (at[size] == '&');
    }
    out.is_good = ordo_api_request_parse(&input, &out.request, &out.fault);
    return out;
}

/* One that is good, and asks for this. */
static struct ordo_api_request parse_good(enum ordo_api_method method, const char *path, const char *args,
                                          enum ordo_api_action action) {
    struct parsed parsed = parse(method, path, args);
    assert_true(parsed.is_good);
    assert_int_equal(parsed.request.action, action);
    return parsed.request;
}

static void assert_named(const struct ordo_api_request *request, const char *collection, const char *id) {
    assert_true(ordo_slice_equal(ordo_slice(request->collection, request->collection_size), ordo_slice_of(collection)));
    assert_true(ordo_slice_equal(ordo_slice(request->id, request->id_size), ordo_slice_of(id)));
}

static void a_path_or_the_arguments_name_a_document(void **state) {
    (void)state;
    struct ordo_api_request path = parse_good(ORDO_API_GET, "/notes/plan", "", ORDO_API_READ);
    assert_named(&path, "notes", "plan");
    struct ordo_api_request args = parse_good(ORDO_API_GET, "", "collection=my notes&id=a/b=c", ORDO_API_READ);
    assert_named(&args, "my notes", "a/b=c");
    struct ordo_api_request ops = parse_good(ORDO_API_GET, "/notes/plan/ops", "from=3&to=9", ORDO_API_OPS);
    assert_int_equal(ops.from_seq, 3);
    assert_int_equal(ops.to_seq, 9);
    struct ordo_api_request args_ops = parse_good(ORDO_API_POST, "/ops", "collection=..&id=.", ORDO_API_SUBMIT);
    assert_named(&args_ops, "..", ".");
}

static void a_document_may_be_called_ops(void **state) {
    (void)state;
    struct ordo_api_request document = parse_good(ORDO_API_GET, "/notes/ops", "", ORDO_API_READ);
    assert_named(&document, "notes", "ops");
    (void)parse_good(ORDO_API_GET, "/notes/ops/ops", "from=1", ORDO_API_OPS);
}

static void an_escaped_slash_is_never_taken_for_another_document(void **state) {
    (void)state;
    /* What libwebsockets makes of /notes/b%2Fops, /notes/b%2Fc and /a%2Fb/c. */
    assert_int_equal(parse(ORDO_API_GET, "/notes/b/ops", "").fault.status, 400);
    assert_int_equal(parse(ORDO_API_PUT, "/notes/b/ops", "").fault.status, 405);
    assert_int_equal(parse(ORDO_API_DELETE, "/notes/b/ops", "").fault.status, 405);
    assert_int_equal(parse(ORDO_API_GET, "/notes/b/c", "").fault.status, 404);
    assert_int_equal(parse(ORDO_API_PUT, "/a/b/c", "").fault.status, 404);
}

static void a_blank_in_a_path_may_have_been_a_plus(void **state) {
    (void)state;
    assert_int_equal(parse(ORDO_API_GET, "/notes/a b", "").fault.status, 400);
    assert_int_equal(parse(ORDO_API_GET, "/my notes/a", "").fault.status, 400);
}

static void wrong_paths_and_names_are_refused(void **state) {
    (void)state;
    char name[200], path[500];
    static const char *const lost[] = {"/", "/a", "/a/", "/a/b/", "//b", "/a/b/x", "/a/b/ops/ops", "x", "/ops/"};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        assert_int_equal(parse(ORDO_API_GET, lost[i], "from=1").fault.status, 404);
    for (size_t size = 127; size <= 129; size++) {
        memset(name, 'n', size);
        name[size] = '\0';
        snprintf(path, sizeof path, "/%s/%s", name, name);
        assert_int_equal(parse(ORDO_API_GET, path, "").is_good, size <= 128);
    }
    assert_string_equal(parse(ORDO_API_GET, "/a/\xc3\x28", "").fault.code, "bad_name");
    assert_string_equal(parse(ORDO_API_GET, "/a/\xed\xa0\x80", "").fault.code, "bad_name");
    struct ordo_api_input input = {.args = {ordo_slice("collection=a\0b", 14), ordo_slice_of("id=x")}, .arg_count = 2};
    struct ordo_api_request request;
    struct ordo_api_fault fault;
    assert_false(ordo_api_request_parse(&input, &request, &fault));
    assert_string_equal(fault.code, "bad_name");
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"seq=1&time=2", "seq=-1", "seq=1x", "seq=", "seq=01", "seq=9007199254740992", "from=1",
                                        "format=xml", "seq=1&seq=1", "x=1", "=1", "seq", "collection=c&id=d", "forget=true",
                                        "seq=1&format=text&a=1&b=1&c=1&d=1&e=1&f=1&g=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct parsed parsed = parse(ORDO_API_GET, "/c/d", wrong[i]);
        assert_false(parsed.is_good);
        assert_string_equal(parsed.fault.code, "bad_argument");
    }
    static const char *const wrong_ops[] = {"", "from=0", "to=3", "from=4&to=3", "from=1&seq=2", "from=1&to=0"};
    for (size_t i = 0; i < sizeof wrong_ops / sizeof *wrong_ops; i++)
        assert_int_equal(parse(ORDO_API_GET, "/c/d/ops", wrong_ops[i]).fault.status, 400);
    assert_int_equal(parse(ORDO_API_DELETE, "/c/d", "forget=yes").fault.status, 400);
    assert_int_equal(parse(ORDO_API_DELETE, "/c/d", "lineage=4").fault.status, 400);
    assert_int_equal(parse(ORDO_API_GET, "", "collection=c").fault.status, 404);
    assert_int_equal(parse(ORDO_API_GET, "", "id=c").fault.status, 404);
    assert_int_equal(parse(ORDO_API_OTHER, "/c/d", "").fault.status, 405);
    assert_int_equal(parse(ORDO_API_POST, "/c/d", "").fault.status, 405);
}

static void forgetting_is_told_from_deleting(void **state) {
    (void)state;
    (void)parse_good(ORDO_API_DELETE, "/c/d", "", ORDO_API_DELETE_DOCUMENT);
    struct ordo_api_request forget = parse_good(ORDO_API_DELETE, "/c/d", "forget=true&lineage=17", ORDO_API_FORGET);
    assert_int_equal(forget.lineage, 17);
}

static void the_form_is_chosen_by_argument_or_by_accept(void **state) {
    (void)state;
    struct ordo_api_input input = {.path = ordo_slice_of("/c/d"), .accept = ordo_slice_of("application/json")};
    struct ordo_api_request request;
    struct ordo_api_fault fault;
    assert_true(ordo_api_request_parse(&input, &request, &fault));
    assert_true(request.wants_json);
    input.args[0] = ordo_slice_of("format=text");
    input.arg_count = 1;
    assert_true(ordo_api_request_parse(&input, &request, &fault));
    assert_false(request.wants_json);
}

static void keys_have_a_limit(void **state) {
    (void)state;
    char key[ORDO_API_KEY_SIZE_MAX + 1];
    memset(key, 'k', sizeof key);
    for (size_t size = sizeof key - 2; size <= sizeof key; size++) {
        struct ordo_api_input input = {
            .method = ORDO_API_DELETE, .path = ordo_slice_of("/c/d"), .key = ordo_slice(key, size)};
        struct ordo_api_request request;
        struct ordo_api_fault fault;
        assert_int_equal(ordo_api_request_parse(&input, &request, &fault), size <= ORDO_API_KEY_SIZE_MAX);
    }
}

static void an_etag_is_found_in_a_list(void **state) {
    (void)state;
    struct ordo_slice etag = ordo_slice_of("\"5.7\"");
    assert_true(ordo_api_knows(ordo_slice_of("\"1.1\", W/\"5.7\""), etag));
    assert_true(ordo_api_knows(ordo_slice_of("*"), etag));
    assert_false(ordo_api_knows(ordo_slice_of("\"5.77\""), etag));
    assert_false(ordo_api_knows(ordo_slice_of("\"15.7\""), etag));
    assert_false(ordo_api_knows(ordo_slice(NULL, 0), etag));
}

/* ---- bodies */

static void a_text_becomes_the_op_that_inserts_it(void **state) {
    (void)state;
    struct ordo_buffer op = {0};
    struct ordo_api_fault fault;
    uint64_t length;
    assert_true(ordo_api_body_text(ordo_slice_of("a\xc3\xa9\xf0\x9f\x98\x80"), &op, &fault));
    assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&op), 0, &length), ORDO_OP_VALID);
    assert_int_equal(length, 3);
    ordo_buffer_clear(&op);
    assert_true(ordo_api_body_text(ordo_slice(NULL, 0), &op, &fault));
    assert_int_equal(op.size, 0);
    assert_false(ordo_api_body_text(ordo_slice_of("\xff"), &op, &fault));
    assert_false(ordo_api_body_text(ordo_slice("a\0b", 3), &op, &fault));
    ordo_buffer_finish(&op);
}

static bool reads(const char *json, struct ordo_api_op *op) {
    struct ordo_api_fault fault;
    return ordo_api_body_op(ordo_slice_of(json), op, &fault);
}

static void an_op_is_read_from_json(void **state) {
    (void)state;
    struct ordo_api_op op;
    uint64_t length;
    assert_true(reads(" {\"op\": [5, \"a\\u00e9\", {\"d\": 2}], \"base_seq\": 12}\n", &op));
    assert_int_equal(op.base_seq, 12);
    assert_false(op.has_op_id);
    assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&op.op), 7, &length), ORDO_OP_VALID);
    assert_int_equal(length, 7);
    ordo_buffer_finish(&op.op);
    assert_true(reads("{\"base_seq\":0,\"op\":[\"a\",\"b\",3],\"client_seq\":7,"
                      "\"client_id\":\"000102030405060708090a0b0c0d0e0f\"}", &op));
    assert_true(op.has_op_id);
    assert_int_equal(op.client_seq, 7);
    assert_int_equal(op.client_id[15], 15);
    assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&op.op), 3, &length), ORDO_OP_VALID);
    ordo_buffer_finish(&op.op);
}

static void a_wrong_op_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "", "{}", "[]", "{\"op\":[]}", "{\"base_seq\":1}", "{\"base_seq\":1,\"op\":[0]}", "{\"base_seq\":1,\"op\":[\"\"]}",
        "{\"base_seq\":1,\"op\":[{\"d\":0}]}", "{\"base_seq\":1,\"op\":[{\"x\":1}]}", "{\"base_seq\":1,\"op\":[{\"d\":1,\"d\":1}]}",
        "{\"base_seq\":1,\"op\":[-1]}", "{\"base_seq\":1,\"op\":[1.5]}", "{\"base_seq\":1,\"op\":[2147483648]}",
        "{\"base_seq\":1,\"op\":[\"a\"}", "{\"base_seq\":1,\"op\":[[1]]}", "{\"base_seq\":1,\"op\":[\"\\u0000\"]}",
        "{\"base_seq\":1,\"op\":[\"\\ud800\"]}", "{\"base_seq\":1,\"op\":[\"\xff\"]}", "{\"base_seq\":1,\"base_seq\":1,\"op\":[]}",
        "{\"base_seq\":1,\"op\":[],\"x\":1}", "{\"base_seq\":1,\"op\":[]} x", "{\"base_seq\":1,\"op\":[],\"client_seq\":1}",
        "{\"base_seq\":1,\"op\":[],\"client_seq\":1,\"client_id\":\"00\"}", "{\"base_seq\":9007199254740992,\"op\":[]}",
        "{\"base_seq\":1,\"op\":[],\"client_seq\":0,\"client_id\":\"000102030405060708090a0b0c0d0e0f\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ordo_api_op op;
        if (reads(wrong[i], &op)) fail_msg("was taken: %s", wrong[i]);
        ordo_buffer_finish(&op.op);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_or_the_arguments_name_a_document),
        cmocka_unit_test(a_document_may_be_called_ops),
        cmocka_unit_test(an_escaped_slash_is_never_taken_for_another_document),
        cmocka_unit_test(a_blank_in_a_path_may_have_been_a_plus),
        cmocka_unit_test(wrong_paths_and_names_are_refused),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(forgetting_is_told_from_deleting),
        cmocka_unit_test(the_form_is_chosen_by_argument_or_by_accept),
        cmocka_unit_test(keys_have_a_limit),
        cmocka_unit_test(an_etag_is_found_in_a_list),
        cmocka_unit_test(a_text_becomes_the_op_that_inserts_it),
        cmocka_unit_test(an_op_is_read_from_json),
        cmocka_unit_test(a_wrong_op_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
