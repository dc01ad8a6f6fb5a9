#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/c/core/wire.h"
#include "common/memory.h"
#include "tests/sim/sim.h"

/* A client that breaks the rules: it speaks the wire by hand, replays ops, gives one client_seq to two ops,
 * pipelines, bases ops on the future, sends late ops over an earlier connection, sends nonsense, and uses other
 * people's ids. It must cost itself alone, and get the code that the protocol says. */

struct raw_submit {
    uint64_t client_seq;
    uint32_t allowed;      /* bits of the nack codes that fit */
    bool is_bad;           /* must not be committed, ever */
    bool is_late;          /* nor this: the opening that it went through had ended ... */
    uint64_t reattach_count; /* ... unless something was started anew since: then both openings are attached again, */
                             /* and the shard cannot tell which was the later one */
    uint32_t conn;
    struct ordo_buffer op;
    uint64_t base_seq;
};

struct raw_conn {
    uint32_t conn;         /* index + 1; 0: none */
    bool is_greeted, is_opened, is_ended; /* ended: the document was opened on the other connection since */
    uint32_t handle;
    uint64_t reattach_count;      /* when the Open was sent that ended it */
    uint64_t open_reattach_count; /* when its own was */
};

struct sim_raw {
    uint8_t client[ORDO_CLIENT_ID_BYTES];
    bool is_thief;
    bool is_wild;          /* sent frames with bits flipped: whatever came of them is nobody's promise */
    struct oracle_doc *doc;
    struct raw_conn conns[2];
    uint64_t client_seq;
    uint32_t actions_left, next_request;
    struct raw_submit *submits;
    size_t submit_count;
    uint64_t life;
};

#define BIT(code) (1u << (code))
/* What the way to the shard, or the wrong moment, may say to anybody. */
static const uint32_t always_allowed = BIT(ORDO_NACK_UNAVAILABLE) | BIT(ORDO_NACK_RATE_LIMITED) |
                                       BIT(ORDO_NACK_NOT_OPEN) | BIT(ORDO_NACK_DELETED) |
                                       BIT(ORDO_NACK_STALE_BASE);

static struct ordo_slice client_of(const struct sim_raw *raw) { return ordo_slice(raw->client, sizeof raw->client); }

