#define _GNU_SOURCE /* memmem */

/* A table with a bad block: the store goes on without it, what reads of it is put back, and no document that lost a row is
 * served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/log.h"
#include "common/memory.h"
#include "shard/confine.h"
#include "shard/core/damage.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/value.h"
#include "shard/core/verify.h"
#include "tests/unit/folder_fixture.h"

enum { DOC_COUNT = 12, ROW_COUNT = 20, PLACE_COUNT = 15 };

static void doc_key(struct ordo_buffer *key, unsigned doc) {
    char id[16];
    snprintf(id, sizeof id, "doc %02u", doc);
    ordo_key_doc(key, ordo_slice_of("c"), ordo_slice_of(id));
}

/* Row `seq` of a document, with a text by which it is found in files. */
static void make_row(unsigned doc, unsigned seq, struct ordo_buffer *key, struct ordo_buffer *value) {
    struct ordo_buffer name = {0};
    char text[64];
    doc_key(&name, doc);
    ordo_key_ops(key, ordo_buffer_slice(&name), seq);
    snprintf(text, sizeof text, "row %02u of doc %02u, some text", seq, doc);
    ordo_value_begin(value, 1);
    ordo_buffer_append_slice(value, ordo_slice_of(text));
    ordo_value_seal(value, ordo_buffer_slice(key));
    ordo_buffer_finish(&name);
}

static ordo_err put_rows(struct fixture *fixture, unsigned from_seq, unsigned to_seq) {
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0}, value = {0};
    for (unsigned doc = 0; doc < DOC_COUNT; doc++) {
        for (unsigned seq = from_seq; seq < to_seq; seq++) {
            make_row(doc, seq, &key, &value);
            ordo_batch_put(&batch, ORDO_CF_OPS, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
        }
    }
    ordo_err err = fixture->folder.store->ops->write(fixture->folder.store, &batch, true);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    return err;
}

static bool has_row(struct ordo_view *view, unsigned doc, unsigned seq) {
    struct ordo_buffer key = {0}, value = {0}, stored = {0};
    make_row(doc, seq, &key, &value);
    ordo_err err = view->ops->get(view, ORDO_CF_OPS, ordo_buffer_slice(&key), &stored);
    assert_true(err == ORDO_OK || err == ORDO_ERR_NOT_FOUND);
    bool is_there = !err && ordo_slice_equal(ordo_buffer_slice(&stored), ordo_buffer_slice(&value));
    assert_true(is_there || err); /* never with another value */
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    ordo_buffer_finish(&stored);
    return is_there;
}

static bool is_damaged(struct ordo_view *view, unsigned doc) {
    struct ordo_buffer key = {0};
    doc_key(&key, doc);
    ordo_err err = ordo_damage_check(view, ordo_buffer_slice(&key));
    ordo_buffer_finish(&key);
    assert_true(err == ORDO_OK || err == ORDO_ERR_CORRUPT);
    return err != ORDO_OK;
}

struct search {
    const char *text;     /* NULL: any table of the family `ops` */
    char path[PATH_MAX], name[NAME_MAX + 1];
    size_t offset;
};

static void find_text(const char *path, const char *name, void *context) {
    struct search *search = context;
    struct ordo_buffer bytes = {0};
    if (strstr(name, ".sst") == NULL) return;
    scratch_read(path, &bytes);
    uint8_t *at = memmem(bytes.data, bytes.size, search->text, strlen(search->text));
    if (at != NULL) {
        snprintf(search->path, sizeof search->path, "%s", path);
        snprintf(search->name, sizeof search->name, "%s", name);
        search->offset = (size_t)(at - bytes.data);
    }
    ordo_buffer_finish(&bytes);
}

/* The table of a stopped store that holds the text. */
static struct search find_table(const struct fixture *fixture, const char *text) {
    struct search search = {.text = text};
    char db_path[PATH_MAX];
    scratch_join(db_path, fixture->path, "db");
    scratch_each(db_path, find_text, &search);
    assert_string_not_equal(search.path, "");
    return search;
}

