/* tools/ordo/child.h: one program that `ordo up` runs.
 *
 * A child dies with its supervisor, does not share its terminal's Ctrl-C (the supervisor decides who stops first), and
 * says on stdout when it serves: one line that begins with `ready `. Its stderr is ours. */
#ifndef ORDO_TOOLS_CHILD_H
#define ORDO_TOOLS_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct ordo_child {
    const char *name;       /* of the program, e.g. "ordo-shard" */
    char program[PATH_MAX];
    pid_t pid;              /* 0: not running */
    int output;             /* read end of its stdout, or -1 */
    char line[1024];        /* what has come of the current line */
    size_t line_size;
};

void ordo_child_init(struct ordo_child *child, const char *name);
/* Looks for the program next to our own, then along PATH. NOT_FOUND. */
ORDO_MUST_USE ordo_err ordo_child_find(struct ordo_child *child);
/* `argv` ends with NULL; argv[0] is replaced by the program. IO: see errno. */
ORDO_MUST_USE ordo_err ordo_child_start(struct ordo_child *child, const char **argv);
/* Takes what the child has printed. True: a line `ready …` is complete, and `rest` (sizeof child->line) is what follows
 * the word. Other lines go to stderr. */
bool ordo_child_read(struct ordo_child *child, char *rest);
/* After the process was reaped. */
void ordo_child_ended(struct ordo_child *child);

#endif
