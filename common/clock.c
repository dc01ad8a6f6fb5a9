#include "common/clock.h"

static uint64_t read_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t ordo_clock_wall_ms(void) { return read_ns(CLOCK_REALTIME) / 1000000u; }
uint64_t ordo_clock_monotonic_ms(void) { return read_ns(CLOCK_MONOTONIC) / 1000000u; }
uint64_t ordo_clock_monotonic_ns(void) { return read_ns(CLOCK_MONOTONIC); }
uint64_t ordo_clock_boot_ms(void) { return read_ns(CLOCK_BOOTTIME) / 1000000u; }

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

struct timespec ordo_clock_deadline(uint64_t ms) { return timespec_of(ordo_clock_monotonic_ns() + ms * 1000000u); }

void ordo_clock_sleep_ms(uint64_t ms) {
    const struct timespec time = timespec_of(ms * 1000000u);
    nanosleep(&time, NULL);
}
