/* What RocksDB's settings cost and spare under the write pattern of a shard, as a table and one line of JSON.
 *
 *   bench_tuning FOLDER [TURNS [ROUNDS]]
 *
 * Each setting differs from the one in use (shard/rocksdb_options.c) in one thing. For each, in a process of its own: TURNS
 * synced batches (6000), each with a run for 40 of 2,000 documents and the turn's row; each document has after 20 runs a
 * snapshot, its rows, a block of history, and 20 older runs deleted. Then it is killed, opened anew, and 500 documents are read
 * as loading reads them, cold. All settings take turns, ROUNDS times (3), and of each figure the median is shown.
 *
 * - write CPU: of the thread that writes, per run; all CPU: of the process, with flushes and compactions
 * - commit: how long one batch took, with its sync
 * - disk: the database when the writing ends; memory: resident then, beyond what the process began with
 * - open, load: of the killed database, and of one document from it */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/histogram.h"
#include "common/random.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/value.h"
#include "common/files.h"
#include "shard/store_rocksdb.h"

#define MIB ((size_t)1024 * 1024)
enum { DOC_COUNT = 2000, RUNS_PER_TURN = 40, RUNS_PER_SNAPSHOT = 20, LOAD_COUNT = 500, CONTENT_SIZE = 6000, BLOCK_SIZE = 400,
       ROUNDS_MAX = 9 };

struct setting {
    const char *name;
    struct ordo_rocksdb_tuning tuning;
};

enum figure { WRITE_CPU, ALL_CPU, COMMIT_P50, COMMIT_P99, DISK, MEMORY, OPEN, LOAD_P50, LOAD_P99, FIGURES };
static const struct {
    const char *name, *unit;
} figures[FIGURES] = {{"write CPU", "µs/run"}, {"all CPU", "µs/run"}, {"commit p50", "µs"}, {"commit p99", "µs"}, {"disk", "MiB"},
                      {"memory", "MiB"}, {"open", "ms"}, {"load p50", "µs"}, {"load p99", "µs"}};

struct bench {
    struct ordo_store *store;
    struct ordo_prng prng;
    uint32_t seqs[DOC_COUNT], snapshot_seqs[DOC_COUNT];
    struct ordo_buffer doc_key, key, value;
    struct ordo_batch batch, background;
    uint64_t run_count;
};

static void fail(const char *what) {
    fprintf(stderr, "bench_tuning: %s\n", what);
    exit(EXIT_FAILURE);
}

static uint64_t cpu_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double resident_mib(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*s %lu", &pages) != 1) fail("no /proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (double)MIB;
}

/* ---- rows as large, and as random, as ours */

static void put(struct bench *bench, struct ordo_batch *batch, enum ordo_cf cf) {
    ordo_value_seal(&bench->value, ordo_buffer_slice(&bench->key));
    ordo_batch_put(batch, cf, ordo_buffer_slice(&bench->key), ordo_buffer_slice(&bench->value));
}

static void append_text(struct bench *bench, size_t size) {
    static const char *const words[] = {"the ", "of ", "and ", "document ", "every ", "people ", "write ", "in ", "it, ", "a ",
                                        "order ", "place.\n", "only ", "shared ", "edit ", "once "};
    while (size > 0) {
        const char *word = words[ordo_prng_below(&bench->prng, 16)];
        size_t part = strlen(word) < size ? strlen(word) : size;
        ordo_buffer_append(&bench->value, word, part);
        size -= part;
    }
}

/* A hash, a client_id (one of three), numbers, a time, a user, a letter or two. */
static void put_run(struct bench *bench, uint32_t doc, uint64_t turn) {
    uint64_t seq = ++bench->seqs[doc], client = ordo_prng_below(&bench->prng, 3);
    ordo_key_ops(&bench->key, ordo_buffer_slice(&bench->doc_key), seq);
    ordo_value_begin(&bench->value, 1);
    ordo_buffer_append_u64_le(&bench->value, ordo_prng_next(&bench->prng));
    ordo_buffer_append_u64_le(&bench->value, (doc * 3 + client) * UINT64_C(0x9e3779b97f4a7c15));
    ordo_buffer_append_u64_le(&bench->value, (doc * 3 + client) * UINT64_C(0xbf58476d1ce4e5b9));
    for (int i = 0; i < 3; i++) ordo_buffer_append_varint(&bench->value, seq + (uint64_t)i);
    ordo_buffer_append_varint(&bench->value, UINT64_C(1750000000000) + turn);
    ordo_buffer_append_sized(&bench->value, ordo_slice_of("user-name"));
    append_text(bench, 2 + ordo_prng_below(&bench->prng, 6));
    put(bench, &bench->batch, ORDO_CF_OPS);
    bench->run_count++;
}

