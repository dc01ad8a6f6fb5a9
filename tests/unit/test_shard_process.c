/* The real process: serves, survives being killed, keeps its store to itself, and stops when the disk cannot be trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/scratch.h"
#include "tests/unit/shard_process.h"

struct fixture {
    char root[PATH_MAX], store[PATH_MAX], control[PATH_MAX], shadow[PATH_MAX];
    struct shard_process shard;
    struct shard_link link;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char root[PATH_MAX];
    scratch_make(root);
    scratch_join(fixture->root, root, "root");
    ORDO_ASSERT(mkdir(fixture->root, 0755) == 0);
    scratch_join(fixture->store, fixture->root, "store");
    scratch_join(fixture->control, root, "faults");
    scratch_join(fixture->shadow, root, "root.durable");
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->link.socket != NULL) shard_link_close(&fixture->link);
    shard_stop(&fixture->shard, SIGKILL);
    *strrchr(fixture->root, '/') = '\0';
    scratch_remove(fixture->root);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture) {
    const char *arguments[] = {"--data", fixture->store, "--log-level", "error", "--disk-reserve-mib", "1",
                               "--disk-headroom-mib", "2", NULL};
    int exit_code = 0;
    assert_true(shard_start(&fixture->shard, arguments, NULL, &exit_code));
}

/* Starts it on a disk that forgets, with faults. */
static void start_on_faulty_disk(struct fixture *fixture, const char *faults) {
    const char *arguments[] = {"--data", fixture->store, "--log-level", "error", "--disk-reserve-mib", "1",
                               "--disk-headroom-mib", "2", NULL};
    const char *environment[] = {"LD_PRELOAD", ORDO_FORGETFUL, "ORDO_FORGET_ROOT", fixture->root,
                                 "ORDO_FORGET_CONTROL", fixture->control, "ORDO_FORGET_FAULTS", faults,
                                 "ASAN_OPTIONS", "verify_asan_link_order=0", NULL}; /* the library comes first */
    int exit_code = 0;
    assert_true(shard_start(&fixture->shard, arguments, environment, &exit_code));
}

static void set_faults(struct fixture *fixture, const char *faults) {
    char temporary[PATH_MAX];
    scratch_join(temporary, fixture->root, "../faults.new");
    scratch_write(temporary, ordo_slice_of(faults));
    assert_int_equal(rename(temporary, fixture->control), 0);
}

static void cut_power(struct fixture *fixture) {
    char command[2 * PATH_MAX];
    assert_int_equal(shard_stop(&fixture->shard, SIGKILL), -SIGKILL);
    snprintf(command, sizeof command, "%s %s > /dev/null", ORDO_FORGET, fixture->root);
    assert_int_equal(system(command), 0);
}

/* Connects and opens document "a" as subscriber 1; returns its head. */
static uint64_t attach(struct fixture *fixture) {
    if (fixture->link.socket != NULL) shard_link_close(&fixture->link);
    shard_link_open(&fixture->link, &fixture->shard);
    shard_link_attach(&fixture->link, 1, "a");
    const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
    assert_non_null(answer);
    assert_int_equal(answer->body_case, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_ATTACHED);
    return answer->attached->head;
}

/* Submits and expects the commit as `expected_seq`. */
static void commit(struct fixture *fixture, uint64_t client_seq, uint64_t base_seq, uint64_t expected_seq) {
    shard_link_submit(&fixture->link, 1, client_seq, base_seq, "text ");
    const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
    assert_non_null(answer);
    assert_int_equal(answer->body_case, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT);
    assert_int_equal(answer->commit->seq, expected_seq);
    assert_int_equal(answer->commit->author, 1);
    assert_int_equal(answer->commit->client_seq, client_seq);
}

static void an_acked_op_is_there_after_a_kill(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t head = attach(fixture);
    for (uint64_t i = 1; i <= 20; i++) commit(fixture, i, head + i - 1, head + i);
    assert_int_equal(shard_stop(&fixture->shard, SIGKILL), -SIGKILL);
    start(fixture);
    assert_int_equal(attach(fixture), head + 20);
    commit(fixture, 21, head + 20, head + 21);
}

static void a_resent_op_is_acked_with_its_first_place_after_a_restart(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t head = attach(fixture);
    commit(fixture, 1, head, head + 1);
    assert_int_equal(shard_stop(&fixture->shard, SIGKILL), -SIGKILL);
    start(fixture);
    assert_int_equal(attach(fixture), head + 1);
    shard_link_submit(&fixture->link, 1, 1, head, "text ");
    const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
    assert_non_null(answer);
    assert_int_equal(answer->body_case, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DUPLICATE);
    assert_int_equal(answer->duplicate->server_seq, head + 1);
}

static void a_term_signal_ends_it_cleanly(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t head = attach(fixture);
    commit(fixture, 1, head, head + 1);
    assert_int_equal(shard_stop(&fixture->shard, SIGTERM), 0);
    start(fixture);
    assert_int_equal(attach(fixture), head + 1);
    assert_int_equal(shard_stop(&fixture->shard, SIGINT), 0);
}

