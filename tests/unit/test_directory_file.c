/* The directory in a folder: the conformance suite, and what only files can suffer. */
#include "tests/unit/directory_conformance.h"

#include <fcntl.h>
#include <sys/file.h>

#include "common/directory/etcd_address.h"
#include "tests/unit/scratch.h"

struct fixture {
    struct stage stage; /* first */
    char root[PATH_MAX], folder[PATH_MAX], content[PATH_MAX];
};

static void wipe(void *context) {
    struct fixture *fixture = context;
    char aside[PATH_MAX];
    scratch_join(aside, fixture->root, "aside"); /* in one step: a handle may be putting something into it */
    assert_int_equal(rename(fixture->folder, aside), 0);
    scratch_remove(aside);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_make(fixture->root);
    scratch_join(fixture->folder, fixture->root, "directory");
    scratch_join(fixture->content, fixture->folder, "content");
    fixture->stage.options = (struct ordo_directory_options){.lease_ttl_ms = 1500, .timeout_ms = 2000};
    fixture->stage.wipe = wipe;
    snprintf(fixture->stage.url, sizeof fixture->stage.url, "file:%s", fixture->folder);
    stage_begin(&fixture->stage);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    stage_end(&fixture->stage);
    scratch_remove(fixture->root);
    free(fixture);
    return 0;
}

static void a_damaged_file_is_refused_and_never_taken_for_empty(void **state) {
    struct fixture *fixture = *state;
    struct stage *stage = &fixture->stage;
    struct ordo_buffer bytes = {0};
    put(stage, stage->one, "table", "precious");
    scratch_read(fixture->content, &bytes);
    for (size_t i = 0; i < bytes.size + 1; i += 13) { /* one bit is other, or the end is missing, or all of it */
        struct ordo_directory *late;
        bytes.data[i % bytes.size] ^= 4;
        scratch_write(fixture->content,
                      i < bytes.size ? ordo_buffer_slice(&bytes) : ordo_slice(bytes.data, bytes.size - 3));
        bytes.data[i % bytes.size] ^= 4;
        await_away(stage->one, true);
        assert_true(says(stage->one, "table", "precious"));
        ordo_err err = change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "table", "mine");
        assert_true(err == ORDO_ERR_CORRUPT || err == ORDO_ERR_VERSION);
        assert_non_null(strstr(stage->problem.text, fixture->content));
        assert_int_equal(ordo_directory_open(&late, stage->url, &stage->options, &stage->problem), ORDO_OK);
        assert_false(ordo_directory_wait(late, 0, 20)); /* it knows nothing */
        ordo_directory_close(late);
        scratch_write(fixture->content, ordo_buffer_slice(&bytes));
        await_away(stage->one, false);
    }
    ordo_buffer_finish(&bytes);
}

static void an_empty_file_is_damage(void **state) {
    struct fixture *fixture = *state;
    put(&fixture->stage, fixture->stage.one, "table", "precious");
    scratch_write(fixture->content, ordo_slice(NULL, 0));
    await_away(fixture->stage.one, true);
    assert_true(says(fixture->stage.one, "table", "precious"));
}

static void a_directory_whose_disk_is_missing_is_away(void **state) {
    struct fixture *fixture = *state;
    struct stage *stage = &fixture->stage;
    char moved[PATH_MAX];
    put(stage, stage->one, "table", "1");
    assert_true(snprintf(moved, sizeof moved, "%s.moved", fixture->root) < PATH_MAX);
    assert_int_equal(rename(fixture->root, moved), 0);
    await_away(stage->one, true);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "table", "2"), ORDO_ERR_UNAVAILABLE);
    assert_int_equal(rename(moved, fixture->root), 0);
    await_away(stage->one, false);
    assert_true(says(stage->one, "table", "1"));
}

static void a_lock_that_somebody_keeps_holds_up_changes_and_nothing_else(void **state) {
    struct fixture *fixture = *state;
    struct stage *stage = &fixture->stage;
    char path[PATH_MAX];
    scratch_join(path, fixture->folder, "lock");
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    int lock = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);

    uint64_t begin_ms = ordo_clock_monotonic_ms();
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "a", "1"), ORDO_ERR_UNAVAILABLE);
    assert_in_range(ordo_clock_monotonic_ms() - begin_ms, stage->options.timeout_ms, stage->options.timeout_ms + 5000);
    assert_int_equal(change_one(stage, stage->two, ORDO_DIRECTORY_PUT, "a", "1"), ORDO_ERR_UNAVAILABLE);

    close(lock);
    put(stage, stage->one, "a", "1");
    assert_true(says(stage->one, "live/a", "1")); /* longer than a lease's time has passed */
}

