/* tools/ordo/backup_source.h: the shards that a backup is made of, while none of their slots moves. */
#ifndef ORDO_TOOLS_BACKUP_SOURCE_H
#define ORDO_TOOLS_BACKUP_SOURCE_H

#include "tools/ordo/cluster_access.h"

struct backup_source_shard {
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1]; /* no two are alike */
    char side_endpoint[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
};

struct backup_source {
    struct cluster_access access;
    struct ordo_cluster_hold hold;
    struct backup_source_shard *shards; /* all that have slots */
    size_t shard_count;
};

/* Holds all moves and waits until none is under way. EXIT_SUCCESS: every slot is with one of the shards, and stays there until
 * close, or until this process is gone. Else a message was printed. */
int backup_source_open(struct backup_source *source, const struct cluster_words *words);
void backup_source_close(struct backup_source *source); /* safe on a half-opened one */

#endif
