#include "gateway/core/source.h"

#include "gateway/core/peer.h"

size_t gateway_source_ready(const struct gateway_source *source) {
    return source->ready.size - source->used;
}
bool gateway_source_is_fetched(const struct gateway_source *source) {
    return source->fetched == source->size;
}
bool gateway_source_is_done(const struct gateway_source *source) {
    return gateway_source_is_fetched(source) && gateway_source_ready(source) == 0;
}

void gateway_source_init(struct gateway_source *source, struct gateway_stream *stream,
                         struct gateway_peer *peer, const Ordo__Cluster__V1__Bulk *bulk) {
    source->stream = stream;
    source->peer = peer;
    if (bulk == NULL) return;
    source->size = bulk->size;
    if (bulk->bytes.len == bulk->size) {
        ordo_buffer_append_slice(&source->ready, ordo_slice_of_binary(bulk->bytes));
        source->fetched = bulk->size;
    } else {
        source->is_remote = true;
        gateway_table_insert(&peer->sources_by_bulk, &source->by_bulk, bulk->id);
    }
}

void gateway_source_finish(struct gateway_source *source) {
    if (source->is_remote) {
        gateway_table_remove(&source->peer->sources_by_bulk, &source->by_bulk);
        gateway_peer_release_bulk(source->peer, source->by_bulk.key);
    }
    ordo_buffer_finish(&source->ready);
}

void gateway_source_fetch(struct gateway_source *source) {
    if (gateway_source_is_fetched(source) || source->is_fetching) return;
    uint64_t left = source->size - source->fetched;
    uint32_t size = left < ORDO_PIECE_SIZE_MAX ? (uint32_t)left : ORDO_PIECE_SIZE_MAX;
    source->is_fetching = true;
    gateway_peer_fetch(source->peer, source->by_bulk.key, source->fetched, size);
}

void gateway_source_use(struct gateway_source *source, size_t size) {
    source->used += size;
    if (source->used < source->ready.size) return;
    ordo_buffer_clear(&source->ready);
    source->used = 0;
}

struct ordo_slice gateway_source_bytes(const struct gateway_source *source) {
    if (gateway_source_ready(source) == 0) return ordo_slice(NULL, 0);
    return ordo_slice(source->ready.data + source->used, gateway_source_ready(source));
}

size_t gateway_source_cut_text(const struct gateway_source *source, size_t size_max) {
    struct ordo_slice bytes = gateway_source_bytes(source);
    if (gateway_source_is_fetched(source) && bytes.size <= size_max) return bytes.size;
    size_t size = bytes.size < size_max ? bytes.size : size_max;
    /* A code point whose end has not come yet is left for the next part as well. */
    size_t floor = size;
    while (floor > 0 && size - floor < 4) {
        uint8_t byte = bytes.data[--floor];
        if ((byte & 0xc0) == 0x80) continue;
        size_t length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        return floor + length <= size ? floor + length : floor;
    }
    return size; /* not text: may be cut anywhere */
}

size_t gateway_source_cut_ops(const struct gateway_source *source, size_t size_max) {
    struct ordo_slice bytes = gateway_source_bytes(source), field;
    struct ordo_reader reader = ordo_reader(bytes);
    size_t size = 0;
    uint64_t tag;
    while (ordo_take_varint(&reader, &tag) && ordo_take_sized(&reader, &field)) {
        size_t end = bytes.size - ordo_reader_left(&reader);
        if (end > size_max && size > 0) break;
        size = end;
        if (size >= size_max) break;
    }
    return size;
}

struct gateway_source *gateway_source_waiting(struct gateway_peer *peer,
                                              const Ordo__Cluster__V1__Piece *piece) {
    struct gateway_table_node *node = gateway_table_find(&peer->sources_by_bulk, piece->bulk);
    for (; node != NULL; node = gateway_table_find_next(node)) {
        struct gateway_source *source = GATEWAY_LIST_ITEM(node, struct gateway_source, by_bulk);
        if (source->is_fetching && source->fetched == piece->offset) return source;
    }
    return NULL;
}

bool gateway_source_take(struct gateway_source *source, const Ordo__Cluster__V1__Piece *piece) {
    if (piece->bytes.len == 0 || piece->bytes.len > source->size - source->fetched) return false;
    source->is_fetching = false;
    source->fetched += piece->bytes.len;
    if (source->used > 0) {
        memmove(source->ready.data, source->ready.data + source->used, gateway_source_ready(source));
        source->ready.size -= source->used;
        source->used = 0;
    }
    ordo_buffer_append_slice(&source->ready, ordo_slice_of_binary(piece->bytes));
    return true;
}
