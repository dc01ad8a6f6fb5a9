/* common/ot/text_typing.h: what a client must remember to set the tie hints of what is typed (docs/protocol.md).
 *
 * "This client's own latest insert" is a run: the latest insert together with what was typed at its edges or inside
 * it since. (Taken literally, as the last keystroke alone, the hints leave one schedule in twenty interleaved where
 * people type at both ends of their run; with the run, none.) It is kept as two positions (code points) in the text
 * as the client shows it now; so every op that changes that text must pass through here, in the order in which it
 * changes the text: own ones by being made here, others', in the form in which they are applied to that text, by
 * `ordo_text_typing_over`. A run of which nothing is left gives no hints.
 *
 * Plain data: copy it, store it, or zero it, which only loses hints. */
#ifndef ORDO_COMMON_OT_TEXT_TYPING_H
#define ORDO_COMMON_OT_TEXT_TYPING_H

#include "common/ot/text.h"

struct ordo_text_typing {
    uint64_t start, end; /* the run; start == end: there is none */
};

/* Appends the op by which this client inserts `text` at `position` and deletes the `count` code points that stand
 * there (either may be none), hints set, and moves the run. Text: valid UTF-8 without U+0000. */
void ordo_text_typing_splice(struct ordo_text_typing *typing, uint64_t position, uint64_t count,
                             struct ordo_slice text, struct ordo_buffer *out);

/* Another client's op changes the text. */
void ordo_text_typing_over(struct ordo_text_typing *typing, struct ordo_slice other);

#endif
