/* The driver's parts that can be tried without a server: trace reader, typist, ledger, /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "common/utf8.h"
#include "tools/load/ledger.h"
#include "tools/load/procs.h"
#include "tools/load/trace.h"
#include "tools/load/typist.h"

/* --- traces ------------------------------------------------------------------------------------------------------ */

static const char small_trace[] = "{\"startContent\": \"\", \"endContent\": \"caf\\u00e9\", \"txns\": ["
                                  "{\"time\": \"x\", \"patches\": [[0, 0, \"cofe\"]]},"
                                  "{\"time\": \"x\", \"patches\": [[3, 1, \"\\u00e9\"], [1, 1, \"a\"]]}]}";

static void check_small_trace(const struct ordo_trace *trace) {
    assert_int_equal(trace->patch_count, 3);
    assert_int_equal(trace->patches[1].position, 3);
    assert_int_equal(trace->patches[1].delete_count, 1);
    assert_true(ordo_slice_equal(ordo_trace_text(trace, &trace->patches[1]), ordo_slice_of("é")));
    assert_true(ordo_slice_equal(ordo_trace_text(trace, &trace->patches[2]), ordo_slice_of("a")));
    assert_true(ordo_slice_equal(ordo_buffer_slice(&trace->end_content), ordo_slice_of("café")));
}

static void trace_is_read_with_all_its_patches(void **state) {
    (void)state;
    struct ordo_trace trace;
    char fault[ORDO_TRACE_FAULT_SIZE];

    assert_int_equal(ordo_trace_parse(&trace, ordo_slice_of(small_trace), fault), ORDO_OK);

    check_small_trace(&trace);
    ordo_trace_finish(&trace);
}

static void gzipped_and_plain_files_are_read_alike_and_a_cut_one_is_refused(void **state) {
    (void)state;
    char path[] = "/tmp/ordo-test-XXXXXX", fault[ORDO_TRACE_FAULT_SIZE];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct ordo_trace trace;

    assert_int_equal(write(fd, small_trace, sizeof small_trace - 1), sizeof small_trace - 1);
    assert_int_equal(ordo_trace_load(&trace, path, fault), ORDO_OK);
    check_small_trace(&trace);
    ordo_trace_finish(&trace);

    gzFile file = gzopen(path, "wb");
    assert_int_equal(gzwrite(file, small_trace, sizeof small_trace - 1), sizeof small_trace - 1);
    assert_int_equal(gzclose(file), Z_OK);
    assert_int_equal(ordo_trace_load(&trace, path, fault), ORDO_OK);
    check_small_trace(&trace);
    ordo_trace_finish(&trace);

    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(truncate(path, size - 10), 0);
    assert_int_not_equal(ordo_trace_load(&trace, path, fault), ORDO_OK);
    assert_true(strlen(fault) > 0);
    close(fd);
    unlink(path);
}

static void what_is_no_trace_is_refused_with_a_sentence(void **state) {
    (void)state;
    static const char *const cases[] = {
        "", "{", "[]", "{}",
        "{\"startContent\": \"x\", \"endContent\": \"x\", \"txns\": []}",
        "{\"startContent\": \"\", \"endContent\": 5, \"txns\": []}",
        "{\"startContent\": \"\", \"endContent\": \"\", \"txns\": {}}",
        "{\"startContent\": \"\", \"endContent\": \"\", \"txns\": [{\"patches\": [[0, 0]]}]}",
        "{\"startContent\": \"\", \"endContent\": \"\", \"txns\": [{\"patches\": [[-1, 0, \"\"]]}]}",
        "{\"startContent\": \"\", \"endContent\": \"\", \"txns\": [{\"patches\": [[0, 1.5, \"\"]]}]}",
        "{\"startContent\": \"\", \"endContent\": \"\", \"txns\": [{\"patches\": [[99999999999, 0, \"\"]]}]}",
        "{\"startContent\": \"\", \"endContent\": \"\", \"txns\": [{\"patches\": [[0, 0, null]]}]}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ordo_trace trace;
        char fault[ORDO_TRACE_FAULT_SIZE] = "";
        assert_int_equal(ordo_trace_parse(&trace, ordo_slice_of(cases[i]), fault), ORDO_ERR_INVALID);
        assert_true(strlen(fault) > 0);
        assert_null(trace.patches);
    }
}

/* --- typist ------------------------------------------------------------------------------------------------------ */

