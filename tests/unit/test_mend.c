/* What of a damaged document is served: a beginning of what it was, under a lineage of its own, or nothing at all. */
#include "shard_world.h"

#include "common/hash.h"
#include "shard/core/damage.h"
#include "shard/core/job_impl.h"
#include "shard/core/key.h"
#include "shard/core/mend.h"
#include "shard/core/replay.h"
#include "shard/core/row_age.h"
#include "shard/core/rows.h"
#include "shard/core/verify.h"

enum { FRESH = 4711 };

/* Document "a": a create and 39 letters, each in a run of its own, with two snapshots; "b": a create and a letter. */
struct fixture {
    struct world *w;
    struct ordo_buffer doc_key;
    uint64_t lineage, snapshots[2]; /* older, newer */
    struct ordo_mended mended;
};

static struct ordo_slice doc(struct fixture *fixture, const char *id) {
    ordo_key_doc(&fixture->doc_key, ordo_slice_of("docs"), ordo_slice_of(id));
    return ordo_buffer_slice(&fixture->doc_key);
}

static void find_snapshots(struct fixture *fixture) {
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    struct ordo_snapshot_row row = {.seq = UINT64_MAX};
    for (int i = 1; i >= 0; i--) {
        assert_int_equal(ordo_snapshot_find(view, doc(fixture, "a"), row.seq - 1, &row), ORDO_OK);
        fixture->snapshots[i] = row.seq;
    }
    fixture->lineage = row.lineage;
    fixture->w->store->ops->view_close(view);
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct world *w = fixture->w = world_create();
    gateway_connect(w, 0);
    w->config.snapshot_log_size_min = 600;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "b", "client-b");
    for (uint64_t seq = 1; seq < 40; seq++) {
        char letter[2] = {(char)('a' + seq % 26), 0};
        say_insert(w, 0, 1, seq, seq, 0, letter);
        world_turn(w);
        world_forget_told(&w->gateways[0]);
        world_pass(w, 20);
    }
    say_insert(w, 0, 2, 1, 1, 0, "b");
    world_pass(w, 100);
    world_forget_told(&w->gateways[0]);
    find_snapshots(fixture);
    assert_true(fixture->snapshots[0] > 4 && fixture->snapshots[1] < 39);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    world_destroy(fixture->w);
    ordo_buffer_finish(&fixture->doc_key);
    free(fixture);
    return 0;
}

/* Carries the batch out, and ends it. */
static void write_batch(struct fixture *fixture, struct ordo_batch *batch) {
    assert_int_equal(fixture->w->store->ops->write(fixture->w->store, batch, true), ORDO_OK);
    ordo_batch_finish(batch);
}

static void put(struct fixture *fixture, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_batch batch = {0};
    ordo_batch_put(&batch, cf, key, value);
    write_batch(fixture, &batch);
}

static void drop(struct fixture *fixture, enum ordo_cf cf, struct ordo_slice key) {
    struct ordo_batch batch = {0};
    ordo_batch_delete(&batch, cf, key);
    write_batch(fixture, &batch);
}

static void drop_run(struct fixture *fixture, uint64_t seq) {
    struct ordo_buffer key = {0};
    ordo_key_ops(&key, doc(fixture, "a"), seq);
    drop(fixture, ORDO_CF_OPS, ordo_buffer_slice(&key));
    ordo_buffer_finish(&key);
}

static void drop_runs(struct fixture *fixture, uint64_t from, uint64_t to) {
    for (uint64_t seq = from; seq <= to; seq++) drop_run(fixture, seq);
}

static void drop_snapshot(struct fixture *fixture, uint64_t seq) {
    struct ordo_buffer key = {0};
    ordo_key_snapshot(&key, doc(fixture, "a"), seq, 0);
    drop(fixture, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&key));
    ordo_buffer_finish(&key);
}

/* Mends "a", and carries it out. */
static void mend_with(struct fixture *fixture, struct ordo_mend_hints hints) {
    struct ordo_batch batch = {0};
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    hints.lineage = FRESH;
    assert_int_equal(ordo_mend(view, doc(fixture, "a"), &hints, &batch, &fixture->mended), ORDO_OK);
    fixture->w->store->ops->view_close(view);
    write_batch(fixture, &batch);
}

static void mend(struct fixture *fixture) { mend_with(fixture, (struct ordo_mend_hints){0}); }

