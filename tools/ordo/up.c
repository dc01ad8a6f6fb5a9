/* ordo up: a whole local cluster, supervised: shards and gateways over one data folder.
 *
 *     DATA/shard, DATA/shard-2, …   the stores, one per shard
 *     DATA/directory                who has what: where shards and gateways find one another
 *     DATA/run                      what runs (rundir.h)
 *
 * The gateways start when a shard serves; from then on everybody is started again whenever it dies, by itself, and finds
 * the others through the directory. Clients stay connected to the gateways while a shard restarts. With fewer shards than
 * stores, those that run take the others' stores in addition. Stopping goes the other way round: the gateways first, so
 * that nobody is left waiting for an answer. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "tools/ordo/command.h"
#include "tools/ordo/role.h"

enum {
    GONE_TIMEOUT_MS = 10000,   /* for programs of a supervisor that was killed */
    KIND_COUNT_MAX = 64,
    ROLE_COUNT_MAX = 2 * KIND_COUNT_MAX,
    ENDPOINT_SIZE = 256,
    LIMIT_SIZE = 64,
};

struct up {
    const char *data_dir, *log_level, *log_ops, *log_age_ms, *history;
    const char *writers_max, *writer_idle_ms; /* NULL: as the shard has it */
    struct ordo_option_texts token_jwks, token_keys, token_secrets, origins;
    struct ordo_option_texts limits; /* NAME=VALUE */
    char limit_options[ORDO_OPTION_TEXTS_MAX][LIMIT_SIZE]; /* of each "--NAME" */
    const char *token_issuer, *token_audience, *token_cookie;
    bool listens_anywhere;          /* the gateways may listen beyond loopback, without keys */
    bool is_balance_off;
    const char *keys_folder;        /* NULL: none; all is on this machine */
    const char *tls_cert, *tls_key; /* files; NULL: no TLS */
    const char *proxies;            /* that the gateways trust; NULL: none */
    const char *webhook, *webhook_secret, *webhook_collection; /* NULL: not given */
    const char *site_folder;        /* NULL: the gateways serve no files */
    char directory[PATH_MAX];       /* URL */
    char host[ENDPOINT_SIZE];       /* of --listen; IPv6 with its brackets */
    uint64_t port;                  /* of the first gateway; 0: any free one */
    char metrics_host[ENDPOINT_SIZE]; /* likewise; "": --listen-metrics was not said */
    uint64_t metrics_port;          /* of the first shard; the others' follow, then the gateways' */
    uint64_t shard_count, gateway_count;
    struct ordo_rundir rundir;
    struct role roles[ROLE_COUNT_MAX]; /* shards, then gateways */
    size_t role_count;
    int signals;
    bool is_stopping, is_announced;
    int status;
};

static bool are_stopped(const struct up *up, enum role_kind kind) {
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == kind && up->roles[i].state != ROLE_STOPPED) return false;
    }
    return true;
}

static bool have_served(const struct up *up, enum role_kind kind) {
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == kind && up->roles[i].has_served) return true;
    }
    return false;
}

static void stop_all(struct up *up, enum role_kind kind, uint64_t now_ms) {
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == kind) role_stop(&up->roles[i], now_ms);
    }
}

static void begin_stop(struct up *up, uint64_t now_ms) {
    up->is_stopping = true;
    stop_all(up, ROLE_GATEWAY, now_ms);
}

/* ---- starting */

static size_t add_option(const char **argv, size_t count, const char *name, const char *value) {
    if (value == NULL) return count;
    argv[count++] = name;
    argv[count++] = value;
    return count;
}

/* Adds the option to `argv`; `room` holds its value until the role is started. */
static size_t add_metrics(const struct up *up, const struct role *role, const char **argv, size_t count,
                          char room[ENDPOINT_SIZE + 8]) {
    if (up->metrics_host[0] == '\0') return count;
    uint64_t index = (uint64_t)(role - up->roles);
    uint64_t port = up->metrics_port == 0 ? 0 : up->metrics_port + index;
    snprintf(room, ENDPOINT_SIZE + 8, "%s:%llu", up->metrics_host, port <= UINT16_MAX ? (unsigned long long)port : 0);
    argv[count++] = "--listen-metrics";
    argv[count++] = room;
    return count;
}

