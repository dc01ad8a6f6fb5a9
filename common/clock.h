/* common/clock.h: the edges read the clock once per turn and hand it to the cores as data. */
#ifndef ORDO_COMMON_CLOCK_H
#define ORDO_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Both are needed: the wall clock may jump in either direction, timers must not. */
uint64_t ordo_clock_wall_ms(void);      /* since 1970 */
uint64_t ordo_clock_monotonic_ms(void); /* since some start */
uint64_t ordo_clock_monotonic_ns(void);
uint64_t ordo_clock_boot_ms(void);      /* since the machine was started, its sleep included */

/* In so many ms, for pthread_cond_clockwait on CLOCK_MONOTONIC. */
struct timespec ordo_clock_deadline(uint64_t ms);
/* A signal may end it early. */
void ordo_clock_sleep_ms(uint64_t ms);

#endif