static void delete_runs(struct bench *bench, uint32_t doc, uint32_t from, uint32_t to) {
    (void)doc;
    for (uint32_t seq = from; seq <= to; seq++) {
        ordo_key_ops(&bench->key, ordo_buffer_slice(&bench->doc_key), seq);
        ordo_batch_delete(&bench->background, ORDO_CF_OPS, ordo_buffer_slice(&bench->key));
    }
}

static void put_snapshot(struct bench *bench, uint32_t doc) {
    struct ordo_slice doc_key = ordo_buffer_slice(&bench->doc_key);
    uint32_t seq = bench->seqs[doc], before = bench->snapshot_seqs[doc];
    for (uint32_t piece = 0; piece < 2; piece++) {
        ordo_key_snapshot(&bench->key, doc_key, seq, piece == 0 ? 0 : ORDO_PIECE_VALID);
        ordo_value_begin(&bench->value, 1);
        append_text(bench, piece == 0 ? CONTENT_SIZE : 60);
        put(bench, &bench->batch, ORDO_CF_SNAPSHOTS);
        if (before == 0) continue;
        ordo_key_snapshot(&bench->key, doc_key, before, piece == 0 ? 0 : ORDO_PIECE_VALID);
        ordo_batch_delete(&bench->background, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&bench->key));
    }
    bench->key.size = 0;
    ordo_buffer_append_slice(&bench->key, doc_key);
    ordo_value_begin(&bench->value, 1);
    append_text(bench, 40);
    put(bench, &bench->batch, ORDO_CF_DOCS);
    for (uint64_t client = 0; client < 3; client++) {
        uint64_t client_id[2] = {doc, client};
        ordo_key_client(&bench->key, doc_key, ordo_slice(client_id, sizeof client_id));
        ordo_value_begin(&bench->value, 1);
        ordo_buffer_append_u64_le(&bench->value, ordo_prng_next(&bench->prng));
        append_text(bench, 20);
        put(bench, &bench->batch, ORDO_CF_CLIENTS);
    }
    ordo_key_ops(&bench->key, doc_key, 1 + seq / 1024);
    ordo_value_begin(&bench->value, 1); /* compressed already */
    for (size_t i = 0; i < BLOCK_SIZE / 8; i++) ordo_buffer_append_u64_le(&bench->value, ordo_prng_next(&bench->prng));
    put(bench, &bench->batch, ORDO_CF_HISTORY);
    if (before > RUNS_PER_SNAPSHOT) delete_runs(bench, doc, before - RUNS_PER_SNAPSHOT + 1, before);
    bench->snapshot_seqs[doc] = seq;
}

static void name_document(struct bench *bench, uint32_t doc) {
    char id[32];
    snprintf(id, sizeof id, "document-%06u", doc);
    ordo_key_doc(&bench->doc_key, ordo_slice_of("bench"), ordo_slice_of(id));
}

static void turn(struct bench *bench, uint64_t number, struct ordo_histogram *latency_ns) {
    uint32_t first = (uint32_t)ordo_prng_below(&bench->prng, DOC_COUNT);
    ordo_batch_clear(&bench->batch);
    ordo_batch_clear(&bench->background);
    for (uint32_t i = 0; i < RUNS_PER_TURN; i++) {
        uint32_t doc = (first + i * 7) % DOC_COUNT;
        name_document(bench, doc);
        put_run(bench, doc, number);
        if (bench->seqs[doc] % RUNS_PER_SNAPSHOT == 0) put_snapshot(bench, doc);
    }
    ordo_turn_row_encode(&bench->value, &(struct ordo_turn_row){.turn = number});
    ordo_batch_put(&bench->batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&bench->value));
    uint64_t begin_ns = ordo_clock_monotonic_ns();
    if (bench->store->ops->write(bench->store, &bench->batch, true)) fail(ordo_store_rocksdb_failure(bench->store));
    ordo_histogram_record(latency_ns, ordo_clock_monotonic_ns() - begin_ns);
    if (bench->background.count > 0 && bench->store->ops->write(bench->store, &bench->background, false))
        fail(ordo_store_rocksdb_failure(bench->store));
}

/* ---- reading */

