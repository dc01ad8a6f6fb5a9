/* A store whose writer is killed, or whose machine loses power, at any moment: every acknowledged turn is there, nothing
 * is taken for damage, and the folder opens again. The writer is this same program; it says on a pipe what is acknowledged.
 * ORDO_KILLS=N: rounds per test (8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/random.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/folder.h"
#include "tests/unit/scratch.h"

/* ---- the writer: synced turns with large values, unsynced background pieces between them, for ever */

static void add_value(struct ordo_batch *batch, enum ordo_cf cf, uint64_t number, size_t size, struct ordo_prng *prng) {
    static uint8_t bytes[65536];
    for (size_t i = 0; i < size; i += 8) {
        uint64_t random = ordo_prng_next(prng);
        memcpy(bytes + i, &random, 8);
    }
    char key[32];
    snprintf(key, sizeof key, "%012llu", (unsigned long long)number);
    ordo_batch_put(batch, cf, ordo_slice_of(key), ordo_slice(bytes, size));
}

static int write_for_ever(const char *path, int out) {
    struct ordo_folder folder;
    struct ordo_problem problem;
    struct ordo_prng prng;
    if (ordo_folder_open(&folder, path, &problem) != ORDO_OK) {
        fprintf(stderr, "%s\n", problem.text);
        return 1;
    }
    ordo_prng_init(&prng, folder.identity.incarnation);
    for (uint64_t turn = folder.identity.turn + 1;; turn++) {
        struct ordo_batch batch = {0}, background = {0};
        struct ordo_buffer row = {0};
        ordo_turn_row_encode(&row, &(struct ordo_turn_row){.turn = turn});
        ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&row));
        add_value(&batch, ORDO_CF_OPS, turn, 8 + (size_t)ordo_prng_below(&prng, 8192) * 8, &prng);
        if (ordo_prng_below(&prng, 3) == 0) {
            add_value(&background, ORDO_CF_SNAPSHOTS, turn, 65536, &prng);
            if (folder.store->ops->write(folder.store, &background, false) != ORDO_OK) return 1;
        }
        if (folder.store->ops->write(folder.store, &batch, true) != ORDO_OK) return 1;
        if (write(out, &turn, sizeof turn) != sizeof turn) return 1;
        ordo_batch_finish(&batch);
        ordo_batch_finish(&background);
        ordo_buffer_finish(&row);
    }
}

/* ---- the test */

static char root[PATH_MAX], watched[PATH_MAX], store[PATH_MAX];

static int set_up(void **state) {
    (void)state;
    scratch_make(root);
    scratch_join(watched, root, "root");
    scratch_join(store, watched, "store");
    return mkdir(watched, 0755);
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove(root);
    return 0;
}

/* Runs the writer until it has acknowledged `turns` more, kills it, and returns the last turn it acknowledged. */
static uint64_t run_writer(uint64_t turns, bool forgets) {
    int ends[2];
    uint64_t turn = 0, last = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char out[16];
        snprintf(out, sizeof out, "%d", ends[1]);
        if (forgets) {
            setenv("LD_PRELOAD", ORDO_FORGETFUL, 1);
            setenv("ORDO_FORGET_ROOT", watched, 1);
            setenv("ORDO_FORGET_FAULTS", "skip_real_sync=1", 1);
            setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1); /* the library comes first */
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        execl("/proc/self/exe", "test_store_kills", store, out, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (uint64_t i = 0; i < turns; i++) {
        assert_int_equal(read(ends[0], &turn, sizeof turn), sizeof turn);
        last = turn;
    }
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &turn, sizeof turn) == sizeof turn) last = turn; /* it said so before it died */
    close(ends[0]);
    return last;
}

static uint64_t rounds(void) {
    const char *given = getenv("ORDO_KILLS");
    return given != NULL ? strtoull(given, NULL, 10) : 8;
}

/* Opens and closes the store; returns its last turn. */
static uint64_t open_store(void) {
    struct ordo_folder folder;
    struct ordo_problem problem;
    ordo_err err = ordo_folder_open(&folder, store, &problem);
    if (err) print_message("%s\n", problem.text);
    assert_int_equal(err, ORDO_OK);
    uint64_t turn = folder.identity.turn;
    ordo_folder_finish(&folder);
    return turn;
}

static void a_killed_writer_leaves_every_acknowledged_turn(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, ordo_random_u64());
    for (uint64_t round = 0; round < rounds(); round++) {
        uint64_t last = run_writer(1 + ordo_prng_below(&prng, 300), false);
        assert_in_range(open_store(), last, last + 1);
    }
}

static void a_power_cut_leaves_every_acknowledged_turn(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, ordo_random_u64());
    for (uint64_t round = 0; round < rounds(); round++) {
        uint64_t last = run_writer(1 + ordo_prng_below(&prng, 300), true);
        uint64_t seed = ordo_prng_next(&prng);
        char command[2 * PATH_MAX];
        snprintf(command, sizeof command, "%s %s --tail %s --seed %llu > /dev/null", ORDO_FORGET, watched,
                 round % 2 ? "random" : "drop", (unsigned long long)seed);
        assert_int_equal(system(command), 0);
        assert_in_range(open_store(), last, last + 1);
    }
}

int main(int argc, char **argv) {
    if (argc == 3) return write_for_ever(argv[1], atoi(argv[2]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_killed_writer_leaves_every_acknowledged_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_power_cut_leaves_every_acknowledged_turn, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
