#include "shard/store_memory.h"

#include "common/assert.h"
#include "common/memory.h"
#include "common/random.h"
#include "shard/treap.h"

#include <stdlib.h>

/* All column families at one moment. */
struct version {
    struct ordo_treap *trees[ORDO_CF_COUNT];
};

struct store_memory {
    struct ordo_store base;
    struct ordo_prng prng;
    struct version durable;
    struct version *unsynced; /* after each batch that no sync covered, oldest first */
    size_t unsynced_count, unsynced_capacity;
    uint64_t write_fails_in, sync_fails_in; /* 1: the next one; 0: no fault is due */
    ordo_err write_error;
    bool is_full;
    bool is_broken; /* a write or sync failed: nothing goes until a crash */
};

struct view_memory {
    struct ordo_view base;
    struct version version;
};

struct iterator_memory {
    struct ordo_iterator base;
    struct ordo_treap *tree; /* borrowed from the view */
    struct ordo_slice lower, upper;
    const struct ordo_treap_entry *entry; /* NULL: before the first move, or after one that found nothing */
    bool was_moved;
    ordo_err status;
};

static const struct version *newest(const struct store_memory *store) {
    return store->unsynced_count > 0 ? &store->unsynced[store->unsynced_count - 1] : &store->durable;
}

static struct version version_acquire(const struct version *version) {
    struct version copy;
    for (int cf = 0; cf < ORDO_CF_COUNT; cf++) copy.trees[cf] = ordo_treap_acquire(version->trees[cf]);
    return copy;
}

static void version_release(struct version *version) {
    for (int cf = 0; cf < ORDO_CF_COUNT; cf++) ordo_treap_release(version->trees[cf]);
    *version = (struct version){0};
}

/* Whether a fault that counts down is due at this call. */
static bool is_due(uint64_t *fails_in) { return *fails_in > 0 && --*fails_in == 0; }

/* ---- writing */

static struct ordo_treap *delete_range(struct ordo_treap *tree, struct ordo_slice lower, struct ordo_slice upper) {
    const struct ordo_treap_entry *entry;
    while ((entry = ordo_treap_seek(tree, lower, false)) != NULL &&
           ordo_slice_compare(ordo_treap_key(entry), upper) < 0) {
        struct ordo_slice key = ordo_treap_key(entry);
        uint8_t *copy = ordo_memdup(key.data, key.size); /* the entry may go with the delete */
        tree = ordo_treap_delete(tree, ordo_slice(copy, key.size));
        free(copy);
    }
    return tree;
}

static struct ordo_treap *apply_item(struct ordo_treap *tree, const struct ordo_batch_item *item) {
    switch (item->kind) {
    case ORDO_BATCH_PUT: return ordo_treap_put(tree, item->key, item->value);
    case ORDO_BATCH_DELETE: return ordo_treap_delete(tree, item->key);
    case ORDO_BATCH_DELETE_RANGE: return delete_range(tree, item->key, item->value);
    }
    return tree;
}

static void apply_batch(struct store_memory *store, const struct ordo_batch *batch) {
    struct version next = version_acquire(newest(store));
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&batch->records));
    struct ordo_batch_item item;
    while (ordo_batch_next(&reader, &item)) next.trees[item.cf] = apply_item(next.trees[item.cf], &item);
    if (store->unsynced_count == store->unsynced_capacity) {
        store->unsynced_capacity = store->unsynced_capacity ? 2 * store->unsynced_capacity : 16;
        store->unsynced = ordo_realloc(store->unsynced, store->unsynced_capacity * sizeof *store->unsynced);
    }
    store->unsynced[store->unsynced_count++] = next;
}

/* The first `count` unsynced batches become durable, the rest is forgotten. */
static void settle(struct store_memory *store, size_t count) {
    if (count > 0) {
        version_release(&store->durable);
        store->durable = version_acquire(&store->unsynced[count - 1]);
    }
    for (size_t i = 0; i < store->unsynced_count; i++) version_release(&store->unsynced[i]);
    store->unsynced_count = 0;
}

