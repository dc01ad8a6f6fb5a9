/* How much a connection, and a user over all its connections, may ask for per second, and what happens beyond. */
#include "common/bucket.h"
#include "gateway_world.h"
#include "token_fixture.h"

#define SECRET "0123456789abcdef0123456789abcdef"
enum { START_S = 1700001000, RATE = 10, AT_ONCE = 2 * RATE };

static struct world *world_with(struct ordo_gateway_rates conn, struct ordo_gateway_rates user, uint32_t presence) {
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.conn_rates = conn;
    config.user_rates = user;
    config.presence_rate = presence;
    return world_create_with(&config);
}

#define CONN_WORLD(...) world_with((struct ordo_gateway_rates){__VA_ARGS__}, (struct ordo_gateway_rates){0}, 0)

static const struct ordo_gateway_stats *stats(const struct world *world) { return ordo_gateway_stats(world->gateway); }

static void hears_rate_limited(struct world *world, uint32_t conn, uint64_t client_seq, uint32_t retry_after_ms) {
    Ordo__V1__Nack *nack = CLIENT_HEAR(world, conn, NACK)->nack;
    assert_int_equal(nack->code, ORDO__V1__NACK_CODE__RATE_LIMITED);
    assert_int_equal(nack->client_seq, client_seq);
    assert_int_equal(nack->retry_after_ms, retry_after_ms);
    assert_true(nack->message.len > 0);
}

/* ---- ops */

static void op_over_the_limit_is_refused_and_told_when_its_turn_comes(void **state) {
    (void)state;
    struct world *world = CONN_WORLD(.ops = RATE);
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "d", 1, NULL);
    for (uint64_t seq = 1; seq <= AT_ONCE; seq++) client_submit(world, 0, handle, seq);
    client_hears_nothing(world, 0);
    for (uint64_t seq = 1; seq <= AT_ONCE; seq++) assert_int_equal(shard_hear_submit(world)->client_seq, seq);
    /* Who is refused later is told a later moment, so that they come back one by one. */
    client_submit(world, 0, handle, 21);
    client_submit(world, 0, handle, 22);
    client_submit(world, 0, handle, 23);
    hears_rate_limited(world, 0, 21, 100);
    hears_rate_limited(world, 0, 22, 200);
    hears_rate_limited(world, 0, 23, 300);
    assert_null(shard_hear(world));
    assert_int_equal(stats(world)->submits_rate_limited, 3);
    world_pass(world, 100);
    client_submit(world, 0, handle, 21);
    client_hears_nothing(world, 0);
    assert_int_equal(shard_hear_submit(world)->client_seq, 21);
    world_pass(world, 100);
    client_submit(world, 0, handle, 22);
    world_pass(world, 100);
    client_submit(world, 0, handle, 23);
    client_hears_nothing(world, 0);
    assert_int_equal(shard_hear_submit(world)->client_seq, 22);
    assert_int_equal(shard_hear_submit(world)->client_seq, 23);
    world_destroy(world);
}

static void another_connection_is_not_slowed(void **state) {
    (void)state;
    struct world *world = CONN_WORLD(.ops = RATE);
    client_greet(world, 0);
    client_greet(world, 1);
    uint32_t first = client_open(world, 0, "d", 1, NULL), second = client_open(world, 1, "d", 1, NULL);
    for (uint64_t seq = 1; seq <= 2 * AT_ONCE; seq++) client_submit(world, 0, first, seq);
    client_submit(world, 1, second, 1);
    client_hears_nothing(world, 1);
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 1), 0);
    world_destroy(world);
}

static void who_goes_on_without_waiting_is_not_read_any_more(void **state) {
    (void)state;
    struct world *world = CONN_WORLD(.ops = RATE);
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "d", 1, NULL);
    uint64_t seq = 0;
    while (ordo_gateway_pause_ms(world->gateway, 0) == 0 && seq < 10000) client_submit(world, 0, handle, ++seq);
    assert_in_range(seq, AT_ONCE + 300, AT_ONCE + 500);
    assert_in_range(ordo_gateway_pause_ms(world->gateway, 0), 500, 2000);
    world_pass(world, 2000);
    client_submit(world, 0, handle, ++seq);
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 0), 0);
    world_destroy(world);
}

