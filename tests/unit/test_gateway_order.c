/* Committed and Ack reach every subscriber in the order of server_seq, without a gap, whatever is dropped on
 * the way. */
#include "tests/unit/gateway_world.h"

static void ack_stands_where_others_get_committed(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t author;
    client_greet(world, 0);
    client_greet(world, 1);
    uint32_t handle = client_open(world, 0, "a", 1, &author);
    client_open(world, 1, "a", 1, NULL);
    client_submit(world, 0, handle, 40);
    world_turn(world);
    assert_int_equal(shard_hear_submit(world)->subscriber, author);
    shard_commit(world, 1, 2, 0, 0, 10);
    shard_commit(world, 1, 3, author, 40, 10);
    shard_commit(world, 1, 4, 0, 0, 10);

    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ACK);
    assert_int_equal(message->doc, handle);
    assert_int_equal(message->request, 0);
    assert_int_equal(message->ack->server_seq, 3);
    assert_int_equal(message->ack->client_seq, 40);
    assert_int_equal(message->ack->timestamp_ms, 1003);
    assert_false(message->ack->duplicate);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 4);
    for (uint64_t seq = 2; seq <= 4; seq++) {
        const Ordo__V1__Committed *committed = CLIENT_HEAR(world, 1, COMMITTED)->committed;
        assert_int_equal(committed->server_seq, seq);
        assert_int_equal(committed->text.len, 12);
    }
    world_destroy(world);
}

static uint32_t open_bare(struct world *world, uint32_t conn, uint64_t *subscriber) {
    Ordo__V1__Open open = client_open_of("c", "a");
    open.bare = open.presence = true;
    CLIENT_SAY(world, conn, 5, 0, open, OPEN, open);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->bare);
    *subscriber = attach->subscriber;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = attach->subscriber;
    attached.doc = 1;
    attached.head = attached.content_seq = 1;
    attached.has_content = true;
    attached.created_seq = 1;
    shard_attached(world, attached);
    const Ordo__V1__ServerMessage *opened = CLIENT_HEAR(world, conn, OPENED);
    assert_int_equal(opened->opened->created_seq, 1);
    assert_false(opened->opened->more);
    return opened->doc;
}

static void who_opened_bare_hears_of_its_own_ops_alone(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t author;
    client_greet(world, 0);
    uint32_t handle = open_bare(world, 0, &author);
    client_submit(world, 0, handle, 40);
    world_turn(world);
    shard_hear_submit(world);
    shard_commit(world, 1, 2, 0, 0, 10);
    shard_commit(world, 1, 3, author, 40, 10);
    shard_commit(world, 1, 4, 0, 0, 10); /* behind an ack that waits */
    assert_int_equal(CLIENT_HEAR(world, 0, ACK)->ack->server_seq, 3);
    client_hears_nothing(world, 0);
    shard_commit(world, 1, 5, 0, 0, 10);
    client_hears_nothing(world, 0);

    world_link(world, ORDO_GATEWAY_LINK_DOWN); /* it goes on bare, from all that it did not have to hear */
    world_pass(world, 1000);
    world_link_ready(world);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->bare && attach->resync);
    assert_int_equal(attach->have_seq, 5);
    world_destroy(world);
}

static void an_ack_that_a_bare_reader_missed_is_made_up_for(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t author;
    client_greet(world, 0);
    uint32_t handle = open_bare(world, 0, &author);
    client_submit(world, 0, handle, 40);
    world_turn(world);
    shard_hear_submit(world);
    shard_commit(world, 1, 3, 0, 0, 10); /* 2, its own, got lost */
    world_turn(world);
    assert_true(shard_hear_attach(world)->resync);
    world_destroy(world);
}

static void messages_of_a_turn_are_joined_in_one_frame(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    size_t frames = world->conns[0].frame_count;
    for (uint64_t seq = 2; seq < 50; seq++) shard_commit(world, 1, seq, 0, 0, 10);
    world_turn(world);
    assert_int_equal(world->conns[0].frame_count, frames + 1);
    for (uint64_t seq = 2; seq < 50; seq++)
        assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, seq);
    world_destroy(world);
}

