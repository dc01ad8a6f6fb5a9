/* shard/probe.h: what a process of shards tells of itself over HTTP: /metrics, /healthz, /readyz.
 *
 *     /healthz   200 unless a sequencing thread has not turned its loop for 30 s. While it waits for the disk it counts as
 *                turning: a restart would not make the disk answer, and would begin the recovery anew.
 *     /readyz    200 if every store of the process is open and serves, is this process's by the directory (where that can
 *                be asked), is not being drained, and its disk takes writes; else 503 and a sentence.
 *     /metrics   docs/metrics.md says what each figure means.
 *
 * Hosts add themselves when they are open and take themselves away before they stop; the registrar says what the directory
 * says. Any thread. */
#ifndef ORDO_SHARD_PROBE_H
#define ORDO_SHARD_PROBE_H

#include "common/buffer.h"
#include "shard/backup.h"
#include "shard/figures.h"
#include "shard/troubles.h"
#include "shard/workers.h"

#define ORDO_PROBE_HOSTS_MAX 64

struct ordo_host;

/* How a host is, asked by the probe (host.c). */
struct ordo_host_view {
    const char *name; /* good until the host takes itself away */
    uint64_t incarnation, opening_ms; /* how long the store took to open */
    bool is_serving, is_disk_full;
    uint64_t stalled_ms, disk_free_size;
    struct ordo_figures figures;          /* zeroed unless it serves, as are these */
    struct ordo_workers_figures workers;
    struct ordo_rocksdb_figures rocksdb;
    struct ordo_backup_times backup;
};
void ordo_host_look(struct ordo_host *host, uint64_t monotonic_ms, struct ordo_host_view *out);

/* What the registrar knows. Zeroed memory: there is no directory. */
struct ordo_probe_cluster {
    bool has_directory, is_away; /* away: it cannot be read now, or never was */
    bool is_registered;          /* each store that serves stands in it as this process's */
    bool is_draining;            /* one of them is to be emptied */
    bool is_balancer;            /* this process balances */
    uint32_t slots_unserved;     /* of the cluster, by stores that nobody runs */
    uint32_t stores;             /* of the cluster */
};

struct ordo_probe;

struct ordo_probe *ordo_probe_create(struct ordo_troubles *troubles); /* borrowed */
void ordo_probe_destroy(struct ordo_probe *probe);                    /* NULL is fine */
void ordo_probe_add(struct ordo_probe *probe, struct ordo_host *host);
/* Waits until nobody looks at the host. One that was never added does no harm. */
void ordo_probe_remove(struct ordo_probe *probe, const struct ordo_host *host);
void ordo_probe_set_cluster(struct ordo_probe *probe, const struct ordo_probe_cluster *cluster);
/* From now on nothing is ready here. */
void ordo_probe_stopping(struct ordo_probe *probe);

/* An ordo_http_port_answer; `user` is the probe. */
unsigned ordo_probe_answer(void *probe, struct ordo_slice path, const char **content_type, struct ordo_buffer *body);

#endif
