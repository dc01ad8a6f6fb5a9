#include "shard/webhook/queue.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/table.h"

struct ordo_webhook_queue {
    struct ordo_webhook_queue_config config;
    struct ordo_prng prng;
    struct ordo_table entries;           /* by name */
    struct ordo_webhook_entry **heap;    /* those that wait, by due_ms */
    uint32_t heap_count;
    uint32_t failures_in_a_row;          /* over all entries */
    uint64_t paused_until_ms;
    bool is_hurried;
    struct ordo_webhook_stats stats;
};

void ordo_webhook_queue_config_init(struct ordo_webhook_queue_config *config) {
    *config = (struct ordo_webhook_queue_config){
        .debounce_ms = 1000,
        .wait_max_ms = 10000,
        .retry_min_ms = 1000,
        .retry_max_ms = 60000,
        .documents_max = 10000,
    };
}

struct ordo_webhook_queue *ordo_webhook_queue_create(const struct ordo_webhook_queue_config *config) {
    struct ordo_webhook_queue *queue = ordo_alloc(sizeof *queue);
    ORDO_ASSERT(config->documents_max > 0 && config->retry_min_ms > 0);
    queue->config = *config;
    ordo_prng_init(&queue->prng, config->seed);
    queue->entries.seed = ordo_hash_with(config->seed, ordo_slice_of("tables"));
    queue->heap = ordo_alloc_array(config->documents_max, sizeof(struct ordo_webhook_entry *));
    return queue;
}

void ordo_webhook_queue_destroy(struct ordo_webhook_queue *queue) {
    if (queue == NULL) return;
    uint32_t cursor = 0;
    struct ordo_webhook_entry *entry;
    while ((entry = ordo_table_next(&queue->entries, &cursor)) != NULL) free(entry);
    ordo_table_finish(&queue->entries);
    free(queue->heap);
    free(queue);
}

/* ---- the heap */

static void put_at(struct ordo_webhook_queue *queue, uint32_t place, struct ordo_webhook_entry *entry) {
    queue->heap[place] = entry;
    entry->place = place;
}

/* Moves the entry at `place` to where its due_ms belongs. */
static void sift(struct ordo_webhook_queue *queue, uint32_t place) {
    struct ordo_webhook_entry *entry = queue->heap[place];
    while (place > 0 && queue->heap[(place - 1) / 2]->due_ms > entry->due_ms) {
        put_at(queue, place, queue->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= queue->heap_count) break;
        if (child + 1 < queue->heap_count && queue->heap[child + 1]->due_ms < queue->heap[child]->due_ms) child++;
        if (queue->heap[child]->due_ms >= entry->due_ms) break;
        put_at(queue, place, queue->heap[child]);
        place = child;
    }
    put_at(queue, place, entry);
}

static void wait_until(struct ordo_webhook_queue *queue, struct ordo_webhook_entry *entry, uint64_t due_ms) {
    entry->due_ms = due_ms;
    put_at(queue, queue->heap_count++, entry);
    sift(queue, entry->place);
}

static struct ordo_webhook_entry *take_first(struct ordo_webhook_queue *queue) {
    struct ordo_webhook_entry *first = queue->heap[0];
    struct ordo_webhook_entry *last = queue->heap[--queue->heap_count];
    if (first != last) {
        put_at(queue, 0, last);
        sift(queue, 0);
    }
    return first;
}

/* ---- documents */

static bool is_of(const void *item, const void *key) {
    const struct ordo_webhook_entry *entry = item;
    const struct ordo_webhook_news *news = key;
    return ordo_slice_equal(ordo_slice(entry->collection, entry->collection_size), news->collection) &&
           ordo_slice_equal(ordo_slice(entry->id, entry->id_size), news->id);
}

static struct ordo_webhook_entry *add(struct ordo_webhook_queue *queue, const struct ordo_webhook_news *news, uint64_t hash) {
    struct ordo_webhook_entry *entry = ordo_alloc(sizeof *entry);
    entry->hash = hash;
    memcpy(entry->collection, news->collection.data, news->collection.size);
    entry->collection_size = (uint8_t)news->collection.size;
    memcpy(entry->id, news->id.data, news->id.size);
    entry->id_size = (uint8_t)news->id.size;
    ordo_table_insert(&queue->entries, hash, entry);
    queue->stats.waiting++;
    return entry;
}

static void drop(struct ordo_webhook_queue *queue, struct ordo_webhook_entry *entry) {
    ordo_table_remove(&queue->entries, entry->hash, entry);
    queue->stats.waiting--;
    free(entry);
}

static void add_user(struct ordo_webhook_entry *entry, struct ordo_slice user) {
    if (user.size == 0 || user.size > ORDO_USER_SIZE_MAX) return;
    for (uint32_t i = 0; i < entry->user_count; i++)
        if (ordo_slice_equal(ordo_slice(entry->users[i].name, entry->users[i].size), user)) return;
    if (entry->user_count == ORDO_WEBHOOK_USERS_MAX) {
        entry->has_more_users = true;
        return;
    }
    memcpy(entry->users[entry->user_count].name, user.data, user.size);
    entry->users[entry->user_count++].size = (uint8_t)user.size;
}

