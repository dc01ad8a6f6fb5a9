/* ordo-shard: the sequencer of a set of documents, over one store. */
#include "common/clock.h"
#include "common/limits.h"
#include "common/random.h"
#include "common/sched.h"
#include "shard/config.h"
#include "shard/confine.h"
#include "shard/folder.h"
#include "shard/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* A message of the data link is an Envelope: at most what credit lets a gateway send at once, and its wrapping. */
#define DATA_MESSAGE_SIZE_MAX (ORDO_LINK_CREDIT + 1024u * 1024)
/* Waiting per gateway and direction. Credit bounds the bytes; this only bounds the bookkeeping of tiny messages. A turn
 * sends one message per gateway, so it is some seconds' worth. */
#define DATA_MESSAGE_COUNT_MAX 20000

/* Everything that the process holds, in the order in which it is made. */
struct shard {
    struct ordo_folder folder;
    struct ordo_inbox inbox;
    struct ordo_disk *disk;
    struct ordo_backup *backup;
    struct ordo_workers *workers;
    struct ordo_sweep *sweep;
    void *zmq;
    struct ordo_wire wire;
    struct ordo_side *side;
    struct ordo_loop loop;
};

static volatile sig_atomic_t stop_requested;
static const struct ordo_inbox *stop_wakes;

static void request_stop(int signal_number) {
    (void)signal_number;
    stop_requested = 1;
    ordo_inbox_wake(stop_wakes);
}

