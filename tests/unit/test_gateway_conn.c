/* What a client may say, and what it hears when it says something else. */
#include "tests/unit/gateway_world.h"

static void hello_is_answered_with_limits_and_name(void **state) {
    (void)state;
    struct world *world = world_create();
    client_connect(world, 0);
    Ordo__V1__Hello hello = client_hello();
    CLIENT_SAY(world, 0, 3, 0, hello, HELLO, hello);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, WELCOME);
    assert_int_equal(message->request, 3);
    assert_int_equal(message->welcome->protocol, 1);
    assert_int_equal(message->welcome->frame_size_max, ORDO_FRAME_SIZE_MAX);
    assert_int_equal(message->welcome->op_size_max, ORDO_OP_SIZE_MAX);
    assert_true(message->welcome->server_time_ms > 1700000000000);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(message->welcome->gateway), ordo_slice_of("g1")));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(message->welcome->user), ordo_slice_of("anonymous")));
    world_destroy(world);
}

static void first_message_other_than_hello_is_refused_and_closed(void **state) {
    (void)state;
    struct world *world = world_create();
    client_connect(world, 0);
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    CLIENT_SAY(world, 0, 1, 0, ping, PING, ping);
    client_hears_error(world, 0, 400);
    assert_int_equal(world->conns[0].close_code, 1002);
    /* Nothing is answered any more. */
    Ordo__V1__Hello hello = client_hello();
    CLIENT_SAY(world, 0, 3, 0, hello, HELLO, hello);
    client_hears_nothing(world, 0);
    world_destroy(world);
}

static void hello_with_wrong_protocol_or_client_id_is_refused_and_closed(void **state) {
    (void)state;
    struct world *world = world_create();
    Ordo__V1__Hello hello = client_hello();
    hello.protocol = 2;
    client_connect(world, 0);
    CLIENT_SAY(world, 0, 1, 0, hello, HELLO, hello);
    client_hears_error(world, 0, 400);
    assert_int_equal(world->conns[0].close_code, 1002);

    hello = client_hello();
    hello.client_id.len = 15;
    client_connect(world, 1);
    CLIENT_SAY(world, 1, 1, 0, hello, HELLO, hello);
    client_hears_error(world, 1, 400);
    assert_int_equal(world->conns[1].close_code, 1002);
    world_destroy(world);
}

static void silence_instead_of_hello_is_closed_and_only_that(void **state) {
    (void)state;
    struct world *world = world_create();
    client_connect(world, 0);
    client_greet(world, 1);
    world_live(world, world->config.hello_timeout_ms - 200);
    assert_int_equal(world->conns[0].close_code, 0);
    world_live(world, 300);
    assert_int_equal(world->conns[0].close_code, 1008);
    assert_int_equal(world->conns[1].close_code, 0);
    world_destroy(world);
}

