/* shard/low_water.h: a turn that is known to be on disk, noted outside the database.
 *
 * A log file whose end is missing looks like one that ended there: nothing inside the database tells. So the newest
 * durable turn is written to a small file beside it; a store that opens with a lower turn has lost acknowledged edits and
 * is refused. About once a second it is synced: two records take turns, each in a page of its own with a checksum, so
 * that a write that was cut leaves the other. Overwriting in place keeps the sync cheap. Between these a third record is
 * overwritten after every commit, unsynced: it outlives the process, though not always the machine. Threads: one owner
 * per open file, but for `note`. */
#ifndef ORDO_SHARD_LOW_WATER_H
#define ORDO_SHARD_LOW_WATER_H

#include "common/buffer.h"
#include "common/error.h"

/* How much of RocksDB's list of tables was on disk (manifest.h). */
struct ordo_manifest_mark {
    uint64_t number, size; /* 0, 0: not known */
};

struct ordo_low_water {
    int fd;          /* -1: not open */
    uint64_t serial; /* of the newest record */
    struct ordo_manifest_mark manifest; /* goes into every record */
};

/* NOT_FOUND: no file. CORRUPT: a file without a record that reads. Changes nothing. */
ORDO_MUST_USE ordo_err ordo_low_water_read(const char *path, uint64_t *turn_out);
/* The same for the other half of the newest record. */
ORDO_MUST_USE ordo_err ordo_low_water_read_manifest(const char *path, struct ordo_manifest_mark *out);

/* Opens, or makes it with `turn`; on disk on return. */
ORDO_MUST_USE ordo_err ordo_low_water_open(struct ordo_low_water *mark, const char *path, uint64_t turn);
ORDO_MUST_USE ordo_err ordo_low_water_write(struct ordo_low_water *mark, uint64_t turn);
/* Not synced, so it does not wait for the disk. One thread at a time; it may be another than the owner. */
ORDO_MUST_USE ordo_err ordo_low_water_note(const struct ordo_low_water *mark, uint64_t turn);
void ordo_low_water_close(struct ordo_low_water *mark);

#endif
