/* Long answers come in parts, fetched piece by piece as the client reads. */
#include "tests/unit/gateway_world.h"

enum { CONTENT_BULK = 500, OPS_BULK = 501 };

/* A shard with two blobs. */
struct blobs {
    struct ordo_buffer content, ops;
};

/* Text of two-, three- and four-byte code points, so that every cut has a chance to go wrong. */
static void make_text(struct ordo_buffer *out, size_t size) {
    static const char *const points[] = {"é", "€", "😀", "x"};
    for (size_t i = 0; out->size + 4 <= size; i++)
        ordo_buffer_append_slice(out, ordo_slice_of(points[i * i % 7 % 4]));
}

static void add_op(struct ordo_buffer *out, uint64_t seq, size_t size) {
    struct ordo_buffer committed = {0};
    world_encode_committed(&committed, seq, size);
    ordo_field_append_bytes(out, 6, ordo_buffer_slice(&committed));
    ordo_buffer_finish(&committed);
}

static void blobs_finish(struct blobs *blobs) {
    ordo_buffer_finish(&blobs->content);
    ordo_buffer_finish(&blobs->ops);
}

/* Answers the fetches that have come; returns how many. */
static size_t serve_fetches(struct world *world, const struct blobs *blobs) {
    size_t count = 0;
    for (; world->shard->side_read < world->shard->side_count; world->shard->side_read++) {
        const Ordo__Cluster__V1__SideRequest *request = world->shard->side[world->shard->side_read];
        for (size_t i = 0; i < request->n_fetches; i++, count++) {
            const Ordo__Cluster__V1__Fetch *fetch = request->fetches[i];
            const struct ordo_buffer *blob = fetch->bulk == CONTENT_BULK ? &blobs->content : &blobs->ops;
            assert_true(fetch->offset + fetch->size <= blob->size);
            assert_true(fetch->size <= ORDO_PIECE_SIZE_MAX);
            Ordo__Cluster__V1__Piece piece = ORDO__CLUSTER__V1__PIECE__INIT, *pieces[] = {&piece};
            piece.bulk = fetch->bulk;
            piece.offset = fetch->offset;
            piece.bytes = ordo_binary_of_slice(ordo_slice(blob->data + fetch->offset, fetch->size));
            Ordo__Cluster__V1__SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
            reply.pieces = pieces;
            reply.n_pieces = 1;
            side_say(world, reply);
        }
    }
    return count;
}

static size_t count_releases(const struct world *world) {
    size_t count = 0;
    for (size_t i = 0; i < world->shard->side_count; i++) count += world->shard->side[i]->n_releases;
    return count;
}

static void attach_with_blobs(struct world *world, uint64_t subscriber, uint64_t head, uint64_t content_seq,
                              const struct blobs *blobs) {
    Ordo__Cluster__V1__Bulk content = ORDO__CLUSTER__V1__BULK__INIT, ops = ORDO__CLUSTER__V1__BULK__INIT;
    content.id = CONTENT_BULK;
    content.size = blobs->content.size;
    ops.id = OPS_BULK;
    ops.size = blobs->ops.size;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = subscriber;
    attached.doc = 1;
    attached.head = head;
    attached.has_content = blobs->content.size > 0;
    attached.content_seq = content_seq;
    attached.content_field = 2;
    if (attached.has_content) attached.content = &content;
    if (ops.size > 0) attached.ops = &ops;
    shard_attached(world, attached);
}

static uint64_t client_wants(struct world *world, uint32_t conn) {
    client_greet(world, conn);
    Ordo__V1__Open open = client_open_of("c", "a");
    CLIENT_SAY(world, conn, 5, 0, open, OPEN, open);
    world_turn(world);
    return shard_hear_attach(world)->subscriber;
}

/* Puts the parts of an Opened together; checks that each is what a part must be. */
struct opened {
    struct ordo_buffer content;
    uint64_t seq;
    uint32_t parts;
};