static uint64_t quiet_ms(const struct ordo_webhook_queue *queue, const struct ordo_webhook_entry *entry, uint64_t now_ms) {
    if (queue->is_hurried) return now_ms;
    uint64_t quiet = now_ms + queue->config.debounce_ms, latest = entry->first_ms + queue->config.wait_max_ms;
    return quiet < latest ? quiet : latest;
}

bool ordo_webhook_queue_note(struct ordo_webhook_queue *queue, const struct ordo_webhook_news *news, uint64_t now_ms) {
    ORDO_ASSERT(news->collection.size <= ORDO_NAME_SIZE_MAX && news->id.size <= ORDO_NAME_SIZE_MAX);
    uint64_t hash = ordo_hash_with(ordo_table_hash(&queue->entries, news->collection), news->id);
    struct ordo_webhook_entry *entry = ordo_table_find(&queue->entries, hash, is_of, news);
    bool is_new = entry == NULL;
    if (is_new && queue->stats.waiting == queue->config.documents_max) {
        queue->stats.dropped++;
        return false;
    }
    if (is_new) entry = add(queue, news, hash);
    if (is_new || (entry->is_taken && !entry->has_newer)) entry->first_ms = now_ms;
    entry->has_newer = entry->is_taken;
    entry->lineage = news->lineage;
    entry->seq = news->seq;
    entry->timestamp_ms = news->timestamp_ms;
    entry->is_deleted = news->is_deleted;
    add_user(entry, news->user);
    if (is_new) {
        wait_until(queue, entry, quiet_ms(queue, entry, now_ms));
    } else if (!entry->is_taken && entry->try_count == 0) { /* else the pause after a failure is what counts */
        entry->due_ms = quiet_ms(queue, entry, now_ms);
        sift(queue, entry->place);
    }
    return true;
}

/* ---- sending */

uint64_t ordo_webhook_queue_due_ms(const struct ordo_webhook_queue *queue) {
    if (queue->heap_count == 0) return UINT64_MAX;
    uint64_t due_ms = queue->heap[0]->due_ms;
    return due_ms > queue->paused_until_ms ? due_ms : queue->paused_until_ms;
}

struct ordo_webhook_entry *ordo_webhook_queue_take(struct ordo_webhook_queue *queue, uint64_t now_ms) {
    if (ordo_webhook_queue_due_ms(queue) > now_ms) return NULL;
    struct ordo_webhook_entry *entry = take_first(queue);
    entry->is_taken = true;
    entry->has_newer = false;
    return entry;
}

void ordo_webhook_queue_hurry(struct ordo_webhook_queue *queue, uint64_t now_ms) {
    queue->is_hurried = true;
    queue->paused_until_ms = 0;
    for (uint32_t i = 0; i < queue->heap_count; i++) queue->heap[i]->due_ms = now_ms; /* all the same: it stays a heap */
}

/* After so many failures, between one half and the whole of a pause that doubles. */
static uint64_t pause_ms(struct ordo_webhook_queue *queue, uint32_t failure_count) {
    uint64_t pause = queue->config.retry_min_ms;
    for (uint32_t i = 1; i < failure_count && pause < queue->config.retry_max_ms; i++) pause *= 2;
    if (pause > queue->config.retry_max_ms) pause = queue->config.retry_max_ms;
    return pause - ordo_prng_below(&queue->prng, pause / 2 + 1);
}


/* What changed while it was sent is told after a while of quiet, like any change; `users` may name some that were told of. */
static void go_on_or_drop(struct ordo_webhook_queue *queue, struct ordo_webhook_entry *entry, uint64_t now_ms) {
    entry->try_count = 0;
    if (entry->has_newer)
        wait_until(queue, entry, quiet_ms(queue, entry, now_ms));
    else
        drop(queue, entry);
}

bool ordo_webhook_queue_done(struct ordo_webhook_queue *queue, struct ordo_webhook_entry *entry,
                             enum ordo_webhook_outcome outcome, uint64_t now_ms) {
    ORDO_ASSERT(entry->is_taken);
    entry->is_taken = false;
    if (outcome == ORDO_WEBHOOK_FAILED) {
        queue->stats.failed_tries++;
        queue->failures_in_a_row++;
        queue->paused_until_ms = queue->is_hurried ? 0 : now_ms + pause_ms(queue, queue->failures_in_a_row);
        if (++entry->try_count < ORDO_WEBHOOK_TRIES_MAX) {
            wait_until(queue, entry, now_ms + pause_ms(queue, entry->try_count));
            return false;
        }
        queue->stats.given_up++;
    } else {
        queue->failures_in_a_row = 0;
        queue->paused_until_ms = 0;
        if (outcome == ORDO_WEBHOOK_DELIVERED) queue->stats.delivered++;
        else queue->stats.refused++;
    }
    go_on_or_drop(queue, entry, now_ms);
    return outcome == ORDO_WEBHOOK_FAILED;
}

struct ordo_webhook_stats ordo_webhook_queue_stats(const struct ordo_webhook_queue *queue) {
    return queue->stats;
}
