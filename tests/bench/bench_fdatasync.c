/* What the disk itself takes: appends of 128 bytes, each followed by fdatasync, as one JSON line.
 *
 *   bench_fdatasync FOLDER [COUNT]
 *
 * The floor under any durable ack; the ack latency of a single client is judged by its ratio to this. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/histogram.h"

enum { APPEND_SIZE = 128, COUNT_DEFAULT = 5000 };

int main(int argc, char **argv) {
    static struct ordo_histogram latency_ns;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_fdatasync FOLDER [COUNT]\n");
        return 2;
    }
    int count = argc > 2 ? atoi(argv[2]) : COUNT_DEFAULT;
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
    for (int i = 0; i < count; i++) {
        uint64_t begin_ns = ordo_clock_monotonic_ns();
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
