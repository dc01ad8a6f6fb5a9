/* A gateway that asks for tokens: who gets in, what each may do, and what happens to connections whose token ends, is
 * renewed or revoked. */
#include "gateway_world.h"
#include "token_fixture.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER_SECRET "fedcba9876543210fedcba9876543210"
enum { START_S = 1700001000, CLOSE_POLICY = 1008 }; /* the world's clock at its start */

#define RULE(id, access) "{\"collection\":\"c\",\"id\":\"" id "\",\"access\":\"" access "\"}"
#define ALL(access) "{\"collection_prefix\":\"\",\"id_prefix\":\"\",\"access\":\"" access "\"}"

static struct ordo_token_keys *keys;
static struct ordo_token_signer *signer;

static int set_up(void **state) {
    (void)state;
    struct ordo_buffer file = {0};
    ordo_buffer_append_slice(&file, ordo_slice_of(SECRET));
    keys = fixture_keys(SECRET);
    signer = fixture_signer(file);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ordo_token_keys_destroy(keys);
    ordo_token_signer_destroy(signer);
    return 0;
}

static void give_keys(struct world *world, const struct ordo_token_keys *given) {
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_KEYS, .keys = given});
}

static struct world *guarded_world(void) {
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.asks_token = true;
    struct world *world = world_create_with(&config);
    give_keys(world, keys);
    return world;
}

/* Valid for `ttl_s` from the world's start; good until the next call. */
static struct ordo_slice token_of(const char *user, int ttl_s, const char *docs) {
    static struct ordo_buffer token;
    char claims[1024];
    snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"jti\":\"%s-token\",\"iat\":%d,\"exp\":%d,\"docs\":[%s]}", user, user, START_S,
             START_S + ttl_s, docs);
    ordo_buffer_finish(&token);
    token = fixture_sign(signer, "", claims);
    return ordo_buffer_slice(&token);
}

static void say_hello(struct world *world, uint32_t conn, struct ordo_slice token) {
    Ordo__V1__Hello hello = client_hello();
    hello.token = ordo_binary_of_slice(token);
    CLIENT_SAY(world, conn, 1, 0, hello, HELLO, hello);
}

static void greet(struct world *world, uint32_t conn, struct ordo_slice token) {
    client_connect(world, conn);
    say_hello(world, conn, token);
    CLIENT_HEAR(world, conn, WELCOME);
}

static void assert_turned_away(struct world *world, uint32_t conn) {
    client_hears_error(world, conn, 401);
    assert_int_equal(world->conns[conn].close_code, CLOSE_POLICY);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_CLOSED, .conn = conn});
}

static void say_authenticate(struct world *world, uint32_t conn, struct ordo_slice token) {
    Ordo__V1__Authenticate authenticate = ORDO__V1__AUTHENTICATE__INIT;
    authenticate.token = ordo_binary_of_slice(token);
    CLIENT_SAY(world, conn, 9, 0, authenticate, AUTHENTICATE, authenticate);
}

static void say_open(struct world *world, uint32_t conn, const char *id, const char *create_type) {
    Ordo__V1__Open open = client_open_of("c", id);
    open.create_type = ordo_binary_of_slice(ordo_slice_of(create_type));
    CLIENT_SAY(world, conn, 5, 0, open, OPEN, open);
    world_turn(world);
}

static void say_forget(struct world *world, uint32_t conn, uint32_t handle) {
    Ordo__V1__Forget forget = ORDO__V1__FORGET__INIT;
    CLIENT_SAY(world, conn, 7, handle, forget, FORGET, forget);
}

/* ---- coming in */

