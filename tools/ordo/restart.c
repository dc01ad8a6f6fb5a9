#include "tools/ordo/restart.h"

uint64_t ordo_restart_delay_ms(struct ordo_restart *restart, uint64_t served_ms) {
    if (served_ms >= ORDO_RESTART_HEALTHY_MS) {
        restart->failure_count = 0;
        return 0;
    }
    uint32_t doublings = restart->failure_count++;
    if (doublings >= 6) return ORDO_RESTART_DELAY_MAX_MS;
    uint64_t delay_ms = (uint64_t)ORDO_RESTART_DELAY_MIN_MS << doublings;
    return delay_ms < ORDO_RESTART_DELAY_MAX_MS ? delay_ms : ORDO_RESTART_DELAY_MAX_MS;
}
