#include "shard/rocksdb_impl.h"

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"

#include <stdlib.h>

struct view_rocksdb {
    struct ordo_view base;
    struct store_rocksdb *store;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *get_options;
};

struct iterator_rocksdb {
    struct ordo_iterator base;
    rocksdb_iterator_t *iterator;
    rocksdb_readoptions_t *options;
    bool was_moved;
};

static ordo_err view_get(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice key,
                         struct ordo_buffer *value_out) {
    struct view_rocksdb *view = (struct view_rocksdb *)base;
    char *message = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(
        view->store->db, view->get_options, view->store->families[cf], (const char *)key.data, key.size, &message);
    if (message != NULL) {
        ordo_err err = rocksdb_classify(message);
        rocksdb_free(message);
        return err;
    }
    if (pinned == NULL) return ORDO_ERR_NOT_FOUND;
    size_t size;
    const char *value = rocksdb_pinnableslice_value(pinned, &size);
    ordo_buffer_append(value_out, value, size);
    rocksdb_pinnableslice_destroy(pinned);
    return ORDO_OK;
}

static bool iterator_stands(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    iterator->was_moved = true;
    return rocksdb_iter_valid(iterator->iterator);
}

static bool iterator_seek(struct ordo_iterator *base, struct ordo_slice key) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    rocksdb_iter_seek(iterator->iterator, (const char *)key.data, key.size);
    return iterator_stands(base);
}

static bool iterator_seek_back(struct ordo_iterator *base, struct ordo_slice key) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    rocksdb_iter_seek_for_prev(iterator->iterator, (const char *)key.data, key.size);
    return iterator_stands(base);
}

static bool iterator_next(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    if (iterator->was_moved) {
        ORDO_ASSERT(rocksdb_iter_valid(iterator->iterator));
        rocksdb_iter_next(iterator->iterator);
    } else {
        rocksdb_iter_seek_to_first(iterator->iterator);
    }
    return iterator_stands(base);
}

static bool iterator_previous(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    ORDO_ASSERT(rocksdb_iter_valid(iterator->iterator));
    rocksdb_iter_prev(iterator->iterator);
    return iterator_stands(base);
}

static struct ordo_slice iterator_key(const struct ordo_iterator *base) {
    size_t size;
    const char *key = rocksdb_iter_key(((const struct iterator_rocksdb *)base)->iterator, &size);
    return ordo_slice(key, size);
}

static struct ordo_slice iterator_value(const struct ordo_iterator *base) {
    size_t size;
    const char *value = rocksdb_iter_value(((const struct iterator_rocksdb *)base)->iterator, &size);
    return ordo_slice(value, size);
}

static ordo_err iterator_status(const struct ordo_iterator *base) {
    char *message = NULL;
    rocksdb_iter_get_error(((const struct iterator_rocksdb *)base)->iterator, &message);
    if (message == NULL) return ORDO_OK;
    ordo_err err = rocksdb_classify(message);
    rocksdb_free(message);
    return err;
}

void ordo_store_rocksdb_iterator_failure(const struct ordo_iterator *base, struct ordo_buffer *out) {
    char *message = NULL;
    ordo_buffer_clear(out);
    rocksdb_iter_get_error(((const struct iterator_rocksdb *)base)->iterator, &message);
    if (message != NULL) ordo_buffer_append(out, message, strlen(message));
    ordo_buffer_append_u8(out, 0);
    rocksdb_free(message);
}

static void iterator_close(struct ordo_iterator *base) {
    struct iterator_rocksdb *iterator = (struct iterator_rocksdb *)base;
    rocksdb_iter_destroy(iterator->iterator);
    rocksdb_readoptions_destroy(iterator->options);
    free(iterator);
}

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

static struct ordo_iterator *view_iterate(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice lower,
                                          struct ordo_slice upper) {
    struct view_rocksdb *view = (struct view_rocksdb *)base;
    struct iterator_rocksdb *iterator = ordo_alloc(sizeof *iterator);
    iterator->base.ops = &iterator_ops;
    iterator->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(iterator->options, view->snapshot);
    if (lower.size > 0) {
        rocksdb_readoptions_set_iterate_lower_bound(iterator->options, (const char *)lower.data, lower.size);
    }
    if (upper.size > 0) {
        rocksdb_readoptions_set_iterate_upper_bound(iterator->options, (const char *)upper.data, upper.size);
    }
    bool is_of_document = ordo_key_range_is_of_document(lower, upper);
    rocksdb_readoptions_set_total_order_seek(iterator->options, !is_of_document); /* rocksdb_impl.h, prefixes */
    iterator->iterator =
        rocksdb_create_iterator_cf(view->store->db, iterator->options, view->store->families[cf]);
    return &iterator->base;
}

static const struct ordo_view_ops view_ops = {.get = view_get, .iterate = view_iterate};

struct ordo_view *rocksdb_view_open(struct ordo_store *base) {
    struct view_rocksdb *view = ordo_alloc(sizeof *view);
    view->base.ops = &view_ops;
    view->store = (struct store_rocksdb *)base;
    view->snapshot = rocksdb_create_snapshot(view->store->db);
    view->get_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(view->get_options, view->snapshot);
    return &view->base;
}

void rocksdb_view_close(struct ordo_view *base) {
    struct view_rocksdb *view = (struct view_rocksdb *)base;
    rocksdb_release_snapshot(view->store->db, view->snapshot);
    rocksdb_readoptions_destroy(view->get_options);
    free(view);
}
