/* tests/unit/directory_conformance.h: what every kind of directory must do, run against each of them.
 *
 * A test that needs another process starts this same program as one (main_of_holder). Waiting is always for a view, or
 * for a line that a holder says; PATIENCE_MS is how long until that counts as never. */
#ifndef ORDO_TESTS_DIRECTORY_CONFORMANCE_H
#define ORDO_TESTS_DIRECTORY_CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/directory/directory.h"

enum { PATIENCE_MS = 20000 };

/* First member of every set-up's fixture. */
struct stage {
    char url[PATH_MAX + 16];
    struct ordo_directory_options options;
    void (*wipe)(void *fixture); /* all that stood in the directory is gone, as if it were made anew */
    struct ordo_directory *one, *two;
    struct ordo_problem problem;
};

static struct stage *stage_of(void **state) { return *state; }

static struct ordo_directory *open_handle(const struct stage *stage) {
    struct ordo_directory *directory;
    struct ordo_problem problem;
    assert_int_equal(ordo_directory_open(&directory, stage->url, &stage->options, &problem), ORDO_OK);
    assert_true(ordo_directory_wait(directory, 0, PATIENCE_MS));
    return directory;
}

static void stage_begin(struct stage *stage) {
    stage->one = open_handle(stage);
    stage->two = open_handle(stage);
}

static void stage_end(struct stage *stage) {
    ordo_directory_close(stage->one);
    ordo_directory_close(stage->two);
}

/* ---- single changes, each on the ground of the newest view */

static ordo_err change_one(struct stage *stage, struct ordo_directory *directory, enum ordo_directory_verb verb,
                           const char *key, const char *value) {
    struct ordo_directory_changes changes = {0};
    const struct ordo_directory_view *view = ordo_directory_view(directory);
    switch (verb) {
    case ORDO_DIRECTORY_CHECK: ordo_directory_check(&changes, key); break;
    case ORDO_DIRECTORY_PUT: ordo_directory_put(&changes, key, ordo_slice_of(value)); break;
    case ORDO_DIRECTORY_PUT_LEASED: ordo_directory_put_leased(&changes, key, ordo_slice_of(value)); break;
    case ORDO_DIRECTORY_DELETE: ordo_directory_delete(&changes, key); break;
    }
    ordo_err err = ordo_directory_change(directory, view, &changes, &stage->problem);
    ordo_directory_view_release(view);
    ordo_directory_changes_finish(&changes);
    return err;
}

static void put(struct stage *stage, struct ordo_directory *directory, const char *key, const char *value) {
    assert_int_equal(change_one(stage, directory, ORDO_DIRECTORY_PUT, key, value), ORDO_OK);
}

static bool view_says(const struct ordo_directory_view *view, const char *key, const char *value) {
    const struct ordo_directory_item *item = ordo_directory_find(view, key);
    if (value == NULL || item == NULL) return value == NULL && item == NULL && view->generation > 0;
    return ordo_slice_equal(item->value, ordo_slice_of(value));
}

static bool says(struct ordo_directory *directory, const char *key, const char *value) {
    const struct ordo_directory_view *view = ordo_directory_view(directory);
    bool is_so = view_says(view, key, value);
    ordo_directory_view_release(view);
    return is_so;
}

/* Waits for a view in which `key` has that value (NULL: is absent). */
static void await_value(struct ordo_directory *directory, const char *key, const char *value) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        uint64_t generation = view->generation;
        bool is_so = view_says(view, key, value);
        if (!is_so && ordo_clock_monotonic_ms() > end_ms) print_message("away: %s\n", view->away_reason);
        ordo_directory_view_release(view);
        if (is_so) return;
        assert_true(ordo_clock_monotonic_ms() < end_ms);
        (void)ordo_directory_wait(directory, generation, 500);
    }
}

/* Waits until the directory counts as away, or as there. */
static void await_away(struct ordo_directory *directory, bool is_away) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        uint64_t generation = view->generation;
        bool is_so = (view->away_since_ms != 0) == is_away;
        bool has_reason = (view->away_reason[0] != '\0') == (view->away_since_ms != 0);
        ordo_directory_view_release(view);
        assert_true(has_reason);
        if (is_so) return;
        assert_true(ordo_clock_monotonic_ms() < end_ms);
        (void)ordo_directory_wait(directory, generation, 500);
    }
}

/* ---- another process that holds a leased key, and says "held" whenever it has put it */

