/* Content where ops were expected, documents that go away or come anew, and the record that outlives a process. */
#include "tests/unit/client_fixture.h"

/* --- content where ops were expected ---------------------------------------------------------------------------- */

static void content_without_the_own_op_is_merged_and_the_op_made_anew(void **state) {
    struct fixture *f = *state;
    open_with(f, "one two", 1);
    type(f, 7, " three");
    flush(f);
    type(f, 13, "!");
    reconnect(f);
    say_opened(f, (struct answer){.head = 50, .horizon = 40, .content = "ONE one two", .content_seq = 50});
    assert_text(f, "ONE one two", "ONE one two three!");
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_int_equal(f->sent.base_seq, 50);
    assert_int_equal(f->given_back_count, 0);
}

static void content_with_the_own_op_settles_it_and_keeps_what_is_pending(void **state) {
    struct fixture *f = *state;
    open_with(f, "one two", 1);
    type(f, 7, " three");
    flush(f);
    type(f, 13, "!");
    reconnect(f);
    say_opened(f, (struct answer){.head = 50, .horizon = 40, .content = "ONE one two three", .content_seq = 50,
                                  .last_client_seq = 1, .last_client_server_seq = 20});
    assert_text(f, "ONE one two three", "ONE one two three!");
    assert_int_equal(f->acked_server_seq, 20);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_int_equal(f->given_back_count, 0);
}

static void content_in_parts_counts_only_when_it_is_whole(void **state) {
    struct fixture *f = *state;
    send_open(f);
    say_opened(f, (struct answer){.head = 3, .content = "he", .content_seq = 3, .more = true});
    assert_false(ordo_client_doc_is_open(f->doc));
    ordo_client_doc_disconnected(f->doc);
    send_open(f);
    assert_false(f->sent.has_have);
    say_opened(f, (struct answer){.head = 3, .content = "he", .content_seq = 2, .more = true});
    say_opened(f, (struct answer){.head = 3, .content = "llo", .content_seq = 2, .more = true});
    const struct placed ops[] = {{other_id, 3, 1, 2, .at = 5, .text = "!"}};
    say_opened(f, (struct answer){.head = 3, .ops = ops, .op_count = 1});
    assert_text(f, "hello!", "hello!");
    assert_int_equal(f->opened_count, 1);
}

static void an_own_op_between_the_content_and_the_head_is_settled_in_its_place(void **state) {
    struct fixture *f = *state;
    open_with(f, "one two", 1);
    type(f, 7, " three");
    flush(f);
    reconnect(f);
    const struct placed ops[] = {{own_id, 51, 1, 1, .at = 11, .text = " three"}};
    say_opened(f, (struct answer){.head = 51, .horizon = 50, .content = "ONE one two", .content_seq = 50,
                                  .ops = ops, .op_count = 1, .last_client_seq = 1, .last_client_server_seq = 51});
    assert_text(f, "ONE one two three", "ONE one two three");
    assert_int_equal(f->changed_count, 1); /* the others' part: our own is shown all the time */
    assert_int_equal(f->acked_server_seq, 51);
    assert_int_equal(flush(f), 0);
}

static void a_live_op_amid_the_parts_of_an_answer_reopens(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    say_opened(f, (struct answer){.head = 3, .horizon = 3, .content = "abc", .content_seq = 3, .more = true});
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 0, .text = "X"});
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
    assert_text(f, "ab", "ab");
}

static void an_unasked_content_while_the_op_may_still_commit_keeps_it_frozen(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    say_opened(f, (struct answer){.head = 6, .horizon = 5, .content = "Zab", .content_seq = 6});
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 5);
    ordo_buffer_finish(&first);
    /* The server's form of it may be another than ours, so an ack without a body is not enough. */
    say_ack(f, 1, 7, false);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
    send_open(f);
    assert_int_equal(f->sent.have_seq, 6);
    const struct placed ops[] = {{own_id, 7, 1, 5, .at = 2, .text = "x"}};
    say_opened(f, (struct answer){.head = 7, .ops = ops, .op_count = 1,
                                  .last_client_seq = 1, .last_client_server_seq = 7});
    assert_text(f, "Zaxb", "Zaxb");
}

