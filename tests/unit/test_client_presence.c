/* Cursors, and documents without content. */
#include "tests/unit/client_fixture.h"

/* --- presence --------------------------------------------------------------------------------------------------- */

static void presence_is_sent_as_positions_of_the_confirmed_content(void **state) {
    struct fixture *f = *state;
    open_with(f, "0123", 4);
    type(f, 0, "AB");
    flush(f);
    type(f, 6, "CD");
    struct ordo_client_range range = {.anchor = 4, .head = 8}; /* behind "1", and at the end */
    assert_int_equal(ordo_client_doc_set_presence(f->doc, ordo_slice_of("me"), &range, 1), ORDO_OK);
    flush(f);
    assert_int_equal(f->sent.presence_count, 1);
    assert_int_equal(f->sent.presence_base, 4);
    assert_int_equal(f->sent.presence_anchor, 2);
    assert_int_equal(f->sent.presence_head, 4);
    reconnect(f);
    say_opened(f, (struct answer){.head = 4});
    flush(f);
    assert_int_equal(f->sent.presence_count, 2);
    ordo_client_doc_clear_presence(f->doc);
    flush(f);
    assert_true(f->sent.presence_clear);
}

static void say_presence(struct fixture *f, uint64_t base_seq, uint64_t at) {
    ordo_client_doc_presence(f->doc, &(struct ordo_wire_presence){.client_id = ordo_slice(other_id, 16),
                                                                  .base_seq = base_seq,
                                                                  .ranges = {{.anchor = at, .head = at}},
                                                                  .range_count = 1});
}

static void presence_is_brought_up_to_what_is_shown(void **state) {
    struct fixture *f = *state;
    open_with(f, "0123", 4);
    type(f, 0, "AB");
    say_presence(f, 4, 1);
    assert_int_equal(f->presence_range.anchor, 3);
    /* Made before an op that is here already: an insert right at it moves it only if it is its own. */
    say_committed(f, (struct placed){other_id, 5, 1, 4, .at = 1, .text = "xx"});
    say_presence(f, 4, 1);
    assert_int_equal(f->presence_range.anchor, 5);
    /* Made after an op that is still to come: held back until then. */
    say_presence(f, 6, 3);
    assert_int_equal(f->presence_count, 2);
    say_committed(f, (struct placed){other_id, 6, 2, 5, .at = 0, .text = "y"});
    assert_int_equal(f->presence_count, 3);
    assert_int_equal(f->presence_range.anchor, 5);
}

/* --- light ------------------------------------------------------------------------------------------------------ */

static void a_light_document_counts_and_edits_without_content(void **state) {
    struct fixture *f = *state;
    f->options.light = true;
    ordo_client_doc_destroy(f->doc);
    struct ordo_client_id id;
    memcpy(id.bytes, own_id, 16);
    f->doc = ordo_client_doc_create(&f->options, id);
    open_with(f, "0123", 1);
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 2, .text = "xy"});
    assert_int_equal(ordo_client_doc_length(f->doc), 6);
    type(f, 6, "!");
    assert_int_equal(flush(f), 1);
    say_ack(f, 1, 3, false);
    assert_int_equal(ordo_client_doc_length(f->doc), 7);
    assert_int_equal(f->committed_count, 2);
    type(f, 0, "?");
    flush(f);
    reconnect(f);
    say_opened(f, (struct answer){.head = 90, .horizon = 80, .content = "whatever", .content_seq = 90});
    assert_int_equal(f->reason, ORDO_CLIENT_UNMERGEABLE);
    assert_int_equal(ordo_client_doc_length(f->doc), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(presence_is_sent_as_positions_of_the_confirmed_content),
        TEST(presence_is_brought_up_to_what_is_shown),
        TEST(a_light_document_counts_and_edits_without_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