static void a_second_process_is_refused_the_store(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    struct shard_process second = {0};
    const char *arguments[] = {"--data", fixture->store, NULL};
    int exit_code = 0;
    assert_false(shard_start(&second, arguments, NULL, &exit_code));
    assert_int_equal(exit_code, 1);
    assert_true(attach(fixture) > 0);
}

static void a_wrong_command_line_exits_with_2(void **state) {
    (void)state;
    const char *wrong[][4] = {{NULL}, {"--data", NULL}, {"--data", "", NULL}, {"--nonsense", "1", NULL},
                              {"--data", "/tmp/x", "--helpers", NULL}, {"--helpers", "1", NULL},
                              {"--log-level", "loud", NULL}, {"--disk-reserve-mib", "-1", NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct shard_process shard = {0};
        int exit_code = 0;
        assert_false(shard_start(&shard, wrong[i], NULL, &exit_code));
        assert_int_equal(exit_code, 2);
    }
}

/* ---- the side link */

static Ordo__Cluster__V1__SideReply *ask_side(void *socket, uint64_t heartbeat, struct ordo_arena *arena) {
    Ordo__Cluster__V1__SideRequest request = ORDO__CLUSTER__V1__SIDE_REQUEST__INIT;
    request.session = 5;
    request.heartbeat = heartbeat;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&request.base, &bytes);
    assert_true(zmq_send(socket, bytes.data, bytes.size, 0) >= 0);
    ordo_buffer_finish(&bytes);
    zmq_msg_t message;
    zmq_msg_init(&message);
    assert_true(zmq_msg_recv(&message, socket, 0) >= 0);
    Ordo__Cluster__V1__SideReply *reply = ordo_message_decode(
        &ordo__cluster__v1__side_reply__descriptor, ordo_slice(zmq_msg_data(&message), zmq_msg_size(&message)), arena);
    zmq_msg_close(&message);
    assert_non_null(reply);
    assert_int_equal(reply->heartbeat, heartbeat);
    return reply;
}

static void garbage_on_the_links_is_passed_over(void **state) {
    struct fixture *fixture = *state;
    start(fixture);
    void *context = zmq_ctx_new();
    void *data = shard_dial(context, fixture->shard.data), *side = shard_dial(context, fixture->shard.side);
    for (int i = 0; i < 50; i++) {
        uint8_t bytes[64];
        ordo_random_bytes(bytes, sizeof bytes);
        assert_true(zmq_send(data, bytes, (size_t)i, 0) >= 0);
        assert_true(zmq_send(side, bytes, (size_t)i, 0) >= 0);
    }
    assert_true(zmq_send(data, "a", 1, ZMQ_SNDMORE) >= 0 && zmq_send(data, "b", 1, 0) >= 0);
    struct ordo_arena arena;
    ordo_arena_init(&arena, 1 << 20);
    zmq_close(side);
    side = shard_dial(context, fixture->shard.side);
    assert_int_equal(ask_side(side, 3, &arena)->disk, ORDO__CLUSTER__V1__DISK_STATE__DISK_OK);
    assert_true(attach(fixture) > 0);
    ordo_arena_finish(&arena);
    zmq_close(data);
    zmq_close(side);
    zmq_ctx_term(context);
}

/* ---- disks that misbehave */

static void heartbeats_are_answered_while_a_sync_stalls(void **state) {
    struct fixture *fixture = *state;
    start_on_faulty_disk(fixture, "skip_real_sync=1");
    uint64_t head = attach(fixture);
    void *side = shard_dial(fixture->link.context, fixture->shard.side);
    struct ordo_arena arena;
    ordo_arena_init(&arena, 1 << 20);
    assert_int_equal(ask_side(side, 1, &arena)->disk, ORDO__CLUSTER__V1__DISK_STATE__DISK_OK);
    set_faults(fixture, "sync_ms=2500,skip_real_sync=1");
    shard_link_submit(&fixture->link, 1, 1, head, "slow");
    bool was_stalled = false;
    for (uint64_t i = 2; !was_stalled; i++) {
        Ordo__Cluster__V1__SideReply *reply = ask_side(side, i, &arena);
        was_stalled = reply->disk == ORDO__CLUSTER__V1__DISK_STATE__DISK_STALLED && reply->stalled_ms >= 1000;
        ordo_arena_reset(&arena);
        poll(NULL, 0, 5);
    }
    const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
    assert_non_null(answer);
    assert_int_equal(answer->body_case, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT);
    set_faults(fixture, "skip_real_sync=1");
    ordo_arena_finish(&arena);
    zmq_close(side);
}

