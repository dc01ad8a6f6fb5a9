/* tests/unit/gateway_world.h: a gateway's core between clients and shards that the test plays, message by
 * message.
 *
 * There is one shard, unless the gateway has a directory. Then there are several, told apart by store id, and
 * the test plays the one that world_play picked last. */
#ifndef ORDO_TESTS_GATEWAY_WORLD_H
#define ORDO_TESTS_GATEWAY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "gateway/core/gateway.h"
#include "proto/link.h"

enum { WORLD_CONNS = 8, WORLD_SHARDS = 3, WORLD_MESSAGES = 4096, WORLD_INCARNATION = 77 };

/* A shard's end of the link. */
struct world_shard {
    struct ordo_store_id store;
    bool has_link; /* the gateway keeps one */
    uint32_t peer;
    uint64_t session, number_sent, credit;
    uint32_t links_opened;
    bool is_silent; /* LINK_SENDs are lost */
    Ordo__Cluster__V1__ToShard *to_shard[WORLD_MESSAGES];
    size_t to_shard_count, to_shard_read;
    Ordo__Cluster__V1__SideRequest *side[WORLD_MESSAGES];
    size_t side_count, side_read;
};

struct world {
    struct ordo_gateway *gateway;
    struct ordo_gateway_config config;
    struct ordo_arena arena; /* all decoded messages live as long as the world */
    uint64_t now_ms;
    struct world_shard shards[WORLD_SHARDS];
    struct world_shard *shard; /* the one that is played */
    /* the clients' */
    struct {
        Ordo__V1__ServerMessage *messages[WORLD_MESSAGES];
        size_t count, read;
        bool wants_output, is_deaf; /* deaf: its socket takes nothing */
        uint16_t close_code;
        size_t frame_count;
    } conns[WORLD_CONNS]; /* connections with larger numbers are nobody's */
    size_t closed_count;
    char note[2048]; /* the newest */
};

static inline struct ordo_slice world_store_id(const struct world *world) {
    return ordo_slice(world->shard->store.bytes, sizeof world->shard->store.bytes);
}

static inline struct world_shard *world_shard_of_store(struct world *world, struct ordo_store_id store) {
    if (!world->config.has_directory) {
        assert_true(ordo_store_id_is_none(&store));
        return &world->shards[0];
    }
    for (size_t i = 0; i < WORLD_SHARDS; i++)
        if (ordo_store_id_equal(&world->shards[i].store, &store)) return &world->shards[i];
    fail_msg("no shard has this id");
    return NULL;
}

static inline struct world_shard *world_shard_of_peer(struct world *world, uint32_t peer) {
    for (size_t i = 0; i < WORLD_SHARDS; i++)
        if (world->shards[i].has_link && world->shards[i].peer == peer) return &world->shards[i];
    fail_msg("no shard is linked as this peer");
    return NULL;
}

/* From now on the test speaks and hears as this shard. */
static inline void world_play(struct world *world, size_t index) {
    world->shard = &world->shards[index];
}

