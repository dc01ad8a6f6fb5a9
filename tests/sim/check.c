#include "tests/sim/check.h"

#include <stdarg.h>
#include <stdio.h>

const char *sim_check_name(enum sim_check check) {
    switch (check) {
    case SIM_CHECK_NONE: return "none";
#define X(name, text, promise)                                                                                       \
    case SIM_CHECK_##name: return text;
        SIM_CHECKS(X)
#undef X
    }
    return "?";
}

const char *sim_check_promise(enum sim_check check) {
    switch (check) {
    case SIM_CHECK_NONE: return "";
#define X(name, text, promise)                                                                                       \
    case SIM_CHECK_##name: return promise;
        SIM_CHECKS(X)
#undef X
    }
    return "?";
}

void sim_fail(struct sim_verdict *verdict, enum sim_check check, const char *format, ...) {
    if (verdict->violated != SIM_CHECK_NONE) return;
    verdict->violated = check;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->message, sizeof verdict->message, format, arguments);
    va_end(arguments);
}