static void note_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    print_message("finding at %ju: %s\n", (uintmax_t)finding->seq, finding->text);
}

static uint64_t finding_count(struct fixture *fixture) {
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    struct ordo_verify_counts counts = ordo_verify(view, note_finding, NULL);
    fixture->w->store->ops->view_close(view);
    return counts.findings;
}

/* Starts the shard anew: "a" is served with its first `seq` ops, under that lineage. */
static void assert_served(struct fixture *fixture, uint64_t seq, uint64_t lineage) {
    struct world *w = fixture->w;
    char expected[64] = {0};
    for (uint64_t i = 0; i + 1 < seq; i++) expected[i] = (char)('a' + (seq - 1 - i) % 26);
    world_crash(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 1, "a", "client-z");
    assert_int_equal(attached->head, seq);
    assert_int_equal(attached->lineage, lineage);
    assert_text(w, 0, 9, "a", expected);
}

static void a_whole_document_stays_as_it_is(void **state) {
    struct fixture *fixture = *state;
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_WHOLE);
    assert_false(fixture->mended.is_relineaged);
    assert_int_equal(finding_count(fixture), 0);
    assert_served(fixture, 40, fixture->lineage);
}

static void a_hole_behind_the_snapshots_shortens_it(void **state) {
    struct fixture *fixture = *state;
    drop_run(fixture, 39);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_SHORT);
    assert_int_equal(fixture->mended.end_seq, 38);
    assert_int_equal(fixture->mended.known_seq, 40);
    assert_int_equal(finding_count(fixture), 0);
    assert_served(fixture, 38, FRESH);
}

static void what_may_have_lost_its_end_gets_a_new_lineage(void **state) {
    struct fixture *fixture = *state;
    mend_with(fixture, (struct ordo_mend_hints){.may_lack_ops = true});
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_UNSURE);
    assert_int_equal(finding_count(fixture), 0);
    assert_served(fixture, 40, FRESH);
}

static void a_row_that_does_not_read_tells_by_its_key_how_far_it_went(void **state) {
    struct fixture *fixture = *state;
    mend_with(fixture, (struct ordo_mend_hints){.seen_seq = 41});
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_SHORT);
    assert_int_equal(fixture->mended.known_seq, 41);
    assert_served(fixture, 40, FRESH);
}

static void a_hole_before_the_newest_snapshot_costs_history_and_no_content(void **state) {
    struct fixture *fixture = *state;
    drop_runs(fixture, 3, 4);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_WHOLE);
    assert_true(fixture->mended.has_lost_history);
    assert_int_equal(fixture->mended.first_seq, 5);
    assert_int_equal(fixture->mended.history_seq, fixture->snapshots[0]); /* what is before it has nothing to be applied to */
    assert_served(fixture, 40, fixture->lineage);
}

/* `bytes` is what the row borrows from. */
static struct ordo_doc_row row_of(struct fixture *fixture, struct ordo_buffer *bytes) {
    struct ordo_doc_row row;
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    assert_int_equal(view->ops->get(view, ORDO_CF_DOCS, doc(fixture, "a"), bytes), ORDO_OK);
    fixture->w->store->ops->view_close(view);
    assert_int_equal(ordo_doc_row_decode(doc(fixture, "a"), ordo_buffer_slice(bytes), &row), ORDO_OK);
    return row;
}

static void set_horizon(struct fixture *fixture, uint64_t horizon) {
    struct ordo_buffer bytes = {0}, value = {0};
    struct ordo_doc_row row = row_of(fixture, &bytes);
    row.horizon = horizon;
    ordo_doc_row_encode(&value, doc(fixture, "a"), &row);
    put(fixture, ORDO_CF_DOCS, doc(fixture, "a"), ordo_buffer_slice(&value));
    ordo_buffer_finish(&bytes);
    ordo_buffer_finish(&value);
}

/* Truncation would delete as packed what is packed nowhere. */
static void runs_in_the_place_of_a_lost_block_are_before_the_horizon_no_more(void **state) {
    struct fixture *fixture = *state;
    struct ordo_buffer bytes = {0};
    set_horizon(fixture, fixture->snapshots[0]);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_WHOLE);
    assert_int_equal(fixture->mended.first_seq, 1);
    assert_int_equal(row_of(fixture, &bytes).horizon, 0);
    assert_int_equal(finding_count(fixture), 0);
    ordo_buffer_finish(&bytes);
}