static inline void world_take_effects(struct world *world) {
    struct ordo_gateway_effect effect;
    while (ordo_gateway_take(world->gateway, &effect)) {
        switch (effect.kind) {
        case ORDO_GATEWAY_LINK_OPEN: {
            struct world_shard *shard = world_shard_of_store(world, effect.store);
            shard->has_link = true;
            shard->peer = effect.peer;
            shard->session = effect.session;
            shard->number_sent = 0;
            shard->credit = ORDO_LINK_CREDIT;
            shard->links_opened++;
            break;
        }
        case ORDO_GATEWAY_LINK_CLOSE: world_shard_of_peer(world, effect.peer)->has_link = false; break;
        case ORDO_GATEWAY_LINK_SEND: {
            struct world_shard *shard = world_shard_of_peer(world, effect.peer);
            assert_int_equal(effect.session, shard->session);
            if (shard->is_silent) break;
            Ordo__Cluster__V1__Envelope *envelope =
                ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, effect.bytes, &world->arena);
            assert_non_null(envelope);
            assert_int_equal(envelope->session, shard->session);
            for (size_t i = 0; i < envelope->n_to_shard; i++)
                shard->to_shard[shard->to_shard_count++] = envelope->to_shard[i];
            assert_true(shard->to_shard_count < WORLD_MESSAGES);
            break;
        }
        case ORDO_GATEWAY_SIDE_SEND: {
            struct world_shard *shard = world_shard_of_peer(world, effect.peer);
            shard->side[shard->side_count++] = ordo_message_decode(
                &ordo__cluster__v1__side_request__descriptor, effect.bytes, &world->arena);
            assert_non_null(shard->side[shard->side_count - 1]);
            break;
        }
        case ORDO_GATEWAY_CONN_OUTPUT:
            if (effect.conn < WORLD_CONNS) world->conns[effect.conn].wants_output = true;
            break;
        case ORDO_GATEWAY_NOTE:
            snprintf(world->note, sizeof world->note, "%.*s", (int)effect.bytes.size, (const char *)effect.bytes.data);
            break;
        case ORDO_GATEWAY_CONN_CLOSE:
            world->closed_count++;
            if (effect.conn < WORLD_CONNS) world->conns[effect.conn].close_code = effect.code;
            break;
        }
    }
}

static inline void world_step(struct world *world, struct ordo_gateway_event event) {
    event.now_ms = world->now_ms;
    event.wall_ms = 1700000000000 + world->now_ms;
    ordo_gateway_step(world->gateway, &event);
    world_take_effects(world);
}

/* One write to a client; false when nothing waits. */
static inline bool world_write_one(struct world *world, uint32_t conn) {
    if (!world->conns[conn].wants_output) return false;
    struct ordo_buffer frame = {0};
    world->conns[conn].wants_output = ordo_gateway_output(world->gateway, conn, &frame);
    bool has_written = frame.size > 0;
    if (has_written) {
        world->conns[conn].frame_count++;
        Ordo__V1__ServerFrame *decoded = ordo_message_decode(&ordo__v1__server_frame__descriptor,
                                                             ordo_buffer_slice(&frame), &world->arena);
        assert_non_null(decoded);
        for (size_t i = 0; i < decoded->n_messages; i++) {
            assert_true(world->conns[conn].count < WORLD_MESSAGES);
            world->conns[conn].messages[world->conns[conn].count++] = decoded->messages[i];
        }
    }
    ordo_buffer_finish(&frame);
    return has_written;
}

/* The end of a turn: what was gathered leaves, what waits is written to all who listen. */
static inline void world_turn(struct world *world) {
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_TURN_END});
    for (uint32_t conn = 0; conn < WORLD_CONNS; conn++)
        while (!world->conns[conn].is_deaf && world_write_one(world, conn)) {
        }
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_TURN_END});
}

static inline void world_pass(struct world *world, uint64_t ms) {
    world->now_ms += ms;
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_TICK});
    world_turn(world);
}

/* ---- the shard's part */

static inline void world_link(struct world *world, enum ordo_gateway_event_kind kind) {
    world_step(world, (struct ordo_gateway_event){
                          .kind = kind, .peer = world->shard->peer, .session = world->shard->session});
}

static inline void shard_say_all(struct world *world, Ordo__Cluster__V1__ToGateway **messages, size_t count) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    envelope.session = world->shard->session;
    envelope.number = ++world->shard->number_sent;
    envelope.credit = world->shard->credit;
    envelope.shard = ordo_binary_of_slice(world_store_id(world));
    envelope.incarnation = WORLD_INCARNATION;
    envelope.to_gateway = messages;
    envelope.n_to_gateway = count;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&envelope.base, &bytes);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_LINK_RECEIVED,
                                                  .peer = world->shard->peer,
                                                  .session = world->shard->session,
                                                  .bytes = ordo_buffer_slice(&bytes)});
    ordo_buffer_finish(&bytes);
}

static inline void shard_say(struct world *world, Ordo__Cluster__V1__ToGateway message) {
    Ordo__Cluster__V1__ToGateway *messages[] = {&message};
    shard_say_all(world, messages, 1);
}

