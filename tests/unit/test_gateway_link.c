/* The link to a shard: sessions, outages, credit, and a disk that stalls. */
#include "tests/unit/gateway_world.h"

static void nothing_is_asked_of_a_shard_before_its_welcome(void **state) {
    (void)state;
    struct world *world = world_create_cold(NULL);
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    world_turn(world);
    assert_null(shard_hear(world));
    world_link_ready(world);
    world_turn(world);
    assert_non_null(shard_hear_attach(world));
    world_destroy(world);
}

static void open_that_waits_too_long_is_refused_with_503(void **state) {
    (void)state;
    struct world *world = world_create_cold(NULL);
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 4, 0, open, OPEN, open);
    world_pass(world, world->config.open_timeout_ms - 100);
    client_hears_nothing(world, 0);
    world_pass(world, 100);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->error->code, 503);
    assert_int_equal(message->request, 4);
    world_destroy(world);
}

static void open_that_a_living_shard_works_on_is_not_refused(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 4, 0, open, OPEN, open);
    world_live(world, 3 * world->config.open_timeout_ms);
    client_hears_nothing(world, 0);
    shard_attached_with(world, shard_hear_attach(world)->subscriber, 1, 1, "at last");
    CLIENT_HEAR(world, 0, OPENED);
    world_destroy(world);
}

/* What a client goes through when the link is lost, and comes back. */
static void lost_link_is_told_submits_are_refused_and_all_resync(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscribers[2];
    client_greet(world, 0);
    client_greet(world, 1);
    uint32_t handle = client_open(world, 0, "a", 1, &subscribers[0]);
    client_open(world, 1, "b", 2, &subscribers[1]);
    shard_commit(world, 1, 2, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);
    uint64_t session = world->shard->session;

    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, STATUS);
    assert_int_equal(message->doc, handle);
    assert_int_equal(message->status->state, ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE);
    CLIENT_HEAR(world, 1, STATUS);
    assert_false(ordo_gateway_is_ready(world->gateway));
    client_submit(world, 1, 1, 6);
    const Ordo__V1__Nack *nack = CLIENT_HEAR(world, 1, NACK)->nack;
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    assert_int_equal(nack->client_seq, 6);
    assert_in_range(nack->retry_after_ms, 1, 1000);

    world_pass(world, 200);
    assert_int_not_equal(world->shard->session, session);
    world_link_ready(world);
    world_turn(world);
    /* The one who waits goes first, although it came second. */
    Ordo__Cluster__V1__Attach *first = shard_hear_attach(world), *second = shard_hear_attach(world);
    assert_int_equal(first->subscriber, subscribers[1]);
    assert_int_equal(second->subscriber, subscribers[0]);
    assert_true(first->resync && second->resync);
    assert_int_equal(second->have_seq, 2);
    /* Still not open at the shard. */
    client_submit(world, 0, handle, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    /* Another number for the document: the shard is a new process. */
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = subscribers[0];
    attached.doc = 2;
    attached.head = 2;
    shard_attached(world, attached);
    message = CLIENT_HEAR(world, 0, STATUS);
    assert_int_equal(message->status->state, ORDO__V1__DOCUMENT_STATUS__STATE__AVAILABLE);
    message = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(message->request, 0);
    assert_null(message->opened->content);
    shard_commit(world, 2, 3, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 3);
    client_hears_nothing(world, 1);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    assert_int_equal(shard_hear_submit(world)->client_seq, 1);
    world_destroy(world);
}

static void op_in_flight_when_the_link_is_lost_makes_its_document_go_first(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscribers[3];
    client_greet(world, 0);
    uint32_t handles[3];
    const char *ids[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; i++) handles[i] = client_open(world, 0, ids[i], i + 1, &subscribers[i]);
    client_submit(world, 0, handles[2], 1);
    world_turn(world);
    shard_hear_submit(world);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    world_pass(world, 200);
    world_link_ready(world);
    world_turn(world);
    assert_int_equal(shard_hear_attach(world)->subscriber, subscribers[2]);
    world_destroy(world);
}

