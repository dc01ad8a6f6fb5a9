/* tests/unit/client_fixture.h: one client document, driven message by message, with all that it said and told. */
#ifndef ORDO_TESTS_CLIENT_FIXTURE_H
#define ORDO_TESTS_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "client/c/core/doc.h"
#include "common/ot/text.h"
#include "common/utf8.h"
#include "proto/message.h"

enum { HANDLE = 7, OP_SIZE_MAX = 1 << 20, LINEAGE = 5, WRITE = 2 };

static const uint8_t own_id[16] = {'m', 'e'};
static const uint8_t other_id[16] = {'y', 'o', 'u'};

struct sent { /* what the document last sent, decoded by protobuf-c */
    size_t submit_count, open_count;
    uint64_t client_seq, base_seq;
    struct ordo_buffer op;
    uint32_t op_field;
    bool has_have, clean;
    uint64_t have_seq, have_lineage;
    size_t presence_count;
    uint64_t presence_base, presence_anchor, presence_head;
    bool presence_clear;
};

struct fixture {
    struct ordo_client_doc *doc;
    struct ordo_client_doc_options options;
    uint64_t now_ms;
    struct sent sent;
    uint64_t acked_client_seq, acked_server_seq;
    size_t acked_count, changed_count, committed_count, opened_count, given_back_count, guessed_count;
    bool guessed_saved;
    uint64_t guessed_client_seq;
    enum ordo_client_give_back_reason reason;
    uint32_t reason_code;
    struct ordo_buffer inserted, given_content, changed, record;
    enum ordo_client_status status;
    bool store_fails;
    size_t store_count;
    size_t presence_count;
    struct ordo_client_range presence_range;
};

/* --- the listener ----------------------------------------------------------------------------------------------- */

static inline void set_bytes(struct ordo_buffer *buffer, struct ordo_slice bytes) {
    ordo_buffer_clear(buffer);
    ordo_buffer_append_slice(buffer, bytes);
}
static inline void on_opened(void *user, struct ordo_client_doc *doc) {
    (void)doc;
    ((struct fixture *)user)->opened_count++;
}
static inline void on_changed(void *user, struct ordo_client_doc *doc, struct ordo_slice op) {
    struct fixture *f = user;
    (void)doc;
    f->changed_count++;
    set_bytes(&f->changed, op);
}
static inline void on_given_back(void *user, struct ordo_client_doc *doc,
                                 const struct ordo_client_given_back *given) {
    struct fixture *f = user;
    (void)doc;
    f->given_back_count++;
    f->reason = given->reason;
    f->reason_code = given->code;
    set_bytes(&f->inserted, given->inserted);
    set_bytes(&f->given_content, given->content);
}
static inline void on_guessed(void *user, struct ordo_client_doc *doc, const struct ordo_client_guess *guess) {
    struct fixture *f = user;
    (void)doc;
    f->guessed_count++;
    f->guessed_saved = guess->is_saved;
    f->guessed_client_seq = guess->client_seq;
    set_bytes(&f->inserted, guess->inserted);
}
static inline void on_status(void *user, struct ordo_client_doc *doc, enum ordo_client_status status, uint32_t code,
                      struct ordo_slice message) {
    (void)doc, (void)code, (void)message;
    ((struct fixture *)user)->status = status;
}
static inline void on_acked(void *user, struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq) {
    struct fixture *f = user;
    (void)doc;
    f->acked_count++;
    f->acked_client_seq = client_seq;
    f->acked_server_seq = server_seq;
}
static inline void on_committed(void *user, struct ordo_client_doc *doc, const struct ordo_client_commit *commit) {
    (void)doc, (void)commit;
    ((struct fixture *)user)->committed_count++;
}
static inline void on_presence(void *user, struct ordo_client_doc *doc, const struct ordo_client_presence *presence) {
    struct fixture *f = user;
    (void)doc;
    f->presence_count++;
    if (presence->range_count > 0) f->presence_range = presence->ranges[0];
}
static inline bool on_store(void *user, struct ordo_client_doc *doc, struct ordo_slice record) {
    struct fixture *f = user;
    (void)doc;
    f->store_count++;
    if (f->store_fails) return false;
    set_bytes(&f->record, record);
    return true;
}

static inline int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->now_ms = 1000;
    f->options = (struct ordo_client_doc_options){.collection = ordo_slice_of("c"),
                                                  .id = ordo_slice_of("d"),
                                                  .create_type = ordo_slice_of("text"),
                                                  .presence = true,
                                                  .listener = {.opened = on_opened,
                                                               .changed = on_changed,
                                                               .given_back = on_given_back,
                                                               .guessed = on_guessed,
                                                               .status = on_status,
                                                               .acked = on_acked,
                                                               .committed = on_committed,
                                                               .presence = on_presence},
                                                  .user = f};
    struct ordo_client_id id;
    memcpy(id.bytes, own_id, 16);
    f->doc = ordo_client_doc_create(&f->options, id);
    *state = f;
    return 0;
}