static void joined_frame_stays_below_the_limit(void **state) {
    (void)state;
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.frame_size_max = 10000;
    struct world *world = world_create_with(&config);
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    world->conns[0].is_deaf = true;
    for (uint64_t seq = 2; seq < 12; seq++) shard_commit(world, 1, seq, 0, 0, 4000);
    shard_commit(world, 1, 12, 0, 0, 30000); /* larger than a frame: goes alone */
    shard_commit(world, 1, 13, 0, 0, 10);
    size_t most = 0;
    for (bool has_more = true; has_more;) {
        struct ordo_buffer frame = {0};
        has_more = ordo_gateway_output(world->gateway, 0, &frame);
        bool is_alone = frame.size > 30000;
        if (!is_alone && frame.size > most) most = frame.size;
        if (is_alone) assert_true(frame.size < 30200);
        ordo_buffer_finish(&frame);
    }
    assert_in_range(most, 8000, 10000);
    world_destroy(world);
}

static void commits_that_opened_contains_are_not_sent_again(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    client_greet(world, 1);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 1, 1, 0, open, OPEN, open);
    world_turn(world);
    uint64_t second = shard_hear_attach(world)->subscriber;
    shard_commit(world, 1, 2, 0, 0, 10);
    shard_attached_with(world, second, 1, 2, "hello!");
    shard_commit(world, 1, 3, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 1, OPENED)->opened->head, 2);
    assert_int_equal(CLIENT_HEAR(world, 1, COMMITTED)->committed->server_seq, 3);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 3);
    world_destroy(world);
}

static void gap_in_commits_leads_to_a_resync_and_is_never_passed_on(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    shard_commit(world, 1, 2, 0, 0, 10);
    shard_commit(world, 1, 4, 0, 0, 10);
    shard_commit(world, 1, 5, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);
    client_hears_nothing(world, 0);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_int_equal(attach->subscriber, subscriber);
    assert_true(attach->resync && attach->has_have && attach->presence);
    assert_int_equal(attach->have_seq, 2);
    assert_int_equal(attach->have_lineage, 9);
    assert_int_equal(attach->create_type.len, 0);
    shard_attached_with(world, subscriber, 1, 5, "all of it");
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(message->request, 0);
    assert_int_equal(message->doc, handle);
    shard_commit(world, 1, 6, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 6);
    world_destroy(world);
}

static void resync_after_a_create_names_the_lineage_that_it_began(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    struct ordo_buffer committed = {0};
    world_encode_committed(&committed, 2, 10);
    Ordo__Cluster__V1__Commit commit = ORDO__CLUSTER__V1__COMMIT__INIT;
    commit.doc = 1;
    commit.seq = 2;
    commit.lineage = 1234;
    commit.committed = ordo_binary_of_slice(ordo_buffer_slice(&committed));
    SHARD_SAY(world, commit, COMMIT, commit);
    ordo_buffer_finish(&committed);
    shard_commit(world, 1, 3, 0, 0, 10);
    shard_commit(world, 1, 5, 0, 0, 10); /* a gap */
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_int_equal(attach->have_seq, 3);
    assert_int_equal(attach->have_lineage, 1234);
    world_destroy(world);
}

static void commits_dropped_by_the_shard_lead_to_a_resync(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    Ordo__Cluster__V1__Dropped dropped = ORDO__CLUSTER__V1__DROPPED__INIT;
    dropped.doc = 1;
    SHARD_SAY(world, dropped, DROPPED, dropped);
    world_turn(world);
    assert_int_equal(shard_hear_attach(world)->have_seq, 1);
    world_destroy(world);
}

static struct world *world_with_small_outbox(void) {
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.outbox_size_max = 100000;
    return world_create_with(&config);
}

