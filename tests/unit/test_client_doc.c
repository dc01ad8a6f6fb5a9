/* One document, message by message: each trap of the protocol's "Settling" and "Frozen ops" by name. */
#include "tests/unit/client_fixture.h"

/* --- the ordinary way ------------------------------------------------------------------------------------------- */

static void an_edit_is_sent_and_promoted_by_its_ack(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 3);
    assert_int_equal(f->status, ORDO_CLIENT_SYNCED);
    type(f, 1, "x");
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 1);
    assert_int_equal(f->sent.base_seq, 3);
    assert_int_equal(f->status, ORDO_CLIENT_SAVING);
    assert_text(f, "ab", "axb");
    say_ack(f, 1, 4, false);
    assert_text(f, "axb", "axb");
    assert_int_equal(ordo_client_doc_seq(f->doc), 4);
    assert_int_equal(f->acked_server_seq, 4);
    assert_int_equal(f->status, ORDO_CLIENT_SYNCED);
    assert_int_equal(f->changed_count, 0);
}

static void edits_while_one_is_in_flight_are_composed_and_wait(void **state) {
    struct fixture *f = *state;
    open_with(f, "", 1);
    type(f, 0, "a");
    assert_int_equal(flush(f), 1);
    type(f, 1, "b");
    type(f, 2, "c");
    assert_int_equal(flush(f), 0);
    say_ack(f, 1, 2, false);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_int_equal(f->sent.base_seq, 2);
    assert_text(f, "a", "abc");
}

static void an_op_of_others_goes_through_in_flight_and_pending(void **state) {
    struct fixture *f = *state;
    open_with(f, "0123", 1);
    type(f, 0, "A");
    flush(f);
    type(f, 5, "B");
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 2, .text = "xy"});
    assert_text(f, "01xy23", "A01xy23B");
    struct ordo_buffer expected = op_bytes(3, 0, "xy");
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->changed), ordo_buffer_slice(&expected)));
    ordo_buffer_finish(&expected);
    say_ack(f, 1, 3, false);
    assert_text(f, "A01xy23", "A01xy23B");
}

static void an_edit_typed_and_taken_back_is_never_sent(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 1, "x");
    assert_int_equal(ordo_client_doc_splice(f->doc, 1, 1, ordo_slice(NULL, 0)), ORDO_OK);
    assert_int_equal(flush(f), 0);
    assert_true(ordo_client_doc_is_settled(f->doc));
}

static void an_edit_that_does_not_fit_is_refused_here(void **state) {
    struct fixture *f = *state;
    assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice_of("x")), ORDO_ERR_UNAVAILABLE);
    open_with(f, "ab", 1);
    assert_int_equal(ordo_client_doc_splice(f->doc, 3, 0, ordo_slice_of("x")), ORDO_ERR_INVALID);
    assert_int_equal(ordo_client_doc_splice(f->doc, 1, 2, ordo_slice_of("")), ORDO_ERR_INVALID);
    assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice("\xFF", 1)), ORDO_ERR_INVALID);
    assert_int_equal(ordo_client_doc_edit(f->doc, ordo_slice_of("\x0a\x01\x13")), ORDO_ERR_INVALID);
    assert_text(f, "ab", "ab");
}

static void a_nul_that_is_typed_becomes_the_replacement_character(void **state) {
    struct fixture *f = *state;
    open_with(f, "", 1);
    assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice("a\0b", 3)), ORDO_OK);
    assert_text(f, "", "a\xEF\xBF\xBD" "b");
}

static void a_pending_op_beyond_the_limit_goes_as_several(void **state) {
    struct fixture *f = *state;
    open_with(f, "", 1);
    char text[2001];
    for (int i = 0; i < 2000; i++) text[i] = (char)('a' + i % 26);
    text[2000] = '\0';
    type(f, 0, text);
    uint64_t seq = 1;
    struct ordo_buffer frame = {0};
    while (!ordo_client_doc_is_settled(f->doc)) {
        ordo_buffer_clear(&frame);
        ordo_client_doc_flush(f->doc, HANDLE, 300, true, f->now_ms, &frame);
        read_sent(&f->sent, ordo_buffer_slice(&frame));
        assert_in_range(f->sent.op.size, 1, 300);
        assert_int_equal(f->sent.base_seq, seq);
        say_ack(f, f->sent.client_seq, ++seq, false);
    }
    ordo_buffer_finish(&frame);
    assert_true(f->sent.submit_count > 6);
    assert_text(f, text, text);
}

