/* What a process of shards says of its health, and when: each way in which it may not be ready, and the one in which it hangs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "shard/probe.h"

/* A host is how it looks. */
struct ordo_host {
    struct ordo_host_view view;
};
void ordo_host_look(struct ordo_host *host, uint64_t monotonic_ms, struct ordo_host_view *out) {
    (void)monotonic_ms;
    *out = host->view;
}

static struct ordo_troubles troubles;
static struct ordo_host hosts[2];

static int setup(void **state) {
    ordo_troubles_init(&troubles);
    for (size_t i = 0; i < 2; i++)
        hosts[i] = (struct ordo_host){.view = {.name = i == 0 ? "a" : "b\"\n", .is_serving = true, .incarnation = i + 1}};
    *state = ordo_probe_create(&troubles);
    return 0;
}
static int teardown(void **state) {
    ordo_probe_destroy(*state);
    ordo_troubles_finish(&troubles);
    return 0;
}

static struct ordo_buffer body;
static const char *ask(struct ordo_probe *probe, const char *path, unsigned status) {
    const char *type = "";
    ordo_buffer_clear(&body);
    assert_int_equal(ordo_probe_answer(probe, ordo_slice_of(path), &type, &body), status);
    ordo_buffer_append_u8(&body, 0);
    return (const char *)body.data;
}

static void it_is_ready_when_every_store_serves(void **state) {
    struct ordo_probe *probe = *state;
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: no store is open yet\n");
    ordo_probe_add(probe, &hosts[0]);
    assert_string_equal(ask(probe, "/readyz", 200), "ready\n");
    hosts[1].view.is_serving = false;
    ordo_probe_add(probe, &hosts[1]);
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: a store is open and does not serve yet\n");
    hosts[1].view.is_serving = true;
    assert_string_equal(ask(probe, "/readyz", 200), "ready\n");
    hosts[1].view.is_disk_full = true;
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: a disk is full\n");
    ordo_probe_remove(probe, &hosts[1]);
    ordo_probe_remove(probe, &hosts[1]); /* does no harm */
    assert_string_equal(ask(probe, "/readyz", 200), "ready\n");
    ordo_probe_stopping(probe);
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: it is about to stop\n");
    assert_string_equal(ask(probe, "/healthz", 200), "ok\n");
}

static void the_directory_has_a_say_while_it_is_there(void **state) {
    struct ordo_probe *probe = *state;
    ordo_probe_add(probe, &hosts[0]);
    struct ordo_probe_cluster cluster = {.has_directory = true};
    ordo_probe_set_cluster(probe, &cluster);
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: the directory does not show a store as this process's\n");
    cluster.is_registered = cluster.is_draining = true;
    ordo_probe_set_cluster(probe, &cluster);
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: a store is being drained\n");
    cluster.is_away = true; /* what it said last may be old: edits go on */
    ordo_probe_set_cluster(probe, &cluster);
    assert_string_equal(ask(probe, "/readyz", 200), "ready\n");
}

static void a_loop_that_hangs_is_told_from_one_that_waits_for_the_disk(void **state) {
    struct ordo_probe *probe = *state;
    ordo_probe_add(probe, &hosts[0]);
    hosts[0].view.figures.age_ms = 31000;
    hosts[0].view.stalled_ms = 30500;
    assert_string_equal(ask(probe, "/healthz", 200), "ok\n");
    assert_string_equal(ask(probe, "/readyz", 503), "not ready: a disk does not answer\n");
    hosts[0].view.stalled_ms = 0;
    assert_string_equal(ask(probe, "/healthz", 503), "the loop of a has not turned for 30 s\n");
    hosts[0].view.is_serving = false; /* has none yet */
    assert_string_equal(ask(probe, "/healthz", 200), "ok\n");
}

static void each_store_has_its_figures(void **state) {
    struct ordo_probe *probe = *state;
    ordo_probe_add(probe, &hosts[0]);
    ordo_probe_add(probe, &hosts[1]);
    hosts[1].view.figures.stats.ops_committed = 7;
    hosts[1].view.stalled_ms = 250;
    hosts[0].view.figures.stats.nacks[5] = 3;
    ordo_troubles_set(&troubles, "x", "Something is odd.");
    const char *text = ask(probe, "/metrics", 200);
    assert_non_null(strstr(text, "\nordo_shard_ops_committed_total{store=\"a\"} 0\n"
                                 "ordo_shard_ops_committed_total{store=\"b\\\"\\n\"} 7\n"));
    assert_non_null(strstr(text, "\nordo_shard_nacks_total{store=\"a\",code=\"REPLAYED\"} 3\n"));
    assert_non_null(strstr(text, "\nordo_shard_disk_stalled_seconds{store=\"b\\\"\\n\"} 0.25\n"));
    assert_non_null(strstr(text, "\nordo_shard_stores 2\n"));
    assert_non_null(strstr(text, "\nordo_shard_troubles 1\n"));
    assert_non_null(strstr(text, "# TYPE ordo_shard_directory_up gauge\n# HELP")); /* no directory, no value */
    ordo_probe_set_cluster(probe, &(struct ordo_probe_cluster){.has_directory = true, .slots_unserved = 5});
    text = ask(probe, "/metrics", 200);
    assert_non_null(strstr(text, "\nordo_shard_directory_up 1\n"));
    assert_non_null(strstr(text, "\nordo_shard_cluster_slots_unserved 5\n"));
    ask(probe, "/metrics/", 404);
    ordo_buffer_finish(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(it_is_ready_when_every_store_serves),
        T(the_directory_has_a_say_while_it_is_there),
        T(a_loop_that_hangs_is_told_from_one_that_waits_for_the_disk),
        T(each_store_has_its_figures),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
