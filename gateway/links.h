/* gateway/links.h: the wires to all shards that the core wants links to, by the core's small numbers. Threads: one. */
#ifndef ORDO_GATEWAY_LINKS_H
#define ORDO_GATEWAY_LINKS_H

#include "gateway/wire_zmq.h"

struct ordo_links {
    struct ordo_turn *turn;
    struct ev_loop *loop;
    void *context; /* ZeroMQ's; borrowed, as are these */
    const struct ordo_link_security *security;
    struct ordo_wire_zmq **items; /* by number; NULL: none there */
    size_t count;
};

void ordo_links_finish(struct ordo_links *links);

/* Closes what there is at this number and connects afresh. False: an endpoint is not one (logged). */
bool ordo_links_open(struct ordo_links *links, uint32_t peer, const struct ordo_store_id *store, uint64_t session,
                     const char *data_endpoint, const char *side_endpoint);
/* The store of each link is (now) known to be where `find` says: links to elsewhere are told to be down, so that the core does
 * not wait for an answer from where nobody is any more. */
typedef bool ordo_links_find(void *user, const struct ordo_store_id *store, const char **data_endpoint,
                             const char **side_endpoint);
void ordo_links_check(struct ordo_links *links, ordo_links_find *find, void *user);
void ordo_links_close(struct ordo_links *links, uint32_t peer);
/* See ordo_wire_zmq_send. */
void ordo_links_send(struct ordo_links *links, uint32_t peer, int which, uint64_t session, struct ordo_slice bytes);
/* Polls all. True: there is more, come again without waiting. */
bool ordo_links_poll(struct ordo_links *links);

#endif
