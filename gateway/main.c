/* ordo-gateway: WebSockets of clients on one side, shards on the other, one loop on one thread. */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "common/assert.h"
#include "common/directory/cluster.h"
#include "common/random.h"
#include "common/sched.h"
#include "gateway/follower.h"
#include "gateway/keyring.h"
#include "gateway/links.h"
#include "gateway/options.h"
#include "gateway/site.h"
#include "gateway/tls.h"
#include "gateway/wire_lws.h"

enum { EXIT_USAGE = 2, URL_SIZE = 300, HOST_SIZE = 256 };

#define TICK_S 0.05
#define KEYS_LOOK_S 0.5 /* so often files of keys are looked at */
#define DRAIN_S 3.0 /* beyond the time over which the core spreads the closing */

struct process {
    struct ordo_options options;
    struct ordo_site *site; /* NULL: none is served */
    struct ordo_turn turn;
    struct ev_loop *loop;
    void *zmq;
    struct ordo_links links;
    struct ordo_wire_lws *clients;
    struct ordo_follower *follower; /* with a directory */
    char name[64];
    ev_prepare before_sleep;
    ev_check after_sleep;
    ev_idle stay_awake; /* active while work is left that no event will announce */
    ev_timer tick, drain_limit;
    struct ordo_keyring *keyring; /* NULL: no token is asked for */
    ev_timer keys_look;
    ev_signal stop[2], renew; /* renew: SIGHUP, with TLS */
    bool has_ticked, is_announced, is_draining, has_failed;
};

/* Where a shard cannot be connected to now, the core hears so and tries again in a moment. */
static void open_link(struct process *process, const struct ordo_gateway_effect *effect) {
    const char *data = process->options.shard_data, *side = process->options.shard_side;
    bool is_open = (process->follower == NULL || ordo_follower_find(process->follower, &effect->store, &data, &side)) &&
                   ordo_links_open(&process->links, effect->peer, &effect->store, effect->session, data, side);
    if (is_open) return;
    if (process->options.directory != NULL) {
        ordo_links_close(&process->links, effect->peer);
        ordo_turn_step(&process->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_LINK_DOWN, .peer = effect->peer,
                                                                   .session = effect->session});
    } else { /* what the command line said is not an endpoint */
        process->has_failed = true;
        ev_break(process->loop, EVBREAK_ALL);
    }
}

static void do_effects(struct process *process) {
    struct ordo_gateway_effect effect;
    while (ordo_gateway_take(process->turn.core, &effect)) {
        switch (effect.kind) {
        case ORDO_GATEWAY_LINK_OPEN: open_link(process, &effect); break;
        case ORDO_GATEWAY_LINK_CLOSE: ordo_links_close(&process->links, effect.peer); break;
        case ORDO_GATEWAY_LINK_SEND:
            ordo_links_send(&process->links, effect.peer, ORDO_WIRE_DATA, effect.session, effect.bytes);
            break;
        case ORDO_GATEWAY_SIDE_SEND:
            ordo_links_send(&process->links, effect.peer, ORDO_WIRE_SIDE, effect.session, effect.bytes);
            break;
        case ORDO_GATEWAY_CONN_OUTPUT: ordo_wire_lws_want_output(process->clients, effect.conn); break;
        case ORDO_GATEWAY_CONN_CLOSE:
            ordo_wire_lws_close(process->clients, effect.conn, effect.code, effect.reason);
            break;
        case ORDO_GATEWAY_NOTE: log_debug("%.*s", (int)effect.bytes.size, (const char *)effect.bytes.data); break;
        }
    }
}

static void end_turn(struct process *process) {
    ordo_turn_step(&process->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_TURN_END});
    do_effects(process);
}

static void write_url(const struct process *process, const char *host, char out[URL_SIZE]) {
    bool is_v6 = strchr(host, ':') != NULL;
    snprintf(out, URL_SIZE, "ws%s://%s%s%s:%u/v1/ws", process->options.tls != NULL ? "s" : "", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
             ordo_wire_lws_port(process->clients));
}

