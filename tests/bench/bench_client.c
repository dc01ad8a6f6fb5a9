/* tests/bench/bench_client.c: what it costs a client to come back after a long time (docs/client.md).
 *
 * Drives the real core of the client (client/c/core/doc.h) with the server's messages, no network. Prints a table to
 * stderr and one JSON object to stdout. `--quick` measures less; `--bars` exits 1 if a bar is missed.
 *  - typing offline, onto the pending op;
 *  - 100,000 edits made offline, one op in flight and one pending, rebased over 100,000 missed ops that Opened brings
 *    in parts of 64 KiB, each applied to the content and told to a listener;
 *  - the record: written, and taken over by the next process;
 *  - the merge by difference of a client behind the horizon, document of 1 MB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "client/c/core/doc.h"
#include "common/assert.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/ot/text.h"
#include "common/random.h"
#include "proto/message.h"

enum {
    DOCUMENT_SIZE = 1 << 20,
    EDITS = 100000,
    MISSED = 100000,
    PART_SIZE_MAX = 64 << 10,
    OP_SIZE_MAX = 1 << 20,
    LINEAGE = 5,
    FIRST_SEQ = 1,
    PLACES = 8, /* where one author goes to and fro between */
};

static json_t *report;

static void result(const char *name, double value, const char *unit) {
    fprintf(stderr, "%-72s %12.3f %s\n", name, value, unit);
    json_object_set_new(report, name, json_pack("{s:f, s:s}", "value", value, "unit", unit));
}

static double seconds_since(uint64_t start_ns) { return (double)(ordo_clock_monotonic_ns() - start_ns) / 1e9; }

/* --- people ----------------------------------------------------------------------------------------------------- */

/* One edit after the other, as a person makes them: runs of keystrokes with some going back, at a few places. */
struct author {
    struct ordo_prng prng;
    uint64_t places[PLACES]; /* carets, in the text as the author sees it */
    size_t here;
    uint64_t left; /* keystrokes until the author goes elsewhere */
    bool is_everywhere; /* each edit at a random place, which nobody does: the worst case */
};

struct keystroke {
    uint64_t position, deleted;
    char text[2];
};

static void author_init(struct author *author, uint64_t seed, uint64_t length, bool is_everywhere) {
    *author = (struct author){.is_everywhere = is_everywhere};
    ordo_prng_init(&author->prng, seed);
    for (size_t i = 0; i < PLACES; i++) author->places[i] = ordo_prng_below(&author->prng, length);
}

static struct keystroke author_next(struct author *author, uint64_t length) {
    struct ordo_prng *prng = &author->prng;
    if (author->left == 0 || author->is_everywhere) {
        author->left = 1 + ordo_prng_below(prng, 40);
        author->here = (size_t)ordo_prng_below(prng, PLACES);
        bool is_elsewhere = author->is_everywhere || ordo_prng_below(prng, 4) == 0;
        if (is_elsewhere) author->places[author->here] = ordo_prng_below(prng, length);
    }
    author->left--;
    uint64_t *caret = &author->places[author->here];
    if (*caret > length) *caret = length;
    struct keystroke stroke = {.position = *caret};
    if (*caret > 0 && ordo_prng_below(prng, 10) == 0) {
        stroke.position = --*caret;
        stroke.deleted = 1;
        return stroke;
    }
    stroke.text[0] = ordo_prng_below(prng, 6) == 0 ? ' ' : (char)('a' + ordo_prng_below(prng, 26));
    ++*caret;
    return stroke;
}

static struct ordo_buffer prose(uint64_t seed, size_t size) {
    struct ordo_prng prng;
    struct ordo_buffer text = {0};
    ordo_prng_init(&prng, seed);
    while (text.size < size) {
        size_t letters = 1 + (size_t)ordo_prng_below(&prng, 10);
        for (size_t i = 0; i < letters; i++) ordo_buffer_append_u8(&text, (uint8_t)('a' + ordo_prng_below(&prng, 26)));
        ordo_buffer_append_u8(&text, ordo_prng_below(&prng, 12) == 0 ? '\n' : ' ');
    }
    return text;
}

/* --- the document and the server's words ------------------------------------------------------------------------ */

struct reader { /* the application: it would hand each change to its editor */
    uint64_t change_count, change_size, given_back_count;
    struct ordo_buffer record;
};

static void on_changed(void *user, struct ordo_client_doc *doc, struct ordo_slice op) {
    struct reader *reader = user;
    (void)doc;
    reader->change_count++;
    reader->change_size += op.size;
}