/* --- settling --------------------------------------------------------------------------------------------------- */

static void after_a_reconnect_the_op_is_sent_again_byte_for_byte(void **state) {
    struct fixture *f = *state;
    open_with(f, "0123", 1);
    type(f, 4, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 0, .text = "zz"});
    reconnect(f);
    assert_true(f->sent.has_have && !f->sent.clean);
    assert_int_equal(f->sent.have_seq, 2);
    assert_int_equal(f->sent.have_lineage, LINEAGE);
    say_opened(f, (struct answer){.head = 2});
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    ordo_buffer_finish(&first);
    assert_text(f, "zz0123", "zz0123x");
}

static void an_op_found_in_opened_ops_is_settled(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    reconnect(f);
    const struct placed ops[] = {{other_id, 2, 1, 1, .at = 0, .text = "z"}, {own_id, 3, 1, 1, .at = 3, .text = "x"}};
    say_opened(f, (struct answer){.head = 3, .ops = ops, .op_count = 2,
                                  .last_client_seq = 1, .last_client_server_seq = 3});
    assert_text(f, "zabx", "zabx");
    assert_int_equal(f->acked_server_seq, 3);
    assert_int_equal(flush(f), 0);
    assert_int_equal(f->given_back_count, 0);
}

static void an_unasked_opened_while_an_op_is_in_flight_leads_to_a_resend(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    /* What the client has already comes once more. */
    const struct placed ops[] = {{other_id, 1, 9, 0, .at = 0, .text = "ab"},
                                 {other_id, 2, 1, 1, .at = 0, .text = "z"}};
    say_opened(f, (struct answer){.head = 2, .ops = ops, .op_count = 2});
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    ordo_buffer_finish(&first);
    /* The first copy was committed after all: its ack has its place, the second copy's answer none. */
    say_ack(f, 1, 3, false);
    say_ack(f, 1, 3, true);
    assert_int_equal(ordo_client_doc_seq(f->doc), 3);
    assert_int_equal(f->acked_count, 1);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_NOTHING);
    assert_text(f, "zabx", "zabx");
}

static void a_duplicate_ack_that_overtakes_its_original_moves_no_seq(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    say_ack(f, 1, 3, true);
    assert_int_equal(ordo_client_doc_seq(f->doc), 1);
    assert_int_equal(f->acked_count, 0);
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 0, .text = "z"});
    say_ack(f, 1, 3, false);
    assert_int_equal(ordo_client_doc_seq(f->doc), 3);
    assert_int_equal(f->acked_server_seq, 3);
    assert_text(f, "zabx", "zabx");
}

static void a_duplicate_ack_from_the_past_reopens(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 2, "x");
    flush(f);
    say_ack(f, 1, 4, true);
    assert_int_equal(ordo_client_doc_seq(f->doc), 5);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
}

static void answers_to_other_client_seqs_are_ignored(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    say_ack(f, 9, 2, false);
    say_ack(f, 0, 2, true);
    say_nack(f, 9, ORDO_NACK_INVALID_OP, 0);
    assert_int_equal(ordo_client_doc_seq(f->doc), 1);
    assert_int_equal(f->given_back_count, 0);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_NOTHING);
}

static void a_committed_with_the_own_op_id_settles_and_its_body_wins(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    type(f, 3, "y");
    say_committed(f, (struct placed){own_id, 2, 1, 1, .at = 0, .text = "X"});
    assert_text(f, "Xab", "Xaby");
    assert_int_equal(f->acked_server_seq, 2);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.base_seq, 2);
}

static void an_op_of_the_own_client_id_that_is_not_in_flight_is_like_anybodys(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    say_committed(f, (struct placed){own_id, 2, 44, 1, .at = 0, .text = "X"});
    assert_text(f, "Xab", "Xab");
    assert_int_equal(f->changed_count, 1);
}

static void a_gap_in_the_order_reopens(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    say_committed(f, (struct placed){other_id, 3, 1, 1, .at = 0, .text = "X"});
    assert_text(f, "ab", "ab");
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
}