struct holder {
    pid_t pid;
    int out; /* what it says */
};

/* argv: PROGRAM holder URL TTL_MS KEY */
static int main_of_holder(char **argv) {
    struct stage stage = {.options.lease_ttl_ms = (uint32_t)atoi(argv[3])};
    snprintf(stage.url, sizeof stage.url, "%s", argv[2]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct ordo_directory *directory = open_handle(&stage);
    for (;;) {
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        uint64_t generation = view->generation;
        bool is_held = ordo_directory_find(view, argv[4]) != NULL;
        ordo_directory_view_release(view);
        if (!is_held && change_one(&stage, directory, ORDO_DIRECTORY_PUT_LEASED, argv[4], "held") == ORDO_OK) {
            if (write(STDOUT_FILENO, "h", 1) != 1) return 1;
        }
        (void)ordo_directory_wait(directory, generation, 1000);
    }
}

static void holder_await(const struct holder *holder) {
    char word;
    struct pollfd wait = {.fd = holder->out, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    assert_int_equal(read(holder->out, &word, 1), 1);
}

static struct holder holder_start(const struct stage *stage, const char *key) {
    int ends[2];
    char ttl[16];
    snprintf(ttl, sizeof ttl, "%u", stage->options.lease_ttl_ms);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "holder", "holder", stage->url, ttl, key, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    struct holder holder = {.pid = pid, .out = ends[0]};
    holder_await(&holder);
    return holder;
}

static void holder_kill(const struct holder *holder) {
    assert_int_equal(kill(holder->pid, SIGKILL), 0);
    assert_int_equal(waitpid(holder->pid, NULL, 0), holder->pid);
    close(holder->out);
}

/* ---- the tests */

static void what_one_puts_all_see(void **state) {
    struct stage *stage = stage_of(state);
    put(stage, stage->one, "stores/a", "{\"name\": \"a\"}");
    assert_true(says(stage->one, "stores/a", "{\"name\": \"a\"}")); /* who put it sees it at once */
    await_value(stage->two, "stores/a", "{\"name\": \"a\"}");
    put(stage, stage->two, "stores/a", "");
    await_value(stage->one, "stores/a", "");
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_DELETE, "stores/a", NULL), ORDO_OK);
    await_value(stage->two, "stores/a", NULL);
}

static void what_was_put_is_there_for_a_later_handle(void **state) {
    struct stage *stage = stage_of(state);
    put(stage, stage->one, "b", "2");
    put(stage, stage->one, "a", "1");
    put(stage, stage->one, "c/d", "3");
    stage_end(stage);
    stage_begin(stage);
    const struct ordo_directory_view *view = ordo_directory_view(stage->one);
    assert_int_equal(view->count, 3);
    assert_string_equal(view->items[0].key, "a");
    assert_string_equal(view->items[1].key, "b");
    assert_string_equal(view->items[2].key, "c/d");
    assert_true(view_says(view, "a", "1") && view_says(view, "b", "2") && view_says(view, "c/d", "3"));
    ordo_directory_view_release(view);
}

static void a_change_on_the_ground_of_an_old_view_is_refused(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    put(stage, stage->one, "table", "old");
    const struct ordo_directory_view *old = ordo_directory_view(stage->one);
    put(stage, stage->one, "table", "new");

    ordo_directory_put(&changes, "table", ordo_slice_of("newest"));
    assert_int_equal(ordo_directory_change(stage->one, old, &changes, &stage->problem), ORDO_ERR_CONFLICT);

    assert_true(view_says(old, "table", "old")); /* nobody changes a view */
    ordo_directory_regardless(&changes);
    assert_int_equal(ordo_directory_change(stage->one, old, &changes, &stage->problem), ORDO_OK);
    assert_true(says(stage->one, "table", "newest"));
    ordo_directory_view_release(old);
    ordo_directory_changes_finish(&changes);
}

static void what_was_absent_must_still_be(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    const struct ordo_directory_view *empty = ordo_directory_view(stage->one);
    put(stage, stage->one, "table", "");

    ordo_directory_put(&changes, "table", ordo_slice_of("mine"));
    assert_int_equal(ordo_directory_change(stage->one, empty, &changes, &stage->problem), ORDO_ERR_CONFLICT);

    assert_true(says(stage->one, "table", ""));
    ordo_directory_view_release(empty);
    ordo_directory_changes_finish(&changes);
}

