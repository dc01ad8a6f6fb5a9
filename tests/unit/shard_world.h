/* tests/unit/shard_world.h: one shard on a store in memory, and gateways that are lists of what they were told.
 *
 * Time is a variable. `world_turn` ends the turn, writes, says durable and runs the jobs until nothing is left to do;
 * with `hold_durable` set, turns are written but not said to be durable until `world_durable`; with `hold_jobs`, jobs
 * wait for `world_run_jobs`. */
#ifndef ORDO_TESTS_SHARD_WORLD_H
#define ORDO_TESTS_SHARD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/access.h"
#include "common/ot/text.h"
#include "common/memory.h"
#include "proto/link.h"
#include "shard/core/committed.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/core/shard.h"
#include "shard/core/slot_rows.h"
#include "shard/store_memory.h"

typedef Ordo__Cluster__V1__ToGateway told;

enum { TOLD_MAX = 4096, GATEWAYS = 3, JOBS_MAX = 256 };

struct gateway {
    char id[4];
    struct ordo_link link;
    bool is_up;
    Ordo__Cluster__V1__Envelope *envelopes[TOLD_MAX]; /* owners of what was told */
    size_t envelope_count;
    told *told[TOLD_MAX];
    size_t told_count, read_count;
    size_t bytes_waiting; /* what this gateway has not worked through: withholds credit */
};
struct world {
    /* For worlds that are linked with others (move_world.h); NULL: messages for nobody fail the test, and slots are all ours. */
    void (*others)(struct world *w, const struct ordo_shard_send *to_source);
    void *others_context;
    struct ordo_shard_config config;
    struct ordo_shard *shard;
    struct ordo_store *store;
    struct ordo_shard_effects effects;
    struct ordo_bulk bulk;
    uint64_t wall_ms, now_ms;
    struct gateway gateways[GATEWAYS];
    uint64_t sessions;
    bool hold_durable, hold_jobs;
    struct ordo_job *jobs[JOBS_MAX];
    size_t job_count;
    size_t note_count;
    char last_note[512];
};

static inline struct ordo_shard_event world_event(struct world *w, enum ordo_shard_event_kind kind) {
    return (struct ordo_shard_event){.kind = kind, .wall_ms = w->wall_ms, .monotonic_ms = w->now_ms};
}

static inline void gateway_take(struct world *w, struct ordo_shard_send *send) {
    for (size_t g = 0; g < GATEWAYS; g++) {
        struct gateway *gateway = &w->gateways[g];
        if (!ordo_slice_equal(send->peer, ordo_slice_of(gateway->id))) continue;
        Ordo__Cluster__V1__Envelope *envelope =
            ordo__cluster__v1__envelope__unpack(NULL, send->message.size, send->message.data);
        assert_non_null(envelope);
        bool is_reset = envelope->n_to_gateway == 1 &&
                        envelope->to_gateway[0]->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_RESET;
        if (!is_reset && gateway->is_up) {
            assert_int_equal(ordo_link_receive(&gateway->link, envelope, send->message.size, w->now_ms),
                             ORDO_LINK_NEXT);
            ordo_link_grant(&gateway->link, gateway->bytes_waiting);
        }
        assert_true(gateway->envelope_count < TOLD_MAX);
        gateway->envelopes[gateway->envelope_count++] = envelope;
        for (size_t i = 0; i < envelope->n_to_gateway; i++) {
            assert_true(gateway->told_count < TOLD_MAX);
            gateway->told[gateway->told_count++] = envelope->to_gateway[i];
        }
        return;
    }
    if (w->others == NULL) fail_msg("a message for nobody");
    else w->others(w, send);
}

