#include "tools/ordo/role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/assert.h"
#include "common/log.h"

#define STOP_TIMEOUT_MS 10000 /* then SIGKILL: nothing acked is lost by it */

void role_init(struct role *role, enum role_kind kind, uint32_t number) {
    *role = (struct role){.kind = kind, .number = number, .state = ROLE_WAITING};
    const char *word = kind == ROLE_SHARD ? "shard" : "gateway";
    if (number == 1) {
        snprintf(role->name, sizeof role->name, "%s", word);
    } else {
        snprintf(role->name, sizeof role->name, "%s-%u", word, number);
    }
    ordo_child_init(&role->child, kind == ROLE_SHARD ? "ordo-shard" : "ordo-gateway");
}

bool role_is_running(const struct role *role) { return role->child.pid != 0; }

void role_start(struct role *role, const struct ordo_rundir *rundir, const char **argv, uint64_t now_ms) {
    ORDO_ASSERT(role->state == ROLE_WAITING && !role_is_running(role));
    if (ordo_child_start(&role->child, argv) != ORDO_OK) {
        uint64_t delay_ms = ordo_restart_delay_ms(&role->restart, 0);
        log_error("event=start_failed role=%s reason=\"%s\" retry_ms=%llu", role->name, strerror(errno),
                  (unsigned long long)delay_ms);
        role->start_ms = now_ms + delay_ms;
        return;
    }
    role->state = ROLE_STARTING;
    ordo_rundir_set_pid(rundir, role->name, role->child.pid);
}

void role_stop(struct role *role, uint64_t now_ms) {
    if (!role_is_running(role)) {
        role->state = ROLE_STOPPED;
    } else if (role->state != ROLE_STOPPING) {
        role->state = ROLE_STOPPING;
        role->kill_ms = now_ms + STOP_TIMEOUT_MS;
        kill(role->child.pid, SIGTERM);
    }
}

void role_enforce_stop(struct role *role, uint64_t now_ms) {
    if (role->state != ROLE_STOPPING || role->kill_ms > now_ms) return;
    kill(role->child.pid, SIGKILL);
    role->kill_ms = now_ms + STOP_TIMEOUT_MS;
}

bool role_read(struct role *role, char *rest, uint64_t now_ms) {
    if (!ordo_child_read(&role->child, rest) || role->state != ROLE_STARTING) return false;
    role->state = ROLE_SERVING;
    role->served_since_ms = now_ms;
    if (role->has_served) log_info("event=serving_again role=%s pid=%d", role->name, (int)role->child.pid);
    role->has_served = true;
    return true;
}

static void describe_end(char *text, size_t size, int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    } else {
        snprintf(text, size, "exited with status %d", WEXITSTATUS(wait_status));
    }
}

static void plan_restart(struct role *role, enum role_state was, const char *how, uint64_t now_ms) {
    uint64_t served_ms = was == ROLE_SERVING ? now_ms - role->served_since_ms : 0;
    uint64_t delay_ms = ordo_restart_delay_ms(&role->restart, served_ms);
    role->start_ms = now_ms + delay_ms;
    log_error("event=crashed role=%s program=%s how=\"%s\" restart_in_ms=%llu failures_in_a_row=%u", role->name,
              role->child.name, how, (unsigned long long)delay_ms, role->restart.failure_count);
}

bool role_reap(struct role *role, const struct ordo_rundir *rundir, bool is_stopping, uint64_t now_ms,
               enum role_end *how) {
    int wait_status;
    if (!role_is_running(role) || waitpid(role->child.pid, &wait_status, WNOHANG) != role->child.pid) return false;
    ordo_child_ended(&role->child);
    ordo_rundir_set_pid(rundir, role->name, 0);
    enum role_state was = role->state;
    role->state = is_stopping ? ROLE_STOPPED : ROLE_WAITING;
    role->start_ms = now_ms;
    *how = ROLE_ENDED_AS_TOLD;
    if (was == ROLE_STOPPING) return true;
    char text[128];
    describe_end(text, sizeof text, wait_status);
    *how = !role->has_served && WIFEXITED(wait_status) ? ROLE_NEVER_SERVED : ROLE_CRASHED;
    if (is_stopping) {
        log_warn("event=ended_early role=%s how=\"%s\"", role->name, text);
    } else {
        plan_restart(role, was, text, now_ms);
    }
    return true;
}
