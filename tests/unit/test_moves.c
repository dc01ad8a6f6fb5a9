/* A slot goes from one shard to another: nothing is lost, nothing is doubled, and it has one owner, whatever breaks. */
#include "move_world.h"

#include "common/format.h"
#include "common/hash.h"
#include "shard/core/run.h"
#include "shard/core/slot_count.h"

static uint16_t slot_a(void) { return ordo_slot_of(ordo_slice_of("docs"), ordo_slice_of("a")); }

static int setup(void **state) {
    struct shards *s = shards_create();
    for (int i = 0; i < SHARDS; i++) gateway_connect(s->worlds[i], 0);
    *state = s;
    return 0;
}
static int teardown(void **state) {
    shards_destroy(*state);
    return 0;
}

/* "hello", typed letter by letter by subscriber 1 at gateway 0. */
static void type_hello(struct world *w) {
    open_doc(w, 0, 1, "a", "client-a");
    const char *letters[] = {"h", "e", "l", "l", "o"};
    for (uint64_t i = 0; i < 5; i++) {
        say_insert(w, 0, 1, i + 1, i + 1, i, letters[i]);
        world_turn(w);
        assert_int_equal(next_commit(w, 0)->seq, i + 2);
    }
}

static void expect_end(const struct shards *s, size_t count, bool is_done) {
    assert_int_equal(s->end_count, count);
    if (is_done && !s->ends[count - 1].is_done) fail_msg("the move ended: %s", s->ends[count - 1].reason);
    assert_int_equal(s->ends[count - 1].is_done, is_done);
}

static void a_slot_moves_with_its_documents(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    size_t row_count = shards_row_count(s, 0, slot_a());
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 200);
    expect_end(s, 1, true);
    assert_int_equal(shards_owner(s, slot_a()), 1);
    assert_int_equal(shards_row(s, 1, slot_a()).epoch, 2);
    assert_int_equal(shards_row_count(s, 1, slot_a()), row_count);
    /* The gateway was told where it is now, once, and nothing else. */
    Ordo__Cluster__V1__NotOwner *told_owner = next_not_owner(s->worlds[0], 0);
    assert_int_equal(told_owner->slot, slot_a());
    assert_int_equal(told_owner->epoch, 2);
    assert_memory_equal(told_owner->store.data, s->worlds[1]->config.store_id, ORDO_STORE_ID_SIZE);
    assert_nothing_told(s->worlds[0], 0);
    /* The table shows it, so the source has cleared up. */
    struct ordo_slot_row left = shards_row(s, 0, slot_a());
    assert_true(left.state == ORDO_SLOT_GIVEN && left.is_cleared && left.epoch == 2);
    assert_int_equal(shards_row_count(s, 0, slot_a()), 0);
    /* And the new owner goes on where the old one ended. */
    Ordo__Cluster__V1__Attached *attached = open_doc(s->worlds[1], 0, 1, "a", "client-a");
    assert_false(attached->created);
    assert_int_equal(attached->head, 6);
    assert_int_equal(attached->last_client_seq, 5);
    say_insert(s->worlds[1], 0, 1, 6, 6, 5, "!");
    world_turn(s->worlds[1]);
    assert_int_equal(next_commit(s->worlds[1], 0)->seq, 7);
    assert_text(s->worlds[1], 0, 9, "a", "hello!");
}

static void who_comes_to_the_wrong_shard_is_told_the_right_one(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[2];
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    world_turn(w);
    Ordo__Cluster__V1__NotOwner *told_owner = next_not_owner(w, 0); /* by the table */
    assert_int_equal(told_owner->epoch, 1);
    assert_memory_equal(told_owner->store.data, s->worlds[0]->config.store_id, ORDO_STORE_ID_SIZE);
    Ordo__Cluster__V1__Refused *refused = next_refused(w, 0);
    assert_int_equal(refused->code, 503);
    assert_int_equal(refused->retry_after_ms, 0);
    assert_int_equal(shards_row_count(s, 2, slot_a()), 0);
}

