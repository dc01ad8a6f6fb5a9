#include "tools/ordo/export_line.h"

#include "common/hash.h"
#include "common/ot/text.h"
#include "common/json.h"
#include "tools/ordo/op_json.h"

uint64_t export_sum(uint64_t sum, struct ordo_slice line) { return ordo_hash_with(sum, line); }

static void put_number(struct ordo_buffer *out, const char *name, uint64_t value) {
    json_put_text(out, name);
    json_put_number(out, value);
}

static bool put_string(struct ordo_buffer *out, const char *name, struct ordo_slice text) {
    json_put_text(out, name);
    return json_put_string(out, text);
}

static bool put_document(struct ordo_buffer *out, const struct export_document *document) {
    bool is_good = put_string(out, "{\"document\":{\"collection\":", document->collection) &&
                   put_string(out, ",\"id\":", document->id) && put_string(out, ",\"type\":", document->type);
    put_number(out, ",\"begin_seq\":", document->begin_seq);
    put_number(out, ",\"head\":", document->head);
    put_number(out, ",\"forgotten_seq\":", document->forgotten_seq);
    json_put_text(out, "}}");
    return is_good;
}

static void put_begin(struct ordo_buffer *out, const struct export_begin *begin) {
    put_number(out, "{\"begin\":{\"created_seq\":", begin->created_seq);
    put_number(out, ",\"deleted_seq\":", begin->deleted_seq);
    put_number(out, ",\"timestamp_ms\":", begin->timestamp_ms);
    put_number(out, ",\"length\":", begin->length);
    put_number(out, ",\"size\":", begin->size);
    json_put_text(out, "}}");
}

static bool put_op(struct ordo_buffer *out, const struct ordo_committed *op) {
    static const enum ordo_client_op_kind kinds[] = {
        [ORDO_OP_EDIT] = ORDO_CLIENT_EDIT, [ORDO_OP_DELETE] = ORDO_CLIENT_DELETE, [ORDO_OP_CREATE] = ORDO_CLIENT_CREATE};
    enum ordo_op_kind kind = ordo_committed_kind(op->op_field);
    if (kind == ORDO_OP_EDIT && op->op_field != ordo_type_text.committed_field) return false;
    struct ordo_client_commit commit = {
        .server_seq = op->server_seq, .client_id = op->client_id, .client_seq = op->client_seq, .base_seq = op->base_seq,
        .timestamp_ms = op->timestamp_ms, .user = op->user, .kind = kinds[kind], .op = op->op,
    };
    return ordo_op_json(&commit, out) == ORDO_OK;
}

static bool put_client(struct ordo_buffer *out, const struct export_client *client) {
    json_put_text(out, "{\"client\":{\"client_id\":");
    json_put_hex(out, client->client_id);
    put_number(out, ",\"client_seq\":", client->row.client_seq);
    put_number(out, ",\"server_seq\":", client->row.server_seq);
    put_number(out, ",\"timestamp_ms\":", client->row.timestamp_ms);
    bool is_good = put_string(out, ",\"user\":", client->row.user);
    json_put_text(out, ",\"hash\":");
    json_put_hex64(out, client->row.hash);
    json_put_text(out, "}}");
    return is_good;
}

static void put_end(struct ordo_buffer *out, const struct export_end *end) {
    put_number(out, "{\"end\":{\"ops\":", end->op_count);
    put_number(out, ",\"clients\":", end->client_count);
    put_number(out, ",\"lineage\":", end->lineage);
    json_put_text(out, ",\"checksum\":");
    json_put_hex64(out, end->checksum);
    json_put_text(out, "}}");
}

static bool put_line(struct ordo_buffer *out, const struct export_line *line) {
    switch (line->kind) {
    case EXPORT_HEADER:
        put_number(out, "{\"ordo_export\":{\"version\":", line->version);
        json_put_text(out, "}}");
        return true;
    case EXPORT_DOCUMENT: return put_document(out, &line->document);
    case EXPORT_BEGIN: put_begin(out, &line->begin); return true;
    case EXPORT_CONTENT: {
        bool is_good = put_string(out, "{\"content\":{\"text\":", line->content);
        json_put_text(out, "}}");
        return is_good;
    }
    case EXPORT_OP: return put_op(out, &line->op);
    case EXPORT_CLIENT: return put_client(out, &line->client);
    case EXPORT_END: put_end(out, &line->end); return true;
    case EXPORT_DONE:
        put_number(out, "{\"done\":{\"documents\":", line->document_count);
        json_put_text(out, "}}");
        return true;
    }
    return false;
}

ordo_err export_line_write(const struct export_line *line, struct ordo_buffer *out) {
    size_t start = out->size;
    if (put_line(out, line)) return ORDO_OK;
    out->size = start;
    return ORDO_ERR_INVALID;
}