static void on_given_back(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given) {
    (void)doc, (void)given;
    ((struct reader *)user)->given_back_count++;
}

static bool on_store(void *user, struct ordo_client_doc *doc, struct ordo_slice record) {
    struct reader *reader = user;
    (void)doc;
    ordo_buffer_clear(&reader->record);
    ordo_buffer_append_slice(&reader->record, record);
    return true;
}

static struct ordo_client_doc *create(struct reader *reader) {
    struct ordo_client_doc_options options = {
        .collection = ordo_slice_of("bench"),
        .id = ordo_slice_of("returning"),
        .create_type = ordo_slice_of("text"),
        .listener = {.changed = on_changed, .given_back = on_given_back, .store = on_store},
        .user = reader};
    return ordo_client_doc_create(&options, (struct ordo_client_id){.bytes = {'m', 'e'}});
}

static struct ordo_wire_opened header(uint64_t head) {
    return (struct ordo_wire_opened){
        .type = ordo_slice_of("text"), .head = head, .lineage = LINEAGE, .permission = 2};
}

static void say_content(struct ordo_client_doc *doc, struct ordo_slice text, uint64_t seq, uint64_t horizon) {
    struct ordo_wire_opened opened = header(seq);
    opened.horizon = horizon;
    opened.content = (struct ordo_wire_content){.is_present = true, .seq = seq, .field = 2, .bytes = text};
    ordo_client_doc_opened(doc, &opened);
    ORDO_ASSERT(ordo_client_doc_is_open(doc));
}

static void open(struct ordo_client_doc *doc) {
    struct ordo_buffer frame = {0};
    ordo_client_doc_write_open(doc, 1, &frame);
    ordo_buffer_finish(&frame);
}

static size_t flush(struct ordo_client_doc *doc) {
    struct ordo_buffer frame = {0};
    ordo_client_doc_flush(doc, 1, OP_SIZE_MAX, true, 1000000, &frame);
    size_t size = frame.size;
    ordo_buffer_finish(&frame);
    return size;
}

static void type(struct ordo_client_doc *doc, struct author *author, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct keystroke stroke = author_next(author, ordo_client_doc_length(doc));
        ordo_err err =
            ordo_client_doc_splice(doc, stroke.position, stroke.deleted, ordo_slice_of(stroke.text));
        ORDO_ASSERT(err == ORDO_OK);
    }
}

/* --- the rebase ------------------------------------------------------------------------------------------------- */

/* What Opened brings: the bodies of its parts. */
struct parts {
    struct ordo_buffer bytes;
    size_t *ends;
    size_t count;
};

static struct parts missed_ops(size_t count, uint64_t length, bool is_everywhere) {
    enum { OTHERS = 3 };
    struct parts parts = {.ends = ordo_alloc_array(count + 1, sizeof *parts.ends)};
    struct author others[OTHERS];
    uint8_t ids[OTHERS][16] = {"a", "n", "z"}; /* before, and after, our own client_id */
    struct ordo_buffer op = {0};
    for (size_t i = 0; i < OTHERS; i++) author_init(&others[i], 11 + i, length, is_everywhere);
    size_t part_start = 0;
    for (size_t i = 0; i < count; i++) {
        size_t who = i / 7 % OTHERS;
        struct keystroke stroke = author_next(&others[who], length);
        ordo_buffer_clear(&op);
        ordo_text_splice(stroke.position, stroke.deleted, ordo_slice_of(stroke.text), (struct ordo_text_hints){0},
                         &op);
        length = ordo_type_text.length_after(ordo_buffer_slice(&op), length);
        Ordo__V1__Committed committed = ORDO__V1__COMMITTED__INIT;
        committed.server_seq = FIRST_SEQ + 1 + i;
        committed.client_id = ordo_binary_of_slice(ordo_slice(ids[who], 16));
        committed.client_seq = 1 + i;
        committed.base_seq = FIRST_SEQ + i;
        committed.timestamp_ms = UINT64_C(1760000000000) + i;
        committed.op_case = ORDO__V1__COMMITTED__OP_TEXT;
        committed.text = ordo_binary_of_slice(ordo_buffer_slice(&op));
        ordo_message_encode_field(ORDO_WIRE_OPENED_OPS, &committed.base, &parts.bytes);
        if (parts.bytes.size - part_start < PART_SIZE_MAX && i + 1 < count) continue;
        parts.ends[parts.count++] = part_start = parts.bytes.size;
    }
    ordo_buffer_finish(&op);
    return parts;
}

