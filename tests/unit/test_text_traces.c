/* What people really typed: every patch is checked, applied, and the end is the recorded text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/ot/text.h"
#include "tests/ot/support.h"

/* Applies each patch as an op; composes every 100 of them to one op as well, which must do the same. */
static size_t replay(const char *path) {
    struct ot_trace trace = ot_trace_load(path);
    struct ordo_content *content = ordo_text_content_create(), *composed = ordo_text_content_create();
    struct ordo_live_op *live = ordo_text_live_create();
    struct ordo_buffer op = {0}, text = {0};
    uint64_t length = 0;
    ordo_text_live_load(live, ordo_slice(NULL, 0), ordo_slice_of("me"));
    for (size_t i = 0; i < trace.count; i++) {
        struct ot_patch *patch = &trace.patches[i];
        ordo_buffer_clear(&op);
        ordo_text_splice(patch->position, patch->deleted, patch->inserted, (struct ordo_text_hints){0}, &op);
        assert_int_equal(ordo_type_text.validate(ordo_buffer_slice(&op), length, &length), ORDO_OP_VALID);
        assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(&op)), ORDO_OK);
        assert_int_equal(ordo_text_content_length(content), length);
        ordo_text_live_compose(live, ordo_buffer_slice(&op));
        if (i % 100 == 99 || i == trace.count - 1) {
            ordo_buffer_clear(&op);
            ordo_text_live_encode(live, &op);
            assert_int_equal(ordo_text_content_apply(composed, ordo_buffer_slice(&op)), ORDO_OK);
            assert_int_equal(ordo_text_content_length(composed), length);
            ordo_text_live_load(live, ordo_slice(NULL, 0), ordo_slice_of("me"));
        }
    }
    ordo_text_content_write(content, &text);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&text), trace.end_content));
    ordo_buffer_clear(&text);
    ordo_text_content_write(composed, &text);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&text), trace.end_content));
    size_t count = trace.count;
    ordo_text_live_destroy(live);
    ordo_text_content_destroy(content);
    ordo_text_content_destroy(composed);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&text);
    ot_trace_finish(&trace);
    return count;
}

static void the_shipped_slice_ends_in_its_text(void **state) {
    (void)state;
    assert_int_equal(replay(ORDO_TESTS_FOLDER "/vectors/trace-slice.json.gz"), 2574);
}

static void all_nine_traces_end_in_their_text(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t patches;
    } traces[] = {
        {"automerge-paper", 259778},   {"rustcode", 40173},         {"sveltecomponent", 19749},
        {"seph-blog1", 137993},        {"egwalker", 517599},        {"json-crdt-blog-post", 21447},
        {"json-crdt-patch", 18723},    {"friendsforever_flat", 26078}, {"clownschool_flat", 23182},
    };
    const char *folder = ot_traces_folder();
    if (folder == NULL) {
        print_message("no folder of traces (set ORDO_TRACES): only the shipped slice is replayed\n");
        skip();
    }
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/sequential/%s.json.gz", folder, traces[i].name);
        assert_int_equal(replay(path), traces[i].patches);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_slice_ends_in_its_text),
        cmocka_unit_test(all_nine_traces_end_in_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
