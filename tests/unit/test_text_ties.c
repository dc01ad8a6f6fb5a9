/* Ties of text (docs/protocol.md, Ties): both sides of a rebase agree, and people's runs of typing do not interleave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/ot/text.h"
#include "common/ot/text_typing.h"
#include "common/utf8.h"
#include "tests/ot/support.h"

/* --- the rule --------------------------------------------------------------------------------------------------- */

static struct ordo_buffer applied(const struct ordo_buffer *text, const struct ordo_buffer *first,
                                  const struct ordo_buffer *second) {
    struct ordo_buffer result = {0};
    struct ordo_content *content = ordo_text_content_create();
    assert_int_equal(ordo_text_content_append(content, ordo_buffer_slice(text)), ORDO_OK);
    assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(first)), ORDO_OK);
    assert_int_equal(ordo_text_content_apply(content, ordo_buffer_slice(second)), ORDO_OK);
    ordo_text_content_write(content, &result);
    ordo_text_content_destroy(content);
    return result;
}

static void either_order_of_two_ops_gives_the_same_text(void **state) {
    (void)state;
    static const char *const clients[] = {"a", "b", "bb", ""};
    struct ot_random random = {.components_max = 7, .span_max = 3, .has_hints = true};
    ordo_prng_init(&random.prng, 7);
    for (int i = 0; i < 200000; i++) {
        struct ordo_buffer text = {0}, a = {0}, b = {0}, a_after_b = {0}, b_after_a = {0};
        uint64_t length = ordo_prng_below(&random.prng, 10);
        size_t pick_a = ordo_prng_below(&random.prng, 4),
               pick_b = (pick_a + 1 + ordo_prng_below(&random.prng, 3)) % 4;
        struct ordo_slice client_a = ordo_slice_of(clients[pick_a]), client_b = ordo_slice_of(clients[pick_b]);
        if (i % 10 == 0) client_b = client_a; /* then the order decides, which one side sees as later */
        ot_random_text(&random, length, &text);
        ot_random_op(&random, length, &a);
        ot_random_op(&random, length, &b);

        ordo_text_transform(ordo_buffer_slice(&a), client_a, ordo_buffer_slice(&b), client_b, true, &a_after_b);
        ordo_text_transform(ordo_buffer_slice(&b), client_b, ordo_buffer_slice(&a), client_a, false, &b_after_a);

        struct ordo_buffer one = applied(&text, &a, &b_after_a), two = applied(&text, &b, &a_after_b);
        assert_true(ordo_slice_equal(ordo_buffer_slice(&one), ordo_buffer_slice(&two)));
        struct ordo_buffer *all[] = {&text, &a, &b, &a_after_b, &b_after_a, &one, &two};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) ordo_buffer_finish(all[k]);
    }
}

/* An insert of client 0, 1 or 2 with the hints 0..3 at the start of the text. */
static struct ordo_buffer plain_insert(int client, int hints) {
    struct ordo_buffer op = {0};
    char letter = (char)('a' + client);
    ordo_text_splice(0, 0, ordo_slice(&letter, 1),
                     (struct ordo_text_hints){.follows = hints & 1, .precedes = hints >> 1}, &op);
    return op;
}

static bool goes_first(int client, int hints, int other, int other_hints) {
    char id = (char)client, other_id = (char)other;
    struct ordo_buffer op = plain_insert(client, hints), against = plain_insert(other, other_hints), out = {0};
    ordo_text_transform(ordo_buffer_slice(&op), ordo_slice(&id, 1), ordo_buffer_slice(&against),
                        ordo_slice(&other_id, 1), true, &out);
    bool is_unmoved = ordo_slice_equal(ordo_buffer_slice(&op), ordo_buffer_slice(&out));
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&against);
    ordo_buffer_finish(&out);
    return is_unmoved;
}

