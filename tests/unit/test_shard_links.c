/* Gateways' links as the shard keeps them: sessions, losses, silence, credit; and presence, which ends with them. */
#include "shard_world.h"

static int setup(void **state) {
    struct world *w = world_create();
    gateway_connect(w, 0);
    gateway_connect(w, 1);
    *state = w;
    return 0;
}
static int teardown(void **state) {
    world_destroy(*state);
    return 0;
}

static void a_gap_ends_the_session_and_its_subscribers(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 1, 1, "a", "client-b");
    w->gateways[0].link.number_sent++; /* one Envelope was swallowed */
    w->gateways[0].is_up = false;
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    next_reset(w, 0);
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 1);
    say_insert(w, 0, 1, 1, 1, 0, "x"); /* still on its way: ignored, told once */
    world_turn(w);
    assert_nothing_told(w, 0);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    say_attach(w, 0, &attach);
    say_insert(w, 0, 1, 1, 1, 0, "x"); /* sent again at once, behind the Attach */
    world_turn(w);
    assert_false(next_attached(w, 0)->created);
    assert_int_equal(next_commit(w, 0)->author, 1);
    assert_int_equal(next_commit(w, 1)->seq, 2);
}

static void messages_of_an_earlier_life_are_not_handled(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    world_crash(w);
    say_insert(w, 0, 1, 1, 1, 0, "x"); /* of the session before */
    world_turn(w);
    next_reset(w, 0);
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 0);
    /* A session of now, but a message that names the incarnation before. */
    gateway_connect(w, 0);
    w->config.incarnation--;
    w->gateways[0].is_up = false;
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    say_attach(w, 0, &attach);
    world_turn(w);
    w->config.incarnation++;
    next_reset(w, 0);
    assert_int_equal(ordo_shard_stats(w->shard).gateways, 0);
}

static void a_gateway_of_another_protocol_is_told_so(void **state) {
    struct world *w = *state;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__LinkHello hello = ORDO__CLUSTER__V1__LINK_HELLO__INIT;
    ordo_link_init(&w->gateways[2].link, 77, w->now_ms);
    hello.protocol_min = 2;
    hello.protocol_max = 3;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
    message.hello = &hello;
    gateway_say(w, 2, &message);
    world_turn(w);
    next_reset(w, 2);
    assert_int_equal(ordo_shard_stats(w->shard).gateways, 2);
}

static void garbage_is_ignored(void **state) {
    struct world *w = *state;
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_RECEIVED);
    event.received.peer = ordo_slice_of("g2");
    event.received.message = ordo_slice_of("\xff\xff\xff not an envelope");
    world_step(w, event);
    event.received.message = ordo_slice(NULL, 0);
    world_step(w, event);
    world_turn(w);
    for (int g = 0; g < GATEWAYS; g++) assert_nothing_told(w, g);
}

/* Time without a word, with or without heartbeats that the side thread heard. */
static void pass_silently(struct world *w, uint64_t ms, bool is_heard) {
    for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
        w->now_ms += 100;
        if (is_heard) {
            struct ordo_shard_event heard = world_event(w, ORDO_SHARD_HEARD);
            heard.heard.session = w->gateways[0].link.session;
            world_step(w, heard);
        }
        world_step(w, world_event(w, ORDO_SHARD_TICK));
        world_turn(w);
    }
}

static void a_silent_gateway_is_dead_unless_its_heartbeat_is_heard(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    pass_silently(w, 2 * ORDO_LINK_TIMEOUT_MS, true);
    assert_int_equal(ordo_shard_stats(w->shard).gateways, 1); /* the other one was silent */
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 1);
    pass_silently(w, ORDO_LINK_TIMEOUT_MS, false);
    assert_int_equal(ordo_shard_stats(w->shard).gateways, 0);
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 0);
}

static void a_stalled_disk_does_not_make_a_gateway_dead(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    w->now_ms += 5000; /* the loop stood still; meanwhile the side thread heard gateway 0 */
    struct ordo_shard_event heard = world_event(w, ORDO_SHARD_HEARD);
    heard.heard.session = w->gateways[0].link.session;
    world_step(w, heard);
    world_step(w, world_event(w, ORDO_SHARD_TICK));
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 1);
}

static void a_refused_send_ends_the_session(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    struct ordo_shard_event lost = world_event(w, ORDO_SHARD_LOST);
    lost.lost.peer = ordo_slice_of("g0");
    world_step(w, lost);
    assert_int_equal(ordo_shard_stats(w->shard).subscribers, 0);
}

