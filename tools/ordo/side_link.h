/* tools/ordo/side_link.h: a command's end of a shard's side link (proto/cluster.proto). Blocks; one thread. */
#ifndef ORDO_TOOLS_SIDE_LINK_H
#define ORDO_TOOLS_SIDE_LINK_H

#include "common/problem.h"
#include "proto/message.h"

struct side_link;

/* --keys, of all commands that ask shards: the folder of `ordo keys make`. NULL: what the environment's ORDO_KEYS says, if
 * anything. */
extern const char *side_link_keys;
#define SIDE_LINK_OPTION                                                                                               \
    {"--keys", "DIR", "of a cluster with keys: operator.key and trusted, as `ordo keys make` writes them (ORDO_KEYS)",  \
     ORDO_OPTION_TEXT, &side_link_keys}

/* NULL: `problem` says why. */
struct side_link *side_link_open(const char *endpoint, struct ordo_problem *problem);
void side_link_close(struct side_link *link); /* NULL is fine */
/* Asks how the shard is; the answer is waited for apart, so that many can be asked at once. */
void side_link_send_status(struct side_link *link);
/* The answer; NULL: none came in time. Good until the next call. */
const Ordo__Cluster__V1__SideReply *side_link_receive_status(struct side_link *link, int timeout_ms);
/* Sends the request and waits for the answer to it; what answers earlier ones is passed over. NULL: none came in time. Good
 * until the next call. */
const Ordo__Cluster__V1__SideReply *side_link_ask_backup(struct side_link *link, const Ordo__Cluster__V1__Backup *backup,
                                                         int timeout_ms);

#endif