static inline int teardown(void **state) {
    struct fixture *f = *state;
    ordo_client_doc_destroy(f->doc);
    ordo_buffer_finish(&f->sent.op);
    ordo_buffer_finish(&f->inserted);
    ordo_buffer_finish(&f->given_content);
    ordo_buffer_finish(&f->changed);
    ordo_buffer_finish(&f->record);
    free(f);
    return 0;
}

/* --- what the server says --------------------------------------------------------------------------------------- */

struct placed { /* an op in the order, by anybody */
    const uint8_t *client_id;
    uint64_t seq, client_seq, base_seq, at, removed;
    const char *text;
};

static inline struct ordo_buffer op_bytes(uint64_t at, uint64_t removed, const char *text) {
    struct ordo_buffer op = {0};
    ordo_text_splice(at, removed, ordo_slice_of(text), (struct ordo_text_hints){0}, &op);
    return op;
}

static inline void say_committed(struct fixture *f, struct placed p) {
    struct ordo_buffer op = op_bytes(p.at, p.removed, p.text);
    ordo_client_doc_committed(f->doc, &(struct ordo_wire_committed){.server_seq = p.seq,
                                                                    .client_id = ordo_slice(p.client_id, 16),
                                                                    .client_seq = p.client_seq,
                                                                    .base_seq = p.base_seq,
                                                                    .op_field = ORDO_WIRE_OP_TEXT,
                                                                    .op = ordo_buffer_slice(&op)});
    ordo_buffer_finish(&op);
}

struct answer {
    uint64_t head, last_client_seq, last_client_server_seq, horizon, lineage, forgotten_seq;
    const char *content; /* NULL: none */
    uint64_t content_seq;
    bool deleted, more, is_readonly, is_viewer;
    const struct placed *ops;
    size_t op_count;
};

/* The ops of an Opened, as protobuf-c writes them. */
static inline struct ordo_buffer opened_body(const struct answer *a) {
    struct ordo_buffer body = {0};
    for (size_t i = 0; i < a->op_count; i++) {
        struct ordo_buffer op = op_bytes(a->ops[i].at, a->ops[i].removed, a->ops[i].text);
        Ordo__V1__Committed committed = ORDO__V1__COMMITTED__INIT;
        committed.server_seq = a->ops[i].seq;
        committed.client_id = ordo_binary_of_slice(ordo_slice(a->ops[i].client_id, 16));
        committed.client_seq = a->ops[i].client_seq;
        committed.base_seq = a->ops[i].base_seq;
        committed.op_case = ORDO__V1__COMMITTED__OP_TEXT;
        committed.text = ordo_binary_of_slice(ordo_buffer_slice(&op));
        ordo_message_encode_field(ORDO_WIRE_OPENED_OPS, &committed.base, &body);
        ordo_buffer_finish(&op);
    }
    return body;
}

static inline void say_opened(struct fixture *f, struct answer a) {
    struct ordo_buffer body = opened_body(&a);
    struct ordo_wire_opened part = {.type = ordo_slice_of("text"),
                                    .head = a.head,
                                    .last_client_seq = a.last_client_seq,
                                    .last_client_server_seq = a.last_client_server_seq,
                                    .horizon = a.horizon,
                                    .lineage = a.lineage ? a.lineage : LINEAGE,
                                    .forgotten_seq = a.forgotten_seq,
                                    .permission = a.is_readonly || a.is_viewer ? 1 : WRITE,
                                    .viewer = a.is_viewer,
                                    .more = a.more,
                                    .body = ordo_buffer_slice(&body)};
    if (a.content != NULL) {
        part.content = (struct ordo_wire_content){.is_present = true,
                                                  .seq = a.content_seq,
                                                  .field = 2,
                                                  .bytes = ordo_slice_of(a.content),
                                                  .deleted = a.deleted};
    }
    ordo_client_doc_opened(f->doc, &part);
    ordo_buffer_finish(&body);
}

static inline void say_ack(struct fixture *f, uint64_t client_seq, uint64_t server_seq, bool duplicate) {
    ordo_client_doc_ack(f->doc, &(struct ordo_wire_ack){
                                    .client_seq = client_seq, .server_seq = server_seq, .duplicate = duplicate});
}

static inline void say_nack(struct fixture *f, uint64_t client_seq, enum ordo_wire_nack_code code,
                            uint64_t after_ms) {
    struct ordo_wire_nack nack = {.client_seq = client_seq, .code = code, .retry_after_ms = after_ms};
    ordo_client_doc_nack(f->doc, &nack, f->now_ms);
}

