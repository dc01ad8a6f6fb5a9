/* Several log files are judged together: a torn tail is one only if nothing whole stands behind it, in any file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shard/recovery.h"
#include "tests/unit/scratch.h"
#include "tests/unit/wal_writer.h"

struct fixture {
    char path[PATH_MAX];
    struct ordo_log_check check;
    struct ordo_problem problem;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_make(fixture->path);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    ordo_log_check_finish(&fixture->check);
    scratch_remove(fixture->path);
    free(fixture);
    return 0;
}

/* Writes the records first..last; `cut` bytes are missing at the end. */
static void write_log(struct fixture *fixture, const char *name, uint64_t first, uint64_t last, size_t cut) {
    struct ordo_buffer bytes = {0};
    char path[PATH_MAX];
    for (uint64_t i = first; i <= last; i++) wal_append_put(&bytes, i, "turn", ordo_slice(&i, sizeof i));
    scratch_join(path, fixture->path, name);
    scratch_write(path, ordo_slice(bytes.data, bytes.size - cut));
    ordo_buffer_finish(&bytes);
}

static ordo_err run(struct fixture *fixture) {
    ordo_log_check_finish(&fixture->check);
    return ordo_log_check_run(&fixture->check, fixture->path, ordo_slice_of("turn"), &fixture->problem);
}

static uint64_t watched(const struct fixture *fixture) {
    uint64_t value = 0;
    assert_int_equal(fixture->check.watched.size, sizeof value);
    memcpy(&value, fixture->check.watched.data, sizeof value);
    return value;
}

static void files_that_continue_one_another_are_whole(void **state) {
    struct fixture *fixture = *state;
    write_log(fixture, "000009.log", 1, 5, 0); /* by number, not by name: 9 before 10 */
    write_log(fixture, "000010.log", 6, 9, 0);
    write_log(fixture, "1000000.log", 10, 10, 0);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_int_equal(fixture->check.file_count, 3);
    assert_int_equal(fixture->check.record_count, 10);
    assert_int_equal(fixture->check.torn_size, 0);
    assert_int_equal(watched(fixture), 10);
}

static void a_torn_tail_is_cut_so_that_the_next_check_finds_nothing(void **state) {
    struct fixture *fixture = *state;
    char temporary[PATH_MAX];
    scratch_join(temporary, fixture->path, "cut");
    write_log(fixture, "000001.log", 1, 5, 0);
    write_log(fixture, "000002.log", 6, 9, 3);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_true(fixture->check.torn_size > 3);
    assert_int_equal(watched(fixture), 8);
    assert_int_equal(ordo_log_cut_tail(&fixture->check, fixture->path, temporary, &fixture->problem), ORDO_OK);
    assert_int_equal(access(temporary, F_OK), -1);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_int_equal(fixture->check.torn_size, 0);
    assert_int_equal(fixture->check.record_count, 8);
}

static void files_begun_behind_a_torn_tail_without_a_whole_record_are_cut_too(void **state) {
    struct fixture *fixture = *state;
    char temporary[PATH_MAX];
    scratch_join(temporary, fixture->path, "cut");
    write_log(fixture, "000001.log", 1, 5, 1);
    write_log(fixture, "000002.log", 6, 6, 1);
    write_log(fixture, "000003.log", 7, 6, 0);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_int_equal(fixture->check.cut_count, 2);
    assert_int_equal(ordo_log_cut_tail(&fixture->check, fixture->path, temporary, &fixture->problem), ORDO_OK);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_int_equal(fixture->check.torn_size, 0);
    assert_int_equal(fixture->check.record_count, 4);
}

static void a_torn_tail_with_a_later_file_behind_it_is_damage(void **state) {
    struct fixture *fixture = *state;
    write_log(fixture, "000001.log", 1, 5, 1);
    write_log(fixture, "000002.log", 6, 9, 0);
    assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
    assert_non_null(strstr(fixture->problem.text, "000001.log"));
}

static void a_file_missing_in_the_middle_is_damage(void **state) {
    struct fixture *fixture = *state;
    write_log(fixture, "000001.log", 1, 5, 0);
    write_log(fixture, "000003.log", 10, 12, 0);
    assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
    assert_non_null(strstr(fixture->problem.text, "000003.log"));
}

static void a_file_cut_at_the_end_of_a_record_shows_in_the_next(void **state) {
    struct fixture *fixture = *state;
    write_log(fixture, "000001.log", 1, 4, 0);
    write_log(fixture, "000002.log", 6, 9, 0);
    assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
}

static void a_flipped_bit_in_any_file_but_at_the_very_end_is_damage(void **state) {
    struct fixture *fixture = *state;
    for (int file = 1; file <= 2; file++) {
        write_log(fixture, "000001.log", 1, 5, 0);
        write_log(fixture, "000002.log", 6, 9, 0);
        char path[PATH_MAX], name[32];
        snprintf(name, sizeof name, "00000%d.log", file);
        scratch_join(path, fixture->path, name);
        struct ordo_buffer bytes = {0};
        scratch_read(path, &bytes);
        bytes.data[bytes.size / 2] ^= 0x10;
        scratch_write(path, ordo_buffer_slice(&bytes));
        ordo_buffer_finish(&bytes);
        assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
        assert_non_null(strstr(fixture->problem.text, name));
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(files_that_continue_one_another_are_whole),
        WITH_FOLDER(a_torn_tail_is_cut_so_that_the_next_check_finds_nothing),
        WITH_FOLDER(files_begun_behind_a_torn_tail_without_a_whole_record_are_cut_too),
        WITH_FOLDER(a_torn_tail_with_a_later_file_behind_it_is_damage),
        WITH_FOLDER(a_file_missing_in_the_middle_is_damage),
        WITH_FOLDER(a_file_cut_at_the_end_of_a_record_shows_in_the_next),
        WITH_FOLDER(a_flipped_bit_in_any_file_but_at_the_very_end_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
