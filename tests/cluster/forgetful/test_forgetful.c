/* The forgetful disk forgets exactly what was not synced. Each test runs a child under the library (this same program,
 * with the name of a play), which ends as if killed; then the power is cut. */
#define _GNU_SOURCE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char scratch[64], root[128];

/* ---- plays: what the child does, in ROOT */

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) _exit(100);                                                                                  \
    } while (0)

static void sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && fsync(fd) == 0 && close(fd) == 0);
}

static int make(const char *name) {
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    return fd;
}

static void play_append(void) {
    int fd = make("log");
    CHECK(write(fd, "synced ", 7) == 7 && fdatasync(fd) == 0);
    sync_folder(".");
    CHECK(write(fd, "and this too ", 13) == 13 && fdatasync(fd) == 0);
    CHECK(write(fd, "lost", 4) == 4 && sync_file_range(fd, 0, 0, 7) == 0);
}

enum { APPENDS = 200 };

static void *sync_for_ever(void *context) {
    int fd = open("log", O_RDWR | O_CLOEXEC);
    for (;;) CHECK(fd >= 0 && fdatasync(fd) == 0);
    return context;
}

/* Another thread syncs the same file all the time, and is at it when the end comes. */
static void play_two_syncers(void) {
    int fd = make("log");
    pthread_t thread;
    CHECK(fdatasync(fd) == 0);
    sync_folder(".");
    CHECK(pthread_create(&thread, NULL, sync_for_ever, NULL) == 0);
    for (int i = 0; i < APPENDS; i++) CHECK(write(fd, "x", 1) == 1 && fdatasync(fd) == 0);
}

static void play_second_life(void) {
    int fd = make("log");
    CHECK(lseek(fd, 0, SEEK_END) == 24);
    CHECK(fdatasync(fd) == 0);
}

static void play_names(void) {
    CHECK(mkdir("folder", 0755) == 0);
    int fd = make("folder/file");
    CHECK(write(fd, "text", 4) == 4 && fsync(fd) == 0);
    sync_folder("folder");
    CHECK(make("never synced") >= 0);
    sync_folder(".");
    CHECK(make("folder/late") >= 0);
    CHECK(rename("folder/file", "folder/renamed") == 0);
    CHECK(unlink("never synced") == 0);
}

static void play_replace(void) {
    int fd = make("value");
    CHECK(write(fd, "old", 3) == 3 && fsync(fd) == 0);
    sync_folder(".");
    int other = make("value.new");
    CHECK(write(other, "new", 3) == 3 && fsync(other) == 0);
    CHECK(rename("value.new", "value") == 0);
}

static void play_failing_sync(void) {
    int fd = make("log");
    sync_folder(".");
    CHECK(write(fd, "one ", 4) == 4 && fdatasync(fd) == 0);
    CHECK(write(fd, "two ", 4) == 4 && fdatasync(fd) == -1 && errno == EIO);
}

static void play_after_failed_sync(void) {
    int fd = make("log");
    CHECK(lseek(fd, 0, SEEK_END) == 8); /* the page cache still has it */
    CHECK(write(fd, "three", 5) == 5 && fdatasync(fd) == 0);
}

static void play_full(void) {
    struct statvfs status;
    int fd = make("log");
    CHECK(statvfs(".", &status) == 0 && status.f_bavail == 10000 / status.f_frsize);
    static char page[4096];
    CHECK(write(fd, page, 4096) == 4096 && pwrite(fd, page, 4096, 4096) == 4096);
    CHECK(write(fd, page, 4096) == -1 && errno == ENOSPC);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void play_slow(void) {
    int fd = make("log");
    double start = now_s();
    CHECK(fdatasync(fd) == 0);
    CHECK(now_s() - start >= 0.05 && now_s() - start < 0.25);
    start = now_s();
    CHECK(fsync(fd) == 0); /* stalls once */
    CHECK(now_s() - start >= 0.3);
    start = now_s();
    CHECK(fsync(fd) == 0);
    CHECK(now_s() - start < 0.25);
}

static const struct play {
    const char *name;
    void (*run)(void);
} plays[] = {
    {"two_syncers", play_two_syncers},
    {"append", play_append},   {"second_life", play_second_life},
    {"names", play_names},     {"replace", play_replace},
    {"slow", play_slow},       {"failing_sync", play_failing_sync},
    {"full", play_full},       {"after_failed_sync", play_after_failed_sync},
};

/* ---- the stage */

static void run(const char *play, const char *faults) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (chdir(root) != 0) _exit(99);
        setenv("LD_PRELOAD", FORGETFUL, 1);
        setenv("ORDO_FORGET_ROOT", root, 1);
        if (faults != NULL) setenv("ORDO_FORGET_FAULTS", faults, 1);
        execl("/proc/self/exe", "test_forgetful", play, (char *)NULL);
        _exit(98);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void cut_power(const char *options) {
    char command[512];
    snprintf(command, sizeof command, "%s %s %s > /dev/null", FORGET, root, options);
    assert_int_equal(system(command), 0);
}

static void assert_file(const char *name, const char *expected) {
    char path[256], text[256] = {0};
    snprintf(path, sizeof path, "%s/%s", root, name);
    int fd = open(path, O_RDONLY);
    if (expected == NULL) {
        assert_int_equal(fd, -1);
        return;
    }
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(text, expected);
}

static int set_up(void **state) {
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/ordo-forgetful-XXXXXX");
    if (mkdtemp(scratch) == NULL) return -1;
    snprintf(root, sizeof root, "%s/root", scratch);
    return mkdir(root, 0755);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)status, (void)kind, (void)position;
    return remove(path);
}

