#include "tools/ordo/op_json.h"

#include "client/c/core/wire.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"
#include "tools/ordo/json.h"

static const char *hint_of(uint64_t span) {
    switch (span & TEXT_BITS_MASK) {
    case 0: return "\"\"";
    case TEXT_FOLLOWS: return "\"follows\"";
    case TEXT_PRECEDES: return "\"precedes\"";
    default: return "\"both\"";
    }
}

static void put_member(struct ordo_buffer *out, const char *name, uint64_t value) {
    json_put_text(out, name);
    json_put_number(out, value);
}

static void put_comma(struct ordo_buffer *out, bool *is_first) {
    if (!*is_first) ordo_buffer_append_u8(out, ',');
    *is_first = false;
}

/* The next `n` code points of `rest`, which must have them. */
static bool put_insert(struct ordo_buffer *out, struct ordo_slice *rest, uint64_t n) {
    if (rest->size == 0) return false;
    size_t size = ordo_utf8_offset(*rest, n);
    bool is_good = json_put_string(out, ordo_slice(rest->data, size));
    *rest = ordo_slice(rest->data + size, rest->size - size);
    return is_good;
}

static bool put_components(struct ordo_buffer *out, struct ordo_slice op) {
    struct text_op text;
    if (!text_op_open(op, &text) || !ordo_utf8_validate(text.text, NULL)) return false;
    bool is_first = true;
    uint64_t span;
    ordo_buffer_append_u8(out, '[');
    while ((span = text_read(&text.spans)) != 0) {
        put_comma(out, &is_first);
        switch (text_span_kind(span)) {
        case TEXT_RETAIN: json_put_number(out, text_span_n(span)); break;
        case TEXT_DELETE:
            put_member(out, "{\"d\":", text_span_n(span));
            ordo_buffer_append_u8(out, '}');
            break;
        case TEXT_INSERT:
            if (!put_insert(out, &text.text, text_span_n(span))) return false;
            break;
        default: return false;
        }
    }
    ordo_buffer_append_u8(out, ']');
    return text.text.size == 0;
}

/* Nothing if no insert has any. The op was read once already. */
static void put_hints(struct ordo_buffer *out, struct ordo_slice op) {
    struct text_op text = text_op_trusted(op);
    size_t start = out->size;
    bool is_first = true, has_hints = false;
    uint64_t span;
    json_put_text(out, ",\"hints\":[");
    while ((span = text_read(&text.spans)) != 0) {
        if (!text_span_is_insert(span)) continue;
        put_comma(out, &is_first);
        json_put_text(out, hint_of(span));
        if ((span & TEXT_BITS_MASK) != 0) has_hints = true;
    }
    ordo_buffer_append_u8(out, ']');
    if (!has_hints) out->size = start;
}

static bool put_op(struct ordo_buffer *out, const struct ordo_client_commit *commit) {
    struct ordo_wire_create create;
    switch (commit->kind) {
    case ORDO_CLIENT_EDIT:
        if (!put_components(out, commit->op)) return false;
        put_hints(out, commit->op);
        return true;
    case ORDO_CLIENT_DELETE: json_put_text(out, "{\"delete\":true}"); return true;
    case ORDO_CLIENT_CREATE:
        json_put_text(out, "{\"create\":");
        if (!ordo_wire_read_create(commit->op, &create) || !put_components(out, create.text)) return false;
        json_put_text(out, ",\"type\":");
        if (!json_put_string(out, create.type)) return false;
        ordo_buffer_append_u8(out, '}');
        put_hints(out, create.text);
        return true;
    }
    return false;
}

ordo_err ordo_op_json(const struct ordo_client_commit *commit, struct ordo_buffer *out) {
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