static inline void world_carry_out(struct world *w) {
    struct ordo_shard_effects *effects = &w->effects;
    for (size_t i = 0; i < effects->publish_count; i++) ordo_bulk_publish(&w->bulk, &effects->publish[i], w->now_ms);
    effects->publish_count = 0;
    if (effects->turn != 0) assert_int_equal(w->store->ops->write(w->store, &effects->batch, true), ORDO_OK);
    else assert_int_equal(effects->batch.count, 0);
    if (effects->background.count > 0)
        assert_int_equal(w->store->ops->write(w->store, &effects->background, false), ORDO_OK);
    for (size_t i = 0; i < effects->job_count; i++) {
        assert_true(w->job_count < JOBS_MAX);
        w->jobs[w->job_count++] = effects->jobs[i];
    }
    effects->job_count = 0;
    struct ordo_shard_send send;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&effects->send_bytes));
    while (ordo_shard_effects_next_send(&reader, &send)) gateway_take(w, &send);
    struct ordo_shard_note note;
    reader = ordo_reader(ordo_buffer_slice(&effects->note_bytes));
    while (ordo_shard_effects_next_note(&reader, &note)) {
        w->note_count++;
        snprintf(w->last_note, sizeof w->last_note, "%.*s", (int)note.text.size, (const char *)note.text.data);
    }
    if (w->others != NULL) w->others(w, NULL);
    ordo_shard_effects_clear(effects);
}

static inline uint64_t world_step(struct world *w, struct ordo_shard_event event) {
    ordo_shard_step(w->shard, &event, &w->effects);
    uint64_t turn = w->effects.turn;
    world_carry_out(w);
    return turn;
}

static inline void world_durable(struct world *w, uint64_t turn) {
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_DURABLE);
    event.durable.turn = turn;
    world_step(w, event);
}

/* Ends one turn. Returns its number, 0 if it wrote nothing. */
static inline uint64_t world_end_turn(struct world *w) {
    uint64_t turn = world_step(w, world_event(w, ORDO_SHARD_TURN_END));
    if (turn != 0 && !w->hold_durable) world_durable(w, turn);
    return turn;
}

static inline void world_run_jobs(struct world *w) {
    while (w->job_count > 0) {
        struct ordo_job *job = w->jobs[0];
        memmove(w->jobs, w->jobs + 1, --w->job_count * sizeof *w->jobs);
        struct ordo_view *view = w->store->ops->view_open(w->store);
        ordo_job_run(job, view);
        w->store->ops->view_close(view);
        struct ordo_shard_event event = world_event(w, ORDO_SHARD_JOB_DONE);
        event.job_done.job = job;
        world_step(w, event);
    }
}

static inline void world_turn(struct world *w) {
    for (int i = 0; i < 50; i++) {
        uint64_t turn = world_end_turn(w);
        if (w->job_count == 0 || w->hold_jobs) {
            if (turn == 0 || w->hold_durable) return;
            continue;
        }
        world_run_jobs(w);
    }
    fail_msg("the shard does not come to rest");
}

static inline void world_pass(struct world *w, uint64_t ms) {
    for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
        uint64_t next = ordo_shard_next_tick_ms(w->shard);
        w->wall_ms += (next < end ? (next > w->now_ms ? next : w->now_ms + 1) : end) - w->now_ms;
        w->now_ms = next < end ? (next > w->now_ms ? next : w->now_ms + 1) : end;
        for (size_t g = 0; g < GATEWAYS; g++) {
            if (!w->gateways[g].is_up) continue;
            struct ordo_shard_event heard = world_event(w, ORDO_SHARD_HEARD);
            heard.heard.session = w->gateways[g].link.session;
            world_step(w, heard);
        }
        world_step(w, world_event(w, ORDO_SHARD_TICK));
        world_turn(w);
    }
}

/* What the store says of its slots. */
static inline void world_read_slots(const struct world *w, struct ordo_slot_row rows[ORDO_SLOT_COUNT]) {
    struct ordo_view *view = w->store->ops->view_open(w->store);
    assert_int_equal(ordo_slot_rows_read(view, false, rows), ORDO_OK);
    w->store->ops->view_close(view);
}

