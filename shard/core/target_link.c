/* The links to stores that take slots over (or that may know what became of one that was being taken over). It is the link that gateways have (proto/link.h), with this shard in the
 * gateway's place: it opens sessions, says LinkHello, and begins another session when something was lost. There is no side
 * link: a target whose disk stalls is silent, and who is silent for too long is let go of. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/state.h"

enum {
    PROTOCOL = 1,
    PAUSE_MS = 500,          /* between the beginnings of two sessions */
    UNNEEDED_MS = 5000,      /* a link that nobody needs stays for so long */
    CONNECT_MS = 1500,       /* whoever lives is connected long before: that does not wait for his loop, or his disk */
    ENVELOPE_TO_SHARD = 7,
};

static const uint32_t target_moves[] = {
    [ORDO_TARGET_RESTING] = 1u << ORDO_TARGET_OPENING,
    [ORDO_TARGET_OPENING] = 1u << ORDO_TARGET_GREETING | 1u << ORDO_TARGET_RESTING,
    [ORDO_TARGET_GREETING] = 1u << ORDO_TARGET_READY | 1u << ORDO_TARGET_RESTING,
    [ORDO_TARGET_READY] = 1u << ORDO_TARGET_RESTING,
};

static void target_move(struct ordo_target *target, enum ordo_target_state next) {
    ORDO_ASSERT(target_moves[target->state] & 1u << next);
    target->state = next;
}

/* ---- what goes out */

static void send(struct ordo_shard *shard, struct ordo_target *target, struct ordo_slice fields) {
    Ordo__Cluster__V1__Envelope head = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    ordo_link_stamp(&target->link, &head, shard->now_ms);
    if (target->state == ORDO_TARGET_READY) {
        head.shard = ordo_binary_of_slice(ordo_slice(target->store.bytes, sizeof target->store.bytes));
        head.incarnation = target->incarnation;
    }
    size_t size = ordo__cluster__v1__envelope__get_packed_size(&head) + fields.size;
    struct ordo_buffer *out = &shard->effects->target_bytes;
    ordo_buffer_append_u64_le(out, target->link.session);
    ordo_buffer_append_varint(out, size);
    ordo_message_encode(&head.base, out);
    ordo_buffer_append_slice(out, fields);
    ordo_link_sent(&target->link, size);
}

static void say(struct ordo_shard *shard, struct ordo_target *target, const Ordo__Cluster__V1__ToShard *message) {
    struct ordo_buffer field = {0};
    ordo_message_encode_field(ENVELOPE_TO_SHARD, &message->base, &field);
    send(shard, target, ordo_buffer_slice(&field));
    ordo_buffer_finish(&field);
}

void ordo_target_say(struct ordo_shard *shard, struct ordo_target *target, const Ordo__Cluster__V1__ToShard *message) {
    ORDO_ASSERT(target->state == ORDO_TARGET_READY);
    say(shard, target, message);
}

uint64_t ordo_target_unread_size(const struct ordo_target *target) {
    uint64_t read_size = target->link.credit_got - ORDO_LINK_CREDIT;
    return target->link.bytes_sent > read_size ? target->link.bytes_sent - read_size : 0;
}

/* ---- sessions */

static void begin_session(struct ordo_shard *shard, struct ordo_target *target) {
    uint64_t session = ordo_prng_next(&shard->prng);
    ordo_link_init(&target->link, session ? session : 1, shard->now_ms);
    target->opened_ms = shard->now_ms;
    target_move(target, ORDO_TARGET_OPENING);
    struct ordo_shard_effects *effects = shard->effects;
    if (effects->target_open_count == effects->target_open_capacity) {
        effects->target_open_capacity = effects->target_open_capacity ? 2 * effects->target_open_capacity : 4;
        effects->target_opens =
            ordo_realloc(effects->target_opens, effects->target_open_capacity * sizeof *effects->target_opens);
    }
    effects->target_opens[effects->target_open_count++] =
        (struct ordo_target_open){.store = target->store, .session = target->link.session};
}

