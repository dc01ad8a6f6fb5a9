/* tests/ot/ot_tool.c: our text type as a filter, for comparison with another implementation.
 *
 * Reads one JSON object per line and answers each with one line:
 *   { "text": string, "op": op, "other": op, "next": op }: `other` stands beside `op`, `next` comes after it;
 *   { "applied": string, "left": op, "right": op, "composed": op, "live": op, "live_other": op }: `left` and
 *   `right` are `op` rebased over `other` with that side; `live` and `live_other` are the same pair through the
 *   indexed form, `op` on the right.
 * Ops are arrays as `ot-text-unicode` has them; an insert with tie hints is { "i": string, "hints": follows + 2 *
 * precedes }, and the indexed form decides ties by them, where they say nothing for `other`. */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/ot/text.h"
#include "tests/ot/support.h"

static void give(json_t *answer, const char *name, struct ordo_buffer *op) {
    json_object_set_new(answer, name, ot_op_to_json(ordo_buffer_slice(op)));
    ordo_buffer_clear(op);
}

static json_t *answer_to(const json_t *question) {
    struct ordo_buffer op = {0}, other = {0}, next = {0}, out = {0};
    ot_op_from_json(json_object_get(question, "op"), &op);
    ot_op_from_json(json_object_get(question, "other"), &other);
    ot_op_from_json(json_object_get(question, "next"), &next);
    struct ordo_slice ours = ordo_buffer_slice(&op), theirs = ordo_buffer_slice(&other);
    const json_t *text = json_object_get(question, "text");
    json_t *answer = json_object();

    struct ordo_content *content = ordo_text_content_create();
    struct ordo_slice before = ordo_slice(json_string_value(text), json_string_length(text));
    ORDO_ASSERT(ordo_text_content_append(content, before) == ORDO_OK);
    uint64_t length = ordo_text_content_length(content), after;
    ORDO_ASSERT(ordo_type_text.validate(ours, length, &after) == ORDO_OP_VALID);
    ORDO_ASSERT(ordo_type_text.validate(theirs, length, &length) == ORDO_OP_VALID);
    ORDO_ASSERT(ordo_type_text.validate(ordo_buffer_slice(&next), after, &after) == ORDO_OP_VALID);
    ORDO_ASSERT(ordo_text_content_apply(content, ours) == ORDO_OK);
    ordo_text_content_write(content, &out);
    json_object_set_new(answer, "applied",
                        out.size > 0 ? json_stringn((const char *)out.data, out.size) : json_string(""));
    ordo_buffer_clear(&out);
    ordo_text_content_destroy(content);

    ordo_text_transform_side(ours, theirs, ORDO_TEXT_LEFT, &out);
    give(answer, "left", &out);
    ordo_text_transform_side(ours, theirs, ORDO_TEXT_RIGHT, &out);
    give(answer, "right", &out);
    ordo_text_compose(ours, ordo_buffer_slice(&next), &out);
    give(answer, "composed", &out);

    struct ordo_live_op *live = ordo_text_live_create();
    struct ordo_buffer rebased = {0};
    ordo_text_live_set_flat_max(live, 0);
    ordo_text_live_load(live, ours, ordo_slice("z", 1));
    ordo_text_live_rebase(live, theirs, ordo_slice("a", 1), &rebased);
    ordo_text_live_encode(live, &out);
    give(answer, "live", &out);
    give(answer, "live_other", &rebased);
    ordo_text_live_destroy(live);

    struct ordo_buffer *all[] = {&op, &other, &next, &out, &rebased};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    return answer;
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        json_error_t error;
        json_t *question = json_loadb(line, (size_t)size, 0, &error);
        if (question == NULL) {
            fprintf(stderr, "ot_tool: not JSON: %s\n", error.text);
            return EXIT_FAILURE;
        }
        json_t *answer = answer_to(question);
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(answer);
        json_decref(question);
    }
    free(line);
    return EXIT_SUCCESS;
}
