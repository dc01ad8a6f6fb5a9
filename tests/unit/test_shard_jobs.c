/* What a shard has helper threads do: loading, far rebases, snapshots, catching up, history; and damage on the
 * disk. */
#include "shard_fixture.h"

#include "common/random.h"

static void ignore_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    (void)finding;
}
/* Writes `count` ops of one letter, each in a turn of its own; returns the head. */
static uint64_t type_letters(struct world *w, uint64_t subscriber, uint64_t client_seq, uint64_t base_seq,
                             int count) {
    for (int i = 0; i < count; i++) {
        say_insert(w, 0, subscriber, client_seq + (uint64_t)i, base_seq++, 0, "x");
        world_turn(w);
        assert_int_equal(next_commit(w, 0)->seq, base_seq);
        world_forget_told(&w->gateways[0]);
        world_forget_told(&w->gateways[1]);
    }
    return base_seq;
}

/* ---- loading */

static void inputs_wait_in_order_while_their_document_loads_and_others_go_on(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "b", "client-b");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_crash(w);
    gateway_connect(w, 0);
    open_doc(w, 0, 2, "b", "client-b");
    w->hold_jobs = true;
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    say_attach(w, 0, &attach);
    say_insert(w, 0, 1, 1, 1, 0, "1");
    say_insert(w, 0, 1, 2, 2, 1, "2");
    say_insert(w, 0, 2, 1, 1, 0, "y");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->client_seq, 1); /* of b */
    assert_nothing_told(w, 0);
    w->hold_jobs = false;
    world_turn(w);
    next_attached(w, 0);
    assert_int_equal(next_commit(w, 0)->seq, 2);
    assert_int_equal(next_commit(w, 0)->seq, 3);
    assert_text(w, 0, 9, "a", "12");
}

static void what_waits_for_a_document_is_bounded(void **state) {
    struct world *w = *state;
    w->config.doc_queue_size_max = 200;
    restart_with_config(w);
    w->hold_jobs = true;
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    say_insert(w, 0, 1, 1, 1, 0, "1");
    char text[128] = {0};
    memset(text, 'x', 127);
    say_insert(w, 0, 1, 2, 2, 0, text);
    attach = open_of(2, "a", "client-b", "text");
    say_attach(w, 0, &attach);
    for (uint64_t i = 3; i < 9; i++) {
        attach = open_of(i, "a", "client-b", "text");
        say_attach(w, 0, &attach);
    }
    world_turn(w);
    Ordo__Cluster__V1__Nack *nack = next_nack(w, 0);
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    assert_int_equal(nack->client_seq, 2);
    assert_true(nack->retry_after_ms > 0);
    Ordo__Cluster__V1__Refused *refused = next_refused(w, 0);
    assert_int_equal(refused->code, 503);
    assert_true(refused->retry_after_ms > 0);
}

static void who_leaves_while_waiting_is_not_answered(void **state) {
    struct world *w = *state;
    w->hold_jobs = true;
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    say_insert(w, 0, 1, 1, 1, 0, "kept"); /* sent before leaving: it counts */
    say_detach(w, 0, 1);
    attach = open_of(5, "a", "client-c", "text");
    say_attach(w, 1, &attach);
    gateway_connect(w, 1); /* a new session: the old one's subscribers are gone */
    w->hold_jobs = false;
    world_turn(w);
    next_attached(w, 0);
    assert_nothing_told(w, 1);
    assert_text(w, 1, 9, "a", "kept");
}

static void a_shard_can_be_stopped_with_jobs_in_every_state(void **state) {
    struct world *w = *state;
    w->config.rebase_budget = 1000;
    w->config.recent_size_max = w->config.recent_idle_size_max = 500;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-b");
    open_doc(w, 0, 2, "a", "client-a");
    uint64_t head = type_letters(w, 1, 1, 1, 60);
    w->hold_jobs = w->hold_durable = true;
    say_insert(w, 0, 2, 1, 2, 0, "far"); /* given out */
    world_turn(w);
    say_insert(w, 0, 1, 100, head, 0, "x");
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-c", "");
    say_attach(w, 1, &attach); /* waits for the op before it to be durable */
    world_turn(w);
    assert_int_equal(w->job_count, 1);
    world_crash(w);
    assert_int_equal(ordo_shard_stats(w->shard).documents, 0);
}

