#include "gateway/core/subscriber.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "gateway/core/admit.h"
#include "gateway/core/answer.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/note.h"
#include "gateway/core/parts.h"
#include "gateway/core/peer.h"
#include "gateway/core/resync.h"

/* In a tick, of one shard. A message costs some 20 µs; told all at once, tens of thousands would keep the gateway from hearing
 * that the shard is there again. */
enum { OUTAGES_TOLD_MAX = 256 };

static const uint32_t subscriber_moves[] = {
    [GATEWAY_SUBSCRIBER_OPENING] = 1u << GATEWAY_SUBSCRIBER_STREAMING | 1u << GATEWAY_SUBSCRIBER_LIVE,
    [GATEWAY_SUBSCRIBER_STREAMING] = 1u << GATEWAY_SUBSCRIBER_LIVE | 1u << GATEWAY_SUBSCRIBER_FINISHING,
    [GATEWAY_SUBSCRIBER_FINISHING] = 1u << GATEWAY_SUBSCRIBER_CUT,
    [GATEWAY_SUBSCRIBER_LIVE] = 1u << GATEWAY_SUBSCRIBER_BEHIND | 1u << GATEWAY_SUBSCRIBER_CUT,
    [GATEWAY_SUBSCRIBER_BEHIND] =
        1u << GATEWAY_SUBSCRIBER_STREAMING | 1u << GATEWAY_SUBSCRIBER_LIVE | 1u << GATEWAY_SUBSCRIBER_CUT,
    [GATEWAY_SUBSCRIBER_CUT] = 1u << GATEWAY_SUBSCRIBER_STREAMING | 1u << GATEWAY_SUBSCRIBER_LIVE,
};

static void subscriber_move(struct gateway_subscriber *subscriber, enum gateway_subscriber_state next) {
    ORDO_ASSERT(subscriber_moves[subscriber->state] & 1u << next);
    subscriber->state = next;
    gateway_list_remove(&subscriber->in_opening);
}

struct gateway_subscriber *gateway_subscriber_find(struct ordo_gateway *gateway,
                                                   const struct gateway_peer *peer, uint64_t id) {
    struct gateway_table_node *node = gateway_table_find(&gateway->subscribers, id);
    if (node == NULL) return NULL;
    struct gateway_subscriber *subscriber = GATEWAY_LIST_ITEM(node, struct gateway_subscriber, by_id);
    return gateway_doc_peer(subscriber->doc) == peer ? subscriber : NULL;
}

/* ---- opening and ending */

static void encode_first_attach(struct gateway_subscriber *subscriber, const Ordo__V1__Open *open) {
    const struct gateway_conn *conn = subscriber->conn;
    Ordo__Cluster__V1__Attach attach = ORDO__CLUSTER__V1__ATTACH__INIT;
    attach.collection = open->collection;
    attach.id = open->id;
    attach.client_id = ordo_binary_of_slice(ordo_slice(conn->client_id, sizeof conn->client_id));
    attach.user = ordo_binary_of_slice(ordo_buffer_slice(&conn->token.user));
    attach.permission = subscriber->access;
    attach.has_have = open->have_case == ORDO__V1__OPEN__HAVE_HAVE_SEQ;
    attach.have_seq = attach.has_have ? open->have_seq : 0;
    attach.have_lineage = open->have_lineage;
    /* Who may only read creates nothing. */
    if (subscriber->access >= ORDO_ACCESS_WRITE && !attach.has_have) {
        attach.create_type = open->create_type;
        attach.has_create_content = open->create_type.len > 0 && open->create_content.len > 0;
        if (attach.has_create_content) attach.create_content = open->create_content;
    }
    attach.presence = open->presence;
    attach.clean = open->clean;
    attach.bare = open->bare;
    ordo_message_encode(&attach.base, &subscriber->opening);
}

