#include "proto/link.h"

#include "common/assert.h"

/* Half a window granted but not told would stall a sender that uses all of it. */
enum { UNTOLD_CREDIT_MAX = ORDO_LINK_CREDIT / 2 };

void ordo_link_init(struct ordo_link *link, uint64_t session, uint64_t now_ms) {
    ORDO_ASSERT(session != 0);
    *link = (struct ordo_link){
        .session = session,
        .credit_given = ORDO_LINK_CREDIT,
        .credit_told = ORDO_LINK_CREDIT,
        .credit_got = ORDO_LINK_CREDIT,
        .sent_ms = now_ms,
        .heard_ms = now_ms,
    };
}

bool ordo_link_has_credit(const struct ordo_link *link, size_t size) {
    return link->bytes_sent + size <= link->credit_got;
}

void ordo_link_stamp(struct ordo_link *link, Ordo__Cluster__V1__Envelope *envelope, uint64_t now_ms) {
    envelope->session = link->session;
    envelope->number = ++link->number_sent;
    envelope->received = link->number_received;
    envelope->credit = link->credit_given;
    link->credit_told = link->credit_given;
    link->sent_ms = now_ms;
}

void ordo_link_sent(struct ordo_link *link, size_t size) { link->bytes_sent += size; }

enum ordo_link_arrival ordo_link_receive(struct ordo_link *link, const Ordo__Cluster__V1__Envelope *envelope,
                                         size_t size, uint64_t now_ms) {
    if (envelope->session != link->session) return ORDO_LINK_STRANGER;
    if (envelope->number != link->number_received + 1) return ORDO_LINK_GAP;
    link->number_received++;
    link->bytes_received += size;
    if (envelope->credit > link->credit_got) link->credit_got = envelope->credit;
    link->heard_ms = now_ms;
    return ORDO_LINK_NEXT;
}

void ordo_link_grant(struct ordo_link *link, uint64_t bytes_waiting) {
    ORDO_ASSERT(bytes_waiting <= link->bytes_received);
    uint64_t credit = link->bytes_received - bytes_waiting + ORDO_LINK_CREDIT;
    if (credit > link->credit_given) link->credit_given = credit;
}

bool ordo_link_is_due(const struct ordo_link *link, uint64_t now_ms) {
    return now_ms >= link->sent_ms + ORDO_HEARTBEAT_MS || link->credit_given - link->credit_told > UNTOLD_CREDIT_MAX;
}

bool ordo_link_is_silent(const struct ordo_link *link, uint64_t now_ms) {
    return now_ms >= link->heard_ms + ORDO_LINK_TIMEOUT_MS;
}
