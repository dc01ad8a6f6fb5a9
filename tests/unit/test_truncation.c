/* A log that is cut off from behind: when, what stays readable, and what an op gets that was made before. */
#include "shard_world.h"

#include "common/memory.h"
#include "shard/core/block.h"
#include "shard/core/verify.h"

/* Small: every 20 ops or so a snapshot, ten ops stay in the log, everything else is packed. */
static void small_limits(struct world *w) {
    w->config.snapshot_log_size_min = 1000;
    w->config.log_ops = 10;
    w->config.log_age_ms = 1000;
    w->config.truncate_ops_min = 1;
    w->config.history_block_ops = 20;
    w->config.recent_size_max = 500;
    w->config.retention.ops = UINT64_MAX;
}

static int setup(void **state) {
    struct world *w = world_create();
    small_limits(w);
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    *state = w;
    return 0;
}
static int teardown(void **state) {
    world_destroy(*state);
    return 0;
}

static void restart(struct world *w) {
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
}

/* Types at the end, `count` letters in as many turns, as the client of subscriber 1; returns the head. */
static uint64_t type_letters(struct world *w, uint64_t client_seq, uint64_t head, int count) {
    for (int i = 0; i < count; i++, head++) {
        char letter[] = {(char)('a' + head % 26), 0};
        say_insert(w, 0, 1, client_seq + (uint64_t)i, head, head - 1, letter);
        world_turn(w);
        assert_int_equal(next_commit(w, 0)->seq, head + 1);
        world_forget_told(&w->gateways[0]);
    }
    return head;
}

/* A document of `count` ops behind its create, long enough ago to be truncated, and so it was. */
static uint64_t truncated_document(struct world *w, int count) {
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t head = 1;
    for (int done = 0; done < count; done += 20) {
        head = type_letters(w, head, head, 20);
        world_pass(w, 50);
    }
    world_pass(w, 2000);
    head = type_letters(w, head, head, 30);
    world_pass(w, 61000);
    world_turn(w);
    return head;
}

/* Enough, and slowly enough, for truncation to come by several times. */
static void type_for_long(struct world *w, uint64_t head) {
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 20; k++, head++) {
            say_insert(w, 0, 1, head, head, 0, "x");
            world_turn(w);
            world_forget_told(&w->gateways[0]);
        }
        world_pass(w, 5000);
    }
}

static uint64_t count_keys(struct world *w, enum ordo_cf cf, uint64_t *first_seq) {
    struct ordo_buffer doc_key = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, ordo_buffer_slice(&doc_key), ordo_slice(NULL, 0));
    uint64_t count = 0, seq;
    for (bool has = iterator->ops->seek(iterator, ordo_buffer_slice(&doc_key)); has;
         has = iterator->ops->next(iterator)) {
        struct ordo_key key;
        if (!ordo_key_parse(iterator->ops->key(iterator), &key) || !ordo_key_parse_seq(key.rest, &seq)) continue;
        if (count++ == 0) *first_seq = seq;
    }
    iterator->ops->close(iterator);
    w->store->ops->view_close(view);
    ordo_buffer_finish(&doc_key);
    return count;
}

static void print_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    print_message("finding at %ju: %s\n", (uintmax_t)finding->seq, finding->text);
}
static struct ordo_verify_counts verify(struct world *w) {
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_verify_counts counts = ordo_verify(view, print_finding, NULL);
    w->store->ops->view_close(view);
    return counts;
}

static Ordo__Cluster__V1__HistoryAnswer *read_history(struct world *w, uint32_t at_kind, uint64_t at, uint64_t from,
                                                      uint64_t to) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__ReadHistory read = ORDO__CLUSTER__V1__READ_HISTORY__INIT;
    read.subscriber = 1;
    read.at_kind = at_kind;
    read.at = at;
    read.from_seq = from;
    read.to_seq = to;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY;
    message.history = &read;
    gateway_say(w, 0, &message);
    world_turn(w);
    return next_history(w, 0);
}