static void commits_go_on_while_rows_are_copied(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    w->config.move_chunk_size = 100; /* many chunks */
    world_crash(w);
    s->has_news[0] = true;
    gateway_connect(w, 0);
    type_hello(w);
    shards_order(s, 0, slot_a(), 1);
    uint64_t seq = 6;
    for (int i = 0; s->end_count == 0 && i < 1000; i++) {
        bool is_frozen = strcmp(ordo_shard_move_status(w->shard).phase, "handing-over") == 0;
        if (!is_frozen && s->end_count == 0 && i % 3 == 0 && seq < 30 && shards_owner(s, slot_a()) == 0) {
            say_insert(w, 0, 1, seq, seq, seq - 1, "x");
            world_turn(w);
            assert_int_equal(next_commit(w, 0)->seq, ++seq);
        }
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
    shards_settle(s, 100);
    expect_end(s, 1, true);
    assert_true(seq > 8);
    Ordo__Cluster__V1__Attached *attached = open_doc(s->worlds[1], 0, 1, "a", "client-a");
    assert_int_equal(attached->head, seq);
    assert_int_equal(attached->last_client_server_seq, seq);
}

/* Delivers until the slot is frozen at the source. */
static void until_frozen(struct shards *s) {
    for (int i = 0; i < 1000; i++) {
        struct ordo_move_status status = ordo_shard_move_status(s->worlds[0]->shard);
        if (status.is_moving && strcmp(status.phase, "handing-over") == 0) return;
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
    fail_msg("it is never frozen");
}

static void submits_wait_while_a_slot_is_handed_over(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    say_insert(w, 0, 1, 6, 6, 5, "!");
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    say_attach(w, 0, &attach);
    attach = open_of(3, "elsewhere", "client-b", "text"); /* others go on */
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_attached(w, 0)->subscriber, 3);
    assert_nothing_told(w, 0);
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_MOVE_CANCEL);
    event.move_cancel.slot = slot_a();
    world_step(w, event); /* it stays */
    shards_settle(s, 100);
    expect_end(s, 1, false);
    assert_string_equal(s->ends[0].reason, "cancelled");
    assert_int_equal(next_commit(w, 0)->seq, 7); /* what waited is done, in order */
    assert_int_equal(next_attached(w, 0)->head, 7);
    assert_int_equal(shards_owner(s, slot_a()), 0);
    assert_int_equal(shards_row(s, 0, slot_a()).epoch, 1);
    assert_int_equal(shards_row_count(s, 1, slot_a()), 0);
}

/* What a subscriber said before its gateway attached it again comes first, and what it says afterwards is not stuck behind. */
static void a_submit_that_waits_in_front_of_a_resync_goes_first(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    say_insert(w, 0, 1, 6, 6, 5, "!");
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    attach.has_have = attach.resync = true;
    attach.have_seq = 6;
    say_attach(w, 0, &attach);
    world_turn(w);
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_MOVE_CANCEL);
    event.move_cancel.slot = slot_a();
    world_step(w, event);
    shards_settle(s, 100);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 0);
    assert_int_equal(attached->last_client_seq, 6);
    assert_int_equal(attached->head, 7);
    say_detach(w, 0, 1);
    world_turn(w);
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 0);
}

static void what_waits_when_a_slot_goes_is_left_to_the_new_owner(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    say_insert(w, 0, 1, 6, 6, 5, "!");
    world_turn(w);
    shards_settle(s, 100);
    expect_end(s, 1, true);
    next_not_owner(w, 0);
    assert_nothing_told(w, 0);
    Ordo__Cluster__V1__Attached *attached = open_doc(s->worlds[1], 0, 1, "a", "client-a");
    assert_int_equal(attached->head, 6);
    say_insert(s->worlds[1], 0, 1, 6, 6, 5, "!"); /* sent again, frozen as it was */
    world_turn(s->worlds[1]);
    assert_int_equal(next_commit(s->worlds[1], 0)->seq, 7);
}

static void who_comes_to_the_new_owner_too_early_is_held(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    Ordo__Cluster__V1__Attach attach = open_of(7, "a", "client-a", "");
    say_attach(s->worlds[1], 0, &attach);
    attach = open_of(8, "a", "client-b", "");
    say_attach(s->worlds[1], 0, &attach);
    say_detach(s->worlds[1], 0, 8); /* and one leaves again */
    world_turn(s->worlds[1]);
    assert_nothing_told(s->worlds[1], 0);
    shards_settle(s, 100);
    Ordo__Cluster__V1__Attached *attached = next_attached(s->worlds[1], 0);
    assert_int_equal(attached->subscriber, 7);
    assert_int_equal(attached->head, 6);
    assert_nothing_told(s->worlds[1], 0);
}

static void holding_ends(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    Ordo__Cluster__V1__Attach attach = open_of(7, "a", "client-a", "");
    say_attach(s->worlds[1], 0, &attach);
    shards_crash(s, 0); /* the one that would decide */
    gateway_connect(s->worlds[0], 0);
    shards_settle(s, 6000);
    assert_int_equal(shards_owner(s, slot_a()), 0);
    Ordo__Cluster__V1__NotOwner *told_owner = next_not_owner(s->worlds[1], 0);
    assert_int_equal(told_owner->epoch, 1);
    assert_memory_equal(told_owner->store.data, s->worlds[0]->config.store_id, ORDO_STORE_ID_SIZE);
    assert_int_equal(next_refused(s->worlds[1], 0)->subscriber, 7);
    assert_text(s->worlds[0], 0, 9, "a", "hello");
}

