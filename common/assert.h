/* common/assert.h: assertions that stay on in release builds.
 *
 * A failed assertion is our own bug: print where, abort, let the supervisor restart the process and the log replay.
 * Never assert on bytes from outside: validate those at the door. */
#ifndef ORDO_COMMON_ASSERT_H
#define ORDO_COMMON_ASSERT_H

#define ORDO_ASSERT(condition)                                                                                         \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) ordo_assert_fail(#condition, __FILE__, __LINE__, __func__);             \
    } while (0)

/* Prints one line to stderr and aborts. */
__attribute__((noreturn, cold)) void ordo_assert_fail(const char *condition, const char *file, int line,
                                                      const char *function);

#endif
