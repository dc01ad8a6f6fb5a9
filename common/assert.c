#include "common/assert.h"

#include <stdio.h>
#include <stdlib.h>

void ordo_assert_fail(const char *condition, const char *file, int line, const char *function) {
    fprintf(stderr, "level=fatal event=assertion_failed at=%s:%d function=%s condition=\"%s\"\n", file, line, function,
            condition);
    abort();
}
