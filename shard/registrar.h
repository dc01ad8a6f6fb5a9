/* shard/registrar.h: the thread through which a process takes part in a cluster.
 *
 * It opens the process's stores, claims them in the directory, founds the cluster if it may, and only then lets their shards
 * serve; it makes the router table show what their stores say, hands the newest table and orders to move on to them, writes
 * down what came of these, adopts stores of the volume that nobody has, and, where it is elected, balances. All that may
 * wait for the directory happens here, so nothing that serves ever does: while the directory is away shards go on with
 * the last known table, and only changes and starts wait. */
#ifndef ORDO_SHARD_REGISTRAR_H
#define ORDO_SHARD_REGISTRAR_H

#include "common/error.h"
#include "common/problem.h"
#include "shard/config.h"
#include "shard/probe.h"
#include "shard/troubles.h"

struct ordo_registrar;

/* All is borrowed until stop. */
struct ordo_registrar_config {
    const struct ordo_config *process;
    void *zmq;
    struct ordo_troubles *troubles;
    struct ordo_probe *probe; /* NULL: nobody watches */
};

/* INVALID: the directory's URL is none. */
ORDO_MUST_USE ordo_err ordo_registrar_start(const struct ordo_registrar_config *config, struct ordo_problem *problem,
                                            struct ordo_registrar **registrar_out);
/* Stops the shards after their last commits, and gives the lease back. NULL is fine. */
void ordo_registrar_stop(struct ordo_registrar *registrar);

/* Readable when the process has to end, because its first shard may not serve: it says why in the log. */
int ordo_registrar_failure_fd(const struct ordo_registrar *registrar);

#endif
