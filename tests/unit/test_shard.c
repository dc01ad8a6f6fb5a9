/* The life of ops in a shard: committed once, shown when durable, recognised for ever. */
#include "shard_world.h"

static int setup(void **state) {
    struct world *w = world_create();
    gateway_connect(w, 0);
    gateway_connect(w, 1);
    *state = w;
    return 0;
}
static int teardown(void **state) {
    world_destroy(*state);
    return 0;
}

static uint64_t nacks_of(struct world *w, Ordo__V1__NackCode code) {
    return ordo_shard_stats(w->shard).nacks[ordo_nack_code_index((uint32_t)code)];
}

static void opening_with_a_type_creates_the_document(void **state) {
    struct world *w = *state;
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 1, "a", "client-a");
    assert_true(attached->created);
    assert_int_equal(attached->head, 1);
    assert_true(attached->has_content);
    assert_int_equal(attached->content_seq, 1);
    assert_int_equal(attached->horizon, 0);
    assert_int_not_equal(attached->lineage, 0);
    assert_int_equal(attached->last_client_seq, 0);
    attached = open_doc(w, 1, 1, "a", "client-b");
    assert_false(attached->created);
    assert_int_equal(attached->head, 1);
}

static void initial_content_is_the_first_op(void **state) {
    struct world *w = *state;
    struct ordo_buffer op = {0};
    ordo_text_splice(0, 0, ordo_slice_of("hello"), (struct ordo_text_hints){0}, &op);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    attach.has_create_content = true;
    attach.create_content = ordo_binary_of_slice(ordo_buffer_slice(&op));
    say_attach(w, 0, &attach);
    world_turn(w);
    char *text = text_of_attached(w, next_attached(w, 0));
    assert_string_equal(text, "hello");
    free(text);
    ordo_buffer_finish(&op);
}

static void expect_refused(struct world *w, Ordo__Cluster__V1__Attach attach, uint32_t code) {
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_refused(w, 0)->code, code);
}

static void opens_that_cannot_be_are_refused_with_their_code(void **state) {
    struct world *w = *state;
    expect_refused(w, open_of(1, "missing", "client-a", ""), 404);
    expect_refused(w, open_of(1, "missing", "client-a", "poem"), 415);
    Ordo__Cluster__V1__Attach attach = open_of(1, "missing", "client-a", "text");
    attach.permission = ORDO__V1__PERMISSION__READ;
    expect_refused(w, attach, 403);
    attach = open_of(1, "missing", "client-a", "text");
    attach.has_create_content = true;
    attach.create_content = ordo_binary_of_slice(ordo_slice("\x0a\x01\x03", 3)); /* kind 3 */
    expect_refused(w, attach, 400);
    attach = open_of(1, "", "client-a", "text");
    expect_refused(w, attach, 400);
    attach = open_of(1, "missing", "client-a", "text");
    attach.permission = ORDO_ACCESS_NONE;
    expect_refused(w, attach, 400);
    attach.permission = ORDO_ACCESS_ADMIN + 1;
    expect_refused(w, attach, 400);
    attach = open_of(1, "missing", "client-a", "text");
    attach.has_have = true; /* who has something does not create */
    attach.have_seq = 3;
    expect_refused(w, attach, 404);
    attach = open_of(1, "missing", "", "text");
    expect_refused(w, attach, 400);
}

static void commit_reaches_author_and_others_in_one_order(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 1, 1, "a", "client-b");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    say_insert(w, 1, 1, 1, 1, 0, "y");
    world_turn(w);
    for (int g = 0; g < 2; g++) {
        Ordo__Cluster__V1__Commit *first = next_commit(w, g);
        assert_int_equal(first->seq, 2);
        assert_int_equal(first->author, g == 0 ? 1 : 0);
        assert_int_equal(first->client_seq, 1);
        assert_int_equal(first->timestamp_ms, w->wall_ms);
        Ordo__Cluster__V1__Commit *second = next_commit(w, g);
        assert_int_equal(second->seq, 3);
        assert_int_equal(second->author, g == 1 ? 1 : 0);
        struct ordo_committed op;
        assert_true(ordo_committed_decode(ordo_slice_of_binary(second->committed), &op));
        assert_int_equal(op.server_seq, 3);
        assert_int_equal(op.base_seq, 1);
        assert_int_equal(op.op_field, 6);
        assert_true(ordo_slice_equal(op.client_id, ordo_slice_of("client-b")));
        assert_true(ordo_slice_equal(op.user, ordo_slice_of("ann")));
    }
    assert_text(w, 0, 9, "a", "xy"); /* the smaller client_id goes left */
}

