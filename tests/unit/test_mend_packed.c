/* Documents with packed history whose rows are lost and come back in every mixture: what is left leads as far as any way through
 * it does, reads as it was, and goes on like a document that was never damaged. */
#include "shard_world.h"

#include "common/random.h"
#include "shard/core/mend.h"
#include "shard/core/op_log.h"
#include "shard/core/replay.h"
#include "shard/core/verify.h"

enum { SEEDS = 300, LETTERS = 160, SEQ_MAX = 400, ROWS_MAX = 2000 };

static const enum ordo_cf families[] = {ORDO_CF_OPS, ORDO_CF_HISTORY, ORDO_CF_SNAPSHOTS};

/* A row that the store has, or once had. */
struct row {
    enum ordo_cf cf;
    uint64_t seq;
    uint64_t first, next; /* the ops in it, of a run or a block */
    struct ordo_buffer key, value;
    bool is_there;
};

struct fixture {
    struct world *w;
    struct ordo_prng random;
    struct ordo_buffer doc_key, end_key;
    struct row rows[ROWS_MAX];
    size_t row_count;
    struct ordo_buffer ops[SEQ_MAX]; /* by seq, as they were committed */
    uint64_t op_count;
    uint64_t head;
};

static struct ordo_slice doc(struct fixture *fixture) { return ordo_buffer_slice(&fixture->doc_key); }

static bool happens(struct fixture *fixture, uint64_t percent) { return ordo_prng_below(&fixture->random, 100) < percent; }

/* ---- a document, and every row that it ever had */

static void note_extent(struct row *row) {
    struct ordo_block_info info;
    struct ordo_run run;
    struct ordo_slice key = ordo_buffer_slice(&row->key), value = ordo_buffer_slice(&row->value);
    if (row->cf == ORDO_CF_OPS) {
        assert_int_equal(ordo_run_open(key, value, &run), ORDO_OK);
        row->first = run.first_seq;
        row->next = run.first_seq + run.count;
    } else if (row->cf == ORDO_CF_HISTORY) {
        assert_int_equal(ordo_block_look(key, value, &info), ORDO_OK);
        row->first = info.first_seq;
        row->next = info.first_seq + info.count;
    }
}

static void note_row(struct fixture *fixture, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value) {
    for (size_t i = 0; i < fixture->row_count; i++) {
        struct row *row = &fixture->rows[i];
        if (row->cf != cf || !ordo_slice_equal(ordo_buffer_slice(&row->key), key)) continue;
        row->is_there = ordo_slice_equal(ordo_buffer_slice(&row->value), value);
        if (row->is_there) return;
    }
    assert_true(fixture->row_count < ROWS_MAX);
    struct row *row = &fixture->rows[fixture->row_count++];
    struct ordo_key parsed;
    *row = (struct row){.cf = cf, .is_there = true};
    ordo_buffer_append_slice(&row->key, key);
    ordo_buffer_append_slice(&row->value, value);
    assert_true(ordo_key_parse(key, &parsed) && parsed.rest.size >= 8);
    struct ordo_reader reader = ordo_reader(parsed.rest);
    assert_true(ordo_take_u64_be(&reader, &row->seq));
    note_extent(row);
}

static void note_rows(struct fixture *fixture) {
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    for (size_t i = 0; i < fixture->row_count; i++) fixture->rows[i].is_there = false;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct ordo_iterator *iterator =
            view->ops->iterate(view, families[i], doc(fixture), ordo_buffer_slice(&fixture->end_key));
        for (bool has = iterator->ops->seek(iterator, doc(fixture)); has; has = iterator->ops->next(iterator))
            note_row(fixture, families[i], iterator->ops->key(iterator), iterator->ops->value(iterator));
        assert_int_equal(ordo_iterator_end(iterator), ORDO_OK);
    }
    fixture->w->store->ops->view_close(view);
}

static void read_ops(struct fixture *fixture, uint64_t from, void (*visit)(struct fixture *fixture, const struct ordo_run_op *op)) {
    struct ordo_op_log log;
    struct ordo_run_op op;
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    ordo_op_log_open(&log, view, doc(fixture), from);
    ordo_err err;
    while (!(err = ordo_op_log_next(&log, &op))) visit(fixture, &op);
    assert_int_equal(err, ORDO_ERR_NOT_FOUND);
    ordo_op_log_close(&log);
    fixture->w->store->ops->view_close(view);
}

static void keep_op(struct fixture *fixture, const struct ordo_run_op *op) {
    uint64_t seq = op->op.server_seq;
    assert_true(seq < SEQ_MAX && seq == fixture->op_count + 1);
    fixture->op_count = seq;
    ordo_buffer_clear(&fixture->ops[seq]);
    ordo_buffer_append_slice(&fixture->ops[seq], op->committed);
}