static void another_lineage_gives_the_edits_back(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    reconnect(f);
    say_opened(f, (struct answer){.head = 2, .content = "new", .content_seq = 2, .lineage = 6});
    assert_text(f, "new", "new");
    assert_int_equal(f->given_back_count, 1);
    assert_int_equal(f->reason, ORDO_CLIENT_REPLACED);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->given_content), ordo_slice_of("axb")));
    assert_int_equal(flush(f), 0);
}

static void the_difference_goes_left_of_what_was_typed_whatever_its_hints(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    type(f, 2, "y"); /* follows */
    type(f, 1, "w"); /* precedes */
    reconnect(f);
    say_opened(f, (struct answer){.head = 9, .horizon = 9, .content = "aNEWb", .content_seq = 9});
    assert_text(f, "aNEWb", "aNEWwxyb");
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_int_equal(f->sent.base_seq, 9);
}

/* Somebody else speaks under our client_id: what is ours in that content cannot be told. */
static void content_with_later_ops_of_our_name_gives_the_edits_back(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    type(f, 2, "y");
    reconnect(f);
    say_opened(f, (struct answer){.head = 9, .horizon = 9, .content = "axyb", .content_seq = 9, .last_client_seq = 3,
                                  .last_client_server_seq = 8});
    assert_text(f, "axyb", "axyb");
    assert_int_equal(f->given_back_count, 1);
    assert_int_equal(f->reason, ORDO_CLIENT_FATE_UNKNOWN);
    assert_int_equal(flush(f), 0);
    type(f, 0, "z");
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 4);
}

/* --- an op of unknown fate -------------------------------------------------------------------------------------- */

static void come_back_forgotten(struct fixture *f, const char *content) {
    reconnect(f);
    say_opened(f, (struct answer){.head = 9, .horizon = 9, .content = content, .content_seq = 9, .forgotten_seq = 7});
}

static void an_op_of_a_forgotten_author_that_the_content_holds_is_not_sent_again(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    type(f, 3, "!");
    come_back_forgotten(f, "Zaxb");
    assert_text(f, "Zaxb", "Zaxb!");
    assert_int_equal(f->guessed_count, 1);
    assert_true(f->guessed_saved);
    assert_int_equal(f->guessed_client_seq, 1);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->inserted), ordo_slice_of("x")));
    assert_int_equal(f->acked_count, 0); /* a guess is no ack */
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    say_ack(f, 2, 10, false);
    assert_text(f, "Zaxb!", "Zaxb!");
    assert_int_equal(f->given_back_count, 0);
}

static void an_op_of_a_forgotten_author_that_the_content_lacks_is_made_anew(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    type(f, 3, "!");
    come_back_forgotten(f, "Zab");
    assert_text(f, "Zab", "Zaxb!");
    assert_int_equal(f->guessed_count, 1);
    assert_false(f->guessed_saved);
    assert_int_equal(f->guessed_client_seq, 1);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->inserted), ordo_slice_of("x")));
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_int_equal(f->sent.base_seq, 9);
    assert_int_equal(f->given_back_count, 0);
}

static void an_op_of_a_forgotten_author_among_the_ops_after_the_content_is_settled_there(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    reconnect(f);
    const struct placed ops[] = {{own_id, 9, 1, 5, .at = 2, .text = "x"}};
    say_opened(f, (struct answer){.head = 9, .horizon = 8, .content = "Zab", .content_seq = 8, .forgotten_seq = 9,
                                  .ops = ops, .op_count = 1});
    assert_text(f, "Zaxb", "Zaxb");
    assert_int_equal(f->guessed_count, 0);
    assert_int_equal(f->acked_server_seq, 9);
    assert_int_equal(flush(f), 0);
}