static void reopening_without_progress_ends_in_a_new_connection(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    for (int i = 0; i < 3; i++) {
        say_committed(f, (struct placed){other_id, 3, 1, 1, .at = 0, .text = "X"});
        assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
        send_open(f);
        say_opened(f, (struct answer){.head = 1});
    }
    say_committed(f, (struct placed){other_id, 3, 1, 1, .at = 0, .text = "X"});
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_RECONNECT);
}

static void the_next_client_seq_is_above_what_the_server_knows(void **state) {
    struct fixture *f = *state;
    send_open(f);
    say_opened(f, (struct answer){.head = 4, .content = "ab", .content_seq = 4, .last_client_seq = 41,
                                  .last_client_server_seq = 2});
    type(f, 0, "x");
    flush(f);
    assert_int_equal(f->sent.client_seq, 42);
}

/* --- nacks ------------------------------------------------------------------------------------------------------ */

static void unavailable_and_rate_limited_ops_go_again_unchanged_after_the_delay(void **state) {
    struct fixture *f = *state;
    static const enum ordo_wire_nack_code codes[] = {ORDO_NACK_UNAVAILABLE, ORDO_NACK_RATE_LIMITED};
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    for (size_t i = 0; i < 2; i++) {
        say_nack(f, 1, codes[i], 70);
        assert_int_equal(flush(f), 0);
        assert_int_equal(ordo_client_doc_timer_ms(f->doc), f->now_ms + 70);
        f->now_ms += 70;
        assert_int_equal(flush(f), 1);
        assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    }
    ordo_buffer_finish(&first);
}

static void unavailable_for_an_op_that_was_committed_is_settled_by_the_resend(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    say_nack(f, 1, ORDO_NACK_UNAVAILABLE, 10);
    const struct placed ops[] = {{own_id, 2, 1, 1, .at = 2, .text = "x"}};
    say_opened(f, (struct answer){.head = 2, .ops = ops, .op_count = 1,
                                  .last_client_seq = 1, .last_client_server_seq = 2});
    assert_int_equal(f->acked_server_seq, 2);
    f->now_ms += 100;
    assert_int_equal(flush(f), 0);
    assert_text(f, "abx", "abx");
}

static void refused_ops_are_given_back_and_the_client_goes_on(void **state) {
    static const enum ordo_wire_nack_code codes[] = {ORDO_NACK_UNKNOWN, ORDO_NACK_INVALID_OP, ORDO_NACK_FORBIDDEN,
                                                     ORDO_NACK_TOO_LARGE, ORDO_NACK_EXISTS, ORDO_NACK_CONFLICT,
                                                     (enum ordo_wire_nack_code)99};
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    for (uint64_t i = 0; i < 7; i++) {
        type(f, 2, "x");
        assert_int_equal(flush(f), 1);
        type(f, 0, "y");
        say_nack(f, i + 1, codes[i], 0);
        assert_text(f, "ab", "ab");
        assert_int_equal(f->given_back_count, i + 1);
        assert_int_equal(f->reason, ORDO_CLIENT_REFUSED);
        assert_int_equal(f->reason_code, codes[i]);
        assert_true(ordo_slice_equal(ordo_buffer_slice(&f->inserted), ordo_slice_of("yx")));
        assert_true(ordo_slice_equal(ordo_buffer_slice(&f->given_content), ordo_slice_of("yabx")));
        assert_int_equal(f->changed_count, i + 1); /* the editor is told to take it out */
        assert_int_equal(f->status, ORDO_CLIENT_SYNCED);
    }
}

static void a_stale_op_is_made_anew_after_reopening(void **state) {
    static const enum ordo_wire_nack_code codes[] = {ORDO_NACK_STALE_BASE, ORDO_NACK_FUTURE_BASE,
                                                     ORDO_NACK_PIPELINED};
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    for (uint64_t i = 0; i < 3; i++) {
        say_committed(f, (struct placed){other_id, 2 + i, i + 1, 1, .at = 0, .text = "z"});
        say_nack(f, i + 1, codes[i], 0);
        assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
        assert_int_equal(flush(f), 0);
        send_open(f);
        assert_false(f->sent.clean);
        say_opened(f, (struct answer){.head = 2 + i});
        assert_int_equal(flush(f), 1);
        assert_int_equal(f->sent.client_seq, i + 2);
        assert_int_equal(f->sent.base_seq, 2 + i);
    }
    assert_text(f, "zzzab", "zzzabx");
}

