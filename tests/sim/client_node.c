#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "common/ot/text.h"
#include "tests/sim/sim.h"

/* A person at a browser: the C client's core, a record that survives reloads, and somebody who types. */

static uint64_t now_ms(const struct sim *sim, const struct sim_client *client) {
    return sim->now_us / SIM_MS + client->monotonic_offset_ms;
}

static struct sim_client_doc *doc_of(struct sim_client *client, const struct ordo_client_doc *core) {
    for (uint32_t i = 0; i < client->doc_count; i++) {
        if (client->docs[i].core == core) return &client->docs[i];
    }
    return NULL;
}

enum { LEDGER_MANY = 400000 };

/* ---- what the application is told */

static void on_changed(void *user, struct ordo_client_doc *core, struct ordo_slice op) {
    struct sim_client *client = user;
    struct sim_client_doc *doc = doc_of(client, core);
    if (client->sim->on_changed != NULL) client->sim->on_changed(client->sim->on_changed_user, client->index, op);
    if (doc != NULL) doc->caret = ordo_text_position_after(op, doc->caret, doc->caret_moves_right);
}

/* Interleaving: the caret goes behind the last initial character in front of the common gap. */
static void on_opened(void *user, struct ordo_client_doc *core) {
    struct sim_client *client = user;
    struct sim_client_doc *doc = doc_of(client, core);
    if (client->sim->plan.profile != SIM_PROFILE_INTERLEAVING || doc == NULL || doc->has_caret) return;
    struct ordo_buffer visible = {0};
    ordo_client_doc_write_visible(core, &visible);
    const uint8_t *next = visible.data, *end = visible.data + visible.size;
    for (uint64_t at = 1; next < end; at++) {
        const struct ledger_point *point = ledger_of(&client->sim->ledger, model_utf8_take(&next));
        if (point != NULL && point - client->sim->ledger.points < client->sim->initial_caret) doc->caret = at;
    }
    doc->has_caret = true;
    ordo_buffer_finish(&visible);
}

static void on_given_back(void *user, struct ordo_client_doc *core, const struct ordo_client_given_back *given) {
    struct sim_client *client = user;
    struct sim *sim = client->sim;
    const struct sim_client_doc *doc = doc_of(client, core);
    sim->counts.given_back++;
    sim_log(sim, "client %u gets edits back: reason %d, code %u, %.*s", client->index, given->reason, given->code,
            (int)given->message.size, given->message.data);
    ledger_excuse(&sim->ledger, given->inserted);
    ledger_excuse(&sim->ledger, given->content);
    bool is_forbidden = given->reason == ORDO_CLIENT_REFUSED && given->code == ORDO__V1__NACK_CODE__FORBIDDEN;
    if (is_forbidden && doc != NULL && doc->doc == client->not_forbidden) {
        sim_fail(&sim->verdict, SIM_CHECK_HONEST, "client %u gives up as forbidden what is committed", client->index);
    }
    bool is_explained = sim->plan.may_delete || sim->plan.may_erase || sim->plan.may_damage || client->was_robbed ||
                        (sim->plan.may_forget && given->reason == ORDO_CLIENT_FATE_UNKNOWN) ||
                        (sim->plan.gateway.asks_token && is_forbidden);
    if (!is_explained) {
        sim_fail(&sim->verdict, SIM_CHECK_HONEST, "client %u gets its edits back: reason %d, code %u", client->index,
                 given->reason, given->code);
    }
}

/* Right or wrong, the person knows: what was typed may be missing. (That it is there twice is never excused: in a
 * schedule every character is its own, so the content tells.) */
static void on_guessed(void *user, struct ordo_client_doc *core, const struct ordo_client_guess *guess) {
    struct sim_client *client = user;
    (void)core;
    sim_log(client->sim, "client %u: client_seq %" PRIu64 " is taken for %s", client->index, guess->client_seq,
            guess->is_saved ? "committed" : "not committed");
    if (guess->is_saved) {
        ledger_excuse(&client->sim->ledger, guess->inserted);
    } else { /* were the guess wrong, it would stand there twice */
        const uint8_t *next = guess->inserted.data, *end = next + guess->inserted.size;
        while (next < end) ledger_stray(&client->sim->ledger, model_utf8_take(&next));
    }
}

