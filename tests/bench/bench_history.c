/* tests/bench/bench_history.c: what kept history weighs in blocks, and what it takes to make and to read it.
 *
 *   bench_history TRACE.json.gz
 *
 * Each edit of the trace is one committed op. Those of a concurrent trace are brought into one order as a shard would
 * do it, with the authors that the trace names; a sequential one has one author. Prints one JSON object per clock:
 *   recorded  the times that the trace has
 *   load      a program that sends 5,000 edits per second
 *   typing    people: 50 to 450 ms between two edits, now and then some seconds. Such times are chance: what they
 *             weigh at the least (their entropy) is given as well.
 * All that was written is read back and compared. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/assert.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/ot/text.h"
#include "common/ot/text_typing.h"
#include "shard/core/block.h"
#include "tests/ot/support.h"

enum { BLOCKS_MAX = 1024, AUTHORS_MAX = 16, UNSEEN_MAX = 4096, ROUNDS = 5, GAP_MAX = 10000 };

struct history {
    struct ordo_committed *ops;
    size_t count;
    struct ordo_buffer bytes; /* the ops */
    struct ot_trace trace;
};

static double ms_since(uint64_t start_ns) { return (double)(ordo_clock_monotonic_ns() - start_ns) / 1e6; }

/* --- the ops ---------------------------------------------------------------------------------------------------- */

/* What others committed and this author had not seen yet, made against what the author shows. */
struct unseen {
    struct ordo_buffer op;
    uint64_t server_seq;
    size_t author;
};

struct author {
    char client_id[17], user[32];
    uint64_t client_seq, base_seq, newest_seq;
    struct ordo_text_typing typing;
    struct unseen unseen[UNSEEN_MAX];
    size_t unseen_count;
};

static void author_init(struct author *author, size_t index) {
    snprintf(author->client_id, sizeof author->client_id, "%08zx89abcdef", index * 2654435761u & 0xffffffffu);
    snprintf(author->user, sizeof author->user, "user%zu@example.org", index);
}

static struct ordo_slice client_of(const struct author *author) { return ordo_slice_of(author->client_id); }

/* The author gets to see all up to `seq`. */
static void author_see(struct author *author, uint64_t seq) {
    size_t count = 0;
    while (count < author->unseen_count && author->unseen[count].server_seq <= seq) {
        ordo_text_typing_over(&author->typing, ordo_buffer_slice(&author->unseen[count].op));
        ordo_buffer_finish(&author->unseen[count++].op);
    }
    author->unseen_count -= count;
    memmove(author->unseen, author->unseen + count, author->unseen_count * sizeof *author->unseen);
    if (seq > author->base_seq) author->base_seq = seq;
}

static void author_miss(struct author *author, struct ordo_slice op, uint64_t seq, size_t by) {
    ORDO_ASSERT(author->unseen_count < UNSEEN_MAX);
    struct unseen *unseen = &author->unseen[author->unseen_count++];
    *unseen = (struct unseen){.server_seq = seq, .author = by};
    ordo_buffer_append_slice(&unseen->op, op);
}

/* Brings the author's op behind what it had not seen, and that behind the op. */
static void author_rebase(struct author *authors, size_t index, struct ordo_slice op, struct ordo_live_op *live,
                          struct ordo_buffer *out) {
    struct author *author = &authors[index];
    ordo_text_live_load(live, op, client_of(author));
    for (size_t i = 0; i < author->unseen_count; i++) {
        struct unseen *unseen = &author->unseen[i];
        struct ordo_buffer after = {0};
        ordo_text_live_rebase(live, ordo_buffer_slice(&unseen->op), client_of(&authors[unseen->author]), &after);
        ordo_buffer_finish(&unseen->op);
        unseen->op = after;
    }
    ordo_text_live_encode(live, out);
}

/* The newest op of others that the transaction's author had seen, as far as the transaction itself says so. */
static uint64_t seen_by(const json_t *txns, const json_t *txn) {
    uint64_t seen_seq = 0;
    size_t i;
    json_t *parent;
    json_array_foreach(json_object_get(txn, "parents"), i, parent) {
        size_t index = (size_t)json_integer_value(parent);
        const json_t *by = json_object_get(json_array_get(txns, index), "agent");
        if (!json_equal(by, json_object_get(txn, "agent")) && index >= seen_seq) seen_seq = index + 1;
    }
    return seen_seq;
}