static void not_open_is_answered_by_reopening_and_the_same_op(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    say_nack(f, 1, ORDO_NACK_NOT_OPEN, 0);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
    send_open(f);
    say_opened(f, (struct answer){.head = 1});
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    ordo_buffer_finish(&first);
}

static void a_replayed_op_goes_anew_under_a_new_client_id(void **state) {
    static const enum ordo_wire_nack_code codes[] = {ORDO_NACK_REPLAYED, ORDO_NACK_CLIENT_ID_TAKEN};
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 2, "x");
    flush(f);
    type(f, 3, "y");
    for (uint64_t i = 0; i < 2; i++) {
        say_nack(f, f->sent.client_seq, codes[i], 0);
        assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_CLIENT_ID);
        assert_int_equal(flush(f), 0);
        assert_text(f, "ab", "abxy");
        ordo_client_doc_disconnected(f->doc);
        ordo_client_doc_set_client_id(f->doc, (struct ordo_client_id){.bytes = {'n', (uint8_t)i}});
        send_open(f);
        say_opened(f, (struct answer){.head = 1});
        assert_int_equal(flush(f), 1);
        assert_int_equal(f->sent.base_seq, 1);
    }
    struct ordo_buffer expected = {0};
    ordo_text_splice(2, 0, ordo_slice_of("xy"), (struct ordo_text_hints){0}, &expected);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->sent.op), ordo_buffer_slice(&expected)));
    ordo_buffer_finish(&expected);
    assert_int_equal(f->given_back_count, 0);
}

static void another_instance_under_the_own_client_id_does_not_swallow_the_edit(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 2);
    type(f, 2, "x");
    flush(f);
    /* The other one used client_seq 1 first, against another base. */
    say_committed(f, (struct placed){own_id, 3, 1, 1, .at = 0, .text = "Z"});
    assert_text(f, "Zab", "Zabx");
    assert_int_equal(f->acked_count, 0);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_CLIENT_ID);
}

/* --- growth and damage ------------------------------------------------------------------------------------------ */

static void an_unknown_op_makes_the_document_read_only_with_an_error(void **state) {
    static const uint32_t fields[] = {ORDO_WIRE_OP_UNSET, 23};
    for (size_t i = 0; i < 2; i++) {
        struct fixture *f;
        if (i > 0) teardown(state), setup(state);
        f = *state;
        open_with(f, "ab", 1);
        say_shape(f, 2, fields[i], ordo_slice_of("?"));
        assert_int_equal(f->status, ORDO_CLIENT_ERROR);
        assert_int_equal(ordo_client_doc_error_code(f->doc), 501);
        assert_int_equal(ordo_client_doc_seq(f->doc), 1);
        assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice_of("x")), ORDO_ERR_CLOSED);
        assert_text(f, "ab", "ab");
    }
}

static void an_op_that_does_not_fit_is_not_applied_by_half(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 3, .text = "x"});
    assert_int_equal(f->status, ORDO_CLIENT_ERROR);
    assert_text(f, "ab", "ab");
}

static void content_that_ends_inside_a_code_point_is_none(void **state) {
    struct fixture *f = *state;
    send_open(f);
    say_opened(f, (struct answer){.head = 3, .content = "ab\xC3", .content_seq = 3});
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_RECONNECT);
    assert_false(ordo_client_doc_is_open(f->doc));
    assert_text(f, "", "");
}

static void a_type_that_is_not_spoken_here_is_an_error(void **state) {
    struct fixture *f = *state;
    send_open(f);
    ordo_client_doc_opened(f->doc, &(struct ordo_wire_opened){.type = ordo_slice_of("sculpture"),
                                                              .content = {.is_present = true}});
    assert_int_equal(f->status, ORDO_CLIENT_ERROR);
    assert_int_equal(ordo_client_doc_error_code(f->doc), 415);
}

static void a_refused_open_is_an_error_but_for_the_ones_that_pass(void **state) {
    struct fixture *f = *state;
    send_open(f);
    ordo_client_doc_open_refused(f->doc, &(struct ordo_wire_error){.code = 503}, f->now_ms);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_NOTHING);
    f->now_ms = ordo_client_doc_timer_ms(f->doc);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_OPEN);
    send_open(f);
    ordo_client_doc_open_refused(f->doc, &(struct ordo_wire_error){.code = 404}, f->now_ms);
    assert_int_equal(f->status, ORDO_CLIENT_ERROR);
    assert_int_equal(ordo_client_doc_error_code(f->doc), 404);
}