static void a_lease_ends_although_somebody_keeps_the_lock(void **state) {
    struct fixture *fixture = *state;
    struct stage *stage = &fixture->stage;
    char path[PATH_MAX];
    struct holder holder = holder_start(stage, "live/a");
    await_value(stage->one, "live/a", "held");
    scratch_join(path, fixture->folder, "lock");
    int lock = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(kill(holder.pid, SIGSTOP), 0); /* in the middle of a change, say, with the lock its own */
    await_value(stage->one, "live/a", NULL);
    close(lock);
    put(stage, stage->one, "a", "1"); /* ends it for good */
    await_value(stage->two, "live/a", NULL);
    holder_kill(&holder);
}

static void a_lease_of_an_earlier_boot_is_over(void **state) {
    struct fixture *fixture = *state;
    struct stage *stage = &fixture->stage;
    struct holder holder = holder_start(stage, "live/a"); /* its file is overwritten while it cannot renew */
    await_value(stage->one, "live/a", "held");
    assert_int_equal(kill(holder.pid, SIGSTOP), 0);
    const struct ordo_directory_view *view = ordo_directory_view(stage->one);
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/leases/%016llx", fixture->folder,
                        (unsigned long long)ordo_directory_find(view, "live/a")->lease);
    assert_true(size < PATH_MAX);
    ordo_directory_view_release(view);
    struct ordo_buffer record = {0};
    ordo_buffer_append(&record, "00000000-0000-4000-8000-000000000000", 36);
    ordo_buffer_append_u64_le(&record, UINT64_C(1) << 40);
    ordo_buffer_append_u64_le(&record, ordo_hash(ordo_buffer_slice(&record)));
    scratch_write(path, ordo_buffer_slice(&record));
    ordo_buffer_finish(&record);
    await_value(stage->one, "live/a", NULL);
    holder_kill(&holder);
}

static void what_killed_holders_left_is_cleared_away(void **state) {
    struct fixture *fixture = *state;
    struct stage *stage = &fixture->stage;
    char path[PATH_MAX], half[PATH_MAX];
    scratch_join(path, fixture->folder, "leases");
    for (int i = 0; i < 3; i++) {
        struct holder holder = holder_start(stage, "live/a");
        holder_kill(&holder);
        await_value(stage->one, "live/a", NULL);
    }
    scratch_join(half, path, "0123456789abcdef.new");
    scratch_write(half, ordo_slice_of("half a rec"));
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/b", "1"), ORDO_OK);
    size_t count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
    closedir(folder);
    assert_int_equal(count, 1);
}

static void urls_that_name_nothing_are_refused(void **state) {
    (void)state;
    static const char *const urls[] = {
        "", "file:", "directory", "http://127.0.0.1:1/x", "/tmp/x", "etcd:", "etcd:127.0.0.1:2379/x", "etcd:http://",
        "etcd:http:///x", "etcd:http://127.0.0.1:2379", "etcd:http://127.0.0.1:2379/", "etcd:http://127.0.0.1/x",
        "etcd:http://127.0.0.1:/x", "etcd:http://:2379/x", "etcd:http://a:1,/x", "etcd:http://a:1,,b:2/x",
        "etcd:http://a:1@b:2/x", "etcd:http://a:1/x/y", "etcd:http://a:1/x y", "etcd:https://a:1/x",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct ordo_directory *directory = NULL;
        struct ordo_problem problem = {0};
        if (ordo_directory_open(&directory, urls[i], NULL, &problem) != ORDO_ERR_INVALID) fail_msg("'%s' was taken", urls[i]);
        assert_null(directory);
        assert_true(strlen(problem.text) > 20);
    }
}

static void urls_of_etcd_may_have_several_endpoints(void **state) {
    (void)state;
    struct ordo_etcd_address address;
    assert_true(ordo_etcd_address_parse(&address, "http://10.0.0.1:2379,http://[::1]:2379,etcd-3:1/my-cluster"));
    assert_int_equal(address.endpoint_count, 3);
    assert_string_equal(address.endpoints[0], "10.0.0.1:2379");
    assert_string_equal(address.endpoints[1], "[::1]:2379");
    assert_string_equal(address.endpoints[2], "etcd-3:1");
    assert_string_equal(address.prefix, "my-cluster/");
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "holder") == 0) return main_of_holder(argv);
    const struct CMUnitTest tests[] = {
        DIRECTORY_CONFORMANCE(set_up, tear_down),
        WITH_FOLDER(a_damaged_file_is_refused_and_never_taken_for_empty),
        WITH_FOLDER(an_empty_file_is_damage),
        WITH_FOLDER(a_directory_whose_disk_is_missing_is_away),
        WITH_FOLDER(a_lock_that_somebody_keeps_holds_up_changes_and_nothing_else),
        WITH_FOLDER(a_lease_ends_although_somebody_keeps_the_lock),
        WITH_FOLDER(a_lease_of_an_earlier_boot_is_over),
        WITH_FOLDER(what_killed_holders_left_is_cleared_away),
        cmocka_unit_test(urls_that_name_nothing_are_refused),
        cmocka_unit_test(urls_of_etcd_may_have_several_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
