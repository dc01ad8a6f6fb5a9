#include "tests/sim/queue.h"

#include <stdlib.h>

#include "common/memory.h"

void sim_queue_finish(struct sim_queue *queue) {
    for (size_t i = 0; i < queue->count; i++) ordo_buffer_finish(&queue->items[i].payload);
    free(queue->items);
    *queue = (struct sim_queue){0};
}

static bool is_before(const struct sim_item *a, const struct sim_item *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void sim_queue_push(struct sim_queue *queue, struct sim_item item) {
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity ? queue->capacity * 2 : 64;
        queue->items = ordo_realloc(queue->items, queue->capacity * sizeof *queue->items);
    }
    item.order = queue->pushed++;
    size_t at = queue->count++;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_before(&item, &queue->items[parent])) break;
        queue->items[at] = queue->items[parent];
        at = parent;
    }
    queue->items[at] = item;
}

bool sim_queue_take(struct sim_queue *queue, struct sim_item *out) {
    if (queue->count == 0) return false;
    *out = queue->items[0];
    struct sim_item last = queue->items[--queue->count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= queue->count) break;
        if (child + 1 < queue->count && is_before(&queue->items[child + 1], &queue->items[child])) child++;
        if (!is_before(&queue->items[child], &last)) break;
        queue->items[at] = queue->items[child];
        at = child;
    }
    if (queue->count > 0) queue->items[at] = last;
    return true;
}
