/* gateway/addresses.h: how much each client address has open here. Pure.
 *
 * Of IPv6 the first 64 bits count: a client gets that many addresses, not one. Addresses of this machine and of private
 * networks (RFC 1918, 4193, 6598, and link-local) are not counted, because there a proxy may stand that nobody named, and all
 * its clients would be one. Ownership: an entry lives while something of its address is open. Threads: one. */
#ifndef ORDO_GATEWAY_ADDRESSES_H
#define ORDO_GATEWAY_ADDRESSES_H

#include "gateway/core/table.h"
#include "gateway/ip.h"

enum ordo_address_use { ORDO_ADDRESS_CONNECTION, ORDO_ADDRESS_REQUEST, ORDO_ADDRESS_USE_COUNT };

struct ordo_addresses {
    struct gateway_table entries; /* by hash */
    uint64_t seed;                /* so that nobody knows which addresses share a bucket */
    uint32_t most[ORDO_ADDRESS_USE_COUNT]; /* of one address; 0: any number */
};

void ordo_addresses_finish(struct ordo_addresses *addresses); /* nothing is open any more */

bool ordo_addresses_have_room(const struct ordo_addresses *addresses, const struct ordo_ip *ip, enum ordo_address_use use);
/* Each enter is followed by a leave with the same address and use. */
void ordo_addresses_enter(struct ordo_addresses *addresses, const struct ordo_ip *ip, enum ordo_address_use use);
void ordo_addresses_leave(struct ordo_addresses *addresses, const struct ordo_ip *ip, enum ordo_address_use use);

#endif
