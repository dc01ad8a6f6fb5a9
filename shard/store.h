/* shard/store.h: what the shard needs of a disk.
 *
 * Column families of ordered keys, an atomic batch, reads from a consistent view. Three versions: RocksDB
 * (store_rocksdb.c), memory with faults for the simulator and tests (store_memory.c). The core never calls these: it
 * hands batches out as effects, and jobs on helper threads read through a view.
 *
 * Threads: `write` from one thread; views may be opened and read from any thread, one thread per view. */
#ifndef ORDO_SHARD_STORE_H
#define ORDO_SHARD_STORE_H

#include "common/buffer.h"
#include "common/error.h"

enum ordo_cf {
    ORDO_CF_META,      /* format version, cluster id, store id, incarnation, turn, term, slot ownership */
    ORDO_CF_DOCS,      /* document key → type, lineage, head, horizon, deleted */
    ORDO_CF_OPS,       /* document key + first server_seq → run */
    ORDO_CF_SNAPSHOTS, /* document key + seq + piece → content */
    ORDO_CF_CLIENTS,   /* document key + client_id → dedupe entry */
    ORDO_CF_HISTORY,   /* packed blocks */
    ORDO_CF_COUNT
};

extern const char *const ordo_cf_names[ORDO_CF_COUNT];

/* Puts and deletes that become visible and durable together, in this order: one buffer of records (kind u8, cf u8, sized
 * key, sized value if a put, sized upper bound if a delete of a range). Zeroed memory is an empty batch. */
struct ordo_batch {
    struct ordo_buffer records;
    size_t count;
};

void ordo_batch_finish(struct ordo_batch *batch);
void ordo_batch_clear(struct ordo_batch *batch);
void ordo_batch_put(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value);
void ordo_batch_delete(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice key);
/* Deletes the keys from `lower` on and below `upper`. What it leaves in the database slows reads down until it is compacted
 * away: for whole slots and for documents of which nothing is to remain, not for what happens every day. */
void ordo_batch_delete_range(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice lower, struct ordo_slice upper);

enum ordo_batch_kind { ORDO_BATCH_PUT = 1, ORDO_BATCH_DELETE, ORDO_BATCH_DELETE_RANGE };
struct ordo_batch_item {
    enum ordo_batch_kind kind;
    enum ordo_cf cf;
    struct ordo_slice key;
    struct ordo_slice value; /* of a put; of DELETE_RANGE: the upper bound, exclusive */
};
/* Steps through a batch; start with reader = ordo_reader(records). False at the end. */
bool ordo_batch_next(struct ordo_reader *reader, struct ordo_batch_item *item);

struct ordo_store; /* first member of every version: const struct ordo_store_ops *ops */
struct ordo_view;
struct ordo_iterator;

struct ordo_store_ops {
    /* Applies the batch. With `sync` it is durable on return. Errors: NO_SPACE, IO, CORRUPT: nothing may be acked, the
     * outcome of the batch is unknown until the store is opened anew. */
    ordo_err (*write)(struct ordo_store *store, const struct ordo_batch *batch, bool sync);
    struct ordo_view *(*view_open)(struct ordo_store *store);
    void (*view_close)(struct ordo_view *view);
    void (*close)(struct ordo_store *store); /* NULL is fine */
};
struct ordo_store {
    const struct ordo_store_ops *ops;
};

struct ordo_view_ops {
    /* Appends the value. NOT_FOUND, CORRUPT, IO. */
    ordo_err (*get)(struct ordo_view *view, enum ordo_cf cf, struct ordo_slice key, struct ordo_buffer *value_out);
    /* Stands before the first key; `upper` (borrowed until close, empty: none) is exclusive. */
    struct ordo_iterator *(*iterate)(struct ordo_view *view, enum ordo_cf cf, struct ordo_slice lower,
                                     struct ordo_slice upper);
};
struct ordo_view {
    const struct ordo_view_ops *ops;
};

struct ordo_iterator_ops {
    /* Moves to the first key >= `key` / the last key <= `key` / the next / the previous one; false: none, see status. */
    bool (*seek)(struct ordo_iterator *iterator, struct ordo_slice key);
    bool (*seek_back)(struct ordo_iterator *iterator, struct ordo_slice key);
    bool (*next)(struct ordo_iterator *iterator);
    bool (*previous)(struct ordo_iterator *iterator);
    struct ordo_slice (*key)(const struct ordo_iterator *iterator); /* good until the next move */
    struct ordo_slice (*value)(const struct ordo_iterator *iterator);
    ordo_err (*status)(const struct ordo_iterator *iterator); /* why a move said false: OK (the end), CORRUPT, IO */
    void (*close)(struct ordo_iterator *iterator);
};
struct ordo_iterator {
    const struct ordo_iterator_ops *ops;
};
/* Closes it: why the last move said false. */
static inline ordo_err ordo_iterator_end(struct ordo_iterator *iterator) {
    ordo_err err = iterator->ops->status(iterator);
    iterator->ops->close(iterator);
    return err;
}

#endif
