/* tools/ordo/op_json.h: a committed op as JSON, for people and scripts.
 *
 *     {"server_seq": 7, "client_id": "00112233…", "client_seq": 3, "base_seq": 6, "timestamp_ms": …, "user": "ada",
 *      "op": [5, "abc", {"d": 2}]}
 *
 * The op is in the form of `ot-text-unicode`: retain so many, insert this, delete so many. A delete of the document is
 * {"delete": true}, a create {"create": [its content], "type": "text"}. Where inserts carry tie hints, "hints" names them, one string
 * for each insert: "", "follows", "precedes" or "both". */
#ifndef ORDO_TOOLS_OP_JSON_H
#define ORDO_TOOLS_OP_JSON_H

#include "client/c/ordo_client_types.h"
#include "common/buffer.h"

/* Appends one line without its end. INVALID: the op is not of the type `text`, or broken; nothing useful was appended. */
ORDO_MUST_USE ordo_err ordo_op_json(const struct ordo_client_commit *commit, struct ordo_buffer *out);

#endif
