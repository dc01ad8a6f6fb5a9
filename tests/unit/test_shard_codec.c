/* Keys, runs and rows read back as written; damaged bytes are refused; the bytes themselves never change by
 * accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/hash.h"
#include "common/ot/text.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/run.h"
#include "shard/core/value.h"

#define S(text) ordo_slice(text, sizeof(text) - 1)

static void keys_of_a_document_are_one_range(void **state) {
    (void)state;
    struct ordo_buffer doc = {0}, end = {0}, key = {0};
    ordo_key_doc(&doc, S("docs"), S("a"));
    ordo_key_doc_end(&end, ordo_buffer_slice(&doc));
    uint16_t slot = ordo_slot_of(S("docs"), S("a"));
    assert_int_equal(doc.data[0] << 8 | doc.data[1], slot);
    assert_memory_equal(doc.data + 2, "docs\0a\0", 7);
    const uint64_t seqs[] = {0, 1, 255, 256, UINT64_MAX};
    struct ordo_buffer before = {0};
    ordo_buffer_append_slice(&before, ordo_buffer_slice(&doc));
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        ordo_key_ops(&key, ordo_buffer_slice(&doc), seqs[i]);
        assert_true(ordo_slice_compare(ordo_buffer_slice(&before), ordo_buffer_slice(&key)) < 0);
        assert_true(ordo_slice_compare(ordo_buffer_slice(&key), ordo_buffer_slice(&end)) < 0);
        struct ordo_key parsed;
        uint64_t seq;
        assert_true(ordo_key_parse(ordo_buffer_slice(&key), &parsed) && parsed.slot == slot);
        assert_true(ordo_slice_equal(parsed.id, S("a")) && ordo_slice_equal(parsed.collection, S("docs")));
        assert_true(ordo_key_parse_seq(parsed.rest, &seq) && seq == seqs[i]);
        ordo_buffer_clear(&before);
        ordo_buffer_append_slice(&before, ordo_buffer_slice(&key));
    }
    ordo_key_snapshot(&key, ordo_buffer_slice(&doc), 7, 0x01020304);
    struct ordo_key parsed;
    uint64_t seq;
    uint32_t piece;
    assert_true(ordo_key_parse(ordo_buffer_slice(&key), &parsed));
    assert_true(ordo_key_parse_piece(parsed.rest, &seq, &piece) && seq == 7 && piece == 0x01020304);
    key.data[0] ^= 1; /* another slot than the names have */
    assert_false(ordo_key_parse(ordo_buffer_slice(&key), &parsed));
    assert_false(ordo_key_parse(S("\0\0docs"), &parsed));
    ordo_buffer_finish(&before);
    ordo_buffer_finish(&doc);
    ordo_buffer_finish(&end);
    ordo_buffer_finish(&key);
}

static void names_that_would_break_a_key_are_refused(void **state) {
    (void)state;
    char longest[129];
    memset(longest, 'x', sizeof longest);
    assert_true(ordo_key_name_is_valid(ordo_slice(longest, 128)));
    assert_false(ordo_key_name_is_valid(ordo_slice(longest, 129)));
    assert_false(ordo_key_name_is_valid(S("")));
    assert_false(ordo_key_name_is_valid(S("a\0b")));
}

static const struct ordo_committed example = {
    .server_seq = 300, .client_seq = 7, .base_seq = 299, .timestamp_ms = 1700000000000,
    .client_id = {(const uint8_t *)"0123456789abcdef", 16}, .user = {(const uint8_t *)"ann", 3},
    .op_field = 6, .op = {(const uint8_t *)"\x0a\x01\x11\x12\x01x", 6},
};

