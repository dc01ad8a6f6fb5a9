/* The directory in etcd: the conformance suite against a real one, and what only servers can suffer. Skipped, with a
 * message, where there is no etcd (Debian: etcd-server). */
#include "tests/unit/directory_conformance.h"

#include "tests/unit/etcd_process.h"

enum { SKIPPED = 77 }; /* tells ctest, see CMakeLists.txt */

struct fixture {
    struct stage stage; /* first */
};

struct trio {
    struct stage stage; /* first */
    struct etcd_process members[3];
};

static struct etcd_process etcd; /* one for all tests: each has a name of its own in it */
static int name_count;

static void wipe(void *fixture) {
    (void)fixture;
    etcd_wipe(&etcd);
}

static void set_url(struct stage *stage) {
    snprintf(stage->url, sizeof stage->url, "etcd:http://127.0.0.1:%d/test-%d", etcd.client_port, ++name_count);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->stage.options = (struct ordo_directory_options){.lease_ttl_ms = 2000, .timeout_ms = 2000};
    fixture->stage.wipe = wipe;
    set_url(&fixture->stage);
    stage_begin(&fixture->stage);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    stage_end(&fixture->stage);
    free(fixture);
    return 0;
}

static void while_etcd_is_away_the_last_view_stays(void **state) {
    struct stage *stage = stage_of(state);
    put(stage, stage->one, "table", "1");
    await_value(stage->two, "table", "1");

    etcd_kill(&etcd);

    await_away(stage->one, true);
    await_away(stage->two, true);
    assert_true(says(stage->one, "table", "1") && says(stage->two, "table", "1"));
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "table", "2"), ORDO_ERR_UNAVAILABLE);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "2"), ORDO_ERR_UNAVAILABLE);
    etcd_start(&etcd);
    await_away(stage->one, false);
    await_away(stage->two, false);
    assert_true(says(stage->one, "table", "1"));
    put(stage, stage->one, "table", "3");
    await_value(stage->two, "table", "3");
}

static void a_handle_may_be_opened_before_etcd_is_there(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory *early;
    put(stage, stage->one, "table", "1");
    etcd_kill(&etcd);
    assert_int_equal(ordo_directory_open(&early, stage->url, &stage->options, &stage->problem), ORDO_OK);
    assert_false(ordo_directory_wait(early, 0, 300));
    const struct ordo_directory_view *view = ordo_directory_view(early);
    assert_true(view->generation == 0 && view->count == 0 && view->away_since_ms != 0);
    ordo_directory_view_release(view);
    etcd_start(&etcd);
    await_value(early, "table", "1");
    ordo_directory_close(early);
}

static void a_lease_outlives_a_short_outage(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory *patient;
    struct stage long_lease = *stage;
    long_lease.options.lease_ttl_ms = 60000;
    patient = open_handle(&long_lease);
    assert_int_equal(change_one(stage, patient, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    etcd_kill(&etcd);
    await_away(patient, true);
    etcd_start(&etcd);
    await_away(patient, false);
    put(stage, patient, "after", "1");
    assert_true(says(patient, "live/a", "1"));
    ordo_directory_close(patient);
    await_value(stage->two, "live/a", NULL);
}

/* What was asked of a stopped etcd may still come between. */
static ordo_err change_until_settled(struct stage *stage, const char *key, const char *value) {
    ordo_err err = ORDO_ERR_CONFLICT;
    for (int tries = 0; tries < 20 && err == ORDO_ERR_CONFLICT; tries++) {
        const struct ordo_directory_view *view = ordo_directory_view(stage->one);
        uint64_t generation = view->generation;
        ordo_directory_view_release(view);
        err = change_one(stage, stage->one, ORDO_DIRECTORY_PUT, key, value);
        if (err == ORDO_ERR_CONFLICT) (void)ordo_directory_wait(stage->one, generation, 500);
    }
    return err;
}

static void a_stopped_etcd_is_away(void **state) {
    struct stage *stage = stage_of(state);
    put(stage, stage->one, "table", "1");
    await_value(stage->two, "table", "1");
    assert_int_equal(kill(etcd.pid, SIGSTOP), 0);
    await_away(stage->two, true);
    uint64_t begin_ms = ordo_clock_monotonic_ms();
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "table", "2"), ORDO_ERR_UNAVAILABLE);
    assert_true(ordo_clock_monotonic_ms() - begin_ms < stage->options.timeout_ms + 3000);
    assert_true(says(stage->one, "table", "1"));
    assert_int_equal(kill(etcd.pid, SIGCONT), 0);
    await_away(stage->one, false);
    await_away(stage->two, false);
    assert_int_equal(change_until_settled(stage, "table", "3"), ORDO_OK); /* whether the other was made is not known */
    await_value(stage->one, "table", "3");
    await_value(stage->two, "table", "3");
}