static void ties_of_three_clients_are_in_one_order(void **state) {
    (void)state;
    for (int hints = 0; hints < 64; hints++) {
        int of[] = {hints & 3, hints >> 2 & 3, hints >> 4};
        for (int a = 0; a < 3; a++) {
            int b = (a + 1) % 3, c = (a + 2) % 3;
            assert_int_equal(goes_first(a, of[a], b, of[b]), !goes_first(b, of[b], a, of[a]));
            if (goes_first(a, of[a], b, of[b]) && goes_first(b, of[b], c, of[c]))
                assert_true(goes_first(a, of[a], c, of[c]));
        }
    }
}

static void hints_decide_before_the_client_does(void **state) {
    (void)state;
    enum { NONE, FOLLOWS, PRECEDES, BOTH };
    assert_true(goes_first(0, NONE, 1, NONE));
    assert_true(goes_first(0, NONE, 1, PRECEDES));
    assert_false(goes_first(0, NONE, 1, FOLLOWS));
    assert_false(goes_first(0, PRECEDES, 1, NONE));
    assert_false(goes_first(0, NONE, 1, BOTH));
    assert_true(goes_first(0, FOLLOWS, 1, BOTH));
    assert_true(goes_first(0, PRECEDES, 1, PRECEDES));
}

/* --- clients with one op in flight, a toy sequencer ------------------------------------------------------------- */

enum { CLIENTS_MAX = 4, LOG_MAX = 512, LENGTH_AT_START = 12, GAP = 6, RUN_FIRST = 0xE000, RUN_SIZE = 0x100 };

enum habit { FORWARDS, BACKWARDS, MIXED, DELETER };

struct commit {
    int client;
    struct ordo_buffer op;
};

struct client {
    enum habit habit;
    uint8_t id[16];
    struct ordo_content *content;
    struct ordo_live_op *in_flight, *pending; /* in_flight: the rebased form */
    struct ordo_buffer frozen;
    size_t frozen_base, seen; /* commits */
    bool is_in_flight, has_arrived;
    struct ordo_text_typing typing;
    bool has_started;
    uint64_t left, right; /* where it types next, backwards and forwards: the edges of its run */
    uint32_t typed, to_type, starts_after;
};

struct world {
    struct ordo_prng prng;
    struct commit log[LOG_MAX];
    size_t head;
    struct client clients[CLIENTS_MAX];
    int client_count;
    struct ordo_content *content;
    bool has_hints, deletes_runs;
};

static struct ordo_slice client_id(const struct client *client) { return ordo_slice(client->id, sizeof client->id); }

static void client_send(struct client *client) {
    if (client->is_in_flight || ordo_text_live_is_empty(client->pending)) return;
    struct ordo_live_op *swapped = client->in_flight;
    client->in_flight = client->pending;
    client->pending = swapped;
    ordo_text_live_load(client->pending, ordo_slice(NULL, 0), client_id(client));
    ordo_buffer_clear(&client->frozen);
    ordo_text_live_encode(client->in_flight, &client->frozen);
    client->frozen_base = client->seen;
    client->is_in_flight = true;
    client->has_arrived = false;
}

static void client_edit(struct world *world, struct client *client, uint64_t position, uint64_t count,
                        struct ordo_slice text) {
    struct ordo_buffer op = {0};
    if (world->has_hints)
        ordo_text_typing_splice(&client->typing, position, count, text, &op);
    else
        ordo_text_splice(position, count, text, (struct ordo_text_hints){0}, &op);
    assert_int_equal(ordo_text_content_apply(client->content, ordo_buffer_slice(&op)), ORDO_OK);
    ordo_text_live_compose(client->pending, ordo_buffer_slice(&op));
    ordo_buffer_finish(&op);
    client_send(client);
}

static uint32_t decode(const uint8_t *at) { return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu); }

static int run_of(uint32_t code_point) { return (int)((code_point - RUN_FIRST) / RUN_SIZE); }