static void garbage_closes_with_1007_and_half_a_frame_is_not_applied(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    /* A good Ping, then a message whose size reaches past the end. */
    struct ordo_buffer frame = {0};
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_PING;
    message.ping = &ping;
    ordo_message_encode_field(1, &message.base, &frame);
    ordo_buffer_append(&frame, "\x0a\x7f\x01", 3);
    client_frame(world, 0, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
    client_hears_nothing(world, 0);
    assert_int_equal(world->conns[0].close_code, 1007);
    world_destroy(world);
}

static void frame_over_the_limit_closes_with_1009(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    struct ordo_buffer frame = {0};
    memset(ordo_buffer_reserve(&frame, ORDO_FRAME_SIZE_MAX + 1), 0, ORDO_FRAME_SIZE_MAX + 1);
    frame.size = ORDO_FRAME_SIZE_MAX + 1;
    client_frame(world, 0, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
    assert_int_equal(world->conns[0].close_code, 1009);
    world_destroy(world);
}

static void frame_that_would_decode_into_far_more_memory_is_refused(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    struct ordo_buffer frame = {0};
    while (frame.size < ORDO_FRAME_SIZE_MAX - 1)
        ordo_buffer_append(&frame, "\x0a\x00", 2); /* empty messages */
    client_frame(world, 0, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
    assert_int_equal(world->conns[0].close_code, 1007);
    world_destroy(world);
}

static void ping_is_echoed(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    ping.nonce = 123456789;
    CLIENT_SAY(world, 0, 8, 0, ping, PING, ping);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, PONG);
    assert_int_equal(message->request, 8);
    assert_int_equal(message->pong->nonce, 123456789);
    world_destroy(world);
}

static void unknown_body_is_answered_with_501_and_second_hello_with_400(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_frame(world, 0, ordo_slice("\x0a\x06\x08\x07\xa2\x06\x01\x78", 8)); /* request 7, field 100 */
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->error->code, 501);
    assert_int_equal(message->request, 7);
    Ordo__V1__Hello hello = client_hello();
    CLIENT_SAY(world, 0, 0, 0, hello, HELLO, hello);
    client_hears_error(world, 0, 400);
    assert_int_equal(world->conns[0].close_code, 0);
    world_destroy(world);
}

static void names_that_are_none_are_refused_with_400(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    char long_name[130];
    memset(long_name, 'n', 129);
    long_name[129] = '\0';
    const struct ordo_slice names[] = {ordo_slice("", 0), ordo_slice_of(long_name), ordo_slice("a\0b", 3),
                                       ordo_slice_of("\xff"), ordo_slice_of("\xed\xa0\x80")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Ordo__V1__Open open = client_open_of("c", "d");
        open.collection = ordo_binary_of_slice(names[i]);
        CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
        client_hears_error(world, 0, 400);
        open = client_open_of("c", "d");
        open.id = ordo_binary_of_slice(names[i]);
        CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
        client_hears_error(world, 0, 400);
    }
    /* The longest name is one. */
    long_name[128] = '\0';
    Ordo__V1__Open open = client_open_of(long_name, long_name);
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    client_hears_nothing(world, 0);
    assert_int_equal(shard_hear_attach(world)->id.len, 128);
    world_destroy(world);
}

static void open_is_passed_on_and_answered_with_a_handle(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("notes", "a");
    open.have_case = ORDO__V1__OPEN__HAVE_HAVE_SEQ;
    open.have_seq = 7;
    open.have_lineage = 8;
    open.clean = true;
    CLIENT_SAY(world, 0, 11, 0, open, OPEN, open);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(attach->collection), ordo_slice_of("notes")));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(attach->client_id), ordo_slice_of("client-id-16-byt")));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(attach->user), ordo_slice_of("anonymous")));
    assert_int_equal(attach->permission, ORDO_ACCESS_ADMIN); /* nobody is asked for a token */
    assert_true(attach->has_have && attach->clean && !attach->resync && !attach->presence);
    assert_int_equal(attach->have_seq, 7);
    assert_int_equal(attach->have_lineage, 8);

    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = attach->subscriber;
    attached.doc = 1;
    attached.head = 9;
    attached.lineage = 8;
    attached.horizon = 2;
    attached.last_client_seq = 3;
    attached.last_client_server_seq = 4;
    attached.forgotten_seq = 5;
    shard_attached(world, attached);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, OPENED);
    const Ordo__V1__Opened *opened = message->opened;
    assert_int_equal(message->request, 11);
    assert_int_not_equal(message->doc, 0);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(opened->id), ordo_slice_of("a")));
    assert_true(ordo_slice_equal(ordo_slice_of_binary(opened->type), ordo_slice_of("text")));
    assert_null(opened->content);
    assert_int_equal(opened->head, 9);
    assert_int_equal(opened->horizon, 2);
    assert_int_equal(opened->last_client_seq, 3);
    assert_int_equal(opened->last_client_server_seq, 4);
    assert_int_equal(opened->forgotten_seq, 5);
    assert_int_equal(opened->permission, ORDO__V1__PERMISSION__WRITE);
    assert_false(opened->more);
    world_destroy(world);
}

