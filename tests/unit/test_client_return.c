/* Several clients come back at once from behind the horizon, with ops in flight that were committed or not, and the
 * server has forgotten some of them. Every insert is a code point of its own, so each can be counted. */
#include "tests/unit/client_world.h"

enum { TOKENS_MAX = 2048, ROUNDS = 3 };

struct token {
    unsigned count;         /* in the server's text */
    bool is_excused;        /* it may be missing: somebody deleted it, or it died with a process before it was stored */
    bool is_told_saved;     /* a guess that it was there already */
    bool is_told_sent_anew; /* a guess that it was not */
};

static struct token tokens[TOKENS_MAX];
static uint64_t guesses_saved, guesses_anew, guesses_wrong, absences_committed, doubled_count;

static struct token *take_token(struct ordo_slice *text) {
    uint32_t code = (text->data[0] & 15u) << 12 | (text->data[1] & 63u) << 6 | (text->data[2] & 63u);
    assert_in_range(code, FIRST_TOKEN, FIRST_TOKEN + TOKENS_MAX - 1);
    *text = ordo_slice(text->data + 3, text->size - 3);
    return &tokens[code - FIRST_TOKEN];
}

/* The server of the test remembers what the one that it plays has forgotten. */
static bool is_committed(const struct world *world, const struct player *player, uint64_t client_seq) {
    struct ordo_client_id id = ordo_client_doc_client_id(player->doc);
    for (uint64_t seq = 1; seq <= world->server.head; seq++) {
        const struct toy_op *op = &world->server.ops[seq - 1];
        if (op->client_seq == client_seq && memcmp(op->client_id, id.bytes, 16) == 0) return true;
    }
    return false;
}

static void note_guess(struct player *player, const struct ordo_client_guess *guess) {
    struct ordo_slice rest = guess->inserted;
    while (rest.size > 0) {
        struct token *token = take_token(&rest);
        if (guess->is_saved) token->is_told_saved = true;
        else token->is_told_sent_anew = true;
    }
    if (guess->is_saved) guesses_saved++;
    else guesses_anew++;
    if (guess->is_saved != is_committed(player->world, player, guess->client_seq)) guesses_wrong++;
}

/* --- people ----------------------------------------------------------------------------------------------------- */

/* Deletes up to three code points. */
static void erase(struct world *world, struct player *player) {
    uint64_t length = ordo_client_doc_length(player->doc);
    if (!player->has_editor || length == 0) return;
    uint64_t position = below(world, length), count = 1 + below(world, 3);
    if (count > length - position) count = length - position;
    struct ordo_buffer text = {0}, op = {0};
    write_editor(player, &text);
    struct ordo_slice gone = ordo_slice(text.data + 3 * position, 3 * (size_t)count);
    while (gone.size > 0) take_token(&gone)->is_excused = true;
    ordo_text_splice(position, count, ordo_slice_of(""), (struct ordo_text_hints){0}, &op);
    assert_int_equal(ordo_client_doc_splice(player->doc, position, count, ordo_slice_of("")), ORDO_OK);
    assert_int_equal(ordo_text_content_apply(player->editor, ordo_buffer_slice(&op)), ORDO_OK);
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&op);
}

/* The process dies: what was typed since the record was stored dies with it. */
static void restart(struct world *world, struct player *player, size_t index) {
    struct ordo_buffer text = {0};
    write_editor(player, &text);
    struct ordo_slice rest = ordo_buffer_slice(&text);
    while (rest.size > 0) take_token(&rest)->is_excused = true;
    cut(world, player);
    finish(player);
    start(world, player, index);
    write_editor(player, &text);
    rest = ordo_buffer_slice(&text);
    while (rest.size > 0) take_token(&rest)->is_excused = false;
    ordo_buffer_finish(&text);
}

static void go_away(struct world *world) {
    size_t staying = (size_t)below(world, world->player_count);
    for (size_t i = 0; i < world->player_count; i++) {
        struct player *player = &world->players[i];
        if (i == staying || !player->has_editor || below(world, 4) == 0) continue;
        player->is_away = true;
        cut(world, player);
    }
}

static void come_back(struct world *world) {
    uint64_t head = world->server.head;
    uint64_t in_log = below(world, 3) * below(world, 4);
    toy_truncate(&world->server, head > in_log ? head - in_log : 0);
    if (below(world, 4) > 0) toy_forget(&world->server, below(world, 3) == 0 ? below(world, head + 1) : head);
    for (size_t i = 0; i < world->player_count; i++) {
        struct player *player = &world->players[i];
        uint64_t client_seq, base_seq;
        if (!player->is_away) continue;
        player->is_away = false;
        if (ordo_client_doc_in_flight(player->doc, &client_seq, &base_seq))
            absences_committed += is_committed(world, player, client_seq);
    }
}

