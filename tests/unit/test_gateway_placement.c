/* Several shards: who serves what, and slots that change hands. */
#include "tests/unit/gateway_world.h"

#include "common/hash.h"

/* Even slots belong to shard 0, odd ones to shard 1; shard 2 has none. */
static struct ordo_placement placement;

static void place(struct world *world, uint16_t slot, uint64_t epoch, size_t shard) {
    placement.slots[slot] = (struct ordo_slot_place){.epoch = epoch, .store = world->shards[shard].store};
}

static void tell_placement(struct world *world) {
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_PLACEMENT, .placement = &placement});
}

static void place_all(struct world *world) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) place(world, slot, 1, slot % 2);
    tell_placement(world);
}

/* The table says that this slot has another owner, and nothing else that is new. */
static void move_slot(struct world *world, uint16_t slot, uint64_t epoch, size_t shard) {
    place(world, slot, epoch, shard);
    tell_placement(world);
}

static uint16_t slot_of(const char *id) {
    return ordo_slot_of(ordo_slice_of("c"), ordo_slice_of(id));
}

/* The first single letter from `from` on whose document c/LETTER is in a slot of this shard's. */
static const char *id_of_shard(size_t shard, char from) {
    static char ids[26][2];
    for (char letter = from; letter <= 'z'; letter++) {
        char *id = ids[letter - 'a'];
        id[0] = letter;
        if (slot_of(id) % 2 == shard) return id;
    }
    fail_msg("no letter will do");
    return NULL;
}

static struct world *create_unplaced(void) {
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.has_directory = true;
    return world_create_cold(&config);
}

static void link_all(struct world *world) {
    world_pass(world, 100);
    for (size_t i = 0; i < WORLD_SHARDS; i++) {
        world_play(world, i);
        if (world->shard->has_link) world_link_ready(world);
    }
    world_play(world, 0);
}

/* With links to shards 0 and 1. */
static struct world *create_placed(void) {
    struct world *world = create_unplaced();
    place_all(world);
    link_all(world);
    return world;
}

/* Lets time pass in which all shards that are linked live. */
static void live(struct world *world, uint64_t ms) {
    struct world_shard *played = world->shard;
    for (uint64_t passed = 0; passed < ms; passed += 100) {
        for (size_t i = 0; i < WORLD_SHARDS; i++) {
            world_play(world, i);
            if (world->shard->has_link) shard_beat(world);
        }
        world_pass(world, 100);
    }
    world->shard = played;
}

static void shard_not_owner(struct world *world, uint16_t slot, uint64_t epoch,
                            const struct world_shard *owner) {
    Ordo__Cluster__V1__NotOwner news = ORDO__CLUSTER__V1__NOT_OWNER__INIT;
    news.slot = slot;
    news.epoch = epoch;
    if (owner != NULL)
        news.store = ordo_binary_of_slice(ordo_slice(owner->store.bytes, sizeof owner->store.bytes));
    SHARD_SAY(world, not_owner, NOT_OWNER, news);
}

static void shard_refused(struct world *world, uint64_t subscriber) {
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    refused.subscriber = subscriber;
    refused.code = 503;
    SHARD_SAY(world, refused, REFUSED, refused);
}

