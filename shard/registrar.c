#include "shard/registrar.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/wake.h"
#include "shard/registrar_impl.h"

/* A round comes when the directory or a shard has news, and this often anyway: retries, the volume, balancing. */
#define ROUND_MS 500
#define REST_MS 15         /* between rounds, once all serve */
#define FIRST_READ_MS 1000 /* a directory that is there was read by then */

bool registrar_can_ask(const struct ordo_registrar *registrar) {
    return registrar->cluster != NULL && registrar->cluster->generation > 0 && registrar->cluster->away_since_ms == 0;
}

void registrar_fail(struct ordo_registrar *registrar, const char *format, ...) {
    char text[ORDO_PROBLEM_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!registrar->has_failed) log_error("event=stopped reason=\"%s\"", log_quoted(text));
    registrar->has_failed = true;
    ordo_wake_raise(registrar->failure_fd);
}

bool registrar_may_retry(ordo_err err) {
    switch (err) {
    case ORDO_ERR_UNAVAILABLE:
    case ORDO_ERR_CONFLICT:
    case ORDO_ERR_CORRUPT: /* a key that people have to put right */
    case ORDO_ERR_IO:
    case ORDO_ERR_NO_SPACE: return true;
    default: return false;
    }
}

/* ---- rounds */

/* Stores that have slots and are served by nobody: since when, only those who were there can tell. */
static void watch_absent(struct ordo_registrar *registrar) {
    const struct ordo_cluster *cluster = registrar->cluster;
    for (size_t i = 0; i < cluster->store_count; i++) {
        const struct ordo_cluster_store *store = &cluster->stores[i];
        char key[64], text[ORDO_PROBLEM_SIZE];
        unsigned slot_count = 0;
        for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++)
            slot_count += ordo_store_id_equal(&cluster->table.placement.slots[slot].store, &store->id);
        bool is_absent = slot_count > 0 && ordo_cluster_live(cluster, &store->id) == NULL;
        snprintf(key, sizeof key, "absent %.50s", store->name);
        snprintf(text, sizeof text, "%s runs nowhere, and %u slots with it.", store->name, slot_count);
        if (is_absent) ordo_troubles_set(registrar->troubles, key, text);
        if (!is_absent) ordo_troubles_clear(registrar->troubles, key);
    }
}

static void read_directory(struct ordo_registrar *registrar) {
    const struct ordo_directory_view *view = ordo_directory_view(registrar->directory);
    if (registrar->cluster == NULL || registrar->cluster->generation != view->generation) {
        struct ordo_cluster *cluster;
        struct ordo_problem problem = {{0}};
        if (ordo_cluster_decode(view, &cluster, &problem) == ORDO_OK) {
            ordo_cluster_destroy(registrar->cluster);
            registrar->cluster = cluster;
            ordo_troubles_clear(registrar->troubles, "table");
            watch_absent(registrar);
        } else {
            ordo_troubles_set(registrar->troubles, "table", problem.text);
        }
    }
    if (view->generation == 0) {
        if (ordo_clock_monotonic_ms() - registrar->begun_ms >= FIRST_READ_MS)
            ordo_troubles_set(registrar->troubles, "directory",
                              "The directory was not reached yet; this process waits for it.");
    } else if (view->away_since_ms != 0) {
        ordo_troubles_set(registrar->troubles, "directory",
                          "The directory is away; serving goes on with the last known table, changes wait.");
    } else {
        ordo_troubles_clear(registrar->troubles, "directory");
    }
    ordo_directory_view_release(view);
}

/* ---- for those who watch */

static bool is_registered(const struct ordo_registrar *registrar) {
    for (size_t i = 0; i < registrar->member_count; i++) {
        const struct member *member = registrar->members[i];
        if (member->state == MEMBER_SERVING && !member_is_shown(registrar->cluster, member)) return false;
    }
    return true;
}

static bool is_draining(const struct ordo_registrar *registrar) {
    for (size_t i = 0; i < registrar->member_count; i++) {
        const struct ordo_cluster_store *store = ordo_cluster_store(registrar->cluster, &registrar->members[i]->id);
        if (store != NULL && store->is_draining) return true;
    }
    return false;
}

static uint32_t count_unserved(const struct ordo_cluster *cluster) {
    uint32_t count = 0;
    for (size_t slot = 0; cluster->has_table && slot < ORDO_SLOT_COUNT; slot++)
        count += ordo_cluster_live(cluster, &cluster->table.placement.slots[slot].store) == NULL;
    return count;
}