static void hear_opened(struct world *world, uint32_t conn, const struct blobs *blobs, struct opened *out) {
    for (bool has_more = true; has_more;) {
        while (!world->conns[conn].is_deaf && world->conns[conn].read == world->conns[conn].count) {
            world_turn(world);
            if (serve_fetches(world, blobs) == 0 && world->conns[conn].read == world->conns[conn].count)
                fail_msg("no part comes any more");
        }
        const Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, conn, OPENED);
        const Ordo__V1__Opened *part = message->opened;
        assert_int_equal(message->request, 5);
        assert_true(ordo_slice_equal(ordo_slice_of_binary(part->id), ordo_slice_of("a")));
        if (part->content != NULL) {
            struct ordo_slice text = ordo_slice_of_binary(part->content->text);
            assert_true(text.size <= ORDO_PART_SIZE_MAX);
            assert_true(text.size == 0 || (text.data[0] & 0xc0) != 0x80); /* begins with a code point */
            ordo_buffer_append_slice(&out->content, text);
            out->seq = part->content->seq;
        }
        for (size_t i = 0; i < part->n_ops; i++) assert_int_equal(part->ops[i]->server_seq, ++out->seq);
        has_more = part->more;
        out->parts++;
    }
}

static void long_text_comes_in_parts_cut_between_code_points(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 3000000);
    uint64_t subscriber = client_wants(world, 0);
    attach_with_blobs(world, subscriber, 7, 7, &blobs);
    shard_commit(world, 1, 8, 0, 0, 10); /* comes meanwhile, must follow */
    struct opened opened = {0};
    hear_opened(world, 0, &blobs, &opened);
    assert_in_range(opened.parts, 3000000 / ORDO_PART_SIZE_MAX, 2 * 3000000 / ORDO_PART_SIZE_MAX);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&opened.content), ordo_buffer_slice(&blobs.content)));
    assert_int_equal(opened.seq, 7);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 8);
    shard_commit(world, 1, 9, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 9);
    world_turn(world);
    assert_int_equal(count_releases(world), 1);
    ordo_buffer_finish(&opened.content);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void content_and_ops_come_in_one_answer_large_ops_alone(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 300001);
    for (uint64_t seq = 11; seq <= 2000; seq++) add_op(&blobs.ops, seq, seq == 500 ? 1500000 : seq % 700);
    uint64_t subscriber = client_wants(world, 0);
    attach_with_blobs(world, subscriber, 2000, 10, &blobs);
    struct opened opened = {0};
    hear_opened(world, 0, &blobs, &opened);
    assert_int_equal(opened.seq, 2000);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&opened.content), ordo_buffer_slice(&blobs.content)));
    world_turn(world);
    assert_int_equal(count_releases(world), 2);
    ordo_buffer_finish(&opened.content);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void ops_alone_come_without_content(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    for (uint64_t seq = 1; seq <= 3000; seq++) add_op(&blobs.ops, seq, 300);
    uint64_t subscriber = client_wants(world, 0);
    attach_with_blobs(world, subscriber, 3000, 0, &blobs);
    struct opened opened = {0};
    hear_opened(world, 0, &blobs, &opened);
    assert_int_equal(opened.seq, 3000);
    assert_int_equal(opened.content.size, 0);
    assert_true(opened.parts > 3);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void pieces_are_fetched_only_as_fast_as_the_client_reads(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 4000000);
    uint64_t subscriber = client_wants(world, 0);
    world->conns[0].is_deaf = true;
    attach_with_blobs(world, subscriber, 7, 7, &blobs);
    size_t fetches = 0;
    for (int i = 0; i < 50; i++) {
        world_turn(world);
        fetches += serve_fetches(world, &blobs);
    }
    assert_in_range(fetches, 1, 2);
    /* Commits for a connection that does not read are held within the limit, and replaced by a resync. */
    for (uint64_t seq = 8; seq < 1008; seq++) shard_commit(world, 1, seq, 0, 0, 10000);
    assert_true(ordo_gateway_stats(world->gateway)->messages_dropped > 0);
    world->conns[0].is_deaf = false;
    struct opened opened = {0};
    hear_opened(world, 0, &blobs, &opened);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&opened.content), ordo_buffer_slice(&blobs.content)));
    client_hears_nothing(world, 0);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->resync);
    assert_int_equal(attach->have_seq, 7);
    ordo_buffer_finish(&opened.content);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void nack_during_parts_follows_the_last(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 600000);
    uint64_t subscriber = client_wants(world, 0);
    attach_with_blobs(world, subscriber, 7, 7, &blobs);
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    nack.subscriber = subscriber;
    nack.client_seq = 3;
    nack.code = ORDO__V1__NACK_CODE__REPLAYED;
    SHARD_SAY(world, nack, NACK, nack);
    struct opened opened = {0};
    hear_opened(world, 0, &blobs, &opened);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->client_seq, 3);
    ordo_buffer_finish(&opened.content);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void neighbours_on_the_same_connection_do_not_wait_for_parts(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 2000000);
    uint64_t subscriber = client_wants(world, 0);
    client_open(world, 0, "quick", 2, NULL);
    attach_with_blobs(world, subscriber, 7, 7, &blobs);
    world_turn(world); /* the first piece is on its way */
    shard_commit(world, 2, 2, 0, 0, 10);
    assert_int_equal(CLIENT_HEAR(world, 0, COMMITTED)->committed->server_seq, 2);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void blob_that_is_gone_closes_the_connection(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 600000);
    uint64_t subscriber = client_wants(world, 0);
    attach_with_blobs(world, subscriber, 7, 7, &blobs);
    Ordo__Cluster__V1__Piece piece = ORDO__CLUSTER__V1__PIECE__INIT, *pieces[] = {&piece};
    piece.bulk = CONTENT_BULK;
    Ordo__Cluster__V1__SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
    reply.pieces = pieces;
    reply.n_pieces = 1;
    side_say(world, reply);
    assert_int_equal(world->conns[0].close_code, 1013);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void link_lost_in_the_middle_of_parts_closes_the_connection(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 600000);
    uint64_t subscriber = client_wants(world, 0);
    client_greet(world, 1);
    client_open(world, 1, "b", 2, NULL);
    attach_with_blobs(world, subscriber, 7, 7, &blobs);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    assert_int_equal(world->conns[0].close_code, 1012);
    assert_int_equal(world->conns[1].close_code, 0);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void link_lost_during_a_history_and_a_resync_closes_the_connection(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    Ordo__V1__ReadHistory read = ORDO__V1__READ_HISTORY__INIT;
    CLIENT_SAY(world, 0, 21, handle, history, HISTORY, read);
    world_turn(world);
    Ordo__Cluster__V1__Bulk ops = ORDO__CLUSTER__V1__BULK__INIT;
    ops.id = OPS_BULK;
    ops.size = 1000000;
    Ordo__Cluster__V1__HistoryAnswer answer = ORDO__CLUSTER__V1__HISTORY_ANSWER__INIT;
    answer.subscriber = subscriber;
    answer.request = 21;
    answer.ops = &ops;
    SHARD_SAY(world, history, HISTORY, answer);
    Ordo__Cluster__V1__Dropped dropped = ORDO__CLUSTER__V1__DROPPED__INIT;
    dropped.doc = 1;
    SHARD_SAY(world, dropped, DROPPED, dropped);
    world_turn(world); /* the resync is asked for */
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    assert_int_equal(world->conns[0].close_code, 1012);
    assert_int_equal(ordo_gateway_stats(world->gateway)->subscribers, 0);
    world_pass(world, 200);
    while (shard_hear(world) != NULL) {
    }
    world_link_ready(world);
    client_greet(world, 1);
    client_open(world, 1, "a", 1, NULL);
    world_destroy(world);
}