static void unused_documents_leave_the_memory_and_come_back(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    world_turn(w);
    next_commit(w, 0);
    world_pass(w, w->config.unload_ms + 1000);
    assert_int_equal(ordo_shard_stats(w->shard).documents, 1); /* somebody has it open */
    say_detach(w, 0, 1);
    world_pass(w, w->config.unload_ms + 1000);
    assert_int_equal(ordo_shard_stats(w->shard).documents, 0);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->last_client_seq, 1);
    /* One that does not exist is not kept for long. */
    Ordo__Cluster__V1__Attach attach = open_of(7, "none", "client-a", "");
    say_attach(w, 0, &attach);
    world_turn(w);
    next_refused(w, 0);
    world_pass(w, 1000);
    assert_int_equal(ordo_shard_stats(w->shard).documents, 1);
}

/* ---- snapshots */

static struct ordo_buffer key_of(const char *id) {
    struct ordo_buffer key = {0};
    ordo_key_doc(&key, ordo_slice_of("docs"), ordo_slice_of(id));
    return key;
}

/* The seqs of the valid snapshots of a document, and how many keys there are in all. */
static size_t list_snapshots(struct world *w, const char *id, uint64_t seqs[8], size_t *key_count) {
    struct ordo_buffer doc_key = key_of(id), end = {0};
    ordo_key_doc_end(&end, ordo_buffer_slice(&doc_key));
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_iterator *it =
        view->ops->iterate(view, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&doc_key), ordo_buffer_slice(&end));
    size_t count = 0;
    *key_count = 0;
    for (bool more = it->ops->seek(it, ordo_buffer_slice(&doc_key)); more; more = it->ops->next(it)) {
        struct ordo_slice at = it->ops->key(it);
        uint64_t seq;
        uint32_t piece;
        assert_true(ordo_key_parse_piece(ordo_slice(at.data + doc_key.size, at.size - doc_key.size), &seq, &piece));
        (*key_count)++;
        if (piece == ORDO_PIECE_VALID && count < 8) seqs[count++] = seq;
    }
    it->ops->close(it);
    w->store->ops->view_close(view);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&end);
    return count;
}

static void all_documents_together_keep_no_more_recent_ops_than_their_share(void **state) {
    struct world *w = *state;
    w->config.recent_total_size_max = 20000;
    w->config.recent_idle_size_max = 1000;
    restart_with_config(w);
    for (uint64_t d = 1; d <= 8; d++) {
        char id[] = {'d', (char)('0' + d), 0};
        open_doc(w, 0, d, id, "client-a");
        type_letters(w, d, 1, 1, 100);
        assert_true(ordo_shard_stats(w->shard).recent_bytes <= 20000 + 8 * 2200);
    }
    assert_true(ordo_shard_stats(w->shard).recent_bytes > 10000);
    world_pass(w, 2 * w->config.idle_ms);
    assert_true(ordo_shard_stats(w->shard).recent_bytes <= 8 * 1100);
}

static void snapshots_are_made_as_the_log_grows_and_two_are_kept(void **state) {
    struct world *w = *state;
    w->config.snapshot_log_size_min = 1000;
    w->config.retention.ops = UINT64_MAX; /* else one more is kept: where history may begin */
    w->config.recent_size_max = 500;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t head = 1, seqs[8];
    size_t key_count;
    for (int i = 0; i < 10; i++) {
        head = type_letters(w, 1, head, head, 20);
        world_pass(w, 50);
        assert_true(list_snapshots(w, "a", seqs, &key_count) <= 3); /* the third goes once the newest is durable */
    }
    world_pass(w, 100);
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 2);
    assert_int_equal(key_count, 4); /* a piece and a record each */
    assert_true(seqs[1] > 150);
    struct ordo_verify_counts counts = verify_disk(w, print_finding);
    assert_int_equal(counts.findings, 0);
    assert_int_equal(counts.ops, head);
    assert_int_equal(counts.snapshots, 2);
    world_crash(w);
    gateway_connect(w, 0);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->head, head);
}