static void nothing_is_shown_before_it_is_durable(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 1, 1, "a", "client-b");
    w->hold_durable = true;
    say_insert(w, 0, 1, 1, 1, 0, "x");
    uint64_t first = world_end_turn(w);
    say_insert(w, 0, 1, 1, 1, 0, "x");             /* the same again: its answer waits as long */
    assert_int_equal(world_end_turn(w), 0);        /* and writes nothing */
    say_insert(w, 1, 1, 1, 1, 0, "y");
    uint64_t second = world_end_turn(w);
    assert_int_equal(second, first + 1);
    assert_nothing_told(w, 0);
    assert_nothing_told(w, 1);
    world_durable(w, first);
    assert_int_equal(next_commit(w, 0)->seq, 2);
    assert_int_equal(next_duplicate(w, 0)->server_seq, 2);
    assert_nothing_told(w, 0);
    assert_int_equal(next_commit(w, 1)->seq, 2);
    assert_nothing_told(w, 1);
    world_durable(w, second);
    assert_int_equal(next_commit(w, 0)->seq, 3);
    assert_int_equal(next_commit(w, 1)->seq, 3);
}

static void what_was_not_synced_never_happened(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    /* A turn that is sequenced, but dies before its batch is written. */
    say_insert(w, 0, 1, 2, 2, 1, "lost");
    world_crash(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 1, "a", "client-a");
    assert_int_equal(attached->head, 2);
    assert_int_equal(attached->last_client_seq, 1);
    assert_int_equal(attached->last_client_server_seq, 2);
    say_insert(w, 0, 1, 2, 2, 1, "!");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 3);
    assert_text(w, 0, 9, "a", "x!");
}

/* ---- dedupe */

static void resent_op_is_acked_with_its_original_seq(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    say_insert(w, 0, 1, 5, 2, 1, "y");
    world_turn(w);
    next_commit(w, 0);
    next_commit(w, 0);
    uint64_t committed_ms = w->wall_ms;
    world_pass(w, 100);
    say_insert(w, 0, 1, 5, 2, 1, "y");
    say_insert(w, 0, 1, 1, 1, 0, "x"); /* an older one: found in the log from its base on */
    world_turn(w);
    Ordo__Cluster__V1__DuplicateAck *ack = next_duplicate(w, 0);
    assert_int_equal(ack->client_seq, 5);
    assert_int_equal(ack->server_seq, 3);
    assert_int_equal(ack->timestamp_ms, committed_ms);
    ack = next_duplicate(w, 0);
    assert_int_equal(ack->client_seq, 1);
    assert_int_equal(ack->server_seq, 2);
    assert_text(w, 0, 9, "a", "xy");
}

static uint32_t nack_code(struct world *w, int g) {
    world_turn(w);
    return next_nack(w, g)->code;
}

static void reused_client_seq_with_another_op_is_replayed(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 3, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    say_insert(w, 0, 1, 3, 1, 0, "y"); /* same op_id, other op */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__REPLAYED);
    say_insert(w, 0, 1, 3, 2, 0, "x"); /* same op, other base */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__REPLAYED);
    say_insert(w, 0, 1, 2, 2, 0, "z"); /* below the last, never seen */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__REPLAYED);
    assert_int_equal(nacks_of(w, ORDO__V1__NACK_CODE__REPLAYED), 3);
    assert_text(w, 0, 9, "a", "x");
}

static void refusals_are_counted_by_code_and_ops_are_noted_at_level_debug(void **state) {
    struct world *w = *state;
    w->config.has_debug_notes = true;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a b", "client-a");
    say_insert(w, 0, 1, 3, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    assert_int_equal(ordo_shard_ops_committed(w->shard), 2);
    assert_non_null(strstr(w->last_note, "event=op_sequenced doc="));
    assert_non_null(strstr(w->last_note, "/a%20b client=636c69656e742d61 user="));
    assert_non_null(strstr(w->last_note, "client_seq=3 server_seq=2"));
    say_insert(w, 0, 1, 2, 2, 0, "z");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__REPLAYED);
    assert_non_null(strstr(w->last_note, "event=op_refused doc="));
    assert_non_null(strstr(w->last_note, "client_seq=2 code=REPLAYED"));
    say_insert(w, 0, 1, 4, 9, 0, "z");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__FUTURE_BASE);
    Ordo__Cluster__V1__Attach attach = open_of(2, "none", "client-a", "");
    say_attach(w, 0, &attach);
    world_turn(w);
    uint32_t code = next_refused(w, 0)->code;
    struct ordo_shard_stats stats = ordo_shard_stats(w->shard);
    assert_int_equal(stats.nacks[ordo_nack_code_index(ORDO__V1__NACK_CODE__REPLAYED)], 1);
    assert_int_equal(stats.nacks[ordo_nack_code_index(ORDO__V1__NACK_CODE__FUTURE_BASE)], 1);
    assert_int_equal(stats.ops_refused, 2);
    assert_int_equal(stats.refusals[ordo_error_code_index(code)], 1);
    assert_int_not_equal(ordo_error_code_index(code), ORDO_ERROR_CODE_COUNT - 1);
}

