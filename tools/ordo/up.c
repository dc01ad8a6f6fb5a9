/* ordo up: a whole local cluster, supervised: one shard, one gateway.
 *
 * The shard starts first, on free ports; its `ready` line says which. The gateway is told these, and both keep their
 * addresses over restarts, so that the other side just reconnects. Clients stay connected to the gateway while the
 * shard restarts. Stopping goes the other way round: the gateway first, so that nobody is left waiting for an answer. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "tools/ordo/child.h"
#include "tools/ordo/command.h"
#include "tools/ordo/restart.h"
#include "tools/ordo/rundir.h"

enum {
    STOP_TIMEOUT_MS = 10000,   /* then SIGKILL: nothing acked is lost by it */
    GONE_TIMEOUT_MS = 10000,   /* for programs of a supervisor that was killed */
    REBIND_ATTEMPTS_MAX = 2,   /* failed starts on the old ports before new ones are taken */
    ENDPOINT_SIZE = 256,
};

enum role_state {
    ROLE_WAITING,  /* to be started at `start_ms` */
    ROLE_STARTING, /* runs, has not said `ready` */
    ROLE_SERVING,
    ROLE_STOPPING, /* was told to end; killed at `kill_ms` */
    ROLE_STOPPED,
};

struct role {
    struct ordo_child child;
    const char *pid_name;
    enum role_state state;
    struct ordo_restart restart;
    uint64_t start_ms, served_since_ms, kill_ms; /* monotonic */
    bool has_served; /* once, ever: a program that never did is misconfigured, so we give up */
};

struct up {
    const char *data_dir, *log_level, *log_ops, *log_age_ms, *history;
    bool listens_anywhere;                                 /* the gateway may listen beyond loopback, without keys */
    char store_dir[PATH_MAX];
    const char *site_folder;                               /* NULL: the gateway serves no files */
    char listen[ENDPOINT_SIZE];                            /* of the gateway: HOST:PORT */
    char data_endpoint[ENDPOINT_SIZE], side_endpoint[ENDPOINT_SIZE]; /* of the shard; "" until it said so */
    struct ordo_rundir rundir;
    struct role shard, gateway;
    int signals;
    bool is_stopping, is_announced;
    int status;
};

static bool role_is_running(const struct role *role) { return role->child.pid != 0; }

static void role_init(struct role *role, const char *program, const char *pid_name) {
    *role = (struct role){.pid_name = pid_name, .state = ROLE_WAITING};
    ordo_child_init(&role->child, program);
}

static void role_start(struct up *up, struct role *role, const char **argv, uint64_t now_ms) {
    ORDO_ASSERT(role->state == ROLE_WAITING && !role_is_running(role));
    if (ordo_child_start(&role->child, argv) != ORDO_OK) {
        uint64_t delay_ms = ordo_restart_delay_ms(&role->restart, 0);
        log_error("event=start_failed program=%s reason=\"%s\" retry_ms=%llu", role->child.name, strerror(errno),
                  (unsigned long long)delay_ms);
        role->start_ms = now_ms + delay_ms;
        return;
    }
    role->state = ROLE_STARTING;
    ordo_rundir_set_pid(&up->rundir, role->pid_name, role->child.pid);
}

static void role_stop(struct role *role, uint64_t now_ms) {
    if (!role_is_running(role)) {
        role->state = ROLE_STOPPED;
    } else if (role->state != ROLE_STOPPING) {
        role->state = ROLE_STOPPING;
        role->kill_ms = now_ms + STOP_TIMEOUT_MS;
        kill(role->child.pid, SIGTERM);
    }
}

static void begin_stop(struct up *up, uint64_t now_ms) {
    up->is_stopping = true;
    role_stop(&up->gateway, now_ms);
}

static void start_shard(struct up *up, uint64_t now_ms) {
    if (up->shard.restart.failure_count >= REBIND_ATTEMPTS_MAX) up->data_endpoint[0] = '\0'; /* perhaps taken */
    bool is_known = up->data_endpoint[0] != '\0';
    const char *argv[] = {NULL, "--data", up->store_dir,
                          "--listen-data", is_known ? up->data_endpoint : "tcp://127.0.0.1:*",
                          "--listen-side", is_known ? up->side_endpoint : "tcp://127.0.0.1:*",
                          "--log-level", up->log_level, "--log-ops", up->log_ops,
                          "--log-age-ms", up->log_age_ms, "--history", up->history, NULL};
    role_start(up, &up->shard, argv, now_ms);
}