static void an_idle_document_with_a_tail_gets_a_snapshot(void **state) {
    struct world *w = *state;
    w->config.snapshot_idle_size_min = 300;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    type_letters(w, 1, 1, 1, 10);
    uint64_t seqs[8];
    size_t key_count;
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 0);
    world_pass(w, w->config.idle_ms + 1000);
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 1);
    assert_int_equal(seqs[0], 11);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
}

/* The run that ends where the snapshot stands does not count as log behind it, however large it is. */
static void a_document_loaded_again_is_not_snapshotted_at_the_same_seq(void **state) {
    struct world *w = *state;
    w->config.snapshot_log_size_min = 1000;
    w->config.retention.ops = UINT64_MAX; /* else one more is kept: where history may begin */
    w->config.snapshot_idle_size_min = 300;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    char text[3000] = {0};
    memset(text, 'x', sizeof text - 1);
    say_insert(w, 0, 1, 1, 1, 0, text);
    world_turn(w);
    next_commit(w, 0);
    world_pass(w, 1000);
    assert_int_equal(ordo_shard_stats(w->shard).snapshots, 1);
    for (int round = 0; round < 3; round++) {
        world_crash(w);
        gateway_connect(w, 0);
        open_doc(w, 0, 1, "a", "client-a");
        world_pass(w, 2 * w->config.idle_ms);
        assert_int_equal(ordo_shard_stats(w->shard).snapshots, 0);
    }
    uint64_t seqs[8];
    size_t key_count;
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 1);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
}

static void a_large_snapshot_goes_out_in_pieces_between_turns(void **state) {
    struct world *w = *state;
    w->config.snapshot_log_size_min = 1000;
    w->config.retention.ops = UINT64_MAX; /* else one more is kept: where history may begin */
    w->config.snapshot_rate = 1024 * 1024;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    char *text = ordo_alloc(600001);
    memset(text, 'x', 600000);
    say_insert(w, 0, 1, 1, 1, 0, text);
    free(text);
    world_turn(w);
    next_commit(w, 0);
    uint64_t seqs[8];
    size_t key_count;
    world_pass(w, 60);
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 0); /* under way, not valid */
    assert_true(key_count > 0);
    /* Cut off here it never happened, and is cleared away when the document is loaded again. */
    world_crash(w);
    gateway_connect(w, 0);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->head, 2);
    world_pass(w, 2000);
    say_insert(w, 0, 1, 2, 2, 0, "y");
    world_pass(w, 2000);
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 1);
    assert_int_equal(key_count, 11);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
}

/* ---- far */

static void a_far_op_is_rebased_by_a_job_while_others_go_on(void **state) {
    struct world *w = *state;
    w->config.rebase_budget = 1000;
    w->config.recent_size_max = 1500;
    w->config.recent_idle_size_max = 500;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-b");
    open_doc(w, 0, 2, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "0123456789");
    world_turn(w);
    next_commit(w, 0);
    uint64_t head = type_letters(w, 1, 2, 2, 60);
    w->hold_jobs = true;
    say_insert(w, 0, 2, 1, 2, 5, "FAR");
    world_turn(w);
    assert_nothing_told(w, 0);
    say_insert(w, 0, 1, 100, head, 0, "y");
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->client_seq, 100);
    /* Sent again over another connection meanwhile: answered there, once. */
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    say_attach(w, 1, &attach);
    say_insert(w, 1, 1, 1, 2, 5, "FAR");
    world_turn(w);
    w->hold_jobs = false;
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->author, 0);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 1); /* the op is in what it opens with */
    assert_int_equal(attached->head, head + 2);
    assert_int_equal(attached->last_client_seq, 1);
    assert_int_equal(attached->last_client_server_seq, head + 2);
    assert_nothing_told(w, 1);
    char expected[128] = "y";
    memset(expected + 1, 'x', 60);
    strcpy(expected + 61, "01234FAR56789");
    assert_text(w, 0, 9, "a", expected);
    assert_true(ordo_shard_stats(w->shard).rebases_far >= 1);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
}