static void assert_content_at(struct world *w, uint64_t seq) {
    char expected[512];
    for (uint64_t i = 1; i < seq; i++) expected[i - 1] = (char)('a' + i % 26);
    expected[seq - 1] = 0;
    Ordo__Cluster__V1__HistoryAnswer *answer = read_history(w, 1, seq, 0, 0);
    assert_int_equal(answer->error_code, 0);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(answer->content->bytes), ordo_slice_of(expected)));
}

/* ---- what goes, and when */

static void old_ops_leave_the_log_and_history_is_whole_all_the_same(void **state) {
    struct world *w = *state;
    uint64_t head = truncated_document(w, 100), first_run = 0, first_block = 0;
    count_keys(w, ORDO_CF_OPS, &first_run);
    assert_in_range(first_run, head - 70, head - 10);
    assert_true(count_keys(w, ORDO_CF_HISTORY, &first_block) > 0);
    assert_int_equal(first_block, 1);
    struct ordo_verify_counts counts = verify(w);
    assert_int_equal(counts.findings, 0);
    assert_int_equal(counts.ops, head);
    for (uint64_t seq = 1; seq <= head; seq += 7) assert_content_at(w, seq);
    Ordo__Cluster__V1__HistoryAnswer *answer = read_history(w, 0, 0, 1, 0);
    struct ordo_reader reader = ordo_reader(ordo_slice_of_binary(answer->ops->bytes));
    for (uint64_t seq = 1; seq <= head; seq++) {
        uint8_t tag;
        struct ordo_slice encoded = {0};
        struct ordo_committed op;
        assert_true(ordo_take_u8(&reader, &tag) && ordo_take_sized(&reader, &encoded));
        assert_true(ordo_committed_decode(encoded, &op) && op.server_seq == seq);
        assert_int_equal(op.client_seq, seq - 1);
        assert_true(ordo_slice_equal(op.client_id, ordo_slice_of("client-a")));
    }
}

static void damage_blocks(struct world *w) {
    struct ordo_buffer doc_key = {0};
    struct ordo_batch batch = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_HISTORY, ordo_buffer_slice(&doc_key), ordo_slice(NULL, 0));
    for (bool has = iterator->ops->seek(iterator, ordo_buffer_slice(&doc_key)); has; has = iterator->ops->next(iterator))
        ordo_batch_put(&batch, ORDO_CF_HISTORY, iterator->ops->key(iterator), ordo_slice_of("no block"));
    assert_int_equal(ordo_iterator_end(iterator), ORDO_OK);
    w->store->ops->view_close(view);
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&doc_key);
}

static void damaged_blocks_cost_what_they_held_and_nobody_an_edit(void **state) {
    struct world *w = *state;
    uint64_t head = truncated_document(w, 100), first_run = 0;
    count_keys(w, ORDO_CF_OPS, &first_run);
    damage_blocks(w);
    restart(w);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->head, head);
    head = type_letters(w, head, head, 5);
    assert_content_at(w, head);
    assert_int_equal(read_history(w, 0, 0, first_run, 0)->error_code, 0);
    assert_int_not_equal(read_history(w, 0, 0, first_run - 1, 0)->error_code, 0);
}

static void young_ops_stay_though_they_are_many(void **state) {
    struct world *w = *state;
    w->config.log_age_ms = 3600 * 1000;
    restart(w);
    truncated_document(w, 100);
    uint64_t first_run = 0;
    count_keys(w, ORDO_CF_OPS, &first_run);
    assert_int_equal(first_run, 1);
}

/* Found by a busy document under short limits: a look at its clients, which found nothing, put off the rest for a minute. */
static void a_look_at_the_clients_puts_nothing_off(void **state) {
    struct world *w = *state;
    w->config.log_age_ms = 0;
    w->config.clients_check_ms = 3600 * 1000;
    restart(w);
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t head = 1, first_run = 0;
    for (int i = 0; i < 30; i++) {
        head = type_letters(w, head, head, 10);
        world_pass(w, 50);
    }
    count_keys(w, ORDO_CF_OPS, &first_run);
    assert_in_range(first_run, head - 100, head - 10);
}

