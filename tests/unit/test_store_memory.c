/* The store in memory keeps the contract of every store, and forgets in a crash exactly what was not synced. */
#include "tests/unit/store_conformance.h"

#include "shard/store_memory.h"

static int set_up(void **state) {
    struct ordo_store **fixture = malloc(sizeof *fixture);
    *fixture = ordo_store_memory_create(42);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct ordo_store *store = store_of(state);
    store->ops->close(store);
    free(*state);
    return 0;
}

static ordo_err write_one(struct ordo_store *store, const char *key, bool sync) {
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of(key), ordo_slice_of("value"));
    ordo_err err = store->ops->write(store, &batch, sync);
    ordo_batch_finish(&batch);
    return err;
}

static bool is_stored(struct ordo_store *store, const char *key) {
    struct ordo_buffer value = {0};
    struct ordo_view *view = store->ops->view_open(store);
    ordo_err err = view->ops->get(view, ORDO_CF_OPS, ordo_slice_of(key), &value);
    store->ops->view_close(view);
    ordo_buffer_finish(&value);
    return err == ORDO_OK;
}

static void a_crash_forgets_what_was_not_synced(void **state) {
    struct ordo_store *store = store_of(state);
    assert_int_equal(write_one(store, "synced", true), ORDO_OK);
    assert_int_equal(write_one(store, "covered by the next sync", false), ORDO_OK);
    assert_int_equal(write_one(store, "synced too", true), ORDO_OK);
    assert_int_equal(write_one(store, "lost", false), ORDO_OK);
    assert_true(is_stored(store, "lost"));
    assert_int_equal(ordo_store_memory_unsynced_count(store), 1);

    ordo_store_memory_crash(store, false);
    assert_true(is_stored(store, "synced"));
    assert_true(is_stored(store, "covered by the next sync"));
    assert_true(is_stored(store, "synced too"));
    assert_false(is_stored(store, "lost"));
}

static void a_crash_that_keeps_some_keeps_a_prefix_of_whole_batches(void **state) {
    (void)state;
    bool kept_none = false, kept_part = false, kept_all = false;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct ordo_store *store = ordo_store_memory_create(seed);
        const char *keys[] = {"1", "2", "3"};
        for (int i = 0; i < 3; i++) assert_int_equal(write_one(store, keys[i], false), ORDO_OK);
        ordo_store_memory_crash(store, true);
        int count = 0;
        while (count < 3 && is_stored(store, keys[count])) count++;
        for (int i = count; i < 3; i++) assert_false(is_stored(store, keys[i]));
        kept_none |= count == 0;
        kept_part |= count == 1 || count == 2;
        kept_all |= count == 3;
        /* What survived is durable. */
        ordo_store_memory_crash(store, false);
        for (int i = 0; i < count; i++) assert_true(is_stored(store, keys[i]));
        store->ops->close(store);
    }
    assert_true(kept_none && kept_part && kept_all);
}

static void an_explicit_sync_makes_earlier_writes_durable(void **state) {
    struct ordo_store *store = store_of(state);
    assert_int_equal(write_one(store, "a", false), ORDO_OK);
    assert_int_equal(ordo_store_memory_sync(store), ORDO_OK);
    ordo_store_memory_crash(store, false);
    assert_true(is_stored(store, "a"));
}

static void after_a_failed_sync_nothing_goes_until_the_store_is_opened_anew(void **state) {
    struct ordo_store *store = store_of(state);
    ordo_store_memory_fail_sync(store, 2);
    assert_int_equal(write_one(store, "first", true), ORDO_OK);
    assert_int_equal(write_one(store, "second", true), ORDO_ERR_IO);
    assert_int_equal(write_one(store, "third", true), ORDO_ERR_IO);
    assert_int_equal(ordo_store_memory_sync(store), ORDO_ERR_IO);
    ordo_store_memory_crash(store, false);
    assert_true(is_stored(store, "first"));
    assert_false(is_stored(store, "second"));
    assert_int_equal(write_one(store, "third", true), ORDO_OK);
}

static void a_failed_write_may_or_may_not_have_happened(void **state) {
    (void)state;
    bool happened = false, did_not = false;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct ordo_store *store = ordo_store_memory_create(seed);
        ordo_store_memory_fail_write(store, 1, ORDO_ERR_IO);
        assert_int_equal(write_one(store, "a", true), ORDO_ERR_IO);
        ordo_store_memory_crash(store, true);
        *(is_stored(store, "a") ? &happened : &did_not) = true;
        store->ops->close(store);
    }
    assert_true(happened && did_not);
}

static void a_full_disk_refuses_writes_and_resumes_by_itself(void **state) {
    struct ordo_store *store = store_of(state);
    ordo_store_memory_set_full(store, true);
    assert_int_equal(write_one(store, "a", true), ORDO_ERR_NO_SPACE);
    assert_false(is_stored(store, "a"));
    ordo_store_memory_set_full(store, false);
    ordo_store_memory_fail_write(store, 1, ORDO_ERR_NO_SPACE);
    assert_int_equal(write_one(store, "a", true), ORDO_ERR_NO_SPACE);
    assert_int_equal(write_one(store, "a", true), ORDO_OK);
}

static void damage_shows_in_every_version_of_a_value(void **state) {
    struct ordo_store *store = store_of(state);
    assert_int_equal(write_one(store, "flipped", true), ORDO_OK);
    assert_int_equal(write_one(store, "unreadable", true), ORDO_OK);
    struct ordo_view *view = store->ops->view_open(store);
    assert_true(ordo_store_memory_flip_bit(store, ORDO_CF_OPS, ordo_slice_of("flipped"), 1));
    assert_true(ordo_store_memory_make_unreadable(store, ORDO_CF_OPS, ordo_slice_of("unreadable")));
    assert_false(ordo_store_memory_flip_bit(store, ORDO_CF_OPS, ordo_slice_of("absent"), 1));

    assert_value(view, ORDO_CF_OPS, "flipped", "talue");
    struct ordo_buffer value = {0};
    assert_int_equal(view->ops->get(view, ORDO_CF_OPS, ordo_slice_of("unreadable"), &value), ORDO_ERR_CORRUPT);
    assert_int_equal(value.size, 0);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_OPS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    assert_true(iterator->ops->next(iterator));
    assert_false(iterator->ops->next(iterator));
    assert_int_equal(iterator->ops->status(iterator), ORDO_ERR_CORRUPT);
    iterator->ops->close(iterator);
    store->ops->view_close(view);
    ordo_store_memory_crash(store, false);
    assert_stored(store, ORDO_CF_OPS, "flipped", "talue");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_CONFORMANCE_TESTS(set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_forgets_what_was_not_synced, set_up, tear_down),
        cmocka_unit_test(a_crash_that_keeps_some_keeps_a_prefix_of_whole_batches),
        cmocka_unit_test_setup_teardown(an_explicit_sync_makes_earlier_writes_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_failed_sync_nothing_goes_until_the_store_is_opened_anew, set_up,
                                        tear_down),
        cmocka_unit_test(a_failed_write_may_or_may_not_have_happened),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_writes_and_resumes_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_shows_in_every_version_of_a_value, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