static void send_message(struct sim *sim, struct raw_conn *conn, Ordo__V1__ClientMessage *message) {
    Ordo__V1__ClientFrame frame = ORDO__V1__CLIENT_FRAME__INIT;
    frame.n_messages = 1;
    frame.messages = &message;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&frame.base, &bytes);
    sim_log_sent(sim, sim->conns[conn->conn - 1], message);
    watch_sent(&sim->conns[conn->conn - 1]->watch, message);
    sim_conn_client_send(sim, conn->conn - 1, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static void dial(struct sim *sim, uint32_t index, struct raw_conn *conn) {
    *conn = (struct raw_conn){
        .conn = 1 + sim_conn_dial(sim, SIM_RAW, index, sim->raws[index]->life,
                                  (uint32_t)sim_below(sim, sim->plan.gateway_count)),
    };
}

static void greet(struct sim *sim, struct sim_raw *raw, struct raw_conn *conn) {
    Ordo__V1__Hello hello = ORDO__V1__HELLO__INIT;
    ProtobufCBinaryData type = ordo_binary_of_slice(ordo_slice_of("text"));
    hello.protocol = ORDO_GATEWAY_PROTOCOL;
    hello.client_id = ordo_binary_of_slice(client_of(raw));
    hello.types = &type;
    hello.n_types = 1;
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    send_message(sim, conn, &message);
    Ordo__V1__Open open = ORDO__V1__OPEN__INIT;
    open.collection = ordo_binary_of_slice(raw->doc->collection);
    open.id = ordo_binary_of_slice(raw->doc->id);
    open.create_type = type;
    open.bare = (raw->client[0] & 3) == 0; /* as a request over HTTP does */
    message = (Ordo__V1__ClientMessage)ORDO__V1__CLIENT_MESSAGE__INIT;
    message.request = ++raw->next_request;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_OPEN;
    message.open = &open;
    send_message(sim, conn, &message);
    conn->is_greeted = true;
    conn->open_reattach_count = sim->reattach_count;
}

static void send_submit(struct sim *sim, struct raw_conn *conn, const struct raw_submit *submit) {
    Ordo__V1__Submit body = ORDO__V1__SUBMIT__INIT;
    body.client_seq = submit->client_seq;
    body.base_seq = submit->base_seq;
    body.op_case = ORDO__V1__SUBMIT__OP_TEXT;
    body.text = ordo_binary_of_slice(ordo_buffer_slice(&submit->op));
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    message.doc = conn->handle;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT;
    message.submit = &body;
    send_message(sim, conn, &message);
}

static void note_strays(struct sim *sim, struct ordo_slice bytes) {
    struct model_op op;
    if (!model_op_decode(bytes, &op, &sim->arena)) return;
    for (size_t i = 0; i < op.count; i++) {
        for (uint64_t k = 0; op.parts[i].kind == MODEL_INSERT && k < op.parts[i].n; k++) {
            ledger_stray(&sim->ledger, op.parts[i].text[k]);
        }
    }
}

/* A submit with some bytes changed. It may still decode, as something else. */
static void send_mangled(struct sim *sim, struct sim_raw *raw, struct raw_conn *conn) {
    const struct raw_submit *submit = &raw->submits[sim_below(sim, raw->submit_count)];
    Ordo__V1__Submit body = ORDO__V1__SUBMIT__INIT;
    body.client_seq = submit->client_seq;
    body.base_seq = submit->base_seq;
    body.op_case = ORDO__V1__SUBMIT__OP_TEXT;
    body.text = ordo_binary_of_slice(ordo_buffer_slice(&submit->op));
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT, *messages = &message;
    message.doc = conn->handle;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT;
    message.submit = &body;
    Ordo__V1__ClientFrame frame = ORDO__V1__CLIENT_FRAME__INIT;
    frame.n_messages = 1;
    frame.messages = &messages;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&frame.base, &bytes);
    for (uint64_t i = sim_between(sim, 1, 3); i > 0; i--) {
        bytes.data[sim_below(sim, bytes.size)] = (uint8_t)sim_below(sim, 256);
    }
    const Ordo__V1__ClientFrame *decoded =
        ordo_message_decode(&ordo__v1__client_frame__descriptor, ordo_buffer_slice(&bytes), &sim->arena);
    for (size_t i = 0; decoded != NULL && i < decoded->n_messages; i++) {
        sim_log_sent(sim, sim->conns[conn->conn - 1], decoded->messages[i]);
        watch_sent(&sim->conns[conn->conn - 1]->watch, decoded->messages[i]);
        const Ordo__V1__Submit *mangled = decoded->messages[i]->submit;
        bool is_text = decoded->messages[i]->body_case == ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT &&
                       mangled->op_case == ORDO__V1__SUBMIT__OP_TEXT;
        if (is_text) note_strays(sim, ordo_slice_of_binary(mangled->text));
    }
    raw->is_wild = true;
    sim_conn_client_send(sim, conn->conn - 1, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static struct raw_submit *submit_add(struct sim *sim, struct sim_raw *raw, struct raw_conn *conn, uint64_t client_seq,
                                     uint32_t allowed) {
    raw->submits = ordo_realloc(raw->submits, (raw->submit_count + 1) * sizeof *raw->submits);
    struct raw_submit *submit = &raw->submits[raw->submit_count++];
    *submit = (struct raw_submit){
        .client_seq = client_seq,
        .allowed = allowed | always_allowed,
        .conn = conn->conn,
        .base_seq = watch_doc_of(&sim->conns[conn->conn - 1]->watch, conn->handle)->seq,
    };
    return submit;
}

static void set_late(const struct raw_conn *conn, struct raw_submit *submit) {
    submit->is_late = true;
    submit->reattach_count = conn->reattach_count;
}

/* An insert of fresh characters at the beginning of the document. */
static void make_insert(struct sim *sim, struct sim_raw *raw, struct ordo_buffer *op) {
    struct ordo_buffer spans = {0}, text = {0};
    uint64_t count = sim_between(sim, 1, 3);
    for (uint64_t i = 0; i < count; i++) {
        model_utf8_append(&text, ledger_type(&sim->ledger, raw->doc, UINT32_MAX, ++sim->run_count));
    }
    ledger_excuse(&sim->ledger, ordo_buffer_slice(&text));
    ordo_buffer_append_varint(&spans, count << 4 | MODEL_INSERT);
    ordo_field_append_bytes(op, 1, ordo_buffer_slice(&spans));
    ordo_field_append_bytes(op, 2, ordo_buffer_slice(&text));
    ordo_buffer_finish(&spans);
    ordo_buffer_finish(&text);
}

static void make_nonsense(struct sim *sim, struct ordo_buffer *op) {
    static const struct {
        const char *bytes;
        size_t size;
    } ops[] = {
        {"\x0a\x01\x13", 3},                     /* kind 3 */
        {"\x0a\x01\x01\x12\x00", 5},             /* n = 0 */
        {"\x0a\x01\x10", 3},                     /* trailing retain */
        {"\x0a\x01\x11\x12\x01\x00", 6},         /* U+0000 */
        {"\x0a\x01\x11\x12\x01\xff", 6},         /* not UTF-8 */
        {"\x0a\x01\x11\x12\x02\x61\x62", 7},     /* more text than spans */
        {"\x0a\x02\x11\x11\x12\x02\x61\x62", 8}, /* adjacent inserts */
        {"\x0a\x01\x16", 3},                     /* a delete with tie bits */
        {"\x0a\x05\xf2\xff\xff\xff\x1f", 7},     /* a delete far past the end */
        {"\x0a\x7f", 2},                         /* cut short */
        {"\xff\xff\xff\xff", 4},
    };
    size_t pick = sim_below(sim, sizeof ops / sizeof *ops);
    ordo_buffer_append(op, ops[pick].bytes, ops[pick].size);
}

static void act(struct sim *sim, uint32_t index) {
    struct sim_raw *raw = sim->raws[index];
    struct raw_conn *conn = &raw->conns[sim_below(sim, 2)], *other = &raw->conns[conn == &raw->conns[0]];
    if (conn->conn == 0) {
        bool is_clear = other->conn == 0 || other->is_opened;
        if (is_clear && (other->conn == 0 || sim_chance(sim, 200))) dial(sim, index, conn);
        return;
    }
    if (!conn->is_opened) return;
    struct raw_submit *submit = NULL;
    uint32_t dice = (uint32_t)sim_below(sim, 100);
    uint32_t usual = BIT(ORDO_NACK_PIPELINED) | BIT(ORDO_NACK_REPLAYED);
    if (dice < 35 || raw->submit_count == 0) { /* as everybody does, or pipelined, or late */
        uint32_t count = 1 + (uint32_t)sim_below(sim, 3);
        for (uint32_t i = 0; i < count; i++) {
            submit = submit_add(sim, raw, conn, ++raw->client_seq, usual);
            if (conn->is_ended) set_late(conn, submit);
            make_insert(sim, raw, &submit->op);
            send_submit(sim, conn, submit);
        }
    } else if (dice < 50) { /* again, byte for byte */
        submit = &raw->submits[sim_below(sim, raw->submit_count)];
        submit->allowed |= BIT(ORDO_NACK_REPLAYED) | BIT(ORDO_NACK_PIPELINED);
        for (size_t i = 0; i < raw->submit_count && !conn->is_ended; i++) {
            if (raw->submits[i].client_seq == submit->client_seq) raw->submits[i].is_late = false;
        }
        send_submit(sim, conn, submit);
    } else if (dice < 62) { /* another op under a client_seq that is taken */
        uint64_t client_seq = raw->submits[sim_below(sim, raw->submit_count)].client_seq;
        submit = submit_add(sim, raw, conn, client_seq, usual);
        for (size_t i = 0; i + 1 < raw->submit_count; i++) {
            if (raw->submits[i].client_seq != client_seq) continue;
            submit->allowed |= raw->submits[i].allowed;
            raw->submits[i].allowed |= usual;
            raw->submits[i].is_late = raw->submits[i].is_bad = false; /* what stands there may be this one */
        }
        for (size_t i = 0; i + 1 < raw->submit_count; i++) {
            if (raw->submits[i].client_seq == client_seq) raw->submits[i].allowed |= submit->allowed;
        }
        make_insert(sim, raw, &submit->op);
        send_submit(sim, conn, submit);
    } else if (dice < 70) {
        submit = submit_add(sim, raw, conn, ++raw->client_seq, usual | BIT(ORDO_NACK_FUTURE_BASE));
        submit->base_seq += 1000000;
        submit->is_bad = true;
        make_insert(sim, raw, &submit->op);
        send_submit(sim, conn, submit);
    } else if (dice < 82) {
        submit = submit_add(sim, raw, conn, ++raw->client_seq, usual | BIT(ORDO_NACK_INVALID_OP));
        submit->is_bad = true;
        make_nonsense(sim, &submit->op);
        send_submit(sim, conn, submit);
    } else if (dice < 85) {
        static const char garbage[] = "\x0a\x05\x08\x01\x32\xff\xff\xff garbage";
        sim_conn_client_send(sim, conn->conn - 1, ordo_slice(garbage, sizeof garbage));
    } else if (dice < 91) {
        send_mangled(sim, raw, conn);
    } else if (raw->is_thief && oracle_submission_count(sim->oracle) > 0) { /* somebody's op, once more */
        const struct oracle_submission *known = oracle_submission_at(
            sim->oracle, sim_below(sim, oracle_submission_count(sim->oracle)));
        bool is_victims = known->doc == raw->doc && known->kind == ORACLE_EDIT &&
                          ordo_slice_equal(known->client, client_of(raw));
        if (!is_victims) return;
        submit = submit_add(sim, raw, conn, known->client_seq, UINT32_MAX);
        submit->base_seq = known->base_seq;
        ordo_buffer_append_slice(&submit->op, known->op);
        send_submit(sim, conn, submit);
    } else {
        sim_conn_client_close(sim, conn->conn - 1);
        *conn = (struct raw_conn){0};
    }
}

static void opened(struct sim_raw *raw, struct raw_conn *conn, const Ordo__V1__ServerMessage *got) {
    if (got->opened->more) return;
    conn->handle = got->doc;
    bool is_first = !conn->is_opened;
    conn->is_opened = true;
    if (got->opened->last_client_seq > raw->client_seq) raw->client_seq = got->opened->last_client_seq;
    struct raw_conn *other = &raw->conns[conn == &raw->conns[0]];
    if (!is_first || raw->is_thief) return;
    if (!other->is_opened) return;
    /* The earlier opening is over: what had not been committed through it must never be. */
    other->is_ended = true;
    other->reattach_count = conn->open_reattach_count;
    for (size_t i = 0; i < raw->submit_count; i++) {
        struct raw_submit *submit = &raw->submits[i];
        if (submit->client_seq > got->opened->last_client_seq && submit->conn == other->conn) {
            set_late(other, submit);
        }
    }
}

static void refused_wrongly(struct sim *sim, uint32_t index, uint64_t client_seq, const char *what, uint32_t code) {
    sim_fail(&sim->verdict, SIM_CHECK_REFUSED, "raw client %u: client_seq %" PRIu64 " %s %u", index, client_seq, what,
             code);
}

static void nacked(struct sim *sim, uint32_t index, const Ordo__V1__Nack *nack) {
    const struct sim_raw *raw = sim->raws[index];
    uint32_t allowed = 0;
    bool is_known = false;
    for (size_t i = 0; i < raw->submit_count; i++) {
        if (raw->submits[i].client_seq != nack->client_seq) continue;
        allowed |= raw->submits[i].allowed;
        is_known = true;
    }
    if (is_known && !raw->is_thief && !raw->is_wild && !(allowed & BIT((uint32_t)nack->code))) {
        refused_wrongly(sim, index, nack->client_seq, "is refused with code", (uint32_t)nack->code);
    }
}

static void received(struct sim *sim, uint32_t index, struct raw_conn *conn, struct ordo_slice bytes) {
    struct sim_raw *raw = sim->raws[index];
    const Ordo__V1__ServerFrame *frame =
        ordo_message_decode(&ordo__v1__server_frame__descriptor, bytes, &sim->arena);
    if (frame == NULL) {
        sim_fail(&sim->verdict, SIM_CHECK_WIRE, "raw client %u got a frame that does not decode", index);
        return;
    }
    for (size_t i = 0; i < frame->n_messages && !sim->verdict.violated; i++) {
        const Ordo__V1__ServerMessage *message = frame->messages[i];
        sim_log_received(sim, sim->conns[conn->conn - 1], message);
        watch_received(&sim->conns[conn->conn - 1]->watch, message);
        if (message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_OPENED) opened(raw, conn, message);
        if (message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_NACK) nacked(sim, index, message->nack);
    }
}

void sim_raw_start(struct sim *sim, uint32_t index) {
    struct sim_raw *raw = sim->raws[index] = ordo_alloc(sizeof *raw);
    raw->doc = sim->docs[sim_below(sim, sim->plan.doc_count)];
    raw->actions_left = (uint32_t)sim_between(sim, 5, 25);
    for (size_t i = 0; i < sizeof raw->client; i++) raw->client[i] = (uint8_t)sim_below(sim, 256);
    if (sim->plan.steals_ids) {
        struct sim_client *victim = &sim->clients[sim_below(sim, sim->plan.client_count)];
        raw->is_thief = victim->was_robbed = true;
        memcpy(raw->client, victim->client_id.bytes, sizeof raw->client);
    }
    sim_push(sim, sim->now_us + sim_between(sim, 0, sim->plan.active_us / 2),
             (struct sim_item){.kind = SIM_USER, .role = SIM_RAW, .to = index});
}

void sim_raw_finish(struct sim *sim, uint32_t index) {
    struct sim_raw *raw = sim->raws[index];
    if (raw == NULL) return;
    for (size_t i = 0; i < raw->submit_count; i++) ordo_buffer_finish(&raw->submits[i].op);
    free(raw->submits);
    free(raw);
}

void sim_raw_deliver(struct sim *sim, struct sim_item *item) {
    struct sim_raw *raw = sim->raws[item->to];
    if (item->kind == SIM_USER) {
        if (raw->actions_left == 0 || sim->is_resting) return;
        raw->actions_left--;
        act(sim, item->to);
        sim_push(sim, sim->now_us + sim_between(sim, 0, sim->plan.active_us / 10),
                 (struct sim_item){.kind = SIM_USER, .role = SIM_RAW, .to = item->to});
        return;
    }
    struct sim_conn *wire = sim->conns[item->a];
    if (item->kind == SIM_FRAME) wire->frames_to_client--;
    struct raw_conn *conn = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (raw->conns[i].conn == item->a + 1) conn = &raw->conns[i];
    }
    if (conn != NULL && !wire->is_cut) {
        if (item->kind == SIM_CONNECTED) greet(sim, raw, conn);
        if (item->kind == SIM_FRAME) received(sim, item->to, conn, ordo_buffer_slice(&item->payload));
    }
    if (conn != NULL && item->kind == SIM_CLOSED) {
        wire->client_open = false;
        *conn = (struct raw_conn){0};
    }
    if (item->kind == SIM_FRAME && wire->gateway_open) sim_gateway_pump(sim, (uint32_t)item->a);
}

void sim_raw_check(struct sim *sim, uint32_t index) {
    const struct sim_raw *raw = sim->raws[index];
    for (size_t i = 0; i < raw->submit_count; i++) {
        const struct raw_submit *submit = &raw->submits[i];
        bool is_final = submit->reattach_count == sim->reattach_count;
        if (raw->is_thief || raw->is_wild || !(submit->is_bad || (submit->is_late && is_final))) continue;
        const struct oracle_entry *entry = oracle_find(sim->oracle, raw->doc, client_of(raw), submit->client_seq);
        if (entry != NULL) {
            refused_wrongly(sim, index, submit->client_seq, "must not be committed, but is at seq",
                            (uint32_t)entry->op.seq);
        }
    }
}