static void tell_probe(const struct ordo_registrar *registrar) {
    if (registrar->probe == NULL) return;
    const struct ordo_cluster *cluster = registrar->cluster;
    struct ordo_probe_cluster seen = {.has_directory = true, .is_away = !registrar_can_ask(registrar)};
    if (cluster != NULL) {
        seen.is_registered = is_registered(registrar);
        seen.is_draining = is_draining(registrar);
        seen.is_balancer = ordo_process_id_equal(&cluster->balancer, &registrar->process);
        seen.slots_unserved = count_unserved(cluster);
        seen.stores = (uint32_t)cluster->store_count;
    }
    ordo_probe_set_cluster(registrar->probe, &seen);
}

static void lose_member(struct ordo_registrar *registrar, size_t index, const struct ordo_problem *problem) {
    struct member *member = registrar->members[index];
    if (member->is_own) {
        registrar_fail(registrar, "%s", problem->text);
        return;
    }
    log_error("event=store_given_up name=%s reason=\"%s\"", ordo_host_name(member->host), log_quoted(problem->text));
    ordo_volume_note_failure(ordo_host_folder(member->host)->path, ordo_clock_wall_ms(), problem->text);
    member_close(registrar, index);
}

static void step_members(struct ordo_registrar *registrar) {
    for (size_t i = 0; i < registrar->member_count && !registrar->has_failed;) {
        struct ordo_problem problem = {{0}};
        if (!member_inherit(registrar, i, &problem)) {
            registrar_fail(registrar, "%s", problem.text);
        } else if (member_step(registrar, registrar->members[i], &problem)) {
            i++;
        } else {
            lose_member(registrar, i, &problem);
        }
    }
}

/* While slots move the directory has news hundreds of times a second, and each reading costs the better part of a
 * millisecond. */
static void rest(const struct ordo_registrar *registrar) {
    for (size_t i = 0; i < registrar->member_count; i++) {
        if (registrar->members[i]->state != MEMBER_SERVING) return; /* somebody waits for it */
    }
    if (registrar->member_count > 0) ordo_clock_sleep_ms(REST_MS);
}

static void wait_for_news(struct ordo_registrar *registrar) {
    rest(registrar);
    struct pollfd fds[] = {{.fd = registrar->wake_fd, .events = POLLIN},
                           {.fd = ordo_directory_event_fd(registrar->directory), .events = POLLIN}};
    if (poll(fds, 2, ROUND_MS) < 0) ORDO_ASSERT(errno == EINTR);
    ordo_wake_calm(registrar->wake_fd);
    ordo_directory_calm(registrar->directory);
}

static void *run(void *context) {
    ordo_thread_name("registrar");
    struct ordo_registrar *registrar = context;
    while (!atomic_load(&registrar->stops) && !registrar->has_failed) {
        uint64_t now_ms = ordo_clock_monotonic_ms();
        read_directory(registrar);
        if (registrar->cluster != NULL) {
            registrar_adopt(registrar, now_ms);
            step_members(registrar);
            registrar_balance(registrar, now_ms);
        }
        tell_probe(registrar);
        wait_for_news(registrar);
    }
    return NULL;
}

/* ---- start and stop */

ordo_err ordo_registrar_start(const struct ordo_registrar_config *config, struct ordo_problem *problem,
                              struct ordo_registrar **registrar_out) {
    struct ordo_registrar *registrar = ordo_alloc(sizeof *registrar);
    registrar->config = config->process;
    registrar->zmq = config->zmq;
    registrar->troubles = config->troubles;
    registrar->probe = config->probe;
    ordo_err err = ordo_directory_open(&registrar->directory, config->process->directory, NULL, problem);
    if (err) {
        free(registrar);
        return err;
    }
    ordo_random_bytes(registrar->process.bytes, sizeof registrar->process.bytes);
    if (gethostname(registrar->host_name, sizeof registrar->host_name - 1) != 0) registrar->host_name[0] = '\0';
    registrar->begun_ms = ordo_clock_monotonic_ms();
    registrar->wake_fd = ordo_wake_open();
    registrar->failure_fd = ordo_wake_open();
    int error = pthread_create(&registrar->thread, NULL, run, registrar);
    ORDO_ASSERT(error == 0);
    *registrar_out = registrar;
    return ORDO_OK;
}

void ordo_registrar_stop(struct ordo_registrar *registrar) {
    if (registrar == NULL) return;
    atomic_store(&registrar->stops, true);
    ordo_wake_raise(registrar->wake_fd);
    pthread_join(registrar->thread, NULL);
    while (registrar->member_count > 0) member_close(registrar, registrar->member_count - 1);
    ordo_directory_close(registrar->directory);
    ordo_cluster_destroy(registrar->cluster);
    registrar_adopt_finish(registrar);
    close(registrar->wake_fd);
    close(registrar->failure_fd);
    free(registrar);
}

int ordo_registrar_failure_fd(const struct ordo_registrar *registrar) {
    return registrar->failure_fd;
}