static int tear_down(void **state) {
    (void)state;
    return nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- tests */

static void what_was_written_after_the_last_sync_is_lost(void **state) {
    (void)state;
    run("append", NULL);
    assert_file("log", "synced and this too lost");
    cut_power("");
    assert_file("log", "synced and this too ");
}

static void what_an_earlier_process_wrote_becomes_durable_by_a_later_ones_sync(void **state) {
    (void)state;
    run("append", NULL);
    run("second_life", NULL);
    cut_power("");
    assert_file("log", "synced and this too lost");
}

static void a_sync_that_began_earlier_takes_nothing_back(void **state) {
    (void)state;
    char expected[APPENDS + 1] = {0};
    memset(expected, 'x', APPENDS);
    for (int i = 0; i < 10; i++) {
        run("two_syncers", NULL);
        cut_power("");
        assert_file("log", expected);
        char path[256];
        snprintf(path, sizeof path, "%s/log", root);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_random_tail_is_a_prefix_or_zeros(void **state) {
    (void)state;
    bool kept_some = false;
    for (int seed = 0; seed < 12; seed++) {
        char options[64], path[256], text[64] = {0};
        run("append", NULL);
        snprintf(options, sizeof options, "--tail random --seed %d", seed);
        cut_power(options);
        snprintf(path, sizeof path, "%s/log", root);
        int fd = open(path, O_RDONLY);
        ssize_t size = read(fd, text, sizeof text);
        close(fd);
        assert_true(size >= 20 && size <= 24);
        assert_memory_equal(text, "synced and this too ", 20);
        for (ssize_t i = 20; i < size; i++) assert_true(text[i] == "lost"[i - 20] || text[i] == '\0');
        kept_some |= size > 20;
        assert_int_equal(unlink(path), 0);
    }
    assert_true(kept_some);
}

static void names_last_as_of_the_last_sync_of_their_folder(void **state) {
    (void)state;
    run("names", NULL);
    cut_power("");
    assert_file("folder/file", "text");
    assert_file("folder/renamed", NULL);
    assert_file("folder/late", NULL);
    assert_file("never synced", "");
}

static void a_rename_that_was_not_synced_leaves_the_old_file(void **state) {
    (void)state;
    run("replace", NULL);
    assert_file("value", "new");
    cut_power("");
    assert_file("value", "old");
    assert_file("value.new", NULL);
}

static void what_was_there_before_is_durable(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/before", root);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "here", 4), 4);
    close(fd);
    run("replace", NULL);
    cut_power("");
    assert_file("before", "here");
}

static void a_failed_sync_loses_for_good_what_it_should_have_written(void **state) {
    (void)state;
    run("failing_sync", "fail_sync_from=2");
    run("after_failed_sync", NULL);
    assert_file("log", "one two three");
    cut_power("");
    char path[256], text[32] = {0};
    snprintf(path, sizeof path, "%s/log", root);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 13);
    close(fd);
    assert_memory_equal(text, "one \0\0\0\0three", 13);
}

static void a_full_disk_refuses_what_does_not_fit(void **state) {
    (void)state;
    run("full", "free=10000");
}

static void slow_and_stalled_syncs_take_their_time(void **state) {
    (void)state;
    run("slow", "sync_ms=60,stall_at=2,stall_ms=300");
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 2 && i < sizeof plays / sizeof *plays; i++) {
        if (strcmp(argv[1], plays[i].name) != 0) continue;
        plays[i].run();
        _exit(0);
    }
    const struct CMUnitTest tests[] = {
        ON_STAGE(what_was_written_after_the_last_sync_is_lost),
        ON_STAGE(what_an_earlier_process_wrote_becomes_durable_by_a_later_ones_sync),
        ON_STAGE(a_sync_that_began_earlier_takes_nothing_back),
        ON_STAGE(a_random_tail_is_a_prefix_or_zeros),
        ON_STAGE(names_last_as_of_the_last_sync_of_their_folder),
        ON_STAGE(a_rename_that_was_not_synced_leaves_the_old_file),
        ON_STAGE(what_was_there_before_is_durable),
        ON_STAGE(a_failed_sync_loses_for_good_what_it_should_have_written),
        ON_STAGE(a_full_disk_refuses_what_does_not_fit),
        ON_STAGE(slow_and_stalled_syncs_take_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