static void write_metrics_url(const struct process *process, const char *host, char out[URL_SIZE]) {
    bool is_v6 = strchr(host, ':') != NULL;
    unsigned port = ordo_wire_lws_watcher_port(process->clients);
    out[0] = '\0';
    if (port != 0)
        snprintf(out, URL_SIZE, "http://%s%s%s:%u/metrics", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
}

static void announce(struct process *process) {
    if (process->is_announced || !ordo_gateway_is_ready(process->turn.core)) return;
    process->is_announced = true;
    char url[URL_SIZE];
    write_url(process, process->options.host, url);
    printf("ready %s\n", url);
    fflush(stdout);
}

/* The end of a turn: everything that the sockets had to say was read, and the core has been told. */
static void turn_end(struct ev_loop *loop, ev_prepare *watcher, int events) {
    (void)events;
    struct process *process = watcher->data;
    bool has_more = ordo_links_poll(&process->links);
    ordo_turn_read_clock_again(&process->turn);
    end_turn(process);                                            /* one message per shard … */
    has_more = ordo_wire_lws_flush(process->clients) || has_more; /* … one write per connection */
    end_turn(process);                                            /* what the drained sockets made room for */
    has_more = ordo_links_poll(&process->links) || has_more;    /* a send may have swallowed the edge */
    do_effects(process);
    has_more = ordo_wire_lws_flush(process->clients) || has_more;
    announce(process);
    ordo_turn_ends(&process->turn);
    if (process->is_draining && ordo_wire_lws_count(process->clients) == 0) ev_break(loop, EVBREAK_ALL);
    if (has_more)
        ev_idle_start(loop, &process->stay_awake);
    else
        ev_idle_stop(loop, &process->stay_awake);
}

static void turn_begin(struct ev_loop *loop, ev_check *watcher, int events) {
    (void)loop;
    (void)events;
    struct process *process = watcher->data;
    ordo_turn_read_clock(&process->turn);
}

static void idle(struct ev_loop *loop, ev_idle *watcher,
                 int events) { /* its presence keeps the loop from sleeping */
    (void)loop;
    (void)watcher;
    (void)events;
}

static void tick(struct ev_loop *loop, ev_timer *watcher, int events) {
    (void)loop;
    (void)events;
    struct process *process = watcher->data;
    ordo_turn_step(&process->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_TICK});
    ordo_wire_lws_tick(process->clients);
    if (process->options.tls != NULL) ordo_tls_look(process->options.tls, process->turn.now_ms, false);
}

static void renew(struct ev_loop *loop, ev_signal *watcher, int events) {
    (void)loop;
    (void)events;
    struct process *process = watcher->data;
    ordo_tls_look(process->options.tls, process->turn.now_ms, true);
}

static void give_keys(struct process *process) {
    ordo_turn_step(&process->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_KEYS,
                                                               .keys = ordo_keyring_keys(process->keyring)});
}

static void look_at_keys(struct ev_loop *loop, ev_timer *watcher, int events) {
    (void)loop;
    (void)events;
    struct process *process = watcher->data;
    if (ordo_keyring_look(process->keyring)) give_keys(process);
}

static void drain_over(struct ev_loop *loop, ev_timer *watcher, int events) {
    (void)watcher;
    (void)events;
    log_warn("event=drain_timeout");
    ev_break(loop, EVBREAK_ALL);
}

static void stop(struct ev_loop *loop, ev_signal *watcher, int events) {
    (void)events;
    struct process *process = watcher->data;
    if (process->is_draining) return;
    process->is_draining = true;
    log_info("event=stopping connections=%u", ordo_wire_lws_count(process->clients));
    ordo_wire_lws_drain(process->clients);
    ordo_turn_step(&process->turn, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_DRAIN});
    ev_timer_start(loop, &process->drain_limit);
}

