/* Whatever files of keys, endpoints, networks and lists of proxies say: nothing is read beyond their end, and what was taken for
 * right comes out again as it went in. The first byte chooses which. */
#include <stdlib.h>

#include "common/link/key.h"
#include "gateway/ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_SIZE_MAX = 4096 };

static void check(bool holds) {
    if (!holds) abort();
}

static void read_secret(struct ordo_slice text) {
    struct ordo_link_key key, again;
    struct ordo_problem problem;
    struct ordo_buffer written = {0};
    if (ordo_link_key_parse_secret(text, &key, &problem) != ORDO_OK) return;
    ordo_link_key_write_secret(&written, ORDO_LINK_ROLE_SHARD, &key);
    check(ordo_link_key_parse_secret(ordo_buffer_slice(&written), &again, &problem) == ORDO_OK && ordo_link_key_equal(&key, &again));
    ordo_buffer_finish(&written);
}

static void read_trusted(struct ordo_slice text) {
    static struct ordo_link_trusted trusted, again;
    struct ordo_problem problem;
    struct ordo_buffer written = {0};
    if (ordo_link_key_parse_trusted(text, &trusted, &problem) != ORDO_OK) return;
    ordo_link_key_write_trusted(&written, &trusted);
    check(ordo_link_key_parse_trusted(ordo_buffer_slice(&written), &again, &problem) == ORDO_OK && again.count == trusted.count);
    for (size_t i = 0; i < trusted.count; i++)
        check(ordo_link_trusted_find(&again, &trusted.items[i].key)->role == trusted.items[i].role);
    ordo_buffer_finish(&written);
}

static void read_endpoint(const char *text) {
    struct ordo_endpoint endpoint, again;
    (void)ordo_endpoint_is_local(text);
    if (!ordo_endpoint_parse(text, &endpoint)) return;
    char out[ORDO_ENDPOINT_SIZE];
    memcpy(out, endpoint.address, sizeof out);
    if (!ordo_endpoint_put_key(out, &endpoint.key)) return;
    check(ordo_endpoint_parse(out, &again) && again.has_key && ordo_link_key_equal(&again.key, &endpoint.key));
    check(strcmp(again.address, endpoint.address) == 0);
}

static void read_network(const char *text) {
    struct ordo_network network;
    if (ordo_network_parse(text, &network)) check(ordo_network_has(&network, &network.address));
}

static void read_forwarded(struct ordo_slice list) {
    struct ordo_proxies proxies = {.count = 1};
    struct ordo_ip peer, again;
    char text[ORDO_IP_TEXT_SIZE];
    check(ordo_network_parse("10.0.0.0/8", &proxies.items[0]) && ordo_ip_parse(ordo_slice_of("10.0.0.1"), &peer));
    struct ordo_ip client = ordo_proxies_client(&proxies, &peer, list);
    ordo_ip_print(&client, text);
    check(ordo_ip_parse(ordo_slice_of(text), &again) && memcmp(&again, &client, sizeof client) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > TEXT_SIZE_MAX) return 0;
    struct ordo_slice bytes = ordo_slice(data + 1, size - 1);
    char *text = malloc(size);
    check(text != NULL);
    memcpy(text, bytes.data, bytes.size);
    text[bytes.size] = '\0';
    switch (data[0] % 5) {
    case 0: read_secret(bytes); break;
    case 1: read_trusted(bytes); break;
    case 2: read_endpoint(text); break;
    case 3: read_network(text); break;
    case 4: read_forwarded(bytes); break;
    }
    free(text);
    return 0;
}
