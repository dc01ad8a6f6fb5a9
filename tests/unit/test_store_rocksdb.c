/* The store on disk keeps the contract of every store; what was synced is there after a crash. */
#include "tests/unit/store_conformance.h"

#include <signal.h>
#include <sys/resource.h>

#include "shard/store_rocksdb.h"
#include "tests/unit/scratch.h"

struct fixture {
    struct ordo_store *store; /* first: store_of() reads it */
    char root[PATH_MAX], path[PATH_MAX];
    struct ordo_problem problem;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_make(fixture->root);
    scratch_join(fixture->path, fixture->root, "db");
    *state = fixture;
    return ordo_store_rocksdb_open(fixture->path, ORDO_ROCKSDB_CREATE, &fixture->problem, &fixture->store);
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->store != NULL) fixture->store->ops->close(fixture->store);
    scratch_remove(fixture->root);
    free(fixture);
    return 0;
}

static ordo_err write_one(struct ordo_store *store, const char *key, struct ordo_slice value) {
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of(key), value);
    ordo_err err = store->ops->write(store, &batch, true);
    ordo_batch_finish(&batch);
    return err;
}

static void what_was_synced_is_there_after_a_crash(void **state) {
    struct fixture *fixture = *state;
    char copy[PATH_MAX];
    scratch_join(copy, fixture->root, "copy");
    put(fixture->store, ORDO_CF_OPS, "key", "value");
    scratch_copy(fixture->path, copy);
    struct ordo_store *again = NULL;
    assert_int_equal(ordo_store_rocksdb_open(copy, ORDO_ROCKSDB_OPEN, &fixture->problem, &again), ORDO_OK);
    assert_stored(again, ORDO_CF_OPS, "key", "value");
    again->ops->close(again);
}

static void a_database_is_made_only_where_there_is_none(void **state) {
    struct fixture *fixture = *state;
    struct ordo_store *store = NULL;
    char absent[PATH_MAX];
    scratch_join(absent, fixture->root, "absent");
    assert_int_not_equal(ordo_store_rocksdb_open(absent, ORDO_ROCKSDB_OPEN, &fixture->problem, &store), ORDO_OK);
    assert_int_equal(access(absent, F_OK), -1);
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(ordo_store_rocksdb_open(fixture->path, ORDO_ROCKSDB_CREATE, &fixture->problem, &store),
                     ORDO_ERR_EXISTS);
    assert_null(store);
}

static void a_database_in_use_is_locked(void **state) {
    struct fixture *fixture = *state;
    struct ordo_store *store = NULL;
    assert_int_equal(ordo_store_rocksdb_open(fixture->path, ORDO_ROCKSDB_OPEN, &fixture->problem, &store),
                     ORDO_ERR_LOCKED);
    assert_null(store);
}

static void a_readonly_store_takes_no_writes_and_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    put(fixture->store, ORDO_CF_OPS, "key", "value");
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    uint64_t sum = scratch_sum(fixture->root);
    assert_int_equal(
        ordo_store_rocksdb_open(fixture->path, ORDO_ROCKSDB_READONLY, &fixture->problem, &fixture->store), ORDO_OK);
    assert_stored(fixture->store, ORDO_CF_OPS, "key", "value");
    assert_int_equal(write_one(fixture->store, "other", ordo_slice_of("x")), ORDO_ERR_IO);
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    assert_true(scratch_sum(fixture->root) == sum);
}

/* A limit on file sizes makes the log's next write fail. */
static void after_a_failed_write_no_other_is_taken(void **state) {
    struct fixture *fixture = *state;
    put(fixture->store, ORDO_CF_OPS, "before", "value");
    static uint8_t large[4 * 1024 * 1024];
    struct rlimit unlimited, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limit = (struct rlimit){.rlim_cur = 1024 * 1024, .rlim_max = unlimited.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ordo_err err = write_one(fixture->store, "large", ordo_slice(large, sizeof large));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);

    assert_int_equal(err, ORDO_ERR_IO);
    assert_string_not_equal(ordo_store_rocksdb_failure(fixture->store), "");
    assert_int_equal(write_one(fixture->store, "after", ordo_slice_of("x")), ORDO_ERR_IO);
    fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(ordo_store_rocksdb_open(fixture->path, ORDO_ROCKSDB_OPEN, &fixture->problem, &fixture->store),
                     ORDO_OK);
    assert_stored(fixture->store, ORDO_CF_OPS, "before", "value");
    assert_stored(fixture->store, ORDO_CF_OPS, "after", NULL);
}

static void count_log_size(const char *path, const char *name, void *context) {
    struct stat status;
    const char *dot = strrchr(name, '.');
    if (dot != NULL && strcmp(dot, ".log") == 0 && stat(path, &status) == 0) *(uint64_t *)context += status.st_size;
}

/* Replay is what a start waits for. A disk that is busy holds a flush up, and the log outgrows its bound for some writes;
 * even then a start stays below its second. */
static void the_log_stays_below_its_bound_under_load(void **state) {
    struct fixture *fixture = *state;
    uint8_t value[60000];
    struct ordo_prng prng;
    ordo_prng_init(&prng, 1);
    for (size_t i = 0; i < sizeof value; i++) value[i] = (uint8_t)ordo_prng_next(&prng);
    const uint64_t bound = 12 * 1024 * 1024;
    enum { WRITE_COUNT = 700 };
    uint64_t largest = 0;
    int beyond_count = 0;
    for (int i = 0; i < WRITE_COUNT; i++) {
        struct ordo_batch batch = {0};
        char key[16];
        snprintf(key, sizeof key, "%06d", i);
        ordo_batch_put(&batch, i % 3 ? ORDO_CF_OPS : ORDO_CF_SNAPSHOTS, ordo_slice_of(key),
                       ordo_slice(value, sizeof value));
        ordo_batch_put(&batch, ORDO_CF_META, ordo_slice_of("turn"), ordo_slice_of(key));
        assert_int_equal(fixture->store->ops->write(fixture->store, &batch, i % 10 == 0), ORDO_OK);
        ordo_batch_finish(&batch);
        uint64_t size = 0;
        scratch_each(fixture->path, count_log_size, &size);
        if (size > largest) largest = size;
        if (size > bound) beyond_count++;
    }
    assert_in_range(largest, bound / 3, 2 * bound);
    assert_in_range(beyond_count, 0, WRITE_COUNT / 10);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_CONFORMANCE_TESTS(set_up, tear_down),
        WITH_STORE(what_was_synced_is_there_after_a_crash),
        WITH_STORE(a_database_is_made_only_where_there_is_none),
        WITH_STORE(a_database_in_use_is_locked),
        WITH_STORE(a_readonly_store_takes_no_writes_and_changes_nothing),
        WITH_STORE(after_a_failed_write_no_other_is_taken),
        WITH_STORE(the_log_stays_below_its_bound_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