ordo_err ordo_store_memory_sync(struct ordo_store *base) {
    struct store_memory *store = (struct store_memory *)base;
    if (store->is_broken) return ORDO_ERR_IO;
    if (is_due(&store->sync_fails_in)) {
        store->is_broken = true;
        return ORDO_ERR_IO;
    }
    settle(store, store->unsynced_count);
    return ORDO_OK;
}

static ordo_err memory_write(struct ordo_store *base, const struct ordo_batch *batch, bool sync) {
    struct store_memory *store = (struct store_memory *)base;
    if (store->is_broken) return ORDO_ERR_IO;
    if (store->is_full) return ORDO_ERR_NO_SPACE;
    if (is_due(&store->write_fails_in)) {
        if (store->write_error == ORDO_ERR_NO_SPACE) return ORDO_ERR_NO_SPACE;
        store->is_broken = true;
        if (ordo_prng_below(&store->prng, 2) == 0) apply_batch(store, batch);
        return store->write_error;
    }
    apply_batch(store, batch);
    return sync ? ordo_store_memory_sync(base) : ORDO_OK;
}

/* ---- reading */

static ordo_err memory_get(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice key,
                           struct ordo_buffer *value_out) {
    const struct view_memory *view = (const struct view_memory *)base;
    const struct ordo_treap_entry *entry = ordo_treap_find(view->version.trees[cf], key);
    if (entry == NULL) return ORDO_ERR_NOT_FOUND;
    if (entry->is_unreadable) return ORDO_ERR_CORRUPT;
    ordo_buffer_append_slice(value_out, ordo_treap_value(entry));
    return ORDO_OK;
}

/* Stands at `entry` if it is inside the bounds and readable. */
static bool iterator_stand(struct iterator_memory *iterator, const struct ordo_treap_entry *entry) {
    iterator->entry = NULL;
    iterator->was_moved = true;
    iterator->status = ORDO_OK;
    if (entry == NULL || ordo_slice_compare(ordo_treap_key(entry), iterator->lower) < 0) return false;
    if (iterator->upper.size > 0 && ordo_slice_compare(ordo_treap_key(entry), iterator->upper) >= 0) return false;
    if (entry->is_unreadable) {
        iterator->status = ORDO_ERR_CORRUPT;
        return false;
    }
    iterator->entry = entry;
    return true;
}

static bool iterator_seek(struct ordo_iterator *base, struct ordo_slice key) {
    struct iterator_memory *iterator = (struct iterator_memory *)base;
    if (ordo_slice_compare(key, iterator->lower) < 0) key = iterator->lower;
    return iterator_stand(iterator, ordo_treap_seek(iterator->tree, key, false));
}

static bool iterator_seek_back(struct ordo_iterator *base, struct ordo_slice key) {
    struct iterator_memory *iterator = (struct iterator_memory *)base;
    bool is_past = iterator->upper.size > 0 && ordo_slice_compare(key, iterator->upper) >= 0;
    return iterator_stand(iterator, is_past ? ordo_treap_seek_back(iterator->tree, iterator->upper, true)
                                            : ordo_treap_seek_back(iterator->tree, key, false));
}

static bool iterator_next(struct ordo_iterator *base) {
    struct iterator_memory *iterator = (struct iterator_memory *)base;
    if (!iterator->was_moved) return iterator_seek(base, iterator->lower);
    ORDO_ASSERT(iterator->entry != NULL);
    return iterator_stand(iterator, ordo_treap_seek(iterator->tree, ordo_treap_key(iterator->entry), true));
}

static bool iterator_previous(struct ordo_iterator *base) {
    struct iterator_memory *iterator = (struct iterator_memory *)base;
    ORDO_ASSERT(iterator->entry != NULL);
    return iterator_stand(iterator, ordo_treap_seek_back(iterator->tree, ordo_treap_key(iterator->entry), true));
}

static struct ordo_slice iterator_key(const struct ordo_iterator *base) {
    return ordo_treap_key(((const struct iterator_memory *)base)->entry);
}

static struct ordo_slice iterator_value(const struct ordo_iterator *base) {
    return ordo_treap_value(((const struct iterator_memory *)base)->entry);
}

static ordo_err iterator_status(const struct ordo_iterator *base) {
    return ((const struct iterator_memory *)base)->status;
}

static void iterator_close(struct ordo_iterator *base) { free(base); }

