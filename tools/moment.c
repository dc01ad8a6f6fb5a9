#include "tools/moment.h"

#include <stdio.h>
#include <string.h>

#include "common/limits.h"

enum { DAY_S = 24 * 60 * 60, YEAR_MIN = 1970, YEAR_MAX = 9999 };

/* --- the calendar ----------------------------------------------------------------------------------------------- */

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int64_t days_in(int64_t year, int64_t month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Days from 1970-01-01 to the first day of a year from 1970 on. */
static int64_t days_to_year(int64_t year) {
    int64_t past = year - 1, leap_days = past / 4 - past / 100 + past / 400;
    return (year - 1970) * 365 + leap_days - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

static int64_t days_to(int64_t year, int64_t month, int64_t day) {
    int64_t days = days_to_year(year) + day - 1;
    for (int64_t m = 1; m < month; m++) days += days_in(year, m);
    return days;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Exactly `count` digits. */
static bool take_digits(const char **text, int count, int64_t *out) {
    *out = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (!is_digit(**text)) return false;
        *out = *out * 10 + (**text - '0');
    }
    return true;
}

static bool take_char(const char **text, const char *any_of) {
    if (**text == '\0' || strchr(any_of, **text) == NULL) return false;
    (*text)++;
    return true;
}

/* A whole number with nothing behind it but what `text` is left at; false: none, or too large. */
static bool take_number(const char **text, uint64_t *out) {
    if (!is_digit(**text)) return false;
    for (*out = 0; is_digit(**text); (*text)++) {
        *out = *out * 10 + (uint64_t)(**text - '0');
        if (*out > ORDO_NUMBER_MAX) return false;
    }
    return true;
}

bool ordo_duration_parse(const char *text, uint64_t *ms_out) {
    static const struct { char name; uint64_t ms; } units[] = {
        {'s', 1000}, {'m', 60 * 1000}, {'h', 3600 * 1000}, {'d', DAY_S * UINT64_C(1000)}, {'w', 7 * DAY_S * UINT64_C(1000)}};
    uint64_t count;
    if (!take_number(&text, &count) || text[0] == '\0' || text[1] != '\0') return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].name != *text) continue;
        *ms_out = count > ORDO_NUMBER_MAX / units[i].ms ? ORDO_NUMBER_MAX : count * units[i].ms;
        return true;
    }
    return false;
}

static bool parse_relative(const char *text, uint64_t now_ms, uint64_t *ms_out) {
    uint64_t span_ms;
    if (!ordo_duration_parse(text, &span_ms)) return false;
    *ms_out = span_ms > now_ms ? 0 : now_ms - span_ms;
    return true;
}

/* HH:MM[:SS[.fff…]], as milliseconds of the day. */
static bool take_time(const char **text, int64_t *ms_out) {
    int64_t hours, minutes, seconds = 0, ms = 0;
    if (!take_digits(text, 2, &hours) || !take_char(text, ":") || !take_digits(text, 2, &minutes)) return false;
    if (take_char(text, ":")) {
        if (!take_digits(text, 2, &seconds)) return false;
        if (take_char(text, ".")) {
            if (!is_digit(**text)) return false;
            for (int64_t unit = 100; is_digit(**text); (*text)++, unit /= 10) ms += (**text - '0') * unit;
        }
    }
    if (hours > 23 || minutes > 59 || seconds > 60) return false;
    *ms_out = ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
    return true;
}

/* Z, or how far the clock of that place is ahead of UTC; nothing: UTC. */
static bool take_offset(const char **text, int64_t *ms_out) {
    *ms_out = 0;
    if (**text == '\0' || take_char(text, "Zz")) return true;
    int64_t sign = **text == '-' ? -1 : 1, hours, minutes;
    if (!take_char(text, "+-") || !take_digits(text, 2, &hours) || !take_char(text, ":")) return false;
    if (!take_digits(text, 2, &minutes) || hours > 23 || minutes > 59) return false;
    *ms_out = sign * (hours * 60 + minutes) * 60 * 1000;
    return true;
}

static bool parse_date(const char *text, uint64_t *ms_out) {
    int64_t year, month, day, time_ms = 0, offset_ms = 0;
    if (!take_digits(&text, 4, &year) || !take_char(&text, "-")) return false;
    if (!take_digits(&text, 2, &month) || !take_char(&text, "-") || !take_digits(&text, 2, &day)) return false;
    if (year < YEAR_MIN || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) return false;
    if (*text != '\0') {
        if (!take_char(&text, "Tt ") || !take_time(&text, &time_ms) || !take_offset(&text, &offset_ms)) return false;
    }
    int64_t ms = days_to(year, month, day) * DAY_S * 1000 + time_ms - offset_ms;
    if (*text != '\0' || ms < 0) return false;
    *ms_out = (uint64_t)ms;
    return true;
}

bool ordo_moment_parse(const char *text, uint64_t now_ms, uint64_t *ms_out) {
    if (*text == '-') return parse_relative(text + 1, now_ms, ms_out);
    const char *rest = text;
    uint64_t ms;
    if (take_number(&rest, &ms) && *rest == '\0') {
        *ms_out = ms;
        return true;
    }
    return parse_date(text, ms_out);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

void ordo_moment_print(uint64_t ms, char out[ORDO_MOMENT_SIZE]) {
    if (ms / 1000 / DAY_S >= (uint64_t)days_to_year(YEAR_MAX + 1)) {
        snprintf(out, ORDO_MOMENT_SIZE, "%llu", (unsigned long long)ms);
        return;
    }
    int64_t days = (int64_t)(ms / 1000 / DAY_S), seconds = (int64_t)(ms / 1000 % DAY_S);
    int64_t year = YEAR_MIN + days / 366; /* not after the right one */
    while (days_to_year(year + 1) <= days) year++;
    int64_t month = 1, day = days - days_to_year(year);
    for (; day >= days_in(year, month); month++) day -= days_in(year, month);
    snprintf(out, ORDO_MOMENT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)(day + 1) % 100, (unsigned)(seconds / 3600) % 100, (unsigned)(seconds / 60 % 60),
             (unsigned)(seconds % 60), (unsigned)(ms % 1000));
}
