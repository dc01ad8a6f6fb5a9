#include "gateway/links.h"

#include <stdlib.h>

#include "common/memory.h"

void ordo_links_close(struct ordo_links *links, uint32_t peer) {
    if (peer >= links->count || links->items[peer] == NULL) return;
    ordo_wire_zmq_finish(links->items[peer]);
    free(links->items[peer]);
    links->items[peer] = NULL;
}

void ordo_links_finish(struct ordo_links *links) {
    for (size_t i = 0; i < links->count; i++) ordo_links_close(links, (uint32_t)i);
    free(links->items);
    links->items = NULL;
    links->count = 0;
}

/* The watchers of a wire lie in it, so it never moves. */
static struct ordo_wire_zmq *get(struct ordo_links *links, uint32_t peer) {
    if (peer >= links->count) {
        links->items = ordo_realloc(links->items, (peer + 1) * sizeof *links->items);
        while (links->count <= peer) links->items[links->count++] = NULL;
    }
    if (links->items[peer] == NULL) {
        links->items[peer] = ordo_alloc(sizeof *links->items[peer]);
        ordo_wire_zmq_init(links->items[peer], links->turn, links->loop, links->context, links->security, peer);
    }
    return links->items[peer];
}

bool ordo_links_open(struct ordo_links *links, uint32_t peer, const struct ordo_store_id *store, uint64_t session,
                     const char *data_endpoint, const char *side_endpoint) {
    struct ordo_wire_zmq *wire = get(links, peer);
    wire->store = *store;
    return ordo_wire_zmq_open(wire, session, data_endpoint, side_endpoint);
}

void ordo_links_check(struct ordo_links *links, ordo_links_find *find, void *user) {
    for (size_t i = 0; i < links->count; i++) {
        struct ordo_wire_zmq *wire = links->items[i];
        const char *data_endpoint, *side_endpoint;
        if (wire == NULL || !find(user, &wire->store, &data_endpoint, &side_endpoint)) continue;
        bool is_there = strcmp(wire->endpoints[ORDO_WIRE_DATA], data_endpoint) == 0 &&
                        strcmp(wire->endpoints[ORDO_WIRE_SIDE], side_endpoint) == 0;
        if (!is_there) ordo_wire_zmq_give_up(wire);
    }
}

void ordo_links_send(struct ordo_links *links, uint32_t peer, int which, uint64_t session, struct ordo_slice bytes) {
    if (peer < links->count && links->items[peer] != NULL)
        ordo_wire_zmq_send(links->items[peer], which, session, bytes);
}

bool ordo_links_poll(struct ordo_links *links) {
    bool has_more = false;
    for (size_t i = 0; i < links->count; i++) {
        if (links->items[i] != NULL) has_more = ordo_wire_zmq_poll(links->items[i]) || has_more;
    }
    return has_more;
}