static void maintenance_rests_while_a_slot_moves(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    w->config.snapshot_log_size_min = 200;
    world_crash(w);
    s->has_news[0] = true;
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a", "client-a");
    w->hold_jobs = true;
    for (uint64_t i = 0; i < 10; i++) {
        say_insert(w, 0, 1, i + 1, i + 1, i, "x");
        world_end_turn(w);
    }
    assert_int_equal(w->job_count, 1); /* a snapshot is being made */
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 300);
    assert_string_equal(ordo_shard_move_status(w->shard).phase, "waiting");
    w->hold_jobs = false;
    shards_settle(s, 500);
    expect_end(s, 1, true);
    assert_int_equal(ordo_shard_stats(w->shard).snapshots, 1);
    Ordo__Cluster__V1__Attached *attached = open_doc(s->worlds[1], 0, 1, "a", "client-a");
    assert_int_equal(attached->head, 11);
}

/* What deletes rests, too; what was asked for just before is done first. */
static void a_document_is_forgotten_before_or_after_its_slot_moves(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    say_forget(w, 0, 1, 0);
    world_turn(w);
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 200);
    expect_end(s, 1, true);
    assert_int_equal(next_forgotten(w, 0)->head, 6);
    assert_int_equal(ordo_shard_stats(w->shard).documents_erased, 1);
    w = s->worlds[1];
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 1, "a", "client-a");
    assert_true(attached->created); /* anew, behind the same head */
    assert_int_equal(attached->head, 7);
    assert_int_equal(attached->last_client_seq, 0);
    assert_text(w, 0, 9, "a", "");
    say_insert(w, 0, 1, 1, 7, 0, "x");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 8);
    shards_order(s, 1, slot_a(), 0);
    for (int i = 0; strcmp(ordo_shard_move_status(w->shard).phase, "handing-over") != 0; i++) {
        assert_true(i < 1000);
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
    world_forget_told(&w->gateways[0]);
    say_forget(w, 0, 1, 0);
    world_turn(w);
    assert_int_equal(next_forgotten(w, 0)->error_code, 503);
    shards_settle(s, 300);
    expect_end(s, 2, true);
    world_forget_told(&s->worlds[0]->gateways[0]);
    assert_text(s->worlds[0], 0, 9, "a", "x");
}

static void orders_wait_for_each_other(void **state) {
    struct shards *s = *state;
    for (uint16_t slot = 100; slot < 110; slot++) shards_order(s, 0, slot, 1 + slot % 2);
    shards_order(s, 0, 109, 2); /* the same again: nothing new */
    shards_order(s, 0, 108, 2); /* another target: refused */
    expect_end(s, 1, false);
    shards_settle(s, 2000);
    assert_int_equal(s->end_count, 11);
    for (uint16_t slot = 100; slot < 110; slot++) assert_int_equal(shards_owner(s, slot), 1 + slot % 2);
    shards_order(s, 0, 100, 1); /* an old order, of before a restart: it is done */
    expect_end(s, 12, true);
    shards_order(s, 0, 100, 2); /* that one is not for this shard */
    expect_end(s, 13, false);
}

static void a_target_that_is_nowhere_ends_the_move(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    struct ordo_shard_event event = world_event(s->worlds[0], ORDO_SHARD_MOVE);
    event.move.slot = slot_a();
    memset(event.move.target.bytes, 0x77, ORDO_STORE_ID_SIZE);
    world_step(s->worlds[0], event);
    event.move.slot = slot_a() ^ 1;
    world_step(s->worlds[0], event);
    shards_order(s, 0, slot_a() ^ 2, 1); /* to somebody who is there */
    shards_settle(s, 1000);
    assert_int_equal(s->end_count, 3);
    assert_true(s->ends[0].slot == slot_a() && !s->ends[0].is_done);
    assert_true(s->ends[1].slot == (slot_a() ^ 1) && !s->ends[1].is_done); /* at once with the first */
    assert_true(s->ends[2].slot == (slot_a() ^ 2) && s->ends[2].is_done);
    say_insert(s->worlds[0], 0, 1, 6, 6, 5, "!");
    world_turn(s->worlds[0]);
    assert_int_equal(next_commit(s->worlds[0], 0)->seq, 7);
}

static void a_target_that_does_not_answer_a_connect_ends_the_move_soon(void **state) {
    struct shards *s = *state;
    shards_order(s, 0, slot_a(), 1);
    while (s->post_count > 0) { /* neither up nor down */
        struct post post = shards_take_post(s);
        ordo_buffer_finish(&post.bytes);
    }
    shards_pass(s, 1400);
    assert_int_equal(s->end_count, 0);
    shards_pass(s, 200);
    expect_end(s, 1, false);
    assert_string_equal(s->ends[0].reason, "the target cannot be reached");
}

static void a_silent_target_ends_the_move(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    while (s->post_count > 0) {
        struct post post = shards_take_post(s);
        ordo_buffer_finish(&post.bytes);
    }
    say_insert(w, 0, 1, 6, 6, 5, "!");
    for (int i = 0; i < 300 && s->end_count == 0; i++) {
        world_pass(w, 10); /* nobody else lives */
        world_turn(w);
    }
    expect_end(s, 1, false);
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 7);
}

