#include "common/directory/content.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

/* ---- finding, the same in both */

/* The place of the first item whose key is not below `key`. */
static size_t lower_bound(const struct ordo_directory_item *items, size_t count, const char *key) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(items[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct ordo_directory_item *find(const struct ordo_directory_item *items, size_t count, const char *key) {
    size_t index = lower_bound(items, count, key);
    return index < count && strcmp(items[index].key, key) == 0 ? &items[index] : NULL;
}

const struct ordo_directory_item *ordo_directory_find(const struct ordo_directory_view *view, const char *key) {
    return find(view->items, view->count, key);
}

const struct ordo_directory_item *ordo_directory_range(const struct ordo_directory_view *view, const char *prefix,
                                                       size_t *count_out) {
    size_t first = lower_bound(view->items, view->count, prefix), end = first, size = strlen(prefix);
    while (end < view->count && strncmp(view->items[end].key, prefix, size) == 0) end++;
    *count_out = end - first;
    return view->items + first;
}

/* ---- contents */

void ordo_directory_content_finish(struct ordo_directory_content *content) {
    for (size_t i = 0; i < content->count; i++) {
        free((char *)content->items[i].key);
        free((uint8_t *)content->items[i].value.data);
    }
    free(content->items);
    *content = (struct ordo_directory_content){0};
}

bool ordo_directory_key_is_valid(const char *key) {
    size_t size = 0;
    for (; key[size] != '\0'; size++) {
        if (key[size] <= ' ' || key[size] > '~' || size == ORDO_DIRECTORY_KEY_SIZE_MAX) return false;
    }
    return size > 0;
}

const struct ordo_directory_item *ordo_directory_content_find(const struct ordo_directory_content *content,
                                                              const char *key) {
    return find(content->items, content->count, key);
}

static struct ordo_directory_item *insert(struct ordo_directory_content *content, const char *key) {
    if (content->count == content->capacity) {
        content->capacity = content->capacity ? 2 * content->capacity : 16;
        content->items = ordo_realloc(content->items, content->capacity * sizeof *content->items);
    }
    size_t index = lower_bound(content->items, content->count, key);
    struct ordo_directory_item *item = &content->items[index];
    memmove(item + 1, item, (content->count - index) * sizeof *item);
    *item = (struct ordo_directory_item){.key = ordo_strdup(key)};
    content->count++;
    content->size += strlen(key);
    return item;
}

ordo_err ordo_directory_content_put(struct ordo_directory_content *content, const char *key, struct ordo_slice value,
                                    uint64_t lease) {
    if (!ordo_directory_key_is_valid(key)) return ORDO_ERR_INVALID;
    if (value.size > ORDO_DIRECTORY_VALUE_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
    if (content->size + strlen(key) + value.size > ORDO_DIRECTORY_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
    struct ordo_directory_item *item = (struct ordo_directory_item *)ordo_directory_content_find(content, key);
    if (item == NULL) item = insert(content, key);
    uint8_t *copy = ordo_memdup(value.data, value.size);
    content->size += value.size - item->value.size;
    free((uint8_t *)item->value.data);
    item->value = ordo_slice(copy, value.size);
    item->lease = lease;
    return ORDO_OK;
}

static void remove_at(struct ordo_directory_content *content, size_t index) {
    struct ordo_directory_item *item = &content->items[index];
    content->size -= strlen(item->key) + item->value.size;
    free((char *)item->key);
    free((uint8_t *)item->value.data);
    content->count--;
    memmove(item, item + 1, (content->count - index) * sizeof *item);
}

bool ordo_directory_content_delete(struct ordo_directory_content *content, const char *key) {
    const struct ordo_directory_item *item = ordo_directory_content_find(content, key);
    if (item != NULL) remove_at(content, (size_t)(item - content->items));
    return item != NULL;
}

bool ordo_directory_content_end_lease(struct ordo_directory_content *content, uint64_t lease) {
    size_t before = content->count;
    for (size_t i = content->count; i-- > 0;) {
        if (content->items[i].lease == lease) remove_at(content, i);
    }
    return content->count < before;
}

/* ---- views: one piece of memory for all that is in one */

struct view {
    struct ordo_directory_view view; /* first, so that a view is where this is */
    atomic_size_t holder_count;
    struct ordo_directory_item items[];
};

const struct ordo_directory_view *ordo_directory_view_hold(const struct ordo_directory_view *view) {
    if (view != NULL) atomic_fetch_add(&((struct view *)view)->holder_count, 1);
    return view;
}

void ordo_directory_view_release(const struct ordo_directory_view *view) {
    if (view != NULL && atomic_fetch_sub(&((struct view *)view)->holder_count, 1) == 1) free((struct view *)view);
}

static const uint8_t *append(uint8_t **next, const void *data, size_t size) {
    uint8_t *at = *next;
    if (size > 0) memcpy(at, data, size);
    *next += size;
    return at;
}

const struct ordo_directory_view *ordo_directory_view_create(const struct ordo_directory_content *content,
                                                             uint64_t generation, uint64_t away_since_ms,
                                                             const char *reason) {
    if (reason == NULL) reason = "";
    size_t bytes_size = content->size + content->count + strlen(reason) + 1;
    struct view *made = ordo_alloc(sizeof *made + content->count * sizeof made->items[0] + bytes_size);
    uint8_t *next = (uint8_t *)&made->items[content->count], *end = next + bytes_size;
    for (size_t i = 0; i < content->count; i++) {
        const struct ordo_directory_item *item = &content->items[i];
        made->items[i] = *item;
        made->items[i].key = (const char *)append(&next, item->key, strlen(item->key) + 1);
        made->items[i].value.data = append(&next, item->value.data, item->value.size);
    }
    made->view = (struct ordo_directory_view){
        .generation = generation,
        .revision = content->revision,
        .away_since_ms = away_since_ms,
        .away_reason = (const char *)append(&next, reason, strlen(reason) + 1),
        .count = content->count,
        .items = made->items,
    };
    ORDO_ASSERT(next == end);
    atomic_init(&made->holder_count, 1);
    return &made->view;
}
