/* tools/ordo/rundir.h: DIR/run, where one `ordo up` at a time tells other tools what it runs.
 *
 * DIR/run/lock is held (flock) while the supervisor lives; DIR/run/NAME.pid holds the pid of each running program, and
 * DIR/run/NAME.side the endpoint of the side link of the shard whose store is DIR/NAME. */
#ifndef ORDO_TOOLS_RUNDIR_H
#define ORDO_TOOLS_RUNDIR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

enum { ORDO_RUNDIR_ENDPOINT_SIZE = 256 };

struct ordo_rundir {
    char path[PATH_MAX];
    int lock; /* -1: not held */
};

/* Makes DATA_DIR and DATA_DIR/run as needed. LOCKED: another `ordo up` runs there. IO: see errno. */
ORDO_MUST_USE ordo_err ordo_rundir_open(struct ordo_rundir *rundir, const char *data_dir);
/* Waits for a program of an earlier supervisor, which was killed: it dies with that, but perhaps only after its disk has
 * answered, and holds store and port until then. True: there is none (any more). */
bool ordo_rundir_wait_gone(const struct ordo_rundir *rundir, const char *name, const char *program, int timeout_ms);
void ordo_rundir_close(struct ordo_rundir *rundir);
/* Replaces NAME.pid atomically; pid 0 removes it. Failing to is not worth stopping for: a warning. */
/* The same for NAME.side; NULL removes it. */
void ordo_rundir_set_side(const struct ordo_rundir *rundir, const char *name, const char *endpoint);
/* What NAME.side in this folder says; false: nothing (any more). */
bool ordo_rundir_read_side(const char *path, const char *name, char endpoint[ORDO_RUNDIR_ENDPOINT_SIZE]);
void ordo_rundir_set_pid(const struct ordo_rundir *rundir, const char *name, pid_t pid);

#endif
