/* tests/unit/client_world.h: many clients over connections that break, against a toy server, all by chance of a seed.
 *
 * ORDO_SEEDS=n runs more or fewer seeds, ORDO_SEED=n a single one. What fails prints its seed. */
#ifndef ORDO_TESTS_CLIENT_WORLD_H
#define ORDO_TESTS_CLIENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "client/c/core/connection.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "tests/unit/toy_server.h"

enum { CLIENTS_MAX = 4, FIRST_TOKEN = 0x4E00 };

/* What an application does: it keeps its own copy of the text, from `changed` alone. */
struct player {
    struct world *world;
    struct ordo_client_connection *connection;
    struct ordo_client_doc *doc;
    struct toy_conn *conn; /* NULL: none */
    struct ordo_content *editor;
    bool has_editor;
    uint64_t acked[4096];  /* client_seq → server_seq */
    uint64_t acked_count;
    uint64_t edit_count, given_back_count;
    uint64_t last_seen_seq;
    struct ordo_buffer stored; /* the record, if the test asked for one */
    bool crashes;
    bool is_away; /* does not connect */
};

struct world {
    struct toy_server server;
    struct ordo_prng prng;
    uint64_t now_ms;
    struct player players[CLIENTS_MAX];
    size_t player_count;
    bool is_restored; /* another lineage came in between: edits may be given back */
    uint32_t next_token; /* not 0: edits only insert, and each inserts a code point of its own */
    /* Told of each guess. */
    void (*guessed)(struct player *player, const struct ordo_client_guess *guess);
};

static inline uint64_t below(struct world *world, uint64_t bound) { return ordo_prng_below(&world->prng, bound); }

/* --- the application -------------------------------------------------------------------------------------------- */

static inline void write_editor(const struct player *player, struct ordo_buffer *out) {
    ordo_buffer_clear(out);
    ordo_text_content_write(player->editor, out);
}

static inline void on_opened(void *user, struct ordo_client_doc *doc) {
    struct player *player = user;
    if (player->has_editor) return;
    struct ordo_buffer text = {0};
    ordo_client_doc_write_visible(doc, &text);
    assert_int_equal(ordo_text_content_append(player->editor, ordo_buffer_slice(&text)), ORDO_OK);
    player->has_editor = true;
    ordo_buffer_finish(&text);
}

static inline void on_changed(void *user, struct ordo_client_doc *doc, struct ordo_slice op) {
    struct player *player = user;
    (void)doc;
    if (!player->has_editor) return;
    assert_int_equal(ordo_text_content_apply(player->editor, op), ORDO_OK);
}

static inline void on_given_back(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given) {
    struct player *player = user;
    (void)doc;
    assert_true(given->op.size > 0);
    player->given_back_count++;
}

static inline void on_guessed(void *user, struct ordo_client_doc *doc, const struct ordo_client_guess *guess) {
    struct player *player = user;
    (void)doc;
    assert_non_null(player->world->guessed);
    player->world->guessed(player, guess);
}

static inline void on_acked(void *user, struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq) {
    struct player *player = user;
    (void)doc;
    assert_true(client_seq < 4096);
    if (player->acked[client_seq] == 0) player->acked_count++;
    else assert_int_equal(player->acked[client_seq], server_seq);
    player->acked[client_seq] = server_seq;
}

/* Dense, and the very ops of the server's log. */
static inline void on_committed(void *user, struct ordo_client_doc *doc, const struct ordo_client_commit *commit) {
    struct player *player = user;
    (void)doc;
    struct toy_server *server = &player->world->server;
    assert_true(commit->server_seq <= server->head);
    if (player->world->is_restored) return;
    const struct toy_op *op = &server->ops[commit->server_seq - 1];
    assert_int_equal(commit->client_seq, op->client_seq);
    assert_true(ordo_slice_equal(commit->client_id, ordo_slice(op->client_id, 16)));
    assert_true(ordo_slice_equal(commit->op, ordo_buffer_slice(&op->op)));
}

static inline bool on_store(void *user, struct ordo_client_doc *doc, struct ordo_slice record) {
    struct player *player = user;
    (void)doc;
    ordo_buffer_clear(&player->stored);
    ordo_buffer_append_slice(&player->stored, record);
    return true;
}

static inline void start(struct world *world, struct player *player, size_t index) {
    struct ordo_client_connection_options options = {.client_id = {.bytes = {(uint8_t)index, 'p'}}};
    ordo_prng_init(&options.prng, index + 17 * world->now_ms);
    player->world = world;
    player->connection = ordo_client_connection_create(&options);
    player->editor = ordo_text_content_create();
    player->has_editor = false;
    struct ordo_client_doc_options doc = {
        .collection = ordo_slice_of("c"),
        .id = ordo_slice_of("d"),
        .create_type = ordo_slice_of("text"),
        .listener = {.opened = on_opened,
                     .changed = on_changed,
                     .given_back = on_given_back,
                     .guessed = on_guessed,
                     .acked = on_acked,
                     .committed = on_committed,
                     .store = player->crashes ? on_store : NULL},
        .user = player,
    };
    player->doc = ordo_client_connection_open(player->connection, &doc);
    if (player->stored.size > 0) {
        assert_int_equal(ordo_client_doc_restore(player->doc, ordo_buffer_slice(&player->stored)), ORDO_OK);
        on_opened(player, player->doc);
    }
}