static void shard_hears_detach(struct world *world, uint64_t subscriber) {
    Ordo__Cluster__V1__ToShard *message = shard_hear(world);
    assert_non_null(message);
    assert_int_equal(message->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    assert_int_equal(message->detach->subscriber, subscriber);
}

static void open_says(struct world *world, uint32_t conn, const char *id) {
    Ordo__V1__Open open = client_open_of("c", id);
    CLIENT_SAY(world, conn, 5, 0, open, OPEN, open);
    world_turn(world);
}

/* ---- who serves what */

static void nobody_is_asked_before_the_placement_is_known(void **state) {
    (void)state;
    struct world *world = create_unplaced();
    client_greet(world, 0);
    const char *id = id_of_shard(1, 'a');
    open_says(world, 0, id);
    world_pass(world, 1000);
    assert_int_equal(ordo_gateway_stats(world->gateway)->links, 0);
    assert_int_equal(ordo_gateway_stats(world->gateway)->slots_unowned, ORDO_SLOT_COUNT);
    assert_false(ordo_gateway_is_ready(world->gateway));

    place_all(world);
    link_all(world);
    world_turn(world);
    assert_null(shard_hear(world));
    world_play(world, 1);
    shard_attached_with(world, shard_hear_attach(world)->subscriber, 1, 1, "found");
    assert_int_equal(CLIENT_HEAR(world, 0, OPENED)->request, 5);
    assert_int_equal(ordo_gateway_stats(world->gateway)->slots_unowned, 0);
    world_destroy(world);
}

static void one_shard_is_enough_to_be_ready(void **state) {
    (void)state;
    struct world *world = create_unplaced();
    place_all(world);
    world_pass(world, 1);
    assert_false(ordo_gateway_is_ready(world->gateway));
    world_link_ready(world);
    assert_true(ordo_gateway_is_ready(world->gateway));
    assert_int_equal(ordo_gateway_stats(world->gateway)->links, 2);
    assert_int_equal(ordo_gateway_stats(world->gateway)->links_ready, 1);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    assert_false(ordo_gateway_is_ready(world->gateway));
    world_destroy(world);
}

static void lost_link_is_felt_by_the_documents_of_that_shard_only(void **state) {
    (void)state;
    struct world *world = create_placed();
    uint64_t subscribers[2];
    client_greet(world, 0);
    uint32_t handles[2];
    for (size_t i = 0; i < 2; i++) {
        world_play(world, i);
        handles[i] = client_open(world, 0, id_of_shard(i, 'a'), 7, &subscribers[i]);
    }
    world_play(world, 1);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, STATUS);
    assert_int_equal(message->doc, handles[1]);
    client_hears_nothing(world, 0);
    world_play(world, 0);
    client_submit(world, 0, handles[0], 1);
    world_turn(world);
    assert_int_equal(shard_hear_submit(world)->subscriber, subscribers[0]);
    shard_commit(world, 7, 2, subscribers[0], 1, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, ACK)->ack->server_seq, 2);
    world_destroy(world);
}

static void stranger_at_the_address_of_a_store_is_not_talked_to(void **state) {
    (void)state;
    struct world *world = create_unplaced();
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) place(world, slot, 1, 0);
    tell_placement(world);
    world_pass(world, 100);
    world_link(world, ORDO_GATEWAY_LINK_UP);
    world_turn(world);
    struct ordo_store_id expected = world->shard->store;
    world->shard->store = world->shards[1].store;
    shard_welcome(world);
    world->shard->store = expected;
    assert_false(ordo_gateway_is_ready(world->gateway));
    world_pass(world, 200);
    assert_int_equal(world->shard->links_opened, 2);
    world->shard->to_shard_read = world->shard->to_shard_count;
    world_link_ready(world);
    world_destroy(world);
}

static void open_of_a_slot_that_nobody_serves_is_refused_in_time(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    placement.slots[slot_of(id)] = (struct ordo_slot_place){.epoch = 2};
    tell_placement(world);
    client_greet(world, 0);
    open_says(world, 0, id);
    live(world, world->config.open_timeout_ms - 100);
    client_hears_nothing(world, 0);
    live(world, 200);
    client_hears_error(world, 0, 503);
    world_destroy(world);
}

static void slot_that_loses_its_owner_waits_for_another(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, id, 1, NULL);
    placement.slots[slot_of(id)] = (struct ordo_slot_place){.epoch = 2};
    tell_placement(world);
    world_pass(world, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, STATUS)->status->state,
                     ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE);
    client_submit(world, 0, handle, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    move_slot(world, slot_of(id), 2, 1); /* somebody could say who has it, since that very epoch */
    world_play(world, 1);
    world_turn(world);
    shard_reattached(world, shard_hear_attach(world)->subscriber, 1, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, STATUS)->status->state,
                     ORDO__V1__DOCUMENT_STATUS__STATE__AVAILABLE);
    CLIENT_HEAR(world, 0, OPENED);
    world_destroy(world);
}