static void without_its_snapshots_the_log_is_enough(void **state) {
    struct fixture *fixture = *state;
    drop_snapshot(fixture, fixture->snapshots[0]);
    drop_snapshot(fixture, fixture->snapshots[1]);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_WHOLE);
    assert_int_equal(finding_count(fixture), 0);
    assert_served(fixture, 40, fixture->lineage);
}

static void without_snapshots_a_hole_ends_it(void **state) {
    struct fixture *fixture = *state;
    drop_snapshot(fixture, fixture->snapshots[0]);
    drop_snapshot(fixture, fixture->snapshots[1]);
    drop_run(fixture, 3);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_SHORT);
    assert_int_equal(fixture->mended.end_seq, 2);
    assert_int_equal(finding_count(fixture), 0);
    assert_served(fixture, 2, FRESH);
}

static void without_its_beginning_a_snapshot_is_enough(void **state) {
    struct fixture *fixture = *state;
    drop_runs(fixture, 1, 40);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_WHOLE);
    assert_int_equal(fixture->mended.end_seq, fixture->snapshots[1]);
    assert_true(fixture->mended.has_lost_history);
    assert_served(fixture, fixture->snapshots[1], fixture->lineage);
}

static void where_nothing_is_left_opening_fails_for_ever_and_by_name(void **state) {
    struct fixture *fixture = *state;
    struct world *w = fixture->w;
    drop_snapshot(fixture, fixture->snapshots[0]);
    drop_snapshot(fixture, fixture->snapshots[1]);
    drop_run(fixture, 1);
    mend(fixture);
    assert_int_equal(fixture->mended.outcome, ORDO_MEND_LOST);
    assert_true(finding_count(fixture) > 0);
    for (int round = 0; round < 2; round++) {
        world_crash(w);
        gateway_connect(w, 0);
        Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
        say_attach(w, 0, &attach);
        world_turn(w);
        assert_int_equal(next_refused(w, 0)->code, 503);
        mend(fixture); /* once more: it stays lost */
        assert_int_equal(fixture->mended.outcome, ORDO_MEND_LOST);
    }
    assert_text(w, 0, 9, "b", "b");
}

static void a_lost_op_of_a_client_can_be_sent_again(void **state) {
    struct fixture *fixture = *state;
    struct world *w = fixture->w;
    drop_run(fixture, 40);
    mend_with(fixture, (struct ordo_mend_hints){.may_lack_ops = true});
    assert_int_equal(fixture->mended.end_seq, 39);
    world_crash(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 39, 39, 0, "!");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 40);
}

/* ---- names of which nothing is left */

static void put_quarantine(struct fixture *fixture, const char *low, const char *high) {
    struct ordo_buffer row = {0}, key = {0};
    struct ordo_quarantine_range range = {.low = ordo_slice(NULL, 0)};
    if (low != NULL) range.low = doc(fixture, low);
    if (high != NULL) {
        ordo_key_doc(&key, ordo_slice_of("docs"), ordo_slice_of(high));
        range.high = ordo_buffer_slice(&key);
    }
    ordo_quarantine_encode(&row, &range, 1);
    put(fixture, ORDO_CF_META, ordo_key_quarantine, ordo_buffer_slice(&row));
    ordo_buffer_finish(&row);
    ordo_buffer_finish(&key);
}

static void under_quarantine_only_what_has_rows_is_served(void **state) {
    struct fixture *fixture = *state;
    struct world *w = fixture->w;
    put_quarantine(fixture, NULL, NULL);
    world_crash(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "new", "client-a", "text");
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_refused(w, 0)->code, 503);
    open_doc(w, 0, 2, "a", "client-a");
}

static void outside_of_its_range_documents_are_made(void **state) {
    struct fixture *fixture = *state;
    struct world *w = fixture->w;
    put_quarantine(fixture, "b", "b");
    world_crash(w);
    gateway_connect(w, 0);
    assert_int_equal(open_doc(w, 0, 1, "new", "client-a")->head, 1);
}

/* ---- what a damaged table touched */