#define SHARD_SAY(world, MEMBER, CASE, ...)                                                                  \
    do {                                                                                                     \
        Ordo__Cluster__V1__ToGateway message_ = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;                         \
        message_.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_##CASE;                                     \
        message_.MEMBER = &(__VA_ARGS__);                                                                    \
        shard_say(world, message_);                                                                          \
    } while (0)

static inline void shard_welcome(struct world *world) {
    Ordo__Cluster__V1__LinkWelcome welcome = ORDO__CLUSTER__V1__LINK_WELCOME__INIT;
    welcome.protocol = ORDO_GATEWAY_LINK_PROTOCOL;
    SHARD_SAY(world, welcome, WELCOME, welcome);
}

/* The next message that the shard got; NULL if there is none. */
static inline Ordo__Cluster__V1__ToShard *shard_hear(struct world *world) {
    return world->shard->to_shard_read < world->shard->to_shard_count
               ? world->shard->to_shard[world->shard->to_shard_read++]
               : NULL;
}

static inline Ordo__Cluster__V1__Attach *shard_hear_attach(struct world *world) {
    Ordo__Cluster__V1__ToShard *message = shard_hear(world);
    assert_non_null(message);
    assert_int_equal(message->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH);
    return message->attach;
}

static inline Ordo__Cluster__V1__Submit *shard_hear_submit(struct world *world) {
    Ordo__Cluster__V1__ToShard *message = shard_hear(world);
    assert_non_null(message);
    assert_int_equal(message->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT);
    return message->submit;
}

static inline void shard_attached(struct world *world, Ordo__Cluster__V1__Attached attached) {
    if (attached.type.len == 0) attached.type = ordo_binary_of_slice(ordo_slice_of("text"));
    if (attached.lineage == 0) attached.lineage = 9;
    SHARD_SAY(world, attached, ATTACHED, attached);
}

/* Attached at `head` without content: ops would follow from have_seq. */
static inline void shard_reattached(struct world *world, uint64_t subscriber, uint32_t doc, uint64_t head) {
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = subscriber;
    attached.doc = doc;
    attached.head = head;
    shard_attached(world, attached);
}

/* Answers with a short text. */
static inline void shard_attached_with(struct world *world, uint64_t subscriber, uint32_t doc, uint64_t head,
                                       const char *text) {
    Ordo__Cluster__V1__Bulk content = ORDO__CLUSTER__V1__BULK__INIT;
    content.bytes = ordo_binary_of_slice(ordo_slice_of(text));
    content.size = content.bytes.len;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    attached.subscriber = subscriber;
    attached.doc = doc;
    attached.head = head;
    attached.has_content = true;
    attached.content_seq = head;
    attached.content_field = 2;
    attached.content = &content;
    shard_attached(world, attached);
}

/* A committed op as the shard encodes it, with `size` bytes of text. */
static inline void world_encode_committed(struct ordo_buffer *out, uint64_t seq, size_t size) {
    struct ordo_buffer text = {0};
    memset(ordo_buffer_reserve(&text, size + 1), 'x', size);
    text.size = size;
    struct ordo_buffer op = {0};
    ordo_field_append_bytes(&op, 2, ordo_buffer_slice(&text));
    Ordo__V1__Committed committed = ORDO__V1__COMMITTED__INIT;
    committed.server_seq = seq;
    committed.client_id = ordo_binary_of_slice(ordo_slice_of("committer-______"));
    committed.op_case = ORDO__V1__COMMITTED__OP_TEXT;
    committed.text = ordo_binary_of_slice(ordo_buffer_slice(&op));
    ordo_message_encode(&committed.base, out);
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&op);
}

