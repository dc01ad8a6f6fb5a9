/* A store's way into a cluster, with real stores and a directory in a file: who is let in, what waits, and that what the table
 * knows is never taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/directory/cluster_change.h"
#include "common/log.h"
#include "shard/registrar.h"
#include "tests/unit/scratch.h"

enum { WAIT_MS = 20000, LOOK_MS = 50 };

/* A process of shards: the registrar, and what it is given. */
struct process {
    struct ordo_config config;
    struct ordo_troubles troubles;
    struct ordo_registrar *registrar; /* NULL: not running */
};

struct fixture {
    char root[PATH_MAX], store[PATH_MAX], copy[PATH_MAX], folder[PATH_MAX], away[PATH_MAX], url[PATH_MAX + 8];
    void *zmq;
    struct process first, second;
    struct ordo_directory *directory; /* our own view of it */
    struct ordo_cluster *cluster;     /* as it was last seen */
};

/* ---- processes */

static void start(struct fixture *fixture, struct process *process, const char *path) {
    char fault[ORDO_CONFIG_FAULT_SIZE];
    char *arguments[] = {"ordo-shard", "--directory", fixture->url, "--data", (char *)(uintptr_t)path, "--create-cluster",
                         "--disk-reserve-mib", "0", "--no-balance"};
    struct ordo_problem problem = {{0}};
    assert_int_equal(ordo_config_parse(&process->config, sizeof arguments / sizeof *arguments, arguments, fault), ORDO_CONFIG_RUN);
    ordo_troubles_init(&process->troubles);
    const struct ordo_registrar_config config = {.process = &process->config, .zmq = fixture->zmq, .troubles = &process->troubles};
    assert_int_equal(ordo_registrar_start(&config, &problem, &process->registrar), ORDO_OK);
}

static void stop(struct process *process) {
    if (process->registrar == NULL) return;
    ordo_registrar_stop(process->registrar);
    ordo_troubles_finish(&process->troubles);
    process->registrar = NULL;
}