static void catch_signals(const struct ordo_inbox *inbox) {
    stop_wakes = inbox;
    struct sigaction stop = {.sa_handler = request_stop}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static ordo_err open_store(struct shard *shard, const struct ordo_config *config, struct ordo_problem *problem) {
    ordo_err err = ordo_folder_open(&shard->folder, config->data, problem);
    if (shard->folder.note.text[0] != '\0') log_warn("event=store_note text=\"%s\"", shard->folder.note.text);
    if (err) return err;
    const struct ordo_identity *identity = &shard->folder.identity;
    log_info("event=store_open folder=%s new=%d incarnation=%llu turn=%llu slots=%zu", shard->folder.path,
             shard->folder.is_new, (unsigned long long)identity->incarnation, (unsigned long long)identity->turn,
             identity->slot_count);
    const struct ordo_disk_config disk = {
        .folder = shard->folder.path,
        .db_path = shard->folder.db_path,
        .low_water_path = shard->folder.low_water_path,
        .reserve_path = shard->folder.reserve_path,
        .reserve_size = config->disk_reserve_size,
        .headroom_size = config->disk_headroom_size,
        .turn = identity->turn,
        .wake_fd = shard->inbox.wake_fd,
    };
    err = ordo_disk_start(&disk, problem, &shard->disk);
    if (err) return err;
    shard->backup = ordo_backup_create(&(struct ordo_backup_config){
        .store = shard->folder.store, .folder = shard->folder.path, .disk = shard->disk,
        .space_margin = 2 * config->disk_headroom_size}); /* "full" begins at the headroom and ends at half as much again */
    return ORDO_OK;
}

static ordo_err listen_to_gateways(struct shard *shard, const struct ordo_config *config,
                                   struct ordo_problem *problem) {
    shard->zmq = zmq_ctx_new();
    ordo_err err = ordo_wire_bind(&shard->wire, shard->zmq, config->listen_data, DATA_MESSAGE_SIZE_MAX,
                                  DATA_MESSAGE_COUNT_MAX, problem);
    if (err) return err;
    struct ordo_side_config side = {
        .context = shard->zmq,
        .endpoint = config->listen_side,
        .incarnation = shard->folder.identity.incarnation,
        .inbox = &shard->inbox,
        .disk = shard->disk,
        .backup = shard->backup,
    };
    memcpy(side.store_id, shard->folder.identity.store_id, sizeof side.store_id);
    return ordo_side_start(&side, problem, &shard->side);
}

static void start_core(struct shard *shard, const struct ordo_config *config) {
    const struct ordo_identity *identity = &shard->folder.identity;
    struct ordo_shard_config core = config->core;
    memcpy(core.store_id, identity->store_id, sizeof core.store_id);
    memcpy(core.cluster_id, identity->cluster_id, sizeof core.cluster_id);
    core.slots = identity->slots;
    core.incarnation = identity->incarnation;
    core.turn = identity->turn;
    core.term = identity->term;
    core.seed = ordo_random_u64();
    if (config->name != NULL) {
        snprintf(core.name, sizeof core.name, "%s", config->name);
    } else {
        for (size_t i = 0; i < 4; i++) snprintf(core.name + 2 * i, 3, "%02x", identity->store_id[i]);
    }
    shard->workers = ordo_workers_start(config->helper_count, shard->folder.store, &shard->inbox);
    shard->sweep = ordo_sweep_start(shard->folder.store);
    shard->loop = (struct ordo_loop){
        .core = ordo_shard_create(&core, ordo_clock_monotonic_ms()),
        .store = shard->folder.store,
        .disk = shard->disk,
        .inbox = &shard->inbox,
        .workers = shard->workers,
        .sweep = shard->sweep,
        .side = shard->side,
        .wire = &shard->wire,
    };
}

static ordo_err serve(struct shard *shard, struct ordo_problem *problem) {
    printf("ready data=%s side=%s\n", shard->wire.endpoint, ordo_side_endpoint(shard->side));
    fflush(stdout);
    ordo_err err = ORDO_OK;
    while (!err && !stop_requested) {
        err = ordo_loop_turn(&shard->loop, problem);
        if (!err && ordo_disk_has_failed(shard->disk)) {
            ordo_problem_set(problem, "The low-water mark could not be synced: the disk cannot be trusted.");
            err = ORDO_ERR_IO;
        }
    }
    return err;
}

/* The mirror of the start. */
static void stop(struct shard *shard) {
    ordo_side_stop(shard->side);
    ordo_wire_close(&shard->wire);
    if (shard->zmq != NULL) zmq_ctx_term(shard->zmq);
    ordo_workers_stop(shard->workers);
    ordo_sweep_stop(shard->sweep);
    ordo_loop_finish(&shard->loop);
    ordo_shard_destroy(shard->loop.core);
    ordo_backup_destroy(shard->backup);
    ordo_disk_stop(shard->disk);
    ordo_folder_finish(&shard->folder);
    ordo_inbox_finish(&shard->inbox);
}

/* What is in memory is worth nothing now: the next start recovers from the log. Nothing is closed, because closing writes
 * (and RocksDB asserts on a file that it failed to write before). */
static _Noreturn void fail_at_once(const struct shard *shard, const struct ordo_problem *problem) {
    const struct ordo_store *store = shard->folder.store;
    if (store != NULL) (void)ordo_confine_note(shard->folder.path, ordo_store_rocksdb_failure(store));
    log_error("event=stopped reason=\"%s\"", problem->text);
    _exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    struct ordo_config config;
    char fault[ORDO_CONFIG_FAULT_SIZE];
    switch (ordo_config_parse(&config, argc, argv, fault)) {
    case ORDO_CONFIG_RUN: break;
    case ORDO_CONFIG_HELP: fputs(ordo_config_help, stdout); return EXIT_SUCCESS;
    case ORDO_CONFIG_WRONG: fprintf(stderr, "ordo-shard: %s\n", fault); return EXIT_USAGE;
    }
    ordo_log_init("shard", config.log_level);
    struct shard shard = {.folder.lock_fd = -1};
    struct ordo_problem problem = {{0}};
    ordo_inbox_init(&shard.inbox);
    catch_signals(&shard.inbox);
    ordo_sched_take_short_slices(); /* before there are threads, so that all inherit it */
    ordo_err err = open_store(&shard, &config, &problem);
    if (!err) err = listen_to_gateways(&shard, &config, &problem);
    if (!err) start_core(&shard, &config);
    if (!err) err = serve(&shard, &problem);
    if (err) fail_at_once(&shard, &problem);
    stop(&shard);
    return EXIT_SUCCESS;
}