static void put_damage(struct fixture *fixture, const char *low, const char *high) {
    struct ordo_buffer row = {0}, key = {0};
    struct ordo_batch batch = {0};
    ordo_key_doc(&key, ordo_slice_of("docs"), ordo_slice_of(high));
    ordo_damage_add(&row, &(struct ordo_damage){ORDO_CF_OPS, doc(fixture, low), ordo_buffer_slice(&key)});
    ordo_batch_put(&batch, ORDO_CF_META, ordo_key_damage, ordo_buffer_slice(&row));
    assert_int_equal(fixture->w->store->ops->write(fixture->w->store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&row);
    ordo_buffer_finish(&key);
}

/* Its rows are all there, but nobody can know. */
static void a_document_that_may_lack_something_is_not_served(void **state) {
    struct fixture *fixture = *state;
    struct world *w = fixture->w;
    put_damage(fixture, "a", "a");
    world_crash(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_refused(w, 0)->code, 503);
    open_doc(w, 0, 2, "b", "client-b");
    assert_int_equal(open_doc(w, 0, 3, "new", "client-a")->head, 1);
}

/* Elsewhere nobody would know of the range. */
static void a_slot_with_such_a_document_does_not_move(void **state) {
    struct fixture *fixture = *state;
    put_damage(fixture, "a", "a");
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    static const char *const ids[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        struct ordo_job *job = ordo_job_create(ORDO_JOB_COPY, ordo_slice(NULL, 0));
        job->copy.slot = ordo_slot_of(ordo_slice_of("docs"), ordo_slice_of(ids[i]));
        job->copy.cf = ORDO_CF_META + 1;
        job->copy.size_max = 1024 * 1024;
        ordo_job_run(job, view);
        assert_int_equal(job->err, i == 0 ? ORDO_ERR_CORRUPT : ORDO_OK);
        assert_true((job->copy.rows.size > 0) == (i == 1));
        ordo_job_destroy(job);
    }
    fixture->w->store->ops->view_close(view);
}

static void of_two_values_of_a_row_the_later_one_is_known(void **state) {
    struct fixture *fixture = *state;
    struct ordo_slice key = doc(fixture, "a");
    struct ordo_buffer older = {0}, later = {0};
    struct ordo_doc_row row = {.type = ordo_slice_of("text"), .head = 7, .horizon = 2};
    ordo_doc_row_encode(&older, key, &row);
    row.horizon = 3; /* truncation writes it again with the same head */
    ordo_doc_row_encode(&later, key, &row);
    struct ordo_slice a = ordo_buffer_slice(&older), b = ordo_buffer_slice(&later), bad = ordo_slice(b.data, b.size - 1);
    assert_true(ordo_row_is_later(ORDO_CF_DOCS, key, b, a));
    assert_false(ordo_row_is_later(ORDO_CF_DOCS, key, a, b));
    assert_false(ordo_row_is_later(ORDO_CF_DOCS, key, a, a));
    assert_true(ordo_row_is_later(ORDO_CF_DOCS, key, a, bad));
    assert_false(ordo_row_is_later(ORDO_CF_DOCS, key, bad, a));
    ordo_buffer_finish(&older);
    ordo_buffer_finish(&later);
}

#define WITH_DOCUMENT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DOCUMENT(a_whole_document_stays_as_it_is),
        WITH_DOCUMENT(a_hole_behind_the_snapshots_shortens_it),
        WITH_DOCUMENT(what_may_have_lost_its_end_gets_a_new_lineage),
        WITH_DOCUMENT(a_row_that_does_not_read_tells_by_its_key_how_far_it_went),
        WITH_DOCUMENT(a_hole_before_the_newest_snapshot_costs_history_and_no_content),
        WITH_DOCUMENT(runs_in_the_place_of_a_lost_block_are_before_the_horizon_no_more),
        WITH_DOCUMENT(without_its_snapshots_the_log_is_enough),
        WITH_DOCUMENT(without_snapshots_a_hole_ends_it),
        WITH_DOCUMENT(without_its_beginning_a_snapshot_is_enough),
        WITH_DOCUMENT(where_nothing_is_left_opening_fails_for_ever_and_by_name),
        WITH_DOCUMENT(a_lost_op_of_a_client_can_be_sent_again),
        WITH_DOCUMENT(under_quarantine_only_what_has_rows_is_served),
        WITH_DOCUMENT(outside_of_its_range_documents_are_made),
        WITH_DOCUMENT(a_document_that_may_lack_something_is_not_served),
        WITH_DOCUMENT(a_slot_with_such_a_document_does_not_move),
        WITH_DOCUMENT(of_two_values_of_a_row_the_later_one_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
