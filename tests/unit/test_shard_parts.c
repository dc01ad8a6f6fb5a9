/* The shard's own containers: recent ops, authors, hash table, timers, blobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/ot/text.h"
#include "common/random.h"
#include "shard/core/authors.h"
#include "shard/core/bulk.h"
#include "shard/core/recent.h"
#include "shard/core/timers.h"

/* ---- recent ops */

static void append(struct ordo_recent *recent, uint64_t seq, uint64_t length_after) {
    struct ordo_buffer op = {0}, bytes = {0};
    char client[17] = "client-0";
    client[7] = (char)('0' + seq % 10);
    ordo_text_splice(seq, 0, ordo_slice_of("some text"), (struct ordo_text_hints){0}, &op);
    struct ordo_committed committed = {.server_seq = seq, .client_seq = seq / 10 + 1, .base_seq = seq - 1,
                                       .client_id = ordo_slice_of(client), .op_field = 6,
                                       .op = ordo_buffer_slice(&op)};
    ordo_committed_encode(&committed, &bytes);
    struct ordo_committed decoded;
    assert_true(ordo_committed_decode(ordo_buffer_slice(&bytes), &decoded));
    ordo_recent_append(recent, seq ^ 0xff, 0, ordo_buffer_slice(&bytes), &decoded, length_after);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&bytes);
}

static void assert_holds(const struct ordo_recent *recent, uint64_t first, uint64_t last) {
    assert_int_equal(recent->first_seq, first);
    assert_int_equal(ordo_recent_end_seq(recent), last + 1);
    assert_int_equal(ordo_recent_length_at(recent, first - 1), 3 * (first - 1));
    size_t size = 0;
    for (uint64_t seq = first; seq <= last; seq++) {
        struct ordo_run_op record = ordo_recent_record(recent, seq);
        struct ordo_recent_op op = ordo_recent_get(recent, seq);
        assert_int_equal(record.op.server_seq, seq);
        assert_int_equal(record.hash, seq ^ 0xff);
        assert_int_equal(ordo_recent_length_at(recent, seq), 3 * seq);
        assert_true(ordo_slice_equal(record.op.op, op.op) && ordo_slice_equal(record.op.client_id, op.client_id));
        assert_int_equal(op.kind, ORDO_OP_EDIT);
        size += ordo_recent_size_from(recent, seq) - ordo_recent_size_from(recent, seq + 1);
    }
    assert_int_equal(size, ordo_recent_size(recent));
    assert_int_equal(ordo_recent_records(recent, first).size, size);
}

static void ops_stay_readable_while_old_ones_are_trimmed(void **state) {
    (void)state;
    struct ordo_recent recent;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 3);
    ordo_recent_init(&recent, 1, 0);
    uint64_t first = 1;
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        append(&recent, seq, 3 * seq);
        if (ordo_prng_below(&prng, 20) == 0) {
            ordo_recent_trim(&recent, (size_t)ordo_prng_below(&prng, 3000), UINT64_MAX, ordo_prng_below(&prng, 2));
            assert_true(recent.first_seq >= first);
            first = recent.first_seq;
        }
        if (seq % 50 == 0 && first <= seq) assert_holds(&recent, first, seq);
    }
    ordo_recent_trim(&recent, 0, UINT64_MAX, true);
    assert_null(recent.bytes.data); /* an empty one has no memory */
    assert_null(recent.items);
    assert_int_equal(ordo_recent_length_at(&recent, 2000), 6000);
    append(&recent, 2001, 6003);
    assert_holds(&recent, 2001, 2001);
    ordo_recent_finish(&recent);
}

static void pinned_ops_are_not_trimmed(void **state) {
    (void)state;
    struct ordo_recent recent;
    ordo_recent_init(&recent, 1, 0);
    for (uint64_t seq = 1; seq <= 100; seq++) append(&recent, seq, 3 * seq);
    ordo_recent_trim(&recent, 0, 40, false);
    assert_holds(&recent, 40, 100);
    assert_true(ordo_recent_reaches(&recent, 39));
    assert_false(ordo_recent_reaches(&recent, 38));
    ordo_recent_finish(&recent);
}

static void an_op_id_is_found_from_its_base_on(void **state) {
    (void)state;
    struct ordo_recent recent;
    struct ordo_run_op found;
    ordo_recent_init(&recent, 1, 0);
    for (uint64_t seq = 1; seq <= 100; seq++) append(&recent, seq, 3 * seq);
    assert_true(ordo_recent_find(&recent, 1, ordo_slice_of("client-7"), 4, NULL, &found));
    assert_int_equal(found.op.server_seq, 37);
    assert_false(ordo_recent_find(&recent, 38, ordo_slice_of("client-7"), 4, NULL, &found));
    assert_false(ordo_recent_find(&recent, 1, ordo_slice_of("client-7"), 11, NULL, &found));
    uint64_t hash = 37 ^ 0xff, other = 1;
    assert_true(ordo_recent_find(&recent, 1, ordo_slice_of("client-7"), 4, &hash, &found));
    assert_false(ordo_recent_find(&recent, 1, ordo_slice_of("client-7"), 4, &other, &found));
    ordo_recent_finish(&recent);
}

