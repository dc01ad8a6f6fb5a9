/* Documents as text: what is written is read back the same, and nothing that is not an export gets into a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shard/core/key.h"
#include "shard/core/verify.h"
#include "shard/store_memory.h"
#include "tools/ordo/export_doc.h"
#include "tools/ordo/import_file.h"
#include "common/json.h"

static uint64_t draw(void) {
    static uint64_t number;
    return number += 1000003;
}

/* --- files out of lines -------------------------------------------------------------------------------------------- */

#define HEADER "{\"ordo_export\":{\"version\":1}}\n"
#define DOCUMENT(id, begin, head)                                                                                      \
    "{\"document\":{\"collection\":\"c\",\"id\":\"" id "\",\"type\":\"text\",\"begin_seq\":" #begin                     \
    ",\"head\":" #head ",\"forgotten_seq\":0}}\n"
#define OP(seq, client, client_seq, base, time, op)                                                                    \
    "{\"server_seq\":" #seq ",\"client_id\":\"" client "\",\"client_seq\":" #client_seq ",\"base_seq\":" #base           \
    ",\"timestamp_ms\":" #time ",\"user\":\"ada\",\"op\":" op "}\n"
#define CREATE(seq, base) CREATE_AT(seq, base, 5)
#define CREATE_AT(seq, base, time) OP(seq, "aa", 0, base, time, "{\"create\":[\"hi\"],\"type\":\"text\"}")
#define CLIENT(client)                                                                                                 \
    "{\"client\":{\"client_id\":\"" client "\",\"client_seq\":1,\"server_seq\":2,\"timestamp_ms\":5,\"user\":\"ada\",\"hash\":\"0000000000000001\"}}\n"
#define DONE(count) "{\"done\":{\"documents\":" #count "}}\n"

static struct ordo_slice take_line(struct ordo_slice *rest) {
    const uint8_t *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
    struct ordo_slice line = ordo_slice(rest->data, end ? (size_t)(end - rest->data) : rest->size);
    size_t taken = line.size + (end != NULL);
    *rest = ordo_slice(rest->data + taken, rest->size - taken);
    return line;
}

/* A document of these lines, with the end that they should have. */
static void append_document(struct ordo_buffer *out, const char *lines, uint64_t op_count, uint64_t client_count) {
    struct ordo_slice rest = ordo_slice_of(lines);
    struct export_line end = {.kind = EXPORT_END, .end = {op_count, client_count, 1, 0}};
    while (rest.size > 0) end.end.checksum = export_sum(end.end.checksum, take_line(&rest));
    ordo_buffer_append_slice(out, ordo_slice_of(lines));
    assert_int_equal(export_line_write(&end, out), ORDO_OK);
    ordo_buffer_append_u8(out, '\n');
}

static enum import_step import(struct import_file *file, struct ordo_store *store, struct ordo_slice text) {
    enum import_step step = IMPORT_GOES_ON;
    bool skips_existing = file->skips_existing;
    *file = (struct import_file){.store = store, .draw_lineage = draw, .skips_existing = skips_existing};
    while (text.size > 0 && step != IMPORT_FAILED) step = import_file_line(file, take_line(&text));
    if (step != IMPORT_FAILED) step = import_file_end(file);
    assert_int_equal(import_file_sync(file), ORDO_OK);
    return step;
}

static void print_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    print_error("at %llu: %s\n", (unsigned long long)finding->seq, finding->text);
}

static struct ordo_verify_counts verify(struct ordo_store *store) {
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_verify_counts counts = ordo_verify(view, print_finding, NULL);
    store->ops->view_close(view);
    assert_int_equal(counts.findings, 0);
    return counts;
}

/* What the file says is refused, in a sentence with these words, and the store holds nothing. */
static void assert_refused(struct ordo_slice text, const char *words) {
    struct ordo_store *store = ordo_store_memory_create(1);
    struct import_file file = {0};
    assert_int_equal(import(&file, store, text), IMPORT_FAILED);
    if (strstr(file.fault, words) == NULL) fail_msg("'%s' has no '%s'", file.fault, words);
    assert_int_equal(verify(store).ops, 0);
    import_file_finish(&file);
    store->ops->close(store);
}

