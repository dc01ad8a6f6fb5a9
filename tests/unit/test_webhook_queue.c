/* When somebody outside is told of which documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "shard/webhook/payload.h"

static struct ordo_webhook_queue *queue_of(uint32_t documents_max) {
    struct ordo_webhook_queue_config config;
    ordo_webhook_queue_config_init(&config);
    config.documents_max = documents_max;
    config.seed = 7;
    return ordo_webhook_queue_create(&config);
}

static bool note(struct ordo_webhook_queue *queue, const char *id, uint64_t seq, const char *user, uint64_t now_ms) {
    const struct ordo_webhook_news news = {.collection = ordo_slice_of("c"), .id = ordo_slice_of(id), .lineage = 3, .seq = seq,
                                           .timestamp_ms = 5, .user = ordo_slice_of(user)};
    return ordo_webhook_queue_note(queue, &news, now_ms);
}

static void a_document_is_told_of_when_it_is_quiet(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(10);
    assert_true(ordo_webhook_queue_due_ms(queue) == UINT64_MAX);
    assert_true(note(queue, "d", 1, "ada", 0));
    assert_true(note(queue, "d", 2, "bob", 600));
    assert_null(ordo_webhook_queue_take(queue, 1599));
    struct ordo_webhook_entry *entry = ordo_webhook_queue_take(queue, 1600);
    assert_non_null(entry);
    assert_int_equal(entry->seq, 2);
    assert_int_equal(entry->user_count, 2);
    assert_false(ordo_webhook_queue_done(queue, entry, ORDO_WEBHOOK_DELIVERED, 1700));
    assert_int_equal(ordo_webhook_queue_stats(queue).waiting, 0);
    assert_int_equal(ordo_webhook_queue_stats(queue).delivered, 1);
    ordo_webhook_queue_destroy(queue);
}

static void one_that_is_never_quiet_is_told_of_all_the_same(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(10);
    uint64_t now_ms = 0;
    note(queue, "d", 1, "ada", 0);
    while (ordo_webhook_queue_due_ms(queue) > now_ms) {
        now_ms += 100;
        note(queue, "d", now_ms, "ada", now_ms);
    }
    assert_int_equal(now_ms, 10000); /* wait_max_ms */
    ordo_webhook_queue_destroy(queue);
}

static void what_changes_while_it_is_sent_is_told_after_it(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(10);
    note(queue, "d", 1, "ada", 0);
    struct ordo_webhook_entry *entry = ordo_webhook_queue_take(queue, 1000);
    note(queue, "d", 2, "bob", 1100);
    assert_null(ordo_webhook_queue_take(queue, 5000));
    ordo_webhook_queue_done(queue, entry, ORDO_WEBHOOK_DELIVERED, 5000);
    assert_null(ordo_webhook_queue_take(queue, 5999));
    entry = ordo_webhook_queue_take(queue, 6000);
    assert_non_null(entry);
    assert_int_equal(entry->seq, 2);
    ordo_webhook_queue_done(queue, entry, ORDO_WEBHOOK_DELIVERED, 6000);
    ordo_webhook_queue_destroy(queue);
}

static void a_failure_is_tried_again_later_and_later_with_what_is_newest(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(10);
    uint64_t now_ms = 1000, before_ms = 0;
    note(queue, "d", 1, "ada", 0);
    for (int i = 0; i < 8; i++) {
        struct ordo_webhook_entry *entry = ordo_webhook_queue_take(queue, now_ms);
        assert_non_null(entry);
        assert_int_equal(entry->seq, 1 + i);
        assert_false(ordo_webhook_queue_done(queue, entry, ORDO_WEBHOOK_FAILED, now_ms));
        note(queue, "d", 2 + i, "ada", now_ms);
        uint64_t due_ms = ordo_webhook_queue_due_ms(queue), pause_ms = due_ms - now_ms;
        assert_true(pause_ms >= 500 && pause_ms <= 60000);
        if (i > 0 && i < 6) assert_true(2 * pause_ms >= before_ms);
        before_ms = pause_ms;
        now_ms = due_ms;
    }
    assert_true(before_ms >= 30000);
    struct ordo_webhook_entry *entry = ordo_webhook_queue_take(queue, now_ms);
    ordo_webhook_queue_done(queue, entry, ORDO_WEBHOOK_DELIVERED, now_ms);
    assert_int_equal(ordo_webhook_queue_stats(queue).waiting, 0);
    ordo_webhook_queue_destroy(queue);
}

static void a_failure_gives_the_receiver_a_rest_and_a_success_ends_it(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(10);
    note(queue, "a", 1, "ada", 0);
    note(queue, "b", 1, "ada", 0);
    note(queue, "x", 1, "ada", 0);
    struct ordo_webhook_entry *first = ordo_webhook_queue_take(queue, 1000), *second = ordo_webhook_queue_take(queue, 1000);
    ordo_webhook_queue_done(queue, first, ORDO_WEBHOOK_FAILED, 1000);
    assert_null(ordo_webhook_queue_take(queue, 1400));
    ordo_webhook_queue_done(queue, second, ORDO_WEBHOOK_DELIVERED, 1400);
    assert_non_null(second = ordo_webhook_queue_take(queue, 1400));
    ordo_webhook_queue_done(queue, second, ORDO_WEBHOOK_REFUSED, 1400);
    assert_int_equal(ordo_webhook_queue_stats(queue).refused, 1);
    assert_int_equal(ordo_webhook_queue_stats(queue).waiting, 1);
    ordo_webhook_queue_destroy(queue);
}

