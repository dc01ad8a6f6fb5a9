/* shard/registrar_impl.h: what the parts of the registrar share: registrar.c (the thread and its rounds), member.c (one
 * store), adopt.c (which stores), balancer.c. All of it is the registrar's thread's own. */
#ifndef ORDO_SHARD_REGISTRAR_IMPL_H
#define ORDO_SHARD_REGISTRAR_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/directory/cluster_change.h"
#include "shard/host.h"
#include "shard/registrar.h"
#include "shard/volume.h"

#define ORDO_MEMBERS_MAX 64 /* stores of one process */
#define ORDO_ORDERS_MAX 32  /* orders that one shard has at a time */

enum member_state {
    MEMBER_OPENED,  /* has its folder and endpoints */
    MEMBER_CLAIMED, /* is this process's, in the directory too */
    MEMBER_SERVING,
};

enum order_state {
    ORDER_GIVEN,
    ORDER_CANCELLED, /* the shard was told, and has not answered */
    ORDER_DONE,      /* … and the directory is to be told, as it is of: */
    ORDER_FAILED,
};

/* An order to move a slot away that this shard has, or had and nobody was told. */
struct order {
    uint16_t slot;
    struct ordo_store_id target;
    enum order_state state;
    char reason[160]; /* FAILED */
};

/* One store of this process. */
struct member {
    struct ordo_host *host;
    enum member_state state;
    bool is_own; /* the first of the process, which ends without it */
    struct ordo_store_id id;
    struct ordo_cluster_id cluster;
    struct ordo_cluster_live live;               /* as it is to stand in the directory */
    uint64_t opened_ms, served_ms;               /* monotonic */
    struct ordo_slot_row slots[ORDO_SLOT_COUNT]; /* as last reported */
    uint32_t format;                             /* level of the store */
    struct order orders[ORDO_ORDERS_MAX];
    size_t order_count;
    uint64_t news_generation; /* of the view that it was told last */
    bool is_proven;           /* has served for long enough to forget earlier failures */
};

/* A free store of the volume, seen so. */
struct seen_store {
    char path[PATH_MAX];
    uint64_t since_ms;
    bool is_seen; /* in the present look */
};

struct ordo_registrar {
    const struct ordo_config *config;
    void *zmq;
    struct ordo_troubles *troubles;
    struct ordo_probe *probe; /* NULL: nobody watches */
    struct ordo_process_id process;
    char host_name[256];
    struct ordo_directory *directory;
    struct ordo_cluster *cluster; /* the newest that was understood; NULL before the first */
    struct member *members[ORDO_MEMBERS_MAX];
    size_t member_count;
    bool has_failed;

    uint64_t begun_ms, looked_ms; /* adopt.c */
    struct seen_store *seen;
    size_t seen_count;
    uint64_t balanced_ms, forgot_failed_ms; /* balancer.c */

    pthread_t thread;
    atomic_bool stops;
    int wake_fd, failure_fd; /* eventfds */
};

/* The directory can be asked: it was read once and is there. */
bool registrar_can_ask(const struct ordo_registrar *registrar);
/* The process has to end. */
__attribute__((format(printf, 2, 3))) void registrar_fail(struct ordo_registrar *registrar, const char *format, ...);
/* The change that just came back with `err` may be tried again in the next round; else it never works. */
bool registrar_may_retry(ordo_err err);

/* ---- member.c */

/* Opens the store at `path` and adds it. Errors as ordo_host_open. */
ORDO_MUST_USE ordo_err member_open(struct ordo_registrar *registrar, const char *path, bool is_own,
                                   struct ordo_problem *problem);
/* One round: what can be done for it now. Waits for nothing but the directory. False: it may not serve (any more),
 * `problem` says why. */
ORDO_MUST_USE bool member_step(struct ordo_registrar *registrar, struct member *member, struct ordo_problem *problem);
/* Whether the directory shows it as served by this process, where it is. */
bool member_is_shown(const struct ordo_cluster *cluster, const struct member *member);
/* Stops its shard; the member is gone. */
void member_close(struct ordo_registrar *registrar, size_t index);

/* ---- heir.c */

/* Opens the member's store anew with the slots of forgotten stores that were ordered to it, if there are any. False: that
 * failed, and the member is gone. */
ORDO_MUST_USE bool member_inherit(struct ordo_registrar *registrar, size_t index, struct ordo_problem *problem);

/* ---- member_orders.c */

/* Gives, cancels and ends orders as the directory and the shard's reports say. */
void member_step_orders(struct ordo_registrar *registrar, struct member *member);
void member_take_ends(struct ordo_registrar *registrar, struct member *member, const struct ordo_report *report);

/* ---- adopt.c */

/* Opens the process's first store, and others that nobody has, as far as that can be done now. */
void registrar_adopt(struct ordo_registrar *registrar, uint64_t now_ms);
void registrar_adopt_finish(struct ordo_registrar *registrar);

/* ---- balancer.c */

void registrar_balance(struct ordo_registrar *registrar, uint64_t now_ms);

#endif
