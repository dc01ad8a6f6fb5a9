#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/limits.h"
#include "tools/moment.h"

#define NOW_MS UINT64_C(1782916205250) /* 2026-07-01T14:30:05.250Z */
#define MIDNIGHT_MS UINT64_C(1782864000000)
#define HOUR_MS UINT64_C(3600000)

static void assert_moment(const char *text, uint64_t expected_ms) {
    uint64_t ms = 1;
    if (!ordo_moment_parse(text, NOW_MS, &ms) || ms != expected_ms)
        fail_msg("'%s' gives %llu, not %llu", text, (unsigned long long)ms, (unsigned long long)expected_ms);
}

static void dates_are_utc_unless_an_offset_is_given(void **state) {
    (void)state;
    assert_moment("2026-07-01", MIDNIGHT_MS);
    assert_moment("2026-07-01 14:30", MIDNIGHT_MS + 14 * HOUR_MS + HOUR_MS / 2);
    assert_moment("2026-07-01 14:30:05", NOW_MS - 250);
    assert_moment("2026-07-01T14:30:05.25Z", NOW_MS);
    assert_moment("2026-07-01t14:30:05.2509999999999999999999999z", NOW_MS);
    assert_moment("2026-07-01T16:30:05.250+02:00", NOW_MS);
    assert_moment("2026-07-01 10:00:05.250-04:30", NOW_MS);
    assert_moment("2026-06-30T23:59:60Z", MIDNIGHT_MS);
}

static void the_calendar_is_right_at_its_corners(void **state) {
    (void)state;
    assert_moment("1970-01-01", 0);
    assert_moment("1970-01-01T01:00:00+01:00", 0);
    assert_moment("1970-03-01", UINT64_C(59) * 24 * HOUR_MS);
    assert_moment("1972-02-29", UINT64_C(68169600000));
    assert_moment("2000-02-29", UINT64_C(951782400000));
    assert_moment("2100-03-01", UINT64_C(4107542400000));
    assert_moment("9999-12-31T23:59:59.999Z", UINT64_C(253402300799999));
}

static void relative_times_count_back_from_now(void **state) {
    (void)state;
    assert_moment("-0s", NOW_MS);
    assert_moment("-90s", NOW_MS - 90 * 1000);
    assert_moment("-15m", NOW_MS - HOUR_MS / 4);
    assert_moment("-2h", NOW_MS - 2 * HOUR_MS);
    assert_moment("-3d", NOW_MS - 72 * HOUR_MS);
    assert_moment("-1w", NOW_MS - 168 * HOUR_MS);
    assert_moment("-99999d", 0);
    assert_moment("-9007199254740991w", 0);
}

static void digits_are_milliseconds(void **state) {
    (void)state;
    assert_moment("0", 0);
    assert_moment("1782916205250", NOW_MS);
    assert_moment("9007199254740991", ORDO_NUMBER_MAX);
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "", " ", "-", "-m", "-5", "-5x", "-5mm", "-5 m", "--5m", "-5.5h", "-99999999999999999999d", "5m", "+5m",
        "9007199254740992", "99999999999999999999999", "12 ", "0x10", "now", "yesterday",
        "2026-", "2026-7-1", "2026-07", "2026-07-", "2026-07-1", "2026-13-01", "2026-00-01", "2026-07-00",
        "2026-06-31", "2026-02-29", "2100-02-29", "1969-12-31", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
        "10000-01-01", "2026-07-01Z", "2026-07-01T", "2026-07-01 ", "2026-07-01  14:30", "2026-07-01T14",
        "2026-07-01T14:", "2026-07-01T1430", "2026-07-01T24:00", "2026-07-01T14:60", "2026-07-01T14:30:61",
        "2026-07-01T14:30:", "2026-07-01T14:30:05.", "2026-07-01T14:30:05.Z", "2026-07-01T14:30:05,2",
        "2026-07-01T14:30:05+2", "2026-07-01T14:30:05+0200", "2026-07-01T14:30:05+24:00", "2026-07-01T14:30:05+02:60",
        "2026-07-01T14:30:05ZZ", "2026-07-01T14:30:05Z ", "2026-07-01T14:30 UTC", "2026/07/01", "\xff\xff",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t ms = 7;
        if (ordo_moment_parse(wrong[i], NOW_MS, &ms) || ms != 7) fail_msg("'%s' was taken, as %llu", wrong[i],
                                                                          (unsigned long long)ms);
    }
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    char text[ORDO_MOMENT_SIZE];
    ordo_moment_print(NOW_MS, text);
    assert_string_equal(text, "2026-07-01T14:30:05.250Z");
    ordo_moment_print(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    ordo_moment_print(UINT64_C(253402300800000), text);
    assert_string_equal(text, "253402300800000");
    for (uint64_t day = 0; day < 366 * 300; day++) {
        ordo_moment_print(day * 24 * HOUR_MS + day, text);
        assert_moment(text, day * 24 * HOUR_MS + day);
    }
    ordo_moment_print(UINT64_MAX, text);
}

static void spans_of_time_have_a_unit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } spans[] = {{"90s", 90000}, {"15m", 15 * 60000}, {"2h", 2 * HOUR_MS}, {"3d", 72 * HOUR_MS}, {"1w", 168 * HOUR_MS},
                 {"0s", 0}, {"9007199254740991w", ORDO_NUMBER_MAX}};
    uint64_t ms;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        assert_true(ordo_duration_parse(spans[i].text, &ms));
        assert_int_equal(ms, spans[i].ms);
    }
    static const char *const wrong[] = {"", "5", "m", "-5m", "+5m", "5x", "5mm", "5 m", "1h30m", "1.5h", "99999999999999999999d"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(ordo_duration_parse(wrong[i], &ms));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_utc_unless_an_offset_is_given),
        cmocka_unit_test(the_calendar_is_right_at_its_corners),
        cmocka_unit_test(relative_times_count_back_from_now),
        cmocka_unit_test(digits_are_milliseconds),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(spans_of_time_have_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