static void retry_is_recognised_after_restarts_and_snapshots(void **state) {
    struct world *w = *state;
    w->config.snapshot_log_size_min = 200;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "a", "client-b");
    say_insert(w, 0, 1, 1, 1, 0, "mine");
    world_turn(w);
    uint64_t base = 2;
    for (int i = 1; i <= 30; i++) {
        say_insert(w, 0, 2, (uint64_t)i, base++, 0, "b");
        world_turn(w);
        world_pass(w, 20);
    }
    world_pass(w, 1000);
    assert_true(ordo_shard_stats(w->shard).snapshots >= 2);
    for (int round = 0; round < 3; round++) {
        world_crash(w);
        gateway_connect(w, 0);
        Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 1, "a", "client-a");
        assert_int_equal(attached->last_client_seq, 1);
        assert_int_equal(attached->last_client_server_seq, 2);
        say_insert(w, 0, 1, 1, 1, 0, "mine");
        world_turn(w);
        assert_int_equal(next_duplicate(w, 0)->server_seq, 2);
        say_insert(w, 0, 1, 1, 1, 0, "other");
        assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__REPLAYED);
    }
    /* An older op of the other client, known only to the log on disk by now. */
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 0, 2, "a", "client-b");
    assert_int_equal(attached->last_client_seq, 30);
    say_insert(w, 0, 2, 4, 5, 0, "b");
    world_turn(w);
    Ordo__Cluster__V1__DuplicateAck *ack = next_duplicate(w, 0);
    assert_int_equal(ack->server_seq, 6);
    say_insert(w, 0, 2, 4, 5, 0, "c");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__REPLAYED);
    assert_text(w, 0, 9, "a", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbmine");
}

/* ---- the other checks */

static void bases_that_cannot_be_are_named(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 2, 0, "x");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__FUTURE_BASE);
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    say_insert(w, 0, 1, 2, 1, 0, "y"); /* below its own newest op */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__PIPELINED);
    say_insert(w, 0, 1, 2, 0, 0, "y");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__PIPELINED);
    open_doc(w, 0, 2, "a", "client-b");
    say_insert(w, 0, 2, 1, 0, 0, "y"); /* before there was anything */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
}

static void ops_that_are_none_are_invalid(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_submit_op(w, 0, 1, 1, 1, 0, ordo_slice(NULL, 0)); /* no op at all */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
    say_submit_op(w, 0, 1, 1, 1, 20, ordo_slice(NULL, 0)); /* another type's */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
    say_submit_op(w, 0, 1, 1, 1, 3, ordo_slice("\x0a\x01\x03", 3));
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
    say_insert(w, 0, 1, 1, 1, 7, "past the end");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
    say_insert(w, 0, 1, 0, 1, 0, "client_seq 0");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
    say_submit_op(w, 0, 1, 1, 1, 5, ordo_slice("\x0a\x04text", 6)); /* a create without an op */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__INVALID_OP);
    say_submit_op(w, 0, 1, 1, 1, 3, ordo_slice(NULL, 0)); /* the empty op is one */
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 2);
}

static void ops_and_documents_have_a_greatest_size(void **state) {
    struct world *w = *state;
    w->config.op_size_max = 100;
    w->config.document_length_max = 60;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a", "client-a");
    char text[128] = {0};
    memset(text, 'x', 101);
    say_insert(w, 0, 1, 1, 1, 0, text);
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__TOO_LARGE);
    text[50] = 0;
    say_insert(w, 0, 1, 1, 1, 0, text);
    world_turn(w);
    next_commit(w, 0);
    say_insert(w, 0, 1, 2, 2, 0, text);
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__TOO_LARGE);
}