static void open_on_its_way_when_the_link_is_lost_is_asked_again_and_answered(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    open.create_type = ordo_binary_of_slice(ordo_slice_of("text"));
    CLIENT_SAY(world, 0, 9, 0, open, OPEN, open);
    world_turn(world);
    shard_hear_attach(world);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    client_hears_nothing(world, 0);
    world_pass(world, 200);
    world_link_ready(world);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_false(attach->resync);
    assert_int_equal(attach->create_type.len, 4);
    shard_attached_with(world, attach->subscriber, 1, 1, "new");
    assert_int_equal(CLIENT_HEAR(world, 0, OPENED)->request, 9);
    world_destroy(world);
}

static void resync_that_is_refused_for_now_is_tried_again(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    client_open(world, 0, "a", 1, &subscriber);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    CLIENT_HEAR(world, 0, STATUS);
    world_pass(world, 200);
    world_link_ready(world);
    world_turn(world);
    shard_hear_attach(world);
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    refused.subscriber = subscriber;
    refused.code = 503;
    SHARD_SAY(world, refused, REFUSED, refused);
    client_hears_nothing(world, 0);
    assert_null(shard_hear(world));
    world_live(world, 600);
    assert_int_equal(shard_hear_attach(world)->subscriber, subscriber);
    world_destroy(world);
}

static void resync_that_is_refused_for_good_closes_the_document(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    client_submit(world, 0, handle, 3);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    CLIENT_HEAR(world, 0, STATUS);
    world_pass(world, 200);
    world_link_ready(world);
    world_turn(world);
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    refused.subscriber = subscriber;
    refused.code = 404;
    SHARD_SAY(world, refused, REFUSED, refused);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->client_seq, 3);
    client_hears_error(world, 0, 404);
    world_destroy(world);
}

static void gap_in_envelopes_ends_the_session(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    world->shard->number_sent++; /* one was lost */
    shard_commit(world, 1, 2, 0, 0, 10);
    CLIENT_HEAR(world, 0, STATUS);
    world_pass(world, 200);
    assert_int_equal(world->shard->links_opened, 2);
    world_destroy(world);
}

static void reset_garbage_and_another_incarnation_end_the_session(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct world *world = world_create();
        if (kind == 0) {
            Ordo__Cluster__V1__LinkReset reset = ORDO__CLUSTER__V1__LINK_RESET__INIT;
            SHARD_SAY(world, reset, RESET, reset);
        } else if (kind == 1) {
            world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_LINK_RECEIVED,
                                                          .session = world->shard->session,
                                                          .bytes = ordo_slice("\xff\xff", 2)});
        } else {
            Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
            envelope.session = world->shard->session;
            envelope.number = ++world->shard->number_sent;
            envelope.shard = ordo_binary_of_slice(world_store_id(world));
            envelope.incarnation = WORLD_INCARNATION + 1;
            struct ordo_buffer bytes = {0};
            ordo_message_encode(&envelope.base, &bytes);
            world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_LINK_RECEIVED,
                                                          .session = world->shard->session,
                                                          .bytes = ordo_buffer_slice(&bytes)});
            ordo_buffer_finish(&bytes);
        }
        assert_false(ordo_gateway_is_ready(world->gateway));
        world_pass(world, 200);
        assert_int_equal(world->shard->links_opened, 2);
        world_destroy(world);
    }
}

static void messages_of_an_earlier_session_are_ignored(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t old = world->shard->session;
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    world_pass(world, 200);
    world_link_ready(world);
    uint64_t present = world->shard->session, number = world->shard->number_sent;
    world->shard->session = old;
    shard_say_all(world, NULL, 0);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    assert_true(ordo_gateway_is_ready(world->gateway));
    world->shard->session = present;
    world->shard->number_sent = number;
    shard_say_all(world, NULL, 0);
    assert_true(ordo_gateway_is_ready(world->gateway));
    world_destroy(world);
}