static void a_guess_that_was_cut_off_is_told_when_the_document_is_open(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    reconnect(f);
    const struct placed ops[] = {{other_id, 9, 1, 8, .at = 0, .text = "A"}};
    say_opened(f, (struct answer){.head = 10, .horizon = 8, .content = "Zab", .content_seq = 8, .forgotten_seq = 7,
                                  .ops = ops, .op_count = 1, .more = true});
    assert_int_equal(f->guessed_count, 0);
    reconnect(f);
    assert_int_equal(f->sent.have_seq, 9);
    say_opened(f, (struct answer){.head = 9, .horizon = 8, .forgotten_seq = 7});
    assert_int_equal(f->guessed_count, 1);
    assert_false(f->guessed_saved);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_text(f, "AZab", "AZaxb");
}

/* All ops since its base passed by, and it was not among them. */
static void an_op_of_a_forgotten_author_is_sent_again_if_the_log_shows_that_it_is_not_committed(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    struct ordo_buffer first = copy_of_sent(f);
    reconnect(f);
    const struct placed ops[] = {{other_id, 6, 1, 5, .at = 0, .text = "Z"}};
    say_opened(f, (struct answer){.head = 6, .horizon = 5, .forgotten_seq = 6, .ops = ops, .op_count = 1});
    assert_int_equal(f->guessed_count, 0);
    assert_int_equal(f->given_back_count, 0);
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 5);
    reconnect(f);
    say_opened(f, (struct answer){.head = 6, .horizon = 6, .forgotten_seq = 6});
    assert_int_equal(f->guessed_count, 0);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_int_equal(f->sent.base_seq, 6);
    ordo_buffer_finish(&first);
}

static void without_content_an_op_of_unknown_fate_is_given_back(void **state) {
    struct fixture *f = *state;
    f->options.light = true;
    struct ordo_client_id id = ordo_client_doc_client_id(f->doc);
    ordo_client_doc_destroy(f->doc);
    f->doc = ordo_client_doc_create(&f->options, id);
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    come_back_forgotten(f, "axb");
    assert_int_equal(f->guessed_count, 0);
    assert_int_equal(f->given_back_count, 1);
    assert_int_equal(f->reason, ORDO_CLIENT_FATE_UNKNOWN);
    assert_int_equal(flush(f), 0);
}

/* --- gone, or not the same any more ----------------------------------------------------------------------------- */

static void a_document_deleted_meanwhile_gives_all_edits_back_as_text(void **state) {
    struct fixture *f = *state;
    open_with(f, "one two", 5);
    type(f, 3, " and a half");
    flush(f);
    type(f, 18, "!");
    reconnect(f);
    say_opened(f, (struct answer){.head = 90, .horizon = 90, .content = "", .content_seq = 90, .deleted = true,
                                  .forgotten_seq = 80});
    assert_int_equal(f->given_back_count, 1);
    assert_int_equal(f->guessed_count, 0);
    assert_int_equal(f->reason, ORDO_CLIENT_GONE);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->inserted), ordo_slice_of(" and a half!")));
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->given_content), ordo_slice_of("one and a half two!")));
    assert_text(f, "", "");
    assert_int_equal(f->status, ORDO_CLIENT_READ_ONLY);
    assert_int_equal(flush(f), 0);
}

static void another_lineage_gives_back_even_what_may_be_in_it(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    type(f, 2, "y");
    reconnect(f);
    say_opened(f, (struct answer){.head = 9, .horizon = 9, .content = "axb", .content_seq = 9, .lineage = 6,
                                  .last_client_seq = 1, .last_client_server_seq = 7});
    assert_text(f, "axb", "axb");
    assert_int_equal(f->given_back_count, 1);
    assert_int_equal(f->reason, ORDO_CLIENT_REPLACED);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->given_content), ordo_slice_of("axyb")));
    assert_int_equal(flush(f), 0);
}

