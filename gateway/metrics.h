/* gateway/metrics.h: a gateway's figures for Prometheus. docs/metrics.md says what each one means. */
#ifndef ORDO_GATEWAY_METRICS_H
#define ORDO_GATEWAY_METRICS_H

#include "gateway/turn.h"

/* Appends all of them. In the loop's thread; takes about a fifth of a millisecond. */
void ordo_gateway_metrics(struct ordo_buffer *out, const struct ordo_turn *turn);

#endif