static void silent_shard_is_lost_after_the_timeout(void **state) {
    (void)state;
    struct world *world = world_create();
    world_live(world, 20000);
    assert_int_equal(world->shard->links_opened, 1);
    for (int i = 0; i < 28; i++) world_pass(world, 100);
    assert_int_equal(world->shard->links_opened, 1);
    for (int i = 0; i < 3; i++) world_pass(world, 100);
    assert_int_equal(world->shard->links_opened, 2);
    world_destroy(world);
}

static void shard_with_a_stalled_disk_is_excused(void **state) {
    (void)state;
    struct world *world = world_create();
    for (int i = 0; i < 100; i++) { /* ten seconds without a word on the data link */
        side_beat(world, i % 2 ? ORDO__CLUSTER__V1__DISK_STATE__DISK_STALLED
                               : ORDO__CLUSTER__V1__DISK_STATE__DISK_OK);
        world_pass(world, 100);
    }
    assert_int_equal(world->shard->links_opened, 1);
    /* A disk that is fine excuses nothing. */
    for (int i = 0; i < 40; i++) {
        side_beat(world, ORDO__CLUSTER__V1__DISK_STATE__DISK_OK);
        world_pass(world, 100);
    }
    assert_int_equal(world->shard->links_opened, 2);
    world_destroy(world);
}

static void links_are_kept_alive_from_this_side(void **state) {
    (void)state;
    struct world *world = world_create();
    size_t side = world->shard->side_count;
    world_live(world, 5000);
    assert_in_range(world->shard->side_count - side, 9, 11);
    assert_int_not_equal(world->shard->side[world->shard->side_count - 1]->heartbeat, 0);
    world_destroy(world);
}

static void submits_without_credit_are_refused_and_sockets_read_on(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, NULL);
    struct ordo_buffer op = {0};
    memset(ordo_buffer_reserve(&op, 1000000), 'x', 1000000);
    op.size = 1000000;
    Ordo__V1__Submit submit = ORDO__V1__SUBMIT__INIT;
    submit.op_case = ORDO__V1__SUBMIT__OP_TEXT;
    submit.text = ordo_binary_of_slice(ordo_buffer_slice(&op));
    for (submit.client_seq = 1; submit.client_seq <= 20; submit.client_seq++)
        CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    const Ordo__V1__Nack *nack = CLIENT_HEAR(world, 0, NACK)->nack;
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    assert_true(nack->retry_after_ms > 0);
    assert_in_range(nack->client_seq, 15, 18); /* what 16 MiB hold */
    for (uint64_t seq = nack->client_seq + 1; seq <= 20; seq++) CLIENT_HEAR(world, 0, NACK);
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    CLIENT_SAY(world, 0, 1, 0, ping, PING, ping);
    CLIENT_HEAR(world, 0, PONG);
    /* The shard has worked through it. */
    world->shard->credit += ORDO_LINK_CREDIT;
    shard_say_all(world, NULL, 0);
    submit.client_seq = 21;
    CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    client_hears_nothing(world, 0);
    Ordo__Cluster__V1__Submit *last = NULL;
    for (Ordo__Cluster__V1__ToShard *message; (message = shard_hear(world)) != NULL;) last = message->submit;
    assert_int_equal(last->client_seq, 21);
    ordo_buffer_finish(&op);
    world_destroy(world);
}

/* Every connection has 100 documents open. */
static struct world *create_crowd(void) {
    struct world *world = world_create();
    for (uint32_t conn = 0; conn < WORLD_CONNS; conn++) {
        client_greet(world, conn);
        for (uint32_t i = 0; i < 100; i++) {
            char id[16];
            snprintf(id, sizeof id, "%u-%u", conn, i);
            client_open(world, conn, id, conn * 100 + i + 1, NULL);
        }
    }
    return world;
}

