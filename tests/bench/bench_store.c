/* What a durable commit costs at each layer, interleaved so that all see the same disk, as a table.
 *
 *   bench_store FOLDER [ROUNDS]
 *
 * - append: a bare append of 128 bytes with fdatasync, the floor;
 * - store, N runs: one batch of N runs of ~100 bytes with the turn's row, synced: what a turn of N documents pays;
 * - start: opening a store that was killed with so much in its log. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/histogram.h"
#include "common/random.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "common/files.h"
#include "shard/folder.h"

enum { ROUNDS_DEFAULT = 2000, RUN_SIZE = 100, APPEND_SIZE = 128 };

static const size_t batch_sizes[] = {1, 10, 100, 500};
enum { BATCH_KINDS = sizeof batch_sizes / sizeof *batch_sizes };

struct series {
    struct ordo_histogram latency_ns;
    uint64_t cpu_ns, count;
};

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "bench_store: %s\n", what);
    exit(EXIT_FAILURE);
}

static void append(int fd, struct series *series) {
    static const char bytes[APPEND_SIZE] = "x";
    uint64_t begin_ns = ordo_clock_monotonic_ns(), begin_cpu_ns = cpu_ns();
    if (write(fd, bytes, sizeof bytes) != sizeof bytes || fdatasync(fd) != 0) fail(strerror(errno));
    ordo_histogram_record(&series->latency_ns, ordo_clock_monotonic_ns() - begin_ns);
    series->cpu_ns += cpu_ns() - begin_cpu_ns;
    series->count++;
}

/* One turn that commits one op to each of `run_count` documents. */
static void commit(struct ordo_store *store, uint64_t turn, size_t run_count, struct series *series) {
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0}, value = {0};
    char name[32];
    uint8_t run[RUN_SIZE];
    memset(run, (int)turn, sizeof run);
    for (size_t i = 0; i < run_count; i++) {
        snprintf(name, sizeof name, "document-%06zu", i);
        struct ordo_buffer doc = {0};
        ordo_key_doc(&doc, ordo_slice_of("bench"), ordo_slice_of(name));
        ordo_key_ops(&key, ordo_buffer_slice(&doc), turn);
        ordo_batch_put(&batch, ORDO_CF_OPS, ordo_buffer_slice(&key), ordo_slice(run, sizeof run));
        ordo_buffer_finish(&doc);
    }
    ordo_turn_row_encode(&value, &(struct ordo_turn_row){.turn = turn});
    ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&value));
    uint64_t begin_ns = ordo_clock_monotonic_ns(), begin_cpu_ns = cpu_ns();
    if (store->ops->write(store, &batch, true) != ORDO_OK) fail(ordo_store_rocksdb_failure(store));
    ordo_histogram_record(&series->latency_ns, ordo_clock_monotonic_ns() - begin_ns);
    series->cpu_ns += cpu_ns() - begin_cpu_ns;
    series->count++;
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

static void print(const char *name, const struct series *series, double floor_us) {
    double p50 = (double)ordo_histogram_percentile(&series->latency_ns, 50) / 1e3;
    printf("%-16s %8.0f %8.0f %8.0f %9.2f %12.1f\n", name, p50,
           (double)ordo_histogram_percentile(&series->latency_ns, 99) / 1e3,
           (double)ordo_histogram_percentile(&series->latency_ns, 99.9) / 1e3, floor_us > 0 ? p50 / floor_us : 1.0,
           (double)series->cpu_ns / 1e3 / (double)series->count);
}

int main(int argc, char **argv) {
    static struct series appended, committed[BATCH_KINDS];
    if (argc < 2) {
        fprintf(stderr, "usage: bench_store FOLDER [ROUNDS]\n");
        return 2;
    }
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS_DEFAULT;
    char folder_path[PATH_MAX], file_path[PATH_MAX];
    snprintf(folder_path, sizeof folder_path, "%s/bench-store-%d", argv[1], (int)getpid());
    snprintf(file_path, sizeof file_path, "%s/bench-append-%d", argv[1], (int)getpid());
    int fd = open(file_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) fail(strerror(errno));
    struct ordo_folder folder;
    struct ordo_problem problem;
    if (ordo_folder_open(&folder, folder_path, &problem) != ORDO_OK) fail(problem.text);
    uint64_t turn = 0;
    for (int round = 0; round < rounds; round++) {
        append(fd, &appended);
        for (int i = 0; i < BATCH_KINDS; i++) commit(folder.store, ++turn, batch_sizes[i], &committed[i]);
    }
    double floor_us = (double)ordo_histogram_percentile(&appended.latency_ns, 50) / 1e3;
    printf("%-16s %8s %8s %8s %9s %12s\n", "us", "p50", "p99", "p99.9", "/ append", "cpu/commit");
    print("append", &appended, 0);
    for (int i = 0; i < BATCH_KINDS; i++) {
        char name[64];
        snprintf(name, sizeof name, "store, %zu run%s", batch_sizes[i], batch_sizes[i] > 1 ? "s" : "");
        print(name, &committed[i], floor_us);
    }
    ordo_folder_finish(&folder);
    uint64_t begin_ns = ordo_clock_monotonic_ns();
    if (ordo_folder_open(&folder, folder_path, &problem) != ORDO_OK) fail(problem.text);
    printf("start: %.0f ms, turn %llu\n", (double)(ordo_clock_monotonic_ns() - begin_ns) / 1e6,
           (unsigned long long)folder.identity.turn);
    ordo_folder_finish(&folder);
    close(fd);
    unlink(file_path);
    return ordo_folder_remove(folder_path) == ORDO_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
