/* What a gateway counts and times, and what it says of single requests at level debug. */
#include "common/hex.h"
#include "tests/unit/gateway_world.h"

static const struct ordo_gateway_stats *stats_of(const struct world *world) { return ordo_gateway_stats(world->gateway); }

static uint64_t count_of(const struct ordo_buckets *buckets) {
    uint64_t count = 0;
    for (unsigned i = 0; i < ORDO_BUCKET_COUNT; i++) count += buckets->counts[i];
    return count;
}

static void an_ack_is_timed_from_its_submit_to_its_frame(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t author;
    client_greet(world, 0);
    client_greet(world, 1);
    uint32_t handle = client_open(world, 0, "d", 7, &author);
    client_open(world, 1, "d", 7, NULL);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    world->now_ms += 30;
    shard_commit(world, 7, 2, author, 1, 10);
    world->now_ms += 4;
    CLIENT_HEAR(world, 0, ACK);
    CLIENT_HEAR(world, 1, COMMITTED);
    assert_int_equal(count_of(&stats_of(world)->ack_us), 1);
    assert_int_equal(stats_of(world)->ack_us.sum, 34000);
    assert_int_equal(stats_of(world)->shard_us.sum, 30000);
    assert_int_equal(count_of(&stats_of(world)->delivery_us), 1);
    assert_int_equal(stats_of(world)->delivery_us.sum, 4000);
    assert_int_equal(count_of(&stats_of(world)->open_us), 2);
    assert_int_equal(stats_of(world)->opens, 2);
    world_destroy(world);
}

static void a_refused_submit_is_counted_by_code_and_not_timed(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t author;
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "d", 7, &author);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    nack.subscriber = author;
    nack.client_seq = 1;
    nack.code = ORDO__V1__NACK_CODE__TOO_LARGE;
    SHARD_SAY(world, nack, NACK, nack);
    CLIENT_HEAR(world, 0, NACK);
    client_submit(world, 0, handle + 1, 2);
    CLIENT_HEAR(world, 0, NACK);
    const uint64_t *nacks = stats_of(world)->nacks;
    assert_int_equal(nacks[ordo_nack_code_index(ORDO__V1__NACK_CODE__TOO_LARGE)], 1);
    assert_int_equal(nacks[ordo_nack_code_index(ORDO__V1__NACK_CODE__NOT_OPEN)], 1);
    assert_int_equal(count_of(&stats_of(world)->ack_us), 0);
    /* The next one is timed from its own beginning. */
    world->now_ms += 500;
    client_submit(world, 0, handle, 3);
    world_turn(world);
    world->now_ms += 2;
    shard_commit(world, 7, 2, author, 3, 10);
    CLIENT_HEAR(world, 0, ACK);
    assert_int_equal(stats_of(world)->ack_us.sum, 2000);
    world_destroy(world);
}

static void errors_and_closes_are_counted_by_code(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    Ordo__V1__Leave leave = ORDO__V1__LEAVE__INIT;
    CLIENT_SAY(world, 0, 1, 99, leave, LEAVE, leave);
    client_hears_error(world, 0, 404);
    client_frame(world, 0, ordo_slice_of("\xff"));
    assert_int_equal(stats_of(world)->errors[ordo_error_code_index(404)], 1);
    assert_string_equal(ordo_error_code_names[ordo_error_code_index(404)], "404");
    assert_string_equal(ordo_error_code_names[ordo_error_code_index(777)], "other");
    uint64_t closes = 0;
    for (size_t i = 0; i < ORDO_CLOSE_CODE_COUNT; i++) closes += stats_of(world)->closes[i];
    assert_int_equal(closes, 1);
    assert_string_equal(ordo_close_code_names[2], "1007");
    assert_int_equal(stats_of(world)->closes[2], 1);
    assert_int_equal(stats_of(world)->connections_opened, 1);
    world_destroy(world);
}

static void bytes_that_wait_are_counted_until_they_are_taken_or_their_connection_ends(void **state) {
    (void)state;
    struct world *world = world_create();
    uint64_t author;
    client_greet(world, 0);
    client_greet(world, 1);
    client_open(world, 0, "d", 7, &author);
    client_open(world, 1, "d", 7, NULL);
    assert_int_equal(stats_of(world)->outbox_bytes, 0);
    world->conns[0].is_deaf = world->conns[1].is_deaf = true;
    for (uint64_t seq = 2; seq < 12; seq++) shard_commit(world, 7, seq, 0, 0, 1000);
    world_turn(world);
    uint64_t waiting = stats_of(world)->outbox_bytes;
    assert_true(waiting > 20 * 1000 && waiting < 25 * 1000);
    world->conns[0].is_deaf = false;
    world_turn(world);
    assert_int_equal(stats_of(world)->outbox_bytes, waiting / 2);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_CLOSED, .conn = 1});
    assert_int_equal(stats_of(world)->outbox_bytes, 0);
    world_destroy(world);
}

