/* Who a store is: its format level, and slots that it takes from a store that was given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/format.h"
#include "common/hash.h"
#include "shard/core/key.h"
#include "shard/core/run.h"
#include "shard/identity.h"
#include "shard/store_memory.h"

static int set_up(void **state) {
    *state = ordo_store_memory_create(1);
    return 0;
}
static int tear_down(void **state) {
    struct ordo_store *store = *state;
    store->ops->close(store);
    return 0;
}

static const struct ordo_store_id lost = {.bytes = {7}}, another = {.bytes = {8}};
static const uint8_t cluster[ORDO_CLUSTER_ID_SIZE] = {9};

static void put(struct ordo_store *store, enum ordo_cf cf, const struct ordo_buffer *key, const struct ordo_buffer *value) {
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, cf, ordo_buffer_slice(key), ordo_buffer_slice(value));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
}

/* A document of four ops, at which only its head matters here. Returns its slot. */
static uint16_t put_document(struct ordo_store *store, const char *id) {
    struct ordo_buffer doc_key = {0}, key = {0}, value = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of(id));
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 1);
    ordo_run_encode(&value, ordo_buffer_slice(&key), 1, 4, 0, ordo_slice(NULL, 0));
    put(store, ORDO_CF_OPS, &key, &value);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    return ordo_slot_of(ordo_slice_of("docs"), ordo_slice_of(id));
}

static void put_slot(struct ordo_store *store, uint16_t slot, struct ordo_store_id taker, bool is_cleared) {
    struct ordo_buffer key = {0}, value = {0};
    const struct ordo_slot_row row = {.state = ORDO_SLOT_GIVEN, .epoch = 4, .other = taker, .move = 5, .is_cleared = is_cleared, .turn = 1};
    ordo_key_slot(&key, slot);
    ordo_slot_row_encode(&value, ordo_buffer_slice(&key), &row);
    put(store, ORDO_CF_META, &key, &value);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

static bool has_document(struct ordo_store *store, const char *id, struct ordo_doc_row *row) {
    struct ordo_buffer doc_key = {0}, key = {0}, value = {0};
    struct ordo_view *view = store->ops->view_open(store);
    ordo_key_doc(&doc_key, ordo_slice_of("docs"), ordo_slice_of(id));
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 1);
    bool has_ops = view->ops->get(view, ORDO_CF_OPS, ordo_buffer_slice(&key), &value) == ORDO_OK;
    ordo_buffer_clear(&value);
    *row = (struct ordo_doc_row){0};
    if (view->ops->get(view, ORDO_CF_DOCS, ordo_buffer_slice(&doc_key), &value) == ORDO_OK)
        assert_int_equal(ordo_doc_row_decode(ordo_buffer_slice(&doc_key), ordo_buffer_slice(&value), row), ORDO_OK);
    store->ops->view_close(view);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    return has_ops;
}

static void read_ok(struct ordo_store *store, struct ordo_identity *identity) {
    struct ordo_problem problem = {{0}};
    assert_int_equal(ordo_identity_read(store, identity, &problem), ORDO_OK);
}

static void what_was_given_to_a_lost_store_comes_back_with_lineages_of_its_own(void **state) {
    struct ordo_store *store = *state;
    struct ordo_problem problem = {{0}};
    static struct ordo_identity identity;
    static struct ordo_heritage heritage;
    struct ordo_doc_row row;
    size_t kept_count;
    assert_int_equal(ordo_identity_create(store, cluster, &problem), ORDO_OK);
    uint16_t kept = put_document(store, "a"), given_on = put_document(store, "b"), unknown = put_document(store, "c");
    uint16_t not_ordered = put_document(store, "d");
    put_slot(store, kept, lost, false);
    put_slot(store, given_on, another, false); /* who gave it to the lost one, later */
    put_slot(store, not_ordered, lost, false);
    read_ok(store, &identity);
    for (int i = 0; i < 3; i++) {
        uint16_t slot = (uint16_t[]){kept, given_on, unknown}[i];
        heritage.epochs[slot] = 6;
        heritage.from[slot] = lost;
    }
    assert_int_equal(ordo_identity_seize(store, &identity, &heritage, &kept_count, &problem), ORDO_OK);
    assert_int_equal(kept_count, 1);
    read_ok(store, &identity);
    assert_int_equal(identity.slot_count, 3);
    assert_int_equal(ordo_identity_epoch(&identity, kept), 6);
    assert_int_equal(identity.slots[not_ordered].state, ORDO_SLOT_GIVEN);
    assert_true(has_document(store, "a", &row));
    assert_int_equal(row.head, 4);
    assert_int_equal(row.relineage.seq, 4);
    assert_true(row.lineage != 0 && row.relineage.lineage == row.lineage);
    assert_false(has_document(store, "b", &row));
    assert_false(has_document(store, "c", &row));
    assert_true(has_document(store, "d", &row));
    assert_int_equal(row.relineage.seq, 0);
}

