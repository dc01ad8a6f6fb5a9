/* common/log_value.h: values from outside, made fit for a line of `key=value`.
 *
 * A name, a user, an address may hold anything: a blank that begins another key, a line feed that begins another line, what a
 * terminal takes for a command. Pure; the cores use it for their notes. Limits: as below; what is longer is cut and ends
 * in "...". */
#ifndef ORDO_COMMON_LOG_VALUE_H
#define ORDO_COMMON_LOG_VALUE_H

#include "common/slice.h"

#define ORDO_LOG_VALUE_SIZE 400 /* all of ORDO_NAME_SIZE_MAX, each byte escaped */
#define ORDO_LOG_QUOTED_SIZE 600

/* For `key=%s`, without quotes: printable ASCII as it is, all else, and what means something in a line, as %XX; "-" for
 * nothing. Returns `out`. */
const char *ordo_log_value(char out[ORDO_LOG_VALUE_SIZE], struct ordo_slice value);
/* For `key="%s"`: a sentence. '"' and '\' get a '\', control characters become '?', the rest stays. Returns `out`. */
const char *ordo_log_quoted(char out[ORDO_LOG_QUOTED_SIZE], const char *sentence);

#endif