static void close_sockets(struct ordo_shard *shard, uint64_t session) {
    struct ordo_shard_effects *effects = shard->effects;
    if (effects->target_close_count == effects->target_close_capacity) {
        effects->target_close_capacity = effects->target_close_capacity ? 2 * effects->target_close_capacity : 4;
        effects->target_closes =
            ordo_realloc(effects->target_closes, effects->target_close_capacity * sizeof *effects->target_closes);
    }
    effects->target_closes[effects->target_close_count++] = session;
}

static void session_lost(struct ordo_shard *shard, struct ordo_target *target, const char *reason) {
    if (target->state == ORDO_TARGET_RESTING) return;
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=target_link_ended session=%016" PRIx64 " reason=\"%s\"",
                    target->link.session, reason);
    close_sockets(shard, target->link.session);
    target_move(target, ORDO_TARGET_RESTING);
    target->incarnation = 0;
    ordo_source_unlinked(shard, target, reason);
}

struct ordo_target *ordo_target_get(struct ordo_shard *shard, const struct ordo_store_id *store) {
    struct ordo_target *target = shard->targets;
    while (target != NULL && !ordo_store_id_equal(&target->store, store)) target = target->next;
    if (target == NULL) {
        target = ordo_alloc(sizeof *target);
        target->store = *store;
        target->next = shard->targets;
        shard->targets = target;
    }
    target->needed_ms = shard->now_ms;
    bool may_open = target->opened_ms == 0 || shard->now_ms >= target->opened_ms + PAUSE_MS;
    if (target->state == ORDO_TARGET_RESTING && may_open) begin_session(shard, target);
    return target;
}

static struct ordo_target *of_session(struct ordo_shard *shard, uint64_t session) {
    for (struct ordo_target *target = shard->targets; target != NULL; target = target->next)
        if (target->state != ORDO_TARGET_RESTING && target->link.session == session) return target;
    return NULL;
}

void ordo_targets_up(struct ordo_shard *shard, uint64_t session) {
    struct ordo_target *target = of_session(shard, session);
    if (target == NULL || target->state != ORDO_TARGET_OPENING) return;
    ordo_link_init(&target->link, session, shard->now_ms);
    target_move(target, ORDO_TARGET_GREETING);
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    Ordo__Cluster__V1__LinkHello hello = ORDO__CLUSTER__V1__LINK_HELLO__INIT;
    hello.protocol_min = hello.protocol_max = PROTOCOL;
    hello.gateway = ordo_binary_of_slice(ordo_slice_of(shard->config.name));
    hello.previous = target->welcomed_session;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_HELLO;
    message.hello = &hello;
    say(shard, target, &message);
}

void ordo_targets_down(struct ordo_shard *shard, uint64_t session) {
    struct ordo_target *target = of_session(shard, session);
    if (target != NULL) session_lost(shard, target, "the link to the target broke, or there is none");
}

static bool is_late(const struct ordo_shard *shard, const struct ordo_target *target) {
    switch (target->state) {
    case ORDO_TARGET_RESTING: return false;
    case ORDO_TARGET_OPENING: return shard->now_ms >= target->opened_ms + CONNECT_MS;
    case ORDO_TARGET_GREETING:
    case ORDO_TARGET_READY: return ordo_link_is_silent(&target->link, shard->now_ms);
    }
    return false;
}

static bool is_needed(const struct ordo_shard *shard, const struct ordo_target *target) {
    const struct ordo_source *source = &shard->source;
    return (source->phase != ORDO_SOURCE_NONE && source->target == target) || ordo_given_needs(shard, target) ||
           ordo_adrift_needs(shard, target);
}

