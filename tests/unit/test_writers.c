/* A document with as many writers as it takes: further ones are viewers until there is a place, and what they typed waits. */
#include "shard_fixture.h"

enum { IDLE_MS = 1000 };

static int set_up(void **state) {
    two_gateways_set_up(state);
    struct world *w = *state;
    w->config.writers_max = 2;
    w->config.writer_idle_ms = IDLE_MS;
    restart_with_config(w);
    return 0;
}

static uint64_t reattach_told(struct world *w, int g) { return next_reattach(w, g)->subscriber; }

/* Answers a Reattach as a gateway does. */
static Ordo__Cluster__V1__Attached *resync(struct world *w, int g, uint64_t subscriber, const char *client_id, uint64_t have_seq,
                                           uint64_t lineage) {
    Ordo__Cluster__V1__Attach attach = open_of(subscriber, "a", client_id, "");
    attach.has_have = attach.resync = true;
    attach.have_seq = have_seq;
    attach.have_lineage = lineage;
    say_attach(w, g, &attach);
    world_turn(w);
    return next_attached(w, g);
}

/* Inserts at the start, on top of `base_seq`, and is committed. */
static void write(struct world *w, int g, uint64_t subscriber, uint64_t client_seq, uint64_t base_seq) {
    say_insert(w, g, subscriber, client_seq, base_seq, 0, "x");
    world_turn(w);
    assert_int_equal(next_commit(w, g)->seq, base_seq + 1);
}

/* The op waits; with `is_news` its client hears that it is a viewer now. */
static void try_to_write(struct world *w, int g, uint64_t subscriber, uint64_t client_seq, uint64_t base_seq, bool is_news) {
    say_insert(w, g, subscriber, client_seq, base_seq, 0, "x");
    world_turn(w);
    if (is_news) assert_int_equal(reattach_told(w, g), subscriber);
    Ordo__Cluster__V1__Nack *nack = next_nack(w, g);
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__RATE_LIMITED);
    assert_int_equal(nack->client_seq, client_seq);
    assert_int_not_equal(nack->retry_after_ms, 0);
}

/* Subscribers 1 and 2 write to "a"; gateway 1 has not heard of it. Returns the lineage; the head is 3. */
static uint64_t fill(struct world *w) {
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-1")->lineage;
    open_doc(w, 0, 2, "a", "client-2");
    write(w, 0, 1, 1, 1);
    write(w, 0, 2, 1, 2);
    return lineage;
}

static void the_right_to_write_takes_no_place(void **state) {
    struct world *w = *state;
    for (uint64_t i = 1; i <= 10; i++) {
        char client_id[16];
        snprintf(client_id, sizeof client_id, "client-%d", (int)i);
        assert_false(open_doc(w, 0, i, "a", client_id)->viewer);
    }
    write(w, 0, 10, 1, 1);
    assert_int_equal(ordo_shard_stats(w->shard).viewers, 0);
}

static void who_opens_a_full_document_is_a_viewer(void **state) {
    struct world *w = *state;
    fill(w);
    assert_true(open_doc(w, 0, 3, "a", "client-3")->viewer);
    assert_false(open_doc(w, 0, 4, "other", "client-3")->viewer); /* each document has places of its own */
    assert_int_equal(ordo_shard_stats(w->shard).viewers, 1);
    assert_int_equal(ordo_shard_stats(w->shard).writers_turned_away, 1);
    write(w, 0, 1, 2, 3); /* the writers go on */
}

static void who_may_only_read_does_not_wait_for_a_place(void **state) {
    struct world *w = *state;
    fill(w);
    Ordo__Cluster__V1__Attach attach = open_of(3, "a", "client-3", "");
    attach.permission = ORDO_ACCESS_READ;
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_false(next_attached(w, 0)->viewer);
    say_detach(w, 0, 1);
    world_turn(w);
    assert_nothing_told(w, 0);
}

static void an_op_without_a_place_waits_and_is_committed_with_one(void **state) {
    struct world *w = *state;
    uint64_t lineage = open_doc(w, 1, 3, "a", "client-3")->lineage; /* while there was room */
    fill(w);
    next_commit(w, 1);
    next_commit(w, 1);
    try_to_write(w, 1, 3, 1, 3, true);
    assert_true(resync(w, 1, 3, "client-3", 3, lineage)->viewer);
    try_to_write(w, 1, 3, 1, 3, false); /* it sends again after the Opened, which is no news any more */
    assert_nothing_told(w, 1);
    say_detach(w, 0, 2);
    world_turn(w);
    assert_int_equal(reattach_told(w, 1), 3);
    assert_false(resync(w, 1, 3, "client-3", 3, lineage)->viewer);
    write(w, 1, 3, 1, 3);
    assert_int_equal(ordo_shard_stats(w->shard).viewers, 0);
    assert_int_equal(ordo_shard_stats(w->shard).viewers_admitted, 1);
}

static void what_was_committed_before_is_acked_without_a_place(void **state) {
    struct world *w = *state;
    open_doc(w, 1, 3, "a", "client-3");
    write(w, 1, 3, 1, 1);
    world_pass(w, IDLE_MS);
    open_doc(w, 0, 1, "a", "client-1");
    open_doc(w, 0, 2, "a", "client-2");
    write(w, 0, 1, 1, 2);
    write(w, 0, 2, 1, 3);
    next_commit(w, 1);
    next_commit(w, 1);
    say_insert(w, 1, 3, 1, 1, 0, "x");
    world_turn(w);
    assert_int_equal(next_duplicate(w, 1)->server_seq, 2);
    say_insert(w, 1, 3, 2, 99, 0, "x"); /* and a base that is wrong goes before the want of a place */
    world_turn(w);
    assert_int_equal(next_nack(w, 1)->code, ORDO__V1__NACK_CODE__FUTURE_BASE);
}