static void read_all(struct ordo_view *view, enum ordo_cf cf, struct ordo_slice doc_key, struct ordo_slice end, size_t count_max) {
    struct ordo_iterator *rows = view->ops->iterate(view, cf, doc_key, end);
    uint64_t sum = 0;
    for (bool has = rows->ops->seek(rows, doc_key); has && count_max > 0; has = rows->ops->next(rows), count_max--)
        sum += rows->ops->value(rows).size;
    if (rows->ops->status(rows)) fail("a row does not read");
    rows->ops->close(rows);
    (void)sum;
}

/* As job_load.c reads: the row, the snapshots' records, the log, whether there are clients; and the content. */
static void load(struct bench *bench, uint32_t doc, struct ordo_histogram *latency_ns) {
    struct ordo_buffer end = {0}, value = {0};
    name_document(bench, doc);
    struct ordo_slice doc_key = ordo_buffer_slice(&bench->doc_key);
    ordo_key_doc_end(&end, doc_key);
    uint64_t begin_ns = ordo_clock_monotonic_ns();
    struct ordo_view *view = bench->store->ops->view_open(bench->store);
    ordo_err err = view->ops->get(view, ORDO_CF_DOCS, doc_key, &value);
    if (err && err != ORDO_ERR_NOT_FOUND) fail("a document's row does not read");
    read_all(view, ORDO_CF_SNAPSHOTS, doc_key, ordo_buffer_slice(&end), 4);
    read_all(view, ORDO_CF_OPS, doc_key, ordo_buffer_slice(&end), SIZE_MAX);
    read_all(view, ORDO_CF_CLIENTS, doc_key, ordo_buffer_slice(&end), 1);
    bench->store->ops->view_close(view);
    ordo_histogram_record(latency_ns, ordo_clock_monotonic_ns() - begin_ns);
    ordo_buffer_finish(&end);
    ordo_buffer_finish(&value);
}

/* ---- one setting, once */

static void open_store(struct bench *bench, const char *path, enum ordo_rocksdb_mode mode, const struct setting *setting) {
    struct ordo_problem problem = {0};
    if (ordo_store_rocksdb_open_tuned(path, mode, &setting->tuning, &problem, &bench->store)) fail(problem.text);
}

static void measure_writing(const char *path, const struct setting *setting, uint64_t turns, double out[FIGURES]) {
    static struct bench bench;
    static struct ordo_histogram latency_ns;
    double begin_mib = resident_mib();
    ordo_prng_init(&bench.prng, 1);
    open_store(&bench, path, ORDO_ROCKSDB_CREATE, setting);
    uint64_t writer_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID), all_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t number = 1; number <= turns; number++) turn(&bench, number, &latency_ns);
    double runs = (double)bench.run_count;
    out[WRITE_CPU] = (double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - writer_ns) / 1000 / runs;
    out[ALL_CPU] = (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - all_ns) / 1000 / runs;
    out[COMMIT_P50] = (double)ordo_histogram_percentile(&latency_ns, 50) / 1000;
    out[COMMIT_P99] = (double)ordo_histogram_percentile(&latency_ns, 99) / 1000;
    out[MEMORY] = resident_mib() - begin_mib;
}

static void measure_reading(const char *path, const struct setting *setting, double out[FIGURES]) {
    static struct bench bench;
    static struct ordo_histogram latency_ns;
    ordo_prng_init(&bench.prng, 2);
    uint64_t begin_ns = ordo_clock_monotonic_ns();
    open_store(&bench, path, ORDO_ROCKSDB_OPEN, setting);
    out[OPEN] = (double)(ordo_clock_monotonic_ns() - begin_ns) / 1000000;
    for (int i = 0; i < LOAD_COUNT; i++) load(&bench, (uint32_t)ordo_prng_below(&bench.prng, DOC_COUNT), &latency_ns);
    out[LOAD_P50] = (double)ordo_histogram_percentile(&latency_ns, 50) / 1000;
    out[LOAD_P99] = (double)ordo_histogram_percentile(&latency_ns, 99) / 1000;
}

/* Runs `writes` or reading in a process of its own, which is then killed; adds to `out`. */
static void in_process(const char *path, const struct setting *setting, uint64_t turns, bool writes, double out[FIGURES]) {
    int ends[2];
    double part[FIGURES] = {0};
    if (pipe(ends) != 0) fail(strerror(errno));
    pid_t pid = fork();
    if (pid < 0) fail(strerror(errno));
    if (pid == 0) {
        if (writes) measure_writing(path, setting, turns, part);
        else measure_reading(path, setting, part);
        if (write(ends[1], part, sizeof part) != sizeof part) _exit(1);
        kill(getpid(), SIGKILL); /* nothing is closed, so the log is to be recovered */
    }
    close(ends[1]);
    ssize_t got = read(ends[0], part, sizeof part);
    close(ends[0]);
    if (waitpid(pid, NULL, 0) != pid || got != sizeof part) fail("a measurement ended early");
    for (int i = 0; i < FIGURES; i++) out[i] += part[i];
}