static void on_status(void *user, struct ordo_client_doc *core, enum ordo_client_status status, uint32_t code,
                      struct ordo_slice message) {
    struct sim_client *client = user;
    struct sim_client_doc *doc = doc_of(client, core);
    if (status != ORDO_CLIENT_ERROR || (doc != NULL && sim_is_damaged(client->sim, doc->doc))) return;
    sim_fail(&client->sim->verdict, SIM_CHECK_HONEST, "client %u is in error: %u %.*s", client->index, code,
             (int)message.size, message.data);
}

static bool on_store(void *user, struct ordo_client_doc *core, struct ordo_slice record) {
    struct sim_client *client = user;
    struct sim_client_doc *doc = doc_of(client, core);
    if (doc == NULL) return false;
    if (!client->sim->is_resting && sim_chance(client->sim, 10)) return false;
    ordo_buffer_clear(&doc->record);
    ordo_buffer_append_slice(&doc->record, record);
    doc->has_record = true;
    client->client_id = ordo_client_doc_client_id(core);
    return true;
}

/* ---- life */

static void open_doc(struct sim *sim, struct sim_client *client, uint32_t index, bool from_record) {
    struct sim_client_doc *doc = &client->docs[index];
    struct ordo_client_doc_options options = {
        .collection = doc->doc->collection,
        .id = doc->doc->id,
        .create_type = ordo_slice_of("text"),
        .create_content = ordo_buffer_slice(&sim->initial),
        .presence = sim_chance(sim, 300),
        .listener = {.opened = on_opened,
                     .changed = on_changed,
                     .given_back = on_given_back,
                     .guessed = on_guessed,
                     .status = on_status,
                     .store = on_store},
        .user = client,
    };
    doc->core = ordo_client_connection_open(client->core, &options);
    ordo_err err = ORDO_OK;
    if (from_record && doc->has_record) err = ordo_client_doc_restore(doc->core, ordo_buffer_slice(&doc->record));
    if (err != ORDO_OK && !client->was_robbed) { /* else the store may have failed when the id changed */
        sim_fail(&sim->verdict, SIM_CHECK_HONEST, "client %u cannot read its own record", client->index);
    }
}

static void start_core(struct sim *sim, struct sim_client *client, bool from_record) {
    struct ordo_client_connection_options options = {
        .client_id = client->client_id,
        .backoff_min_ms = 50,
        .backoff_max_ms = 1000,
        .welcome_timeout_ms = 3000,
        .ping_after_ms = 4000,
        .pong_timeout_ms = 3000,
    };
    ordo_prng_init(&options.prng, ordo_prng_next(&sim->prng));
    client->core = ordo_client_connection_create(&options);
    client->monotonic_offset_ms = sim_between(sim, 0, 1000000);
    for (uint32_t i = 0; i < client->doc_count; i++) open_doc(sim, client, i, from_record);
}

static void draw_client_id(struct sim *sim, struct sim_client *client) {
    for (size_t i = 0; i < sizeof client->client_id.bytes; i++) {
        client->client_id.bytes[i] = (uint8_t)sim_below(sim, 256);
    }
    /* A trace was recorded by a tool that broke ties by the author's number. */
    if (sim->plan.profile == SIM_PROFILE_TRACE) client->client_id.bytes[0] = (uint8_t)client->index;
}

void sim_client_start(struct sim *sim, uint32_t index) {
    struct sim_client *client = &sim->clients[index];
    client->sim = sim;
    client->index = index;
    client->edits_left = sim->plan.edit_count;
    client->typing_direction = (int)sim_below(sim, 3) - 1;
    draw_client_id(sim, client);
    for (uint32_t i = 0; i < sim->plan.doc_count; i++) {
        bool takes_part = i == index % sim->plan.doc_count || sim_chance(sim, 600);
        if (takes_part) client->docs[client->doc_count++] = (struct sim_client_doc){.doc = sim->docs[i]};
    }
    start_core(sim, client, false);
    sim_client_pump(sim, index);
    if (sim->plan.profile != SIM_PROFILE_TRACE) {
        uint64_t start_us = sim_between(sim, 0, sim->plan.active_us / (sim_chance(sim, 300) ? 1 : 4));
        sim_push(sim, sim->now_us + start_us,
                 (struct sim_item){.kind = SIM_USER, .role = SIM_CLIENT, .to = index, .life = client->life});
    }
}

