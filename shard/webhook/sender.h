/* shard/webhook/sender.h: tells somebody outside, over HTTP, which documents changed: a thread of its own with libcurl.
 *
 * One POST per document and notification, ORDO_WEBHOOKS_AT_ONCE at most at a time, with the headers
 *
 *     Ordo-Timestamp: ms since 1970, when it was sent
 *     Ordo-Signature: v1=HMAC-SHA256(secret, timestamp "." body), in hex
 *
 * 2xx: delivered. 408, 429, 5xx, no answer in time, no connection: sent again (queue.h). Anything else, redirects too, is a
 * refusal: not sent again. Nothing is followed to elsewhere, and of the environment no proxy is taken.
 *
 * What is promised: best effort. A change that is told of is durable; one that is durable is told of unless the process dies or
 * the queue is full before. Notifications of a document may come twice, and after each other from two shards when its slot
 * moves; a consumer compares seq (within a lineage) and asks for what it lacks (docs/http.md).
 *
 * Sequencing never waits: `give` copies into a buffer of at most GIVEN_SIZE_MAX bytes, and what does not fit is counted and
 * logged. Threads: any may give. Errors: a secret or a URL that is none. */
#ifndef ORDO_SHARD_WEBHOOK_SENDER_H
#define ORDO_SHARD_WEBHOOK_SENDER_H

#include "common/error.h"
#include "common/problem.h"
#include "shard/webhook/queue.h"

enum { ORDO_WEBHOOKS_AT_ONCE = 8, ORDO_WEBHOOK_COLLECTIONS_MAX = 16 };

struct ordo_webhooks_config {
    const char *url, *secret_file; /* borrowed for the start; url NULL: there are none */
    const char *collections[ORDO_WEBHOOK_COLLECTIONS_MAX]; /* borrowed until the stop */
    size_t collection_count;       /* 0: all */
    struct ordo_webhook_queue_config queue;
};

struct ordo_webhooks;

ORDO_MUST_USE ordo_err ordo_webhooks_start(const struct ordo_webhooks_config *config, struct ordo_problem *problem,
                                           struct ordo_webhooks **out);
/* Sends what waits, for STOP_MS at most. NULL is fine. */
void ordo_webhooks_stop(struct ordo_webhooks *webhooks);

/* Records of shard/core/change.h, which are durable. */
void ordo_webhooks_give(struct ordo_webhooks *webhooks, struct ordo_slice changes);
struct ordo_webhook_stats ordo_webhooks_stats(struct ordo_webhooks *webhooks);

#endif