/* ---- authors */

static struct ordo_client_row row(uint64_t client_seq, uint64_t server_seq, const char *user) {
    return (struct ordo_client_row){client_seq, server_seq, client_seq * 7, 5, ordo_slice_of(user)};
}

static void the_newest_op_of_a_client_is_kept(void **state) {
    (void)state;
    struct ordo_authors authors = {0};
    struct ordo_author *author = ordo_authors_get(&authors, ordo_slice_of("a"));
    struct ordo_client_row newer = row(5, 50, "ann"), older = row(3, 30, "bob");
    ordo_authors_note(&authors, author, &newer);
    ordo_authors_note(&authors, author, &older);
    ordo_authors_learn(author, &older);
    assert_int_equal(author->client_seq, 5);
    assert_int_equal(author->server_seq, 50);
    assert_false(ordo_author_is_foreign(author, ordo_slice_of("ann")));
    assert_true(ordo_author_is_foreign(author, ordo_slice_of("bob")));
    assert_ptr_equal(ordo_authors_find(&authors, ordo_slice_of("a")), author);
    assert_int_equal(authors.dirty_count, 1);
    ordo_authors_finish(&authors);
}

static void entries_leave_when_nobody_needs_them(void **state) {
    (void)state;
    struct ordo_authors authors = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        struct ordo_author *author = ordo_authors_get(&authors, ordo_slice(&i, sizeof i));
        struct ordo_client_row op = row(1, i + 1, "ann");
        if (i % 4 == 0) ordo_authors_note(&authors, author, &op); /* not on disk yet */
        if (i % 4 == 1) author->pin_count = 1;
        if (i % 4 == 2) author->is_asked = true;
    }
    ordo_authors_sweep(&authors);
    assert_int_equal(authors.table.count, 750);
    for (uint32_t i = 0; i < 1000; i++) {
        struct ordo_author *author = ordo_authors_find(&authors, ordo_slice(&i, sizeof i));
        assert_int_equal(author != NULL, i % 4 != 3);
        if (i % 4 == 0) ordo_authors_clean(&authors, author);
        if (i % 4 == 1) author->pin_count = 0;
        if (i % 4 == 2) author->is_asked = false;
    }
    assert_int_equal(authors.dirty_count, 0);
    ordo_authors_sweep(&authors);
    assert_int_equal(authors.table.count, 0);
    assert_null(authors.table.slots);
    ordo_authors_finish(&authors);
}

/* ---- table */

static bool number_is(const void *item, const void *key) { return *(const uint64_t *)item == *(const uint64_t *)key; }

static void a_table_finds_what_is_in_it_and_nothing_else(void **state) {
    (void)state;
    enum { COUNT = 500 };
    static uint64_t numbers[COUNT];
    bool is_in[COUNT] = {false};
    struct ordo_table table = {0};
    struct ordo_prng prng;
    ordo_prng_init(&prng, 9);
    for (uint64_t i = 0; i < COUNT; i++) numbers[i] = i;
    for (int step = 0; step < 20000; step++) {
        uint64_t i = ordo_prng_below(&prng, COUNT), hash = i % 37 << (i % 3); /* many meet */
        assert_int_equal(ordo_table_find(&table, hash, number_is, &i) != NULL, is_in[i]);
        if (is_in[i]) ordo_table_remove(&table, hash, &numbers[i]);
        else ordo_table_insert(&table, hash, &numbers[i]);
        is_in[i] = !is_in[i];
    }
    uint32_t cursor = 0, count = 0;
    uint64_t *number;
    for (; (number = ordo_table_next(&table, &cursor)) != NULL; count++) assert_true(is_in[*number]);
    assert_int_equal(count, table.count);
    ordo_table_finish(&table);
}

/* Who knows the hash of a name cannot know where it lands. */
static void a_table_hashes_names_with_its_seed_and_keeps_that(void **state) {
    (void)state;
    struct ordo_table plain = {0}, seeded = {.seed = 7};
    struct ordo_slice name = ordo_slice_of("name");
    uint64_t hash = ordo_table_hash(&seeded, name), number = 1;
    assert_true(ordo_table_hash(&plain, name) != hash);
    ordo_table_insert(&seeded, hash, &number);
    ordo_table_remove(&seeded, hash, &number); /* the last one: nothing stays allocated */
    assert_null(seeded.slots);
    assert_true(ordo_table_hash(&seeded, name) == hash);
    ordo_table_finish(&seeded);
}

/* ---- timers */