/* ---- other requests, and presence */

static void requests_over_the_limit_get_429_and_leaving_never_does(void **state) {
    (void)state;
    struct world *world = CONN_WORLD(.requests = RATE);
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "d", 1, NULL);
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    for (int i = 1; i < AT_ONCE; i++) CLIENT_SAY(world, 0, 1, 0, ping, PING, ping);
    for (int i = 1; i < AT_ONCE; i++) CLIENT_HEAR(world, 0, PONG);
    CLIENT_SAY(world, 0, 1, 0, ping, PING, ping);
    client_hears_error(world, 0, 429);
    Ordo__V1__Open open = client_open_of("c", "other");
    CLIENT_SAY(world, 0, 2, 0, open, OPEN, open);
    client_hears_error(world, 0, 429);
    Ordo__V1__PresenceUpdate clear = ORDO__V1__PRESENCE_UPDATE__INIT;
    clear.clear = true;
    CLIENT_SAY(world, 0, 3, handle, presence, PRESENCE, clear);
    client_hears_error(world, 0, 429);
    Ordo__V1__Leave leave = ORDO__V1__LEAVE__INIT;
    CLIENT_SAY(world, 0, 0, handle, leave, LEAVE, leave);
    client_hears_nothing(world, 0);
    assert_int_equal(shard_hear(world)->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    assert_int_equal(stats(world)->requests_rate_limited, 4);
    client_submit(world, 0, handle, 1); /* ops have a limit of their own */
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    world_pass(world, 600);
    CLIENT_SAY(world, 0, 1, 0, ping, PING, ping);
    CLIENT_HEAR(world, 0, PONG);
    world_destroy(world);
}

static void presence_over_the_limit_is_dropped_and_counted(void **state) {
    (void)state;
    struct world *world = world_with((struct ordo_gateway_rates){0}, (struct ordo_gateway_rates){0}, RATE);
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "d", 1, NULL);
    Ordo__V1__PresenceUpdate update = ORDO__V1__PRESENCE_UPDATE__INIT;
    update.data = ordo_binary_of_slice(ordo_slice_of("here"));
    for (int i = 0; i < AT_ONCE + 5; i++) CLIENT_SAY(world, 0, 0, handle, presence, PRESENCE, update);
    client_hears_nothing(world, 0);
    int heard = 0;
    while (shard_hear(world) != NULL) heard++;
    assert_int_equal(heard, AT_ONCE);
    assert_int_equal(stats(world)->presence_rate_limited, 5);
    world_destroy(world);
}

/* ---- bytes */

static void bytes_over_the_limit_pause_the_reading_and_refuse_nothing(void **state) {
    (void)state;
    struct world *world = CONN_WORLD(.bytes = 100000);
    client_greet(world, 0);
    uint32_t handle = client_open(world, 0, "d", 1, NULL);
    world_live(world, 5000);
    struct ordo_buffer op = {0};
    memset(ordo_buffer_reserve(&op, 250000), 'x', 250000);
    op.size = 250000;
    Ordo__V1__Submit submit = ORDO__V1__SUBMIT__INIT;
    submit.client_seq = 1;
    submit.op_case = ORDO__V1__SUBMIT__OP_TEXT;
    submit.text = ordo_binary_of_slice(ordo_buffer_slice(&op));
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 0), 0);
    CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    client_hears_nothing(world, 0);
    shard_hear_submit(world); /* it went on its way; what is beyond the 200,000 is paid for with time */
    assert_in_range(ordo_gateway_pause_ms(world->gateway, 0), 500, 510);
    world_pass(world, 510);
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 0), 0);
    for (int i = 0; i < 30; i++) CLIENT_SAY(world, 0, 0, handle, submit, SUBMIT, submit);
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 0), ORDO_BUCKET_DEBT_MS_MAX); /* never longer */
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 7), 0); /* who is not there */
    ordo_buffer_finish(&op);
    world_destroy(world);
}