/* --- delete and create ------------------------------------------------------------------------------------------ */

static void a_delete_by_others_gives_edits_back_and_a_create_starts_anew(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 1, "x");
    flush(f);
    say_shape(f, 2, ORDO_WIRE_OP_DELETE, ordo_slice(NULL, 0));
    assert_int_equal(f->reason, ORDO_CLIENT_GONE);
    assert_true(ordo_client_doc_is_deleted(f->doc));
    assert_int_equal(f->status, ORDO_CLIENT_READ_ONLY);
    assert_int_equal(ordo_client_doc_splice(f->doc, 0, 0, ordo_slice_of("x")), ORDO_ERR_CLOSED);
    say_nack(f, 1, ORDO_NACK_DELETED, 0);
    assert_int_equal(f->given_back_count, 1);
    Ordo__V1__CreateDocument create = ORDO__V1__CREATE_DOCUMENT__INIT;
    struct ordo_buffer text = op_bytes(0, 0, "fresh"), op = {0};
    create.type = ordo_binary_of_slice(ordo_slice_of("text"));
    create.text = ordo_binary_of_slice(ordo_buffer_slice(&text));
    create.lineage = 9;
    ordo_message_encode(&create.base, &op);
    say_shape(f, 3, ORDO_WIRE_OP_CREATE, ordo_buffer_slice(&op));
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&op);
    assert_text(f, "fresh", "fresh");
    assert_int_equal(ordo_client_doc_lineage(f->doc), 9);
    type(f, 0, "y");
}

static void a_delete_of_ours_is_sent_and_promoted(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    type(f, 1, "x");
    flush(f);
    assert_int_equal(ordo_client_doc_delete(f->doc), ORDO_OK);
    assert_text(f, "ab", "");
    say_ack(f, 1, 2, false);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.op_field, ORDO__V1__SUBMIT__OP_DELETE);
    say_ack(f, 2, 3, false);
    assert_true(ordo_client_doc_is_deleted(f->doc));
    assert_int_equal(ordo_client_doc_seq(f->doc), 3);
    assert_int_equal(f->given_back_count, 0);
    assert_int_equal(ordo_client_doc_create_again(f->doc, ordo_slice(NULL, 0)), ORDO_OK);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.op_field, ORDO__V1__SUBMIT__OP_CREATE);
    /* An ack does not tell the new lineage. */
    say_ack(f, 3, 4, false);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
    send_open(f);
    assert_false(f->sent.has_have);
    say_opened(f, (struct answer){.head = 4, .content = "", .content_seq = 4, .lineage = 8, .last_client_seq = 3});
    type(f, 0, "again");
    assert_text(f, "", "again");
}

static void setting_the_text_says_no_more_than_what_differs(void **state) {
    struct fixture *f = *state;
    open_with(f, "one two three", 1);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("one 2 three")), ORDO_OK);
    assert_text(f, "one two three", "one 2 three");
    assert_int_equal(flush(f), 1);
    say_committed(f, (struct placed){other_id, 2, 1, 1, .at = 0, .text = "zero "});
    say_committed(f, (struct placed){other_id, 3, 2, 2, .at = 18, .text = " four"});
    say_ack(f, 1, 4, false);
    assert_text(f, "zero one 2 three four", "zero one 2 three four");
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("zero one 2 three four")), ORDO_OK);
    assert_int_equal(flush(f), 0);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("\xff")), ORDO_ERR_INVALID);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice("a\0b", 3)), ORDO_OK);
    assert_text(f, "zero one 2 three four", "a\xEF\xBF\xBD" "b");
}

static void open_deleted(struct fixture *f) {
    send_open(f);
    say_opened(f, (struct answer){.head = 2, .content = "", .content_seq = 2, .deleted = true});
    assert_true(ordo_client_doc_is_deleted(f->doc));
}