static void edits_always_fit_and_the_text_stays_near_its_target(void **state) {
    (void)state;
    enum { EDIT_COUNT = 200000, TARGET = 500 };
    struct ordo_typist typist;
    ordo_typist_init(&typist, 3, TARGET);
    uint64_t length = 0, length_max = 0, deletes = 0, foreign = 0;

    for (int i = 0; i < EDIT_COUNT; i++) {
        struct ordo_typist_edit edit = ordo_typist_next(&typist, length);
        uint64_t inserted;
        assert_true(edit.position + edit.delete_count <= length);
        assert_true(edit.delete_count > 0 || edit.text_size > 0);
        assert_true(edit.text_size <= sizeof edit.text);
        assert_true(ordo_utf8_validate(ordo_slice(edit.text, edit.text_size), &inserted));
        length += inserted - edit.delete_count;
        if (length > length_max) length_max = length;
        deletes += edit.delete_count;
        foreign += inserted < edit.text_size;
    }

    assert_true(length_max < TARGET + 300);
    assert_true(deletes > EDIT_COUNT / 10); /* both kinds happen, and so do letters outside ASCII */
    assert_true(deletes < EDIT_COUNT * 6 / 10);
    assert_true(foreign > EDIT_COUNT / 200);
}

static void typist_copes_with_a_text_that_others_shorten(void **state) {
    (void)state;
    struct ordo_typist typist;
    ordo_typist_init(&typist, 4, 100);
    for (int i = 0; i < 1000; i++) {
        uint64_t length = i % 7 == 0 ? 0 : (uint64_t)(i % 50);
        struct ordo_typist_edit edit = ordo_typist_next(&typist, length);
        assert_true(edit.position + edit.delete_count <= length);
    }
}

/* --- ledger ------------------------------------------------------------------------------------------------------ */

#define ALICE ordo_slice_of("alice-0123456789")
#define BOB ordo_slice_of("bob---0123456789")
#define OP(text) ordo_slice_of(text)

static void honest_history_is_not_complained_about(void **state) {
    (void)state;
    struct ordo_ledger ledger = {0};
    ordo_ledger_acked(&ledger, ALICE, 1, 1);
    ordo_ledger_saw(&ledger, ALICE, 1, 1, OP("a"));
    ordo_ledger_saw(&ledger, BOB, 1, 2, OP("b"));
    ordo_ledger_saw(&ledger, BOB, 1, 2, OP("b")); /* by another client, or again after a resync */
    ordo_ledger_acked(&ledger, BOB, 1, 2);
    ordo_ledger_acked(&ledger, BOB, 1, 2); /* a duplicate ack */
    ordo_ledger_acked(&ledger, ALICE, 5, 3);

    ordo_ledger_logged(&ledger, ALICE, 1, 1, OP("a"));
    ordo_ledger_logged(&ledger, BOB, 1, 2, OP("b"));
    ordo_ledger_logged(&ledger, ALICE, 5, 3, OP("c"));
    ordo_ledger_logged(&ledger, BOB, 9, 4, OP("d")); /* nobody was told of it before we looked */
    ordo_ledger_log_done(&ledger, 1, 4);

    assert_int_equal(ledger.violation_count, 0);
    assert_int_equal(ledger.acked_count, 3);
    ordo_ledger_finish(&ledger);
}

static void lost_ack_is_a_violation(void **state) {
    (void)state;
    struct ordo_ledger ledger = {0};
    ordo_ledger_acked(&ledger, ALICE, 1, 1);
    ordo_ledger_acked(&ledger, ALICE, 2, 2);

    ordo_ledger_logged(&ledger, ALICE, 1, 1, OP("a"));
    ordo_ledger_log_done(&ledger, 1, 1);

    assert_int_equal(ledger.violation_count, 1);
    ordo_ledger_finish(&ledger);
}

static void hole_in_the_log_is_a_violation(void **state) {
    (void)state;
    struct ordo_ledger ledger = {0};
    ordo_ledger_acked(&ledger, ALICE, 3, 3);

    ordo_ledger_logged(&ledger, ALICE, 1, 1, OP("a"));
    ordo_ledger_logged(&ledger, ALICE, 3, 3, OP("c"));
    ordo_ledger_log_done(&ledger, 1, 3);

    assert_int_equal(ledger.violation_count, 1);
    ordo_ledger_finish(&ledger);
}