static void watch(struct process *process) {
    struct ev_loop *loop = process->loop;
    ev_prepare_init(&process->before_sleep, turn_end);
    ev_check_init(&process->after_sleep, turn_begin);
    ev_set_priority(&process->after_sleep, EV_MAXPRI); /* the clock is read before anybody uses it */
    ev_idle_init(&process->stay_awake, idle);
    ev_timer_init(&process->tick, tick, 0., TICK_S);
    ev_timer_init(&process->drain_limit, drain_over, DRAIN_S + process->options.core.drain_ms / 1000., 0.);
    ev_signal_init(&process->stop[0], stop, SIGTERM);
    ev_signal_init(&process->stop[1], stop, SIGINT);
    process->before_sleep.data = process->after_sleep.data = process->tick.data = process;
    process->stop[0].data = process->stop[1].data = process;
    ev_prepare_start(loop, &process->before_sleep);
    ev_check_start(loop, &process->after_sleep);
    ev_timer_start(loop, &process->tick);
    ev_timer_init(&process->keys_look, look_at_keys, KEYS_LOOK_S, KEYS_LOOK_S);
    process->keys_look.data = process;
    if (process->keyring != NULL) ev_timer_start(loop, &process->keys_look);
    ev_signal_start(loop, &process->stop[0]);
    ev_signal_start(loop, &process->stop[1]);
    if (process->options.tls == NULL) return;
    ev_signal_init(&process->renew, renew, SIGHUP);
    process->renew.data = process;
    ev_signal_start(loop, &process->renew);
}

static bool load_site(struct process *process) {
    char fault[ORDO_SITE_FAULT_SIZE];
    if (process->options.site_folder == NULL) return true;
    if (ordo_site_load(&process->site, process->options.site_folder, fault) != ORDO_OK) {
        log_error("event=static_failed reason=\"%s\"", log_quoted(fault));
        return false;
    }
    process->options.site = process->site;
    return true;
}

static bool load_keys(struct process *process) {
    struct ordo_problem problem = {{0}};
    const struct ordo_options *options = &process->options;
    if (options->key_file_count == 0) return true;
    if (ordo_keyring_open(&process->keyring, options->key_files, options->key_file_count, &problem) == ORDO_OK)
        return true;
    log_error("event=keys_not_taken reason=\"%s\"", problem.text);
    return false;
}

/* What others call this gateway, where the command line does not say: alone, any name will do. */
static void choose_name(struct process *process) {
    char host[40] = "";
    if (process->options.name != NULL) {
        snprintf(process->name, sizeof process->name, "%s", process->options.name);
    } else if (process->options.directory == NULL || gethostname(host, sizeof host - 1) != 0 ||
               !ordo_cluster_name_is_valid(host)) {
        snprintf(process->name, sizeof process->name, "gateway");
    } else {
        snprintf(process->name, sizeof process->name, "%s-%d", host, (int)getpid());
    }
    process->options.core.name = ordo_slice_of(process->name);
}

static bool find_store(void *user, const struct ordo_store_id *store, const char **data_endpoint,
                       const char **side_endpoint) {
    return ordo_follower_find(user, store, data_endpoint, side_endpoint);
}

static void addresses_changed(void *user) {
    struct process *process = user;
    ordo_links_check(&process->links, find_store, process->follower);
}

static void refused(void *user, const char *sentence) {
    struct process *process = user;
    if (process->has_failed) return;
    log_error("event=stopped reason=\"%s\"", log_quoted(sentence));
    process->has_failed = true;
    ev_break(process->loop, EVBREAK_ALL);
}

/* By which host others reach what listens on `host`. */
static void choose_host(const struct process *process, const char *host, const char *address, char out[HOST_SIZE]) {
    bool is_every_address = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
    snprintf(out, HOST_SIZE, "%s", host);
    if (process->options.advertise != NULL) snprintf(out, HOST_SIZE, "%s", process->options.advertise);
    else if (is_every_address) gethostname(out, HOST_SIZE - 1);
}

static bool follow(struct process *process) {
    const struct ordo_options *options = &process->options;
    char url[URL_SIZE], metrics_url[URL_SIZE], host[HOST_SIZE] = "";
    choose_host(process, options->host, options->address, host);
    write_url(process, host, url);
    /* What listens on loopback alone is not reached by another name. */
    if (strncmp(options->metrics_address, "127.", 4) == 0 || strcmp(options->metrics_address, "::1") == 0)
        snprintf(host, sizeof host, "%s", options->metrics_host);
    else
        choose_host(process, options->metrics_host, options->metrics_address, host);
    write_metrics_url(process, host, metrics_url);
    struct ordo_problem problem;
    const struct ordo_follower_config config = {.directory = process->options.directory, .name = process->name, .url = url,
                                                .metrics_url = metrics_url, .turn = &process->turn, .loop = process->loop,
                                                .changed = addresses_changed, .refused = refused, .user = process};
    if (ordo_follower_start(&config, &problem, &process->follower) == ORDO_OK) {
        process->turn.follower = process->follower;
        return true;
    }
    log_error("event=stopped reason=\"%s\"", log_quoted(problem.text));
    return false;
}

