#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/ordo/restart.h"

static void program_that_served_is_restarted_at_once(void **state) {
    (void)state;
    struct ordo_restart restart = {0};

    for (int i = 0; i < 100; i++) assert_int_equal(ordo_restart_delay_ms(&restart, ORDO_RESTART_HEALTHY_MS), 0);
}

static void program_that_never_serves_waits_longer_each_time_up_to_a_limit(void **state) {
    (void)state;
    struct ordo_restart restart = {0};
    static const uint64_t expected_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};

    for (size_t i = 0; i < sizeof expected_ms / sizeof expected_ms[0]; i++) {
        assert_int_equal(ordo_restart_delay_ms(&restart, 0), expected_ms[i]);
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(ordo_restart_delay_ms(&restart, 1), ORDO_RESTART_DELAY_MAX_MS);
}

static void having_served_forgets_the_failures_before(void **state) {
    (void)state;
    struct ordo_restart restart = {0};
    for (int i = 0; i < 5; i++) ordo_restart_delay_ms(&restart, 0);

    assert_int_equal(ordo_restart_delay_ms(&restart, 60000), 0);

    assert_int_equal(ordo_restart_delay_ms(&restart, 0), ORDO_RESTART_DELAY_MIN_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(program_that_served_is_restarted_at_once),
        cmocka_unit_test(program_that_never_serves_waits_longer_each_time_up_to_a_limit),
        cmocka_unit_test(having_served_forgets_the_failures_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
