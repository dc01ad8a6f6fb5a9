/* A document is forgotten: nothing of it is kept or said any more, and its order goes on behind the same head. */
#include "shard_fixture.h"

#include "shard/core/mend.h"
#include "shard/core/relineage.h"

static void say_history(struct world *w, uint64_t subscriber, uint64_t at_seq) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__ReadHistory history = ORDO__CLUSTER__V1__READ_HISTORY__INIT;
    history.subscriber = subscriber;
    history.request = 6;
    history.at_kind = 1;
    history.at = at_seq;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY;
    message.history = &history;
    gateway_say(w, 0, &message);
}

/* The turn in which it is asked for ends, the next one is written. */
static void pass_turns(struct world *w) {
    world_turn(w);
    world_pass(w, 30);
}

/* Asks, and has the answer; the head. */
static uint64_t forget(struct world *w, uint64_t subscriber, uint64_t lineage) {
    say_forget(w, 0, subscriber, lineage);
    pass_turns(w);
    Ordo__Cluster__V1__Forgotten *forgotten = next_forgotten(w, 0);
    assert_int_equal(forgotten->subscriber, subscriber);
    assert_int_equal(forgotten->request, 5);
    assert_int_equal(forgotten->error_code, 0);
    return forgotten->head;
}

/* "a" has 1 + `count` ops, by subscriber 1 of gateway 0; returns its lineage. */
static uint64_t document(struct world *w, uint64_t count) {
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-a")->lineage;
    for (uint64_t seq = 1; seq <= count; seq++) {
        say_insert(w, 0, 1, seq, seq, 0, "s");
        world_turn(w);
        world_pass(w, 20);
        world_forget_told(&w->gateways[0]);
    }
    return lineage;
}

static size_t count_rows(struct world *w, enum ordo_cf cf) {
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    size_t count = 0;
    while (iterator->ops->next(iterator)) count++;
    iterator->ops->close(iterator);
    w->store->ops->view_close(view);
    return count;
}

/* Nothing is left but the row and the record. */
static void assert_erased(struct world *w) {
    assert_int_equal(count_rows(w, ORDO_CF_DOCS), 1);
    assert_int_equal(count_rows(w, ORDO_CF_SNAPSHOTS), 1);
    assert_int_equal(count_rows(w, ORDO_CF_OPS) + count_rows(w, ORDO_CF_CLIENTS) + count_rows(w, ORDO_CF_HISTORY), 0);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
}

/* Snapshots, packed history and client rows there are, too. */
static uint64_t document_with_everything(struct world *w) {
    w->config.snapshot_log_size_min = 300;
    w->config.log_ops = 5;
    w->config.log_age_ms = 0;
    w->config.truncate_ops_min = 1;
    w->config.retention.ops = UINT64_MAX;
    restart_with_config(w);
    uint64_t lineage = document(w, 60);
    world_pass(w, 70000);
    world_forget_told(&w->gateways[0]);
    assert_true(count_rows(w, ORDO_CF_OPS) > 0 && count_rows(w, ORDO_CF_SNAPSHOTS) > 1 &&
                count_rows(w, ORDO_CF_CLIENTS) > 0 && count_rows(w, ORDO_CF_HISTORY) > 0);
    return lineage;
}

static void nothing_is_left_and_the_order_goes_on(void **state) {
    struct world *w = *state;
    uint64_t lineage = document_with_everything(w);
    assert_int_equal(forget(w, 1, lineage), 61);
    assert_erased(w);
    for (int i = 0; i < 2; i++) { /* from memory, and loaded */
        Ordo__Cluster__V1__Attach attach = open_of(7, "a", "client-b", "");
        say_attach(w, 1, &attach);
        world_turn(w);
        Ordo__Cluster__V1__Attached *attached = next_attached(w, 1);
        assert_true(attached->has_content && attached->content_deleted);
        assert_int_equal(attached->head, 61);
        assert_int_equal(attached->horizon, 61);
        assert_int_equal(attached->forgotten_seq, 61);
        assert_true(i == 0 ? attached->lineage != lineage : attached->lineage == lineage);
        assert_int_equal(attached->last_client_seq, 0);
        lineage = attached->lineage;
        restart_with_config(w);
    }
    Ordo__Cluster__V1__Attached *created = open_doc(w, 0, 1, "a", "client-a");
    assert_true(created->created);
    assert_int_equal(created->head, 62);
    assert_int_not_equal(created->lineage, lineage);
    assert_int_equal(created->last_client_seq, 0);
    say_insert(w, 0, 1, 1, 62, 0, "new");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 63);
    assert_text(w, 0, 9, "a", "new");
    restart_with_config(w);
    assert_text(w, 0, 9, "a", "new");
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
}

