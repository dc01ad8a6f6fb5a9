/* gateway/core/parts.h: a stream makes the answer to Open or ReadHistory, in as many parts as it takes.
 *
 * An answer is content, then ops, each a blob that came with the shard's message or lies there to be fetched.
 * A stream fetches pieces on the side link as its connection's socket drains, at most one piece ahead, and
 * cuts parts of at most ORDO_PART_SIZE_MAX: text between code points, ops between ops (one op alone may be
 * larger). All parts but the last have `more`. Messages for the subscriber that come meanwhile are held and
 * follow the last part. A short answer is a stream of one part that never waits.
 *
 * A blob that is gone at the shard (nobody fetched for a minute) closes the connection: half an answer cannot
 * be taken back. Ownership: a stream belongs to its connection until its last part is made. */
#ifndef ORDO_GATEWAY_CORE_PARTS_H
#define ORDO_GATEWAY_CORE_PARTS_H

#include "gateway/core/state.h"

/* Copies what it needs. Makes the first part at once if it can. */
void gateway_stream_start_opened(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                 const Ordo__Cluster__V1__Attached *attached);
void gateway_stream_start_history(struct ordo_gateway *gateway, struct gateway_subscriber *subscriber,
                                  const Ordo__Cluster__V1__HistoryAnswer *answer);
/* Releases its blobs at the shard. */
void gateway_stream_destroy(struct ordo_gateway *gateway, struct gateway_stream *stream);
struct gateway_stream *gateway_stream_of(struct gateway_list *in_conn);
/* Whether it answers on this handle: an Open, a resync, or a ReadHistory. */
bool gateway_stream_has_handle(const struct gateway_stream *stream, uint32_t handle);

/* The session with this shard is over: half an answer cannot be finished by another process, nor taken back,
 * so only a new connection is clean. */
void gateway_stream_cut(struct ordo_gateway *gateway, struct gateway_peer *peer);

/* For answers that nobody waits for any more. Either may be NULL. */
void gateway_stream_release_bulks(struct gateway_peer *peer, const Ordo__Cluster__V1__Bulk *content,
                                  const Ordo__Cluster__V1__Bulk *ops);

/* What follows the last part; takes the payload's reference. The caller made room. */
void gateway_stream_hold(struct gateway_stream *stream, struct gateway_entry entry);
/* Something that should follow will not: hold nothing more. */
void gateway_stream_set_incomplete(struct gateway_stream *stream);
bool gateway_stream_is_complete(const struct gateway_stream *stream);
/* Drops what is held and may be dropped. */
void gateway_stream_drop_held(struct ordo_gateway *gateway, struct gateway_stream *stream);

/* Appends the next part of one of the connection's streams, in turn, to `frame`; false: none has one ready.
 */
bool gateway_stream_output(struct ordo_gateway *gateway, struct gateway_conn *conn,
                           struct ordo_buffer *frame);
/* Whether one has. */
bool gateway_stream_is_ready(const struct gateway_conn *conn);

void gateway_stream_piece(struct ordo_gateway *gateway, struct gateway_peer *peer,
                          const Ordo__Cluster__V1__Piece *piece);

#endif