static void assert_document_refused(const char *lines, uint64_t op_count, const char *words) {
    struct ordo_buffer text = {0};
    ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
    append_document(&text, lines, op_count, 0);
    ordo_buffer_append_slice(&text, ordo_slice_of(DONE(1)));
    assert_refused(ordo_buffer_slice(&text), words);
    ordo_buffer_finish(&text);
}

static bool write_line(void *context, struct ordo_slice line) {
    ordo_buffer_append_slice(context, line);
    return true;
}

static void export(struct ordo_store *store, const char *id, struct ordo_buffer *text) {
    struct export_out out = {.write = write_line, .context = text};
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_buffer key = {0};
    uint64_t bad_seq;
    ordo_key_doc(&key, ordo_slice_of("c"), ordo_slice_of(id));
    assert_int_equal(export_doc_write(view, ordo_buffer_slice(&key), &out, &bad_seq), ORDO_OK);
    store->ops->view_close(view);
    ordo_buffer_finish(&key);
    export_out_finish(&out);
}

/* --- whole documents ------------------------------------------------------------------------------------------------- */

static const char life[] =
    DOCUMENT("d", 0, 6) CREATE(1, 0) OP(2, "bb", 7, 1, 6, "[1,\"\\u0001\\\"\\\\é😀\\u007F\",{\"d\":1}]")
    OP(3, "aa", 1, 1, 6, "{\"delete\":true}") OP(4, "bb", 9, 2, 7, "[]") CREATE_AT(5, 4, 8)
    "{\"server_seq\":6,\"client_id\":\"aa\",\"client_seq\":2,\"base_seq\":5,\"timestamp_ms\":9,\"user\":\"ada\",\"op\":[\"x\",2,\"y\"],"
    "\"hints\":[\"both\",\"follows\"]}\n";
static void import_life(struct ordo_store *store) {
    struct ordo_buffer text = {0};
    struct import_file file = {0};
    ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
    append_document(&text, life, 6, 0);
    ordo_buffer_append_slice(&text, ordo_slice_of(DONE(1)));
    enum import_step step = import(&file, store, ordo_buffer_slice(&text));
    if (step != IMPORT_GOES_ON) fail_msg("%s", file.fault);
    assert_int_equal(file.op_count, 6);
    import_file_finish(&file);
    ordo_buffer_finish(&text);
}

static void a_document_with_its_lives_comes_back_byte_for_byte(void **state) {
    (void)state;
    struct ordo_store *first = ordo_store_memory_create(1), *second = ordo_store_memory_create(2);
    struct ordo_buffer once = {0}, twice = {0};
    import_life(first);

    export(first, "d", &once);
    struct import_file file = {0};
    struct ordo_buffer text = {0};
    ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
    ordo_buffer_append_slice(&text, ordo_buffer_slice(&once));
    ordo_buffer_append_slice(&text, ordo_slice_of(DONE(1)));
    assert_int_equal(import(&file, second, ordo_buffer_slice(&text)), IMPORT_GOES_ON);
    export(second, "d", &twice);

    assert_int_equal(verify(first).ops, 6);
    assert_int_equal(verify(second).ops, 6);
    ordo_buffer_append_u8(&once, 0);
    ordo_buffer_append_u8(&twice, 0);
    char *once_end = strstr((char *)once.data, ",\"lineage\":"), *twice_end = strstr((char *)twice.data, ",\"lineage\":");
    assert_string_not_equal(once_end, twice_end); /* lineages are drawn anew */
    assert_string_equal(strstr(once_end, "\"checksum\""), strstr(twice_end, "\"checksum\""));
    *once_end = *twice_end = '\0';
    assert_string_equal((char *)once.data, (char *)twice.data);

    import_file_finish(&file);
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&once);
    ordo_buffer_finish(&twice);
    first->ops->close(first);
    second->ops->close(second);
}