static inline void shard_commit(struct world *world, uint32_t doc, uint64_t seq, uint64_t author,
                                uint64_t client_seq, size_t size) {
    struct ordo_buffer committed = {0};
    world_encode_committed(&committed, seq, size);
    Ordo__Cluster__V1__Commit commit = ORDO__CLUSTER__V1__COMMIT__INIT;
    commit.doc = doc;
    commit.seq = seq;
    commit.author = author;
    commit.client_seq = client_seq;
    commit.timestamp_ms = 1000 + seq;
    commit.committed = ordo_binary_of_slice(ordo_buffer_slice(&committed));
    SHARD_SAY(world, commit, COMMIT, commit);
    ordo_buffer_finish(&committed);
}

static inline void side_say(struct world *world, Ordo__Cluster__V1__SideReply reply) {
    reply.session = world->shard->session;
    reply.shard = ordo_binary_of_slice(world_store_id(world));
    reply.incarnation = WORLD_INCARNATION;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&reply.base, &bytes);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_SIDE_RECEIVED,
                                                  .peer = world->shard->peer,
                                                  .session = world->shard->session,
                                                  .bytes = ordo_buffer_slice(&bytes)});
    ordo_buffer_finish(&bytes);
}

static inline void side_beat(struct world *world, Ordo__Cluster__V1__DiskState disk) {
    Ordo__Cluster__V1__SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
    reply.disk = disk;
    side_say(world, reply);
}

/* Both links say that they live. */
static inline void shard_beat(struct world *world) {
    shard_say_all(world, NULL, 0);
    side_beat(world, ORDO__CLUSTER__V1__DISK_STATE__DISK_OK);
}

/* Lets time pass with a shard that lives. */
static inline void world_live(struct world *world, uint64_t ms) {
    for (uint64_t passed = 0; passed < ms; passed += 100) {
        shard_beat(world);
        world_pass(world, 100);
    }
}

/* ---- the clients' part */

static inline void client_connect(struct world *world, uint32_t conn) {
    memset(&world->conns[conn], 0, sizeof world->conns[conn]);
    world_step(world, (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_OPENED, .conn = conn});
}

static inline void client_frame(struct world *world, uint32_t conn, struct ordo_slice bytes) {
    world_step(world,
               (struct ordo_gateway_event){.kind = ORDO_GATEWAY_CONN_FRAME, .conn = conn, .bytes = bytes});
}

