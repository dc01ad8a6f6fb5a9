/* tests/bench/bench_ot.c: what the text type costs.
 *
 * Prints a table to stderr and one JSON object to stdout. `--quick` measures less; `--bars` exits 1 if a bar is
 * missed.
 *  - edits per second of the content (decode, validate, apply) on the recorded traces, where they are at hand;
 *  - one flat transform, rebase and compose of two small ops;
 *  - typing offline: composing one keystroke onto a pending op;
 *  - the rebase of one op of very many components over very many commits. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/ot/rope.h"
#include "common/ot/text.h"
#include "common/utf8.h"
#include "tests/ot/support.h"

static json_t *report;

static void result(const char *name, double value, const char *unit) {
    fprintf(stderr, "%-56s %12.3f %s\n", name, value, unit);
    json_object_set_new(report, name, json_pack("{s:f, s:s}", "value", value, "unit", unit));
}

static double seconds_since(uint64_t start_ns) { return (double)(ordo_clock_monotonic_ns() - start_ns) / 1e9; }

/* --- the content of a document ---------------------------------------------------------------------------------- */

static void measure_trace(const char *folder, const char *file, int rounds) {
    char path[4096], name[512];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    struct ot_trace trace = ot_trace_load(path);
    uint64_t *counts = ordo_alloc_array(trace.count, sizeof *counts);
    struct ordo_slice *ops = ordo_alloc_array(trace.count, sizeof *ops);
    struct ordo_buffer bytes = {0}, text = {0};
    size_t *offsets = ordo_alloc_array(trace.count + 1, sizeof *offsets);
    for (size_t i = 0; i < trace.count; i++) {
        struct ot_patch *patch = &trace.patches[i];
        counts[i] = ordo_utf8_count(patch->inserted);
        offsets[i] = bytes.size;
        ordo_text_splice(patch->position, patch->deleted, patch->inserted, (struct ordo_text_hints){0}, &bytes);
    }
    offsets[trace.count] = bytes.size;
    for (size_t i = 0; i < trace.count; i++)
        ops[i] = ordo_slice(bytes.data + offsets[i], offsets[i + 1] - offsets[i]);
    double rope_best = 1e9, apply_best = 1e9, sequence_best = 1e9;
    for (int round = 0; round < rounds; round++) {
        struct rope rope;
        rope_init(&rope);
        uint64_t start = ordo_clock_monotonic_ns();
        for (size_t i = 0; i < trace.count; i++) {
            struct ot_patch *patch = &trace.patches[i];
            if (patch->deleted > 0) rope_delete(&rope, patch->position, patch->deleted);
            if (counts[i] > 0) rope_insert(&rope, patch->position, patch->inserted, counts[i]);
        }
        double seconds = seconds_since(start);
        if (seconds < rope_best) rope_best = seconds;
        ORDO_ASSERT(rope.size == trace.end_content.size);
        rope_finish(&rope);

        struct ordo_content *content = ordo_text_content_create();
        start = ordo_clock_monotonic_ns();
        for (size_t i = 0; i < trace.count; i++) ORDO_ASSERT(ordo_text_content_apply(content, ops[i]) == ORDO_OK);
        seconds = seconds_since(start);
        if (seconds < apply_best) apply_best = seconds;
        ordo_buffer_clear(&text);
        ordo_text_content_write(content, &text);
        ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&text), trace.end_content));
        ordo_text_content_destroy(content);

        uint64_t length = 0;
        start = ordo_clock_monotonic_ns();
        for (size_t i = 0; i < trace.count; i++)
            ORDO_ASSERT(ordo_type_text.validate(ops[i], length, &length) == ORDO_OP_VALID);
        seconds = seconds_since(start);
        if (seconds < sequence_best) sequence_best = seconds;
    }
    snprintf(name, sizeof name, "rope %.*s", (int)strcspn(file, "."), file);
    result(name, rope_best * 1e9 / (double)trace.count, "ns/edit");
    snprintf(name, sizeof name, "apply op %.*s", (int)strcspn(file, "."), file);
    result(name, apply_best * 1e9 / (double)trace.count, "ns/edit");
    snprintf(name, sizeof name, "validate %.*s", (int)strcspn(file, "."), file);
    result(name, sequence_best * 1e9 / (double)trace.count, "ns/edit");
    free(counts);
    free(ops);
    free(offsets);
    ordo_buffer_finish(&bytes);
    ordo_buffer_finish(&text);
    ot_trace_finish(&trace);
}

