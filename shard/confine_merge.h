/* shard/confine_merge.h: what a damaged table, alone in a database of its own, still holds, and putting it back. For
 * confine.c. */
#ifndef ORDO_SHARD_CONFINE_MERGE_H
#define ORDO_SHARD_CONFINE_MERGE_H

#include "shard/store_rocksdb.h"

/* Opens the database, which does not list the table any more, puts its rows back and notes what does not read. On disk on
 * return; may be done again. If the database meets another damaged table, that is noted in `path` (confine.h). */
ORDO_MUST_USE ordo_err ordo_confine_merge(const char *copy_path, const char *table_name, const char *db_path,
                                          const char *path, struct ordo_problem *problem);

#endif