/* Each answer makes room for another, until all are there. Returns how many. */
static uint32_t attach_crowd(struct world *world) {
    uint32_t count = 0;
    for (Ordo__Cluster__V1__ToShard *message; (message = shard_hear(world)) != NULL; world_turn(world)) {
        Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
        attached.subscriber = message->attach->subscriber;
        attached.doc = ++count;
        attached.head = 1;
        shard_attached(world, attached);
    }
    return count;
}

static void attaches_after_a_restart_are_paced(void **state) {
    (void)state;
    struct world *world = create_crowd();
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    world_pass(world, 200);
    world_link_ready(world);
    world_turn(world);
    size_t asked = world->shard->to_shard_count - world->shard->to_shard_read;
    assert_int_equal(asked, WORLD_CONNS * 8); /* as many as each connection may have on its way */
    assert_int_equal(attach_crowd(world), WORLD_CONNS * 100);
    world_destroy(world);
}

static uint32_t hear_statuses(struct world *world, Ordo__V1__DocumentStatus__State state) {
    uint32_t count = 0;
    for (uint32_t conn = 0; conn < WORLD_CONNS; conn++)
        for (Ordo__V1__ServerMessage *message; (message = client_hear(world, conn)) != NULL;)
            count += message->status != NULL && message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_STATUS &&
                     message->status->state == state;
    return count;
}

/* A shard that is there again soon finds a gateway that is not busy with telling everybody that it is away. */
static void crowd_is_told_of_an_outage_some_at_a_time(void **state) {
    (void)state;
    struct world *world = create_crowd();
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    assert_int_equal(hear_statuses(world, ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE), 256);
    world_pass(world, 50);
    assert_int_equal(hear_statuses(world, ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE), 256);
    world_pass(world, 150);
    uint32_t told = 512 + hear_statuses(world, ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE);
    assert_in_range(told, 512 + 1, WORLD_CONNS * 100 - 1);
    world_link_ready(world);
    world_turn(world);
    assert_int_equal(attach_crowd(world), WORLD_CONNS * 100);
    world_pass(world, 50); /* those who were not told hear of neither end */
    assert_int_equal(hear_statuses(world, ORDO__V1__DOCUMENT_STATUS__STATE__AVAILABLE), told);
    world_destroy(world);
}

static void document_number_that_moves_on_resyncs_those_who_had_it(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    client_open(world, 0, "a", 1, &subscriber);
    client_open(world, 0, "b", 1, NULL);
    world_turn(world);
    assert_int_equal(shard_hear_attach(world)->subscriber, subscriber);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_of_a_shard_before_its_welcome),
        cmocka_unit_test(open_that_waits_too_long_is_refused_with_503),
        cmocka_unit_test(open_that_a_living_shard_works_on_is_not_refused),
        cmocka_unit_test(lost_link_is_told_submits_are_refused_and_all_resync),
        cmocka_unit_test(op_in_flight_when_the_link_is_lost_makes_its_document_go_first),
        cmocka_unit_test(open_on_its_way_when_the_link_is_lost_is_asked_again_and_answered),
        cmocka_unit_test(resync_that_is_refused_for_now_is_tried_again),
        cmocka_unit_test(resync_that_is_refused_for_good_closes_the_document),
        cmocka_unit_test(gap_in_envelopes_ends_the_session),
        cmocka_unit_test(reset_garbage_and_another_incarnation_end_the_session),
        cmocka_unit_test(messages_of_an_earlier_session_are_ignored),
        cmocka_unit_test(silent_shard_is_lost_after_the_timeout),
        cmocka_unit_test(shard_with_a_stalled_disk_is_excused),
        cmocka_unit_test(links_are_kept_alive_from_this_side),
        cmocka_unit_test(submits_without_credit_are_refused_and_sockets_read_on),
        cmocka_unit_test(attaches_after_a_restart_are_paced),
        cmocka_unit_test(crowd_is_told_of_an_outage_some_at_a_time),
        cmocka_unit_test(document_number_that_moves_on_resyncs_those_who_had_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