/* ---- users */

static struct ordo_token_signer *signer;

static void greet_as(struct world *world, uint32_t conn, const char *user) {
    char claims[256];
    snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"exp\":%d,\"docs\":[{\"collection_prefix\":\"\",\"id_prefix\":\"\","
             "\"access\":\"write\"}]}", user, START_S + 3600);
    struct ordo_buffer token = fixture_sign(signer, "", claims);
    client_connect(world, conn);
    Ordo__V1__Hello hello = client_hello();
    hello.token = ordo_binary_of_slice(ordo_buffer_slice(&token));
    CLIENT_SAY(world, conn, 1, 0, hello, HELLO, hello);
    CLIENT_HEAR(world, conn, WELCOME);
    ordo_buffer_finish(&token);
}

static void part(struct world *world, uint32_t conn) {
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_CLOSED, .conn = conn});
}

static void a_user_has_one_limit_over_all_connections_and_reconnecting_does_not_reset_it(void **state) {
    (void)state;
    struct ordo_buffer file = {0};
    ordo_buffer_append_slice(&file, ordo_slice_of(SECRET));
    signer = fixture_signer(file);
    struct ordo_token_keys *keys = fixture_keys(SECRET);
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.asks_token = true;
    config.conn_rates = (struct ordo_gateway_rates){0};
    config.user_rates = (struct ordo_gateway_rates){.ops = RATE, .requests = RATE, .bytes = 100000};
    struct world *world = world_create_with(&config);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_KEYS, .keys = keys});

    greet_as(world, 0, "alice");
    greet_as(world, 1, "alice");
    greet_as(world, 2, "bob");
    uint32_t handles[3];
    for (uint32_t conn = 0; conn < 3; conn++) handles[conn] = client_open(world, conn, "d", 1, NULL);
    for (uint64_t seq = 1; seq <= AT_ONCE; seq++) client_submit(world, seq % 2, handles[seq % 2], seq);
    client_submit(world, 0, handles[0], 21);
    hears_rate_limited(world, 0, 21, 100);
    client_submit(world, 1, handles[1], 22);
    hears_rate_limited(world, 1, 22, 200);
    client_submit(world, 2, handles[2], 1);
    client_hears_nothing(world, 2);

    part(world, 0);
    part(world, 1);
    greet_as(world, 0, "alice");
    while (shard_hear(world) != NULL) {
    }
    handles[0] = client_open(world, 0, "d", 1, NULL);
    client_submit(world, 0, handles[0], 21);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__RATE_LIMITED);

    struct ordo_buffer large = {0}; /* of one connection; the others of the user wait, too */
    memset(ordo_buffer_reserve(&large, 300000), 0, 300000);
    large.size = 300000;
    greet_as(world, 1, "alice");
    client_frame(world, 1, ordo_buffer_slice(&large));
    ordo_buffer_finish(&large);
    assert_in_range(ordo_gateway_pause_ms(world->gateway, 0), 900, 1100);
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 2), 0);

    part(world, 0);
    part(world, 1);
    world_live(world, 13000); /* all is paid, and alice is forgotten */
    greet_as(world, 0, "alice");
    assert_int_equal(ordo_gateway_pause_ms(world->gateway, 0), 0);
    world_destroy(world);
    ordo_token_keys_destroy(keys);
    ordo_token_signer_destroy(signer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(op_over_the_limit_is_refused_and_told_when_its_turn_comes),
        cmocka_unit_test(another_connection_is_not_slowed),
        cmocka_unit_test(who_goes_on_without_waiting_is_not_read_any_more),
        cmocka_unit_test(requests_over_the_limit_get_429_and_leaving_never_does),
        cmocka_unit_test(presence_over_the_limit_is_dropped_and_counted),
        cmocka_unit_test(bytes_over_the_limit_pause_the_reading_and_refuse_nothing),
        cmocka_unit_test(a_user_has_one_limit_over_all_connections_and_reconnecting_does_not_reset_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