/* And is packed and cut off again like any other. */
static void created_anew_it_lives_like_any_other(void **state) {
    struct world *w = *state;
    document_with_everything(w);
    forget(w, 1, 0);
    say_detach(w, 0, 1);
    world_turn(w);
    world_forget_told(&w->gateways[0]);
    uint64_t head = open_doc(w, 0, 2, "a", "client-a")->head;
    for (int i = 0; i < 60; i++, head++) {
        say_insert(w, 0, 2, (uint64_t)i + 1, head, 0, "t");
        world_turn(w);
        world_pass(w, 20);
        world_forget_told(&w->gateways[0]);
    }
    world_pass(w, 70000);
    world_forget_told(&w->gateways[0]);
    assert_true(count_rows(w, ORDO_CF_HISTORY) > 0);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
    forget(w, 2, 0);
    assert_erased(w);
}

static void a_document_just_created_can_be_forgotten(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    assert_int_equal(forget(w, 1, 0), 1);
    assert_erased(w);
}

static void who_has_it_open_is_resynced(void **state) {
    struct world *w = *state;
    uint64_t lineage = document(w, 3);
    open_doc(w, 1, 2, "a", "client-b");
    forget(w, 1, lineage);
    assert_int_equal(next_dropped(w, 0)->doc, next_dropped(w, 1)->doc);
    say_insert(w, 1, 2, 1, 4, 0, "late"); /* on top of what was */
    say_insert(w, 1, 2, 2, 2, 0, "later");
    world_turn(w);
    assert_int_equal(next_nack(w, 1)->code, ORDO__V1__NACK_CODE__DELETED);
    assert_int_equal(next_nack(w, 1)->code, ORDO__V1__NACK_CODE__STALE_BASE);
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    attach.has_have = attach.resync = true;
    attach.have_seq = 4;
    attach.have_lineage = lineage;
    say_attach(w, 1, &attach);
    world_turn(w);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 1);
    assert_true(attached->has_content && attached->content_deleted && attached->content->size == 0);
}

static void what_was_committed_in_the_same_turn_goes_with_it(void **state) {
    struct world *w = *state;
    document(w, 2);
    say_insert(w, 0, 1, 3, 3, 0, "x");
    say_forget(w, 0, 1, 0);
    say_insert(w, 0, 1, 4, 4, 0, "y"); /* still before: the turn ends first */
    pass_turns(w);
    assert_int_equal(next_commit(w, 0)->seq, 4);
    assert_int_equal(next_commit(w, 0)->seq, 5);
    assert_int_equal(next_forgotten(w, 0)->head, 5);
    assert_erased(w);
}

static void who_waits_for_a_job_gets_it_as_it_is_now(void **state) {
    struct world *w = *state;
    uint64_t lineage = document(w, 3);
    w->hold_jobs = true;
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", ""); /* the content is made by a job */
    say_attach(w, 1, &attach);
    say_history(w, 1, 2);
    world_turn(w);
    assert_int_equal(w->job_count, 2);
    say_forget(w, 0, 1, lineage);
    pass_turns(w);
    assert_int_equal(next_history(w, 0)->error_code, 410);
    assert_int_equal(next_forgotten(w, 0)->error_code, 0);
    assert_true(next_attached(w, 1)->content_deleted);
    w->hold_jobs = false;
    world_run_jobs(w);
    world_pass(w, 100);
    assert_nothing_told(w, 1);
    assert_erased(w);
}

/* Its job is out, or its pieces wait to be written. */
static void forget_amid_a_snapshot(struct world *w, bool is_reading) {
    w->config.snapshot_log_size_min = 100;
    w->config.snapshot_rate = 1; /* byte per second: nothing is written before long */
    restart_with_config(w);
    document(w, 1);
    w->hold_jobs = is_reading;
    for (uint64_t seq = 2; seq < 12; seq++) say_insert(w, 0, 1, seq, seq, 0, "abcdefghij");
    pass_turns(w);
    assert_int_equal(w->job_count, is_reading);
    world_forget_told(&w->gateways[0]);
    forget(w, 1, 0);
    world_run_jobs(w);
    w->hold_jobs = false;
    w->now_ms += 3600000; /* enough for all that is left to write */
    world_pass(w, 1000);
    assert_int_equal(ordo_shard_stats(w->shard).snapshots, 0);
    assert_erased(w);
}
static void a_snapshot_that_is_read_just_then_is_not_written(void **state) { forget_amid_a_snapshot(*state, true); }
static void a_snapshot_that_is_written_just_then_is_left_off(void **state) { forget_amid_a_snapshot(*state, false); }

