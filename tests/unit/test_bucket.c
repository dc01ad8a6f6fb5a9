/* So much per second, some at once, and debts that are paid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/bucket.h"

static void it_gives_what_two_seconds_bring_and_then_what_comes(void **state) {
    (void)state;
    struct ordo_bucket bucket = {0};
    uint64_t now_ms = 1000000;
    for (int i = 0; i < 20; i++) {
        assert_true(ordo_bucket_has(&bucket, 10, now_ms));
        ordo_bucket_take(&bucket, 10, now_ms, 1);
    }
    assert_false(ordo_bucket_has(&bucket, 10, now_ms)); /* the limit is 20, not 21 */
    assert_int_equal(ordo_bucket_wait_ms(&bucket, 10, now_ms, 0), 100);
    assert_int_equal(ordo_bucket_wait_ms(&bucket, 10, now_ms, 5), 600);
    assert_false(ordo_bucket_has(&bucket, 10, now_ms + 99));
    uint64_t given = 0;
    for (int i = 0; i < 10000; i++) {
        now_ms += 7;
        if (!ordo_bucket_has(&bucket, 10, now_ms)) continue;
        ordo_bucket_take(&bucket, 10, now_ms, 1);
        given++;
    }
    assert_in_range(given, 699, 701); /* 70 s */
    assert_true(ordo_bucket_is_full(&bucket, 10, now_ms + 2100));
}

static void it_pays_its_debts_and_forgets_the_worst(void **state) {
    (void)state;
    struct ordo_bucket bucket = {0};
    ordo_bucket_take(&bucket, 1000, 5, 5000); /* 3 s beyond its two */
    assert_false(ordo_bucket_has(&bucket, 1000, 5));
    assert_int_equal(ordo_bucket_wait_ms(&bucket, 1000, 5, 0), 3001);
    assert_false(ordo_bucket_has(&bucket, 1000, 3005));
    assert_true(ordo_bucket_has(&bucket, 1000, 3006));
    ordo_bucket_take(&bucket, 1000, 3006, UINT64_MAX);
    assert_int_equal(ordo_bucket_wait_ms(&bucket, 1000, 3006, UINT32_MAX), ORDO_BUCKET_DEBT_MS_MAX);
    assert_true(ordo_bucket_has(&bucket, 1000, 3006 + ORDO_BUCKET_DEBT_MS_MAX + 1));
}

static void without_a_rate_there_is_no_limit_and_time_that_stands_gives_nothing(void **state) {
    (void)state;
    struct ordo_bucket bucket = {0};
    ordo_bucket_take(&bucket, 0, 1, 1000000);
    assert_true(ordo_bucket_has(&bucket, 0, 1));
    assert_int_equal(ordo_bucket_wait_ms(&bucket, 0, 1, 1000), 0);
    ordo_bucket_take(&bucket, UINT32_MAX, 100, UINT64_MAX / 2);
    assert_false(ordo_bucket_has(&bucket, UINT32_MAX, 100));
    assert_false(ordo_bucket_has(&bucket, UINT32_MAX, 50));
    assert_true(ordo_bucket_has(&bucket, UINT32_MAX, UINT64_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_two_seconds_bring_and_then_what_comes),
        cmocka_unit_test(it_pays_its_debts_and_forgets_the_worst),
        cmocka_unit_test(without_a_rate_there_is_no_limit_and_time_that_stands_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
