/* shard/confine.h: a table with a bad block is taken out of the database, and the rest of the store goes on.
 *
 * RocksDB compacts whole tables. At a bad block it gives up, and with it every write of every document, at this start and at
 * each one after it. So the shard notes which table it was and stops; its next start takes the table out:
 *
 *   1. DIR/confine/ is made: a database of that one table, under records made of the database's own.
 *   2. The table is struck from the database's list (manifest.h).
 *   3. Its rows that read are put back, as far as the database does not hold later ones; between which keys some did not read
 *      goes to the row `damage` (core/damage.h): documents there answer an error until `ordo repair`.
 *   4. The table's file is kept as DIR/lost/NAME, for whoever knows more about bits than we do. DIR/confine/ goes.
 *
 * What it takes goes by the table, a few dozen MB at most, and not by the store. Cut off at any place, it is done again from
 * 1 or, once DIR/confine/ has its name, from 2. Rows that had been deleted may come back from older tables; they are of ops
 * below the horizon, of snapshots and clients that nobody needs any more, and go again like those that a crash leaves. Those of
 * forgotten documents are deleted at once (core/erase_again.h).
 *
 * Of a table of which nothing reads the place is what its first and last key say. One of the store's own rows cannot be
 * confined: refused, with a sentence. */
#ifndef ORDO_SHARD_CONFINE_H
#define ORDO_SHARD_CONFINE_H

#include "shard/store_rocksdb.h"

/* If RocksDB's `failure` is that of a bad table, notes it in `path`, the store's folder. False: it is not, or it was noted
 * already, or the note could not be written. Allowed while the database is open. */
bool ordo_confine_note(const char *path, const char *failure);
/* Confines what was noted, under the folder's lock, with log files that were found sound. Says in the log what it did. */
ORDO_MUST_USE ordo_err ordo_confine_run(const char *path, const char *db_path, struct ordo_problem *problem);

#endif
