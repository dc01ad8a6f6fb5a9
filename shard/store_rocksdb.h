/* shard/store_rocksdb.h: the store on disk: one RocksDB database with the column families of store.h.
 *
 * This file opens a database as it is told and translates; which folder it lives in, who may open it, and what its log
 * files must look like first, is folder.h's affair. Options, and what they are for, stand in rocksdb_options.c.
 *
 * Threads: as store.h says. After a write that failed the store refuses all others: close it and open it anew. */
#ifndef ORDO_SHARD_STORE_ROCKSDB_H
#define ORDO_SHARD_STORE_ROCKSDB_H

#include "common/problem.h"
#include "shard/store.h"

enum ordo_rocksdb_mode {
    ORDO_ROCKSDB_CREATE,   /* there must be none yet */
    ORDO_ROCKSDB_OPEN,     /* there must be one; what its log holds is written to new, synced tables before this returns */
    ORDO_ROCKSDB_READONLY, /* changes nothing; `write` answers IO */
    ORDO_ROCKSDB_READONLY_TORN, /* the same, and passes over what does not read in the log: only for logs whose ends were
                                 * found to be torn (recovery.h), which cannot be cut here */
    /* Where tables may be damaged or missing; read only but for the last. For `ordo repair`, on a copy, and for confining a table: */
    ORDO_ROCKSDB_SALVAGE_LOG, /* with log files: fails if one that it knows of is missing or shorter than it was */
    ORDO_ROCKSDB_SALVAGE,     /* without them (ordo_manifest_forget_logs); a bad block ends an iteration with CORRUPT */
    ORDO_ROCKSDB_REBUILT,     /* what ordo_store_rocksdb_rebuild made */
};

enum ordo_rocksdb_compression { ORDO_ROCKSDB_PLAIN, ORDO_ROCKSDB_LZ4, ORDO_ROCKSDB_ZSTD };

/* What may be set this way or that without anything changing but speed and size. Sizes in bytes. */
struct ordo_rocksdb_tuning {
    size_t log_size_max;  /* of all log files; beyond it buffers are written out */
    size_t buffer_size;   /* of one family, before it is written out … */
    int buffer_count;     /* … and how many of them there may be */
    enum ordo_rocksdb_compression compression; /* of tables that were compacted */
    size_t block_size;    /* of tables: what is read and checked at once */
    size_t cache_size;    /* for blocks of all families */
    int filter_bits;      /* per key, of families that are looked up by key; 0: no filter */
    int level0_count;     /* so many tables as they were written out, each of all documents, are merged at once */
};
/* What stores are opened with. The benchmark tries others (docs/storage.md, "Tuning"). */
extern const struct ordo_rocksdb_tuning ordo_rocksdb_tuning;

/* `path` is the database's own folder. LOCKED, CORRUPT, NO_SPACE, NOT_FOUND, EXISTS, IO with a problem. */
ORDO_MUST_USE ordo_err ordo_store_rocksdb_open(const char *path, enum ordo_rocksdb_mode mode,
                                               struct ordo_problem *problem, struct ordo_store **store_out);
ORDO_MUST_USE ordo_err ordo_store_rocksdb_open_tuned(const char *path, enum ordo_rocksdb_mode mode,
                                                     const struct ordo_rocksdb_tuning *tuning,
                                                     struct ordo_problem *problem, struct ordo_store **store_out);

/* The number of the oldest log file that the database still needs, as its own records say: what older ones hold is in
 * tables. Opens it for reading only, and passes over what does not read in the logs. Errors as above. */
ORDO_MUST_USE ordo_err ordo_store_rocksdb_oldest_log(const char *path, uint64_t *number_out);

/* Makes `path`, on the same file system and not there yet, a database with all that this one holds now: tables are links, log
 * files copies, so it takes no space to speak of and does not hold writers up. Nothing of it is synced. The end of its log
 * may be torn (recovery.h). Any thread. */
ORDO_MUST_USE ordo_err ordo_store_rocksdb_checkpoint(struct ordo_store *store, const char *path,
                                                     struct ordo_problem *problem);
/* For `ordo repair`, on a copy: makes the database's own records anew from the tables that are there. A table with any bad
 * block is left out. Open it as REBUILT. */
ORDO_MUST_USE ordo_err ordo_store_rocksdb_rebuild(const char *path, struct ordo_problem *problem);

/* For what was erased (sweep.h). Writes all that is in memory to tables, after which log files of before are gone. Any thread. */
ORDO_MUST_USE ordo_err ordo_store_rocksdb_flush(struct ordo_store *store, struct ordo_problem *problem);
/* Rewrites the tables of all families that hold keys in the range: what is deleted there, and seen by no view, is gone then.
 * Any thread. */
void ordo_store_rocksdb_compact(struct ordo_store *store, struct ordo_slice lower, struct ordo_slice upper);
/* Ends it wherever it is, in any thread; there is none from here on. */
void ordo_store_rocksdb_stop_compacting(struct ordo_store *store);
/* Whether tables still hold a range that was deleted. */
bool ordo_store_rocksdb_has_range_deletions(struct ordo_store *store);
/* RocksDB numbers families in the order in which they were made, its own first. */
enum { ORDO_ROCKSDB_FAMILY_FIRST = 1 };

/* A table that the database uses. */
struct ordo_rocksdb_table {
    uint64_t number;              /* its file is <number, six digits at least>.sst */
    enum ordo_cf cf;              /* ORDO_CF_COUNT: of RocksDB's own family, which is empty */
    int level;
    struct ordo_slice low, high;  /* its first and last key; good during the call */
};
void ordo_store_rocksdb_tables(const struct ordo_store *store,
                               void (*visit)(void *context, const struct ordo_rocksdb_table *table), void *context);

/* What RocksDB says of itself: worth a look when the disk cannot keep up. */
struct ordo_rocksdb_figures {
    uint64_t tables_size;             /* bytes in tables */
    uint64_t log_size;                /* bytes in log files: what a start has to read */
    uint64_t memory_size;             /* bytes not in tables yet */
    uint64_t compaction_pending_size; /* bytes that compactions are behind with (an estimate) */
    uint64_t compactions_running, flushes_running;
    uint64_t is_write_stopped;        /* 1: writes wait for compactions … */
    uint64_t delayed_write_rate;      /* … or are held to so many bytes per second; 0: neither */
    uint64_t background_errors;       /* of flushes and compactions */
};
/* `path`: of the database's own folder. Any thread; takes some tens of microseconds. */
void ordo_store_rocksdb_figures(const struct ordo_store *store, const char *path, struct ordo_rocksdb_figures *out);

/* What RocksDB says of the place where this store's iterator stands, as a string: "" if its status is OK. */
void ordo_store_rocksdb_iterator_failure(const struct ordo_iterator *iterator, struct ordo_buffer *out);

/* What RocksDB said about the last write that failed; "" if none did. */
const char *ordo_store_rocksdb_failure(const struct ordo_store *store);

#endif
