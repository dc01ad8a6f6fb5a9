/* shard/recovery.h: what the log files of a database look like before anybody opens it.
 *
 * Every start reads all of them (at most 12 MB): records must read, and continue one another from file to file. A bad
 * place with anything whole behind it is damage, and the database is refused. A bad place with nothing behind it is a
 * torn tail: what was being written when the machine stopped, never acked. It is cut off on a synced copy of the file,
 * which then replaces it.
 *
 * One thing looks like damage and is none: the log went on in a new file, and the power went before the unsynced end of
 * the old one was on disk. Turns are numbered without gaps, so if the new file begins with the turn behind the old
 * one's last, no turn is missing: only background writes, which nobody relies on before a later turn does.
 *
 * And some files are of no account at all: RocksDB deletes a log file once tables hold what is in it, but a power cut may
 * bring such a file back, with others around it missing. Which ones these are only the database knows; so where the
 * files together look damaged, it is asked, and they are judged again without those.
 *
 * Runs before RocksDB serves, under the folder's lock. */
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
    uint64_t turn;         /* the newest in the logs; 0: none there */
};

/* Reads the log files in `db_path` whose number is at least `oldest`; changes nothing. CORRUPT: damage, and `problem`
 * names file and place. */
ORDO_MUST_USE ordo_err ordo_log_check_run(struct ordo_log_check *check, const char *db_path, uint64_t oldest,
                                          struct ordo_problem *problem);

/* Cuts the torn tail that the check found. `temporary`: a name outside `db_path`, on the same file system. */
ORDO_MUST_USE ordo_err ordo_log_cut_tail(const struct ordo_log_check *check, const char *db_path,
                                         const char *temporary, struct ordo_problem *problem);

#endif