static void a_far_op_goes_through_all_checks(void **state) {
    struct world *w = *state;
    w->config.rebase_budget = 1000;
    w->config.recent_size_max = w->config.recent_idle_size_max = 500;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-b");
    open_doc(w, 0, 2, "a", "client-a");
    uint64_t head = type_letters(w, 1, 1, 1, 60);
    say_insert(w, 0, 2, 1, 2, 7, "past the end of what stood there");
    world_turn(w);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__INVALID_OP);
    /* While it is rebased the document is deleted. */
    w->hold_jobs = true;
    say_insert(w, 0, 2, 2, 2, 0, "late");
    say_submit_op(w, 0, 1, 200, head, 4, ordo_slice(NULL, 0));
    world_turn(w);
    next_commit(w, 0);
    w->hold_jobs = false;
    world_turn(w);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__DELETED);
}

static void a_far_op_whose_client_opened_elsewhere_is_not_committed(void **state) {
    struct world *w = *state;
    w->config.rebase_budget = 1000;
    w->config.recent_size_max = w->config.recent_idle_size_max = 500;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-b");
    open_doc(w, 0, 2, "a", "client-a");
    type_letters(w, 1, 1, 1, 60);
    w->hold_jobs = true;
    say_insert(w, 0, 2, 1, 2, 0, "late");
    world_turn(w);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "");
    say_attach(w, 1, &attach);
    world_turn(w);
    w->hold_jobs = false;
    world_turn(w);
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    assert_int_equal(next_attached(w, 1)->last_client_seq, 0);
}

/* Random edits from random bases, near and far, against replaying them naively one by one. */
static void near_and_far_rebases_agree_with_the_naive_way(void **state) {
    struct world *w = *state;
    w->config.rebase_budget = 300;
    w->config.recent_size_max = 2000;
    w->config.recent_idle_size_max = 1000;
    w->config.snapshot_log_size_min = 3000;
    restart_with_config(w);
    struct ordo_prng prng;
    ordo_prng_init(&prng, 42);
    enum { OPS = 400, CLIENTS = 5 };
    static struct ordo_buffer committed[OPS + 2];
    static char clients[OPS + 2];
    uint64_t lengths[OPS + 2] = {0}, client_seqs[CLIENTS] = {0}, newest[CLIENTS] = {0};
    for (uint64_t c = 0; c < CLIENTS; c++) {
        char client[] = {'c', (char)('a' + c), 0};
        open_doc(w, 0, c + 1, "a", client);
    }
    uint64_t head = 1;
    for (int i = 0; i < OPS; i++) {
        uint64_t c = ordo_prng_below(&prng, CLIENTS);
        uint64_t low = newest[c] > 1 ? newest[c] : 1;
        uint64_t base = ordo_prng_below(&prng, 3)
                            ? head - ordo_prng_below(&prng, head - low + 1 < 4 ? head - low + 1 : 4)
                            : low + ordo_prng_below(&prng, head - low + 1);
        struct ordo_buffer op = {0}, other = {0};
        uint64_t length = lengths[base], position = ordo_prng_below(&prng, length + 1);
        uint64_t deleted = ordo_prng_below(&prng, 3) ? 0 : ordo_prng_below(&prng, length - position + 1);
        ordo_text_splice(position, deleted, ordo_slice_of(deleted ? "" : "ab"), (struct ordo_text_hints){0}, &op);
        say_submit_op(w, 0, c + 1, ++client_seqs[c], base, 3, ordo_buffer_slice(&op));
        world_turn(w);
        struct ordo_committed got;
        Ordo__Cluster__V1__Commit *commit = next_commit(w, 0);
        assert_int_equal(commit->seq, head + 1);
        assert_true(ordo_committed_decode(ordo_slice_of_binary(commit->committed), &got));
        char client[] = {'c', (char)('a' + c)};
        for (uint64_t seq = base + 1; seq <= head; seq++) {
            char other_client[] = {'c', clients[seq]};
            ordo_buffer_clear(&other);
            ordo_type_text.transform(ordo_buffer_slice(&op), ordo_slice(client, 2),
                                     ordo_buffer_slice(&committed[seq]), ordo_slice(other_client, 2), true, &other);
            struct ordo_buffer swap = op;
            op = other;
            other = swap;
        }
        assert_true(ordo_slice_equal(got.op, ordo_buffer_slice(&op)));
        head++;
        clients[head] = (char)('a' + c);
        lengths[head] = ordo_type_text.length_after(ordo_buffer_slice(&op), lengths[head - 1]);
        committed[head] = op;
        newest[c] = head;
        ordo_buffer_finish(&other);
        world_forget_told(&w->gateways[0]);
        if (i % 50 == 0) world_pass(w, 20);
    }
    assert_true(ordo_shard_stats(w->shard).rebases_far > 20);
    world_pass(w, 200);
    assert_int_equal(verify_disk(w, print_finding).findings, 0);
    for (size_t i = 0; i < OPS + 2; i++) ordo_buffer_finish(&committed[i]);
}

