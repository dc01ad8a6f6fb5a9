#include "gateway/addresses.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"

enum { CLIENT_PREFIX_SIZE = 8 }; /* of an IPv6 address, bytes */

struct entry {
    struct gateway_table_node node; /* first */
    struct ordo_ip ip;
    uint32_t counts[ORDO_ADDRESS_USE_COUNT];
};

void ordo_addresses_finish(struct ordo_addresses *addresses) {
    ORDO_ASSERT(addresses->entries.count == 0);
    gateway_table_finish(&addresses->entries);
}

static struct ordo_ip client_of(const struct ordo_ip *ip) {
    struct ordo_ip client = *ip;
    if (!ordo_ip_is_v4(ip)) memset(client.bytes + CLIENT_PREFIX_SIZE, 0, sizeof client.bytes - CLIENT_PREFIX_SIZE);
    return client;
}

static uint64_t hash_of(const struct ordo_addresses *addresses, const struct ordo_ip *client) {
    return ordo_hash_with(addresses->seed, ordo_slice(client->bytes, sizeof client->bytes));
}

static struct entry *find(const struct ordo_addresses *addresses, const struct ordo_ip *client) {
    struct gateway_table_node *node = gateway_table_find(&addresses->entries, hash_of(addresses, client));
    while (node != NULL && memcmp(((struct entry *)(void *)node)->ip.bytes, client->bytes, sizeof client->bytes) != 0)
        node = gateway_table_find_next(node);
    return (struct entry *)(void *)node;
}

bool ordo_addresses_have_room(const struct ordo_addresses *addresses, const struct ordo_ip *ip, enum ordo_address_use use) {
    if (addresses->most[use] == 0 || ordo_ip_is_private(ip)) return true;
    struct ordo_ip client = client_of(ip);
    const struct entry *entry = find(addresses, &client);
    return entry == NULL || entry->counts[use] < addresses->most[use];
}

void ordo_addresses_enter(struct ordo_addresses *addresses, const struct ordo_ip *ip, enum ordo_address_use use) {
    if (ordo_ip_is_private(ip)) return;
    struct ordo_ip client = client_of(ip);
    struct entry *entry = find(addresses, &client);
    if (entry == NULL) {
        entry = ordo_alloc(sizeof *entry);
        entry->ip = client;
        gateway_table_insert(&addresses->entries, &entry->node, hash_of(addresses, &client));
    }
    entry->counts[use]++;
}

void ordo_addresses_leave(struct ordo_addresses *addresses, const struct ordo_ip *ip, enum ordo_address_use use) {
    if (ordo_ip_is_private(ip)) return;
    struct ordo_ip client = client_of(ip);
    struct entry *entry = find(addresses, &client);
    ORDO_ASSERT(entry != NULL && entry->counts[use] > 0);
    entry->counts[use]--;
    for (int i = 0; i < ORDO_ADDRESS_USE_COUNT; i++)
        if (entry->counts[i] > 0) return;
    gateway_table_remove(&addresses->entries, &entry->node);
    free(entry);
}
