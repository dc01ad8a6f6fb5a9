/* common/directory/attempt.h: one change of a cluster's keys: decided on the ground of a view, tried, and decided anew
 * if others were faster. Shared by cluster_change.c and cluster_orders.c alone. */
#ifndef ORDO_DIRECTORY_ATTEMPT_H
#define ORDO_DIRECTORY_ATTEMPT_H

#include "common/directory/cluster_change.h"

/* What a decision is made with. */
struct ordo_attempt {
    const struct ordo_directory_view *view;
    const struct ordo_cluster *cluster;
    struct ordo_directory_changes *changes; /* to be filled; none: all is as wanted already */
    struct ordo_problem *problem;
    void *wish; /* what the caller of `ordo_attempt` wants, and where answers go */
};
/* CONFLICT is not for it to say. */
typedef ordo_err ordo_attempt_decide(struct ordo_attempt *attempt);

/* Until it is done, it fails, or others were faster for some seconds. */
ORDO_MUST_USE ordo_err ordo_attempt(struct ordo_directory *directory, ordo_attempt_decide *decide, void *wish,
                                    struct ordo_problem *problem);

/* ---- parts of decisions: `err` with that sentence, and checks that say in `problem` what is wrong */

ordo_err ordo_attempt_fails(struct ordo_attempt *attempt, ordo_err err, const char *sentence);
void ordo_attempt_put(struct ordo_attempt *attempt, const char *key, struct ordo_buffer *value); /* takes the bytes */
void ordo_attempt_put_leased(struct ordo_attempt *attempt, const char *key, struct ordo_buffer *value);
ORDO_MUST_USE ordo_err ordo_attempt_check_name(const char *name, struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_attempt_check_text(const char *what, const char *text, struct ordo_problem *problem);
/* `*out` is NULL if the store is not there. CORRUPT: it is, and does not read. */
ORDO_MUST_USE ordo_err ordo_attempt_find_store(struct ordo_attempt *attempt, const struct ordo_store_id *id,
                                               const struct ordo_cluster_store **out);
/* NOT_FOUND: it is not there. */
ORDO_MUST_USE ordo_err ordo_attempt_need_store(struct ordo_attempt *attempt, const struct ordo_store_id *id,
                                               const struct ordo_cluster_store **out);
/* INVALID: the store does not read the format of the table that there is. */
ORDO_MUST_USE ordo_err ordo_attempt_check_format(struct ordo_attempt *attempt, uint32_t reads_min, uint32_t reads_max);

#endif
