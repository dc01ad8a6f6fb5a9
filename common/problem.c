#include "common/problem.h"

#include <stdarg.h>
#include <stdio.h>

void ordo_problem_set(struct ordo_problem *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
}
