/* tools/ordo/rundir.h: DIR/run, where one `ordo up` at a time tells other tools what it runs.
 *
 * DIR/run/lock is held (flock) while the supervisor lives; DIR/run/NAME.pid holds the pid of each running program. */
#ifndef ORDO_TOOLS_RUNDIR_H
#define ORDO_TOOLS_RUNDIR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct ordo_rundir {
    char path[PATH_MAX];
    int lock; /* -1: not held */
};

/* Makes DATA_DIR and DATA_DIR/run as needed. LOCKED: another `ordo up` runs there. IO: see errno. */
ORDO_MUST_USE ordo_err ordo_rundir_open(struct ordo_rundir *rundir, const char *data_dir);
/* Waits for the programs of an earlier supervisor, which was killed: they die with that, but perhaps only after their disk
 * has answered, and hold store and port until then. True: there are none (any more), and their pid files are gone. False: `left`
 * is the name of one. */
bool ordo_rundir_wait_all_gone(const struct ordo_rundir *rundir, int timeout_ms, char left[64]);
void ordo_rundir_close(struct ordo_rundir *rundir);
/* Replaces NAME.pid atomically; pid 0 removes it. Failing to is not worth stopping for: a warning. */
void ordo_rundir_set_pid(const struct ordo_rundir *rundir, const char *name, pid_t pid);

#endif
