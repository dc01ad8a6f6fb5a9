/* common/process_metrics.h: what every process tells of itself: build, CPU, memory, open files. */
#ifndef ORDO_COMMON_PROCESS_METRICS_H
#define ORDO_COMMON_PROCESS_METRICS_H

#include "common/buffer.h"

/* Appends `ordo_build_info` and the `process_…` figures that Prometheus' own clients have. `role` is "shard" or "gateway".
 * What the system does not tell is 0. Takes some tens of microseconds, more with many open files. */
void ordo_process_metrics(struct ordo_buffer *out, const char *role);

#endif
