/* tools/ordo/op_json.h: what a client got as a committed op, as JSON (common/ot/commit_json.h). */
#ifndef ORDO_TOOLS_OP_JSON_H
#define ORDO_TOOLS_OP_JSON_H

#include "client/c/ordo_client_types.h"
#include "common/buffer.h"

/* Appends one line without its end. INVALID: the op is not of the type `text`, or broken; nothing useful was appended. */
ORDO_MUST_USE ordo_err ordo_op_json(const struct ordo_client_commit *commit, struct ordo_buffer *out);

#endif
