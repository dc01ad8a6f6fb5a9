/* Log files as RocksDB writes them: whole ones read to the end, torn tails and damage are told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/random.h"
#include "tests/unit/wal_writer.h"

struct fixture {
    struct ordo_buffer file;
    size_t ends[64]; /* of each record */
    size_t count;
    struct ordo_wal_scan scan;
};

/* Records 1..n of which every fifth spans several blocks. */
static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    uint8_t *large = calloc(1, 100000);
    for (size_t i = 0; i < 100000; i++) large[i] = (uint8_t)(i * 7);
    for (uint64_t i = 0; i < 64; i++) {
        struct ordo_slice value = i % 5 == 4 ? ordo_slice(large, 100000) : ordo_slice(&i, 1);
        wal_append_put(&fixture->file, 100 + i, "turn", value);
        fixture->ends[i] = fixture->file.size;
    }
    fixture->count = 64;
    free(large);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    ordo_wal_scan_finish(&fixture->scan);
    ordo_buffer_finish(&fixture->file);
    free(fixture);
    return 0;
}

static void scan(struct fixture *fixture, size_t size) {
    ordo_wal_scan_finish(&fixture->scan);
    ordo_wal_scan(&fixture->scan, ordo_slice(fixture->file.data, size), ordo_slice_of("turn"));
}

static void the_checksum_is_castagnoli(void **state) {
    (void)state;
    assert_int_equal(ordo_crc32c(ordo_slice_of("1234"), ordo_slice_of("56789")), 0xe3069283u);
    assert_int_equal(ordo_crc32c(ordo_slice_of(""), ordo_slice_of("123456789")), 0xe3069283u);
}

static void a_whole_file_reads_to_its_end(void **state) {
    struct fixture *fixture = *state;
    scan(fixture, fixture->file.size);
    assert_int_equal(fixture->scan.record_count, 64);
    assert_int_equal(fixture->scan.good_size, fixture->file.size);
    assert_int_equal(fixture->scan.first_sequence, 100);
    assert_int_equal(fixture->scan.next_sequence, 164);
    assert_false(fixture->scan.has_records_behind);
    assert_int_equal(fixture->scan.watched.size, 1);
    assert_int_equal(fixture->scan.watched.data[0], 63);
}

static void an_empty_file_is_whole(void **state) {
    struct fixture *fixture = *state;
    scan(fixture, 0);
    assert_int_equal(fixture->scan.record_count, 0);
    assert_int_equal(fixture->scan.good_size, 0);
    assert_false(fixture->scan.has_records_behind);
}

static void a_file_cut_anywhere_is_torn_after_its_last_whole_record(void **state) {
    struct fixture *fixture = *state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 1);
    for (int round = 0; round < 200; round++) {
        size_t size = (size_t)ordo_prng_below(&prng, fixture->file.size);
        scan(fixture, size);
        size_t expected = 0;
        while (expected < fixture->count && fixture->ends[expected] <= size) expected++;
        assert_int_equal(fixture->scan.record_count, expected);
        assert_false(fixture->scan.has_records_behind);
        size_t good = expected > 0 ? fixture->ends[expected - 1] : 0;
        /* A cut inside the zeros that fill a block counts as whole. */
        if (fixture->scan.good_size != size) assert_int_equal(fixture->scan.good_size, good);
        else assert_true(size - good < WAL_HEADER_SIZE);
    }
}

static void zeros_behind_the_last_record_are_a_torn_tail(void **state) {
    struct fixture *fixture = *state;
    size_t good = fixture->file.size;
    size_t zeros = 3 * WAL_BLOCK_SIZE + 11;
    memset(ordo_buffer_reserve(&fixture->file, zeros), 0, zeros);
    fixture->file.size += zeros;
    scan(fixture, fixture->file.size);
    assert_int_equal(fixture->scan.good_size, good);
    assert_false(fixture->scan.has_records_behind);
}

static void a_flipped_bit_before_the_last_record_is_damage(void **state) {
    struct fixture *fixture = *state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 2);
    size_t last_start = fixture->ends[fixture->count - 2];
    for (int round = 0; round < 200; round++) {
        size_t offset = (size_t)ordo_prng_below(&prng, last_start);
        uint8_t bit = (uint8_t)(1u << ordo_prng_below(&prng, 8));
        fixture->file.data[offset] ^= bit;
        scan(fixture, fixture->file.size);
        bool is_whole = fixture->scan.good_size == fixture->file.size; /* the zeros that fill a block are nobody's */
        assert_true(is_whole || fixture->scan.has_records_behind);
        if (is_whole) assert_int_equal(fixture->scan.record_count, 64);
        else assert_true(fixture->scan.good_size <= offset);
        fixture->file.data[offset] ^= bit;
    }
}

static void a_flipped_bit_in_the_last_record_looks_like_a_torn_tail(void **state) {
    struct fixture *fixture = *state;
    fixture->file.data[fixture->file.size - 1] ^= 1;
    scan(fixture, fixture->file.size);
    assert_false(fixture->scan.has_records_behind);
    assert_int_equal(fixture->scan.good_size, fixture->ends[fixture->count - 2]);
}

