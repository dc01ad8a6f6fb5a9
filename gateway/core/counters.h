/* gateway/core/counters.h: everything that a gateway's core counts. One line here makes the field of struct
 * ordo_gateway_stats, named like this, and what Prometheus gets: `ordo_gateway_<field>_total` of a COUNTER,
 * `ordo_gateway_<field>` of a GAUGE. (docs/metrics.md wants a line, too; a test says so.) */
#ifndef ORDO_GATEWAY_CORE_COUNTERS_H
#define ORDO_GATEWAY_CORE_COUNTERS_H

#include "common/buckets.h"
#include "proto/codes.h"

#define ORDO_GATEWAY_STATS(COUNTER, GAUGE)                                                                              \
    GAUGE(connections, "Open WebSockets.")                                                                              \
    GAUGE(documents, "Documents that somebody here has open.")                                                          \
    GAUGE(subscribers, "Openings of documents, over all connections.")                                                  \
    GAUGE(outbox_bytes, "Bytes that wait for connections to take them.")                                                \
    GAUGE(links, "Shards that a link is kept to.")                                                                      \
    GAUGE(links_ready, "Of these, those whose link is up.")                                                             \
    GAUGE(slots_unowned, "Slots that nobody serves, as far as is known here.")                                          \
    COUNTER(connections_opened, "WebSockets that were established.")                                                    \
    COUNTER(connections_refused, "Connections that were closed for what the client did.")                               \
    COUNTER(tokens_refused, "Tokens in Hello and Authenticate that were refused.")                                      \
    COUNTER(tokens_expired, "Connections that ended because their token did.")                                          \
    COUNTER(tokens_revoked, "Connections that ended because their token, user or key was taken back.")                  \
    COUNTER(opens_forbidden, "Opens for want of a right refused.")                                                      \
    COUNTER(submits_forbidden, "Submits for want of a right refused.")                                                  \
    COUNTER(forgets_forbidden, "Forgets for want of a right refused.")                                                  \
    COUNTER(frames_received, "Frames from clients.")                                                                    \
    COUNTER(bytes_received, "Bytes of frames from clients.")                                                            \
    COUNTER(frames_sent, "Frames to clients.")                                                                          \
    COUNTER(messages_sent, "Messages to clients; several share a frame.")                                               \
    COUNTER(bytes_sent, "Bytes of frames to clients.")                                                                  \
    COUNTER(opens, "Opens that clients sent.")                                                                          \
    COUNTER(submits, "Submits that clients sent.")                                                                      \
    COUNTER(submits_refused, "Submits that found no link to the shard, or no credit.")                                  \
    COUNTER(submits_rate_limited, "Submits that came too fast: refused until later.")                                   \
    COUNTER(requests_rate_limited, "Other requests that came too fast.")                                                \
    COUNTER(presence_rate_limited, "Presence updates that came too fast: dropped.")                                     \
    COUNTER(commits_received, "Committed ops that shards sent.")                                                        \
    COUNTER(commits_delivered, "Committed ops and acks that were put down for connections.")                            \
    COUNTER(resyncs, "Openings that were attached anew: slow readers, gaps, lost links, moved slots.")                  \
    COUNTER(messages_dropped, "Messages that slow readers missed before their resync.")                                 \
    COUNTER(links_lost, "Links to shards that ended.")                                                                  \
    COUNTER(slots_moved, "Slots that another shard serves than before.")                                                \
    COUNTER(not_owners, "Answers of shards that the slot is not theirs.")

#define ORDO_CLOSE_CODE_COUNT 9
extern const char *const ordo_close_code_names[ORDO_CLOSE_CODE_COUNT]; /* of RFC 6455; the last one: others */

struct ordo_gateway_stats {
#define ORDO_GATEWAY_FIELD(name, help) uint64_t name;
    ORDO_GATEWAY_STATS(ORDO_GATEWAY_FIELD, ORDO_GATEWAY_FIELD)
#undef ORDO_GATEWAY_FIELD
    uint64_t nacks[ORDO_NACK_CODE_COUNT];   /* to clients, by code: from shards and of our own */
    uint64_t errors[ORDO_ERROR_CODE_COUNT]; /* likewise */
    uint64_t closes[ORDO_CLOSE_CODE_COUNT]; /* by us, by close code */
    struct ordo_buckets ack_us;      /* from a Submit's coming to its Ack's going */
    struct ordo_buckets shard_us;    /* from a Submit's coming to the shard's commit of it */
    struct ordo_buckets delivery_us; /* from a commit's coming to its going to a reader: the oldest of each frame */
    struct ordo_buckets open_us;     /* from an Open's coming to the shard's answer */
};

#endif