void sim_client_finish(struct sim *sim, uint32_t index) {
    struct sim_client *client = &sim->clients[index];
    ordo_client_connection_destroy(client->core);
    for (uint32_t i = 0; i < client->doc_count; i++) ordo_buffer_finish(&client->docs[i].record);
    for (size_t i = client->held_first; i < client->held_count; i++) ordo_buffer_finish(&client->held[i]);
    free(client->held);
}

static void drop_conn(struct sim *sim, struct sim_client *client) {
    if (client->conn != 0) sim_conn_client_close(sim, client->conn - 1);
    client->conn = 0;
}

void sim_client_reload(struct sim *sim, uint32_t index, bool forgets) {
    struct sim_client *client = &sim->clients[index];
    sim_log(sim, "client %u reloads%s", index, forgets ? " and has forgotten everything" : "");
    sim->counts.reloads++;
    drop_conn(sim, client);
    ordo_client_connection_destroy(client->core);
    client->core = NULL;
    client->life++;
    client->tick_pushed_us = 0;
    if (forgets) draw_client_id(sim, client);
    start_core(sim, client, !forgets);
    struct ordo_buffer text = {0};
    for (uint32_t i = 0; i < client->doc_count; i++) {
        struct sim_client_doc *doc = &client->docs[i];
        if (forgets) doc->has_record = false;
        ordo_buffer_clear(&text);
        if (ordo_client_doc_type(doc->core) != NULL) ordo_client_doc_write_visible(doc->core, &text);
        ledger_excuse_forgotten(&sim->ledger, sim->oracle, doc->doc, index, ordo_buffer_slice(&text));
        doc->caret = 0;
    }
    ordo_buffer_finish(&text);
    sim_client_pump(sim, index);
    sim_push(sim, sim->now_us + sim_between(sim, 0, 500 * SIM_MS),
             (struct sim_item){.kind = SIM_USER, .role = SIM_CLIENT, .to = index, .life = client->life});
}

/* ---- the wire */

static void watch_frame(struct sim *sim, struct sim_conn *conn, struct ordo_slice bytes) {
    const Ordo__V1__ClientFrame *frame =
        ordo_message_decode(&ordo__v1__client_frame__descriptor, bytes, &sim->arena);
    if (frame == NULL) {
        sim_fail(&sim->verdict, SIM_CHECK_WIRE, "%s sent a frame that does not decode", conn->watch.name);
        return;
    }
    for (size_t i = 0; i < frame->n_messages; i++) {
        sim_log_sent(sim, conn, frame->messages[i]);
        watch_sent(&conn->watch, frame->messages[i]);
    }
}

void sim_client_pump(struct sim *sim, uint32_t index) {
    struct sim_client *client = &sim->clients[index];
    uint64_t now = now_ms(sim, client);
    for (struct ordo_slice frame;
         (frame = ordo_client_connection_take_frame(client->core, now)).size > 0 && !sim->verdict.violated;) {
        if (client->conn == 0) continue;
        watch_frame(sim, sim->conns[client->conn - 1], frame);
        sim_conn_client_send(sim, client->conn - 1, frame);
    }
    switch (ordo_client_connection_wish(client->core, now)) {
    case ORDO_CLIENT_WISH_NOTHING: break;
    case ORDO_CLIENT_WISH_CONNECT:
        ordo_client_connection_dialing(client->core, now);
        client->conn = 1 + sim_conn_dial(sim, SIM_CLIENT, index, client->life,
                                         (uint32_t)sim_below(sim, sim->plan.gateway_count));
        sim_tokens_renew(sim, client, true);
        break;
    case ORDO_CLIENT_WISH_CLOSE:
        sim_log(sim, "client %u closes with %u", index, ordo_client_connection_close_code(client->core));
        drop_conn(sim, client);
        ordo_client_connection_disconnected(client->core, now);
        break;
    }
    uint64_t due_ms = ordo_client_connection_timer_ms(client->core);
    if (due_ms == UINT64_MAX) return;
    uint64_t at_us = sim->now_us + (due_ms > now ? (due_ms - now) * SIM_MS : SIM_MS);
    if (client->tick_pushed_us > sim->now_us && client->tick_pushed_us <= at_us) return;
    client->tick_pushed_us = at_us;
    sim_push(sim, at_us,
             (struct sim_item){.kind = SIM_TICK, .role = SIM_CLIENT, .to = index, .life = client->life});
}

