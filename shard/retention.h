/* shard/retention.h: what an operator says of history to be kept, as text.
 *
 *     10000             an op among the newest 10,000 stays readable
 *     30d               one of the last 30 days (also s, m, h)
 *     10000+30d         what is either
 *     full              everything
 *     10000,notes=full,drafts=7d       another rule for some collections */
#ifndef ORDO_SHARD_RETENTION_H
#define ORDO_SHARD_RETENTION_H

#include "shard/core/shard.h"

#define ORDO_RETENTION_RULES_MAX 64

struct ordo_retention_rules {
    struct ordo_retention_rule items[ORDO_RETENTION_RULES_MAX];
    size_t count;
};

/* Sets what the text speaks of and leaves the rest. False: it is no such text, or has too many rules. Rules borrow
 * from the text. */
ORDO_MUST_USE bool ordo_retention_parse(const char *text, struct ordo_retention *retention,
                                        struct ordo_retention_rules *rules);

#endif
