#include "gateway/core/deliver.h"

#include "gateway/core/conn.h"
#include "gateway/core/note.h"
#include "gateway/core/parts.h"
#include "gateway/core/subscriber.h"

/* Queues what may be dropped: behind the parts that are on their way, if any. */
static bool push_droppable(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                           enum gateway_entry_kind kind, struct gateway_payload *payload) {
    struct gateway_conn *conn = subscriber->conn;
    struct gateway_entry entry = {.payload = payload, .doc = subscriber->handle, .kind = kind};
    enum gateway_subscriber_state state = subscriber->state;
    if (!gateway_conn_make_room(gateway, conn, gateway_entry_size(&entry)) || subscriber->state != state)
        return false;
    if (subscriber->stream != NULL && !gateway_stream_is_complete(subscriber->stream)) return false;
    gateway_payload_retain(payload);
    if (subscriber->stream != NULL) {
        gateway_stream_hold(subscriber->stream, entry);
    } else {
        gateway_outbox_push(&conn->outbox, entry);
        gateway_conn_announce(gateway, conn);
    }
    return true;
}

/* Whoever opened bare has it without being told; if an ack still waits, once that is sent. */
static void skip(struct gateway_subscriber *subscriber, const struct gateway_payload *commit) {
    if (subscriber->queued_seq == subscriber->sent_seq) subscriber->sent_seq = commit->seq;
    subscriber->queued_seq = commit->seq;
    if (commit->lineage != 0) subscriber->lineage = commit->lineage;
}

void gateway_deliver_commit(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                            struct gateway_payload *commit, uint64_t author) {
    bool is_author = subscriber->by_id.key == author;
    if (is_author && commit->client_seq >= subscriber->unanswered_seq) subscriber->unanswered_seq = 0;
    if (is_author && commit->client_seq == subscriber->timed_seq)
        ordo_buckets_add(&gateway->stats.shard_us, gateway->now_us - subscriber->timed_us, 1);
    if (subscriber->conn->state == GATEWAY_CONN_CLOSING) return;
    if (subscriber->state != GATEWAY_SUBSCRIBER_LIVE && subscriber->state != GATEWAY_SUBSCRIBER_STREAMING)
        return;
    if (subscriber->stream != NULL && !gateway_stream_is_complete(subscriber->stream)) return;
    if (commit->seq <= subscriber->queued_seq) return; /* was part of Opened */
    if (subscriber->is_bare && !is_author && commit->seq == subscriber->queued_seq + 1) {
        skip(subscriber, commit);
        return;
    }
    bool is_queued =
        commit->seq == subscriber->queued_seq + 1 &&
        push_droppable(gateway, subscriber, is_author ? GATEWAY_ENTRY_ACK : GATEWAY_ENTRY_COMMITTED, commit);
    if (is_queued) {
        subscriber->queued_seq = commit->seq;
        gateway->stats.commits_delivered++;
        if (is_author && gateway->config.has_notes)
            gateway_note(gateway, subscriber->conn, subscriber->handle, "op_acked", "client_seq=%llu server_seq=%llu",
                         (unsigned long long)commit->client_seq, (unsigned long long)commit->seq);
    } else {
        gateway_subscriber_fell_behind(gateway, subscriber);
    }
}

void gateway_deliver_presence(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                              struct gateway_payload *presence) {
    struct gateway_conn *conn = subscriber->conn;
    bool is_live =
        subscriber->state == GATEWAY_SUBSCRIBER_LIVE || subscriber->state == GATEWAY_SUBSCRIBER_STREAMING;
    if (!is_live || !subscriber->wants_presence || conn->state == GATEWAY_CONN_CLOSING) return;
    /* First to be dropped: it takes no room that ops may need soon. */
    if (conn->outbox.size + conn->held_size + presence->size > gateway->config.outbox_size_max / 2) return;
    (void)push_droppable(gateway, subscriber, GATEWAY_ENTRY_PRESENCE, presence);
}

void gateway_deliver_sent(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                          const struct gateway_entry *entry, bool is_first) {
    if (entry->kind == GATEWAY_ENTRY_PRESENCE) return;
    if (entry->kind == GATEWAY_ENTRY_ACK) {
        if (entry->payload->client_seq == subscriber->timed_seq) {
            ordo_buckets_add(&gateway->stats.ack_us, gateway->now_us - subscriber->timed_us, 1);
            subscriber->timed_seq = 0;
        }
    } else if (is_first) {
        ordo_buckets_add(&gateway->stats.delivery_us, gateway->now_us - entry->payload->received_us, 1);
    }
    subscriber->sent_seq = subscriber->is_bare ? subscriber->queued_seq : entry->payload->seq;
    if (entry->payload->lineage != 0) subscriber->lineage = entry->payload->lineage;
}