static void links_and_connections_are_told_to_those_who_watch(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "d", 7, NULL);
    uint32_t cursor = 0;
    struct ordo_gateway_link link;
    assert_true(ordo_gateway_next_link(world->gateway, &cursor, &link));
    assert_true(link.is_ready);
    assert_false(ordo_gateway_next_link(world->gateway, &cursor, &link));
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    cursor = 0;
    assert_true(ordo_gateway_next_link(world->gateway, &cursor, &link));
    assert_false(link.is_ready);
    struct ordo_gateway_who who;
    assert_true(ordo_gateway_who(world->gateway, 0, &who));
    assert_true(ordo_slice_equal(who.client_id, ordo_slice_of("client-id-16-byt")));
    assert_true(ordo_slice_equal(who.user, ordo_slice_of("anonymous")));
    assert_int_equal(who.documents, 1);
    client_connect(world, 1);
    assert_true(ordo_gateway_who(world->gateway, 1, &who));
    assert_int_equal(who.client_id.size, 0);
    assert_false(ordo_gateway_who(world->gateway, 2, &who));
    world_destroy(world);
}

/* ---- notes */

static void notes_name_connection_client_user_document_and_op(void **state) {
    (void)state;
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.has_notes = true;
    struct world *world = world_create_with(&config);
    uint64_t author;
    char client[2 * ORDO_CLIENT_ID_SIZE + 1], wanted[400];
    ordo_hex_encode(client, (const uint8_t *)"client-id-16-byt", ORDO_CLIENT_ID_SIZE);
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "a b\nevent=forged", 7, &author);
    snprintf(wanted, sizeof wanted, "event=opened conn=0 client=%s user=anonymous doc=c/a%%20b%%0Aevent%%3Dforged server_seq=1",
             client);
    assert_string_equal(world->note, wanted);
    client_submit(world, 0, handle, 4);
    world_turn(world);
    shard_commit(world, 7, 2, author, 4, 10);
    snprintf(wanted, sizeof wanted,
             "event=op_acked conn=0 client=%s user=anonymous doc=c/a%%20b%%0Aevent%%3Dforged client_seq=4 server_seq=2", client);
    assert_string_equal(world->note, wanted);
    client_submit(world, 0, handle + 1, 5);
    snprintf(wanted, sizeof wanted,
             "event=submit_refused conn=0 client=%s user=anonymous client_seq=5 code=NOT_OPEN retry_after_ms=0", client);
    assert_string_equal(world->note, wanted);
    world_destroy(world);
}

static void without_need_no_note_is_made(void **state) {
    (void)state;
    struct world *world = world_create();
    client_greet(world, 0);
    client_open(world, 0, "d", 7, NULL);
    assert_string_equal(world->note, "");
    world_destroy(world);
}

static void names_of_codes_are_those_of_the_protocol(void **state) {
    (void)state;
    const ProtobufCEnumDescriptor *codes = &ordo__v1__nack_code__descriptor;
    assert_int_equal(codes->n_values, ORDO_NACK_CODE_COUNT - 1);
    for (unsigned i = 0; i < codes->n_values; i++) {
        assert_int_equal(ordo_nack_code_index((uint32_t)codes->values[i].value), codes->values[i].value);
        assert_string_equal(ordo_nack_code_names[codes->values[i].value], codes->values[i].name);
    }
    assert_int_equal(ordo_nack_code_index(UINT32_MAX), ORDO_NACK_CODE_COUNT - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_is_timed_from_its_submit_to_its_frame),
        cmocka_unit_test(a_refused_submit_is_counted_by_code_and_not_timed),
        cmocka_unit_test(errors_and_closes_are_counted_by_code),
        cmocka_unit_test(bytes_that_wait_are_counted_until_they_are_taken_or_their_connection_ends),
        cmocka_unit_test(links_and_connections_are_told_to_those_who_watch),
        cmocka_unit_test(notes_name_connection_client_user_document_and_op),
        cmocka_unit_test(without_need_no_note_is_made),
        cmocka_unit_test(names_of_codes_are_those_of_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