static void timers_come_due_in_order(void **state) {
    (void)state;
    enum { COUNT = 300 };
    static struct ordo_timer timers[COUNT];
    struct ordo_timers set = {0};
    struct ordo_prng prng;
    ordo_prng_init(&prng, 11);
    for (int step = 0; step < 5000; step++) {
        struct ordo_timer *timer = &timers[ordo_prng_below(&prng, COUNT)];
        uint64_t due_ms = 1 + ordo_prng_below(&prng, 1000);
        switch (ordo_prng_below(&prng, 4)) {
        case 0: ordo_timers_unset(&set, timer); break;
        case 1: ordo_timers_set_by(&set, timer, due_ms); break;
        default: ordo_timers_set(&set, timer, due_ms);
        }
    }
    size_t set_count = 0;
    for (size_t i = 0; i < COUNT; i++) set_count += timers[i].due_ms != 0;
    uint64_t due_ms = 0;
    size_t taken = 0;
    while (ordo_timers_next_ms(&set) != UINT64_MAX) {
        uint64_t next_ms = ordo_timers_next_ms(&set);
        assert_true(next_ms >= due_ms);
        due_ms = next_ms;
        assert_null(ordo_timers_take(&set, due_ms - 1));
        assert_non_null(ordo_timers_take(&set, due_ms));
        taken++;
    }
    assert_int_equal(taken, set_count);
    ordo_timers_finish(&set);
}

/* ---- bulk */

static struct ordo_blob *blob_of(const char *text) {
    struct ordo_buffer bytes = {0};
    ordo_buffer_append_slice(&bytes, ordo_slice_of(text));
    return ordo_blob_create(&bytes);
}

static void a_bulk_is_there_until_released_as_often_as_it_was_named(void **state) {
    (void)state;
    struct ordo_bulk bulk = {0};
    struct ordo_blob *blob = blob_of("0123456789");
    ordo_bulk_publish(&bulk, &(struct ordo_bulk_item){7, 2, ordo_blob_retain(blob)}, 0);
    ordo_bulk_publish(&bulk, &(struct ordo_bulk_item){8, 1, blob}, 0);
    assert_true(ordo_slice_equal(ordo_bulk_fetch(&bulk, 7, 4, 3, 0), ordo_slice_of("456")));
    assert_true(ordo_slice_equal(ordo_bulk_fetch(&bulk, 8, 8, 100, 0), ordo_slice_of("89")));
    assert_int_equal(ordo_bulk_fetch(&bulk, 8, 10, 1, 0).size, 0);
    assert_int_equal(ordo_bulk_fetch(&bulk, 8, UINT64_MAX, 1, 0).size, 0);
    assert_int_equal(ordo_bulk_fetch(&bulk, 9, 0, 1, 0).size, 0);
    ordo_bulk_release(&bulk, 7);
    assert_int_equal(ordo_bulk_fetch(&bulk, 7, 0, 1, 0).size, 1);
    ordo_bulk_release(&bulk, 7);
    ordo_bulk_release(&bulk, 7);
    assert_int_equal(ordo_bulk_fetch(&bulk, 7, 0, 1, 0).size, 0);
    assert_int_equal(bulk.size, 10);
    ordo_bulk_finish(&bulk);
}

static void a_bulk_that_nobody_fetches_from_expires(void **state) {
    (void)state;
    struct ordo_bulk bulk = {0};
    ordo_bulk_publish(&bulk, &(struct ordo_bulk_item){7, 1, blob_of("a")}, 1000);
    ordo_bulk_publish(&bulk, &(struct ordo_bulk_item){8, 1, blob_of("b")}, 1000);
    ordo_bulk_fetch(&bulk, 8, 0, 1, 2000);
    ordo_bulk_expire(&bulk, 1000 + ORDO_BULK_AGE_MS - 1);
    assert_int_equal(bulk.count, 2);
    ordo_bulk_expire(&bulk, 1000 + ORDO_BULK_AGE_MS);
    assert_int_equal(bulk.count, 1);
    ordo_bulk_expire(&bulk, 2000 + ORDO_BULK_AGE_MS);
    assert_int_equal(bulk.count, 0);
    assert_int_equal(bulk.size, 0);
    ordo_bulk_finish(&bulk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_stay_readable_while_old_ones_are_trimmed),
        cmocka_unit_test(pinned_ops_are_not_trimmed),
        cmocka_unit_test(an_op_id_is_found_from_its_base_on),
        cmocka_unit_test(the_newest_op_of_a_client_is_kept),
        cmocka_unit_test(entries_leave_when_nobody_needs_them),
        cmocka_unit_test(a_table_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(a_table_hashes_names_with_its_seed_and_keeps_that),
        cmocka_unit_test(timers_come_due_in_order),
        cmocka_unit_test(a_bulk_is_there_until_released_as_often_as_it_was_named),
        cmocka_unit_test(a_bulk_that_nobody_fetches_from_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