/* The shard says so of who may write; the right itself stays, and what the client sends is passed on. */
static void a_viewer_is_told_so_and_hears_of_its_place_unasked(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    world_turn(world);
    uint64_t subscriber = shard_hear_attach(world)->subscriber;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = subscriber;
    attached.doc = 1;
    attached.head = 1;
    attached.viewer = true;
    shard_attached(world, attached);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, OPENED);
    uint32_t handle = message->doc;
    assert_int_equal(message->opened->permission, ORDO__V1__PERMISSION__READ);
    assert_true(message->opened->viewer);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    assert_int_equal(shard_hear_submit(world)->client_seq, 1);

    Ordo__Cluster__V1__Reattach reattach = ORDO__CLUSTER__V1__REATTACH__INIT;
    reattach.subscriber = 77; /* gone meanwhile */
    SHARD_SAY(world, reattach, REATTACH, reattach);
    reattach.subscriber = subscriber;
    SHARD_SAY(world, reattach, REATTACH, reattach);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->resync);
    assert_int_equal(attach->permission, ORDO_ACCESS_ADMIN);
    assert_null(shard_hear(world));
    attached.viewer = false;
    shard_attached(world, attached);
    message = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(message->request, 0);
    assert_int_equal(message->doc, handle);
    assert_int_equal(message->opened->permission, ORDO__V1__PERMISSION__WRITE);
    assert_false(message->opened->viewer);
    world_destroy(world);
}

static void second_open_of_an_open_document_is_refused_with_409(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    client_hears_error(world, 0, 409);
    /* As is one while the first has not been answered. */
    open = client_open_of("c", "b");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    CLIENT_SAY(world, 0, 2, 0, open, OPEN, open);
    client_hears_error(world, 0, 409);
    world_destroy(world);
}

static void leave_frees_the_handle_for_ever(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    uint64_t subscriber;
    uint32_t first = client_open(world, 0, "a", 1, &subscriber);
    Ordo__V1__Leave leave = ORDO__V1__LEAVE__INIT;
    CLIENT_SAY(world, 0, 0, first, leave, LEAVE, leave);
    world_turn(world);
    Ordo__Cluster__V1__ToShard *detach = shard_hear(world);
    assert_int_equal(detach->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    assert_int_equal(detach->detach->subscriber, subscriber);
    client_submit(world, 0, first, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    CLIENT_SAY(world, 0, 0, first, leave, LEAVE, leave);
    client_hears_error(world, 0, 404);
    assert_int_not_equal(client_open(world, 0, "a", 1, NULL), first);
    world_destroy(world);
}

static void submit_before_opened_or_on_a_strange_handle_is_not_open(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    client_submit(world, 0, 1, 4); /* the handle that it will have */
    const Ordo__V1__Nack *nack = CLIENT_HEAR(world, 0, NACK)->nack;
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    assert_int_equal(nack->client_seq, 4);
    client_submit(world, 0, 99, 5);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    world_destroy(world);
}

static void documents_over_the_limit_are_refused_with_429(void **state) {
    (void)state;
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.documents_per_connection_max = 2;
    struct world *world = world_create_with(&config);
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    client_open(world, 0, "b", 2, NULL);
    Ordo__V1__Open open = client_open_of("c", "d");
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    client_hears_error(world, 0, 429);
    world_destroy(world);
}

static void type_that_the_client_does_not_speak_is_refused_with_415(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0); /* names no types: text alone */
    Ordo__V1__Open open = client_open_of("c", "a");
    open.create_type = ordo_binary_of_slice(ordo_slice_of("drawing"));
    CLIENT_SAY(world, 0, 1, 0, open, OPEN, open);
    client_hears_error(world, 0, 415);

    open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 2, 0, open, OPEN, open);
    world_turn(world);
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = shard_hear_attach(world)->subscriber;
    attached.doc = 1;
    attached.type = ordo_binary_of_slice(ordo_slice_of("drawing"));
    shard_attached(world, attached);
    client_hears_error(world, 0, 415);
    assert_int_equal(shard_hear(world)->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    assert_int_equal(ordo_gateway_stats(world->gateway)->documents, 0);

    client_connect(world, 1);
    Ordo__V1__Hello hello = client_hello();
    ProtobufCBinaryData types[] = {attached.type};
    hello.types = types;
    hello.n_types = 1;
    CLIENT_SAY(world, 1, 1, 0, hello, HELLO, hello);
    CLIENT_HEAR(world, 1, WELCOME);
    CLIENT_SAY(world, 1, 2, 0, open, OPEN, open);
    world_turn(world);
    attached.subscriber = shard_hear_attach(world)->subscriber;
    shard_attached(world, attached);
    CLIENT_HEAR(world, 1, OPENED);
    world_destroy(world);
}

static void refused_open_is_answered_with_the_shards_error(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, 0, 6, 0, open, OPEN, open);
    world_turn(world);
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    refused.subscriber = shard_hear_attach(world)->subscriber;
    refused.code = 404;
    SHARD_SAY(world, refused, REFUSED, refused);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->error->code, 404);
    assert_int_equal(message->request, 6);
    assert_int_equal(ordo_gateway_stats(world->gateway)->subscribers, 0);
    world_destroy(world);
}