/* ---- slots change hands */

static void moved_slot_takes_its_documents_along_and_no_others(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *moved = id_of_shard(0, 'a'), *stays = id_of_shard(0, (char)(moved[0] + 1));
    uint64_t subscribers[2];
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, moved, 1, &subscribers[0]);
    uint32_t other = client_open(world, 0, stays, 2, &subscribers[1]);
    shard_commit(world, 1, 2, 0, 0, 10);
    CLIENT_HEAR(world, 0, COMMITTED);

    shard_not_owner(world, slot_of(moved), 2, &world->shards[1]);
    shard_commit(world, 1, 3, 0, 0, 10); /* of another document by now, for all the gateway knows */
    client_hears_nothing(world, 0);
    shard_hears_detach(world, subscribers[0]);
    world_play(world, 1);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->resync);
    assert_int_equal(attach->have_seq, 2);
    assert_int_not_equal(attach->subscriber, subscribers[0]);
    client_submit(world, 0, handle, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    shard_reattached(world, attach->subscriber, 1, 3);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(message->request, 0);
    assert_int_equal(message->doc, handle);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    assert_int_equal(shard_hear_submit(world)->subscriber, attach->subscriber);
    shard_commit(world, 1, 4, attach->subscriber, 1, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, ACK)->doc, handle);

    world_play(world, 0);
    shard_commit(world, 2, 2, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->doc, other);
    world_destroy(world);
}

static void what_the_old_shard_still_says_goes_nowhere(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, id, 1, &subscriber);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    move_slot(world, slot_of(id), 2, 1); /* the table is faster than the shard */
    shard_not_owner(world, slot_of(id), 2, &world->shards[1]);
    shard_refused(world, subscriber);
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    nack.subscriber = subscriber;
    nack.client_seq = 1;
    nack.code = ORDO__V1__NACK_CODE__NOT_OPEN;
    SHARD_SAY(world, nack, NACK, nack);
    client_hears_nothing(world, 0);
    world_play(world, 1);
    shard_reattached(world, shard_hear_attach(world)->subscriber, 1, 1);
    assert_null(shard_hear(world)); /* once */
    CLIENT_HEAR(world, 0, OPENED);
    client_hears_nothing(world, 0);
    world_destroy(world);
}

static void op_in_flight_when_its_slot_moves_makes_its_document_go_first(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    uint64_t subscribers[2];
    client_greet(world, 0);
    client_greet(world, 1);
    client_open(world, 0, id, 1, &subscribers[0]);
    Ordo__V1__Open open = client_open_of("c", id);
    CLIENT_SAY(world, 1, 5, 0, open, OPEN, open);
    world_turn(world);
    shard_attached_with(world, shard_hear_attach(world)->subscriber, 1, 2, "hello");
    uint32_t handle = CLIENT_HEAR(world, 1, OPENED)->doc;
    client_submit(world, 1, handle, 1);
    shard_not_owner(world, slot_of(id), 2, &world->shards[1]);
    world_turn(world);
    world_play(world, 1);
    assert_int_equal(shard_hear_attach(world)->have_seq, 2);
    assert_int_equal(shard_hear_attach(world)->have_seq, 1);
    world_destroy(world);
}

