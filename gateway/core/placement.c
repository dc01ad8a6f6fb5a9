#include "gateway/core/placement.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"
#include "gateway/core/doc.h"
#include "gateway/core/peer.h"
#include "gateway/core/subscriber.h"

/* ---- peers */

static struct gateway_peer *peer_add(struct ordo_gateway *gateway, struct ordo_store_id expected) {
    uint32_t index = 0;
    while (index < gateway->peer_capacity && gateway->peers[index] != NULL) index++;
    if (index == gateway->peer_capacity) {
        gateway->peers = ordo_realloc(gateway->peers, (index + 1) * sizeof *gateway->peers);
        gateway->peer_capacity++;
    }
    gateway->peers[index] = gateway_peer_create(index, expected);
    gateway->stats.links++;
    return gateway->peers[index];
}

struct gateway_peer *gateway_placement_peer(const struct ordo_gateway *gateway, uint32_t index) {
    return index < gateway->peer_capacity ? gateway->peers[index] : NULL;
}

static struct gateway_peer *peer_of_store(struct ordo_gateway *gateway, struct ordo_store_id store) {
    if (ordo_store_id_is_none(&store)) return gateway->nobody;
    for (uint32_t i = 0; i < gateway->peer_capacity; i++) {
        struct gateway_peer *peer = gateway->peers[i];
        if (peer != NULL && ordo_store_id_equal(&peer->expected, &store)) return peer;
    }
    return peer_add(gateway, store);
}

void gateway_placement_tick(struct ordo_gateway *gateway) {
    gateway_subscriber_tell_outages(gateway, gateway->nobody);
    for (uint32_t i = 0; i < gateway->peer_capacity; i++) {
        struct gateway_peer *peer = gateway->peers[i];
        if (peer == NULL || !gateway_peer_is_spare(peer, gateway->now_ms)) continue;
        if (peer->state == GATEWAY_PEER_READY) gateway->stats.links_ready--;
        gateway->stats.links--;
        gateway->peers[i] = NULL;
        gateway_peer_destroy(peer);
        ordo_gateway_push_effect(gateway,
                                 (struct ordo_gateway_effect){.kind = ORDO_GATEWAY_LINK_CLOSE, .peer = i});
    }
}

/* ---- slots */

void gateway_placement_init(struct ordo_gateway *gateway) {
    gateway->nobody = gateway_peer_create(UINT32_MAX, (struct ordo_store_id){0});
    struct gateway_peer *peer = gateway->nobody;
    if (!gateway->config.has_directory) peer = peer_add(gateway, (struct ordo_store_id){0});
    gateway->is_placed = !gateway->config.has_directory;
    gateway->slots = ordo_alloc_array(ORDO_SLOT_COUNT, sizeof *gateway->slots);
    for (uint32_t i = 0; i < ORDO_SLOT_COUNT; i++) {
        gateway_list_init(&gateway->slots[i].docs);
        gateway->slots[i].peer = peer;
        peer->slot_count++;
    }
    gateway->stats.slots_unowned = gateway->nobody->slot_count;
}

void gateway_placement_finish(struct ordo_gateway *gateway) {
    for (uint32_t i = 0; i < gateway->peer_capacity; i++)
        if (gateway->peers[i] != NULL) gateway_peer_destroy(gateway->peers[i]);
    gateway_peer_destroy(gateway->nobody);
    free(gateway->peers);
    free(gateway->slots);
}

struct gateway_slot *gateway_placement_slot(struct ordo_gateway *gateway, struct ordo_slice collection,
                                            struct ordo_slice id) {
    return &gateway->slots[ordo_slot_of(collection, id)];
}

