/* common/format.h: levels of what is written, to disk and between processes.
 *
 * A cluster's table has a level: nobody writes more than that, so that processes of the version before read all of it, and one
 * can go back to that version. `ordo upgrade finish` raises the level, once all processes know the new one. A store notes the
 * highest level that anything in it may have, durably and before such a thing is written. What each level brought is in
 * docs/storage.md. */
#ifndef ORDO_COMMON_FORMAT_H
#define ORDO_COMMON_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ORDO_FORMAT_MIN = 1,          /* the lowest that this program reads */
    ORDO_FORMAT_CONTENT_HASH = 2, /* records of snapshots have a hash of the content */
};

/* The highest that this program reads and writes. No constant: the tests link programs of the version before, which differ from
 * these in this one object. */
uint32_t ordo_format_max(void);

static inline bool ordo_format_is_known(uint64_t level) {
    return level >= ORDO_FORMAT_MIN && level <= ordo_format_max();
}

#endif