/* Code points of a content; those below RUN_FIRST are of the text at the start. */
static size_t code_points(const struct ordo_content *content, uint32_t *out, size_t count_max) {
    struct ordo_buffer text = {0};
    ordo_text_content_write(content, &text);
    size_t count = 0;
    for (size_t i = 0; i < text.size && count < count_max; count++) {
        bool is_typed = text.data[i] >= 0xE0;
        out[count] = is_typed ? decode(text.data + i) : text.data[i];
        i += is_typed ? 3 : 1;
    }
    ordo_buffer_finish(&text);
    return count;
}

/* Puts the caret into the gap between the letters GAP - 1 and GAP of the start, on a random side of what it shows of
 * the others' runs; if those letters are gone, beside the next one that is not. */
static void client_start(struct world *world, struct client *client) {
    uint32_t text[4096];
    size_t count = code_points(client->content, text, 4096), from = 0, to = count;
    for (size_t i = 0; i < count; i++) {
        if (text[i] >= RUN_FIRST) continue;
        if (text[i] < 'a' + GAP) from = i + 1;
        if (text[i] >= 'a' + GAP && to == count) to = i;
    }
    client->left = client->right = ordo_prng_below(&world->prng, 2) ? from : to;
    client->has_started = true;
}

static void client_type(struct world *world, struct client *client) {
    if (!client->has_started) client_start(world, client);
    if (client->habit == FORWARDS && client->right > client->left + 1 && ordo_prng_below(&world->prng, 10) == 0) {
        client_edit(world, client, --client->right, 1, ordo_slice(NULL, 0)); /* backspace */
        return;
    }
    uint32_t code_point = RUN_FIRST + (uint32_t)(client - world->clients) * RUN_SIZE + client->typed++;
    uint8_t utf8[] = {(uint8_t)(0xE0 | code_point >> 12), (uint8_t)(0x80 | (code_point >> 6 & 0x3f)),
                      (uint8_t)(0x80 | (code_point & 0x3f))};
    bool is_forwards = client->habit == FORWARDS || (client->habit == MIXED && ordo_prng_below(&world->prng, 2));
    client_edit(world, client, is_forwards ? client->right : client->left, 0, ordo_slice(utf8, sizeof utf8));
    client->right++;
}

/* Deletes what stands around: letters of the start alone, on both sides of what is typed between them, or all. */
static void client_delete(struct world *world, struct client *client) {
    uint32_t text[4096];
    size_t count = code_points(client->content, text, 4096);
    client->typed++;
    if (count == 0) return;
    size_t from = ordo_prng_below(&world->prng, count), letters = 1 + ordo_prng_below(&world->prng, 8);
    uint64_t position = from;
    for (size_t i = from; i < count && letters > 0; i++) {
        bool is_letter = text[i] < RUN_FIRST;
        letters -= is_letter;
        if (is_letter || world->deletes_runs)
            client_edit(world, client, position, 1, ordo_slice(NULL, 0));
        else
            position++;
    }
}

static void client_receive(struct world *world, struct client *client) {
    struct commit *commit = &world->log[client->seen++];
    if (&world->clients[commit->client] == client) {
        client->is_in_flight = false;
        client_send(client);
        return;
    }
    struct ordo_slice author = client_id(&world->clients[commit->client]);
    struct ordo_buffer over_in_flight = {0}, shown = {0};
    struct ordo_slice other = ordo_buffer_slice(&commit->op);
    if (client->is_in_flight) {
        ordo_text_live_rebase(client->in_flight, other, author, &over_in_flight);
        other = ordo_buffer_slice(&over_in_flight);
    }
    ordo_text_live_rebase(client->pending, other, author, &shown);
    other = ordo_buffer_slice(&shown);
    assert_int_equal(ordo_text_content_apply(client->content, other), ORDO_OK);
    ordo_text_typing_over(&client->typing, other);
    bool is_empty = client->left == client->right;
    client->right = ordo_text_position_after(other, client->right, false);
    client->left = is_empty ? client->right : ordo_text_position_after(other, client->left, true);
    if (client->left > client->right) client->left = client->right;
    ordo_buffer_finish(&over_in_flight);
    ordo_buffer_finish(&shown);
}