void gateway_subscriber_open(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t request,
                             const Ordo__V1__Open *open, uint64_t name_hash, enum ordo_access access) {
    struct ordo_slice collection = ordo_slice_of_binary(open->collection),
                      id = ordo_slice_of_binary(open->id);
    struct gateway_subscriber *subscriber = ordo_alloc(sizeof *subscriber);
    subscriber->conn = conn;
    subscriber->request = request;
    subscriber->access = (uint8_t)access;
    subscriber->wants_presence = open->presence && !open->bare;
    subscriber->is_bare = open->bare;
    subscriber->is_urgent = true; /* somebody waits for Opened */
    subscriber->due_ms = gateway->now_ms + gateway->config.open_timeout_ms;
    subscriber->opened_us = gateway->now_us;
    gateway_list_init(&subscriber->in_audience);
    gateway_list_init(&subscriber->in_attach);
    gateway_list_init(&subscriber->in_opening);
    gateway_list_init(&subscriber->in_untold);
    gateway_list_append(&gateway->opening, &subscriber->in_opening);
    gateway_table_insert(&gateway->subscribers, &subscriber->by_id, ++gateway->subscriber_newest);
    gateway_doc_join(gateway, subscriber, name_hash, collection, id);
    gateway_conn_add_subscriber(conn, subscriber, name_hash);
    encode_first_attach(subscriber, open);
    conn->opening_size += subscriber->opening.size;
    gateway->stats.subscribers++;
    gateway->stats.opens++;
    gateway_resync_want(gateway, subscriber);
}

/* Opened came, or never will: the Attach need not be kept any more. */
static void forget_opening(struct gateway_subscriber *subscriber) {
    subscriber->conn->opening_size -= subscriber->opening.size;
    ordo_buffer_finish(&subscriber->opening);
}

bool gateway_subscriber_is_attached(const struct gateway_subscriber *subscriber) {
    if (gateway_doc_peer(subscriber->doc)->state != GATEWAY_PEER_READY) return false;
    return subscriber->state == GATEWAY_SUBSCRIBER_LIVE ||
           subscriber->state == GATEWAY_SUBSCRIBER_STREAMING ||
           subscriber->state == GATEWAY_SUBSCRIBER_BEHIND;
}

/* Whether the shard has, or may soon have, this subscriber in the present session. */
static bool is_known_to_shard(const struct gateway_subscriber *subscriber) {
    return subscriber->attach == GATEWAY_ATTACH_SENT || gateway_subscriber_is_attached(subscriber);
}

static void gather_detach(struct ordo_gateway *gateway, struct gateway_peer *peer, uint64_t id) {
    Ordo__Cluster__V1__Detach detach = ORDO__CLUSTER__V1__DETACH__INIT;
    detach.subscriber = id;
    Ordo__Cluster__V1__ToShard message = ORDO__CLUSTER__V1__TO_SHARD__INIT;
    message.body_case = ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH;
    message.detach = &detach;
    gateway_peer_gather(gateway, peer, &message);
}

static void subscriber_free(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    gateway_resync_forget(gateway, subscriber);
    gateway_list_remove(&subscriber->in_opening);
    gateway_list_remove(&subscriber->in_untold);
    GATEWAY_LIST_EACH(&subscriber->conn->streams, link) {
        if (gateway_stream_has_handle(gateway_stream_of(link), subscriber->handle))
            gateway_stream_destroy(gateway, gateway_stream_of(link));
    }
    gateway_conn_fail_waits(gateway, subscriber->conn, subscriber->handle);
    forget_opening(subscriber);
    gateway_conn_remove_subscriber(subscriber->conn, subscriber);
    gateway_doc_leave(gateway, subscriber);
    gateway_table_remove(&gateway->subscribers, &subscriber->by_id);
    gateway->stats.subscribers--;
    free(subscriber);
}

void gateway_subscriber_end(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    if (is_known_to_shard(subscriber))
        gather_detach(gateway, gateway_doc_peer(subscriber->doc), subscriber->by_id.key);
    subscriber_free(gateway, subscriber);
}