static void a_failed_sync_stops_it_and_nothing_acked_is_lost(void **state) {
    struct fixture *fixture = *state;
    start_on_faulty_disk(fixture, "skip_real_sync=1");
    uint64_t head = attach(fixture);
    for (uint64_t i = 1; i <= 5; i++) commit(fixture, i, head + i - 1, head + i);
    set_faults(fixture, "fail_sync_from=1,skip_real_sync=1");
    shard_link_submit(&fixture->link, 1, 6, head + 5, "never acked");
    assert_int_equal(shard_wait(&fixture->shard), 1);

    /* It starts again on what the kernel still holds, acks on top of that, and then the power goes. */
    set_faults(fixture, "skip_real_sync=1");
    start_on_faulty_disk(fixture, "");
    uint64_t again = attach(fixture);
    assert_true(again == head + 5 || again == head + 6);
    commit(fixture, 7, again, again + 1);
    cut_power(fixture);
    start(fixture);
    assert_int_equal(attach(fixture), again + 1);
}

static void power_cuts_lose_nothing_that_was_acked(void **state) {
    struct fixture *fixture = *state;
    uint64_t head = 0;
    for (uint64_t round = 0; round < 5; round++) {
        start_on_faulty_disk(fixture, "");
        uint64_t found = attach(fixture);
        assert_true(round == 0 || found == head);
        head = found;
        for (uint64_t i = 1; i <= 20; i++, head++) commit(fixture, 100 * round + i, head, head + 1);
        cut_power(fixture);
    }
}

static void a_full_disk_refuses_edits_and_resumes_by_itself(void **state) {
    struct fixture *fixture = *state;
    start_on_faulty_disk(fixture, "skip_real_sync=1");
    uint64_t head = attach(fixture), client_seq = 1;
    commit(fixture, client_seq++, head, head + 1);
    head++;
    set_faults(fixture, "free=1500000,skip_real_sync=1");
    for (;;) { /* until the watch has seen it */
        shard_link_submit(&fixture->link, 1, client_seq, head, "x");
        const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
        assert_non_null(answer);
        if (answer->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK) {
            assert_true(answer->nack->retry_after_ms > 0);
            break;
        }
        assert_int_equal(answer->body_case, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT);
        client_seq++;
        head++;
        poll(NULL, 0, 5);
    }
    set_faults(fixture, "free=500000000,skip_real_sync=1");
    for (;;) {
        shard_link_submit(&fixture->link, 1, client_seq, head, "x");
        const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
        assert_non_null(answer);
        if (answer->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT) break;
        assert_int_equal(answer->body_case, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK);
        poll(NULL, 0, 5);
    }
    assert_int_equal(shard_stop(&fixture->shard, SIGTERM), 0);
}

/* Too fast for the watch: a write meets the end of the disk. */
static void a_write_that_meets_the_end_of_the_disk_stops_it_and_it_recovers(void **state) {
    struct fixture *fixture = *state;
    start_on_faulty_disk(fixture, "skip_real_sync=1");
    uint64_t head = attach(fixture);
    commit(fixture, 1, head, head + 1);
    set_faults(fixture, "free=10,skip_real_sync=1");
    shard_link_submit(&fixture->link, 1, 2, head + 1, "does not fit");
    /* Either the watch was first, and it refuses; or the write was, and it stops. */
    zmq_pollitem_t item = {.socket = fixture->link.socket, .events = ZMQ_POLLIN};
    bool refused = false;
    int status;
    while (!refused && waitpid(fixture->shard.pid, &status, WNOHANG) == 0) {
        if (zmq_poll(&item, 1, 10) != 1) continue;
        const Ordo__Cluster__V1__ToGateway *answer = shard_link_receive(&fixture->link);
        refused = answer->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK;
        assert_true(refused);
    }
    if (refused) {
        assert_int_equal(shard_stop(&fixture->shard, SIGKILL), -SIGKILL);
    } else {
        fixture->shard.pid = 0;
        /* RocksDB's own recovery thread asserts on the file that it could not write, if it gets there first. */
        bool has_aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        assert_true(has_aborted || (WIFEXITED(status) && WEXITSTATUS(status) == 1));
    }
    set_faults(fixture, "skip_real_sync=1");
    start_on_faulty_disk(fixture, "");
    uint64_t again = attach(fixture);
    assert_true(again == head + 1 || again == head + 2);
    commit(fixture, 3, again, again + 1);
}

#define WITH_SHARD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SHARD(an_acked_op_is_there_after_a_kill),
        WITH_SHARD(a_resent_op_is_acked_with_its_first_place_after_a_restart),
        WITH_SHARD(a_term_signal_ends_it_cleanly),
        WITH_SHARD(a_second_process_is_refused_the_store),
        cmocka_unit_test(a_wrong_command_line_exits_with_2),
        WITH_SHARD(garbage_on_the_links_is_passed_over),
        WITH_SHARD(heartbeats_are_answered_while_a_sync_stalls),
        WITH_SHARD(a_failed_sync_stops_it_and_nothing_acked_is_lost),
        WITH_SHARD(power_cuts_lose_nothing_that_was_acked),
        WITH_SHARD(a_full_disk_refuses_edits_and_resumes_by_itself),
        WITH_SHARD(a_write_that_meets_the_end_of_the_disk_stops_it_and_it_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