/* For the links to shards. */
static bool take_keys(struct process *process) {
    struct ordo_options *options = &process->options;
    struct ordo_problem problem;
    if (options->keys_folder == NULL ||
        ordo_link_keyring_open(options->keys_folder, ORDO_LINK_ROLE_GATEWAY, &problem, &options->links.keys) == ORDO_OK)
        return true;
    log_error("event=stopped reason=\"%s\"", problem.text);
    return false;
}

/* For clients. */
static bool take_certificate(struct process *process) {
    struct ordo_options *options = &process->options;
    struct ordo_problem problem;
    if (options->tls_cert == NULL ||
        ordo_tls_open(options->tls_cert, options->tls_key, &problem, &options->tls) == ORDO_OK)
        return true;
    log_error("event=stopped reason=\"%s\"", problem.text);
    return false;
}

static bool start(struct process *process) {
    signal(SIGPIPE, SIG_IGN);
    process->loop = ev_default_loop(0);
    process->zmq = zmq_ctx_new();
    ORDO_ASSERT(process->loop != NULL && process->zmq != NULL);
    choose_name(process);
    process->options.core.seed = ordo_random_u64();
    process->options.core.has_notes = process->options.log_level >= ORDO_LOG_DEBUG;
    process->turn.core = ordo_gateway_create(&process->options.core);
    process->turn.proxies = &process->options.proxies;
    ordo_turn_read_clock(&process->turn);
    if (process->keyring != NULL) give_keys(process);
    process->links = (struct ordo_links){
        .turn = &process->turn, .loop = process->loop, .context = process->zmq, .security = &process->options.links};
    process->clients = ordo_wire_lws_create(&process->turn, process->loop, &process->options);
    if (process->clients == NULL) return false;
    watch(process);
    log_info("event=listening name=%s address=%s port=%u metrics_address=%s metrics_port=%u", process->name,
             process->options.address, ordo_wire_lws_port(process->clients),
             process->options.has_metrics ? process->options.metrics_address : "none",
             ordo_wire_lws_watcher_port(process->clients));
    return process->options.directory == NULL || follow(process);
}

/* The mirror of the start; safe on a half-started process. */
static void finish(struct process *process) {
    process->turn.follower = NULL;
    ordo_follower_stop(process->follower);
    ordo_wire_lws_destroy(process->clients);
    if (process->zmq != NULL) {
        ordo_links_finish(&process->links);
        zmq_ctx_term(process->zmq);
        ordo_gateway_destroy(process->turn.core);
    }
    ordo_tls_close(process->options.tls);
    ordo_link_keyring_close(process->options.links.keys);
    ordo_keyring_close(process->keyring);
    ordo_site_destroy(process->site);
}

int main(int argc, char **argv) {
    static struct process process;
    char fault[ORDO_OPTIONS_FAULT_SIZE];
    switch (ordo_options_parse(&process.options, argc, argv, fault)) {
    case ORDO_OPTIONS_RUN: break;
    case ORDO_OPTIONS_HELP: fputs(ordo_options_help, stdout); return EXIT_SUCCESS;
    case ORDO_OPTIONS_WRONG: fprintf(stderr, "ordo-gateway: %s\n", fault); return EXIT_USAGE;
    }
    ordo_log_init("gateway", process.options.log_level);
    ordo_sched_take_short_slices();
    bool is_started = load_site(&process) && load_keys(&process) && take_keys(&process) && take_certificate(&process) &&
                      start(&process);
    if (is_started) ev_run(process.loop, 0);
    finish(&process);
    return is_started && !process.has_failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