static void in_the_end_it_is_given_up(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(10);
    note(queue, "d", 1, "ada", 0);
    int tries = 0;
    bool is_given_up = false;
    while (!is_given_up) {
        uint64_t now_ms = ordo_webhook_queue_due_ms(queue);
        is_given_up =
            ordo_webhook_queue_done(queue, ordo_webhook_queue_take(queue, now_ms), ORDO_WEBHOOK_FAILED, now_ms);
        tries++;
    }
    assert_int_equal(tries, ORDO_WEBHOOK_TRIES_MAX);
    assert_int_equal(ordo_webhook_queue_stats(queue).waiting, 0);
    assert_int_equal(ordo_webhook_queue_stats(queue).given_up, 1);
    ordo_webhook_queue_destroy(queue);
}

static void a_full_queue_takes_no_further_document_but_news_of_its_own(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(3);
    assert_true(note(queue, "a", 1, "ada", 0) && note(queue, "b", 1, "ada", 0) && note(queue, "x", 1, "ada", 0));
    assert_false(note(queue, "y", 1, "ada", 0));
    assert_true(note(queue, "a", 2, "ada", 0));
    assert_int_equal(ordo_webhook_queue_stats(queue).dropped, 1);
    ordo_webhook_queue_done(queue, ordo_webhook_queue_take(queue, 1000), ORDO_WEBHOOK_DELIVERED, 1000);
    assert_true(note(queue, "y", 1, "ada", 1000));
    ordo_webhook_queue_destroy(queue);
}

static void many_come_out_in_the_order_of_their_time(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(500);
    char id[16];
    for (uint64_t i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "%u", (unsigned)(i * 7919 % 500));
        note(queue, id, i, "ada", i * 7919 % 500);
    }
    uint64_t last_ms = 0;
    for (int i = 0; i < 500; i++) {
        uint64_t due_ms = ordo_webhook_queue_due_ms(queue);
        assert_true(due_ms >= last_ms);
        last_ms = due_ms;
        ordo_webhook_queue_done(queue, ordo_webhook_queue_take(queue, due_ms), ORDO_WEBHOOK_DELIVERED, due_ms);
    }
    assert_true(ordo_webhook_queue_due_ms(queue) == UINT64_MAX);
    ordo_webhook_queue_destroy(queue);
}

static void an_end_in_a_hurry_waits_for_nothing(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(3);
    note(queue, "a", 1, "ada", 0);
    note(queue, "b", 1, "ada", 50);
    ordo_webhook_queue_hurry(queue, 100);
    note(queue, "x", 1, "ada", 100);
    for (int i = 0; i < 3; i++) assert_non_null(ordo_webhook_queue_take(queue, 100));
    ordo_webhook_queue_destroy(queue);
}

static void the_payload_names_some_users_and_says_if_there_are_more(void **state) {
    (void)state;
    struct ordo_webhook_queue *queue = queue_of(3);
    struct ordo_buffer out = {0};
    char user[16];
    note(queue, "a\"", 4, "ada", 0);
    note(queue, "a\"", 4, "", 0);
    struct ordo_webhook_entry *entry = ordo_webhook_queue_take(queue, 1000);
    ordo_webhook_payload_put(&out, entry);
    ordo_buffer_append_u8(&out, 0);
    assert_string_equal((char *)out.data, "{\"collection\":\"c\",\"id\":\"a\\\"\",\"lineage\":3,\"seq\":4,\"deleted\":false,"
                                          "\"timestamp_ms\":5,\"users\":[\"ada\"],\"more_users\":false}");
    for (int i = 0; i < ORDO_WEBHOOK_USERS_MAX; i++) {
        snprintf(user, sizeof user, "u%d", i);
        note(queue, "a\"", 4, user, 0);
    }
    assert_int_equal(entry->user_count, ORDO_WEBHOOK_USERS_MAX);
    assert_true(entry->has_more_users);
    ordo_buffer_finish(&out);
    ordo_webhook_queue_destroy(queue);
}

static void an_url_is_http_and_names_no_user(void **state) {
    (void)state;
    static const char *const good[] = {"http://localhost:1/", "https://example.org/hook?x=1"};
    static const char *const bad[] = {"", "ftp://x", "http://", "http:///x", "file:///etc/passwd", "http://a b/", "http://u@x/",
                                      "http://x/\r\nA: b", "HTTP://x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(ordo_webhook_url_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(ordo_webhook_url_is_valid(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_told_of_when_it_is_quiet),
        cmocka_unit_test(one_that_is_never_quiet_is_told_of_all_the_same),
        cmocka_unit_test(what_changes_while_it_is_sent_is_told_after_it),
        cmocka_unit_test(a_failure_is_tried_again_later_and_later_with_what_is_newest),
        cmocka_unit_test(a_failure_gives_the_receiver_a_rest_and_a_success_ends_it),
        cmocka_unit_test(in_the_end_it_is_given_up),
        cmocka_unit_test(a_full_queue_takes_no_further_document_but_news_of_its_own),
        cmocka_unit_test(many_come_out_in_the_order_of_their_time),
        cmocka_unit_test(an_end_in_a_hurry_waits_for_nothing),
        cmocka_unit_test(the_payload_names_some_users_and_says_if_there_are_more),
        cmocka_unit_test(an_url_is_http_and_names_no_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
