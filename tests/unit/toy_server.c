#include "tests/unit/toy_server.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/utf8.h"

enum { FRAME_MESSAGES = 1, ARENA_SIZE_MAX = 64 * 1024 * 1024 };

void toy_init(struct toy_server *server, uint64_t seed) {
    *server = (struct toy_server){.lineage = 77};
    ordo_prng_init(&server->prng, seed);
    ordo_arena_init(&server->arena, ARENA_SIZE_MAX);
}

static void queue_finish(struct toy_queue *queue) {
    for (size_t i = 0; i < queue->count; i++) ordo_buffer_finish(&queue->frames[i].bytes);
    free(queue->frames);
}

void toy_finish(struct toy_server *server) {
    for (uint64_t i = 0; i < server->head; i++) {
        ordo_buffer_finish(&server->ops[i].submitted);
        ordo_buffer_finish(&server->ops[i].op);
    }
    for (size_t i = 0; i < server->conn_count; i++) {
        queue_finish(&server->conns[i]->to_client);
        queue_finish(&server->conns[i]->to_server);
        free(server->conns[i]);
    }
    free(server->ops);
    free(server->clients);
    free(server->conns);
    ordo_arena_finish(&server->arena);
}

struct toy_conn *toy_connect(struct toy_server *server) {
    struct toy_conn *conn = ordo_alloc(sizeof *conn);
    conn->server = server;
    server->conns = ordo_realloc(server->conns, (server->conn_count + 1) * sizeof *server->conns);
    server->conns[server->conn_count++] = conn;
    return conn;
}

/* --- queues ----------------------------------------------------------------------------------------------------- */

void toy_push(struct toy_queue *queue, enum toy_frame_kind kind, uint64_t seq, struct ordo_slice bytes) {
    queue->frames = ordo_realloc(queue->frames, (queue->count + 1) * sizeof *queue->frames);
    queue->frames[queue->count] = (struct toy_frame){.kind = kind, .seq = seq};
    ordo_buffer_append_slice(&queue->frames[queue->count].bytes, bytes);
    queue->count++;
}

static void queue_remove(struct toy_queue *queue, size_t index) {
    ordo_buffer_finish(&queue->frames[index].bytes);
    queue->count--;
    memmove(queue->frames + index, queue->frames + index + 1, (queue->count - index) * sizeof *queue->frames);
}

bool toy_pop(struct toy_queue *queue, struct ordo_buffer *out) {
    ordo_buffer_clear(out);
    if (queue->count == 0) return false;
    ordo_buffer_append_slice(out, ordo_buffer_slice(&queue->frames[0].bytes));
    queue_remove(queue, 0);
    return true;
}

void toy_encode(const Ordo__V1__ServerMessage *message, struct ordo_buffer *out) {
    ordo_message_encode_field(FRAME_MESSAGES, &message->base, out);
}