static void history_that_begins_with_content_is_taken_over(void **state) {
    (void)state;
    struct ordo_store *store = ordo_store_memory_create(1);
    struct ordo_buffer text = {0}, out = {0};
    struct import_file file = {0};
    ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
    append_document(&text,
                    DOCUMENT("d", 40, 41) "{\"begin\":{\"created_seq\":1,\"deleted_seq\":0,\"timestamp_ms\":4,\"length\":3,\"size\":6}}\n"
                    "{\"content\":{\"text\":\"a😀\"}}\n{\"content\":{\"text\":\"b\"}}\n" OP(41, "aa", 3, 40, 5, "[3,\"!\"]")
                    "{\"client\":{\"client_id\":\"aa\",\"client_seq\":3,\"server_seq\":41,\"timestamp_ms\":5,\"user\":\"ada\",\"hash\":\"00000000000000ff\"}}\n"
                    "{\"client\":{\"client_id\":\"cc\",\"client_seq\":8,\"server_seq\":12,\"timestamp_ms\":3,\"user\":\"bob\",\"hash\":\"0123456789abcdef\"}}\n",
                    1, 2);
    ordo_buffer_append_slice(&text, ordo_slice_of(DONE(1)));

    enum import_step step = import(&file, store, ordo_buffer_slice(&text));

    if (step != IMPORT_GOES_ON) fail_msg("%s", file.fault);
    struct ordo_verify_counts counts = verify(store);
    assert_int_equal(counts.ops, 1);
    assert_int_equal(counts.client_rows, 2);
    export(store, "d", &out);
    ordo_buffer_append_u8(&out, 0);
    assert_non_null(strstr((char *)out.data, "{\"content\":{\"text\":\"a😀b\"}}\n"));
    assert_non_null(strstr((char *)out.data, "\"cc\",\"client_seq\":8,\"server_seq\":12,\"timestamp_ms\":3,\"user\":\"bob\",\"hash\":\"0123456789abcdef\""));
    import_file_finish(&file);
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&out);
    store->ops->close(store);
}

/* A document that was forgotten at its fortieth op, and created anew. */
static void what_was_forgotten_begins_with_nothing(void **state) {
    (void)state;
    struct ordo_store *store = ordo_store_memory_create(1);
    struct ordo_buffer text = {0}, out = {0};
    struct import_file file = {0};
    ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
    append_document(&text,
                    DOCUMENT("d", 40, 41) "{\"begin\":{\"created_seq\":40,\"deleted_seq\":40,\"timestamp_ms\":4,\"length\":0,\"size\":0}}\n"
                    CREATE(41, 40), 1, 0);
    ordo_buffer_append_slice(&text, ordo_slice_of(DONE(1)));
    enum import_step step = import(&file, store, ordo_buffer_slice(&text));
    if (step != IMPORT_GOES_ON) fail_msg("%s", file.fault);
    assert_int_equal(verify(store).ops, 1);
    export(store, "d", &out);
    ordo_buffer_append_u8(&out, 0);
    assert_non_null(strstr((char *)out.data, "\"begin_seq\":40"));
    assert_non_null(strstr((char *)out.data, "\"created_seq\":40,\"deleted_seq\":40"));
    import_file_finish(&file);
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&out);
    store->ops->close(store);
}

static void what_exists_is_refused_by_name_or_passed_over(void **state) {
    (void)state;
    struct ordo_store *store = ordo_store_memory_create(1);
    struct ordo_buffer text = {0};
    struct import_file file = {0};
    import_life(store);
    ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
    append_document(&text, life, 6, 0);
    append_document(&text, DOCUMENT("new", 0, 1) CREATE(1, 0), 1, 0);
    ordo_buffer_append_slice(&text, ordo_slice_of(DONE(2)));

    assert_int_equal(import(&file, store, ordo_buffer_slice(&text)), IMPORT_FAILED);
    assert_non_null(strstr(file.fault, "line 2 is of \"c/d\", which the store has already"));
    import_file_finish(&file);
    file.skips_existing = true;
    assert_int_equal(import(&file, store, ordo_buffer_slice(&text)), IMPORT_GOES_ON);
    assert_int_equal(file.skipped_count, 1);
    assert_int_equal(file.document_count, 1);
    assert_int_equal(verify(store).documents, 2);

    import_file_finish(&file);
    ordo_buffer_finish(&text);
    store->ops->close(store);
}

