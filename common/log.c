#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 2048 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static struct {
    const char *process;
    enum ordo_log_level level;
} log_config = {.process = "ordo", .level = ORDO_LOG_INFO};

void ordo_log_init(const char *process, enum ordo_log_level level) {
    log_config.process = process;
    log_config.level = level;
}

int ordo_log_level_of(const char *name) {
    for (int level = ORDO_LOG_ERROR; level <= ORDO_LOG_DEBUG; level++)
        if (strcmp(name, level_names[level]) == 0) return level;
    return -1;
}

void ordo_log(enum ordo_log_level level, const char *format, ...) {
    if (level > log_config.level) return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char line[LINE_SIZE_MAX];
    size_t size = strftime(line, sizeof line, "time=%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(line + size, sizeof line - size, ".%03ldZ level=%s process=%s ", now.tv_nsec / 1000000,
                             level_names[level], log_config.process);
    va_list args;
    va_start(args, format);
    int written = vsnprintf(line + size, sizeof line - size - 1, format, args);
    va_end(args);
    if (written > 0) size += (size_t)written;
    if (size > sizeof line - 2) size = sizeof line - 2; /* a cut line is better than a torn one */
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) line[i] = '?';
    line[size++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, size);
    (void)ignored;
}