/* Two clients in turn; some turns commit several ops. */
static void type(struct fixture *fixture, uint64_t count) {
    struct world *w = fixture->w;
    for (uint64_t end = fixture->head + count; fixture->head < end;) {
        for (uint64_t n = 1 + ordo_prng_below(&fixture->random, 5); n > 0 && fixture->head < end; n--, fixture->head++) {
            char letter[] = {(char)('a' + fixture->head % 26), 0};
            say_insert(w, 0, 1 + fixture->head % 2, fixture->head, fixture->head, 0, letter);
        }
        world_turn(w);
        world_forget_told(&w->gateways[0]);
        read_ops(fixture, fixture->op_count + 1, keep_op);
        world_pass(w, happens(fixture, 10) ? 2000 : 20);
        note_rows(fixture);
    }
}

static void open_both(struct fixture *fixture) {
    open_doc(fixture->w, 0, 1, "a", "client-a");
    open_doc(fixture->w, 0, 2, "a", "client-b");
}

static void write_document(struct fixture *fixture, uint64_t seed) {
    struct world *w = fixture->w = world_create();
    ordo_prng_init(&fixture->random, seed);
    w->config.snapshot_log_size_min = 600;
    w->config.log_ops = 10;
    w->config.log_age_ms = 0;
    w->config.truncate_ops_min = 1;
    w->config.history_block_ops = 8 + (uint32_t)ordo_prng_below(&fixture->random, 40);
    w->config.retention.ops = happens(fixture, 50) ? UINT64_MAX : 60;
    w->config.retention.age_ms = w->config.retention.ops == UINT64_MAX ? UINT64_MAX : 0;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    ordo_key_doc(&fixture->doc_key, ordo_slice_of("docs"), ordo_slice_of("a"));
    ordo_key_doc_end(&fixture->end_key, doc(fixture));
    open_both(fixture);
    fixture->head = 1;
    type(fixture, LETTERS);
}

static void finish(struct fixture *fixture) {
    world_destroy(fixture->w);
    for (size_t i = 0; i < fixture->row_count; i++) {
        ordo_buffer_finish(&fixture->rows[i].key);
        ordo_buffer_finish(&fixture->rows[i].value);
    }
    for (size_t i = 0; i < SEQ_MAX; i++) ordo_buffer_finish(&fixture->ops[i]);
    ordo_buffer_finish(&fixture->doc_key);
    ordo_buffer_finish(&fixture->end_key);
    free(fixture);
}

/* ---- damage */