static void start_gateway(struct up *up, uint64_t now_ms) {
    char shard[2 * ENDPOINT_SIZE + 16];
    snprintf(shard, sizeof shard, "data=%s,side=%s", up->data_endpoint, up->side_endpoint);
    const char *argv[12] = {NULL, "--listen", up->listen, "--shard", shard, "--log-level", up->log_level};
    size_t argc = 7;
    if (up->listens_anywhere) argv[argc++] = "--insecure-listen-anywhere";
    if (up->site_folder != NULL) {
        argv[argc++] = "--static";
        argv[argc++] = up->site_folder;
    }
    role_start(up, &up->gateway, argv, now_ms);
}

/* "data=E side=E". False: it is something else. */
static bool parse_endpoints(const char *rest, char *data, char *side) {
    char end;
    return sscanf(rest, "data=%255s side=%255s%c", data, side, &end) == 2;
}

static void shard_ready(struct up *up, const char *rest, uint64_t now_ms) {
    char data[ENDPOINT_SIZE], side[ENDPOINT_SIZE];
    if (!parse_endpoints(rest, data, side)) {
        log_error("event=not_understood program=%s line=\"ready %s\"", up->shard.child.name, rest);
        up->status = EXIT_FAILURE;
        begin_stop(up, now_ms);
        return;
    }
    bool moved = strcmp(data, up->data_endpoint) != 0 || strcmp(side, up->side_endpoint) != 0;
    strcpy(up->data_endpoint, data);
    strcpy(up->side_endpoint, side);
    ordo_rundir_set_side(&up->rundir, up->shard.pid_name, side);
    if (moved && role_is_running(&up->gateway)) {
        log_warn("event=shard_moved data=%s side=%s action=\"restarting the gateway\"", data, side);
        role_stop(&up->gateway, now_ms);
    }
}

/* "ws://HOST:PORT/v1/ws": from now on the gateway keeps this address, also if any port would have done. */
static void gateway_ready(struct up *up, const char *rest) {
    const char *host = strstr(rest, "://");
    if (host != NULL) {
        host += 3;
        size_t size = strcspn(host, "/");
        if (size < sizeof up->listen) {
            memcpy(up->listen, host, size);
            up->listen[size] = '\0';
        }
    }
    if (!up->is_announced) {
        if (up->site_folder != NULL) printf("page http://%s/\n", up->listen);
        printf("ready %s\n", rest);
        fflush(stdout);
        up->is_announced = true;
    }
}

static void role_read(struct up *up, struct role *role, uint64_t now_ms) {
    char rest[sizeof role->child.line];
    if (!ordo_child_read(&role->child, rest) || role->state != ROLE_STARTING) return;
    role->state = ROLE_SERVING;
    role->served_since_ms = now_ms;
    if (role->has_served) log_info("event=serving_again program=%s pid=%d", role->child.name, (int)role->child.pid);
    role->has_served = true;
    if (role == &up->shard) {
        shard_ready(up, rest, now_ms);
    } else {
        gateway_ready(up, rest);
    }
}

static void describe_end(char *text, size_t size, int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
    } else {
        snprintf(text, size, "exited with status %d", WEXITSTATUS(wait_status));
    }
}