static void many_ops_fill_several_blocks(void **state) {
    (void)state;
    enum { OP_COUNT = 70000 };
    struct ordo_store *store = ordo_store_memory_create(1);
    struct import_file file = {.store = store, .draw_lineage = draw};
    struct ordo_buffer lines = {0}, out = {0};
    char line[256];
    snprintf(line, sizeof line, "{\"document\":{\"collection\":\"c\",\"id\":\"d\",\"type\":\"text\",\"begin_seq\":0,\"head\":%d,\"forgotten_seq\":0}}\n", OP_COUNT);
    ordo_buffer_append_slice(&lines, ordo_slice_of(line));
    ordo_buffer_append_slice(&lines, ordo_slice_of(CREATE(1, 0)));
    for (int seq = 2; seq <= OP_COUNT; seq++) {
        snprintf(line, sizeof line, "{\"server_seq\":%d,\"client_id\":\"%02x\",\"client_seq\":%d,\"base_seq\":%d,\"timestamp_ms\":%d,\"user\":\"u\",\"op\":[\"z\"]}\n",
                 seq, seq % 7, seq, seq - 1, seq + 9);
        ordo_buffer_append_slice(&lines, ordo_slice_of(line));
    }
    ordo_buffer_append_u8(&lines, 0);
    ordo_buffer_append_slice(&out, ordo_slice_of(HEADER));
    append_document(&out, (char *)lines.data, OP_COUNT, 0);
    ordo_buffer_append_slice(&out, ordo_slice_of(DONE(1)));

    enum import_step step = import(&file, store, ordo_buffer_slice(&out));

    if (step != IMPORT_GOES_ON) fail_msg("%s", file.fault);
    assert_int_equal(verify(store).ops, OP_COUNT);
    import_file_finish(&file);
    ordo_buffer_finish(&lines);
    ordo_buffer_finish(&out);
    store->ops->close(store);
}

/* --- what is refused -------------------------------------------------------------------------------------------------- */

static void files_that_are_cut_or_out_of_order_are_refused_with_the_line(void **state) {
    (void)state;
    assert_refused(ordo_slice_of(""), "line 1 is missing");
    assert_refused(ordo_slice_of(DOCUMENT("d", 0, 1)), "line 1 is not the header");
    assert_refused(ordo_slice_of("{\"ordo_export\":{\"version\":2}}\n"), "line 1 says version 2");
    assert_refused(ordo_slice_of(HEADER), "line 2 is missing");
    assert_refused(ordo_slice_of(HEADER HEADER), "line 2 stands outside");
    assert_refused(ordo_slice_of(HEADER CREATE(1, 0)), "line 2 stands outside");
    assert_refused(ordo_slice_of(HEADER DONE(1)), "line 2 counts 1 documents, but there are 0");
    assert_refused(ordo_slice_of(HEADER DONE(0) "\n"), "line 3 stands behind the end");
    assert_refused(ordo_slice_of(HEADER DOCUMENT("d", 0, 1) DONE(1)), "line 3 comes before the end of \"c/d\"");
    assert_refused(ordo_slice_of(HEADER DOCUMENT("d", 0, 1) CREATE(1, 0)), "line 4 is missing");
}