static void docs_leave(struct ordo_gateway *gateway, struct gateway_slot *slot, bool skips_resting) {
    GATEWAY_LIST_EACH(&slot->docs, doc_link) {
        struct gateway_doc *doc = GATEWAY_LIST_ITEM(doc_link, struct gateway_doc, in_slot);
        gateway_doc_forget_number(doc);
        GATEWAY_LIST_EACH(&doc->audience, link) {
            struct gateway_subscriber *subscriber =
                GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_audience);
            if (skips_resting && subscriber->attach == GATEWAY_ATTACH_RESTING) continue;
            gateway_subscriber_leave_shard(gateway, subscriber);
        }
    }
}

static void docs_join(struct ordo_gateway *gateway, struct gateway_slot *slot, bool rests) {
    GATEWAY_LIST_EACH(&slot->docs, doc_link) {
        struct gateway_doc *doc = GATEWAY_LIST_ITEM(doc_link, struct gateway_doc, in_slot);
        GATEWAY_LIST_EACH(&doc->audience, link) {
            gateway_subscriber_join_shard(
                gateway, GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_audience), rests);
        }
    }
}

static void route(struct ordo_gateway *gateway, struct gateway_slot *slot, struct gateway_peer *peer) {
    if (--slot->peer->slot_count == 0) slot->peer->spare_since_ms = gateway->now_ms;
    slot->peer = peer;
    peer->slot_count++;
    gateway->stats.slots_moved++;
    gateway->stats.slots_unowned = gateway->nobody->slot_count;
}

/* True: it is news, whether or not it names another shard than before. A slot whose owner nobody could name
 * is news with its old epoch as soon as somebody can. */
static bool is_news(const struct ordo_gateway *gateway, const struct gateway_slot *slot,
                    const struct ordo_slot_place *place) {
    if (place->epoch != slot->epoch) return place->epoch > slot->epoch;
    return slot->peer == gateway->nobody && place->epoch > 0;
}

static void move_to(struct ordo_gateway *gateway, struct gateway_slot *slot, struct gateway_peer *peer,
                    bool rests) {
    docs_leave(gateway, slot, slot->peer == peer);
    if (slot->peer != peer) route(gateway, slot, peer);
    docs_join(gateway, slot, rests);
}

void gateway_placement_take(struct ordo_gateway *gateway, const struct ordo_placement *placement) {
    ORDO_ASSERT(gateway->config.has_directory);
    gateway->is_placed = true;
    for (uint32_t i = 0; i < ORDO_SLOT_COUNT; i++) {
        struct gateway_slot *slot = &gateway->slots[i];
        const struct ordo_slot_place *place = &placement->slots[i];
        if (!is_news(gateway, slot, place)) continue;
        slot->epoch = place->epoch;
        struct gateway_peer *peer = peer_of_store(gateway, place->store);
        /* It may have been away and come back: then the shard's own NotOwner, which is on its way, tells us
         * to attach anew. */
        if (peer != slot->peer) move_to(gateway, slot, peer, false);
    }
}

void gateway_placement_not_owner(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                                 const Ordo__Cluster__V1__NotOwner *from) {
    gateway->stats.not_owners++;
    if (from->slot >= ORDO_SLOT_COUNT) return;
    struct gateway_slot *slot = &gateway->slots[from->slot];
    struct ordo_slot_place place = {.epoch = from->epoch};
    bool names_owner = gateway->config.has_directory && from->store.len == sizeof place.store.bytes;
    if (names_owner) memcpy(place.store.bytes, from->store.data, sizeof place.store.bytes);
    bool has_news = !ordo_store_id_is_none(&place.store) && is_news(gateway, slot, &place);
    /* Not news, but nobody of ours is attached there any more. */
    if (!has_news && slot->peer != peer) return;
    bool is_hasty = slot->told_ms != 0 && gateway->now_ms < slot->told_ms + GATEWAY_REST_MS;
    slot->told_ms = gateway->now_ms;
    if (has_news) slot->epoch = place.epoch;
    move_to(gateway, slot, has_news ? peer_of_store(gateway, place.store) : slot->peer,
            !has_news || is_hasty);
}