static inline void finish(struct player *player) {
    ordo_client_connection_destroy(player->connection);
    ordo_text_content_destroy(player->editor);
}

/* --- the network ------------------------------------------------------------------------------------------------ */

static inline void cut(struct world *world, struct player *player) {
    if (player->conn == NULL) return;
    struct toy_queue *sent = &player->conn->to_server;
    player->conn->is_cut = true;
    /* A part of what was sent never arrives, the rest late. */
    struct ordo_buffer lost = {0};
    while (sent->count > 0 && below(world, 2) == 0) {
        struct toy_frame *last = &sent->frames[--sent->count];
        ordo_buffer_finish(&last->bytes);
    }
    ordo_buffer_finish(&lost);
    player->conn = NULL;
    ordo_client_connection_disconnected(player->connection, world->now_ms);
}

/* What the owner of a connection does after every call. */
static inline void serve(struct world *world, struct player *player) {
    struct ordo_slice frame;
    while ((frame = ordo_client_connection_take_frame(player->connection, world->now_ms)).size > 0) {
        assert_non_null(player->conn);
        toy_push(&player->conn->to_server, TOY_ANSWER, 0, frame);
    }
    switch (ordo_client_connection_wish(player->connection, world->now_ms)) {
    case ORDO_CLIENT_WISH_CONNECT:
        if (player->is_away) break;
        ordo_client_connection_dialing(player->connection, world->now_ms);
        player->conn = toy_connect(&world->server);
        ordo_client_connection_connected(player->connection, world->now_ms);
        break;
    case ORDO_CLIENT_WISH_CLOSE: cut(world, player); break;
    case ORDO_CLIENT_WISH_NOTHING: break;
    }
}

static inline void deliver_to_client(struct world *world, struct player *player) {
    struct ordo_buffer frame = {0}, joined = {0};
    uint64_t count = 1 + below(world, 3);
    while (count-- > 0 && player->conn != NULL && toy_pop(&player->conn->to_client, &frame))
        ordo_buffer_append_slice(&joined, ordo_buffer_slice(&frame));
    if (joined.size > 0)
        ordo_client_connection_received(player->connection, ordo_buffer_slice(&joined), world->now_ms);
    ordo_buffer_finish(&frame);
    ordo_buffer_finish(&joined);
}

static inline void deliver_to_server(struct world *world) {
    if (world->server.conn_count == 0) return;
    struct toy_conn *conn = world->server.conns[below(world, world->server.conn_count)];
    struct ordo_buffer frame = {0};
    if (toy_pop(&conn->to_server, &frame)) toy_receive(conn, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
}

/* --- chance ----------------------------------------------------------------------------------------------------- */

static const char *const snippets[] = {"a", "bc", "ä", "日本", "x", "🙂", "lorem ", "e\xCC\x81"};

static inline void edit(struct world *world, struct player *player) {
    if (player->doc == NULL || ordo_client_doc_type(player->doc) == NULL || !player->has_editor) return;
    uint64_t length = ordo_client_doc_length(player->doc);
    uint64_t position = below(world, length + 1);
    uint64_t count = below(world, 3) == 0 ? below(world, length - position + 1) : 0;
    if (count > 4) count = 4;
    struct ordo_slice text = ordo_slice_of(snippets[below(world, 8)]);
    if (count > 0 && below(world, 2) == 0) text.size = 0;
    uint8_t token[3];
    if (world->next_token != 0) {
        uint32_t value = world->next_token;
        token[0] = (uint8_t)(0xE0 | value >> 12), token[1] = (uint8_t)(0x80 | (value >> 6 & 63));
        token[2] = (uint8_t)(0x80 | (value & 63));
        text = ordo_slice(token, 3);
        count = 0;
    }
    struct ordo_buffer op = {0};
    ordo_text_splice(position, count, text, (struct ordo_text_hints){0}, &op);
    ordo_err err = ordo_client_doc_splice(player->doc, position, count, text);
    if (!err) {
        assert_int_equal(ordo_text_content_apply(player->editor, ordo_buffer_slice(&op)), ORDO_OK);
        player->edit_count++;
        if (world->next_token != 0) world->next_token++;
    }
    ordo_buffer_finish(&op);
}

static inline void check_editor(const struct player *player) {
    struct ordo_buffer shown = {0}, kept = {0};
    if (!player->has_editor) return;
    ordo_client_doc_write_visible(player->doc, &shown);
    write_editor(player, &kept);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&shown), ordo_buffer_slice(&kept)));
    assert_int_equal(ordo_client_doc_length(player->doc), ordo_utf8_count(ordo_buffer_slice(&shown)));
    ordo_buffer_finish(&shown);
    ordo_buffer_finish(&kept);
}

