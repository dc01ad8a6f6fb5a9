/* Who should get which slots: shares, drains, loads, and that nothing moves without a reason. */
#include "common/directory/balance.h"
#include "common/random.h"
#include "tests/unit/cluster_fixture.h"

/* ---- a cluster in memory, whose slots go where a plan wants them */

struct world {
    struct ordo_cluster cluster;
    struct ordo_cluster_store stores[16];
    struct ordo_cluster_live live[16];
    struct ordo_cluster_move moves[ORDO_SLOT_COUNT];
    struct ordo_balance_move plan[ORDO_SLOT_COUNT];
};

/* Live stores, the first of which has everything. */
static struct world *world_of(uint8_t store_count) {
    struct world *world = ordo_alloc(sizeof *world);
    world->cluster = (struct ordo_cluster){.has_table = true, .table = make_table(1, 1), .stores = world->stores,
                                           .live = world->live, .moves = world->moves, .store_count = store_count,
                                           .live_count = store_count};
    for (uint8_t i = 0; i < store_count; i++) {
        world->stores[i] = make_store(i + 1);
        world->live[i] = make_live(i + 1);
    }
    return world;
}

static size_t count_of(const struct world *world, uint8_t store) {
    struct ordo_store_id id = store_id(store);
    size_t count = 0;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        count += ordo_store_id_equal(&world->cluster.table.placement.slots[slot].store, &id);
    }
    return count;
}

/* Plans and does it; how many moves it took. */
static size_t balance(struct world *world, const uint64_t *loads, size_t move_max) {
    size_t count = ordo_balance_plan(&world->cluster, loads, world->plan, move_max);
    for (size_t i = 0; i < count; i++) {
        struct ordo_slot_place *place = &world->cluster.table.placement.slots[world->plan[i].slot];
        assert_false(ordo_store_id_equal(&place->store, &world->plan[i].target));
        *place = (struct ordo_slot_place){.epoch = place->epoch + 1, .store = world->plan[i].target};
    }
    return count;
}

/* ---- the tests */

static void new_stores_get_their_share_with_as_few_moves_as_possible(void **state) {
    (void)state;
    struct world *world = world_of(4);
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 768);
    for (uint8_t store = 1; store <= 4; store++) assert_int_equal(count_of(world, store), 256);
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    free(world);
}

static void shares_that_do_not_divide_differ_by_one(void **state) {
    (void)state;
    struct world *world = world_of(3);
    assert_in_range(balance(world, NULL, ORDO_SLOT_COUNT), 682, 683);
    for (uint8_t store = 1; store <= 3; store++) assert_in_range(count_of(world, store), 341, 342);
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    free(world);
}

static void no_more_moves_than_are_wanted_at_once(void **state) {
    (void)state;
    struct world *world = world_of(2);
    size_t rounds = 0;
    for (size_t count; (count = balance(world, NULL, 5)) > 0; rounds++) assert_true(count <= 5);
    assert_int_equal(rounds, (512 + 4) / 5);
    assert_int_equal(ordo_balance_plan(&world->cluster, NULL, world->plan, 0), 0);
    free(world);
}

static void a_draining_store_is_emptied_and_gets_nothing(void **state) {
    (void)state;
    struct world *world = world_of(4);
    (void)balance(world, NULL, ORDO_SLOT_COUNT);
    world->stores[1].is_draining = true;
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 256);
    assert_int_equal(count_of(world, 2), 0);
    for (uint8_t store = 1; store <= 4; store++) {
        if (store != 2) assert_in_range(count_of(world, store), 341, 342);
    }
    world->stores[1].is_draining = false;
    world->stores[2].is_forgotten = true;
    (void)balance(world, NULL, ORDO_SLOT_COUNT);
    assert_int_equal(count_of(world, 3), 0);
    assert_in_range(count_of(world, 2), 341, 342);
    free(world);
}

static void the_last_store_keeps_everything_even_when_it_drains(void **state) {
    (void)state;
    struct world *world = world_of(1);
    world->stores[0].is_draining = true;
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    free(world);
}

static void stores_that_are_not_live_neither_give_nor_get(void **state) {
    (void)state;
    struct world *world = world_of(4);
    (void)balance(world, NULL, ORDO_SLOT_COUNT);
    world->cluster.live_count = 3; /* the fourth is away for a while: nobody takes over, nothing is evened out */
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    world->stores[3].is_draining = true;
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    assert_int_equal(count_of(world, 4), 256);
    world->cluster.live_count = 4;
    world->live[3].data_endpoint[0] = '\0'; /* claimed, and not served yet */
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    free(world);
}

static void a_store_that_does_not_read_the_format_gets_nothing(void **state) {
    (void)state;
    struct world *world = world_of(2);
    world->cluster.table.format_level = 2;
    world->stores[0].reads_format_max = 2;
    world->stores[1].reads_format_max = 1;
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 0);
    world->stores[1].reads_format_max = 2;
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), 512);
    free(world);
}

static void what_is_ordered_counts_as_done_and_is_left_alone(void **state) {
    (void)state;
    struct world *world = world_of(2);
    for (uint16_t slot = 0; slot < 500; slot++) {
        world->moves[world->cluster.move_count++] = (struct ordo_cluster_move){.slot = slot, .target = store_id(2)};
    }
    assert_int_equal(ordo_balance_plan(&world->cluster, NULL, world->plan, ORDO_SLOT_COUNT), 12);
    for (size_t i = 0; i < 12; i++) assert_true(world->plan[i].slot >= 500);
    for (size_t i = 0; i < 500; i++) snprintf(world->moves[i].failure, sizeof world->moves[i].failure, "It failed.");
    assert_int_equal(ordo_balance_plan(&world->cluster, NULL, world->plan, ORDO_SLOT_COUNT), 512);
    for (size_t i = 0; i < 512; i++) assert_true(world->plan[i].slot >= 500);
    free(world);
}

