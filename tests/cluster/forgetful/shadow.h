/* tests/cluster/forgetful/shadow.h: what a disk would still hold after the power was cut.
 *
 * Beside the watched folder ROOT lies a shadow folder with one file per inode that was ever synced, holding the bytes
 * that its syncs covered, and one listing per folder, as it was at the folder's last sync. Nothing else is durable. The
 * preloaded library keeps the shadow while the watched process runs; `ordo-forget` puts it in ROOT's place afterwards.
 *
 *     SHADOW/files/KEY    bytes
 *     SHADOW/lost/KEY     "FROM TO": a range whose sync failed. The kernel holds those pages for clean afterwards, so a
 *                         later sync that succeeds does not write them: they are durable only once written again
 *     SHADOW/folders/KEY  lines "KEY NAME", folders as "KEY/ NAME"
 *
 * KEY is inode number and birth time: inode numbers are used again. */
#ifndef ORDO_TESTS_SHADOW_H
#define ORDO_TESTS_SHADOW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SHADOW_KEY_SIZE = 64 };

struct shadow {
    char root[PATH_MAX]; /* real path */
    char path[PATH_MAX];
};

struct shadow_range {
    off_t from, to; /* bytes; empty if from >= to */
};

/* Uses ORDO_FORGET_ROOT and ORDO_FORGET_SHADOW (ROOT.durable). False: ROOT is not set or is no folder. */
bool shadow_from_environment(struct shadow *shadow);
/* Makes the shadow folder if there is none, and takes all that is in ROOT for durable. */
void shadow_begin(const struct shadow *shadow);
/* Whether an absolute path is ROOT or in it. */
bool shadow_covers(const struct shadow *shadow, const char *path);

/* KEY of an open file; false: it has none. */
bool shadow_key(int fd, char key[SHADOW_KEY_SIZE], bool *is_folder, off_t *size);

/* The file's range, and its size, are durable; `is_known` says that all written before has been said, too. */
void shadow_sync_file(const struct shadow *shadow, int fd, const char *key, off_t size, struct shadow_range dirty,
                      bool is_known);
/* The file's range was to be synced and was not. */
void shadow_lose(const struct shadow *shadow, const char *key, struct shadow_range dirty);
/* The names in the folder are durable. */
void shadow_sync_folder(const struct shadow *shadow, int fd, const char *key);

#endif