static void presence_is_passed_both_ways_but_not_back(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscribers[2];
    client_greet(world, 0);
    client_greet(world, 1);
    uint32_t handle = client_open(world, 0, "a", 1, &subscribers[0]);
    client_open(world, 1, "a", 1, &subscribers[1]);
    Ordo__V1__PresenceUpdate update = ORDO__V1__PRESENCE_UPDATE__INIT;
    update.data = ordo_binary_of_slice(ordo_slice_of("cursor"));
    CLIENT_SAY(world, 0, 0, handle, presence, PRESENCE, update);
    world_turn(world);
    Ordo__Cluster__V1__ToShard *message = shard_hear(world);
    assert_int_equal(message->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE);
    assert_int_equal(message->presence->subscriber, subscribers[0]);

    Ordo__Cluster__V1__Presence presence = ORDO__CLUSTER__V1__PRESENCE__INIT;
    presence.doc = 1;
    presence.except = subscribers[0];
    presence.presence = ordo_binary_of_slice(ordo_slice("\x1a\x06"
                                                        "cursor",
                                                        8));
    SHARD_SAY(world, presence, PRESENCE, presence);
    assert_int_equal(CLIENT_HEAR(world, 1, PRESENCE)->presence->data.len, 6);
    client_hears_nothing(world, 0);
    presence.except = 0;
    presence.only = subscribers[0];
    SHARD_SAY(world, presence, PRESENCE, presence);
    CLIENT_HEAR(world, 0, PRESENCE);
    client_hears_nothing(world, 1);

    /* Too much of it is refused. */
    struct ordo_buffer data = {0};
    memset(ordo_buffer_reserve(&data, ORDO_PRESENCE_SIZE_MAX), 'x', ORDO_PRESENCE_SIZE_MAX);
    data.size = ORDO_PRESENCE_SIZE_MAX;
    update.data = ordo_binary_of_slice(ordo_buffer_slice(&data));
    CLIENT_SAY(world, 0, 0, handle, presence, PRESENCE, update);
    client_hears_error(world, 0, 413);
    ordo_buffer_finish(&data);
    world_destroy(world);
}

static void every_kind_of_op_reaches_the_shard_with_its_field(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    uint64_t subscriber;
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    client_submit(world, 0, handle, 1);
    Ordo__V1__Submit submit = ORDO__V1__SUBMIT__INIT;
    Ordo__V1__DeleteDocument delete_op = ORDO__V1__DELETE_DOCUMENT__INIT;
    submit.op_case = ORDO__V1__SUBMIT__OP_DELETE;
    submit.delete_ = &delete_op;
    CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    static const uint8_t create_op[] = "\x0a\x04text\x12"; /* and 0: the empty op is there */
    submit.op_case = ORDO__V1__SUBMIT__OP_CREATE;
    submit.create = ordo_binary_of_slice(ordo_slice(create_op, sizeof create_op));
    CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    submit.op_case = ORDO__V1__SUBMIT__OP__NOT_SET;
    CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    world_turn(world);
    Ordo__Cluster__V1__Submit *text = shard_hear_submit(world);
    assert_int_equal(text->op_field, 3);
    assert_int_equal(text->subscriber, subscriber);
    assert_int_equal(text->base_seq, 1);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(text->op), ordo_slice_of("an op")));
    Ordo__Cluster__V1__Submit *delete_ = shard_hear_submit(world);
    assert_int_equal(delete_->op_field, 4);
    assert_int_equal(delete_->op.len, 0);
    Ordo__Cluster__V1__Submit *create = shard_hear_submit(world);
    assert_int_equal(create->op_field, 5);
    assert_int_equal(create->op.len, sizeof create_op);
    assert_int_equal(shard_hear_submit(world)->op_field, 0);
    world_destroy(world);
}

