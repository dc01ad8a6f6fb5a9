/* A process that is killed at any step of a change leaves the directory as it was before or as it is after, and not
 * locked.
 *
 * The linker puts the functions below between the directory's code and the system (--wrap, see CMakeLists.txt): in a
 * child that has armed itself, the n-th call kills the process instead of being made, for every n until the change gets
 * through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/assert.h"
#include "common/directory/directory.h"
#include "tests/unit/scratch.h"

/* ---- calls that may be the last */

static _Thread_local int calls_left = -1; /* -1: not armed. Only the thread that makes the change counts */

static void count_call(void) {
    if (calls_left < 0) return;
    if (calls_left-- == 0) {
        raise(SIGKILL);
        pause();
    }
}

#define WRAP(type, name, parameters, arguments)                                                                        \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        count_call();                                                                                                  \
        return __real_##name arguments;                                                                                \
    }
WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, flock, (int fd, int how), (fd, how))
WRAP(int, close, (int fd), (fd))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode) {
    count_call();
    return __real_open(path, flags, mode);
}

/* ---- the stage */

static char root[PATH_MAX], url[PATH_MAX + 16];

static int set_up(void **state) {
    (void)state;
    scratch_make(root);
    snprintf(url, sizeof url, "file:%s/directory", root);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    scratch_remove(root);
    return 0;
}

static struct ordo_directory *open_directory(void) {
    static const struct ordo_directory_options options = {.lease_ttl_ms = 60000, .timeout_ms = 5000};
    struct ordo_directory *directory;
    struct ordo_problem problem;
    ORDO_ASSERT(ordo_directory_open(&directory, url, &options, &problem) == ORDO_OK);
    ORDO_ASSERT(ordo_directory_wait(directory, 0, 20000));
    return directory;
}

/* Two keys that always have the same value, and a leased one; dies after `calls` (-1: never). */
static ordo_err change(struct ordo_directory *directory, const char *value, int calls) {
    struct ordo_directory_changes changes = {0};
    struct ordo_problem problem;
    ordo_directory_put(&changes, "a", ordo_slice_of(value));
    ordo_directory_put(&changes, "b", ordo_slice_of(value));
    ordo_directory_put_leased(&changes, "leased", ordo_slice_of(value));
    const struct ordo_directory_view *view = ordo_directory_view(directory);
    calls_left = calls;
    ordo_err err = ordo_directory_change(directory, view, &changes, &problem);
    calls_left = -1;
    ordo_directory_view_release(view);
    ordo_directory_changes_finish(&changes);
    return err;
}

/* As if the time of all leases had run out. */
static void end_leases(void) {
    char path[PATH_MAX];
    scratch_join(path, root, "directory/leases");
    if (access(path, F_OK) == 0) scratch_remove(path);
}

/* Whether it was killed; the change was made, and the child left without giving up its lease, otherwise. */
static bool change_in_child(const char *value, int calls) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ordo_directory *directory = open_directory();
        _exit(change(directory, value, calls) == ORDO_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

static bool key_says(const struct ordo_directory_view *view, const char *key, const char *value) {
    const struct ordo_directory_item *item = ordo_directory_find(view, key);
    return item != NULL && ordo_slice_equal(item->value, ordo_slice_of(value));
}

static int calls_until_done(void) {
    char old[32] = "", new[32];
    int calls = 0;
    for (bool is_killed = true; is_killed; calls++) {
        snprintf(new, sizeof new, "change %d", calls);
        is_killed = change_in_child(new, calls);
        end_leases();
        struct ordo_directory *directory = open_directory();
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        bool is_new = key_says(view, "a", new) && key_says(view, "b", new) && view->count == 2;
        bool is_old = old[0] == '\0' ? view->count == 0
                                     : key_says(view, "a", old) && key_says(view, "b", old) && view->count == 2;
        ordo_directory_view_release(view);
        assert_true(is_new || (is_old && is_killed));
        if (is_new) memcpy(old, new, sizeof old);
        ordo_directory_close(directory);
    }
    return calls;
}

static void a_killed_change_is_done_or_not_done(void **state) {
    (void)state;
    assert_in_range(calls_until_done(), 10, 200); /* else nothing was counted */
}

static void a_change_after_a_killed_one_goes_through(void **state) {
    (void)state;
    bool is_killed = true;
    for (int calls = 0; is_killed; calls++) {
        is_killed = change_in_child("killed", calls);
        end_leases();
        struct ordo_directory *directory = open_directory();
        assert_int_equal(change(directory, "after", -1), ORDO_OK);
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        assert_true(key_says(view, "a", "after") && key_says(view, "b", "after") && key_says(view, "leased", "after"));
        ordo_directory_view_release(view);
        ordo_directory_close(directory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_killed_change_is_done_or_not_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_after_a_killed_one_goes_through, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