static void another_cluster_takes_no_slot(void **state) {
    struct shards *s = *state;
    memset(s->worlds[1]->config.cluster_id, 0xdd, ORDO_CLUSTER_ID_SIZE);
    world_crash(s->worlds[1]);
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 500);
    expect_end(s, 1, false);
    assert_non_null(strstr(s->ends[0].reason, "another cluster"));
    assert_int_equal(shards_owner(s, slot_a()), 0);
}

static void a_full_target_takes_no_slot(void **state) {
    struct shards *s = *state;
    struct ordo_shard_event event = world_event(s->worlds[1], ORDO_SHARD_DISK);
    event.disk.is_full = true;
    world_step(s->worlds[1], event);
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 500);
    expect_end(s, 1, false);
    assert_non_null(strstr(s->ends[0].reason, "full"));
}

static void what_is_open_is_loaded_before_it_is_asked_for(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    open_doc(s->worlds[0], 0, 2, "b", "client-a"); /* of another slot */
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 200);
    expect_end(s, 1, true);
    struct ordo_shard_stats before = ordo_shard_stats(s->worlds[1]->shard);
    assert_int_equal(before.loads, 1);
    assert_int_equal(before.documents, 1);
    open_doc(s->worlds[1], 0, 1, "a", "client-a");
    assert_int_equal(ordo_shard_stats(s->worlds[1]->shard).loads, 1);
    /* There and back: what was in memory at the first has gone with the slot. */
    assert_int_equal(ordo_shard_stats(s->worlds[0]->shard).documents, 1);
    say_insert(s->worlds[1], 0, 1, 6, 6, 5, "!");
    world_turn(s->worlds[1]);
    shards_order(s, 1, slot_a(), 0);
    shards_settle(s, 700);
    expect_end(s, 2, true);
    next_not_owner(s->worlds[0], 0); /* of the first move */
    assert_text(s->worlds[0], 0, 9, "a", "hello!");
}

static void what_was_loaded_ahead_goes_with_a_dropped_move(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    for (int i = 0; i < 100 && ordo_shard_stats(s->worlds[1]->shard).loads == 0; i++)
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    struct ordo_shard_event event = world_event(s->worlds[0], ORDO_SHARD_MOVE_CANCEL);
    event.move_cancel.slot = slot_a();
    world_step(s->worlds[0], event);
    shards_settle(s, 300);
    expect_end(s, 1, false);
    assert_int_equal(ordo_shard_stats(s->worlds[1]->shard).documents, 0);
    say_insert(s->worlds[0], 0, 1, 6, 6, 5, "!");
    world_turn(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 300);
    assert_text(s->worlds[1], 0, 9, "a", "hello!");
}

/* Delivers until the source waits for the target to be prepared, and the target does what that takes. */
static void until_preparing(struct shards *s) {
    for (int i = 0; i < 1000; i++) {
        bool is_preparing = strcmp(ordo_shard_move_status(s->worlds[0]->shard).phase, "preparing") == 0;
        if (is_preparing && ordo_shard_stats(s->worlds[1]->shard).loads > 0) return;
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
    fail_msg("it is never prepared");
}

/* It went to the target, was counted once on either side, and is in what was loaded ahead. */
static void expect_head_without_another_load(struct shards *s, uint64_t head) {
    shards_settle(s, 300);
    expect_end(s, 1, true);
    assert_int_equal(ordo_shard_stats(s->worlds[1]->shard).loads, 1);
    Ordo__Cluster__V1__Attached *attached = open_doc(s->worlds[1], 0, 1, "a", "client-a");
    assert_int_equal(attached->head, head);
    assert_int_equal(attached->last_client_seq, head - 1);
    assert_int_equal(attached->last_client_server_seq, head);
    assert_int_equal(ordo_shard_stats(s->worlds[1]->shard).loads, 1);
    open_doc(s->worlds[1], 0, 2, "a", "client-b");
    say_insert(s->worlds[1], 0, 2, 1, 6, 0, "o"); /* rebased over what came */
    world_turn(s->worlds[1]);
    assert_int_equal(next_commit(s->worlds[1], 0)->seq, head + 1);
}

static void what_is_committed_while_the_target_counts_and_loads_goes_along(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    s->worlds[1]->hold_jobs = true;
    shards_order(s, 0, slot_a(), 1);
    until_preparing(s);
    for (uint64_t seq = 6; seq < 9; seq++) {
        say_insert(w, 0, 1, seq, seq, seq - 1, "!");
        world_turn(w);
        assert_int_equal(next_commit(w, 0)->seq, seq + 1);
        while (shards_deliver(s, ARRIVES)) continue;
    }
    assert_string_equal(ordo_shard_move_status(w->shard).phase, "preparing");
    s->worlds[1]->hold_jobs = false;
    expect_head_without_another_load(s, 9);
    assert_text(s->worlds[1], 0, 9, "a", "ohello!!!");
}

static void run_oldest_job(struct world *w) {
    struct ordo_job *job = w->jobs[0];
    memmove(w->jobs, w->jobs + 1, --w->job_count * sizeof *w->jobs);
    struct ordo_view *view = w->store->ops->view_open(w->store);
    ordo_job_run(job, view);
    w->store->ops->view_close(view);
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_JOB_DONE);
    event.job_done.job = job;
    world_step(w, event);
}