static void nobody_gets_in_without_a_good_token(void **state) {
    (void)state;
    struct world *world = guarded_world();
    struct ordo_token_keys *others = fixture_keys(OTHER_SECRET);
    client_connect(world, 0);
    say_hello(world, 0, ordo_slice(NULL, 0));
    assert_turned_away(world, 0);
    client_connect(world, 0);
    say_hello(world, 0, ordo_slice_of("nonsense"));
    assert_turned_away(world, 0);
    client_connect(world, 0);
    say_hello(world, 0, token_of("alice", 0, ALL("admin"))); /* expired */
    assert_turned_away(world, 0);
    give_keys(world, others);
    client_connect(world, 0);
    say_hello(world, 0, token_of("alice", 60, ALL("admin"))); /* by a key that is not known any more */
    assert_turned_away(world, 0);
    give_keys(world, keys);
    greet(world, 0, token_of("alice", 60, ALL("admin")));
    assert_int_equal(ordo_gateway_stats(world->gateway)->tokens_refused, 4);
    world_destroy(world);
    ordo_token_keys_destroy(others);
}

static void before_the_keys_came_no_token_is_good(void **state) {
    (void)state;
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.asks_token = true;
    struct world *world = world_create_with(&config);
    client_connect(world, 0);
    say_hello(world, 0, token_of("alice", 60, ALL("admin")));
    assert_turned_away(world, 0);
    world_destroy(world);
}

static void offer(struct world *world, uint32_t conn, struct ordo_slice token) {
    memset(&world->conns[conn], 0, sizeof world->conns[conn]);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_OPENED, .conn = conn, .bytes = token});
}

static void a_token_of_the_http_request_serves_where_hello_has_none(void **state) {
    (void)state;
    struct world *world = guarded_world();
    offer(world, 0, token_of("alice", 60, ALL("read")));
    say_hello(world, 0, ordo_slice(NULL, 0));
    Ordo__V1__Welcome *welcome = CLIENT_HEAR(world, 0, WELCOME)->welcome;
    assert_true(ordo_slice_equal(ordo_slice_of_binary(welcome->user), ordo_slice_of("alice")));
    offer(world, 1, token_of("alice", 60, ALL("read")));
    say_hello(world, 1, token_of("bob", 60, ALL("read"))); /* what Hello says goes first */
    welcome = CLIENT_HEAR(world, 1, WELCOME)->welcome;
    assert_true(ordo_slice_equal(ordo_slice_of_binary(welcome->user), ordo_slice_of("bob")));
    static const uint8_t huge[3 * ORDO_TOKEN_SIZE_MAX];
    offer(world, 2, ordo_slice(huge, sizeof huge));
    say_hello(world, 2, ordo_slice(NULL, 0));
    assert_turned_away(world, 2);
    world_destroy(world);
}

static void without_tokens_everybody_is_anonymous_and_may_do_everything(void **state) {
    (void)state;
    struct world *world = world_create();
    client_connect(world, 0);
    say_hello(world, 0, ordo_slice_of("whatever"));
    Ordo__V1__Welcome *welcome = CLIENT_HEAR(world, 0, WELCOME)->welcome;
    assert_true(ordo_slice_equal(ordo_slice_of_binary(welcome->user), ordo_slice_of("anonymous")));
    say_open(world, 0, "d", "text");
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_int_equal(attach->permission, 3);
    shard_attached_with(world, attach->subscriber, 1, 1, "x");
    assert_int_equal(CLIENT_HEAR(world, 0, OPENED)->opened->permission, ORDO__V1__PERMISSION__WRITE);
    world_destroy(world);
}

/* ---- rights */

