/* tools/ordo/restart.h: how soon a crashed program is started again.
 *
 * At once after it had served; a program that dies before it serves, or right after, waits 100 ms, 200 ms, … up to
 * 5 s, so that a broken installation does not eat the machine. Pure. Zeroed memory is a program without a past. */
#ifndef ORDO_TOOLS_RESTART_H
#define ORDO_TOOLS_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define ORDO_RESTART_HEALTHY_MS 200 /* served as long as this: a new start is not a repetition */
#define ORDO_RESTART_DELAY_MIN_MS 100
#define ORDO_RESTART_DELAY_MAX_MS 5000

struct ordo_restart {
    uint32_t failure_count; /* in a row, without having served in between */
};

/* `served_ms`: how long it had served when it ended; 0 if it never did. */
uint64_t ordo_restart_delay_ms(struct ordo_restart *restart, uint64_t served_ms);

#endif
