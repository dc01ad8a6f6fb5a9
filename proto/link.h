/* proto/link.h: one session of the data link between a gateway and a shard, as both ends keep it.
 *
 * ZeroMQ delivers in order or not at all: what a broken connection swallowed is noticed here, by numbers. Both
 * directions count their Envelopes 1, 2, 3, …; whoever sees a gap ends the session, and the gateway begins another.
 * Credit bounds what is in flight: each side says how many bytes the other may have sent since the session began, and
 * raises that as it works through what it got. Pure: time comes in. Threads: one owner. Units: bytes, monotonic ms. */
#ifndef ORDO_PROTO_LINK_H
#define ORDO_PROTO_LINK_H

#include "common/limits.h"
#include "proto/message.h"

struct ordo_link {
    uint64_t session;
    uint64_t number_sent, number_received;
    uint64_t bytes_sent, bytes_received; /* encoded Envelopes */
    uint64_t credit_given, credit_told;  /* to the other side, as totals since the session began */
    uint64_t credit_got;                 /* from it */
    uint64_t sent_ms, heard_ms;          /* monotonic; of the newest Envelope in each direction */
};

/* Both sides begin with ORDO_LINK_CREDIT, before anybody said so. */
void ordo_link_init(struct ordo_link *link, uint64_t session, uint64_t now_ms);

/* Whether an ordinary message of about `size` bytes may be sent. Answers that the other side asked for may go beyond:
 * their number is bounded by its requests. */
bool ordo_link_has_credit(const struct ordo_link *link, size_t size);

/* Fills session, number, received and credit of an Envelope that is about to be encoded and sent. Every Envelope that
 * was stamped must be given to the socket; if that fails, the session is over. */
void ordo_link_stamp(struct ordo_link *link, Ordo__Cluster__V1__Envelope *envelope, uint64_t now_ms);
/* The size of what was stamped, once encoded. */
void ordo_link_sent(struct ordo_link *link, size_t size);

enum ordo_link_arrival {
    ORDO_LINK_NEXT,     /* the Envelope that was due: handle it */
    ORDO_LINK_STRANGER, /* another session: discard it */
    ORDO_LINK_GAP,      /* something was lost: the session is over */
};
enum ordo_link_arrival ordo_link_receive(struct ordo_link *link, const Ordo__Cluster__V1__Envelope *envelope,
                                         size_t size, uint64_t now_ms);
/* What was received has been worked through up to `bytes_received - bytes_waiting`: grant as much anew. */
void ordo_link_grant(struct ordo_link *link, uint64_t bytes_waiting);

/* An empty Envelope is due as a keep-alive (and carries credit): nothing was sent for ORDO_HEARTBEAT_MS, or much of the
 * credit was granted but not yet told. */
bool ordo_link_is_due(const struct ordo_link *link, uint64_t now_ms);
/* Nothing was heard for ORDO_LINK_TIMEOUT_MS. The gateway excuses a shard whose side link says that its disk stalls. */
bool ordo_link_is_silent(const struct ordo_link *link, uint64_t now_ms);

#endif