static void a_quiet_writer_loses_the_place_only_to_who_wants_it(void **state) {
    struct world *w = *state;
    fill(w);
    world_pass(w, 10 * IDLE_MS);
    write(w, 0, 1, 2, 3); /* nobody wanted it */
    open_doc(w, 0, 3, "a", "client-3");
    write(w, 0, 3, 1, 4); /* this one does: that of the second, who has been quiet, and who is not told before it tries */
    assert_nothing_told(w, 0);
    try_to_write(w, 0, 2, 2, 5, true);
    world_pass(w, IDLE_MS / 2);
    write(w, 0, 3, 2, 5);
    assert_nothing_told(w, 0);
    world_pass(w, IDLE_MS / 2);
    assert_int_equal(reattach_told(w, 0), 2); /* the first has not written since */
}

static void viewers_get_the_places_of_the_quiet_in_the_order_they_came(void **state) {
    struct world *w = *state;
    fill(w);
    for (uint64_t i = 3; i <= 6; i++) {
        char client_id[16];
        snprintf(client_id, sizeof client_id, "client-%d", (int)i);
        assert_true(open_doc(w, 1, i, "a", client_id)->viewer);
    }
    try_to_write(w, 1, 6, 1, 3, false); /* the last to come has something to say: it goes first */
    assert_nothing_told(w, 1);
    world_pass(w, IDLE_MS / 2);
    assert_nothing_told(w, 1);
    world_pass(w, IDLE_MS / 2);
    assert_int_equal(reattach_told(w, 1), 6);
    assert_int_equal(reattach_told(w, 1), 3);
    assert_nothing_told(w, 1);
    /* Who does not use it makes room: two more after as long again, and no more than that. */
    world_pass(w, IDLE_MS - 1);
    assert_nothing_told(w, 1);
    world_pass(w, 1);
    assert_int_equal(reattach_told(w, 1), 4);
    assert_int_equal(reattach_told(w, 1), 5);
    assert_int_equal(ordo_shard_stats(w->shard).viewers, 0);
    world_pass(w, 10 * IDLE_MS);
    assert_nothing_told(w, 1);
}

static void a_place_goes_with_the_client_to_its_next_connection(void **state) {
    struct world *w = *state;
    fill(w);
    assert_true(open_doc(w, 1, 3, "a", "client-3")->viewer);
    assert_false(open_doc(w, 1, 4, "a", "client-1")->viewer);
    assert_nothing_told(w, 1);
    write(w, 1, 4, 2, 3);
    say_detach(w, 0, 1); /* the earlier one has none any more */
    world_turn(w);
    assert_nothing_told(w, 1);
}

static void a_gateway_that_ends_frees_the_places_of_its_writers(void **state) {
    struct world *w = *state;
    fill(w);
    open_doc(w, 0, 5, "a", "client-5"); /* viewers at both */
    open_doc(w, 1, 3, "a", "client-3");
    open_doc(w, 1, 4, "a", "client-4");
    assert_int_equal(ordo_shard_stats(w->shard).viewers, 3);
    struct ordo_shard_event lost = world_event(w, ORDO_SHARD_LOST);
    lost.lost.peer = ordo_slice_of(w->gateways[0].id);
    w->gateways[0].is_up = false;
    world_step(w, lost);
    world_turn(w);
    assert_int_equal(reattach_told(w, 1), 3);
    assert_int_equal(reattach_told(w, 1), 4);
    assert_int_equal(ordo_shard_stats(w->shard).viewers, 0);
}

static void who_submits_without_following_is_told_when_it_tries(void **state) {
    struct world *w = *state;
    fill(w);
    Ordo__Cluster__V1__Attach attach = open_of(3, "a", "client-3", "");
    attach.bare = true;
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_false(next_attached(w, 0)->viewer);
    try_to_write(w, 0, 3, 1, 3, true);
}

static void without_a_limit_everybody_writes(void **state) {
    struct world *w = *state;
    w->config.writers_max = 0;
    restart_with_config(w);
    for (uint64_t i = 1; i <= 20; i++) {
        char client_id[16];
        snprintf(client_id, sizeof client_id, "client-%d", (int)i);
        assert_false(open_doc(w, 0, i, "a", client_id)->viewer);
        write(w, 0, i, 1, i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, two_gateways_tear_down)
        TEST(the_right_to_write_takes_no_place),
        TEST(who_opens_a_full_document_is_a_viewer),
        TEST(who_may_only_read_does_not_wait_for_a_place),
        TEST(an_op_without_a_place_waits_and_is_committed_with_one),
        TEST(what_was_committed_before_is_acked_without_a_place),
        TEST(a_quiet_writer_loses_the_place_only_to_who_wants_it),
        TEST(viewers_get_the_places_of_the_quiet_in_the_order_they_came),
        TEST(a_place_goes_with_the_client_to_its_next_connection),
        TEST(a_gateway_that_ends_frees_the_places_of_its_writers),
        TEST(who_submits_without_following_is_told_when_it_tries),
        TEST(without_a_limit_everybody_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