static void slots_without_owner_stay_without(void **state) {
    (void)state;
    struct world *world = world_of(2);
    for (size_t slot = 0; slot < 24; slot++) world->cluster.table.placement.slots[slot] = (struct ordo_slot_place){0};
    for (size_t slot = 24; slot < 48; slot++)
        world->cluster.table.placement.slots[slot].store = store_id(200); /* nobody knows it */
    assert_int_equal(balance(world, NULL, ORDO_SLOT_COUNT), (ORDO_SLOT_COUNT - 48) / 2);
    for (size_t slot = 0; slot < 24; slot++) assert_int_equal(world->cluster.table.placement.slots[slot].epoch, 0);
    free(world);
}

static void busy_slots_count_for_more(void **state) {
    (void)state;
    struct world *world = world_of(2);
    uint64_t loads[ORDO_SLOT_COUNT] = {0};
    for (size_t slot = 0; slot < 100; slot++) loads[slot] = 1000000;
    (void)balance(world, loads, ORDO_SLOT_COUNT);
    size_t busy = 0;
    struct ordo_store_id second = store_id(2);
    for (size_t slot = 0; slot < 100; slot++) {
        busy += ordo_store_id_equal(&world->cluster.table.placement.slots[slot].store, &second);
    }
    assert_in_range(busy, 30, 100);
    assert_int_equal(balance(world, loads, ORDO_SLOT_COUNT), 0);
    free(world);
}

static void loads_that_differ_a_little_move_nothing(void **state) {
    (void)state;
    struct world *world = world_of(4);
    uint64_t loads[ORDO_SLOT_COUNT];
    (void)balance(world, NULL, ORDO_SLOT_COUNT);
    struct ordo_prng prng;
    ordo_prng_init(&prng, 1);
    for (int hour = 0; hour < 20; hour++) {
        for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) loads[slot] = 500 + ordo_prng_below(&prng, 1000);
        assert_int_equal(balance(world, loads, ORDO_SLOT_COUNT), 0);
    }
    free(world);
}

static void one_slot_that_is_all_the_load_is_not_passed_around(void **state) {
    (void)state;
    struct world *world = world_of(3);
    uint64_t loads[ORDO_SLOT_COUNT] = {[5] = UINT64_MAX};
    (void)balance(world, loads, ORDO_SLOT_COUNT);
    assert_int_equal(balance(world, loads, ORDO_SLOT_COUNT), 0);
    free(world);
}

/* Whatever the cluster: a plan is the same each time, ends in a state that needs no other, and breaks no rule. */
static void any_cluster_comes_to_rest(void **state) {
    (void)state;
    struct ordo_prng prng;
    for (uint64_t seed = 0; seed < 300; seed++) {
        ordo_prng_init(&prng, seed);
        uint8_t store_count = 1 + (uint8_t)ordo_prng_below(&prng, 12);
        struct world *world = world_of(store_count);
        uint64_t loads[ORDO_SLOT_COUNT];
        bool is_loaded = ordo_prng_below(&prng, 2);
        for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
            loads[slot] = ordo_prng_below(&prng, 4) ? ordo_prng_below(&prng, 100) : ordo_prng_below(&prng, 100000);
            world->cluster.table.placement.slots[slot].store =
                store_id(1 + (uint8_t)ordo_prng_below(&prng, store_count));
        }
        for (uint8_t i = 0; i < store_count; i++) world->stores[i].is_draining = ordo_prng_below(&prng, 5) == 0;
        struct ordo_balance_move again[ORDO_SLOT_COUNT];
        size_t count = ordo_balance_plan(&world->cluster, is_loaded ? loads : NULL, again, ORDO_SLOT_COUNT);
        assert_int_equal(balance(world, is_loaded ? loads : NULL, ORDO_SLOT_COUNT), count);
        assert_memory_equal(again, world->plan, count * sizeof again[0]);
        for (size_t i = 0; i < count; i++) {
            assert_false(ordo_cluster_store(&world->cluster, &again[i].target)->is_draining);
        }
        size_t left = 0; /* a slot is moved once per plan, so what one plan leaves uneven the next may touch */
        while ((count = balance(world, is_loaded ? loads : NULL, ORDO_SLOT_COUNT)) > 0) assert_true(++left < 4);
        free(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_stores_get_their_share_with_as_few_moves_as_possible),
        cmocka_unit_test(shares_that_do_not_divide_differ_by_one),
        cmocka_unit_test(no_more_moves_than_are_wanted_at_once),
        cmocka_unit_test(a_draining_store_is_emptied_and_gets_nothing),
        cmocka_unit_test(the_last_store_keeps_everything_even_when_it_drains),
        cmocka_unit_test(stores_that_are_not_live_neither_give_nor_get),
        cmocka_unit_test(a_store_that_does_not_read_the_format_gets_nothing),
        cmocka_unit_test(what_is_ordered_counts_as_done_and_is_left_alone),
        cmocka_unit_test(slots_without_owner_stay_without),
        cmocka_unit_test(busy_slots_count_for_more),
        cmocka_unit_test(loads_that_differ_a_little_move_nothing),
        cmocka_unit_test(one_slot_that_is_all_the_load_is_not_passed_around),
        cmocka_unit_test(any_cluster_comes_to_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