static void assert_sent_create(const struct fixture *f, const char *text) {
    struct ordo_wire_create create;
    struct ordo_buffer op = op_bytes(0, 0, text);
    assert_int_equal(f->sent.op_field, ORDO__V1__SUBMIT__OP_CREATE);
    assert_true(ordo_wire_read_create(ordo_buffer_slice(&f->sent.op), &create));
    assert_true(ordo_slice_equal(create.text, ordo_buffer_slice(&op)));
    ordo_buffer_finish(&op);
}

static void setting_the_text_of_a_deleted_document_creates_it(void **state) {
    struct fixture *f = *state;
    open_deleted(f);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("again")), ORDO_OK);
    assert_text(f, "", "");
    assert_int_equal(flush(f), 1);
    assert_sent_create(f, "again");
    struct ordo_buffer first = copy_of_sent(f);
    reconnect(f);
    say_opened(f, (struct answer){.head = 2, .lineage = LINEAGE});
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 2);
    ordo_buffer_finish(&first);
    say_ack(f, 1, 3, false);
    assert_int_equal(f->acked_server_seq, 3);
    assert_false(ordo_client_doc_is_open(f->doc)); /* it has to look first what the server made of it */
    send_open(f);
    say_opened(f, (struct answer){.head = 3, .content = "again", .content_seq = 3, .lineage = 8, .last_client_seq = 1});
    assert_text(f, "again", "again");
    assert_int_equal(f->given_back_count, 0);
}

static void a_create_whose_ack_was_lost_is_acked_by_the_opened_that_has_it(void **state) {
    struct fixture *f = *state;
    open_deleted(f);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("again")), ORDO_OK);
    assert_int_equal(flush(f), 1);
    reconnect(f);
    say_opened(f, (struct answer){.head = 4, .content = "again", .content_seq = 4, .lineage = 8, .last_client_seq = 1,
                                  .last_client_server_seq = 3});
    assert_int_equal(f->acked_count, 1);
    assert_int_equal(f->acked_server_seq, 3);
    assert_true(ordo_client_doc_is_settled(f->doc));
    assert_int_equal(f->given_back_count, 0);
    assert_text(f, "again", "again");
}

static void a_create_that_must_go_anew_keeps_its_content(void **state) {
    struct fixture *f = *state;
    open_deleted(f);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("again")), ORDO_OK);
    assert_int_equal(flush(f), 1);
    say_nack(f, 1, ORDO_NACK_STALE_BASE, 0);
    send_open(f);
    say_opened(f, (struct answer){.head = 2, .lineage = LINEAGE});
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    assert_sent_create(f, "again");
}

static void a_create_that_is_refused_gives_its_content_back(void **state) {
    struct fixture *f = *state;
    open_deleted(f);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("again")), ORDO_OK);
    assert_int_equal(flush(f), 1);
    say_nack(f, 1, ORDO_NACK_FORBIDDEN, 0);
    assert_int_equal(f->given_back_count, 1);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->inserted), ordo_slice_of("again")));
    assert_true(ordo_client_doc_is_settled(f->doc));
}

static void a_create_that_came_second_gives_its_content_back(void **state) {
    struct fixture *f = *state;
    open_deleted(f);
    assert_int_equal(ordo_client_doc_set_text(f->doc, ordo_slice_of("again")), ORDO_OK);
    assert_int_equal(flush(f), 1);
    Ordo__V1__CreateDocument create = ORDO__V1__CREATE_DOCUMENT__INIT;
    struct ordo_buffer text = op_bytes(0, 0, "theirs"), op = {0};
    create.type = ordo_binary_of_slice(ordo_slice_of("text"));
    create.text = ordo_binary_of_slice(ordo_buffer_slice(&text));
    create.lineage = 9;
    ordo_message_encode(&create.base, &op);
    say_shape(f, 3, ORDO_WIRE_OP_CREATE, ordo_buffer_slice(&op));
    assert_text(f, "theirs", "theirs");
    type(f, 0, "x");
    say_nack(f, 1, ORDO_NACK_EXISTS, 0);
    assert_int_equal(f->given_back_count, 1);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->inserted), ordo_slice_of("again")));
    assert_text(f, "theirs", "xtheirs"); /* what was typed since has nothing to do with it */
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&op);
}