static struct ordo_buffer frame_of(Ordo__V1__ServerMessage *message) {
    Ordo__V1__ServerFrame frame = ORDO__V1__SERVER_FRAME__INIT;
    frame.messages = &message;
    frame.n_messages = 1;
    struct ordo_buffer bytes = {0};
    ordo_message_encode(&frame.base, &bytes);
    return bytes;
}

/* Ops wait until they are released; all else passes. */
static void hold(struct sim *sim, struct sim_client *client, Ordo__V1__ServerMessage *message) {
    struct ordo_buffer frame = frame_of(message);
    bool is_op = message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_ACK ||
                 message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_COMMITTED;
    if (!is_op) {
        ordo_client_connection_received(client->core, ordo_buffer_slice(&frame), now_ms(sim, client));
        ordo_buffer_finish(&frame);
        return;
    }
    if (client->held_count == client->held_capacity) {
        client->held_capacity = client->held_capacity ? client->held_capacity * 2 : 16;
        client->held = ordo_realloc(client->held, client->held_capacity * sizeof *client->held);
    }
    client->held[client->held_count++] = frame;
}

bool sim_client_release(struct sim *sim, uint32_t index) {
    struct sim_client *client = &sim->clients[index];
    if (client->held_first == client->held_count) return false;
    struct ordo_buffer held = client->held[client->held_first++];
    if (client->held_first == client->held_count) client->held_first = client->held_count = 0;
    ordo_client_connection_received(client->core, ordo_buffer_slice(&held), now_ms(sim, client));
    ordo_buffer_finish(&held);
    sim_client_pump(sim, index);
    return true;
}

/* Nacks of ops that the client gave up meanwhile mean nothing to it. */
static bool is_in_flight(struct sim_client *client, struct watch_doc *watched, uint64_t client_seq) {
    for (uint32_t i = 0; watched != NULL && i < client->doc_count; i++) {
        uint64_t seq, base_seq;
        if (client->docs[i].doc != watched->doc) continue;
        return ordo_client_doc_in_flight(client->docs[i].core, &seq, &base_seq) && seq == client_seq;
    }
    return false;
}

/* Who lost the right to write is told so of an op, which then must not be committed, for it is given back for good; unless
 * something in the same frame has settled it already, and the nack means nothing. */
static bool is_about_rights(const struct sim *sim, struct sim_client *client, const struct watch_doc *watched,
                            const Ordo__V1__Nack *nack) {
    if (!sim->plan.gateway.asks_token || nack->code != (int)ORDO_NACK_FORBIDDEN) return false;
    struct ordo_slice client_id = ordo_slice(client->client_id.bytes, sizeof client->client_id.bytes);
    if (oracle_find(sim->oracle, watched->doc, client_id, nack->client_seq) != NULL) client->not_forbidden = watched->doc;
    return true;
}

static void nacked(struct sim *sim, struct sim_client *client, struct watch_doc *watched,
                   const Ordo__V1__Nack *nack) {
    if (!is_in_flight(client, watched, nack->client_seq)) return;
    bool is_fatal = nack->code == (int)ORDO_NACK_INVALID_OP || nack->code == (int)ORDO_NACK_FORBIDDEN ||
                    nack->code == (int)ORDO_NACK_TOO_LARGE;
    bool is_odd = nack->code == (int)ORDO_NACK_REPLAYED || nack->code == (int)ORDO_NACK_FUTURE_BASE ||
                  nack->code == (int)ORDO_NACK_PIPELINED || nack->code == (int)ORDO_NACK_CLIENT_ID_TAKEN;
    if (!is_fatal && !(is_odd && !client->was_robbed)) return;
    if (is_about_rights(sim, client, watched, nack)) return;
    sim_fail(&sim->verdict, SIM_CHECK_HONEST, "client %u: nack %d of client_seq %" PRIu64 ": %.*s", client->index,
             nack->code, nack->client_seq, (int)nack->message.len, nack->message.data);
}