/* Snapshot after snapshot, truncation after truncation: forgotten after each step of theirs. */
static void forget_amid_truncation(struct world *w, int step_count) {
    document_with_everything(w);
    w->hold_jobs = w->hold_durable = true;
    for (uint64_t seq = 61; seq < 101; seq++) say_insert(w, 0, 1, seq, seq, 0, "more");
    uint64_t turn = world_end_turn(w);
    for (int i = 0; i < step_count; i++) { /* durable, a job, a turn, durable, … */
        world_durable(w, turn);
        if (w->job_count > 0) world_run_jobs(w);
        w->now_ms += 10;
        w->wall_ms += 10;
        world_step(w, world_event(w, ORDO_SHARD_TICK));
        uint64_t next = world_end_turn(w);
        if (next != 0) turn = next;
    }
    world_durable(w, turn);
    world_forget_told(&w->gateways[0]);
    w->hold_durable = false;
    forget(w, 1, 0);
    world_run_jobs(w);
    w->hold_jobs = false;
    world_pass(w, 70000);
    assert_erased(w);
}
static void a_truncation_under_way_writes_nothing_more(void **state) {
    uint64_t truncations = ordo_shard_stats(((struct world *)*state)->shard).truncations;
    for (int step_count = 0; step_count < 12; step_count++) {
        struct world *w = world_create();
        forget_amid_truncation(w, step_count);
        uint64_t count = ordo_shard_stats(w->shard).truncations;
        assert_true(count >= truncations); /* the further, the more were done */
        truncations = count;
        world_destroy(w);
    }
}

static void a_client_row_that_is_read_just_then_is_not_learnt(void **state) {
    struct world *w = *state;
    uint64_t lineage = document_with_everything(w);
    open_doc(w, 0, 5, "a", "client-z");
    say_insert(w, 0, 5, 1, 61, 0, "z");
    for (uint64_t seq = 62; seq < 100; seq++) {
        say_insert(w, 0, 1, seq, seq, 0, "t");
        world_turn(w);
        world_pass(w, 20);
        world_forget_told(&w->gateways[0]);
    }
    restart_with_config(w);
    Ordo__Cluster__V1__Attach attach = open_of(3, "a", "client-c", "");
    say_attach(w, 1, &attach);
    world_turn(w);
    next_attached(w, 1);
    w->hold_jobs = true;
    attach = open_of(4, "a", "client-z", "");
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(w->job_count, 1);
    say_forget(w, 1, 3, lineage);
    pass_turns(w);
    assert_int_equal(next_forgotten(w, 1)->error_code, 0);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 0);
    assert_int_equal(attached->last_client_seq, 0);
    assert_true(attached->content_deleted);
    w->hold_jobs = false;
    world_run_jobs(w);
    world_turn(w);
    assert_nothing_told(w, 0);
    assert_erased(w);
}

static void a_crash_leaves_all_or_nothing(void **state) {
    struct world *w = *state;
    uint64_t lineage = document(w, 3);
    say_forget(w, 0, 1, lineage);
    world_end_turn(w);
    world_crash(w); /* nothing of it was written */
    gateway_connect(w, 0);
    assert_text(w, 0, 9, "a", "sss");
    open_doc(w, 0, 1, "a", "client-a");
    w->hold_durable = true;
    say_forget(w, 0, 1, lineage);
    world_end_turn(w);
    assert_int_not_equal(world_end_turn(w), 0);
    assert_nothing_told(w, 0);
    world_crash(w); /* it was, and nobody heard of it */
    assert_erased(w);
    w->hold_durable = false;
    gateway_connect(w, 0);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->head, 5);
}

static void only_what_is_meant_by_who_may_do_so(void **state) {
    struct world *w = *state;
    uint64_t lineage = document(w, 3);
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    attach.permission = ORDO_ACCESS_WRITE; /* that is not enough */
    say_attach(w, 1, &attach);
    world_turn(w);
    next_attached(w, 1);
    say_forget(w, 1, 2, lineage);
    say_forget(w, 1, 77, lineage);
    pass_turns(w);
    assert_int_equal(next_forgotten(w, 1)->error_code, 403);
    assert_int_equal(next_forgotten(w, 1)->error_code, 409); /* not open */
    say_forget(w, 0, 1, lineage + 1);
    pass_turns(w);
    assert_int_equal(next_forgotten(w, 0)->error_code, 409);
    assert_text(w, 0, 9, "a", "sss");

    say_forget(w, 0, 1, lineage);
    say_forget(w, 0, 1, lineage); /* again, as if the answer had got lost */
    pass_turns(w);
    assert_int_equal(next_forgotten(w, 0)->head, 4);
    assert_int_equal(next_forgotten(w, 0)->head, 4);
    assert_int_equal(ordo_shard_stats(w->shard).documents_erased, 1);
    say_submit_op(w, 0, 1, 9, 4, ORDO_SUBMIT_CREATE, ordo_slice("\x0a\x04text\x12\x00", 8));
    world_turn(w);
    say_forget(w, 0, 1, lineage); /* and once more, behind a create */
    pass_turns(w);
    struct gateway *gateway = &w->gateways[0];
    assert_int_equal(gateway->told[gateway->told_count - 1]->forgotten->error_code, 409);
    assert_int_equal(ordo_shard_stats(w->shard).documents_erased, 1);
}