static void close_does_not_wait_for_an_etcd_that_is_away(void **state) {
    struct stage *stage = stage_of(state);
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    etcd_kill(&etcd);
    await_away(stage->one, true);
    uint64_t begin_ms = ordo_clock_monotonic_ms();
    ordo_directory_close(stage->one);
    assert_true(ordo_clock_monotonic_ms() - begin_ms < 5000);
    etcd_start(&etcd);
    await_value(stage->two, "live/a", NULL); /* a restarted etcd gives each lease its whole time again */
    stage->one = open_handle(stage);
}

static void of_several_endpoints_one_that_answers_is_enough(void **state) {
    struct stage *stage = stage_of(state);
    struct stage other = {.options = stage->options};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* takes connections and says nothing */
    socklen_t size = sizeof address;
    assert_int_equal(bind(silent, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(silent, 8), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &size), 0);
    snprintf(other.url, sizeof other.url, "etcd:http://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/test-%d", free_port(),
             ntohs(address.sin_port), etcd.client_port, name_count);
    put(stage, stage->one, "table", "1");
    struct ordo_directory *directory = open_handle(&other);
    assert_true(says(directory, "table", "1"));
    put(&other, directory, "table", "2");
    await_value(stage->two, "table", "2");
    ordo_directory_close(directory);
    close(silent);
}

static void a_wiped_etcd_that_has_come_further_is_an_empty_one(void **state) {
    struct stage *stage = stage_of(state);
    put(stage, stage->one, "table", "1");
    await_value(stage->two, "table", "1");
    struct stage busy = {.options = stage->options};
    etcd_wipe(&etcd);
    set_url(&busy);
    busy.one = open_handle(&busy); /* revisions count on, so that old ones seem to be of the past */
    for (int i = 0; i < 40; i++) put(&busy, busy.one, "a", i % 2 ? "1" : "2");
    await_value(stage->one, "table", NULL);
    await_value(stage->two, "table", NULL);
    ordo_directory_close(busy.one);
}

static void a_directory_is_only_what_stands_under_its_name(void **state) {
    struct stage *stage = stage_of(state);
    struct stage other = {.options = stage->options};
    snprintf(other.url, sizeof other.url, "etcd:http://127.0.0.1:%d/test-%d-and-more", etcd.client_port, name_count);
    stage_begin(&other);
    put(&other, other.one, "a", "1");
    put(stage, stage->one, "b", "2");
    await_value(stage->two, "b", "2");
    await_value(other.two, "a", "1");
    assert_true(says(stage->one, "a", NULL) && says(stage->two, "a", NULL) && says(other.one, "b", NULL));
    stage_end(&other);
}

static void more_than_etcd_takes_at_once_is_refused(void **state) {
    struct stage *stage = stage_of(state);
    struct ordo_directory_changes changes = {0};
    char *value = calloc(1, ORDO_DIRECTORY_VALUE_SIZE_MAX), key[16];
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "%d", i);
        ordo_directory_put(&changes, key, ordo_slice(value, ORDO_DIRECTORY_VALUE_SIZE_MAX));
    }
    const struct ordo_directory_view *view = ordo_directory_view(stage->one);
    ordo_err err = ORDO_ERR_UNAVAILABLE; /* on a busy machine it may take so much longer than a change may take */
    for (int i = 0; i < 10 && err == ORDO_ERR_UNAVAILABLE; i++)
        err = ordo_directory_change(stage->one, view, &changes, &stage->problem);
    assert_int_equal(err, ORDO_ERR_TOO_LARGE);
    assert_non_null(strstr(stage->problem.text, "larger than"));
    ordo_directory_view_release(view);
    ordo_directory_changes_finish(&changes);
    free(value);
}

/* ---- several members */

static int set_up_three(void **state) {
    struct trio *trio = calloc(1, sizeof *trio);
    etcd_init(trio->members, 3);
    trio->stage.options = (struct ordo_directory_options){.lease_ttl_ms = 6000, .timeout_ms = 3000};
    snprintf(trio->stage.url, sizeof trio->stage.url, "etcd:http://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/test",
             trio->members[0].client_port, trio->members[1].client_port, trio->members[2].client_port);
    stage_begin(&trio->stage);
    *state = trio;
    return 0;
}

