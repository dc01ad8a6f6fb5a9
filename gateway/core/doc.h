/* gateway/core/doc.h: a document that somebody on this gateway has open, and who: its audience.
 *
 * One commit from the shard becomes one shared payload, queued for every live subscriber: an Ack for its
 * author, in the very place where all others get Committed. A subscriber that a commit does not continue
 * without a gap falls behind and is resynced; nothing is ever passed on over a gap. Ownership: a doc lives as
 * long as its audience. */
#ifndef ORDO_GATEWAY_CORE_DOC_H
#define ORDO_GATEWAY_CORE_DOC_H

#include "gateway/core/state.h"

uint64_t gateway_doc_name_hash(const struct ordo_gateway *gateway, struct ordo_slice collection, struct ordo_slice id);
struct ordo_slice gateway_doc_collection(const struct gateway_doc *doc);
struct ordo_slice gateway_doc_id(const struct gateway_doc *doc);
bool gateway_doc_is_named(const struct gateway_doc *doc, struct ordo_slice collection, struct ordo_slice id);

/* The shard that serves it. */
static inline struct gateway_peer *gateway_doc_peer(const struct gateway_doc *doc) {
    return doc->slot->peer;
}

/* Finds the document or makes it, and adds the subscriber to its audience. */
void gateway_doc_join(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint64_t name_hash,
                      struct ordo_slice collection, struct ordo_slice id);
/* Frees the document with its last subscriber. */
void gateway_doc_leave(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber);

/* The shard's number for the document, told in every Attached. */
void gateway_doc_set_number(struct ordo_gateway *gateway, struct gateway_doc *doc, uint32_t number);
/* The session is over, or the shard does not serve the document any more: the number means nothing. */
void gateway_doc_forget_number(struct gateway_doc *doc);

/* What the shard says about a document by number; numbers that nobody here knows are ignored: all left
 * meanwhile. */
void gateway_doc_commit(struct ordo_gateway *gateway, struct gateway_peer *peer,
                        const Ordo__Cluster__V1__Commit *commit);
void gateway_doc_presence(struct ordo_gateway *gateway, struct gateway_peer *peer,
                          const Ordo__Cluster__V1__Presence *presence);
void gateway_doc_dropped(struct ordo_gateway *gateway, struct gateway_peer *peer, uint32_t number);

#endif