static void send(struct toy_conn *conn, enum toy_frame_kind kind, uint64_t seq, Ordo__V1__ServerMessage *message) {
    struct ordo_buffer bytes = {0};
    toy_encode(message, &bytes);
    toy_push(&conn->to_client, kind, seq, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

/* --- content ---------------------------------------------------------------------------------------------------- */

void toy_write_content(const struct toy_server *server, uint64_t seq, struct ordo_buffer *out) {
    struct ordo_content *content = ordo_text_content_create();
    for (uint64_t i = 0; i < seq; i++) {
        ordo_err err = ordo_text_content_apply(content, ordo_buffer_slice(&server->ops[i].op));
        ORDO_ASSERT(err == ORDO_OK);
    }
    ordo_text_content_write(content, out);
    ordo_text_content_destroy(content);
}

static uint64_t length_at(const struct toy_server *server, uint64_t seq) {
    return seq == 0 ? 0 : server->ops[seq - 1].length;
}

void toy_truncate(struct toy_server *server, uint64_t horizon) {
    if (horizon > server->horizon && horizon <= server->head) server->horizon = horizon;
}

void toy_forget(struct toy_server *server, uint64_t seq) {
    if (seq > server->horizon) seq = server->horizon;
    if (seq > server->forgotten_seq) server->forgotten_seq = seq;
    size_t kept = 0;
    for (size_t i = 0; i < server->client_count; i++) {
        if (server->clients[i].server_seq > seq) server->clients[kept++] = server->clients[i];
    }
    server->client_count = kept;
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static struct toy_client *client_of(struct toy_server *server, const uint8_t *client_id) {
    for (size_t i = 0; i < server->client_count; i++) {
        if (memcmp(server->clients[i].client_id, client_id, 16) == 0) return &server->clients[i];
    }
    server->clients = ordo_realloc(server->clients, (server->client_count + 1) * sizeof *server->clients);
    struct toy_client *client = &server->clients[server->client_count++];
    *client = (struct toy_client){0};
    memcpy(client->client_id, client_id, 16);
    return client;
}

static Ordo__V1__Committed committed_of(struct toy_server *server, uint64_t seq) {
    struct toy_op *op = &server->ops[seq - 1];
    Ordo__V1__Committed committed = ORDO__V1__COMMITTED__INIT;
    committed.server_seq = seq;
    committed.client_id = ordo_binary_of_slice(ordo_slice(op->client_id, 16));
    committed.client_seq = op->client_seq;
    committed.base_seq = op->base_seq;
    committed.timestamp_ms = 1000 + seq;
    committed.op_case = ORDO__V1__COMMITTED__OP_TEXT;
    committed.text = ordo_binary_of_slice(ordo_buffer_slice(&op->op));
    return committed;
}

static void send_part(struct toy_conn *conn, uint32_t request, Ordo__V1__Opened *opened, bool more) {
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.request = request;
    message.doc = conn->handle;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_OPENED;
    message.opened = opened;
    opened->more = more;
    send(conn, TOY_ANSWER, 0, &message);
}

static Ordo__V1__Opened header_of(struct toy_conn *conn) {
    struct toy_server *server = conn->server;
    struct toy_client *client = client_of(server, conn->client_id);
    Ordo__V1__Opened opened = ORDO__V1__OPENED__INIT;
    opened.type = ordo_binary_of_slice(ordo_slice_of("text"));
    opened.head = server->head;
    opened.last_client_seq = client->client_seq;
    opened.last_client_server_seq = client->server_seq;
    opened.permission = server->is_readonly ? ORDO__V1__PERMISSION__READ : ORDO__V1__PERMISSION__WRITE;
    opened.horizon = server->horizon;
    opened.lineage = server->lineage;
    opened.forgotten_seq = server->forgotten_seq;
    return opened;
}

/* Content in pieces of `part_size`, then ops in as many parts as chance will have. */
static void send_opened(struct toy_conn *conn, uint32_t request, bool with_content, uint64_t from_seq) {
    struct toy_server *server = conn->server;
    Ordo__V1__Opened opened = header_of(conn);
    if (with_content) {
        struct ordo_buffer text = {0};
        toy_write_content(server, from_seq, &text);
        struct ordo_slice rest = ordo_buffer_slice(&text);
        Ordo__V1__Content content = ORDO__V1__CONTENT__INIT;
        content.seq = from_seq;
        opened.content = &content;
        while (server->part_size > 0 && rest.size > server->part_size) {
            size_t size = ordo_utf8_floor(rest, server->part_size);
            content.text = ordo_binary_of_slice(ordo_slice(rest.data, size));
            send_part(conn, request, &opened, true);
            rest = ordo_slice(rest.data + size, rest.size - size);
        }
        content.text = ordo_binary_of_slice(rest);
        bool is_cut = ordo_prng_below(&server->prng, 2) == 0;
        if (is_cut) {
            send_part(conn, request, &opened, true);
            opened.content = NULL;
        }
        for (uint64_t seq = from_seq + 1; is_cut && seq <= server->head; seq++) {
            Ordo__V1__Committed op = committed_of(server, seq), *ops[1] = {&op};
            opened.ops = ops;
            opened.n_ops = 1;
            send_part(conn, request, &opened, seq < server->head);
        }
        if (is_cut && from_seq == server->head) send_part(conn, request, &opened, false);
        if (is_cut) {
            ordo_buffer_finish(&text);
            conn->sent_seq = server->head;
            return;
        }
        size_t count = (size_t)(server->head - from_seq);
        Ordo__V1__Committed *ops = ordo_alloc_array(count + 1, sizeof *ops), **pointers;
        pointers = ordo_alloc_array(count + 1, sizeof *pointers);
        for (size_t i = 0; i < count; i++) {
            ops[i] = committed_of(server, from_seq + 1 + i);
            pointers[i] = &ops[i];
        }
        opened.ops = pointers;
        opened.n_ops = count;
        send_part(conn, request, &opened, false);
        free(ops);
        free(pointers);
        ordo_buffer_finish(&text);
        conn->sent_seq = server->head;
        return;
    }
    /* A resync may repeat what the client has already. */
    while (from_seq > server->horizon && ordo_prng_below(&server->prng, 3) == 0) from_seq--;
    while (from_seq < server->head) {
        Ordo__V1__Committed op = committed_of(server, ++from_seq), *ops[1] = {&op};
        opened.ops = ops;
        opened.n_ops = 1;
        send_part(conn, request, &opened, from_seq < server->head);
        if (from_seq == server->head) break;
    }
    if (opened.n_ops == 0) send_part(conn, request, &opened, false);
    conn->sent_seq = server->head;
}

static void open(struct toy_conn *conn, uint32_t request, const Ordo__V1__Open *open) {
    struct toy_server *server = conn->server;
    for (size_t i = 0; i < server->conn_count; i++) {
        struct toy_conn *other = server->conns[i];
        if (other != conn && memcmp(other->client_id, conn->client_id, 16) == 0) other->is_ended = true;
    }
    conn->handle = ++server->next_handle;
    conn->is_ended = conn->is_mute = false;
    bool has_have = open->have_case == ORDO__V1__OPEN__HAVE_HAVE_SEQ;
    bool is_usable = has_have && open->have_lineage == server->lineage && open->have_seq >= server->horizon &&
                     open->have_seq <= server->head && !(open->clean && ordo_prng_below(&server->prng, 2) == 0);
    uint64_t span = server->head - server->horizon;
    uint64_t content_seq = server->horizon + (span > 0 ? ordo_prng_below(&server->prng, span + 1) : 0);
    send_opened(conn, request, !is_usable, is_usable ? open->have_seq : content_seq);
}

void toy_resync(struct toy_conn *conn) {
    if (conn->handle == 0) return;
    uint64_t from_seq = conn->sent_seq;
    for (size_t i = 0; i < conn->to_client.count;) {
        if (conn->to_client.frames[i].kind != TOY_ORDERED) {
            i++;
            continue;
        }
        if (conn->to_client.frames[i].seq - 1 < from_seq) from_seq = conn->to_client.frames[i].seq - 1;
        queue_remove(&conn->to_client, i);
    }
    conn->is_mute = false;
    bool is_behind = from_seq < conn->server->horizon;
    send_opened(conn, 0, is_behind, is_behind ? conn->server->head : from_seq);
}

/* --- submitting ------------------------------------------------------------------------------------------------- */

static void nack(struct toy_conn *conn, uint64_t client_seq, Ordo__V1__NackCode code) {
    Ordo__V1__Nack body = ORDO__V1__NACK__INIT;
    body.client_seq = client_seq;
    body.code = code;
    body.retry_after_ms = 5;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.doc = conn->handle;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_NACK;
    message.nack = &body;
    conn->server->nack_counts[code]++;
    send(conn, TOY_ANSWER, 0, &message);
}

static void ack(struct toy_conn *conn, uint64_t client_seq, uint64_t server_seq, bool duplicate) {
    Ordo__V1__Ack body = ORDO__V1__ACK__INIT;
    body.client_seq = client_seq;
    body.server_seq = server_seq;
    body.duplicate = duplicate;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.doc = conn->handle;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_ACK;
    message.ack = &body;
    send(conn, duplicate ? TOY_ANSWER : TOY_ORDERED, server_seq, &message);
    if (!duplicate) conn->sent_seq = server_seq;
    struct toy_queue *queue = &conn->to_client;
    if (!duplicate || queue->count < 2) return;
    /* Made by another path than the order: it may overtake what waits. */
    size_t to = (size_t)ordo_prng_below(&conn->server->prng, queue->count);
    struct toy_frame frame = queue->frames[queue->count - 1];
    memmove(queue->frames + to + 1, queue->frames + to, (queue->count - 1 - to) * sizeof *queue->frames);
    queue->frames[to] = frame;
    conn->server->duplicate_count++;
}

static void broadcast(struct toy_server *server, const struct toy_conn *author) {
    Ordo__V1__Committed body = committed_of(server, server->head);
    for (size_t i = 0; i < server->conn_count; i++) {
        struct toy_conn *conn = server->conns[i];
        if (conn->is_cut || conn->handle == 0 || conn->is_mute) continue;
        if (conn == author) {
            ack(conn, body.client_seq, server->head, false);
            continue;
        }
        Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
        message.doc = conn->handle;
        message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_COMMITTED;
        message.committed = &body;
        send(conn, TOY_ORDERED, server->head, &message);
        conn->sent_seq = server->head;
    }
}

static void commit(struct toy_conn *conn, const Ordo__V1__Submit *submit) {
    struct toy_server *server = conn->server;
    struct ordo_slice client = ordo_slice(conn->client_id, 16);
    struct ordo_buffer op = {0}, next = {0};
    ordo_buffer_append_slice(&op, ordo_slice_of_binary(submit->text));
    for (uint64_t seq = submit->base_seq + 1; seq <= server->head; seq++) {
        const struct toy_op *other = &server->ops[seq - 1];
        ordo_buffer_clear(&next);
        ordo_text_transform(ordo_buffer_slice(&op), client, ordo_buffer_slice(&other->op),
                            ordo_slice(other->client_id, 16), true, &next);
        ordo_buffer_clear(&op);
        ordo_buffer_append_slice(&op, ordo_buffer_slice(&next));
    }
    ordo_buffer_finish(&next);
    server->ops = ordo_realloc(server->ops, (server->head + 1) * sizeof *server->ops);
    struct toy_op *placed = &server->ops[server->head];
    *placed = (struct toy_op){.client_seq = submit->client_seq, .base_seq = submit->base_seq, .op = op};
    memcpy(placed->client_id, conn->client_id, 16);
    ordo_buffer_append_slice(&placed->submitted, ordo_slice_of_binary(submit->text));
    placed->length = ordo_type_text.length_after(ordo_buffer_slice(&op), length_at(server, server->head));
    server->head++;
    struct toy_client *entry = client_of(server, conn->client_id);
    entry->client_seq = submit->client_seq;
    entry->server_seq = server->head;
}

/* Among the client's newest op and the retained log; a number above the newest that is remembered is new. */
static bool find_duplicate(struct toy_server *server, const struct toy_conn *conn, const Ordo__V1__Submit *submit,
                           uint64_t *seq_out) {
    const struct toy_client *client = client_of(server, conn->client_id);
    if (submit->client_seq > client->client_seq) return false;
    for (uint64_t seq = 1; seq <= server->head; seq++) {
        if (seq <= server->horizon && seq != client->server_seq) continue;
        const struct toy_op *op = &server->ops[seq - 1];
        bool is_it = op->client_seq == submit->client_seq && memcmp(op->client_id, conn->client_id, 16) == 0 &&
                     op->base_seq == submit->base_seq &&
                     ordo_slice_equal(ordo_buffer_slice(&op->submitted), ordo_slice_of_binary(submit->text));
        if (!is_it) continue;
        *seq_out = seq;
        return true;
    }
    return false;
}

static bool chance(struct toy_server *server, unsigned per_thousand) {
    return ordo_prng_below(&server->prng, 1000) < per_thousand;
}

static void submit(struct toy_conn *conn, const Ordo__V1__Submit *submit) {
    struct toy_server *server = conn->server;
    struct toy_client *client = client_of(server, conn->client_id);
    uint64_t duplicate_of, length;
    server->submit_count++;
    ORDO_ASSERT(submit->op_case == ORDO__V1__SUBMIT__OP_TEXT);
    if (conn->is_ended) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__NOT_OPEN);
    } else if (chance(server, server->faults.rate_limited)) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__RATE_LIMITED);
    } else if (chance(server, server->faults.unavailable_before)) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__UNAVAILABLE);
    } else if (find_duplicate(server, conn, submit, &duplicate_of)) {
        ack(conn, submit->client_seq, duplicate_of, true);
    } else if (submit->client_seq <= client->client_seq) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__REPLAYED);
    } else if (submit->base_seq > server->head) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__FUTURE_BASE);
    } else if (submit->base_seq < server->horizon) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__STALE_BASE);
    } else if (submit->base_seq < client->server_seq) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__PIPELINED);
    } else if (ordo_type_text.validate(ordo_slice_of_binary(submit->text), length_at(server, submit->base_seq),
                                       &length) != ORDO_OP_VALID) {
        nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__INVALID_OP);
    } else {
        commit(conn, submit);
        /* Committed, but the author hears that nobody knows, and then nothing until a resync. */
        bool is_lost = chance(server, server->faults.unavailable_after);
        if (is_lost) {
            nack(conn, submit->client_seq, ORDO__V1__NACK_CODE__UNAVAILABLE);
            conn->is_mute = true;
        }
        broadcast(server, is_lost ? NULL : conn);
    }
}