static void closed_connection_detaches_all_it_had(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    client_open(world, 0, "b", 2, NULL);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_CLOSED, .conn = 0});
    world_turn(world);
    assert_int_equal(shard_hear(world)->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    assert_int_equal(shard_hear(world)->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    assert_int_equal(ordo_gateway_stats(world->gateway)->connections, 0);
    assert_int_equal(ordo_gateway_stats(world->gateway)->documents, 0);
    assert_int_equal(ordo_gateway_stats(world->gateway)->subscribers, 0);
    world_destroy(world);
}

static void draining_says_go_away_and_closes(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "a", 1, NULL);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_DRAIN});
    assert_false(ordo_gateway_is_ready(world->gateway));
    world_pass(world, 50);
    CLIENT_HEAR(world, 0, GO_AWAY);
    assert_int_equal(world->conns[0].close_code, 1001);
    client_connect(world, 1); /* its SYN was faster than the closing of the listening socket */
    CLIENT_HEAR(world, 1, GO_AWAY);
    assert_int_equal(world->conns[1].close_code, 1001);
    world_destroy(world);
}

/* Thousands that come back at one moment would knock over the gateways that are left. */
static void draining_sends_connections_away_one_after_the_other(void **state) {
    (void)state;
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    struct world *world = world_create_with(&config);
    enum { COUNT = 4000 };
    for (uint32_t i = 0; i < COUNT; i++)
        world_step(world,
                   (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_OPENED, .conn = WORLD_CONNS + i});
    world->closed_count = 0;
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_DRAIN});
    size_t most = 0, before = 0;
    for (uint64_t ms = 0; ms < config.drain_ms + 100; ms += 100, before = world->closed_count) {
        world_live(world, 100);
        if (world->closed_count - before > most) most = world->closed_count - before;
    }
    assert_int_equal(world->closed_count, COUNT);
    assert_in_range(most, COUNT / 40, COUNT / 10);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_answered_with_limits_and_name),
        cmocka_unit_test(first_message_other_than_hello_is_refused_and_closed),
        cmocka_unit_test(hello_with_wrong_protocol_or_client_id_is_refused_and_closed),
        cmocka_unit_test(silence_instead_of_hello_is_closed_and_only_that),
        cmocka_unit_test(garbage_closes_with_1007_and_half_a_frame_is_not_applied),
        cmocka_unit_test(frame_over_the_limit_closes_with_1009),
        cmocka_unit_test(frame_that_would_decode_into_far_more_memory_is_refused),
        cmocka_unit_test(ping_is_echoed),
        cmocka_unit_test(unknown_body_is_answered_with_501_and_second_hello_with_400),
        cmocka_unit_test(names_that_are_none_are_refused_with_400),
        cmocka_unit_test(open_is_passed_on_and_answered_with_a_handle),
        cmocka_unit_test(a_viewer_is_told_so_and_hears_of_its_place_unasked),
        cmocka_unit_test(second_open_of_an_open_document_is_refused_with_409),
        cmocka_unit_test(leave_frees_the_handle_for_ever),
        cmocka_unit_test(submit_before_opened_or_on_a_strange_handle_is_not_open),
        cmocka_unit_test(documents_over_the_limit_are_refused_with_429),
        cmocka_unit_test(type_that_the_client_does_not_speak_is_refused_with_415),
        cmocka_unit_test(refused_open_is_answered_with_the_shards_error),
        cmocka_unit_test(presence_is_passed_both_ways_but_not_back),
        cmocka_unit_test(every_kind_of_op_reaches_the_shard_with_its_field),
        cmocka_unit_test(closed_connection_detaches_all_it_had),
        cmocka_unit_test(draining_says_go_away_and_closes),
        cmocka_unit_test(draining_sends_connections_away_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