static void nothing_is_deleted_before_the_horizon_is_durable(void **state) {
    struct world *w = *state;
    w->config.log_age_ms = 3600 * 1000;
    restart(w);
    uint64_t head = truncated_document(w, 100), first_run = 0;
    w->config.log_age_ms = 1;
    restart(w);
    open_doc(w, 0, 1, "a", "client-a");
    w->hold_durable = true;
    say_insert(w, 0, 1, head, head, 0, "x");
    world_pass(w, 65000);
    world_turn(w);
    count_keys(w, ORDO_CF_OPS, &first_run);
    assert_int_equal(first_run, 1);
    world_durable(w, w->config.turn + ordo_shard_stats(w->shard).turns);
    w->hold_durable = false;
    world_pass(w, 65000);
    count_keys(w, ORDO_CF_OPS, &first_run);
    assert_true(first_run > 1);
    assert_int_equal(verify(w).findings, 0);
}

static void history_out_of_its_retention_goes_and_says_so(void **state) {
    struct world *w = *state;
    w->config.retention = (struct ordo_retention){.ops = 20};
    restart(w);
    uint64_t head = truncated_document(w, 200), first_block = 0;
    for (int i = 0; i < 6; i++) { /* the base moves from snapshot to snapshot */
        head = type_letters(w, head, head, 20);
        world_pass(w, 65000);
    }
    assert_true(count_keys(w, ORDO_CF_HISTORY, &first_block) > 0);
    assert_true(first_block > 1);
    assert_int_equal(verify(w).findings, 0);
    Ordo__Cluster__V1__HistoryAnswer *answer = read_history(w, 1, 1, 0, 0);
    assert_int_equal(answer->error_code, 410);
    assert_int_equal(read_history(w, 0, 0, 1, 5)->error_code, 410);
    assert_int_equal(read_history(w, 2, 1, 0, 0)->error_code, 410);
    uint64_t begin_seq = read_history(w, 0, 0, head + 1, 0)->begin_seq;
    assert_true(begin_seq > 0 && begin_seq < head - 20);
    answer = read_history(w, 1, begin_seq, 0, 0);
    assert_true(answer->error_code == 0 && answer->created_seq == 1 && answer->deleted_seq == 0 && answer->timestamp_ms > 0);
    assert_int_equal(read_history(w, 1, begin_seq - 1, 0, 0)->error_code, 410);
    for (uint64_t seq = head - 20; seq <= head; seq++) assert_content_at(w, seq);
}

static void a_collection_has_a_retention_of_its_own(void **state) {
    struct world *w = *state;
    const struct ordo_retention_rule rule = {.collection = ordo_slice_of("docs"), .retention = {.ops = 20}};
    w->config.retention_rules = &rule;
    w->config.retention_rule_count = 1;
    restart(w);
    uint64_t head = truncated_document(w, 200);
    for (int i = 0; i < 6; i++) {
        head = type_letters(w, head, head, 20);
        world_pass(w, 65000);
    }
    assert_int_equal(read_history(w, 1, 1, 0, 0)->error_code, 410);
    w->config.retention_rule_count = 0;
    w->config.retention_rules = NULL;
    restart(w); /* the rule's memory ends here */
}

/* Rebasing may have made of an op what no client could have submitted. */
static void a_huge_op_leaves_the_log_like_any_other(void **state) {
    struct world *w = *state;
    enum { SIZE = ORDO_BLOCK_MEMORY_MAX + 1 };
    w->config.op_size_max = 2 * SIZE;
    restart(w);
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t head = type_letters(w, 1, 1, 20);
    char *text = ordo_alloc(SIZE + 1);
    memset(text, 'x', SIZE);
    say_insert(w, 0, 1, head, head, 0, text);
    free(text);
    world_turn(w);
    world_forget_told(&w->gateways[0]); /* it is more than the link takes at once */
    say_detach(w, 0, 1);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->head, head + 1);
    struct ordo_buffer delete = {0}; /* so that snapshots are small again, and soon made */
    ordo_text_splice(0, SIZE, ordo_slice(NULL, 0), (struct ordo_text_hints){0}, &delete);
    say_submit_op(w, 0, 1, head + 1, head + 1, 3, ordo_buffer_slice(&delete));
    ordo_buffer_finish(&delete);
    world_turn(w);
    world_forget_told(&w->gateways[0]);
    type_for_long(w, head + 2);
    world_pass(w, 65000);
    uint64_t first_run = 0, first_block = 0;
    count_keys(w, ORDO_CF_OPS, &first_run);
    assert_true(first_run > head + 2);
    assert_true(count_keys(w, ORDO_CF_HISTORY, &first_block) > 1);
    assert_int_equal(verify(w).findings, 0);
}