static void received(struct sim *sim, struct sim_client *client, struct sim_conn *conn, struct ordo_slice bytes) {
    const Ordo__V1__ServerFrame *frame =
        ordo_message_decode(&ordo__v1__server_frame__descriptor, bytes, &sim->arena);
    if (frame == NULL) {
        sim_fail(&sim->verdict, SIM_CHECK_WIRE, "%s got a frame that does not decode", conn->watch.name);
        return;
    }
    client->not_forbidden = NULL;
    for (size_t i = 0; i < frame->n_messages && !sim->verdict.violated; i++) {
        Ordo__V1__ServerMessage *message = frame->messages[i];
        sim_log_received(sim, conn, message);
        watch_received(&conn->watch, message);
        if (message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_NACK) {
            nacked(sim, client, watch_doc_of(&conn->watch, message->doc), message->nack);
        }
        if (client->holds) hold(sim, client, message);
    }
    if (client->holds) return;
    if (!sim->verdict.violated) ordo_client_connection_received(client->core, bytes, now_ms(sim, client));
}

/* ---- the person */

/* Leaves a document and opens it again over the same connection: from the record, or as somebody new to it. */
static void leave_and_return(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc) {
    struct ordo_buffer text = {0};
    bool from_record = sim_chance(sim, 700);
    struct ordo_client_doc *left = doc->core;
    sim_log(sim, "client %u leaves %.*s and returns", client->index, (int)doc->doc->id.size, doc->doc->id.data);
    doc->core = NULL; /* what is told from here on is told of nobody */
    ordo_client_connection_close(client->core, left);
    struct ordo_client_id now = ordo_client_connection_client_id(client->core);
    bool is_mine = memcmp(now.bytes, client->client_id.bytes, sizeof now.bytes) == 0;
    open_doc(sim, client, (uint32_t)(doc - client->docs), from_record && is_mine);
    if (ordo_client_doc_type(doc->core) != NULL) ordo_client_doc_write_visible(doc->core, &text);
    ledger_excuse_forgotten(&sim->ledger, sim->oracle, doc->doc, client->index, ordo_buffer_slice(&text));
    doc->caret = 0;
    ordo_buffer_finish(&text);
    sim->counts.returns++;
}

static void type(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc, uint64_t count,
                 uint64_t delete_count) {
    struct ordo_buffer text = {0}, visible = {0};
    ordo_client_doc_write_visible(doc->core, &visible);
    ledger_delete_range(&sim->ledger, ordo_buffer_slice(&visible), doc->caret, delete_count);
    for (uint64_t i = 0; i < count; i++) {
        model_utf8_append(&text, ledger_type(&sim->ledger, doc->doc, client->index, doc->run));
    }
    ordo_err err = ordo_client_doc_splice(doc->core, doc->caret, delete_count, ordo_buffer_slice(&text));
    bool may_refuse = (sim->plan.may_delete || sim->plan.may_erase || sim->plan.gateway.asks_token ||
                       sim_is_damaged(sim, doc->doc)) &&
                      (err == ORDO_ERR_CLOSED || err == ORDO_ERR_UNAVAILABLE);
    if (may_refuse) { /* a delete of its own is on its way, or a create that gave no lineage yet */
        ledger_excuse(&sim->ledger, ordo_buffer_slice(&text));
        count = 0;
    } else if (err != ORDO_OK) {
        sim_fail(&sim->verdict, SIM_CHECK_HONEST, "client %u cannot edit at %" PRIu64 ": %s", client->index,
                 doc->caret, ordo_err_text(err));
    }
    doc->caret += count;
    doc->caret_moves_right = false;
    ordo_buffer_finish(&text);
    ordo_buffer_finish(&visible);
}