static void readers_may_not_write(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    attach.permission = ORDO__V1__PERMISSION__READ;
    say_attach(w, 0, &attach);
    world_turn(w);
    next_attached(w, 0);
    say_insert(w, 0, 2, 1, 1, 0, "x");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__FORBIDDEN);
    assert_int_equal(nacks_of(w, ORDO__V1__NACK_CODE__FORBIDDEN), 1);
    say_insert(w, 0, 77, 1, 1, 0, "x"); /* a subscriber that never opened */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__NOT_OPEN);
}

static void opening_elsewhere_ends_the_earlier_ones_submits(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 1, 1, "a", "client-a");
    assert_int_equal(attached->last_client_seq, 0);
    say_insert(w, 0, 1, 1, 1, 0, "late"); /* would make last_client_seq a lie */
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__NOT_OPEN);
    say_insert(w, 1, 1, 1, 1, 0, "x");
    world_turn(w);
    assert_int_equal(next_commit(w, 1)->author, 1);
    assert_int_equal(next_commit(w, 0)->author, 0); /* the earlier one reads on */
    /* A resync of the earlier one continues its reading, and takes nothing. */
    Ordo__Cluster__V1__Attach resync = open_of(1, "a", "client-a", "");
    resync.resync = resync.has_have = true;
    resync.have_seq = 2;
    resync.have_lineage = attached->lineage;
    say_attach(w, 0, &resync);
    world_turn(w);
    assert_int_equal(next_attached(w, 0)->last_client_seq, 1);
    say_insert(w, 0, 1, 2, 2, 0, "late");
    assert_int_equal(nack_code(w, 0), ORDO__V1__NACK_CODE__NOT_OPEN);
    /* With the later one gone, opening again makes it the writer again. */
    say_detach(w, 1, 1);
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 2, 2, 0, "y");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 3);
}

static void a_client_id_belongs_to_who_first_wrote_with_it(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    attach.user = ordo_binary_of_slice(ordo_slice_of("bob"));
    say_attach(w, 1, &attach);
    world_turn(w);
    assert_int_equal(next_attached(w, 1)->last_client_seq, 0);
    say_insert(w, 1, 1, 2, 2, 0, "y");
    assert_int_equal(nack_code(w, 1), ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN);
    say_insert(w, 1, 1, 1, 1, 0, "x"); /* not even told that it is there */
    assert_int_equal(nack_code(w, 1), ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN);
    assert_int_equal(nacks_of(w, ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN), 2);
    say_insert(w, 0, 1, 2, 2, 0, "z"); /* and ann writes on */
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 3);
}

static void a_client_id_that_another_user_holds_is_taken_before_anybody_wrote(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    attach.user = ordo_binary_of_slice(ordo_slice_of("bob"));
    say_attach(w, 1, &attach);
    world_turn(w);
    next_attached(w, 1);
    say_insert(w, 1, 1, 1, 1, 0, "y"); /* NOT_OPEN would make it open again and again */
    assert_int_equal(nack_code(w, 1), ORDO__V1__NACK_CODE__CLIENT_ID_TAKEN);
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 2);
}

static void timestamps_never_go_backwards(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t before_ms = w->wall_ms;
    w->wall_ms -= 3600000;
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->timestamp_ms, before_ms);
    world_crash(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 2, 2, 0, "y");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->timestamp_ms, before_ms);
}

/* ---- delete and create */

static void submit_create(struct world *w, int g, uint64_t subscriber, uint64_t client_seq, uint64_t base_seq,
                          const char *text) {
    struct ordo_buffer op = {0}, create = {0};
    ordo_text_splice(0, 0, ordo_slice_of(text), (struct ordo_text_hints){0}, &op);
    ordo_create_encode(&(struct ordo_create){.type = ordo_slice_of("text"), .op = ordo_buffer_slice(&op)}, &create);
    say_submit_op(w, g, subscriber, client_seq, base_seq, 5, ordo_buffer_slice(&create));
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&create);
}

