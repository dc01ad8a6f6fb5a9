#include "gateway/ip.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { MAPPED_BITS = 96 };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool ordo_ip_is_v4(const struct ordo_ip *address) { return memcmp(address->bytes, mapped, sizeof mapped) == 0; }

static struct ordo_slice strip(struct ordo_slice text) {
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) text = ordo_slice(text.data + 1, text.size - 1);
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) text.size--;
    return text;
}

/* Without its port and brackets. */
static struct ordo_slice bare(struct ordo_slice text) {
    const uint8_t *colon = memchr(text.data, ':', text.size);
    if (colon == NULL) return text;
    if (text.data[0] == '[') {
        const uint8_t *end = memchr(text.data, ']', text.size);
        return end != NULL ? ordo_slice(text.data + 1, (size_t)(end - text.data) - 1) : text;
    }
    size_t size = (size_t)(colon - text.data);
    bool has_port = memchr(colon + 1, ':', text.size - size - 1) == NULL; /* an IPv6 address has two colons at least */
    return has_port ? ordo_slice(text.data, size) : text;
}

bool ordo_ip_parse(struct ordo_slice text, struct ordo_ip *out) {
    char copy[ORDO_IP_TEXT_SIZE];
    text = strip(text);
    if (text.size == 0) return false;
    text = bare(text);
    if (text.size >= sizeof copy || memchr(text.data, 0, text.size) != NULL) return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    memcpy(out->bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, out->bytes + sizeof mapped) == 1 || inet_pton(AF_INET6, copy, out->bytes) == 1;
}

void ordo_ip_print(const struct ordo_ip *address, char out[ORDO_IP_TEXT_SIZE]) {
    const char *text = ordo_ip_is_v4(address) ? inet_ntop(AF_INET, address->bytes + sizeof mapped, out, ORDO_IP_TEXT_SIZE)
                                      : inet_ntop(AF_INET6, address->bytes, out, ORDO_IP_TEXT_SIZE);
    if (text == NULL) out[0] = '\0';
}

bool ordo_ip_is_loopback(const struct ordo_ip *address) {
    static const uint8_t one[ORDO_IP_SIZE] = {[15] = 1};
    return (ordo_ip_is_v4(address) && address->bytes[sizeof mapped] == 127) || memcmp(address->bytes, one, sizeof one) == 0;
}

bool ordo_ip_is_private(const struct ordo_ip *address) {
    const uint8_t *four = address->bytes + sizeof mapped;
    if (ordo_ip_is_loopback(address)) return true;
    if (ordo_ip_is_v4(address))
        return four[0] == 10 || (four[0] == 172 && four[1] >> 4 == 1) || (four[0] == 192 && four[1] == 168) ||
               (four[0] == 100 && four[1] >> 6 == 1) || (four[0] == 169 && four[1] == 254);
    return address->bytes[0] >> 1 == 0x7e || (address->bytes[0] == 0xfe && address->bytes[1] >> 6 == 2);
}

/* ---- networks */

static bool bit(const struct ordo_ip *address, unsigned index) {
    return (address->bytes[index / 8] >> (7 - index % 8)) & 1;
}

static bool parse_prefix(const char *text, unsigned size_max, unsigned *out) {
    char *end;
    if (text[0] < '0' || text[0] > '9') return false;
    unsigned long size = strtoul(text, &end, 10);
    *out = (unsigned)size;
    return *end == '\0' && size <= size_max;
}

bool ordo_network_parse(const char *text, struct ordo_network *out) {
    size_t size = strcspn(text, "/");
    struct ordo_slice address = ordo_slice(text, size);
    char copy[ORDO_IP_TEXT_SIZE];
    unsigned char number[ORDO_IP_SIZE];
    if (size == 0 || size >= sizeof copy) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    bool is_four = inet_pton(AF_INET, copy, number) == 1;
    if (!is_four && inet_pton(AF_INET6, copy, number) != 1) return false; /* no ports here, no brackets */
    if (!ordo_ip_parse(address, &out->address)) return false;
    out->prefix_size = 8 * ORDO_IP_SIZE;
    if (text[size] == '\0') return true;
    if (!parse_prefix(text + size + 1, is_four ? 32 : 128, &out->prefix_size)) return false;
    if (is_four) out->prefix_size += MAPPED_BITS;
    for (unsigned i = out->prefix_size; i < 8 * ORDO_IP_SIZE; i++) {
        if (bit(&out->address, i)) return false;
    }
    return true;
}

bool ordo_network_has(const struct ordo_network *network, const struct ordo_ip *address) {
    size_t bytes = network->prefix_size / 8;
    if (memcmp(network->address.bytes, address->bytes, bytes) != 0) return false;
    for (unsigned i = (unsigned)bytes * 8; i < network->prefix_size; i++) {
        if (bit(&network->address, i) != bit(address, i)) return false;
    }
    return true;
}

bool ordo_proxies_have(const struct ordo_proxies *proxies, const struct ordo_ip *address) {
    for (size_t i = 0; i < proxies->count; i++) {
        if (ordo_network_has(&proxies->items[i], address)) return true;
    }
    return false;
}

struct ordo_ip ordo_proxies_client(const struct ordo_proxies *proxies, const struct ordo_ip *peer,
                                        struct ordo_slice forwarded) {
    struct ordo_ip client = *peer, next;
    while (forwarded.size > 0 && ordo_proxies_have(proxies, &client)) {
        size_t begin = forwarded.size;
        while (begin > 0 && forwarded.data[begin - 1] != ',') begin--;
        if (!ordo_ip_parse(ordo_slice(forwarded.data + begin, forwarded.size - begin), &next)) break;
        client = next;
        forwarded.size = begin > 0 ? begin - 1 : 0;
    }
    return client;
}