static void open_at_the_wrong_shard_is_attached_at_the_right_one_at_once(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    Ordo__V1__Open open = client_open_of("c", id);
    open.create_type = ordo_binary_of_slice(ordo_slice_of("text"));
    open.create_content = ordo_binary_of_slice(ordo_slice_of("an op"));
    CLIENT_SAY(world, 0, 5, 0, open, OPEN, open);
    world_turn(world);
    uint64_t subscriber = shard_hear_attach(world)->subscriber;
    shard_not_owner(world, slot_of(id), 4, &world->shards[1]);
    shard_refused(world, subscriber);
    world_turn(world);
    world_play(world, 1);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_false(attach->resync);
    assert_int_equal(attach->create_content.len, 5);
    assert_int_equal(attach->id.len, 1);
    shard_attached_with(world, attach->subscriber, 1, 1, "here");
    assert_int_equal(CLIENT_HEAR(world, 0, OPENED)->request, 5);
    world_destroy(world);
}

static void older_news_are_no_news(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    uint64_t subscriber;
    client_greet(world, 0);
    client_open(world, 0, id, 1, &subscriber);
    shard_not_owner(world, slot_of(id), 5, &world->shards[1]);
    tell_placement(world); /* still names shard 0, with epoch 1 */
    world_play(world, 1);
    world_turn(world);
    shard_reattached(world, shard_hear_attach(world)->subscriber, 1, 1);
    CLIENT_HEAR(world, 0, OPENED);
    world_play(world, 0);
    shard_not_owner(world, slot_of(id), 5, &world->shards[2]);
    shard_not_owner(world, slot_of(id), 4, &world->shards[2]);
    shard_not_owner(world, slot_of(id), 9, NULL);
    shard_not_owner(world, ORDO_SLOT_COUNT, 9, &world->shards[2]);
    world_turn(world);
    client_hears_nothing(world, 0);
    assert_false(world->shards[2].has_link);
    world_play(world, 1);
    assert_null(shard_hear(world));
    world_destroy(world);
}

static void shard_that_knows_no_owner_is_asked_again_after_a_pause(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    open_says(world, 0, id);
    uint64_t subscriber = shard_hear_attach(world)->subscriber;
    shard_not_owner(world, slot_of(id), 0, NULL);
    shard_refused(world, subscriber);
    live(world, 400);
    client_hears_nothing(world, 0);
    shard_hears_detach(world, subscriber);
    assert_null(shard_hear(world));
    live(world, 200);
    shard_attached_with(world, shard_hear_attach(world)->subscriber, 1, 1, "it has it after all");
    CLIENT_HEAR(world, 0, OPENED);
    world_destroy(world);
}

static void open_that_no_shard_wants_is_refused_in_time(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    open_says(world, 0, id);
    for (uint64_t ms = 0; ms <= world->config.open_timeout_ms; ms += 100) {
        for (Ordo__Cluster__V1__ToShard *message; (message = shard_hear(world)) != NULL;) {
            if (message->body_case != ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH) continue;
            shard_not_owner(world, slot_of(id), 1, NULL);
            shard_refused(world, message->attach->subscriber);
        }
        live(world, 100);
    }
    client_hears_error(world, 0, 503);
    world_destroy(world);
}

/* Only a damaged store could make them say so; it must not cost more than an Attach now and then. */
static void shards_that_name_each_other_cost_little(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    client_open(world, 0, id, 1, NULL);
    uint64_t epoch = 2;
    shard_not_owner(world, slot_of(id), epoch, &world->shards[1]);
    size_t attaches = 0;
    for (uint64_t ms = 0; ms < 5000; ms += 20) {
        world_pass(world, 20);
        for (size_t i = 0; i < 2; i++) {
            world_play(world, i);
            if (ms % 500 == 0) shard_beat(world);
            for (Ordo__Cluster__V1__ToShard *message; (message = shard_hear(world)) != NULL;) {
                if (message->body_case != ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH) continue;
                attaches++;
                shard_not_owner(world, slot_of(id), ++epoch, &world->shards[1 - i]);
                shard_refused(world, message->attach->subscriber);
            }
        }
    }
    assert_in_range(attaches, 10, 20);
    world_destroy(world);
}

