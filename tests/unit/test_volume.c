/* A folder of stores: which are there, who has them, which failed and when they may be tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <sys/file.h>
#include <cmocka.h>

#include "shard/volume.h"
#include "tests/unit/scratch.h"

static char volume[PATH_MAX];

static int set_up(void **state) {
    (void)state;
    scratch_make(volume);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove(volume);
    return 0;
}

static void make_folder(const char *name) {
    char path[PATH_MAX];
    scratch_join(path, volume, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void make_file(const char *name) {
    char path[PATH_MAX];
    scratch_join(path, volume, name);
    scratch_write(path, ordo_slice_of("x"));
}

static void make_store(const char *name) {
    char part[PATH_MAX];
    make_folder(name);
    snprintf(part, sizeof part, "%s/db", name);
    make_folder(part);
    snprintf(part, sizeof part, "%s/lock", name);
    make_file(part);
}

static struct ordo_volume_store *list(size_t *count) {
    struct ordo_problem problem = {{0}};
    struct ordo_volume_store *stores = ordo_volume_list(volume, count, &problem);
    assert_string_equal(problem.text, "");
    return stores;
}

static void stores_are_found_in_the_order_of_their_numbers_and_nothing_else(void **state) {
    (void)state;
    make_store("shard-10");
    make_store("shard-2");
    make_store("shard");
    make_store("shard-3.new"); /* is being made */
    make_folder("run");
    make_folder("directory");
    make_file("notes");
    make_folder("lost"); /* its database is gone, which is seen */
    make_file("lost/low-water");
    size_t count;
    struct ordo_volume_store *stores = list(&count);
    assert_int_equal(count, 4);
    assert_string_equal(stores[0].name, "lost");
    assert_string_equal(stores[1].name, "shard");
    assert_string_equal(stores[2].name, "shard-2");
    assert_string_equal(stores[3].name, "shard-10");
    free(stores);
}

static void a_volume_that_cannot_be_read_says_why(void **state) {
    (void)state;
    size_t count = 7;
    struct ordo_problem problem = {{0}};
    assert_null(ordo_volume_list("/nowhere/at/all", &count, &problem));
    assert_int_equal(count, 0);
    assert_non_null(strstr(problem.text, "/nowhere/at/all"));
}

static void a_store_is_held_while_its_lock_is(void **state) {
    (void)state;
    make_store("shard");
    char path[PATH_MAX], lock[PATH_MAX];
    struct ordo_volume_store store;
    scratch_join(path, volume, "shard");
    scratch_join(lock, path, "lock");
    ordo_volume_look(&store, path);
    assert_false(store.is_held);
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    ordo_volume_look(&store, path);
    assert_true(store.is_held);
    close(fd);
    ordo_volume_look(&store, path);
    assert_false(store.is_held);
}

static void a_store_that_fails_waits_longer_each_time_and_comes_last(void **state) {
    (void)state;
    make_store("shard");
    make_store("shard-2");
    char path[PATH_MAX];
    struct ordo_volume_store store;
    scratch_join(path, volume, "shard");
    const uint64_t waits_ms[] = {0, 10000, 20000, 40000, 80000, 160000, 320000, 600000, 600000};
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        ordo_volume_note_failure(path, 1000 + i, "It is broken.\nAnd more.");
        ordo_volume_look(&store, path);
        assert_int_equal(store.failure_count, i + 1);
        assert_int_equal(store.failed_wall_ms, 1000 + i);
        assert_int_equal(store.retry_wall_ms - store.failed_wall_ms, waits_ms[i]);
        assert_string_equal(store.reason, "It is broken.");
    }
    size_t count;
    struct ordo_volume_store *stores = list(&count);
    assert_string_equal(stores[0].name, "shard-2");
    assert_string_equal(stores[1].name, "shard");
    free(stores);
    ordo_volume_forget_failure(path);
    ordo_volume_look(&store, path);
    assert_int_equal(store.failure_count, 0);
}

static void a_note_that_does_not_read_counts_as_a_failure(void **state) {
    (void)state;
    make_store("shard");
    make_file("shard/failed");
    char path[PATH_MAX];
    struct ordo_volume_store store;
    scratch_join(path, volume, "shard");
    ordo_volume_look(&store, path);
    assert_int_equal(store.failure_count, 1);
    assert_int_equal(store.retry_wall_ms, 0);
}

static void new_stores_take_the_first_free_numbers(void **state) {
    (void)state;
    make_store("shard-2");
    uint32_t number = 1;
    char path[PATH_MAX], expected[PATH_MAX];
    assert_true(ordo_volume_free_name(volume, &number, path));
    scratch_join(expected, volume, "shard");
    assert_string_equal(path, expected);
    assert_true(ordo_volume_free_name(volume, &number, path)); /* somebody else is making the first */
    scratch_join(expected, volume, "shard-3");
    assert_string_equal(path, expected);
}

static void a_refused_store_stays_so_until_it_is_let_in(void **state) {
    (void)state;
    make_store("shard");
    char path[PATH_MAX];
    scratch_join(path, volume, "shard");
    assert_false(ordo_volume_is_refused(path));
    ordo_volume_refuse(path, "It is older.");
    assert_true(ordo_volume_is_refused(path));
    ordo_volume_let_in(path);
    assert_false(ordo_volume_is_refused(path));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stores_are_found_in_the_order_of_their_numbers_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_volume_that_cannot_be_read_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_is_held_while_its_lock_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_fails_waits_longer_each_time_and_comes_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_note_that_does_not_read_counts_as_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_stores_take_the_first_free_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_store_stays_so_until_it_is_let_in, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
