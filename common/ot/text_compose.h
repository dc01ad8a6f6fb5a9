/* common/ot/text_compose.h: two text ops, one after the other, as one op. */
#ifndef ORDO_COMMON_OT_TEXT_COMPOSE_H
#define ORDO_COMMON_OT_TEXT_COMPOSE_H

#include "common/ot/text_codec.h"

/* Puts the spans of the op that does `first`, then `second`, and writes its text to `text_out`, where there must be
 * room for both texts. Returns the size of the text. Does not finish the writer. */
size_t text_compose_spans(struct text_op first, struct text_op second, struct text_writer *out, uint8_t *text_out);

#endif