static void ops_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const struct { const char *lines; uint64_t op_count; const char *words; } cases[] = {
        {DOCUMENT("d", 0, 1) CREATE(2, 0), 1, "line 3 is not the next op"},
        {DOCUMENT("d", 0, 1) CREATE(1, 0) CREATE(1, 0), 2, "line 4 is not the next op"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) CREATE(2, 1), 2, "line 4 creates a document that exists"},
        {DOCUMENT("d", 0, 1) CREATE(1, 0) OP(2, "aa", 1, 1, 5, "[]"), 2, "line 4 has an op behind the document's head"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0), 1, "line 4 comes before the document's newest ops"},
        {DOCUMENT("d", 0, 1) CREATE(1, 0), 2, "line 4 counts other ops"},
        {DOCUMENT("d", 0, 0), 0, "line 2 is of a document that has no op"},
        {DOCUMENT("d", 3, 3), 0, "line 2 is of a document that has no op"},
        {"{\"document\":{\"collection\":\"c\",\"id\":\"d\",\"type\":\"text\",\"begin_seq\":0,\"head\":1,\"forgotten_seq\":1}}\n", 0,
         "line 2 says that the newest clients were forgotten"},
        {"{\"document\":{\"collection\":\"c\",\"id\":\"d\",\"type\":\"json\",\"begin_seq\":0,\"head\":1,\"forgotten_seq\":0}}\n", 0,
         "line 2 is of a document whose type"},
        {DOCUMENT("d", 0, 1) CREATE(1, 1), 1, "made after itself"},
        {DOCUMENT("d", 0, 1) OP(1, "aa", 1, 0, 5, "[\"x\"]"), 1, "does not exist at this place"},
        {DOCUMENT("d", 0, 1) OP(1, "aa", 1, 0, 5, "{\"delete\":true}"), 1, "does not exist at this place"},
        {DOCUMENT("d", 0, 1) OP(1, "aa", 0, 0, 5, "{\"create\":[],\"type\":\"x\"}"), 1, "of another type"},
        {DOCUMENT("d", 0, 1) OP(1, "aa", 0, 0, 5, "{\"create\":[1,\"a\"],\"type\":\"text\"}"), 1, "beyond the end"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 1, 1, 4, "[]"), 2, "older than the one before"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 0, 1, 5, "[]"), 2, "client_seq 0"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 1, 1, 5, "[3,\"x\"]"), 2, "beyond the end"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 1, 1, 5, "[{\"d\":3}]"), 2, "beyond the end"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 1, 1, 5, "[\"x\",1]"), 2, "breaks a rule"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 1, 1, 5, "[\"x\",\"y\"]"), 2, "breaks a rule"},
        {DOCUMENT("d", 0, 3) CREATE(1, 0) OP(2, "bb", 2, 1, 5, "[]") OP(3, "bb", 2, 2, 5, "[]"), 3, "does not rise"},
        {DOCUMENT("d", 0, 3) CREATE(1, 0) OP(2, "bb", 2, 1, 5, "[]")
         "{\"server_seq\":3,\"client_id\":\"bb\",\"client_seq\":3,\"base_seq\":2,\"timestamp_ms\":5,\"user\":\"eve\",\"op\":[]}\n", 3, "of another user"},
        {DOCUMENT("d", 2, 3) OP(3, "bb", 1, 2, 5, "[]"), 1, "no such line may be"},
        {DOCUMENT("d", 0, 1) "{\"content\":{\"text\":\"a\"}}\n" CREATE(1, 0), 1, "line 3 stands at a place"},
        {DOCUMENT("d", 1, 2) "{\"begin\":{\"created_seq\":1,\"deleted_seq\":0,\"timestamp_ms\":4,\"length\":2,\"size\":2}}\n"
         "{\"content\":{\"text\":\"a\"}}\n" OP(2, "bb", 1, 1, 5, "[]"), 1, "line 5 comes before all of the content"},
        {DOCUMENT("d", 1, 2) "{\"begin\":{\"created_seq\":1,\"deleted_seq\":0,\"timestamp_ms\":4,\"length\":1,\"size\":1}}\n"
         "{\"content\":{\"text\":\"ab\"}}\n", 0, "line 4 holds more content"},
        {DOCUMENT("d", 1, 2) "{\"begin\":{\"created_seq\":0,\"deleted_seq\":0,\"timestamp_ms\":4,\"length\":1,\"size\":1}}\n", 0,
         "line 3 says that the document was created"},
        {DOCUMENT("d", 5, 6) "{\"begin\":{\"created_seq\":1,\"deleted_seq\":5,\"timestamp_ms\":4,\"length\":1,\"size\":1}}\n", 0,
         "line 3 says that a deleted document has content"},
        {DOCUMENT("d", 0, 1) CREATE(1, 0)
         "{\"client\":{\"client_id\":\"cc\",\"client_seq\":8,\"server_seq\":1,\"timestamp_ms\":3,\"user\":\"bob\",\"hash\":\"0123456789abcdef\"}}\n", 1,
         "line 4 describes a client that never wrote"},
        {DOCUMENT("d", 0, 1) CREATE(1, 0) CLIENT("cc") CLIENT("cc"), 1, "line 4 describes a client that never wrote"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 1, 1, 5, "[]") CLIENT("bb") CLIENT("bb"), 2, "line 6 describes a client out of the order"},
        {DOCUMENT("d", 0, 2) CREATE(1, 0) OP(2, "bb", 2, 1, 5, "[]") CLIENT("bb"), 2, "line 5 says something else of a client"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_document_refused(cases[i].lines, cases[i].op_count, cases[i].words);
}