static void start_shard(struct up *up, struct role *role, uint64_t now_ms) {
    char store[PATH_MAX + 40];
    snprintf(store, sizeof store, "%s/%s", up->data_dir, role->name);
    const char *argv[40] = {NULL, "--data", store, "--volume", up->data_dir, "--directory", up->directory,
                            "--create-cluster", "--log-level", up->log_level, "--log-ops", up->log_ops,
                            "--log-age-ms", up->log_age_ms, "--history", up->history};
    size_t count = 16;
    if (up->is_balance_off) argv[count++] = "--no-balance";
    count = add_option(argv, count, "--keys", up->keys_folder);
    count = add_option(argv, count, "--writers-max", up->writers_max);
    count = add_option(argv, count, "--writer-idle-ms", up->writer_idle_ms);
    count = add_option(argv, count, "--webhook", up->webhook);
    count = add_option(argv, count, "--webhook-secret-file", up->webhook_secret);
    count = add_option(argv, count, "--webhook-collection", up->webhook_collection);
    char metrics[ENDPOINT_SIZE + 8];
    count = add_metrics(up, role, argv, count, metrics);
    argv[count] = NULL;
    role_start(role, &up->rundir, argv, now_ms);
}

/* A gateway keeps the address that it got first. The first listens where --listen says, the others on the next ports, or,
 * where such a one is taken, on any. */
static void choose_address(const struct up *up, struct role *role, char out[ENDPOINT_SIZE + 8]) {
    uint64_t port = up->port == 0 || role->has_failed ? 0 : up->port + role->number - 1;
    if (role->address[0] != '\0') {
        snprintf(out, ENDPOINT_SIZE + 8, "%s", role->address);
    } else {
        snprintf(out, ENDPOINT_SIZE + 8, "%s:%llu", up->host, port <= UINT16_MAX ? (unsigned long long)port : 0);
    }
}

static size_t add_texts(const char **argv, size_t count, const char *name, const struct ordo_option_texts *texts) {
    for (size_t i = 0; i < texts->count; i++) {
        argv[count++] = name;
        argv[count++] = texts->items[i];
    }
    return count;
}

/* Who may come in. */
static size_t add_door(const struct up *up, const char **argv, size_t count) {
    count = add_texts(argv, count, "--token-jwks", &up->token_jwks);
    count = add_texts(argv, count, "--token-key", &up->token_keys);
    count = add_texts(argv, count, "--token-secret", &up->token_secrets);
    count = add_texts(argv, count, "--allow-origin", &up->origins);
    count = add_option(argv, count, "--token-issuer", up->token_issuer);
    count = add_option(argv, count, "--token-audience", up->token_audience);
    count = add_option(argv, count, "--token-cookie", up->token_cookie);
    if (up->listens_anywhere) argv[count++] = "--insecure-listen-anywhere";
    return count;
}

static size_t add_limits(struct up *up, const char **argv, size_t count) {
    for (size_t i = 0; i < up->limits.count; i++) {
        const char *equals = strchr(up->limits.items[i], '=');
        snprintf(up->limit_options[i], LIMIT_SIZE, "--%.*s", (int)(equals - up->limits.items[i]), up->limits.items[i]);
        argv[count++] = up->limit_options[i];
        argv[count++] = equals + 1;
    }
    return count;
}