/* Given away and got back between two looks at the table: the shard has forgotten whom it had. */
static void slot_that_was_away_and_is_back_is_attached_anew(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    uint64_t subscriber;
    client_greet(world, 0);
    client_open(world, 0, id, 1, &subscriber);
    move_slot(world, slot_of(id), 3, 0);
    shard_not_owner(world, slot_of(id), 2, &world->shards[1]);
    live(world, 600);
    shard_hears_detach(world, subscriber);
    uint64_t again = shard_hear_attach(world)->subscriber;
    assert_int_not_equal(again, subscriber);
    shard_reattached(world, again, 1, 1);
    CLIENT_HEAR(world, 0, OPENED);
    world_destroy(world);
}

/* There and back again while the first shard's answers are still on their way. */
static void answer_to_an_attach_before_the_slot_came_back_goes_nowhere(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    open_says(world, 0, id);
    uint64_t first = shard_hear_attach(world)->subscriber;
    move_slot(world, slot_of(id), 2, 1);
    move_slot(world, slot_of(id), 3, 0);
    world_turn(world);
    shard_hears_detach(world, first);
    uint64_t second = shard_hear_attach(world)->subscriber;
    shard_refused(world, first);
    client_hears_nothing(world, 0);
    shard_attached_with(world, second, 1, 1, "here");
    CLIENT_HEAR(world, 0, OPENED);
    world_destroy(world);
}

static void history_that_is_asked_when_the_slot_moves_is_to_be_asked_again(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, id, 1, NULL);
    Ordo__V1__ReadHistory read = ORDO__V1__READ_HISTORY__INIT;
    CLIENT_SAY(world, 0, 8, handle, history, HISTORY, read);
    world_turn(world);
    shard_not_owner(world, slot_of(id), 2, &world->shards[1]);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->error->code, 503);
    assert_int_equal(message->request, 8);
    world_destroy(world);
}

/* A long answer is made from pieces that the old shard has: it is finished, and then the new shard continues.
 */
static void answer_in_parts_is_finished_although_the_slot_moves(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    enum { SIZE = 2 * ORDO_PIECE_SIZE_MAX };
    static uint8_t text[SIZE];
    memset(text, 'x', sizeof text);
    client_greet(world, 0);
    open_says(world, 0, id);
    Ordo__Cluster__V1__Bulk bulk = ORDO__CLUSTER__V1__BULK__INIT;
    bulk.id = 99;
    bulk.size = SIZE;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = shard_hear_attach(world)->subscriber;
    attached.doc = 1;
    attached.head = attached.content_seq = 1;
    attached.has_content = true;
    attached.content_field = 2;
    attached.content = &bulk;
    shard_attached(world, attached);
    shard_not_owner(world, slot_of(id), 2, &world->shards[1]);
    for (uint64_t offset = 0; offset < SIZE; offset += ORDO_PIECE_SIZE_MAX) {
        world_play(world, 1);
        assert_null(shard_hear(world));
        world_play(world, 0);
        Ordo__Cluster__V1__Piece piece = ORDO__CLUSTER__V1__PIECE__INIT;
        piece.bulk = 99;
        piece.offset = offset;
        piece.bytes = ordo_binary_of_slice(ordo_slice(text + offset, ORDO_PIECE_SIZE_MAX));
        Ordo__Cluster__V1__Piece *pieces[] = {&piece};
        Ordo__Cluster__V1__SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
        reply.pieces = pieces;
        reply.n_pieces = 1;
        side_say(world, reply);
        bool is_last = offset + ORDO_PIECE_SIZE_MAX == SIZE;
        assert_int_equal(CLIENT_HEAR(world, 0, OPENED)->opened->more, !is_last);
    }
    assert_int_equal(world->conns[0].close_code, 0);
    world_play(world, 1);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->resync);
    assert_int_equal(attach->have_seq, 1);
    shard_reattached(world, attach->subscriber, 1, 1);
    CLIENT_HEAR(world, 0, OPENED);
    world_destroy(world);
}