static inline void world_start(struct world *w) {
    w->config.incarnation++;
    static struct ordo_slot_row rows[ORDO_SLOT_COUNT];
    if (w->others != NULL) world_read_slots(w, rows);
    w->config.slots = w->others != NULL ? rows : NULL;
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_buffer value = {0};
    struct ordo_turn_row row = {0};
    if (!view->ops->get(view, ORDO_CF_META, ordo_key_turn, &value))
        assert_int_equal(ordo_turn_row_decode(ordo_buffer_slice(&value), &row), ORDO_OK);
    ordo_buffer_finish(&value);
    w->store->ops->view_close(view);
    w->config.turn = row.turn;
    w->config.seed = 7 * w->config.incarnation;
    w->shard = ordo_shard_create(&w->config, w->now_ms);
}

static inline void world_stop(struct world *w) {
    for (size_t i = 0; i < w->job_count; i++) ordo_job_destroy(w->jobs[i]);
    w->job_count = 0;
    ordo_shard_destroy(w->shard);
    w->shard = NULL;
    for (size_t g = 0; g < GATEWAYS; g++) w->gateways[g].is_up = false;
}

static inline void world_forget_told(struct gateway *gateway) {
    for (size_t i = 0; i < gateway->envelope_count; i++)
        ordo__cluster__v1__envelope__free_unpacked(gateway->envelopes[i], NULL);
    gateway->envelope_count = gateway->told_count = gateway->read_count = 0;
}

/* Power is cut, and the shard starts anew. */
static inline void world_crash(struct world *w) {
    world_stop(w);
    ordo_store_memory_crash(w->store, false);
    world_start(w);
}

static inline struct world *world_create(void) {
    struct world *w = ordo_alloc(sizeof *w);
    ordo_shard_config_init(&w->config);
    memset(w->config.store_id, 0xab, sizeof w->config.store_id);
    w->store = ordo_store_memory_create(1);
    w->wall_ms = 1700000000000;
    w->now_ms = 1000;
    for (int g = 0; g < GATEWAYS; g++) snprintf(w->gateways[g].id, sizeof w->gateways[g].id, "g%d", g);
    world_start(w);
    return w;
}

static inline void world_destroy(struct world *w) {
    world_stop(w);
    for (size_t g = 0; g < GATEWAYS; g++) world_forget_told(&w->gateways[g]);
    ordo_shard_effects_finish(&w->effects);
    ordo_bulk_finish(&w->bulk);
    w->store->ops->close(w->store);
    free(w);
}

/* ---- what a gateway says */

static inline void gateway_say_many(struct world *w, int g, Ordo__Cluster__V1__ToShard **messages, size_t count) {
    struct gateway *gateway = &w->gateways[g];
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    ordo_link_stamp(&gateway->link, &envelope, w->now_ms);
    if (gateway->link.number_sent > 1) {
        envelope.shard = ordo_binary_of_slice(ordo_slice(w->config.store_id, ORDO_STORE_ID_SIZE));
        envelope.incarnation = w->config.incarnation;
    }
    envelope.to_shard = messages;
    envelope.n_to_shard = count;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&envelope.base, &bytes);
    ordo_link_sent(&gateway->link, bytes.size);
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_RECEIVED);
    event.received.peer = ordo_slice_of(gateway->id);
    event.received.message = ordo_buffer_slice(&bytes);
    world_step(w, event);
    ordo_buffer_finish(&bytes);
}

static inline void gateway_say(struct world *w, int g, Ordo__Cluster__V1__ToShard *message) {
    gateway_say_many(w, g, &message, 1);
}