static void server_receive(struct world *world, struct client *client) {
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_load(live, ordo_buffer_slice(&client->frozen), client_id(client));
    for (size_t seq = client->frozen_base; seq < world->head; seq++) {
        struct commit *commit = &world->log[seq];
        ordo_text_live_rebase(live, ordo_buffer_slice(&commit->op), client_id(&world->clients[commit->client]), NULL);
    }
    assert_true(world->head < LOG_MAX);
    struct commit *commit = &world->log[world->head++];
    *commit = (struct commit){.client = (int)(client - world->clients)};
    ordo_text_live_encode(live, &commit->op);
    ordo_text_live_destroy(live);
    assert_int_equal(ordo_text_content_apply(world->content, ordo_buffer_slice(&commit->op)), ORDO_OK);
    client->has_arrived = true;
}

static bool client_has_to_edit(const struct world *world, const struct client *client) {
    return client->typed < client->to_type && client->starts_after <= world->head;
}

/* One event at random; false when nothing is left to happen. */
static bool world_step(struct world *world, uint64_t edits, uint64_t arrivals) {
    bool is_busy = false;
    int first = (int)ordo_prng_below(&world->prng, (uint64_t)world->client_count);
    for (int i = 0; i < world->client_count; i++) {
        struct client *client = &world->clients[(first + i) % world->client_count];
        bool edits_left = client->typed < client->to_type, can_edit = client_has_to_edit(world, client);
        bool can_arrive = client->is_in_flight && !client->has_arrived, can_see = client->seen < world->head;
        /* A late starter waits for the others; when they have nothing more to say, it starts. */
        if (edits_left && !can_edit && !can_arrive && !can_see && i == world->client_count - 1 && !is_busy)
            can_edit = true;
        is_busy = is_busy || edits_left || can_arrive || can_see;
        uint64_t pick = ordo_prng_below(&world->prng, edits + arrivals + 4);
        if (pick < edits && can_edit) {
            if (client->habit == DELETER)
                client_delete(world, client);
            else
                client_type(world, client);
            return true;
        }
        if (pick >= edits && pick < edits + arrivals && can_arrive) {
            server_receive(world, client);
            return true;
        }
        if (pick >= edits + arrivals && can_see) {
            client_receive(world, client);
            return true;
        }
        if (edits_left && client->starts_after > 0) client->starts_after--;
    }
    return is_busy;
}

static void world_init(struct world *world, uint64_t seed, bool has_hints, bool deletes_runs) {
    *world = (struct world){.has_hints = has_hints, .deletes_runs = deletes_runs};
    ordo_prng_init(&world->prng, seed);
    int typists = 2 + (int)ordo_prng_below(&world->prng, 2);
    bool has_deleter = deletes_runs || ordo_prng_below(&world->prng, 2) == 0;
    world->client_count = typists + has_deleter;
    world->content = ordo_text_content_create();
    struct ordo_slice text = ordo_slice("abcdefghijkl", LENGTH_AT_START);
    assert_int_equal(ordo_text_content_append(world->content, text), ORDO_OK);
    for (int i = 0; i < world->client_count; i++) {
        struct client *client = &world->clients[i];
        client->habit = i < typists ? (enum habit)ordo_prng_below(&world->prng, 3) : DELETER;
        for (size_t k = 0; k < sizeof client->id; k++) client->id[k] = (uint8_t)ordo_prng_next(&world->prng);
        client->content = ordo_text_content_create();
        assert_int_equal(ordo_text_content_append(client->content, text), ORDO_OK);
        client->in_flight = ordo_text_live_create();
        client->pending = ordo_text_live_create();
        ordo_text_live_load(client->pending, ordo_slice(NULL, 0), client_id(client));
        client->to_type = client->habit == DELETER ? 1 + (uint32_t)ordo_prng_below(&world->prng, 4)
                                                   : 2 + (uint32_t)ordo_prng_below(&world->prng, 12);
        bool is_late = ordo_prng_below(&world->prng, 3) == 0;
        client->starts_after = is_late ? 1 + (uint32_t)ordo_prng_below(&world->prng, 12) : 0;
    }
}

