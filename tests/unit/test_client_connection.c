/* Many clients over connections that break, against a toy server: they all agree in the end, and nothing is lost or
 * doubled. The seeds are the test; what fails prints its seed. */
#include "tests/unit/client_world.h"

/* --- the schedules ---------------------------------------------------------------------------------------------- */

static void any_schedule_converges_and_acks_every_op_once(void **state) {
    (void)state;
    static struct world world;
    uint64_t edits = 0, reconnects = 0, duplicates = 0;
    for (uint64_t seed = 0; next_seed(&seed, 2000); seed++) {
        world_begin(&world, seed, 2 + seed % 3);
        for (int i = 0; i < 400; i++) step(&world, true);
        settle(&world, seed);
        check_world(&world);
        check_acks(&world);
        for (size_t i = 0; i < world.player_count; i++) {
            assert_int_equal(world.players[i].given_back_count, 0);
            edits += world.players[i].edit_count;
            reconnects += ordo_client_connection_reconnect_count(world.players[i].connection);
        }
        duplicates += world.server.duplicate_count;
        assert_int_equal(world.server.nack_counts[ORDO__V1__NACK_CODE__INVALID_OP], 0);
        assert_int_equal(world.server.nack_counts[ORDO__V1__NACK_CODE__REPLAYED], 0);
        assert_int_equal(world.server.nack_counts[ORDO__V1__NACK_CODE__PIPELINED], 0);
        world_end(&world);
    }
    assert_true(edits > 0 && reconnects > 0 && duplicates > 0);
}

/* The log is cut again and again, so that clients come back from behind the horizon and merge by difference. */
static void clients_behind_the_horizon_merge_and_converge(void **state) {
    (void)state;
    static struct world world;
    uint64_t stale = 0;
    for (uint64_t seed = 0; next_seed(&seed, 2000); seed++) {
        world_begin(&world, seed, 2 + seed % 3);
        for (int i = 0; i < 400; i++) {
            step(&world, true);
            if (below(&world, 12) == 0) toy_truncate(&world.server, below(&world, world.server.head + 1));
        }
        settle(&world, seed);
        check_world(&world);
        for (size_t i = 0; i < world.player_count; i++) assert_int_equal(world.players[i].given_back_count, 0);
        stale += world.server.nack_counts[ORDO__V1__NACK_CODE__STALE_BASE];
        assert_int_equal(world.server.nack_counts[ORDO__V1__NACK_CODE__INVALID_OP], 0);
        world_end(&world);
    }
    assert_true(stale > 0);
}

/* Nothing typed is lost, and nothing doubled, whichever way it was merged. */
static void every_insert_is_there_once_even_after_merges_by_difference(void **state) {
    (void)state;
    static struct world world;
    for (uint64_t seed = 0; next_seed(&seed, 2000); seed++) {
        world_begin(&world, seed, 2 + seed % 3);
        world.next_token = FIRST_TOKEN;
        for (int i = 0; i < 400; i++) {
            step(&world, true);
            if (below(&world, 12) == 0) toy_truncate(&world.server, below(&world, world.server.head + 1));
        }
        settle(&world, seed);
        check_world(&world);
        struct ordo_buffer text = {0};
        toy_write_content(&world.server, world.server.head, &text);
        assert_int_equal(text.size, 3 * (world.next_token - FIRST_TOKEN));
        static uint8_t seen[4096];
        memset(seen, 0, sizeof seen);
        for (size_t i = 0; i < text.size; i += 3) {
            uint32_t token = (text.data[i] & 15u) << 12 | (text.data[i + 1] & 63u) << 6 | (text.data[i + 2] & 63u);
            assert_in_range(token, FIRST_TOKEN, FIRST_TOKEN + sizeof seen - 1);
            assert_int_equal(seen[token - FIRST_TOKEN]++, 0);
        }
        ordo_buffer_finish(&text);
        world_end(&world);
    }
}

/* The process dies at any moment and starts again from what was stored before sending. */
static void a_restart_from_the_record_neither_loses_nor_doubles_what_was_sent(void **state) {
    (void)state;
    static struct world world;
    for (uint64_t seed = 0; next_seed(&seed, 1000); seed++) {
        memset(&world.players, 0, sizeof world.players);
        world_begin(&world, seed, 2);
        finish(&world.players[0]);
        world.players[0].crashes = true;
        start(&world, &world.players[0], 0);
        for (int i = 0; i < 300; i++) {
            step(&world, true);
            if (below(&world, 40) != 0) continue;
            cut(&world, &world.players[0]);
            finish(&world.players[0]);
            start(&world, &world.players[0], 0);
        }
        settle(&world, seed);
        check_world(&world);
        assert_int_equal(world.players[0].given_back_count, 0);
        world_end(&world);
    }
}

static void a_restored_document_gives_edits_back_and_goes_on(void **state) {
    (void)state;
    static struct world world;
    uint64_t given_back = 0;
    for (uint64_t seed = 0; next_seed(&seed, 500); seed++) {
        world_begin(&world, seed, 2);
        for (int i = 0; i < 200; i++) step(&world, true);
        for (size_t i = 0; i < world.player_count; i++) cut(&world, &world.players[i]);
        for (size_t i = 0; i < world.server.conn_count; i++) world.server.conns[i]->is_ended = true;
        world.is_restored = true;
        toy_restore(&world.server, "restored from a backup");
        for (size_t i = 0; i < world.player_count; i++) {
            world.players[i].acked_count = 0;
            memset(world.players[i].acked, 0, sizeof world.players[i].acked);
        }
        for (int i = 0; i < 100; i++) step(&world, true);
        settle(&world, seed);
        check_world(&world);
        for (size_t i = 0; i < world.player_count; i++) given_back += world.players[i].given_back_count;
        world_end(&world);
    }
    assert_true(given_back > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(any_schedule_converges_and_acks_every_op_once, tell_seed),
        cmocka_unit_test_teardown(clients_behind_the_horizon_merge_and_converge, tell_seed),
        cmocka_unit_test_teardown(every_insert_is_there_once_even_after_merges_by_difference, tell_seed),
        cmocka_unit_test_teardown(a_restart_from_the_record_neither_loses_nor_doubles_what_was_sent, tell_seed),
        cmocka_unit_test_teardown(a_restored_document_gives_edits_back_and_goes_on, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