static struct history load(const char *path) {
    struct history history = {.trace = ot_trace_load(path)};
    size_t count = history.count = history.trace.count, author_count = 1;
    json_t *txns = json_object_get(history.trace.json, "txns");
    json_t *agents = json_object_get(history.trace.json, "numAgents");
    if (agents != NULL) author_count = (size_t)json_integer_value(agents);
    ORDO_ASSERT(agents == NULL || json_array_size(txns) == count);
    history.ops = ordo_alloc_array(count, sizeof *history.ops);
    size_t *offsets = ordo_alloc_array(count + 1, sizeof *offsets);
    static struct author authors[AUTHORS_MAX];
    ORDO_ASSERT(author_count <= AUTHORS_MAX);
    for (size_t i = 0; i < author_count; i++) author_init(&authors[i], i);
    struct ordo_live_op *live = ordo_text_live_create();
    struct ordo_buffer made = {0};
    for (size_t i = 0; i < count; i++) {
        const json_t *txn = json_array_get(txns, i);
        size_t by = agents ? (size_t)json_integer_value(json_object_get(txn, "agent")) : 0;
        struct author *author = &authors[by];
        author_see(author, agents ? seen_by(txns, txn) : i);
        struct ot_patch *patch = &history.trace.patches[i];
        ordo_buffer_clear(&made);
        ordo_text_typing_splice(&author->typing, patch->position, patch->deleted, patch->inserted, &made);
        offsets[i] = history.bytes.size;
        author_rebase(authors, by, ordo_buffer_slice(&made), live, &history.bytes);
        struct ordo_slice op = ordo_slice(history.bytes.data + offsets[i], history.bytes.size - offsets[i]);
        for (size_t k = 0; k < author_count; k++)
            if (k != by) author_miss(&authors[k], op, i + 1, by);
        uint64_t base_seq = author->base_seq > author->newest_seq ? author->base_seq : author->newest_seq;
        author->newest_seq = i + 1;
        history.ops[i] = (struct ordo_committed){.server_seq = i + 1, .client_seq = ++author->client_seq,
                                                 .base_seq = base_seq, .op_field = 6, .client_id = client_of(author),
                                                 .user = ordo_slice_of(author->user)};
    }
    offsets[count] = history.bytes.size;
    for (size_t i = 0; i < count; i++)
        history.ops[i].op = ordo_slice(history.bytes.data + offsets[i], offsets[i + 1] - offsets[i]);
    for (size_t i = 0; i < author_count; i++) author_see(&authors[i], count);
    ordo_text_live_destroy(live);
    ordo_buffer_finish(&made);
    free(offsets);
    return history;
}

static void history_finish(struct history *history) {
    free(history->ops);
    ordo_buffer_finish(&history->bytes);
    ot_trace_finish(&history->trace);
}

static void clock_recorded(struct history *history) {
    size_t at = 0, i, k;
    json_t *txn, *patch;
    json_array_foreach(json_object_get(history->trace.json, "txns"), i, txn) {
        const char *text = json_string_value(json_object_get(txn, "time"));
        struct tm tm = {0};
        const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        ORDO_ASSERT(rest != NULL);
        double fraction = *rest == '.' ? atof(rest) : 0;
        uint64_t ms = (uint64_t)timegm(&tm) * 1000 + (uint64_t)(fraction * 1000 + 0.5);
        json_array_foreach(json_object_get(txn, "patches"), k, patch) history->ops[at++].timestamp_ms = ms;
    }
    ORDO_ASSERT(at == history->count);
}

static void clock_load(struct history *history) {
    for (size_t i = 0; i < history->count; i++) history->ops[i].timestamp_ms = UINT64_C(1700000000000) + i / 5;
}

/* Returns what the gaps weigh at the least, in bytes. */
static double clock_typing(struct history *history) {
    struct ordo_prng prng;
    ordo_prng_init(&prng, 1);
    uint64_t now_ms = UINT64_C(1700000000000);
    uint32_t *seen = ordo_alloc_array(GAP_MAX + 1, sizeof *seen);
    for (size_t i = 0; i < history->count; i++) {
        uint64_t gap = 50;
        for (int k = 0; k < 4; k++) gap += ordo_prng_below(&prng, 101);
        if (ordo_prng_below(&prng, 40) == 0) gap = 500 + ordo_prng_below(&prng, GAP_MAX - 500);
        seen[gap]++;
        history->ops[i].timestamp_ms = now_ms += gap;
    }
    double bits = 0;
    for (size_t i = 0; i <= GAP_MAX; i++)
        if (seen[i] > 0) bits -= seen[i] * log2((double)seen[i] / (double)history->count);
    free(seen);
    return bits / 8;
}

