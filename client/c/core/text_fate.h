/* client/c/core/text_fate.h: whether a text holds an op, when nobody remembers.
 *
 * A client that was away for very long may have an op of unknown fate: sent, never answered, and forgotten by the
 * server. All that is left to go by is the text. Two questions, the first one first (docs/decisions.md has the why):
 *  - at the places of the op, does the text read as it does with the op, or as it does without?
 *  - if those places were rewritten: is the text as a whole nearer to the one with the op, or to the one without?
 * It is a guess, so whoever asks must tell a person what was guessed. Cost: two differences (text_diff.h) and a
 * bounded number of searches. */
#ifndef ORDO_CLIENT_CORE_TEXT_FATE_H
#define ORDO_CLIENT_CORE_TEXT_FATE_H

#include "common/slice.h"

/* `op`, valid, was made on `before`; `now` is what others made of `before`, with the op or without. True: likelier with
 * it. If nothing speaks for either: false, so that what was typed is there rather twice than not at all. */
bool ordo_client_text_holds(struct ordo_slice before, struct ordo_slice op, struct ordo_slice now);

#endif