static void a_delete_that_comes_second_has_its_place_and_its_body_is_asked_for(void **state) {
    struct fixture *f = *state;
    open_with(f, "ab", 1);
    assert_int_equal(ordo_client_doc_delete(f->doc), ORDO_OK);
    assert_int_equal(flush(f), 1);
    say_shape(f, 2, ORDO_WIRE_OP_DELETE, ordo_slice(NULL, 0));
    /* Deleted already, so the server made it the empty op; an ack does not say so. */
    say_ack(f, 1, 3, false);
    assert_int_equal(ordo_client_doc_seq(f->doc), 2);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_REOPEN);
    send_open(f);
    assert_int_equal(f->sent.have_seq, 2);
    const struct placed ops[] = {{own_id, 3, 1, 1, .at = 0, .text = ""}};
    say_opened(f, (struct answer){.head = 3, .ops = ops, .op_count = 1, .last_client_seq = 1,
                                  .last_client_server_seq = 3});
    assert_true(ordo_client_doc_is_deleted(f->doc));
    assert_int_equal(ordo_client_doc_seq(f->doc), 3);
    assert_true(ordo_client_doc_is_settled(f->doc));
    assert_int_equal(f->given_back_count, 0);
}

/* --- the record ------------------------------------------------------------------------------------------------- */

static void restart_from_record(struct fixture *f) {
    struct ordo_client_id id = ordo_client_doc_client_id(f->doc);
    ordo_client_doc_destroy(f->doc);
    f->doc = ordo_client_doc_create(&f->options, id);
    assert_int_equal(ordo_client_doc_restore(f->doc, ordo_buffer_slice(&f->record)), ORDO_OK);
}

static void nothing_is_sent_before_the_record_is_stored(void **state) {
    struct fixture *f = *state;
    f->options.listener.store = on_store;
    teardown(state), setup(state);
    f = *state;
    f->options.listener.store = on_store;
    ordo_client_doc_destroy(f->doc);
    struct ordo_client_id id;
    memcpy(id.bytes, own_id, 16);
    f->doc = ordo_client_doc_create(&f->options, id);
    open_with(f, "ab", 1);
    f->store_fails = true;
    type(f, 1, "x");
    assert_int_equal(flush(f), 0);
    f->store_fails = false;
    f->now_ms = ordo_client_doc_timer_ms(f->doc);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->store_count, 2);
    type(f, 2, "y"); /* after the record: lost with the process */
    struct ordo_buffer first = copy_of_sent(f);
    restart_from_record(f);
    assert_text(f, "ab", "axb");
    assert_int_equal(f->status, ORDO_CLIENT_OFFLINE);
    send_open(f);
    assert_int_equal(f->sent.have_seq, 1);
    say_opened(f, (struct answer){.head = 1});
    assert_int_equal(flush(f), 1);
    assert_sent_again(f, ordo_buffer_slice(&first), 1, 1);
    ordo_buffer_finish(&first);
}

static void store_records(struct fixture *f) {
    f->options.listener.store = on_store;
    struct ordo_client_id id = ordo_client_doc_client_id(f->doc);
    ordo_client_doc_destroy(f->doc);
    f->doc = ordo_client_doc_create(&f->options, id);
}

static void after_a_merge_nothing_is_sent_before_the_new_record_is_stored(void **state) {
    struct fixture *f = *state;
    store_records(f);
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    assert_int_equal(f->store_count, 1);
    f->store_fails = true;
    come_back_forgotten(f, "Zab");
    assert_int_equal(flush(f), 0);
    f->store_fails = false;
    f->now_ms = ordo_client_doc_timer_ms(f->doc);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    restart_from_record(f);
    assert_text(f, "Zab", "Zaxb");
    send_open(f);
    say_opened(f, (struct answer){.head = 9, .horizon = 9, .forgotten_seq = 7});
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
}