static int tear_down_three(void **state) {
    struct trio *trio = *state;
    stage_end(&trio->stage);
    for (size_t i = 0; i < 3; i++) etcd_finish(&trio->members[i]);
    free(trio);
    return 0;
}

/* A change may meet the moment in which a member is gone or a leader is chosen; what came of it is seen later. */
static void put_in_the_end(struct stage *stage, struct ordo_directory *directory, const char *key, const char *value) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        uint64_t generation = view->generation;
        ordo_directory_view_release(view);
        ordo_err err = change_one(stage, directory, ORDO_DIRECTORY_PUT, key, value);
        if (err == ORDO_OK) return;
        assert_true(err == ORDO_ERR_UNAVAILABLE || err == ORDO_ERR_CONFLICT);
        assert_true(ordo_clock_monotonic_ms() < end_ms);
        (void)ordo_directory_wait(directory, generation, 200);
    }
}

static void of_three_members_any_one_may_be_missing(void **state) {
    struct trio *trio = *state;
    struct stage *stage = &trio->stage;
    char value[16];
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT_LEASED, "live/a", "1"), ORDO_OK);
    for (int i = 0; i < 3; i++) { /* killed, then stopped: that one keeps its connections and says nothing */
        struct etcd_process *member = &trio->members[i];
        etcd_kill(member);
        snprintf(value, sizeof value, "killed %d", i);
        put_in_the_end(stage, stage->one, "table", value);
        await_value(stage->two, "table", value);
        etcd_start(member);
        snprintf(value, sizeof value, "started %d", i);
        put_in_the_end(stage, stage->two, "table", value);
        await_value(stage->one, "table", value);
    }
    assert_int_equal(kill(trio->members[0].pid, SIGSTOP), 0);
    put_in_the_end(stage, stage->one, "table", "stopped");
    await_value(stage->two, "table", "stopped");
    assert_int_equal(kill(trio->members[0].pid, SIGCONT), 0);
    put_in_the_end(stage, stage->one, "table", "goes on");
    await_value(stage->two, "table", "goes on");
    await_value(stage->two, "live/a", "1"); /* through all of it */
}

static void without_a_majority_etcd_is_away(void **state) {
    struct trio *trio = *state;
    struct stage *stage = &trio->stage;
    put(stage, stage->one, "table", "1");
    await_value(stage->two, "table", "1");
    etcd_kill(&trio->members[0]);
    etcd_kill(&trio->members[2]);
    await_away(stage->one, true);
    await_away(stage->two, true);
    assert_true(says(stage->one, "table", "1"));
    assert_int_equal(change_one(stage, stage->one, ORDO_DIRECTORY_PUT, "table", "2"), ORDO_ERR_UNAVAILABLE);
    etcd_start(&trio->members[2]);
    await_away(stage->one, false);
    await_away(stage->two, false);
    put_in_the_end(stage, stage->two, "table", "3");
    await_value(stage->one, "table", "3");
}

static int start_etcd(void **state) {
    (void)state;
    etcd_init(&etcd, 1);
    return 0;
}

static int stop_etcd(void **state) {
    (void)state;
    etcd_finish(&etcd);
    return 0;
}

#define WITH_ETCD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "holder") == 0) return main_of_holder(argv);
    if (!etcd_is_installed()) {
        print_message("skipped: there is no etcd here (Debian: etcd-server)\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        DIRECTORY_CONFORMANCE(set_up, tear_down),
        WITH_ETCD(while_etcd_is_away_the_last_view_stays),
        WITH_ETCD(a_handle_may_be_opened_before_etcd_is_there),
        WITH_ETCD(a_lease_outlives_a_short_outage),
        WITH_ETCD(a_stopped_etcd_is_away),
        WITH_ETCD(close_does_not_wait_for_an_etcd_that_is_away),
        WITH_ETCD(of_several_endpoints_one_that_answers_is_enough),
        WITH_ETCD(a_wiped_etcd_that_has_come_further_is_an_empty_one),
        WITH_ETCD(a_directory_is_only_what_stands_under_its_name),
        WITH_ETCD(more_than_etcd_takes_at_once_is_refused),
        cmocka_unit_test_setup_teardown(of_three_members_any_one_may_be_missing, set_up_three, tear_down_three),
        cmocka_unit_test_setup_teardown(without_a_majority_etcd_is_away, set_up_three, tear_down_three),
    };
    return cmocka_run_group_tests(tests, start_etcd, stop_etcd);
}
