/* tools/ordo/role.h: one of the programs that `ordo up` keeps running, through all its lives. */
#ifndef ORDO_TOOLS_ROLE_H
#define ORDO_TOOLS_ROLE_H

#include <stdint.h>

#include "tools/ordo/child.h"
#include "tools/ordo/restart.h"
#include "tools/ordo/rundir.h"

enum role_kind { ROLE_SHARD, ROLE_GATEWAY };

enum role_state {
    ROLE_WAITING,  /* to be started at `start_ms` */
    ROLE_STARTING, /* runs, has not said `ready` */
    ROLE_SERVING,
    ROLE_STOPPING, /* was told to end; killed at `kill_ms` */
    ROLE_STOPPED,
};

struct role {
    struct ordo_child child;
    enum role_kind kind;
    uint32_t number;  /* from 1, within the kind */
    char name[32];    /* "shard", "shard-2", …, "gateway", …: of its pid file, its store, itself */
    enum role_state state;
    struct ordo_restart restart;
    uint64_t start_ms, served_since_ms, kill_ms; /* monotonic */
    bool has_served;  /* once, ever: a program that never did is misconfigured */
    bool has_failed;  /* ended by itself before it ever served */
    char address[256]; /* of a gateway: HOST:PORT that it listens on; "" until it is known */
    char url[256];     /* likewise, as it printed it */
};

enum role_end { ROLE_ENDED_AS_TOLD, ROLE_CRASHED, ROLE_NEVER_SERVED };

void role_init(struct role *role, enum role_kind kind, uint32_t number);
bool role_is_running(const struct role *role);
/* A start that fails is tried again later. `argv[0]` is filled in. */
void role_start(struct role *role, const struct ordo_rundir *rundir, const char **argv, uint64_t now_ms);
void role_stop(struct role *role, uint64_t now_ms);
/* Kills what was told to end and does not. */
void role_enforce_stop(struct role *role, uint64_t now_ms);
/* Takes what it printed. True: it has just said `ready`, and `rest` (sizeof child.line) is what followed. */
bool role_read(struct role *role, char *rest, uint64_t now_ms);
/* Reaps the process, if it has ended: true, with `how` it did. It waits then for its next start, or `is_stopping` and is
 * stopped. */
bool role_reap(struct role *role, const struct ordo_rundir *rundir, bool is_stopping, uint64_t now_ms, enum role_end *how);

#endif
