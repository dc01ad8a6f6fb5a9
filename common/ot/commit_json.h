/* common/ot/commit_json.h: a committed op of a text as JSON, for people and programs: one object without a line's end.
 *
 *     {"server_seq": 7, "client_id": "00112233…", "client_seq": 3, "base_seq": 6, "timestamp_ms": …, "user": "ada",
 *      "op": [5, "abc", {"d": 2}]}
 *
 * The op is in the form of text_json.h. A delete of the document is {"delete": true}, a create {"create": [its content],
 * "type": "text"}. Where inserts carry tie hints, "hints" names them. */
#ifndef ORDO_COMMON_OT_COMMIT_JSON_H
#define ORDO_COMMON_OT_COMMIT_JSON_H

#include "common/error.h"
#include "common/ot/text_json.h"

enum ordo_commit_kind { ORDO_COMMIT_EDIT, ORDO_COMMIT_DELETE, ORDO_COMMIT_CREATE };

/* All borrowed. */
struct ordo_commit {
    uint64_t server_seq, client_seq, base_seq, timestamp_ms;
    struct ordo_slice client_id, user;
    enum ordo_commit_kind kind;
    struct ordo_slice op;   /* of an edit; of a create: its content, as an op on nothing */
    struct ordo_slice type; /* of a create */
};

/* Appends. INVALID: the op is not of the type `text`, or broken; then nothing was appended. */
ORDO_MUST_USE ordo_err ordo_commit_json_put(struct ordo_buffer *out, const struct ordo_commit *commit);

#endif