static void losing_the_permission_makes_it_read_only_and_back(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    say_opened(f, (struct answer){.head = 1, .is_readonly = true});
    assert_int_equal(f->status, ORDO_CLIENT_READ_ONLY);
    assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice_of("x")), ORDO_ERR_CLOSED);
    say_opened(f, (struct answer){.head = 1});
    assert_int_equal(f->status, ORDO_CLIENT_SYNCED);
}

/* As many write as may at once: nothing new is typed, and what was typed before waits and is not given back. */
static void a_viewer_keeps_what_was_typed_until_there_is_a_place(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    assert_false(ordo_client_doc_is_viewer(f->doc));
    type(f, 2, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    type(f, 3, "y");
    say_nack(f, 1, ORDO_NACK_RATE_LIMITED, 5000);
    say_opened(f, (struct answer){.head = 1, .is_viewer = true});
    assert_true(ordo_client_doc_is_viewer(f->doc));
    assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice_of("z")), ORDO_ERR_CLOSED);
    assert_int_equal(flush(f), 1); /* as after every Opened */
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    say_nack(f, 1, ORDO_NACK_RATE_LIMITED, 5000);
    assert_int_equal(flush(f), 0);
    assert_int_equal(f->status, ORDO_CLIENT_SAVING);
    say_opened(f, (struct answer){.head = 1}); /* a place: no need to wait for the five seconds */
    assert_false(ordo_client_doc_is_viewer(f->doc));
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    say_ack(f, 1, 2, false);
    assert_int_equal(f->given_back_count, 0);
    assert_text(f, "abx", "abxy");
    ordo_buffer_finish(&first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_viewer_keeps_what_was_typed_until_there_is_a_place),
        TEST(an_edit_is_sent_and_promoted_by_its_ack),
        TEST(edits_while_one_is_in_flight_are_composed_and_wait),
        TEST(an_op_of_others_goes_through_in_flight_and_pending),
        TEST(an_edit_typed_and_taken_back_is_never_sent),
        TEST(an_edit_that_does_not_fit_is_refused_here),
        TEST(a_nul_that_is_typed_becomes_the_replacement_character),
        TEST(a_pending_op_beyond_the_limit_goes_as_several),
        TEST(after_a_reconnect_the_op_is_sent_again_byte_for_byte),
        TEST(an_op_found_in_opened_ops_is_settled),
        TEST(an_unasked_opened_while_an_op_is_in_flight_leads_to_a_resend),
        TEST(a_duplicate_ack_that_overtakes_its_original_moves_no_seq),
        TEST(a_duplicate_ack_from_the_past_reopens),
        TEST(answers_to_other_client_seqs_are_ignored),
        TEST(a_committed_with_the_own_op_id_settles_and_its_body_wins),
        TEST(an_op_of_the_own_client_id_that_is_not_in_flight_is_like_anybodys),
        TEST(a_gap_in_the_order_reopens),
        TEST(reopening_without_progress_ends_in_a_new_connection),
        TEST(the_next_client_seq_is_above_what_the_server_knows),
        TEST(unavailable_and_rate_limited_ops_go_again_unchanged_after_the_delay),
        TEST(unavailable_for_an_op_that_was_committed_is_settled_by_the_resend),
        TEST(refused_ops_are_given_back_and_the_client_goes_on),
        TEST(a_stale_op_is_made_anew_after_reopening),
        TEST(not_open_is_answered_by_reopening_and_the_same_op),
        TEST(a_replayed_op_goes_anew_under_a_new_client_id),
        TEST(another_instance_under_the_own_client_id_does_not_swallow_the_edit),
        TEST(an_unknown_op_makes_the_document_read_only_with_an_error),
        TEST(an_op_that_does_not_fit_is_not_applied_by_half),
        TEST(content_that_ends_inside_a_code_point_is_none),
        TEST(a_type_that_is_not_spoken_here_is_an_error),
        TEST(a_refused_open_is_an_error_but_for_the_ones_that_pass),
        TEST(losing_the_permission_makes_it_read_only_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
