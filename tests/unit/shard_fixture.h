/* tests/unit/shard_fixture.h: what several tests of the shard's core begin with: a world with two gateways, which may be started
 * anew with another configuration, and whose disk is verified. */
#ifndef ORDO_TESTS_SHARD_FIXTURE_H
#define ORDO_TESTS_SHARD_FIXTURE_H

#include "shard_world.h"

#include "shard/core/verify.h"

static inline int two_gateways_set_up(void **state) {
    struct world *w = world_create();
    gateway_connect(w, 0);
    gateway_connect(w, 1);
    *state = w;
    return 0;
}

static inline int two_gateways_tear_down(void **state) {
    world_destroy(*state);
    return 0;
}

static inline void restart_with_config(struct world *w) {
    world_stop(w);
    world_start(w);
    gateway_connect(w, 0);
    gateway_connect(w, 1);
}

static inline void print_finding(void *context, const struct ordo_finding *finding) {
    (void)context;
    print_message("finding at %ju: %s\n", (uintmax_t)finding->seq, finding->text);
}

static inline struct ordo_verify_counts verify_disk(struct world *w, ordo_verify_found found) {
    struct ordo_view *view = w->store->ops->view_open(w->store);
    struct ordo_verify_counts counts = ordo_verify(view, found, NULL);
    w->store->ops->view_close(view);
    return counts;
}

#endif
