/* shard/salvage.h: the rows that can still be read of a damaged database.
 *
 * Works on a copy: a folder with links to the tables and copies of the database's own records, so that nothing is written
 * to the damaged one. The log files are read by ourselves (wal.h). Nothing is judged here: `row` gets every row that comes
 * up, some more than once, some damaged (each value has its own checksum), old ones too; `gap` gets the keys between which
 * rows may be missing without a trace. Sources, in this order:
 *
 *   1. the tables as the database knows them, block by block under RocksDB's checksums. Behind a bad block reading goes
 *      on at the next slot, and from there back: what lies between is the gap. (RocksDB must not see a bad block without
 *      its checksum: it asserts on what it finds there.)
 *   2. where there is a gap, or the database's records do not read, the tables that are whole, under records made anew;
 *   3. the whole records of the log files. */
#ifndef ORDO_SHARD_SALVAGE_H
#define ORDO_SHARD_SALVAGE_H

#include "shard/manifest.h"

struct ordo_salvage_gap {
    enum ordo_cf cf;
    struct ordo_slice low, high; /* keys behind `low` and before `high` may be missing; empty: from the first, to the last */
    const char *failure;         /* what RocksDB said of the one bad place that is there; "": there may be several */
};

struct ordo_salvage {
    void *context;
    struct ordo_manifest_mark manifest; /* what was on disk of the MANIFEST; 0, 0: not known */
    /* `is_newest`: no other source holds a newer value under this key, and none was handed out. Not OK: stop with it. */
    ordo_err (*row)(void *context, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, bool is_newest);
    void (*gap)(void *context, const struct ordo_salvage_gap *gap); /* borrowed */
    /* A sentence about what is damaged. */
    void (*note)(void *context, const char *sentence);
    /* Set if the database knows of a log file that is not there, or shorter than it was; or if its list of tables lost its
     * end, so that there may have been others. */
    bool misses_files;
};

/* `work_path` is made for the copy, and removed by the caller. */
ORDO_MUST_USE ordo_err ordo_salvage_run(struct ordo_salvage *salvage, const char *db_path, const char *work_path,
                                        struct ordo_problem *problem);
/* The first source alone, of a database that was opened as SALVAGE: rows, gaps and notes. */
ORDO_MUST_USE ordo_err ordo_salvage_scan(struct ordo_salvage *salvage, struct ordo_store *store);

#endif