static void keep_alives_carry_credit(void **state) {
    struct world *w = *state;
    uint64_t before = w->gateways[0].link.credit_got;
    open_doc(w, 0, 1, "a", "client-a");
    char *text = ordo_alloc(100001);
    memset(text, 'x', 100000);
    for (uint64_t i = 1; i <= 40; i++) {
        say_insert(w, 0, 1, i, i, 0, text);
        world_turn(w);
    }
    free(text);
    world_pass(w, 1000);
    assert_true(w->gateways[0].link.credit_got > before + 4000000);
    assert_int_equal(w->gateways[0].link.credit_got, w->gateways[0].link.bytes_sent + ORDO_LINK_CREDIT);
}

static void without_credit_commits_are_dropped_and_the_gateway_is_told_to_resync(void **state) {
    struct world *w = *state;
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-a")->lineage;
    open_doc(w, 1, 1, "a", "client-b");
    open_doc(w, 1, 2, "a", "client-c");
    char *text = ordo_alloc(900001);
    memset(text, 'x', 900000);
    uint64_t head = 1, delivered = 1;
    w->gateways[1].bytes_waiting = 0;
    /* Gateway 1 takes everything in and grants nothing. */
    for (uint64_t i = 1; i <= 30; i++) {
        w->gateways[1].bytes_waiting = w->gateways[1].link.bytes_received;
        say_insert(w, 0, 1, i, head++, 0, text);
        world_turn(w);
        while (w->gateways[0].read_count < w->gateways[0].told_count) next_commit(w, 0);
        while (w->gateways[1].read_count < w->gateways[1].told_count) delivered = next_commit(w, 1)->seq;
    }
    free(text);
    assert_true(delivered < head);
    assert_true(w->gateways[1].link.bytes_received <= ORDO_LINK_CREDIT + 2000000);
    /* What it asked for is still answered. */
    say_insert(w, 1, 1, 1, head + 7, 0, "x");
    world_turn(w);
    assert_int_equal(next_nack(w, 1)->code, ORDO__V1__NACK_CODE__FUTURE_BASE);
    /* It works through: credit returns with its next Envelope. */
    w->gateways[1].bytes_waiting = 0;
    ordo_link_grant(&w->gateways[1].link, 0);
    gateway_say_many(w, 1, NULL, 0);
    world_turn(w);
    next_dropped(w, 1);
    say_insert(w, 0, 1, 31, head++, 0, "y");
    world_turn(w);
    assert_nothing_told(w, 1); /* nothing before it attached again */
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-b", "");
    attach.resync = attach.has_have = true;
    attach.have_seq = delivered;
    attach.have_lineage = lineage;
    say_attach(w, 1, &attach);
    world_turn(w);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 1);
    assert_int_equal(attached->head, head);
    assert_false(attached->has_content);
    assert_true(attached->ops->size > 0);
    say_insert(w, 0, 1, 32, head++, 0, "z");
    world_turn(w);
    assert_int_equal(next_commit(w, 1)->seq, head);
}

static void a_full_disk_refuses_submits_for_now_and_reads_go_on(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    struct ordo_shard_event disk = world_event(w, ORDO_SHARD_DISK);
    disk.disk.is_full = true;
    world_step(w, disk);
    say_insert(w, 0, 1, 2, 2, 0, "y");
    say_insert(w, 0, 1, 1, 1, 0, "x"); /* what is committed is still acknowledged */
    world_turn(w);
    Ordo__Cluster__V1__Nack *nack = next_nack(w, 0);
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    assert_true(nack->retry_after_ms > 0);
    assert_int_equal(next_duplicate(w, 0)->server_seq, 2);
    Ordo__Cluster__V1__Attach attach = open_of(2, "b", "client-a", "text");
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_refused(w, 0)->code, 503);
    assert_text(w, 1, 9, "a", "x");
    disk.disk.is_full = false;
    world_step(w, disk);
    say_insert(w, 0, 1, 2, 2, 0, "y");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 3);
}

static void documents_of_one_turn_make_one_batch_with_one_key_each(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "b", "client-a");
    for (uint64_t i = 1; i <= 10; i++) say_insert(w, 0, 1 + i % 2, i, 1 + (i - 1) / 2, 0, "x");
    struct ordo_shard_event end = world_event(w, ORDO_SHARD_TURN_END);
    ordo_shard_step(w->shard, &end, &w->effects);
    assert_int_equal(w->effects.turn, 3); /* dense: two creates came before */
    assert_int_equal(w->effects.batch.count, 3); /* two runs and the turn */
    assert_int_equal(w->effects.send_count, 0);
    world_carry_out(w);
    world_durable(w, 3);
    for (int i = 0; i < 10; i++) next_commit(w, 0);
    assert_nothing_told(w, 0);
}