/* The client must not hang: it learns that the document is closed, and that an op of it has an unknown fate.
 */
static void end_with_error(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber, uint32_t code,
                           struct ordo_slice text) {
    struct gateway_conn *conn = subscriber->conn;
    if (subscriber->state == GATEWAY_SUBSCRIBER_OPENING) {
        gateway_answer_error(gateway, conn, subscriber->request, 0, code, text);
        return;
    }
    if (subscriber->unanswered_seq != 0) {
        Ordo__V1__Nack nack = ORDO__V1__NACK__INIT;
        nack.client_seq = subscriber->unanswered_seq;
        nack.code = ORDO__V1__NACK_CODE__UNAVAILABLE;
        gateway_answer_nack(gateway, conn, 0, subscriber->handle, nack,
                            "the document was closed; open it and send again");
    }
    gateway_answer_error(gateway, conn, 0, subscriber->handle, code, text);
}

enum { ATTACH_PERMISSION = 6 }; /* the field */

void gateway_subscriber_set_access(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                   enum ordo_access access) {
    if (subscriber->access == access) return;
    subscriber->access = (uint8_t)access;
    if (access == ORDO_ACCESS_NONE) {
        end_with_error(gateway, subscriber, 403, ordo_slice_of("the new token gives no access to this document"));
        gateway_subscriber_end(gateway, subscriber);
        return;
    }
    if (subscriber->state != GATEWAY_SUBSCRIBER_OPENING) {
        gateway_subscriber_fell_behind(gateway, subscriber);
        return;
    }
    /* Not sent yet: of two fields with one number the later one counts. Sent: the answer is followed by another. */
    subscriber->conn->opening_size -= subscriber->opening.size;
    ordo_field_append_varint(&subscriber->opening, ATTACH_PERMISSION, access);
    subscriber->conn->opening_size += subscriber->opening.size;
}

void gateway_subscriber_tick(struct ordo_gateway *gateway) {
    while (!gateway_list_is_empty(&gateway->opening)) {
        struct gateway_subscriber *subscriber =
            GATEWAY_LIST_ITEM(gateway->opening.next, struct gateway_subscriber, in_opening);
        if (gateway->now_ms < subscriber->due_ms) return;
        bool is_answered_soon =
            gateway_doc_peer(subscriber->doc)->state == GATEWAY_PEER_READY && !subscriber->is_turned_away;
        if (is_answered_soon) { /* its turn comes, or the shard is at work on it */
            subscriber->due_ms = gateway->now_ms + gateway->config.open_timeout_ms;
            gateway_list_append(&gateway->opening, &subscriber->in_opening);
            continue;
        }
        end_with_error(gateway, subscriber, 503,
                       ordo_slice_of("the shard of this document is away; open it again later"));
        gateway_subscriber_end(gateway, subscriber);
    }
}

/* ---- from the shard */

static bool speaks_type(const struct gateway_subscriber *subscriber, ProtobufCBinaryData type) {
    return gateway_admit_type(ordo_buffer_slice(&subscriber->conn->types), ordo_slice_of_binary(type));
}