static void rights_are_per_document(void **state) {
    (void)state;
    struct world *world = guarded_world();
    greet(world, 0, token_of("alice", 60, RULE("r", "read") "," RULE("w", "write") "," RULE("a", "admin")));

    say_open(world, 0, "other", "text"); /* none */
    client_hears_error(world, 0, 403);
    assert_null(shard_hear(world));

    say_open(world, 0, "r", "text"); /* read: asks for no creation, and submits nothing */
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_int_equal(attach->permission, 1);
    assert_int_equal(attach->create_type.len, 0);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(attach->user), ordo_slice_of("alice")));
    shard_attached_with(world, attach->subscriber, 1, 1, "x");
    Ordo__V1__ServerMessage *opened = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(opened->opened->permission, ORDO__V1__PERMISSION__READ);
    client_submit(world, 0, opened->doc, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__FORBIDDEN);
    say_forget(world, 0, opened->doc);
    client_hears_error(world, 0, 403);
    assert_null(shard_hear(world));
    Ordo__V1__ReadHistory history = ORDO__V1__READ_HISTORY__INIT;
    CLIENT_SAY(world, 0, 8, opened->doc, history, HISTORY, history);
    world_turn(world);
    assert_int_equal(shard_hear(world)->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY);

    say_open(world, 0, "w", "text"); /* write: creates and submits, and does not forget */
    attach = shard_hear_attach(world);
    assert_int_equal(attach->permission, 2);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(attach->create_type), ordo_slice_of("text")));
    shard_attached_with(world, attach->subscriber, 2, 1, "x");
    opened = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(opened->opened->permission, ORDO__V1__PERMISSION__WRITE);
    client_submit(world, 0, opened->doc, 1);
    world_turn(world);
    shard_hear_submit(world);
    say_forget(world, 0, opened->doc);
    client_hears_error(world, 0, 403);

    say_open(world, 0, "a", ""); /* admin: forgets, too */
    attach = shard_hear_attach(world);
    assert_int_equal(attach->permission, 3);
    shard_attached_with(world, attach->subscriber, 3, 1, "x");
    opened = CLIENT_HEAR(world, 0, OPENED);
    say_forget(world, 0, opened->doc);
    world_turn(world);
    assert_int_equal(shard_hear(world)->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET);

    const struct ordo_gateway_stats *stats = ordo_gateway_stats(world->gateway);
    assert_int_equal(stats->opens_forbidden, 1);
    assert_int_equal(stats->submits_forbidden, 1);
    assert_int_equal(stats->forgets_forbidden, 2);
    world_destroy(world);
}

/* ---- time */

static void a_connection_ends_with_its_token_and_not_before(void **state) {
    (void)state;
    struct world *world = guarded_world();
    greet(world, 0, token_of("alice", 60, ALL("write")));
    greet(world, 1, token_of("bob", 3600, ALL("write")));
    for (uint32_t conn = 100; conn < 300; conn++) /* among many */
        world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_OPENED, .conn = conn});
    world_live(world, 58000);
    assert_int_equal(world->conns[0].close_code, 0);
    world_live(world, 3000);
    client_hears_error(world, 0, 401);
    assert_int_equal(world->conns[0].close_code, CLOSE_POLICY);
    assert_int_equal(world->conns[1].close_code, 0);
    assert_int_equal(ordo_gateway_stats(world->gateway)->tokens_expired, 1);
    world_destroy(world);
}

static void a_fresh_token_prolongs_the_connection(void **state) {
    (void)state;
    struct world *world = guarded_world();
    greet(world, 0, token_of("alice", 60, ALL("write")));
    client_open(world, 0, "d", 1, NULL);
    world_live(world, 50000);
    say_authenticate(world, 0, token_of("alice", 180, ALL("write")));
    CLIENT_HEAR(world, 0, WELCOME);
    client_hears_nothing(world, 0); /* rights are as before: nothing to say of the document */
    world_live(world, 60000);
    assert_int_equal(world->conns[0].close_code, 0);
    world_live(world, 72000);
    assert_int_equal(world->conns[0].close_code, CLOSE_POLICY);
    world_destroy(world);
}

static void a_bad_or_foreign_token_changes_nothing(void **state) {
    (void)state;
    struct world *world = guarded_world();
    greet(world, 0, token_of("alice", 60, RULE("r", "read")));
    say_authenticate(world, 0, ordo_slice_of("nonsense"));
    client_hears_error(world, 0, 401);
    say_authenticate(world, 0, token_of("bob", 3600, ALL("admin"))); /* a good one, but another user's */
    client_hears_error(world, 0, 401);
    say_open(world, 0, "other", "");
    client_hears_error(world, 0, 403);
    world_live(world, 61000);
    assert_int_equal(world->conns[0].close_code, CLOSE_POLICY);
    world_destroy(world);
}

/* ---- rights that change under way */