static void a_missing_record_shows_by_its_sequence_number(void **state) {
    (void)state;
    struct ordo_buffer file = {0};
    wal_append_put(&file, 1, "a", ordo_slice_of("x"));
    size_t good = file.size;
    wal_append_put(&file, 3, "c", ordo_slice_of("x"));
    struct ordo_wal_scan scan;
    ordo_wal_scan(&scan, ordo_buffer_slice(&file), ordo_slice_of("turn"));
    assert_true(scan.is_out_of_step && scan.has_records_behind);
    assert_int_equal(scan.good_size, good);
    ordo_wal_scan_finish(&scan);
    ordo_buffer_finish(&file);
}

/* Somebody may type the bytes of a record; torn, that text must not pass for a record of the log. */
static void a_record_inside_of_a_torn_record_is_no_record_of_the_log(void **state) {
    (void)state;
    struct ordo_buffer inner = {0}, file = {0};
    wal_append_put(&inner, 5, "turn", ordo_slice_of("forged"));
    wal_append_put(&file, 1000, "a", ordo_slice_of("x"));
    size_t good = file.size;
    wal_append_put(&file, 1001, "b", ordo_buffer_slice(&inner));
    struct ordo_wal_scan scan;
    ordo_wal_scan(&scan, ordo_slice(file.data, file.size - 1), ordo_slice_of("turn"));
    assert_false(scan.has_records_behind);
    assert_int_equal(scan.good_size, good);
    assert_int_equal(scan.watched.size, 0);
    ordo_wal_scan_finish(&scan);
    ordo_buffer_finish(&inner);
    ordo_buffer_finish(&file);
}

static void random_bytes_are_read_within_their_bounds(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 3);
    for (int round = 0; round < 200; round++) {
        size_t size = (size_t)ordo_prng_below(&prng, 3000);
        uint8_t *bytes = malloc(size + 1); /* its own allocation, so that a sanitizer sees a step beyond */
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(ordo_prng_next(&prng) & (round % 2 ? 0xff : 0x07));
        struct ordo_wal_scan scan;
        ordo_wal_scan(&scan, ordo_slice(bytes, size), ordo_slice_of("turn"));
        assert_true(scan.good_size <= size);
        ordo_wal_scan_finish(&scan);
        free(bytes);
    }
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void behind_damage_reading_goes_on_at_the_next_block(void **state) {
    struct fixture *fixture = *state;
    fixture->file.data[fixture->ends[4] + 8] ^= 1; /* of record 5, behind the first large one, in the fourth block */
    struct ordo_wal_reader reader = ordo_wal_reader(ordo_buffer_slice(&fixture->file));
    struct ordo_reader entries;
    struct ordo_wal_entry entry;
    size_t count = 0, last_size = 0;
    while (ordo_wal_next_record(&reader, &entries)) {
        count++;
        assert_true(ordo_wal_take_entry(&entries, &entry));
        assert_true(entry.is_put && entry.family == 1 && ordo_slice_equal(entry.key, ordo_slice_of("turn")));
        last_size = entry.value.size;
    }
    assert_true(reader.met_damage);
    assert_int_equal(count, 64 - 5); /* up to the large record that began in the damaged block */
    assert_int_equal(last_size, 1);
    ordo_wal_reader_finish(&reader);
}

static void a_torn_end_is_told_from_damage_by_the_size_that_is_named(void **state) {
    (void)state;
    struct ordo_buffer file = {0};
    ordo_wal_append(&file, ordo_slice_of("the first record"));
    size_t first_size = file.size;
    ordo_wal_append(&file, ordo_slice_of("the second record"));
    for (size_t size = 0; size <= file.size; size++) assert_true(ordo_wal_ends_torn(ordo_slice(file.data, size)));
    file.data[first_size - 1] ^= 1; /* in what was typed */
    assert_false(ordo_wal_ends_torn(ordo_buffer_slice(&file)));
    assert_int_equal(ordo_wal_whole_size(ordo_buffer_slice(&file)), 0);
    ordo_buffer_finish(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_castagnoli),
        WITH_FILE(a_whole_file_reads_to_its_end),
        WITH_FILE(an_empty_file_is_whole),
        WITH_FILE(a_file_cut_anywhere_is_torn_after_its_last_whole_record),
        WITH_FILE(zeros_behind_the_last_record_are_a_torn_tail),
        WITH_FILE(a_flipped_bit_before_the_last_record_is_damage),
        WITH_FILE(a_flipped_bit_in_the_last_record_looks_like_a_torn_tail),
        WITH_FILE(behind_damage_reading_goes_on_at_the_next_block),
        cmocka_unit_test(a_missing_record_shows_by_its_sequence_number),
        cmocka_unit_test(a_torn_end_is_told_from_damage_by_the_size_that_is_named),
        cmocka_unit_test(a_record_inside_of_a_torn_record_is_no_record_of_the_log),
        cmocka_unit_test(random_bytes_are_read_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