static bool has_failed(const struct process *process, int timeout_ms) {
    struct pollfd fd = {.fd = ordo_registrar_failure_fd(process->registrar), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

static bool has_trouble(struct process *process, const char *sentence) {
    struct ordo_trouble troubles[ORDO_TROUBLES_MAX];
    size_t count = ordo_troubles_read(&process->troubles, ordo_clock_monotonic_ms(), troubles);
    for (size_t i = 0; i < count; i++)
        if (strstr(troubles[i].text, sentence) != NULL) return true;
    return false;
}

static void wait_for_trouble(struct process *process, const char *sentence) {
    for (int waited_ms = 0; !has_trouble(process, sentence); waited_ms += LOOK_MS) {
        assert_true(waited_ms < WAIT_MS);
        assert_false(has_failed(process, LOOK_MS));
    }
}

/* ---- the directory */

static void look(struct fixture *fixture) {
    const struct ordo_directory_view *view = ordo_directory_view(fixture->directory);
    struct ordo_problem problem;
    ordo_cluster_destroy(fixture->cluster);
    fixture->cluster = NULL;
    assert_int_equal(ordo_cluster_decode(view, &fixture->cluster, &problem), ORDO_OK);
    ordo_directory_view_release(view);
}

/* The store that is served, once there is one. */
static struct ordo_store_id wait_for_serving(struct fixture *fixture) {
    for (int waited_ms = 0;; waited_ms += LOOK_MS) {
        look(fixture);
        for (size_t i = 0; i < fixture->cluster->live_count; i++)
            if (fixture->cluster->live[i].data_endpoint[0] != '\0') return fixture->cluster->live[i].id;
        assert_true(waited_ms < WAIT_MS);
        (void)ordo_directory_wait(fixture->directory, fixture->cluster->generation, LOOK_MS);
    }
}

static struct ordo_slot_place place_of(struct fixture *fixture, unsigned slot) {
    look(fixture);
    return fixture->cluster->table.placement.slots[slot];
}

/* ---- folders */

static void copy_folder(const char *from, const char *to) {
    char command[2 * PATH_MAX + 16];
    snprintf(command, sizeof command, "cp -a '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct ordo_problem problem;
    scratch_make(fixture->root);
    scratch_join(fixture->store, fixture->root, "store");
    scratch_join(fixture->copy, fixture->root, "copy");
    scratch_join(fixture->folder, fixture->root, "directory");
    scratch_join(fixture->away, fixture->root, "directory.away");
    snprintf(fixture->url, sizeof fixture->url, "file:%s", fixture->folder);
    fixture->zmq = zmq_ctx_new();
    assert_int_equal(ordo_directory_open(&fixture->directory, fixture->url, NULL, &problem), ORDO_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    stop(&fixture->first);
    stop(&fixture->second);
    ordo_cluster_destroy(fixture->cluster);
    ordo_directory_close(fixture->directory);
    zmq_ctx_term(fixture->zmq);
    scratch_remove(fixture->root);
    free(fixture);
    return 0;
}

/* Founds a cluster with one store, which has run and is stopped. */
static struct ordo_store_id found(struct fixture *fixture) {
    start(fixture, &fixture->first, fixture->store);
    struct ordo_store_id id = wait_for_serving(fixture);
    stop(&fixture->first);
    return id;
}

/* ---- who is let in */

static void the_first_store_of_a_cluster_owns_all_slots_and_serves(void **state) {
    struct fixture *fixture = *state;
    start(fixture, &fixture->first, fixture->store);
    struct ordo_store_id id = wait_for_serving(fixture);
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &fixture->cluster->table.placement.slots[slot];
        assert_true(place->epoch == 1 && ordo_store_id_equal(&place->store, &id));
    }
    assert_false(has_failed(&fixture->first, 0));
}

static void a_copy_of_a_store_that_serves_is_not_served(void **state) {
    struct fixture *fixture = *state;
    struct ordo_store_id id = found(fixture);
    copy_folder(fixture->store, fixture->copy);
    start(fixture, &fixture->first, fixture->store);
    struct ordo_store_id served = wait_for_serving(fixture);
    assert_true(ordo_store_id_equal(&served, &id));

    start(fixture, &fixture->second, fixture->copy);

    wait_for_trouble(&fixture->second, "this folder is a copy of it");
    look(fixture);
    assert_int_equal(fixture->cluster->live_count, 1);
    char first_place[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
    ordo_cluster_place(first_place, fixture->store);
    assert_string_equal(fixture->cluster->live[0].place, first_place);
}

static void a_store_that_was_rolled_back_is_refused_however_often_it_is_tried(void **state) {
    struct fixture *fixture = *state;
    (void)found(fixture);
    copy_folder(fixture->store, fixture->copy); /* a snapshot of its disk */
    for (int life = 0; life < 2; life++) (void)found(fixture);
    uint64_t incarnation = fixture->cluster->stores[0].incarnation;

    for (int try = 0; try < 4; try++) { /* each raises its own incarnation, and would be let in by the third */
        start(fixture, &fixture->second, fixture->copy);
        assert_true(has_failed(&fixture->second, WAIT_MS));
        stop(&fixture->second);
    }

    look(fixture);
    assert_int_equal(fixture->cluster->live_count, 0);
    assert_int_equal(fixture->cluster->stores[0].incarnation, incarnation);
    start(fixture, &fixture->first, fixture->store);
    (void)wait_for_serving(fixture); /* the newer one is let in as ever */
}

/* ---- what waits */

static void a_store_waits_for_a_directory_that_is_away_and_is_claimed_when_it_is_back(void **state) {
    struct fixture *fixture = *state;
    struct ordo_store_id id = found(fixture);
    assert_int_equal(rename(fixture->folder, fixture->away), 0);
    scratch_write(fixture->folder, ordo_slice_of("in the way"));

    start(fixture, &fixture->first, fixture->store);
    wait_for_trouble(&fixture->first, "The directory was not reached yet");
    assert_int_equal(unlink(fixture->folder), 0);
    assert_int_equal(rename(fixture->away, fixture->folder), 0);

    struct ordo_store_id served = wait_for_serving(fixture);
    assert_true(ordo_store_id_equal(&served, &id));
    assert_false(has_failed(&fixture->first, 0));
}

static void a_store_that_serves_is_registered_anew_in_a_directory_that_was_wiped(void **state) {
    struct fixture *fixture = *state;
    start(fixture, &fixture->first, fixture->store);
    struct ordo_store_id id = wait_for_serving(fixture);
    struct ordo_cluster_id cluster = fixture->cluster->table.cluster;

    assert_int_equal(rename(fixture->folder, fixture->away), 0);

    for (int waited_ms = 0; place_of(fixture, 7).epoch == 0 || fixture->cluster->live_count == 0; waited_ms += LOOK_MS) {
        assert_true(waited_ms < WAIT_MS);
        (void)ordo_directory_wait(fixture->directory, fixture->cluster->generation, LOOK_MS);
    }
    assert_true(ordo_cluster_id_equal(&fixture->cluster->table.cluster, &cluster));
    assert_true(ordo_store_id_equal(&fixture->cluster->table.placement.slots[7].store, &id));
    assert_false(has_failed(&fixture->first, 0));
}

/* ---- epochs */

static void a_store_that_lost_a_slot_to_another_is_refused_and_lowers_no_epoch(void **state) {
    struct fixture *fixture = *state;
    struct ordo_store_id id = found(fixture), other = {.bytes = {7}};
    struct ordo_placement later = {0};
    struct ordo_problem problem;
    look(fixture);
    later.slots[7] = (struct ordo_slot_place){.epoch = 5, .store = other};
    assert_int_equal(ordo_cluster_raise(fixture->directory, &fixture->cluster->table.cluster, &other, &later, 1, NULL, &problem), ORDO_OK);

    start(fixture, &fixture->first, fixture->store);

    assert_true(has_failed(&fixture->first, WAIT_MS));
    struct ordo_slot_place place = place_of(fixture, 7);
    assert_int_equal(place.epoch, 5);
    assert_true(ordo_store_id_equal(&place.store, &other));
    place = place_of(fixture, 8);
    assert_true(place.epoch == 1 && ordo_store_id_equal(&place.store, &id));
}

#define WITH_CLUSTER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    ordo_log_init("test", ORDO_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        WITH_CLUSTER(the_first_store_of_a_cluster_owns_all_slots_and_serves),
        WITH_CLUSTER(a_copy_of_a_store_that_serves_is_not_served),
        WITH_CLUSTER(a_store_that_was_rolled_back_is_refused_however_often_it_is_tried),
        WITH_CLUSTER(a_store_waits_for_a_directory_that_is_away_and_is_claimed_when_it_is_back),
        WITH_CLUSTER(a_store_that_serves_is_registered_anew_in_a_directory_that_was_wiped),
        WITH_CLUSTER(a_store_that_lost_a_slot_to_another_is_refused_and_lowers_no_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
