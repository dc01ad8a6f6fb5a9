#include "client/c/core/connection.h"

#include <stdlib.h>

#include "client/c/core/connection_internal.h"
#include "client/c/core/doc_internal.h"
#include "common/assert.h"
#include "common/memory.h"

enum {
    PROTOCOL = 1,
    LASTING_MS = 5000, /* a connection that lived so long was no failure */
};

/* --- life ------------------------------------------------------------------------------------------------------- */

static void default_to(uint64_t *value, uint64_t fallback) {
    if (*value == 0) *value = fallback;
}

struct ordo_client_connection *
ordo_client_connection_create(const struct ordo_client_connection_options *options) {
    struct ordo_client_connection *connection = ordo_alloc(sizeof *connection);
    connection->options = *options;
    ordo_buffer_append_slice(&connection->token, options->token);
    ordo_buffer_append_slice(&connection->agent, options->agent);
    default_to(&connection->options.backoff_min_ms, 100);
    default_to(&connection->options.backoff_max_ms, 10 * 1000);
    default_to(&connection->options.welcome_timeout_ms, 10 * 1000);
    default_to(&connection->options.ping_after_ms, 15 * 1000);
    default_to(&connection->options.pong_timeout_ms, 10 * 1000);
    connection->state = ORDO_CLIENT_WAITING;
    connection->docs_timer_ms = UINT64_MAX;
    return connection;
}

void ordo_client_connection_destroy(struct ordo_client_connection *connection) {
    if (connection == NULL) return;
    for (size_t i = 0; i < connection->doc_count; i++) ordo_client_doc_destroy(connection->docs[i]);
    free(connection->docs);
    free(connection->handles);
    free(connection->queue);
    free(connection->asked);
    free(connection->history_ops);
    ordo_buffer_finish(&connection->token);
    ordo_buffer_finish(&connection->agent);
    ordo_buffer_finish(&connection->out);
    free(connection);
}

void *connection_grow(void *array, size_t count, size_t *capacity, size_t element_size) {
    if (count < *capacity) return array;
    *capacity = *capacity ? *capacity * 2 : 4;
    return ordo_realloc(array, *capacity * element_size);
}

void connection_wake(struct ordo_client_connection *connection) {
    if (connection->is_awake) return;
    connection->is_awake = true;
    if (connection->options.wake != NULL) connection->options.wake(connection->options.user);
}

void connection_queue(struct ordo_client_connection *connection, struct ordo_client_doc *doc) {
    if (!doc->is_queued) {
        connection->queue = connection_grow(connection->queue, connection->queue_count, &connection->queue_capacity,
                                            sizeof *connection->queue);
        connection->queue[connection->queue_count++] = doc;
        doc->is_queued = true;
    }
    connection_wake(connection);
}

/* --- the way down and up again ---------------------------------------------------------------------------------- */

bool connection_has_socket(const struct ordo_client_connection *connection) {
    switch (connection->state) {
    case ORDO_CLIENT_DIALING:
    case ORDO_CLIENT_GREETING:
    case ORDO_CLIENT_READY:
    case ORDO_CLIENT_CLOSING: return true;
    case ORDO_CLIENT_WAITING:
    case ORDO_CLIENT_STOPPED: break;
    }
    return false;
}

void connection_close(struct ordo_client_connection *connection, uint16_t code) {
    if (!connection_has_socket(connection) || connection->state == ORDO_CLIENT_CLOSING) return;
    connection->state = ORDO_CLIENT_CLOSING;
    connection->close_code = code;
    connection_wake(connection);
}

/* Exponential, the upper half of it at random: clients that lost the same gateway do not come back as one. */
static uint64_t backoff_ms(struct ordo_client_connection *connection) {
    const struct ordo_client_connection_options *options = &connection->options;
    uint32_t doublings = connection->failure_count > 0 ? connection->failure_count - 1 : 0;
    uint64_t delay = options->backoff_min_ms << (doublings < 20 ? doublings : 20);
    if (delay > options->backoff_max_ms) delay = options->backoff_max_ms;
    return delay / 2 + ordo_prng_below(&connection->options.prng, delay / 2 + 1);
}

bool connection_has_in_flight(const struct ordo_client_connection *connection) {
    for (size_t i = 0; i < connection->doc_count; i++) {
        if (!connection->docs[i]->has_failed && connection->docs[i]->in_flight.is_set) return true;
    }
    return false;
}

/* Ops are known under the client_id of their connection, so it changes between two of them, and only when nothing
 * is in flight under the old one. */
static void renew_client_id(struct ordo_client_connection *connection) {
    uint64_t halves[2] = {ordo_prng_next(&connection->options.prng), ordo_prng_next(&connection->options.prng)};
    memcpy(connection->options.client_id.bytes, halves, sizeof halves);
    for (size_t i = 0; i < connection->doc_count; i++) {
        struct ordo_client_doc *doc = connection->docs[i];
        if (!doc->has_failed) ordo_client_doc_set_client_id(doc, connection->options.client_id);
    }
    connection->is_renewing = false;
}

