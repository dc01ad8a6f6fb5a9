/* Whoever only reads history or submits opens bare; whoever wants to hear of changes hears of what is written. */
#include "shard_fixture.h"

#include "shard/core/change.h"
#include "shard/core/key.h"

static void opening_bare_is_answered_without_content_and_ops(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "text");
    world_turn(w);
    next_commit(w, 0);
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    attach.bare = true;
    say_attach(w, 1, &attach);
    world_turn(w);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 1);
    assert_true(attached->has_content);
    assert_int_equal(attached->content_seq, 2);
    assert_int_equal(attached->head, 2);
    assert_int_equal(attached->content->size, 0);
    assert_int_equal(attached->ops->size, 0);
    assert_int_equal(attached->created_seq, 1);
    assert_false(attached->content_deleted);
    say_insert(w, 1, 2, 1, 2, 0, "x"); /* and may write */
    world_turn(w);
    assert_int_equal(next_commit(w, 1)->seq, 3);
}

static void a_bare_resync_needs_no_ops(void **state) {
    struct world *w = *state;
    open_doc(w, 0, 1, "a", "client-a");
    for (uint64_t i = 1; i <= 3; i++) {
        say_insert(w, 0, 1, i, i, 0, "x");
        world_turn(w);
    }
    Ordo__Cluster__V1__Attach attach = open_of(2, "a", "client-b", "");
    attach.bare = attach.has_have = attach.resync = true;
    attach.have_seq = 1;
    say_attach(w, 1, &attach);
    world_turn(w);
    Ordo__Cluster__V1__Attached *attached = next_attached(w, 1);
    assert_int_equal(attached->head, 4);
    assert_int_equal(attached->ops->size, 0);
}

/* Ends the turn; the changes that it tells of, to be read at once. */
static struct ordo_reader end_turn_telling(struct world *w, struct ordo_buffer *copy) {
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_TURN_END);
    ordo_shard_step(w->shard, &event, &w->effects);
    ordo_buffer_clear(copy);
    ordo_buffer_append_slice(copy, ordo_buffer_slice(&w->effects.changes));
    assert_true(copy->size == 0 || w->effects.turn != 0); /* they are in its batch */
    uint64_t turn = w->effects.turn;
    world_carry_out(w);
    if (turn != 0) world_durable(w, turn);
    return ordo_reader(ordo_buffer_slice(copy));
}

static void assert_change(struct ordo_reader *reader, const char *id, uint64_t seq, bool is_deleted, const char *user) {
    struct ordo_change change;
    struct ordo_key key;
    assert_true(ordo_change_take(reader, &change));
    assert_true(ordo_key_parse(change.doc_key, &key));
    assert_true(ordo_slice_equal(key.id, ordo_slice_of(id)));
    assert_int_equal(change.seq, seq);
    assert_int_equal(change.is_deleted, is_deleted);
    assert_true(ordo_slice_equal(change.user, ordo_slice_of(user)));
    assert_true(change.lineage != 0 && change.timestamp_ms != 0);
}

static void changes_are_told_with_the_batch_that_holds_them(void **state) {
    struct world *w = *state;
    struct ordo_buffer copy = {0};
    struct ordo_change change;
    w->config.tells_changes = true;
    restart_with_config(w);
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    say_insert(w, 0, 1, 2, 2, 0, "y");
    assert_int_equal(w->effects.changes.size, 0); /* not before the turn ends */
    struct ordo_reader reader = end_turn_telling(w, &copy);
    assert_change(&reader, "a", 2, false, "ann");
    assert_change(&reader, "a", 3, false, "ann");
    assert_false(ordo_change_take(&reader, &change));
    say_submit_op(w, 0, 1, 3, 3, ORDO_SUBMIT_DELETE, ordo_slice(NULL, 0));
    reader = end_turn_telling(w, &copy);
    assert_change(&reader, "a", 4, true, "ann");
    reader = end_turn_telling(w, &copy);
    assert_false(ordo_change_take(&reader, &change));
    say_forget(w, 0, 1, 0);
    do reader = end_turn_telling(w, &copy);
    while (copy.size == 0);
    assert_change(&reader, "a", 4, true, "");
    ordo_buffer_finish(&copy);
}

static void nothing_is_told_to_nobody(void **state) {
    struct world *w = *state;
    struct ordo_buffer copy = {0};
    open_doc(w, 0, 1, "a", "client-a");
    say_insert(w, 0, 1, 1, 1, 0, "x");
    end_turn_telling(w, &copy);
    assert_int_equal(copy.size, 0);
    ordo_buffer_finish(&copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, two_gateways_set_up, two_gateways_tear_down)
        T(opening_bare_is_answered_without_content_and_ops),
        T(a_bare_resync_needs_no_ops),
        T(changes_are_told_with_the_batch_that_holds_them),
        T(nothing_is_told_to_nobody),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