static void on_history(void *user, const struct ordo_client_history *part) {
    (void)user; /* the watch looks at it */
    (void)part;
}

/* Reads a range of ops, or the content at some seq or time. */
static void read_history(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc) {
    struct ordo_client_history_request request = {.content = sim_chance(sim, 600)};
    uint64_t seq = 1 + sim_below(sim, ordo_client_doc_seq(doc->core) + 1);
    if (seq > doc->doc->count) seq = doc->doc->count;
    if (seq == 0) return;
    if (!request.content) {
        request.from_seq = seq;
        request.to_seq = sim_chance(sim, 500) ? 0 : seq + sim_below(sim, 10);
    } else if (sim_chance(sim, 500)) {
        request.at_seq = seq;
    } else {
        request.at_time_ms = doc->doc->entries[seq - 1].op.timestamp_ms + sim_below(sim, 3);
    }
    ordo_err err = ordo_client_connection_read_history(client->core, doc->core, &request, on_history, client);
    if (err == ORDO_OK) sim->counts.histories++;
}

static void on_forgotten(void *user, const struct ordo_client_forgotten *forgotten) {
    const struct sim_client *client = user;
    sim_log(client->sim, "client %u is told that it is forgotten: code %u, head %" PRIu64, client->index,
            forgotten->error_code, forgotten->head);
}

static void forget(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc) {
    uint64_t lineage = sim_chance(sim, 500) ? ordo_client_doc_lineage(doc->core) : 0;
    ordo_err err = ordo_client_connection_forget(client->core, doc->core, lineage, on_forgotten, client);
    sim_log(sim, "client %u asks to forget %.*s%s", client->index, (int)doc->doc->id.size, doc->doc->id.data,
            err == ORDO_OK ? "" : ", and it is not open");
}

/* Others would ask for the creation of a document that they may not create. */
static bool has_all_open(const struct sim_client *client) {
    for (uint32_t i = 0; i < client->doc_count; i++)
        if (!ordo_client_doc_is_open(client->docs[i].core)) return false;
    return true;
}

static void act(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc) {
    if (sim->plan.gateway.asks_token && sim_chance(sim, 100)) {
        sim_tokens_renew(sim, client, !has_all_open(client) || sim_chance(sim, 500));
        return;
    }
    if (sim->plan.may_erase && sim_chance(sim, 60)) {
        forget(sim, client, doc);
        return;
    }
    uint64_t length = ordo_client_doc_length(doc->core);
    if (doc->caret > length) doc->caret = length;
    uint32_t dice = (uint32_t)sim_below(sim, 1000);
    if (dice < 120 || doc->run == 0) {
        doc->caret = sim_below(sim, length + 1);
        doc->run = ++sim->run_count;
    }
    if (dice < 600) {
        type(sim, client, doc, sim_between(sim, 1, 3), 0);
    } else if (dice < 700) { /* backwards, as some scripts are typed */
        type(sim, client, doc, 1, 0);
        doc->caret--;
        doc->caret_moves_right = true;
    } else if (dice < 820 || (dice < 880 && !sim->plan.may_paste)) {
        uint64_t count = sim_between(sim, 1, 6);
        if (doc->caret > count && sim_chance(sim, 500)) doc->caret -= count;
        if (count > length - doc->caret) count = length - doc->caret;
        if (count > 0) type(sim, client, doc, 0, count);
    } else if (dice < 940 && (dice >= 900 || !sim->plan.may_paste)) {
        uint64_t count = sim_between(sim, 1, 4);
        if (count > length - doc->caret) count = length - doc->caret;
        type(sim, client, doc, sim_between(sim, 1, 4), count);
    } else if (dice < 960) {
        uint64_t size_max = !sim->plan.may_paste ? 40 : sim_chance(sim, 300) ? 40000 : 2000;
        if (sim->ledger.count > LEDGER_MANY) size_max = 40; /* there are only so many characters */
        type(sim, client, doc, sim_between(sim, 1, size_max), 0);
    } else if (dice < 975) {
        read_history(sim, client, doc);
    } else if (dice < 990) {
        struct ordo_client_range range = {.anchor = doc->caret, .head = doc->caret};
        if (ordo_client_doc_set_presence(doc->core, ordo_slice_of("here"), &range, 1) != ORDO_OK) {
            sim_fail(&sim->verdict, SIM_CHECK_HONEST, "client %u cannot show its caret", client->index);
        }
    } else if (sim->plan.may_delete) {
        sim_log(sim, "client %u deletes %.*s", client->index, (int)doc->doc->id.size, doc->doc->id.data);
        if (ordo_client_doc_delete(doc->core) != ORDO_OK) sim_log(sim, "  and may not");
    } else {
        leave_and_return(sim, client, doc);
    }
}