static void op_acked_or_logged_at_two_places_is_a_violation(void **state) {
    (void)state;
    struct ordo_ledger acked = {0}, logged = {0};

    ordo_ledger_acked(&acked, ALICE, 1, 1);
    ordo_ledger_acked(&acked, ALICE, 1, 2);
    ordo_ledger_logged(&acked, ALICE, 1, 1, OP("a"));
    ordo_ledger_logged(&acked, BOB, 1, 2, OP("b"));
    ordo_ledger_log_done(&acked, 1, 2);
    assert_true(acked.violation_count > 0);

    ordo_ledger_acked(&logged, BOB, 1, 3); /* so that the ledger knows of places 1..3 */
    ordo_ledger_logged(&logged, ALICE, 1, 1, OP("a"));
    ordo_ledger_logged(&logged, ALICE, 1, 2, OP("a"));
    ordo_ledger_logged(&logged, BOB, 1, 3, OP("b"));
    ordo_ledger_log_done(&logged, 1, 3);
    assert_int_equal(logged.violation_count, 1);

    ordo_ledger_finish(&acked);
    ordo_ledger_finish(&logged);
}

static void two_ops_at_one_seq_are_a_violation(void **state) {
    (void)state;
    struct ordo_ledger ledger = {0};
    ordo_ledger_saw(&ledger, ALICE, 1, 1, OP("a"));
    assert_int_equal(ledger.violation_count, 0);

    ordo_ledger_saw(&ledger, BOB, 1, 1, OP("a"));

    assert_int_equal(ledger.violation_count, 1);
    ordo_ledger_finish(&ledger);
}

static void one_op_shown_in_two_forms_is_a_violation(void **state) {
    (void)state;
    struct ordo_ledger ledger = {0};
    ordo_ledger_saw(&ledger, ALICE, 1, 1, OP("a"));

    ordo_ledger_logged(&ledger, ALICE, 1, 1, OP("b"));

    assert_int_equal(ledger.violation_count, 1);
    ordo_ledger_finish(&ledger);
}

static void impossible_seqs_are_violations_and_cost_no_memory(void **state) {
    (void)state;
    struct ordo_ledger ledger = {0};

    ordo_ledger_acked(&ledger, ALICE, 1, 0);
    ordo_ledger_saw(&ledger, ALICE, 1, UINT64_C(1) << 50, OP("a"));

    assert_int_equal(ledger.violation_count, 2);
    assert_int_equal(ledger.capacity, 0);
    ordo_ledger_finish(&ledger);
}

/* --- /proc ------------------------------------------------------------------------------------------------------- */

static void stat_line_is_read_whatever_the_name_holds(void **state) {
    (void)state;
    static const char stat[] = "42 (a) R 1 (b) S 7 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 98765 1 2 3";
    pid_t parent;
    uint64_t ticks, start;

    assert_true(ordo_proc_stat_parse(stat, &parent, &ticks, &start));

    assert_int_equal(parent, 7);
    assert_int_equal(ticks, 300);
    assert_int_equal(start, 98765);
    assert_false(ordo_proc_stat_parse("nothing", &parent, &ticks, &start));
    assert_false(ordo_proc_stat_parse("42 (a) S 7", &parent, &ticks, &start));
}

static void own_process_is_seen(void **state) {
    (void)state;
    struct ordo_proc self = ordo_proc_self();

    assert_int_equal(self.pid, getpid());
    assert_true(self.rss_size > 100 * 1024);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_is_read_with_all_its_patches),
        cmocka_unit_test(gzipped_and_plain_files_are_read_alike_and_a_cut_one_is_refused),
        cmocka_unit_test(what_is_no_trace_is_refused_with_a_sentence),
        cmocka_unit_test(edits_always_fit_and_the_text_stays_near_its_target),
        cmocka_unit_test(typist_copes_with_a_text_that_others_shorten),
        cmocka_unit_test(honest_history_is_not_complained_about),
        cmocka_unit_test(lost_ack_is_a_violation),
        cmocka_unit_test(hole_in_the_log_is_a_violation),
        cmocka_unit_test(op_acked_or_logged_at_two_places_is_a_violation),
        cmocka_unit_test(two_ops_at_one_seq_are_a_violation),
        cmocka_unit_test(one_op_shown_in_two_forms_is_a_violation),
        cmocka_unit_test(impossible_seqs_are_violations_and_cost_no_memory),
        cmocka_unit_test(stat_line_is_read_whatever_the_name_holds),
        cmocka_unit_test(own_process_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
