/* shard/restore.h: a store out of a backup of one.
 *
 * The files are checked as they are copied, and the database as it is opened. The new store is another one than that which
 * was backed up (identity.h), and every document of it gets another lineage (core/relineage.h). */
#ifndef ORDO_SHARD_RESTORE_H
#define ORDO_SHARD_RESTORE_H

#include "shard/identity.h"

struct ordo_restored {
    struct ordo_identity was, is; /* as backed up; as made */
    uint64_t document_count;
};

/* Makes a store at `path`, which is not there yet, of the one in the backup at `from`; on disk on return, but for the name.
 * The caller makes it a store under its final name, and throws away what is there after an error. */
ORDO_MUST_USE ordo_err ordo_restore_store(const char *from, const char *path, struct ordo_restored *out,
                                          struct ordo_problem *problem);

#endif