static void flip(const char *path, size_t offset, size_t size) {
    struct ordo_buffer bytes = {0};
    scratch_read(path, &bytes);
    for (size_t i = offset; i < offset + size && i < bytes.size; i++) bytes.data[i] ^= 0x10;
    scratch_write(path, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

/* Two tables with rows of all documents, one behind the other; the store is closed. */
static void make_tables(struct fixture *fixture) {
    open_store(fixture);
    assert_int_equal(put_rows(fixture, 1, ROW_COUNT), ORDO_OK);
    close_store(fixture);
    open_store(fixture); /* what the log holds goes to a table */
    assert_int_equal(put_rows(fixture, ROW_COUNT, 2 * ROW_COUNT), ORDO_OK);
    close_store(fixture);
    open_store(fixture);
    close_store(fixture);
}

static void note(const struct fixture *fixture, const char *name) {
    char failure[NAME_MAX + 128];
    snprintf(failure, sizeof failure, "Corruption: block checksum mismatch: stored = 1, computed = 2 in /x/%s offset 0 size 1",
             name);
    assert_true(ordo_confine_note(fixture->path, failure));
    assert_false(ordo_confine_note(fixture->path, failure));
}

/* Every row is there, or its document is not served. Returns how many documents are not. */
static unsigned check_rows(struct fixture *fixture, unsigned row_end) {
    struct ordo_view *view = fixture->folder.store->ops->view_open(fixture->folder.store);
    unsigned damaged_count = 0;
    for (unsigned doc = 0; doc < DOC_COUNT; doc++) {
        bool is_whole = true;
        for (unsigned seq = 1; seq < row_end; seq++) is_whole &= has_row(view, doc, seq);
        bool is_refused = is_damaged(view, doc);
        if (!is_whole && !is_refused) {
            for (unsigned seq = 1; seq < row_end; seq++) if (!has_row(view, doc, seq)) print_message("lost: row %u of doc %u\n", seq, doc);
        }
        assert_true(is_whole || is_refused);
        damaged_count += is_refused;
    }
    fixture->folder.store->ops->view_close(view);
    return damaged_count;
}

/* A bit of row 7 of document 3, and the table is noted as damaged. */
static struct search damage_a_row(const struct fixture *fixture) {
    struct search table = find_table(fixture, "row 07 of doc 03");
    flip(table.path, table.offset, 1);
    note(fixture, table.name);
    return table;
}

static void a_damaged_row_costs_its_document_only(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    struct search table = damage_a_row(fixture);
    open_store(fixture);
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 1);
    struct ordo_view *view = fixture->folder.store->ops->view_open(fixture->folder.store);
    assert_true(is_damaged(view, 3));
    assert_false(has_row(view, 3, 7));
    assert_true(has_row(view, 3, 6) && has_row(view, 3, 8));
    fixture->folder.store->ops->view_close(view);
    char lost[PATH_MAX], kept[PATH_MAX];
    scratch_join(lost, fixture->path, "lost");
    scratch_join(kept, lost, table.name);
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(access(table.path, F_OK), -1);
    close_store(fixture);
    open_store(fixture); /* and so it stays */
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 1);
}

static void a_table_that_reads_after_all_loses_nothing(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    note(fixture, find_table(fixture, "row 07 of doc 03").name);
    open_store(fixture);
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 0);
}

static void a_table_that_is_not_in_use_is_passed_over(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    note(fixture, "000999.sst");
    open_store(fixture);
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 0);
}

/* Leaves a store whose MANIFEST lists a log file: there are two, and of the older one the family `docs` still needs a row. */
static void fill_two_logs(struct fixture *fixture) {
    enum { VALUE_SIZE = 64 * 1024, VALUE_COUNT = 64 }; /* fills one buffer, and the log files not so far that all is flushed */
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0}, document = {0};
    uint8_t *value = ordo_alloc(VALUE_SIZE);
    open_store(fixture);
    doc_key(&document, 0);
    ordo_batch_put(&batch, ORDO_CF_DOCS, ordo_buffer_slice(&document), ordo_slice(value, 1));
    for (unsigned i = 0; i < VALUE_COUNT; i++) {
        ordo_key_ops(&key, ordo_buffer_slice(&document), i + 1);
        ordo_batch_put(&batch, ORDO_CF_HISTORY, ordo_buffer_slice(&key), ordo_slice(value, VALUE_SIZE));
        assert_int_equal(fixture->folder.store->ops->write(fixture->folder.store, &batch, true), ORDO_OK);
        ordo_batch_clear(&batch);
    }
    close_store(fixture);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&document);
    free(value);
}

static void a_log_that_is_listed_is_in_nobodys_way(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    fill_two_logs(fixture);
    (void)damage_a_row(fixture);
    open_store(fixture);
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 1);
}

/* Damages the table here and there, by a bit or by a sector; returns how many documents were refused at each place. */
static double damage_everywhere(struct fixture *fixture, const char *table_name, unsigned row_end) {
    char sound[PATH_MAX], db_path[PATH_MAX], table[PATH_MAX];
    struct stat status;
    scratch_join(sound, fixture->root, "sound");
    scratch_join(db_path, fixture->path, "db");
    scratch_join(table, db_path, table_name);
    assert_int_equal(stat(table, &status), 0);
    assert_int_equal(rename(fixture->path, sound), 0);
    unsigned place_count = 0, refused_count = 0;
    for (size_t offset = 0; offset < (size_t)status.st_size; offset += (size_t)status.st_size / PLACE_COUNT) {
        scratch_copy(sound, fixture->path);
        flip(table, offset, offset % 3 == 0 ? 512 : 1);
        note(fixture, table_name);
        open_store(fixture);
        refused_count += check_rows(fixture, row_end);
        place_count++;
        close_store(fixture);
        scratch_remove(fixture->path);
    }
    assert_int_equal(rename(sound, fixture->path), 0);
    print_message("%s: %u places; documents refused: %u\n", table_name, place_count, refused_count);
    return (double)refused_count / place_count;
}