/* Its count may begin before the commit, and have it in its view. */
static void what_is_committed_while_the_source_counts_is_counted_once(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    w->hold_jobs = true;
    shards_order(s, 0, slot_a(), 1);
    for (int i = 0; w->job_count == 0; i++) {
        assert_true(i < 1000);
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
    run_oldest_job(w); /* that reads; now it counts */
    until_preparing(s);
    assert_int_equal(w->job_count, 1);
    for (uint64_t seq = 6; seq < 8; seq++) {
        say_insert(w, 0, 1, seq, seq, seq - 1, "!");
        world_turn(w);
        assert_int_equal(next_commit(w, 0)->seq, seq + 1);
    }
    for (int i = 0; i < 10; i++) {
        while (shards_deliver(s, ARRIVES)) continue;
        shards_pass(s, 10);
    }
    assert_string_equal(ordo_shard_move_status(w->shard).phase, "preparing"); /* ready but for that count */
    w->hold_jobs = false;
    expect_head_without_another_load(s, 8);
}

static void what_is_committed_once_the_target_is_prepared_goes_along(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    type_hello(w);
    shards_order(s, 0, slot_a(), 1);
    until_preparing(s);
    for (int i = 0; ordo_shard_stats(s->worlds[1]->shard).jobs_running > 0; i++) {
        assert_true(i < 100);
        world_turn(s->worlds[1]); /* its answer is on its way now */
    }
    say_insert(w, 0, 1, 6, 6, 5, "!");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 7);
    expect_head_without_another_load(s, 7);
    assert_text(s->worlds[1], 0, 9, "a", "ohello!");
}

static void a_count_that_is_kept_up_equals_one_that_is_made_anew(void **state) {
    (void)state;
    struct ordo_buffer doc_key = {0}, key = {0}, value = {0};
    struct ordo_slot_count kept = {0}, anew = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    ordo_slot_count_document(&kept, ordo_slice_of("another"), 3);
    for (uint64_t seq = 1; seq < 20; seq += 5) {
        ordo_key_ops(&key, ordo_buffer_slice(&doc_key), seq);
        ordo_run_encode(&value, ordo_buffer_slice(&key), seq, 5, 0, ordo_slice(NULL, 0));
        assert_int_equal(ordo_slot_count_run(&kept, ordo_buffer_slice(&key), ordo_buffer_slice(&value)), ORDO_OK);
        anew = (struct ordo_slot_count){0};
        ordo_slot_count_document(&anew, ordo_slice_of("another"), 3);
        ordo_slot_count_document(&anew, ordo_buffer_slice(&doc_key), seq + 4);
        assert_true(ordo_slot_count_equal(&kept, &anew));
    }
    value.data[value.size / 2] ^= 1;
    assert_int_equal(ordo_slot_count_run(&kept, ordo_buffer_slice(&key), ordo_buffer_slice(&value)), ORDO_ERR_CORRUPT);
    assert_true(ordo_slot_count_equal(&kept, &anew));
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

/* The source has crashed before it gave the slot away, and knows nothing of the move any more. */
static void what_is_nobodys_is_asked_for(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    for (int i = 0; i < 100 && shards_row(s, 1, slot_a()).state != ORDO_SLOT_IMPORTED; i++)
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    shards_crash(s, 0);
    shards_crash(s, 1);
    assert_int_equal(shards_row(s, 1, slot_a()).state, ORDO_SLOT_IMPORTED);
    assert_true(shards_row_count(s, 1, slot_a()) > 0);
    shards_settle(s, 3000);
    assert_int_equal(shards_owner(s, slot_a()), 0);
    assert_int_equal(shards_row(s, 1, slot_a()).state, ORDO_SLOT_GIVEN);
    assert_int_equal(shards_row_count(s, 1, slot_a()), 0);
}

static void what_may_be_lost_stays_where_that_is_known(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    struct ordo_batch batch = {0};
    struct ordo_buffer doc_key = {0}, value = {0};
    type_hello(w);
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    ordo_quarantine_encode(&value, &(struct ordo_quarantine_range){.low = ordo_buffer_slice(&doc_key),
                                                                   .high = ordo_buffer_slice(&doc_key)}, 1);
    ordo_batch_put(&batch, ORDO_CF_META, ordo_key_quarantine, ordo_buffer_slice(&value));
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    shards_order(s, 0, slot_a(), 1);
    shards_order(s, 0, (uint16_t)(slot_a() ^ 1), 1); /* the others are free to go */
    shards_settle(s, 1000);
    assert_int_equal(s->end_count, 2);
    assert_false(s->ends[0].is_done);
    assert_non_null(strstr(s->ends[0].reason, "repaired"));
    assert_true(s->ends[1].is_done);
    assert_int_equal(shards_owner(s, slot_a()), 0);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&value);
}