static void delete_and_create_are_ops_like_others(void **state) {
    struct world *w = *state;
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-a")->lineage;
    open_doc(w, 0, 2, "a", "client-b");
    open_doc(w, 0, 3, "a", "client-c");
    say_insert(w, 0, 1, 1, 1, 0, "old");
    submit_create(w, 0, 2, 1, 1, "no");
    say_submit_op(w, 0, 1, 2, 2, 4, ordo_slice(NULL, 0)); /* 3: delete */
    say_insert(w, 0, 2, 2, 2, 0, "made before the delete");
    say_submit_op(w, 0, 2, 3, 2, 4, ordo_slice(NULL, 0)); /* 4: delete against delete */
    say_insert(w, 0, 2, 4, 4, 0, "made after the delete");
    world_turn(w);
    next_commit(w, 0);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__EXISTS);
    struct ordo_committed op;
    assert_true(ordo_committed_decode(ordo_slice_of_binary(next_commit(w, 0)->committed), &op));
    assert_int_equal(op.op_field, 7);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__DELETED);
    assert_true(ordo_committed_decode(ordo_slice_of_binary(next_commit(w, 0)->committed), &op));
    assert_int_equal(op.op_field, 6); /* committed as empty */
    assert_int_equal(op.op.size, 0);
    assert_int_equal(op.server_seq, 4);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__DELETED);

    Ordo__Cluster__V1__Attach attach = open_of(4, "a", "client-d", "");
    say_attach(w, 0, &attach);
    world_turn(w);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 0);
    assert_true(attached->has_content && attached->content_deleted);
    assert_int_equal(attached->head, 4);

    submit_create(w, 0, 3, 1, 4, "new"); /* 5 */
    world_turn(w);
    assert_true(ordo_committed_decode(ordo_slice_of_binary(next_commit(w, 0)->committed), &op));
    assert_int_equal(op.op_field, 8);
    struct ordo_create create;
    const struct ordo_type *type;
    assert_int_equal(ordo_create_decode(op.op, &create, &type), ORDO_CREATE_VALID);
    assert_int_not_equal(create.lineage, lineage);
    assert_int_not_equal(create.lineage, 0);
    say_submit_op(w, 0, 2, 5, 2, 4, ordo_slice(NULL, 0)); /* an old delete must not hit the new document */
    say_insert(w, 0, 2, 6, 4, 0, "made while it was deleted");
    world_turn(w);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__PIPELINED);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__DELETED);
    say_insert(w, 0, 1, 9, 5, 3, "!"); /* dedupe goes on over all this */
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 6);
    world_crash(w);
    gateway_connect(w, 0);
    attached = open_doc(w, 0, 1, "a", "client-a");
    assert_int_equal(attached->head, 6);
    assert_int_equal(attached->lineage, create.lineage);
    assert_int_equal(attached->last_client_seq, 9);
    assert_text(w, 0, 9, "a", "new!");
}

static void an_old_delete_does_not_hit_what_was_created_since(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "a", "client-b");
    say_submit_op(w, 0, 1, 1, 1, 4, ordo_slice(NULL, 0));
    submit_create(w, 0, 1, 2, 2, "new");
    say_submit_op(w, 0, 2, 1, 1, 4, ordo_slice(NULL, 0));
    say_submit_op(w, 0, 2, 2, 4, 4, ordo_slice(NULL, 0));
    world_turn(w);
    struct ordo_committed op;
    const uint32_t fields[] = {7, 8, 6, 7}; /* the late one commits as empty, the meant one deletes */
    for (size_t i = 0; i < 4; i++) {
        assert_true(ordo_committed_decode(ordo_slice_of_binary(next_commit(w, 0)->committed), &op));
        assert_int_equal(op.op_field, fields[i]);
    }
}

static void opening_a_deleted_document_with_a_type_creates_it_anew(void **state) {
    struct world *w = *state;
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-a")->lineage;
    say_insert(w, 0, 1, 1, 1, 0, "x");
    say_submit_op(w, 0, 1, 2, 2, 4, ordo_slice(NULL, 0));
    world_turn(w);
    next_commit(w, 0);
    next_commit(w, 0);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 1, 1, "a", "client-b");
    assert_true(attached->created);
    assert_int_equal(attached->head, 4);
    assert_int_not_equal(attached->lineage, lineage);
    assert_int_equal(next_commit(w, 0)->seq, 4);
}

/* ---- content or ops */

static Ordo__Cluster__V1__Attached *reopen(struct world *w, uint64_t have_seq, uint64_t lineage, bool clean) {
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    attach.has_have = true;
    attach.have_seq = have_seq;
    attach.have_lineage = lineage;
    attach.clean = clean;
    say_attach(w, 0, &attach);
    world_turn(w);
    return next_attached(w, 0);
}

