/* What `ordo verify` says of logs that no shard would have written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "shard/core/key.h"
#include "shard/core/run.h"
#include "shard/core/verify.h"
#include "shard/store_memory.h"

enum { TEXT_OP = 6 }; /* the field of Committed */

struct entry {
    const char *client_id;
    uint64_t client_seq;
    uint8_t flags;
};

/* The op at `seq`: the first makes the document, each other puts an x at its start. */
static void append_op(struct ordo_buffer *records, uint64_t seq, const struct entry *entry) {
    struct ordo_buffer create = {0}, committed = {0};
    ordo_create_encode(&(struct ordo_create){.type = ordo_slice_of("text"), .lineage = 77}, &create);
    struct ordo_committed op = {.server_seq = seq, .base_seq = seq - 1, .timestamp_ms = 1, .client_seq = entry->client_seq,
                                .client_id = ordo_slice_of(entry->client_id), .op_field = TEXT_OP,
                                .op = ordo_slice("\x0a\x01\x11\x12\x01x", 6)};
    if (seq == 1) op.op_field = ORDO_COMMITTED_CREATE, op.op = ordo_buffer_slice(&create);
    ordo_committed_encode(&op, &committed);
    ordo_run_append_op(records, seq, entry->flags, ordo_buffer_slice(&committed));
    ordo_buffer_finish(&create);
    ordo_buffer_finish(&committed);
}

static void put_log(struct ordo_store *store, const struct entry *entries, size_t count) {
    struct ordo_batch batch = {0};
    struct ordo_buffer doc_key = {0}, key = {0}, value = {0}, records = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("c"), ordo_slice_of("d"));
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 1);
    append_op(&records, 1, &(struct entry){"maker", 0});
    for (size_t i = 0; i < count; i++) append_op(&records, i + 2, &entries[i]);
    ordo_run_encode(&value, ordo_buffer_slice(&key), 1, count + 1, 0, ordo_buffer_slice(&records));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    struct ordo_buffer *buffers[] = {&doc_key, &key, &value, &records};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) ordo_buffer_finish(buffers[i]);
}

struct heard {
    uint64_t seq; /* of the last finding about op_ids */
    size_t count;
};

static void hear(void *context, const struct ordo_finding *finding) {
    struct heard *heard = context;
    if (strstr(finding->text, "op_id") == NULL) {
        print_message("finding at %ju: %s\n", (uintmax_t)finding->seq, finding->text);
        return;
    }
    heard->seq = finding->seq;
    heard->count++;
}

static struct heard heard_of(const struct entry *entries, size_t count) {
    struct ordo_store *store = ordo_store_memory_create(0);
    struct heard heard = {0};
    put_log(store, entries, count);
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_verify_counts counts = ordo_verify(view, hear, &heard);
    assert_int_equal(counts.ops, count + 1);
    assert_int_equal(counts.findings, heard.count);
    store->ops->view_close(view);
    store->ops->close(store);
    return heard;
}

static void numbers_of_a_client_grow(void **state) {
    (void)state;
    const struct entry good[] = {{"a", 1}, {"b", 1}, {"a", 2}, {"a", 9}, {"b", 2}};
    assert_int_equal(heard_of(good, 5).count, 0);
    const struct entry twice[] = {{"a", 1}, {"b", 1}, {"a", 2}, {"b", 1}};
    struct heard heard = heard_of(twice, 4);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.seq, 5);
    const struct entry late[] = {{"a", 1}, {"a", 3}, {"a", 2}};
    heard = heard_of(late, 3);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.seq, 4);
}

static void other_protocols_number_as_they_like(void **state) {
    (void)state;
    const struct entry exact[] = {{"a", 5, ORDO_RUN_EXACT}, {"a", 5, ORDO_RUN_EXACT}, {"a", 1, ORDO_RUN_EXACT}};
    assert_int_equal(heard_of(exact, 3).count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_a_client_grow),
        cmocka_unit_test(other_protocols_number_as_they_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
