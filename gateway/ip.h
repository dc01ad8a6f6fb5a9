/* gateway/ip.h: addresses of clients, and which of them to believe. Pure.
 *
 * Behind a proxy every connection comes from the proxy, which says in X-Forwarded-For whom it speaks for. Anybody can say
 * that, so it counts only where it comes from a proxy that the operator named. */
#ifndef ORDO_GATEWAY_IP_H
#define ORDO_GATEWAY_IP_H

#include "common/slice.h"

enum { ORDO_IP_SIZE = 16, ORDO_IP_TEXT_SIZE = 46, ORDO_PROXIES_MAX = 64 };

/* An IPv6 address, in the order of the network; an IPv4 address as ::ffff:a.b.c.d, so that one client has one address. */
struct ordo_ip {
    uint8_t bytes[ORDO_IP_SIZE];
};

/* In numbers: 10.0.0.1, 10.0.0.1:80, fd00::1, [fd00::1] or [fd00::1]:80; the port is passed over. */
bool ordo_ip_parse(struct ordo_slice text, struct ordo_ip *out);
/* As people write it: IPv4 in dots. */
void ordo_ip_print(const struct ordo_ip *address, char out[ORDO_IP_TEXT_SIZE]);
bool ordo_ip_is_v4(const struct ordo_ip *address);
bool ordo_ip_is_loopback(const struct ordo_ip *address);
/* Of this machine, or of a network that the internet does not reach: RFC 1918, 4193 and 6598, link-local. */
bool ordo_ip_is_private(const struct ordo_ip *address);

struct ordo_network {
    struct ordo_ip address;
    unsigned prefix_size; /* bits, of 128 */
};

/* "10.0.0.0/8", "fd00::/8", or one address. False: something else, also where bits behind the prefix are set. */
bool ordo_network_parse(const char *text, struct ordo_network *out);
bool ordo_network_has(const struct ordo_network *network, const struct ordo_ip *address);

struct ordo_proxies {
    struct ordo_network items[ORDO_PROXIES_MAX];
    size_t count;
};

bool ordo_proxies_have(const struct ordo_proxies *proxies, const struct ordo_ip *address);
/* Whom a connection from `peer` speaks for: the last address of `forwarded` (a list behind commas, as X-Forwarded-For has it)
 * that is none of a trusted proxy's. Where the list ends, or does not read on, it is the last that was found: so a client can
 * put in front what it likes. */
struct ordo_ip ordo_proxies_client(const struct ordo_proxies *proxies, const struct ordo_ip *peer,
                                        struct ordo_slice forwarded);

#endif
