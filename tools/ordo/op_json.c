#include "tools/ordo/op_json.h"

#include "client/c/core/wire.h"
#include "common/ot/commit_json.h"

ordo_err ordo_op_json(const struct ordo_client_commit *from, struct ordo_buffer *out) {
    struct ordo_commit commit = {
        .server_seq = from->server_seq, .client_seq = from->client_seq, .base_seq = from->base_seq,
        .timestamp_ms = from->timestamp_ms, .client_id = from->client_id, .user = from->user, .op = from->op};
    struct ordo_wire_create create;
    switch (from->kind) {
    case ORDO_CLIENT_EDIT: break;
    case ORDO_CLIENT_DELETE: commit.kind = ORDO_COMMIT_DELETE; break;
    case ORDO_CLIENT_CREATE:
        if (!ordo_wire_read_create(from->op, &create)) return ORDO_ERR_INVALID;
        commit.kind = ORDO_COMMIT_CREATE;
        commit.op = create.text;
        commit.type = create.type;
        break;
    }
    return ordo_commit_json_put(out, &commit);
}
