/* common/log.h: one line per event, `key=value`, to stderr. For the edges only: the pure cores count, they do not log.
 *
 * Error: someone must act. Warn: odd but handled. Info: life cycle. Debug: per op. Values with spaces are quoted by the
 * caller in the format: `log_info("event=listening endpoint=%s", …)`. Values that come from outside go through log_value.h, so
 * that none can look like another key or another line; whatever comes here all the same, a line stays one line: control
 * characters become '?'. Thread-safe: one write per line. Limit: what is longer than a line (2 KiB) is cut. */
#ifndef ORDO_COMMON_LOG_H
#define ORDO_COMMON_LOG_H

#include "common/log_value.h"

enum ordo_log_level { ORDO_LOG_ERROR, ORDO_LOG_WARN, ORDO_LOG_INFO, ORDO_LOG_DEBUG };

/* `process` (borrowed for ever) becomes `process=` in every line. */
void ordo_log_init(const char *process, enum ordo_log_level level);
/* -1 for a name that is none of error, warn, info, debug. */
int ordo_log_level_of(const char *name);

__attribute__((format(printf, 2, 3))) void ordo_log(enum ordo_log_level level, const char *format, ...);

/* Inside of a call of these: a sentence for `key="%s"`, a name for `key=%s` (log_value.h). */
#define log_quoted(sentence) ordo_log_quoted((char[ORDO_LOG_QUOTED_SIZE]){0}, sentence)
#define log_value(slice) ordo_log_value((char[ORDO_LOG_VALUE_SIZE]){0}, slice)

#define log_error(...) ordo_log(ORDO_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) ordo_log(ORDO_LOG_WARN, __VA_ARGS__)
#define log_info(...) ordo_log(ORDO_LOG_INFO, __VA_ARGS__)
#define log_debug(...) ordo_log(ORDO_LOG_DEBUG, __VA_ARGS__)

#endif