static void what_was_there_must_still_be(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    put(stage, stage->one, "table", "old");
    const struct ordo_directory_view *old = ordo_directory_view(stage->one);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_DELETE, "table", NULL), ORDO_OK);

    ordo_directory_delete(&changes, "table");
    assert_int_equal(ordo_directory_change(stage->one, old, &changes, &stage->problem), ORDO_ERR_CONFLICT);

    ordo_directory_view_release(old);
    ordo_directory_changes_finish(&changes);
}

static void several_keys_change_together_or_not_at_all(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    put(stage, stage->one, "a", "1");
    put(stage, stage->one, "gone", "soon");
    const struct ordo_directory_view *view = ordo_directory_view(stage->one);
    ordo_directory_check(&changes, "a");
    ordo_directory_put(&changes, "b", ordo_slice_of("2"));
    ordo_directory_put_leased(&changes, "c", ordo_slice_of("3"));
    ordo_directory_delete(&changes, "gone");

    put(stage, stage->one, "a", "other");
    assert_int_equal(ordo_directory_change(stage->one, view, &changes, &stage->problem), ORDO_ERR_CONFLICT);
    assert_true(says(stage->one, "b", NULL) && says(stage->one, "c", NULL) && says(stage->one, "gone", "soon"));

    put(stage, stage->one, "a", "1");
    assert_int_equal(ordo_directory_change(stage->one, view, &changes, &stage->problem), ORDO_OK);
    assert_true(says(stage->one, "b", "2") && says(stage->one, "c", "3") && says(stage->one, "gone", NULL));
    ordo_directory_view_release(view);
    ordo_directory_changes_finish(&changes);
}

static void keys_and_values_have_limits(void **state) {
    struct stage *stage = stage_of(state);
    char key[ORDO_DIRECTORY_KEY_SIZE_MAX + 2];
    memset(key, 'k', sizeof key);
    key[ORDO_DIRECTORY_KEY_SIZE_MAX + 1] = '\0';
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, key, "v"), ORDO_ERR_INVALID);
    key[ORDO_DIRECTORY_KEY_SIZE_MAX] = '\0';
    put(stage, stage->one, key, "v");
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "", "v"), ORDO_ERR_INVALID);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "a b", "v"), ORDO_ERR_INVALID);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "\xc3\xa4", "v"), ORDO_ERR_INVALID);

    char *value = calloc(1, ORDO_DIRECTORY_VALUE_SIZE_MAX + 2);
    memset(value, 'v', ORDO_DIRECTORY_VALUE_SIZE_MAX + 1);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "large", value), ORDO_ERR_TOO_LARGE);
    value[ORDO_DIRECTORY_VALUE_SIZE_MAX] = '\0';
    put(stage, stage->one, "large", value);
    await_value(stage->two, "large", value);
    free(value);
}

static void as_many_changes_as_are_allowed_fit_into_one_step(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    char key[32];
    for (int i = 0; i < ORDO_DIRECTORY_CHANGES_MAX; i++) {
        snprintf(key, sizeof key, "moves/%04d", i);
        ordo_directory_put(&changes, key, ordo_slice_of("{}"));
    }
    const struct ordo_directory_view *view = ordo_directory_view(stage->one);
    assert_int_equal(ordo_directory_change(stage->one, view, &changes, &stage->problem), ORDO_OK);
    ordo_directory_view_release(view);
    ordo_directory_changes_finish(&changes);
    await_value(stage->two, key, "{}");
    size_t count;
    view = ordo_directory_view(stage->two);
    assert_string_equal(ordo_directory_range(view, "moves/", &count)->key, "moves/0000");
    assert_int_equal(count, ORDO_DIRECTORY_CHANGES_MAX);
    (void)ordo_directory_range(view, "movies", &count);
    assert_int_equal(count, 0);
    ordo_directory_view_release(view);
}

static void news_wake_who_waits(void **state) {
    struct stage *stage = stage_of(state);
    struct pollfd wait = {.fd = ordo_directory_event_fd(stage->two), .events = POLLIN};
    const struct ordo_directory_view *view = ordo_directory_view(stage->two);
    uint64_t generation = view->generation;
    ordo_directory_view_release(view);
    ordo_directory_calm(stage->two);
    assert_false(ordo_directory_wait(stage->two, generation, 0));
    assert_int_equal(poll(&wait, 1, 0), 0);

    put(stage, stage->one, "a", "1");

    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    assert_true(ordo_directory_wait(stage->two, generation, PATIENCE_MS));
    ordo_directory_calm(stage->two);
    assert_int_equal(poll(&wait, 1, 0), 0);
}

