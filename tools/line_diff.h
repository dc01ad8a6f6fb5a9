/* tools/line_diff.h: what differs between two texts, line by line, for people to read.
 *
 * After the common ends, lines become numbers and are compared by the linear-space version of the O(ND) algorithm of
 * Eugene W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986), section 4b. (The client's
 * text_diff.h is another thing: it makes ops, by code points, and keeps the whole trace.)
 *
 * Bounded for any input: memory is some tens of bytes per line; where two stretches are more than some thousand lines
 * apart, the way to the furthest point found so far is taken, which is a difference as right as any but no longer the
 * shortest; and beyond a number of steps (about a second), or of lines, a stretch is replaced as a whole.
 *
 * A line ends with its LF, which belongs to it: CR LF differs from LF, and a last line without one from one with it.
 * Texts are any bytes, and must stay until the changes are printed. */
#ifndef ORDO_TOOLS_LINE_DIFF_H
#define ORDO_TOOLS_LINE_DIFF_H

#include <stdio.h>

#include "common/slice.h"

struct ordo_line_change { /* lines old_index… are replaced by lines new_index…; one of the counts may be 0 */
    size_t old_index, old_count;
    size_t new_index, new_count;
};

struct ordo_line_diff { /* from left to right, at least one line that stayed between two changes */
    struct ordo_slice old_text, new_text; /* borrowed */
    struct ordo_line_change *changes;
    size_t change_count;
};

void ordo_line_diff_init(struct ordo_line_diff *diff, struct ordo_slice old_text, struct ordo_slice new_text);
void ordo_line_diff_finish(struct ordo_line_diff *diff);
/* Hunks in the unified format, three lines of context; nothing if nothing differs. */
void ordo_line_diff_print(const struct ordo_line_diff *diff, FILE *file, bool is_coloured);

#endif