static void start_gateway(struct up *up, struct role *role, uint64_t now_ms) {
    char address[ENDPOINT_SIZE + 8];
    choose_address(up, role, address);
    enum { ARGS_MAX = 48 + 5 * 2 * ORDO_OPTION_TEXTS_MAX };
    const char *argv[ARGS_MAX] = {NULL, "--listen", address, "--directory", up->directory, "--name", role->name,
                            "--log-level", up->log_level};
    size_t count = add_door(up, argv, 9);
    const struct {
        const char *name, *value;
    } given[] = {{"--static", up->site_folder}, {"--tls-cert", up->tls_cert}, {"--tls-key", up->tls_key},
                 {"--trusted-proxy", up->proxies}, {"--keys", up->keys_folder}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (given[i].value == NULL) continue;
        argv[count++] = given[i].name;
        argv[count++] = given[i].value;
    }
    count = add_limits(up, argv, count);
    char metrics[ENDPOINT_SIZE + 8];
    count = add_metrics(up, role, argv, count, metrics);
    argv[count] = NULL;
    role_start(role, &up->rundir, argv, now_ms);
}

/* ---- what they say */

/* One line, once, when all gateways serve: "ready URL URL …". */
static void announce(struct up *up) {
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == ROLE_GATEWAY && !up->roles[i].has_served) return;
    }
    if (up->is_announced) return;
    up->is_announced = true;
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == ROLE_GATEWAY && up->site_folder != NULL)
            printf("page http%s://%s/\n", up->tls_cert != NULL ? "s" : "", up->roles[i].address);
    }
    fputs("ready", stdout);
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == ROLE_GATEWAY) printf(" %s", up->roles[i].url);
    }
    fputs("\n", stdout);
    fflush(stdout);
}

/* "ws://HOST:PORT/v1/ws": from now on the gateway keeps this address, also if any port would have done. */
static void gateway_ready(struct up *up, struct role *role, const char *rest) {
    const char *host = strstr(rest, "://");
    if (host != NULL) snprintf(role->address, sizeof role->address, "%.*s", (int)strcspn(host + 3, "/"), host + 3);
    snprintf(role->url, sizeof role->url, "%.255s", rest);
    announce(up);
}

static void read_role(struct up *up, struct role *role, uint64_t now_ms) {
    char rest[sizeof role->child.line];
    if (role_read(role, rest, now_ms) && role->kind == ROLE_GATEWAY) gateway_ready(up, role, rest);
}

/* All of a kind ended by themselves, and none has ever served: that is a matter for people. (One of several that fails is
 * tried again: the others serve.) */
static bool is_hopeless(const struct up *up, enum role_kind kind) {
    for (size_t i = 0; i < up->role_count; i++) {
        if (up->roles[i].kind == kind && (up->roles[i].has_served || !up->roles[i].has_failed)) return false;
    }
    return true;
}

/* The port of the first gateway is what clients were told: it is that one or none. */
static bool may_be_elsewhere(const struct role *role) { return role->kind == ROLE_SHARD || role->number > 1; }

static void role_ended(struct up *up, struct role *role, enum role_end how, uint64_t now_ms) {
    if (up->is_stopping || how != ROLE_NEVER_SERVED) return;
    role->has_failed = true;
    if (may_be_elsewhere(role) && !is_hopeless(up, role->kind)) return;
    up->status = ordo_command_fail("%s ended before it served; its message stands above", role->child.name);
    begin_stop(up, now_ms);
}

static void reap(struct up *up, uint64_t now_ms) {
    for (size_t i = 0; i < up->role_count; i++) {
        struct role *role = &up->roles[i];
        enum role_end how;
        if (role->child.output >= 0) read_role(up, role, now_ms); /* its last words */
        if (role_reap(role, &up->rundir, up->is_stopping, now_ms, &how)) role_ended(up, role, how, now_ms);
    }
}

static void take_signals(struct up *up, uint64_t now_ms) {
    struct signalfd_siginfo info;
    while (read(up->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) continue; /* reap() looks at every turn */
        if (!up->is_stopping) {
            begin_stop(up, now_ms);
        } else { /* somebody is impatient */
            for (size_t i = 0; i < up->role_count; i++) up->roles[i].kill_ms = now_ms;
        }
    }
}

/* ---- the loop */