static void other_protocols_dedupe_by_what_stands_after_the_base(void **state) {
    struct world *w = *state;
    w->config.recent_size_max = w->config.recent_idle_size_max = 500;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "a", "client-b");
    struct ordo_buffer op = {0};
    ordo_text_splice(0, 0, ordo_slice_of("z"), (struct ordo_text_hints){0}, &op);
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__Submit submit = ORDO__CLUSTER__V1__SUBMIT__INIT;
    submit.subscriber = 1;
    submit.client_seq = 7;
    submit.base_seq = 1;
    submit.op_field = 3;
    submit.op = ordo_binary_of_slice(ordo_buffer_slice(&op));
    submit.dedupe = ORDO__CLUSTER__V1__DEDUPE_POLICY__EXACT_SINCE_BASE;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT;
    message.submit = &submit;
    gateway_say(w, 0, &message);
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 2);
    gateway_say(w, 0, &message);
    world_turn(w);
    assert_int_equal(next_duplicate(w, 0)->server_seq, 2);
    submit.client_seq = 3; /* lower, but not what was there: an op of its own */
    gateway_say(w, 0, &message);
    world_turn(w);
    assert_int_equal(next_commit(w, 0)->seq, 3);
    type_letters(w, 2, 1, 3, 60);
    submit.client_seq = 7; /* by now only the disk knows */
    gateway_say(w, 0, &message);
    world_turn(w);
    assert_int_equal(next_duplicate(w, 0)->server_seq, 2);
    ordo_buffer_finish(&op);
}

/* ---- damage */

static void flip(struct world *w, enum ordo_cf cf, const struct ordo_buffer *key) {
    assert_true(ordo_store_memory_flip_bit(w->store, cf, ordo_buffer_slice(key), 77));
}

static void a_damaged_log_is_refused_and_confined_to_its_document(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    open_doc(w, 0, 2, "b", "client-a");
    type_letters(w, 1, 1, 1, 3);
    world_stop(w);
    struct ordo_buffer doc_key = key_of("a"), key = {0};
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 2);
    flip(w, ORDO_CF_OPS, &key);
    world_start(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    say_insert(w, 0, 1, 4, 4, 0, "x");
    world_turn(w);
    Ordo__Cluster__V1__Refused *refused = next_refused(w, 0);
    assert_int_equal(refused->code, 503);
    assert_non_null(strstr((char *)refused->message.data, "server_seq 2"));
    assert_int_equal(next_nack(w, 0)->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    assert_non_null(strstr(w->last_note, "document_unreadable doc=docs/a"));
    assert_int_equal(open_doc(w, 0, 2, "b", "client-a")->head, 1);
    assert_true(verify_disk(w, ignore_finding).findings > 0);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
}

static void a_missing_run_in_the_middle_is_damage(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    type_letters(w, 1, 1, 1, 5);
    world_stop(w);
    struct ordo_buffer doc_key = key_of("a"), key = {0};
    struct ordo_batch batch = {0};
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 3);
    ordo_batch_delete(&batch, ORDO_CF_OPS, ordo_buffer_slice(&key));
    assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    world_start(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_refused(w, 0)->code, 503);
    assert_true(verify_disk(w, ignore_finding).findings > 0);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
}