void gateway_subscriber_attached(struct ordo_gateway *gateway, struct gateway_peer *peer,
                                 const Ordo__Cluster__V1__Attached *attached) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, attached->subscriber);
    bool is_wanted = subscriber != NULL && subscriber->attach == GATEWAY_ATTACH_SENT;
    if (is_wanted && !speaks_type(subscriber, attached->type)) {
        end_with_error(gateway, subscriber, 415,
                       ordo_slice_of("this client does not speak the document's type"));
        gateway_subscriber_end(gateway, subscriber);
        is_wanted = false;
    }
    if (!is_wanted) { /* it left meanwhile */
        gateway_stream_release_bulks(peer, attached->content, attached->ops);
        return;
    }
    gateway_doc_set_number(gateway, subscriber->doc, attached->doc);
    if (subscriber->knows_outage) gateway_answer_status(gateway, subscriber, true);
    subscriber->knows_outage = false;
    gateway_list_remove(&subscriber->in_untold);
    subscriber->lineage = attached->lineage;
    subscriber->queued_seq = subscriber->sent_seq = attached->head;
    if (attached->last_client_seq >= subscriber->unanswered_seq) subscriber->unanswered_seq = 0;
    if (attached->last_client_seq >= subscriber->timed_seq) subscriber->timed_seq = 0;
    forget_opening(subscriber);
    if (subscriber->state == GATEWAY_SUBSCRIBER_OPENING)
        ordo_buckets_add(&gateway->stats.open_us, gateway->now_us - subscriber->opened_us, 1);
    subscriber_move(subscriber, GATEWAY_SUBSCRIBER_STREAMING);
    gateway_note(gateway, subscriber->conn, subscriber->handle, subscriber->request != 0 ? "opened" : "resynced",
                 "server_seq=%llu", (unsigned long long)attached->head);
    gateway_resync_answered(subscriber, true);
    gateway_stream_start_opened(gateway, subscriber, attached);
    if (subscriber->told_access != subscriber->access) /* it changed while the shard was at it */
        gateway_subscriber_fell_behind(gateway, subscriber);
}

void gateway_subscriber_streamed(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                 bool is_complete) {
    subscriber->stream = NULL;
    subscriber->request = 0;
    bool is_finishing = subscriber->state == GATEWAY_SUBSCRIBER_FINISHING;
    subscriber_move(subscriber, is_finishing ? GATEWAY_SUBSCRIBER_CUT : GATEWAY_SUBSCRIBER_LIVE);
    gateway_resync_let_conn(gateway, subscriber->conn);
    if (is_finishing) {
        gateway_subscriber_join_shard(gateway, subscriber, false);
        return;
    }
    if (!is_complete) gateway_subscriber_fell_behind(gateway, subscriber);
}

static void tell_outage(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    gateway_list_remove(&subscriber->in_untold);
    if (!subscriber->knows_outage) gateway_answer_status(gateway, subscriber, false);
    subscriber->knows_outage = true;
}

void gateway_subscriber_tell_outages(struct ordo_gateway *gateway, struct gateway_peer *peer) {
    if (peer->state == GATEWAY_PEER_READY) return; /* what is worth telling now is Opened */
    for (int i = 0; i < OUTAGES_TOLD_MAX && !gateway_list_is_empty(&peer->untold); i++)
        tell_outage(gateway, GATEWAY_LIST_ITEM(peer->untold.next, struct gateway_subscriber, in_untold));
}

void gateway_subscriber_refused(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                                const Ordo__Cluster__V1__Refused *refused) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, refused->subscriber);
    if (subscriber == NULL) return;
    bool is_attaching = subscriber->attach == GATEWAY_ATTACH_SENT && refused->code == 503;
    bool is_resync =
        subscriber->state == GATEWAY_SUBSCRIBER_BEHIND || subscriber->state == GATEWAY_SUBSCRIBER_CUT;
    if (is_attaching && is_resync) {
        if (subscriber->state == GATEWAY_SUBSCRIBER_BEHIND)
            subscriber_move(subscriber, GATEWAY_SUBSCRIBER_CUT);
        tell_outage(gateway, subscriber);
        gateway_resync_rest(gateway, subscriber);
        return;
    }
    end_with_error(gateway, subscriber, refused->code, ordo_slice_of_binary(refused->message));
    subscriber_free(gateway, subscriber);
}

void gateway_subscriber_reattach(struct ordo_gateway *gateway, const struct gateway_peer *peer,
                                 const Ordo__Cluster__V1__Reattach *reattach) {
    struct gateway_subscriber *subscriber = gateway_subscriber_find(gateway, peer, reattach->subscriber);
    if (subscriber != NULL) gateway_subscriber_fell_behind(gateway, subscriber);
}

