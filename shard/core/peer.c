/* The links of gateways, as the shard sees them: sessions begin with LinkHello and end with a gap, with silence, with
 * another session, or when the socket refuses a message. With a session end its subscribers and their presence. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/state.h"

enum {
    PROTOCOL = 1,
    LINK_CHECK_MS = 100,
    PEER_COUNT_MAX = 4096,
};

static struct ordo_slice peer_id(const struct ordo_peer *peer) { return ordo_slice(peer->id, peer->id_size); }

static struct ordo_peer *find(struct ordo_shard *shard, struct ordo_slice id) {
    for (struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next)
        if (ordo_slice_equal(peer_id(peer), id)) return peer;
    return NULL;
}

struct ordo_peer *ordo_peers_find_session(struct ordo_shard *shard, uint64_t session) {
    for (struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next)
        if (peer->is_linked && peer->link.session == session) return peer;
    return NULL;
}

static bool subscriber_is(const void *item, const void *key) {
    return ((const struct ordo_subscriber *)item)->id == *(const uint64_t *)key;
}

struct ordo_subscriber *ordo_peer_subscriber(const struct ordo_peer *peer, uint64_t id) {
    return ordo_table_find(&peer->subscribers, ordo_table_hash_id(id), subscriber_is, &id);
}

static void end_session(struct ordo_shard *shard, struct ordo_peer *peer, const char *why) {
    if (!peer->is_linked) return;
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=link_ended session=%016" PRIx64 " reason=\"%s\"",
                    peer->link.session, why);
    peer->is_linked = false; /* from here on nothing more is said to it */
    ordo_outbox_drop(shard, peer);
    ordo_imports_session_ended(shard, peer);
    ordo_slots_forget_held(shard, peer, 0);
    while (peer->subscribers.count > 0) {
        uint32_t cursor = 0;
        ordo_subscriber_destroy(shard, ordo_table_next(&peer->subscribers, &cursor));
    }
    ORDO_ASSERT(peer->starved == NULL && peer->waiting_size == 0);
}

static void destroy(struct ordo_shard *shard, struct ordo_peer *peer) {
    for (struct ordo_peer **link = &shard->peers; *link != NULL; link = &(*link)->next) {
        if (*link != peer) continue;
        *link = peer->next;
        break;
    }
    shard->peer_count--;
    ordo_table_finish(&peer->subscribers);
    free(peer->id);
    free(peer);
}

void ordo_peers_finish(struct ordo_shard *shard) {
    while (shard->peers != NULL) destroy(shard, shard->peers);
}

/* Says that a session is over which we (no longer) know. It has no numbers to continue, so this one has none. */
static void reset_stranger(struct ordo_shard *shard, struct ordo_slice id, uint64_t session, const char *reason) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__ToGateway *messages[] = {&message};
    Ordo__Cluster__V1__LinkReset reset = ORDO__CLUSTER__V1__LINK_RESET__INIT;
    reset.reason = ordo_binary_of_slice(ordo_slice_of(reason));
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_RESET;
    message.reset = &reset;
    envelope.session = session;
    envelope.shard = ordo_binary_of_slice(ordo_slice(shard->config.store_id, ORDO_STORE_ID_SIZE));
    envelope.incarnation = shard->config.incarnation;
    envelope.term = shard->config.term;
    envelope.n_to_gateway = 1;
    envelope.to_gateway = messages;
    struct ordo_buffer *out = &shard->effects->send_bytes;
    ordo_buffer_append_sized(out, id);
    ordo_buffer_append_varint(out, ordo__cluster__v1__envelope__get_packed_size(&envelope));
    ordo_message_encode(&envelope.base, out);
    shard->effects->send_count++;
}

static void reset(struct ordo_shard *shard, struct ordo_peer *peer, const char *reason) {
    uint64_t session = peer->link.session;
    end_session(shard, peer, reason);
    peer->refused_session = session;
    reset_stranger(shard, peer_id(peer), session, reason);
}

static struct ordo_peer *get(struct ordo_shard *shard, struct ordo_slice id) {
    struct ordo_peer *peer = find(shard, id);
    if (peer != NULL || shard->peer_count >= PEER_COUNT_MAX) return peer;
    peer = ordo_alloc(sizeof *peer);
    peer->id = ordo_memdup(id.data, id.size);
    peer->id_size = id.size;
    peer->next = shard->peers;
    shard->peers = peer;
    shard->peer_count++;
    return peer;
}

static void welcome(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__LinkHello *hello) {
    if (hello->protocol_min > PROTOCOL || hello->protocol_max < PROTOCOL) {
        reset(shard, peer, "this shard speaks protocol 1 only");
        return;
    }
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__LinkWelcome body = ORDO__CLUSTER__V1__LINK_WELCOME__INIT;
    body.protocol = PROTOCOL;
    body.shard_name = ordo_binary_of_slice(ordo_slice_of(shard->config.name));
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_WELCOME;
    message.welcome = &body;
    ordo_answer(shard, peer, &message);
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=link_began session=%016" PRIx64, peer->link.session);
}