static inline void step(struct world *world, bool with_faults) {
    struct player *player = &world->players[below(world, world->player_count)];
    uint64_t dice = below(world, 1000);
    world->now_ms += below(world, 4);
    if (with_faults && dice < 180) edit(world, player);
    else if (dice < 500) deliver_to_server(world);
    else if (dice < 900) deliver_to_client(world, player);
    else if (with_faults && dice < 915) cut(world, player);
    else if (dice < 940 && player->conn != NULL && !player->conn->is_ended && (with_faults || player->conn->is_mute))
        toy_resync(player->conn);
    ordo_client_connection_tick(player->connection, world->now_ms);
    serve(world, player);
    check_editor(player);
}

static inline bool is_quiet(struct world *world) {
    for (size_t i = 0; i < world->player_count; i++) {
        struct player *player = &world->players[i];
        bool is_level = ordo_client_doc_is_open(player->doc) && ordo_client_doc_is_settled(player->doc) &&
                        ordo_client_doc_seq(player->doc) == world->server.head;
        if (!is_level) return false;
    }
    return true;
}

static inline void settle(struct world *world, uint64_t seed) {
    world->server.faults = (struct toy_faults){0};
    for (int i = 0; i < 200000 && !is_quiet(world); i++) {
        if (i % 64 == 0) world->now_ms += 50;
        step(world, false);
    }
    if (!is_quiet(world)) fail_msg("seed %llu does not come to rest", (unsigned long long)seed);
}

static inline void check_world(struct world *world) {
    struct ordo_buffer expected = {0}, shown = {0}, confirmed = {0};
    toy_write_content(&world->server, world->server.head, &expected);
    for (size_t i = 0; i < world->player_count; i++) {
        struct player *player = &world->players[i];
        ordo_buffer_clear(&shown);
        ordo_buffer_clear(&confirmed);
        ordo_client_doc_write_visible(player->doc, &shown);
        ordo_client_doc_write_confirmed(player->doc, &confirmed);
        assert_true(ordo_slice_equal(ordo_buffer_slice(&shown), ordo_buffer_slice(&expected)));
        assert_true(ordo_slice_equal(ordo_buffer_slice(&confirmed), ordo_buffer_slice(&expected)));
        check_editor(player);
    }
    ordo_buffer_finish(&expected);
    ordo_buffer_finish(&shown);
    ordo_buffer_finish(&confirmed);
}

/* Every op in the log was acked to its author once, and every ack is in the log. */
static inline void check_acks(const struct world *world) {
    uint64_t acked_count = 0;
    for (size_t i = 0; i < world->player_count; i++) acked_count += world->players[i].acked_count;
    assert_int_equal(acked_count, world->server.head);
    for (uint64_t seq = 1; seq <= world->server.head; seq++) {
        const struct toy_op *op = &world->server.ops[seq - 1];
        assert_int_equal(world->players[op->client_id[0]].acked[op->client_seq], seq);
    }
}

static inline void world_begin(struct world *world, uint64_t seed, size_t player_count) {
    memset(world, 0, sizeof *world);
    toy_init(&world->server, seed);
    ordo_prng_init(&world->prng, seed * 2 + 1);
    world->now_ms = 1000;
    world->player_count = player_count;
    world->server.part_size = 1 + below(world, 12) + (below(world, 2) ? 4 : 400);
    world->server.faults =
        (struct toy_faults){.rate_limited = 30, .unavailable_before = 30, .unavailable_after = 30};
    for (size_t i = 0; i < player_count; i++) start(world, &world->players[i], i);
}

static inline void world_end(struct world *world) {
    for (size_t i = 0; i < world->player_count; i++) {
        finish(&world->players[i]);
        ordo_buffer_finish(&world->players[i].stored);
    }
    toy_finish(&world->server);
}

static uint64_t last_seed;

static inline uint64_t number_from_environment(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : fallback;
}

static inline bool next_seed(uint64_t *seed, uint64_t count) {
    uint64_t only = number_from_environment("ORDO_SEED", UINT64_MAX);
    if (only != UINT64_MAX && *seed < only) *seed = only;
    last_seed = *seed;
    return only != UINT64_MAX ? *seed == only : *seed < number_from_environment("ORDO_SEEDS", count);
}

static inline int tell_seed(void **state) {
    (void)state;
    print_message("last seed: %llu\n", (unsigned long long)last_seed);
    return 0;
}

#endif
