/* common/directory/lease_file.h: leases on one machine: a small file per holder, which it renews by writing into it.
 *
 * The file says until when the lease holds, by a clock that nobody sets and that runs on while the machine sleeps
 * (CLOCK_BOOTTIME), and in which boot. Renewing takes no lock and no sync, so neither a stopped process nor a slow disk
 * costs anybody his lease. Ending one is a decision, not a reading of clocks: whoever finds it lapsed removes the file,
 * under the directory's lock, and what the holder writes afterwards goes to a file that has no name; that is how it
 * finds out. */
#ifndef ORDO_DIRECTORY_LEASE_FILE_H
#define ORDO_DIRECTORY_LEASE_FILE_H

#include <limits.h>

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

#define ORDO_LEASE_TTL_MAX_MS 600000 /* a file that says more is not ours to believe */

struct ordo_lease_file {
    int fd;          /* -1: no lease is held */
    uint64_t number; /* random, not 0 */
    uint32_t ttl_ms;
    char path[PATH_MAX];
};

/* Makes a lease in `folder` (made if it is not there). `lease` holds none before. Under the directory's lock. Errors as
 * of files.h. */
ORDO_MUST_USE ordo_err ordo_lease_take(struct ordo_lease_file *lease, const char *folder, uint32_t ttl_ms);
/* Whether it is still held. Whether it lapsed does not matter as long as nobody has ended it. */
bool ordo_lease_is_held(const struct ordo_lease_file *lease);
/* Holds it for another `ttl_ms`. False: it was lost, and `lease` holds none any more. */
bool ordo_lease_renew(struct ordo_lease_file *lease);
/* Ends it; nothing to do when none is held. */
void ordo_lease_give_up(struct ordo_lease_file *lease);

/* Whether the lease of that number was ended, or lapsed. */
bool ordo_lease_is_over(const char *folder, uint64_t number);
/* Ends it. Under the directory's lock, and before its keys go. */
void ordo_lease_end(const char *folder, uint64_t number);
/* Ends all that lapsed, and removes what a killed process left half made. Under the directory's lock. */
void ordo_lease_end_lapsed(const char *folder);

#endif