/* The next thing told, if it is of this kind; anything else fails the test. */
static inline told *next_told(struct world *w, int g, int kind) {
    struct gateway *gateway = &w->gateways[g];
    if (gateway->read_count == gateway->told_count) fail_msg("nothing was told, not even kind %d", kind);
    told *message = gateway->told[gateway->read_count++];
    if ((int)message->body_case != kind) {
        if (message->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NACK)
            fail_msg("told Nack %u %.*s", message->nack->code, (int)message->nack->message.len,
                     message->nack->message.data);
        if (message->body_case == ORDO__CLUSTER__V1__TO_GATEWAY__BODY_REFUSED)
            fail_msg("told Refused %u %.*s", message->refused->code, (int)message->refused->message.len,
                     message->refused->message.data);
        fail_msg("told kind %d instead of %d", message->body_case, kind);
    }
    return message;
}
#define NEXT_OF(KIND, member, type)                                                                                  \
    static inline Ordo__Cluster__V1__##type *next_##member(struct world *w, int g) {                                 \
        return next_told(w, g, ORDO__CLUSTER__V1__TO_GATEWAY__BODY_##KIND)->member;                                  \
    }
NEXT_OF(WELCOME, welcome, LinkWelcome)
NEXT_OF(RESET, reset, LinkReset)
NEXT_OF(ATTACHED, attached, Attached)
NEXT_OF(REFUSED, refused, Refused)
NEXT_OF(COMMIT, commit, Commit)
NEXT_OF(NACK, nack, Nack)
NEXT_OF(DUPLICATE, duplicate, DuplicateAck)
NEXT_OF(PRESENCE, presence, Presence)
NEXT_OF(HISTORY, history, HistoryAnswer)
NEXT_OF(DROPPED, dropped, Dropped)
NEXT_OF(FORGOTTEN, forgotten, Forgotten)
NEXT_OF(NOT_OWNER, not_owner, NotOwner)
NEXT_OF(REATTACH, reattach, Reattach)
#undef NEXT_OF

static inline void assert_nothing_told(struct world *w, int g) {
    struct gateway *gateway = &w->gateways[g];
    if (gateway->read_count < gateway->told_count)
        fail_msg("told kind %d", gateway->told[gateway->read_count]->body_case);
}

static inline void gateway_connect(struct world *w, int g) {
    struct gateway *gateway = &w->gateways[g];
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__LinkHello hello = ORDO__CLUSTER__V1__LINK_HELLO__INIT;
    ordo_link_init(&gateway->link, ++w->sessions * 1000 + (uint64_t)g, w->now_ms);
    gateway->is_up = true;
    hello.protocol_min = hello.protocol_max = 1;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
    message.hello = &hello;
    gateway->read_count = gateway->told_count;
    gateway_say(w, g, &message);
    world_turn(w);
    next_welcome(w, g);
}

/* What Attach has many fields for: `open` fills in the usual ones. */
static inline Ordo__Cluster__V1__Attach open_of(uint64_t subscriber, const char *id, const char *client_id,
                                                const char *create_type) {
    Ordo__Cluster__V1__Attach attach = ORDO__CLUSTER__V1__ATTACH__INIT;
    attach.subscriber = subscriber;
    attach.collection = ordo_binary_of_slice(ordo_slice_of("docs"));
    attach.id = ordo_binary_of_slice(ordo_slice_of(id));
    attach.client_id = ordo_binary_of_slice(ordo_slice_of(client_id));
    attach.user = ordo_binary_of_slice(ordo_slice_of("ann"));
    attach.permission = ORDO_ACCESS_ADMIN;
    attach.create_type = ordo_binary_of_slice(ordo_slice_of(create_type));
    return attach;
}

static inline void say_attach(struct world *w, int g, Ordo__Cluster__V1__Attach *attach) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH;
    message.attach = attach;
    gateway_say(w, g, &message);
}

/* Opens and waits for the answer. */
static inline Ordo__Cluster__V1__Attached *open_doc(struct world *w, int g, uint64_t subscriber, const char *id,
                                                    const char *client_id) {
    Ordo__Cluster__V1__Attach attach = open_of(subscriber, id, client_id, "text");
    say_attach(w, g, &attach);
    world_turn(w);
    return next_attached(w, g);
}