static double measure_rebase(const char *name, size_t edits, size_t missed, bool is_everywhere) {
    char line[128];
    struct reader reader = {0};
    struct ordo_client_doc *doc = create(&reader);
    struct ordo_buffer text = prose(1, DOCUMENT_SIZE);
    open(doc);
    say_content(doc, ordo_buffer_slice(&text), FIRST_SEQ, 0);
    struct author author;
    author_init(&author, 3, text.size, is_everywhere);
    type(doc, &author, 1);
    ORDO_ASSERT(flush(doc) > 0);
    ordo_client_doc_disconnected(doc);
    uint64_t start = ordo_clock_monotonic_ns();
    type(doc, &author, edits - 1);
    snprintf(line, sizeof line, "%s: one keystroke offline", name);
    result(line, seconds_since(start) * 1e9 / (double)(edits - 1), "ns");

    struct parts parts = missed_ops(missed, text.size, is_everywhere);
    open(doc);
    double longest = 0;
    start = ordo_clock_monotonic_ns();
    for (size_t i = 0, from = 0; i < parts.count; from = parts.ends[i++]) {
        struct ordo_wire_opened part = header(FIRST_SEQ + missed);
        part.body = ordo_slice(parts.bytes.data + from, parts.ends[i] - from);
        part.more = i + 1 < parts.count;
        uint64_t part_start = ordo_clock_monotonic_ns();
        ordo_client_doc_opened(doc, &part);
        double seconds = seconds_since(part_start);
        if (seconds > longest) longest = seconds;
    }
    double seconds = seconds_since(start);
    ORDO_ASSERT(ordo_client_doc_is_open(doc) && ordo_client_doc_seq(doc) == FIRST_SEQ + missed);
    ORDO_ASSERT(reader.change_count == missed && reader.given_back_count == 0);
    snprintf(line, sizeof line, "%s: %zu edits over %zu missed ops", name, edits, missed);
    result(line, seconds, "s");
    snprintf(line, sizeof line, "%s: the longest of %zu parts", name, parts.count);
    result(line, longest * 1e3, "ms");

    start = ordo_clock_monotonic_ns();
    size_t frame_size = flush(doc); /* the op in flight again */
    uint64_t client_seq, base_seq;
    ORDO_ASSERT(frame_size > 0 && ordo_client_doc_in_flight(doc, &client_seq, &base_seq));
    ordo_client_doc_ack(doc, &(struct ordo_wire_ack){.client_seq = client_seq, .server_seq = FIRST_SEQ + missed + 1});
    frame_size = flush(doc); /* what was pending: frozen, stored, sent */
    snprintf(line, sizeof line, "%s: freezing, storing and sending %zu KiB", name, frame_size >> 10);
    result(line, seconds_since(start) * 1e3, "ms");

    struct reader next = {0};
    struct ordo_client_doc *again = create(&next);
    start = ordo_clock_monotonic_ns();
    ordo_err err = ordo_client_doc_restore(again, ordo_buffer_slice(&reader.record));
    ORDO_ASSERT(err == ORDO_OK && ordo_client_doc_length(again) == ordo_client_doc_length(doc));
    snprintf(line, sizeof line, "%s: restoring a record of %zu KiB", name, reader.record.size >> 10);
    result(line, seconds_since(start) * 1e3, "ms");

    ordo_client_doc_destroy(doc);
    ordo_client_doc_destroy(again);
    free(parts.ends);
    struct ordo_buffer *all[] = {&text, &parts.bytes, &reader.record, &next.record};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    return seconds;
}

/* --- the merge by difference ------------------------------------------------------------------------------------ */

/* What others made of the document meanwhile. */
static void rewrite(struct ordo_buffer *text, size_t edits, uint64_t seed) {
    struct ordo_content *content = ordo_text_content_create();
    ordo_err err = ordo_text_content_append(content, ordo_buffer_slice(text));
    struct author author;
    author_init(&author, seed, text->size, false);
    struct ordo_buffer op = {0};
    for (size_t i = 0; !err && i < edits; i++) {
        struct keystroke stroke = author_next(&author, ordo_text_content_length(content));
        ordo_buffer_clear(&op);
        ordo_text_splice(stroke.position, stroke.deleted, ordo_slice_of(stroke.text), (struct ordo_text_hints){0},
                         &op);
        err = ordo_text_content_apply(content, ordo_buffer_slice(&op));
    }
    ORDO_ASSERT(err == ORDO_OK);
    ordo_buffer_clear(text);
    ordo_text_content_write(content, text);
    ordo_text_content_destroy(content);
    ordo_buffer_finish(&op);
}