/* Of each row there may be several values, but one counts. */
static void set_row(struct fixture *fixture, struct row *row, bool is_there) {
    struct ordo_batch batch = {0};
    if (is_there) ordo_batch_put(&batch, row->cf, ordo_buffer_slice(&row->key), ordo_buffer_slice(&row->value));
    else ordo_batch_delete(&batch, row->cf, ordo_buffer_slice(&row->key));
    for (size_t i = 0; i < fixture->row_count; i++) {
        struct row *other = &fixture->rows[i];
        if (other->cf == row->cf && ordo_slice_equal(ordo_buffer_slice(&other->key), ordo_buffer_slice(&row->key)))
            other->is_there = false;
    }
    row->is_there = is_there;
    assert_int_equal(fixture->w->store->ops->write(fixture->w->store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
}

static void damage(struct fixture *fixture) {
    uint64_t lost[ORDO_CF_COUNT], back[ORDO_CF_COUNT];
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        static const uint64_t shares[] = {0, 0, 5, 20, 60, 100}; /* of a hundred rows */
        lost[families[i]] = shares[ordo_prng_below(&fixture->random, 6)];
        back[families[i]] = shares[ordo_prng_below(&fixture->random, 6)];
    }
    for (size_t i = 0; i < fixture->row_count; i++) {
        struct row *row = &fixture->rows[i];
        if (happens(fixture, row->is_there ? lost[row->cf] : back[row->cf])) set_row(fixture, row, !row->is_there);
    }
}

/* ---- what must be left */

/* The last run or block that holds the op. */
static const struct row *holder(const struct fixture *fixture, enum ordo_cf cf, uint64_t seq) {
    const struct row *best = NULL;
    for (size_t i = 0; i < fixture->row_count; i++) {
        const struct row *row = &fixture->rows[i];
        bool holds = row->is_there && row->cf == cf && row->first <= seq && seq < row->next;
        if (holds && (best == NULL || row->first > best->first)) best = row;
    }
    return best;
}

/* A snapshot is whole if its piece and its record are there. */
static bool has_snapshot(const struct fixture *fixture, uint64_t seq) {
    size_t rows = 0;
    for (size_t i = 0; i < fixture->row_count; i++) {
        const struct row *row = &fixture->rows[i];
        if (row->is_there && row->cf == ORDO_CF_SNAPSHOTS && row->seq == seq) rows++;
    }
    return rows == 2;
}

/* Where the last run ends, nobody looks for a block. */
static uint64_t expected_end(const struct fixture *fixture) {
    uint64_t end = 0, log_end = 0;
    for (size_t i = 0; i < fixture->row_count; i++) {
        const struct row *row = &fixture->rows[i];
        if (row->is_there && row->cf == ORDO_CF_OPS && row->next > log_end) log_end = row->next;
    }
    for (uint64_t start = 0; start <= fixture->head; start++) {
        if (start > 0 && !has_snapshot(fixture, start)) continue;
        uint64_t seq = start;
        const struct row *next;
        while ((next = holder(fixture, ORDO_CF_OPS, seq + 1)) != NULL ||
               (seq + 1 != log_end && (next = holder(fixture, ORDO_CF_HISTORY, seq + 1)) != NULL))
            seq = next->next - 1;
        if (seq > end) end = seq;
    }
    return end;
}

static struct ordo_mended mend(struct fixture *fixture) {
    struct ordo_mended mended;
    struct ordo_batch batch = {0};
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    const struct ordo_mend_hints hints = {.lineage = 4711};
    assert_int_equal(ordo_mend(view, doc(fixture), &hints, &batch, &mended), ORDO_OK);
    fixture->w->store->ops->view_close(view);
    assert_int_equal(fixture->w->store->ops->write(fixture->w->store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    return mended;
}

static void print_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    print_message("finding at %ju: %s\n", (uintmax_t)finding->seq, finding->text);
}

static void assert_no_findings(struct fixture *fixture) {
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    struct ordo_verify_counts counts = ordo_verify(view, print_finding, NULL);
    fixture->w->store->ops->view_close(view);
    assert_int_equal(counts.findings, 0);
}

static void compare_op(struct fixture *fixture, const struct ordo_run_op *op) {
    uint64_t seq = op->op.server_seq;
    assert_true(ordo_slice_equal(op->committed, ordo_buffer_slice(&fixture->ops[seq])));
}

static void assert_history(struct fixture *fixture, uint64_t history_seq) {
    struct ordo_view *view = fixture->w->store->ops->view_open(fixture->w->store);
    struct ordo_buffer value = {0};
    struct ordo_doc_row row = {0};
    if (!view->ops->get(view, ORDO_CF_DOCS, doc(fixture), &value))
        assert_int_equal(ordo_doc_row_decode(doc(fixture), ordo_buffer_slice(&value), &row), ORDO_OK);
    assert_int_equal(row.history_seq, history_seq);
    fixture->w->store->ops->view_close(view);
    ordo_buffer_finish(&value);
    read_ops(fixture, history_seq + 1, compare_op);
}

static void assert_goes_on(struct fixture *fixture, const struct ordo_mended *mended) {
    struct world *w = fixture->w;
    char expected[SEQ_MAX] = {0};
    for (uint64_t i = 0; i + 1 < mended->end_seq; i++) expected[i] = (char)('a' + (mended->end_seq - 1 - i) % 26);
    w->config.retention = (struct ordo_retention){.ops = UINT64_MAX, .age_ms = UINT64_MAX};
    world_crash(w);
    gateway_connect(w, 0);
    open_both(fixture);
    assert_text(w, 0, 9, "a", expected);
    uint64_t end = fixture->head = fixture->op_count = mended->end_seq, notes = w->note_count;
    type(fixture, 80);
    world_pass(w, 61000);
    if (w->note_count > notes) print_message("%s\n", w->last_note);
    assert_int_equal(w->note_count, notes);
    for (size_t i = 0; i < fixture->row_count; i++)
        if (fixture->rows[i].is_there && fixture->rows[i].cf == ORDO_CF_OPS) assert_true(fixture->rows[i].first > end);
}

static void whatever_is_lost_and_comes_back(void **state) {
    (void)state;
    uint64_t lost = 0, shorter = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        write_document(fixture, seed);
        damage(fixture);
        uint64_t end = expected_end(fixture);
        struct ordo_mended mended = mend(fixture);
        print_message("seed %ju: end %ju of %ju, log from %ju, history behind %ju\n", (uintmax_t)seed, (uintmax_t)end,
                      (uintmax_t)fixture->head, (uintmax_t)mended.first_seq, (uintmax_t)mended.history_seq);
        assert_int_equal(mended.end_seq, end);
        if (end == 0) {
            assert_int_equal(mended.outcome, ORDO_MEND_LOST);
            lost++;
        } else {
            shorter += end < fixture->head;
            assert_no_findings(fixture);
            assert_history(fixture, mended.history_seq);
            assert_goes_on(fixture, &mended);
            assert_no_findings(fixture);
            assert_history(fixture, mended.history_seq);
        }
        finish(fixture);
    }
    assert_in_range(lost, 1, SEEDS / 2);
    assert_in_range(shorter, SEEDS / 10, SEEDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_is_lost_and_comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
