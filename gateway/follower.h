/* gateway/follower.h: what a gateway takes from the directory, and what it leaves there.
 *
 * In the loop: each new router table goes to the core, and the addresses of stores are kept for the links. While the
 * directory is away, or its table does not read, or is another cluster's, what was last known stays. On a thread of its
 * own, because the directory may take its time: the gateway's own entry, so that `ordo status` finds it. */
#ifndef ORDO_GATEWAY_FOLLOWER_H
#define ORDO_GATEWAY_FOLLOWER_H

#include <ev.h>

#include "common/error.h"
#include "common/problem.h"
#include "gateway/turn.h"

struct ordo_follower;

struct ordo_follower_config {
    const char *directory; /* URL; borrowed for the call, as are these */
    const char *name;
    const char *url;        /* where clients reach this gateway */
    const char *metrics_url; /* where its figures are told; "": nowhere */
    struct ordo_turn *turn; /* borrowed until stop, as is the loop */
    struct ev_loop *loop;
    void (*changed)(void *user); /* after the core heard of a new table: addresses may have changed, too */
    void (*refused)(void *user, const char *sentence); /* this program is not of a version that may serve the cluster: stop */
    void *user;
};

/* INVALID: the URL is none. VERSION: the cluster's format level is not one that this program knows. The directory need not be
 * there yet. */
ORDO_MUST_USE ordo_err ordo_follower_start(const struct ordo_follower_config *config, struct ordo_problem *problem,
                                           struct ordo_follower **follower_out);
/* Takes the gateway's entry back. NULL is fine. */
void ordo_follower_stop(struct ordo_follower *follower);

/* The endpoints of a store, good until the loop turns. False: it is not known to be served anywhere. */
bool ordo_follower_find(const struct ordo_follower *follower, const struct ordo_store_id *store, const char **data_endpoint,
                        const char **side_endpoint);

/* Its name; likewise. NULL: it is not known. */
const char *ordo_follower_store_name(const struct ordo_follower *follower, const struct ordo_store_id *store);
/* The directory cannot be read now: what was last known holds. */
bool ordo_follower_is_away(const struct ordo_follower *follower);

/* Appends what the directory said last as JSON: {"away_since_ms": N, "items": {"KEY": "VALUE", …}}. False: nothing was ever
 * read. */
bool ordo_follower_describe(const struct ordo_follower *follower, struct ordo_buffer *out);

#endif