static void measure_traces(bool is_quick) {
    const char *traces = ot_traces_folder();
    if (traces == NULL) {
        fprintf(stderr, "no folder of traces (set ORDO_TRACES): edits on recorded traces are not measured\n");
        return;
    }
    char folder[2048];
    snprintf(folder, sizeof folder, "%s/sequential", traces);
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *file = entries[i]->d_name;
        bool is_wanted = strstr(file, ".json.gz") != NULL && (!is_quick || strstr(file, "friends") != NULL);
        if (is_wanted) measure_trace(folder, file, is_quick ? 1 : 5);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

/* --- small ops -------------------------------------------------------------------------------------------------- */

static const struct ordo_slice alice = {(const uint8_t *)"0123456789abcdef", 16};
static const struct ordo_slice bob = {(const uint8_t *)"fedcba9876543210", 16};

static void measure_small(bool is_quick) {
    enum { OPS = 1024 };
    struct ot_random random = {0};
    ordo_prng_init(&random.prng, 1);
    struct ordo_buffer bytes = {0}, out = {0};
    size_t offsets[OPS + 1];
    struct ordo_slice ops[OPS];
    for (size_t i = 0; i < OPS; i++) {
        offsets[i] = bytes.size;
        uint64_t position = ordo_prng_below(&random.prng, 50000);
        ordo_text_splice(position, i % 4 == 3, ordo_slice_of(i % 4 == 3 ? "" : "a"), (struct ordo_text_hints){0},
                         &bytes);
    }
    offsets[OPS] = bytes.size;
    for (size_t i = 0; i < OPS; i++) ops[i] = ordo_slice(bytes.data + offsets[i], offsets[i + 1] - offsets[i]);
    size_t rounds = is_quick ? 200 : 5000;

    uint64_t start = ordo_clock_monotonic_ns();
    for (size_t i = 0; i < rounds * OPS; i++) {
        ordo_buffer_clear(&out);
        ordo_text_transform(ops[i % OPS], alice, ops[(i * 7 + 1) % OPS], bob, true, &out);
    }
    result("transform of two small ops", seconds_since(start) * 1e9 / (double)(rounds * OPS), "ns");

    struct ordo_live_op *live = ordo_text_live_create();
    start = ordo_clock_monotonic_ns();
    for (size_t i = 0; i < rounds * OPS; i += 16) { /* load, rebase over 14 commits, encode */
        ordo_buffer_clear(&out);
        ordo_text_live_load(live, ops[i % OPS], alice);
        for (size_t k = 1; k <= 14; k++) ordo_text_live_rebase(live, ops[(i * 7 + k) % OPS], bob, NULL);
        ordo_text_live_encode(live, &out);
    }
    result("load, rebase over 14 commits, encode: per step", seconds_since(start) * 1e9 / (double)(rounds * OPS),
           "ns");

    start = ordo_clock_monotonic_ns();
    ordo_text_live_load(live, ordo_slice(NULL, 0), alice);
    for (size_t i = 0; i < rounds * OPS; i++) {
        ordo_buffer_clear(&out);
        if (i % 16 == 0) ordo_text_live_load(live, ops[i % OPS], alice);
        ordo_text_live_rebase(live, ops[(i * 7 + 1) % OPS], bob, &out);
    }
    result("rebase of a small op with the other's result", seconds_since(start) * 1e9 / (double)(rounds * OPS), "ns");

    start = ordo_clock_monotonic_ns();
    for (size_t i = 0; i < rounds * OPS; i++) {
        ordo_buffer_clear(&out);
        ordo_text_compose(ops[i % OPS], ops[(i * 7 + 1) % OPS], &out);
    }
    result("compose of two small ops", seconds_since(start) * 1e9 / (double)(rounds * OPS), "ns");
    ordo_text_live_destroy(live);
    ordo_buffer_finish(&bytes);
    ordo_buffer_finish(&out);
}

/* --- large ops -------------------------------------------------------------------------------------------------- */

/* Edits all over a document of `length`, until the live op has about `components`. */
static uint64_t grow(struct ordo_live_op *live, struct ordo_prng *prng, uint64_t length, size_t components) {
    struct ordo_buffer op = {0};
    for (size_t i = 0; i < components / 2; i++) {
        ordo_buffer_clear(&op);
        uint64_t position = ordo_prng_below(prng, length - 2);
        ordo_text_splice(position, i % 5 == 0 ? 2 : 0, ordo_slice_of(i % 5 == 0 ? "" : "word"),
                         (struct ordo_text_hints){0}, &op);
        length = ordo_type_text.length_after(ordo_buffer_slice(&op), length);
        ordo_text_live_compose(live, ordo_buffer_slice(&op));
    }
    ordo_buffer_finish(&op);
    return length;
}

static size_t component_count(const struct ordo_live_op *live) {
    struct ordo_buffer encoded = {0};
    ordo_text_live_encode(live, &encoded);
    json_t *json = ot_op_to_json(ordo_buffer_slice(&encoded));
    size_t count = json_array_size(json);
    json_decref(json);
    ordo_buffer_finish(&encoded);
    return count;
}

/* Seconds for the rebase alone: the commits are made before. */
static double measure_rebase(const char *name, size_t components, size_t commits, bool wants_other) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, 42);
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_load(live, ordo_slice(NULL, 0), alice);
    uint64_t length = 3000000;
    uint64_t start = ordo_clock_monotonic_ns();
    grow(live, &prng, length, components);
    double grown = seconds_since(start);
    size_t got_components = component_count(live);
    struct ordo_buffer bytes = {0}, out = {0}, encoded = {0};
    size_t *offsets = ordo_alloc_array(commits + 1, sizeof *offsets);
    for (size_t i = 0; i < commits; i++) {
        offsets[i] = bytes.size;
        uint64_t position = ordo_prng_below(&prng, length - 1);
        ordo_text_splice(position, i % 5 == 4, ordo_slice_of(i % 5 == 4 ? "" : "x"), (struct ordo_text_hints){0},
                         &bytes);
        length += i % 5 == 4 ? -1 : 1;
    }
    offsets[commits] = bytes.size;
    start = ordo_clock_monotonic_ns();
    for (size_t i = 0; i < commits; i++) {
        ordo_buffer_clear(&out);
        ordo_text_live_rebase(live, ordo_slice(bytes.data + offsets[i], offsets[i + 1] - offsets[i]), bob,
                              wants_other ? &out : NULL);
    }
    ordo_text_live_encode(live, &encoded);
    double seconds = seconds_since(start);
    char line[256];
    snprintf(line, sizeof line, "%s: %zu components over %zu commits", name, got_components, commits);
    result(line, seconds, "s");
    snprintf(line, sizeof line, "%s: composing one edit onto it", name);
    result(line, grown * 1e9 / ((double)components / 2), "ns");
    ordo_text_live_destroy(live);
    free(offsets);
    struct ordo_buffer *all[] = {&bytes, &out, &encoded};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    return seconds;
}

