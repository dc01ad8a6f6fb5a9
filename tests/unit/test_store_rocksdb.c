/* The store on disk keeps the contract of every store; what was synced is there after a crash. */
#include "tests/unit/store_conformance.h"

#include <signal.h>
#include <sys/resource.h>

#include "shard/core/key.h"
#include "shard/store_memory.h"
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

/* ---- iterators over many tables, most of which know nothing of the document (rocksdb_impl.h, prefixes) */

enum { DOCUMENT_COUNT = 30, SEQ_COUNT = 40 };
static const enum ordo_cf document_families[] = {ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS, ORDO_CF_HISTORY};

static void document_key(struct ordo_buffer *out, size_t number) {
    char id[16];
    snprintf(id, sizeof id, "%zu", number);
    ordo_key_doc(out, ordo_slice_of("c"), ordo_slice_of(id));
}

/* Some rows of some documents come, some go; now and then all of a document goes. */
static void change_at_random(struct ordo_prng *prng, struct ordo_batch *batch) {
    struct ordo_buffer doc_key = {0}, key = {0};
    uint8_t value[300] = {0};
    for (size_t i = 0; i < 40; i++) {
        enum ordo_cf cf = document_families[ordo_prng_below(prng, 4)];
        document_key(&doc_key, ordo_prng_below(prng, DOCUMENT_COUNT));
        ordo_key_ops(&key, ordo_buffer_slice(&doc_key), ordo_prng_below(prng, SEQ_COUNT));
        uint64_t what = ordo_prng_below(prng, 50);
        if (what == 0) {
            ordo_key_doc_end(&key, ordo_buffer_slice(&doc_key));
            ordo_batch_delete_range(batch, cf, ordo_buffer_slice(&doc_key), ordo_buffer_slice(&key));
        } else if (what < 15) {
            ordo_batch_delete(batch, cf, ordo_buffer_slice(&key));
        } else {
            ordo_batch_put(batch, cf, ordo_buffer_slice(&key), ordo_slice(value, ordo_prng_below(prng, sizeof value)));
        }
    }
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
}

/* False: neither stands anywhere. */
static bool assert_same_place(bool stands, const struct ordo_iterator *iterator, bool stands_in_model,
                              const struct ordo_iterator *model) {
    assert_int_equal(stands, stands_in_model);
    if (!stands) return false;
    assert_true(ordo_slice_equal(iterator->ops->key(iterator), model->ops->key(model)));
    assert_int_equal(iterator->ops->value(iterator).size, model->ops->value(model).size);
    return true;
}

static void assert_same_walk(struct ordo_iterator *iterator, struct ordo_iterator *model, struct ordo_prng *prng,
                             struct ordo_slice doc_key) {
    struct ordo_buffer key = {0};
    while (assert_same_place(iterator->ops->next(iterator), iterator, model->ops->next(model), model)) continue;
    for (size_t i = 0; i < 6; i++) {
        ordo_key_ops(&key, doc_key, ordo_prng_below(prng, SEQ_COUNT + 1));
        bool goes_back = ordo_prng_below(prng, 2) == 0;
        struct ordo_slice at = ordo_buffer_slice(&key);
        bool stands = goes_back ? iterator->ops->seek_back(iterator, at) : iterator->ops->seek(iterator, at);
        bool stands_in_model = goes_back ? model->ops->seek_back(model, at) : model->ops->seek(model, at);
        for (size_t steps = 0; assert_same_place(stands, iterator, stands_in_model, model) && steps < 5; steps++) {
            bool is_forward = ordo_prng_below(prng, 2) == 0;
            stands = is_forward ? iterator->ops->next(iterator) : iterator->ops->previous(iterator);
            stands_in_model = is_forward ? model->ops->next(model) : model->ops->previous(model);
        }
    }
    assert_int_equal(iterator->ops->status(iterator), ORDO_OK);
    ordo_buffer_finish(&key);
}

static void assert_same_range(struct ordo_view *view, struct ordo_view *model, enum ordo_cf cf, struct ordo_prng *prng,
                              struct ordo_slice lower, struct ordo_slice upper, struct ordo_slice doc_key) {
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, lower, upper);
    struct ordo_iterator *expected = model->ops->iterate(model, cf, lower, upper);
    assert_same_walk(iterator, expected, prng, doc_key);
    iterator->ops->close(iterator);
    expected->ops->close(expected);
}

static void assert_same_content(struct ordo_store *store, struct ordo_store *model, struct ordo_prng *prng) {
    struct ordo_buffer doc_key = {0}, end = {0};
    struct ordo_view *view = store->ops->view_open(store), *expected = model->ops->view_open(model);
    for (size_t i = 0; i < DOCUMENT_COUNT * 4; i++) {
        enum ordo_cf cf = document_families[i % 4];
        document_key(&doc_key, i / 4);
        ordo_key_doc_end(&end, ordo_buffer_slice(&doc_key));
        struct ordo_slice all = ordo_slice(NULL, 0), lower = ordo_buffer_slice(&doc_key), upper = ordo_buffer_slice(&end);
        assert_same_range(view, expected, cf, prng, lower, upper, lower); /* one document */
        assert_same_range(view, expected, cf, prng, lower, all, lower);   /* and all behind it */
        if (i < 4) assert_same_range(view, expected, cf, prng, all, all, lower);
    }
    store->ops->view_close(view);
    model->ops->view_close(expected);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&end);
}

static void iterators_find_whatever_is_there_in_whichever_table(void **state) {
    struct fixture *fixture = *state;
    struct ordo_store *model = ordo_store_memory_create(1);
    struct ordo_prng prng;
    ordo_prng_init(&prng, 1);
    for (int round = 0; round < 60; round++) {
        struct ordo_batch batch = {0};
        change_at_random(&prng, &batch);
        assert_int_equal(fixture->store->ops->write(fixture->store, &batch, false), ORDO_OK);
        assert_int_equal(model->ops->write(model, &batch, false), ORDO_OK);
        ordo_batch_finish(&batch);
        bool makes_table = round % 3 != 2;
        if (makes_table) assert_int_equal(ordo_store_rocksdb_flush(fixture->store, &fixture->problem), ORDO_OK);
        if (round % 5 == 4) assert_same_content(fixture->store, model, &prng);
        if (round == 40) ordo_store_rocksdb_compact(fixture->store, ordo_slice_of("\x40"), ordo_slice_of("\xa0"));
    }
    model->ops->close(model);
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
        WITH_STORE(iterators_find_whatever_is_there_in_whichever_table),
        WITH_STORE(the_log_stays_below_its_bound_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
