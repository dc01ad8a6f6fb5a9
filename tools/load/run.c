#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "tools/load/load.h"

enum { OPENING_MAX = 64 };                        /* clients that connect at the same time */
#define OPEN_TIMEOUT_NS UINT64_C(20000000000)
#define OPEN_CLIENT_NS UINT64_C(10000000)         /* more for each client */
#define KICK_NS UINT64_C(100000000)               /* idle writers are looked at as often */
#define PROGRESS_NS UINT64_C(1000000000)

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number) {
    (void)signal_number;
    stop_requested = 1;
}

static bool has_begun_all(struct load *load) {
    while (load->begun_count < load->worker_count && load->begun_count - load->open_count < OPENING_MAX) {
        load_worker_begin(load, &load->workers[load->begun_count++]);
    }
    /* A server that nobody of us believes will not do better later. */
    if (load->open_count == 0 && load_net_fault(load->net)[0] != '\0') load->is_stopped = true;
    return load->open_count == load->worker_count || load->is_stopped;
}

static bool has_ended(struct load *load) {
    if (load->is_stopped) return true;
    if (load->config.trace_path) {
        return load->trace_next == load->trace.patch_count && load_worker_is_settled(&load->workers[0]);
    }
    return ordo_clock_monotonic_ns() >= load->end_ns;
}

static bool has_warmed_up(struct load *load) {
    return load->is_stopped || ordo_clock_monotonic_ns() >= load->measure_ns;
}

static bool has_settled(struct load *load) {
    for (uint32_t i = 0; i < load->writer_count; i++) {
        if (!load_worker_is_settled(&load->workers[i])) return false;
    }
    return true;
}

/* Writers that have nothing on its way get going (again): at the start, and after a refusal. */
static void kick_writers(struct load *load) {
    if (!load->is_writing) return; /* before that, some have not even begun */
    uint64_t now_ns = ordo_clock_monotonic_ns();
    for (uint32_t i = 0; i < load->writer_count; i++) {
        load_worker_write(&load->workers[i], now_ns);
        load_link_flush(&load->workers[i].link);
    }
}

/* Open loop: hands out the ops that came due and sets the timer to the next one. */
static void schedule(void *user) {
    struct load *load = user;
    uint64_t expirations;
    if (read(load->timer_fd, &expirations, sizeof expirations) < 0) expirations = 0; /* only drains it */
    if (!load->is_writing) return;
    uint64_t now_ns = ordo_clock_monotonic_ns(), next_ns;
    while ((next_ns = load->begin_ns + (uint64_t)((double)load->schedule_next * 1e9 / load->config.rate)) <= now_ns) {
        struct load_worker *worker = &load->workers[load->schedule_next++ % load->writer_count];
        worker->due_count++;
        load_worker_write(worker, now_ns);
        load_link_flush(&worker->link);
    }
    uint64_t wait_ns = next_ns - now_ns;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)}};
    timerfd_settime(load->timer_fd, 0, &when, NULL);
}

static void begin_measure(struct load *load) {
    load->measure_ns = ordo_clock_monotonic_ns();
    load->is_measuring = true;
    load->procs_begin = ordo_procs_sample(&load->procs_open);
    load->self_begin = ordo_proc_self();
}

static void end_measure(struct load *load) {
    load->end_ns = ordo_clock_monotonic_ns();
    load->is_measuring = false;
    load->procs_end = ordo_procs_sample(&load->procs_begin);
    load->self_end = ordo_proc_self();
}

/* TIMEOUT: it was not done within `timeout_ns`. */
static ordo_err run_until(struct load *load, bool (*is_done)(struct load *load), uint64_t timeout_ns) {
    uint64_t begin_ns = ordo_clock_monotonic_ns(), kicked_ns = begin_ns, reported_ns = begin_ns;
    while (!is_done(load)) {
        uint64_t now_ns = ordo_clock_monotonic_ns();
        if (now_ns - begin_ns > timeout_ns) return ORDO_ERR_TIMEOUT;
        uint64_t wait_ns = load->wake_ns > now_ns ? load->wake_ns - now_ns : KICK_NS;
        load_net_turn(load->net, wait_ns < KICK_NS ? wait_ns : KICK_NS);
        now_ns = ordo_clock_monotonic_ns();
        if (now_ns - kicked_ns >= KICK_NS) {
            kicked_ns = now_ns;
            kick_writers(load);
        }
        if (load->is_terminal && now_ns - reported_ns >= PROGRESS_NS) {
            reported_ns = now_ns;
            load_report_progress(load);
        }
        if (stop_requested) load->is_stopped = true;
    }
    return ORDO_OK;
}

static bool open_all(struct load *load) {
    ordo_err err = run_until(load, has_begun_all, OPEN_TIMEOUT_NS + OPEN_CLIENT_NS * load->worker_count);
    if (!err && !load->is_stopped) return true;
    char reason[sizeof load->error];
    int error = load->workers[0].link.error;
    const char *fault = load_net_fault(load->net);
    snprintf(reason, sizeof reason, "%s", load->error[0] ? load->error : fault[0] ? fault : error != 0 ? strerror(error) : "");
    snprintf(load->error, sizeof load->error, "only %u of %u clients could open their document%s%.150s", load->open_count,
             load->worker_count, reason[0] ? ": " : "", reason);
    return false;
}

/* Without an end of its own: `is_done` knows it. */
static void run_phase(struct load *load, bool (*is_done)(struct load *load), uint64_t wake_ns) {
    load->wake_ns = wake_ns;
    ordo_err err = run_until(load, is_done, UINT64_MAX);
    ORDO_ASSERT(err == ORDO_OK);
    load->wake_ns = 0;
}

static void write_and_measure(struct load *load) {
    load->begin_ns = ordo_clock_monotonic_ns();
    load->measure_ns = load->begin_ns + (uint64_t)(load->config.warmup_s * 1e9);
    load->is_writing = true;
    if (load->config.rate > 0 && load->writer_count > 0) {
        schedule(load);
    } else {
        kick_writers(load);
    }
    if (load->config.warmup_s > 0) run_phase(load, has_warmed_up, load->measure_ns);
    begin_measure(load);
    load->end_ns = load->measure_ns + (uint64_t)(load->config.duration_s * 1e9);
    run_phase(load, has_ended, load->end_ns);
    end_measure(load);
    load->is_writing = false;
}

bool load_run(struct load *load) {
    struct sigaction stop = {.sa_handler = request_stop};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    load->is_terminal = isatty(STDERR_FILENO);
    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    ORDO_ASSERT(load->timer_fd >= 0);
    load_net_watch(load->net, load->timer_fd, schedule, load);

    load->procs_before = ordo_procs_find(load->local_port);
    bool is_done = false;
    if (open_all(load)) {
        load->procs_open = ordo_procs_sample(&load->procs_before);
        write_and_measure(load);
        is_done = run_until(load, has_settled, (uint64_t)(load->config.settle_s * 1e9)) == ORDO_OK;
        if (!is_done) {
            snprintf(load->error, sizeof load->error, "ops were still not acked %.0f s after the run",
                     load->config.settle_s);
        } else if (load->config.trace_path && load->trace_next < load->trace.patch_count) {
            is_done = false; /* stopped half-way; whoever stopped it said why */
        }
    }
    if (load->is_terminal) fprintf(stderr, "\r\033[K");
    return is_done;
}