/* ---- leases */

static void a_lease_is_given_up_with_its_handle(void **state) {
    struct stage *stage = stage_of(state);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    put(stage, stage->one, "stores/a", "1");
    await_value(stage->two, "live/a", "1");
    uint64_t begin_ms = ordo_clock_monotonic_ms();

    ordo_directory_close(stage->one);

    await_value(stage->two, "live/a", NULL);
    assert_true(ordo_clock_monotonic_ms() - begin_ms < stage->options.lease_ttl_ms);
    assert_true(says(stage->two, "stores/a", "1"));
    stage->one = open_handle(stage);
}

static void a_lease_is_renewed_as_long_as_its_holder_lives(void **state) {
    struct stage *stage = stage_of(state);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    await_value(stage->two, "live/a", "1");
    uint64_t end_ms = ordo_clock_monotonic_ms() + 3 * stage->options.lease_ttl_ms;
    for (uint64_t now_ms; (now_ms = ordo_clock_monotonic_ms()) < end_ms;) { /* no view may come: nothing changes */
        const struct ordo_directory_view *view = ordo_directory_view(stage->two);
        uint64_t generation = view->generation;
        assert_true(view_says(view, "live/a", "1"));
        ordo_directory_view_release(view);
        (void)ordo_directory_wait(stage->two, generation, (uint32_t)(end_ms - now_ms));
    }
    assert_true(says(stage->two, "live/a", "1"));
}

static void a_killed_holder_loses_its_lease(void **state) {
    struct stage *stage = stage_of(state);
    struct holder holder = holder_start(stage, "live/a");
    put(stage, stage->one, "other", "stays");
    await_value(stage->one, "live/a", "held");
    holder_kill(&holder);
    await_value(stage->one, "live/a", NULL);
    await_value(stage->two, "live/a", NULL);
    assert_true(says(stage->one, "other", "stays"));
}

static void a_stopped_holder_loses_its_lease_and_sees_so(void **state) {
    struct stage *stage = stage_of(state);
    struct holder holder = holder_start(stage, "live/a");
    await_value(stage->one, "live/a", "held");
    assert_int_equal(kill(holder.pid, SIGSTOP), 0);
    await_value(stage->one, "live/a", NULL);

    assert_int_equal(kill(holder.pid, SIGCONT), 0);

    holder_await(&holder); /* it saw that its key was gone, and put it again */
    await_value(stage->one, "live/a", "held");
    holder_kill(&holder);
    await_value(stage->one, "live/a", NULL);
}

static void a_key_that_was_leased_stays_when_it_is_put_without(void **state) {
    struct stage *stage = stage_of(state);
    struct holder holder = holder_start(stage, "a"), witness = holder_start(stage, "b");
    await_value(stage->one, "a", "held");
    put(stage, stage->one, "a", "for good");
    holder_kill(&holder);
    holder_kill(&witness);
    await_value(stage->one, "b", NULL);
    assert_true(says(stage->one, "a", "for good"));
}

/* ---- many at once */

enum { ADDER_COUNT = 6, ADDITION_COUNT = 20 };

struct adder {
    pthread_t thread;
    struct stage *stage;
    struct ordo_directory *directory;
};

static void add_one(struct adder *adder) {
    for (;;) {
        const struct ordo_directory_view *view = ordo_directory_view(adder->directory);
        const struct ordo_directory_item *item = ordo_directory_find(view, "sum");
        struct ordo_directory_changes changes = {0};
        struct ordo_problem problem;
        char text[32];
        int sum = item != NULL ? atoi((const char *)item->value.data) : 0;
        int size = snprintf(text, sizeof text, "%d", sum + 1);
        ordo_directory_put(&changes, "sum", ordo_slice(text, (size_t)size + 1)); /* with its NUL */
        ordo_err err = ordo_directory_change(adder->directory, view, &changes, &problem);
        uint64_t generation = view->generation;
        ordo_directory_view_release(view);
        ordo_directory_changes_finish(&changes);
        if (err == ORDO_OK) return;
        ORDO_ASSERT(err == ORDO_ERR_CONFLICT);
        (void)ordo_directory_wait(adder->directory, generation, 200);
    }
}

static void *add_many(void *context) {
    for (int i = 0; i < ADDITION_COUNT; i++) add_one(context);
    return NULL;
}