static inline void say_submit_op(struct world *w, int g, uint64_t subscriber, uint64_t client_seq, uint64_t base_seq,
                                 uint32_t field, struct ordo_slice op) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__Submit submit = ORDO__CLUSTER__V1__SUBMIT__INIT;
    submit.subscriber = subscriber;
    submit.client_seq = client_seq;
    submit.base_seq = base_seq;
    submit.op_field = field;
    submit.op = ordo_binary_of_slice(op);
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT;
    message.submit = &submit;
    gateway_say(w, g, &message);
}

/* Inserts `text` at `position`. */
static inline void say_insert(struct world *w, int g, uint64_t subscriber, uint64_t client_seq, uint64_t base_seq,
                              uint64_t position, const char *text) {
    struct ordo_buffer op = {0};
    ordo_text_splice(position, 0, ordo_slice_of(text), (struct ordo_text_hints){0}, &op);
    say_submit_op(w, g, subscriber, client_seq, base_seq, 3, ordo_buffer_slice(&op));
    ordo_buffer_finish(&op);
}

/* Request 5; `lineage` 0: whatever is there. */
static inline void say_forget(struct world *w, int g, uint64_t subscriber, uint64_t lineage) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__Forget forget = ORDO__CLUSTER__V1__FORGET__INIT;
    forget.subscriber = subscriber;
    forget.request = 5;
    forget.lineage = lineage;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET;
    message.forget = &forget;
    gateway_say(w, g, &message);
}

static inline void say_detach(struct world *w, int g, uint64_t subscriber) {
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__Detach detach = ORDO__CLUSTER__V1__DETACH__INIT;
    detach.subscriber = subscriber;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH;
    message.detach = &detach;
    gateway_say(w, g, &message);
}

/* The content that an answer leads to, with all its ops applied. Free it. */
static inline char *text_of_attached(struct world *w, const Ordo__Cluster__V1__Attached *attached) {
    struct ordo_content *content = ordo_type_text.content_create();
    assert_true(attached->has_content);
    struct ordo_slice bytes = ordo_slice_of_binary(attached->content->bytes);
    if (attached->content->id != 0)
        bytes = ordo_bulk_fetch(&w->bulk, attached->content->id, 0, SIZE_MAX, w->now_ms);
    assert_int_equal(bytes.size, attached->content->size);
    assert_int_equal(ordo_type_text.content_append(content, bytes), ORDO_OK);
    struct ordo_slice ops = ordo_slice_of_binary(attached->ops->bytes);
    if (attached->ops->id != 0) ops = ordo_bulk_fetch(&w->bulk, attached->ops->id, 0, SIZE_MAX, w->now_ms);
    struct ordo_reader reader = ordo_reader(ops);
    uint64_t seq = attached->content_seq;
    while (ordo_reader_left(&reader) > 0) {
        uint8_t tag;
        struct ordo_slice encoded = {0};
        struct ordo_committed op;
        assert_true(ordo_take_u8(&reader, &tag) && tag == (6 << 3 | 2) && ordo_take_sized(&reader, &encoded));
        assert_true(ordo_committed_decode(encoded, &op));
        assert_int_equal(op.server_seq, ++seq);
        assert_int_equal(ordo_type_text.content_apply(content, op.op), ORDO_OK);
    }
    assert_int_equal(seq, attached->head);
    struct ordo_buffer text = {0};
    ordo_type_text.content_write(content, &text);
    ordo_buffer_append_u8(&text, 0);
    ordo_type_text.content_destroy(content);
    return (char *)text.data;
}

/* Opens it once more as a stranger who only reads, and compares. */
static inline void assert_text(struct world *w, int g, uint64_t subscriber, const char *id, const char *expected) {
    Ordo__Cluster__V1__Attach attach = open_of(subscriber, id, "a reader", "");
    attach.permission = ORDO__V1__PERMISSION__READ;
    say_attach(w, g, &attach);
    world_turn(w);
    char *text = text_of_attached(w, next_attached(w, g));
    assert_string_equal(text, expected);
    free(text);
    say_detach(w, g, subscriber);
    world_turn(w);
}

#endif