static void a_slot_that_cannot_be_read_stays(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    struct ordo_buffer doc_key = {0}, key = {0};
    type_hello(w);
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 3);
    assert_true(ordo_store_memory_make_unreadable(w->store, ORDO_CF_OPS, ordo_buffer_slice(&key)));
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 1000);
    expect_end(s, 1, false);
    assert_non_null(strstr(s->ends[0].reason, "cannot be read"));
    assert_int_equal(shards_owner(s, slot_a()), 0);
    assert_int_equal(shards_row_count(s, 1, slot_a()), 0);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
}

/* ---- whatever breaks */

/* Order after order until it is done; then the slot is at `to`, and the document there is whole. */
static void expect_whole_at(struct shards *s, int to, const char *text) {
    for (int i = 0; i < 20 && shards_owner(s, slot_a()) != to; i++) {
        int owner = shards_owner(s, slot_a());
        if (owner >= 0 && !ordo_shard_move_status(s->worlds[owner]->shard).is_moving) shards_order(s, owner, slot_a(), to);
        shards_settle(s, 1000);
    }
    assert_int_equal(shards_owner(s, slot_a()), to);
    shards_settle(s, 4000);
    struct world *w = s->worlds[to];
    gateway_connect(w, 1);
    assert_text(w, 1, 9, "a", text);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 1, 1, "a", "client-a");
    uint64_t head = attached->head;
    assert_int_equal(attached->last_client_server_seq, head);
    say_insert(w, 1, 1, 100, head, 0, "x");
    world_turn(w);
    assert_int_equal(next_commit(w, 1)->seq, head + 1);
    for (int i = 0; i < SHARDS; i++)
        if (i != to) assert_int_equal(shards_row_count(s, i, slot_a()), 0);
}

struct misfortune {
    size_t at;     /* before this delivery */
    int crashes;   /* a shard; -1: none */
    enum fate fate;
    bool table_goes; /* away, until the end */
};

