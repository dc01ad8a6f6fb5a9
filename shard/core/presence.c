/* Presence: cursors and names of those who have a document open; ephemeral, never in the log (DESIGN 14).
 *
 * Kept per document, the newest per user and client_id. Changes are gathered and sent in ticks: at least
 * presence_tick_ms apart, and so far apart that a document sends at most presence_rate updates per second. What
 * changes several times within a tick is sent once. It leaves with the turn's other outputs, behind the ops: whoever
 * gets it has got all commits up to its base_seq. */
#include "shard/core/state.h"

#include <stdlib.h>

#include "common/memory.h"

enum { RANGES_MAX = 256 };

struct entry {
    struct entry *next;
    struct ordo_peer *peer;       /* whose connection set it: it ends with that; NULL: it has ended */
    uint64_t subscriber;
    uint64_t renewed_ms;
    bool is_changed;              /* not sent yet */
    struct ordo_buffer client_id, user, data;
    uint64_t base_seq;            /* what the ranges count from */
    Ordo__V1__Range *ranges;      /* anchor and head; owned */
    size_t range_count;
};

struct ordo_presence {
    struct entry *first;
    uint32_t changed_count;
    uint64_t next_tick_ms;
};

static void entry_destroy(struct entry *entry) {
    ordo_buffer_finish(&entry->client_id);
    ordo_buffer_finish(&entry->user);
    ordo_buffer_finish(&entry->data);
    free(entry->ranges);
    free(entry);
}

void ordo_presence_destroy(struct ordo_presence *presence) {
    if (presence == NULL) return;
    while (presence->first != NULL) {
        struct entry *entry = presence->first;
        presence->first = entry->next;
        entry_destroy(entry);
    }
    free(presence);
}

static struct entry *find(struct ordo_presence *presence, struct ordo_slice client_id, struct ordo_slice user) {
    for (struct entry *entry = presence->first; entry != NULL; entry = entry->next)
        if (ordo_slice_equal(ordo_buffer_slice(&entry->client_id), client_id) &&
            ordo_slice_equal(ordo_buffer_slice(&entry->user), user))
            return entry;
    return NULL;
}

static void mark_changed(struct ordo_shard *shard, struct ordo_doc *doc, struct entry *entry) {
    struct ordo_presence *presence = doc->presence;
    if (!entry->is_changed) presence->changed_count++;
    entry->is_changed = true;
    uint64_t due_ms = presence->next_tick_ms > shard->now_ms ? presence->next_tick_ms : shard->now_ms + 1;
    ordo_timers_set_by(&shard->timers, &doc->timer, due_ms);
}

static void take_update(struct entry *entry, const Ordo__V1__PresenceUpdate *update) {
    ordo_buffer_clear(&entry->data);
    ordo_buffer_append_slice(&entry->data, ordo_slice_of_binary(update->data));
    entry->base_seq = update->base_seq;
    entry->range_count = update->n_ranges;
    entry->ranges = ordo_realloc(entry->ranges, entry->range_count * sizeof *entry->ranges);
    for (size_t i = 0; i < entry->range_count; i++) {
        ordo__v1__range__init(&entry->ranges[i]);
        entry->ranges[i].anchor = update->ranges[i]->anchor;
        entry->ranges[i].head = update->ranges[i]->head;
    }
}

void ordo_presence_set(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                       struct ordo_slice bytes) {
    if (subscriber->author == NULL || bytes.size > shard->config.presence_size_max) return;
    if (ordo_author_is_foreign(subscriber->author, ordo_subscriber_user(subscriber))) return;
    const Ordo__V1__PresenceUpdate *update =
        ordo_message_decode(&ordo__v1__presence_update__descriptor, bytes, &shard->presence_arena);
    bool is_good = update != NULL && update->base_seq <= doc->state.seq && update->n_ranges <= RANGES_MAX;
    struct ordo_slice client_id = ordo_author_client_id(subscriber->author), user = ordo_subscriber_user(subscriber);
    if (is_good && update->clear) {
        ordo_presence_end(shard, subscriber);
    } else if (is_good) {
        if (doc->presence == NULL) doc->presence = ordo_alloc(sizeof *doc->presence);
        struct entry *entry = find(doc->presence, client_id, user);
        if (entry == NULL) {
            entry = ordo_alloc(sizeof *entry);
            ordo_buffer_append_slice(&entry->client_id, client_id);
            ordo_buffer_append_slice(&entry->user, user);
            entry->next = doc->presence->first;
            doc->presence->first = entry;
        }
        entry->peer = subscriber->peer;
        entry->subscriber = subscriber->id;
        entry->renewed_ms = shard->now_ms;
        subscriber->has_presence = true;
        take_update(entry, update);
        mark_changed(shard, doc, entry);
        ordo_timers_set_by(&shard->timers, &doc->timer, shard->now_ms + shard->config.presence_age_ms);
    }
    ordo_arena_reset(&shard->presence_arena);
}

static void end(struct ordo_shard *shard, struct ordo_doc *doc, struct entry *entry) {
    entry->peer = NULL;
    mark_changed(shard, doc, entry);
}

void ordo_presence_end(struct ordo_shard *shard, struct ordo_subscriber *subscriber) {
    struct ordo_doc *doc = subscriber->audience->doc;
    if (!subscriber->has_presence || doc->presence == NULL) return;
    subscriber->has_presence = false;
    struct entry *entry = find(doc->presence, ordo_author_client_id(subscriber->author),
                               ordo_subscriber_user(subscriber));
    /* A newer connection of the same client may have set it anew: then it is that one's. */
    if (entry != NULL && entry->peer == subscriber->peer && entry->subscriber == subscriber->id)
        end(shard, doc, entry);
}