static void answer_to_one_who_left_is_released(void **state) {
    (void)state;
    struct world *world = world_create();
    struct blobs blobs = {0};
    make_text(&blobs.content, 600000);
    add_op(&blobs.ops, 8, 100);
    uint64_t subscriber = client_wants(world, 0);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_CLOSED, .conn = 0});
    attach_with_blobs(world, subscriber, 8, 7, &blobs);
    world_turn(world);
    assert_int_equal(count_releases(world), 2);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void history_is_answered_in_parts_with_its_request(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    Ordo__V1__ReadHistory read = ORDO__V1__READ_HISTORY__INIT;
    read.from_seq = 1;
    read.to_seq = 3000;
    CLIENT_SAY(world, 0, 21, handle, history, HISTORY, read);
    world_turn(world);
    Ordo__Cluster__V1__ToShard *message = shard_hear(world);
    assert_int_equal(message->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY);
    assert_int_equal(message->history->to_seq, 3000);
    assert_int_equal(message->history->at_kind, 0);

    struct blobs blobs = {0};
    for (uint64_t seq = 1; seq <= 3000; seq++) {
        struct ordo_buffer committed = {0};
        world_encode_committed(&committed, seq, 300);
        ordo_field_append_bytes(&blobs.ops, 1, ordo_buffer_slice(&committed));
        ordo_buffer_finish(&committed);
    }
    Ordo__Cluster__V1__Bulk ops = ORDO__CLUSTER__V1__BULK__INIT;
    ops.id = OPS_BULK;
    ops.size = blobs.ops.size;
    Ordo__Cluster__V1__HistoryAnswer answer = ORDO__CLUSTER__V1__HISTORY_ANSWER__INIT;
    answer.subscriber = subscriber;
    answer.request = 21;
    answer.head = 3000;
    answer.ops = &ops;
    SHARD_SAY(world, history, HISTORY, answer);
    uint64_t seq = 0;
    for (bool has_more = true; has_more;) {
        while (world->conns[0].read == world->conns[0].count) {
            world_turn(world);
            serve_fetches(world, &blobs);
        }
        const Ordo__V1__ServerMessage *part = CLIENT_HEAR(world, 0, HISTORY);
        assert_int_equal(part->request, 21);
        assert_int_equal(part->history->head, 3000);
        for (size_t i = 0; i < part->history->n_ops; i++)
            assert_int_equal(part->history->ops[i]->server_seq, ++seq);
        has_more = part->history->more;
    }
    assert_int_equal(seq, 3000);
    blobs_finish(&blobs);
    world_destroy(world);
}

