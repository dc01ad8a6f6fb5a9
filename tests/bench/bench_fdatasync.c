/* What the disk itself takes: appends of 128 bytes, each followed by fdatasync, as one JSON line.
 *
 *   bench_fdatasync FOLDER [COUNT [RATE]]
 *
 * The floor under any durable ack; the ack latency of a single client is judged by its ratio to this. With a RATE, so many
 * begin per second, or as soon as the one before is done, and each counts from when it should have begun. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/histogram.h"

enum { APPEND_SIZE = 128, COUNT_DEFAULT = 5000, NS_PER_S = 1000000000 };

static void wait_until(uint64_t ns) {
    struct timespec until = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

int main(int argc, char **argv) {
    static struct ordo_histogram latency_ns;
    int count = argc > 2 ? atoi(argv[2]) : COUNT_DEFAULT;
    int rate = argc > 3 ? atoi(argv[3]) : 0;
    if (argc < 2 || count <= 0 || rate < 0) {
        fprintf(stderr, "usage: bench_fdatasync FOLDER [COUNT [RATE]]\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/fdatasync-XXXXXX", argv[1]);
    int fd = mkstemp(path);
    if (fd < 0) {
        fprintf(stderr, "bench_fdatasync: %s: %s\n", path, strerror(errno));
        return EXIT_FAILURE;
    }
    unlink(path);
    char bytes[APPEND_SIZE];
    memset(bytes, 'x', sizeof bytes);
    uint64_t started_ns = ordo_clock_monotonic_ns();
    for (int i = 0; i < count; i++) {
        uint64_t begin_ns = rate > 0 ? started_ns + (uint64_t)i * NS_PER_S / (uint64_t)rate : ordo_clock_monotonic_ns();
        if (rate > 0) wait_until(begin_ns);
        if (write(fd, bytes, sizeof bytes) != sizeof bytes || fdatasync(fd) != 0) {
            fprintf(stderr, "bench_fdatasync: %s\n", strerror(errno));
            return EXIT_FAILURE;
        }
        ordo_histogram_record(&latency_ns, ordo_clock_monotonic_ns() - begin_ns);
    }
    printf("{\"count\": %d, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", count,
           (double)ordo_histogram_percentile(&latency_ns, 50) / 1e3,
           (double)ordo_histogram_percentile(&latency_ns, 99) / 1e3);
    close(fd);
    return EXIT_SUCCESS;
}
