/* Subscribers and audiences: who has a document open, on which gateway, and since when it gets commits. */
#include <stdlib.h>

#include "common/memory.h"
#include "shard/core/state.h"

static struct ordo_audience *audience_get(struct ordo_doc *doc, struct ordo_peer *peer) {
    for (struct ordo_audience *audience = doc->audiences; audience != NULL; audience = audience->next)
        if (audience->peer == peer) return audience;
    struct ordo_audience *audience = ordo_alloc(sizeof *audience);
    audience->doc = doc;
    audience->peer = peer;
    audience->next = doc->audiences;
    doc->audiences = audience;
    return audience;
}

static void audience_destroy(struct ordo_audience *audience) {
    ordo_audience_leave_starved(audience);
    for (struct ordo_audience **link = &audience->doc->audiences; *link != NULL; link = &(*link)->next) {
        if (*link != audience) continue;
        *link = audience->next;
        break;
    }
    free(audience);
}

void ordo_subscriber_move(struct ordo_subscriber *subscriber, enum ordo_subscriber_state next) {
    struct ordo_audience *audience = subscriber->audience;
    if (subscriber->state == ORDO_SUBSCRIBER_ATTACHED) {
        audience->attached_count--;
        audience->presence_count -= subscriber->wants_presence;
    }
    if (next == ORDO_SUBSCRIBER_ATTACHED) {
        audience->attached_count++;
        audience->presence_count += subscriber->wants_presence;
    }
    subscriber->state = next;
}

void ordo_subscriber_unpark(struct ordo_subscriber *subscriber) {
    if (subscriber->state != ORDO_SUBSCRIBER_OPENING) return;
    struct ordo_doc *doc = subscriber->audience->doc;
    for (struct ordo_subscriber **link = &doc->parked; *link != NULL; link = &(*link)->next_parked) {
        if (*link != subscriber) continue;
        *link = subscriber->next_parked;
        break;
    }
    subscriber->next_parked = NULL;
    subscriber->job = NULL;
}

void ordo_subscriber_park(struct ordo_subscriber *subscriber, struct ordo_job *job) {
    struct ordo_doc *doc = subscriber->audience->doc;
    ordo_subscriber_move(subscriber, ORDO_SUBSCRIBER_OPENING);
    subscriber->job = job;
    subscriber->next_parked = doc->parked;
    doc->parked = subscriber;
}

static void release_author(struct ordo_subscriber *subscriber) {
    struct ordo_author *author = subscriber->author;
    if (author == NULL) return;
    subscriber->author = NULL;
    if (author->holder == subscriber) author->holder = NULL;
    author->pin_count--;
    ordo_authors_let_go(&subscriber->audience->doc->authors, author);
}

struct ordo_subscriber *ordo_subscriber_create(struct ordo_shard *shard, struct ordo_peer *peer, struct ordo_doc *doc,
                                               uint64_t id, struct ordo_slice user) {
    struct ordo_subscriber *subscriber = ordo_alloc(sizeof *subscriber + user.size);
    subscriber->id = id;
    subscriber->peer = peer;
    subscriber->audience = audience_get(doc, peer);
    subscriber->user_size = (uint8_t)user.size;
    if (user.size > 0) memcpy(subscriber->user, user.data, user.size);
    struct ordo_audience *audience = subscriber->audience;
    subscriber->next = audience->first;
    subscriber->link = &audience->first;
    if (subscriber->next != NULL) subscriber->next->link = &subscriber->next;
    audience->first = subscriber;
    audience->count++;
    ordo_table_insert(&peer->subscribers, ordo_table_hash_id(id), subscriber);
    shard->stats.subscribers++;
    return subscriber;
}

void ordo_subscriber_destroy(struct ordo_shard *shard, struct ordo_subscriber *subscriber) {
    struct ordo_audience *audience = subscriber->audience;
    struct ordo_doc *doc = audience->doc;
    ordo_presence_end(shard, subscriber);
    ordo_writers_leave(shard, subscriber);
    ordo_subscriber_unpark(subscriber);
    ordo_doc_forget_inputs(doc, subscriber);
    ordo_subscriber_move(subscriber, ORDO_SUBSCRIBER_STALE);
    release_author(subscriber);
    *subscriber->link = subscriber->next;
    if (subscriber->next != NULL) subscriber->next->link = subscriber->link;
    ordo_table_remove(&subscriber->peer->subscribers, ordo_table_hash_id(subscriber->id), subscriber);
    free(subscriber);
    shard->stats.subscribers--;
    if (--audience->count > 0) return;
    audience_destroy(audience);
    if (doc->audiences == NULL && !doc->is_loading) {
        doc->empty_ms = shard->now_ms;
        ordo_doc_set_timer(shard, doc);
    }
}

void ordo_subscriber_refuse(struct ordo_shard *shard, struct ordo_subscriber *subscriber, uint32_t code,
                            const char *text, uint32_t retry_after_ms) {
    ordo_answer_refused(shard, subscriber->peer, subscriber->id, code, text, retry_after_ms);
    ordo_subscriber_destroy(shard, subscriber);
}

struct ordo_subscriber *ordo_subscriber_next_parked(struct ordo_doc *doc, const struct ordo_job *job) {
    for (struct ordo_subscriber *subscriber = doc->parked; subscriber != NULL; subscriber = subscriber->next_parked) {
        if (subscriber->job != job) continue;
        ordo_subscriber_unpark(subscriber);
        return subscriber;
    }
    return NULL;
}
