/* common/metrics.h: figures as text for Prometheus (exposition format 0.0.4).
 *
 * There is no registry. Whoever has figures keeps them in a struct of its own and describes that struct once, in a table:
 *
 *     static const struct ordo_metric table[] = {
 *         {.name = "ordo_x_ops_total", .help = "…", .kind = ORDO_METRIC_COUNTER, .offset = offsetof(struct x, ops)},
 *         …
 *     ordo_metrics_write(out, table, count, &figures, 1);
 *
 * where a table's rows are made of the same list as the struct's fields (gateway/core/counters.h), a new counter is a
 * line. Several structs of one kind (the shards of a process) are written with one table: each with labels of its own.
 *
 * Pure. Limits: none of its own; names and help are ours, label values may be anything and are escaped. */
#ifndef ORDO_COMMON_METRICS_H
#define ORDO_COMMON_METRICS_H

#include "common/buckets.h"
#include "common/buffer.h"

#define ORDO_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum ordo_metric_kind {
    ORDO_METRIC_COUNTER,   /* uint64_t, only grows */
    ORDO_METRIC_GAUGE,     /* uint64_t */
    ORDO_METRIC_REAL,      /* double, a gauge */
    ORDO_METRIC_HISTOGRAM, /* struct ordo_buckets */
};

struct ordo_metric {
    const char *name, *help;
    enum ordo_metric_kind kind;
    size_t offset;
    double scale; /* what is shown is the value times this: 1e-6 for µs, shown in seconds. 0: as it is */
    /* HISTOGRAM: which bounds are shown: `first`, then up to `last` those that lie a multiple of `step` before it. */
    unsigned first, last, step;
    /* COUNTER, GAUGE: an array of `value_count`, told apart by this label; NULL: just one. */
    const char *label;
    const char *const *values;
    size_t value_count;
};

/* Durations kept in µs, from 64 µs to 8 s; counts and sizes from 1 to 16 Mi, by powers of two. */
#define ORDO_METRIC_DURATION_US .kind = ORDO_METRIC_HISTOGRAM, .scale = 1e-6, .first = 11, .last = 45, .step = 1
#define ORDO_METRIC_AMOUNT .kind = ORDO_METRIC_HISTOGRAM, .first = 0, .last = 47, .step = 2

/* What a table is to be written for. */
struct ordo_metric_source {
    const void *figures;      /* the struct that the offsets are of */
    struct ordo_slice labels; /* made by ordo_metrics_label; empty: none */
};

/* Appends `name="value"` to labels, behind a comma where there are some already. */
void ordo_metrics_label(struct ordo_buffer *labels, const char *name, struct ordo_slice value);

void ordo_metrics_write(struct ordo_buffer *out, const struct ordo_metric *table, size_t count,
                        const struct ordo_metric_source *sources, size_t source_count);

/* Piece by piece, for what is no struct: HELP and TYPE, then each of its samples. */
void ordo_metrics_family(struct ordo_buffer *out, const char *name, const char *help, enum ordo_metric_kind kind);
void ordo_metrics_sample(struct ordo_buffer *out, const char *name, struct ordo_slice labels, double value);

#endif