static void of_many_who_change_one_key_nobody_is_overwritten(void **state) {
    struct stage *stage = stage_of(state);
    struct adder adders[ADDER_COUNT];
    for (int i = 0; i < ADDER_COUNT; i++) {
        adders[i] = (struct adder){.stage = stage, .directory = i % 2 ? stage->one : stage->two};
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_many, &adders[i]), 0);
    }
    for (int i = 0; i < ADDER_COUNT; i++) pthread_join(adders[i].thread, NULL);
    const struct ordo_directory_item *item;
    char text[32];
    const struct ordo_directory_view *view = ordo_directory_view(stage->one);
    snprintf(text, sizeof text, "%d", ADDER_COUNT * ADDITION_COUNT);
    uint64_t end_ms = ordo_clock_monotonic_ms() + PATIENCE_MS;
    while ((item = ordo_directory_find(view, "sum")) == NULL || strcmp((const char *)item->value.data, text) != 0) {
        uint64_t generation = view->generation;
        ordo_directory_view_release(view);
        assert_true(ordo_clock_monotonic_ms() < end_ms);
        (void)ordo_directory_wait(stage->one, generation, 500);
        view = ordo_directory_view(stage->one);
    }
    ordo_directory_view_release(view);
}

/* ---- a directory that is made anew */

static void a_wiped_directory_is_an_empty_one(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    put(stage, stage->one, "table", "old");
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    await_value(stage->two, "live/a", "1");
    const struct ordo_directory_view *old = ordo_directory_view(stage->one);

    stage->wipe(stage);

    await_value(stage->one, "table", NULL);
    await_value(stage->one, "live/a", NULL);
    await_value(stage->two, "live/a", NULL);
    await_away(stage->one, false);
    ordo_directory_put(&changes, "table", ordo_slice_of("newer")); /* what was seen in the old one counts for nothing */
    assert_int_equal(ordo_directory_change(stage->one, old, &changes, &stage->problem), ORDO_ERR_CONFLICT);
    put(stage, stage->two, "table", "new");
    await_value(stage->one, "table", "new");
    assert_int_equal(ordo_directory_change(stage->one, old, &changes, &stage->problem), ORDO_ERR_CONFLICT);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "2"), ORDO_OK);
    await_value(stage->two, "live/a", "2");
    ordo_directory_view_release(old);
    ordo_directory_changes_finish(&changes);
}

#define DIRECTORY_CONFORMANCE(set_up, tear_down)                                                                       \
    cmocka_unit_test_setup_teardown(what_one_puts_all_see, set_up, tear_down),                                         \
        cmocka_unit_test_setup_teardown(what_was_put_is_there_for_a_later_handle, set_up, tear_down),                  \
        cmocka_unit_test_setup_teardown(a_change_on_the_ground_of_an_old_view_is_refused, set_up, tear_down),          \
        cmocka_unit_test_setup_teardown(what_was_absent_must_still_be, set_up, tear_down),                             \
        cmocka_unit_test_setup_teardown(what_was_there_must_still_be, set_up, tear_down),                              \
        cmocka_unit_test_setup_teardown(several_keys_change_together_or_not_at_all, set_up, tear_down),                \
        cmocka_unit_test_setup_teardown(keys_and_values_have_limits, set_up, tear_down),                               \
        cmocka_unit_test_setup_teardown(as_many_changes_as_are_allowed_fit_into_one_step, set_up, tear_down),          \
        cmocka_unit_test_setup_teardown(news_wake_who_waits, set_up, tear_down),                                       \
        cmocka_unit_test_setup_teardown(a_lease_is_given_up_with_its_handle, set_up, tear_down),                       \
        cmocka_unit_test_setup_teardown(a_lease_is_renewed_as_long_as_its_holder_lives, set_up, tear_down),            \
        cmocka_unit_test_setup_teardown(a_killed_holder_loses_its_lease, set_up, tear_down),                           \
        cmocka_unit_test_setup_teardown(a_stopped_holder_loses_its_lease_and_sees_so, set_up, tear_down),              \
        cmocka_unit_test_setup_teardown(a_key_that_was_leased_stays_when_it_is_put_without, set_up, tear_down),        \
        cmocka_unit_test_setup_teardown(of_many_who_change_one_key_nobody_is_overwritten, set_up, tear_down),          \
        cmocka_unit_test_setup_teardown(a_wiped_directory_is_an_empty_one, set_up, tear_down)

#endif