static void a_damaged_snapshot_falls_back_to_the_older_and_the_log(void **state) {
    struct world *w = *state;
    w->config.snapshot_log_size_min = 1000;
    w->config.retention.ops = UINT64_MAX; /* else one more is kept: where history may begin */
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t head = 1, seqs[8];
    size_t key_count;
    for (int i = 0; i < 5; i++) {
        head = type_letters(w, 1, head, head, 20);
        world_pass(w, 50);
    }
    world_pass(w, 100);
    assert_int_equal(list_snapshots(w, "a", seqs, &key_count), 2);
    world_stop(w);
    struct ordo_buffer doc_key = key_of("a"), key = {0};
    char expected[128] = {0};
    memset(expected, 'x', head - 1);
    /* A piece of the newest, then its record too, then the older one: always the same content, from what is left. */
    ordo_key_snapshot(&key, ordo_buffer_slice(&doc_key), seqs[1], 0);
    flip(w, ORDO_CF_SNAPSHOTS, &key);
    world_start(w);
    gateway_connect(w, 0);
    assert_text(w, 0, 9, "a", expected);
    assert_non_null(strstr(w->last_note, "event=snapshot_damaged doc=docs/a"));
    world_stop(w);
    ordo_key_snapshot(&key, ordo_buffer_slice(&doc_key), seqs[1], ORDO_PIECE_VALID);
    flip(w, ORDO_CF_SNAPSHOTS, &key);
    world_start(w);
    gateway_connect(w, 0);
    assert_text(w, 0, 9, "a", expected);
    assert_non_null(strstr(w->last_note, "event=snapshot_damaged doc=docs/a"));
    world_stop(w);
    ordo_key_snapshot(&key, ordo_buffer_slice(&doc_key), seqs[0], 0);
    flip(w, ORDO_CF_SNAPSHOTS, &key);
    world_start(w);
    gateway_connect(w, 0);
    assert_text(w, 0, 9, "a", expected);
    assert_int_equal(open_doc(w, 0, 1, "a", "client-a")->last_client_seq, head - 1);
    assert_true(verify_disk(w, ignore_finding).findings >= 2);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
}

static void a_damaged_client_row_refuses_that_client_only(void **state) {
    struct world *w = *state;
    w->config.snapshot_log_size_min = 100;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t head = type_letters(w, 1, 1, 1, 5);
    open_doc(w, 0, 2, "a", "client-b");
    world_pass(w, 1000);
    type_letters(w, 2, 1, head, 5);
    world_pass(w, 1000);
    world_stop(w);
    struct ordo_buffer doc_key = key_of("a"), key = {0};
    ordo_key_client(&key, ordo_buffer_slice(&doc_key), ordo_slice_of("client-a"));
    flip(w, ORDO_CF_CLIENTS, &key);
    world_start(w);
    gateway_connect(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(1, "a", "client-a", "text");
    say_attach(w, 0, &attach);
    world_turn(w);
    assert_int_equal(next_refused(w, 0)->code, 503);
    assert_int_equal(open_doc(w, 0, 2, "a", "client-b")->last_client_seq, 5);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&key);
}

/* ---- bulk and history */

static void large_contents_travel_as_bulk(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    char *text = ordo_alloc(100001);
    memset(text, 'x', 100000);
    say_insert(w, 0, 1, 1, 1, 0, text);
    world_turn(w);
    next_commit(w, 0);
    Ordo__Cluster__V1__Attached *attached = open_doc(w, 1, 1, "a", "client-b");
    assert_int_equal(attached->content->bytes.len, 0);
    assert_int_equal(attached->content->size, 100000);
    uint64_t id = attached->content->id;
    assert_int_equal(ordo_bulk_fetch(&w->bulk, id, 99990, 100, w->now_ms).size, 10);
    char *got = text_of_attached(w, attached);
    assert_string_equal(got, text);
    free(got);
    attached = open_doc(w, 1, 2, "a", "client-c"); /* from the kept content: an id of its own, the same bytes */
    assert_int_not_equal(attached->content->id, id);
    ordo_bulk_release(&w->bulk, id);
    assert_int_equal(ordo_bulk_fetch(&w->bulk, id, 0, 1, w->now_ms).size, 0);
    assert_int_equal(ordo_bulk_fetch(&w->bulk, attached->content->id, 0, 1, w->now_ms).size, 1);
    ordo_bulk_expire(&w->bulk, w->now_ms + ORDO_BULK_AGE_MS);
    assert_int_equal(w->bulk.count, 0);
    free(text);
}

