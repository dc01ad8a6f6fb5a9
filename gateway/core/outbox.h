/* gateway/core/outbox.h: the messages that wait for one connection.
 *
 * What is the same for many connections, the body of a Committed say, is encoded once and shared, reference
 * counted; the ten bytes before it that differ (ServerFrame tag, length, request, handle) are written when
 * the frame is built.
 *
 * Some messages may be dropped when a reader is slow, because a resync replaces them; the others are kept
 * until they are sent or the connection ends. Sizes are estimates of the bytes on the wire, a few bytes too
 * large. Parts of answers are paced by the reader itself, so they are counted apart and do not weigh against
 * the limit.
 *
 * Ownership: a pushed entry owns one reference of its payload. Zeroed memory is an empty outbox. Threads: one
 * owner. Limit: the caller's (conn.h). */
#ifndef ORDO_GATEWAY_CORE_OUTBOX_H
#define ORDO_GATEWAY_CORE_OUTBOX_H

#include "common/buffer.h"

/* The body of a ServerMessage: one field with tag and size, without `request` and `doc`. */
struct gateway_payload {
    uint32_t references;
    uint32_t size;
    uint64_t seq, client_seq, timestamp_ms; /* of a Committed; an Ack is made of them */
    uint64_t received_us;                   /* when it came from the shard */
    uint64_t lineage;                       /* that it begins, if it is a create; else 0 */
    uint8_t bytes[];
};

/* One reference, the caller's. Copies the parts one behind the other. */
struct gateway_payload *gateway_payload_create(struct ordo_slice head, struct ordo_slice tail);
struct gateway_payload *gateway_payload_retain(struct gateway_payload *payload);
void gateway_payload_release(struct gateway_payload *payload); /* NULL is fine */

enum gateway_entry_kind {
    GATEWAY_ENTRY_COMMITTED, /* these three may be dropped: a resync replaces them */
    GATEWAY_ENTRY_ACK,       /* in the place of a Committed, whose payload it holds */
    GATEWAY_ENTRY_PRESENCE,
    GATEWAY_ENTRY_ANSWER, /* kept */
    GATEWAY_ENTRY_PART,   /* kept, and not counted against the limit */
};

struct gateway_entry {
    struct gateway_payload *payload;
    uint32_t doc; /* handle; 0: no document */
    uint32_t request;
    enum gateway_entry_kind kind;
};

struct gateway_outbox {
    struct gateway_entry *ring;
    uint32_t first, count, capacity; /* capacity is a power of two */
    uint32_t droppable_count;
    size_t size; /* all but parts */
    size_t part_size;
};

static inline bool gateway_entry_is_droppable(const struct gateway_entry *entry) {
    return entry->kind <= GATEWAY_ENTRY_PRESENCE;
}
size_t gateway_entry_size(const struct gateway_entry *entry);
/* Appends the entry as one field `messages` of a ServerFrame. */
void gateway_entry_write(const struct gateway_entry *entry, struct ordo_buffer *frame);

void gateway_outbox_finish(struct gateway_outbox *outbox);
void gateway_outbox_push(struct gateway_outbox *outbox,
                         struct gateway_entry entry); /* takes the payload's reference */
/* Borrows the oldest; NULL when empty. */
const struct gateway_entry *gateway_outbox_peek(const struct gateway_outbox *outbox);
void gateway_outbox_pop(struct gateway_outbox *outbox); /* releases the oldest */
/* Drops what may be dropped; returns how many that were. */
size_t gateway_outbox_drop(struct gateway_outbox *outbox);
/* Moves all of `from` to the end of `outbox`. */
void gateway_outbox_move(struct gateway_outbox *outbox, struct gateway_outbox *from);

#endif
