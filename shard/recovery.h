/* shard/recovery.h: what the log files of a database look like before anybody opens it.
 *
 * Every start reads all of them (at most 12 MB): records must read, and continue one another from file to file. A bad
 * place with anything whole behind it is damage, and the database is refused. A bad place with nothing behind it is a
 * torn tail: what was being written when the machine stopped, never acked. It is cut off on a synced copy of the file,
 * which then replaces it. Runs before RocksDB, under the folder's lock. */
#ifndef ORDO_SHARD_RECOVERY_H
#define ORDO_SHARD_RECOVERY_H

#include <limits.h>

#include "shard/store_rocksdb.h"

#define ORDO_LOG_CUTS_MAX 4

struct ordo_log_check {
    size_t file_count;
    uint64_t size;         /* bytes of all files */
    uint64_t record_count;
    uint64_t torn_size;    /* bytes of the torn tail; 0: none */
    struct ordo_log_cut {
        char file[NAME_MAX + 1];
        uint64_t good_size;
    } cuts[ORDO_LOG_CUTS_MAX]; /* where it lies: mostly one file, and those begun behind it without a whole record */
    size_t cut_count;
    struct ordo_buffer watched; /* the newest value in the logs under the watched key; empty: none there */
};

/* Reads the log files in `db_path`; changes nothing. CORRUPT: damage, and `problem` names file and place. */
ORDO_MUST_USE ordo_err ordo_log_check_run(struct ordo_log_check *check, const char *db_path,
                                          struct ordo_slice watched_key, struct ordo_problem *problem);
void ordo_log_check_finish(struct ordo_log_check *check);

/* Cuts the torn tail that the check found. `temporary`: a name outside `db_path`, on the same file system. */
ORDO_MUST_USE ordo_err ordo_log_cut_tail(const struct ordo_log_check *check, const char *db_path,
                                         const char *temporary, struct ordo_problem *problem);

#endif
