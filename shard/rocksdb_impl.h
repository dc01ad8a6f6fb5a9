/* shard/rocksdb_impl.h: what the parts of the store on disk share: store_rocksdb.c (life, writing), rocksdb_view.c (reading),
 * rocksdb_options.c. For nobody else. */
#ifndef ORDO_SHARD_ROCKSDB_IMPL_H
#define ORDO_SHARD_ROCKSDB_IMPL_H

#include <limits.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "shard/store_rocksdb.h"

/* RocksDB insists on a family of its own; nothing of ours is in it. */
enum { ROCKSDB_FAMILY_COUNT = ORDO_CF_COUNT + 1, ROCKSDB_FAMILY_DEFAULT = ORDO_CF_COUNT };

struct store_rocksdb {
    struct ordo_store base;
    rocksdb_t *db;
    rocksdb_options_t *options[ROCKSDB_FAMILY_COUNT];
    rocksdb_column_family_handle_t *families[ROCKSDB_FAMILY_COUNT];
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_sync, *write_nosync;
    bool is_readonly;
    atomic_bool is_broken; /* a write failed: nothing goes until the store is opened anew */
    char failure[ORDO_PROBLEM_SIZE + PATH_MAX]; /* with the path of a file in it */
};

/* The options of one family; `family` 0 also speaks for the database as a whole. NULL: RocksDB does not know one of them. */
rocksdb_options_t *rocksdb_options_of(int family, enum ordo_rocksdb_mode mode, const struct ordo_rocksdb_tuning *tuning,
                                      rocksdb_cache_t *cache, struct ordo_problem *problem);

/* Prefixes. Most tables have nothing of the document that is looked for, and without a filter an iterator reads of each one the
 * block in which that would be: a megabyte, where the neighbour is large. So filters hold the documents' keys, and an iterator
 * that stays within one document passes over tables that do not know it. Every other one must ask for total order, or it would
 * pass over tables with other documents, too. */

struct ordo_view *rocksdb_view_open(struct ordo_store *store);
void rocksdb_view_close(struct ordo_view *view);

/* RocksDB's C interface says what went wrong only in words. */
ordo_err rocksdb_classify(const char *message);
/* The same, with `what: message` as the problem. Takes the message. */
ordo_err rocksdb_fail(struct ordo_problem *problem, const char *what, char *message);

#endif
