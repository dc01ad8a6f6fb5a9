/* A gateway between clients and a shard who both say anything at all: it must not fall, and every frame that
 * it sends must consist of whole messages. The input is a script of events: kind and connection, size, bytes.
 * Raw bytes find the way into the decoders; the well-formed messages, made from a few of them, find it into
 * the states behind. */
#include <stdlib.h>

#include "common/assert.h"
#include "gateway/core/gateway.h"
#include "proto/message.h"

enum {
    CONNS = 4,
    INCARNATION = 5,
    FRAME_MESSAGES_TAG = 1 << 3 | 2,
    ENVELOPE_TO_GATEWAY = 8,
    SIDE_PIECES = 2
};

struct world {
    struct ordo_gateway *gateway;
    uint64_t now_ms, session, number;
    uint64_t heads[4]; /* by document: most commits follow on the one before, so that some are passed on */
    bool is_connected[CONNS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(struct world *world, enum ordo_gateway_event_kind kind, uint32_t conn,
                 struct ordo_slice bytes) {
    struct ordo_gateway_event event = {.kind = kind,
                                       .wall_ms = 1000 + world->now_ms,
                                       .now_ms = world->now_ms,
                                       .conn = conn,
                                       .session = world->session,
                                       .bytes = bytes};
    ordo_gateway_step(world->gateway, &event);
    struct ordo_gateway_effect effect;
    while (ordo_gateway_take(world->gateway, &effect)) {
        if (effect.kind != ORDO_GATEWAY_LINK_OPEN) continue;
        world->session = effect.session;
        world->number = 0;
    }
}

/* An Envelope that is the next of its session; `fields` follow its head. */
static void say(struct world *world, struct ordo_slice fields) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    envelope.session = world->session;
    envelope.number = ++world->number;
    envelope.shard = ordo_binary_of_slice(ordo_slice_of("0123456789abcdef"));
    envelope.incarnation = INCARNATION;
    envelope.credit = world->number << 20;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&envelope.base, &bytes);
    ordo_buffer_append_slice(&bytes, fields);
    step(world, ORDO_GATEWAY_LINK_RECEIVED, 0, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

/* The same for the side link: `fields` may hold pieces. */
static void side_say(struct world *world, struct ordo_slice fields) {
    Ordo__Cluster__V1__SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
    reply.session = world->session;
    reply.shard = ordo_binary_of_slice(ordo_slice_of("0123456789abcdef"));
    reply.incarnation = INCARNATION;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&reply.base, &bytes);
    ordo_buffer_append_slice(&bytes, fields);
    step(world, ORDO_GATEWAY_SIDE_RECEIVED, 0, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static void bring_link_up(struct world *world) {
    step(world, ORDO_GATEWAY_LINK_UP, 0, ordo_slice(NULL, 0));
    step(world, ORDO_GATEWAY_TURN_END, 0, ordo_slice(NULL, 0));
    say(world, ordo_slice("\x42\x04\x0a\x02\x08\x01", 6)); /* to_gateway { welcome { protocol: 1 } } */
}

static void connect(struct world *world, uint32_t conn) {
    static const uint8_t hello[] = "\x0a\x16\x1a\x14\x08\x01\x12\x10"
                                   "0123456789abcdef";
    step(world, ORDO_GATEWAY_CONN_OPENED, conn, ordo_slice(NULL, 0));
    step(world, ORDO_GATEWAY_CONN_FRAME, conn, ordo_slice(hello, sizeof hello - 1));
    world->is_connected[conn] = true;
}

static void read_output(struct world *world, uint32_t conn) {
    struct ordo_buffer frame = {0};
    (void)ordo_gateway_output(world->gateway, conn, &frame);
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&frame));
    while (ordo_reader_left(&reader) > 0) {
        uint64_t tag;
        struct ordo_slice message;
        ORDO_ASSERT(ordo_take_varint(&reader, &tag) && tag == FRAME_MESSAGES_TAG);
        ORDO_ASSERT(ordo_take_sized(&reader, &message));
    }
    ordo_buffer_finish(&frame);
}

/* ---- well-formed messages of few bytes */

static uint8_t byte_at(struct ordo_slice bytes, size_t index) {
    return index < bytes.size ? bytes.data[index] : 0;
}

static void client_say(struct world *world, uint32_t conn, const Ordo__V1__ClientMessage *message) {
    if (!world->is_connected[conn]) return;
    struct ordo_buffer frame = {0};
    ordo_message_encode_field(1, &message->base, &frame);
    step(world, ORDO_GATEWAY_CONN_FRAME, conn, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
}

static void client_message(struct world *world, uint32_t conn, struct ordo_slice bytes) {
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    Ordo__V1__Open open = ORDO__V1__OPEN__INIT;
    Ordo__V1__Submit submit = ORDO__V1__SUBMIT__INIT;
    Ordo__V1__Leave leave = ORDO__V1__LEAVE__INIT;
    Ordo__V1__ReadHistory history = ORDO__V1__READ_HISTORY__INIT;
    Ordo__V1__PresenceUpdate presence = ORDO__V1__PRESENCE_UPDATE__INIT;
    Ordo__V1__Ping ping = ORDO__V1__PING__INIT;
    Ordo__V1__Authenticate authenticate = ORDO__V1__AUTHENTICATE__INIT;
    uint8_t name[] = {'a' + byte_at(bytes, 1) % 4};
    message.request = byte_at(bytes, 2);
    message.doc = byte_at(bytes, 1) % 8;
    switch (byte_at(bytes, 0) % 7) {
    case 0:
        open.collection = open.id = ordo_binary_of_slice(ordo_slice(name, 1));
        open.presence = byte_at(bytes, 3) & 1;
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_OPEN;
        message.open = &open;
        break;
    case 1:
        submit.client_seq = byte_at(bytes, 3);
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT;
        message.submit = &submit;
        break;
    case 2:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE;
        message.leave = &leave;
        break;
    case 3:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_HISTORY;
        message.history = &history;
        break;
    case 4:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_PRESENCE;
        message.presence = &presence;
        break;
    case 5:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_PING;
        message.ping = &ping;
        break;
    case 6:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_AUTHENTICATE;
        message.authenticate = &authenticate;
        break;
    }
    client_say(world, conn, &message);
}

static void shard_message(struct world *world, struct ordo_slice bytes) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Bulk content = ORDO__CLUSTER__V1__BULK__INIT, ops = ORDO__CLUSTER__V1__BULK__INIT;
    Ordo__Cluster__V1__Attached attached = ORDO__CLUSTER__V1__ATTACHED__INIT;
    Ordo__Cluster__V1__Refused refused = ORDO__CLUSTER__V1__REFUSED__INIT;
    Ordo__Cluster__V1__Commit commit = ORDO__CLUSTER__V1__COMMIT__INIT;
    Ordo__Cluster__V1__Nack nack = ORDO__CLUSTER__V1__NACK__INIT;
    Ordo__Cluster__V1__Presence presence = ORDO__CLUSTER__V1__PRESENCE__INIT;
    Ordo__Cluster__V1__HistoryAnswer answer = ORDO__CLUSTER__V1__HISTORY_ANSWER__INIT;
    Ordo__Cluster__V1__DuplicateAck duplicate = ORDO__CLUSTER__V1__DUPLICATE_ACK__INIT;
    Ordo__Cluster__V1__Dropped dropped = ORDO__CLUSTER__V1__DROPPED__INIT;
    uint8_t who = byte_at(bytes, 1) % 8, number = byte_at(bytes, 2) % 4, kilobytes = byte_at(bytes, 4);
    uint64_t *head = &world->heads[number],
             seq = byte_at(bytes, 3) % 4 != 0 ? *head : *head + byte_at(bytes, 3);
    static const uint8_t filler[4096];
    content.id = 100 + who;
    content.size = (uint64_t)kilobytes << 10;
    ops.id = 200 + who;
    ops.size = byte_at(bytes, 5);
    ops.bytes = ordo_binary_of_slice(ordo_slice(bytes.data, bytes.size < ops.size ? bytes.size : ops.size));
    switch (byte_at(bytes, 0) % 8) {
    case 0:
        attached.subscriber = who;
        attached.doc = number;
        attached.head = seq;
        attached.type = ordo_binary_of_slice(ordo_slice_of("text"));
        attached.has_content = kilobytes > 0;
        attached.content = &content;
        attached.ops = &ops;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_ATTACHED;
        message.attached = &attached;
        break;
    case 1:
        refused.subscriber = who;
        refused.code = number & 1 ? 503 : 404;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_REFUSED;
        message.refused = &refused;
        break;
    case 2:
        commit.doc = number;
        commit.seq = *head = seq + 1;
        commit.author = who;
        commit.committed = ordo_binary_of_slice(ordo_slice(filler, (size_t)kilobytes * 16));
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT;
        message.commit = &commit;
        break;
    case 3:
        nack.subscriber = who;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK;
        message.nack = &nack;
        break;
    case 4:
        presence.doc = number;
        presence.only = who & 1 ? who : 0;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_PRESENCE;
        message.presence = &presence;
        break;
    case 5:
        answer.subscriber = who;
        answer.request = number;
        answer.ops = &ops;
        answer.content = &content;
        answer.has_content = kilobytes > 0;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_HISTORY;
        message.history = &answer;
        break;
    case 6:
        duplicate.subscriber = who;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DUPLICATE;
        message.duplicate = &duplicate;
        break;
    case 7:
        dropped.doc = number;
        message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DROPPED;
        message.dropped = &dropped;
        break;
    }
    struct ordo_buffer field = {0};
    ordo_message_encode_field(ENVELOPE_TO_GATEWAY, &message.base, &field);
    say(world, ordo_buffer_slice(&field));
    ordo_buffer_finish(&field);
}

/* Opens a document on the connection, as the `who`-th subscriber of all. */
static void open_document(struct world *world, uint32_t conn, uint8_t who, uint8_t kilobytes) {
    client_message(world, conn, ordo_slice((const uint8_t[]){0, who, 1, 1}, 4));
    step(world, ORDO_GATEWAY_TURN_END, 0, ordo_slice(NULL, 0));
    shard_message(world, ordo_slice((const uint8_t[]){0, who, who, 1, kilobytes, 0}, 6));
}

/* Also one with more than was asked for. */
static void shard_piece(struct world *world, struct ordo_slice bytes) {
    static const uint8_t filler[(size_t)UINT8_MAX << 10];
    Ordo__Cluster__V1__Piece piece = ORDO__CLUSTER__V1__PIECE__INIT;
    piece.bulk = 100 + byte_at(bytes, 0) % 8;
    piece.offset = (uint64_t)byte_at(bytes, 1) << 10;
    piece.bytes = ordo_binary_of_slice(ordo_slice(filler, (size_t)byte_at(bytes, 2) << 10));
    struct ordo_buffer field = {0};
    ordo_message_encode_field(SIDE_PIECES, &piece.base, &field);
    side_say(world, ordo_buffer_slice(&field));
    ordo_buffer_finish(&field);
}

static void play(struct world *world, uint8_t kind, uint32_t conn, struct ordo_slice bytes) {
    switch (kind % 13) {
    case 0:
        if (world->is_connected[conn])
            step(world, ORDO_GATEWAY_CONN_FRAME, conn, bytes);
        else
            connect(world, conn);
        break;
    case 1: say(world, bytes); break;
    case 2: side_say(world, bytes); break;
    case 3: step(world, ORDO_GATEWAY_DRAIN, 0, ordo_slice(NULL, 0)); break;
    case 4: read_output(world, conn); break;
    case 5:
        world->now_ms += 100 * (uint64_t)(bytes.size + 1);
        step(world, ORDO_GATEWAY_TICK, 0, ordo_slice(NULL, 0));
        break;
    case 6: bring_link_up(world); break;
    case 7:
        step(world, ORDO_GATEWAY_LINK_DOWN, 0, ordo_slice(NULL, 0));
        world->now_ms += 200;
        step(world, ORDO_GATEWAY_TICK, 0, ordo_slice(NULL, 0));
        bring_link_up(world);
        break;
    case 8:
        if (world->is_connected[conn]) step(world, ORDO_GATEWAY_CONN_CLOSED, conn, ordo_slice(NULL, 0));
        world->is_connected[conn] = false;
        break;
    case 9: step(world, ORDO_GATEWAY_LINK_RECEIVED, 0, bytes); break;
    case 10: client_message(world, conn, bytes); break;
    case 11: shard_message(world, bytes); break;
    case 12: shard_piece(world, bytes); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ordo_gateway_config config;
    ordo_gateway_config_init(&config);
    config.seed = 1;
    config.outbox_size_max = 4096;
    config.documents_per_connection_max = 8;
    struct world world = {.gateway = ordo_gateway_create(&config), .now_ms = 1000};
    step(&world, ORDO_GATEWAY_TICK, 0, ordo_slice(NULL, 0));
    bring_link_up(&world);
    connect(&world, 0);
    connect(&world, 1);
    open_document(&world, 0, 1, 0);
    open_document(&world, 1, 2, 0);
    open_document(&world, 1, 3, 255); /* its content is to be fetched */
    struct ordo_reader reader = ordo_reader(ordo_slice(data, size));
    uint8_t kind, length;
    struct ordo_slice bytes;
    while (ordo_take_u8(&reader, &kind) && ordo_take_u8(&reader, &length)) {
        size_t left = ordo_reader_left(&reader);
        if (!ordo_take_bytes(&reader, length < left ? length : left, &bytes)) break;
        play(&world, kind & 0x3f, kind >> 6, bytes);
        step(&world, ORDO_GATEWAY_TURN_END, 0, ordo_slice(NULL, 0));
    }
    ordo_gateway_destroy(world.gateway);
    return 0;
}