/* Deletes some of what stood there first, around everybody's carets. (Where runs themselves are deleted while they
 * are typed, a caret may lose all that it stood next to, and end up amid somebody else's run.) */
static void delete_initial(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc) {
    struct ordo_buffer visible = {0};
    ordo_client_doc_write_visible(doc->core, &visible);
    const uint8_t *next = visible.data, *end = visible.data + visible.size;
    uint64_t pick = sim_below(sim, sim->initial_count), at = 0;
    for (; next < end; at++) {
        const struct ledger_point *point = ledger_of(&sim->ledger, model_utf8_take(&next));
        if (point != NULL && (uint64_t)(point - sim->ledger.points) == pick) break;
    }
    if (next < end) {
        doc->caret = at;
        type(sim, client, doc, 0, 1);
    }
    ordo_buffer_finish(&visible);
}

/* Runs of typing at one place, forwards, backwards or mixed. */
static void act_interleaving(struct sim *sim, struct sim_client *client, struct sim_client_doc *doc) {
    bool only_deletes = client->index >= 2 && client->typing_direction == 0;
    if (only_deletes) {
        delete_initial(sim, client, doc);
        return;
    }
    if (doc->run == 0) doc->run = ++sim->run_count;
    bool backwards = client->typing_direction < 0 || (client->typing_direction == 0 && sim_chance(sim, 500));
    uint64_t count = backwards ? 1 : sim_between(sim, 1, 2);
    type(sim, client, doc, count, 0);
    if (backwards) doc->caret -= count;
    doc->caret_moves_right = backwards;
}

static void user(struct sim *sim, uint32_t index) {
    struct sim_client *client = &sim->clients[index];
    if (client->edits_left == 0 || sim->is_resting) return;
    struct sim_client_doc *doc = &client->docs[sim_below(sim, client->doc_count)];
    bool may_edit = ordo_client_doc_lineage(doc->core) != 0 && !ordo_client_doc_is_deleted(doc->core) &&
                    ordo_client_doc_status(doc->core) != ORDO_CLIENT_READ_ONLY;
    if (may_edit) {
        client->edits_left--;
        if (sim->plan.profile == SIM_PROFILE_INTERLEAVING) act_interleaving(sim, client, doc);
        else act(sim, client, doc);
        if (sim_chance(sim, 800)) sim_client_pump(sim, index); /* else it is joined with what comes next */
    } else if (ordo_client_doc_is_deleted(doc->core) && sim_chance(sim, 300)) {
        sim_log(sim, "client %u creates %.*s again", index, (int)doc->doc->id.size, doc->doc->id.data);
        if (ordo_client_doc_create_again(doc->core, ordo_slice(NULL, 0)) == ORDO_OK) {
            oracle_create_offered(sim->oracle, doc->doc, ordo_slice(NULL, 0));
            sim_client_pump(sim, index);
        }
    }
    uint64_t usual_us = sim->plan.active_us / (sim->plan.edit_count + 1);
    uint64_t pause_us = sim_chance(sim, 700) ? sim_between(sim, 0, usual_us / 4) : sim_between(sim, 0, 4 * usual_us);
    sim_push(sim, sim->now_us + pause_us,
             (struct sim_item){.kind = SIM_USER, .role = SIM_CLIENT, .to = index, .life = client->life});
}