static void wherever_the_damage_is_no_row_is_lost_silently(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    double refused = damage_everywhere(fixture, find_table(fixture, "row 07 of doc 03").name, 2 * ROW_COUNT);
    assert_true(refused > 0 && refused < 4); /* the index costs all that are in the table, a bit in a row one */
}

static void find_compacted(void *context, const struct ordo_rocksdb_table *table) {
    if (table->cf == ORDO_CF_OPS && table->level > 0) snprintf(context, NAME_MAX, "%06u.sst", (unsigned)table->number);
}

/* What was compacted is compressed: of a bad block nothing reads, and the documents are those between its neighbours. */
static void of_a_compressed_block_the_place_is_known(void **state) {
    struct fixture *fixture = *state;
    char name[NAME_MAX + 1] = "";
    unsigned seq = 1;
    for (int i = 0; i < ordo_rocksdb_tuning.level0_count + 2; i++, seq += ROW_COUNT) { /* each start writes a table */
        open_store(fixture);
        assert_int_equal(put_rows(fixture, seq, seq + ROW_COUNT), ORDO_OK);
        close_store(fixture);
    }
    open_store(fixture);
    for (int tries = 0; tries < 10000 && name[0] == '\0'; tries++) {
        ordo_store_rocksdb_tables(fixture->folder.store, find_compacted, name);
        usleep(1000); /* nobody tells when compaction is done */
    }
    close_store(fixture);
    double refused = damage_everywhere(fixture, name, seq);
    assert_true(refused > 0 && refused < 4);
}

/* Cut off at any step, a start does it again: here, behind each of them. */
static void a_start_that_was_cut_off_is_made_up_for(void **state) {
    struct fixture *fixture = *state;
    static const char *const leftovers[] = {"confine.new", "confine"};
    for (size_t i = 0; i < 2; i++) {
        make_tables(fixture);
        struct search table = find_table(fixture, "row 07 of doc 03");
        flip(table.path, table.offset, 1);
        char leftover[PATH_MAX], stray[PATH_MAX];
        scratch_join(leftover, fixture->path, leftovers[i]);
        assert_int_equal(mkdir(leftover, 0755), 0);
        scratch_join(stray, leftover, "stray");
        scratch_write(stray, ordo_slice_of("x"));
        note(fixture, table.name);
        open_store(fixture);
        assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 1);
        close_store(fixture);
        scratch_remove(fixture->path);
    }
}

/* Killed at any moment of it. */
static void a_start_that_is_killed_is_made_up_for(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    struct search table = find_table(fixture, "row 07 of doc 03");
    flip(table.path, table.offset, 1);
    note(fixture, table.name);
    for (unsigned delay_us = 1000; delay_us < 200000; delay_us += delay_us / 4) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            ordo_log_init("test", ORDO_LOG_ERROR);
            if (ordo_folder_open(&fixture->folder, fixture->path, &fixture->problem)) fprintf(stderr, "%s\n", fixture->problem.text);
            pause();
            _exit(1);
        }
        usleep(delay_us);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    open_store(fixture);
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 1);
}

/* Compaction of four tables of one family meets the block by itself. */
static void compaction_that_meets_a_bad_block_stops_nothing_for_good(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    struct search table = find_table(fixture, "row 07 of doc 03");
    flip(table.path, table.offset, 1);
    unsigned seq = 2 * ROW_COUNT;
    bool was_confined = false;
    for (int start = 0; start < 40 && !was_confined; start++) {
        open_store(fixture);
        while (put_rows(fixture, seq, seq + 1) == ORDO_OK && seq % 8 != 0) seq++;
        bool has_failed = ordo_store_rocksdb_failure(fixture->folder.store)[0] != '\0';
        if (has_failed) assert_true(ordo_confine_note(fixture->path, ordo_store_rocksdb_failure(fixture->folder.store)));
        else seq++;
        struct ordo_view *view = fixture->folder.store->ops->view_open(fixture->folder.store);
        was_confined = is_damaged(view, 3);
        fixture->folder.store->ops->view_close(view);
        close_store(fixture);
    }
    assert_true(was_confined);
    open_store(fixture);
    assert_int_equal(put_rows(fixture, seq, seq + 1), ORDO_OK);
    assert_int_equal(check_rows(fixture, 2 * ROW_COUNT), 1);
}

