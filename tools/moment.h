/* tools/moment.h: points in time as people write them on a command line. Pure: the clock is passed in.
 *
 *     2026-07-01                        midnight, UTC
 *     2026-07-01 14:30[:05[.250]]       UTC; `T` or `t` in place of the space
 *     2026-07-01T14:30:05Z, …+02:00     RFC 3339, with an offset
 *     -90s, -15m, -2h, -3d, -1w         before now
 *     1782916205250                     milliseconds since 1970
 *
 * Digits behind the milliseconds are cut off. A leap second (:60) is the first second of the next minute. Years are
 * 1970 to 9999; what lies before 1970 is refused, but a relative time that reaches back so far is 0. */
#ifndef ORDO_TOOLS_MOMENT_H
#define ORDO_TOOLS_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since 1970, at most ORDO_NUMBER_MAX. False: it is none of the above; `*ms_out` is as before. */
bool ordo_moment_parse(const char *text, uint64_t now_ms, uint64_t *ms_out);

/* A span of time: 90s, 15m, 2h, 3d, 1w; what is longer than ORDO_NUMBER_MAX ms is cut to that. False: it is none. */
bool ordo_duration_parse(const char *text, uint64_t *ms_out);

#define ORDO_MOMENT_SIZE 32
/* Writes RFC 3339 in UTC, as 2026-07-01T14:30:05.250Z; a year beyond 9999 as the number of milliseconds. */
void ordo_moment_print(uint64_t ms, char out[ORDO_MOMENT_SIZE]);

#endif