void ordo_client_connection_dialing(struct ordo_client_connection *connection, uint64_t now_ms) {
    ORDO_ASSERT(connection->state == ORDO_CLIENT_WAITING);
    connection->now_ms = now_ms;
    connection->state = ORDO_CLIENT_DIALING;
    connection->deadline_ms = now_ms + connection->options.welcome_timeout_ms;
}

void ordo_client_connection_connected(struct ordo_client_connection *connection, uint64_t now_ms) {
    connection->now_ms = now_ms;
    if (connection->state != ORDO_CLIENT_DIALING) return; /* stopped meanwhile */
    connection->state = ORDO_CLIENT_GREETING;
    ordo_buffer_clear(&connection->out);
    connection->out_taken = 0;
    connection->frame_size_max = ORDO_FRAME_SIZE_MAX;
    ordo_wire_write_hello(&connection->out,
                          &(struct ordo_wire_hello){.protocol = PROTOCOL,
                                                    .client_id = ordo_slice(connection->options.client_id.bytes,
                                                                            ORDO_CLIENT_ID_BYTES),
                                                    .token = ordo_buffer_slice(&connection->token),
                                                    .agent = ordo_buffer_slice(&connection->agent),
                                                    .type = ordo_slice_of(ordo_type_text.name)});
    connection_wake(connection);
}

void ordo_client_connection_disconnected(struct ordo_client_connection *connection, uint64_t now_ms) {
    if (!connection_has_socket(connection)) return;
    connection->now_ms = now_ms;
    bool has_lasted = connection->ready_since_ms != 0 && now_ms - connection->ready_since_ms >= LASTING_MS;
    bool is_failure = connection->go_away_ms == 0; /* gateways that stop one after the other are none */
    connection->failure_count = has_lasted ? 1 : connection->failure_count + is_failure;
    connection->ready_since_ms = 0;
    connection->state = connection->is_stopping ? ORDO_CLIENT_STOPPED : ORDO_CLIENT_WAITING;
    uint64_t delay_ms = connection->go_away_ms + backoff_ms(connection);
    connection->go_away_ms = 0;
    connection->reconnect_at_ms = now_ms + delay_ms;
    ordo_buffer_clear(&connection->out);
    connection->out_taken = 0;
    connection->handle_count = 0;
    connection->docs_timer_ms = UINT64_MAX;
    for (size_t i = 0; i < connection->doc_count; i++) {
        connection->docs[i]->handle = 0;
        connection->docs[i]->open_request = 0;
        ordo_client_doc_disconnected(connection->docs[i]);
    }
    connection_fail_asked(connection, NULL, 503, ordo_slice_of("the connection was lost"));
    if (connection->is_renewing && !connection_has_in_flight(connection)) renew_client_id(connection);
}

void ordo_client_connection_stop(struct ordo_client_connection *connection) {
    connection->is_stopping = true;
    if (connection_has_socket(connection)) connection_close(connection, CLOSE_NORMAL);
    else connection->state = ORDO_CLIENT_STOPPED;
}

void ordo_client_connection_set_token(struct ordo_client_connection *connection, struct ordo_slice token) {
    ordo_buffer_clear(&connection->token);
    ordo_buffer_append_slice(&connection->token, token);
    if (connection->state != ORDO_CLIENT_READY) return;
    ordo_wire_write_authenticate(&connection->out, token);
    connection_wake(connection);
}

/* --- receiving -------------------------------------------------------------------------------------------------- */

static void welcome(struct ordo_client_connection *connection, const struct ordo_wire_welcome *message) {
    if (message->protocol != PROTOCOL) {
        connection_close(connection, CLOSE_PROTOCOL_ERROR);
        return;
    }
    connection->state = ORDO_CLIENT_READY;
    connection->ready_since_ms = connection->heard_at_ms;
    connection->reconnect_count++;
    connection->op_size_max = message->op_size_max ? message->op_size_max : ORDO_OP_SIZE_MAX;
    connection->frame_size_max = message->frame_size_max ? message->frame_size_max : ORDO_FRAME_SIZE_MAX;
    for (size_t i = 0; i < connection->doc_count; i++) connection_queue(connection, connection->docs[i]);
}

static void greeting(struct ordo_client_connection *connection, const struct ordo_wire_message *message) {
    switch (message->kind) {
    case ORDO_WIRE_WELCOME: welcome(connection, &message->welcome); break;
    case ORDO_WIRE_GO_AWAY: connection_dispatch(connection, message); break;
    case ORDO_WIRE_ERROR:
        connection_dispatch(connection, message);
        connection_close(connection, CLOSE_NORMAL);
        break;
    default: break; /* nothing else is expected before Welcome */
    }
}