static void rights_that_are_lost_are_lost_at_once_and_the_client_is_told(void **state) {
    (void)state;
    struct world *world = guarded_world();
    uint64_t subscriber;
    greet(world, 0, token_of("alice", 60, ALL("write")));
    uint32_t handle = client_open(world, 0, "d", 1, &subscriber);
    uint32_t closed_handle = client_open(world, 0, "e", 2, NULL);
    say_authenticate(world, 0, token_of("alice", 60, RULE("d", "read")));
    client_submit(world, 0, handle, 1); /* in the same breath: too late */
    Ordo__V1__ServerMessage *message = CLIENT_HEAR(world, 0, ERROR);
    assert_int_equal(message->error->code, 403);
    assert_int_equal(message->doc, closed_handle);
    assert_int_equal(message->request, 0);
    CLIENT_HEAR(world, 0, WELCOME);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__FORBIDDEN);
    /* The shard is told, too: of what is closed, and of what is read only from now on. */
    Ordo__Cluster__V1__ToShard *to_shard = shard_hear(world);
    assert_int_equal(to_shard->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_true(attach->resync);
    assert_int_equal(attach->subscriber, subscriber);
    assert_int_equal(attach->permission, 1);
    shard_reattached(world, subscriber, 1, 1);
    message = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(message->request, 0);
    assert_int_equal(message->opened->permission, ORDO__V1__PERMISSION__READ);
    client_submit(world, 0, closed_handle, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__NOT_OPEN);
    world_destroy(world);
}

static void rights_that_are_won_count_once_the_shard_knows(void **state) {
    (void)state;
    struct world *world = guarded_world();
    uint64_t subscriber;
    greet(world, 0, token_of("alice", 60, ALL("read")));
    uint32_t handle = client_open(world, 0, "d", 1, &subscriber);
    say_authenticate(world, 0, token_of("alice", 60, ALL("write")));
    CLIENT_HEAR(world, 0, WELCOME);
    assert_int_equal(shard_hear_attach(world)->permission, 2);
    shard_commit(world, 1, 2, 0, 0, 5); /* comes while the shard is asked: part of its answer */
    shard_reattached(world, subscriber, 1, 2);
    Ordo__V1__ServerMessage *opened = CLIENT_HEAR(world, 0, OPENED);
    assert_int_equal(opened->opened->permission, ORDO__V1__PERMISSION__WRITE);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    shard_hear_submit(world);
    world_destroy(world);
}

/* The edit was given back on the first answer; the simulator found what happens else. */
static void what_was_forbidden_stays_forbidden_though_rights_come_back(void **state) {
    (void)state;
    struct world *world = guarded_world();
    uint64_t subscriber;
    greet(world, 0, token_of("alice", 60, ALL("read")));
    uint32_t handle = client_open(world, 0, "d", 1, &subscriber);
    client_submit(world, 0, handle, 7);
    say_authenticate(world, 0, token_of("alice", 60, ALL("write")));
    world_turn(world);
    assert_int_equal(shard_hear_attach(world)->permission, 2);
    shard_reattached(world, subscriber, 1, 1);
    client_submit(world, 0, handle, 7); /* sent after Opened, before the Nack was read */
    client_submit(world, 0, handle, 8);
    world_turn(world);
    assert_int_equal(shard_hear_submit(world)->client_seq, 8);
    assert_null(shard_hear(world));
    assert_int_equal(ordo_gateway_stats(world->gateway)->submits_forbidden, 2);
    world_destroy(world);
}

/* While the shard is away nobody knows what became of an earlier copy, so nothing is said that would have it given back. */
static void an_op_of_unknown_fate_is_not_forbidden(void **state) {
    (void)state;
    struct world *world = guarded_world();
    greet(world, 0, token_of("alice", 60, ALL("write")));
    uint32_t handle = client_open(world, 0, "d", 1, NULL);
    client_submit(world, 0, handle, 1);
    world_turn(world);
    shard_hear_submit(world);
    world_link(world, ORDO_GATEWAY_LINK_DOWN);
    say_authenticate(world, 0, token_of("alice", 60, ALL("read")));
    CLIENT_HEAR(world, 0, STATUS);
    CLIENT_HEAR(world, 0, WELCOME);
    client_submit(world, 0, handle, 1);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__UNAVAILABLE);
    world_destroy(world);
}