static size_t count_ops(const Ordo__Cluster__V1__Attached *attached) {
    struct ordo_reader reader = ordo_reader(ordo_slice_of_binary(attached->ops->bytes));
    struct ordo_slice op;
    uint8_t tag;
    size_t count = 0;
    while (ordo_take_u8(&reader, &tag)) {
        assert_int_equal(tag, 6 << 3 | 2);
        assert_true(ordo_take_sized(&reader, &op));
        count++;
    }
    return count;
}

static void who_has_a_seq_gets_the_ops_behind_it(void **state) {
    struct world *w = *state;
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-a")->lineage;
    for (uint64_t i = 1; i <= 9; i++) say_insert(w, 0, 1, i, i, 0, "x");
    world_turn(w);
    for (int i = 0; i < 9; i++) next_commit(w, 0);
    Ordo__Cluster__V1__Attached *attached = reopen(w, 4, lineage, false);
    assert_false(attached->has_content);
    assert_int_equal(attached->head, 10);
    assert_int_equal(count_ops(attached), 6);
    attached = reopen(w, 10, lineage, true);
    assert_false(attached->has_content);
    assert_int_equal(count_ops(attached), 0);
    assert_true(reopen(w, 11, lineage, false)->has_content);     /* from a future that was lost */
    assert_true(reopen(w, 4, lineage + 1, false)->has_content);  /* another document by that name */
    assert_false(reopen(w, 4, lineage, true)->has_content);      /* a few ops are cheaper than anything */
}

static void ops_older_than_memory_come_from_the_disk(void **state) {
    struct world *w = *state;
    w->config.recent_size_max = w->config.recent_idle_size_max = 500;
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    uint64_t lineage = open_doc(w, 0, 1, "a", "client-a")->lineage;
    for (uint64_t i = 1; i <= 50; i++) {
        say_insert(w, 0, 1, i, i, 0, "x");
        world_turn(w);
        next_commit(w, 0);
    }
    Ordo__Cluster__V1__Attached *attached = reopen(w, 4, lineage, false);
    assert_false(attached->has_content);
    assert_int_equal(count_ops(attached), 47);
    assert_true(reopen(w, 4, lineage, true)->has_content); /* clean: the content is cheaper */
}

/* While a job reads for who joins, others go on writing, and the joiner misses nothing. */
static void commits_during_a_join_are_in_its_answer(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    w->hold_jobs = true;
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-b", "");
    say_attach(w, 1, &attach);
    attach = open_of(2, "a", "client-c", "");
    say_attach(w, 1, &attach);
    say_insert(w, 0, 1, 2, 2, 1, "y");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 3);
    assert_nothing_told(w, 1);
    assert_int_equal(w->job_count, 1); /* one for both */
    w->hold_jobs = false;
    world_run_jobs(w);
    world_turn(w);
    for (int i = 0; i < 2; i++) {
        char *text = text_of_attached(w, next_attached(w, 1));
        assert_string_equal(text, "xy");
        free(text);
    }
    say_insert(w, 0, 1, 3, 3, 2, "z");
    world_turn(w);
    assert_int_equal(next_commit(w, 1)->seq, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(opening_with_a_type_creates_the_document),
        T(initial_content_is_the_first_op),
        T(opens_that_cannot_be_are_refused_with_their_code),
        T(commit_reaches_author_and_others_in_one_order),
        T(nothing_is_shown_before_it_is_durable),
        T(what_was_not_synced_never_happened),
        T(resent_op_is_acked_with_its_original_seq),
        T(reused_client_seq_with_another_op_is_replayed),
        T(refusals_are_counted_by_code_and_ops_are_noted_at_level_debug),
        T(retry_is_recognised_after_restarts_and_snapshots),
        T(bases_that_cannot_be_are_named),
        T(ops_that_are_none_are_invalid),
        T(ops_and_documents_have_a_greatest_size),
        T(readers_may_not_write),
        T(opening_elsewhere_ends_the_earlier_ones_submits),
        T(a_client_id_belongs_to_who_first_wrote_with_it),
        T(a_client_id_that_another_user_holds_is_taken_before_anybody_wrote),
        T(timestamps_never_go_backwards),
        T(delete_and_create_are_ops_like_others),
        T(an_old_delete_does_not_hit_what_was_created_since),
        T(opening_a_deleted_document_with_a_type_creates_it_anew),
        T(who_has_a_seq_gets_the_ops_behind_it),
        T(ops_older_than_memory_come_from_the_disk),
        T(commits_during_a_join_are_in_its_answer),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
