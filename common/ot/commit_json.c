#include "common/ot/commit_json.h"

static void put_member(struct ordo_buffer *out, const char *name, uint64_t value) {
    json_put_text(out, name);
    json_put_number(out, value);
}

static bool put_op(struct ordo_buffer *out, const struct ordo_commit *commit) {
    switch (commit->kind) {
    case ORDO_COMMIT_EDIT:
        if (!ordo_text_json_put(out, commit->op)) return false;
        ordo_text_json_put_hints(out, commit->op);
        return true;
    case ORDO_COMMIT_DELETE: json_put_text(out, "{\"delete\":true}"); return true;
    case ORDO_COMMIT_CREATE:
        json_put_text(out, "{\"create\":");
        if (!ordo_text_json_put(out, commit->op)) return false;
        json_put_text(out, ",\"type\":");
        if (!json_put_string(out, commit->type)) return false;
        ordo_buffer_append_u8(out, '}');
        ordo_text_json_put_hints(out, commit->op);
        return true;
    }
    return false;
}

ordo_err ordo_commit_json_put(struct ordo_buffer *out, const struct ordo_commit *commit) {
    size_t start = out->size;
    put_member(out, "{\"server_seq\":", commit->server_seq);
    json_put_text(out, ",\"client_id\":");
    json_put_hex(out, commit->client_id);
    put_member(out, ",\"client_seq\":", commit->client_seq);
    put_member(out, ",\"base_seq\":", commit->base_seq);
    put_member(out, ",\"timestamp_ms\":", commit->timestamp_ms);
    json_put_text(out, ",\"user\":");
    bool is_good = json_put_string(out, commit->user);
    json_put_text(out, ",\"op\":");
    is_good = is_good && put_op(out, commit);
    ordo_buffer_append_u8(out, '}');
    if (!is_good) out->size = start;
    return is_good ? ORDO_OK : ORDO_ERR_INVALID;
}
