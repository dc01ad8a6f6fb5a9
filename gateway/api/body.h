/* gateway/api/body.h: what the body of a request says, as an op of the type `text`.
 *
 * Limits: the caller bounds the body; an op that comes out too large is told by its size. Ownership: appended to what the caller
 * owns. */
#ifndef ORDO_GATEWAY_API_BODY_H
#define ORDO_GATEWAY_API_BODY_H

#include "common/buffer.h"
#include "gateway/api/request.h"

/* PUT: the text itself becomes the op that inserts it. A text of no bytes is the empty op. False: `fault`. */
bool ordo_api_body_text(struct ordo_slice body, struct ordo_buffer *op, struct ordo_api_fault *fault);

struct ordo_api_op {
    uint64_t base_seq;
    bool has_op_id;
    uint8_t client_id[ORDO_CLIENT_ID_SIZE]; /* of the op_id, if there is one */
    uint64_t client_seq;
    struct ordo_buffer op; /* finish it, whatever the answer was */
};

/* POST: {"base_seq": 12, "op": [5, "abc", {"d": 2}]} and, at choice, "client_id": 32 hex digits with "client_seq": 7.
 * False: `fault`. */
bool ordo_api_body_op(struct ordo_slice body, struct ordo_api_op *out, struct ordo_api_fault *fault);

#endif