/* --- blocks ----------------------------------------------------------------------------------------------------- */

struct blocks {
    struct ordo_buffer values[BLOCKS_MAX];
    size_t count, size;
};

static struct ordo_slice key_of(uint64_t *first_seq) { return ordo_slice(first_seq, sizeof *first_seq); }

static void blocks_finish(struct blocks *blocks) {
    for (size_t i = 0; i < blocks->count; i++) ordo_buffer_finish(&blocks->values[i]);
    *blocks = (struct blocks){0};
}

static void close_block(struct blocks *blocks, struct ordo_block_builder *builder) {
    ORDO_ASSERT(blocks->count < BLOCKS_MAX);
    uint64_t first_seq = ordo_block_builder_next_seq(builder) - ordo_block_builder_count(builder);
    struct ordo_buffer *value = &blocks->values[blocks->count++];
    ordo_block_builder_encode(builder, key_of(&first_seq), value);
    blocks->size += value->size;
    ordo_block_builder_destroy(builder);
}

static void pack(const struct history *history, struct blocks *blocks) {
    struct ordo_block_builder *builder = ordo_block_builder_create(1, 0);
    for (size_t i = 0; i < history->count; i++) {
        ordo_err err = ordo_block_builder_append(builder, &history->ops[i]);
        if (err == ORDO_ERR_FULL) {
            close_block(blocks, builder);
            builder = ordo_block_builder_create(i + 1, 0);
            err = ordo_block_builder_append(builder, &history->ops[i]);
        }
        ORDO_ASSERT(err == ORDO_OK);
    }
    close_block(blocks, builder);
}

static struct ordo_block *open_block(const struct blocks *blocks, size_t index, uint64_t first_seq) {
    struct ordo_block *block;
    ORDO_ASSERT(ordo_block_open(key_of(&first_seq), ordo_buffer_slice(&blocks->values[index]), &block) == ORDO_OK);
    return block;
}

/* Everything back, byte for byte. */
static void compare(const struct history *history, const struct blocks *blocks) {
    struct ordo_buffer was = {0}, is = {0};
    struct ordo_committed op;
    size_t at = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        struct ordo_block *block = open_block(blocks, i, at + 1);
        ordo_err err;
        while ((err = ordo_block_next(block, &op)) == ORDO_OK) {
            ordo_buffer_clear(&was);
            ordo_buffer_clear(&is);
            ordo_committed_encode(&history->ops[at++], &was);
            ordo_committed_encode(&op, &is);
            ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&was), ordo_buffer_slice(&is)));
        }
        ORDO_ASSERT(err == ORDO_ERR_NOT_FOUND);
        ordo_block_close(block);
    }
    ORDO_ASSERT(at == history->count);
    ordo_buffer_finish(&was);
    ordo_buffer_finish(&is);
}

/* Every op by itself, as for sending them; `encoded` makes the message of each. */
static void read_all(const struct blocks *blocks, struct ordo_buffer *encoded) {
    struct ordo_committed op;
    uint64_t next_seq = 1;
    for (size_t i = 0; i < blocks->count; i++) {
        struct ordo_block *block = open_block(blocks, i, next_seq);
        while (!ordo_block_next(block, &op)) {
            if (encoded == NULL) continue;
            ordo_buffer_clear(encoded);
            ordo_committed_encode(&op, encoded);
        }
        next_seq = ordo_block_next_seq(block);
        ordo_block_close(block);
    }
}

/* The content at `to_seq`, from nothing. Returns the number of ops applied. */
static size_t materialise(const struct blocks *blocks, uint64_t to_seq, bool is_merged, struct ordo_buffer *text) {
    struct ordo_content *content = ordo_text_content_create();
    struct ordo_committed op;
    uint64_t next_seq = 1;
    size_t applied = 0;
    for (size_t i = 0; i < blocks->count && next_seq <= to_seq; i++) {
        struct ordo_block *block = open_block(blocks, i, next_seq);
        while (ordo_block_next_seq(block) <= to_seq) {
            ordo_err err = is_merged ? ordo_block_next_merged(block, to_seq, &op) : ordo_block_next(block, &op);
            if (err == ORDO_ERR_NOT_FOUND) break;
            ORDO_ASSERT(err == ORDO_OK && ordo_type_text.content_apply(content, op.op) == ORDO_OK);
            applied++;
        }
        next_seq = ordo_block_next_seq(block);
        ordo_block_close(block);
    }
    ordo_buffer_clear(text);
    ordo_text_content_write(content, text);
    ordo_text_content_destroy(content);
    return applied;
}

