/* gateway/core/source.h: one blob of an answer, content or ops, as its bytes come: all at once with the
 * shard's message, or piece by piece from the side link.
 *
 * Ownership: the source belongs to its stream and is told apart from others by the shard's id of the blob;
 * several may want the same blob. A remote blob is released at the shard when its source ends. */
#ifndef ORDO_GATEWAY_CORE_SOURCE_H
#define ORDO_GATEWAY_CORE_SOURCE_H

#include "gateway/core/state.h"

struct gateway_source {
    struct gateway_stream *stream;
    struct gateway_peer *peer;
    uint64_t size;    /* of the whole blob */
    uint64_t fetched; /* bytes that have come */
    bool is_remote;   /* it lies at the shard, to be fetched and released */
    bool is_fetching;
    struct ordo_buffer ready; /* the newest of them; the first `used` are in parts already */
    size_t used;
    struct gateway_table_node by_bulk; /* in peer->sources_by_bulk, by the shard's id, if remote */
};

/* Zeroed memory, or one made from no bulk (NULL), is a source that is done. Copies what came with the
 * message. */
void gateway_source_init(struct gateway_source *source, struct gateway_stream *stream,
                         struct gateway_peer *peer, const Ordo__Cluster__V1__Bulk *bulk);
void gateway_source_finish(struct gateway_source *source);

/* Bytes that wait to be used. */
size_t gateway_source_ready(const struct gateway_source *source);
struct ordo_slice gateway_source_bytes(const struct gateway_source *source);
void gateway_source_use(struct gateway_source *source, size_t size);
/* All of it has come; has been used. */
bool gateway_source_is_fetched(const struct gateway_source *source);
bool gateway_source_is_done(const struct gateway_source *source);

/* How many of the bytes that wait may go into a part of at most `size_max`: of text, all if that is its end,
 * else up to the end of a code point; of ops, whole ones, and at least one if one is there in full. */
size_t gateway_source_cut_text(const struct gateway_source *source, size_t size_max);
size_t gateway_source_cut_ops(const struct gateway_source *source, size_t size_max);

/* Asks for the next piece, unless one is on its way or there is none. */
void gateway_source_fetch(struct gateway_source *source);
/* One that waits for this piece, or NULL. */
struct gateway_source *gateway_source_waiting(struct gateway_peer *peer,
                                              const Ordo__Cluster__V1__Piece *piece);
/* False: the blob is gone. */
bool gateway_source_take(struct gateway_source *source, const Ordo__Cluster__V1__Piece *piece);

#endif