/* Else the next start would guess once more, of a later content. */
static void a_settled_op_leaves_the_record_though_nothing_is_sent(void **state) {
    struct fixture *f = *state;
    store_records(f);
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    f->store_fails = true;
    come_back_forgotten(f, "axb");
    assert_int_equal(flush(f), 0);
    f->store_fails = false;
    f->now_ms = ordo_client_doc_timer_ms(f->doc);
    assert_int_equal(flush(f), 0);
    assert_int_equal(ordo_client_doc_timer_ms(f->doc), UINT64_MAX);
    restart_from_record(f);
    assert_text(f, "axb", "axb");
    assert_true(ordo_client_doc_is_settled(f->doc));
}

static void edits_given_back_leave_the_record(void **state) {
    struct fixture *f = *state;
    store_records(f);
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    say_nack(f, 1, ORDO_NACK_INVALID_OP, 0);
    assert_int_equal(f->given_back_count, 1);
    assert_int_equal(flush(f), 0);
    restart_from_record(f);
    assert_text(f, "ab", "ab");
    assert_true(ordo_client_doc_is_settled(f->doc));
}

/* The application did nothing but keep the record: every case of coming back works from it alone. */
static void a_client_restarted_from_its_record_merges_like_one_that_stayed(void **state) {
    struct fixture *f = *state;
    store_records(f);
    open_with(f, "one two", 1);
    type(f, 7, " three");
    flush(f);
    restart_from_record(f);
    type(f, 13, "!");
    send_open(f);
    assert_int_equal(f->sent.have_seq, 1);
    assert_int_equal(f->sent.have_lineage, LINEAGE);
    say_opened(f, (struct answer){.head = 50, .horizon = 40, .content = "ONE one two three", .content_seq = 50,
                                  .last_client_seq = 1, .last_client_server_seq = 20});
    assert_text(f, "ONE one two three", "ONE one two three!");
    assert_int_equal(f->acked_server_seq, 20);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
    restart_from_record(f);
    assert_text(f, "ONE one two three", "ONE one two three!");
}

/* Offline nothing is sent, so the application says when. */
static void what_is_typed_offline_is_stored_when_asked(void **state) {
    struct fixture *f = *state;
    store_records(f);
    assert_false(ordo_client_doc_store(f->doc));
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    ordo_client_doc_disconnected(f->doc);
    type(f, 2, "y");
    f->store_fails = true;
    assert_false(ordo_client_doc_store(f->doc));
    f->store_fails = false;
    assert_true(ordo_client_doc_store(f->doc));
    restart_from_record(f);
    assert_text(f, "ab", "axyb");
    send_open(f);
    say_opened(f, (struct answer){.head = 5});
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 1);
}

static void a_guess_that_was_cut_off_is_told_after_a_restart_too(void **state) {
    struct fixture *f = *state;
    store_records(f);
    open_with(f, "ab", 5);
    type(f, 1, "x");
    flush(f);
    reconnect(f);
    const struct placed ops[] = {{other_id, 9, 1, 8, .at = 0, .text = "A"}};
    say_opened(f, (struct answer){.head = 10, .horizon = 8, .content = "Zab", .content_seq = 8, .forgotten_seq = 7,
                                  .ops = ops, .op_count = 1, .more = true});
    assert_true(ordo_client_doc_store(f->doc));
    restart_from_record(f);
    send_open(f);
    say_opened(f, (struct answer){.head = 9, .horizon = 8, .forgotten_seq = 7});
    assert_int_equal(f->guessed_count, 1);
    assert_false(f->guessed_saved);
    assert_int_equal(flush(f), 1);
    assert_int_equal(f->sent.client_seq, 2);
}

