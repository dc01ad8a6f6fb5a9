/* Several log files are judged together: a torn tail is one only if nothing whole stands behind it, in any file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shard/core/rows.h"
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
    scratch_remove(fixture->path);
    free(fixture);
    return 0;
}

/* Appends turn `turn` as record `sequence`, or a background write if `turn` is 0. */
static void append_turn(struct ordo_buffer *bytes, uint64_t sequence, uint64_t turn) {
    struct ordo_buffer row = {0};
    ordo_turn_row_encode(&row, &(struct ordo_turn_row){.turn = turn});
    wal_append_put(bytes, sequence, turn != 0 ? "turn" : "piece", ordo_buffer_slice(&row));
    ordo_buffer_finish(&row);
}

/* Writes the records first..last, each the turn of that number; `cut` bytes are missing at the end. */
static void write_log(struct fixture *fixture, const char *name, uint64_t first, uint64_t last, size_t cut) {
    struct ordo_buffer bytes = {0};
    char path[PATH_MAX];
    for (uint64_t i = first; i <= last; i++) append_turn(&bytes, i, i);
    scratch_join(path, fixture->path, name);
    scratch_write(path, ordo_slice(bytes.data, bytes.size - cut));
    ordo_buffer_finish(&bytes);
}

static ordo_err run(struct fixture *fixture) {
    return ordo_log_check_run(&fixture->check, fixture->path, 0, &fixture->problem);
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
    assert_int_equal(fixture->check.turn, 10);
}

static void a_torn_tail_is_cut_so_that_the_next_check_finds_nothing(void **state) {
    struct fixture *fixture = *state;
    char temporary[PATH_MAX];
    scratch_join(temporary, fixture->path, "cut");
    write_log(fixture, "000001.log", 1, 5, 0);
    write_log(fixture, "000002.log", 6, 9, 3);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_true(fixture->check.torn_size > 3);
    assert_int_equal(fixture->check.turn, 8);
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

static void files_that_the_database_does_not_need_are_not_judged(void **state) {
    struct fixture *fixture = *state;
    write_log(fixture, "000001.log", 1, 5, 0); /* came back when the power went; 000002 did not */
    write_log(fixture, "000003.log", 8, 9, 0);
    assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
    assert_int_equal(ordo_log_check_run(&fixture->check, fixture->path, 2, &fixture->problem), ORDO_OK);
    assert_int_equal(fixture->check.record_count, 2);
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

/* Writes turns 1..4 and `background` background writes, the last of them cut. */
static void write_log_with_torn_background(struct fixture *fixture, int background) {
    struct ordo_buffer bytes = {0};
    char path[PATH_MAX];
    for (uint64_t i = 1; i <= 4; i++) append_turn(&bytes, i, i);
    for (int i = 0; i < background; i++) append_turn(&bytes, 5 + (uint64_t)i, 0);
    scratch_join(path, fixture->path, "000001.log");
    scratch_write(path, ordo_slice(bytes.data, bytes.size - 1));
    ordo_buffer_finish(&bytes);
}

static void write_log_of(struct fixture *fixture, const char *name, uint64_t sequence, uint64_t turn) {
    struct ordo_buffer bytes = {0};
    char path[PATH_MAX];
    append_turn(&bytes, sequence, turn);
    scratch_join(path, fixture->path, name);
    scratch_write(path, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static void background_writes_lost_at_the_end_of_a_file_are_no_damage_if_the_next_turn_is_there(void **state) {
    struct fixture *fixture = *state;
    char temporary[PATH_MAX];
    scratch_join(temporary, fixture->path, "cut");
    write_log_with_torn_background(fixture, 2);
    write_log_of(fixture, "000002.log", 7, 5);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_int_equal(fixture->check.turn, 5);
    assert_true(fixture->check.torn_size > 0);
    assert_int_equal(ordo_log_cut_tail(&fixture->check, fixture->path, temporary, &fixture->problem), ORDO_OK);
    assert_int_equal(run(fixture), ORDO_OK);
    assert_int_equal(fixture->check.torn_size, 0);
    assert_int_equal(fixture->check.turn, 5);
}

static void a_turn_lost_with_them_is_damage(void **state) {
    struct fixture *fixture = *state;
    write_log_with_torn_background(fixture, 2);
    write_log_of(fixture, "000002.log", 7, 6);
    assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
}

static void only_background_writes_behind_a_torn_place_are_damage_because_it_may_hide_a_turn(void **state) {
    struct fixture *fixture = *state;
    write_log_with_torn_background(fixture, 2);
    write_log_of(fixture, "000002.log", 7, 0);
    assert_int_equal(run(fixture), ORDO_ERR_CORRUPT);
    write_log_of(fixture, "000003.log", 8, 5);
    assert_int_equal(run(fixture), ORDO_OK);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(files_that_continue_one_another_are_whole),
        WITH_FOLDER(a_torn_tail_is_cut_so_that_the_next_check_finds_nothing),
        WITH_FOLDER(files_begun_behind_a_torn_tail_without_a_whole_record_are_cut_too),
        WITH_FOLDER(a_torn_tail_with_a_later_file_behind_it_is_damage),
        WITH_FOLDER(a_file_missing_in_the_middle_is_damage),
        WITH_FOLDER(files_that_the_database_does_not_need_are_not_judged),
        WITH_FOLDER(a_file_cut_at_the_end_of_a_record_shows_in_the_next),
        WITH_FOLDER(background_writes_lost_at_the_end_of_a_file_are_no_damage_if_the_next_turn_is_there),
        WITH_FOLDER(a_turn_lost_with_them_is_damage),
        WITH_FOLDER(only_background_writes_behind_a_torn_place_are_damage_because_it_may_hide_a_turn),
        WITH_FOLDER(a_flipped_bit_in_any_file_but_at_the_very_end_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
