/* shard/host.h: one shard in this process: a store with its sockets, its threads and its core.
 *
 *     open     the store's folder (lock, recovery, incarnation), sockets, the side link's thread: heartbeats are answered
 *     serve    the core, and the sequencing thread with the loop; only now is anybody let in
 *     stop     after the last commit; the mirror
 *
 * Between `open` and `serve` a shard of a cluster makes its claim in the directory (member.h). A process has one host or
 * several, each with all threads of its own. A host that fails takes the process down: what was in memory is worth nothing,
 * and nothing may be sent or written any more. */
#ifndef ORDO_SHARD_HOST_H
#define ORDO_SHARD_HOST_H

#include "shard/config.h"
#include "shard/folder.h"
#include "shard/mail.h"
#include "shard/probe.h"
#include "shard/troubles.h"

struct ordo_host_config {
    const struct ordo_config *process; /* borrowed until stop, as is all here but for what `open` alone needs */
    void *zmq;
    struct ordo_troubles *troubles;
    struct ordo_probe *probe;  /* that is to know of it from open to stop; NULL: none */
    int registrar_wake_fd;     /* raised when the shard has a report; -1: there is nobody to report to */
    const uint8_t *cluster_id; /* that a new store joins, without slots; NULL: a new store is the first of a new cluster and
                                * has all. For `open` alone, as are these: */
    const char *name;          /* for people; NULL: the store's id */
    bool is_extra;             /* not the first of the process: on any free port */
};

struct ordo_host;

/* LOCKED: another process has the store. Other errors as ordo_folder_open; then nothing is left open. (A write that failed
 * ends the process: see fail_at_once in host.c.) */
ORDO_MUST_USE ordo_err ordo_host_open(const char *path, const struct ordo_host_config *config,
                                      struct ordo_problem *problem, struct ordo_host **host_out);
/* Before it serves: makes it the first store of its cluster, owner of all slots, durably. */
ORDO_MUST_USE ordo_err ordo_host_found(struct ordo_host *host, struct ordo_problem *problem);
/* Before it serves: see ordo_identity_seize. */
ORDO_MUST_USE ordo_err ordo_host_seize(struct ordo_host *host, const struct ordo_heritage *heritage, size_t *kept_out,
                                       struct ordo_problem *problem);
void ordo_host_serve(struct ordo_host *host);
void ordo_host_stop(struct ordo_host *host); /* NULL is fine, as is one that never served */

/* Good until stop. */
const struct ordo_folder *ordo_host_folder(const struct ordo_host *host);
const char *ordo_host_data_endpoint(const struct ordo_host *host);
const char *ordo_host_side_endpoint(const struct ordo_host *host);
const char *ordo_host_name(const struct ordo_host *host);
struct ordo_mail *ordo_host_mail(struct ordo_host *host);

#endif