static void a_damaged_record_is_refused(void **state) {
    struct fixture *f = *state;
    f->options.listener.store = on_store;
    ordo_client_doc_destroy(f->doc);
    struct ordo_client_id id;
    memcpy(id.bytes, own_id, 16);
    f->doc = ordo_client_doc_create(&f->options, id);
    open_with(f, "ab", 1);
    type(f, 1, "x");
    flush(f);
    for (size_t i = 0; i < f->record.size; i++) {
        struct ordo_client_doc *other = ordo_client_doc_create(&f->options, id);
        f->record.data[i] ^= 0x10;
        assert_int_equal(ordo_client_doc_restore(other, ordo_buffer_slice(&f->record)), ORDO_ERR_CORRUPT);
        f->record.data[i] ^= 0x10;
        assert_int_equal(ordo_client_doc_restore(other, ordo_slice(f->record.data, i)), ORDO_ERR_CORRUPT);
        ordo_client_doc_destroy(other);
    }
    struct ordo_client_doc *stranger = ordo_client_doc_create(&f->options, (struct ordo_client_id){.bytes = {1}});
    assert_int_equal(ordo_client_doc_restore(stranger, ordo_buffer_slice(&f->record)), ORDO_ERR_INVALID);
    ordo_client_doc_destroy(stranger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(content_without_the_own_op_is_merged_and_the_op_made_anew),
        TEST(content_with_the_own_op_settles_it_and_keeps_what_is_pending),
        TEST(content_in_parts_counts_only_when_it_is_whole),
        TEST(an_own_op_between_the_content_and_the_head_is_settled_in_its_place),
        TEST(a_live_op_amid_the_parts_of_an_answer_reopens),
        TEST(an_unasked_content_while_the_op_may_still_commit_keeps_it_frozen),
        TEST(another_lineage_gives_the_edits_back),
        TEST(the_difference_goes_left_of_what_was_typed_whatever_its_hints),
        TEST(content_with_later_ops_of_our_name_gives_the_edits_back),
        TEST(an_op_of_a_forgotten_author_that_the_content_holds_is_not_sent_again),
        TEST(an_op_of_a_forgotten_author_that_the_content_lacks_is_made_anew),
        TEST(an_op_of_a_forgotten_author_among_the_ops_after_the_content_is_settled_there),
        TEST(a_guess_that_was_cut_off_is_told_when_the_document_is_open),
        TEST(an_op_of_a_forgotten_author_is_sent_again_if_the_log_shows_that_it_is_not_committed),
        TEST(without_content_an_op_of_unknown_fate_is_given_back),
        TEST(a_document_deleted_meanwhile_gives_all_edits_back_as_text),
        TEST(another_lineage_gives_back_even_what_may_be_in_it),
        TEST(a_delete_by_others_gives_edits_back_and_a_create_starts_anew),
        TEST(a_delete_of_ours_is_sent_and_promoted),
        TEST(setting_the_text_says_no_more_than_what_differs),
        TEST(setting_the_text_of_a_deleted_document_creates_it),
        TEST(a_create_whose_ack_was_lost_is_acked_by_the_opened_that_has_it),
        TEST(a_create_that_must_go_anew_keeps_its_content),
        TEST(a_create_that_is_refused_gives_its_content_back),
        TEST(a_create_that_came_second_gives_its_content_back),
        TEST(a_delete_that_comes_second_has_its_place_and_its_body_is_asked_for),
        TEST(nothing_is_sent_before_the_record_is_stored),
        TEST(after_a_merge_nothing_is_sent_before_the_new_record_is_stored),
        TEST(a_settled_op_leaves_the_record_though_nothing_is_sent),
        TEST(edits_given_back_leave_the_record),
        TEST(a_client_restarted_from_its_record_merges_like_one_that_stayed),
        TEST(what_is_typed_offline_is_stored_when_asked),
        TEST(a_guess_that_was_cut_off_is_told_after_a_restart_too),
        TEST(a_damaged_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