/* A delete, a create, or something unknown. */
static inline void say_shape(struct fixture *f, uint64_t seq, uint32_t field, struct ordo_slice op) {
    ordo_client_doc_committed(f->doc, &(struct ordo_wire_committed){.server_seq = seq,
                                                                    .client_id = ordo_slice(other_id, 16),
                                                                    .client_seq = seq,
                                                                    .op_field = field,
                                                                    .op = op});
}

/* --- what the client says --------------------------------------------------------------------------------------- */

static inline void read_sent(struct sent *sent, struct ordo_slice frame) {
    struct ordo_arena arena;
    ordo_arena_init(&arena, 1 << 24);
    Ordo__V1__ClientFrame *decoded = ordo_message_decode(&ordo__v1__client_frame__descriptor, frame, &arena);
    assert_non_null(decoded);
    for (size_t i = 0; i < decoded->n_messages; i++) {
        const Ordo__V1__ClientMessage *message = decoded->messages[i];
        switch (message->body_case) {
        case ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT:
            assert_int_equal(message->doc, HANDLE);
            sent->submit_count++;
            sent->client_seq = message->submit->client_seq;
            sent->base_seq = message->submit->base_seq;
            sent->op_field = message->submit->op_case;
            ordo_buffer_clear(&sent->op);
            if (sent->op_field == ORDO__V1__SUBMIT__OP_TEXT)
                set_bytes(&sent->op, ordo_slice_of_binary(message->submit->text));
            if (sent->op_field == ORDO__V1__SUBMIT__OP_CREATE)
                set_bytes(&sent->op, ordo_slice_of_binary(message->submit->create));
            break;
        case ORDO__V1__CLIENT_MESSAGE__BODY_OPEN:
            sent->open_count++;
            sent->has_have = message->open->have_case == ORDO__V1__OPEN__HAVE_HAVE_SEQ;
            sent->have_seq = sent->has_have ? message->open->have_seq : 0;
            sent->have_lineage = message->open->have_lineage;
            sent->clean = message->open->clean;
            break;
        case ORDO__V1__CLIENT_MESSAGE__BODY_PRESENCE:
            sent->presence_count++;
            sent->presence_base = message->presence->base_seq;
            sent->presence_clear = message->presence->clear;
            if (message->presence->n_ranges > 0) {
                sent->presence_anchor = message->presence->ranges[0]->anchor;
                sent->presence_head = message->presence->ranges[0]->head;
            }
            break;
        default: fail();
        }
    }
    ordo_arena_finish(&arena);
}

/* Lets the document send what is due; returns how many submits that were. */
static inline size_t flush(struct fixture *f) {
    struct ordo_buffer frame = {0};
    size_t before = f->sent.submit_count;
    ordo_client_doc_flush(f->doc, HANDLE, OP_SIZE_MAX, true, f->now_ms, &frame);
    read_sent(&f->sent, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
    return f->sent.submit_count - before;
}

static inline void send_open(struct fixture *f) {
    struct ordo_buffer frame = {0};
    ordo_client_doc_write_open(f->doc, 1, &frame);
    read_sent(&f->sent, ordo_buffer_slice(&frame));
    ordo_buffer_finish(&frame);
}

static inline void open_with(struct fixture *f, const char *text, uint64_t seq) {
    send_open(f);
    say_opened(f, (struct answer){.head = seq, .content = text, .content_seq = seq});
    assert_true(ordo_client_doc_is_open(f->doc));
}

static inline void type(struct fixture *f, uint64_t at, const char *text) {
    assert_int_equal(ordo_client_doc_splice(f->doc, at, 0, ordo_slice_of(text)), ORDO_OK);
}

static inline void reconnect(struct fixture *f) {
    ordo_client_doc_disconnected(f->doc);
    assert_int_equal(ordo_client_doc_wants(f->doc, f->now_ms), ORDO_CLIENT_DOC_OPEN);
    send_open(f);
}

static inline void assert_text(const struct fixture *f, const char *confirmed, const char *shown) {
    struct ordo_buffer text = {0};
    ordo_client_doc_write_confirmed(f->doc, &text);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&text), ordo_slice_of(confirmed)));
    ordo_buffer_clear(&text);
    ordo_client_doc_write_visible(f->doc, &text);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&text), ordo_slice_of(shown)));
    assert_int_equal(ordo_client_doc_length(f->doc), ordo_utf8_count(ordo_slice_of(shown)));
    ordo_buffer_finish(&text);
}

static inline void assert_sent_again(const struct fixture *f, struct ordo_slice first, uint64_t client_seq,
                                     uint64_t base_seq) {
    assert_int_equal(f->sent.client_seq, client_seq);
    assert_int_equal(f->sent.base_seq, base_seq);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&f->sent.op), first));
}

static inline struct ordo_buffer copy_of_sent(const struct fixture *f) {
    struct ordo_buffer copy = {0};
    ordo_buffer_append_slice(&copy, ordo_buffer_slice(&f->sent.op));
    return copy;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