static void world_finish(struct world *world) {
    for (size_t i = 0; i < world->head; i++) ordo_buffer_finish(&world->log[i].op);
    for (int i = 0; i < world->client_count; i++) {
        struct client *client = &world->clients[i];
        ordo_text_content_destroy(client->content);
        ordo_text_live_destroy(client->in_flight);
        ordo_text_live_destroy(client->pending);
        ordo_buffer_finish(&client->frozen);
    }
    ordo_text_content_destroy(world->content);
}

static void assert_converged(const struct world *world) {
    struct ordo_buffer expected = {0};
    ordo_text_content_write(world->content, &expected);
    for (int i = 0; i < world->client_count; i++) {
        struct ordo_buffer got = {0};
        ordo_text_content_write(world->clients[i].content, &got);
        assert_true(ordo_slice_equal(ordo_buffer_slice(&got), ordo_buffer_slice(&expected)));
        ordo_buffer_finish(&got);
    }
    ordo_buffer_finish(&expected);
}

/* Whether some run has another's code points between its own. */
static bool is_interleaved(const struct world *world) {
    uint32_t text[4096];
    size_t count = code_points(world->content, text, 4096);
    for (int run = 0; run < world->client_count; run++) {
        bool is_inside = false, was_left = false;
        for (size_t i = 0; i < count; i++) {
            if (text[i] < RUN_FIRST) continue;
            bool is_own = run_of(text[i]) == run;
            if (is_own && was_left) return true;
            was_left = was_left || (is_inside && !is_own);
            is_inside = is_inside || is_own;
        }
    }
    return false;
}

static size_t count_interleaved(uint64_t schedules, bool has_hints, bool deletes_runs) {
    size_t interleaved = 0;
    for (uint64_t seed = 1; seed <= schedules; seed++) {
        struct world *world = malloc(sizeof *world);
        assert_non_null(world);
        world_init(world, seed, has_hints, deletes_runs);
        uint64_t edits = 1 + ordo_prng_below(&world->prng, 8), arrivals = 1 + ordo_prng_below(&world->prng, 8);
        while (world_step(world, edits, arrivals)) continue;
        assert_converged(world);
        if (is_interleaved(world)) {
            if (has_hints && !deletes_runs) print_message("interleaved: seed %lu\n", (unsigned long)seed);
            interleaved++;
        }
        world_finish(world);
        free(world);
    }
    return interleaved;
}

static void runs_of_typing_do_not_interleave_in_40000_schedules(void **state) {
    (void)state;
    assert_int_equal(count_interleaved(40000, true, false), 0);
}

/* The same schedules without hints: otherwise the test above might be one that cannot fail. */
static void without_hints_runs_do_interleave(void **state) {
    (void)state;
    size_t interleaved = count_interleaved(2000, false, false);
    print_message("without hints %zu of 2000 schedules interleave\n", interleaved);
    assert_true(interleaved > 200);
}

/* No rule that looks at two inserts alone can know the order of runs between which the text that stood there is gone:
 * when somebody deletes parts of the runs while they are being typed, a few still interleave. */
static void where_runs_are_deleted_while_typed_few_interleave(void **state) {
    (void)state;
    size_t interleaved = count_interleaved(5000, true, true);
    print_message("with runs deleted while typed %zu of 5000 schedules interleave\n", interleaved);
    assert_true(interleaved < 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_order_of_two_ops_gives_the_same_text),
        cmocka_unit_test(ties_of_three_clients_are_in_one_order),
        cmocka_unit_test(hints_decide_before_the_client_does),
        cmocka_unit_test(runs_of_typing_do_not_interleave_in_40000_schedules),
        cmocka_unit_test(without_hints_runs_do_interleave),
        cmocka_unit_test(where_runs_are_deleted_while_typed_few_interleave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
