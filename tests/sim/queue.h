/* tests/sim/queue.h: what will happen in the simulated world, earliest first.
 *
 * A binary heap of items by (time, order of pushing), so that a run depends on nothing but its seed. Times are
 * virtual microseconds since the schedule began. An item owns its payload until it is taken. */
#ifndef ORDO_TESTS_SIM_QUEUE_H
#define ORDO_TESTS_SIM_QUEUE_H

#include "common/buffer.h"

enum sim_item_kind {
    SIM_FRAME,      /* a WebSocket frame arrives at `to` over connection `a` */
    SIM_CONNECTED,  /* connection `a` is established */
    SIM_CLOSED,     /* `to` learns that connection `a` is gone */
    SIM_LINK_UP,    /* the sockets of link `a` may be connected by now */
    SIM_LINK_DOWN,  /* who opened link `a` learns that it is not connected any more */
    SIM_ENVELOPE,   /* a data-link message of link `a` arrives; `b`: epoch */
    SIM_SIDE,       /* a side-link message arrives; the same */
    SIM_ANSWER,     /* a data-link message of link `a` arrives at the shard that opened it; the same */
    SIM_WRITTEN,    /* the shard's disk finished the write that is under way */
    SIM_JOB,        /* a helper thread finished the job that is the `object` */
    SIM_WAKE,       /* the shard's loop looks at its inbox; a gateway ends its turn */
    SIM_TICK,       /* a process runs its timers */
    SIM_START,      /* a process starts */
    SIM_TABLE,      /* a process hears of the router table */
    SIM_REGISTER,   /* shard `to` makes the table show what its store says */
    SIM_USER,       /* the person at client `to` does something */
    SIM_FAULT,      /* the world breaks something, by the plan; `a`: enum sim_fault */
    SIM_HEAL,       /* and mends it; `a`: 0 everything */
};

/* A place in the simulated world that items are delivered to. */
enum sim_role { SIM_WORLD, SIM_SHARD, SIM_GATEWAY, SIM_CLIENT, SIM_RAW };

struct sim_item {
    uint64_t at_us;
    uint64_t order; /* of pushing; breaks ties */
    enum sim_item_kind kind;
    enum sim_role role;
    uint32_t to;    /* index within the role */
    uint64_t life;  /* of the process that it is for; items for an earlier life are dropped */
    uint64_t a, b;  /* by kind */
    void *object;   /* by kind; freed by the world if the item is dropped */
    struct ordo_buffer payload;
};

struct sim_queue {
    struct sim_item *items;
    size_t count, capacity;
    uint64_t pushed;
};

void sim_queue_finish(struct sim_queue *queue);
/* Takes the payload. `order` is filled in here. */
void sim_queue_push(struct sim_queue *queue, struct sim_item item);
/* False when nothing is left. The caller owns the payload then. */
bool sim_queue_take(struct sim_queue *queue, struct sim_item *out);

#endif
