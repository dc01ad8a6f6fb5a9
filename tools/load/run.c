#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "tools/load/load.h"

enum {
    OPENING_MAX = 64,            /* clients that connect at the same time */
    OPEN_TIMEOUT_MS = 20000,     /* and 10 ms for each client */
    TICK_MS = 100,               /* idle writers are looked at, phases end */
    PROGRESS_MS = 1000,
};

static bool has_begun_all(void *user) {
    struct load *load = user;
    while (load->begun_count < load->worker_count && load->begun_count - load->open_count < OPENING_MAX) {
        if (load_worker_begin(load, &load->workers[load->begun_count]) != ORDO_OK) {
            snprintf(load->error, sizeof load->error, "'%.150s' is no ws:// or wss:// URL", load->config.url);
            load->is_stopped = true;
            return true;
        }
        load->begun_count++;
    }
    return load->open_count == load->worker_count || load->is_stopped;
}

static bool has_ended(void *user) {
    struct load *load = user;
    if (load->is_stopped) return true;
    if (load->config.trace_path) {
        return load->trace_next == load->trace.patch_count && load_worker_is_settled(&load->workers[0]);
    }
    return ordo_clock_monotonic_ns() >= load->end_ns;
}

static bool has_warmed_up(void *user) {
    struct load *load = user;
    return load->is_stopped || ordo_clock_monotonic_ns() >= load->measure_ns;
}

static bool has_settled(void *user) {
    struct load *load = user;
    for (uint32_t i = 0; i < load->writer_count; i++) {
        if (!load_worker_is_settled(&load->workers[i])) return false;
    }
    return true;
}

/* Writers that have nothing on its way get going (again): at the start, and after a refusal. */
static void kick_writers(struct load *load) {
    uint64_t now_ns = ordo_clock_monotonic_ns();
    for (uint32_t i = 0; i < load->writer_count; i++) load_worker_write(&load->workers[i], now_ns);
}

static void tick(struct ev_loop *ev, ev_timer *timer, int events) {
    (void)ev;
    (void)events;
    kick_writers(timer->data);
}

static void progress(struct ev_loop *ev, ev_timer *timer, int events) {
    (void)ev;
    (void)events;
    load_report_progress(timer->data);
}

static void interrupted(struct ev_loop *ev, ev_signal *watcher, int events) {
    (void)ev;
    (void)events;
    ((struct load *)watcher->data)->is_stopped = true;
}

/* Open loop: hands out the ops that came due and sets the timer to the next one. */
static void schedule(struct ev_loop *ev, ev_io *watcher, int events) {
    (void)ev;
    (void)events;
    struct load *load = watcher->data;
    uint64_t expirations;
    if (read(watcher->fd, &expirations, sizeof expirations) < 0) expirations = 0; /* only drains it */
    uint64_t now_ns = ordo_clock_monotonic_ns(), next_ns;
    while ((next_ns = load->begin_ns + (uint64_t)((double)load->schedule_next * 1e9 / load->config.rate)) <= now_ns) {
        struct load_worker *worker = &load->workers[load->schedule_next++ % load->writer_count];
        worker->due_count++;
        load_worker_write(worker, now_ns);
    }
    uint64_t wait_ns = next_ns - now_ns;
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(wait_ns / 1000000000), .tv_nsec = (long)(wait_ns % 1000000000)}};
    timerfd_settime(watcher->fd, 0, &when, NULL);
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

static ordo_err run_until(struct load *load, bool (*is_done)(void *user), double seconds) {
    return ordo_client_loop_run_until(load->loop, is_done, load, (uint32_t)(seconds * 1000));
}

static bool open_all(struct load *load) {
    double timeout_s = OPEN_TIMEOUT_MS / 1000.0 + 0.01 * load->worker_count;
    ordo_err err = run_until(load, has_begun_all, timeout_s);
    if (!err && !load->is_stopped) return true;
    char reason[sizeof load->error];
    memcpy(reason, load->error, sizeof reason);
    snprintf(load->error, sizeof load->error, "only %u of %u clients could open their document%s%.150s", load->open_count,
             load->worker_count, reason[0] ? ": " : "", reason);
    return false;
}

static void write_and_measure(struct load *load) {
    struct ev_loop *ev = ordo_client_loop_ev(load->loop);
    bool is_open_loop = load->config.rate > 0 && load->writer_count > 0;
    load->begin_ns = ordo_clock_monotonic_ns();
    load->measure_ns = load->begin_ns + (uint64_t)(load->config.warmup_s * 1e9);
    load->is_writing = true;

    ev_io scheduler;
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    ORDO_ASSERT(timer_fd >= 0);
    ev_io_init(&scheduler, schedule, timer_fd, EV_READ);
    scheduler.data = load;
    if (is_open_loop) {
        ev_io_start(ev, &scheduler);
        schedule(ev, &scheduler, 0);
    } else {
        kick_writers(load);
    }

    double forever_s = 1e6;
    if (load->config.warmup_s > 0) {
        ordo_err err = run_until(load, has_warmed_up, forever_s);
        ORDO_ASSERT(err == ORDO_OK);
    }
    begin_measure(load);
    load->end_ns = load->measure_ns + (uint64_t)(load->config.duration_s * 1e9);
    ordo_err err = run_until(load, has_ended, forever_s);
    ORDO_ASSERT(err == ORDO_OK);
    end_measure(load);
    load->is_writing = false;
    ev_io_stop(ev, &scheduler);
    close(timer_fd);
}

bool load_run(struct load *load) {
    struct ev_loop *ev = ordo_client_loop_ev(load->loop);
    ev_timer ticker, progresser;
    ev_signal interrupter, terminator;
    ev_timer_init(&ticker, tick, TICK_MS / 1000.0, TICK_MS / 1000.0);
    ev_timer_init(&progresser, progress, PROGRESS_MS / 1000.0, PROGRESS_MS / 1000.0);
    ev_signal_init(&interrupter, interrupted, SIGINT);
    ev_signal_init(&terminator, interrupted, SIGTERM);
    ticker.data = progresser.data = interrupter.data = terminator.data = load;
    ev_timer_start(ev, &ticker);
    if (isatty(STDERR_FILENO)) ev_timer_start(ev, &progresser);
    ev_signal_start(ev, &interrupter);
    ev_signal_start(ev, &terminator);

    load->procs_before = ordo_procs_find(load->local_port);
    bool is_open = open_all(load);
    bool is_done = false;
    if (is_open) {
        load->procs_open = ordo_procs_sample(&load->procs_before);
        write_and_measure(load);
        is_done = run_until(load, has_settled, load->config.settle_s) == ORDO_OK;
        if (!is_done) {
            snprintf(load->error, sizeof load->error, "ops were still not acked %.0f s after the run",
                     load->config.settle_s);
        } else if (load->config.trace_path && load->trace_next < load->trace.patch_count) {
            is_done = false; /* stopped half-way; whoever stopped it said why */
        }
    }
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r\033[K");
    ev_timer_stop(ev, &ticker);
    ev_timer_stop(ev, &progresser);
    ev_signal_stop(ev, &interrupter);
    ev_signal_stop(ev, &terminator);
    return is_done;
}