static void what_was_cleared_does_not_come_back(void **state) {
    struct ordo_store *store = *state;
    struct ordo_problem problem = {{0}};
    static struct ordo_identity identity;
    static struct ordo_heritage heritage;
    struct ordo_doc_row row;
    size_t kept_count;
    assert_int_equal(ordo_identity_create(store, cluster, &problem), ORDO_OK);
    uint16_t slot = put_document(store, "a"); /* a crash after a repair, say */
    put_slot(store, slot, lost, true);
    read_ok(store, &identity);
    heritage.epochs[slot] = 5;
    heritage.from[slot] = lost;
    assert_int_equal(ordo_identity_seize(store, &identity, &heritage, &kept_count, &problem), ORDO_OK);
    assert_int_equal(kept_count, 0);
    assert_false(has_document(store, "a", &row));
    assert_int_equal(ordo_identity_epoch(&identity, slot), 5);
}

/* ---- format levels */

static void put_level(struct ordo_store *store, uint64_t level) {
    struct ordo_buffer key = {0}, value = {0};
    ordo_buffer_append_slice(&key, ordo_key_format);
    ordo_format_row_encode(&value, level);
    put(store, ORDO_CF_META, &key, &value);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

static void levels_that_are_not_known_are_refused(void **state) {
    struct ordo_store *store = *state;
    static struct ordo_identity identity;
    struct ordo_problem problem = {{0}};
    bool has_cluster;
    assert_int_equal(ordo_identity_create(store, cluster, &problem), ORDO_OK);
    read_ok(store, &identity);
    assert_int_equal(identity.format, ORDO_FORMAT_MIN);
    put_level(store, ordo_format_max());
    read_ok(store, &identity);
    assert_int_equal(identity.format, ordo_format_max());
    assert_int_equal(ordo_identity_succeed(store, 5, &has_cluster, &problem), ORDO_OK); /* a repair keeps it */
    read_ok(store, &identity);
    assert_int_equal(identity.format, ordo_format_max());
    for (int i = 0; i < 2; i++) {
        put_level(store, i == 0 ? ordo_format_max() + 1 : 0);
        problem.text[0] = '\0';
        assert_int_equal(ordo_identity_read(store, &identity, &problem), ORDO_ERR_VERSION);
        assert_non_null(strstr(problem.text, "use the version that wrote it"));
        problem.text[0] = '\0';
        assert_int_equal(ordo_identity_succeed(store, 5, &has_cluster, &problem), ORDO_ERR_VERSION);
        assert_non_null(strstr(problem.text, "use the version that wrote it"));
    }
}

static void the_only_store_of_a_new_cluster_begins_with_the_newest_level(void **state) {
    struct ordo_store *store = *state;
    static struct ordo_identity identity;
    struct ordo_problem problem = {{0}};
    assert_int_equal(ordo_identity_create(store, NULL, &problem), ORDO_OK);
    read_ok(store, &identity);
    assert_int_equal(identity.format, ordo_format_max());
    assert_int_equal(identity.slot_count, ORDO_SLOT_COUNT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_given_to_a_lost_store_comes_back_with_lineages_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_cleared_does_not_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(levels_that_are_not_known_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_only_store_of_a_new_cluster_begins_with_the_newest_level, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