/* ---- presence */

static void say_presence(struct world *w, int g, uint64_t subscriber, const char *data, uint64_t base_seq,
                         uint64_t at, bool clear) {
    Ordo__V1__PresenceUpdate update = ORDO__V1__PRESENCE_UPDATE__INIT;
    Ordo__V1__Range range = ORDO__V1__RANGE__INIT, *ranges[] = {&range};
    range.anchor = range.head = at;
    update.data = ordo_binary_of_slice(ordo_slice_of(data));
    update.base_seq = base_seq;
    update.ranges = ranges;
    update.n_ranges = 1;
    update.clear = clear;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&update.base, &bytes);
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__SetPresence presence = ORDO__CLUSTER__V1__SET_PRESENCE__INIT;
    presence.subscriber = subscriber;
    presence.update = ordo_binary_of_slice(ordo_buffer_slice(&bytes));
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE;
    message.presence = &presence;
    gateway_say(w, g, &message);
    ordo_buffer_finish(&bytes);
}

static void open_with_presence(struct world *w, int g, uint64_t subscriber, const char *client_id) {
    Ordo__Cluster__V1__Attach attach = open_of(subscriber, "a", client_id, "text");
    attach.presence = true;
    say_attach(w, g, &attach);
    world_turn(w);
    next_attached(w, g);
}

static Ordo__V1__Presence *decode_presence(Ordo__Cluster__V1__Presence *told_presence) {
    return ordo__v1__presence__unpack(NULL, told_presence->presence.len, told_presence->presence.data);
}

static void the_newest_presence_is_sent_in_ticks_to_who_asked_for_it(void **state) {
    struct world *w = *state;
    open_with_presence(w, 0, 1, "client-a");
    open_with_presence(w, 1, 1, "client-b");
    open_doc(w, 0, 2, "a", "client-c"); /* did not ask; its gateway knows */
    say_presence(w, 0, 1, "one", 1, 0, false);
    world_pass(w, 10);
    Ordo__Cluster__V1__Presence *sent = next_presence(w, 0);
    assert_int_equal(sent->except, 1);
    sent = next_presence(w, 1);
    assert_int_equal(sent->except, 0);
    Ordo__V1__Presence *presence = decode_presence(sent);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(presence->data), ordo_slice_of("one")));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(presence->client_id), ordo_slice_of("client-a")));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(presence->user), ordo_slice_of("ann")));
    ordo__v1__presence__free_unpacked(presence, NULL);
    say_presence(w, 0, 1, "two", 1, 0, false);
    say_presence(w, 0, 1, "three", 1, 0, false);
    world_pass(w, 20);
    assert_nothing_told(w, 1); /* not yet */
    world_pass(w, 50);
    presence = decode_presence(next_presence(w, 1));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(presence->data), ordo_slice_of("three")));
    ordo__v1__presence__free_unpacked(presence, NULL);
    assert_nothing_told(w, 1);
}

static void the_tick_lengthens_with_the_number_of_updates(void **state) {
    struct world *w = *state;
    w->config.presence_rate = 20;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    gateway_connect(w, 1);
    open_with_presence(w, 1, 1, "watcher");
    for (uint64_t i = 1; i <= 10; i++) {
        char client[] = {'c', (char)('0' + i % 10), 0};
        open_with_presence(w, 0, i, client);
    }
    size_t count = 0;
    for (int round = 0; round < 100; round++) { /* ten seconds, ten people, ten times a second */
        for (uint64_t i = 1; i <= 10; i++) say_presence(w, 0, i, "here", 1, 0, false);
        world_pass(w, 100);
        for (; w->gateways[1].read_count < w->gateways[1].told_count; count++) next_presence(w, 1);
        world_forget_told(&w->gateways[0]);
        world_forget_told(&w->gateways[1]);
    }
    assert_in_range(count, 150, 220); /* 20 per second, not 100 */
}