/* ---- losing the thread */

void gateway_subscriber_fell_behind(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    switch (subscriber->state) {
    case GATEWAY_SUBSCRIBER_LIVE:
        subscriber_move(subscriber, GATEWAY_SUBSCRIBER_BEHIND);
        gateway_resync_want(gateway, subscriber);
        return;
    case GATEWAY_SUBSCRIBER_STREAMING: /* the parts go on, they are never dropped; then comes another Opened
                                        */
        gateway_stream_set_incomplete(subscriber->stream);
        return;
    case GATEWAY_SUBSCRIBER_OPENING:
    case GATEWAY_SUBSCRIBER_BEHIND:
    case GATEWAY_SUBSCRIBER_FINISHING:
    case GATEWAY_SUBSCRIBER_CUT: return;
    }
}

void gateway_subscriber_join_shard(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                   bool rests) {
    gateway_list_remove(&subscriber->in_untold); /* of another shard, perhaps */
    if (subscriber->conn->state == GATEWAY_CONN_CLOSING) return;
    struct gateway_peer *peer = gateway_doc_peer(subscriber->doc);
    /* With another shard at hand it takes no time worth telling. */
    bool is_away = peer->state != GATEWAY_PEER_READY;
    if (is_away && subscriber->state == GATEWAY_SUBSCRIBER_CUT && !subscriber->knows_outage)
        gateway_list_append(&peer->untold, &subscriber->in_untold);
    gateway_conn_fail_waits(gateway, subscriber->conn, subscriber->handle);
    if (subscriber->state == GATEWAY_SUBSCRIBER_FINISHING) return;
    subscriber->is_turned_away = rests;
    if (subscriber->unanswered_seq != 0 || subscriber->state == GATEWAY_SUBSCRIBER_OPENING)
        gateway_resync_hurry(subscriber);
    if (rests && subscriber->attach == GATEWAY_ATTACH_IDLE)
        gateway_resync_rest(gateway, subscriber);
    else
        gateway_resync_want(gateway, subscriber);
}

void gateway_subscriber_cut(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    if (subscriber->attach == GATEWAY_ATTACH_SENT) gateway_resync_answered(subscriber, false);
    if (subscriber->state == GATEWAY_SUBSCRIBER_LIVE || subscriber->state == GATEWAY_SUBSCRIBER_BEHIND)
        subscriber_move(subscriber, GATEWAY_SUBSCRIBER_CUT);
    gateway_subscriber_join_shard(gateway, subscriber, false);
}

/* Another id, so that whatever the shard still says to the old one goes nowhere. */
static void draw_id(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    gateway_table_remove(&gateway->subscribers, &subscriber->by_id);
    gateway_table_insert(&gateway->subscribers, &subscriber->by_id, ++gateway->subscriber_newest);
}

void gateway_subscriber_leave_shard(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber) {
    if (is_known_to_shard(subscriber)) {
        gather_detach(gateway, gateway_doc_peer(subscriber->doc), subscriber->by_id.key);
        draw_id(gateway, subscriber);
    }
    gateway_resync_withdraw(subscriber);
    switch (subscriber->state) {
    case GATEWAY_SUBSCRIBER_LIVE:
    case GATEWAY_SUBSCRIBER_BEHIND: subscriber_move(subscriber, GATEWAY_SUBSCRIBER_CUT); break;
    case GATEWAY_SUBSCRIBER_STREAMING: /* the old shard still has what the parts are made of */
        gateway_stream_set_incomplete(subscriber->stream);
        subscriber_move(subscriber, GATEWAY_SUBSCRIBER_FINISHING);
        break;
    case GATEWAY_SUBSCRIBER_OPENING:
    case GATEWAY_SUBSCRIBER_FINISHING:
    case GATEWAY_SUBSCRIBER_CUT: break;
    }
}
