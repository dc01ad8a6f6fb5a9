/* The public vectors of `ot-text-unicode`: a slice of them ships in tests/vectors, all of them run where the recorded
 * traces are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/ot/text.h"
#include "tests/ot/support.h"

static struct ordo_slice string_member(const json_t *line, const char *name) {
    const json_t *value = json_object_get(line, name);
    assert_true(json_is_string(value));
    return ordo_slice(json_string_value(value), json_string_length(value));
}

static struct ordo_buffer op_member(const json_t *line, const char *name) {
    struct ordo_buffer op = {0};
    assert_true(json_is_array(json_object_get(line, name)));
    ot_op_from_json(json_object_get(line, name), &op);
    return op;
}

static void assert_slices_equal(struct ordo_slice got, struct ordo_slice expected) {
    assert_int_equal(got.size, expected.size);
    if (got.size > 0) assert_memory_equal(got.data, expected.data, got.size);
}

static void check_apply(const json_t *line) {
    struct ordo_buffer op = op_member(line, "op"), text = {0};
    struct ordo_content *content = ordo_text_content_create();
    assert_int_equal(ordo_text_content_append(content, string_member(line, "str")), ORDO_OK);
    uint64_t length;
    assert_int_equal(
        ordo_type_text.validate(ordo_buffer_slice(&op), ordo_text_content_length(content), &length), ORDO_OP_VALID);

    assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(&op)), ORDO_OK);

    ordo_text_content_write(content, &text);
    assert_slices_equal(ordo_buffer_slice(&text), string_member(line, "result"));
    assert_int_equal(ordo_text_content_length(content), length);
    ordo_text_content_destroy(content);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&text);
}

static void check_compose(const json_t *line) {
    struct ordo_buffer first = op_member(line, "op1"), second = op_member(line, "op2");
    struct ordo_buffer expected = op_member(line, "result"), got = {0};

    ordo_text_compose(ordo_buffer_slice(&first), ordo_buffer_slice(&second), &got);

    assert_slices_equal(ordo_buffer_slice(&got), ordo_buffer_slice(&expected));
    ordo_buffer_finish(&first);
    ordo_buffer_finish(&second);
    ordo_buffer_finish(&expected);
    ordo_buffer_finish(&got);
}

static void check_transform(const json_t *line) {
    struct ordo_buffer op = op_member(line, "op"), other = op_member(line, "otherOp");
    struct ordo_buffer expected = op_member(line, "result"), got = {0};
    bool is_left = ordo_slice_equal(string_member(line, "side"), ordo_slice_of("left"));

    ordo_text_transform_side(ordo_buffer_slice(&op), ordo_buffer_slice(&other),
                             is_left ? ORDO_TEXT_LEFT : ORDO_TEXT_RIGHT, &got);

    assert_slices_equal(ordo_buffer_slice(&got), ordo_buffer_slice(&expected));
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&other);
    ordo_buffer_finish(&expected);
    ordo_buffer_finish(&got);
}

/* Checks every line (a JSON object) of a file and returns their number. */
static size_t check_file(const char *folder, const char *name, void (*check)(const json_t *line)) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct ordo_buffer bytes = ot_read_file(path);
    size_t count = 0;
    for (const uint8_t *at = bytes.data, *end = bytes.data + bytes.size; at < end; count++) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL) line_end = end;
        json_error_t error;
        json_t *line = json_loadb((const char *)at, (size_t)(line_end - at), 0, &error);
        assert_non_null(line);
        check(line);
        json_decref(line);
        at = line_end + 1;
    }
    ordo_buffer_finish(&bytes);
    return count;
}

static void shipped_vectors_give_their_results(void **state) {
    (void)state;
    const char *folder = ORDO_TESTS_FOLDER "/vectors";
    assert_int_equal(check_file(folder, "text-unicode-apply.jsonl", check_apply), 100);
    assert_int_equal(check_file(folder, "text-unicode-compose.jsonl", check_compose), 100);
    assert_int_equal(check_file(folder, "text-unicode-transform.jsonl", check_transform), 100);
}

static void all_public_vectors_give_their_results(void **state) {
    (void)state;
    const char *traces = ot_traces_folder();
    if (traces == NULL) {
        print_message("no folder of traces (set ORDO_TRACES): the full set of vectors is skipped\n");
        skip();
    }
    assert_int_equal(check_file(traces, "ot-vectors/text-unicode-apply.jsonl.gz", check_apply), 4316);
    assert_int_equal(check_file(traces, "ot-vectors/text-unicode-compose.jsonl.gz", check_compose), 1415);
    assert_int_equal(check_file(traces, "ot-vectors/text-unicode-transform.jsonl.gz", check_transform), 4508);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_vectors_give_their_results),
        cmocka_unit_test(all_public_vectors_give_their_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