/* One move with one misfortune. Returns how many deliveries it took. */
static size_t move_with(const struct misfortune *misfortune) {
    void *state = NULL;
    setup(&state);
    struct shards *s = state;
    type_hello(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    size_t count = 0;
    for (uint64_t idle_ms = 0; idle_ms < 100;) {
        if (misfortune != NULL && count == misfortune->at) {
            if (misfortune->table_goes) s->is_table_away = true;
            if (misfortune->crashes >= 0) shards_crash(s, misfortune->crashes);
        }
        enum fate fate = misfortune != NULL && count == misfortune->at ? misfortune->fate : ARRIVES;
        bool was_any = shards_deliver(s, fate);
        (void)shards_owner(s, slot_a()); /* at most one at every step */
        if (was_any) count++;
        else {
            shards_pass(s, 10);
            idle_ms += 10;
        }
    }
    shards_settle(s, 500);
    if (s->is_table_away) {
        s->is_table_away = false;
        for (int i = 0; i < SHARDS; i++) s->has_news[i] = true;
    }
    shards_settle(s, 5000);
    assert_true(shards_owner(s, slot_a()) >= 0);
    expect_whole_at(s, 1, "hello");
    teardown(&state);
    return count;
}

static void a_crash_between_any_two_steps_does_no_harm(void **state) {
    (void)state;
    size_t count = move_with(NULL);
    assert_true(count > 10 && count < 200);
    for (size_t at = 0; at < count; at++) {
        for (int who = 0; who < 2; who++) {
            move_with(&(struct misfortune){.at = at, .crashes = who});
            move_with(&(struct misfortune){.at = at, .crashes = who, .table_goes = true});
        }
    }
}

static void a_message_lost_or_doubled_does_no_harm(void **state) {
    (void)state;
    size_t count = move_with(NULL);
    for (size_t at = 0; at < count; at++) {
        move_with(&(struct misfortune){.at = at, .crashes = -1, .fate = IS_LOST});
        move_with(&(struct misfortune){.at = at, .crashes = -1, .fate = ARRIVES_TWICE});
        move_with(&(struct misfortune){.at = at, .crashes = -1, .table_goes = true});
    }
}

static void both_crash_between_any_two_steps(void **state) {
    (void)state;
    size_t count = move_with(NULL);
    for (size_t at = 0; at < count; at++) {
        void *inner = NULL;
        setup(&inner);
        struct shards *s = inner;
        type_hello(s->worlds[0]);
        shards_order(s, 0, slot_a(), 1);
        for (size_t i = 0; i < at; i++)
            if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
        shards_crash(s, 1);
        shards_crash(s, 0);
        shards_settle(s, 5000);
        assert_true(shards_owner(s, slot_a()) >= 0);
        expect_whole_at(s, 1, "hello");
        teardown(&inner);
    }
}

/* There and back, with what the first owner had not cleared up when it crashed. */
static void a_slot_that_comes_back_finds_no_leftovers(void **state) {
    struct shards *s = *state;
    struct world *first = s->worlds[0];
    type_hello(first);
    s->is_table_away = true; /* so nothing is cleared up */
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 500);
    assert_int_equal(shards_owner(s, slot_a()), 1);
    assert_true(shards_row_count(s, 0, slot_a()) > 0);
    shards_crash(s, 0);
    /* A row that the second owner never had, as a truncation there would make it. */
    struct ordo_buffer doc_key = {0}, key = {0};
    struct ordo_batch batch = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    ordo_key_client(&key, ordo_buffer_slice(&doc_key), ordo_slice_of("a ghost"));
    ordo_batch_put(&batch, ORDO_CF_CLIENTS, ordo_buffer_slice(&key), ordo_slice_of("boo"));
    assert_int_equal(first->store->ops->write(first->store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
    open_doc(s->worlds[1], 0, 1, "a", "client-a");
    say_insert(s->worlds[1], 0, 1, 6, 6, 5, "!");
    world_turn(s->worlds[1]);
    size_t row_count = shards_row_count(s, 1, slot_a());
    shards_order(s, 1, slot_a(), 0);
    shards_settle(s, 1000);
    assert_int_equal(shards_owner(s, slot_a()), 0);
    assert_int_equal(shards_row(s, 0, slot_a()).epoch, 3);
    assert_int_equal(shards_row_count(s, 0, slot_a()), row_count);
    s->is_table_away = false;
    for (int i = 0; i < SHARDS; i++) {
        s->has_news[i] = true;
        shards_publish(s, i);
    }
    shards_settle(s, 1000);
    expect_whole_at(s, 0, "hello!");
    assert_int_equal(s->table.slots[slot_a()].epoch, 3);
}

static void a_late_beginning_is_not_taken_for_the_newest(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    shards_order(s, 0, slot_a(), 1);
    struct post kept = {0};
    for (int i = 0; i < 100 && s->end_count == 0; i++) { /* the MoveBegin is kept back: the third thing said to the target */
        if (s->post_count > 0 && s->posts[0].to_target && kept.session == 0 &&
            strcmp(ordo_shard_move_status(s->worlds[0]->shard).phase, "beginning") == 0) {
            kept = shards_take_post(s);
            struct ordo_shard_event down = world_event(s->worlds[0], ORDO_SHARD_TARGET_DOWN);
            down.target.session = kept.session;
            world_step(s->worlds[0], down);
        }
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
    expect_end(s, 1, false);
    shards_settle(s, 600);
    shards_order(s, 0, slot_a(), 1);
    until_frozen(s);
    shards_deliver_post(s, &kept); /* over the session of before */
    ordo_buffer_finish(&kept.bytes);
    shards_settle(s, 6000);
    assert_true(shards_owner(s, slot_a()) >= 0);
    expect_whole_at(s, 1, "hello");
}

/* The source has heard of the new level, the target has not. */
static void rows_of_a_new_level_bring_the_level_along(void **state) {
    struct shards *s = *state;
    struct world *w = s->worlds[0];
    w->config.snapshot_log_size_min = 200;
    world_crash(w);
    gateway_connect(w, 0);
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_PLACEMENT);
    event.placement.placement = &s->table;
    event.placement.format = ORDO_FORMAT_CONTENT_HASH;
    world_step(w, event);
    type_hello(w);
    for (int i = 0; i < 100 && ordo_shard_stats(w->shard).snapshots == 0; i++) world_pass(w, 20);
    assert_int_equal(ordo_shard_stats(w->shard).snapshots, 1);
    shards_order(s, 0, slot_a(), 1);
    shards_settle(s, 300);
    expect_end(s, 1, true);
    struct ordo_store *store = s->worlds[1]->store;
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_buffer value = {0};
    uint64_t level = 0;
    assert_int_equal(view->ops->get(view, ORDO_CF_META, ordo_key_format, &value), ORDO_OK);
    assert_int_equal(ordo_format_row_decode(ordo_buffer_slice(&value), &level), ORDO_OK);
    assert_int_equal(level, ORDO_FORMAT_CONTENT_HASH);
    ordo_buffer_finish(&value);
    store->ops->view_close(view);
    assert_text(s->worlds[1], 0, 9, "a", "hello");
}

/* Orders the slot to shard 1, and lets `falsify` change what is said to it on the way, until the move has ended. */
static void order_and_falsify(struct shards *s, void (*falsify)(Ordo__Cluster__V1__ToShard *message)) {
    shards_order(s, 0, slot_a(), 1);
    for (int i = 0; i < 100 && s->end_count == 0; i++) {
        struct post *post = s->post_count > 0 ? &s->posts[0] : NULL;
        Ordo__Cluster__V1__Envelope *envelope =
            post && post->to_target ? ordo__cluster__v1__envelope__unpack(NULL, post->bytes.size, post->bytes.data) : NULL;
        if (envelope != NULL && envelope->n_to_shard == 1) {
            falsify(envelope->to_shard[0]);
            ordo_buffer_clear(&post->bytes);
            ordo_message_encode(&envelope->base, &post->bytes);
        }
        if (envelope != NULL) ordo__cluster__v1__envelope__free_unpacked(envelope, NULL);
        if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
    }
}

static void ask_for_a_later_format(Ordo__Cluster__V1__ToShard *message) {
    if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_BEGIN) message->move_begin->format = ordo_format_max() + 1;
}

/* Within the first key. */
static void change_the_slot(Ordo__Cluster__V1__ToShard *message) {
    if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ROWS) message->move_rows->rows.data[3] ^= 1;
}