static void role_ended(struct up *up, struct role *role, int wait_status, uint64_t now_ms) {
    if (role->child.output >= 0) role_read(up, role, now_ms); /* its last words */
    ordo_child_ended(&role->child);
    ordo_rundir_set_pid(&up->rundir, role->pid_name, 0);
    enum role_state was = role->state;
    role->state = up->is_stopping ? ROLE_STOPPED : ROLE_WAITING;
    role->start_ms = now_ms;
    if (was == ROLE_STOPPING) return;

    char how[128];
    describe_end(how, sizeof how, wait_status);
    if (up->is_stopping) {
        log_warn("event=ended_early program=%s how=\"%s\"", role->child.name, how);
    } else if (!role->has_served && WIFEXITED(wait_status)) {
        up->status = ordo_command_fail("%s %s before it served; its message stands above", role->child.name, how);
        begin_stop(up, now_ms);
    } else {
        uint64_t served_ms = was == ROLE_SERVING ? now_ms - role->served_since_ms : 0;
        uint64_t delay_ms = ordo_restart_delay_ms(&role->restart, served_ms);
        role->start_ms = now_ms + delay_ms;
        log_error("event=crashed program=%s how=\"%s\" restart_in_ms=%llu failures_in_a_row=%u", role->child.name, how,
                  (unsigned long long)delay_ms, role->restart.failure_count);
    }
}

static void reap(struct up *up, uint64_t now_ms) {
    struct role *roles[] = {&up->shard, &up->gateway};
    for (size_t i = 0; i < 2; i++) {
        int wait_status;
        if (!role_is_running(roles[i])) continue;
        if (waitpid(roles[i]->child.pid, &wait_status, WNOHANG) == roles[i]->child.pid) {
            role_ended(up, roles[i], wait_status, now_ms);
        }
    }
}

static void take_signals(struct up *up, uint64_t now_ms) {
    struct signalfd_siginfo info;
    while (read(up->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) continue; /* reap() looks at every turn */
        if (!up->is_stopping) {
            begin_stop(up, now_ms);
        } else { /* somebody is impatient */
            up->gateway.kill_ms = up->shard.kill_ms = now_ms;
        }
    }
}

/* Starts what is due, goes on with stopping; returns how long poll may sleep, -1: until something happens. */
static int step(struct up *up, uint64_t now_ms) {
    if (up->is_stopping && up->gateway.state == ROLE_STOPPED && up->shard.state != ROLE_STOPPED) {
        role_stop(&up->shard, now_ms);
    }
    uint64_t next_ms = UINT64_MAX;
    struct role *roles[] = {&up->shard, &up->gateway};
    for (size_t i = 0; i < 2; i++) {
        struct role *role = roles[i];
        bool may_start = role == &up->shard || up->data_endpoint[0] != '\0';
        if (role->state == ROLE_WAITING && may_start && !up->is_stopping) {
            if (role->start_ms <= now_ms) (role == &up->shard ? start_shard : start_gateway)(up, now_ms);
            if (role->state == ROLE_WAITING && role->start_ms < next_ms) next_ms = role->start_ms;
        }
        if (role->state == ROLE_STOPPING) {
            if (role->kill_ms <= now_ms) {
                kill(role->child.pid, SIGKILL);
                role->kill_ms = now_ms + STOP_TIMEOUT_MS;
            }
            if (role->kill_ms < next_ms) next_ms = role->kill_ms;
        }
    }
    if (next_ms == UINT64_MAX) return -1;
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static void supervise(struct up *up) {
    while (up->gateway.state != ROLE_STOPPED || up->shard.state != ROLE_STOPPED) {
        int timeout_ms = step(up, ordo_clock_monotonic_ms());
        struct pollfd fds[] = {{.fd = up->signals, .events = POLLIN},
                               {.fd = up->shard.child.output, .events = POLLIN},
                               {.fd = up->gateway.child.output, .events = POLLIN}};
        if (up->gateway.state == ROLE_STOPPED && up->shard.state == ROLE_STOPPED) break;
        if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR) ORDO_ASSERT(false);
        uint64_t now_ms = ordo_clock_monotonic_ms();
        if (fds[0].revents) take_signals(up, now_ms);
        if (fds[1].revents) role_read(up, &up->shard, now_ms);
        if (fds[2].revents) role_read(up, &up->gateway, now_ms);
        reap(up, now_ms);
    }
}

static void open_signals(struct up *up) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    up->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ORDO_ASSERT(up->signals >= 0);
}

