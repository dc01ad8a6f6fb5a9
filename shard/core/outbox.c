/* What is said to gateways, held back until the turn that it depends on is durable.
 *
 * Answers are appended to the open turn as encoded Envelope.to_gateway fields, one chunk per gateway and turn (more
 * when it grows beyond CHUNK_SIZE_MAX). A closed turn's chunks wait in one list, in order; releasing takes from its
 * front. Only then do they become Envelopes: numbers and credit are those of the moment of sending. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/state.h"

enum { CHUNK_SIZE_MAX = 1024 * 1024, SPARE_CAPACITY_MAX = 256 * 1024 };

struct ordo_chunk {
    struct ordo_chunk *next;
    struct ordo_peer *peer; /* NULL: its session ended meanwhile */
    uint64_t turn;          /* 0: nothing to wait for */
    size_t counted;         /* bytes in the peer's unreleased_size */
    struct ordo_buffer fields;
};

static void recycle(struct ordo_shard *shard, struct ordo_chunk *chunk) {
    if (chunk->fields.capacity > SPARE_CAPACITY_MAX) ordo_buffer_finish(&chunk->fields);
    ordo_buffer_clear(&chunk->fields);
    chunk->next = shard->spare;
    shard->spare = chunk;
}

static struct ordo_chunk *chunk_create(struct ordo_shard *shard, struct ordo_peer *peer) {
    struct ordo_chunk *chunk = shard->spare;
    if (chunk != NULL) shard->spare = chunk->next;
    else chunk = ordo_alloc(sizeof *chunk);
    chunk->next = NULL;
    chunk->peer = peer;
    chunk->turn = 0;
    chunk->counted = 0;
    return chunk;
}

struct ordo_buffer *ordo_outbox_begin(struct ordo_shard *shard, struct ordo_peer *peer) {
    ORDO_ASSERT(peer->is_linked);
    if (peer->open == NULL || peer->open->fields.size > CHUNK_SIZE_MAX) {
        peer->open = chunk_create(shard, peer);
        *shard->open_last = peer->open;
        shard->open_last = &peer->open->next;
    }
    return &peer->open->fields;
}

void ordo_outbox_end(struct ordo_shard *shard, struct ordo_peer *peer) {
    (void)shard;
    peer->unreleased_size += peer->open->fields.size - peer->open->counted;
    peer->open->counted = peer->open->fields.size;
}

void ordo_outbox_close_turn(struct ordo_shard *shard, uint64_t turn) {
    if (shard->open_first == NULL) return;
    for (struct ordo_chunk *chunk = shard->open_first; chunk != NULL; chunk = chunk->next) {
        chunk->turn = turn;
        if (chunk->peer != NULL) chunk->peer->open = NULL;
    }
    *shard->waiting_last = shard->open_first;
    shard->waiting_last = shard->open_last;
    shard->open_first = NULL;
    shard->open_last = &shard->open_first;
}

/* An Envelope: its head is stamped now, the rest is appended as it is. */
static void send(struct ordo_shard *shard, struct ordo_peer *peer, struct ordo_slice fields) {
    Ordo__Cluster__V1__Envelope head = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    ordo_link_stamp(&peer->link, &head, shard->now_ms);
    head.shard = ordo_binary_of_slice(ordo_slice(shard->config.store_id, ORDO_STORE_ID_SIZE));
    head.incarnation = shard->config.incarnation;
    head.term = shard->config.term;
    size_t size = ordo__cluster__v1__envelope__get_packed_size(&head) + fields.size;
    struct ordo_buffer *out = &shard->effects->send_bytes;
    ordo_buffer_append_sized(out, ordo_slice(peer->id, peer->id_size));
    ordo_buffer_append_varint(out, size);
    ordo_message_encode(&head.base, out);
    ordo_buffer_append_slice(out, fields);
    shard->effects->send_count++;
    ordo_link_sent(&peer->link, size);
}

void ordo_outbox_release(struct ordo_shard *shard) {
    struct ordo_chunk *chunk;
    while ((chunk = shard->waiting_first) != NULL && chunk->turn <= shard->durable_turn) {
        shard->waiting_first = chunk->next;
        if (shard->waiting_first == NULL) shard->waiting_last = &shard->waiting_first;
        if (chunk->peer != NULL) {
            chunk->peer->unreleased_size -= chunk->counted;
            send(shard, chunk->peer, ordo_buffer_slice(&chunk->fields));
        }
        recycle(shard, chunk);
    }
}

static void drop_in(struct ordo_chunk *first, const struct ordo_peer *peer) {
    for (struct ordo_chunk *chunk = first; chunk != NULL; chunk = chunk->next)
        if (chunk->peer == peer) chunk->peer = NULL;
}

void ordo_outbox_drop(struct ordo_shard *shard, struct ordo_peer *peer) {
    drop_in(shard->open_first, peer);
    drop_in(shard->waiting_first, peer);
    peer->open = NULL;
    peer->unreleased_size = 0;
}

void ordo_outbox_send_now(struct ordo_shard *shard, struct ordo_peer *peer, struct ordo_slice to_gateway_fields) {
    send(shard, peer, to_gateway_fields);
}

static void free_list(struct ordo_chunk *chunk) {
    while (chunk != NULL) {
        struct ordo_chunk *next = chunk->next;
        ordo_buffer_finish(&chunk->fields);
        free(chunk);
        chunk = next;
    }
}

void ordo_outbox_finish(struct ordo_shard *shard) {
    free_list(shard->open_first);
    free_list(shard->waiting_first);
    free_list(shard->spare);
}