static const struct ordo_iterator_ops iterator_ops = {
    .seek = iterator_seek,
    .seek_back = iterator_seek_back,
    .next = iterator_next,
    .previous = iterator_previous,
    .key = iterator_key,
    .value = iterator_value,
    .status = iterator_status,
    .close = iterator_close,
};

static struct ordo_iterator *memory_iterate(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice lower,
                                            struct ordo_slice upper) {
    const struct view_memory *view = (const struct view_memory *)base;
    struct iterator_memory *iterator = ordo_alloc(sizeof *iterator);
    *iterator = (struct iterator_memory){
        .base.ops = &iterator_ops, .tree = view->version.trees[cf], .lower = lower, .upper = upper};
    return &iterator->base;
}

static const struct ordo_view_ops view_ops = {.get = memory_get, .iterate = memory_iterate};

static struct ordo_view *view_of(const struct version *version) {
    struct view_memory *view = ordo_alloc(sizeof *view);
    view->base.ops = &view_ops;
    view->version = version_acquire(version);
    return &view->base;
}

static struct ordo_view *memory_view_open(struct ordo_store *base) {
    return view_of(newest((const struct store_memory *)base));
}

struct ordo_view *ordo_store_memory_view_durable(struct ordo_store *base) {
    return view_of(&((const struct store_memory *)base)->durable);
}

static void memory_view_close(struct ordo_view *base) {
    struct view_memory *view = (struct view_memory *)base;
    version_release(&view->version);
    free(view);
}

/* ---- life, crashes and faults */

static void memory_close(struct ordo_store *base) {
    if (base == NULL) return;
    struct store_memory *store = (struct store_memory *)base;
    settle(store, 0);
    version_release(&store->durable);
    free(store->unsynced);
    free(store);
}

static const struct ordo_store_ops store_ops = {
    .write = memory_write,
    .view_open = memory_view_open,
    .view_close = memory_view_close,
    .close = memory_close,
};

struct ordo_store *ordo_store_memory_create(uint64_t seed) {
    struct store_memory *store = ordo_alloc(sizeof *store);
    store->base.ops = &store_ops;
    ordo_prng_init(&store->prng, seed);
    return &store->base;
}

size_t ordo_store_memory_unsynced_count(const struct ordo_store *base) {
    return ((const struct store_memory *)base)->unsynced_count;
}

void ordo_store_memory_crash(struct ordo_store *base, bool keep_some) {
    struct store_memory *store = (struct store_memory *)base;
    settle(store, keep_some ? (size_t)ordo_prng_below(&store->prng, store->unsynced_count + 1) : 0);
    store->write_fails_in = store->sync_fails_in = 0;
    store->is_broken = false;
}

void ordo_store_memory_fail_write(struct ordo_store *base, uint64_t nth, ordo_err err) {
    struct store_memory *store = (struct store_memory *)base;
    store->write_fails_in = nth;
    store->write_error = err;
}

void ordo_store_memory_fail_sync(struct ordo_store *base, uint64_t nth) {
    ((struct store_memory *)base)->sync_fails_in = nth;
}

void ordo_store_memory_set_full(struct ordo_store *base, bool is_full) {
    ((struct store_memory *)base)->is_full = is_full;
}

static struct ordo_treap_entry *find_newest(struct store_memory *store, enum ordo_cf cf, struct ordo_slice key) {
    return ordo_treap_find(newest(store)->trees[cf], key);
}

bool ordo_store_memory_flip_bit(struct ordo_store *base, enum ordo_cf cf, struct ordo_slice key, uint64_t bit) {
    struct ordo_treap_entry *entry = find_newest((struct store_memory *)base, cf, key);
    if (entry == NULL || entry->value_size == 0) return false;
    bit %= 8 * (uint64_t)entry->value_size;
    entry->bytes[entry->key_size + bit / 8] ^= (uint8_t)(1u << (bit % 8));
    return true;
}

bool ordo_store_memory_make_unreadable(struct ordo_store *base, enum ordo_cf cf, struct ordo_slice key) {
    struct ordo_treap_entry *entry = find_newest((struct store_memory *)base, cf, key);
    if (entry != NULL) entry->is_unreadable = true;
    return entry != NULL;
}
