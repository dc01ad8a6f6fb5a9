/* shard/core/job.h: work that reads the disk or takes long, done by helper threads.
 *
 * A job is an order from the shard (an effect), complete in itself: it holds copies of all it needs and reads the
 * store through a view. It touches nothing of the shard; its result goes back with the event JOB_DONE. So jobs can
 * run on any thread, at any later time, in any order, and in the simulator as events of their own.
 *
 * A job is given out only when every turn that it depends on is durable: open the view afterwards, at any time. */
#ifndef ORDO_SHARD_CORE_JOB_H
#define ORDO_SHARD_CORE_JOB_H

#include "shard/store.h"

struct ordo_job;

/* Pure but for the reads through `view`. Called once per job, on any thread. */
void ordo_job_run(struct ordo_job *job, struct ordo_view *view);
/* For jobs that will not be given back, whether they ran or not. NULL is fine. */
void ordo_job_destroy(struct ordo_job *job);
/* A static word for logs and metrics: "load", "content", … */
const char *ordo_job_name(const struct ordo_job *job);
/* Whether it is short and somebody waits to open a document for it, unlike what reads or rebases much, or is for nobody
 * in particular (a snapshot). Helpers take urgent ones first and keep a thread free for them. */
bool ordo_job_is_urgent(const struct ordo_job *job);

#endif