/* `erases`: people also delete. `dies`: the first two players' processes do, and start again from their records. */
static void live(struct world *world, uint64_t seed, bool erases, bool dies) {
    memset(tokens, 0, sizeof tokens);
    memset(&world->players, 0, sizeof world->players);
    world_begin(world, seed, 2 + seed % 3);
    world->next_token = FIRST_TOKEN;
    world->guessed = note_guess;
    for (size_t i = 0; dies && i < 2; i++) {
        finish(&world->players[i]);
        world->players[i].crashes = true;
        start(world, &world->players[i], i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 60; i++) step(world, true);
        go_away(world);
        for (int i = 0; i < 120; i++) {
            step(world, true);
            struct player *player = &world->players[below(world, world->player_count)];
            if (erases && below(world, 10) == 0) erase(world, player);
        }
        if (dies && below(world, 2) == 0 && world->players[0].is_away) restart(world, &world->players[0], 0);
        if (dies && below(world, 2) == 0) restart(world, &world->players[1], 1);
        come_back(world);
    }
    settle(world, seed);
    check_world(world);
    for (size_t i = 0; i < world->player_count; i++) assert_int_equal(world->players[i].given_back_count, 0);
    assert_int_equal(world->server.nack_counts[ORDO__V1__NACK_CODE__INVALID_OP], 0);
    assert_int_equal(world->server.nack_counts[ORDO__V1__NACK_CODE__REPLAYED], 0);
}

static void count_tokens(struct world *world, uint64_t seed) {
    struct ordo_buffer text = {0};
    toy_write_content(&world->server, world->server.head, &text);
    struct ordo_slice rest = ordo_buffer_slice(&text);
    while (rest.size > 0) take_token(&rest)->count++;
    ordo_buffer_finish(&text);
    for (uint32_t i = 0; i < world->next_token - FIRST_TOKEN; i++) {
        const struct token *token = &tokens[i];
        bool may_miss = token->is_excused || token->is_told_saved;
        unsigned count_max = token->is_told_sent_anew ? 2 : 1;
        if (token->count == 2) doubled_count++;
        if (token->count == 0 && !may_miss) fail_msg("seed %llu: insert %u is lost", (unsigned long long)seed, i);
        if (token->count > count_max) fail_msg("seed %llu: insert %u is doubled", (unsigned long long)seed, i);
    }
}

/* --- the schedules ---------------------------------------------------------------------------------------------- */

static void clients_that_return_together_lose_nothing_and_double_nothing(void **state) {
    (void)state;
    static struct world world;
    guesses_saved = guesses_anew = guesses_wrong = absences_committed = 0;
    for (uint64_t seed = 0; next_seed(&seed, 2000); seed++) {
        live(&world, seed, false, false);
        for (size_t i = 0; i < TOKENS_MAX; i++) tokens[i].is_told_saved = tokens[i].is_told_sent_anew = false;
        count_tokens(&world, seed); /* whatever was guessed */
        world_end(&world);
    }
    print_message("guessed: %llu saved, %llu not; away with a committed op in flight: %llu\n",
                  (unsigned long long)guesses_saved, (unsigned long long)guesses_anew,
                  (unsigned long long)absences_committed);
    assert_int_equal(guesses_wrong, 0);
    if (getenv("ORDO_SEED") == NULL) assert_true(guesses_saved > 0 && guesses_anew > 0 && absences_committed > 0);
}

/* Where texts are deleted, a guess may be wrong; then it was told. */
static void clients_that_return_to_deleted_text_lose_and_double_nothing_untold(void **state) {
    (void)state;
    static struct world world;
    guesses_saved = guesses_anew = guesses_wrong = doubled_count = 0;
    for (uint64_t seed = 0; next_seed(&seed, 2000); seed++) {
        live(&world, seed, true, false);
        count_tokens(&world, seed);
        world_end(&world);
    }
    print_message("guessed: %llu saved, %llu not, %llu wrong; inserts doubled: %llu\n",
                  (unsigned long long)guesses_saved, (unsigned long long)guesses_anew,
                  (unsigned long long)guesses_wrong, (unsigned long long)doubled_count);
}

static void clients_that_return_from_their_records_lose_and_double_nothing_stored(void **state) {
    (void)state;
    static struct world world;
    guesses_wrong = 0;
    for (uint64_t seed = 0; next_seed(&seed, 2000); seed++) {
        live(&world, seed, false, true);
        count_tokens(&world, seed);
        world_end(&world);
    }
    assert_int_equal(guesses_wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(clients_that_return_together_lose_nothing_and_double_nothing, tell_seed),
        cmocka_unit_test_teardown(clients_that_return_to_deleted_text_lose_and_double_nothing_untold, tell_seed),
        cmocka_unit_test_teardown(clients_that_return_from_their_records_lose_and_double_nothing_stored, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