static void slow_readers_queue_is_dropped_and_it_resyncs_from_what_it_got(void **state) {
    (void)state;
    struct world *world = world_with_small_outbox();
    uint64_t slow, author;
    client_greet(world, 0);
    client_greet(world, 1);
    uint32_t handle = client_open(world, 0, "a", 1, &slow);
    uint32_t fast = client_open(world, 1, "a", 1, &author);
    shard_commit(world, 1, 2, 0, 0, 1000);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);

    /* The reader stalls; a Nack gets in between. */
    world->conns[0].is_deaf = true;
    for (uint64_t seq = 3; seq < 203; seq++) {
        shard_commit(world, 1, seq, seq % 2 ? author : 0, seq, 1000);
        if (seq != 100) continue;
        Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
        nack.subscriber = slow;
        nack.client_seq = 77;
        nack.code = ORDO__V1__NACK_CODE__STALE_BASE;
        SHARD_SAY(world, nack, NACK, nack);
        world_turn(world);
    }
    assert_true(ordo_gateway_stats(world->gateway)->messages_dropped > 0);
    world_turn(world);
    assert_null(shard_hear(world)); /* attached again only when it reads */

    /* It reads again: the Nack was kept, then it goes on from 2. */
    world->conns[0].is_deaf = false;
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->client_seq, 77);
    client_hears_nothing(world, 0);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_int_equal(attach->subscriber, slow);
    assert_int_equal(attach->have_seq, 2);
    shard_attached_with(world, slow, 1, 202, "now");
    Ordo__V1__ServerMessage *opened = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(opened->doc, handle);
    assert_int_equal(opened->request, 0);
    shard_commit(world, 1, 203, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 203);
    /* Its neighbour missed nothing. */
    for (uint64_t seq = 2; seq <= 203; seq++) {
        Ordo__V1__ServerMessage *message = client_hear(world, 1);
        assert_int_equal(message->doc, fast);
        bool is_ack = message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_ACK;
        assert_int_equal(is_ack, seq % 2 && seq > 2 && seq < 203);
        assert_int_equal(is_ack ? message->ack->server_seq : message->committed->server_seq, seq);
    }
    world_destroy(world);
}

static void opened_that_waits_is_not_dropped_and_the_next_resync_continues_from_it(void **state) {
    (void)state;
    struct world *world = world_with_small_outbox();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    world_turn(world);
    uint64_t subscriber = shard_hear_attach(world)->subscriber;
    world->conns[0].is_deaf = true;
    shard_attached_with(world, subscriber, 1, 10, "text at ten");
    for (uint64_t seq = 11; seq < 300; seq++) shard_commit(world, 1, seq, 0, 0, 1000);
    world->conns[0].is_deaf = false;
    assert_int_equal(CLIENT_HEAR(world, 0, OPENED)->opened->head, 10);
    client_hears_nothing(world, 0);
    assert_int_equal(shard_hear_attach(world)->have_seq, 10);
    world_destroy(world);
}

static void client_that_asks_on_and_never_reads_is_closed(void **state) {
    (void)state;
    struct world *world = world_with_small_outbox();
    client_greet(world, 0);
    world->conns[0].is_deaf = true;
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    ping.nonce = 1;
    for (int i = 0; i < 100000 && world->conns[0].close_code == 0; i++)
        CLIENT_SAY(world, 0, 1, 0, ping, PING, ping);
    assert_int_equal(world->conns[0].close_code, 1008);
    world_destroy(world);
}

static void opens_of_a_client_that_does_not_read_are_paced(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    world->conns[0].is_deaf = true;
    for (int i = 0; i < 200; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        Ordo__V1__Open open = client_open_of("c", id);
        CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    }
    struct ordo_buffer text = {0};
    memset(ordo_buffer_reserve(&text, 65000), 'x', 65000);
    text.data[64999] = '\0';
    int answered = 0;
    world_turn(world);
    for (Ordo__Cluster__V1__ToShard *message; (message = shard_hear(world)) != NULL; world_turn(world)) {
        shard_attached_with(world, message->attach->subscriber, (uint32_t)++answered, 1, (char *)text.data);
    }
    assert_in_range(answered, 8, 40); /* not 200 */
    /* Once it reads, all the others come. */
    world->conns[0].is_deaf = false;
    for (int i = 0; i < 200; i++) {
        if (i >= answered) {
            world_turn(world);
            uint64_t subscriber = shard_hear_attach(world)->subscriber;
            shard_attached_with(world, subscriber, (uint32_t)++answered, 1, (char *)text.data);
        }
        CLIENT_HEAR(world, 0, OPENED);
    }
    ordo_buffer_finish(&text);
    world_destroy(world);
}