static double folder_mib(const char *path) {
    char command[PATH_MAX + 16];
    unsigned long long size = 0;
    snprintf(command, sizeof command, "du -sb '%s'", path);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fscanf(pipe, "%llu", &size) != 1) fail("du");
    pclose(pipe);
    return (double)size / (double)MIB;
}

static void measure(const char *folder, const struct setting *setting, uint64_t turns, double out[FIGURES]) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/tuning-%d", folder, (int)getpid());
    in_process(path, setting, turns, true, out);
    out[DISK] = folder_mib(path);
    in_process(path, setting, turns, false, out);
    if (ordo_folder_remove(path)) fail("what was measured cannot be removed");
}

/* ---- all of them */

static size_t make_settings(struct setting *out) {
    const struct ordo_rocksdb_tuning now = ordo_rocksdb_tuning;
    size_t count = 0;
#define SETTING(NAME, ...) \
    do { \
        struct ordo_rocksdb_tuning *tuning = &out[count].tuning; \
        *tuning = now; \
        out[count++].name = NAME; \
        __VA_ARGS__; \
    } while (0)
    SETTING("as it is", (void)tuning);
    SETTING("buffers of 1 MiB", tuning->buffer_size = 1 * MIB, tuning->log_size_max = 2 * MIB);
    SETTING("buffers of 8 MiB", tuning->buffer_size = 8 * MIB, tuning->log_size_max = 16 * MIB);
    SETTING("buffers of 32 MiB", tuning->buffer_size = 32 * MIB, tuning->log_size_max = 64 * MIB);
    SETTING("four buffers each", tuning->buffer_count = 4);
    SETTING("not compressed", tuning->compression = ORDO_ROCKSDB_PLAIN);
    SETTING("zstd", tuning->compression = ORDO_ROCKSDB_ZSTD);
    SETTING("blocks of 16 KiB", tuning->block_size = 16 * 1024);
    SETTING("blocks of 64 KiB", tuning->block_size = 64 * 1024);
    SETTING("cache of 1 MiB", tuning->cache_size = 1 * MIB);
    SETTING("cache of 64 MiB", tuning->cache_size = 64 * MIB);
    SETTING("no filter", tuning->filter_bits = 0);
    SETTING("filter of 16 bits", tuning->filter_bits = 16);
    SETTING("4 tables in level 0", tuning->level0_count = 4);
    SETTING("16 tables in level 0", tuning->level0_count = 16);
#undef SETTING
    return count;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_tuning FOLDER [TURNS [ROUNDS]]\n");
        return 2;
    }
    uint64_t turns = argc > 2 ? strtoull(argv[2], NULL, 10) : 6000;
    int rounds = argc > 3 ? atoi(argv[3]) : 3;
    if (turns == 0 || rounds < 1 || rounds > ROUNDS_MAX) return 2;
    static struct setting settings[16];
    static double results[16][FIGURES][ROUNDS_MAX];
    size_t count = make_settings(settings);
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            double out[FIGURES] = {0};
            measure(argv[1], &settings[i], turns, out);
            for (int k = 0; k < FIGURES; k++) results[i][k][round] = out[k];
        }
    }
    printf("%-20s", "");
    for (int k = 0; k < FIGURES; k++) printf(" %11s", figures[k].name);
    printf("\n%-20s", "");
    for (int k = 0; k < FIGURES; k++) printf(" %11s", strcmp(figures[k].unit, "µs") == 0 ? "us" : k < COMMIT_P50 ? "us/run" : figures[k].unit);
    printf("\n");
    for (size_t i = 0; i < count; i++) {
        printf("%-20s", settings[i].name);
        for (int k = 0; k < FIGURES; k++) {
            qsort(results[i][k], (size_t)rounds, sizeof(double), compare);
            printf(" %11.2f", results[i][k][rounds / 2]);
        }
        printf("\n");
    }
    printf("{\"turns\": %llu, \"rounds\": %d, \"settings\": {", (unsigned long long)turns, rounds);
    for (size_t i = 0; i < count; i++) {
        printf("%s\"%s\": {", i ? ", " : "", settings[i].name);
        for (int k = 0; k < FIGURES; k++) printf("%s\"%s\": %.3f", k ? ", " : "", figures[k].name, results[i][k][rounds / 2]);
        printf("}");
    }
    printf("}}\n");
    return 0;
}