static void hello(struct toy_conn *conn, const Ordo__V1__Hello *hello) {
    ORDO_ASSERT(hello->client_id.len == 16 && hello->protocol == 1);
    memcpy(conn->client_id, hello->client_id.data, 16);
    Ordo__V1__Welcome body = ORDO__V1__WELCOME__INIT;
    body.protocol = 1;
    body.op_size_max = 1 << 20;
    body.frame_size_max = 1 << 21;
    Ordo__V1__ServerMessage message = ORDO__V1__SERVER_MESSAGE__INIT;
    message.body_case = ORDO__V1__SERVER_MESSAGE__BODY_WELCOME;
    message.welcome = &body;
    send(conn, TOY_ANSWER, 0, &message);
}

void toy_receive(struct toy_conn *conn, struct ordo_slice frame) {
    struct toy_server *server = conn->server;
    ordo_arena_reset(&server->arena);
    Ordo__V1__ClientFrame *decoded = ordo_message_decode(&ordo__v1__client_frame__descriptor, frame, &server->arena);
    ORDO_ASSERT(decoded != NULL);
    for (size_t i = 0; i < decoded->n_messages; i++) {
        const Ordo__V1__ClientMessage *message = decoded->messages[i];
        switch (message->body_case) {
        case ORDO__V1__CLIENT_MESSAGE__BODY_HELLO: hello(conn, message->hello); break;
        case ORDO__V1__CLIENT_MESSAGE__BODY_OPEN:
            if (!conn->is_cut) open(conn, message->request, message->open);
            break;
        case ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE: conn->handle = 0; break;
        case ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT:
            if (message->doc == conn->handle && conn->handle != 0) submit(conn, message->submit);
            break;
        default: break;
        }
    }
}

void toy_restore(struct toy_server *server, const char *text) {
    for (uint64_t i = 0; i < server->head; i++) {
        ordo_buffer_finish(&server->ops[i].submitted);
        ordo_buffer_finish(&server->ops[i].op);
    }
    server->ops = ordo_realloc(server->ops, sizeof *server->ops);
    server->ops[0] = (struct toy_op){.client_id = {0xFF}};
    ordo_text_splice(0, 0, ordo_slice_of(text), (struct ordo_text_hints){0}, &server->ops[0].op);
    server->ops[0].length = ordo_utf8_count(ordo_slice_of(text));
    server->head = 1;
    server->horizon = 0;
    server->lineage++;
    server->client_count = 0;
    server->forgotten_seq = 0;
}