static uint64_t step_role(struct up *up, struct role *role, uint64_t now_ms) {
    bool may_start = !up->is_stopping && (role->kind == ROLE_SHARD || have_served(up, ROLE_SHARD));
    if (role->state == ROLE_WAITING && may_start) {
        if (role->start_ms <= now_ms) (role->kind == ROLE_SHARD ? start_shard : start_gateway)(up, role, now_ms);
        if (role->state == ROLE_WAITING) return role->start_ms;
    }
    role_enforce_stop(role, now_ms);
    return role->state == ROLE_STOPPING ? role->kill_ms : UINT64_MAX;
}

/* Starts what is due, goes on with stopping; returns how long poll may sleep, -1: until something happens. */
static int step(struct up *up, uint64_t now_ms) {
    if (up->is_stopping && are_stopped(up, ROLE_GATEWAY) && !are_stopped(up, ROLE_SHARD)) stop_all(up, ROLE_SHARD, now_ms);
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < up->role_count; i++) {
        uint64_t role_ms = step_role(up, &up->roles[i], now_ms);
        if (role_ms < next_ms) next_ms = role_ms;
    }
    if (next_ms == UINT64_MAX) return -1;
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static bool is_over(const struct up *up) { return are_stopped(up, ROLE_GATEWAY) && are_stopped(up, ROLE_SHARD); }