/* Two ops of the same size, both large. */
static void measure_large_over_large(size_t components) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, 7);
    struct ordo_live_op *live = ordo_text_live_create(), *other = ordo_text_live_create();
    struct ordo_buffer op = {0}, out = {0};
    ordo_text_live_load(live, ordo_slice(NULL, 0), alice);
    ordo_text_live_load(other, ordo_slice(NULL, 0), bob);
    grow(live, &prng, 3000000, components);
    grow(other, &prng, 3000000, components);
    ordo_text_live_encode(other, &op);
    uint64_t start = ordo_clock_monotonic_ns();
    ordo_text_live_rebase(live, ordo_buffer_slice(&op), bob, &out);
    result("rebase of 100,000 components over one op of as many", seconds_since(start) * 1e3, "ms");
    ordo_text_live_destroy(live);
    ordo_text_live_destroy(other);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&out);
}

static void measure_typing(size_t keystrokes) {
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_load(live, ordo_slice(NULL, 0), alice);
    struct ordo_buffer op = {0};
    uint64_t start = ordo_clock_monotonic_ns();
    for (size_t i = 0; i < keystrokes; i++) {
        ordo_buffer_clear(&op);
        ordo_text_splice(1000 + i, 0, ordo_slice_of("x"), (struct ordo_text_hints){.follows = i > 0}, &op);
        ordo_text_live_compose(live, ordo_buffer_slice(&op));
    }
    result("typing offline: one keystroke onto a pending op", seconds_since(start) * 1e9 / (double)keystrokes, "ns");
    ordo_text_live_destroy(live);
    ordo_buffer_finish(&op);
}

/* Edits that leave a little more than 87,000 components. */
enum { COMPONENTS_BAR = 90000 };

int main(int argc, char **argv) {
    bool is_quick = false, has_bars = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) is_quick = true;
        if (strcmp(argv[i], "--bars") == 0) has_bars = true;
    }
    report = json_object();
    measure_traces(is_quick);
    measure_small(is_quick);
    measure_typing(is_quick ? 20000 : 200000);
    double bar = measure_rebase("rebase", COMPONENTS_BAR, 100000, false);
    measure_rebase("rebase, with the others' results", COMPONENTS_BAR, 100000, true);
    if (!is_quick) measure_rebase("rebase, larger", 104000, 100000, true);
    measure_large_over_large(104000);
    json_dumpf(report, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(report);
    if (has_bars && bar > 0.3) {
        fprintf(stderr, "bar missed: 87,000 components over 100,000 commits took %.3f s, more than 0.3 s\n", bar);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
