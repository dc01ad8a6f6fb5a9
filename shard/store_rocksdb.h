/* shard/store_rocksdb.h: the store on disk: one RocksDB database with the column families of store.h.
 *
 * This file opens a database as it is told and translates; which folder it lives in, who may open it, and what its log
 * files must look like first, is folder.h's affair. Options, and what they are for, stand in store_rocksdb.c.
 *
 * Threads: as store.h says. After a write that failed the store refuses all others: close it and open it anew. */
#ifndef ORDO_SHARD_STORE_ROCKSDB_H
#define ORDO_SHARD_STORE_ROCKSDB_H

#include "shard/store.h"

#define ORDO_PROBLEM_SIZE 512

/* A whole sentence for people, when something failed. */
struct ordo_problem {
    char text[ORDO_PROBLEM_SIZE];
};
__attribute__((format(printf, 2, 3))) void ordo_problem_set(struct ordo_problem *problem, const char *format, ...);

enum ordo_rocksdb_mode {
    ORDO_ROCKSDB_CREATE,   /* there must be none yet */
    ORDO_ROCKSDB_OPEN,     /* there must be one; what its log holds is written to new, synced tables before this returns */
    ORDO_ROCKSDB_READONLY, /* changes nothing; `write` answers IO */
    ORDO_ROCKSDB_READONLY_TORN, /* the same, and passes over what does not read in the log: only for logs whose ends were
                                 * found to be torn (recovery.h), which cannot be cut here */
    /* For `ordo repair`, on a copy without log files (but for the first) whose tables may be damaged or missing: */
    ORDO_ROCKSDB_SALVAGE_LOG, /* with log files: fails if one that it knows of is missing or shorter than it was */
    ORDO_ROCKSDB_SALVAGE,     /* reads what can be read; a bad block ends an iteration with CORRUPT */
    ORDO_ROCKSDB_REBUILT,     /* what ordo_store_rocksdb_rebuild made */
};

/* `path` is the database's own folder. LOCKED, CORRUPT, NO_SPACE, NOT_FOUND, EXISTS, IO with a problem. */
ORDO_MUST_USE ordo_err ordo_store_rocksdb_open(const char *path, enum ordo_rocksdb_mode mode,
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

/* What RocksDB said about the last write that failed; "" if none did. */
const char *ordo_store_rocksdb_failure(const struct ordo_store *store);

/* Background work (a flush, a compaction) met an error: writes will fail. Any thread. */
bool ordo_store_rocksdb_has_background_error(const struct ordo_store *store);

#endif