static void supervise(struct up *up) {
    struct pollfd fds[1 + ROLE_COUNT_MAX];
    while (!is_over(up)) {
        int timeout_ms = step(up, ordo_clock_monotonic_ms());
        if (is_over(up)) break;
        fds[0] = (struct pollfd){.fd = up->signals, .events = POLLIN};
        for (size_t i = 0; i < up->role_count; i++)
            fds[1 + i] = (struct pollfd){.fd = up->roles[i].child.output, .events = POLLIN};
        if (poll(fds, 1 + up->role_count, timeout_ms) < 0 && errno != EINTR) ORDO_ASSERT(false);
        uint64_t now_ms = ordo_clock_monotonic_ms();
        if (fds[0].revents) take_signals(up, now_ms);
        for (size_t i = 0; i < up->role_count; i++) {
            if (fds[1 + i].revents) read_role(up, &up->roles[i], now_ms);
        }
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

/* ---- the command line */

/* HOST:PORT. */
static bool parse_listen(const char *text, char host[ENDPOINT_SIZE], uint64_t *port) {
    const char *colon = strrchr(text, ':');
    char *end;
    if (colon == NULL || colon == text || colon[1] < '0' || colon[1] > '9') return false;
    *port = strtoull(colon + 1, &end, 10);
    return *end == '\0' && *port <= UINT16_MAX &&
           snprintf(host, ENDPOINT_SIZE, "%.*s", (int)(colon - text), text) < ENDPOINT_SIZE;
}

/* The limits of a gateway, as its options are called; it says itself which values make sense. */
static bool is_limit(const char *text) {
    static const char *const names[] = {
        "ops-rate", "requests-rate", "bytes-rate", "presence-rate", "user-ops-rate", "user-requests-rate", "user-bytes-rate",
        "connections-max", "connections-per-address", "documents-max", "handshakes-max", "handshake-timeout-ms",
        "hello-timeout-ms", "open-timeout-ms", "ping-interval-ms", "frame-size-max", "presence-size-max", "outbox-size-max",
        "memory-max-mib"};
    size_t size = strcspn(text, "=");
    for (size_t i = 0; text[size] == '=' && i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0) return true;
    return false;
}

static const char *find_fault(struct up *up, const char *listen, const char *listen_metrics) {
    if (!parse_listen(listen, up->host, &up->port)) return "--listen wants HOST:PORT";
    if (listen_metrics != NULL && !parse_listen(listen_metrics, up->metrics_host, &up->metrics_port))
        return "--listen-metrics wants HOST:PORT";
    if (ordo_log_level_of(up->log_level) < 0) return "--log-level wants error, warn, info or debug";
    if ((up->tls_cert == NULL) != (up->tls_key == NULL)) return "--tls-cert and --tls-key go together";
    for (size_t i = 0; i < up->limits.count; i++)
        if (!is_limit(up->limits.items[i])) return "--limit wants NAME=N with a limit of the gateways, such as ops-rate=100";
    if (strlen(up->data_dir) + 32 >= PATH_MAX) return "--data is too long";
    return NULL;
}

/* False: return `*status`. */
static bool parse(struct up *up, int argc, char **argv, int *status) {
    const char *listen = "127.0.0.1:8080", *listen_metrics = NULL;
    up->data_dir = "./ordo-data";
    up->log_level = "info";
    up->log_ops = up->history = "10000";
    up->log_age_ms = "60000";
    up->shard_count = up->gateway_count = 1;
    const struct ordo_option options[] = {
        {"--data", "DIR", "where documents are kept (./ordo-data); made if missing", ORDO_OPTION_TEXT, &up->data_dir},
        {"--listen", "HOST:PORT", "where clients connect (127.0.0.1:8080); port 0: any free one", ORDO_OPTION_TEXT,
         &listen},
        {"--listen-metrics", "HOST:PORT",
         "figures for Prometheus: the shards' from PORT on, then the gateways'; port 0: any free ones", ORDO_OPTION_TEXT,
         &listen_metrics},
        {"--static", "DIR", "serve the files of DIR, too: DIR/index.html is the page http://HOST:PORT/", ORDO_OPTION_TEXT,
         &up->site_folder},
        {"--tls-cert", "FILE", "serve clients over TLS (wss://): the certificate with its chain, in PEM", ORDO_OPTION_TEXT,
         &up->tls_cert},
        {"--tls-key", "FILE", "... and its key; both are read again when they have changed", ORDO_OPTION_TEXT, &up->tls_key},
        {"--trusted-proxy", "CIDR", "proxies in front, behind commas: believed when they say who the client is", ORDO_OPTION_TEXT,
         &up->proxies},
        {"--keys", "DIR", "of `ordo keys make`: other users of this machine cannot talk to the shards", ORDO_OPTION_TEXT,
         &up->keys_folder},
        {"--shards", "N", "processes that keep documents (1)", ORDO_OPTION_COUNT, &up->shard_count, 1, KIND_COUNT_MAX},
        {"--gateways", "N", "processes that clients connect to (1), each on a port of its own from --listen on",
         ORDO_OPTION_COUNT, &up->gateway_count, 1, KIND_COUNT_MAX},
        {"--no-balance", NULL, "do not move slots between shards unless asked to", ORDO_OPTION_FLAG, &up->is_balance_off},
        {"--log-ops", "N", "the newest N ops of a document stay in its log (10000)", ORDO_OPTION_TEXT, &up->log_ops},
        {"--log-age-ms", "MS", "... and all younger than this (60000)", ORDO_OPTION_TEXT, &up->log_age_ms},
        {"--history", "KEEP", "history to keep: N ops (10000), 30d, N+30d or full; COLLECTION=KEEP,… for some", ORDO_OPTION_TEXT,
         &up->history},
        {"--writers-max", "N", "writers of one document at once, 0: no limit (1000); others wait as viewers for a place",
         ORDO_OPTION_TEXT, &up->writers_max},
        {"--writer-idle-ms", "MS", "... who is quiet for so long loses the place to somebody who wants it (30000)",
         ORDO_OPTION_TEXT, &up->writer_idle_ms},
        {"--webhook", "URL", "tell this address which documents changed (docs/http.md)", ORDO_OPTION_TEXT, &up->webhook},
        {"--webhook-secret-file", "FILE", "... signed with what this file holds", ORDO_OPTION_TEXT, &up->webhook_secret},
        {"--webhook-collection", "NAME", "... of this collection alone", ORDO_OPTION_TEXT, &up->webhook_collection},
        {"--log-level", "LEVEL", "error, warn, info (default) or debug; logs go to stderr", ORDO_OPTION_TEXT,
         &up->log_level},
        {"--token-jwks", "FILE", "public keys of tokens, as a JSON Web Key Set; with any key clients need a token.\n"
                                 "This and the next two may be repeated", ORDO_OPTION_TEXTS, &up->token_jwks},
        {"--token-key", "FILE", "a public key in PEM", ORDO_OPTION_TEXTS, &up->token_keys},
        {"--token-secret", "FILE", "a shared secret, 32 bytes at least", ORDO_OPTION_TEXTS, &up->token_secrets},
        {"--token-issuer", "ISS", "tokens must be by ISS", ORDO_OPTION_TEXT, &up->token_issuer},
        {"--token-audience", "AUD", "tokens must be for AUD", ORDO_OPTION_TEXT, &up->token_audience},
        {"--token-cookie", "NAME", "take tokens out of this cookie, too", ORDO_OPTION_TEXT, &up->token_cookie},
        {"--allow-origin", "ORIGIN", "pages that may connect; may be repeated", ORDO_OPTION_TEXTS, &up->origins},
        {"--limit", "NAME=N", "a limit of the gateways, such as ops-rate=100 (docs/security.md, Limits); may be repeated",
         ORDO_OPTION_TEXTS, &up->limits},
        {"--insecure-listen-anywhere", NULL, "let whoever reaches HOST read and write everything", ORDO_OPTION_FLAG,
         &up->listens_anywhere},
    };
    struct ordo_words words = {0};
    if (!ordo_command_parse("ordo up [OPTIONS]", options, sizeof options / sizeof options[0], argc, argv, &words,
                            status)) {
        return false;
    }
    const char *fault = find_fault(up, listen, listen_metrics);
    if (fault == NULL) return true;
    *status = ordo_command_misuse("up", fault);
    return false;
}

static void cast_roles(struct up *up) {
    for (uint32_t i = 1; i <= up->shard_count; i++) role_init(&up->roles[up->role_count++], ROLE_SHARD, i);
    for (uint32_t i = 1; i <= up->gateway_count; i++) role_init(&up->roles[up->role_count++], ROLE_GATEWAY, i);
}

/* EXIT_SUCCESS: the data folder is ours, and nobody of an earlier run is left. Else a message was printed. */
static int take_over(struct up *up) {
    for (size_t i = 0; i < up->role_count; i++) {
        if (ordo_child_find(&up->roles[i].child) == ORDO_OK) continue;
        return ordo_command_fail("%s is neither next to this program nor in PATH", up->roles[i].child.name);
    }
    ordo_err err = ordo_rundir_open(&up->rundir, up->data_dir);
    if (err == ORDO_ERR_LOCKED) return ordo_command_fail("another `ordo up` runs on %s", up->data_dir);
    if (err) return ordo_command_fail("cannot use %s: %s", up->data_dir, strerror(errno));
    char left[64];
    if (ordo_rundir_wait_all_gone(&up->rundir, GONE_TIMEOUT_MS, left)) return EXIT_SUCCESS;
    ordo_rundir_close(&up->rundir);
    return ordo_command_fail("the %s of an earlier run still runs on %s", left, up->data_dir);
}

int ordo_up_run(int argc, char **argv) {
    static struct up up; /* zeroed */
    int status;
    if (!parse(&up, argc, argv, &status)) return status;
    ordo_log_init("ordo", (enum ordo_log_level)ordo_log_level_of(up.log_level));
    cast_roles(&up);
    status = take_over(&up);
    if (status != EXIT_SUCCESS) return status;
    snprintf(up.directory, sizeof up.directory, "file:%.*s/directory", PATH_MAX - 32, up.data_dir);
    ordo_rundir_set_pid(&up.rundir, "up", getpid());
    open_signals(&up);
    supervise(&up);
    ordo_rundir_set_pid(&up.rundir, "up", 0);
    ordo_rundir_close(&up.rundir);
    close(up.signals);
    return up.status;
}