static void a_target_of_an_older_version_takes_no_slot(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    order_and_falsify(s, ask_for_a_later_format);
    expect_end(s, 1, false);
    assert_non_null(strstr(s->ends[0].reason, "of an older version"));
    assert_int_equal(shards_owner(s, slot_a()), 0);
    assert_int_equal(shards_row_count(s, 1, slot_a()), 0);
}

/* The target takes the slot and is lost with all it had, before the table shows it. */
static void what_was_given_to_a_store_that_is_lost_is_kept(void **state) {
    for (int is_known_lost = 0; is_known_lost < 2; is_known_lost++) {
        struct shards *s = *state;
        if (is_known_lost) {
            teardown(state);
            setup(state);
            s = *state;
        }
        type_hello(s->worlds[0]);
        size_t row_count = shards_row_count(s, 0, slot_a());
        s->is_table_away = true;
        shards_order(s, 0, slot_a(), 1);
        for (int i = 0; shards_row(s, 0, slot_a()).state != ORDO_SLOT_GIVEN; i++) {
            assert_true(i < 1000);
            if (!shards_deliver(s, ARRIVES)) shards_pass(s, 10);
        }
        while (s->post_count > 0) { /* it never says that it has taken it */
            struct post post = shards_take_post(s);
            ordo_buffer_finish(&post.bytes);
        }
        struct ordo_store_id lost = shards_id(s, 1);
        struct ordo_placement table = {0}; /* the slot begins anew at the third */
        table.slots[slot_a()] = (struct ordo_slot_place){.epoch = 3, .store = shards_id(s, 2)};
        struct ordo_shard_event event = world_event(s->worlds[0], ORDO_SHARD_PLACEMENT);
        event.placement.placement = &table;
        event.placement.lost = &lost;
        event.placement.lost_count = is_known_lost ? 1 : 0;
        world_step(s->worlds[0], event);
        world_turn(s->worlds[0]);
        assert_int_equal(shards_row_count(s, 0, slot_a()), is_known_lost ? row_count : 0);
        if (is_known_lost) {
            expect_end(s, 1, false);
            assert_non_null(strstr(s->ends[0].reason, "is lost"));
        }
    }
}

static void rows_of_other_slots_are_refused(void **state) {
    struct shards *s = *state;
    type_hello(s->worlds[0]);
    order_and_falsify(s, change_the_slot);
    expect_end(s, 1, false);
    assert_int_equal(shards_owner(s, slot_a()), 0);
    shards_settle(s, 100);
    assert_int_equal(shards_row_count(s, 1, slot_a()), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slot_moves_with_its_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(who_comes_to_the_wrong_shard_is_told_the_right_one, setup, teardown),
        cmocka_unit_test_setup_teardown(commits_go_on_while_rows_are_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(submits_wait_while_a_slot_is_handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_submit_that_waits_in_front_of_a_resync_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_when_a_slot_goes_is_left_to_the_new_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(who_comes_to_the_new_owner_too_early_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(holding_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(maintenance_rests_while_a_slot_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_document_is_forgotten_before_or_after_its_slot_moves, setup, teardown),
        cmocka_unit_test_setup_teardown(orders_wait_for_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_target_that_is_nowhere_ends_the_move, setup, teardown),
        cmocka_unit_test_setup_teardown(a_target_that_does_not_answer_a_connect_ends_the_move_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(a_silent_target_ends_the_move, setup, teardown),
        cmocka_unit_test_setup_teardown(another_cluster_takes_no_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_target_takes_no_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_open_is_loaded_before_it_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_loaded_ahead_goes_with_a_dropped_move, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_committed_while_the_target_counts_and_loads_goes_along, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_committed_while_the_source_counts_is_counted_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_committed_once_the_target_is_prepared_goes_along, setup, teardown),
        cmocka_unit_test(a_count_that_is_kept_up_equals_one_that_is_made_anew),
        cmocka_unit_test_setup_teardown(what_is_nobodys_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_may_be_lost_stays_where_that_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_cannot_be_read_stays, setup, teardown),
        cmocka_unit_test(a_crash_between_any_two_steps_does_no_harm),
        cmocka_unit_test(a_message_lost_or_doubled_does_no_harm),
        cmocka_unit_test(both_crash_between_any_two_steps),
        cmocka_unit_test_setup_teardown(a_slot_that_comes_back_finds_no_leftovers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_beginning_is_not_taken_for_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_of_other_slots_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_given_to_a_store_that_is_lost_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_of_a_new_level_bring_the_level_along, setup, teardown),
        cmocka_unit_test_setup_teardown(a_target_of_an_older_version_takes_no_slot, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
