#include "shard/disk.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/files.h"
#include "common/wake.h"
#include "shard/low_water.h"
#include "shard/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 200, MARK_MS = 1000 };

struct ordo_disk {
    struct ordo_disk_config config;
    struct ordo_low_water mark;
    struct ordo_thread thread;

    atomic_bool is_full, has_failed;
    atomic_uint_fast64_t durable_turn, free_size;
    atomic_uint_fast64_t sync_since_ms; /* 0: no sync is running */
    uint64_t marked_turn;               /* of the thread alone, as is what follows */
    uint64_t marked_ms;
    bool has_reserve;
};

static bool reserve_exists(const struct ordo_disk_config *config) {
    struct stat status;
    return stat(config->reserve_path, &status) == 0 &&
           (uint64_t)status.st_blocks * 512 >= config->reserve_size;
}

/* Takes the reserve's space from the file system; false: there is not enough of it. */
static bool reserve_make(const struct ordo_disk_config *config) {
    int fd = open(config->reserve_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    int error = posix_fallocate(fd, 0, (off_t)config->reserve_size);
    close(fd);
    if (error == 0) return true;
    unlink(config->reserve_path);
    return false;
}

/* Whether the disk counts as full now. */
static bool look(struct ordo_disk *disk) {
    const struct ordo_disk_config *config = &disk->config;
    uint64_t wanted = config->headroom_size;
    if (atomic_load(&disk->is_full)) wanted += wanted / 2; /* once full, resume only when there is space for a while */
    if (!disk->has_reserve && ordo_folder_free_size(config->folder) >= wanted + config->reserve_size) {
        disk->has_reserve = config->reserve_size == 0 || reserve_exists(config) || reserve_make(config);
    }
    uint64_t free_size = ordo_folder_free_size(config->folder);
    atomic_store(&disk->free_size, free_size);
    return !disk->has_reserve || free_size < wanted;
}

static void mark_written(struct ordo_disk *disk, ordo_err err) {
    if (err == ORDO_OK || err == ORDO_ERR_NO_SPACE) return; /* an older mark is a mark, too */
    log_error("event=mark_failed file=%s reason=\"%s\"", disk->config.low_water_path, strerror(errno));
    atomic_store(&disk->has_failed, true);
    ordo_wake_raise(disk->config.wake_fd);
}

/* Writes the mark if there is something new to it. Tables may be written without a turn. */
static void mark_turn(struct ordo_disk *disk) {
    uint64_t turn = atomic_load(&disk->durable_turn);
    struct ordo_manifest_mark before = disk->mark.manifest, *now = &disk->mark.manifest;
    ordo_err err = ordo_manifest_mark(disk->config.db_path, now);
    if (!err && turn == disk->marked_turn && now->number == before.number && now->size == before.size) return;
    if (!err) err = ordo_low_water_write(&disk->mark, turn);
    disk->marked_turn = turn;
    mark_written(disk, err);
}

static void round_of_watching(struct ordo_disk *disk) {
    bool is_full = look(disk);
    if (is_full != atomic_load(&disk->is_full)) {
        atomic_store(&disk->is_full, is_full);
        ordo_wake_raise(disk->config.wake_fd);
    }
    uint64_t now_ms = ordo_clock_monotonic_ms();
    if (now_ms - disk->marked_ms < MARK_MS) return;
    disk->marked_ms = now_ms;
    mark_turn(disk);
}

static void *watch(void *context) {
    ordo_thread_name("disk");
    struct ordo_disk *disk = context;
    struct pollfd stop = {.fd = disk->thread.stop_fd, .events = POLLIN};
    while (poll(&stop, 1, LOOK_MS) <= 0) round_of_watching(disk); /* a round too many, where a signal comes, does no harm */
    return NULL;
}

ordo_err ordo_disk_start(const struct ordo_disk_config *config, struct ordo_problem *problem,
                         struct ordo_disk **disk_out) {
    struct ordo_disk *disk = ordo_alloc(sizeof *disk);
    disk->config = *config;
    atomic_store(&disk->durable_turn, config->turn);
    ordo_err err = ordo_low_water_open(&disk->mark, config->low_water_path, config->turn);
    if (err) {
        ordo_problem_set(problem, "The file %s cannot be written: %s.", config->low_water_path, strerror(errno));
        free(disk);
        return err;
    }
    mark_turn(disk); /* the database has just begun a new list of tables */
    disk->has_reserve = config->reserve_size == 0 || reserve_exists(config);
    atomic_store(&disk->is_full, look(disk));
    ordo_thread_start(&disk->thread, watch, disk);
    *disk_out = disk;
    return ORDO_OK;
}

void ordo_disk_stop(struct ordo_disk *disk) {
    if (disk == NULL) return;
    ordo_thread_stop(&disk->thread);
    mark_turn(disk);
    ordo_low_water_close(&disk->mark);
    free(disk);
}

void ordo_disk_syncing(struct ordo_disk *disk, uint64_t monotonic_ms) {
    atomic_store(&disk->sync_since_ms, monotonic_ms > 0 ? monotonic_ms : 1);
}

void ordo_disk_synced(struct ordo_disk *disk, uint64_t turn) {
    atomic_store(&disk->sync_since_ms, 0);
    if (turn == 0) return;
    atomic_store(&disk->durable_turn, turn);
    mark_written(disk, ordo_low_water_note(&disk->mark, turn));
}

uint64_t ordo_disk_durable_turn(const struct ordo_disk *disk) { return atomic_load(&disk->durable_turn); }

uint64_t ordo_disk_free_size(const struct ordo_disk *disk) { return atomic_load(&disk->free_size); }

bool ordo_disk_is_full(const struct ordo_disk *disk) { return atomic_load(&disk->is_full); }

uint64_t ordo_disk_stalled_ms(const struct ordo_disk *disk, uint64_t monotonic_ms) {
    uint64_t since_ms = atomic_load(&disk->sync_since_ms);
    return since_ms > 0 && monotonic_ms > since_ms ? monotonic_ms - since_ms : 0;
}

bool ordo_disk_has_failed(const struct ordo_disk *disk) { return atomic_load(&disk->has_failed); }
