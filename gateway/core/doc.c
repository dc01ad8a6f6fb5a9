#include "gateway/core/doc.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"
#include "gateway/core/deliver.h"
#include "gateway/core/placement.h"
#include "gateway/core/subscriber.h"

/* Tags of ServerMessage.body. */
enum { COMMITTED_TAG = 5 << 3 | 2, PRESENCE_TAG = 8 << 3 | 2, HEAD_SIZE_MAX = 11 };

uint64_t gateway_doc_name_hash(const struct ordo_gateway *gateway, struct ordo_slice collection, struct ordo_slice id) {
    return ordo_hash_with(ordo_hash_with(gateway->hash_seed, collection), id);
}

struct ordo_slice gateway_doc_collection(const struct gateway_doc *doc) {
    return ordo_slice(doc->name, doc->collection_size);
}

struct ordo_slice gateway_doc_id(const struct gateway_doc *doc) {
    return ordo_slice(doc->name + doc->collection_size, doc->id_size);
}

bool gateway_doc_is_named(const struct gateway_doc *doc, struct ordo_slice collection, struct ordo_slice id) {
    return ordo_slice_equal(gateway_doc_collection(doc), collection) &&
           ordo_slice_equal(gateway_doc_id(doc), id);
}

static struct gateway_doc *doc_of_node(struct gateway_table_node *node) {
    return GATEWAY_LIST_ITEM(node, struct gateway_doc, by_name);
}

static struct gateway_doc *doc_find(struct ordo_gateway *gateway, uint64_t name_hash,
                                    struct ordo_slice collection, struct ordo_slice id) {
    struct gateway_table_node *node = gateway_table_find(&gateway->docs, name_hash);
    while (node != NULL && !gateway_doc_is_named(doc_of_node(node), collection, id))
        node = gateway_table_find_next(node);
    return node ? doc_of_node(node) : NULL;
}

static struct gateway_doc *doc_create(struct ordo_gateway *gateway, uint64_t name_hash,
                                      struct ordo_slice collection, struct ordo_slice id) {
    ORDO_ASSERT(collection.size <= ORDO_NAME_SIZE_MAX && id.size <= ORDO_NAME_SIZE_MAX);
    struct gateway_doc *doc = ordo_alloc(sizeof *doc + collection.size + id.size);
    doc->collection_size = (uint8_t)collection.size;
    doc->id_size = (uint8_t)id.size;
    memcpy(doc->name, collection.data, collection.size);
    memcpy(doc->name + collection.size, id.data, id.size);
    doc->slot = gateway_placement_slot(gateway, collection, id);
    gateway_list_init(&doc->audience);
    gateway_list_init(&doc->in_slot);
    gateway_list_append(&doc->slot->docs, &doc->in_slot);
    gateway_table_insert(&gateway->docs, &doc->by_name, name_hash);
    gateway->stats.documents++;
    return doc;
}

void gateway_doc_join(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint64_t name_hash,
                      struct ordo_slice collection, struct ordo_slice id) {
    struct gateway_doc *doc = doc_find(gateway, name_hash, collection, id);
    if (doc == NULL) doc = doc_create(gateway, name_hash, collection, id);
    subscriber->doc = doc;
    gateway_list_append(&doc->audience, &subscriber->in_audience);
}

void gateway_doc_leave(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    struct gateway_doc *doc = subscriber->doc;
    gateway_list_remove(&subscriber->in_audience);
    subscriber->doc = NULL;
    if (!gateway_list_is_empty(&doc->audience)) return;
    gateway_doc_forget_number(doc);
    gateway_list_remove(&doc->in_slot);
    gateway_table_remove(&gateway->docs, &doc->by_name);
    gateway->stats.documents--;
    free(doc);
}

static struct gateway_doc *doc_by_number(const struct gateway_peer *peer, uint32_t number) {
    struct gateway_table_node *node = gateway_table_find(&peer->docs_by_number, number);
    return node ? GATEWAY_LIST_ITEM(node, struct gateway_doc, by_number) : NULL;
}

void gateway_doc_forget_number(struct gateway_doc *doc) {
    if (!doc->is_numbered) return;
    gateway_table_remove(&gateway_doc_peer(doc)->docs_by_number, &doc->by_number);
    doc->is_numbered = false;
}

static void audience_fell_behind(struct ordo_gateway *gateway, struct gateway_doc *doc) {
    GATEWAY_LIST_EACH(&doc->audience, link) {
        gateway_subscriber_fell_behind(gateway,
                                       GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_audience));
    }
}

void gateway_doc_set_number(struct ordo_gateway *gateway, struct gateway_doc *doc, uint32_t number) {
    if (doc->is_numbered && doc->number == number) return;
    gateway_doc_forget_number(doc);
    struct gateway_doc *other = doc_by_number(gateway_doc_peer(doc), number);
    if (other != NULL) { /* the number moved on: what the other one's audience missed is unknown */
        gateway_doc_forget_number(other);
        audience_fell_behind(gateway, other);
    }
    doc->is_numbered = true;
    doc->number = number;
    gateway_table_insert(&gateway_doc_peer(doc)->docs_by_number, &doc->by_number, number);
}

static struct gateway_payload *payload_with_tag(uint8_t tag, ProtobufCBinaryData body) {
    uint8_t head[HEAD_SIZE_MAX], *end = head;
    *end++ = tag;
    uint64_t size = body.len;
    for (; size >= 0x80; size >>= 7) *end++ = (uint8_t)(size | 0x80);
    *end++ = (uint8_t)size;
    return gateway_payload_create(ordo_slice(head, (size_t)(end - head)), ordo_slice_of_binary(body));
}

void gateway_doc_commit(struct ordo_gateway *gateway, struct gateway_peer *peer,
                        const Ordo__Cluster__V1__Commit *commit) {
    gateway->stats.commits_received++;
    struct gateway_doc *doc = doc_by_number(peer, commit->doc);
    if (doc == NULL) return;
    struct gateway_payload *payload = payload_with_tag(COMMITTED_TAG, commit->committed);
    payload->seq = commit->seq;
    payload->client_seq = commit->client_seq;
    payload->timestamp_ms = commit->timestamp_ms;
    payload->received_us = gateway->now_us;
    payload->lineage = commit->lineage;
    GATEWAY_LIST_EACH(&doc->audience, link) {
        gateway_deliver_commit(gateway, GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_audience),
                               payload, commit->author);
    }
    gateway_payload_release(payload);
}

void gateway_doc_presence(struct ordo_gateway *gateway, struct gateway_peer *peer,
                          const Ordo__Cluster__V1__Presence *presence) {
    struct gateway_doc *doc = doc_by_number(peer, presence->doc);
    if (doc == NULL) return;
    struct gateway_payload *payload = payload_with_tag(PRESENCE_TAG, presence->presence);
    GATEWAY_LIST_EACH(&doc->audience, link) {
        struct gateway_subscriber *subscriber =
            GATEWAY_LIST_ITEM(link, struct gateway_subscriber, in_audience);
        uint64_t id = subscriber->by_id.key;
        if (presence->only != 0 ? id == presence->only : id != presence->except)
            gateway_deliver_presence(gateway, subscriber, payload);
    }
    gateway_payload_release(payload);
}

void gateway_doc_dropped(struct ordo_gateway *gateway, struct gateway_peer *peer, uint32_t number) {
    struct gateway_doc *doc = doc_by_number(peer, number);
    if (doc != NULL) audience_fell_behind(gateway, doc);
}
