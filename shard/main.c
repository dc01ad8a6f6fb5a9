/* ordo-shard: the sequencer of a set of documents, over one store or, of a volume, several. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/link/guard.h"
#include "common/log.h"
#include "common/sched.h"
#include "shard/config.h"
#include "shard/host.h"
#include "shard/http_port.h"
#include "shard/probe.h"
#include "shard/registrar.h"

enum { EXIT_USAGE = 2, MMAP_SIZE_MIN = 256 * 1024, TRIM_SIZE = 1024 * 1024 };

/* Everything that the process holds, in the order in which it is made. */
struct process {
    struct ordo_config config;
    int signals;
    void *zmq;
    struct ordo_guard *guard;         /* with keys */
    struct ordo_troubles troubles;
    struct ordo_probe *probe;
    struct ordo_http_port *port;      /* with --listen-metrics */
    struct ordo_registrar *registrar; /* in a cluster: it has the shards */
    struct ordo_host *host;           /* alone: it is here */
};

/* Large buffers (pieces of snapshots, blocks of history, what RocksDB collects in memory) go back to the system when they are
 * freed. The allocator would raise this limit to the largest that it ever saw freed; then they come from the heaps of a
 * dozen threads and leave holes there, which grow under mixed load (docs/benchmarks.md). */
static void keep_heaps_dense(void) {
    mallopt(M_MMAP_THRESHOLD, MMAP_SIZE_MIN);
    mallopt(M_TRIM_THRESHOLD, TRIM_SIZE);
}

/* Before there are threads, so that all of them block the signals that `wait_for_end` waits for. */
static void take_signals(struct process *process) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    process->signals = signalfd(-1, &stops, SFD_CLOEXEC);
    ORDO_ASSERT(process->signals >= 0);
}

/* Before anything listens. */
static ordo_err take_keys(struct process *process, struct ordo_problem *problem) {
    struct ordo_link_security *links = &process->config.links;
    if (process->config.keys_folder == NULL) return ORDO_OK;
    ordo_err err = ordo_link_keyring_open(process->config.keys_folder, ORDO_LINK_ROLE_SHARD, problem, &links->keys);
    return err ? err : ordo_guard_start(process->zmq, links->keys, problem, &process->guard);
}

/* Before a store is open: opening may take long, and whoever watches is to see that. */
static ordo_err listen_to_watchers(struct process *process, struct ordo_problem *problem) {
    if (process->config.listen_metrics == NULL) return ORDO_OK;
    ordo_err err =
        ordo_http_port_start(process->config.listen_metrics, ordo_probe_answer, process->probe, problem, &process->port);
    if (!err) log_info("event=metrics address=%s", ordo_http_port_address(process->port));
    return err;
}

/* Alone: one store, which serves what it owns, whatever else there may be. */
static ordo_err serve_alone(struct process *process, struct ordo_problem *problem) {
    const struct ordo_host_config config = {.process = &process->config, .zmq = process->zmq, .probe = process->probe,
                                            .troubles = &process->troubles, .registrar_wake_fd = -1};
    ordo_err err = ordo_host_open(process->config.data, &config, problem, &process->host);
    if (err) return err;
    ordo_host_serve(process->host);
    printf("ready data=%s side=%s\n", ordo_host_data_endpoint(process->host), ordo_host_side_endpoint(process->host));
    fflush(stdout);
    return ORDO_OK;
}

static ordo_err start_webhooks(struct ordo_config *config, struct ordo_problem *problem) {
    return config->webhook.url == NULL ? ORDO_OK : ordo_webhooks_start(&config->webhook, problem, &config->webhooks);
}

/* False: a shard may not go on, and the registrar has said why. */
static bool wait_for_end(const struct process *process) {
    struct pollfd fds[] = {
        {.fd = process->signals, .events = POLLIN},
        {.fd = process->registrar != NULL ? ordo_registrar_failure_fd(process->registrar) : -1, .events = POLLIN},
    };
    while (poll(fds, 2, -1) < 0) ORDO_ASSERT(errno == EINTR);
    if (fds[0].revents) log_info("event=stopping");
    ordo_probe_stopping(process->probe);
    return fds[1].revents == 0;
}

/* The mirror of the start; safe on a half-started process. */
static void finish(struct process *process) {
    ordo_registrar_stop(process->registrar);
    ordo_host_stop(process->host);
    ordo_webhooks_stop(process->config.webhooks); /* what the last commits changed is given by now */
    ordo_guard_stop(process->guard);
    ordo_http_port_stop(process->port);
    ordo_probe_destroy(process->probe);
    ordo_troubles_finish(&process->troubles);
    zmq_ctx_term(process->zmq);
    ordo_link_keyring_close(process->config.links.keys);
    close(process->signals);
}

int main(int argc, char **argv) {
    static struct process process;
    char fault[ORDO_CONFIG_FAULT_SIZE];
    switch (ordo_config_parse(&process.config, argc, argv, fault)) {
    case ORDO_CONFIG_RUN: break;
    case ORDO_CONFIG_HELP: fputs(ordo_config_help, stdout); return EXIT_SUCCESS;
    case ORDO_CONFIG_WRONG: fprintf(stderr, "ordo-shard: %s\n", fault); return EXIT_USAGE;
    }
    ordo_log_init("shard", process.config.log_level);
    struct ordo_problem problem = {{0}};
    keep_heaps_dense();
    take_signals(&process);
    ordo_sched_take_short_slices(); /* before there are threads, too */
    process.zmq = zmq_ctx_new();
    ordo_troubles_init(&process.troubles);
    process.probe = ordo_probe_create(&process.troubles);
    const struct ordo_registrar_config registrar = {.process = &process.config, .zmq = process.zmq, .probe = process.probe,
                                                    .troubles = &process.troubles};
    ordo_err err = listen_to_watchers(&process, &problem);
    if (!err) err = take_keys(&process, &problem);
    if (!err) err = start_webhooks(&process.config, &problem);
    if (!err)
        err = process.config.directory != NULL ? ordo_registrar_start(&registrar, &problem, &process.registrar)
                                               : serve_alone(&process, &problem);
    if (err) log_error("event=stopped reason=\"%s\"", log_quoted(problem.text));
    bool is_well = !err && wait_for_end(&process);
    finish(&process);
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
