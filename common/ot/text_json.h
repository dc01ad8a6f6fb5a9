/* common/ot/text_json.h: text ops as JSON, in the form of `ot-text-unicode`: [5, "abc", {"d": 2}] retains five code points,
 * inserts three and deletes two.
 *
 * Ownership: both append to what the caller owns. Limits: the caller's; reading makes no more bytes than it reads. */
#ifndef ORDO_COMMON_OT_TEXT_JSON_H
#define ORDO_COMMON_OT_TEXT_JSON_H

#include "common/json.h"

/* Appends the components. False: the bytes are no text op; nothing useful was appended. */
bool ordo_text_json_put(struct ordo_buffer *out, struct ordo_slice op);
/* Appends `,"hints":[…]`, one string for each insert of an op that was put before: "", "follows", "precedes" or "both". Nothing
 * if no insert has any. */
void ordo_text_json_put_hints(struct ordo_buffer *out, struct ordo_slice op);

/* Appends the op that the components say, in its canonical form (neighbours of one kind are one, a retain at the end goes), without
 * hints. False: something else stands there; nothing useful was appended. The text that is read must be valid UTF-8. */
bool ordo_text_json_take(struct json_reader *reader, struct ordo_buffer *op);

#endif