/* --- measuring -------------------------------------------------------------------------------------------------- */

static double best(double was, double is) { return was == 0 || is < was ? is : was; }

static json_t *measure_materialise(const struct history *history, const struct blocks *blocks, uint64_t to_seq) {
    struct ordo_buffer text = {0}, same = {0};
    double merged_ms = 0, single_ms = 0;
    size_t applied = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = ordo_clock_monotonic_ns();
        applied = materialise(blocks, to_seq, true, &text);
        merged_ms = best(merged_ms, ms_since(start));
        start = ordo_clock_monotonic_ns();
        materialise(blocks, to_seq, false, &same);
        single_ms = best(single_ms, ms_since(start));
        ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&text), ordo_buffer_slice(&same)));
    }
    if (to_seq == history->count)
        ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&text), history->trace.end_content));
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&same);
    return json_pack("{s:I, s:f, s:I, s:f}", "seq", (json_int_t)to_seq, "ms", merged_ms, "splices",
                     (json_int_t)applied, "one_by_one_ms", single_ms);
}

/* What it takes to append to a block that is as good as full: to open the first one and to write it again. */
static void measure_extension(const struct blocks *blocks, double *open_ms, double *encode_ms) {
    uint64_t first_seq = 1;
    struct ordo_buffer again = {0};
    struct ordo_block_builder *builder;
    uint64_t start = ordo_clock_monotonic_ns();
    ORDO_ASSERT(!ordo_block_builder_open(key_of(&first_seq), ordo_buffer_slice(&blocks->values[0]), 0, &builder));
    *open_ms = best(*open_ms, ms_since(start));
    start = ordo_clock_monotonic_ns();
    ordo_block_builder_encode(builder, key_of(&first_seq), &again);
    *encode_ms = best(*encode_ms, ms_since(start));
    ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&again), ordo_buffer_slice(&blocks->values[0])));
    ordo_block_builder_destroy(builder);
    ordo_buffer_finish(&again);
}

static void measure(const struct history *history, const char *clock, double entropy) {
    struct blocks blocks = {0};
    struct ordo_buffer encoded = {0};
    double pack_ms = 0, read_ms = 0, encode_ms = 0, reopen_ms = 0, rewrite_ms = 0;
    for (int round = 0; round < (int)ROUNDS; round++) {
        blocks_finish(&blocks);
        uint64_t start = ordo_clock_monotonic_ns();
        pack(history, &blocks);
        pack_ms = best(pack_ms, ms_since(start));
        start = ordo_clock_monotonic_ns();
        read_all(&blocks, NULL);
        read_ms = best(read_ms, ms_since(start));
        start = ordo_clock_monotonic_ns();
        read_all(&blocks, &encoded);
        encode_ms = best(encode_ms, ms_since(start));
        measure_extension(&blocks, &reopen_ms, &rewrite_ms);
    }
    compare(history, &blocks);
    json_t *at = json_array();
    for (uint64_t part = 1; part <= 4; part++)
        json_array_append_new(at, measure_materialise(history, &blocks, history->count * part / 4));
    json_t *report = json_pack(
        "{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "clock", clock, "ops",
        (json_int_t)history->count, "blocks", (json_int_t)blocks.count, "bytes", (json_int_t)blocks.size,
        "bytes_per_op", (double)blocks.size / (double)history->count, "times_entropy_bytes", entropy, "pack_ms",
        pack_ms, "read_ms", read_ms, "read_and_encode_ms", encode_ms, "reopen_full_block_ms", reopen_ms,
        "rewrite_full_block_ms", rewrite_ms, "materialise", at);
    json_dumpf(report, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5));
    puts("");
    json_decref(report);
    ordo_buffer_finish(&encoded);
    blocks_finish(&blocks);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: bench_history TRACE.json.gz\n");
        return 2;
    }
    struct history history = load(argv[1]);
    clock_recorded(&history);
    measure(&history, "recorded", 0);
    clock_load(&history);
    measure(&history, "load", 0);
    double entropy = clock_typing(&history);
    measure(&history, "typing", entropy);
    history_finish(&history);
    return 0;
}