/* What was passed on with the right to may have been committed, so the shard is asked, and not the token. */
static void an_op_that_is_under_way_is_for_the_shard_to_forbid(void **state) {
    (void)state;
    struct world *world = guarded_world();
    uint64_t subscriber;
    greet(world, 0, token_of("alice", 60, ALL("write")));
    uint32_t handle = client_open(world, 0, "d", 1, &subscriber);
    client_submit(world, 0, handle, 7);
    say_authenticate(world, 0, token_of("alice", 60, ALL("read")));
    CLIENT_HEAR(world, 0, WELCOME);
    client_submit(world, 0, handle, 7); /* again */
    client_submit(world, 0, handle, 8); /* a new one */
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->client_seq, 8);
    assert_int_equal(shard_hear_submit(world)->client_seq, 7);
    assert_int_equal(shard_hear_attach(world)->permission, 1);
    assert_int_equal(shard_hear_submit(world)->client_seq, 7);
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    nack.subscriber = subscriber;
    nack.client_seq = 7;
    nack.code = ORDO__V1__NACK_CODE__FORBIDDEN;
    SHARD_SAY(world, nack, NACK, nack);
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__FORBIDDEN);
    world_destroy(world);
}

static void rights_may_change_while_the_document_is_opened(void **state) {
    (void)state;
    struct world *world = guarded_world();
    greet(world, 0, token_of("alice", 60, ALL("write")));
    say_open(world, 0, "d", "text");
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world); /* on its way with WRITE */
    assert_int_equal(attach->permission, 2);
    say_authenticate(world, 0, token_of("alice", 60, ALL("read")));
    CLIENT_HEAR(world, 0, WELCOME);
    shard_attached_with(world, attach->subscriber, 1, 1, "x");
    Ordo__V1__ServerMessage *opened = CLIENT_HEAR(world, 0, OPENED);
    client_submit(world, 0, opened->doc, 1); /* whatever that Opened said */
    assert_int_equal(CLIENT_HEAR(world, 0, NACK)->nack->code, ORDO__V1__NACK_CODE__FORBIDDEN);
    attach = shard_hear_attach(world);
    assert_true(attach->resync);
    assert_int_equal(attach->permission, 1);
    world_destroy(world);
}

static void an_open_that_waits_goes_out_with_the_rights_of_then(void **state) {
    (void)state;
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.asks_token = true;
    struct world *world = world_create_cold(&config); /* the shard is away */
    give_keys(world, keys);
    greet(world, 0, token_of("alice", 60, ALL("write")));
    say_open(world, 0, "d", "text");
    say_open(world, 0, "gone", "text");
    say_authenticate(world, 0, token_of("alice", 60, RULE("d", "read")));
    client_hears_error(world, 0, 403);
    CLIENT_HEAR(world, 0, WELCOME);
    world_link_ready(world);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    assert_int_equal(attach->permission, 1);
    assert_true(ordo_slice_equal(ordo_slice_of_binary(attach->id), ordo_slice_of("d")));
    assert_null(shard_hear(world));
    world_destroy(world);
}

/* ---- revocation */

static struct ordo_revocation revocation_of(bool is_token, const char *name, uint64_t at_ms, uint64_t until_ms) {
    struct ordo_revocation revocation = {.is_token = is_token, .name_size = (uint8_t)strlen(name), .at_ms = at_ms,
                                         .until_ms = until_ms};
    memcpy(revocation.name, name, strlen(name));
    return revocation;
}

static void tell_revoked(struct world *world, const struct ordo_revocation *items, size_t count) {
    const struct ordo_revocations revocations = {items, count};
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_REVOKED, .revocations = &revocations});
}

