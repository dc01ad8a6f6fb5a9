#include "shard/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/files.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/wake.h"
#include "shard/confine.h"
#include "shard/loop.h"
#include "shard/volume.h"

/* A message of the data link is an Envelope: at most what credit lets a gateway send at once, and its wrapping. */
#define DATA_MESSAGE_SIZE_MAX (ORDO_LINK_CREDIT + 1024u * 1024)
/* Waiting per gateway and direction. Credit bounds the bytes; this only bounds the bookkeeping of tiny messages. A turn
 * sends one message per gateway, so it is some seconds' worth. */
#define DATA_MESSAGE_COUNT_MAX 20000

/* Everything that a shard holds, in the order in which it is made. */
struct ordo_host {
    struct ordo_host_config config;
    char name[64];
    struct ordo_folder folder;
    struct ordo_inbox inbox;
    struct ordo_mail mail;
    struct ordo_disk *disk;
    struct ordo_backup *backup;
    struct ordo_figures_board *figures;
    struct ordo_wire wire;
    struct ordo_side *side;
    struct ordo_workers *workers;
    struct ordo_sweep *sweep;
    struct ordo_loop loop;
    pthread_t thread;
    atomic_bool is_serving; /* the workers are there, too; others than the owner's thread only ask while it is probed */
    uint64_t opening_ms;    /* how long it took */
    atomic_bool is_stopping;
};

static void name_host(struct ordo_host *host) {
    if (host->config.name != NULL) {
        snprintf(host->name, sizeof host->name, "%s", host->config.name);
        return;
    }
    for (size_t i = 0; i < 4; i++) snprintf(host->name + 2 * i, 3, "%02x", host->folder.identity.store_id[i]);
}

/* What is in memory is worth nothing now: the next start recovers from the log. Nothing is closed, because closing writes
 * (and RocksDB asserts on a file that it failed to write before). Of a volume's store it is noted, so that one that always
 * fails does not take others down with it again and again. */
static _Noreturn void fail_at_once(const struct ordo_host *host, const struct ordo_problem *problem) {
    const struct ordo_store *store = host->folder.store;
    if (store != NULL) (void)ordo_confine_note(host->folder.path, ordo_store_rocksdb_failure(store));
    log_error("event=stopped shard=%s reason=\"%s\"", host->name, log_quoted(problem->text));
    if (host->config.process->volume != NULL)
        ordo_volume_note_failure(host->folder.path, ordo_clock_wall_ms(), problem->text);
    _exit(EXIT_FAILURE);
}

static ordo_err open_store(struct ordo_host *host, const char *path, struct ordo_problem *problem) {
    const struct ordo_config *config = host->config.process;
    const uint8_t *cluster_id = host->config.cluster_id;
    ordo_err err = cluster_id == NULL ? ordo_folder_open(&host->folder, path, problem)
                                      : ordo_folder_open_member(&host->folder, path, cluster_id, problem);
    if (host->folder.note.text[0] != '\0') log_warn("event=store_note text=\"%s\"", log_quoted(host->folder.note.text));
    if ((err == ORDO_ERR_IO || err == ORDO_ERR_NO_SPACE) && host->folder.store != NULL) fail_at_once(host, problem);
    if (err) return err;
    const struct ordo_identity *identity = &host->folder.identity;
    name_host(host);
    log_info("event=store_open folder=\"%s\" name=%s new=%d incarnation=%llu turn=%llu slots=%zu", log_quoted(host->folder.path),
             host->name, host->folder.is_new, (unsigned long long)identity->incarnation, (unsigned long long)identity->turn,
             identity->slot_count);
    const struct ordo_disk_config disk = {
        .folder = host->folder.path,
        .db_path = host->folder.db_path,
        .low_water_path = host->folder.low_water_path,
        .reserve_path = host->folder.reserve_path,
        .reserve_size = config->disk_reserve_size,
        .headroom_size = config->disk_headroom_size,
        .turn = identity->turn,
        .wake_fd = host->inbox.wake_fd,
    };
    err = ordo_disk_start(&disk, problem, &host->disk);
    if (err) return err;
    host->backup = ordo_backup_create(&(struct ordo_backup_config){
        .store = host->folder.store,
        .folder = host->folder.path,
        .disk = host->disk,
        .space_margin = 2 * config->disk_headroom_size}); /* "full" begins at the headroom and ends at half as much again */
    return ORDO_OK;
}