static void presence_ends_with_clear_connection_gateway_and_age(void **state) {
    struct world *w = *state;
    open_with_presence(w, 1, 1, "client-b");
    for (int how = 0; how < 4; how++) {
        open_with_presence(w, 0, 1, "client-a");
        say_presence(w, 0, 1, "here", 1, 0, false);
        world_pass(w, 100);
        Ordo__V1__Presence *presence = decode_presence(next_presence(w, 1));
        assert_false(presence->gone);
        ordo__v1__presence__free_unpacked(presence, NULL);
        if (how == 0) say_presence(w, 0, 1, "", 0, 0, true);
        if (how == 1) say_detach(w, 0, 1);
        if (how == 2) gateway_connect(w, 0);
        if (how == 3) world_pass(w, w->config.presence_age_ms - 300);
        if (how == 3) assert_nothing_told(w, 1);
        world_pass(w, 400);
        presence = decode_presence(next_presence(w, 1));
        assert_true(presence->gone);
        assert_true(ordo_slice_equal(ordo_slice_of_binary(presence->client_id), ordo_slice_of("client-a")));
        ordo__v1__presence__free_unpacked(presence, NULL);
        assert_nothing_told(w, 1);
        world_forget_told(&w->gateways[0]);
    }
}

static void presence_set_by_a_newer_connection_survives_the_older(void **state) {
    struct world *w = *state;
    open_with_presence(w, 0, 1, "client-a");
    open_with_presence(w, 1, 1, "client-b");
    say_presence(w, 0, 1, "old", 1, 0, false);
    world_pass(w, 100);
    next_presence(w, 1);
    next_presence(w, 0); /* for all on that gateway but its owner */
    open_with_presence(w, 0, 2, "client-a");
    say_presence(w, 0, 2, "new", 1, 0, false);
    world_pass(w, 100);
    next_presence(w, 1);
    say_detach(w, 0, 1);
    world_pass(w, 200);
    assert_nothing_told(w, 1);
}

static void a_newcomer_gets_who_is_there_moved_to_the_head(void **state) {
    struct world *w = *state;
    open_with_presence(w, 0, 1, "client-a");
    open_with_presence(w, 0, 2, "client-b");
    say_insert(w, 0, 1, 1, 1, 0, "hello");
    say_presence(w, 0, 1, "a", 2, 5, false);
    say_presence(w, 0, 2, "b", 2, 5, false);
    say_insert(w, 0, 1, 2, 2, 0, "> ");  /* before both */
    say_insert(w, 0, 1, 3, 3, 7, "!");   /* exactly where both stand, typed by a */
    world_turn(w);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-c", "");
    attach.presence = true;
    say_attach(w, 1, &attach);
    world_turn(w);
    assert_int_equal(next_attached(w, 1)->head, 4);
    uint64_t at[2] = {0};
    for (int i = 0; i < 2; i++) {
        Ordo__Cluster__V1__Presence *sent = next_presence(w, 1);
        assert_int_equal(sent->only, 1);
        Ordo__V1__Presence *presence = decode_presence(sent);
        assert_int_equal(presence->base_seq, 4);
        at[presence->data.data[0] - 'a'] = presence->ranges[0]->head;
        ordo__v1__presence__free_unpacked(presence, NULL);
    }
    assert_int_equal(at[0], 8); /* its own typing pushes a's caret on */
    assert_int_equal(at[1], 7);
}

static void presence_that_is_too_large_or_of_the_future_is_dropped(void **state) {
    struct world *w = *state;
    open_with_presence(w, 0, 1, "client-a");
    open_with_presence(w, 1, 1, "client-b");
    char *data = ordo_alloc(5000);
    memset(data, 'x', 4999);
    say_presence(w, 0, 1, data, 1, 0, false);
    free(data);
    say_presence(w, 0, 1, "x", 2, 0, false);
    say_presence(w, 0, 55, "x", 1, 0, false); /* nobody */
    world_pass(w, 200);
    assert_nothing_told(w, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_gap_ends_the_session_and_its_subscribers),
        T(messages_of_an_earlier_life_are_not_handled),
        T(a_gateway_of_another_protocol_is_told_so),
        T(garbage_is_ignored),
        T(a_silent_gateway_is_dead_unless_its_heartbeat_is_heard),
        T(a_stalled_disk_does_not_make_a_gateway_dead),
        T(a_refused_send_ends_the_session),
        T(keep_alives_carry_credit),
        T(without_credit_commits_are_dropped_and_the_gateway_is_told_to_resync),
        T(a_full_disk_refuses_submits_for_now_and_reads_go_on),
        T(documents_of_one_turn_make_one_batch_with_one_key_each),
        T(the_newest_presence_is_sent_in_ticks_to_who_asked_for_it),
        T(the_tick_lengthens_with_the_number_of_updates),
        T(presence_ends_with_clear_connection_gateway_and_age),
        T(presence_set_by_a_newer_connection_survives_the_older),
        T(a_newcomer_gets_who_is_there_moved_to_the_head),
        T(presence_that_is_too_large_or_of_the_future_is_dropped),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