/* Whether this Envelope begins a session: the first of its direction, with LinkHello in front. */
static bool is_hello(const Ordo__Cluster__V1__Envelope *envelope) {
    return envelope->number == 1 && envelope->n_to_shard >= 1 &&
           envelope->to_shard[0]->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
}

static bool is_meant_for_us(const struct ordo_shard *shard, const Ordo__Cluster__V1__Envelope *envelope) {
    if (envelope->shard.len == 0 && envelope->incarnation == 0) return envelope->number == 1;
    return envelope->incarnation == shard->config.incarnation &&
           ordo_slice_equal(ordo_slice_of_binary(envelope->shard),
                            ordo_slice(shard->config.store_id, ORDO_STORE_ID_SIZE));
}

static void handle(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO: welcome(shard, peer, message->hello); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH: ordo_attach(shard, peer, message); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET: ordo_doc_handle(shard, peer, message); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_BEGIN:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ROWS:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_PREPARE:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_FREEZE:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_GIVEN:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_DROP:
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ASK: ordo_import_handle(shard, peer, message); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY__NOT_SET: /* of a later protocol: ignored */
    case _ORDO__CLUSTER__V1__TO_SHARD__BODY__CASE_IS_INT_SIZE: break;
    }
}

void ordo_peers_received(struct ordo_shard *shard, struct ordo_slice id, struct ordo_slice bytes) {
    ordo_arena_reset(&shard->arena);
    const Ordo__Cluster__V1__Envelope *envelope =
        ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, bytes, &shard->arena);
    if (envelope == NULL || envelope->session == 0) return; /* not ours: nothing to answer to */
    struct ordo_peer *peer = get(shard, id);
    if (peer == NULL) return;
    bool is_known = peer->is_linked && peer->link.session == envelope->session;
    if (!is_known && is_hello(envelope) && envelope->session != peer->refused_session) {
        end_session(shard, peer, "the gateway began another session");
        /* The same gateway after a broken link: its subscribers of before must not stand in their own way
         * (holders). */
        struct ordo_peer *previous = ordo_peers_find_session(shard, envelope->to_shard[0]->hello->previous);
        if (previous != NULL) end_session(shard, previous, "the gateway began another session");
        /* The same session over another socket: the old socket's is over. */
        struct ordo_peer *old = ordo_peers_find_session(shard, envelope->session);
        if (old != NULL) end_session(shard, old, "the gateway reconnected");
        ordo_link_init(&peer->link, envelope->session, shard->now_ms);
        peer->is_linked = true;
        is_known = true;
    }
    if (!is_known) {
        /* A session that ended here, or at an earlier life of this shard. Say so, once. */
        if (peer->refused_session == envelope->session) return;
        if (!peer->is_linked) {
            peer->refused_session = envelope->session;
            reset_stranger(shard, id, envelope->session, "this shard does not know the session");
        }
        return;
    }
    if (!is_meant_for_us(shard, envelope)) {
        reset(shard, peer, "the message names another shard or another incarnation of this one");
        return;
    }
    switch (ordo_link_receive(&peer->link, envelope, bytes.size, shard->now_ms)) {
    case ORDO_LINK_NEXT: break;
    case ORDO_LINK_STRANGER: return;
    case ORDO_LINK_GAP: reset(shard, peer, "a message was lost"); return;
    }
    for (size_t i = 0; i < envelope->n_to_shard && peer->is_linked; i++) {
        shard->stats.inputs++;
        handle(shard, peer, envelope->to_shard[i]);
    }
    if (peer->is_linked) ordo_link_grant(&peer->link, peer->waiting_size);
}

void ordo_peers_lost(struct ordo_shard *shard, struct ordo_slice id) {
    struct ordo_peer *peer = find(shard, id);
    if (peer != NULL) end_session(shard, peer, "the socket refused a message");
}

void ordo_peers_heard(struct ordo_shard *shard, uint64_t session) {
    struct ordo_peer *peer = ordo_peers_find_session(shard, session);
    if (peer != NULL) peer->link.heard_ms = shard->now_ms;
}

void ordo_peers_turn_end(struct ordo_shard *shard) {
    for (struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next)
        if (peer->is_linked) ordo_answer_dropped(shard, peer);
}

void ordo_peers_tick(struct ordo_shard *shard) {
    if (shard->now_ms < shard->link_check_ms) return;
    shard->link_check_ms = shard->now_ms + LINK_CHECK_MS;
    for (struct ordo_peer *peer = shard->peers, *next; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->is_linked && ordo_link_is_silent(&peer->link, shard->now_ms))
            end_session(shard, peer, "the gateway fell silent");
        if (!peer->is_linked) {
            if (shard->now_ms >= peer->link.heard_ms + 10 * ORDO_LINK_TIMEOUT_MS) destroy(shard, peer);
            continue;
        }
        ordo_link_grant(&peer->link, peer->waiting_size);
        if (ordo_link_is_due(&peer->link, shard->now_ms)) ordo_outbox_send_now(shard, peer, ordo_slice(NULL, 0));
    }
}
