/* shard/manifest.h: RocksDB's list of its tables, and how much of it was on disk.
 *
 * The MANIFEST is a log in the format of wal.h. RocksDB takes one that ends early for one whose end was never written, and
 * opens without the tables that the rest names; their log files are long gone. So its size is noted once a second next to
 * the low-water mark, after a sync of our own (RocksDB may have written and not synced yet), and a start compares. */
#ifndef ORDO_SHARD_MANIFEST_H
#define ORDO_SHARD_MANIFEST_H

#include "shard/low_water.h"
#include "shard/store_rocksdb.h"

/* Of the MANIFEST in use; what stands in `mark` is on disk on return. If it is as before, nothing is synced. Waits up to a second for the
 * end of a record that is being written: a mark in the middle of one would refuse a store whose disk kept all up to there. */
ORDO_MUST_USE ordo_err ordo_manifest_mark(const char *db_path, struct ordo_manifest_mark *mark);
/* Takes these tables out of the list, of a database that nobody has open: with its next opening it does not know of them any
 * more, and deletes their files. On disk on return; cut off, nothing has changed. */
ORDO_MUST_USE ordo_err ordo_manifest_drop(const char *db_path, const struct ordo_rocksdb_table *tables, size_t count,
                                          struct ordo_problem *problem);
/* Takes all log files out of the list, of a copy that was made without them: where they are not to be checked, RocksDB aborts the
 * process if the list has any. On disk on return. A list that is damaged in its middle stays as it is, and this answers OK: the
 * database does not open then. IO, NOT_FOUND, CORRUPT (CURRENT names none), with a sentence. */
ORDO_MUST_USE ordo_err ordo_manifest_forget_logs(const char *db_path, struct ordo_problem *problem);
/* CORRUPT, with a sentence: it is older, shorter or less readable than it was. */
ORDO_MUST_USE ordo_err ordo_manifest_check(const char *db_path, const struct ordo_manifest_mark *mark,
                                           struct ordo_problem *problem);

#endif