static inline void client_say(struct world *world, uint32_t conn, const Ordo__V1__ClientMessage *message) {
    struct ordo_buffer frame = {0};
    ordo_message_encode_field(1, &message->base, &frame);
    client_frame(world, conn, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
}

#define CLIENT_SAY(world, conn, REQUEST, DOC, MEMBER, CASE, ...)                                             \
    do {                                                                                                     \
        Ordo__V1__ClientMessage message_ = ORDO__V1__CLIENT_MESSAGE__INIT;                                   \
        message_.request = (REQUEST);                                                                        \
        message_.doc = (DOC);                                                                                \
        message_.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_##CASE;                                          \
        message_.MEMBER = &(__VA_ARGS__);                                                                    \
        client_say(world, conn, &message_);                                                                  \
    } while (0)

static inline Ordo__V1__Hello client_hello(void) {
    Ordo__V1__Hello hello = ORDO__V1__HELLO__INIT;
    hello.protocol = 1;
    hello.client_id = ordo_binary_of_slice(ordo_slice_of("client-id-16-byt"));
    return hello;
}

static inline void client_submit(struct world *world, uint32_t conn, uint32_t handle, uint64_t client_seq) {
    Ordo__V1__Submit submit = ORDO__V1__SUBMIT__INIT;
    submit.client_seq = client_seq;
    submit.base_seq = 1;
    submit.op_case = ORDO__V1__SUBMIT__OP_TEXT;
    submit.text = ordo_binary_of_slice(ordo_slice_of("an op"));
    CLIENT_SAY(world, conn, 0, handle, submit, SUBMIT, submit);
}

static inline Ordo__V1__Open client_open_of(const char *collection, const char *id) {
    Ordo__V1__Open open = ORDO__V1__OPEN__INIT;
    open.collection = ordo_binary_of_slice(ordo_slice_of(collection));
    open.id = ordo_binary_of_slice(ordo_slice_of(id));
    return open;
}

/* The next message that the client got; NULL if there is none. */
static inline Ordo__V1__ServerMessage *client_hear(struct world *world, uint32_t conn) {
    world_turn(world);
    size_t read = world->conns[conn].read;
    return read < world->conns[conn].count ? world->conns[conn].messages[world->conns[conn].read++] : NULL;
}

/* … which must be of this kind. */
static inline Ordo__V1__ServerMessage *client_hear_kind(struct world *world, uint32_t conn,
                                                        Ordo__V1__ServerMessage__BodyCase kind) {
    Ordo__V1__ServerMessage *message = client_hear(world, conn);
    assert_non_null(message);
    assert_int_equal(message->body_case, kind);
    return message;
}
#define CLIENT_HEAR(world, conn, CASE) client_hear_kind(world, conn, ORDO__V1__SERVER_MESSAGE__BODY_##CASE)

static inline void client_hears_error(struct world *world, uint32_t conn, uint32_t code) {
    assert_int_equal(CLIENT_HEAR(world, conn, ERROR)->error->code, code);
}

static inline void client_hears_nothing(struct world *world, uint32_t conn) {
    assert_null(client_hear(world, conn));
}

static inline void client_greet(struct world *world, uint32_t conn) {
    client_connect(world, conn);
    Ordo__V1__Hello hello = client_hello();
    CLIENT_SAY(world, conn, 0, 0, hello, HELLO, hello);
    CLIENT_HEAR(world, conn, WELCOME);
}

/* Opens c/ID, which the shard answers with head 1 and a short text; the client's handle and the shard's
 * number of the subscriber. */
static inline uint32_t client_open(struct world *world, uint32_t conn, const char *id, uint32_t doc,
                                   uint64_t *subscriber) {
    Ordo__V1__Open open = client_open_of("c", id);
    open.presence = true;
    CLIENT_SAY(world, conn, 5, 0, open, OPEN, open);
    world_turn(world);
    Ordo__Cluster__V1__Attach *attach = shard_hear_attach(world);
    if (subscriber != NULL) *subscriber = attach->subscriber;
    shard_attached_with(world, attach->subscriber, doc, 1, "hello");
    Ordo__V1__ServerMessage *opened = CLIENT_HEAR(world, conn, OPENED);
    assert_int_equal(opened->request, 5);
    return opened->doc;
}

/* ---- start and end */

static inline void world_link_ready(struct world *world) {
    world_link(world, ORDO_GATEWAY_LINK_UP);
    world_turn(world);
    Ordo__Cluster__V1__ToShard *hello = shard_hear(world);
    assert_non_null(hello);
    assert_int_equal(hello->body_case, ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO);
    shard_welcome(world);
    assert_true(ordo_gateway_is_ready(world->gateway));
}

/* A gateway whose link is not up yet; `config` may be NULL for the defaults. */
static inline struct world *world_create_cold(const struct ordo_gateway_config *config) {
    struct world *world = test_calloc(1, sizeof *world);
    ordo_arena_init(&world->arena, (size_t)1 << 30);
    if (config != NULL)
        world->config = *config;
    else
        ordo_gateway_config_init(&world->config);
    world->config.name = ordo_slice_of("g1");
    world->config.seed = 42;
    world->now_ms = 1000000;
    for (uint8_t i = 0; i < WORLD_SHARDS; i++)
        memset(world->shards[i].store.bytes, 'a' + i, ORDO_STORE_ID_SIZE);
    world_play(world, 0);
    world->gateway = ordo_gateway_create(&world->config);
    world_pass(world, 1);
    assert_int_equal(world->shard->links_opened, world->config.has_directory ? 0 : 1);
    return world;
}

static inline struct world *world_create_with(const struct ordo_gateway_config *config) {
    struct world *world = world_create_cold(config);
    world_link_ready(world);
    return world;
}
static inline struct world *world_create(void) {
    return world_create_with(NULL);
}

static inline void world_destroy(struct world *world) {
    ordo_gateway_destroy(world->gateway);
    ordo_arena_finish(&world->arena);
    test_free(world);
}

#endif