static void a_full_disk_puts_it_off(void **state) {
    struct world *w = *state;
    document(w, 1);
    struct ordo_shard_event full = world_event(w, ORDO_SHARD_DISK);
    full.disk.is_full = true;
    world_step(w, full);
    say_forget(w, 0, 1, 0);
    pass_turns(w);
    assert_int_equal(next_forgotten(w, 0)->error_code, 503);
}

static void rows_that_are_back_are_left_out_by_repair(void **state) {
    struct world *w = *state;
    document_with_everything(w);
    struct ordo_view *before = w->store->ops->view_open(w->store);
    forget(w, 1, 0);
    world_forget_told(&w->gateways[0]);
    struct ordo_batch batch = {0};
    static const enum ordo_cf families[] = {ORDO_CF_OPS, ORDO_CF_CLIENTS, ORDO_CF_HISTORY, ORDO_CF_SNAPSHOTS};
    for (size_t i = 0; i < 4; i++) { /* tables of before were not compacted yet, say */
        struct ordo_iterator *rows = before->ops->iterate(before, families[i], ordo_slice(NULL, 0), ordo_slice(NULL, 0));
        while (rows->ops->next(rows)) ordo_batch_put(&batch, families[i], rows->ops->key(rows), rows->ops->value(rows));
        rows->ops->close(rows);
    }
    w->store->ops->view_close(before);
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    ordo_batch_clear(&batch);
    assert_int_not_equal(ordo_verify(before = w->store->ops->view_open(w->store), print_finding, NULL).findings, 0);
    struct ordo_buffer key = {0};
    struct ordo_mended mended;
    struct ordo_mend_hints hints = {.lineage = 4711};
    ordo_key_doc(&key, ordo_slice_of("docs"), ordo_slice_of("a"));
    assert_int_equal(ordo_mend(before, ordo_buffer_slice(&key), &hints, &batch, &mended), ORDO_OK);
    w->store->ops->view_close(before);
    assert_int_equal(mended.outcome, ORDO_MEND_WHOLE);
    assert_int_equal(mended.end_seq, 61);
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    assert_erased(w);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
}

static void restored_from_a_backup_it_stays_forgotten(void **state) {
    struct world *w = *state;
    document(w, 3);
    forget(w, 1, 0);
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0};
    ordo_key_doc(&key, ordo_slice_of("docs"), ordo_slice_of("a"));
    assert_int_equal(ordo_relineage_document(view, ordo_buffer_slice(&key), 4711, &batch), ORDO_OK);
    w->store->ops->view_close(view);
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    restart_with_config(w);
    assert_erased(w);
    Ordo__Cluster__V1__Attach attach = open_of(7, "a", "client-b", "");
    say_attach(w, 1, &attach);
    world_turn(w);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 1);
    assert_true(attached->content_deleted);
    assert_int_equal(attached->lineage, 4711);
    assert_int_equal(attached->head, 4);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
}

#define T(name) cmocka_unit_test_setup_teardown(name, two_gateways_set_up, two_gateways_tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(nothing_is_left_and_the_order_goes_on),
        T(created_anew_it_lives_like_any_other),
        T(a_document_just_created_can_be_forgotten),
        T(who_has_it_open_is_resynced),
        T(what_was_committed_in_the_same_turn_goes_with_it),
        T(who_waits_for_a_job_gets_it_as_it_is_now),
        T(a_snapshot_that_is_read_just_then_is_not_written),
        T(a_snapshot_that_is_written_just_then_is_left_off),
        T(a_truncation_under_way_writes_nothing_more),
        T(a_client_row_that_is_read_just_then_is_not_learnt),
        T(a_crash_leaves_all_or_nothing),
        T(only_what_is_meant_by_who_may_do_so),
        T(a_full_disk_puts_it_off),
        T(rows_that_are_back_are_left_out_by_repair),
        T(restored_from_a_backup_it_stays_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