static void send(struct ordo_shard *shard, struct ordo_doc *doc, const struct entry *entry,
                 struct ordo_audience *audience, uint64_t only) {
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Presence body = ORDO__CLUSTER__V1__PRESENCE__INIT;
    Ordo__V1__Presence presence = ORDO__V1__PRESENCE__INIT;
    Ordo__V1__Range *ranges[RANGES_MAX];
    presence.client_id = ordo_binary_of_slice(ordo_buffer_slice(&entry->client_id));
    presence.user = ordo_binary_of_slice(ordo_buffer_slice(&entry->user));
    presence.gone = entry->peer == NULL;
    if (!presence.gone) {
        for (size_t i = 0; i < entry->range_count; i++) ranges[i] = &entry->ranges[i];
        presence.data = ordo_binary_of_slice(ordo_buffer_slice(&entry->data));
        presence.base_seq = entry->base_seq;
        presence.ranges = ranges;
        presence.n_ranges = entry->range_count;
    }
    ordo_buffer_clear(&shard->value);
    ordo_message_encode(&presence.base, &shard->value);
    body.doc = doc->number;
    body.only = only;
    body.except = entry->peer == audience->peer ? entry->subscriber : 0;
    body.presence = ordo_binary_of_slice(ordo_buffer_slice(&shard->value));
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_PRESENCE;
    message.presence = &body;
    ordo_answer(shard, audience->peer, &message);
}

/* Moves the kept ranges over all ops since; false: those ops are no longer in memory. */
static bool bring_to_head(struct ordo_doc *doc, struct entry *entry) {
    if (entry->base_seq == doc->state.seq || entry->range_count == 0) return true;
    if (!ordo_recent_reaches(&doc->recent, entry->base_seq)) return false;
    const struct ordo_type *type = doc->state.type;
    for (uint64_t seq = entry->base_seq + 1; seq <= doc->state.seq; seq++) {
        struct ordo_recent_op op = ordo_recent_get(&doc->recent, seq);
        bool is_own = ordo_slice_equal(op.client_id, ordo_buffer_slice(&entry->client_id));
        for (size_t i = 0; i < entry->range_count; i++) {
            Ordo__V1__Range *range = &entry->ranges[i];
            bool is_edit = op.kind == ORDO_OP_EDIT; /* else the content is another: its beginning */
            range->anchor = is_edit ? type->position_after(op.op, range->anchor, is_own) : 0;
            range->head = is_edit ? type->position_after(op.op, range->head, is_own) : 0;
        }
    }
    entry->base_seq = doc->state.seq;
    return true;
}

void ordo_presence_greet(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber) {
    if (doc->presence == NULL) return;
    for (struct entry *entry = doc->presence->first; entry != NULL; entry = entry->next) {
        if (entry->peer == NULL) continue;
        if (entry->peer == subscriber->peer && entry->subscriber == subscriber->id) continue;
        if (!bring_to_head(doc, entry)) {
            entry->range_count = 0; /* where it stood is not known any more; who it is, is */
            entry->base_seq = doc->state.seq;
        }
        send(shard, doc, entry, subscriber->audience, subscriber->id);
    }
}

/* Presence is the first to be dropped: an audience whose link is half used up gets none but the ends. */
static bool has_room(const struct ordo_peer *peer) {
    return ordo_link_has_credit(&peer->link, peer->unreleased_size + ORDO_LINK_CREDIT / 2);
}

static void flush(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_presence *presence = doc->presence;
    uint32_t sent_count = presence->changed_count;
    for (struct entry **link = &presence->first; *link != NULL;) {
        struct entry *entry = *link;
        bool is_gone = entry->peer == NULL;
        if (entry->is_changed)
            for (struct ordo_audience *audience = doc->audiences; audience != NULL; audience = audience->next)
                if (audience->presence_count > 0 && (is_gone || has_room(audience->peer)))
                    send(shard, doc, entry, audience, 0);
        entry->is_changed = false;
        if (is_gone) {
            *link = entry->next;
            entry_destroy(entry);
        } else link = &entry->next;
    }
    presence->changed_count = 0;
    uint64_t pause_ms = (uint64_t)sent_count * 1000 / shard->config.presence_rate;
    if (pause_ms < shard->config.presence_tick_ms) pause_ms = shard->config.presence_tick_ms;
    presence->next_tick_ms = shard->now_ms + pause_ms;
}

void ordo_presence_due(struct ordo_shard *shard, struct ordo_doc *doc) {
    struct ordo_presence *presence = doc->presence;
    if (presence == NULL) return;
    for (struct entry *entry = presence->first; entry != NULL; entry = entry->next)
        if (entry->peer != NULL && shard->now_ms >= entry->renewed_ms + shard->config.presence_age_ms)
            end(shard, doc, entry);
    if (presence->changed_count > 0 && shard->now_ms >= presence->next_tick_ms) flush(shard, doc);
    if (presence->first != NULL) return;
    ordo_presence_destroy(presence);
    doc->presence = NULL;
}

uint64_t ordo_presence_next_ms(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    const struct ordo_presence *presence = doc->presence;
    if (presence == NULL) return UINT64_MAX;
    uint64_t next_ms = presence->changed_count > 0 ? presence->next_tick_ms : UINT64_MAX;
    for (const struct entry *entry = presence->first; entry != NULL; entry = entry->next)
        if (entry->peer != NULL && entry->renewed_ms + shard->config.presence_age_ms < next_ms)
            next_ms = entry->renewed_ms + shard->config.presence_age_ms;
    return next_ms;
}