void sim_client_deliver(struct sim *sim, struct sim_item *item) {
    struct sim_client *client = &sim->clients[item->to];
    if (item->kind == SIM_FRAME) sim->conns[item->a]->frames_to_client--;
    if (item->life != client->life) return;
    bool is_mine = client->conn == item->a + 1;
    struct sim_conn *conn = is_mine ? sim->conns[item->a] : NULL;
    switch (item->kind) {
    case SIM_CONNECTED:
        if (is_mine && !conn->is_cut) ordo_client_connection_connected(client->core, now_ms(sim, client));
        break;
    case SIM_FRAME:
        if (is_mine && conn->client_open && !conn->is_cut) {
            received(sim, client, conn, ordo_buffer_slice(&item->payload));
        }
        if (sim->conns[item->a]->gateway_open) sim_gateway_pump(sim, (uint32_t)item->a);
        break;
    case SIM_CLOSED:
        if (!is_mine) break;
        client->conn = 0;
        conn->client_open = false;
        ordo_client_connection_disconnected(client->core, now_ms(sim, client));
        break;
    case SIM_TICK:
        if (item->at_us != client->tick_pushed_us) return; /* an earlier one was pushed since */
        client->tick_pushed_us = 0;
        ordo_client_connection_tick(client->core, now_ms(sim, client));
        break;
    case SIM_USER: user(sim, item->to); return;
    default: break;
    }
    if (!sim->verdict.violated) sim_client_pump(sim, item->to);
}

/* ---- the rest */

const char *sim_client_unsettled(struct sim *sim, uint32_t index) {
    static char text[160];
    struct sim_client *client = &sim->clients[index];
    /* Whoever has every op may yet be told of another lineage. */
    const struct sim_conn *conn = client->conn != 0 ? sim->conns[client->conn - 1] : NULL;
    if (conn != NULL && conn->gateway_open && conn->frames_to_client > 0) return "a frame to a client is on its way";
    for (uint32_t i = 0; i < client->doc_count; i++) {
        const struct sim_client_doc *doc = &client->docs[i];
        if (sim_is_damaged(sim, doc->doc)) continue;
        bool is_level = ordo_client_doc_is_open(doc->core) && ordo_client_doc_seq(doc->core) == doc->doc->count;
        if (is_level && ordo_client_doc_is_settled(doc->core)) continue;
        const char *status = ordo_client_status_text(ordo_client_doc_status(doc->core));
        snprintf(text, sizeof text, "client %u, doc %.*s: %s, %s, seq %" PRIu64 " of %zu, connection state %d", index,
                 (int)doc->doc->id.size, doc->doc->id.data, status,
                 ordo_client_doc_is_settled(doc->core) ? "settled" : "unsettled", ordo_client_doc_seq(doc->core),
                 doc->doc->count, ordo_client_connection_state(client->core));
        return text;
    }
    return NULL;
}

void sim_client_check_text(struct sim *sim, uint32_t index) {
    struct sim_client *client = &sim->clients[index];
    struct ordo_buffer text = {0};
    for (uint32_t i = 0; i < client->doc_count; i++) {
        struct sim_client_doc *doc = &client->docs[i];
        if (sim_is_damaged(sim, doc->doc)) continue;
        for (int is_visible = 0; is_visible < 2; is_visible++) {
            ordo_buffer_clear(&text);
            if (is_visible) ordo_client_doc_write_visible(doc->core, &text);
            else ordo_client_doc_write_confirmed(doc->core, &text);
            if (model_text_equals_utf8(&doc->doc->text, ordo_buffer_slice(&text))) continue;
            sim_fail(&sim->verdict, SIM_CHECK_CONVERGE,
                     "client %u, doc %.*s: at seq %" PRIu64 " its %s text is not what the log makes", index,
                     (int)doc->doc->id.size, doc->doc->id.data, ordo_client_doc_seq(doc->core),
                     is_visible ? "visible" : "confirmed");
        }
        if (ordo_client_doc_lineage(doc->core) != oracle_lineage(doc->doc, doc->doc->count)) {
            sim_fail(&sim->verdict, SIM_CHECK_CONVERGE, "client %u: another lineage", index);
        }
    }
    ordo_buffer_finish(&text);
}