static void history_that_will_not_come_is_an_error(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    Ordo__V1__ReadHistory read = ORDO__V1__READ_HISTORY__INIT;
    for (uint32_t request = 1; request <= 4; request++)
        CLIENT_SAY(world, 0, request, handle, history, HISTORY, read);
    client_hears_nothing(world, 0);
    CLIENT_SAY(world, 0, 5, handle, history, HISTORY, read);
    client_hears_error(world, 0, 429);
    Ordo__Cluster__V1__HistoryAnswer answer = ORDO__CLUSTER__V1__HISTORY_ANSWER__INIT;
    answer.subscriber = subscriber;
    answer.request = 2;
    answer.error_code = 404;
    SHARD_SAY(world, history, HISTORY, answer);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->error->code, 404);
    assert_int_equal(message->request, 2);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    for (int i = 0; i < 3; i++) client_hears_error(world, 0, 503);
    CLIENT_HEAR(world, 0, STATUS);
    CLIENT_SAY(world, 0, 9, handle, history, HISTORY, read);
    client_hears_error(world, 0, 503);
    world_destroy(world);
}

static void forgetting_is_answered_or_fails_with_the_link(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t subscriber;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a", 1, &subscriber);
    Ordo__V1__Forget ask = ORDO__V1__FORGET__INIT;
    ask.lineage = 4711;
    CLIENT_SAY(world, 0, 3, handle + 1, forget, FORGET, ask);
    client_hears_error(world, 0, 404);
    for (uint32_t request = 1; request <= 3; request++) CLIENT_SAY(world, 0, request, handle, forget, FORGET, ask);
    world_turn(world);
    Ordo__Cluster__V1__ToShard *asked = shard_hear(world);
    assert_int_equal(asked->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET);
    assert_true(asked->forget->subscriber == subscriber && asked->forget->request == 1 && asked->forget->lineage == 4711);
    Ordo__Cluster__V1__Forgotten answer = ORDO__CLUSTER__V1__FORGOTTEN__INIT;
    answer.subscriber = subscriber;
    answer.request = 1;
    answer.head = 12;
    SHARD_SAY(world, forgotten, FORGOTTEN, answer);
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, FORGOTTEN);
    assert_true(message->request == 1 && message->doc == handle && message->forgotten->head == 12);
    SHARD_SAY(world, forgotten, FORGOTTEN, answer); /* nobody waits for that any more */
    answer.request = 2;
    answer.error_code = 409;
    SHARD_SAY(world, forgotten, FORGOTTEN, answer);
    client_hears_error(world, 0, 409);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    client_hears_error(world, 0, 503); /* the third: perhaps it is forgotten, perhaps not */
    CLIENT_HEAR(world, 0, STATUS);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_text_comes_in_parts_cut_between_code_points),
        cmocka_unit_test(content_and_ops_come_in_one_answer_large_ops_alone),
        cmocka_unit_test(ops_alone_come_without_content),
        cmocka_unit_test(pieces_are_fetched_only_as_fast_as_the_client_reads),
        cmocka_unit_test(nack_during_parts_follows_the_last),
        cmocka_unit_test(neighbours_on_the_same_connection_do_not_wait_for_parts),
        cmocka_unit_test(blob_that_is_gone_closes_the_connection),
        cmocka_unit_test(link_lost_in_the_middle_of_parts_closes_the_connection),
        cmocka_unit_test(link_lost_during_a_history_and_a_resync_closes_the_connection),
        cmocka_unit_test(answer_to_one_who_left_is_released),
        cmocka_unit_test(history_is_answered_in_parts_with_its_request),
        cmocka_unit_test(history_that_will_not_come_is_an_error),
        cmocka_unit_test(forgetting_is_answered_or_fails_with_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