static Ordo__Cluster__V1__HistoryAnswer *read_history(struct world *w, uint32_t at_kind, uint64_t at, uint64_t from,
                                                      uint64_t to) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__ReadHistory read = ORDO__CLUSTER__V1__READ_HISTORY__INIT;
    read.subscriber = 1;
    read.request = 33;
    read.at_kind = at_kind;
    read.at = at;
    read.from_seq = from;
    read.to_seq = to;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY;
    message.history = &read;
    gateway_say(w, 0, &message);
    world_turn(w);
    Ordo__Cluster__V1__HistoryAnswer *answer = next_history(w, 0);
    assert_int_equal(answer->request, 33);
    return answer;
}

static void history_is_read_by_range_by_seq_and_by_time(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    uint64_t start_ms = w->wall_ms;
    for (uint64_t i = 1; i <= 9; i++) {
        world_pass(w, 100);
        char digit[] = {(char)('0' + i), 0};
        say_insert(w, 0, 1, i, i, i - 1, digit);
        world_turn(w);
        next_commit(w, 0);
    }
    Ordo__Cluster__V1__HistoryAnswer *answer = read_history(w, 0, 0, 3, 100);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->head, 10);
    struct ordo_reader reader = ordo_reader(ordo_slice_of_binary(answer->ops->bytes));
    for (uint64_t seq = 3; seq <= 10; seq++) {
        uint8_t tag;
        struct ordo_slice encoded = {0};
        struct ordo_committed op;
        assert_true(ordo_take_u8(&reader, &tag) && tag == (1 << 3 | 2) && ordo_take_sized(&reader, &encoded));
        assert_true(ordo_committed_decode(encoded, &op) && op.server_seq == seq);
    }
    assert_int_equal(ordo_reader_left(&reader), 0);
    answer = read_history(w, 1, 4, 0, 0);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(answer->content->bytes), ordo_slice_of("123")));
    answer = read_history(w, 2, start_ms + 550, 0, 0);
    assert_int_equal(answer->content_seq, 6);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(answer->content->bytes), ordo_slice_of("12345")));
    answer = read_history(w, 2, start_ms - 1, 0, 0);
    assert_int_equal(answer->content_seq, 0);
    assert_true(answer->content_deleted);
    assert_int_equal(read_history(w, 1, 11, 0, 0)->error_code, 400);
    assert_int_equal(read_history(w, 0, 0, 5, 4)->error_code, 400);
    assert_int_equal(read_history(w, 9, 0, 1, 4)->error_code, 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, two_gateways_set_up, two_gateways_tear_down)
        T(inputs_wait_in_order_while_their_document_loads_and_others_go_on),
        T(what_waits_for_a_document_is_bounded),
        T(who_leaves_while_waiting_is_not_answered),
        T(a_shard_can_be_stopped_with_jobs_in_every_state),
        T(unused_documents_leave_the_memory_and_come_back),
        T(all_documents_together_keep_no_more_recent_ops_than_their_share),
        T(snapshots_are_made_as_the_log_grows_and_two_are_kept),
        T(an_idle_document_with_a_tail_gets_a_snapshot),
        T(a_document_loaded_again_is_not_snapshotted_at_the_same_seq),
        T(a_large_snapshot_goes_out_in_pieces_between_turns),
        T(a_far_op_is_rebased_by_a_job_while_others_go_on),
        T(a_far_op_goes_through_all_checks),
        T(a_far_op_whose_client_opened_elsewhere_is_not_committed),
        T(near_and_far_rebases_agree_with_the_naive_way),
        T(other_protocols_dedupe_by_what_stands_after_the_base),
        T(a_damaged_log_is_refused_and_confined_to_its_document),
        T(a_missing_run_in_the_middle_is_damage),
        T(a_damaged_snapshot_falls_back_to_the_older_and_the_log),
        T(a_damaged_client_row_refuses_that_client_only),
        T(large_contents_travel_as_bulk),
        T(history_is_read_by_range_by_seq_and_by_time),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