enum { FORGOTTEN_DOC = 3 };

/* As a turn does it that forgets the document with all of its rows. */
static void forget_document(struct fixture *fixture) {
    const struct ordo_doc_row row = {.type = ordo_slice_of("json1"), .lineage = 5, .head = ROW_COUNT - 1, .horizon = ROW_COUNT - 1,
                                     .created_seq = ROW_COUNT - 1, .deleted_seq = ROW_COUNT - 1,
                                     .forgotten_seq = ROW_COUNT - 1, .history_seq = ROW_COUNT - 1, .erased_seq = ROW_COUNT - 1};
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0}, end = {0}, value = {0};
    doc_key(&key, FORGOTTEN_DOC);
    ordo_key_doc_end(&end, ordo_buffer_slice(&key));
    ordo_batch_delete_range(&batch, ORDO_CF_OPS, ordo_buffer_slice(&key), ordo_buffer_slice(&end));
    ordo_doc_row_encode(&value, ordo_buffer_slice(&key), &row);
    ordo_batch_put(&batch, ORDO_CF_DOCS, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    assert_int_equal(fixture->folder.store->ops->write(fixture->folder.store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&end);
    ordo_buffer_finish(&value);
}

static void check_forgotten(struct fixture *fixture) {
    struct ordo_view *view = fixture->folder.store->ops->view_open(fixture->folder.store);
    for (unsigned doc = 0; doc < DOC_COUNT; doc++) {
        for (unsigned seq = 1; seq < 2 * ROW_COUNT; seq++) {
            bool is_erased = doc == FORGOTTEN_DOC && seq < ROW_COUNT;
            assert_int_equal(has_row(view, doc, seq), !is_erased);
        }
        assert_false(is_damaged(view, doc));
    }
    fixture->folder.store->ops->view_close(view);
}

/* Neither what stands in the table and was deleted elsewhere, nor what stands elsewhere and was deleted in the table. */
static void what_was_forgotten_stays_so_whichever_table_is_lost(void **state) {
    struct fixture *fixture = *state;
    static const char *const texts[] = {"row 07 of doc 03", "row 25 of doc 04"};
    for (size_t i = 0; i < 2; i++) {
        open_store(fixture);
        assert_int_equal(put_rows(fixture, 1, ROW_COUNT), ORDO_OK);
        close_store(fixture);
        open_store(fixture);
        forget_document(fixture);
        assert_int_equal(put_rows(fixture, ROW_COUNT, 2 * ROW_COUNT), ORDO_OK); /* its life goes on */
        close_store(fixture);
        open_store(fixture);
        check_forgotten(fixture);
        close_store(fixture);
        note(fixture, find_table(fixture, texts[i]).name);
        open_store(fixture);
        check_forgotten(fixture);
        close_store(fixture);
        scratch_remove(fixture->path);
    }
}

static void count_finding(void *context, const struct ordo_finding *finding) {
    unsigned *counts = context;
    if (strstr(finding->text, "damaged table held") != NULL) counts[0]++;
    if (strstr(finding->text, "a table was damaged") != NULL) counts[1]++;
}
static void verify_names_the_damage(void **state) {
    struct fixture *fixture = *state;
    unsigned counts[2] = {0};
    make_tables(fixture);
    struct search table = find_table(fixture, "row 07 of doc 03");
    flip(table.path, table.offset, 1);
    note(fixture, table.name);
    open_store(fixture);
    struct ordo_view *view = fixture->folder.store->ops->view_open(fixture->folder.store);
    (void)ordo_verify(view, count_finding, counts);
    fixture->folder.store->ops->view_close(view);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
}

static void only_the_failure_of_a_table_is_noted(void **state) {
    struct fixture *fixture = *state;
    make_tables(fixture);
    assert_false(ordo_confine_note(fixture->path, ""));
    assert_false(ordo_confine_note(fixture->path, "IO error: No space left on device: /x/000012.sst"));
    assert_false(ordo_confine_note(fixture->path, "Corruption: bad record in log 000012.log"));
    assert_false(ordo_confine_note(fixture->path, "Corruption: x.sst"));
    assert_true(ordo_confine_note(fixture->path, "Corruption: block checksum mismatch in /a.sst/b/000012.sst offset 1 size 2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_damaged_row_costs_its_document_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_that_reads_after_all_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_that_is_not_in_use_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wherever_the_damage_is_no_row_is_lost_silently, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_compressed_block_the_place_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_is_listed_is_in_nobodys_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_that_was_cut_off_is_made_up_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_that_is_killed_is_made_up_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compaction_that_meets_a_bad_block_stops_nothing_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_forgotten_stays_so_whichever_table_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verify_names_the_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_failure_of_a_table_is_noted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
