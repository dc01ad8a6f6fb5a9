/* Levels of the format: what is written at which, what notes it, and what is read. */
#include "shard_world.h"

#include "common/format.h"
#include "shard/core/verify.h"

static int setup(void **state) {
    struct world *w = world_create();
    w->config.snapshot_log_size_min = 1000;
    world_crash(w);
    gateway_connect(w, 0);
    *state = w;
    return 0;
}
static int teardown(void **state) {
    world_destroy(*state);
    return 0;
}

static void hear_of_level(struct world *w, uint32_t level) {
    static const struct ordo_placement nothing;
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_PLACEMENT);
    event.placement.placement = &nothing;
    event.placement.format = level;
    world_step(w, event);
}

/* What the store says of itself; 0: nothing. */
static uint64_t level_on_disk(const struct world *w) {
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_buffer value = {0};
    uint64_t level = 0;
    if (view->ops->get(view, ORDO_CF_META, ordo_key_format, &value) == ORDO_OK)
        assert_int_equal(ordo_format_row_decode(ordo_buffer_slice(&value), &level), ORDO_OK);
    ordo_buffer_finish(&value);
    w->store->ops->view_close(view);
    return level;
}

/* The newest snapshot's record, with its key. False: there is none. */
static bool newest_record(const struct world *w, struct ordo_buffer *key, struct ordo_snapshot_row *row) {
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_iterator *rows = view->ops->iterate(view, ORDO_CF_SNAPSHOTS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    bool found = false;
    for (bool has = rows->ops->seek(rows, ordo_slice(NULL, 0)); has; has = rows->ops->next(rows)) {
        struct ordo_slice at = rows->ops->key(rows);
        if (at.data[at.size - 1] != 0xff) continue; /* a piece */
        assert_int_equal(ordo_snapshot_row_decode(at, rows->ops->value(rows), row), ORDO_OK);
        row->type = ordo_slice_of("text");
        ordo_buffer_clear(key);
        ordo_buffer_append_slice(key, at);
        found = true;
    }
    rows->ops->close(rows);
    w->store->ops->view_close(view);
    return found;
}

/* Until there is a snapshot; the document ends as that many "x". Returns the next client_seq, which is one less than the head's next. */
static uint64_t type_until_snapshot(struct world *w, uint64_t client_seq) {
    uint64_t before = ordo_shard_stats(w->shard).snapshots;
    while (ordo_shard_stats(w->shard).snapshots == before) {
        assert_true(client_seq < 1000);
        say_insert(w, 0, 1, client_seq, client_seq, 0, "x");
        world_turn(w);
        world_pass(w, 20);
        client_seq++;
    }
    return client_seq;
}

static void a_store_of_the_first_level_gets_records_of_that(void **state) {
    struct world *w = *state;
    struct ordo_buffer key = {0};
    struct ordo_snapshot_row row;
    open_doc(w, 0, 1, "a", "client-a");
    hear_of_level(w, 0); /* not known */
    hear_of_level(w, ORDO_FORMAT_MIN);
    type_until_snapshot(w, 1);
    assert_int_equal(level_on_disk(w), 0);
    assert_true(newest_record(w, &key, &row));
    assert_false(row.has_hash);
    ordo_buffer_finish(&key);
}

static void a_raised_level_is_noted_before_anything_is_written_at_it(void **state) {
    struct world *w = *state;
    struct ordo_buffer key = {0};
    struct ordo_snapshot_row row;
    open_doc(w, 0, 1, "a", "client-a");
    hear_of_level(w, ORDO_FORMAT_CONTENT_HASH);
    world_turn(w);
    assert_int_equal(level_on_disk(w), ORDO_FORMAT_CONTENT_HASH);
    hear_of_level(w, ORDO_FORMAT_MIN); /* never down */
    uint64_t next = type_until_snapshot(w, 1);
    assert_true(newest_record(w, &key, &row));
    assert_true(row.has_hash);
    assert_true(row.content_hash != 0);
    world_crash(w);
    gateway_connect(w, 0);
    char text[1001] = {0};
    memset(text, 'x', next - 1);
    assert_text(w, 0, 9, "a", text);
    assert_null(strstr(w->last_note, "damaged"));
    ordo_buffer_finish(&key);
}

static void a_level_that_is_not_known_is_not_taken(void **state) {
    struct world *w = *state;
    hear_of_level(w, ordo_format_max() + 1);
    world_turn(w);
    assert_non_null(strstr(w->last_note, "event=format_unknown"));
    assert_int_equal(level_on_disk(w), 0);
}

static void found(void *context, const struct ordo_finding *finding) {
    const char **text = context;
    *text = finding->text;
}

static void pieces_that_are_not_what_was_written_are_passed_over(void **state) {
    struct world *w = *state;
    struct ordo_buffer key = {0}, value = {0};
    struct ordo_snapshot_row row;
    struct ordo_batch batch = {0};
    const char *finding = NULL;
    open_doc(w, 0, 1, "a", "client-a");
    hear_of_level(w, ORDO_FORMAT_CONTENT_HASH);
    uint64_t next = type_until_snapshot(w, 1);
    assert_true(newest_record(w, &key, &row));
    row.content_hash ^= 1; /* each piece is whole, and so is the record */
    ordo_snapshot_row_encode(&value, ordo_buffer_slice(&key), &row);
    ordo_batch_put(&batch, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    world_crash(w);
    gateway_connect(w, 0);
    char text[1001] = {0};
    memset(text, 'x', next - 1);
    assert_text(w, 0, 9, "a", text); /* out of the log */
    assert_non_null(strstr(w->last_note, "event=snapshot_damaged doc=docs/a"));
    struct ordo_view *view = w->store->ops->view_open(w->store);
    assert_int_equal(ordo_verify(view, found, &finding).findings, 1);
    assert_string_equal(finding, "a snapshot's record has another hash than its content");
    w->store->ops->view_close(view);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

/* ---- hashes of texts */

struct hashes {
    uint64_t seqs[64], values[64];
    size_t count;
};
static void keep_hash(void *context, const struct ordo_content_hash *hash) {
    struct hashes *hashes = context;
    assert_true(hashes->count < 64 && ordo_slice_equal(hash->id, ordo_slice_of("a")));
    hashes->seqs[hashes->count] = hash->seq;
    hashes->values[hashes->count++] = hash->hash;
}
static void no_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    fail_msg("%s", finding->text);
}

static void texts_are_hashed_at_every_so_many_ops_and_at_the_head(void **state) {
    struct world *w = *state;
    struct hashes first = {0}, second = {0};
    const struct ordo_hashing hashing = {.every = 4, .hashed = keep_hash};
    open_doc(w, 0, 1, "a", "client-a");
    for (uint64_t i = 1; i < 10; i++) say_insert(w, 0, 1, i, i, 0, "x");
    world_turn(w);
    struct ordo_view *view = w->store->ops->view_open(w->store);
    (void)ordo_verify_hashing(view, no_finding, &hashing, &first);
    w->store->ops->view_close(view);
    assert_int_equal(first.count, 3);
    assert_true(first.seqs[0] == 4 && first.seqs[1] == 8 && first.seqs[2] == 10);
    assert_true(first.values[0] != first.values[1] && first.values[1] != first.values[2]);
    for (uint64_t i = 10; i < 13; i++) say_insert(w, 0, 1, i, i, 0, "y");
    world_turn(w);
    view = w->store->ops->view_open(w->store);
    (void)ordo_verify_hashing(view, no_finding, &hashing, &second);
    w->store->ops->view_close(view);
    assert_int_equal(second.count, 4);
    assert_true(second.seqs[3] == 13 && second.values[0] == first.values[0] && second.values[1] == first.values[1]);
}

/* ---- codecs */

static void records_of_both_levels_read(void **state) {
    (void)state;
    struct ordo_buffer value = {0};
    struct ordo_slice key = ordo_slice_of("k");
    struct ordo_snapshot_row row = {1, ordo_slice_of("text"), 2, 3, 4, 5, 6, 7, 8}, back;
    for (int has_hash = 0; has_hash < 2; has_hash++) {
        row.has_hash = has_hash;
        row.content_hash = has_hash ? UINT64_C(0x0123456789abcdef) : 0;
        ordo_snapshot_row_encode(&value, key, &row);
        assert_int_equal(value.data[0], 1 + has_hash);
        assert_int_equal(ordo_snapshot_row_decode(key, ordo_buffer_slice(&value), &back), ORDO_OK);
        assert_true(back.has_hash == row.has_hash && back.content_hash == row.content_hash && back.piece_count == 8);
    }
    value.data[5] ^= 1;
    assert_int_equal(ordo_snapshot_row_decode(key, ordo_buffer_slice(&value), &back), ORDO_ERR_CORRUPT);
    uint64_t level;
    ordo_format_row_encode(&value, 2);
    assert_int_equal(ordo_format_row_decode(ordo_buffer_slice(&value), &level), ORDO_OK);
    assert_int_equal(level, 2);
    value.data[1] ^= 1;
    assert_int_equal(ordo_format_row_decode(ordo_buffer_slice(&value), &level), ORDO_ERR_CORRUPT);
    ordo_buffer_finish(&value);
}

static void content_hashes_depend_on_all_pieces_and_their_order(void **state) {
    (void)state;
    size_t size = 3 * ORDO_SNAPSHOT_PIECE_SIZE_MAX / 2;
    uint8_t *bytes = ordo_alloc(size);
    uint64_t before = ordo_snapshot_content_hash(ordo_slice(bytes, size));
    uint64_t by_pieces = ordo_snapshot_hash(0, ordo_slice(bytes, ORDO_SNAPSHOT_PIECE_SIZE_MAX));
    by_pieces = ordo_snapshot_hash(by_pieces, ordo_slice(bytes, size - ORDO_SNAPSHOT_PIECE_SIZE_MAX));
    assert_true(before == by_pieces);
    bytes[size - 1] = 1;
    assert_true(ordo_snapshot_content_hash(ordo_slice(bytes, size)) != before);
    bytes[size - 1] = 0;
    bytes[0] = 1;
    assert_true(ordo_snapshot_content_hash(ordo_slice(bytes, size)) != before);
    free(bytes);
}

static void content_is_cut_into_pieces_without_a_gap(void **state) {
    (void)state;
    const size_t limit = ORDO_SNAPSHOT_PIECE_SIZE_MAX;
    const size_t sizes[] = {0, 1, limit - 1, limit, limit + 1, 3 * limit};
    uint8_t *bytes = ordo_alloc(3 * limit);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ordo_slice content = ordo_slice(bytes, sizes[i]);
        uint32_t count = ordo_snapshot_piece_count(sizes[i]);
        size_t offset = 0;
        for (uint32_t piece = 0; piece < count; piece++) {
            struct ordo_slice cut = ordo_snapshot_piece(content, piece);
            assert_true(cut.size > 0 && cut.size <= limit && cut.data == bytes + offset);
            offset += cut.size;
        }
        assert_int_equal(offset, sizes[i]);
        assert_int_equal(ordo_snapshot_piece(content, count).size, 0);
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_of_the_first_level_gets_records_of_that, setup, teardown),
        cmocka_unit_test_setup_teardown(a_raised_level_is_noted_before_anything_is_written_at_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_level_that_is_not_known_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces_that_are_not_what_was_written_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_hashed_at_every_so_many_ops_and_at_the_head, setup, teardown),
        cmocka_unit_test(records_of_both_levels_read),
        cmocka_unit_test(content_hashes_depend_on_all_pieces_and_their_order),
        cmocka_unit_test(content_is_cut_into_pieces_without_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