static void old_shard_that_dies_in_the_middle_of_an_answer_closes_that_connection(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(0, 'a');
    client_greet(world, 0);
    open_says(world, 0, id);
    Ordo__Cluster__V1__Bulk bulk = ORDO__CLUSTER__V1__BULK__INIT;
    bulk.id = 99;
    bulk.size = 2 * ORDO_PIECE_SIZE_MAX;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = shard_hear_attach(world)->subscriber;
    attached.doc = 1;
    attached.head = attached.content_seq = 1;
    attached.has_content = true;
    attached.content = &bulk;
    shard_attached(world, attached);
    shard_not_owner(world, slot_of(id), 2, &world->shards[1]);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    assert_int_equal(world->conns[0].close_code, 1012);
    world_destroy(world);
}

/* ---- links come and go */

static void link_without_slots_is_let_go_of_and_made_anew_when_one_comes(void **state) {
    (void)state;
    struct world *world = create_placed();
    const char *id = id_of_shard(1, 'a');
    client_greet(world, 0);
    world_play(world, 1);
    client_open(world, 0, id, 1, NULL);
    for (uint16_t slot = 1; slot < ORDO_SLOT_COUNT; slot += 2) place(world, slot, 2, 2);
    tell_placement(world);
    world_pass(world, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, STATUS)->status->state,
                     ORDO__V1__DOCUMENT_STATUS__STATE__UNAVAILABLE); /* there is no link yet */
    world_play(world, 2);
    world_link_ready(world);
    world_turn(world);
    shard_reattached(world, shard_hear_attach(world)->subscriber, 1, 1);
    CLIENT_HEAR(world, 0, STATUS);
    CLIENT_HEAR(world, 0, OPENED);
    live(world, 4000);
    assert_true(world->shards[1].has_link); /* slots may come back soon */
    live(world, 2000);
    assert_false(world->shards[1].has_link);
    assert_int_equal(ordo_gateway_stats(world->gateway)->links, 2);

    move_slot(world, slot_of(id), 3, 1);
    world_pass(world, 1);
    world_play(world, 1);
    assert_true(world->shards[1].has_link);
    world->shard->to_shard_read = world->shard->to_shard_count;
    world_link_ready(world);
    world_turn(world);
    shard_hear_attach(world);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_asked_before_the_placement_is_known),
        cmocka_unit_test(one_shard_is_enough_to_be_ready),
        cmocka_unit_test(lost_link_is_felt_by_the_documents_of_that_shard_only),
        cmocka_unit_test(stranger_at_the_address_of_a_store_is_not_talked_to),
        cmocka_unit_test(open_of_a_slot_that_nobody_serves_is_refused_in_time),
        cmocka_unit_test(slot_that_loses_its_owner_waits_for_another),
        cmocka_unit_test(moved_slot_takes_its_documents_along_and_no_others),
        cmocka_unit_test(what_the_old_shard_still_says_goes_nowhere),
        cmocka_unit_test(op_in_flight_when_its_slot_moves_makes_its_document_go_first),
        cmocka_unit_test(open_at_the_wrong_shard_is_attached_at_the_right_one_at_once),
        cmocka_unit_test(older_news_are_no_news),
        cmocka_unit_test(shard_that_knows_no_owner_is_asked_again_after_a_pause),
        cmocka_unit_test(open_that_no_shard_wants_is_refused_in_time),
        cmocka_unit_test(shards_that_name_each_other_cost_little),
        cmocka_unit_test(slot_that_was_away_and_is_back_is_attached_anew),
        cmocka_unit_test(answer_to_an_attach_before_the_slot_came_back_goes_nowhere),
        cmocka_unit_test(history_that_is_asked_when_the_slot_moves_is_to_be_asked_again),
        cmocka_unit_test(answer_in_parts_is_finished_although_the_slot_moves),
        cmocka_unit_test(old_shard_that_dies_in_the_middle_of_an_answer_closes_that_connection),
        cmocka_unit_test(link_without_slots_is_let_go_of_and_made_anew_when_one_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
