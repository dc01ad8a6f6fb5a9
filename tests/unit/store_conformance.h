/* tests/unit/store_conformance.h: what every version of the store must do, run against each of them. */
#ifndef ORDO_TESTS_STORE_CONFORMANCE_H
#define ORDO_TESTS_STORE_CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/random.h"
#include "shard/store.h"

/* The store under test, the first member of every set-up's fixture; each test gets an empty one. */
static inline struct ordo_store *store_of(void **state) { return **(struct ordo_store ***)state; }

static inline void put(struct ordo_store *store, enum ordo_cf cf, const char *key, const char *value) {
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, cf, ordo_slice_of(key), ordo_slice_of(value));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
}

static inline void assert_value(struct ordo_view *view, enum ordo_cf cf, const char *key, const char *value) {
    struct ordo_buffer found = {0};
    ordo_err err = view->ops->get(view, cf, ordo_slice_of(key), &found);
    assert_int_equal(err, value == NULL ? ORDO_ERR_NOT_FOUND : ORDO_OK);
    if (value != NULL) assert_true(ordo_slice_equal(ordo_buffer_slice(&found), ordo_slice_of(value)));
    ordo_buffer_finish(&found);
}

static inline void assert_stored(struct ordo_store *store, enum ordo_cf cf, const char *key, const char *value) {
    struct ordo_view *view = store->ops->view_open(store);
    assert_value(view, cf, key, value);
    store->ops->view_close(view);
}

static inline bool stands_at(const struct ordo_iterator *iterator, const char *key) {
    return ordo_slice_equal(iterator->ops->key(iterator), ordo_slice_of(key));
}

static void what_was_written_is_read_from_its_own_column_family(void **state) {
    struct ordo_store *store = store_of(state);
    put(store, ORDO_CF_OPS, "key", "op");
    put(store, ORDO_CF_DOCS, "key", "doc");
    assert_stored(store, ORDO_CF_OPS, "key", "op");
    assert_stored(store, ORDO_CF_DOCS, "key", "doc");
    assert_stored(store, ORDO_CF_CLIENTS, "key", NULL);
}

static void a_range_is_deleted_from_its_lower_bound_up_to_its_upper_one(void **state) {
    struct ordo_store *store = store_of(state);
    put(store, ORDO_CF_OPS, "a", "1");
    put(store, ORDO_CF_OPS, "b", "2");
    put(store, ORDO_CF_OPS, "bx", "3");
    put(store, ORDO_CF_OPS, "c", "4");
    put(store, ORDO_CF_DOCS, "b", "5");
    struct ordo_batch batch = {0};
    ordo_batch_delete_range(&batch, ORDO_CF_OPS, ordo_slice_of("b"), ordo_slice_of("c"));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("by"), ordo_slice_of("6")); /* later in the batch, so it stays */
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    assert_stored(store, ORDO_CF_OPS, "a", "1");
    assert_stored(store, ORDO_CF_OPS, "b", NULL);
    assert_stored(store, ORDO_CF_OPS, "bx", NULL);
    assert_stored(store, ORDO_CF_OPS, "by", "6");
    assert_stored(store, ORDO_CF_OPS, "c", "4");
    assert_stored(store, ORDO_CF_DOCS, "b", "5");
}

static void a_value_read_is_appended_to_what_the_buffer_holds(void **state) {
    struct ordo_store *store = store_of(state);
    put(store, ORDO_CF_OPS, "key", "tail");
    struct ordo_buffer buffer = {0};
    ordo_buffer_append(&buffer, "head ", 5);
    struct ordo_view *view = store->ops->view_open(store);
    assert_int_equal(view->ops->get(view, ORDO_CF_OPS, ordo_slice_of("key"), &buffer), ORDO_OK);
    store->ops->view_close(view);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&buffer), ordo_slice_of("head tail")));
    ordo_buffer_finish(&buffer);
}

static void within_a_batch_the_last_word_on_a_key_counts(void **state) {
    struct ordo_store *store = store_of(state);
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("a"), ordo_slice_of("1"));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("a"), ordo_slice_of("2"));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("b"), ordo_slice_of("1"));
    ordo_batch_delete(&batch, ORDO_CF_OPS, ordo_slice_of("b"));
    ordo_batch_delete(&batch, ORDO_CF_OPS, ordo_slice_of("never there"));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("empty"), ordo_slice(NULL, 0));
    assert_int_equal(store->ops->write(store, &batch, false), ORDO_OK);
    ordo_batch_finish(&batch);
    assert_stored(store, ORDO_CF_OPS, "a", "2");
    assert_stored(store, ORDO_CF_OPS, "b", NULL);
    assert_stored(store, ORDO_CF_OPS, "empty", "");
}

static void a_view_stays_as_it_was_opened(void **state) {
    struct ordo_store *store = store_of(state);
    put(store, ORDO_CF_OPS, "kept", "old");
    put(store, ORDO_CF_OPS, "changed", "old");
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("changed"), ordo_slice_of("new"));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of("added"), ordo_slice_of("new"));
    ordo_batch_delete(&batch, ORDO_CF_OPS, ordo_slice_of("kept"));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);

    assert_value(view, ORDO_CF_OPS, "kept", "old");
    assert_value(view, ORDO_CF_OPS, "changed", "old");
    assert_value(view, ORDO_CF_OPS, "added", NULL);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_OPS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    assert_true(iterator->ops->next(iterator) && stands_at(iterator, "changed"));
    assert_true(iterator->ops->next(iterator) && stands_at(iterator, "kept"));
    assert_false(iterator->ops->next(iterator));
    iterator->ops->close(iterator);
    store->ops->view_close(view);
    assert_stored(store, ORDO_CF_OPS, "kept", NULL);
    assert_stored(store, ORDO_CF_OPS, "changed", "new");
}