static void lines_that_are_not_well_formed_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "", "{", "[]", "{}", "null", "{\"a\":1}", "\"x\"", "{\"document\":1}", "{\"document\":{}}",
        "{\"done\":{\"documents\":-1}}", "{\"done\":{\"documents\":1.0}}", "{\"done\":{\"documents\":01}}",
        "{\"done\":{\"documents\":9007199254740992}}", "{\"done\":{\"documents\":99999999999999999999999}}",
        "{\"done\":{\"documents\":1,\"documents\":1}}", "{\"done\":{\"documents\":1}} x", "{\"done\":{\"documents\":1},\"a\":1}",
        "{\"done\":{\"documents\":1,}}", "{\"content\":{\"text\":\"\"}}", "{\"content\":{\"text\":\"\\u0000\"}}",
        "{\"content\":{\"text\":\"\\ud800\"}}", "{\"content\":{\"text\":\"\\udc00\\ud800\"}}", "{\"content\":{\"text\":\"\\ud800\\u0041\"}}",
        "{\"content\":{\"text\":\"\\x\"}}", "{\"content\":{\"text\":\"a}}", "{\"content\":{\"text\":\"a\\", "{\"content\":{\"text\":\"\t\"}}",
        "{\"content\":{\"text\":\"\xff\"}}", "{\"content\":{\"text\":\"\xed\xa0\x80\"}}",
        "{\"document\":{\"collection\":\"\",\"id\":\"d\",\"type\":\"text\",\"begin_seq\":0,\"head\":1,\"forgotten_seq\":0}}",
        "{\"end\":{\"ops\":1,\"clients\":1,\"lineage\":1,\"checksum\":\"123\"}}", "{\"end\":{\"ops\":1,\"clients\":1,\"lineage\":1,\"checksum\":\"0123456789ABCDEF\"}}",
#define WITH(client, op) "{\"server_seq\":1,\"client_id\":\"" client "\",\"client_seq\":1,\"base_seq\":0,\"timestamp_ms\":1,\"user\":\"\",\"op\":" op "}"
        WITH("", "[]"), WITH("a", "[]"), WITH("zz", "[]"), WITH("aa", "[0]"), WITH("aa", "[\"\"]"), WITH("aa", "[{\"d\":0}]"),
        WITH("aa", "[{\"d\":1,\"e\":1}]"), WITH("aa", "[[]]"), WITH("aa", "[2147483648]"), WITH("aa", "[1 2]"), WITH("aa", "[,1]"), WITH("aa", "[1,]"),
        WITH("aa", "{\"delete\":false}"), WITH("aa", "{\"create\":[]}"), WITH("aa", "7"), WITH("aa", "[\"a\"],\"hints\":[]],\"hints\":[]"),
        WITH("aa", "[\"a\"],\"hints\":[\"both\",\"both\"]"), WITH("aa", "[1],\"hints\":[\"\"]"), WITH("aa", "[\"a\"],\"hints\":[\"left\"]"),
        WITH("aa", "{\"delete\":true},\"hints\":[\"\"]"),
    };
    struct export_reader reader = {0};
    struct export_line line;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (export_line_read(&reader, ordo_slice_of(lines[i]), &line) == NULL) fail_msg("taken: %s", lines[i]);
    }
    export_reader_finish(&reader);
}