void ordo_targets_tick(struct ordo_shard *shard) {
    for (struct ordo_target **link = &shard->targets; *link != NULL;) {
        struct ordo_target *target = *link;
        if (is_late(shard, target))
            session_lost(shard, target, target->state == ORDO_TARGET_OPENING ? "the target cannot be reached" : "the target fell silent");
        if (is_needed(shard, target)) (void)ordo_target_get(shard, &target->store);
        bool is_greeted = target->state == ORDO_TARGET_READY || target->state == ORDO_TARGET_GREETING;
        if (is_greeted && ordo_link_is_due(&target->link, shard->now_ms)) send(shard, target, ordo_slice(NULL, 0));
        if (shard->now_ms < target->needed_ms + UNNEEDED_MS) {
            link = &target->next;
            continue;
        }
        if (target->state != ORDO_TARGET_RESTING) close_sockets(shard, target->link.session);
        *link = target->next;
        free(target);
    }
}

void ordo_targets_finish(struct ordo_shard *shard) {
    while (shard->targets != NULL) {
        struct ordo_target *target = shard->targets;
        shard->targets = target->next;
        free(target);
    }
}

/* ---- what comes in */

static bool is_of_target(const struct ordo_target *target, const Ordo__Cluster__V1__Envelope *envelope) {
    return ordo_slice_equal(ordo_slice_of_binary(envelope->shard),
                            ordo_slice(target->store.bytes, sizeof target->store.bytes)) &&
           envelope->incarnation != 0 &&
           (target->state != ORDO_TARGET_READY || envelope->incarnation == target->incarnation);
}

static void welcomed(struct ordo_shard *shard, struct ordo_target *target,
                     const Ordo__Cluster__V1__Envelope *envelope) {
    const Ordo__Cluster__V1__ToGateway *first = envelope->n_to_gateway > 0 ? envelope->to_gateway[0] : NULL;
    if (first == NULL) return; /* a keep-alive may come before */
    if (first->body_case != ORDO__CLUSTER__V1__TO_GATEWAY__BODY_WELCOME || first->welcome->protocol != PROTOCOL) {
        session_lost(shard, target, "the target does not welcome us");
        return;
    }
    target->incarnation = envelope->incarnation;
    target->welcomed_session = target->link.session;
    target_move(target, ORDO_TARGET_READY);
    ordo_source_linked(shard, target);
    ordo_given_tell(shard, target);
}

static void dispatch(struct ordo_shard *shard, struct ordo_target *target,
                     const Ordo__Cluster__V1__ToGateway *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_RESET: session_lost(shard, target, "the target ended the session"); break;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_TAKEN:
        if (message->move_taken->slot < ORDO_SLOT_COUNT)
            ordo_given_taken(shard, target, (uint16_t)message->move_taken->slot, message->move_taken->epoch);
        break;
    case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_MOVE_OVER: ordo_adrift_over(shard, target, message->move_over); break;
    default: ordo_source_told(shard, target, message); break;
    }
}

void ordo_targets_received(struct ordo_shard *shard, uint64_t session, struct ordo_slice bytes) {
    struct ordo_target *target = of_session(shard, session);
    if (target == NULL || target->state == ORDO_TARGET_OPENING) return;
    ordo_arena_reset(&shard->arena);
    const Ordo__Cluster__V1__Envelope *envelope =
        ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, bytes, &shard->arena);
    if (envelope == NULL || (envelope->session == session && !is_of_target(target, envelope))) {
        session_lost(shard, target, "another shard answers, or another incarnation");
        return;
    }
    switch (ordo_link_receive(&target->link, envelope, bytes.size, shard->now_ms)) {
    case ORDO_LINK_NEXT: break;
    case ORDO_LINK_STRANGER: return;
    case ORDO_LINK_GAP: session_lost(shard, target, "a message was lost"); return;
    }
    if (target->state == ORDO_TARGET_GREETING) welcomed(shard, target, envelope);
    for (size_t i = 0; i < envelope->n_to_gateway && target->state == ORDO_TARGET_READY; i++)
        dispatch(shard, target, envelope->to_gateway[i]);
    if (target->state != ORDO_TARGET_READY) return;
    ordo_link_grant(&target->link, 0);
    ordo_source_pump(shard); /* there may be credit */
}
