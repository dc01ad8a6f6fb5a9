/* tools/load/typist.h: edits as a person makes them, from a seed.
 *
 * Runs of typing at a cursor, a letter or two at a time, with spaces, line ends and now and then a letter outside
 * ASCII; runs of backspace; a jump elsewhere in between. The text is kept around `length_target` code points: beyond it
 * a typist deletes more than it types. Pure. Threads: one owner. */
#ifndef ORDO_TOOLS_LOAD_TYPIST_H
#define ORDO_TOOLS_LOAD_TYPIST_H

#include "common/random.h"
#include "common/slice.h"

struct ordo_typist {
    struct ordo_prng prng;
    uint64_t length_target; /* code points */
    uint64_t cursor;        /* code points; clamped to the text at every edit, as others edit too */
    uint32_t run_left;      /* edits of the current run still to come */
    bool is_deleting;
};

struct ordo_typist_edit {
    uint64_t position, delete_count; /* code points */
    uint8_t text[16];                /* UTF-8 to insert at `position` */
    size_t text_size;
};

void ordo_typist_init(struct ordo_typist *typist, uint64_t seed, uint64_t length_target);
/* The next edit of a text that is `length` code points long. Never empty, never past the end. */
struct ordo_typist_edit ordo_typist_next(struct ordo_typist *typist, uint64_t length);

#endif