static void append_example(struct ordo_buffer *records, uint64_t seq) {
    struct ordo_buffer bytes = {0};
    struct ordo_committed op = example;
    op.server_seq = seq;
    ordo_committed_encode(&op, &bytes);
    ordo_run_append_op(records, seq * 1000, 0, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static void a_run_reads_back_as_written(void **state) {
    (void)state;
    struct ordo_buffer records = {0}, value = {0};
    for (uint64_t seq = 300; seq < 303; seq++) append_example(&records, seq);
    ordo_run_encode(&value, S("key"), 300, 3, 42, ordo_buffer_slice(&records));
    struct ordo_run run;
    struct ordo_run_op op;
    assert_int_equal(ordo_run_open(S("key"), ordo_buffer_slice(&value), &run), ORDO_OK);
    assert_int_equal(run.length_before, 42);
    for (uint64_t seq = 300; seq < 303; seq++) {
        assert_int_equal(ordo_run_next(&run, &op), ORDO_OK);
        assert_int_equal(op.hash, seq * 1000);
        assert_int_equal(op.op.server_seq, seq);
        assert_int_equal(op.op.client_seq, example.client_seq);
        assert_int_equal(op.op.base_seq, example.base_seq);
        assert_int_equal(op.op.timestamp_ms, example.timestamp_ms);
        assert_int_equal(op.op.op_field, 6);
        assert_true(ordo_slice_equal(op.op.op, example.op) && ordo_slice_equal(op.op.user, example.user));
        assert_true(ordo_slice_equal(op.op.client_id, example.client_id));
    }
    assert_int_equal(ordo_run_next(&run, &op), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_run_open(S("kez"), ordo_buffer_slice(&value), &run), ORDO_ERR_CORRUPT); /* not its place */
    ordo_buffer_finish(&records);
    ordo_buffer_finish(&value);
}

static void every_flipped_bit_and_every_cut_of_a_run_is_damage(void **state) {
    (void)state;
    struct ordo_buffer records = {0}, value = {0};
    append_example(&records, 300);
    ordo_run_encode(&value, S("key"), 300, 1, 0, ordo_buffer_slice(&records));
    struct ordo_run run;
    for (size_t bit = 0; bit < 8 * value.size; bit++) {
        value.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ordo_run_open(S("key"), ordo_buffer_slice(&value), &run), ORDO_ERR_CORRUPT);
        value.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 0; size < value.size; size++)
        assert_int_equal(ordo_run_open(S("key"), ordo_slice(value.data, size), &run), ORDO_ERR_CORRUPT);
    ordo_buffer_finish(&records);
    ordo_buffer_finish(&value);
}

/* A right checksum over wrong content: what a bug would write. */
static void a_run_that_contradicts_itself_is_damage(void **state) {
    (void)state;
    struct ordo_buffer records = {0}, value = {0};
    struct ordo_run run;
    struct ordo_run_op op;
    append_example(&records, 300);
    append_example(&records, 302); /* not dense */
    ordo_run_encode(&value, S("key"), 300, 2, 0, ordo_buffer_slice(&records));
    assert_int_equal(ordo_run_open(S("key"), ordo_buffer_slice(&value), &run), ORDO_OK);
    assert_int_equal(ordo_run_next(&run, &op), ORDO_OK);
    assert_int_equal(ordo_run_next(&run, &op), ORDO_ERR_CORRUPT);
    ordo_run_encode(&value, S("key"), 300, 1, 0, ordo_buffer_slice(&records)); /* more than it counts */
    assert_int_equal(ordo_run_open(S("key"), ordo_buffer_slice(&value), &run), ORDO_OK);
    assert_int_equal(ordo_run_next(&run, &op), ORDO_OK);
    assert_int_equal(ordo_run_next(&run, &op), ORDO_ERR_CORRUPT);
    ordo_run_encode(&value, S("key"), 300, 0, 0, ordo_buffer_slice(&records));
    assert_int_equal(ordo_run_open(S("key"), ordo_buffer_slice(&value), &run), ORDO_ERR_CORRUPT);
    ordo_buffer_finish(&records);
    ordo_buffer_finish(&value);
}

static void a_value_of_a_later_version_is_told_from_damage(void **state) {
    (void)state;
    struct ordo_buffer value = {0};
    struct ordo_turn_row row;
    ordo_value_begin(&value, 9);
    ordo_buffer_append_u8(&value, 1);
    ordo_value_seal(&value, ordo_key_turn);
    assert_int_equal(ordo_turn_row_decode(ordo_buffer_slice(&value), &row), ORDO_ERR_VERSION);
    ordo_buffer_finish(&value);
}

static void rows_read_back_as_written(void **state) {
    (void)state;
    struct ordo_buffer value = {0};
    struct ordo_doc_row doc = {S("text"), 1, 2, 3, 4, 5, 6, 7, {8, 9}, 10}, doc_back;
    ordo_doc_row_encode(&value, S("k"), &doc);
    assert_int_equal(ordo_doc_row_decode(S("k"), ordo_buffer_slice(&value), &doc_back), ORDO_OK);
    assert_true(ordo_slice_equal(doc_back.type, doc.type));
    assert_true(doc_back.lineage == 1 && doc_back.head == 2 && doc_back.horizon == 3 && doc_back.created_seq == 4 &&
                doc_back.deleted_seq == 5 && doc_back.forgotten_seq == 6 && doc_back.history_seq == 7 &&
                doc_back.relineage.seq == 8 && doc_back.relineage.lineage == 9 && doc_back.erased_seq == 10);
    for (int is_erased = 0; is_erased < 2; is_erased++) { /* what is not there takes no place */
        doc.relineage = (struct ordo_relineage){0};
        doc.erased_seq = is_erased ? 3 : 0;
        ordo_doc_row_encode(&value, S("k"), &doc);
        assert_int_equal(ordo_doc_row_decode(S("k"), ordo_buffer_slice(&value), &doc_back), ORDO_OK);
        assert_true(doc_back.relineage.seq == 0 && doc_back.erased_seq == doc.erased_seq);
    }
    struct ordo_client_row client = {10, 11, UINT64_MAX, 13, S("ann")}, client_back;
    ordo_client_row_encode(&value, S("k"), &client);
    assert_int_equal(ordo_client_row_decode(S("k"), ordo_buffer_slice(&value), &client_back), ORDO_OK);
    assert_true(client_back.client_seq == 10 && client_back.server_seq == 11 && client_back.hash == UINT64_MAX &&
                client_back.timestamp_ms == 13 && ordo_slice_equal(client_back.user, client.user));
    struct ordo_snapshot_row snapshot = {1, S("text"), 2, 3, 4, 5, 6, 7, 8}, snapshot_back;
    ordo_snapshot_row_encode(&value, S("k"), &snapshot);
    assert_int_equal(ordo_snapshot_row_decode(S("k"), ordo_buffer_slice(&value), &snapshot_back), ORDO_OK);
    assert_true(snapshot_back.seq == 1 && snapshot_back.lineage == 2 && snapshot_back.created_seq == 3 &&
                snapshot_back.deleted_seq == 4 && snapshot_back.timestamp_ms == 5 && snapshot_back.length == 6 &&
                snapshot_back.size == 7 && snapshot_back.piece_count == 8);
    struct ordo_slice piece;
    ordo_snapshot_piece_encode(&value, S("k"), S("content"));
    assert_int_equal(ordo_snapshot_piece_decode(S("k"), ordo_buffer_slice(&value), &piece), ORDO_OK);
    assert_true(ordo_slice_equal(piece, S("content")));
    struct ordo_turn_row turn = {77, 3}, turn_back;
    ordo_turn_row_encode(&value, &turn);
    assert_int_equal(ordo_turn_row_decode(ordo_buffer_slice(&value), &turn_back), ORDO_OK);
    assert_true(turn_back.turn == 77 && turn_back.term == 3);
    ordo_buffer_finish(&value);
}

/* Data of today must be readable for ever: if one of these fails, raise the version and keep the old reader. */
static void the_bytes_on_disk_stay_as_they_are(void **state) {
    (void)state;
    struct ordo_buffer value = {0}, records = {0};
    append_example(&records, 300);
    ordo_run_encode(&value, S("key"), 300, 1, 5, ordo_buffer_slice(&records));
    static const char run[] = "01ac020105"                       /* version, first_seq, count, length before */
                              "e093040000000000"                 /* hash */
                              "00"                               /* flags */
                              "2e"                               /* size */
                              "08ac02"                           /* server_seq */
                              "121030313233343536373839616263646566" /* client_id */
                              "1807"                             /* client_seq */
                              "2080d095ffbc31"                   /* timestamp_ms */
                              "2a03616e6e"                       /* user */
                              "32060a0111120178"                 /* text */
                              "48ab02"                           /* base_seq */
        ;
    char hex[512] = {0};
    for (size_t i = 0; i + 8 < value.size; i++) snprintf(hex + 2 * i, 3, "%02x", value.data[i]);
    assert_string_equal(hex, run);
    uint64_t checksum = ordo_hash_with(ordo_hash(S("key")), ordo_slice(value.data, value.size - 8));
    struct ordo_reader reader = ordo_reader(ordo_slice(value.data + value.size - 8, 8));
    uint64_t stored;
    assert_true(ordo_take_u64_le(&reader, &stored) && stored == checksum);
    assert_int_equal(stored, UINT64_C(0x3536f6f8649afbdc));
    ordo_buffer_finish(&value);
    ordo_buffer_finish(&records);
}

static void expect_slot_row(const struct ordo_slot_row *row, const char *body) {
    struct ordo_buffer key = {0}, value = {0};
    struct ordo_slot_row back;
    uint16_t slot;
    ordo_key_slot(&key, 258);
    assert_true(ordo_key_parse_slot(ordo_buffer_slice(&key), &slot) && slot == 258);
    ordo_slot_row_encode(&value, ordo_buffer_slice(&key), row);
    char hex[256] = {0};
    for (size_t i = 0; i + 8 < value.size; i++) snprintf(hex + 2 * i, 3, "%02x", value.data[i]);
    assert_string_equal(hex, body);
    assert_int_equal(ordo_slot_row_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &back), ORDO_OK);
    assert_true(back.state == row->state && back.epoch == row->epoch && back.move == row->move &&
                back.incarnation == row->incarnation && back.is_cleared == row->is_cleared && back.turn == row->turn &&
                ordo_store_id_equal(&back.other, &row->other));
    for (size_t bit = 0; bit < 8 * value.size; bit++) {
        value.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(ordo_slot_row_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &back), ORDO_OK);
        value.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

static void rows_of_slots_stay_as_they_are(void **state) {
    (void)state;
    struct ordo_store_id other = {{1, 2, 3}};
    const char id[] = "01020300000000000000000000000000";
    char body[256];
    expect_slot_row(&(struct ordo_slot_row){.state = ORDO_SLOT_OWNED, .epoch = 1}, "010100000000000000"); /* from before moves */
    expect_slot_row(&(struct ordo_slot_row){.state = ORDO_SLOT_OWNED, .epoch = 3, .turn = 300}, "01030000000000000001ac02");
    snprintf(body, sizeof body, "01040000000000000002ac02%s050000000000000001", id);
    expect_slot_row(&(struct ordo_slot_row){.state = ORDO_SLOT_GIVEN, .epoch = 4, .other = other, .move = 5,
                                            .is_cleared = true, .turn = 300}, body);
    snprintf(body, sizeof body, "01040000000000000003ac02%s05000000000000000700000000000000", id);
    expect_slot_row(&(struct ordo_slot_row){.state = ORDO_SLOT_IMPORTING, .epoch = 4, .other = other, .move = 5,
                                            .incarnation = 7, .turn = 300}, body);
    snprintf(body, sizeof body, "01040000000000000004ac02%s05000000000000000700000000000000", id);
    expect_slot_row(&(struct ordo_slot_row){.state = ORDO_SLOT_IMPORTED, .epoch = 4, .other = other, .move = 5,
                                            .incarnation = 7, .turn = 300}, body);
}

static void a_create_keeps_type_op_and_lineage(void **state) {
    (void)state;
    struct ordo_buffer bytes = {0};
    struct ordo_create create, back;
    const struct ordo_type *type;
    create = (struct ordo_create){S("text"), S(""), 99};
    ordo_create_encode(&create, &bytes);
    assert_int_equal(ordo_create_decode(ordo_buffer_slice(&bytes), &back, &type), ORDO_CREATE_VALID);
    assert_ptr_equal(type, &ordo_type_text);
    assert_int_equal(back.lineage, 99);
    assert_int_equal(ordo_create_decode(S("\x0a\x04text"), &back, &type), ORDO_CREATE_MALFORMED);
    assert_int_equal(ordo_create_decode(S("\x0a\x04poem\x12\x00"), &back, &type), ORDO_CREATE_TYPE_UNKNOWN);
    assert_int_equal(ordo_create_decode(S("\x0a\x04text\x12\x00\x12\x00"), &back, &type), ORDO_CREATE_MALFORMED);
    assert_int_equal(ordo_create_decode(S("\x0a\x44text"), &back, &type), ORDO_CREATE_MALFORMED);
    ordo_buffer_finish(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_a_document_are_one_range),
        cmocka_unit_test(names_that_would_break_a_key_are_refused),
        cmocka_unit_test(a_run_reads_back_as_written),
        cmocka_unit_test(every_flipped_bit_and_every_cut_of_a_run_is_damage),
        cmocka_unit_test(a_run_that_contradicts_itself_is_damage),
        cmocka_unit_test(a_value_of_a_later_version_is_told_from_damage),
        cmocka_unit_test(rows_read_back_as_written),
        cmocka_unit_test(the_bytes_on_disk_stay_as_they_are),
        cmocka_unit_test(rows_of_slots_stay_as_they_are),
        cmocka_unit_test(a_create_keeps_type_op_and_lineage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