/* "tcp://HOST:PORT" with any free port. An endpoint of another kind cannot be shared out like this. */
static void on_any_port(char out[ORDO_ENDPOINT_SIZE], const char *endpoint) {
    const char *colon = strrchr(endpoint, ':'); /* a key behind the port has none, and is dropped with it */
    if (strncmp(endpoint, "tcp://", 6) == 0 && colon != NULL && colon > endpoint + 6) {
        snprintf(out, ORDO_ENDPOINT_SIZE, "%.*s:*", (int)(colon - endpoint), endpoint);
    } else {
        snprintf(out, ORDO_ENDPOINT_SIZE, "tcp://127.0.0.1:*");
    }
}

static ordo_err listen_to_gateways(struct ordo_host *host, struct ordo_problem *problem) {
    char data[ORDO_ENDPOINT_SIZE], side_link[ORDO_ENDPOINT_SIZE];
    const struct ordo_config *config = host->config.process;
    snprintf(data, sizeof data, "%s", config->listen_data);
    snprintf(side_link, sizeof side_link, "%s", config->listen_side);
    if (host->config.is_extra) {
        on_any_port(data, config->listen_data);
        on_any_port(side_link, config->listen_side);
    }
    const struct ordo_router_options options = {
        .security = &config->links, .message_size_max = DATA_MESSAGE_SIZE_MAX, .message_count_max = DATA_MESSAGE_COUNT_MAX};
    ordo_err err = ordo_wire_bind(&host->wire, host->config.zmq, data, &options, problem);
    if (err) return err;
    struct ordo_side_config side = {
        .context = host->config.zmq,
        .endpoint = side_link,
        .security = &config->links,
        .incarnation = host->folder.identity.incarnation,
        .inbox = &host->inbox,
        .disk = host->disk,
        .backup = host->backup,
        .figures = host->figures,
        .troubles = host->config.troubles,
        .name = host->name,
    };
    memcpy(side.store_id, host->folder.identity.store_id, sizeof side.store_id);
    return ordo_side_start(&side, problem, &host->side);
}

/* STORE/side says to whoever finds the store in use how its shard is asked. It is no harm if it cannot be written, or is
 * left by a process that died: then nobody answers there. */
static void write_side_note(const struct ordo_host *host) {
    char path[PATH_MAX], temporary[PATH_MAX], line[ORDO_ENDPOINT_SIZE + 1];
    if (snprintf(path, sizeof path, "%s/side", host->folder.path) >= PATH_MAX ||
        snprintf(temporary, sizeof temporary, "%s/side.new", host->folder.path) >= PATH_MAX)
        return;
    snprintf(line, sizeof line, "%s\n", ordo_side_endpoint(host->side));
    ordo_err err = ordo_file_replace(path, temporary, ordo_slice_of(line));
    (void)err;
}

static void remove_side_note(const struct ordo_host *host) {
    char path[PATH_MAX];
    if (host->side != NULL && snprintf(path, sizeof path, "%s/side", host->folder.path) < PATH_MAX) unlink(path);
}

ordo_err ordo_host_open(const char *path, const struct ordo_host_config *config, struct ordo_problem *problem,
                        struct ordo_host **host_out) {
    struct ordo_host *host = ordo_alloc(sizeof *host);
    host->config = *config;
    host->folder.lock_fd = -1;
    uint64_t begun_ms = ordo_clock_monotonic_ms();
    ordo_inbox_init(&host->inbox);
    ordo_mail_init(&host->mail, host->inbox.wake_fd, config->registrar_wake_fd);
    host->figures = ordo_figures_create(ordo_clock_monotonic_ms());
    ordo_err err = open_store(host, path, problem);
    if (!err) err = listen_to_gateways(host, problem);
    if (err) {
        ordo_host_stop(host);
        return err;
    }
    write_side_note(host);
    host->opening_ms = ordo_clock_monotonic_ms() - begun_ms;
    if (config->probe != NULL) ordo_probe_add(config->probe, host);
    *host_out = host;
    return ORDO_OK;
}

void ordo_host_look(struct ordo_host *host, uint64_t monotonic_ms, struct ordo_host_view *out) {
    memset(out, 0, sizeof *out);
    out->name = host->name;
    out->incarnation = host->folder.identity.incarnation;
    out->opening_ms = host->opening_ms;
    out->is_serving = atomic_load(&host->is_serving);
    out->is_disk_full = ordo_disk_is_full(host->disk);
    out->stalled_ms = ordo_disk_stalled_ms(host->disk, monotonic_ms);
    out->disk_free_size = ordo_disk_free_size(host->disk);
    out->backup = ordo_backup_times(host->backup);
    ordo_store_rocksdb_figures(host->folder.store, host->folder.db_path, &out->rocksdb);
    if (!out->is_serving) return;
    ordo_figures_read(host->figures, monotonic_ms, &out->figures);
    ordo_workers_read(host->workers, &out->workers);
}

