/* shard/loop.h: the sequencing thread's loop: read what is waiting, decide, commit, speak.
 *
 * It joins the pure core to its edges: events come from the data link, the inbox (jobs, heartbeats), the registrar's mail
 * (the router table, orders), links to other shards, the disk's state and the clock; effects go to the store, the helpers,
 * the side link, the data link and back. While the disk syncs, the next
 * turn's input queues up in ZeroMQ: that is the group commit. It waits (zmq_poll) only when nothing is there. */
#ifndef ORDO_SHARD_LOOP_H
#define ORDO_SHARD_LOOP_H

#include "shard/disk.h"
#include "shard/figures.h"
#include "shard/inbox.h"
#include "shard/mail.h"
#include "shard/side.h"
#include "shard/sweep.h"
#include "shard/target_wires_zmq.h"
#include "shard/webhook/sender.h"
#include "shard/wire_zmq.h"
#include "shard/workers.h"

/* The edges, borrowed, and what the loop keeps of its own. */
struct ordo_loop {
    struct ordo_shard *core;
    struct ordo_store *store;
    struct ordo_disk *disk;
    struct ordo_inbox *inbox;
    struct ordo_workers *workers;
    struct ordo_sweep *sweep;
    struct ordo_webhooks *webhooks; /* NULL: nobody is told of changes */
    struct ordo_side *side;
    struct ordo_wire *wire;
    struct ordo_figures_board *figures;
    struct ordo_mail *mail;
    struct ordo_target_wires targets;    /* the loop's own, but for its context */

    struct ordo_shard_effects effects;
    struct ordo_inbox_contents taken;
    struct ordo_news *news;         /* the newest; NULL before the first */
    uint64_t wall_ms, monotonic_ms; /* read once per turn */
    struct ordo_turn_figures turn_figures; /* of the present turn, or the last one that was written */
    bool is_full;                   /* what the core was told of the disk */
    bool is_idle;                   /* the last turn found nothing: wait before the next */
    bool has_leftover;              /* effects that the last turn left for the next */
};

void ordo_loop_finish(struct ordo_loop *loop);

/* One turn; waits before it if the last one found nothing to do. After an error nothing may be sent any more: stop. */
ORDO_MUST_USE ordo_err ordo_loop_turn(struct ordo_loop *loop, struct ordo_problem *problem);

#endif
