#include "gateway/core/outbox.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

enum {
    FRAME_MESSAGES_TAG = 1 << 3 | 2,
    MESSAGE_REQUEST_TAG = 1 << 3 | 0,
    MESSAGE_DOC_TAG = 2 << 3 | 0,
    MESSAGE_ACK_TAG = 6 << 3 | 2,
    ACK_CLIENT_SEQ_TAG = 1 << 3 | 0,
    ACK_SERVER_SEQ_TAG = 2 << 3 | 0,
    ACK_TIMESTAMP_TAG = 3 << 3 | 0,
    PREFIX_SIZE_MAX = 18, /* tag 1, size 5, tag 1 and request 5, tag 1 and handle 5 */
    ACK_SIZE_MAX = 35,    /* tag 1, size 1, three times tag 1 and number 10 */
    RING_CAPACITY_MIN = 4,
};

struct gateway_payload *gateway_payload_create(struct ordo_slice head, struct ordo_slice tail) {
    struct gateway_payload *payload = malloc(sizeof *payload + head.size + tail.size);
    ORDO_ASSERT(payload != NULL);
    *payload = (struct gateway_payload){.references = 1, .size = (uint32_t)(head.size + tail.size)};
    if (head.size > 0) memcpy(payload->bytes, head.data, head.size);
    if (tail.size > 0) memcpy(payload->bytes + head.size, tail.data, tail.size);
    return payload;
}

struct gateway_payload *gateway_payload_retain(struct gateway_payload *payload) {
    payload->references++;
    return payload;
}

void gateway_payload_release(struct gateway_payload *payload) {
    if (payload != NULL && --payload->references == 0) free(payload);
}

size_t gateway_entry_size(const struct gateway_entry *entry) {
    return PREFIX_SIZE_MAX + (entry->kind == GATEWAY_ENTRY_ACK ? ACK_SIZE_MAX : entry->payload->size);
}

static uint8_t *put_varint(uint8_t *to, uint64_t value) {
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put_field(uint8_t *to, uint8_t tag, uint64_t value) {
    if (value == 0) return to;
    *to++ = tag;
    return put_varint(to, value);
}

/* `request` and `doc` of a ServerMessage whose body follows. */
static void write_prefix(const struct gateway_entry *entry, size_t body_size, struct ordo_buffer *frame) {
    uint8_t inner[PREFIX_SIZE_MAX];
    uint8_t *end = put_field(inner, MESSAGE_REQUEST_TAG, entry->request);
    end = put_field(end, MESSAGE_DOC_TAG, entry->doc);
    size_t inner_size = (size_t)(end - inner);
    uint8_t *start = ordo_buffer_reserve(frame, PREFIX_SIZE_MAX + body_size), *to = start;
    *to++ = FRAME_MESSAGES_TAG;
    to = put_varint(to, inner_size + body_size);
    memcpy(to, inner, inner_size);
    frame->size += (size_t)(to + inner_size - start);
}

static void write_ack(const struct gateway_entry *entry, struct ordo_buffer *frame) {
    uint8_t body[ACK_SIZE_MAX], *end = body;
    const struct gateway_payload *commit = entry->payload;
    *end++ = MESSAGE_ACK_TAG;
    uint8_t *size = end++; /* below 128: one byte */
    end = put_field(end, ACK_CLIENT_SEQ_TAG, commit->client_seq);
    end = put_field(end, ACK_SERVER_SEQ_TAG, commit->seq);
    end = put_field(end, ACK_TIMESTAMP_TAG, commit->timestamp_ms);
    *size = (uint8_t)(end - size - 1);
    write_prefix(entry, (size_t)(end - body), frame);
    ordo_buffer_append(frame, body, (size_t)(end - body));
}

void gateway_entry_write(const struct gateway_entry *entry, struct ordo_buffer *frame) {
    if (entry->kind == GATEWAY_ENTRY_ACK) {
        write_ack(entry, frame);
        return;
    }
    write_prefix(entry, entry->payload->size, frame);
    ordo_buffer_append(frame, entry->payload->bytes, entry->payload->size);
}

static void count_entry(struct gateway_outbox *outbox, const struct gateway_entry *entry, int sign) {
    size_t size = gateway_entry_size(entry);
    size_t *sum = entry->kind == GATEWAY_ENTRY_PART ? &outbox->part_size : &outbox->size;
    *sum = sign > 0 ? *sum + size : *sum - size;
    if (gateway_entry_is_droppable(entry)) outbox->droppable_count += (uint32_t)sign;
}

static struct gateway_entry *entry_at(const struct gateway_outbox *outbox, uint32_t index) {
    return &outbox->ring[(outbox->first + index) & (outbox->capacity - 1)];
}

static void ring_grow(struct gateway_outbox *outbox) {
    uint32_t capacity = outbox->capacity ? outbox->capacity * 2 : RING_CAPACITY_MIN;
    struct gateway_entry *ring = ordo_alloc_array(capacity, sizeof *ring);
    for (uint32_t i = 0; i < outbox->count; i++) ring[i] = *entry_at(outbox, i);
    free(outbox->ring);
    outbox->ring = ring;
    outbox->first = 0;
    outbox->capacity = capacity;
}

void gateway_outbox_finish(struct gateway_outbox *outbox) {
    for (uint32_t i = 0; i < outbox->count; i++) gateway_payload_release(entry_at(outbox, i)->payload);
    free(outbox->ring);
    *outbox = (struct gateway_outbox){0};
}

void gateway_outbox_push(struct gateway_outbox *outbox, struct gateway_entry entry) {
    if (outbox->count == outbox->capacity) ring_grow(outbox);
    count_entry(outbox, &entry, +1);
    *entry_at(outbox, outbox->count) = entry;
    outbox->count++;
}

const struct gateway_entry *gateway_outbox_peek(const struct gateway_outbox *outbox) {
    return outbox->count > 0 ? entry_at(outbox, 0) : NULL;
}

void gateway_outbox_pop(struct gateway_outbox *outbox) {
    ORDO_ASSERT(outbox->count > 0);
    struct gateway_entry *oldest = entry_at(outbox, 0);
    count_entry(outbox, oldest, -1);
    gateway_payload_release(oldest->payload);
    outbox->first = (outbox->first + 1) & (outbox->capacity - 1);
    outbox->count--;
    /* One burst must not pin its memory for as long as the connection then idles. */
    if (outbox->count == 0 && outbox->capacity > 16 * RING_CAPACITY_MIN) gateway_outbox_finish(outbox);
}

size_t gateway_outbox_drop(struct gateway_outbox *outbox) {
    uint32_t kept = 0, count = outbox->count;
    for (uint32_t i = 0; i < count; i++) {
        struct gateway_entry entry = *entry_at(outbox, i);
        if (gateway_entry_is_droppable(&entry)) {
            count_entry(outbox, &entry, -1);
            gateway_payload_release(entry.payload);
        } else {
            *entry_at(outbox, kept++) = entry;
        }
    }
    outbox->count = kept;
    ORDO_ASSERT(outbox->droppable_count == 0);
    return count - kept;
}

void gateway_outbox_move(struct gateway_outbox *outbox, struct gateway_outbox *from) {
    for (uint32_t i = 0; i < from->count; i++) gateway_outbox_push(outbox, *entry_at(from, i));
    from->count = 0; /* the references went along */
    gateway_outbox_finish(from);
}
