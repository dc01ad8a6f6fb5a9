/* tests/unit/folder_fixture.h: a store's folder, below one of the test's own. */
#ifndef ORDO_TESTS_FOLDER_FIXTURE_H
#define ORDO_TESTS_FOLDER_FIXTURE_H

#include "shard/folder.h"
#include "tests/unit/scratch.h"

struct fixture {
    char root[PATH_MAX], path[PATH_MAX]; /* `path`: of the store, in `root`; not made yet */
    struct ordo_folder folder;
    struct ordo_problem problem;
};

static inline int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->folder.lock_fd = -1;
    scratch_make(fixture->root);
    scratch_join(fixture->path, fixture->root, "store");
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    ordo_folder_finish(&fixture->folder);
    scratch_remove(fixture->root);
    free(fixture);
    return 0;
}

static inline void open_store(struct fixture *fixture) {
    ordo_err err = ordo_folder_open(&fixture->folder, fixture->path, &fixture->problem);
    if (err) print_message("%s\n", fixture->problem.text);
    assert_int_equal(err, ORDO_OK);
}

static inline void close_store(struct fixture *fixture) { ordo_folder_finish(&fixture->folder); }

#endif
