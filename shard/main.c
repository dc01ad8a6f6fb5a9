/* ordo-shard: the sequencer of a set of documents, over one store or, of a volume, several. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "common/log.h"
#include "common/sched.h"
#include "shard/config.h"
#include "shard/host.h"

enum { EXIT_USAGE = 2 };

/* Everything that the process holds, in the order in which it is made. */
struct process {
    struct ordo_config config;
    void *zmq;
    struct ordo_host *host;
};

/* Before there are threads, so that all inherit it: signals are taken by `wait_for_stop` alone. */
static void block_signals(sigset_t *stops) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(stops);
    sigaddset(stops, SIGTERM);
    sigaddset(stops, SIGINT);
    sigprocmask(SIG_BLOCK, stops, NULL);
}

static void wait_for_stop(const sigset_t *stops) {
    int signal_number;
    while (sigwait(stops, &signal_number) != 0) continue;
    log_info("event=stopping signal=%d", signal_number);
}

/* Alone: one store, which owns all that it owns, whatever else there may be. */
static ordo_err serve_alone(struct process *process, struct ordo_problem *problem) {
    ordo_err err = ordo_host_open(process->config.data, &process->config, process->zmq, problem, &process->host);
    if (err) return err;
    ordo_host_serve(process->host);
    printf("ready data=%s side=%s\n", ordo_host_data_endpoint(process->host), ordo_host_side_endpoint(process->host));
    fflush(stdout);
    return ORDO_OK;
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
    sigset_t stops;
    block_signals(&stops);
    ordo_sched_take_short_slices(); /* before there are threads, too */
    process.zmq = zmq_ctx_new();
    ordo_err err = serve_alone(&process, &problem);
    if (err) log_error("event=stopped reason=\"%s\"", problem.text);
    if (!err) wait_for_stop(&stops);
    ordo_host_stop(process.host);
    zmq_ctx_term(process.zmq);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