static void start_core(struct ordo_host *host) {
    const struct ordo_identity *identity = &host->folder.identity;
    const struct ordo_config *config = host->config.process;
    struct ordo_shard_config core = config->core;
    memcpy(core.cluster_id, identity->cluster_id, sizeof core.cluster_id);
    memcpy(core.store_id, identity->store_id, sizeof core.store_id);
    core.slots = identity->slots;
    core.incarnation = identity->incarnation;
    core.format = identity->format;
    core.turn = identity->turn;
    core.term = identity->term;
    core.seed = ordo_random_u64();
    core.tells_changes = config->webhooks != NULL;
    core.has_debug_notes = config->log_level >= ORDO_LOG_DEBUG;
    snprintf(core.name, sizeof core.name, "%s", host->name);
    host->workers = ordo_workers_start(config->helper_count, host->folder.store, &host->inbox);
    host->sweep = ordo_sweep_start(host->folder.store);
    host->loop = (struct ordo_loop){
        .core = ordo_shard_create(&core, ordo_clock_monotonic_ms()),
        .store = host->folder.store,
        .disk = host->disk,
        .inbox = &host->inbox,
        .workers = host->workers,
        .sweep = host->sweep,
        .side = host->side,
        .wire = &host->wire,
        .figures = host->figures,
        .mail = &host->mail,
        .webhooks = config->webhooks,
        .targets = {.context = host->config.zmq, .security = &config->links},
    };
}

ordo_err ordo_host_found(struct ordo_host *host, struct ordo_problem *problem) {
    ORDO_ASSERT(!host->is_serving);
    ordo_err err = ordo_identity_found(host->folder.store, &host->folder.identity, problem);
    if (err == ORDO_ERR_IO || err == ORDO_ERR_NO_SPACE) fail_at_once(host, problem);
    return err;
}

ordo_err ordo_host_seize(struct ordo_host *host, const struct ordo_heritage *heritage, size_t *kept_out,
                         struct ordo_problem *problem) {
    ORDO_ASSERT(!host->is_serving);
    ordo_err err = ordo_identity_seize(host->folder.store, &host->folder.identity, heritage, kept_out, problem);
    if (err) fail_at_once(host, problem);
    return err;
}

static void *run(void *context) {
    ordo_thread_name("sequencer");
    struct ordo_host *host = context;
    struct ordo_problem problem = {{0}};
    ordo_err err = ORDO_OK;
    while (!err && !atomic_load_explicit(&host->is_stopping, memory_order_relaxed)) {
        err = ordo_loop_turn(&host->loop, &problem);
        if (!err && ordo_disk_has_failed(host->disk)) {
            ordo_problem_set(&problem, "The low-water mark could not be synced: the disk cannot be trusted.");
            err = ORDO_ERR_IO;
        }
    }
    if (err) fail_at_once(host, &problem);
    return NULL;
}

void ordo_host_serve(struct ordo_host *host) {
    start_core(host);
    /* The socket moves to the thread here; pthread_create is the full fence that this needs. */
    int error = pthread_create(&host->thread, NULL, run, host);
    ORDO_ASSERT(error == 0);
    atomic_store(&host->is_serving, true);
}

void ordo_host_stop(struct ordo_host *host) {
    if (host == NULL) return;
    if (host->config.probe != NULL) ordo_probe_remove(host->config.probe, host);
    atomic_store(&host->is_stopping, true);
    ordo_inbox_wake(&host->inbox);
    if (host->is_serving) pthread_join(host->thread, NULL);
    remove_side_note(host);
    ordo_side_stop(host->side);
    ordo_wire_close(&host->wire);
    ordo_workers_stop(host->workers);
    ordo_sweep_stop(host->sweep);
    ordo_loop_finish(&host->loop);
    ordo_shard_destroy(host->loop.core);
    ordo_figures_destroy(host->figures);
    ordo_backup_destroy(host->backup);
    ordo_disk_stop(host->disk);
    ordo_folder_finish(&host->folder);
    ordo_mail_finish(&host->mail);
    ordo_inbox_finish(&host->inbox);
    free(host);
}

const struct ordo_folder *ordo_host_folder(const struct ordo_host *host) {
    return &host->folder;
}
const char *ordo_host_data_endpoint(const struct ordo_host *host) {
    return host->wire.endpoint;
}
const char *ordo_host_side_endpoint(const struct ordo_host *host) {
    return ordo_side_endpoint(host->side);
}
const char *ordo_host_name(const struct ordo_host *host) {
    return host->name;
}
struct ordo_mail *ordo_host_mail(struct ordo_host *host) {
    return &host->mail;
}
