/* tests/cluster/forgetful/faults.h: what the disk does wrong, and when.
 *
 * A list `name=number,…` in ORDO_FORGET_FAULTS, or in the file that ORDO_FORGET_CONTROL names (commas or lines; read again
 * whenever it changes, so that a test can break and mend the disk of a running process; replace it by rename):
 *
 *   fail_sync_from=N   the N-th sync of a file (from 1, counted since the last change) and all later ones fail with EIO;
 *                      what they should have written is lost for good
 *   sync_ms=N          each sync takes N ms more
 *   stall_at=N         the N-th sync stalls once …
 *   stall_ms=N         … for so long (5000)
 *   free=N             bytes that can still be written in ROOT; beyond: ENOSPC; statvfs says so, too
 *   skip_real_sync=1   do not ask the real disk to sync: faster, and as good for what the shadow remembers */
#ifndef ORDO_TESTS_FAULTS_H
#define ORDO_TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Called once; then the others from any thread. */
void faults_begin(void);

struct fault_of_sync {
    bool fails, skips_real;
    unsigned delay_ms;
};
struct fault_of_sync faults_next_sync(void);

/* Whether the file system may grow by so many bytes; takes them off what is free. */
bool faults_take_space(uint64_t size);
/* False: free space is the real one. */
bool faults_free_space(uint64_t *free_out);

#endif