static void presence_gives_way_before_ops_do(void **state) {
    (void)state;
    struct world *world = world_with_small_outbox();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    world->conns[0].is_deaf = true;
    struct ordo_buffer data = {0};
    ordo_buffer_append(&data, "\x1a\xe8\x07", 3); /* field 3, 1000 bytes */
    memset(ordo_buffer_reserve(&data, 1000), 'x', 1000);
    data.size += 1000;
    Ordo__Cluster__V1__Presence presence = ORDO__CLUSTER__V1__PRESENCE__INIT;
    presence.doc = 1;
    presence.presence = ordo_binary_of_slice(ordo_buffer_slice(&data));
    for (int i = 0; i < 500; i++) SHARD_SAY(world, presence, PRESENCE, presence);
    shard_commit(world, 1, 2, 0, 0, 1000);
    assert_int_equal(ordo_gateway_stats(world->gateway)->messages_dropped, 0);
    world->conns[0].is_deaf = false;
    int count = 0;
    Ordo__V1__ServerMessage *message;
    while ((message = client_hear(world, 0))->body_case == ORDO__V1__SERVER_MESSAGE__BODY_PRESENCE) count++;
    assert_in_range(count, 40, 50);
    assert_int_equal(message->committed->server_seq, 2);
    ordo_buffer_finish(&data);
    world_destroy(world);
}

static void nack_and_duplicate_ack_are_passed_on(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    nack.subscriber = subscriber;
    nack.client_seq = 3;
    nack.code = ORDO__V1__NACK_CODE__STALE_BASE;
    nack.horizon = 12;
    SHARD_SAY(world, nack, NACK, nack);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, NACK);
    assert_int_equal(message->doc, handle);
    assert_int_equal(message->nack->code, ORDO__V1__NACK_CODE__STALE_BASE);
    assert_int_equal(message->nack->horizon, 12);
    Ordo__Cluster__V1__DuplicateAck duplicate = ORDO__CLUSTER__V1__DUPLICATE_ACK__INIT;
    duplicate.subscriber = subscriber;
    duplicate.client_seq = 3;
    duplicate.server_seq = 8;
    SHARD_SAY(world, duplicate, DUPLICATE, duplicate);
    const Ordo__V1__Ack *ack = CLIENT_HEAR(world, 0, ACK)->ack;
    assert_true(ack->duplicate);
    assert_int_equal(ack->server_seq, 8);
    /* It moved no seq. */
    shard_commit(world, 1, 2, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);
    world_destroy(world);
}

static void subscriber_that_the_shard_ends_is_told_and_closed(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    client_submit(world, 0, handle, 5);
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    refused.subscriber = subscriber;
    refused.code = 409;
    SHARD_SAY(world, refused, REFUSED, refused);
    const Ordo__V1__Nack *nack = CLIENT_HEAR(world, 0, NACK)->nack;
    assert_int_equal(nack->client_seq, 5);
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->doc, handle);
    assert_int_equal(message->error->code, 409);
    client_submit(world, 0, handle, 5);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ack_stands_where_others_get_committed),
        cmocka_unit_test(who_opened_bare_hears_of_its_own_ops_alone),
        cmocka_unit_test(an_ack_that_a_bare_reader_missed_is_made_up_for),
        cmocka_unit_test(messages_of_a_turn_are_joined_in_one_frame),
        cmocka_unit_test(joined_frame_stays_below_the_limit),
        cmocka_unit_test(commits_that_opened_contains_are_not_sent_again),
        cmocka_unit_test(gap_in_commits_leads_to_a_resync_and_is_never_passed_on),
        cmocka_unit_test(resync_after_a_create_names_the_lineage_that_it_began),
        cmocka_unit_test(commits_dropped_by_the_shard_lead_to_a_resync),
        cmocka_unit_test(slow_readers_queue_is_dropped_and_it_resyncs_from_what_it_got),
        cmocka_unit_test(opened_that_waits_is_not_dropped_and_the_next_resync_continues_from_it),
        cmocka_unit_test(client_that_asks_on_and_never_reads_is_closed),
        cmocka_unit_test(opens_of_a_client_that_does_not_read_are_paced),
        cmocka_unit_test(presence_gives_way_before_ops_do),
        cmocka_unit_test(nack_and_duplicate_ack_are_passed_on),
        cmocka_unit_test(subscriber_that_the_shard_ends_is_told_and_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
