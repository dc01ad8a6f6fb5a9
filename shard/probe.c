#include "shard/probe.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/process_metrics.h"

enum { STUCK_MS = 30000, STALLED_MS = 1000 };

struct ordo_probe {
    pthread_mutex_t mutex; /* guards all below */
    struct ordo_troubles *troubles;
    struct ordo_host *hosts[ORDO_PROBE_HOSTS_MAX];
    size_t host_count;
    struct ordo_probe_cluster cluster;
    bool is_stopping;
    struct ordo_host_view *views; /* as many as hosts, filled for one answer */
};

struct ordo_probe *ordo_probe_create(struct ordo_troubles *troubles) {
    struct ordo_probe *probe = ordo_alloc(sizeof *probe);
    pthread_mutex_init(&probe->mutex, NULL);
    probe->troubles = troubles;
    probe->views = ordo_alloc_array(ORDO_PROBE_HOSTS_MAX, sizeof *probe->views);
    return probe;
}

void ordo_probe_destroy(struct ordo_probe *probe) {
    if (probe == NULL) return;
    pthread_mutex_destroy(&probe->mutex);
    free(probe->views);
    free(probe);
}

void ordo_probe_add(struct ordo_probe *probe, struct ordo_host *host) {
    pthread_mutex_lock(&probe->mutex);
    ORDO_ASSERT(probe->host_count < ORDO_PROBE_HOSTS_MAX);
    probe->hosts[probe->host_count++] = host;
    pthread_mutex_unlock(&probe->mutex);
}

void ordo_probe_remove(struct ordo_probe *probe, const struct ordo_host *host) {
    pthread_mutex_lock(&probe->mutex);
    size_t index = 0;
    while (index < probe->host_count && probe->hosts[index] != host) index++;
    if (index < probe->host_count) probe->hosts[index] = probe->hosts[--probe->host_count];
    pthread_mutex_unlock(&probe->mutex);
}

void ordo_probe_set_cluster(struct ordo_probe *probe, const struct ordo_probe_cluster *cluster) {
    pthread_mutex_lock(&probe->mutex);
    probe->cluster = *cluster;
    pthread_mutex_unlock(&probe->mutex);
}

void ordo_probe_stopping(struct ordo_probe *probe) {
    pthread_mutex_lock(&probe->mutex);
    probe->is_stopping = true;
    pthread_mutex_unlock(&probe->mutex);
}

/* ---- health and readiness; under the mutex, views filled */

/* NULL: all is well. */
static const char *find_stuck(const struct ordo_probe *probe) {
    for (size_t i = 0; i < probe->host_count; i++) {
        const struct ordo_host_view *view = &probe->views[i];
        if (view->is_serving && view->figures.age_ms > STUCK_MS && view->stalled_ms == 0) return view->name;
    }
    return NULL;
}

static const char *find_hindrance(const struct ordo_probe *probe) {
    if (probe->is_stopping) return "it is about to stop";
    if (probe->host_count == 0) return "no store is open yet";
    for (size_t i = 0; i < probe->host_count; i++) {
        const struct ordo_host_view *view = &probe->views[i];
        if (!view->is_serving) return "a store is open and does not serve yet";
        if (view->is_disk_full) return "a disk is full";
        if (view->stalled_ms >= STALLED_MS) return "a disk does not answer";
    }
    const struct ordo_probe_cluster *cluster = &probe->cluster;
    if (!cluster->has_directory || cluster->is_away) return NULL; /* what it said last holds */
    if (!cluster->is_registered) return "the directory does not show a store as this process's";
    if (cluster->is_draining) return "a store is being drained";
    return NULL;
}

static unsigned answer_health(const struct ordo_probe *probe, struct ordo_buffer *body) {
    const char *stuck = find_stuck(probe);
    char text[160] = "ok\n";
    if (stuck != NULL) snprintf(text, sizeof text, "the loop of %.64s has not turned for %d s\n", stuck, STUCK_MS / 1000);
    ordo_buffer_append_slice(body, ordo_slice_of(text));
    return stuck == NULL ? 200 : 503;
}

static unsigned answer_readiness(const struct ordo_probe *probe, struct ordo_buffer *body) {
    const char *hindrance = find_hindrance(probe);
    ordo_buffer_append_slice(body, ordo_slice_of(hindrance == NULL ? "ready" : "not ready: "));
    if (hindrance != NULL) ordo_buffer_append_slice(body, ordo_slice_of(hindrance));
    ordo_buffer_append_u8(body, '\n');
    return hindrance == NULL ? 200 : 503;
}

/* ---- metrics */