static void an_iterator_moves_both_ways_inside_its_bounds(void **state) {
    struct ordo_store *store = store_of(state);
    const char *keys[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) put(store, ORDO_CF_OPS, keys[i], keys[i]);
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_OPS, ordo_slice_of("b"), ordo_slice_of("e"));

    assert_true(iterator->ops->next(iterator) && stands_at(iterator, "b"));
    assert_false(iterator->ops->previous(iterator));
    assert_int_equal(iterator->ops->status(iterator), ORDO_OK);
    assert_true(iterator->ops->seek(iterator, ordo_slice_of("bb")) && stands_at(iterator, "c"));
    assert_true(ordo_slice_equal(iterator->ops->value(iterator), ordo_slice_of("c")));
    assert_true(iterator->ops->next(iterator) && stands_at(iterator, "d"));
    assert_false(iterator->ops->next(iterator));
    assert_int_equal(iterator->ops->status(iterator), ORDO_OK);
    assert_true(iterator->ops->seek(iterator, ordo_slice_of("a")) && stands_at(iterator, "b"));
    assert_false(iterator->ops->seek(iterator, ordo_slice_of("dd")));
    assert_true(iterator->ops->seek_back(iterator, ordo_slice_of("cc")) && stands_at(iterator, "c"));
    assert_true(iterator->ops->previous(iterator) && stands_at(iterator, "b"));
    assert_true(iterator->ops->seek_back(iterator, ordo_slice_of("zz")) && stands_at(iterator, "d"));
    assert_true(iterator->ops->seek_back(iterator, ordo_slice_of("c")) && stands_at(iterator, "c"));
    assert_false(iterator->ops->seek_back(iterator, ordo_slice_of("ab")));
    iterator->ops->close(iterator);
    store->ops->view_close(view);
}

static void keys_are_ordered_by_unsigned_bytes_a_prefix_first(void **state) {
    struct ordo_store *store = store_of(state);
    struct ordo_batch batch = {0};
    const struct ordo_slice keys[] = {ordo_slice("\xff", 1), ordo_slice("\x00", 1), ordo_slice("\x7f\x00", 2),
                                      ordo_slice("\x7f", 1)};
    for (size_t i = 0; i < 4; i++) ordo_batch_put(&batch, ORDO_CF_HISTORY, keys[i], ordo_slice_of("x"));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    const size_t order[] = {1, 3, 2, 0};
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_HISTORY, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (size_t i = 0; i < 4; i++) {
        assert_true(iterator->ops->next(iterator));
        assert_true(ordo_slice_equal(iterator->ops->key(iterator), keys[order[i]]));
    }
    assert_false(iterator->ops->next(iterator));
    iterator->ops->close(iterator);
    store->ops->view_close(view);
}

/* A plain array says what the store must hold after random batches. */
static void random_batches_leave_what_a_plain_array_says(void **state) {
    enum { KEYS = 60, BATCHES = 300 };
    struct ordo_store *store = store_of(state);
    char model[KEYS][16] = {{0}};
    struct ordo_prng prng;
    ordo_prng_init(&prng, 7);
    for (int round = 0; round < BATCHES; round++) {
        struct ordo_batch batch = {0};
        for (uint64_t n = ordo_prng_below(&prng, 5); n > 0; n--) {
            uint64_t index = ordo_prng_below(&prng, KEYS);
            char key[16];
            snprintf(key, sizeof key, "%03u", (unsigned)index);
            if (ordo_prng_below(&prng, 3) == 0) {
                model[index][0] = '\0';
                ordo_batch_delete(&batch, ORDO_CF_CLIENTS, ordo_slice_of(key));
            } else {
                snprintf(model[index], sizeof model[index], "v%d.%d", round, (int)n);
                ordo_batch_put(&batch, ORDO_CF_CLIENTS, ordo_slice_of(key), ordo_slice_of(model[index]));
            }
        }
        assert_int_equal(store->ops->write(store, &batch, round % 50 == 0), ORDO_OK);
        ordo_batch_finish(&batch);
    }
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_CLIENTS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%03d", i);
        assert_value(view, ORDO_CF_CLIENTS, key, model[i][0] ? model[i] : NULL);
        if (model[i][0] == '\0') continue;
        assert_true(iterator->ops->next(iterator) && stands_at(iterator, key));
    }
    assert_false(iterator->ops->next(iterator));
    iterator->ops->close(iterator);
    store->ops->view_close(view);
}

#define STORE_CONFORMANCE_TESTS(setup, teardown)                                                                       \
    cmocka_unit_test_setup_teardown(what_was_written_is_read_from_its_own_column_family, setup, teardown),             \
        cmocka_unit_test_setup_teardown(a_range_is_deleted_from_its_lower_bound_up_to_its_upper_one, setup, teardown), \
        cmocka_unit_test_setup_teardown(a_value_read_is_appended_to_what_the_buffer_holds, setup, teardown),           \
        cmocka_unit_test_setup_teardown(within_a_batch_the_last_word_on_a_key_counts, setup, teardown),                \
        cmocka_unit_test_setup_teardown(a_view_stays_as_it_was_opened, setup, teardown),                               \
        cmocka_unit_test_setup_teardown(an_iterator_moves_both_ways_inside_its_bounds, setup, teardown),               \
        cmocka_unit_test_setup_teardown(keys_are_ordered_by_unsigned_bytes_a_prefix_first, setup, teardown),           \
        cmocka_unit_test_setup_teardown(random_batches_leave_what_a_plain_array_says, setup, teardown)

#endif