void ordo_client_connection_received(struct ordo_client_connection *connection, struct ordo_slice frame,
                                     uint64_t now_ms) {
    connection->now_ms = connection->heard_at_ms = now_ms;
    connection->pinged_at_ms = 0;
    if (connection->state != ORDO_CLIENT_GREETING && connection->state != ORDO_CLIENT_READY) return;
    if (!ordo_wire_frame_is_valid(frame)) {
        connection_close(connection, CLOSE_PROTOCOL_ERROR);
        return;
    }
    struct ordo_reader reader = ordo_reader(frame);
    struct ordo_wire_message message;
    while (ordo_wire_next_message(&reader, &message)) {
        if (connection->state == ORDO_CLIENT_READY) connection_dispatch(connection, &message);
        else if (connection->state == ORDO_CLIENT_GREETING) greeting(connection, &message);
        else break; /* closing: what follows would be lost anyway */
    }
}

/* --- timers ----------------------------------------------------------------------------------------------------- */

static uint64_t ping_timer_ms(const struct ordo_client_connection *connection) {
    if (connection->pinged_at_ms > 0) return connection->pinged_at_ms + connection->options.pong_timeout_ms;
    return connection->heard_at_ms + connection->options.ping_after_ms;
}

uint64_t ordo_client_connection_timer_ms(const struct ordo_client_connection *connection) {
    uint64_t ping_ms;
    switch (connection->state) {
    case ORDO_CLIENT_WAITING: return connection->reconnect_at_ms;
    case ORDO_CLIENT_DIALING:
    case ORDO_CLIENT_GREETING: return connection->deadline_ms;
    case ORDO_CLIENT_READY:
        ping_ms = ping_timer_ms(connection);
        return ping_ms < connection->docs_timer_ms ? ping_ms : connection->docs_timer_ms;
    case ORDO_CLIENT_CLOSING:
    case ORDO_CLIENT_STOPPED: break;
    }
    return UINT64_MAX;
}

void connection_note_timer(struct ordo_client_connection *connection, const struct ordo_client_doc *doc) {
    uint64_t timer_ms = ordo_client_doc_timer_ms(doc);
    if (timer_ms <= connection->now_ms) return; /* it was served, and what it still wants is not a matter of time */
    if (timer_ms < connection->docs_timer_ms) connection->docs_timer_ms = timer_ms;
}

static void tick_docs(struct ordo_client_connection *connection) {
    if (connection->now_ms < connection->docs_timer_ms) return;
    connection->docs_timer_ms = UINT64_MAX;
    for (size_t i = 0; i < connection->doc_count; i++) {
        struct ordo_client_doc *doc = connection->docs[i];
        if (ordo_client_doc_timer_ms(doc) <= connection->now_ms) connection_queue(connection, doc);
        else connection_note_timer(connection, doc);
    }
}

static void tick_ping(struct ordo_client_connection *connection) {
    if (connection->now_ms < ping_timer_ms(connection)) return;
    if (connection->pinged_at_ms > 0) {
        connection_close(connection, CLOSE_GOING_AWAY);
        return;
    }
    connection->pinged_at_ms = connection->now_ms;
    ordo_wire_write_ping(&connection->out, connection->now_ms);
    connection_wake(connection);
}

void ordo_client_connection_tick(struct ordo_client_connection *connection, uint64_t now_ms) {
    connection->now_ms = now_ms;
    switch (connection->state) {
    case ORDO_CLIENT_DIALING:
    case ORDO_CLIENT_GREETING:
        if (now_ms >= connection->deadline_ms) connection_close(connection, CLOSE_GOING_AWAY);
        break;
    case ORDO_CLIENT_READY:
        tick_docs(connection);
        tick_ping(connection);
        break;
    case ORDO_CLIENT_WAITING:
    case ORDO_CLIENT_CLOSING:
    case ORDO_CLIENT_STOPPED: break;
    }
}

/* --- accessors -------------------------------------------------------------------------------------------------- */

enum ordo_client_connection_state
ordo_client_connection_state(const struct ordo_client_connection *connection) {
    return connection->state;
}
struct ordo_client_id ordo_client_connection_client_id(const struct ordo_client_connection *connection) {
    return connection->options.client_id;
}
size_t ordo_client_connection_doc_count(const struct ordo_client_connection *connection) {
    return connection->doc_count;
}
struct ordo_client_doc *ordo_client_connection_doc(const struct ordo_client_connection *connection, size_t index) {
    return connection->docs[index];
}
struct ordo_client_connection *ordo_client_connection_of(const struct ordo_client_doc *doc) { return doc->owner; }
void *ordo_client_connection_user(const struct ordo_client_connection *connection) {
    return connection->options.user;
}
uint64_t ordo_client_connection_reconnect_count(const struct ordo_client_connection *connection) {
    return connection->reconnect_count;
}