/* What is no field of a struct that somebody else keeps, as one. */
struct own_figures {
    uint64_t is_serving, is_disk_full, slots_owned, is_moving, moves_queued, move_sent_size;
    uint64_t incarnation, opening_ms, age_ms, disk_free_size, stalled_ms;
    double backup_done_s, backup_failed_s;
};

#define AT(type, field) .offset = offsetof(struct type, field)
#define COUNTER_ROW(field, text)                                                                                       \
    {.name = "ordo_shard_" #field "_total", .help = text, .kind = ORDO_METRIC_COUNTER, AT(ordo_shard_stats, field)},
#define GAUGE_ROW(field, text)                                                                                         \
    {.name = "ordo_shard_" #field, .help = text, .kind = ORDO_METRIC_GAUGE, AT(ordo_shard_stats, field)},

static const struct ordo_metric core_table[] = {
    ORDO_SHARD_STATS(COUNTER_ROW, GAUGE_ROW)
    {.name = "ordo_shard_nacks_total", .help = "Submits that were refused, by code.", .kind = ORDO_METRIC_COUNTER,
     AT(ordo_shard_stats, nacks), .label = "code", .values = ordo_nack_code_names, .value_count = ORDO_NACK_CODE_COUNT},
    {.name = "ordo_shard_refusals_total", .help = "Openings that were refused, by code.", .kind = ORDO_METRIC_COUNTER,
     AT(ordo_shard_stats, refusals), .label = "code", .values = ordo_error_code_names,
     .value_count = ORDO_ERROR_CODE_COUNT},
};

static const struct ordo_metric pace_table[] = {
    {.name = "ordo_shard_commit_seconds", .help = "Per op: from the beginning of the turn that took it to its durability.",
     ORDO_METRIC_DURATION_US, AT(ordo_pace, commit_us)},
    {.name = "ordo_shard_step_seconds", .help = "Per written turn: what sequencing took, before its write began.",
     ORDO_METRIC_DURATION_US, AT(ordo_pace, step_us)},
    {.name = "ordo_shard_sync_seconds", .help = "Per written turn: what write and sync took.", ORDO_METRIC_DURATION_US,
     AT(ordo_pace, sync_us)},
    {.name = "ordo_shard_batch_ops", .help = "Ops in a written turn that had any.", ORDO_METRIC_AMOUNT,
     AT(ordo_pace, batch_ops)},
    {.name = "ordo_shard_batch_bytes", .help = "Bytes in a written turn.", ORDO_METRIC_AMOUNT, AT(ordo_pace, batch_bytes)},
};

static const struct ordo_metric own_table[] = {
    {.name = "ordo_shard_serving", .help = "1 while the store is served; 0 while it only is open.", .kind = ORDO_METRIC_GAUGE,
     AT(own_figures, is_serving)},
    {.name = "ordo_shard_slots_owned", .help = "Slots that the store owns, of 1024.", .kind = ORDO_METRIC_GAUGE,
     AT(own_figures, slots_owned)},
    {.name = "ordo_shard_slot_moving", .help = "1 while a slot is on its way to another store.", .kind = ORDO_METRIC_GAUGE,
     AT(own_figures, is_moving)},
    {.name = "ordo_shard_moves_queued", .help = "Further slots that are to go.", .kind = ORDO_METRIC_GAUGE,
     AT(own_figures, moves_queued)},
    {.name = "ordo_shard_move_sent_bytes", .help = "Bytes that were sent of the slot that is on its way.",
     .kind = ORDO_METRIC_GAUGE, AT(own_figures, move_sent_size)},
    {.name = "ordo_shard_incarnation", .help = "How often the store was started in its life.", .kind = ORDO_METRIC_GAUGE,
     AT(own_figures, incarnation)},
    {.name = "ordo_shard_recovery_seconds", .help = "How long the store took to open, reading its log.",
     .kind = ORDO_METRIC_GAUGE, AT(own_figures, opening_ms), .scale = 1e-3},
    {.name = "ordo_shard_figures_age_seconds", .help = "Since the loop put its figures down; grows while it does not turn.",
     .kind = ORDO_METRIC_GAUGE, AT(own_figures, age_ms), .scale = 1e-3},
    {.name = "ordo_shard_disk_free_bytes", .help = "What a file in the store's folder could still grow by.",
     .kind = ORDO_METRIC_GAUGE, AT(own_figures, disk_free_size)},
    {.name = "ordo_shard_disk_full", .help = "1 while edits are refused for want of space.", .kind = ORDO_METRIC_GAUGE,
     AT(own_figures, is_disk_full)},
    {.name = "ordo_shard_disk_stalled_seconds", .help = "How long the present write has been running; 0: none is.",
     .kind = ORDO_METRIC_GAUGE, AT(own_figures, stalled_ms), .scale = 1e-3},
    {.name = "ordo_shard_backup_done_timestamp_seconds",
     .help = "When the last copy by ordo backup was whole, since 1970; 0: none since the start.", .kind = ORDO_METRIC_REAL,
     AT(own_figures, backup_done_s)},
    {.name = "ordo_shard_backup_failed_timestamp_seconds",
     .help = "When one last failed, since 1970; 0: none since the start.", .kind = ORDO_METRIC_REAL,
     AT(own_figures, backup_failed_s)},
};

static const struct ordo_metric workers_table[] = {
    {.name = "ordo_shard_urgent_jobs_waiting", .help = "Jobs that somebody waits for and no helper has taken.",
     .kind = ORDO_METRIC_GAUGE, AT(ordo_workers_figures, urgent_waiting)},
    {.name = "ordo_shard_background_jobs_waiting", .help = "Other jobs that no helper has taken.", .kind = ORDO_METRIC_GAUGE,
     AT(ordo_workers_figures, background_waiting)},
    {.name = "ordo_shard_urgent_job_seconds", .help = "How long jobs ran that somebody waits for.", ORDO_METRIC_DURATION_US,
     AT(ordo_workers_figures, urgent_us)},
    {.name = "ordo_shard_background_job_seconds", .help = "How long other jobs ran.", ORDO_METRIC_DURATION_US,
     AT(ordo_workers_figures, background_us)},
};

static const struct ordo_metric rocksdb_table[] = {
    {.name = "ordo_shard_tables_bytes", .help = "Bytes in RocksDB's tables.", .kind = ORDO_METRIC_GAUGE,
     AT(ordo_rocksdb_figures, tables_size)},
    {.name = "ordo_shard_log_bytes", .help = "Bytes in RocksDB's log files: what a start has to read.",
     .kind = ORDO_METRIC_GAUGE, AT(ordo_rocksdb_figures, log_size)},
    {.name = "ordo_shard_memtable_bytes", .help = "Bytes that are in the log and not in tables yet.",
     .kind = ORDO_METRIC_GAUGE, AT(ordo_rocksdb_figures, memory_size)},
    {.name = "ordo_shard_compaction_pending_bytes", .help = "Bytes that compactions are behind with, as RocksDB estimates.",
     .kind = ORDO_METRIC_GAUGE, AT(ordo_rocksdb_figures, compaction_pending_size)},
    {.name = "ordo_shard_compactions_running", .help = "Compactions under way.", .kind = ORDO_METRIC_GAUGE,
     AT(ordo_rocksdb_figures, compactions_running)},
    {.name = "ordo_shard_flushes_running", .help = "Flushes under way.", .kind = ORDO_METRIC_GAUGE,
     AT(ordo_rocksdb_figures, flushes_running)},
    {.name = "ordo_shard_write_stopped", .help = "1 while RocksDB holds writes up until compactions have caught up.",
     .kind = ORDO_METRIC_GAUGE, AT(ordo_rocksdb_figures, is_write_stopped)},
    {.name = "ordo_shard_write_rate_limit_bytes", .help = "Bytes per second that RocksDB holds writes to; 0: no limit.",
     .kind = ORDO_METRIC_GAUGE, AT(ordo_rocksdb_figures, delayed_write_rate)},
    {.name = "ordo_shard_background_errors_total", .help = "Flushes and compactions that failed.",
     .kind = ORDO_METRIC_COUNTER, AT(ordo_rocksdb_figures, background_errors)},
};

#undef AT

static struct own_figures own_figures_of(const struct ordo_host_view *view) {
    return (struct own_figures){
        .is_serving = view->is_serving,
        .is_disk_full = view->is_disk_full,
        .slots_owned = view->figures.slot_count,
        .is_moving = view->figures.move.is_moving,
        .moves_queued = view->figures.move.queued_count,
        .move_sent_size = view->figures.move.is_moving ? view->figures.move.sent_size : 0,
        .incarnation = view->incarnation,
        .opening_ms = view->opening_ms,
        .age_ms = view->figures.age_ms,
        .disk_free_size = view->disk_free_size,
        .stalled_ms = view->stalled_ms,
        .backup_done_s = (double)view->backup.done_ms / 1000,
        .backup_failed_s = (double)view->backup.failed_ms / 1000,
    };
}

/* One table for all stores: `offset` is where in a view its struct lies; SIZE_MAX: it is that of own_figures. */
static void write_table(const struct ordo_probe *probe, struct ordo_buffer *out, const struct ordo_metric *table,
                        size_t count, size_t offset, const struct own_figures *own, const struct ordo_buffer *labels) {
    struct ordo_metric_source sources[ORDO_PROBE_HOSTS_MAX];
    for (size_t i = 0; i < probe->host_count; i++) {
        const void *figures = offset == SIZE_MAX ? (const void *)&own[i] : (const uint8_t *)&probe->views[i] + offset;
        sources[i] = (struct ordo_metric_source){.figures = figures, .labels = ordo_buffer_slice(&labels[i])};
    }
    ordo_metrics_write(out, table, count, sources, probe->host_count);
}

static void write_stores(const struct ordo_probe *probe, struct ordo_buffer *out) {
    struct own_figures own[ORDO_PROBE_HOSTS_MAX];
    struct ordo_buffer labels[ORDO_PROBE_HOSTS_MAX] = {0};
    for (size_t i = 0; i < probe->host_count; i++) {
        own[i] = own_figures_of(&probe->views[i]);
        ordo_metrics_label(&labels[i], "store", ordo_slice_of(probe->views[i].name));
    }
    const struct {
        const struct ordo_metric *table;
        size_t count, offset;
    } tables[] = {
        {own_table, sizeof own_table / sizeof *own_table, SIZE_MAX},
        {core_table, sizeof core_table / sizeof *core_table, offsetof(struct ordo_host_view, figures.stats)},
        {pace_table, sizeof pace_table / sizeof *pace_table, offsetof(struct ordo_host_view, figures.pace)},
        {workers_table, sizeof workers_table / sizeof *workers_table, offsetof(struct ordo_host_view, workers)},
        {rocksdb_table, sizeof rocksdb_table / sizeof *rocksdb_table, offsetof(struct ordo_host_view, rocksdb)},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        write_table(probe, out, tables[i].table, tables[i].count, tables[i].offset, own, labels);
    for (size_t i = 0; i < probe->host_count; i++) ordo_buffer_finish(&labels[i]);
}

/* Of the process, and of the cluster as this process sees it. */
static void write_process(const struct ordo_probe *probe, struct ordo_buffer *out) {
    const struct ordo_probe_cluster *cluster = &probe->cluster;
    struct ordo_trouble troubles[ORDO_TROUBLES_MAX];
    size_t trouble_count = ordo_troubles_read(probe->troubles, ordo_clock_monotonic_ms(), troubles);
    const struct {
        const char *name, *help;
        uint64_t value;
        bool needs_directory;
    } gauges[] = {
        {"ordo_shard_ready", "1 while /readyz says so.", find_hindrance(probe) == NULL, false},
        {"ordo_shard_stores", "Stores that the process has open.", probe->host_count, false},
        {"ordo_shard_troubles", "What is not well, as ordo status names it.", trouble_count, false},
        {"ordo_shard_directory_up", "1 while the directory is there; nothing, where there is none.", !cluster->is_away, true},
        {"ordo_shard_registered", "1 while the directory shows every store as this process's.", cluster->is_registered, true},
        {"ordo_shard_draining", "1 while a store of the process is being emptied.", cluster->is_draining, true},
        {"ordo_shard_balancer", "1 in the process that gives every shard its share.", cluster->is_balancer, true},
        {"ordo_shard_cluster_stores", "Stores of the cluster.", cluster->stores, true},
        {"ordo_shard_cluster_slots_unserved", "Slots of the cluster whose store runs nowhere.", cluster->slots_unserved, true},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        ordo_metrics_family(out, gauges[i].name, gauges[i].help, ORDO_METRIC_GAUGE);
        if (gauges[i].needs_directory && !cluster->has_directory) continue;
        ordo_metrics_sample(out, gauges[i].name, ordo_slice(NULL, 0), (double)gauges[i].value);
    }
}

unsigned ordo_probe_answer(void *user, struct ordo_slice path, const char **content_type, struct ordo_buffer *body) {
    struct ordo_probe *probe = user;
    uint64_t now_ms = ordo_clock_monotonic_ms();
    unsigned status = 200;
    pthread_mutex_lock(&probe->mutex);
    for (size_t i = 0; i < probe->host_count; i++) ordo_host_look(probe->hosts[i], now_ms, &probe->views[i]);
    if (ordo_slice_equal(path, ordo_slice_of("/healthz"))) {
        status = answer_health(probe, body);
    } else if (ordo_slice_equal(path, ordo_slice_of("/readyz"))) {
        status = answer_readiness(probe, body);
    } else if (ordo_slice_equal(path, ordo_slice_of("/metrics"))) {
        *content_type = ORDO_METRICS_CONTENT_TYPE;
        ordo_process_metrics(body, "shard");
        write_process(probe, body);
        write_stores(probe, body);
    } else {
        status = 404;
        ordo_buffer_append_slice(body, ordo_slice_of("not found; /metrics, /healthz and /readyz are here\n"));
    }
    pthread_mutex_unlock(&probe->mutex);
    return status;
}
