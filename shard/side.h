/* shard/side.h: the side link: heartbeats, the disk's state, contents in pieces, backups, and how the shard is.
 *
 * A thread of its own, so that a gateway hears of a slow disk while the sequencing thread waits for that disk: a slow
 * shard is not a dead one. It answers from what other threads keep for it: the disk's state (disk.h) and the table of
 * published blobs, guarded by a mutex here. Sessions that it hears go to the inbox. */
#ifndef ORDO_SHARD_SIDE_H
#define ORDO_SHARD_SIDE_H

#include "shard/backup.h"
#include "shard/core/shard.h"
#include "shard/disk.h"
#include "shard/figures.h"
#include "shard/inbox.h"
#include "shard/troubles.h"
#include "shard/wire_zmq.h"

struct ordo_side_config {
    void *context;           /* ZeroMQ's */
    const char *endpoint;
    const struct ordo_link_security *security; /* borrowed until stop */
    uint8_t store_id[ORDO_STORE_ID_SIZE];
    uint64_t incarnation;
    struct ordo_inbox *inbox; /* borrowed until stop, as is the disk */
    const struct ordo_disk *disk;
    struct ordo_backup *backup; /* likewise; asked from the side's thread alone */
    struct ordo_figures_board *figures; /* likewise */
    struct ordo_troubles *troubles;     /* of the process; likewise */
    const char *name;           /* of the shard, for people; likewise */
};

struct ordo_side;

ORDO_MUST_USE ordo_err ordo_side_start(const struct ordo_side_config *config, struct ordo_problem *problem,
                                       struct ordo_side **side_out);
void ordo_side_stop(struct ordo_side *side); /* NULL is fine */

/* Where it listens; good until stop. */
const char *ordo_side_endpoint(const struct ordo_side *side);
/* Takes the items' references. From the sequencing thread. */
void ordo_side_publish(struct ordo_side *side, const struct ordo_bulk_item *items, size_t count,
                       uint64_t monotonic_ms);

#endif
