/* shard/webhook/queue.h: which documents somebody outside is to be told of, and when.
 *
 * A document that changes waits until it has been quiet for `debounce_ms`, but not longer than `wait_max_ms`; whatever comes
 * meanwhile becomes part of the one notification. What failed is sent again, later and later; what changes while it waits or is
 * sent is told with the next try, or after it. So the queue holds at most one entry per document.
 *
 * Limits: `documents_max` entries of at most ORDO_WEBHOOK_USERS_MAX names. Beyond, a document that is not in the queue is not
 * told of: counted. Pure: the time comes in. Ownership: entries are the queue's; one that was taken stays good until `done`.
 * Threads: one. Units: monotonic ms. */
#ifndef ORDO_SHARD_WEBHOOK_QUEUE_H
#define ORDO_SHARD_WEBHOOK_QUEUE_H

#include "common/limits.h"
#include "common/slice.h"

enum { ORDO_WEBHOOK_USERS_MAX = 16, ORDO_WEBHOOK_TRIES_MAX = 60 };

struct ordo_webhook_queue_config {
    uint64_t debounce_ms, wait_max_ms;
    uint64_t retry_min_ms, retry_max_ms; /* the pause doubles from one to the other; up to half of it is drawn */
    uint32_t documents_max;
    uint64_t seed; /* of the jitter, and of the hash table; secret */
};
void ordo_webhook_queue_config_init(struct ordo_webhook_queue_config *config);

struct ordo_webhook_news {
    struct ordo_slice collection, id; /* borrowed */
    uint64_t lineage, seq, timestamp_ms;
    bool is_deleted;
    struct ordo_slice user; /* empty: nobody in particular */
};

struct ordo_webhook_entry {
    uint64_t hash;
    uint8_t collection[ORDO_NAME_SIZE_MAX], id[ORDO_NAME_SIZE_MAX];
    uint8_t collection_size, id_size;
    uint64_t lineage, seq, timestamp_ms; /* of the newest change */
    bool is_deleted;
    uint32_t user_count;
    struct {
        uint8_t size, name[ORDO_USER_SIZE_MAX];
    } users[ORDO_WEBHOOK_USERS_MAX];
    bool has_more_users;
    uint32_t try_count;            /* that failed */
    uint64_t first_ms, due_ms;
    bool is_taken, has_newer;      /* being sent; changed since */
    uint32_t place;                /* in the heap, while it waits */
};

/* Since the start; `waiting` is a gauge. */
struct ordo_webhook_stats {
    uint64_t delivered, failed_tries, given_up, refused, dropped, waiting;
};

struct ordo_webhook_queue;

struct ordo_webhook_queue *ordo_webhook_queue_create(const struct ordo_webhook_queue_config *config);
void ordo_webhook_queue_destroy(struct ordo_webhook_queue *queue); /* NULL is fine */

/* False: the queue is full, and this document will not be told of. */
bool ordo_webhook_queue_note(struct ordo_webhook_queue *queue, const struct ordo_webhook_news *news, uint64_t now_ms);
/* The entry that is due longest; NULL: none is due yet. To be given back by `done`. */
struct ordo_webhook_entry *ordo_webhook_queue_take(struct ordo_webhook_queue *queue, uint64_t now_ms);
/* When `take` may have one; UINT64_MAX: not before something is noted, or done. */
uint64_t ordo_webhook_queue_due_ms(const struct ordo_webhook_queue *queue);
/* From now on nothing waits for more changes. */
void ordo_webhook_queue_hurry(struct ordo_webhook_queue *queue, uint64_t now_ms);

enum ordo_webhook_outcome {
    ORDO_WEBHOOK_DELIVERED,
    ORDO_WEBHOOK_FAILED,  /* not reached, or told to come again: everybody waits for a moment */
    ORDO_WEBHOOK_REFUSED, /* it will never be taken: not sent again */
};
/* True: it was given up, after ORDO_WEBHOOK_TRIES_MAX tries. */
bool ordo_webhook_queue_done(struct ordo_webhook_queue *queue, struct ordo_webhook_entry *entry,
                             enum ordo_webhook_outcome outcome, uint64_t now_ms);

struct ordo_webhook_stats ordo_webhook_queue_stats(const struct ordo_webhook_queue *queue);

#endif