enum fate { COMMITTED, NOT_COMMITTED, FORGOTTEN };

static double measure_merge(const char *name, struct ordo_slice before, struct ordo_slice after, size_t sent,
                            size_t edits, enum fate fate) {
    struct reader reader = {0};
    struct ordo_client_doc *doc = create(&reader);
    open(doc);
    say_content(doc, before, FIRST_SEQ, 0);
    struct author author;
    author_init(&author, 3, before.size, false);
    type(doc, &author, sent);
    ORDO_ASSERT(flush(doc) > 0);
    ordo_client_doc_disconnected(doc);
    type(doc, &author, edits);
    open(doc);
    struct ordo_wire_opened opened = header(FIRST_SEQ + 100000);
    opened.horizon = FIRST_SEQ + 99000;
    opened.content = (struct ordo_wire_content){.is_present = true, .seq = opened.head, .field = 2, .bytes = after};
    if (fate == COMMITTED) opened.last_client_seq = 1, opened.last_client_server_seq = FIRST_SEQ + 1;
    if (fate == FORGOTTEN) opened.forgotten_seq = FIRST_SEQ + 50000;
    uint64_t start = ordo_clock_monotonic_ns();
    ordo_client_doc_opened(doc, &opened);
    double seconds = seconds_since(start);
    ORDO_ASSERT(ordo_client_doc_is_open(doc));
    result(name, seconds * 1e3, "ms");
    ordo_client_doc_destroy(doc);
    ordo_buffer_finish(&reader.record);
    return seconds;
}

static double measure_merges(void) {
    struct ordo_buffer before = prose(1, DOCUMENT_SIZE), after = {0}, other = prose(2, DOCUMENT_SIZE);
    double worst = 0, seconds;
    static const size_t rewrites[] = {0, 500, 5000, 50000};
    for (size_t i = 0; i < sizeof rewrites / sizeof *rewrites; i++) {
        char name[128];
        ordo_buffer_clear(&after);
        ordo_buffer_append_slice(&after, ordo_buffer_slice(&before));
        rewrite(&after, rewrites[i], 21);
        snprintf(name, sizeof name, "merge, 1 MB, 10,000 edits, others made %zu", rewrites[i]);
        seconds = measure_merge(name, ordo_buffer_slice(&before), ordo_buffer_slice(&after), 50, 10000,
                                NOT_COMMITTED);
        if (seconds > worst) worst = seconds;
        snprintf(name, sizeof name, "merge, 1 MB, 10,000 edits in flight, others made %zu, nobody knows", rewrites[i]);
        seconds = measure_merge(name, ordo_buffer_slice(&before), ordo_buffer_slice(&after), 10000, 10000, FORGOTTEN);
        if (seconds > worst) worst = seconds;
    }
    static const char *const names[] = {"merge, 1 MB, nothing in common, op is in it",
                                        "merge, 1 MB, nothing in common, op is not in it",
                                        "merge, 1 MB, nothing in common, nobody knows"};
    for (int fate = COMMITTED; fate <= FORGOTTEN; fate++) {
        seconds = measure_merge(names[fate], ordo_buffer_slice(&before), ordo_buffer_slice(&other), 10000, 10000,
                                (enum fate)fate);
        if (seconds > worst) worst = seconds;
    }
    ordo_buffer_finish(&before);
    ordo_buffer_finish(&after);
    ordo_buffer_finish(&other);
    return worst;
}

int main(int argc, char **argv) {
    bool is_quick = false, has_bars = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) is_quick = true;
        if (strcmp(argv[i], "--bars") == 0) has_bars = true;
    }
    report = json_object();
    double rebase = measure_rebase("typing", EDITS, MISSED, false);
    double everywhere = measure_rebase("everywhere", EDITS, MISSED, true);
    if (!is_quick) measure_rebase("typing, little pending", 100, MISSED, false);
    double merge = measure_merges();
    json_dumpf(report, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(report);
    if (!has_bars) return EXIT_SUCCESS;
    if (rebase > 1 || everywhere > 1) fprintf(stderr, "bar missed: a rebase took more than 1 s\n");
    if (merge > 1) fprintf(stderr, "bar missed: a merge took more than 1 s\n");
    return rebase > 1 || everywhere > 1 || merge > 1 ? EXIT_FAILURE : EXIT_SUCCESS;
}