static void the_revoked_are_sent_away_and_stay_away(void **state) {
    (void)state;
    struct world *world = guarded_world();
    const uint64_t now_ms = (uint64_t)START_S * 1000 + 5000;
    struct ordo_revocation revocations[] = {
        revocation_of(true, "dave-token", now_ms, UINT64_MAX),
        revocation_of(false, "bob", now_ms, UINT64_MAX),
        revocation_of(false, "zoe", now_ms, UINT64_MAX),
        revocation_of(true, "bob", now_ms, UINT64_MAX), /* a token that is called as a user is */
        revocation_of(false, "alice", now_ms, (uint64_t)START_S * 1000), /* over */
    };
    greet(world, 0, token_of("alice", 3600, ALL("write")));
    greet(world, 1, token_of("bob", 3600, ALL("write")));
    greet(world, 2, token_of("dave", 3600, ALL("write")));
    greet(world, 3, token_of("bobby", 3600, ALL("write")));
    world_live(world, 5000);
    tell_revoked(world, revocations, sizeof revocations / sizeof *revocations);
    assert_turned_away(world, 1);
    assert_turned_away(world, 2);
    assert_int_equal(world->conns[0].close_code, 0);
    assert_int_equal(world->conns[3].close_code, 0);
    assert_int_equal(ordo_gateway_stats(world->gateway)->tokens_revoked, 2);
    client_connect(world, 1);
    say_hello(world, 1, token_of("bob", 3600, ALL("write")));
    assert_turned_away(world, 1);
    say_authenticate(world, 0, token_of("alice", 3600, ALL("write")));
    CLIENT_HEAR(world, 0, WELCOME);

    /* A token that was issued afterwards is good. */
    char claims[256];
    snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"iat\":%d,\"exp\":%d,\"docs\":[]}", START_S + 6, START_S + 3600);
    struct ordo_buffer later = fixture_sign(signer, "", claims);
    greet(world, 1, ordo_buffer_slice(&later));
    ordo_buffer_finish(&later);
    /* One that does not say when it was is not. */
    later = fixture_sign(signer, "", "{\"sub\":\"bob\",\"exp\":1700009000,\"docs\":[]}");
    client_connect(world, 2);
    say_hello(world, 2, ordo_buffer_slice(&later));
    assert_turned_away(world, 2);

    tell_revoked(world, NULL, 0); /* taken back */
    greet(world, 2, ordo_buffer_slice(&later));
    ordo_buffer_finish(&later);
    world_destroy(world);
}

static void when_a_key_goes_those_it_let_in_go(void **state) {
    (void)state;
    struct world *world = guarded_world();
    struct ordo_token_keys *both = fixture_keys(SECRET), *other = fixture_keys(OTHER_SECRET);
    struct ordo_problem problem;
    assert_int_equal(ordo_token_keys_add_secret(both, ordo_slice_of(OTHER_SECRET), &problem), ORDO_OK);
    greet(world, 0, token_of("alice", 3600, ALL("write")));
    give_keys(world, both); /* a rotation begins */
    world_turn(world);
    assert_int_equal(world->conns[0].close_code, 0);
    give_keys(world, other); /* and ends */
    assert_turned_away(world, 0);
    world_destroy(world);
    ordo_token_keys_destroy(both);
    ordo_token_keys_destroy(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_in_without_a_good_token),
        cmocka_unit_test(before_the_keys_came_no_token_is_good),
        cmocka_unit_test(a_token_of_the_http_request_serves_where_hello_has_none),
        cmocka_unit_test(without_tokens_everybody_is_anonymous_and_may_do_everything),
        cmocka_unit_test(rights_are_per_document),
        cmocka_unit_test(a_connection_ends_with_its_token_and_not_before),
        cmocka_unit_test(a_fresh_token_prolongs_the_connection),
        cmocka_unit_test(a_bad_or_foreign_token_changes_nothing),
        cmocka_unit_test(rights_that_are_lost_are_lost_at_once_and_the_client_is_told),
        cmocka_unit_test(rights_that_are_won_count_once_the_shard_knows),
        cmocka_unit_test(what_was_forbidden_stays_forbidden_though_rights_come_back),
        cmocka_unit_test(an_op_of_unknown_fate_is_not_forbidden),
        cmocka_unit_test(an_op_that_is_under_way_is_for_the_shard_to_forbid),
        cmocka_unit_test(rights_may_change_while_the_document_is_opened),
        cmocka_unit_test(an_open_that_waits_goes_out_with_the_rights_of_then),
        cmocka_unit_test(the_revoked_are_sent_away_and_stay_away),
        cmocka_unit_test(when_a_key_goes_those_it_let_in_go),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