/* False: return `*status`. */
static bool parse(struct up *up, int argc, char **argv, int *status) {
    const char *listen = "127.0.0.1:8080";
    up->data_dir = "./ordo-data";
    up->log_level = "info";
    up->log_ops = up->history = "10000";
    up->log_age_ms = "60000";
    const struct ordo_option options[] = {
        {"--data", "DIR", "where documents are kept (./ordo-data); made if missing", ORDO_OPTION_TEXT, &up->data_dir},
        {"--listen", "HOST:PORT", "where clients connect (127.0.0.1:8080); port 0: any free one", ORDO_OPTION_TEXT,
         &listen},
        {"--static", "DIR", "serve the files of DIR, too: DIR/index.html is the page http://HOST:PORT/", ORDO_OPTION_TEXT,
         &up->site_folder},
        {"--log-ops", "N", "the newest N ops of a document stay in its log (10000)", ORDO_OPTION_TEXT, &up->log_ops},
        {"--log-age-ms", "MS", "... and all younger than this (60000)", ORDO_OPTION_TEXT, &up->log_age_ms},
        {"--history", "KEEP", "history to keep: N ops (10000), 30d, N+30d or full; COLLECTION=KEEP,… for some", ORDO_OPTION_TEXT,
         &up->history},
        {"--log-level", "LEVEL", "error, warn, info (default) or debug; logs go to stderr", ORDO_OPTION_TEXT,
         &up->log_level},
        {"--insecure-listen-anywhere", NULL, "let whoever reaches HOST read and write everything", ORDO_OPTION_FLAG,
         &up->listens_anywhere},
    };
    struct ordo_words words = {0};
    if (!ordo_command_parse("ordo up [OPTIONS]", options, sizeof options / sizeof options[0], argc, argv, &words,
                            status)) {
        return false;
    }
    int listen_size = snprintf(up->listen, sizeof up->listen, "%s", listen);
    int store_size = snprintf(up->store_dir, sizeof up->store_dir, "%s/shard", up->data_dir);
    const char *fault = NULL;
    if (ordo_log_level_of(up->log_level) < 0) fault = "--log-level wants error, warn, info or debug";
    if ((size_t)listen_size >= sizeof up->listen) fault = "--listen is too long";
    if ((size_t)store_size >= sizeof up->store_dir) fault = "--data is too long";
    if (fault == NULL) return true;
    fprintf(stderr, "ordo up: %s\n", fault);
    *status = EXIT_USAGE;
    return false;
}

/* EXIT_SUCCESS: the data folder is ours, and nobody of an earlier run is left. Else a message was printed. */
static int take_over(struct up *up) {
    struct role *roles[] = {&up->shard, &up->gateway};
    for (size_t i = 0; i < 2; i++) {
        if (ordo_child_find(&roles[i]->child) == ORDO_OK) continue;
        return ordo_command_fail("%s is neither next to this program nor in PATH", roles[i]->child.name);
    }
    ordo_err err = ordo_rundir_open(&up->rundir, up->data_dir);
    if (err == ORDO_ERR_LOCKED) return ordo_command_fail("another `ordo up` runs on %s", up->data_dir);
    if (err) return ordo_command_fail("cannot use %s: %s", up->data_dir, strerror(errno));
    for (size_t i = 0; i < 2; i++) {
        if (ordo_rundir_wait_gone(&up->rundir, roles[i]->pid_name, roles[i]->child.name, GONE_TIMEOUT_MS)) continue;
        ordo_rundir_close(&up->rundir);
        return ordo_command_fail("a %s of an earlier run still runs on %s", roles[i]->child.name, up->data_dir);
    }
    return EXIT_SUCCESS;
}

int ordo_up_run(int argc, char **argv) {
    static struct up up; /* zeroed */
    int status;
    if (!parse(&up, argc, argv, &status)) return status;
    ordo_log_init("ordo", (enum ordo_log_level)ordo_log_level_of(up.log_level));
    role_init(&up.shard, "ordo-shard", "shard");
    role_init(&up.gateway, "ordo-gateway", "gateway");
    status = take_over(&up);
    if (status != EXIT_SUCCESS) return status;
    ordo_rundir_set_pid(&up.rundir, "up", getpid());
    open_signals(&up);
    supervise(&up);
    ordo_rundir_set_side(&up.rundir, up.shard.pid_name, NULL);
    ordo_rundir_set_pid(&up.rundir, "up", 0);
    ordo_rundir_close(&up.rundir);
    close(up.signals);
    return up.status;
}