static void members_may_come_in_any_order_and_with_blanks(void **state) {
    (void)state;
    struct export_reader reader = {0};
    struct export_line line;
    const char *text = " { \"op\" : [ 1 , \"\\ud83d\\ude00\\/\" , { \"d\" : 2 } ] , \"user\" : \"\" , \"hints\":[\"precedes\"], \"timestamp_ms\":3,\"base_seq\":1,"
                       "\"client_seq\":4,\"client_id\":\"00ff\",\"server_seq\":2}\r";
    assert_null(export_line_read(&reader, ordo_slice_of(text), &line));
    struct ordo_buffer out = {0};
    assert_int_equal(export_line_write(&line, &out), ORDO_OK);
    ordo_buffer_append_u8(&out, 0);
    assert_string_equal((char *)out.data, "{\"server_seq\":2,\"client_id\":\"00ff\",\"client_seq\":4,\"base_seq\":1,\"timestamp_ms\":3,\"user\":\"\","
                                          "\"op\":[1,\"😀/\",{\"d\":2}],\"hints\":[\"precedes\"]}");
    ordo_buffer_finish(&out);
    export_reader_finish(&reader);
}

static void a_line_beyond_the_limit_is_refused(void **state) {
    (void)state;
    struct export_reader reader = {0};
    struct export_line line;
    size_t size = EXPORT_LINE_SIZE_MAX + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, ' ', size);
    assert_string_equal(export_line_read(&reader, ordo_slice(text, size), &line), "is longer than a line may be");
    assert_string_equal(export_line_read(&reader, ordo_slice(text, size - 1), &line), "is not a JSON object");
    free(text);
    export_reader_finish(&reader);
}

static void a_write_that_fails_leaves_no_part_of_the_document(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the pieces of the snapshot, then all else */
        struct ordo_store *store = ordo_store_memory_create(nth);
        struct ordo_buffer text = {0};
        struct import_file file = {.store = store, .draw_lineage = draw};
        ordo_buffer_append_slice(&text, ordo_slice_of(HEADER));
        append_document(&text, life, 6, 0);
        struct ordo_slice rest = ordo_buffer_slice(&text);
        enum import_step step = IMPORT_GOES_ON;
        ordo_store_memory_fail_write(store, nth, ORDO_ERR_NO_SPACE);

        while (rest.size > 0) step = import_file_line(&file, take_line(&rest));

        assert_int_equal(step, IMPORT_FAILED);
        assert_non_null(strstr(file.fault, "the disk is full"));
        assert_int_equal(verify(store).ops, 0);
        bool exists;
        assert_int_equal(import_doc_exists(store, ordo_slice_of("c"), ordo_slice_of("d"), &exists), ORDO_OK);
        assert_false(exists);
        import_file_finish(&file);
        ordo_buffer_finish(&text);
        store->ops->close(store);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_with_its_lives_comes_back_byte_for_byte),
        cmocka_unit_test(history_that_begins_with_content_is_taken_over),
        cmocka_unit_test(what_was_forgotten_begins_with_nothing),
        cmocka_unit_test(what_exists_is_refused_by_name_or_passed_over),
        cmocka_unit_test(many_ops_fill_several_blocks),
        cmocka_unit_test(files_that_are_cut_or_out_of_order_are_refused_with_the_line),
        cmocka_unit_test(ops_that_cannot_be_are_refused),
        cmocka_unit_test(lines_that_are_not_well_formed_are_refused),
        cmocka_unit_test(members_may_come_in_any_order_and_with_blanks),
        cmocka_unit_test(a_line_beyond_the_limit_is_refused),
        cmocka_unit_test(a_write_that_fails_leaves_no_part_of_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