/* ---- who comes back */

static void an_op_made_below_the_horizon_is_stale_and_stays_so_after_a_restart(void **state) {
    struct world *w = *state;
    uint64_t head = truncated_document(w, 100);
    for (int i = 0; i < 2; i++) {
        Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 2, "a", "client-b");
        assert_int_equal(attached->head, head);
        assert_true(attached->horizon > 50);
        say_insert(w, 0, 2, 1, 50, 0, "x");
        world_turn(w);
        Ordo__Cluster__V1__Nack *nack = next_nack(w, 0);
        assert_int_equal(nack->code, ORDO__V1__NACK_CODE__STALE_BASE);
        assert_int_equal(nack->horizon, attached->horizon);
        world_crash(w);
        gateway_connect(w, 0);
    }
}

static void an_op_made_at_the_horizon_is_rebased(void **state) {
    struct world *w = *state;
    uint64_t head = truncated_document(w, 100);
    restart(w);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 2, "a", "client-b");
    say_insert(w, 0, 2, 1, attached->horizon, attached->horizon - 1, "!"); /* at the end, as it was then */
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, head + 1);
    say_insert(w, 0, 2, 2, attached->horizon, attached->horizon, "!"); /* beyond it */
    world_turn(w);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__PIPELINED);
}

static void a_duplicate_is_recognised_though_its_op_is_gone(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 2, "a", "client-b");
    say_insert(w, 0, 2, 1, 1, 0, "b");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 2);
    say_detach(w, 0, 2);
    open_doc(w, 0, 1, "a", "client-a");
    type_for_long(w, 2);
    world_pass(w, 61000);
    restart(w);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 2, "a", "client-b");
    assert_true(attached->horizon > 2);
    assert_int_equal(attached->last_client_seq, 1);
    assert_int_equal(attached->last_client_server_seq, 2);
    say_insert(w, 0, 2, 1, 1, 0, "b");
    world_turn(w);
    assert_int_equal(next_duplicate(w, 0)->server_seq, 2);
    say_insert(w, 0, 2, 1, 1, 0, "other");
    world_turn(w);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__REPLAYED);
}

static void clients_are_forgotten_by_number_and_told_up_to_where(void **state) {
    struct world *w = *state;
    w->config.clients_max = 1;
    w->config.clients_check_ms = 1;
    restart(w);
    for (uint64_t i = 0; i < 3; i++) {
        char client[] = {'c', (char)('0' + i), 0};
        open_doc(w, 0, 10 + i, "a", client);
        say_insert(w, 0, 10 + i, 1, 1 + i, 0, "b");
        world_turn(w);
        assert_int_equal(next_commit(w, 0)->seq, 2 + i);
        say_detach(w, 0, 10 + i);
    }
    open_doc(w, 0, 1, "a", "client-a");
    type_for_long(w, 4);
    world_pass(w, 61000);
    world_pass(w, 61000);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 2, "a", "c0");
    assert_int_equal(attached->last_client_seq, 0);
    assert_true(attached->forgotten_seq >= 4);
    assert_true(attached->forgotten_seq <= attached->horizon);
    assert_int_equal(verify(w).findings, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_ops_leave_the_log_and_history_is_whole_all_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_blocks_cost_what_they_held_and_nobody_an_edit, setup, teardown),
        cmocka_unit_test_setup_teardown(young_ops_stay_though_they_are_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_look_at_the_clients_puts_nothing_off, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_deleted_before_the_horizon_is_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(history_out_of_its_retention_goes_and_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_collection_has_a_retention_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_huge_op_leaves_the_log_like_any_other, setup, teardown),
        cmocka_unit_test_setup_teardown(an_op_made_below_the_horizon_is_stale_and_stays_so_after_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_op_made_at_the_horizon_is_rebased, setup, teardown),
        cmocka_unit_test_setup_teardown(a_duplicate_is_recognised_though_its_op_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_are_forgotten_by_number_and_told_up_to_where, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
